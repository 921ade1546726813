/* SPDX-License-Identifier: MIT */
// One step of an optimiser on a run of numbers. Where keep is 0 nothing moves: a removed weight
// stays 0, and so do its moments.
#ifndef OPTIMISE_H
#define OPTIMISE_H

#include <stddef.h>
#include <stdint.h>

enum optimiser {
    OPTIMISE_ADAM, // Kingma and Ba 2015, algorithm 1
    OPTIMISE_SGD   // with momentum, as PyTorch has it: v = momentum v + g, w -= rate v
};

// What one step is made with.
struct optimise_step {
    float rate;                // this step's learning rate; Adam: divided by 1 - beta1^t
    float beta1, beta2;        // Adam
    float correction, epsilon; // Adam: 1 / sqrt(1 - beta2^t)
    float momentum;            // SGD
    float shrink; // decoupled weight decay (Loshchilov and Hutter 2019): w *= 1 - shrink
    float l1, l2; // coupled penalties: g += l1 sign(w) + l2 w before all else
};

// n numbers; m and v (moments, 0 at first; SGD uses v alone). keep is NULL where all are kept.
void optimise_adam(const struct optimise_step *step, float *w, const float *g, float *m, float *v,
                   const uint8_t *keep, size_t n);
void optimise_sgd(const struct optimise_step *step, float *w, const float *g, float *v,
                  const uint8_t *keep, size_t n);

// g[i] += other[i].
void optimise_add(float *g, const float *other, size_t n);

#endif
