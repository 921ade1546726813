/* SPDX-License-Identifier: MIT */
// Every table of kernels against double precision and against the scalar one, on guarded memory.
#include <check.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/layout.h"
#include "tests/guard.h"
#include "tests/nets.h"

// ---- Tables
// --------------------------------------------------------------------------------------

enum { MAX_TABLES = 3 };

// All that this processor can run, scalar first.
static unsigned tables(struct tnm_kernels table[MAX_TABLES]) {
    unsigned flags = tnm_cpu_flags(), n = 0;
    tnm_kernels_pick(&table[n++], 0);
    if (flags & TNM_CPU_NEON)
        tnm_kernels_pick(&table[n++], TNM_CPU_NEON);
    if (flags & TNM_CPU_AVX2)
        tnm_kernels_pick(&table[n++], flags);
    return n;
}

START_TEST(flags_choose_the_table) {
    struct tnm_kernels table[MAX_TABLES];
    unsigned n = tables(table);
    ck_assert_str_eq(table[0].name, "scalar");
    for (unsigned i = 1; i < n; i++)
        ck_assert_int_eq(strncmp(table[i].name, "neon", 4), 0);
    for (unsigned i = 1; i < n; i++)
        ck_assert_str_ne(table[i].name, table[i - 1].name);
}
END_TEST

START_TEST(environment_turns_features_off) {
    setenv("TNM_CPU_OFF", "neon", 1);
    struct tnm_kernels table;
    tnm_kernels_pick(&table, tnm_cpu_flags());
    ck_assert_str_eq(table.name, "scalar");
    setenv("TNM_CPU_OFF", "avx2", 1);
    unsigned without_avx2 = tnm_cpu_flags();
    unsetenv("TNM_CPU_OFF");
    ck_assert_uint_eq(without_avx2, tnm_cpu_flags() & ~(unsigned)TNM_CPU_AVX2);
}
END_TEST

// ---- Gates
// ---------------------------------------------------------------------------------------

enum { PLACES = 43 }; // vectors and a rest

// By hand, in double precision, from a cell of 0.75.
static void lstm_by_hand(const float *row, double *cell, double *out) {
    double gate[4];
    for (int k = 0; k < 4; k++)
        gate[k] = k == 2 ? tanh((double)row[k * PLACES]) : 1 / (1 + exp(-(double)row[k * PLACES]));
    *cell = gate[1] * 0.75 + gate[0] * gate[2];
    *out = gate[3] * tanh(*cell);
}

// Sums from -120 to 120, and around 0, half of each from the memory.
START_TEST(gates_are_as_near_as_they_promise) {
    struct tnm_kernels table[MAX_TABLES];
    unsigned n = tables(table);
    float sum[4 * PLACES], half[4 * PLACES], cell[2][PLACES], out[2][PLACES];
    for (int i = 0; i < 4 * PLACES; i++) {
        float x = (float)(i * 89 % (4 * PLACES) - 2 * PLACES) / (2 * PLACES);
        sum[i] = _i == 0 ? 120 * x : _i == 1 ? 6 * x : 0x1p-10F * x;
        half[i] = sum[i] / 2;
    }
    for (unsigned t = 0; t < 2 * n; t++) {
        unsigned at = t == 0 ? 0 : 1;
        for (int i = 0; i < PLACES; i++)
            cell[at][i] = 0.75F;
        table[t / 2].lstm(half, half, PLACES, cell[at], out[at]);
        ck_assert_mem_eq(cell[0], cell[at], sizeof cell[0]);
        ck_assert_mem_eq(out[0], out[at], sizeof out[0]);
    }
    for (int i = 0; i < PLACES; i++) {
        double want_cell, want_out;
        lstm_by_hand(sum + i, &want_cell, &want_out);
        ck_assert_double_eq_tol((double)cell[0][i], want_cell, 0x1p-20);
        ck_assert_double_eq_tol((double)out[0][i], want_out, 0x1p-20);
    }
}
END_TEST

// ---- Weights on guarded pages
// --------------------------------------------------------------------

struct weights {
    struct tnm_matrix matrix;
    struct tnm_layout layout; // views of its arrays below
    struct tnm_rows rows;
    struct tnm_columns columns;
    struct tnm_dense dense;
    struct tnm_blocks blocks; // tall or wide
    struct tnm_block_columns wide_columns;
    size_t record_len, steps;
};

static uint64_t count_records(const struct tnm_rows *rows) {
    uint64_t n = 0;
    for (uint32_t g = 0; g < rows->n_groups; g++)
        n += rows->group[g].n_records;
    return n;
}

static void guard_rows(struct weights *w) {
    w->rows = w->layout.rows;
    w->record_len = count_records(&w->rows) * tnm_record_bytes(w->rows.form);
    w->rows.group = guard_copy(w->rows.group, w->rows.n_groups * sizeof *w->rows.group);
    w->rows.record = guard_copy(w->rows.record, w->record_len);
}

static void guard_columns(struct weights *w) {
    struct tnm_columns *c = &w->columns;
    *c = w->layout.columns;
    if (c->start == NULL)
        return;
    c->record = guard_copy(c->record, c->start[c->cols] * sizeof *c->record);
    c->start = guard_copy(c->start, (c->cols + 1) * sizeof *c->start);
    c->bias = guard_copy(c->bias, (c->rows + TNM_SCATTER) * sizeof *c->bias);
}

static bool is_tall(const struct weights *w) {
    return w->layout.tall.strip != NULL;
}

static void guard_blocks(struct weights *w) {
    struct tnm_blocks *b = &w->blocks;
    *b = is_tall(w) ? w->layout.tall : w->layout.wide;
    if (b->strip == NULL)
        return;
    for (uint32_t s = 0; s < b->n_strips; s++)
        w->steps += b->strip[s].n_steps;
    size_t fours = w->steps * (is_tall(w) ? 4 : 8);
    b->strip = guard_copy(b->strip, b->n_strips * sizeof *b->strip);
    b->offset = guard_copy(b->offset, fours * sizeof *b->offset);
    b->weight = guard_copy(b->weight, 4 * fours * sizeof *b->weight);
}

static void guard_block_columns(struct weights *w) {
    struct tnm_block_columns *c = &w->wide_columns;
    *c = w->layout.wide_columns;
    if (c->start == NULL)
        return;
    uint32_t n = tnm_block_columns_of(c->cols), records = c->start[n];
    c->start = guard_copy(c->start, (n + 1) * sizeof *c->start);
    c->offset = guard_copy(c->offset, 4 * records * sizeof *c->offset);
    c->weight = guard_copy(c->weight, 16 * records * sizeof *c->weight);
    c->bias = guard_copy(c->bias, (c->rows + TNM_SCATTER) * sizeof *c->bias);
}

static void free_blocks(struct weights *w) {
    const struct tnm_blocks *b = &w->blocks;
    const struct tnm_block_columns *c = &w->wide_columns;
    size_t fours = w->steps * (is_tall(w) ? 4 : 8);
    if (b->strip != NULL) {
        guard_free((void *)b->strip, b->n_strips * sizeof *b->strip);
        guard_free((void *)b->offset, fours * sizeof *b->offset);
        guard_free((void *)b->weight, 4 * fours * sizeof *b->weight);
    }
    if (c->start == NULL)
        return;
    uint32_t n = tnm_block_columns_of(c->cols), records = c->start[n];
    guard_free((void *)c->start, (n + 1) * sizeof *c->start);
    guard_free((void *)c->offset, 4 * records * sizeof *c->offset);
    guard_free((void *)c->weight, 16 * records * sizeof *c->weight);
    guard_free((void *)c->bias, (c->rows + TNM_SCATTER) * sizeof *c->bias);
}

static void make_weights(struct weights *w, const struct nets_weights *form, uint32_t rows,
                         uint32_t cols, struct randomness *r) {
    struct tnm_error err = {.text = ""};
    nets_matrix(&w->matrix, rows, cols, form, r);
    struct tnm_use use = {.matrix = &w->matrix, .reads_input = true};
    ck_assert_msg(tnm_layout_make(&w->layout, &use, &err), "%s", err.text);
    ck_assert_uint_le(w->layout.bytes, tnm_layout_bound(&use));
    if (w->layout.dense.w != NULL) {
        w->dense = w->layout.dense;
        w->dense.w = guard_copy(w->dense.w, (size_t)rows * cols * sizeof(float));
        w->dense.bias = guard_copy(w->dense.bias, rows * sizeof(float));
    } else {
        guard_rows(w);
        guard_columns(w);
        guard_blocks(w);
        guard_block_columns(w);
    }
}

static void free_weights(struct weights *w) {
    size_t rows = w->matrix.rows, cols = w->matrix.cols;
    guard_free((void *)w->dense.w, rows * cols * sizeof(float));
    guard_free((void *)w->dense.bias, rows * sizeof(float));
    guard_free((void *)w->rows.group, w->rows.n_groups * sizeof *w->rows.group);
    guard_free((void *)w->rows.record, w->record_len);
    if (w->columns.start != NULL) {
        guard_free((void *)w->columns.record, w->columns.start[cols] * sizeof *w->columns.record);
        guard_free((void *)w->columns.start, (cols + 1) * sizeof *w->columns.start);
        guard_free((void *)w->columns.bias, (rows + TNM_SCATTER) * sizeof(float));
    }
    free_blocks(w);
    tnm_layout_free(&w->layout);
    tnm_matrix_free(&w->matrix);
}

// ---- Comparing
// -----------------------------------------------------------------------------------

// y = clamp(w x + bias) of one input in double precision, each within the rounding of its sum in
// any order.
static void reference(const struct weights *w, const float *x, size_t stride, struct tnm_clamp to,
                      struct nets_value *y) {
    const struct tnm_matrix *m = &w->matrix;
    float *dense = malloc((size_t)m->rows * m->cols * sizeof *dense);
    tnm_matrix_to_dense(m, dense);
    for (uint32_t r = 0; r < m->rows; r++) {
        double bias = m->bias != NULL ? (double)m->bias[r] : 0;
        double sum = bias, magnitude = fabs(bias);
        uint32_t terms = 1;
        for (uint32_t c = 0; c < m->cols; c++) {
            double term = (double)dense[(size_t)r * m->cols + c] * (double)x[c * stride];
            sum += term;
            magnitude += fabs(term);
            terms += term != 0;
        }
        y[r].value = fmin(fmax(sum, (double)to.low), (double)to.high);
        y[r].error = (terms + 1) * (double)FLT_EPSILON * magnitude;
    }
    free(dense);
}

static void same_bits(const float *got, const float *want, size_t n, const char *what) {
    for (size_t i = 0; i < n; i++)
        ck_assert_msg(memcmp(&got[i], &want[i], sizeof *got) == 0,
                      "%s: element %zu: %.9g, scalar %.9g", what, i, (double)got[i],
                      (double)want[i]);
}

static const struct nets_weights forms[] = {
    {.encoding = TNM_DENSE, .bits = 32, .zeros = 0},
    {.encoding = TNM_DENSE, .bits = 16, .zeros = 0},
    {.encoding = TNM_DENSE, .bits = 32, .zeros = 94},
    {.encoding = TNM_CSR, .bits = 32, .zeros = 94},
    {.encoding = TNM_CSR, .bits = 32, .zeros = 70, .no_bias = true},
    {.encoding = TNM_CSR, .bits = 32, .zeros = 99},
    {.encoding = TNM_CSR_CODEBOOK, .bits = 5, .zeros = 94, .no_bias = true},
    {.encoding = TNM_CSR_CODEBOOK, .bits = 1, .zeros = 80},
    {.encoding = TNM_CSR_CODEBOOK, .bits = 8, .zeros = 100},
    {TNM_CSR, 32, 80, false, 4, 1, 0},
    {TNM_CSR, 32, 80, false, 1, 4, 0},
    {TNM_CSR_CODEBOOK, 5, 70, true, 4, 1, 6},
    {TNM_CSR_CODEBOOK, 5, 70, false, 1, 4, 6},
    {TNM_DENSE, 32, 80, false, 4, 1, 2},
    {TNM_DENSE, 16, 80, true, 1, 4, 2},
};
enum { N_FORMS = sizeof forms / sizeof *forms };

static const struct tnm_clamp limits[] = {{-INFINITY, INFINITY}, {0, INFINITY}, {-0.25F, 0.75F}};

// ---- One input
// -----------------------------------------------------------------------------------

static void run_scatter(const struct tnm_kernels *table, const struct weights *w, const float *x,
                        float *y, struct tnm_clamp to) {
    size_t sum_len = (w->columns.rows + TNM_SCATTER) * sizeof(float);
    size_t active_len = w->columns.cols * sizeof(uint16_t);
    struct tnm_scatter_room room = {guard_high(sum_len), guard_high(active_len)};
    uint32_t n = table->find_active(x, w->columns.cols, room.active);
    table->scatter(&w->columns, x, n, &room, y, to);
    guard_free(room.sum, sum_len);
    guard_free(room.active, active_len);
}

static void run_scatter_wide(const struct tnm_kernels *table, const struct weights *w,
                             const float *x, float *y, struct tnm_clamp to) {
    size_t sum_len = (w->matrix.rows + TNM_SCATTER) * sizeof(float);
    size_t active_len = tnm_block_columns_of(w->matrix.cols) * sizeof(uint16_t);
    struct tnm_scatter_room room = {guard_high(sum_len), guard_high(active_len)};
    uint32_t n = table->find_active_blocks(x, w->matrix.cols, room.active);
    table->scatter_wide(&w->wide_columns, x, n, &room, y, to);
    guard_free(room.sum, sum_len);
    guard_free(room.active, active_len);
}

static void run_dense(const struct tnm_kernels *table, const struct weights *w, const float *x,
                      float *y, struct tnm_clamp to) {
    size_t len = w->dense.cols / 4 * sizeof(uint32_t);
    uint32_t *blocks = guard_high(len);
    table->dense(&w->dense, x, blocks, y, to);
    guard_free(blocks, len);
}

enum way { DENSE, GATHER, SCATTER, TALL, WIDE, SCATTER_WIDE, WAYS };

static bool has_way(const struct weights *w, enum way way) {
    const bool has[WAYS] = {w->dense.w != NULL,
                            w->rows.group != NULL,
                            w->columns.start != NULL,
                            w->blocks.strip != NULL && is_tall(w),
                            w->blocks.strip != NULL && !is_tall(w),
                            w->wide_columns.start != NULL};
    return has[way];
}

// Runs one way to compute y and compares; false where the weights have no such form.
static bool check_one(const struct tnm_kernels *table, enum way way, const struct weights *w,
                      const float *x, const float *want, struct tnm_clamp to) {
    size_t len = w->matrix.rows * sizeof(float);
    if (!has_way(w, way))
        return false;
    float *y = guard_high(len);
    if (way == DENSE)
        run_dense(table, w, x, y, to);
    else if (way == GATHER)
        table->gather(&w->rows, x, y, to);
    else if (way == SCATTER)
        run_scatter(table, w, x, y, to);
    else if (way == SCATTER_WIDE)
        run_scatter_wide(table, w, x, y, to);
    else
        (way == TALL ? table->gather_tall : table->gather_wide)(&w->blocks, x, y, to);
    same_bits(y, want, w->matrix.rows, table->name);
    guard_free(y, len);
    return true;
}

static void check_all_ways(const struct weights *w, struct tnm_clamp to, struct randomness *r) {
    uint32_t rows = w->matrix.rows, cols = w->matrix.cols;
    float *x = guard_high(cols * sizeof *x), *scalar = calloc(rows, sizeof *scalar);
    struct nets_value *want = calloc(rows, sizeof *want);
    random_fill(r, x, cols, random_between(r, 0, 10) * 10);
    struct tnm_kernels table[MAX_TABLES];
    unsigned n = tables(table), ways = 0;
    uint32_t *blocks = calloc(cols, sizeof *blocks);
    if (w->dense.w != NULL)
        table[0].dense(&w->dense, x, blocks, scalar, to);
    else
        table[0].gather(&w->rows, x, scalar, to);
    reference(w, x, 1, to, want);
    nets_compare(scalar, want, rows, "scalar");
    for (unsigned i = 0; i < n; i++)
        for (unsigned way = 0; way < WAYS; way++)
            ways += check_one(&table[i], (enum way)way, w, x, scalar, to);
    ck_assert_uint_ge(ways, n);
    free(blocks);
    free(want);
    free(scalar);
    guard_free(x, cols * sizeof *x);
}

START_TEST(one_input_is_right_and_the_same_in_every_table) {
    struct randomness r;
    random_start(&r, (uint64_t)_i);
    uint32_t rows = random_between(&r, 1, 60), cols = random_between(&r, 1, 130);
    struct weights w = {0};
    make_weights(&w, &forms[_i % N_FORMS], rows, cols, &r);
    check_all_ways(&w, limits[_i % 3], &r);
    free_weights(&w);
}
END_TEST

// Rows and columns that 4 does not divide, holes, and inputs of which some blocks are all 0. Where
// there are enough rows for padding to be little, the shape shows.
START_TEST(blocks_are_found_and_change_no_bit) {
    struct randomness r;
    random_start(&r, 500 + (uint64_t)_i);
    bool tall = _i % 2 == 0;
    uint32_t rows = random_between(&r, 120, 200), cols = random_between(&r, 100, 200);
    struct nets_weights form = {.encoding = _i % 3 == 0 ? TNM_CSR_CODEBOOK : TNM_CSR,
                                .bits = _i % 3 == 0 ? 4 : 32,
                                .zeros = 75,
                                .block_rows = tall ? 4 : 1,
                                .block_cols = tall ? 1 : 4,
                                .holes = (unsigned)_i % 5};
    struct weights w = {0};
    make_weights(&w, &form, rows, cols, &r);
    ck_assert(has_way(&w, tall ? TALL : WIDE));
    ck_assert(has_way(&w, SCATTER_WIDE) == !tall);
    ck_assert(!has_way(&w, SCATTER));
    check_all_ways(&w, limits[_i % 3], &r);
    free_weights(&w);
}
END_TEST

START_TEST(active_blocks_are_all_found_in_order) {
    struct randomness r;
    random_start(&r, 600 + (uint64_t)_i);
    uint32_t n = random_between(&r, 4, 200);
    float *x = guard_high(n * sizeof *x);
    uint16_t *active = guard_high(tnm_block_columns_of(n) * sizeof *active);
    random_fill(&r, x, n, 50 + (unsigned)_i * 5);
    x[random_between(&r, 0, n - 1)] = -0.0F;
    struct tnm_kernels table[MAX_TABLES];
    for (unsigned t = tables(table); t-- > 0;) {
        uint32_t found = table[t].find_active_blocks(x, n, active), k = 0;
        for (uint32_t b = 0; 4 * b < n; b++) {
            uint32_t first = 4 * b + 4 <= n ? 4 * b : n - 4;
            if (x[first] != 0 || x[first + 1] != 0 || x[first + 2] != 0 || x[first + 3] != 0)
                ck_assert_uint_eq(active[k++], b);
        }
        ck_assert_uint_eq(found, k);
    }
    guard_free(x, n * sizeof *x);
    guard_free(active, tnm_block_columns_of(n) * sizeof *active);
}
END_TEST

// A sum that starts as -0 would keep its sign where zeros are left out and lose it where they are
// added.
START_TEST(a_bias_of_minus_zero_gives_plus_zero_in_every_form) {
    static const float w[2 * 8] = {0, 1, 1}, bias[2] = {-0.0F, -0.0F};
    static const float x[8] = {0}, zero[2] = {0};
    struct tnm_matrix_source source = {.rows = 2, .cols = 8, .w = w, .bias = bias};
    source.encoding = _i == 0 ? TNM_DENSE : TNM_CSR;
    source.bits = 32;
    struct weights weights = {0};
    struct tnm_error err;
    ck_assert(tnm_matrix_make(&weights.matrix, &source, &err));
    weights.matrix.nonzeros = _i == 0 ? 16 : weights.matrix.nonzeros; // counts as dense
    struct tnm_use use = {.matrix = &weights.matrix, .reads_input = true};
    ck_assert(tnm_layout_make(&weights.layout, &use, &err));
    weights.dense = weights.layout.dense;
    weights.rows = weights.layout.rows;
    weights.columns = weights.layout.columns;
    struct tnm_kernels table[MAX_TABLES];
    unsigned n = tables(table), ways = 0;
    for (unsigned i = 0; i < n; i++)
        for (unsigned way = 0; way < WAYS; way++)
            ways += check_one(&table[i], (enum way)way, &weights, x, zero, limits[0]);
    ck_assert_uint_eq(ways, _i == 0 ? n : 2 * n);
    tnm_layout_free(&weights.layout);
    tnm_matrix_free(&weights.matrix);
}
END_TEST

// Beyond a cache's size shared weights stay codes, where one of 256 is left for 0; indices beyond
// 16 bits of byte offset take 32.
static const struct {
    uint32_t rows, cols, bits;
    enum tnm_record_form form;
} large[] = {{760, 1500, 5, TNM_RECORD_CODE},
             {760, 1500, 8, TNM_RECORD16},
             {760, 1500, 1, TNM_RECORD_CODE},
             {9, 16384, 5, TNM_RECORD16},
             {9, 16385, 5, TNM_RECORD32}};

START_TEST(large_layers_take_the_form_for_their_size) {
    struct randomness r;
    random_start(&r, 400 + (uint64_t)_i);
    struct nets_weights form = {.encoding = TNM_CSR_CODEBOOK, .bits = large[_i].bits, .zeros = 66};
    struct weights w = {0};
    make_weights(&w, &form, large[_i].rows, large[_i].cols, &r);
    ck_assert_int_eq(w.rows.form, large[_i].form);
    check_all_ways(&w, limits[0], &r);
    free_weights(&w);
}
END_TEST

START_TEST(active_inputs_are_all_found_in_order) {
    struct randomness r;
    random_start(&r, (uint64_t)_i);
    uint32_t n = random_between(&r, 1, 200);
    float *x = guard_high(n * sizeof *x);
    uint16_t *active = guard_high(n * sizeof *active);
    random_fill(&r, x, n, (unsigned)_i * 10);
    x[random_between(&r, 0, n - 1)] = -0.0F;
    x[random_between(&r, 0, n - 1)] = 1e-45F;
    struct tnm_kernels table[MAX_TABLES];
    for (unsigned t = tables(table); t-- > 0;) {
        uint32_t found = table[t].find_active(x, n, active), k = 0;
        for (uint32_t i = 0; i < n; i++)
            if (x[i] != 0)
                ck_assert_uint_eq(active[k++], i);
        ck_assert_uint_eq(found, k);
    }
    guard_free(x, n * sizeof *x);
    guard_free(active, n * sizeof *active);
}
END_TEST

// ---- Many inputs
// ---------------------------------------------------------------------------------

static void run_many(const struct tnm_kernels *table, const struct weights *w, const float *x,
                     size_t lanes, float *y, struct tnm_clamp to) {
    if (w->dense.w != NULL) {
        table->dense_many(&w->dense, x, lanes, y, to);
        return;
    }
    const char *record = w->rows.record;
    for (uint32_t g = 0; g < w->rows.n_groups; g++) {
        const struct tnm_group *group = &w->rows.group[g];
        float *row[4] = {NULL};
        for (uint32_t i = 0; i < group->n_rows; i++)
            row[i] = y + group->row[i] * lanes;
        table->rows_many(&w->rows, group, record, &(struct tnm_span){x, lanes, lanes}, row, to);
        record += group->n_records * tnm_record_bytes(w->rows.form);
    }
}

START_TEST(many_inputs_are_right_and_the_same_in_every_table) {
    static const size_t all_lanes[] = {4, 8, 16, 32};
    struct randomness r;
    random_start(&r, 1000 + (uint64_t)_i);
    uint32_t rows = random_between(&r, 1, 30), cols = random_between(&r, 1, 60);
    size_t lanes = all_lanes[_i % 4], y_len = rows * lanes * sizeof(float);
    struct weights w = {0};
    make_weights(&w, &forms[_i % N_FORMS], rows, cols, &r);
    float *x = guard_high(cols * lanes * sizeof *x), *y = guard_high(y_len);
    float *scalar = malloc(y_len), *lane = calloc(rows, sizeof *lane);
    struct nets_value *want = calloc(rows, sizeof *want);
    struct tnm_clamp to = limits[_i % 3];
    random_fill(&r, x, cols * lanes, 30);
    struct tnm_kernels table[MAX_TABLES];
    unsigned n = tables(table);
    run_many(&table[0], &w, x, lanes, scalar, to);
    for (size_t l = 0; l < lanes; l++) {
        for (uint32_t i = 0; i < rows; i++)
            lane[i] = scalar[i * lanes + l];
        reference(&w, x + l, lanes, to, want);
        nets_compare(lane, want, rows, "scalar");
    }
    for (unsigned i = 1; i < n; i++) {
        memset(y, 0xa5, y_len);
        run_many(&table[i], &w, x, lanes, y, to);
        same_bits(y, scalar, rows * lanes, table[i].name);
    }
    free(want);
    free(lane);
    free(scalar);
    guard_free(x, cols * lanes * sizeof *x);
    guard_free(y, y_len);
    free_weights(&w);
}
END_TEST

// Any number of columns, as a convolution has them, reading at offsets up to the end of x.
START_TEST(any_number_of_columns_is_the_same_in_every_table) {
    struct randomness r;
    random_start(&r, 2000 + (uint64_t)_i);
    size_t n = (size_t)_i + 1;
    struct weights w = {0};
    make_weights(&w, &forms[3], 4, 20, &r);
    size_t x_len = (20 - 1 + n) * sizeof(float), y_len = n * sizeof(float);
    float *x = guard_high(x_len), *want[4], *got[4];
    random_fill(&r, x, 20 - 1 + n, 0);
    for (int i = 0; i < 4; i++) {
        want[i] = guard_high(y_len);
        got[i] = guard_high(y_len);
    }
    struct tnm_kernels table[MAX_TABLES];
    unsigned n_tables = tables(table);
    struct tnm_span span = {x, 1, n};
    table[0].rows_many(&w.rows, w.rows.group, w.rows.record, &span, want, limits[0]);
    for (unsigned t = 1; t < n_tables; t++) {
        table[t].rows_many(&w.rows, w.rows.group, w.rows.record, &span, got, limits[0]);
        for (int i = 0; i < 4; i++)
            same_bits(got[i], want[i], n, table[t].name);
    }
    for (int i = 0; i < 4; i++) {
        guard_free(want[i], y_len);
        guard_free(got[i], y_len);
    }
    guard_free(x, x_len);
    free_weights(&w);
}
END_TEST

START_TEST(many_inputs_of_a_large_layer_are_the_same_in_every_table) {
    struct randomness r;
    random_start(&r, 3000);
    struct nets_weights form = {.encoding = TNM_CSR_CODEBOOK, .bits = 6, .zeros = 66};
    struct weights w = {0};
    make_weights(&w, &form, 760, 1500, &r);
    ck_assert_int_eq(w.rows.form, TNM_RECORD_CODE);
    float *x = malloc(1500 * 8 * sizeof *x), *y[2] = {NULL, NULL};
    random_fill(&r, x, 1500 * 8, 50);
    struct tnm_kernels table[MAX_TABLES];
    unsigned n = tables(table);
    for (unsigned i = 0; i < n; i++) {
        y[i > 0] = guard_high(760 * 8 * sizeof(float));
        run_many(&table[i], &w, x, 8, y[i > 0], limits[1]);
        same_bits(y[i > 0], y[0], 760 * 8, table[i].name);
        if (i > 0)
            guard_free(y[1], 760 * 8 * sizeof(float));
    }
    float alone[760], lane[1500];
    for (int c = 0; c < 1500; c++)
        lane[c] = x[c * 8 + 3];
    table[0].gather(&w.rows, lane, alone, limits[1]);
    for (int i = 0; i < 760; i++)
        ck_assert(alone[i] == y[0][i * 8 + 3]);
    guard_free(y[0], 760 * 8 * sizeof(float));
    free(x);
    free_weights(&w);
}
END_TEST

Suite *kernels_suite(void);
Suite *kernels_suite(void) {
    Suite *suite = suite_create("kernels");
    TCase *choice = tcase_create("choice");
    tcase_add_test(choice, flags_choose_the_table);
    tcase_add_test(choice, environment_turns_features_off);
    tcase_add_loop_test(choice, gates_are_as_near_as_they_promise, 0, 3);
    suite_add_tcase(suite, choice);
    TCase *sums = tcase_create("sums");
    tcase_set_timeout(sums, 60);
    tcase_add_loop_test(sums, one_input_is_right_and_the_same_in_every_table, 0, 150);
    tcase_add_loop_test(sums, blocks_are_found_and_change_no_bit, 0, 30);
    tcase_add_loop_test(sums, active_blocks_are_all_found_in_order, 0, 11);
    tcase_add_loop_test(sums, a_bias_of_minus_zero_gives_plus_zero_in_every_form, 0, 2);
    tcase_add_loop_test(sums, large_layers_take_the_form_for_their_size, 0,
                        sizeof large / sizeof *large);
    tcase_add_loop_test(sums, active_inputs_are_all_found_in_order, 0, 11);
    tcase_add_loop_test(sums, many_inputs_are_right_and_the_same_in_every_table, 0, 72);
    tcase_add_loop_test(sums, any_number_of_columns_is_the_same_in_every_table, 0, 70);
    tcase_add_test(sums, many_inputs_of_a_large_layer_are_the_same_in_every_table);
    suite_add_tcase(suite, sums);
    return suite;
}
