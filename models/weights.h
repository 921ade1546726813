/* SPDX-License-Identifier: MIT */
// Going through the weights of a matrix in any encoding.
#ifndef WEIGHTS_H
#define WEIGHTS_H

#include "core/matrix.h"

// Calls see for every weight that is left, row by row, columns ascending: all entries of a sparse
// matrix, those of a dense one that are not 0.
void weights_each(const struct tnm_matrix *m,
                  void (*see)(void *context, uint32_t row, uint32_t col, float w), void *context);

enum { WEIGHTS_BINS = 256 };

// How often each value occurs among the weights that are left, in ascending values.
struct weights_values {
    bool shared; // the values of a codebook; else the middles of bins of equal width
    uint32_t n;  // 0 where no weight is left
    float value[WEIGHTS_BINS];
    uint64_t count[WEIGHTS_BINS];
};

void weights_count(const struct tnm_matrix *m, struct weights_values *values);

#endif
