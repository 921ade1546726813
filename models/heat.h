/* SPDX-License-Identifier: MIT */
// Pictures of weight matrices: where weights are left, how large they are, and of which sign.
//
// In signed pictures a pixel is the weight itself, or of the weights that fall on it the one of
// largest magnitude: HEAT_ZERO where none is left, up to 7 levels above and below. The largest
// level begins where one in a hundred pixels that are not empty is beyond it. HEAT_GAP lies between
// tiles.
#ifndef HEAT_H
#define HEAT_H

#include "core/matrix.h"
#include "models/pixmap.h"

enum {
    HEAT_GAP = 0,
    HEAT_POSITIVE = 1, // ..7, weak to strong
    HEAT_ZERO = 8,
    HEAT_NEGATIVE = 9, // ..15

    HEAT_MOST_WIDE = 348, // pixels of a picture
    HEAT_MOST_HIGH = 240,
    HEAT_MOST_TILES = 24, // of units
};

extern const struct pixmap_colour heat_signed[PIXMAP_COLOURS];
extern const struct pixmap_colour heat_amount[PIXMAP_COLOURS]; // 0 none, 1..15

// What a picture shows.
struct heat {
    struct pixmap map;
    bool turned;           // inputs downwards, not outputs
    uint32_t rows_a_pixel; // matrices: rows and columns that fall on a pixel
    uint32_t cols_a_pixel;
    uint32_t tiles; // tiles: how many are shown
    uint32_t seen;  // amounts: pixels of which anything is left
};

// The whole matrix, scaled down; turned where that is the wider way to lie.
bool heat_matrix(const struct tnm_matrix *m, struct heat *heat,
                 struct tnm_error *err) TNM_MUST_CHECK;

// The sum of |w| that leads away from each pixel of a picture, (channels, height, width) being the
// columns of m: what the layer looks at.
bool heat_looks_at(const struct tnm_matrix *m, uint32_t width, uint32_t height, struct heat *heat,
                   struct tnm_error *err) TNM_MUST_CHECK;

// What the rows with the largest sums of |w| see of that picture, the largest first.
bool heat_units(const struct tnm_matrix *m, uint32_t width, uint32_t height, struct heat *heat,
                struct tnm_error *err) TNM_MUST_CHECK;

// A convolution's windows: outputs from left to right, their input channels downwards; of one input
// channel, row by row.
bool heat_windows(const struct tnm_matrix *m, uint32_t width, uint32_t height, struct heat *heat,
                  struct tnm_error *err) TNM_MUST_CHECK;

void heat_free(struct heat *heat);

#endif
