/* SPDX-License-Identifier: MIT */
// Products of matrices: OpenBLAS, or blocks that fit the caches, after Goto and van de Geijn 2008
// ("Anatomy of high-performance matrix multiplication").
#include "models/gemm.h"

#include <string.h>

#ifdef FORGE_BLAS
#include <cblas.h>
#endif

// A tile of the result is held in registers. 12 vectors of 8 floats leave 4 of 16 registers for
// operands (AVX2); 24 of 4 leave 8 of 32 (NEON).
enum {
    TILE_ROWS = 6,
    TILE_COLUMNS = 16,
    BLOCK_K = 256,
    BLOCK_ROWS = 96, // 96 x 256 floats of a stay in L2
    BLOCK_COLUMNS = 512
};

_Static_assert(GEMM_SCRATCH == BLOCK_K * (BLOCK_ROWS + BLOCK_COLUMNS), "scratch holds both panels");

#define TILE tile4
#define TILE_TARGET
#define TILE_LANES 4
#define TILE_VECTOR vector4
#include "models/gemm_tile.inc"

#if defined(__x86_64__) && defined(__GNUC__)
#define HAVE_TILE8 1
#define TILE tile8
#define TILE_TARGET __attribute__((target("avx2,fma")))
#define TILE_LANES 8
#define TILE_VECTOR vector8
#include "models/gemm_tile.inc"
#else
#define HAVE_TILE8 0
#endif

static bool wide(void) {
#if HAVE_TILE8
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
    return false;
#endif
}

// Copies rows (n, k) of an operand as panels of width lines, k-major: panel p holds for each k its
// width lines side by side; missing lines are 0. line_step and k_step say how the operand lies.
static void pack(float *to, const float *from, size_t n, size_t k, size_t width, size_t line_step,
                 size_t k_step) {
    for (size_t first = 0; first < n; first += width, to += width * k) {
        size_t lines = n - first < width ? n - first : width;
        const float *at = from + first * line_step;
        if (lines < width)
            memset(to, 0, width * k * sizeof *to);
        if (line_step == 1)
            for (size_t p = 0; p < k; p++)
                memcpy(to + p * width, at + p * k_step, lines * sizeof *to);
        else
            for (size_t i = 0; i < lines; i++)
                for (size_t p = 0; p < k; p++)
                    to[p * width + i] = at[i * line_step + p * k_step];
    }
}

static void store(float *c, size_t stride, const float *sum, size_t rows, size_t columns,
                  bool add) {
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < columns; j++)
            c[i * stride + j] = sum[i * TILE_COLUMNS + j] + (add ? c[i * stride + j] : 0);
}

// One block of c (m, n) from packed panels of a (m, k) and b (k, n).
static void multiply_block(const float *a, const float *b, size_t m, size_t n, size_t k, float *c,
                           size_t stride, bool add) {
    void (*tile)(size_t, const float *, const float *, float *) = tile4;
#if HAVE_TILE8
    if (wide())
        tile = tile8;
#endif
    for (size_t j = 0; j < n; j += TILE_COLUMNS)
        for (size_t i = 0; i < m; i += TILE_ROWS) {
            float sum[TILE_ROWS * TILE_COLUMNS];
            tile(k, a + i * k, b + j * k, sum);
            store(c + i * stride + j, stride, sum, m - i < TILE_ROWS ? m - i : TILE_ROWS,
                  n - j < TILE_COLUMNS ? n - j : TILE_COLUMNS, add);
        }
}

static size_t at_most(size_t left, size_t block) {
    return left < block ? left : block;
}

void gemm_run_own(const struct gemm *g, float *scratch) {
    // How far apart lie two rows of a and two columns of b, and two steps of k in either.
    size_t a_row = g->transpose_a ? 1 : g->k, a_k = g->transpose_a ? g->m : 1;
    size_t b_column = g->transpose_b ? g->k : 1, b_k = g->transpose_b ? 1 : g->n;
    float *a = scratch, *b = scratch + BLOCK_K * BLOCK_ROWS;
    if (g->k == 0 && !g->add)
        memset(g->c, 0, g->m * g->n * sizeof *g->c);
    for (size_t p = 0; p < g->k; p += BLOCK_K) {
        size_t k = at_most(g->k - p, BLOCK_K);
        for (size_t j = 0; j < g->n; j += BLOCK_COLUMNS) {
            size_t n = at_most(g->n - j, BLOCK_COLUMNS);
            pack(b, g->b + j * b_column + p * b_k, n, k, TILE_COLUMNS, b_column, b_k);
            for (size_t i = 0; i < g->m; i += BLOCK_ROWS) {
                size_t m = at_most(g->m - i, BLOCK_ROWS);
                pack(a, g->a + i * a_row + p * a_k, m, k, TILE_ROWS, a_row, a_k);
                multiply_block(a, b, m, n, k, g->c + i * g->n + j, g->n, g->add || p > 0);
            }
        }
    }
}

#ifdef FORGE_BLAS

void gemm_run(const struct gemm *g, float *scratch) {
    (void)scratch;
    cblas_sgemm(CblasRowMajor, g->transpose_a ? CblasTrans : CblasNoTrans,
                g->transpose_b ? CblasTrans : CblasNoTrans, (int)g->m, (int)g->n, (int)g->k, 1,
                g->a, (int)(g->transpose_a ? g->m : g->k), g->b,
                (int)(g->transpose_b ? g->k : g->n), g->add ? 1 : 0, g->c, (int)g->n);
}

void gemm_single_threaded(void) {
    openblas_set_num_threads(1);
}

const char *gemm_name(void) {
    return "openblas";
}

#else

void gemm_run(const struct gemm *g, float *scratch) {
    gemm_run_own(g, scratch);
}

void gemm_single_threaded(void) {
}

const char *gemm_name(void) {
    return wide() ? "own (avx2)" : "own";
}

#endif
