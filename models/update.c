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
        *b = (struct block){layer->w, n, l, true, .at = at, .moment = at, .decays = true};
        b->keep = run->options->prune != NULL || has_removed(layer) ? layer->keep : NULL;
        if (layer->bits != 0) {
            *b = (struct block){layer->codebook, layer->n_centroids, l, true, at,
                                moment,          .shared = layer};
            moment += layer->n_centroids;
        }
        at += n;
        run->block[run->n_blocks++] =
            (struct block){layer->bias, layer->rows, l, false, .at = at, .moment = at};
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

static void move(const struct run *run, const struct optimise_step *step, float *w, const float *g,
                 float *m, float *v, const uint8_t *keep, size_t n) {
    if (run->options->optimiser == OPTIMISE_ADAM)
        optimise_adam(step, w, g, m, v, keep, n);
    else
        optimise_sgd(step, w, g, v, keep, n);
}

static void apply(struct run *run, const struct block *b, struct optimise_step step, size_t from,
                  size_t to, const float *g) {
    const uint8_t *keep = b->keep != NULL ? b->keep + from : NULL;
    float *m = run->m + b->moment + from, *v = run->v + b->moment + from;
    if (!b->decays)
        step.shrink = step.l1 = step.l2 = 0;
    move(run, &step, b->value + from, g, m, v, keep, to - from);
}

// ---- One step of what is left of a layer -------------------------------------------------------

// What is left of a block's layer, where that is little; else NULL. Every thread's is the same.
static const struct sparse *left_of(const struct run *run, const struct block *b) {
    const struct sparse *s = &run->thread[0].pass.sparse[b->layer];
    return b->weights && s->on ? s : NULL;
}

// The gradient of entry at of the block, of all threads together.
static float sum_at(const struct run *run, const struct block *b, size_t at) {
    float sum = run->thread[0].pass.d_param[b->at + at];
    for (uint32_t t = 1; t < run->options->threads; t++)
        sum += run->thread[t].pass.d_param[b->at + at];
    return sum;
}

enum { CHUNK = 256 };

// Entries at (n): brought together, moved, and put back.
static void apply_chunk(struct run *run, const struct block *b, const struct optimise_step *step,
                        const uint32_t *at, size_t n) {
    float w[CHUNK], g[CHUNK], m[CHUNK], v[CHUNK];
    float *all_m = run->m + b->moment, *all_v = run->v + b->moment;
    for (size_t k = 0; k < n; k++) {
        w[k] = b->value[at[k]];
        g[k] = sum_at(run, b, at[k]);
        m[k] = all_m[at[k]];
        v[k] = all_v[at[k]];
    }
    move(run, step, w, g, m, v, NULL, n);
    for (size_t k = 0; k < n; k++) {
        b->value[at[k]] = w[k];
        all_m[at[k]] = m[k];
        all_v[at[k]] = v[k];
    }
}

// How many of the list (n), which rises, lie below end.
static size_t below(const uint32_t *list, size_t n, size_t end) {
    size_t first = 0;
    while (first < n) {
        size_t middle = first + (n - first) / 2;
        if (list[middle] < end)
            first = middle + 1;
        else
            n = middle;
    }
    return first;
}

// What is left of a block's entries from..to-1.
static void apply_left(struct run *run, const struct block *b, const struct optimise_step *step,
                       const struct sparse *s, size_t from, size_t to) {
    const uint32_t *at = s->by_row.at;
    size_t last = below(at, s->n, to);
    for (size_t k = below(at, s->n, from); k < last; k += CHUNK)
        apply_chunk(run, b, step, at + k, last - k < CHUNK ? last - k : CHUNK);
}

// ---- One step of a codebook ---------------------------------------------------------------------

static void sum_shared_left(const struct run *run, const struct block *b, const struct sparse *s,
                            float *sum) {
    for (uint32_t k = 0; k < s->n; k++)
        sum[b->shared->code[s->by_row.at[k]]] += sum_at(run, b, s->by_row.at[k]);
}

static void follow(struct net_layer *layer, size_t i) {
    layer->w[i] = layer->codebook[layer->code[i]];
}

static void sum_shared(struct run *run, const struct block *b, float *sum) {
    const struct net_layer *layer = b->shared;
    size_t n = (size_t)layer->rows * layer->cols;
    const float *g = add_up(run, b->at, b->at + n) + b->at;
    for (size_t i = 0; i < n; i++)
        if (layer->keep[i])
            sum[layer->code[i]] += g[i];
}

// A codebook learns from the sums of its weights' gradients, and the weights follow it.
static void apply_shared(struct run *run, const struct block *b, struct optimise_step step) {
    struct net_layer *layer = b->shared;
    const struct sparse *s = left_of(run, b);
    float sum[256] = {0};
    if (s != NULL)
        sum_shared_left(run, b, s, sum);
    else
        sum_shared(run, b, sum);
    apply(run, b, step, 0, b->n, sum);
    for (uint32_t k = 0; s != NULL && k < s->n; k++)
        follow(layer, s->by_row.at[k]);
    for (size_t i = 0; s == NULL && i < (size_t)layer->rows * layer->cols; i++)
        if (layer->keep[i])
            follow(layer, i);
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

// ---- All of it ---------------------------------------------------------------------------------

// Each thread takes one part of all parameters; a codebook is one thread's.
void update_share(struct run *run, struct team *team, unsigned index, uint64_t t) {
    struct optimise_step step = schedule_step(run->options, t, run->steps);
    size_t first, last;
    if (run->options->hints != NULL)
        hints_learn(run->options->hints, index, run->options->optimiser, step);
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
        const struct sparse *s = left_of(run, b);
        if (from >= to)
            continue;
        if (s != NULL)
            apply_left(run, b, &step, s, from - b->at, to - b->at);
        else
            apply(run, b, step, from - b->at, to - b->at, add_up(run, from, to) + from);
    }
}

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
