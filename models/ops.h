/* SPDX-License-Identifier: MIT */
// What the forge can train: for each operation of a graph how to run it on several inputs side by
// side and how gradients go back through it (reverse-mode differentiation). One table; a new
// operation is a new row.
#ifndef OPS_H
#define OPS_H

#include "models/net.h"
#include "models/sparse.h"

// One node on n inputs. Tensors are (n, elements), row-major.
struct op_call {
    const struct tnm_graph *graph;
    const struct tnm_node *node;
    const struct net_layer *layer; // its weights, an lstm's two side by side; NULL: it has none
    struct sparse *sparse;         // of each of them, as the network was looked at last
    uint32_t n;
    const float *in[TNM_MAX_NODE_INPUTS];
    float *out;
    void *kept;     // (n * kept_bytes), what forward wants backward to know
    float *scratch; // (GEMM_SCRATCH), of this thread
    float *work;    // (work_floats), of this thread

    // Backward only. d_x is the gradient of the loss by x.
    const float *d_out;
    float *d_in[TNM_MAX_NODE_INPUTS]; // NULL: not wanted
    bool adds[TNM_MAX_NODE_INPUTS];   // d_in already holds what came another way: add to it
    // (rows, cols) and (rows) of each matrix, overwritten with sums over n; of removed weights
    // not, where few are left.
    float *d_w[TNM_MAX_WEIGHTS], *d_bias[TNM_MAX_WEIGHTS];
};

struct train_op {
    enum tnm_op op;
    bool view; // out is in, seen in another shape
    // NULL, or how a matrix finds its vectors for n inputs; false: it is always taken as dense.
    bool (*sparse_shape)(const struct tnm_graph *graph, const struct tnm_node *node,
                         uint32_t matrix, size_t n, struct sparse_shape *shape);
    // NULL: none. For each input; and for n of them, between calls not kept.
    size_t (*kept_bytes)(const struct tnm_graph *graph, const struct tnm_node *node);
    size_t (*work_floats)(const struct tnm_graph *graph, const struct tnm_node *node, size_t n);
    void (*forward)(const struct op_call *call);
    void (*backward)(const struct op_call *call);
};

// What is left of a matrix of the call, where that is little; else NULL.
static inline struct sparse *op_sparse(const struct op_call *call, uint32_t matrix) {
    return call->sparse[matrix].on ? &call->sparse[matrix] : NULL;
}

// NULL for an operation that cannot be trained.
const struct train_op *train_op_find(enum tnm_op op);

#endif
