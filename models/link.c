/* SPDX-License-Identifier: MIT */
// Finding the layer that reads another.
#include "models/link.h"

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

bool link_find(const struct net *net, struct net_layer *from, struct link *link) {
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
