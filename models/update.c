/* SPDX-License-Identifier: MIT */
// The second half of a training step.
#include "models/update.h"

#include "models/schedule.h"

#include <string.h>

// ---- The list of blocks ------------------------------------------------------------------------

static bool has_removed(const struct net_layer *layer) {
    return memchr(layer->keep, 0, (size_t)layer->rows * layer->cols) != NULL;
}

void update_list(struct run *run) {
    run->n_blocks = 0;
    size_t at = 0, moment = pass_parameters(run->net);
    for (uint32_t l = 0; l < run->net->n_layers; l++) {
        struct net_layer *layer = &run->net->layer[l];
        size_t n = (size_t)layer->rows * layer->cols;
        struct block *b = &run->block[run->n_blocks++];
        *b = (struct block){.value = layer->w, .n = n, .at = at, .moment = at, .decays = true};
        b->keep = run->options->prune != NULL || has_removed(layer) ? layer->keep : NULL;
        if (layer->bits != 0) {
            *b = (struct block){layer->codebook, layer->n_centroids, at, moment, .shared = layer};
            moment += layer->n_centroids;
        }
        at += n;
        run->block[run->n_blocks++] =
            (struct block){.value = layer->bias, .n = layer->rows, .at = at, .moment = at};
        at += layer->rows;
    }
}

// ---- One step ----------------------------------------------------------------------------------

// Adds the gradients from..to-1 of all threads into the first one's.
static float *add_up(struct run *run, size_t from, size_t to) {
    float *sum = run->thread[0].pass.d_param;
    for (uint32_t t = 1; t < run->options->threads; t++)
        optimise_add(sum + from, run->thread[t].pass.d_param + from, to - from);
    return sum;
}

static void apply(struct run *run, const struct block *b, struct optimise_step step, size_t from,
                  size_t to, const float *g) {
    const uint8_t *keep = b->keep != NULL ? b->keep + from : NULL;
    float *m = run->m + b->moment + from, *v = run->v + b->moment + from;
    if (!b->decays)
        step.shrink = step.l1 = step.l2 = 0;
    if (run->options->optimiser == OPTIMISE_ADAM)
        optimise_adam(&step, b->value + from, g, m, v, keep, to - from);
    else
        optimise_sgd(&step, b->value + from, g, v, keep, to - from);
}

// A codebook learns from the sums of its weights' gradients, and the weights follow it.
static void apply_shared(struct run *run, const struct block *b, struct optimise_step step) {
    struct net_layer *layer = b->shared;
    size_t n = (size_t)layer->rows * layer->cols;
    const float *g = add_up(run, b->at, b->at + n) + b->at;
    float sum[256] = {0};
    for (size_t i = 0; i < n; i++)
        if (layer->keep[i])
            sum[layer->code[i]] += g[i];
    apply(run, b, step, 0, b->n, sum);
    for (size_t i = 0; i < n; i++)
        if (layer->keep[i])
            layer->w[i] = layer->codebook[layer->code[i]];
}

// The same where weights may change their group.
static void apply_regrouped(struct run *run, const struct block *b, struct optimise_step step) {
    const float *g[TEAM_MAX];
    struct net_layer *layer = b->shared;
    for (uint32_t t = 0; t < run->options->threads; t++)
        g[t] = run->thread[t].pass.d_param + b->at;
    step.shrink = step.l1 = step.l2 = 0;
    regroup_step(&run->options->regroup->layer[layer - run->net->layer], layer, &step,
                 run->options->optimiser, g, run->options->threads);
}

// Each thread takes one part of all parameters; a codebook is one thread's.
void update_share(struct run *run, struct team *team, unsigned index, uint64_t t) {
    struct optimise_step step = schedule_step(run->options, t, run->steps);
    size_t first, last;
    team_share(team, index, pass_parameters(run->net), &first, &last);
    for (uint32_t i = 0; i < run->n_blocks; i++) {
        const struct block *b = &run->block[i];
        if (b->shared != NULL) {
            if (i / 2 % team->n == index) // a layer is two blocks
                (run->options->regroup != NULL ? apply_regrouped : apply_shared)(run, b, step);
            continue;
        }
        size_t from = b->at > first ? b->at : first;
        size_t to = b->at + b->n < last ? b->at + b->n : last;
        if (from < to)
            apply(run, b, step, from - b->at, to - b->at, add_up(run, from, to) + from);
    }
}

// ---- All of it ---------------------------------------------------------------------------------

void update_forget(struct run *run) {
    for (uint32_t i = 0; i < run->n_blocks; i++) {
        const struct block *b = &run->block[i];
        for (size_t k = 0; b->keep != NULL && k < b->n; k++)
            if (!b->keep[k])
                run->m[b->moment + k] = run->v[b->moment + k] = 0;
    }
}

void update_copy(const struct run *run, float *best, bool back) {
    for (uint32_t i = 0; i < run->n_blocks; i++) {
        const struct block *b = &run->block[i];
        float *kept = best + b->moment; // as long as the moments, and laid out like them
        memcpy(back ? b->value : kept, back ? kept : b->value, b->n * sizeof *kept);
        struct net_layer *layer = b->shared;
        for (size_t k = 0; back && layer != NULL && k < (size_t)layer->rows * layer->cols; k++)
            layer->w[k] = layer->keep[k] ? layer->codebook[layer->code[k]] : 0;
    }
}
