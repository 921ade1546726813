/* SPDX-License-Identifier: MIT */
// One step of an optimiser, in loops that compilers turn into vectors. On x86-64 they are compiled
// twice and the wider ones taken where the processor has AVX2; both give the same bits.
#include "models/optimise.h"

#include <math.h>
#include <stdbool.h>

#define INLINE static inline __attribute__((always_inline))

// The gradient with the penalties' own.
INLINE float slope_of(const struct optimise_step *s, float w, float g) {
    float sign = (float)((w > 0) - (w < 0));
    return g + s->l2 * w + s->l1 * sign;
}

INLINE void adam(const struct optimise_step *step, float *restrict w, const float *restrict g,
                 float *restrict m, float *restrict v, const uint8_t *restrict keep, size_t n) {
    const struct optimise_step s = *step;
    for (size_t i = 0; i < n; i++) {
        float kept = keep != NULL ? (float)keep[i] : 1;
        float slope = kept * slope_of(&s, w[i], g[i]);
        m[i] = s.beta1 * m[i] + (1 - s.beta1) * slope;
        v[i] = s.beta2 * v[i] + (1 - s.beta2) * slope * slope;
        w[i] -= s.shrink * w[i] + s.rate * m[i] / (sqrtf(v[i]) * s.correction + s.epsilon);
    }
}

INLINE void sgd(const struct optimise_step *step, float *restrict w, const float *restrict g,
                float *restrict v, const uint8_t *restrict keep, size_t n) {
    const struct optimise_step s = *step;
    for (size_t i = 0; i < n; i++) {
        float kept = keep != NULL ? (float)keep[i] : 1;
        v[i] = s.momentum * v[i] + kept * slope_of(&s, w[i], g[i]);
        w[i] -= s.shrink * w[i] + s.rate * v[i];
    }
}

#if defined(__x86_64__) && defined(__GNUC__)
#define WIDE __attribute__((target("avx2")))

WIDE static void adam_wide(const struct optimise_step *step, float *w, const float *g, float *m,
                           float *v, const uint8_t *keep, size_t n) {
    if (keep != NULL)
        adam(step, w, g, m, v, keep, n);
    else
        adam(step, w, g, m, v, NULL, n);
}

static bool wide(void) {
    return __builtin_cpu_supports("avx2");
}

#else

static void adam_wide(const struct optimise_step *step, float *w, const float *g, float *m,
                      float *v, const uint8_t *keep, size_t n) {
    adam(step, w, g, m, v, keep, n);
}

static bool wide(void) {
    return false;
}

#endif

void optimise_adam(const struct optimise_step *step, float *w, const float *g, float *m, float *v,
                   const uint8_t *keep, size_t n) {
    if (wide())
        adam_wide(step, w, g, m, v, keep, n);
    else if (keep != NULL)
        adam(step, w, g, m, v, keep, n);
    else
        adam(step, w, g, m, v, NULL, n);
}

void optimise_sgd(const struct optimise_step *step, float *w, const float *g, float *v,
                  const uint8_t *keep, size_t n) {
    if (keep != NULL)
        sgd(step, w, g, v, keep, n);
    else
        sgd(step, w, g, v, NULL, n);
}

void optimise_add(float *restrict g, const float *restrict other, size_t n) {
    for (size_t i = 0; i < n; i++)
        g[i] += other[i];
}
