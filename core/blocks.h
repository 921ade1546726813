/* SPDX-License-Identifier: MIT */
// Whether the weights of a matrix come in blocks of four, and the form that kernels for blocks
// read.
//
// Nothing in a file says so: a layer that was pruned in blocks shows it. It takes the pattern that
// fills its strips better, where at least three quarters of all places hold a weight, those places
// among them that only even out lengths. (On x86-64 a place of a tall block takes 0.37 to 0.48 of
// the time of a weight that is gathered by itself, one of a wide block 0.53 to 0.61.)
//
// Block columns are worth it from 9 of 20 places on, which layers that read pictures often have
// without being pruned in blocks, as weights of neighbouring pixels stay or go together. (On x86-64
// with MNIST's images and half of the places full they take 0.71 of the time of columns with AVX2,
// 0.91 without; with 0.38 full, 0.85 and 1.1.)
//
// Every form gives the same bits, so all this decides about time alone.
#ifndef TNM_BLOCKS_H
#define TNM_BLOCKS_H

#include "core/kernels/kernels.h"
#include "core/matrix.h"

enum tnm_block_shape { TNM_TALL, TNM_WIDE, TNM_NO_BLOCKS };

// The units whose blocks stand one behind another: groups of four rows, or rows.
struct tnm_block_unit {
    uint32_t row, n; // first row, blocks
};

struct tnm_block_plan {
    enum tnm_block_shape shape;
    bool columns; // whether block columns are worth it
    uint32_t n_units, n_strips;
    uint64_t n_steps, n_records;    // n_records: of block columns
    struct tnm_block_unit *unit[2]; // tall, wide: those with most blocks first, owned
    uint32_t *column;               // wide blocks of each block column, owned
    struct tnm_block_entry *block;  // (cols), those of one unit, owned
};

// Chooses a shape; TNM_NO_BLOCKS where none is worth it. False where memory is short.
bool tnm_blocks_plan(struct tnm_block_plan *plan, const struct tnm_matrix *m) TNM_MUST_CHECK;
void tnm_block_plan_free(struct tnm_block_plan *plan);

// Places for a weight in a step; four share an offset.
static inline uint32_t tnm_block_places(enum tnm_block_shape shape) {
    return shape == TNM_TALL ? 16 : 32;
}

// Fill in the arrays, all of them but the biases. Of a plan that is not TNM_NO_BLOCKS: strip
// (n_strips), offset and weight for n_steps. Of any, and once only: start (block columns + 1),
// offset and weight for n_records.
void tnm_blocks_fill(const struct tnm_block_plan *plan, const struct tnm_matrix *m,
                     struct tnm_strip *strip, uint16_t *offset, float *weight);
void tnm_block_columns_fill(const struct tnm_block_plan *plan, const struct tnm_matrix *m,
                            uint32_t *start, uint16_t *offset, float *weight);

// What of a matrix is in blocks, for people.
struct tnm_block_count {
    uint64_t weights; // that are not 0
    uint64_t blocks[2],
        in_full[2]; // tall, wide: blocks with a weight; weights in those without a 0
};

bool tnm_blocks_count(const struct tnm_matrix *m, struct tnm_block_count *count) TNM_MUST_CHECK;

#endif
