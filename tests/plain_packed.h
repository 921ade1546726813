/* SPDX-License-Identifier: MIT */
// The packed encoding, decoded a second time: from FORMAT.md, without code of core.
#ifndef PLAIN_PACKED_H
#define PLAIN_PACKED_H

#include "tests/plain_stream.h"

// Sizes are given, arrays of these sizes filled.
struct plain_packed {
    uint64_t rows, cols, width, nonzeros, n_centroids;
    uint64_t *counts; // (rows) entries
    int *code;        // (rows, cols), -1 for no entry
    float *codebook;  // (n_centroids)
    float *bias;      // (rows), or NULL
};

// 0, or the number of the rule that is broken. before: the packed matrix before this one, or NULL.
int plain_unpack(const uint8_t *at, size_t len, struct plain_packed *p,
                 const struct plain_packed *before);

// The same within a stream, whose end is not looked at.
int plain_unpack_next(struct plain_stream *in, struct plain_packed *p,
                      const struct plain_packed *before);

#endif
