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
    size_t total = 2 * plane + basis + 2 * nodes * nodes + (2 * (size_t)nodes + 3) * width;
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
        bench->across[i] = at, at += (size_t)nodes * width;
        bench->from[i] = at, at += width;
    }
    bench->at = (void *)at;
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

// The tensor product's half that is the same for all rows of the picture.
static void sum_nodes(struct augment_bench *bench) {
    const size_t width = bench->width;
    for (int axis = 0; axis < 2; axis++)
        for (uint32_t j = 0; j < bench->nodes_y; j++) {
            float *restrict across = bench->across[axis] + j * width;
            memset(across, 0, width * sizeof *across);
            for (uint32_t k = 0; k < bench->nodes_x; k++) {
                float node = bench->node[axis][j * bench->nodes_x + k];
                const float *restrict basis = bench->basis_x + k * width;
                for (size_t x = 0; x < width; x++)
                    across[x] += node * basis[x];
            }
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

// from (width) = a line from first in steps, bent by four rows of nodes.
static void bend_line(float first, float step, const float b[4], const float *restrict across,
                      size_t width, float *restrict from) {
    const float *one = across + width, *two = one + width, *three = two + width;
    for (size_t x = 0; x < width; x++)
        from[x] = first + step * (float)(int32_t)x + b[0] * across[x] + b[1] * one[x] +
                  b[2] * two[x] + b[3] * three[x];
}

// Where row y of the result comes from. A spline reaches two cells from its node, so that four rows
// of nodes meet.
static void find_row(const struct augment_bench *bench, const struct affine *a, uint32_t y) {
    const size_t width = bench->width, height = bench->height;
    size_t cell = (size_t)(((float)y + 0.5f) * CELLS / (float)height);
    float down = (float)y - (float)(height - 1) / 2;
    float start[2] = {a->x0 + a->xy * down, a->y0 + a->yy * down};
    float step[2] = {a->xx, a->yx};
    const float *basis = bench->basis_y + cell * height + y;
    const float b[4] = {basis[0], basis[height], basis[2 * height], basis[3 * height]};
    for (int axis = 0; axis < 2; axis++)
        bend_line(start[axis] - step[axis] * (float)(width - 1) / 2, step[axis], b,
                  bench->across[axis] + cell * width, width, bench->from[axis]);
}

static float within(float x, float high) {
    float above = x < 1 ? 1 : x;
    return above > high ? high : above;
}

// Parts the places of a row into whole pixels (at) and shares of the next ones, left in x and y.
static void part_row(const struct augment_bench *bench, float *restrict from_x,
                     float *restrict from_y, int32_t *restrict at) {
    const size_t width = bench->width;
    const int32_t stride = (int32_t)width + 2 * MARGIN;
    const float right = (float)(width + MARGIN), bottom = (float)(bench->height + MARGIN);
    for (size_t x = 0; x < width; x++) {
        float px = within(from_x[x] + MARGIN, right), py = within(from_y[x] + MARGIN, bottom);
        int32_t ix = (int32_t)px, iy = (int32_t)py;
        from_x[x] = px - (float)ix;
        from_y[x] = py - (float)iy;
        at[x] = iy * stride + ix;
    }
}

// Reads the places of a row from drawn, between its pixels.
static void read_row(const struct augment_bench *bench, float *restrict out) {
    const size_t width = bench->width, stride = width + 2 * MARGIN;
    const float *restrict share_x = bench->from[0], *restrict share_y = bench->from[1];
    part_row(bench, bench->from[0], bench->from[1], bench->at);
    for (size_t x = 0; x < width; x++) {
        const float *up = bench->drawn + bench->at[x], *down = up + stride;
        float above = up[0] + share_x[x] * (up[1] - up[0]);
        float below = down[0] + share_x[x] * (down[1] - down[0]);
        out[x] = above + share_y[x] * (below - above);
    }
}

void augment_run(const struct augment *how, struct augment_bench *bench, struct rng *rng,
                 const uint8_t *pixel, float *out) {
    size_t elements = (size_t)bench->width * bench->height;
    struct affine affine = draw_affine(how, bench, rng);
    float pen = rng_between(rng, -how->thinner, how->thicker);
    draw_bending(how, bench, rng);
    sum_nodes(bench);
    for (uint32_t c = 0; c < bench->channels; c++) {
        copy_in(bench, pixel + c * elements);
        draw_with_pen(bench, pen);
        for (uint32_t y = 0; y < bench->height; y++) {
            find_row(bench, &affine, y);
            read_row(bench, out + c * elements + (size_t)y * bench->width);
        }
    }
}
