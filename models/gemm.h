/* SPDX-License-Identifier: MIT */
// Products of matrices, single-threaded: threads each multiply their own share. With OpenBLAS where
// the forge is built with it (FORGE_BLAS), else with blocked kernels of our own.
#ifndef GEMM_H
#define GEMM_H

#include <stdbool.h>
#include <stddef.h>

// c (m, n) = or += a (m, k) times b (k, n). All row-major and without gaps; a transposed operand is
// stored the other way round: a as (k, m), b as (n, k). c overlaps neither.
struct gemm {
    size_t m, n, k;
    const float *a, *b;
    bool transpose_a, transpose_b;
    float *c;
    bool add; // c += instead of c =
};

// Floats of scratch that a product needs; one scratch per thread.
enum { GEMM_SCRATCH = 256 * (96 + 512) };

// scratch (GEMM_SCRATCH). The same job gives the same bits on the same machine.
void gemm_run(const struct gemm *job, float *scratch);

// Our own kernels in any build, so that the two can be compared.
void gemm_run_own(const struct gemm *job, float *scratch);

// Keeps OpenBLAS from starting threads beside ours; call before the first product.
void gemm_single_threaded(void);

// "openblas", "own (avx2)", "own".
const char *gemm_name(void);

#endif
