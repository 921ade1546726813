/* SPDX-License-Identifier: MIT */
// One weight matrix in one of its encodings, with its bias: the same numbers, stored four ways.
//
//     dense         f32 or f16, every weight
//     csr           row starts, column indices, f32 values          (pruned)
//     csr-codebook  row starts, column indices, codes, codebook     (pruned and shared)
//     packed        reserved
//
// Compressed sparse row (CSR): the entries of row r are k = row_start[r] .. row_start[r + 1] - 1,
// entry k stands in column col[k], columns ascend within a row. With a codebook the value of entry
// k is codebook[code k]; codes are bits wide and lie one after another, lowest bit first.
#ifndef TNM_MATRIX_H
#define TNM_MATRIX_H

#include "core/tnm.h"

enum tnm_encoding {
    TNM_DENSE = 0,
    TNM_CSR = 1,
    TNM_CSR_CODEBOOK = 2,
    TNM_PACKED = 3 // numbered, not read or written yet
};

// rows = outputs, cols = inputs: y = w x + bias. A convolution's columns are
// (channel in group, ky, kx), kx fastest.
struct tnm_matrix {
    uint32_t rows, cols;
    enum tnm_encoding encoding;
    uint32_t bits;        // dense: 32 or 16; csr: 32; csr-codebook: 1..8, the width of a code
    uint32_t n_centroids; // csr-codebook: 1..2^bits
    uint64_t nonzeros;    // csr*: entries stored; dense: values that are not 0

    // Arrays, each NULL where the encoding lacks it.
    const float *dense32;      // (rows, cols)
    const uint16_t *dense16;   // (rows, cols), IEEE binary16
    const uint32_t *row_start; // (rows + 1), row_start[0] = 0, row_start[rows] = nonzeros
    const uint16_t *col16;     // (nonzeros), where cols <= 65536
    const uint32_t *col32;     // (nonzeros), where cols > 65536
    const float *value;        // (nonzeros), csr
    const uint8_t *code;       // (nonzeros * bits) bits, csr-codebook, 7 readable bytes behind it
    const float *codebook;     // (n_centroids), finite
    const float *bias;         // (rows), or NULL

    void *owned; // what tnm_matrix_free frees; NULL where the arrays are borrowed
};

// ---- Reading one entry (for layouts, tools and references; kernels have layouts of their own)
// ----

static inline uint32_t tnm_matrix_col(const struct tnm_matrix *m, size_t k) {
    return m->col16 != NULL ? m->col16[k] : m->col32[k];
}

// The code of entry k, 0..n_centroids-1. Only for csr-codebook.
uint32_t tnm_matrix_code(const struct tnm_matrix *m, size_t k);

// The value of stored entry k, for csr and csr-codebook.
float tnm_matrix_value(const struct tnm_matrix *m, size_t k);

// The whole matrix as w (rows, cols) f32, absent entries 0.
void tnm_matrix_to_dense(const struct tnm_matrix *m, float *w);

// "dense", "csr", "csr-codebook", "packed".
const char *tnm_encoding_name(enum tnm_encoding encoding);

// ---- Making one (for the forge and for tests)
// ----------------------------------------------------

// What a matrix is made from. Arrays are only read, and may go afterwards.
struct tnm_matrix_source {
    uint32_t rows, cols;
    enum tnm_encoding encoding;
    uint32_t bits;       // dense: 32 or 16; csr-codebook: 1..8
    const float *w;      // (rows, cols); not used with a codebook
    const uint8_t *keep; // (rows, cols), nonzero = stored; NULL: what is not 0 in w (or all, dense)
    const uint8_t *code; // (rows, cols), csr-codebook: the centroid of each kept weight
    const float *codebook; // (n_centroids)
    uint32_t n_centroids;
    const float *bias; // (rows), or NULL
};

// Fills out with arrays of its own. False, and out empty, when out of memory or where the source
// makes no valid matrix (a code without centroid, a value that is not finite).
bool tnm_matrix_make(struct tnm_matrix *out, const struct tnm_matrix_source *source,
                     struct tnm_error *err) TNM_MUST_CHECK;

void tnm_matrix_free(struct tnm_matrix *m);

#endif
