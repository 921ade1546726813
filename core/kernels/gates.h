/* SPDX-License-Identifier: MIT */
// What an lstm does to each place of its memory, written for compilers to turn into vectors: no
// branch, each operation by itself rounded to f32, so that every width gives the same bits.
#ifndef TNM_GATES_H
#define TNM_GATES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

// x limited to -87 .. 87, by its bits: compilers make vectors of comparisons of whole numbers
// only. A NaN becomes one of the two.
static inline float gates_limit(float x) {
    const uint32_t most = 0x42ae0000; // of 87
    uint32_t bits, magnitude;
    memcpy(&bits, &x, sizeof bits);
    magnitude = bits & 0x7fffffff;
    magnitude = magnitude < most ? magnitude : most;
    bits = (bits & 0x80000000) | magnitude;
    memcpy(&x, &bits, sizeof x);
    return x;
}

// e^x within 2^-22 of itself, x limited. x = k ln 2 + r, |r| <= 0.35, and the series of e^r; ln 2
// is in two parts, the first with so few bits that k times it is exact.
static inline float gates_exp(float x) {
    x = gates_limit(x);
    float shifted = x * 1.44269504F + 12582912.0F; // 1.5 * 2^23: the sum is whole
    float k = shifted - 12582912.0F;
    float r = x - k * 0.693359375F;
    r = r - k * -2.12194440e-4F;
    float sum = 1.0F / 5040;
    sum = sum * r + 1.0F / 720;
    sum = sum * r + 1.0F / 120;
    sum = sum * r + 1.0F / 24;
    sum = sum * r + 1.0F / 6;
    sum = sum * r + 0.5F;
    sum = sum * r + 1.0F;
    sum = sum * r + 1.0F;
    uint32_t bits;
    float power;
    memcpy(&bits, &shifted, sizeof bits); // k is in its lowest bits
    bits = (bits + 127) << 23;
    memcpy(&power, &bits, sizeof power);
    return sum * power;
}

static inline float gates_sigmoid(float x) {
    return 1.0F / (1.0F + gates_exp(-x));
}

// Within 2^-22 of 1, not of itself: enough for a sum that a memory of this size takes part in.
static inline float gates_tanh(float x) {
    return 1.0F - 2.0F / (gates_exp(x + x) + 1.0F);
}

// See tnm_kernels.lstm in kernels.h.
static inline void gates_lstm(const float *restrict row, const float *restrict memory, size_t n,
                              float *restrict cell, float *restrict out) {
    for (size_t i = 0; i < n; i++) {
        float in = gates_sigmoid(row[i] + memory[i]);
        float forget = gates_sigmoid(row[n + i] + memory[n + i]);
        float fresh = gates_tanh(row[2 * n + i] + memory[2 * n + i]);
        float show = gates_sigmoid(row[3 * n + i] + memory[3 * n + i]);
        cell[i] = forget * cell[i] + in * fresh;
        out[i] = show * gates_tanh(cell[i]);
    }
}

#endif
