/* SPDX-License-Identifier: MIT */
// Random inputs that repeat from run to run. TNM_SEED=n in the environment tries others.
#ifndef RANDOM_H
#define RANDOM_H

#include <stddef.h>
#include <stdint.h>

struct randomness {
    uint64_t state;
};

// Starts a sequence of its own for each salt (the index of a loop test, say).
void random_start(struct randomness *r, uint64_t salt);

uint64_t random_bits(struct randomness *r);

// from..to, both included.
uint32_t random_between(struct randomness *r, uint32_t from, uint32_t to);

// True in so many of 100 cases.
int random_percent(struct randomness *r, unsigned percent);

// -1 to 1.
float random_float(struct randomness *r);

// n floats of -1 to 1, about zeros of 100 of them 0.
void random_fill(struct randomness *r, float *x, size_t n, unsigned zeros);

#endif
