/* SPDX-License-Identifier: MIT */
// One weight matrix in one of its encodings, with its bias: the same numbers, stored four ways.
//
//     dense         f32 or f16, every weight
//     csr           row starts, column indices, f32 values          (pruned)
//     csr-codebook  row starts, column indices, codes, codebook     (pruned and shared)
//     packed        csr-codebook in as few bytes as we can, in a file; in memory csr-codebook
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
    TNM_PACKED = 3 // in files only: once read, a csr-codebook matrix that is marked packed
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

    bool packed;           // csr-codebook: a file holds it packed
    uint32_t packed_width; // packed: its columns are a picture in rows of so many; 0: they are not

    void *owned; // what tnm_matrix_free frees; NULL where the arrays are borrowed
};

// ---- Reading one entry (for layouts, tools, references; kernels have layouts of their own) ------

static inline size_t tnm_matrix_elements(const struct tnm_matrix *m) {
    return (size_t)m->rows * m->cols;
}

static inline uint32_t tnm_matrix_col(const struct tnm_matrix *m, size_t k) {
    return m->col16 != NULL ? m->col16[k] : m->col32[k];
}

// The code of entry k, 0..n_centroids-1. Only for csr-codebook.
uint32_t tnm_matrix_code(const struct tnm_matrix *m, size_t k);

// The value of stored entry k; of a dense matrix, of element k.
float tnm_matrix_value(const struct tnm_matrix *m, size_t k);

// The whole matrix as w (rows, cols) f32, absent entries 0.
void tnm_matrix_to_dense(const struct tnm_matrix *m, float *w);

// "dense", "csr", "csr-codebook", "packed".
const char *tnm_encoding_name(enum tnm_encoding encoding);

// IEEE binary16, round to nearest, ties to even. Beyond 65504 there is only infinity.
float tnm_half_to_float(uint16_t half);
uint16_t tnm_float_to_half(float value);

// ---- Making one (for the forge and for tests) ---------------------------------------------------

// What a matrix is made from. Arrays are only read, and may go afterwards.
struct tnm_matrix_source {
    uint32_t rows, cols;
    enum tnm_encoding encoding;
    uint32_t bits;  // dense: 32 or 16; csr-codebook: 1..8
    const float *w; // (rows, cols); not used with a codebook
    const uint8_t
        *keep; // (rows, cols), nonzero = stored; NULL: what is not 0 in w for csr, all else
    const uint8_t *code;   // (rows, cols), csr-codebook: the centroid of each kept weight
    const float *codebook; // (n_centroids)
    uint32_t n_centroids;
    const float *bias; // (rows), or NULL
};

// Fills out with arrays of its own. False, and out empty, when out of memory or where the source
// makes no valid matrix (a code without centroid, a value that is not finite).
bool tnm_matrix_make(struct tnm_matrix *out, const struct tnm_matrix_source *source,
                     struct tnm_error *err) TNM_MUST_CHECK;

void tnm_matrix_free(struct tnm_matrix *m);

// The same in steps, for a reader. Takes arrays for a matrix whose sizes are right: all zero, to be
// filled entry by entry. Bytes that this takes are told beforehand.
uint64_t tnm_matrix_memory(const struct tnm_matrix *m, bool has_bias);
bool tnm_matrix_take_arrays(struct tnm_matrix *m, bool has_bias,
                            struct tnm_error *err) TNM_MUST_CHECK;

// Entry k of a csr-codebook matrix whose arrays were taken.
void tnm_matrix_put_entry(const struct tnm_matrix *m, size_t k, uint32_t col, uint32_t code);

// ---- The arrays, for what stores and reads them -------------------------------------------------

// In the order in which a file has them.
enum tnm_array {
    TNM_ARRAY_DENSE,
    TNM_ARRAY_ROW_START,
    TNM_ARRAY_COL,
    TNM_ARRAY_VALUE,
    TNM_ARRAY_CODEBOOK,
    TNM_ARRAY_CODE,
    TNM_ARRAY_BIAS,
    TNM_ARRAYS
};

enum {
    TNM_ARRAY_ALIGN = 64 // bytes; every array of a matrix starts at a multiple of it
};

// Checks rows, cols, encoding, bits, n_centroids and nonzeros: after it no size can overflow.
// TNM_EFORMAT, or TNM_EUNSUPPORTED for TNM_PACKED, which no matrix in memory is.
bool tnm_matrix_check_sizes(const struct tnm_matrix *m, struct tnm_error *err) TNM_MUST_CHECK;

// Checks what the arrays hold, sizes being right: all that kernels trust. TNM_EFORMAT.
bool tnm_matrix_check_arrays(const struct tnm_matrix *m, struct tnm_error *err) TNM_MUST_CHECK;

// Whether the encoding has an array; for the bias false.
bool tnm_matrix_has(const struct tnm_matrix *m, enum tnm_array array);

// "row starts", "codebook", ...
const char *tnm_array_name(enum tnm_array array);

// Bytes of an array, sizes being right; as if it were there.
uint64_t tnm_array_bytes(const struct tnm_matrix *m, enum tnm_array array);

// The array itself, or NULL; and putting one in its place.
const void *tnm_array_get(const struct tnm_matrix *m, enum tnm_array array);
void tnm_array_set(struct tnm_matrix *m, enum tnm_array array, const void *at);

// Values of a dense matrix that are not 0.
uint64_t tnm_matrix_count_dense(const struct tnm_matrix *m);

#endif
