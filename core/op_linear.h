/* SPDX-License-Identifier: MIT */
// A matrix times a vector, or several side by side, whatever form the matrix has.
#ifndef TNM_OP_LINEAR_H
#define TNM_OP_LINEAR_H

#include "core/layout.h"
#include "core/op.h"

// Bytes of scratch that a product with w, rows x cols, takes for so many lanes.
uint64_t tnm_product_scratch(const struct tnm_layout *w, uint32_t rows, uint32_t cols,
                             size_t lanes);

struct tnm_product {
    const struct tnm_layout *w;
    uint32_t rows, cols;
    const float *x; // (cols, lanes)
    float *y;       // (rows, lanes)
    size_t lanes;
    struct tnm_clamp clamp;
    void *scratch; // aligned to 64
};

void tnm_product_run(const struct tnm_kernels *kernels, const struct tnm_product *product);

#endif
