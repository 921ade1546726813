/* SPDX-License-Identifier: MIT */
// Variations of a picture that leave its class as it is.
//
// The picture is copied into a plane with a margin of zeros; the pen acts there. Then each pixel of
// the result looks up where it comes from: an affine map plus a smooth displacement, which is a
// tensor product of cubic B-splines over a coarse grid of random nodes.
#include "models/augment.h"

#include "core/error.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    MARGIN = 2, // a coordinate is held within one pixel of the picture; its neighbours exist
    CELLS = 4   // of the grid of nodes along each side: 7 pixels of 28
};

// What random nodes of deviation 1 leave of it between the nodes, on average: the sum of squares of
// the B-spline weights is 0.479 for each axis.
static const float bending_per_node = 0.479f;

struct augment augment_of_strength(float strength) {
    return (struct augment){.rotate = 9 * strength,
                            .scale = 0.1f * strength,
                            .shear = 0.1f * strength,
                            .shift = 1.2f * strength,
                            .elastic = 0.8f * strength,
                            .thicker = fminf(1, 0.8f * strength),
                            .thinner = fminf(1, 0.5f * strength)};
}

// ---- Memory and tables -------------------------------------------------------------------------

// The value at distance t (in cells) from its node of the cubic B-spline.
static float spline(float t) {
    t = fabsf(t);
    if (t < 1)
        return (4 - 6 * t * t + 3 * t * t * t) / 6;
    return t < 2 ? (2 - t) * (2 - t) * (2 - t) / 6 : 0;
}

static void fill_basis(float *basis, uint32_t nodes, uint32_t side) {
    for (uint32_t k = 0; k < nodes; k++)
        for (uint32_t x = 0; x < side; x++)
            basis[k * side + x] = spline(((float)x + 0.5f) * CELLS / (float)side - ((float)k - 1));
}

bool augment_open(struct augment_bench *bench, uint32_t width, uint32_t height, uint32_t channels,
                  struct tnm_error *err) {
    const uint32_t nodes = CELLS + 3;
    size_t plane = (size_t)(width + 2 * MARGIN) * (height + 2 * MARGIN);
    size_t basis = (size_t)nodes * (width + height);
    size_t total = 2 * plane + basis + 2 * nodes * nodes + 2 * (size_t)width;
    *bench = (struct augment_bench){width, height, channels, nodes, nodes, .memory = NULL};
    bench->memory = calloc(total, sizeof(float));
    if (bench->memory == NULL)
        return tnm_fail_errno(err, ENOMEM, "augmentation of %ux%u", width, height);
    float *at = bench->memory;
    bench->plane = at, at += plane;
    bench->drawn = at, at += plane;
    bench->basis_x = at, at += (size_t)nodes * width;
    bench->basis_y = at, at += (size_t)nodes * height;
    for (int i = 0; i < 2; i++) {
        bench->node[i] = at, at += nodes * nodes;
        bench->from[i] = at, at += width;
    }
    fill_basis(bench->basis_x, nodes, width);
    fill_basis(bench->basis_y, nodes, height);
    return true;
}

void augment_close(struct augment_bench *bench) {
    free(bench->memory);
    *bench = (struct augment_bench){0};
}

// ---- One picture -------------------------------------------------------------------------------

// Where a pixel at x, y from the centre comes from, before bending:
// (xx x + xy y + x0, yx x + yy y + y0), in pixels of the plane without margin.
struct affine {
    float xx, xy, x0, yx, yy, y0;
};

static struct affine draw_affine(const struct augment *how, const struct augment_bench *bench,
                                 struct rng *rng) {
    bool mirrored = how->mirror && rng_below(rng, 2) == 1;
    float angle = rng_between(rng, -how->rotate, how->rotate) * 0.017453293f;
    float sx = 1 / (1 + rng_between(rng, -how->scale, how->scale));
    float sy = 1 / (1 + rng_between(rng, -how->scale, how->scale));
    float shear = rng_between(rng, -how->shear, how->shear);
    float c = cosf(angle), s = sinf(angle);
    struct affine a = {
        .xx = c * sx, .xy = (c * shear - s) * sx, .yx = s * sy, .yy = (s * shear + c) * sy};
    if (mirrored)
        a.xx = -a.xx, a.yx = -a.yx;
    float unit_x = (float)bench->width / 28, unit_y = (float)bench->height / 28;
    a.x0 = (float)(bench->width - 1) / 2 + unit_x * rng_between(rng, -how->shift, how->shift);
    a.y0 = (float)(bench->height - 1) / 2 + unit_y * rng_between(rng, -how->shift, how->shift);
    return a;
}

static void draw_bending(const struct augment *how, struct augment_bench *bench, struct rng *rng) {
    for (int axis = 0; axis < 2; axis++) {
        float unit = (float)(axis == 0 ? bench->width : bench->height) / 28;
        float reach = how->elastic * unit / bending_per_node * 1.7320508f; // uniform: sqrt 3
        for (uint32_t i = 0; i < bench->nodes_x * bench->nodes_y; i++)
            bench->node[axis][i] = rng_between(rng, -reach, reach);
    }
}

static void copy_in(const struct augment_bench *bench, const uint8_t *pixel) {
    size_t stride = bench->width + 2 * MARGIN;
    for (uint32_t y = 0; y < bench->height; y++) {
        float *row = bench->plane + (y + MARGIN) * stride + MARGIN;
        for (uint32_t x = 0; x < bench->width; x++)
            row[x] = (float)pixel[(size_t)y * bench->width + x] / 255;
    }
}

static float larger(float a, float b) {
    return a > b ? a : b;
}

static float smaller(float a, float b) {
    return a < b ? a : b;
}

// drawn = plane moved by amount of the way to the largest (above 0) or smallest (below) of each
// pixel and its four neighbours.
static void draw_with_pen(const struct augment_bench *bench, float amount) {
    size_t stride = bench->width + 2 * MARGIN;
    for (size_t y = MARGIN - 1; y < bench->height + MARGIN + 1; y++) {
        const float *at = bench->plane + y * stride, *up = at - stride, *down = at + stride;
        float *out = bench->drawn + y * stride;
        if (amount >= 0)
            for (size_t x = 1; x < stride - 1; x++) {
                float most = larger(larger(at[x - 1], at[x + 1]), larger(up[x], down[x]));
                out[x] = at[x] + amount * (larger(most, at[x]) - at[x]);
            }
        else
            for (size_t x = 1; x < stride - 1; x++) {
                float least = smaller(smaller(at[x - 1], at[x + 1]), smaller(up[x], down[x]));
                out[x] = at[x] - amount * (smaller(least, at[x]) - at[x]);
            }
    }
}

// Where row y of the result comes from.
static void find_row(const struct augment_bench *bench, const struct affine *a, uint32_t y) {
    const uint32_t width = bench->width;
    float down = (float)y - (float)(bench->height - 1) / 2;
    float start[2] = {a->x0 + a->xy * down, a->y0 + a->yy * down};
    float step[2] = {a->xx, a->yx};
    for (int axis = 0; axis < 2; axis++) {
        float *from = bench->from[axis];
        float first = start[axis] - step[axis] * (float)(width - 1) / 2;
        for (uint32_t x = 0; x < width; x++)
            from[x] = first + step[axis] * (float)x;
        for (uint32_t k = 0; k < bench->nodes_x; k++) {
            float bend = 0;
            for (uint32_t j = 0; j < bench->nodes_y; j++)
                bend += bench->basis_y[j * bench->height + y] *
                        bench->node[axis][j * bench->nodes_x + k];
            const float *basis = bench->basis_x + k * width;
            for (uint32_t x = 0; x < width; x++)
                from[x] += bend * basis[x];
        }
    }
}

static float within(float x, float high) {
    return x < 1 ? 1 : x > high ? high : x;
}

// Reads the places of a row from drawn, between its pixels.
static void read_row(const struct augment_bench *bench, float *out) {
    size_t stride = bench->width + 2 * MARGIN;
    float right = (float)(bench->width + MARGIN), bottom = (float)(bench->height + MARGIN);
    for (uint32_t x = 0; x < bench->width; x++) {
        float px = within(bench->from[0][x] + MARGIN, right);
        float py = within(bench->from[1][x] + MARGIN, bottom);
        uint32_t ix = (uint32_t)px, iy = (uint32_t)py;
        float wx = px - (float)ix, wy = py - (float)iy;
        const float *at = bench->drawn + iy * stride + ix;
        float above = at[0] + wx * (at[1] - at[0]);
        float below = at[stride] + wx * (at[stride + 1] - at[stride]);
        out[x] = above + wy * (below - above);
    }
}

void augment_run(const struct augment *how, struct augment_bench *bench, struct rng *rng,
                 const uint8_t *pixel, float *out) {
    size_t elements = (size_t)bench->width * bench->height;
    struct affine affine = draw_affine(how, bench, rng);
    float pen = rng_between(rng, -how->thinner, how->thicker);
    draw_bending(how, bench, rng);
    for (uint32_t c = 0; c < bench->channels; c++) {
        copy_in(bench, pixel + c * elements);
        draw_with_pen(bench, pen);
        for (uint32_t y = 0; y < bench->height; y++) {
            find_row(bench, &affine, y);
            read_row(bench, out + c * elements + (size_t)y * bench->width);
        }
    }
}
