/* SPDX-License-Identifier: MIT */
// Whole numbers and lists of floats through the arithmetic coder: codebooks and biases. A list is
// stored as whole multiples of a step, as f16 or as f32, the first of these that loses nothing. A
// value of -0 is no multiple: who rounds values to multiples adds 0 to them, which makes it 0.
#ifndef TNM_PACKED_LIST_H
#define TNM_PACKED_LIST_H

#include "core/coder.h"

// Models only: what is known of numbers.
struct tnm_numbers {
    struct tnm_bit zero[2], sign, length[20], top[21];
};

struct tnm_list {
    float *value; // (n), written where the coder decodes
    size_t n;
    bool chain;                // multiples are told as differences to the one before, less 1
    const uint32_t *row_start; // (n + 1) or NULL: value i belongs to a row; those of empty rows are
                               // expected to be 0
};

void tnm_numbers_init(struct tnm_numbers *numbers);

// A number below 2^21 in magnitude. context 0 or 1: where zeros are counted apart.
int32_t tnm_code_number(struct tnm_coder *c, struct tnm_numbers *numbers, unsigned context,
                        int32_t value);

// Any floats, bit by bit.
void tnm_code_list(struct tnm_coder *c, struct tnm_numbers *numbers, const struct tnm_list *list);

#endif
