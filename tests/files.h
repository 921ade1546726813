/* SPDX-License-Identifier: MIT */
// Small valid models, made by tnm_encode. All weights and biases are multiples of 1/64 and small,
// so that sums of products with such inputs are exact. What fails calls abort().
#ifndef FILES_H
#define FILES_H

#include "core/graph.h"
#include "core/meta.h"

enum sample_kind {
    SAMPLE_TINY,   // 4 inputs, 3 outputs, csr-codebook: the file of FORMAT.md. Labels, self-test
    SAMPLE_DENSE,  // 6-5-3, f32
    SAMPLE_HALF,   // 6-5-3, f16
    SAMPLE_CSR,    // 6-5-3, pruned
    SAMPLE_SHARED, // 16-24-10, codes of 5 and 3 bits
    SAMPLE_WIDE,   // 70000-3, pruned, columns of 32 bits
    SAMPLE_DIGITS, // (1, 28, 28) flattened, 784-32-10, 5-bit codes, ink recipe, labels "0".."9"
    SAMPLE_CONV,   // (1, 12, 12): convolutions with pads, strides, groups; pools; linear to 10
    SAMPLE_EVERY,  // (2, 6, 6) to 6: every operation but lstm once
    SAMPLE_PACKED, // (1, 12, 12): all layers packed, as pictures and not; a seeded self-test
    SAMPLE_LSTM,   // (5, 3): two lstm, the first of every step; linear to 3
    SAMPLE_CODED,  // as packed, coded: no DATA
    SAMPLE_BESIDE, // as lstm, coded, with packed second matrices: DATA beside CODED
    SAMPLE_KINDS
};

struct sample {
    struct tnm_graph graph;
    struct tnm_meta meta;
};

const char *sample_name(enum sample_kind kind); // "tiny", as in the file

void sample_make(struct sample *sample, enum sample_kind kind);

// Replaces the self-test by one of n cases, the logits being those of plain_run.
void sample_self_test(struct sample *sample, uint32_t n);

void sample_free(struct sample *sample);

// The file itself, to be freed by the caller.
uint8_t *sample_encode(const struct sample *sample, size_t *len);
uint8_t *sample_bytes(enum sample_kind kind, size_t *len);

// Opened, to be closed by the caller; and written to path.
struct tnm_model *sample_open(enum sample_kind kind);
void sample_save(enum sample_kind kind, const char *path);

#endif
