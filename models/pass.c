/* SPDX-License-Identifier: MIT */
// A network running forward and backward on some inputs.
#include "models/pass.h"

#include "core/error.h"
#include "models/gemm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGN = 64 };

size_t pass_parameters(const struct net *net) {
    size_t n = 0;
    for (uint32_t l = 0; l < net->n_layers; l++)
        n += (size_t)net->layer[l].rows * net->layer[l].cols + net->layer[l].rows;
    return n;
}

// Hands out the memory piece by piece; the first time round, with base NULL, only measures.
struct pieces {
    char *base;
    size_t used;
};

static void *take(struct pieces *p, size_t bytes) {
    void *at = p->base != NULL ? p->base + p->used : NULL;
    p->used += (bytes + ALIGN - 1) / ALIGN * ALIGN;
    return at;
}

static const struct tnm_node *writer_if_view(const struct tnm_graph *g, uint32_t tensor) {
    for (uint32_t i = 0; i < g->n_nodes; i++)
        if (g->node[i].output == tensor)
            return train_op_find(g->node[i].op)->view ? &g->node[i] : NULL;
    return NULL;
}

// Memory of every tensor in the order they are written, so that a view finds what it looks at.
static void lay_out_tensor(struct pass *pass, struct pieces *p, uint32_t t, bool backward) {
    const struct tnm_graph *g = &pass->net->graph;
    const struct tnm_node *view = writer_if_view(g, t);
    size_t bytes = pass->room * tnm_tensor_elements(&g->tensor[t]) * sizeof(float);
    float *value = view == NULL ? take(p, bytes) : NULL;
    float *gradient = view == NULL && backward && t != g->input ? take(p, bytes) : NULL;
    if (p->base == NULL)
        return;
    pass->value[t] = view != NULL ? pass->value[view->input[0]] : value;
    pass->gradient[t] = view != NULL ? pass->gradient[view->input[0]] : gradient;
}

static size_t most_work(const struct tnm_graph *g, size_t n_inputs) {
    size_t most = 0;
    for (uint32_t i = 0; i < g->n_nodes; i++) {
        const struct train_op *op = train_op_find(g->node[i].op);
        size_t n = op->work_floats != NULL ? op->work_floats(g, &g->node[i], n_inputs) : 0;
        most = n > most ? n : most;
    }
    return most;
}

static void lay_out_sparse(struct pass *pass, struct pieces *p) {
    const struct net *net = pass->net;
    pass->sparse = take(p, net->n_layers * sizeof *pass->sparse);
    for (uint32_t l = 0; l < net->n_layers; l++) {
        const struct net_layer *layer = &net->layer[l];
        const struct tnm_node *node = &net->graph.node[layer->node];
        const struct train_op *op = train_op_find(node->op);
        struct sparse_shape shape;
        if (op->sparse_shape == NULL ||
            !op->sparse_shape(&net->graph, node, layer->matrix, pass->room, &shape))
            continue; // off
        void *at = take(p, sparse_bytes(layer, &shape));
        if (p->base != NULL)
            sparse_place(&pass->sparse[l], layer, &shape, at);
    }
}

static void lay_out(struct pass *pass, struct pieces *p, bool backward) {
    const struct tnm_graph *g = &pass->net->graph;
    pass->value = take(p, g->n_tensors * sizeof *pass->value);
    pass->gradient = take(p, g->n_tensors * sizeof *pass->gradient);
    pass->pulled = take(p, g->n_tensors * sizeof *pass->pulled);
    pass->kept = take(p, g->n_nodes * sizeof *pass->kept);
    pass->at = take(p, pass->net->n_layers * sizeof *pass->at);
    pass->scratch = take(p, GEMM_SCRATCH * sizeof *pass->scratch);
    pass->work = take(p, most_work(g, pass->room) * sizeof *pass->work);
    pass->d_param = take(p, backward ? pass_parameters(pass->net) * sizeof *pass->d_param : 0);
    lay_out_sparse(pass, p);
    lay_out_tensor(pass, p, g->input, backward);
    for (uint32_t i = 0; i < g->n_nodes; i++) {
        const struct train_op *op = train_op_find(g->node[i].op);
        size_t kept = op->kept_bytes != NULL ? op->kept_bytes(g, &g->node[i]) : 0;
        void *at = take(p, pass->room * kept);
        if (p->base != NULL)
            pass->kept[i] = at;
        lay_out_tensor(pass, p, g->node[i].output, backward);
    }
}

static void place_parameters(struct pass *pass) {
    size_t at = 0;
    for (uint32_t l = 0; l < pass->net->n_layers; l++) {
        const struct net_layer *layer = &pass->net->layer[l];
        pass->at[l] = at;
        at += (size_t)layer->rows * layer->cols + layer->rows;
    }
}

bool pass_open(struct pass *pass, const struct net *net, uint32_t room, bool backward,
               struct tnm_error *err) {
    *pass = (struct pass){.net = net, .room = room, .backward = backward};
    for (uint32_t i = 0; i < net->graph.n_nodes; i++)
        if (train_op_find(net->graph.node[i].op) == NULL)
            return tnm_fail(err, TNM_EUNSUPPORTED, "node %u (%s): the forge cannot train %s", i,
                            net->graph.node[i].name, tnm_op_name(net->graph.node[i].op));
    struct pieces p = {0};
    lay_out(pass, &p, backward);
    pass->memory = p.base = aligned_alloc(ALIGN, p.used);
    if (p.base == NULL)
        return tnm_fail_errno(err, ENOMEM, "%zu bytes for %u inputs", p.used, room);
    memset(p.base, 0, p.used);
    p.used = 0;
    lay_out(pass, &p, backward);
    place_parameters(pass);
    return true;
}

void pass_close(struct pass *pass) {
    free(pass->memory);
    *pass = (struct pass){0};
}

void pass_look(struct pass *pass) {
    for (uint32_t l = 0; l < pass->net->n_layers; l++) {
        struct sparse *s = &pass->sparse[l];
        if (s->layer == NULL)
            continue;
        sparse_look(s);
        if (s->on && pass->backward) // what a denser layer left
            memset(pass->d_param + pass->at[l], 0,
                   (size_t)s->layer->rows * s->layer->cols * sizeof *pass->d_param);
    }
}

void pass_take_dense(struct pass *pass) {
    for (uint32_t l = 0; l < pass->net->n_layers; l++)
        pass->sparse[l].on = false;
}

float *pass_input(struct pass *pass) {
    return pass->value[pass->net->graph.input];
}

float *pass_output_gradient(struct pass *pass) {
    return pass->gradient[pass->net->graph.output];
}

float *pass_pull(struct pass *pass, uint32_t tensor) {
    for (uint32_t t = 0; t < pass->net->graph.n_tensors; t++) // its views, too
        if (pass->gradient[t] == pass->gradient[tensor])
            pass->pulled[t] = true;
    return pass->gradient[tensor];
}

static struct op_call call_of(const struct pass *pass, uint32_t node, uint32_t n) {
    const struct tnm_graph *g = &pass->net->graph;
    struct op_call call = {.graph = g, .node = &g->node[node], .n = n, .scratch = pass->scratch};
    call.work = pass->work;
    for (uint32_t i = 0; i < call.node->n_inputs; i++)
        call.in[i] = pass->value[call.node->input[i]];
    call.out = pass->value[call.node->output];
    call.kept = pass->kept[node];
    for (uint32_t l = pass->net->n_layers; l-- > 0;)
        if (pass->net->layer[l].node == node) {
            const struct net_layer *layer = call.layer = &pass->net->layer[l];
            call.sparse = &pass->sparse[l];
            call.d_w[layer->matrix] = pass->d_param + pass->at[l];
            call.d_bias[layer->matrix] =
                call.d_w[layer->matrix] + (size_t)layer->rows * layer->cols;
        }
    return call;
}

const float *pass_forward(struct pass *pass, uint32_t n) {
    const struct tnm_graph *g = &pass->net->graph;
    for (uint32_t i = 0; i < g->n_nodes; i++) {
        const struct train_op *op = train_op_find(g->node[i].op);
        struct op_call call = call_of(pass, i, n);
        if (!op->view)
            op->forward(&call);
    }
    return pass->value[g->output];
}

// Whether a node behind this one reads the same tensor and so has written its gradient already.
// Views share memory, so tensors are compared by where they lie.
static bool read_later(const struct pass *pass, uint32_t node, const float *value) {
    const struct tnm_graph *g = &pass->net->graph;
    for (uint32_t i = node + 1; i < g->n_nodes; i++)
        for (uint32_t k = 0; k < g->node[i].n_inputs && !train_op_find(g->node[i].op)->view; k++)
            if (pass->value[g->node[i].input[k]] == value)
                return true;
    return false;
}

void pass_backward(struct pass *pass, uint32_t n) {
    const struct tnm_graph *g = &pass->net->graph;
    for (uint32_t i = g->n_nodes; i-- > 0;) {
        const struct train_op *op = train_op_find(g->node[i].op);
        struct op_call call = call_of(pass, i, n);
        call.d_out = pass->gradient[call.node->output];
        for (uint32_t k = 0; k < call.node->n_inputs; k++) {
            call.d_in[k] = pass->gradient[call.node->input[k]];
            call.adds[k] = pass->pulled[call.node->input[k]] || read_later(pass, i, call.in[k]);
            for (uint32_t j = 0; j < k; j++)
                call.adds[k] = call.adds[k] || call.in[j] == call.in[k];
        }
        if (!op->view)
            op->backward(&call);
    }
    memset(pass->pulled, 0, g->n_tensors * sizeof *pass->pulled);
}
