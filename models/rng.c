/* SPDX-License-Identifier: MIT */
// Random numbers that repeat.
#include "models/rng.h"

#include <math.h>

static uint64_t splitmix(uint64_t *state) {
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

void rng_seed(struct rng *rng, uint64_t seed, uint64_t stream) {
    // Both go through the mixer, so that (1, 2) and (2, 1) have nothing in common.
    uint64_t state = splitmix(&seed) ^ stream;
    state = splitmix(&state);
    for (int i = 0; i < 4; i++)
        rng->s[i] = splitmix(&state);
}

static uint64_t rotate(uint64_t x, int bits) {
    return x << bits | x >> (64 - bits);
}

uint64_t rng_next(struct rng *rng) {
    uint64_t *s = rng->s;
    uint64_t result = rotate(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

double rng_uniform(struct rng *rng) {
    return (double)(rng_next(rng) >> 11) * 0x1p-53;
}

float rng_between(struct rng *rng, float low, float high) {
    return low + (high - low) * (float)rng_uniform(rng);
}

// Lemire 2019: the high half of a product, redrawn in the few cases that would favour some values.
uint32_t rng_below(struct rng *rng, uint32_t n) {
    uint32_t unfair = -n % n;
    for (;;) {
        uint64_t product = (rng_next(rng) >> 32) * n;
        if ((uint32_t)product >= unfair)
            return (uint32_t)(product >> 32);
    }
}

double rng_normal(struct rng *rng) {
    double radius = sqrt(-2 * log(1 - rng_uniform(rng)));
    return radius * cos(6.283185307179586 * rng_uniform(rng));
}

void rng_shuffle(struct rng *rng, uint32_t *item, uint32_t n) {
    for (uint32_t i = n; i > 1; i--) {
        uint32_t k = rng_below(rng, i);
        uint32_t held = item[i - 1];
        item[i - 1] = item[k];
        item[k] = held;
    }
}
