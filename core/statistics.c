/* SPDX-License-Identifier: MIT */
// Intervals and tests.
#include "core/statistics.h"

#include <math.h>

enum { EXACT_PAIRS = 1000 }; // below it an exact p costs nothing

void tnm_interval(uint64_t right, uint64_t images, double *low, double *high) {
    static const double z = 1.959963984540054;
    double n = (double)images, p = images > 0 ? (double)right / n : 0;
    double middle = p + z * z / (2 * n), half = z * sqrt(p * (1 - p) / n + z * z / (4 * n * n));
    *low = images > 0 ? (middle - half) / (1 + z * z / n) : 0;
    *high = images > 0 ? (middle + half) / (1 + z * z / n) : 1;
}

// P(X <= k) of X binomial with n trials of 1/2, term by term from the first: each is the one before
// times (n - i) / (i + 1), and 2^-n is still a normal double.
static double binomial_half_below(uint32_t k, uint32_t n) {
    double term = ldexp(1, -(int)n), sum = 0;
    for (uint32_t i = 0; i <= k; i++) {
        sum += term;
        term *= (double)(n - i) / (i + 1);
    }
    return sum;
}

double tnm_mcnemar(uint64_t b, uint64_t c) {
    uint64_t fewer = b < c ? b : c, n = b + c;
    if (b == c)
        return 1;
    if (n <= EXACT_PAIRS)
        return fmin(1, 2 * binomial_half_below((uint32_t)fewer, (uint32_t)n));
    double difference = fabs((double)b - (double)c) - 1;
    return erfc(sqrt(difference * difference / (double)n / 2)); // chi-squared, one degree
}
