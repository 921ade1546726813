/* SPDX-License-Identifier: MIT */
// Weights as pictures.
#include "models/heat.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "models/weights.h"

// ---- Colours -----------------------------------------------------------------------------------

// Over any background: what is weak is nearly transparent. Orange above 0, blue below, which
// everybody tells apart; empty places are a shade off the background.
#define WARM(ALPHA)                                                                                \
    { 224, 98, 6, ALPHA }
#define COLD(ALPHA)                                                                                \
    { 30, 116, 222, ALPHA }
#define TEAL(ALPHA)                                                                                \
    { 0, 150, 136, ALPHA }
#define EMPTY                                                                                      \
    { 128, 128, 128, 26 }

const struct pixmap_colour heat_signed[PIXMAP_COLOURS] = {
    {0, 0, 0, 0}, WARM(62), WARM(94), WARM(126), WARM(158), WARM(190), WARM(222), WARM(255),
    EMPTY,        COLD(62), COLD(94), COLD(126), COLD(158), COLD(190), COLD(222), COLD(255)};

const struct pixmap_colour heat_amount[PIXMAP_COLOURS] = {
    EMPTY,     TEAL(45),  TEAL(60),  TEAL(75),  TEAL(90),  TEAL(105), TEAL(120), TEAL(135),
    TEAL(150), TEAL(165), TEAL(180), TEAL(195), TEAL(210), TEAL(225), TEAL(240), TEAL(255)};

// ---- From values to levels ---------------------------------------------------------------------

// A picture in the making.
struct grid {
    uint32_t width, height;
    float *cell;   // (height, width); NaN: a gap
    bool *touched; // (height, width): a weight fell there, though it may be 0
};

static bool grid_make(struct grid *g, uint32_t width, uint32_t height, struct tnm_error *err) {
    size_t n = (size_t)width * height;
    *g = (struct grid){width, height, calloc(n + 1, sizeof *g->cell), calloc(n + 1, 1)};
    return (g->cell != NULL && g->touched != NULL) || tnm_fail_errno(err, ENOMEM, "picture");
}

static void grid_free(struct grid *g) {
    free(g->cell);
    free(g->touched);
}

static int ascending(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

// The magnitude that one in a hundred cells that are not empty is beyond; 0 where all are.
static bool find_scale(const struct grid *g, float *scale, struct tnm_error *err) {
    size_t n = 0, cells = (size_t)g->width * g->height;
    float *magnitude = malloc((cells + 1) * sizeof *magnitude);
    if (magnitude == NULL)
        return tnm_fail_errno(err, ENOMEM, "picture");
    for (size_t i = 0; i < cells; i++)
        if (fabsf(g->cell[i]) > 0)
            magnitude[n++] = fabsf(g->cell[i]);
    qsort(magnitude, n, sizeof *magnitude, ascending);
    *scale = n > 0 ? magnitude[(n - 1) * 99 / 100] : 0;
    free(magnitude);
    return true;
}

// 1..most.
static uint8_t level_of(float magnitude, float scale, int most) {
    float level = ceilf(magnitude / scale * (float)most);
    return (uint8_t)(level >= (float)most ? most : level >= 1 ? (int)level : 1);
}

static uint8_t signed_level(float cell, bool touched, float scale) {
    if (isnan(cell))
        return HEAT_GAP;
    if (!touched)
        return HEAT_ZERO;
    if (!(scale > 0) || cell == 0)
        return HEAT_POSITIVE;
    uint8_t level = level_of(fabsf(cell), scale, 7);
    return (uint8_t)((cell > 0 ? HEAT_POSITIVE : HEAT_NEGATIVE) + level - 1);
}

static uint8_t amount_level(float cell, bool touched, float scale) {
    if (!touched)
        return 0;
    return scale > 0 ? level_of(cell, scale, 15) : 1;
}

static bool finish(const struct grid *g, uint8_t (*level)(float, bool, float), struct heat *heat,
                   struct tnm_error *err) {
    float scale = 0;
    if (!find_scale(g, &scale, err) || !pixmap_make(&heat->map, g->width, g->height, err))
        return false;
    for (size_t i = 0; i < (size_t)g->width * g->height; i++)
        heat->map.at[i] = level(g->cell[i], g->touched[i], scale);
    return true;
}

static void keep_largest(struct grid *g, size_t at, float w) {
    if (!g->touched[at] || fabsf(w) > fabsf(g->cell[at]))
        g->cell[at] = w;
    g->touched[at] = true;
}

void heat_free(struct heat *heat) {
    pixmap_free(&heat->map);
}

// ---- Whole matrices ----------------------------------------------------------------------------

struct scaled {
    struct grid grid;
    bool turned;
    uint32_t rows_a_pixel, cols_a_pixel;
};

static void see_scaled(void *context, uint32_t row, uint32_t col, float w) {
    struct scaled *s = context;
    uint32_t r = row / s->rows_a_pixel, c = col / s->cols_a_pixel;
    uint32_t x = s->turned ? r : c, y = s->turned ? c : r;
    keep_largest(&s->grid, (size_t)y * s->grid.width + x, w);
}

static uint32_t parts(uint32_t n, uint32_t each) {
    return (n + each - 1) / each;
}

bool heat_matrix(const struct tnm_matrix *m, struct heat *heat, struct tnm_error *err) {
    struct scaled s = {.turned = m->rows > m->cols};
    uint32_t wide = s.turned ? m->rows : m->cols, high = s.turned ? m->cols : m->rows;
    uint32_t each_x = parts(wide, HEAT_MOST_WIDE), each_y = parts(high, HEAT_MOST_HIGH);
    s.rows_a_pixel = s.turned ? each_x : each_y;
    s.cols_a_pixel = s.turned ? each_y : each_x;
    *heat = (struct heat){
        .turned = s.turned, .rows_a_pixel = s.rows_a_pixel, .cols_a_pixel = s.cols_a_pixel};
    bool ok = grid_make(&s.grid, parts(wide, each_x), parts(high, each_y), err);
    if (ok)
        weights_each(m, see_scaled, &s);
    ok = ok && finish(&s.grid, signed_level, heat, err);
    grid_free(&s.grid);
    return ok;
}

// ---- What a layer looks at ---------------------------------------------------------------------

static void see_amount(void *context, uint32_t row, uint32_t col, float w) {
    struct grid *g = context;
    size_t at = col % (g->width * g->height); // channels on each other
    (void)row;
    g->cell[at] += fabsf(w);
    g->touched[at] = true;
}

bool heat_looks_at(const struct tnm_matrix *m, uint32_t width, uint32_t height, struct heat *heat,
                   struct tnm_error *err) {
    struct grid g;
    *heat = (struct heat){0};
    bool ok = grid_make(&g, width, height, err);
    if (ok)
        weights_each(m, see_amount, &g);
    for (size_t i = 0; ok && i < (size_t)width * height; i++)
        heat->seen += g.touched[i];
    ok = ok && finish(&g, amount_level, heat, err);
    grid_free(&g);
    return ok;
}

// ---- Tiles -------------------------------------------------------------------------------------

// Tiles with a pixel between them. A weight's tile is that of its row, and where channels have
// tiles of their own, of its channel.
struct tiles {
    struct grid grid;
    uint32_t width, height; // of a tile
    uint32_t across, down;  // how many
    const int64_t *place;   // (rows): the tile of a row, -1: none; NULL: row and channel tell
};

static void see_tile(void *context, uint32_t row, uint32_t col, float w) {
    struct tiles *t = context;
    uint32_t pixels = t->width * t->height, channel = col / pixels, pixel = col % pixels;
    int64_t place = t->place != NULL ? t->place[row] : -1;
    uint32_t x = row, y = channel;
    if (t->place != NULL && place < 0)
        return;
    if (place >= 0) {
        x = (uint32_t)(place % t->across);
        y = (uint32_t)(place / t->across);
    }
    if (x >= t->across || y >= t->down)
        return;
    x = x * (t->width + 1) + pixel % t->width;
    y = y * (t->height + 1) + pixel / t->width;
    keep_largest(&t->grid, (size_t)y * t->grid.width + x, w);
}

static void put_gaps(struct tiles *t, uint32_t n) {
    const struct grid *g = &t->grid;
    for (uint32_t y = 0; y < g->height; y++)
        for (uint32_t x = 0; x < g->width; x++) {
            uint32_t place = y / (t->height + 1) * t->across + x / (t->width + 1);
            if (x % (t->width + 1) == t->width || y % (t->height + 1) == t->height || place >= n)
                g->cell[(size_t)y * g->width + x] = NAN;
        }
}

// Draws n tiles.
static bool draw_tiles(const struct tnm_matrix *m, struct tiles *t, uint32_t n, struct heat *heat,
                       struct tnm_error *err) {
    heat->tiles = n;
    bool ok =
        grid_make(&t->grid, t->across * (t->width + 1) - 1, t->down * (t->height + 1) - 1, err);
    if (ok) {
        put_gaps(t, n);
        weights_each(m, see_tile, t);
        ok = finish(&t->grid, signed_level, heat, err);
    }
    grid_free(&t->grid);
    return ok;
}

static uint32_t at_least_one(uint32_t n) {
    return n > 0 ? n : 1;
}

static uint32_t smaller(uint32_t a, uint32_t b) {
    return a < b ? a : b;
}

// ---- Units -------------------------------------------------------------------------------------

struct strength {
    double sum;
    uint32_t row;
};

static void see_strength(void *context, uint32_t row, uint32_t col, float w) {
    struct strength *of = context;
    (void)col;
    of[row].sum += fabs((double)w);
}

// The strongest first, equal ones in their order.
static int by_strength(const void *a, const void *b) {
    const struct strength *x = a, *y = b;
    if (x->sum != y->sum)
        return x->sum < y->sum ? 1 : -1;
    return (x->row > y->row) - (x->row < y->row);
}

// The places of the strongest rows that have weights, at most most; returns how many.
static uint32_t rank_units(const struct tnm_matrix *m, struct strength *strength, int64_t *place,
                           uint32_t most) {
    for (uint32_t r = 0; r < m->rows; r++) {
        strength[r] = (struct strength){0, r};
        place[r] = -1;
    }
    weights_each(m, see_strength, strength);
    qsort(strength, m->rows, sizeof *strength, by_strength);
    uint32_t n = 0;
    for (; n < m->rows && n < most && (n == 0 || strength[n].sum > 0); n++)
        place[strength[n].row] = n;
    return n;
}

bool heat_units(const struct tnm_matrix *m, uint32_t width, uint32_t height, struct heat *heat,
                struct tnm_error *err) {
    struct tiles t = {.width = width, .height = height};
    struct strength *strength = calloc((size_t)m->rows + 1, sizeof *strength);
    int64_t *place = calloc((size_t)m->rows + 1, sizeof *place);
    *heat = (struct heat){0};
    bool ok = (strength != NULL && place != NULL) || tnm_fail_errno(err, ENOMEM, "units");
    if (ok) {
        t.across = at_least_one(HEAT_MOST_WIDE / 2 / (width + 1));
        t.down = at_least_one(HEAT_MOST_HIGH / (height + 1));
        uint32_t n = rank_units(m, strength, place, smaller(t.across * t.down, HEAT_MOST_TILES));
        t.place = place;
        t.across = smaller(n, t.across);
        t.down = parts(n, t.across);
        ok = draw_tiles(m, &t, n, heat, err);
    }
    free(strength);
    free(place);
    return ok;
}

// ---- Windows -----------------------------------------------------------------------------------

// Of one channel: output by output, in rows.
static bool draw_single(const struct tnm_matrix *m, struct tiles *t, struct heat *heat,
                        struct tnm_error *err) {
    uint32_t most_across = at_least_one(HEAT_MOST_WIDE / 4 / (t->width + 1));
    uint32_t rows = parts(m->rows, smaller(m->rows, most_across)); // of equal length
    t->across = parts(m->rows, rows);
    t->down = smaller(rows, at_least_one(HEAT_MOST_HIGH / (t->height + 1)));
    int64_t *place = malloc(m->rows * sizeof *place);
    if (place == NULL)
        return tnm_fail_errno(err, ENOMEM, "windows");
    for (uint32_t r = 0; r < m->rows; r++)
        place[r] = r < t->across * t->down ? (int64_t)r : -1;
    t->place = place;
    bool ok = draw_tiles(m, t, smaller(m->rows, t->across * t->down), heat, err);
    free(place);
    return ok;
}

bool heat_windows(const struct tnm_matrix *m, uint32_t width, uint32_t height, struct heat *heat,
                  struct tnm_error *err) {
    struct tiles t = {.width = width, .height = height};
    uint32_t channels = m->cols / (width * height);
    *heat = (struct heat){0};
    if (channels == 1)
        return draw_single(m, &t, heat, err);
    t.across = smaller(m->rows, at_least_one(HEAT_MOST_WIDE / (width + 1)));
    t.down = smaller(channels, at_least_one(HEAT_MOST_HIGH / (height + 1)));
    return draw_tiles(m, &t, t.across * t.down, heat, err);
}
