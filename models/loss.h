/* SPDX-License-Identifier: MIT */
// What training makes small: functions of the logits and of what they should be.
#ifndef LOSS_H
#define LOSS_H

#include <stddef.h>
#include <stdint.h>

struct loss_call {
    const float *logits;   // (n, outputs)
    const uint16_t *label; // (n)
    const float *soft;     // (n, outputs), loss_distilled: what teachers say
    uint32_t n, outputs;
    float temperature, weight; // loss_distilled
    float scale;               // of the gradient: 1 / images in the whole batch
    float *d_logits;           // (n, outputs), gets scale times the gradient of each image's loss
    uint32_t *correct;         // raised by the images whose largest logit is their label's
};

// Returns the sum of the images' losses.
typedef double loss_function(const struct loss_call *call);

// -log of the label's probability, probabilities being the softmax of the logits.
loss_function loss_cross_entropy;

// Distillation: (1 - weight) of that and weight * temperature^2 times the Kullback-Leibler
// divergence of the network's probabilities at the temperature (the softmax of logits /
// temperature) from the teachers'. The square keeps gradients as large as they are at temperature 1
// (Hinton, Vinyals, Dean 2015, section 2).
loss_function loss_distilled;

// The first of the largest, as every reader of logits here counts it.
uint32_t loss_largest(const float *logits, uint32_t outputs);

#endif
