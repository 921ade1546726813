/* SPDX-License-Identifier: MIT */
// exp, tanh and softmax from sums and products alone: the same bits on every machine, which a C
// library's do not promise. Relative error below 2^-41, so that a result rounded to f32 is right
// but for cases within 2^-17 of a tie.
#ifndef TNM_ELEMENTARY_H
#define TNM_ELEMENTARY_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

// e^x; 0 below -700, e^700 above 700, NaN for NaN.
static inline double tnm_exp(double x) {
    if (x != x || x < -700)
        return x != x ? x : 0;
    if (x > 700)
        x = 700;
    // x = k ln 2 + r with |r| <= 0.35, ln 2 in two parts so that k times the first is exact.
    double k = (double)(int32_t)(x * 1.4426950408889634 + (x < 0 ? -0.5 : 0.5));
    double r = x - k * 0x1.62e42fefap-1 - k * 0x1.cf79abc9e3b3ap-40;
    static const double over_factorial[] = {1.0,
                                            1.0,
                                            1.0 / 2,
                                            1.0 / 6,
                                            1.0 / 24,
                                            1.0 / 120,
                                            1.0 / 720,
                                            1.0 / 5040,
                                            1.0 / 40320,
                                            1.0 / 362880,
                                            1.0 / 3628800,
                                            1.0 / 39916800,
                                            1.0 / 479001600};
    double sum = 0; // Horner's form of the sum of r^i / i!
    for (int i = 12; i >= 0; i--)
        sum = over_factorial[i] + sum * r;
    uint64_t bits = (uint64_t)((int64_t)k + 1023) << 52;
    double power;
    memcpy(&power, &bits, sizeof power);
    return sum * power;
}

static inline double tnm_tanh(double x) {
    if (x > -0.001 && x < 0.001)
        return x - x * x * x / 3; // the next term, 2 x^5 / 15, is below 2^-42 of it
    return 1 - 2 / (tnm_exp(2 * x) + 1);
}

// probability[i * stride] = e^x[i * stride] / the sum of all n. x and probability may be one array.
static inline void tnm_softmax(const float *x, size_t n, size_t stride, float *probability) {
    double most = (double)x[0], sum = 0;
    for (size_t i = 1; i < n; i++)
        most = (double)x[i * stride] > most ? (double)x[i * stride] : most;
    for (size_t i = 0; i < n; i++)
        sum += tnm_exp((double)x[i * stride] - most);
    for (size_t i = 0; i < n; i++)
        probability[i * stride] = (float)(tnm_exp((double)x[i * stride] - most) / sum);
}

#endif
