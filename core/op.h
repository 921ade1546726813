/* SPDX-License-Identifier: MIT */
// The operations, one row of a table each: name, what it takes, the shape rule, how it runs.
//
// To add one: its number in graph.h and FORMAT.md, a struct tnm_operation in an op_*.c, a line in
// op.c, and a test against a plain loop in double precision.
#ifndef TNM_OP_H
#define TNM_OP_H

#include "core/graph.h"
#include "core/kernels/kernels.h"

struct tnm_layout; // core/layout.h

// A node made ready to run. What an activation behind it does may be part of it.
struct tnm_plan_step {
    const struct tnm_operation *op;
    const struct tnm_node *node;
    const struct tnm_graph *graph;
    uint32_t output;        // tensor written: the node's own, or that of the activation behind it
    struct tnm_clamp clamp; // of that activation; none elsewhere
    struct tnm_layout *layout; // of node->w[0], w[1], for operations with weights
};

// One run of a step. Tensors are interleaved: element i of lane l is at [i * lanes + l].
struct tnm_call {
    const struct tnm_kernels *kernels;
    size_t lanes; // 1, 4, 8, 16 or 32
    const float *in[TNM_MAX_NODE_INPUTS];
    float *out;
    void *scratch; // op->scratch(step, lanes) bytes, aligned to 64
};

struct tnm_operation {
    const char *name;
    uint32_t min_inputs, max_inputs;
    uint32_t n_weights;
    bool view;  // computes nothing: the output is the input under another shape
    bool clamp; // limits each element to tnm_op_clamp(node): may be done by the step before

    // The shape that the output must have, out->rank and out->dim, from inputs that are valid
    // shapes; or what is wrong with inputs, attributes or weights, with TNM_EFORMAT.
    bool (*shape)(const struct tnm_graph *graph, const struct tnm_node *node,
                  struct tnm_tensor *out, struct tnm_error *err);

    // Bytes of scratch; NULL: none. At most UINT64_MAX / 2 for any node that shape accepted.
    uint64_t (*scratch)(const struct tnm_plan_step *step, size_t lanes);

    void (*run)(const struct tnm_plan_step *step, const struct tnm_call *call); // NULL for a view
};

// NULL for a number that this build does not run.
const struct tnm_operation *tnm_op_find(uint32_t op);

// What an operation with op->clamp limits to.
struct tnm_clamp tnm_op_clamp(const struct tnm_node *node);

extern const struct tnm_operation tnm_op_linear, tnm_op_conv2d; // op_linear.c, op_conv2d.c
extern const struct tnm_operation tnm_op_lstm;                  // op_lstm.c
extern const struct tnm_operation tnm_op_max_pool, tnm_op_average_pool,
    tnm_op_global_pool; // op_pool.c
extern const struct tnm_operation tnm_op_add, tnm_op_mul, tnm_op_concat,
    tnm_op_reshape; // op_join.c
extern const struct tnm_operation tnm_op_relu, tnm_op_clip, tnm_op_sigmoid, tnm_op_tanh,
    tnm_op_hard_swish,
    tnm_op_softmax; // op_activation.c

// ---- Windows, for convolution and pools ---------------------------------------------------------

// The output size along axis 0 (height) or 1 (width) of a window over size places, or 0 where the
// window has no valid form or does not fit.
uint32_t tnm_window_out(const struct tnm_window *window, unsigned axis, uint32_t size);

// Sets out to (channels, height, width) of the window over in (channels of its own, height, width),
// or says what is wrong.
bool tnm_window_shape(const struct tnm_window *window, const struct tnm_tensor *in,
                      uint32_t channels, struct tnm_tensor *out, struct tnm_error *err);

#endif
