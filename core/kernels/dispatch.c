/* SPDX-License-Identifier: MIT */
// What the processor has, and which table that gives.
#include "core/kernels/kernels.h"

#include <stdlib.h>
#include <string.h>
#if defined(__linux__) && defined(__arm__) && defined(__ARM_NEON)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

// Whether this build holds the table that the flag stands for.
#if defined(__aarch64__) || defined(__x86_64__) || defined(__ARM_NEON)
#define HAVE_NEON 1
#else
#define HAVE_NEON 0
#endif

static unsigned processor_flags(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    return TNM_CPU_NEON | (avx2 ? TNM_CPU_AVX2 : 0U);
#elif defined(__aarch64__)
    return TNM_CPU_NEON;
#elif defined(__linux__) && defined(__arm__) && defined(__ARM_NEON)
    return (getauxval(AT_HWCAP) & HWCAP_NEON) != 0 ? TNM_CPU_NEON : 0;
#else
    return 0;
#endif
}

unsigned tnm_cpu_flags(void) {
    unsigned flags = processor_flags();
    const char *off = getenv("TNM_CPU_OFF");
    if (off != NULL && strstr(off, "neon") != NULL)
        flags = 0;
    if (off != NULL && strstr(off, "avx2") != NULL)
        flags &= ~(unsigned)TNM_CPU_AVX2;
    return flags;
}

void tnm_kernels_pick(struct tnm_kernels *table, unsigned flags) {
    tnm_kernels_scalar(table);
#if HAVE_NEON
    if (flags & TNM_CPU_NEON)
        tnm_kernels_neon(table);
#endif
#if defined(__x86_64__)
    if (flags & TNM_CPU_AVX2)
        tnm_kernels_neon_avx2(table);
#endif
    (void)flags;
}
