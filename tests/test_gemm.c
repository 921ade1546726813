/* SPDX-License-Identifier: MIT */
// Products of matrices, our own and OpenBLAS's, against double precision.
#include <check.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "models/gemm.h"
#include "tests/random.h"

// Sizes around the edges of tiles (6, 16) and blocks (96, 512, 256).
static const struct {
    size_t m, n, k;
} sizes[] = {{1, 1, 1},   {6, 16, 8},   {7, 17, 1},     {5, 15, 300},
             {13, 10, 3}, {97, 33, 65}, {14, 520, 260}, {100, 20, 513}};

enum { N_SIZES = sizeof sizes / sizeof *sizes };

static float *random_floats(struct randomness *r, size_t n) {
    float *x = malloc(n * sizeof *x);
    ck_assert_ptr_nonnull(x);
    random_fill(r, x, n, 10);
    return x;
}

static float element(const float *x, size_t row, size_t col, size_t rows, size_t cols,
                     bool transposed) {
    return transposed ? x[col * rows + row] : x[row * cols + col];
}

// was (m, n): what stood in c before.
static void compare(const struct gemm *g, const float *was, const float *got) {
    for (size_t i = 0; i < g->m; i++)
        for (size_t j = 0; j < g->n; j++) {
            double want = g->add ? (double)was[i * g->n + j] : 0, size = fabs(want);
            for (size_t p = 0; p < g->k; p++) {
                double term = (double)element(g->a, i, p, g->m, g->k, g->transpose_a) *
                              (double)element(g->b, p, j, g->k, g->n, g->transpose_b);
                want += term;
                size += fabs(term);
            }
            double bound = ((double)g->k + 1) * (double)FLT_EPSILON * size;
            ck_assert_msg(fabs((double)got[i * g->n + j] - want) <= bound, "%zu, %zu: %g, not %g",
                          i, j, (double)got[i * g->n + j], want);
        }
}

static void check_one(size_t m, size_t n, size_t k, int form) {
    struct randomness r;
    random_start(&r, 8 * m + (uint64_t)form);
    float *a = random_floats(&r, m * k), *b = random_floats(&r, k * n);
    float *was = random_floats(&r, m * n), *c = malloc(m * n * sizeof *c);
    float *scratch = malloc(GEMM_SCRATCH * sizeof *scratch);
    ck_assert(c != NULL && scratch != NULL);
    struct gemm g = {m, n, k, a, b, form & 1, form & 2, c, form & 4};
    void (*const run[])(const struct gemm *, float *) = {gemm_run, gemm_run_own};
    for (int i = 0; i < 2; i++) {
        for (size_t p = 0; p < m * n; p++)
            c[p] = was[p];
        run[i](&g, scratch);
        compare(&g, was, c);
    }
    free(a);
    free(b);
    free(was);
    free(c);
    free(scratch);
}

START_TEST(every_form_agrees_with_double_precision) {
    gemm_single_threaded();
    for (int s = 0; s < N_SIZES; s++)
        check_one(sizes[s].m, sizes[s].n, sizes[s].k, _i);
}
END_TEST

Suite *gemm_suite(void) {
    Suite *s = suite_create("gemm");
    TCase *t = tcase_create("gemm");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, every_form_agrees_with_double_precision, 0, 8);
    suite_add_tcase(s, t);
    return s;
}
