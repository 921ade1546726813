/* SPDX-License-Identifier: MIT */
// NEON, or its names on other machines. The only file that knows which.
#ifndef TNM_SIMD_H
#define TNM_SIMD_H

#if defined(__ARM_NEON)
#include <arm_neon.h>
#define TNM_SIMD_NAME "neon"
#else
#define SIMDE_ENABLE_NATIVE_ALIASES
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wundef"
#pragma GCC diagnostic ignored "-Wuninitialized"
#include <simde/arm/neon.h>
#pragma GCC diagnostic pop
#if defined(TNM_AVX2)
#define TNM_SIMD_NAME "neon (simde, avx2)"
#else
#define TNM_SIMD_NAME "neon (simde, sse2)"
#endif
#endif

// Bit i: x[i] is not 0 (a NaN is not 0 either).
static inline unsigned simd_nonzero4(const float *x) {
#if defined(__SSE2__)
    return (unsigned)_mm_movemask_ps(_mm_cmpneq_ps(_mm_loadu_ps(x), _mm_setzero_ps()));
#else
    static const uint32_t bit[4] = {1, 2, 4, 8};
    uint32x4_t zero = vceqq_f32(vld1q_f32(x), vdupq_n_f32(0));
    uint32x4_t set = vbicq_u32(vld1q_u32(bit), zero);
    uint32x2_t pair = vpadd_u32(vget_low_u32(set), vget_high_u32(set));
    return vget_lane_u32(vpadd_u32(pair, pair), 0);
#endif
}

#endif
