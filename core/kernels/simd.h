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

#endif
