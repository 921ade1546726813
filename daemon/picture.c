/* SPDX-License-Identifier: MIT */
// Pictures: which format, within which limits, turned upright, and all the way to a model's input.
#include "daemon/picture.h"

#include "core/error.h"
#include "daemon/decoders.h"

#include <inttypes.h>
#include <stdlib.h>

enum picture_format picture_sniff(struct bytes file) {
    static const uint8_t png[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    if (file.len >= 3 && file.at[0] == 0xff && file.at[1] == 0xd8 && file.at[2] == 0xff)
        return PICTURE_JPEG;
    if (file.len >= sizeof png && memcmp(file.at, png, sizeof png) == 0)
        return PICTURE_PNG;
    if (file.len >= 3 && file.at[0] == 'P' && memchr("2356", file.at[1], 4) != NULL &&
        memchr(" \t\n\v\f\r#", file.at[2], 7) != NULL)
        return PICTURE_PNM;
    return PICTURE_UNKNOWN;
}

const char *picture_format_name(enum picture_format format) {
    static const char *const name[] = {"unknown", "jpeg", "png", "pnm"};
    return name[format];
}

static bool unknown(struct tnm_error *err) {
    return tnm_fail(err, TNM_EUNSUPPORTED, "not a picture of a known format: JPEG, PNG, PGM, PPM");
}

bool picture_cost(struct bytes file, const struct picture_wish *wish, size_t *bytes,
                  struct tnm_error *err) {
    *bytes = 0;
    switch (picture_sniff(file)) {
    case PICTURE_JPEG:
        return jpeg_cost(file, wish, bytes, err);
    case PICTURE_PNG:
        return png_cost(file, wish, bytes, err);
    case PICTURE_PNM:
        return pnm_cost(file, wish, bytes, err);
    case PICTURE_UNKNOWN:
        break;
    }
    return unknown(err);
}

static bool decode(enum picture_format format, struct bytes file, const struct picture_wish *wish,
                   struct picture *picture, struct tnm_error *err) {
    switch (format) {
    case PICTURE_JPEG:
        return jpeg_decode(file, wish, picture, err);
    case PICTURE_PNG:
        return png_decode(file, wish, picture, err);
    case PICTURE_PNM:
        return pnm_decode(file, wish, picture, err);
    case PICTURE_UNKNOWN:
        break;
    }
    return unknown(err);
}

bool picture_decode(struct bytes file, const struct picture_wish *wish, struct picture *picture,
                    struct tnm_error *err) {
    enum picture_format format = picture_sniff(file);
    *picture = (struct picture){0};
    if (wish->channels != 1 && wish->channels != 3)
        return tnm_fail(err, TNM_EINPUT, "%" PRIu32 " channels wanted of a picture, not 1 or 3",
                        wish->channels);
    if (!decode(format, file, wish, picture, err)) {
        picture_free(picture);
        return false;
    }
    picture->format = format;
    return true;
}

void picture_free(struct picture *picture) {
    free(picture->at);
    *picture = (struct picture){0};
}

// ---- Limits and memory, for the decoders -------------------------------------------------------

bool picture_check_pixels(const struct picture_wish *wish, uint32_t width, uint32_t height,
                          struct tnm_error *err) {
    uint64_t pixels = (uint64_t)width * height;
    if (pixels == 0)
        return tnm_fail(err, TNM_EFORMAT, "picture of %" PRIu32 " x %" PRIu32 " pixels", width,
                        height);
    if (pixels > wish->max_pixels)
        return tnm_fail(err, TNM_ELIMIT,
                        "picture of %" PRIu32 " x %" PRIu32 " = %" PRIu64
                        " pixels, the limit is %" PRIu64 " (max-pixels)",
                        width, height, pixels, wish->max_pixels);
    return true;
}

bool picture_check_bytes(const struct picture_wish *wish, uint64_t bytes, struct tnm_error *err) {
    if (bytes > wish->max_bytes)
        return tnm_fail(err, TNM_ELIMIT,
                        "picture takes %" PRIu64 " bytes of memory to decode, the limit is %zu",
                        bytes, wish->max_bytes);
    return true;
}

bool picture_take(struct picture *picture, const struct picture_wish *wish, uint32_t width,
                  uint32_t height, struct tnm_error *err) {
    picture->at = calloc((size_t)width * height, wish->channels);
    if (picture->at == NULL)
        return tnm_fail(err, TNM_ENOMEM, "no memory for a picture of %" PRIu32 " x %" PRIu32, width,
                        height);
    picture->width = width;
    picture->height = height;
    picture->channels = wish->channels;
    return true;
}

// ---- Orientation -------------------------------------------------------------------------------

// Where in the stored pixels the upright picture's first pixel lies, and how far, in pixels, the
// next one to the right and the next one down are.
struct walk {
    ptrdiff_t start, right, down;
};

static struct walk walk_of(uint32_t orientation, ptrdiff_t w, ptrdiff_t h) {
    switch (orientation) {
    case 2: // mirrored
        return (struct walk){w - 1, -1, w};
    case 3: // upside down
        return (struct walk){w * h - 1, -1, -w};
    case 4: // upside down and mirrored
        return (struct walk){w * (h - 1), 1, -w};
    case 5: // rows are columns
        return (struct walk){0, w, 1};
    case 6: // lies on its left side
        return (struct walk){w * (h - 1), -w, 1};
    case 7: // rows are columns, from the far corner
        return (struct walk){w * h - 1, -w, -1};
    case 8: // lies on its right side
        return (struct walk){w - 1, w, -1};
    default:
        return (struct walk){0, 1, w};
    }
}

bool picture_turn(struct picture *picture, uint32_t orientation, struct tnm_error *err) {
    picture->orientation = orientation;
    if (orientation == 1)
        return true;
    size_t channels = picture->channels;
    uint32_t width = orientation < 5 ? picture->width : picture->height;
    uint32_t height = orientation < 5 ? picture->height : picture->width;
    uint8_t *upright = malloc((size_t)width * height * channels);
    if (upright == NULL)
        return tnm_fail(err, TNM_ENOMEM, "no memory to turn a picture of %" PRIu32 " x %" PRIu32,
                        width, height);
    struct walk walk = walk_of(orientation, picture->width, picture->height);
    uint8_t *to = upright;
    for (uint32_t y = 0; y < height; y++) {
        ptrdiff_t from = walk.start + (ptrdiff_t)y * walk.down;
        for (uint32_t x = 0; x < width; x++, from += walk.right, to += channels)
            memcpy(to, picture->at + from * (ptrdiff_t)channels, channels);
    }
    free(picture->at);
    picture->at = upright;
    picture->width = width;
    picture->height = height;
    return true;
}

// ---- All the way -------------------------------------------------------------------------------

static struct picture_wish wish_for(const struct tnm_recipe *recipe,
                                    const struct picture_wish *limits) {
    struct picture_wish wish = *limits;
    wish.channels = recipe->channels == 3 && recipe->fit != TNM_FIT_INK ? 3 : 1;
    wish.least_side = tnm_prepare_least_side(recipe);
    return wish;
}

bool picture_to_input_cost(struct bytes file, const struct tnm_recipe *recipe,
                           const struct picture_wish *limits, size_t *bytes,
                           struct tnm_error *err) {
    struct picture_wish wish = wish_for(recipe, limits);
    return picture_cost(file, &wish, bytes, err);
}

bool picture_to_input(struct bytes file, const struct tnm_recipe *recipe,
                      const struct picture_wish *limits, uint8_t *input, struct picture *picture,
                      struct tnm_prepared *did, struct tnm_error *err) {
    struct picture_wish wish = wish_for(recipe, limits);
    struct picture decoded;
    if (picture != NULL)
        *picture = (struct picture){0};
    if (!picture_decode(file, &wish, &decoded, err))
        return false;
    struct tnm_pixels pixels = {decoded.width, decoded.height, decoded.channels, decoded.at};
    uint64_t held = (uint64_t)decoded.width * decoded.height * decoded.channels;
    bool ok = picture_check_bytes(
                  &wish, held + tnm_prepare_bytes(recipe, pixels.width, pixels.height), err) &&
              tnm_prepare(recipe, &pixels, input, did, err);
    free(decoded.at);
    decoded.at = NULL;
    if (ok && picture != NULL)
        *picture = decoded;
    return ok;
}
