/* SPDX-License-Identifier: MIT */
// From the pixels of a picture to the 8-bit input of a model, by the model's recipe. Knows no
// picture format: daemon and forge decode, this prepares.
#ifndef TNM_PREPARE_H
#define TNM_PREPARE_H

#include "core/tnm.h"

// Decoded pixels, upright, borrowed. Rows follow each other without gaps; RGB is interleaved.
struct tnm_pixels {
    uint32_t width, height;
    uint32_t channels; // 1 grey, 3 RGB
    const uint8_t *at; // (height, width, channels)
};

// What was done, in pixels of the picture given.
struct tnm_prepared {
    bool as_is;                                       // had the input's form already
    bool inverted;                                    // ink: was dark on light
    bool found;                                       // ink: a mark was found; else all is black
    uint32_t crop_x, crop_y, crop_width, crop_height; // what the input shows
};

// Fills input (channels, height, width) of the recipe. A picture of exactly the input's size in the
// recipe's form (for ink: light on black) passes unchanged. TNM_EINPUT for a recipe of TNM_FIT_NONE
// or an empty picture, TNM_ENOMEM. Needs at most tnm_prepare_bytes of memory while it runs.
bool tnm_prepare(const struct tnm_recipe *recipe, const struct tnm_pixels *picture, uint8_t *input,
                 struct tnm_prepared *did, struct tnm_error *err) TNM_MUST_CHECK;

size_t tnm_prepare_bytes(const struct tnm_recipe *recipe, uint32_t width, uint32_t height);

// The smallest side in pixels below which a decoder should not scale a picture down for this
// recipe.
uint32_t tnm_prepare_least_side(const struct tnm_recipe *recipe);

// x[i] = pixel[i] / 255, the same float everywhere.
void tnm_prepare_scale(const uint8_t *pixel, size_t n, float *x);

#endif
