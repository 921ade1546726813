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
