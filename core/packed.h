/* SPDX-License-Identifier: MIT */
// The packed encoding: a csr-codebook matrix with its bias as one arithmetic-coded stream. Nothing
// is lost. FORMAT.md, section 6.1, defines it; core/coder.h is the coder underneath.
//
// Positions are told row by row, each by a mixture of what is known of its row, its column, its
// neighbours (in the picture that the columns are, where there is one), and of how many weights the
// unit of the layer below has that feeds the column.
#ifndef TNM_PACKED_H
#define TNM_PACKED_H

#include "core/coder.h"
#include "core/matrix.h"

enum {
    TNM_MAX_PACKED = 1 << 22 // elements of all packed matrices of a file together
};

// Bytes of memory that decoding takes beside the matrix; freed at its end.
uint64_t tnm_packed_scratch(const struct tnm_matrix *m);

// Reads or writes a matrix within a stream, as tnm_packed_read and tnm_packed_write do in one of
// its own: the next matrix, or what else there is, may follow.
bool tnm_packed_code(struct tnm_coder *c, const struct tnm_matrix *m,
                     const struct tnm_matrix *before, struct tnm_error *err) TNM_MUST_CHECK;

// Appends the stream of m, which is csr-codebook and checked. before: the packed matrix that stands
// before it in the file, or NULL. Out of memory sticks in the sink.
void tnm_packed_write(struct tnm_sink *sink, const struct tnm_matrix *m,
                      const struct tnm_matrix *before);

// Reads a stream into m, whose sizes are right and whose arrays are there to be filled, the bias
// too where has_bias. Any bytes whatever are safe to read. TNM_EFORMAT where they hold another
// number of entries than m->nonzeros, a codebook that is not finite, or more than that; the bias is
// left to tnm_matrix_check_arrays.
bool tnm_packed_read(struct bytes in, struct tnm_matrix *m, const struct tnm_matrix *before,
                     struct tnm_error *err) TNM_MUST_CHECK;

#endif
