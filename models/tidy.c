/* SPDX-License-Identifier: MIT */
// Dead units are removed.
#include "models/tidy.h"

#include <string.h>

#include "models/link.h"

// ---- Units -------------------------------------------------------------------------------------

static bool has_inputs(const struct net_layer *layer, uint32_t row) {
    return memchr(layer->keep + (size_t)row * layer->cols, 1, layer->cols) != NULL;
}

static bool is_read(const struct link *link, uint32_t unit) {
    const struct net_layer *to = link->to;
    for (uint32_t r = 0; r < to->rows; r++)
        if (memchr(to->keep + (size_t)r * to->cols + (size_t)unit * link->group, 1, link->group))
            return true;
    return false;
}

static uint64_t drop_all(struct net_layer *layer, size_t from, size_t n) {
    uint64_t dropped = 0;
    for (size_t i = from; i < from + n; i++) {
        dropped += layer->keep[i];
        layer->keep[i] = 0;
        layer->w[i] = 0;
    }
    return dropped;
}

// A unit that always says value: what its readers make of it goes into their biases.
static uint64_t fold(const struct link *link, uint32_t unit, double value) {
    struct net_layer *to = link->to;
    uint64_t dropped = 0;
    for (uint32_t r = 0; r < to->rows; r++) {
        size_t from = (size_t)r * to->cols + (size_t)unit * link->group;
        double sum = 0;
        for (size_t i = from; i < from + link->group; i++)
            sum += (double)to->w[i];
        to->bias[r] = (float)((double)to->bias[r] + value * sum);
        dropped += drop_all(to, from, link->group);
    }
    return dropped;
}

static void fold_constants(const struct link *link, struct tidy *done) {
    struct net_layer *from = link->from;
    for (uint32_t u = 0; u < from->rows; u++) {
        double value = (double)from->bias[u];
        if (link->rectified && value < 0)
            value = 0;
        if (has_inputs(from, u) || (value != 0 && link->padded))
            continue;
        uint64_t dropped = fold(link, u, value);
        done->constant += dropped > 0 || from->bias[u] != 0;
        done->weights += dropped;
        from->bias[u] = 0;
    }
}

static void drop_unread(const struct link *link, struct tidy *done) {
    struct net_layer *from = link->from;
    for (uint32_t u = 0; u < from->rows; u++) {
        if (is_read(link, u))
            continue;
        uint64_t dropped = drop_all(from, (size_t)u * from->cols, from->cols);
        done->unread += dropped > 0 || from->bias[u] != 0;
        done->weights += dropped;
        from->bias[u] = 0;
    }
}

// Constants from the input on, as one may leave the next unit without inputs; then what is unread,
// from the output back.
struct tidy tidy_units(struct net *net) {
    struct tidy done = {0};
    struct link link;
    for (uint32_t l = 0; l < net->n_layers; l++)
        if (link_find(net, &net->layer[l], &link))
            fold_constants(&link, &done);
    for (uint32_t l = net->n_layers; l-- > 0;)
        if (link_find(net, &net->layer[l], &link))
            drop_unread(&link, &done);
    return done;
}
