/* SPDX-License-Identifier: MIT */
// Dead units are removed.
#include "models/tidy.h"

#include <string.h>

// Two layers, the second reading what the first writes, and how.
struct link {
    struct net_layer *from, *to;
    uint32_t group; // columns of to for each unit of from; they follow each other
    bool rectified; // there is a relu between them
    bool padded;    // to pads with zeros
};

// ---- Finding links -----------------------------------------------------------------------------

static bool is_padded(const struct tnm_window *w) {
    return (w->pad[0] | w->pad[1] | w->pad[2] | w->pad[3]) != 0;
}

static bool reads(const struct tnm_node *node, uint32_t tensor) {
    for (uint32_t k = 0; k < node->n_inputs; k++)
        if (node->input[k] == tensor)
            return true;
    return false;
}

// The one node that reads a tensor, or NULL where there are more or none.
static const struct tnm_node *only_reader(const struct tnm_graph *g, uint32_t tensor) {
    const struct tnm_node *found = NULL;
    for (uint32_t i = 0; i < g->n_nodes; i++)
        if (reads(&g->node[i], tensor)) {
            if (found != NULL)
                return NULL;
            found = &g->node[i];
        }
    return tensor != g->output ? found : NULL;
}

// Whether a node makes of a constant channel a constant channel (relu aside: the same constant).
static bool passes(const struct tnm_node *node) {
    switch (node->op) {
    case TNM_OP_RELU:
    case TNM_OP_RESHAPE:
    case TNM_OP_MAX_POOL: // padding is left out, of both kinds
    case TNM_OP_AVERAGE_POOL:
    case TNM_OP_GLOBAL_POOL:
        return true;
    default:
        return false;
    }
}

static struct net_layer *layer_of(const struct net *net, const struct tnm_node *node) {
    for (uint32_t l = 0; l < net->n_layers; l++)
        if (&net->graph.node[net->layer[l].node] == node)
            return &net->layer[l];
    return NULL;
}

static bool is_plain(const struct tnm_node *node) {
    return node->n_weights == 1 &&
           (node->op == TNM_OP_LINEAR || (node->op == TNM_OP_CONV2D && node->window.groups <= 1));
}

// The layer that alone reads from's units, if there is one that this file understands.
static bool find_link(const struct net *net, struct net_layer *from, struct link *link) {
    const struct tnm_graph *g = &net->graph;
    const struct tnm_node *node = &g->node[from->node];
    *link = (struct link){.from = from};
    if (!is_plain(node))
        return false;
    while ((node = only_reader(g, node->output)) != NULL && passes(node))
        link->rectified = link->rectified || node->op == TNM_OP_RELU;
    if (node == NULL || !is_plain(node) || (link->to = layer_of(net, node)) == NULL)
        return false;
    link->padded = node->op == TNM_OP_CONV2D && is_padded(&node->window);
    link->group = link->to->cols / from->rows;
    return link->to->cols % from->rows == 0 && link->to->bias != NULL && from->bias != NULL;
}

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
        if (find_link(net, &net->layer[l], &link))
            fold_constants(&link, &done);
    for (uint32_t l = net->n_layers; l-- > 0;)
        if (find_link(net, &net->layer[l], &link))
            drop_unread(&link, &done);
    return done;
}
