/* SPDX-License-Identifier: MIT */
// SplitMix64 (Steele, Lea, Flood 2014), seeded by TNM_SEED.
#include "tests/random.h"

#include <stdlib.h>

void random_start(struct randomness *r, uint64_t salt) {
    const char *seed = getenv("TNM_SEED");
    r->state = (seed != NULL ? strtoull(seed, NULL, 10) : 1) * 0x9e3779b97f4a7c15 + salt;
    r->state = random_bits(r);
}

uint64_t random_bits(struct randomness *r) {
    uint64_t z = r->state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

uint32_t random_between(struct randomness *r, uint32_t from, uint32_t to) {
    return from + (uint32_t)(random_bits(r) % ((uint64_t)to - from + 1));
}

int random_percent(struct randomness *r, unsigned percent) {
    return random_bits(r) % 100 < percent;
}

float random_float(struct randomness *r) {
    return (float)(int32_t)(random_bits(r) >> 40) / 0x1p23F - 1;
}

void random_fill(struct randomness *r, float *x, size_t n, unsigned zeros) {
    for (size_t i = 0; i < n; i++)
        x[i] = random_percent(r, zeros) ? 0 : random_float(r);
}
