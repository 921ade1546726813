/* SPDX-License-Identifier: MIT */
// A linear map from the features of one network to those of another, y = W x + b, at each of
// several places the same: its error and the gradients of the error's square.
#ifndef REGRESSOR_H
#define REGRESSOR_H

#include "core/graph.h"

struct regressor {
    uint32_t rows, cols; // features of one place: of y, of x
    uint32_t places;
    bool maps; // an input's features lie as (features, places), else as (places, features)
};

// Between two tensors. Maps of equal height and width, and as many rows, are as many places; else
// there is one place, and everything of x is mapped to everything of y.
struct regressor regressor_of(const struct tnm_tensor *x, const struct tnm_tensor *y);

// W (rows, cols) and b (rows) behind it.
size_t regressor_parameters(const struct regressor *r);

struct regressor_job {
    const struct regressor *regressor;
    uint32_t n;         // inputs
    const float *x;     // (n, cols * places)
    const float *y;     // (n, rows * places), what W x + b should be
    const float *param; // W, b
    float factor;       // of the gradients of half the sum of squares
    float *error;       // (n, rows * places): written over
    float *d_x;         // as x: gradients are added
    float *d_param;     // as param: gradients are put
    float *scratch;     // (GEMM_SCRATCH)
};

// Returns the sum of |W x + b - y|^2 over the inputs.
double regressor_run(const struct regressor_job *job);

#endif
