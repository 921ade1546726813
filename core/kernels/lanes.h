/* SPDX-License-Identifier: MIT */
// Small things that the NEON kernels share: four lanes at four places.
#ifndef TNM_LANES_H
#define TNM_LANES_H

#include "core/kernels/kernels.h"
#include "core/kernels/simd.h"

#include <string.h>

#define INLINE static inline __attribute__((always_inline))

INLINE float32x4_t clamp4(float32x4_t v, float32x4_t low, float32x4_t high) {
    v = vbslq_f32(vcgtq_f32(v, low), v, low);
    return vbslq_f32(vcltq_f32(v, high), v, high);
}

INLINE const float *at_offset(const float *x, size_t bytes) {
    return (const float *)(const void *)((const char *)x + bytes);
}

// Four byte offsets.
struct four {
    size_t a, b, c, d;
};

INLINE struct four unpack(const uint16_t offset[4]) {
    uint64_t all; // one load for four
    memcpy(&all, offset, sizeof all);
    return (struct four){(size_t)(all & 0xffff), (size_t)(all >> 16 & 0xffff),
                         (size_t)(all >> 32 & 0xffff), (size_t)(all >> 48)};
}

INLINE float32x4_t four_at(const float *x, struct four at) {
    float32x4_t v = vld1q_dup_f32(at_offset(x, at.a));
    v = vld1q_lane_f32(at_offset(x, at.b), v, 1);
    v = vld1q_lane_f32(at_offset(x, at.c), v, 2);
    return vld1q_lane_f32(at_offset(x, at.d), v, 3);
}

INLINE float *slot(float *sum, size_t bytes) {
    return (float *)(void *)((char *)sum + bytes);
}

INLINE void put_four(float *sum, struct four at, float32x4_t v) {
    vst1q_lane_f32(slot(sum, at.a), v, 0);
    vst1q_lane_f32(slot(sum, at.b), v, 1);
    vst1q_lane_f32(slot(sum, at.c), v, 2);
    vst1q_lane_f32(slot(sum, at.d), v, 3);
}

INLINE void clamp_all(const float *from, uint32_t n, float *y, struct tnm_clamp to) {
    float32x4_t low = vdupq_n_f32(to.low), high = vdupq_n_f32(to.high);
    uint32_t r = 0;
    for (; r + 4 <= n; r += 4)
        vst1q_f32(y + r, clamp4(vld1q_f32(from + r), low, high));
    for (; r < n; r++)
        y[r] = tnm_clamp(from[r], to);
}

#endif
