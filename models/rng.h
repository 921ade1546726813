/* SPDX-License-Identifier: MIT */
// Random numbers that repeat: xoshiro256** (Blackman and Vigna 2018, "Scrambled linear
// pseudorandom number generators"), seeded through splitmix64. The same seed and stream give the
// same numbers on every machine; normal draws go through libm and may differ in their last bit
// between two C libraries. One generator belongs to one thread.
#ifndef RNG_H
#define RNG_H

#include <stdint.h>

struct rng {
    uint64_t s[4];
};

// Streams of one seed are unrelated: give each use (weights, order, augmentation, a thread, an
// image) its own.
void rng_seed(struct rng *rng, uint64_t seed, uint64_t stream);

uint64_t rng_next(struct rng *rng);

// 0 <= u < 1, 53 random bits.
double rng_uniform(struct rng *rng);

// low <= u <= high.
float rng_between(struct rng *rng, float low, float high);

// 0..n-1, every value equally likely; n >= 1.
uint32_t rng_below(struct rng *rng, uint32_t n);

// Mean 0, deviation 1 (Box and Muller 1958).
double rng_normal(struct rng *rng);

// Every order of item (n) equally likely (Durstenfeld 1964).
void rng_shuffle(struct rng *rng, uint32_t *item, uint32_t n);

#endif
