/* SPDX-License-Identifier: MIT */
// Gradual pruning while a network trains.
#include "models/gradual.h"

#include "core/error.h"
#include "models/prune.h"
#include "models/update.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

uint64_t train_left(uint64_t from, uint64_t to, double way) {
    if (to >= from || way <= 0)
        return from;
    double ratio = (double)(to > 0 ? to : 1) / (double)from;
    double left = (double)from * pow(ratio, 1 - pow(1 - way, 1.5));
    return way >= 1 ? to : (uint64_t)llround(left);
}

// How many prunings are due when so many steps of the run are done; they are evenly spread, the
// last one at its end.
static uint64_t prunings_after(const struct run *run, uint64_t steps_done) {
    return steps_done * run->options->prune->per_epoch / run->steps;
}

static void weigh(struct run *run) {
    const struct train_prune *prune = run->options->prune;
    float *saliency = run->saliency_memory;
    for (uint32_t l = 0; l < run->net->n_layers; l++) {
        const struct net_layer *layer = &run->net->layer[l];
        size_t n = (size_t)layer->rows * layer->cols;
        if (prune->saliency == SALIENCY_FISHER)
            saliency_of(layer->w, run->v + run->thread[0].pass.at[l], n, saliency);
        for (size_t i = 0; prune->saliency == SALIENCY_MAGNITUDE && i < n; i++)
            saliency[i] = fabsf(layer->w[i]);
        if (l + 1 == run->net->n_layers)
            saliency_guard(layer, saliency);
        run->layer[l] = &run->net->layer[l];
        run->saliency[l] = saliency;
        saliency += n;
    }
}

bool gradual_due(const struct run *run, uint64_t t) {
    return run->options->prune != NULL && prunings_after(run, t + 1) > prunings_after(run, t);
}

void gradual_prune(struct run *run, uint64_t t) {
    const struct train_prune *prune = run->options->prune;
    uint64_t due = prunings_after(run, t + 1);
    weigh(run);
    double all = (double)run->options->epochs * prune->per_epoch;
    prune_to(run->layer, run->saliency, run->net->n_layers,
             train_left(run->unpruned, prune->to, (double)due / all));
    update_forget(run);
}

bool gradual_open(struct run *run, struct tnm_error *err) {
    size_t n = run->net->n_layers;
    run->unpruned = net_nonzeros(run->net);
    run->saliency = calloc(n, sizeof *run->saliency);
    run->layer = calloc(n, sizeof *run->layer);
    run->saliency_memory = malloc(net_weights(run->net) * sizeof *run->saliency_memory);
    return (run->saliency != NULL && run->layer != NULL && run->saliency_memory != NULL) ||
           tnm_fail_errno(err, ENOMEM, "pruning");
}

void gradual_close(struct run *run) {
    free(run->saliency);
    free(run->saliency_memory);
    free(run->layer);
}
