/* SPDX-License-Identifier: MIT */
// How durations are spread: quantiles of any number of them, to 3 %, in little memory.
#ifndef SPREAD_H
#define SPREAD_H

#include <stdint.h>

// 32 equal buckets for each doubling, up to 2^40 ns; each number below 64 has its own.
enum { SPREAD_BUCKETS = 32 * 36 };

struct spread {
    uint64_t n;
    uint32_t bucket[SPREAD_BUCKETS];
};

void spread_add(struct spread *spread, uint64_t ns);

// What share q (0..1) of them is not above. 0 without any.
double spread_quantile(const struct spread *spread, double q);

#endif
