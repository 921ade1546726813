/* SPDX-License-Identifier: MIT */
// Products with a layer that has few weights left.
#include "models/sparse.h"

#include <string.h>

#define NAME(x) x##_4
#define TARGET
#define LANES 4
#include "models/sparse_sum.inc"

#if defined(__x86_64__) && defined(__GNUC__)
#define HAVE_WIDE 1
#define NAME(x) x##_8
#define TARGET __attribute__((target("avx2,fma")))
#define LANES 8
#include "models/sparse_sum.inc"
#else
#define HAVE_WIDE 0
#define sum_8 sum_4
#define dots_8 dots_4
#endif

static bool wide(void) {
#if HAVE_WIDE
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
    return false;
#endif
}

// ---- Lists -------------------------------------------------------------------------------------

enum { PART = 8 }; // floats for each weight's gradient

static size_t entries(const struct net_layer *layer) {
    return (size_t)layer->rows * layer->cols;
}

static size_t count(const struct net_layer *layer) {
    size_t n = 0;
    for (size_t i = 0; i < entries(layer); i++)
        n += layer->keep[i];
    return n;
}

static size_t room_for(const struct net_layer *layer, const struct sparse_shape *shape) {
    size_t n = count(layer), most = (size_t)((double)shape->most * (double)entries(layer));
    return n < most ? n : most;
}

size_t sparse_bytes(const struct net_layer *layer, const struct sparse_shape *shape) {
    size_t words = 6 + PART; // of a weight: at, from and value twice, part
    return (words * room_for(layer, shape) + layer->rows + shape->inputs + 2) * sizeof(float);
}

bool sparse_batch_shape(uint32_t rows, uint32_t cols, size_t n, struct sparse_shape *shape) {
    uint32_t step = (uint32_t)sparse_lanes(n);
    *shape = (struct sparse_shape){.inputs = cols,
                                   .groups = 1,
                                   .taps = 1,
                                   .tap_width = 1,
                                   .in_step = step,
                                   .out_step = step,
                                   .most = 0.25f};
    return ((size_t)rows + cols) * sparse_lanes(n) <= UINT32_MAX;
}

static void *take(char **at, size_t n) {
    void *piece = *at;
    *at += n * sizeof(float);
    return piece;
}

static void place_list(struct sparse_list *list, char **at, size_t lines, size_t n) {
    list->start = take(at, lines + 1);
    list->at = take(at, n);
    list->from = take(at, n);
    list->value = take(at, n);
}

void sparse_place(struct sparse *s, const struct net_layer *layer, const struct sparse_shape *shape,
                  void *memory) {
    char *at = memory;
    *s = (struct sparse){.layer = layer, .shape = *shape};
    s->room = (uint32_t)room_for(layer, shape);
    s->part = take(&at, PART * (size_t)s->room);
    place_list(&s->by_row, &at, layer->rows, s->room);
    place_list(&s->by_input, &at, shape->inputs, s->room);
    sparse_look(s);
}

struct place {
    uint32_t input, shift;
};

// Of the weight in row r and column c.
static struct place place_of(const struct sparse *s, uint32_t r, uint32_t c) {
    const struct sparse_shape *shape = &s->shape;
    uint32_t group = r / (s->layer->rows / shape->groups), tap = c % shape->taps;
    return (struct place){group * (shape->inputs / shape->groups) + c / shape->taps,
                          tap / shape->tap_width * shape->down +
                              tap % shape->tap_width * shape->across};
}

static void list_rows(struct sparse *s) {
    const struct net_layer *layer = s->layer;
    struct sparse_list *list = &s->by_row;
    uint32_t n = 0;
    for (uint32_t r = 0; r < layer->rows; r++) {
        list->start[r] = n;
        const uint8_t *keep = layer->keep + (size_t)r * layer->cols;
        for (uint32_t c = 0; c < layer->cols; c++) {
            if (!keep[c])
                continue;
            struct place place = place_of(s, r, c);
            list->at[n] = r * layer->cols + c;
            list->from[n++] = place.input * s->shape.in_step + place.shift;
        }
    }
    list->start[layer->rows] = n;
}

// From the list of rows: counted, then dealt out in its order.
static void list_inputs(struct sparse *s) {
    struct sparse_list *list = &s->by_input;
    uint32_t cols = s->layer->cols, *start = list->start;
    memset(start, 0, (s->shape.inputs + 1) * sizeof *start);
    for (uint32_t k = 0; k < s->n; k++)
        start[place_of(s, s->by_row.at[k] / cols, s->by_row.at[k] % cols).input + 1]++;
    for (uint32_t i = 0; i < s->shape.inputs; i++)
        start[i + 1] += start[i];
    for (uint32_t k = 0; k < s->n; k++) {
        uint32_t row = s->by_row.at[k] / cols;
        struct place place = place_of(s, row, s->by_row.at[k] % cols);
        uint32_t to = start[place.input]++;
        list->at[to] = s->by_row.at[k];
        list->from[to] = row * s->shape.out_step + s->shape.margin - place.shift;
    }
    memmove(start + 1, start, s->shape.inputs * sizeof *start); // each is where the next begins
    start[0] = 0;
}

void sparse_look(struct sparse *s) {
    size_t n = count(s->layer);
    s->on = n <= s->room && n < entries(s->layer);
    if (!s->on)
        return;
    s->n = (uint32_t)n;
    list_rows(s);
    list_inputs(s);
}

void sparse_read(const struct sparse *s, struct sparse_list *list) {
    for (uint32_t k = 0; k < s->n; k++)
        list->value[k] = s->layer->w[list->at[k]];
}

// ---- Sums --------------------------------------------------------------------------------------

void sparse_sum(const struct sparse_list *list, uint32_t line, const float *in, size_t len,
                float *out) {
    uint32_t k = list->start[line], n = list->start[line + 1] - k;
    if (n > 0)
        (wide() ? sum_8 : sum_4)(n, list->from + k, list->value + k, in, len, out);
}

void sparse_clear(const struct sparse *s) {
    memset(s->part, 0, PART * (size_t)s->n * sizeof *s->part);
}

void sparse_multiply(const struct sparse *s, uint32_t row, const float *d, const float *in,
                     size_t len) {
    uint32_t k = s->by_row.start[row], n = s->by_row.start[row + 1] - k;
    float *part = s->part + PART * (size_t)k;
    (wide() ? dots_8 : dots_4)(n, s->by_row.from + k, d, in, len, part);
}

void sparse_store(const struct sparse *s, float *d_w) {
    const float *p = s->part;
    for (uint32_t k = 0; k < s->n; k++, p += PART)
        d_w[s->by_row.at[k]] = ((p[0] + p[4]) + (p[1] + p[5])) + ((p[2] + p[6]) + (p[3] + p[7]));
}

// ---- Vectors over a batch ----------------------------------------------------------------------

typedef float four __attribute__((vector_size(16), aligned(4), may_alias));
typedef int32_t four_places __attribute__((vector_size(16)));
enum { SIDE = 4 };

// to (4, 4) = or += from (4, 4) transposed.
static void turn_tile(const float *from, size_t from_step, float *to, size_t to_step, bool add) {
    const four a = *(const four *)from, b = *(const four *)(from + from_step);
    const four c = *(const four *)(from + 2 * from_step), d = *(const four *)(from + 3 * from_step);
    const four_places low = {0, 4, 1, 5}, high = {2, 6, 3, 7};
    const four ac[2] = {__builtin_shuffle(a, c, low), __builtin_shuffle(a, c, high)};
    const four bd[2] = {__builtin_shuffle(b, d, low), __builtin_shuffle(b, d, high)};
    for (size_t i = 0; i < 2; i++) {
        four *even = (four *)(to + 2 * i * to_step), *odd = (four *)(to + (2 * i + 1) * to_step);
        *even = __builtin_shuffle(ac[i], bd[i], low) + (add ? *even : (four){0});
        *odd = __builtin_shuffle(ac[i], bd[i], high) + (add ? *odd : (four){0});
    }
}

static void turn_rest(const float *from, size_t from_step, size_t rows, size_t cols, float *to,
                      size_t to_step, bool add) {
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < cols; c++)
            to[c * to_step + r] = from[r * from_step + c] + (add ? to[c * to_step + r] : 0);
}

// to (cols, rows) = or += from (rows, cols) transposed.
static void turn(const float *from, size_t from_step, size_t rows, size_t cols, float *to,
                 size_t to_step, bool add) {
    size_t whole_rows = rows / SIDE * SIDE, whole_cols = cols / SIDE * SIDE;
    for (size_t r = 0; r < whole_rows; r += SIDE)
        for (size_t c = 0; c < whole_cols; c += SIDE)
            turn_tile(from + r * from_step + c, from_step, to + c * to_step + r, to_step, add);
    turn_rest(from + whole_cols, from_step, whole_rows, cols - whole_cols,
              to + whole_cols * to_step, to_step, add);
    turn_rest(from + whole_rows * from_step, from_step, rows - whole_rows, cols, to + whole_rows,
              to_step, add);
}

enum { BLOCK = 32 }; // columns at a time, so that what is written stays in the first cache

void sparse_turn(const float *x, size_t n, size_t width, size_t step, float *to) {
    for (size_t c = 0; c < width; c += BLOCK)
        turn(x + c, width, n, width - c < BLOCK ? width - c : BLOCK, to + c * step, step, false);
    for (size_t c = 0; c < width && n < sparse_lanes(n); c++)
        memset(to + c * step + n, 0, (sparse_lanes(n) - n) * sizeof *to);
}

void sparse_turn_back(const float *from, size_t n, size_t width, size_t step, bool add, float *x) {
    for (size_t c = 0; c < width; c += BLOCK)
        turn(from + c * step, step, width - c < BLOCK ? width - c : BLOCK, n, x + c, width, add);
}
