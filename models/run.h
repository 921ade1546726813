/* SPDX-License-Identifier: MIT */
// A training run from inside: what train.c shares with the files that do a part of it (update,
// gradual, standing).
#ifndef RUN_H
#define RUN_H

#include "models/pass.h"
#include "models/train.h"

// A run of parameters that learn in the same way.
struct block {
    float *value;
    size_t n;
    uint32_t layer;
    bool weights;        // of the layer, or a codebook's; else its biases
    size_t at;           // of its gradients in a pass's d_param
    size_t moment;       // of its moments in run's m and v
    const uint8_t *keep; // NULL: all
    bool decays;
    struct net_layer *shared; // value is this layer's codebook
};

// What belongs to one thread of the team.
struct run_thread {
    struct pass pass;
    struct augment_bench bench;
    uint16_t *label, *copy; // of the images at hand
    float *soft;            // what teachers say of them
    double loss, unexplained;
    uint32_t correct;
};

struct run {
    struct net *net;
    const struct data_set *set;
    const struct train_options *options;
    uint32_t inputs, outputs, steps; // steps in an epoch
    uint32_t epoch;                  // from 0
    uint32_t *order;                 // (set->n), this epoch's
    uint32_t n_blocks;
    struct block *block;
    float *m, *v;              // (run_moments), moments
    uint64_t unpruned;         // weights when the run began
    const float **saliency;    // (n_layers), into the next; only with pruning, as all of these
    struct net_layer **layer;  // (n_layers)
    float *saliency_memory;    // (weights)
    struct run_thread *thread; // (options->threads)
};

// Moments of a network's parameters, with room for those of every layer's codebook behind them.
static inline size_t run_moments(const struct net *net) {
    return pass_parameters(net) + 256 * (size_t)net->n_layers;
}

#endif
