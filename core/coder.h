/* SPDX-License-Identifier: MIT */
// An adaptive binary arithmetic coder whose probabilities are mixed from several models. Whole
// numbers only, so that every machine decodes the same bits. FORMAT.md, section 6.1, defines it.
//
// One set of functions writes and reads: tnm_code_bit(c, model, bit) writes bit, or, where
// c->decode, ignores it and returns what is read. A procedure that describes its data bit by bit in
// terms of what it already knows is thereby encoder and decoder at once, and the two cannot differ.
#ifndef TNM_CODER_H
#define TNM_CODER_H

#include "core/stream.h"

enum {
    TNM_SPAN = 2816, // logits are in 1/256, -2815..2815: 11 nats
    TNM_MIX_INPUTS = 8,
    TNM_MIX_SETS = 3
};

// The probability that a bit is 1, learned from n bits.
struct tnm_bit {
    uint32_t p; // in 2^-28
    uint32_t n; // stops at 1023
};

// Weights of a mixer's inputs, in 2^-16.
struct tnm_weights {
    int32_t w[TNM_MIX_INPUTS];
};

// A bit about to be coded: the models that speak of it, logits that are given, and the sets of
// weights that mix them. The logits of the sets are averaged.
struct tnm_decision {
    unsigned n_models, n_logits, n_sets; // n_models + n_logits <= TNM_MIX_INPUTS
    struct tnm_bit *model[TNM_MIX_INPUTS];
    int logit[TNM_MIX_INPUTS];
    struct tnm_weights *set[TNM_MIX_SETS];
};

struct tnm_coder {
    bool decode;
    uint32_t low, high, code;
    struct bytes in;      // decode: what is read; zeros follow its end
    size_t at;            // bytes read, beyond the end too
    struct tnm_sink *out; // encode
    uint16_t squash[2 * TNM_SPAN];
    int16_t stretch[1 << 16];
};

// Makes the tables, and begins to read in or, where out is not NULL, to write into it.
void tnm_coder_start(struct tnm_coder *c, struct bytes in, struct tnm_sink *out);

// Encode: writes what is left, in as few bytes as will do; the last byte is not 0.
// Decode: returns whether as many bytes were asked for as there are.
bool tnm_coder_end(struct tnm_coder *c);

// Decode: TNM_EFORMAT where there is more, or where the last byte is 0. name: of the stream.
bool tnm_coder_check_end(struct tnm_coder *c, const char *name,
                         struct tnm_error *err) TNM_MUST_CHECK;

// A bit of probability 1/2; n bits of value, the highest first.
bool tnm_code_plain(struct tnm_coder *c, bool bit);
uint32_t tnm_code_plain_bits(struct tnm_coder *c, uint32_t value, unsigned n);

// A bit by one model; a bit by several.
bool tnm_code_bit(struct tnm_coder *c, struct tnm_bit *model, bool bit);
bool tnm_code_mixed(struct tnm_coder *c, const struct tnm_decision *d, bool bit);

// A bit that both sides know: learned as if it had been coded, and nothing is read or written.
void tnm_learn_mixed(const struct tnm_coder *c, const struct tnm_decision *d, bool bit);

// Models that know nothing yet, and say p (in 2^-16); weights that are all w (in 2^-16).
void tnm_bits_init(struct tnm_bit *model, size_t n, uint32_t p);
void tnm_weights_init(struct tnm_weights *set, size_t n, int32_t w);

#endif
