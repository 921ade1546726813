/* SPDX-License-Identifier: MIT */
// Finding blocks of four, against a count over all places.
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "core/blocks.h"
#include "tests/nets.h"

// Weights in the block of that size at row, col, and its places within the matrix.
static uint32_t weights_at(const float *w, uint32_t rows, uint32_t cols, const uint32_t at[2],
                           const uint32_t size[2], uint32_t *places) {
    uint32_t n = 0;
    *places = 0;
    for (uint32_t r = at[0]; r < at[0] + size[0] && r < rows; r++)
        for (uint32_t c = at[1]; c < at[1] + size[1] && c < cols; c++) {
            n += w[(size_t)r * cols + c] != 0;
            ++*places;
        }
    return n;
}

static void count_slowly(const struct tnm_matrix *m, struct tnm_block_count *count) {
    static const uint32_t size[2][2] = {{4, 1}, {1, 4}}; // tall, wide
    float *w = malloc(tnm_matrix_elements(m) * sizeof *w);
    tnm_matrix_to_dense(m, w);
    *count = (struct tnm_block_count){0};
    for (size_t i = 0; i < tnm_matrix_elements(m); i++)
        count->weights += w[i] != 0;
    for (int s = 0; s < 2; s++)
        for (uint32_t r = 0; r < m->rows; r += size[s][0])
            for (uint32_t c = 0; c < m->cols; c += size[s][1]) {
                uint32_t places,
                    n = weights_at(w, m->rows, m->cols, (const uint32_t[]){r, c}, size[s], &places);
                count->blocks[s] += n > 0;
                count->in_full[s] += n == places ? n : 0;
            }
    free(w);
}

static const struct nets_weights forms[] = {
    {TNM_CSR, 32, 80, false, 4, 1, 5},
    {TNM_CSR, 32, 80, false, 1, 4, 5},
    {TNM_CSR_CODEBOOK, 5, 70, false, 1, 4, 10},
    {TNM_DENSE, 32, 80, false, 4, 1, 0},
    {TNM_DENSE, 16, 80, false, 1, 4, 10},
    {.encoding = TNM_CSR, .bits = 32, .zeros = 80},
    {.encoding = TNM_DENSE, .bits = 32, .zeros = 0},
    {.encoding = TNM_CSR, .bits = 32, .zeros = 100},
};
enum { N_FORMS = sizeof forms / sizeof *forms };

START_TEST(counts_are_those_of_all_places) {
    struct randomness r;
    random_start(&r, (uint64_t)_i);
    struct tnm_matrix m;
    uint32_t rows = random_between(&r, 1, 30), cols = random_between(&r, 1, _i % 3 == 0 ? 5 : 40);
    nets_matrix(&m, rows, cols, &forms[_i % N_FORMS], &r);
    struct tnm_block_count want, got;
    count_slowly(&m, &want);
    ck_assert(tnm_blocks_count(&m, &got));
    ck_assert_mem_eq(&got, &want, sizeof got);
    tnm_matrix_free(&m);
}
END_TEST

// What a shape takes: units of most blocks first, so many to a strip, each as long as its first.
static int descending(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x < y) - (x > y);
}

static uint64_t places_slowly(const struct tnm_matrix *m, bool tall) {
    float *w = malloc(tnm_matrix_elements(m) * sizeof *w);
    uint32_t *blocks = calloc(m->rows, sizeof *blocks), n = 0, height = tall ? 4 : 1;
    const uint32_t size[2] = {height, tall ? 1 : 4};
    uint64_t steps = 0;
    tnm_matrix_to_dense(m, w);
    for (uint32_t r = 0; r < m->rows; r += height, n++)
        for (uint32_t c = 0, places; c < m->cols; c += size[1])
            blocks[n] +=
                weights_at(w, m->rows, m->cols, (const uint32_t[]){r, c}, size, &places) > 0;
    qsort(blocks, n, sizeof *blocks, descending);
    for (uint32_t u = 0; u < n; u += tall ? 4 : 8)
        steps += blocks[u];
    free(blocks);
    free(w);
    return steps * (tall ? 16 : 32);
}

// Records of four rows for each block column.
static uint64_t records_slowly(const struct tnm_matrix *m) {
    float *w = malloc(tnm_matrix_elements(m) * sizeof *w);
    uint64_t records = 0;
    tnm_matrix_to_dense(m, w);
    for (uint32_t c = 0, places; c < m->cols; c += 4) {
        uint32_t n = 0;
        for (uint32_t r = 0; r < m->rows; r++)
            n += weights_at(w, m->rows, m->cols, (const uint32_t[]){r, c}, (const uint32_t[]){1, 4},
                            &places) > 0;
        records += (n + 3) / 4;
    }
    free(w);
    return records;
}

START_TEST(a_shape_is_taken_where_three_of_four_places_hold_a_weight) {
    struct randomness r;
    random_start(&r, 100 + (uint64_t)_i);
    struct tnm_matrix m;
    struct tnm_block_plan plan;
    struct nets_weights form = forms[_i % 5];
    form.holes = (unsigned)_i % 30;
    nets_matrix(&m, random_between(&r, 4, 100), random_between(&r, 4, 100), &form, &r);
    ck_assert(tnm_blocks_plan(&plan, &m));
    struct tnm_block_count count;
    count_slowly(&m, &count);
    uint64_t tall = places_slowly(&m, true), wide = places_slowly(&m, false);
    uint64_t least = tall < wide ? tall : wide;
    enum tnm_block_shape want = tall <= wide ? TNM_TALL : TNM_WIDE;
    ck_assert_int_eq(plan.shape, 4 * count.weights >= 3 * least ? want : TNM_NO_BLOCKS);
    uint64_t records = records_slowly(&m);
    ck_assert_uint_eq(plan.n_records, records);
    ck_assert_int_eq(plan.columns, 20 * count.weights >= 9 * 16 * records);
    tnm_block_plan_free(&plan);
    tnm_matrix_free(&m);
}
END_TEST

// Byte offsets beyond 16 bits have no form, a matrix without weights needs none.
START_TEST(what_has_no_form_has_no_plan) {
    static const struct {
        uint32_t cols;
        unsigned zeros;
        enum tnm_block_shape want;
    } cases[] = {{16384, 80, TNM_TALL}, {16385, 80, TNM_NO_BLOCKS}, {100, 100, TNM_NO_BLOCKS}};
    struct randomness r;
    random_start(&r, 200);
    struct tnm_matrix m;
    struct tnm_block_plan plan;
    const struct nets_weights form = {TNM_CSR, 32, cases[_i].zeros, false, 4, 1, 0};
    nets_matrix(&m, 16, cases[_i].cols, &form, &r);
    ck_assert(tnm_blocks_plan(&plan, &m));
    ck_assert_int_eq(plan.shape, cases[_i].want);
    tnm_block_plan_free(&plan);
    tnm_matrix_free(&m);
}
END_TEST

Suite *blocks_suite(void);
Suite *blocks_suite(void) {
    Suite *suite = suite_create("blocks");
    TCase *t = tcase_create("blocks");
    tcase_add_loop_test(t, counts_are_those_of_all_places, 0, 80);
    tcase_add_loop_test(t, a_shape_is_taken_where_three_of_four_places_hold_a_weight, 0, 60);
    tcase_add_loop_test(t, what_has_no_form_has_no_plan, 0, 3);
    suite_add_tcase(suite, t);
    return suite;
}
