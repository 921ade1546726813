/* SPDX-License-Identifier: MIT */
// What may be concluded from counted answers. Forge and daemon both count, and must conclude alike.
#ifndef TNM_STATISTICS_H
#define TNM_STATISTICS_H

#include <stdint.h>

// The interval that covers the true share with 95 % where so many of n were right (Wilson 1927).
// 0 and 1 for n = 0.
void tnm_interval(uint64_t right, uint64_t n, double *low, double *high);

// McNemar's test (1947) of two models on the same inputs: p, two-sided, of the null hypothesis that
// both are equally good, for b that only the first and c that only the second got right. Exact
// (binomial) as long as b + c is at most 1000, chi-squared with continuity correction (Edwards
// 1948) beyond; 1 where b = c.
double tnm_mcnemar(uint64_t b, uint64_t c);

#endif
