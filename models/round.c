/* SPDX-License-Identifier: MIT */
// Numbers beside the weights, rounded.
#include "models/round.h"

#include <math.h>

static const float largest_half = 65504;

static float to_half(float x) {
    return tnm_half_to_float(tnm_float_to_half(fminf(fmaxf(x, -largest_half), largest_half)));
}

// The least binary16 that times the largest multiple reaches most.
static float step_for(float most, float multiple) {
    float step = to_half(most / multiple);
    if (step * multiple < most && step < largest_half)
        step = tnm_half_to_float((uint16_t)(tnm_float_to_half(step) + 1));
    return step;
}

static void round_to_steps(float *value, uint32_t n, uint32_t bits) {
    float multiple = (float)((1 << (bits - 1)) - 1), most = 0;
    for (uint32_t i = 0; i < n; i++)
        most = fmaxf(most, fabsf(value[i]));
    float step = step_for(most, multiple);
    for (uint32_t i = 0; i < n && most > 0; i++)
        // 0 without sign, whatever it was
        value[i] = fminf(fmaxf(roundf(value[i] / step), -multiple), multiple) * step + 0.0f;
}

static void follow_codebook(struct net_layer *layer) {
    for (size_t i = 0; i < (size_t)layer->rows * layer->cols; i++)
        if (layer->keep[i])
            layer->w[i] = layer->codebook[layer->code[i]];
}

void round_codebooks_half(struct net *net) {
    for (uint32_t l = 0; l < net->n_layers; l++) {
        struct net_layer *layer = &net->layer[l];
        if (layer->bits == 0)
            continue;
        for (uint32_t k = 0; k < layer->n_centroids; k++)
            layer->codebook[k] = to_half(layer->codebook[k]);
        follow_codebook(layer);
    }
}

void round_codebooks(struct net *net, uint32_t bits) {
    for (uint32_t l = 0; l < net->n_layers; l++) {
        struct net_layer *layer = &net->layer[l];
        if (layer->bits == 0)
            continue;
        round_to_steps(layer->codebook, layer->n_centroids, bits);
        follow_codebook(layer);
    }
}

void round_biases(struct net *net, uint32_t bits) {
    for (uint32_t l = 0; l < net->n_layers; l++)
        if (net->layer[l].bias != NULL)
            round_to_steps(net->layer[l].bias, net->layer[l].rows, bits);
}
