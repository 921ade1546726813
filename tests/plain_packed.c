/* SPDX-License-Identifier: MIT */
// Section 6.1 of FORMAT.md, sentence by sentence: numbers and matrices.
#include "tests/plain_packed.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct state {
    struct plain_stream *in;
    struct plain_model zero[2], sign, length[20], top[21];
    struct plain_model count[32][32], low_bit[32][8];
    struct plain_model a[12][14], b[12][64], c[10][32], e[12][32][4], f[8][64][4];
    struct plain_weights set_gap[10], set_place[12][14], set_shape[64];
    struct plain_model sign_near[3][3][3], sign_sum[5], sign_far[3][3];
    struct plain_weights set_width[2], set_crowd[8];
    struct plain_model size_row[25][2][8], size_density[25][12], size_near[25][64],
        size_mean[25][8];
    struct plain_weights set_step[4], set_last[64];
    uint64_t rows, cols, width;
    int64_t *level;                      // (rows, cols)
    int64_t *n, *m, *a_of, *b_of, *f_of; // (cols)
    bool fed;
    int64_t lowest, highest; // levels are lowest to -1 and 1 to highest
};

// ---- Numbers and lists -------------------------------------------------------------------------

static int64_t number(struct state *s, int context) {
    if (plain_by(s->in, &s->zero[context]) == 1)
        return 0;
    int negative = plain_by(s->in, &s->sign), l = 0;
    while (l < 20 && plain_by(s->in, &s->length[l]) == 1)
        l++;
    int64_t v = 1;
    if (l >= 1)
        v = 2 + plain_by(s->in, &s->top[l]);
    if (l >= 2)
        v = v * (1 << (l - 1)) + plain_bits(s->in, l - 1);
    return negative == 1 ? -v : v;
}

static float f32(uint32_t bits) {
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

static float f16(uint32_t bits) {
    int exponent = bits / 1024 % 32;
    double fraction = bits % 1024, sign = bits / 32768 == 1 ? -1 : 1;
    if (exponent == 31)
        return NAN;
    return (float)(sign *
                   (exponent == 0 ? ldexp(fraction, -24) : ldexp(fraction + 1024, exponent - 25)));
}

// row_is_empty (n) or NULL.
static void list(struct state *s, float *value, uint64_t n, bool chain, const bool *row_is_empty) {
    if (plain_bits(s->in, 1) == 0) {
        bool half = plain_bits(s->in, 1) == 1;
        for (uint64_t i = 0; i < n; i++)
            value[i] = half ? f16(plain_bits(s->in, 16)) : f32(plain_bits(s->in, 32));
        return;
    }
    double step = (double)f32(plain_bits(s->in, 32));
    int64_t before = -1;
    for (uint64_t i = 0; i < n; i++) {
        int64_t v = number(s, row_is_empty != NULL && row_is_empty[i]);
        if (chain)
            before = v = v + before + 1;
        value[i] = (float)(step * (double)v);
    }
}

// ---- Columns and neighbours --------------------------------------------------------------------

static int64_t level_at(const struct state *s, uint64_t r, int64_t k) {
    return s->level[r * s->cols + (uint64_t)k];
}

// n of a place of the picture, 0 outside.
static int64_t entries_at(const struct state *s, int64_t x, int64_t y) {
    int64_t k = y * (int64_t)s->width + x;
    return x < 0 || y < 0 || x >= (int64_t)s->width || k >= (int64_t)s->cols ? 0 : s->n[k];
}

static int64_t density(const struct state *s, int64_t sum, int64_t w, int64_t h, int64_t total,
                       int64_t feeding) {
    int64_t cols = (int64_t)s->cols;
    int64_t value = (1024 * sum + h * w * feeding) * cols / (w * (16 * total + h * cols)) + 4;
    return value < 1048576 ? value : 1048576;
}

static void densities(struct state *s, int64_t total) {
    for (int64_t k = 0; k < (int64_t)s->cols; k++) {
        int64_t f = s->f_of[k], near, wide = 0;
        if (s->width == 0) {
            s->a_of[k] = density(s, s->n[k], 1, s->fed ? 32 : 16, total, f);
            s->b_of[k] = plain_within(f + 4, 0, 1048576);
            continue;
        }
        int64_t x = k % (int64_t)s->width, y = k / (int64_t)s->width;
        near = 2 * s->n[k] + entries_at(s, x - 1, y) + entries_at(s, x + 1, y) +
               entries_at(s, x, y - 1) + entries_at(s, x, y + 1);
        for (int i = 0; i < 25; i++)
            wide += entries_at(s, x + i % 5 - 2, y + i / 5 - 2);
        s->a_of[k] = density(s, near, 6, 16, total, f);
        s->b_of[k] = density(s, wide, 25, 4, total, f);
    }
}

enum { LEFT, UP, UP_LEFT, UP_RIGHT, LEFT2, UP2 };

static void neighbours(const struct state *s, uint64_t r, int64_t k, int64_t at[6], int *shape,
                       int *crowd) {
    int64_t w = (int64_t)s->width, x = w > 0 ? k % w : k, y = w > 0 ? k / w : 0;
    at[LEFT] = x >= 1 ? level_at(s, r, k - 1) : 0;
    at[LEFT2] = x >= 2 ? level_at(s, r, k - 2) : 0;
    at[UP] = y >= 1 ? level_at(s, r, k - w) : 0;
    at[UP2] = y >= 2 ? level_at(s, r, k - 2 * w) : 0;
    at[UP_LEFT] = y >= 1 && x >= 1 ? level_at(s, r, k - w - 1) : 0;
    at[UP_RIGHT] = y >= 1 && x + 1 < w ? level_at(s, r, k - w + 1) : 0;
    *shape = *crowd = 0;
    for (int i = 0; i < 6; i++)
        if (at[i] != 0) {
            *shape += 1 << i;
            ++*crowd;
        }
}

static int below(int64_t x, const int *edge, int n) {
    int count = 0;
    for (int i = 0; i < n; i++)
        count += edge[i] <= x;
    return count;
}

static int bucket_q(int64_t x) {
    static const int edge[] = {4, 6, 10, 16, 25, 40, 64, 102, 161, 256, 406};
    return below(x, edge, 11);
}

static int bucket_d(int64_t x) {
    static const int edge[] = {161,  256,  406,   645,   1024,  1625, 2580,
                               4096, 6502, 10321, 16384, 26008, 41285};
    return below(x, edge, 13);
}

static int bucket_g(int64_t x) {
    static const int edge[] = {2, 3, 4, 6, 9, 14, 23, 41, 81};
    return below(x, edge, 9);
}

// ---- Entries -----------------------------------------------------------------------------------

struct entry { // what is known when column k of row r comes up
    uint64_t r;
    int64_t k, to_come, gap, last; // last level in this row, 0 before the first
    int L, shape, crowd;
    int64_t at[6];
};

static int least(int64_t a, int b) {
    return a < b ? (int)a : b;
}

static int presence(struct state *s, const struct entry *e) {
    int64_t a = s->a_of[e->k], b = s->b_of[e->k];
    int64_t need = e->to_come * 65536 / ((int64_t)s->cols - e->k);
    int64_t u = plain_within(plain_shift(need * a, 6), 0, 60000),
            v = plain_within(plain_shift(need * b, 6), 0, 60000);
    int g = bucket_g(e->gap), d = bucket_d(need), q = bucket_q(a);
    const struct plain_mixture m = {5,
                                    2,
                                    3,
                                    {&s->a[bucket_q(b)][d], &s->b[q][e->shape], &s->c[g][e->L],
                                     &s->e[q][e->L][least(e->crowd, 3)],
                                     &s->f[least(g, 7)][e->shape][least(s->n[e->k], 3)]},
                                    {s->in->stretch[u], s->in->stretch[v]},
                                    {&s->set_gap[g], &s->set_place[q][d], &s->set_shape[e->shape]}};
    for (int i = 0; i < 5; i++)
        if (m.model[i]->n == 0)
            m.model[i]->q = (u > 4 ? u : 4) * 4096;
    return plain_mixed(s->in, &m);
}

static int sign_class(int64_t level) {
    return level == 0 ? 0 : level < 0 ? 1 : 2;
}

static int direction(int64_t level) {
    return level == 0 ? 0 : level < 0 ? -1 : 1;
}

static int negative(struct state *s, const struct entry *e) {
    if (s->lowest == 0 || s->highest == 0)
        return s->highest == 0;
    int64_t diagonal = e->at[UP_LEFT] != 0 ? e->at[UP_LEFT] : e->at[UP_RIGHT];
    int64_t far = e->at[UP2] != 0 ? e->at[UP2] : e->at[LEFT2];
    const struct plain_mixture m = {
        3,
        0,
        2,
        {&s->sign_near[sign_class(e->at[LEFT])][sign_class(e->at[UP])][sign_class(diagonal)],
         &s->sign_sum[2 + direction(e->at[LEFT]) + direction(e->at[UP])],
         &s->sign_far[sign_class(e->last)][sign_class(far)]},
        {0},
        {&s->set_width[s->width > 0], &s->set_crowd[e->crowd]}};
    return plain_mixed(s->in, &m);
}

static int64_t magnitude(int64_t x) {
    return x < 0 ? -x : x;
}

static int64_t size(struct state *s, const struct entry *e, int sign) {
    int64_t most = sign == 1 ? -s->lowest : s->highest, near = 0, i = 1;
    int mean = s->n[e->k] > 0 ? least(2 * s->m[e->k] / s->n[e->k], 7) : 0;
    for (int k = LEFT; k <= UP_RIGHT; k++)
        near = magnitude(e->at[k]) > near ? magnitude(e->at[k]) : near;
    for (; i <= most - 1 && i <= 24; i++) {
        const struct plain_mixture m = {
            4,
            0,
            2,
            {&s->size_row[i][sign][least(e->L, 7)], &s->size_density[i][bucket_q(s->a_of[e->k])],
             &s->size_near[i][least(near, 63)], &s->size_mean[i][mean]},
            {0},
            {&s->set_step[least(i, 3)], &s->set_last[least(magnitude(e->last), 63)]}};
        if (plain_mixed(s->in, &m) == 0)
            return i;
    }
    return i == 25 && most > 25 ? plain_within(25 + magnitude(number(s, 0)), 1, most) : most;
}

// ---- Rows --------------------------------------------------------------------------------------

static int64_t row_count(struct state *s, int *l_before) {
    int l = 0;
    while ((1ll << (l + 1)) - 1 <= (int64_t)s->cols &&
           plain_by(s->in, &s->count[*l_before][l]) == 1)
        l++;
    int64_t plus = 1;
    for (int i = l - 1; i >= 0; i--)
        plus = 2 * plus + plain_by(s->in, &s->low_bit[l][least(l - 1 - i, 7)]);
    *l_before = l;
    return plus - 1;
}

static void row_entries(struct state *s, uint64_t r, int64_t count) {
    struct entry e = {.r = r, .to_come = count, .L = (int)floor(log2((double)count + 1))};
    int64_t last = -1;
    for (e.k = 0; e.k < (int64_t)s->cols && e.to_come > 0; e.k++) {
        e.gap = e.k - last;
        neighbours(s, r, e.k, e.at, &e.shape, &e.crowd);
        if ((int64_t)s->cols - e.k > e.to_come && presence(s, &e) == 0)
            continue;
        int sign = negative(s, &e);
        int64_t level = size(s, &e, sign);
        e.last = sign == 1 ? -level : level;
        s->level[r * s->cols + (uint64_t)e.k] = e.last;
        e.to_come--;
        last = e.k;
    }
}

static bool rows(struct state *s, int64_t nonzeros, uint64_t *counts) {
    int64_t total = 0;
    int l = 0;
    for (uint64_t r = 0; r < s->rows; r++) {
        int64_t count = row_count(s, &l);
        if (count > (int64_t)s->cols || total + count > nonzeros)
            return false;
        counts[r] = (uint64_t)count;
        if (count == 0)
            continue;
        densities(s, total);
        row_entries(s, r, count);
        for (uint64_t k = 0; k < s->cols; k++) {
            int64_t level = s->level[r * s->cols + k];
            s->n[k] += level != 0;
            s->m[k] += magnitude(level);
        }
        total += count;
    }
    return total == nonzeros;
}

// ---- The matrix --------------------------------------------------------------------------------

#define MODELS(FIELD) plain_start_models(&s->FIELD, sizeof s->FIELD)
#define WEIGHTS(FIELD, W) plain_start_weights(&s->FIELD, sizeof s->FIELD, W)

static void start(struct state *s) {
    MODELS(zero), MODELS(sign), MODELS(length), MODELS(top), MODELS(count), MODELS(low_bit);
    MODELS(a), MODELS(b), MODELS(c), MODELS(e), MODELS(f);
    MODELS(sign_near), MODELS(sign_sum), MODELS(sign_far);
    MODELS(size_row), MODELS(size_density), MODELS(size_near), MODELS(size_mean);
    WEIGHTS(set_gap, 4096), WEIGHTS(set_place, 4096), WEIGHTS(set_shape, 4096);
    WEIGHTS(set_width, 21845), WEIGHTS(set_crowd, 21845);
    WEIGHTS(set_step, 16384), WEIGHTS(set_last, 16384);
}

static void feed(struct state *s, const struct plain_packed *before) {
    uint64_t R = before != NULL ? before->rows : 0, sum = 0;
    for (uint64_t r = 0; r < R; r++)
        sum += before->counts[r];
    s->fed = sum > 0 && s->cols % R == 0;
    for (uint64_t k = 0; k < s->cols; k++)
        s->f_of[k] = s->fed ? (int64_t)(64 * R * before->counts[k / (s->cols / R)] / sum) : 64;
}

// Whether centroid i stands before k in ascending order; NaN anywhere.
static bool ascends(const float *value, uint64_t i, uint64_t k) {
    bool minus_i = signbit(value[i]) != 0, minus_k = signbit(value[k]) != 0;
    if (minus_i != minus_k)
        return minus_i;
    return value[i] != value[k] ? value[i] < value[k] : i < k;
}

// code (n): the centroid of each rank.
static void order(struct state *s, const float *value, uint64_t n, uint64_t *code) {
    for (uint64_t i = 0; i < n; i++) {
        uint64_t rank = 0;
        for (uint64_t k = 0; k < n; k++)
            rank += ascends(value, k, i);
        code[rank < n ? rank : 0] = i;
        s->lowest -= signbit(value[i]) != 0;
    }
    s->highest = (int64_t)n + s->lowest;
}

static int decode(struct state *s, struct plain_packed *p) {
    uint64_t code[256] = {0};
    list(s, p->codebook, p->n_centroids, true, NULL);
    for (uint64_t i = 0; i < p->n_centroids; i++)
        if (!isfinite(p->codebook[i]))
            return 59;
    order(s, p->codebook, p->n_centroids, code);
    if (!rows(s, (int64_t)p->nonzeros, p->counts))
        return 74;
    for (uint64_t i = 0; i < s->rows * s->cols; i++) {
        int64_t level = s->level[i];
        p->code[i] = level == 0 ? -1 : (int)code[level - s->lowest - (level > 0)];
    }
    bool *empty = calloc(s->rows, sizeof *empty);
    for (uint64_t r = 0; empty != NULL && r < s->rows; r++)
        empty[r] = p->counts[r] == 0;
    if (p->bias != NULL)
        list(s, p->bias, s->rows, false, empty);
    free(empty);
    for (uint64_t r = 0; p->bias != NULL && r < s->rows; r++)
        if (!isfinite(p->bias[r]))
            return 59;
    return 0;
}

int plain_unpack_next(struct plain_stream *in, struct plain_packed *p,
                      const struct plain_packed *before) {
    struct state *s = calloc(1, sizeof *s);
    int64_t *columns = calloc(5 * p->cols, sizeof *columns);
    int rule = -1;
    if (s != NULL && columns != NULL) {
        *s = (struct state){.in = in, .rows = p->rows, .cols = p->cols};
        s->width = p->width;
        s->level = calloc(p->rows * p->cols, sizeof *s->level);
        s->n = columns;
        s->m = columns + p->cols;
        s->a_of = columns + 2 * p->cols;
        s->b_of = columns + 3 * p->cols;
        s->f_of = columns + 4 * p->cols;
        start(s);
        feed(s, before);
        rule = s->level != NULL ? decode(s, p) : -1;
        free(s->level);
    }
    free(columns);
    free(s);
    return rule;
}

int plain_unpack(const uint8_t *at, size_t len, struct plain_packed *p,
                 const struct plain_packed *before) {
    struct plain_stream *in = plain_stream_open(at, len);
    int rule = in != NULL ? plain_unpack_next(in, p, before) : -1;
    rule = rule == 0 ? plain_stream_end(in) : rule;
    free(in);
    return rule;
}
