/* SPDX-License-Identifier: MIT */
// From pixels to the input of a model, by its recipe.
#include "core/prepare.h"

#include "core/error.h"
#include "core/ink.h"
#include "core/raster.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    LONGEST_SIDE = 1 << 24, // what the resizing counts with
    LONGEST_INPUT = 1 << 16,
    BLACK = 24, // the lightest ground of a picture in MNIST's form
    MARKED = 64 // the darkest light that is a mark there
};

// ---- Pictures that are inputs already ----------------------------------------------------------

// Whether at least half of the edge is as good as black: MNIST's digits lie on black and leave the
// edge free, also after a JPEG's ringing.
static bool is_light_on_black(const uint8_t *plane, uint32_t width, uint32_t height) {
    uint32_t black = 0, edge = 0;
    for (uint32_t y = 0; y < height; y++)
        for (uint32_t x = 0; x < width; x++) {
            if (x > 0 && y > 0 && x + 1 < width && y + 1 < height)
                continue;
            edge++;
            black += plane[(size_t)y * width + x] <= BLACK;
        }
    return 2 * black >= edge;
}

static bool is_marked(const uint8_t *plane, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (plane[i] >= MARKED)
            return true;
    return false;
}

static void copy_plane(const struct tnm_pixels *p, int channel, uint8_t *to) {
    for (size_t i = 0; i < (size_t)p->width * p->height; i++) {
        const uint8_t *at = p->at + i * p->channels;
        if (p->channels == 1)
            to[i] = at[0];
        else if (channel == RASTER_GREY)
            to[i] = (uint8_t)((19595u * at[0] + 38470u * at[1] + 7471u * at[2] + 32768u) >> 16);
        else
            to[i] = at[channel];
    }
}

// ---- fit and cover -----------------------------------------------------------------------------

// The channel of the picture that a plane of the input shows.
static int source_channel(const struct tnm_recipe *recipe, uint32_t plane) {
    return recipe->channels == 1 ? RASTER_GREY : (int)plane;
}

// The part of the picture that is seen, and the size that it is given.
struct framing {
    struct raster_part part;
    uint32_t width, height;
};

static uint32_t at_least_1(uint64_t v) {
    return v > 0 ? (uint32_t)v : 1;
}

// a * b / c, rounded.
static uint64_t scaled(uint64_t a, uint64_t b, uint64_t c) {
    return (a * b + c / 2) / c;
}

static struct framing contain(const struct tnm_recipe *r, const struct tnm_pixels *p) {
    struct framing f = {{0, 0, p->width, p->height}, r->width, r->height};
    if ((uint64_t)p->width * r->height >= (uint64_t)p->height * r->width)
        f.height = at_least_1(scaled(p->height, r->width, p->width));
    else
        f.width = at_least_1(scaled(p->width, r->height, p->height));
    return f;
}

static struct framing cover(const struct tnm_recipe *r, const struct tnm_pixels *p) {
    struct framing f = {{0, 0, p->width, p->height}, r->width, r->height};
    if ((uint64_t)p->width * r->height >= (uint64_t)p->height * r->width)
        f.part.width = at_least_1(scaled(p->height, r->width, r->height));
    else
        f.part.height = at_least_1(scaled(p->width, r->height, r->width));
    f.part.x = (p->width - f.part.width) / 2;
    f.part.y = (p->height - f.part.height) / 2;
    return f;
}

static bool frame(const struct tnm_recipe *recipe, const struct tnm_pixels *picture, uint8_t *input,
                  struct tnm_prepared *did, struct tnm_error *err) {
    struct framing f =
        recipe->fit == TNM_FIT_COVER ? cover(recipe, picture) : contain(recipe, picture);
    void *scratch = malloc(tnm_raster_resize_bytes(f.part.width));
    if (scratch == NULL)
        return tnm_fail(err, TNM_ENOMEM, "no memory to resize a picture of %" PRIu32 " x %" PRIu32,
                        picture->width, picture->height);
    size_t plane = (size_t)recipe->width * recipe->height;
    size_t corner =
        (size_t)((recipe->height - f.height) / 2) * recipe->width + (recipe->width - f.width) / 2;
    memset(input, 0, plane * recipe->channels);
    for (uint32_t c = 0; c < recipe->channels; c++)
        tnm_raster_resize(picture, &f.part, source_channel(recipe, c), input + c * plane + corner,
                          f.width, f.height, recipe->width, scratch);
    free(scratch);
    did->found = true;
    did->crop_x = f.part.x;
    did->crop_y = f.part.y;
    did->crop_width = f.part.width;
    did->crop_height = f.part.height;
    return true;
}

// ---- The interface -----------------------------------------------------------------------------

static bool check(const struct tnm_recipe *recipe, const struct tnm_pixels *picture,
                  struct tnm_error *err) {
    if (recipe->fit != TNM_FIT_CONTAIN && recipe->fit != TNM_FIT_COVER &&
        recipe->fit != TNM_FIT_INK)
        return tnm_fail(err, TNM_EINPUT, "this model's input is not a picture");
    if (recipe->width == 0 || recipe->height == 0 || recipe->width > LONGEST_INPUT ||
        recipe->height > LONGEST_INPUT || (recipe->channels != 1 && recipe->channels != 3))
        return tnm_fail(err, TNM_EINPUT,
                        "recipe of %" PRIu32 " x %" PRIu32 " pixels, %" PRIu32 " channels",
                        recipe->width, recipe->height, recipe->channels);
    if (recipe->fit == TNM_FIT_INK &&
        (recipe->box == 0 || recipe->box > recipe->width || recipe->box > recipe->height))
        return tnm_fail(err, TNM_EINPUT, "recipe's box of %" PRIu32 " in %" PRIu32 " x %" PRIu32,
                        recipe->box, recipe->width, recipe->height);
    if (picture->width == 0 || picture->height == 0 || picture->width > LONGEST_SIDE ||
        picture->height > LONGEST_SIDE || (picture->channels != 1 && picture->channels != 3))
        return tnm_fail(err, TNM_EINPUT,
                        "picture of %" PRIu32 " x %" PRIu32 " pixels, %" PRIu32 " channels",
                        picture->width, picture->height, picture->channels);
    return true;
}

// Tries the picture as it is. False if it has another form; input is then undefined.
static bool pass(const struct tnm_recipe *recipe, const struct tnm_pixels *picture, uint8_t *input,
                 struct tnm_prepared *did) {
    size_t n = (size_t)recipe->width * recipe->height;
    bool ink = recipe->fit == TNM_FIT_INK;
    if (picture->width != recipe->width || picture->height != recipe->height)
        return false;
    for (uint32_t c = 0; c < recipe->channels; c++)
        copy_plane(picture, ink ? RASTER_GREY : source_channel(recipe, c), input + c * n);
    if (ink && !is_light_on_black(input, recipe->width, recipe->height))
        return false;
    *did = (struct tnm_prepared){.as_is = true,
                                 .found = !ink || is_marked(input, n),
                                 .crop_width = picture->width,
                                 .crop_height = picture->height};
    return true;
}

bool tnm_prepare(const struct tnm_recipe *recipe, const struct tnm_pixels *picture, uint8_t *input,
                 struct tnm_prepared *did, struct tnm_error *err) {
    *did = (struct tnm_prepared){0};
    if (!check(recipe, picture, err))
        return false;
    if (pass(recipe, picture, input, did))
        return true;
    if (recipe->fit != TNM_FIT_INK)
        return frame(recipe, picture, input, did, err);
    size_t n = (size_t)recipe->width * recipe->height;
    if (!tnm_ink(recipe, picture, input, did, err))
        return false;
    for (uint32_t c = 1; c < recipe->channels; c++)
        memcpy(input + c * n, input, n);
    return true;
}

size_t tnm_prepare_bytes(const struct tnm_recipe *recipe, uint32_t width, uint32_t height) {
    if (recipe->fit != TNM_FIT_INK)
        return tnm_raster_resize_bytes(width);
    return tnm_ink_bytes(recipe, width, height);
}

uint32_t tnm_prepare_least_side(const struct tnm_recipe *recipe) {
    if (recipe->fit == TNM_FIT_INK)
        return 480;
    return 2 * (recipe->width > recipe->height ? recipe->width : recipe->height);
}

// 1/255 in two parts. A pixel times the first is exact, so the sum rounds once, and for each of the
// 256 values it is what a division gives, in a third of the time.
void tnm_prepare_scale(const uint8_t *restrict pixel, size_t n, float *restrict x) {
    const float first = 0x1.01p-8f, rest = (float)(1.0 / 255 - 0x1.01p-8);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)pixel[i] * first + (float)pixel[i] * rest;
}
