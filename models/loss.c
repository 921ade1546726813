/* SPDX-License-Identifier: MIT */
// What training makes small.
#include "models/loss.h"

#include <math.h>

uint32_t loss_largest(const float *logits, uint32_t outputs) {
    uint32_t best = 0;
    for (uint32_t k = 1; k < outputs; k++)
        if (logits[k] > logits[best])
            best = k;
    return best;
}

double loss_cross_entropy(const struct loss_call *call) {
    double loss = 0;
    for (uint32_t i = 0; i < call->n; i++) {
        const float *z = call->logits + (size_t)i * call->outputs;
        float *d = call->d_logits + (size_t)i * call->outputs;
        uint32_t best = loss_largest(z, call->outputs);
        float sum = d[0] = expf(z[0] - z[best]);
        for (uint32_t k = 1; k < call->outputs; k++)
            sum += d[k] = expf(z[k] - z[best]);
        for (uint32_t k = 0; k < call->outputs; k++)
            d[k] *= call->scale / sum;
        d[call->label[i]] -= call->scale;
        loss += logf(sum) + z[best] - z[call->label[i]];
        *call->correct += best == call->label[i];
    }
    return loss;
}

// Adds the part of one image that comes from its teachers; returns its loss.
static double add_divergence(const struct loss_call *call, const float *z, const float *soft,
                             float most, float *d) {
    const float t = call->temperature;
    float sum = 0;
    double loss = 0;
    for (uint32_t k = 0; k < call->outputs; k++)
        sum += expf((z[k] - most) / t);
    for (uint32_t k = 0; k < call->outputs; k++) {
        float p = expf((z[k] - most) / t) / sum;
        d[k] += call->weight * call->scale * t * (p - soft[k]);
        if (soft[k] > 0)
            loss += (double)soft[k] * (double)(logf(soft[k]) - (z[k] - most) / t + logf(sum));
    }
    return (double)(call->weight * t * t) * loss;
}

double loss_distilled(const struct loss_call *call) {
    struct loss_call hard = *call;
    hard.scale *= 1 - call->weight;
    double loss = (double)(1 - call->weight) * loss_cross_entropy(&hard);
    for (uint32_t i = 0; i < call->n; i++) {
        size_t at = (size_t)i * call->outputs;
        const float *z = call->logits + at;
        loss += add_divergence(call, z, call->soft + at, z[loss_largest(z, call->outputs)],
                               call->d_logits + at);
    }
    return loss;
}
