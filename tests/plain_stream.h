/* SPDX-License-Identifier: MIT */
// The arithmetic coder of FORMAT.md, section 6.1, read a second time, without code of core.
#ifndef PLAIN_STREAM_H
#define PLAIN_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct plain_model {
    int64_t q, n;
};

struct plain_weights {
    int64_t w[8];
};

struct plain_stream {
    const uint8_t *at;
    size_t len, read;
    uint32_t low, high, code;
    int64_t squash[5632]; // of x at 2816 + x
    int64_t stretch[65536];
};

// What a mixed bit is coded by.
struct plain_mixture {
    int models, logits, sets;
    struct plain_model *model[8];
    int64_t logit[2];
    struct plain_weights *set[3];
};

// To be freed; NULL: out of memory.
struct plain_stream *plain_stream_open(const uint8_t *at, size_t len);

// 0, or 75 where the stream is longer than what was read of it, or ends in 0.
int plain_stream_end(const struct plain_stream *s);

void plain_start_models(void *at, size_t bytes);
void plain_start_weights(void *at, size_t bytes, int64_t w);

uint32_t plain_bits(struct plain_stream *s, int n);
int plain_by(struct plain_stream *s, struct plain_model *model);
int plain_mixed(struct plain_stream *s, const struct plain_mixture *m);

// What a bit teaches that is not in the stream.
void plain_learn(struct plain_stream *s, const struct plain_mixture *m, int bit);

// floor(x / 2^n); x, kept within.
int64_t plain_shift(int64_t x, int n);
int64_t plain_within(int64_t x, int64_t least, int64_t most);

#endif
