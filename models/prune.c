/* SPDX-License-Identifier: MIT */
// Removing weights, by deviation or by number.
#include "models/prune.h"

#include <math.h>
#include <string.h>

static size_t entries(const struct net_layer *layer) {
    return (size_t)layer->rows * layer->cols;
}

// ---- Blocks ------------------------------------------------------------------------------------

// What goes together: the weights in some rows and columns.
struct block {
    uint32_t row, col, rows, cols;
    size_t first; // entry
};

static uint32_t at_most(uint32_t n, uint32_t most) {
    return n < most ? n : most;
}

static struct block block_at(const struct net_layer *layer, uint32_t row, uint32_t col) {
    uint32_t rows = layer->block == NET_4X1 ? 4 : 1, cols = layer->block == NET_1X4 ? 4 : 1;
    return (struct block){row, col, at_most(rows, layer->rows - row),
                          at_most(cols, layer->cols - col), (size_t)row * layer->cols + col};
}

// Block after block, row by row of them; behind the last its row is layer->rows.
static struct block next_block(const struct net_layer *layer, struct block b) {
    b.col += b.cols;
    return b.col < layer->cols ? block_at(layer, b.row, b.col) : block_at(layer, b.row + b.rows, 0);
}

#define EACH_BLOCK(b, layer)                                                                       \
    struct block b = block_at(layer, 0, 0);                                                        \
    b.row < (layer)->rows;                                                                         \
    b = next_block(layer, b)

static uint64_t left_in(const struct net_layer *layer, struct block b) {
    uint64_t n = 0;
    for (uint32_t r = 0; r < b.rows; r++)
        for (uint32_t c = 0; c < b.cols; c++)
            n += layer->keep[b.first + (size_t)r * layer->cols + c];
    return n;
}

// The mean over the block of saliency, or of magnitudes where that is NULL.
static float worth(const struct net_layer *layer, const float *saliency, struct block b) {
    double sum = 0;
    for (uint32_t r = 0; r < b.rows; r++)
        for (uint32_t c = 0; c < b.cols; c++) {
            size_t i = b.first + (size_t)r * layer->cols + c;
            float magnitude = fabsf(layer->w[i]);
            sum += layer->keep[i] ? (double)(saliency != NULL ? saliency[i] : magnitude) : 0;
        }
    return (float)(sum / (b.rows * b.cols));
}

static void drop(struct net_layer *layer, struct block b) {
    for (uint32_t r = 0; r < b.rows; r++) {
        memset(layer->keep + b.first + (size_t)r * layer->cols, 0, b.cols);
        memset(layer->w + b.first + (size_t)r * layer->cols, 0, b.cols * sizeof *layer->w);
    }
}

uint32_t prune_in_blocks(struct net *net, enum net_block block) {
    uint32_t n = 0;
    for (uint32_t l = 0; l + 1 < net->n_layers; l++)
        if (net->graph.node[net->layer[l].node].op == TNM_OP_LINEAR) {
            net->layer[l].block = block;
            n++;
        }
    return n;
}

// ---- By deviation ------------------------------------------------------------------------------

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
    for (EACH_BLOCK(b, layer))
        if ((double)worth(layer, NULL, b) < threshold) {
            removed += left_in(layer, b);
            drop(layer, b);
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
static uint32_t bits_of(const struct net_layer *layer, const float *saliency, struct block b) {
    float value = worth(layer, saliency, b);
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
        for (EACH_BLOCK(b, s->layer[l])) {
            uint32_t bits = bits_of(s->layer[l], saliency_of(s, l), b);
            if (upper == HALF || bits >> 16 == upper)
                count[upper == HALF ? bits >> 16 : bits & 0xffff] += left_in(s->layer[l], b);
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
        for (EACH_BLOCK(b, layer[l])) {
            uint32_t bits = bits_of(layer[l], saliency_of(&s, l), b);
            if (bits > last || (bits == last && equals == 0))
                continue;
            uint64_t more = left_in(layer[l], b);
            equals -= bits < last ? 0 : more < equals ? more : equals;
            drop(layer[l], b);
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
