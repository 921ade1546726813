/* SPDX-License-Identifier: MIT */
// An lstm's gates, in loops that compilers turn into vectors, with the engine's own curves. On
// x86-64 they are compiled twice and the wider ones taken where the processor has AVX2; both give
// the same bits.
#include "models/gates.h"

#include "core/kernels/gates.h"

#include <stdbool.h>

#define INLINE static inline __attribute__((always_inline))

INLINE void forward(size_t n, float *restrict gate, const float *restrict before,
                    float *restrict cell, float *restrict tanh, float *restrict held) {
    for (size_t i = 0; i < n; i++) {
        float in = gates_sigmoid(gate[i]), forget = gates_sigmoid(gate[n + i]);
        float fresh = gates_tanh(gate[2 * n + i]), show = gates_sigmoid(gate[3 * n + i]);
        float c = forget * (before != NULL ? before[i] : 0) + in * fresh;
        gate[i] = in;
        gate[n + i] = forget;
        gate[2 * n + i] = fresh;
        gate[3 * n + i] = show;
        cell[i] = c;
        tanh[i] = gates_tanh(c);
        held[i] = show * tanh[i];
    }
}

INLINE void backward(size_t n, float *restrict gate, const float *restrict before,
                     const float *restrict tanh, const float *restrict d_held,
                     float *restrict d_cell) {
    for (size_t i = 0; i < n; i++) {
        float in = gate[i], forget = gate[n + i], fresh = gate[2 * n + i], show = gate[3 * n + i];
        float d = d_cell[i] + d_held[i] * show * (1 - tanh[i] * tanh[i]);
        gate[i] = d * fresh * in * (1 - in);
        gate[n + i] = d * (before != NULL ? before[i] : 0) * forget * (1 - forget);
        gate[2 * n + i] = d * in * (1 - fresh * fresh);
        gate[3 * n + i] = d_held[i] * tanh[i] * show * (1 - show);
        d_cell[i] = d * forget;
    }
}

#if defined(__x86_64__) && defined(__GNUC__)
#define WIDE __attribute__((target("avx2")))

static bool wide(void) {
    return __builtin_cpu_supports("avx2");
}
#else
#define WIDE

static bool wide(void) {
    return false;
}
#endif

// The two cases apart, so that neither asks inside its loop.
INLINE void forward_place(const struct gates_place *p) {
    if (p->before != NULL)
        forward(p->n, p->gate, p->before, p->cell, p->tanh, p->held);
    else
        forward(p->n, p->gate, NULL, p->cell, p->tanh, p->held);
}

INLINE void backward_place(const struct gates_place *p, const float *d_held, float *d_cell) {
    if (p->before != NULL)
        backward(p->n, p->gate, p->before, p->tanh, d_held, d_cell);
    else
        backward(p->n, p->gate, NULL, p->tanh, d_held, d_cell);
}

WIDE static void forward_wide(const struct gates_place *p) {
    forward_place(p);
}

WIDE static void backward_wide(const struct gates_place *p, const float *d_held, float *d_cell) {
    backward_place(p, d_held, d_cell);
}

void gates_forward(const struct gates_place *p) {
    if (wide())
        forward_wide(p);
    else
        forward_place(p);
}

void gates_backward(const struct gates_place *p, const float *d_held, float *d_cell) {
    if (wide())
        backward_wide(p, d_held, d_cell);
    else
        backward_place(p, d_held, d_cell);
}
