/* SPDX-License-Identifier: MIT */
// Removing weights, by deviation or by number.
#include "models/prune.h"

#include <math.h>
#include <string.h>

static size_t entries(const struct net_layer *layer) {
    return (size_t)layer->rows * layer->cols;
}

static void drop(struct net_layer *layer, size_t i) {
    layer->keep[i] = 0;
    layer->w[i] = 0;
}

// In two passes, as the mean of squares less the square of the mean would cancel.
double prune_deviation(const struct net_layer *layer) {
    size_t n = entries(layer);
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++)
        sum += layer->w[i];
    for (size_t i = 0; i < n; i++)
        squares += (layer->w[i] - sum / (double)n) * (layer->w[i] - sum / (double)n);
    return sqrt(squares / (double)n);
}

uint64_t prune_below(struct net_layer *layer, double threshold) {
    uint64_t removed = 0;
    for (size_t i = 0; i < entries(layer); i++)
        if (layer->keep[i] && fabs((double)layer->w[i]) < threshold) {
            drop(layer, i);
            removed++;
        }
    return removed;
}

uint64_t prune_left_in_row(const struct net_layer *layer, uint32_t row) {
    const uint8_t *keep = layer->keep + (size_t)row * layer->cols;
    uint64_t n = 0;
    for (uint32_t c = 0; c < layer->cols; c++)
        n += keep[c];
    return n;
}

uint64_t prune_left(const struct net_layer *layer) {
    uint64_t n = 0;
    for (uint32_t r = 0; r < layer->rows; r++)
        n += prune_left_in_row(layer, r);
    return n;
}

// The slack keeps 0.9 of 10 from becoming 10 for want of a last bit.
uint64_t prune_left_of(uint64_t n, double share) {
    double removed = ceil((double)n * share - 1e-9 * (double)n / (1 + (double)n));
    return n - (uint64_t)fmin(removed, (double)n);
}

// ---- By number ---------------------------------------------------------------------------------

// Floats of 0 and more order as their bits do, so that counting the upper and then the lower half
// of the bits finds the n-th smallest without sorting.
static uint32_t bits_of(const struct net_layer *layer, const float *saliency, size_t i) {
    float value = saliency != NULL ? saliency[i] : fabsf(layer->w[i]);
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits & 0x7fffffff; // -0 is 0
}

struct selection {
    struct net_layer *const *layer;
    const float *const *saliency;
    uint32_t n_layers;
};

static const float *saliency_of(const struct selection *s, uint32_t l) {
    return s->saliency != NULL ? s->saliency[l] : NULL;
}

enum { HALF = 1 << 16 };

// The half in which the *rank-th smallest lies, of the kept weights whose upper half is upper (or
// of all, with upper == HALF); *rank becomes the rank among those in that half.
static uint32_t find_half(const struct selection *s, uint32_t upper, uint64_t *rank) {
    uint64_t count[HALF] = {0};
    for (uint32_t l = 0; l < s->n_layers; l++)
        for (size_t i = 0; i < entries(s->layer[l]); i++) {
            uint32_t bits = bits_of(s->layer[l], saliency_of(s, l), i);
            if (s->layer[l]->keep[i] && (upper == HALF || bits >> 16 == upper))
                count[upper == HALF ? bits >> 16 : bits & 0xffff]++;
        }
    uint32_t half = 0;
    for (; *rank >= count[half]; half++)
        *rank -= count[half];
    return half;
}

void prune_to(struct net_layer *const *layer, const float *const *saliency, uint32_t n_layers,
              uint64_t n) {
    struct selection s = {layer, saliency, n_layers};
    uint64_t left = 0;
    for (uint32_t l = 0; l < n_layers; l++)
        left += prune_left(layer[l]);
    if (left <= n)
        return;
    uint64_t equals = left - n - 1; // rank of the last to go, and then among its equals
    uint32_t upper = find_half(&s, HALF, &equals);
    uint32_t last = upper << 16 | find_half(&s, upper, &equals);
    equals++;
    for (uint32_t l = 0; l < n_layers; l++)
        for (size_t i = 0; i < entries(layer[l]); i++) {
            uint32_t bits = bits_of(layer[l], saliency_of(&s, l), i);
            if (!layer[l]->keep[i] || bits > last || (bits == last && equals == 0))
                continue;
            equals -= bits == last;
            drop(layer[l], i);
        }
}

// ---- Harm --------------------------------------------------------------------------------------

static uint32_t dead_rows(const struct net_layer *layer, uint32_t *first) {
    uint32_t dead = 0;
    for (uint32_t r = layer->rows; r-- > 0;)
        if (prune_left_in_row(layer, r) == 0) {
            *first = r;
            dead++;
        }
    return dead;
}

void prune_check(const struct net *net, struct prune_harm *harm) {
    *harm = (struct prune_harm){0};
    for (uint32_t l = net->n_layers; l-- > 0;) {
        const struct net_layer *layer = &net->layer[l];
        uint32_t first = 0, dead = dead_rows(layer, &first);
        if (l + 1 == net->n_layers) {
            harm->dead_outputs = dead;
            harm->first_dead = first;
        } else {
            harm->dead_hidden += dead;
        }
        if (dead == layer->rows) {
            harm->empty_layers++;
            harm->first_empty = l;
        }
    }
}
