/* SPDX-License-Identifier: MIT */
// Any bytes as a picture: decoded within the limits or refused, and made an input. The first byte
// chooses what is wished for, the rest is the file.
#include <stdlib.h>

#include "daemon/picture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void become_input(struct bytes file, const struct picture_wish *wish, enum tnm_fit fit) {
    struct tnm_recipe recipe = {
        .width = 28, .height = 28, .channels = wish->channels, .fit = fit, .box = 20};
    uint8_t input[28 * 28 * 3];
    struct tnm_prepared did;
    struct tnm_error err;
    if (picture_to_input(file, &recipe, wish, input, NULL, &did, &err) && !did.found &&
        fit != TNM_FIT_INK)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1)
        return 0;
    struct picture_wish wish = {.channels = data[0] & 1 ? 3 : 1,
                                .least_side = data[0] & 2 ? 16 : 0,
                                .max_pixels = 300000,
                                .max_bytes = 8 << 20};
    struct bytes file = {data + 1, size - 1};
    struct picture picture;
    struct tnm_error err;
    size_t cost = 0;
    bool affordable = picture_cost(file, &wish, &cost, &err);
    bool ok = picture_decode(file, &wish, &picture, &err);
    if (ok && (!affordable || cost > wish.max_bytes || picture.width == 0 || picture.height == 0 ||
               (uint64_t)picture.width * picture.height * wish.channels > cost))
        abort();
    if (!ok && (picture.at != NULL || err.code == TNM_OK))
        abort();
    picture_free(&picture);
    if (ok)
        become_input(file, &wish, data[0] & 4 ? TNM_FIT_CONTAIN : TNM_FIT_INK);
    return 0;
}
