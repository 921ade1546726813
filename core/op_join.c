/* SPDX-License-Identifier: MIT */
// Operations that put tensors together or rename them: add, mul, concat, reshape.
#include "core/op.h"

#include "core/error.h"

#include <string.h>

static const struct tnm_tensor *input(const struct tnm_graph *graph, const struct tnm_node *node,
                                      uint32_t i) {
    return &graph->tensor[node->input[i]];
}

static bool same_dims(const struct tnm_tensor *a, const struct tnm_tensor *b, uint32_t from) {
    if (a->rank != b->rank)
        return false;
    for (uint32_t i = from; i < a->rank; i++)
        if (a->dim[i] != b->dim[i])
            return false;
    return true;
}

static void copy_dims(struct tnm_tensor *out, const struct tnm_tensor *from) {
    out->rank = from->rank;
    memcpy(out->dim, from->dim, sizeof out->dim);
}

// ---- Element by element -------------------------------------------------------------------------

static bool pair_shape(const struct tnm_graph *graph, const struct tnm_node *node,
                       struct tnm_tensor *out, struct tnm_error *err) {
    if (!same_dims(input(graph, node, 0), input(graph, node, 1), 0))
        return tnm_fail(err, TNM_EFORMAT, "the two inputs differ in shape");
    copy_dims(out, input(graph, node, 0));
    return true;
}

static size_t out_elements(const struct tnm_plan_step *step, const struct tnm_call *call) {
    return tnm_tensor_elements(&step->graph->tensor[step->output]) * call->lanes;
}

static void add_run(const struct tnm_plan_step *step, const struct tnm_call *call) {
    size_t n = out_elements(step, call);
    for (size_t i = 0; i < n; i++)
        call->out[i] = call->in[0][i] + call->in[1][i];
}

static void mul_run(const struct tnm_plan_step *step, const struct tnm_call *call) {
    size_t n = out_elements(step, call);
    for (size_t i = 0; i < n; i++)
        call->out[i] = call->in[0][i] * call->in[1][i];
}

const struct tnm_operation tnm_op_add = {
    .name = "add", .min_inputs = 2, .max_inputs = 2, .shape = pair_shape, .run = add_run};
const struct tnm_operation tnm_op_mul = {
    .name = "mul", .min_inputs = 2, .max_inputs = 2, .shape = pair_shape, .run = mul_run};

// ---- One behind the other -----------------------------------------------------------------------

static bool concat_shape(const struct tnm_graph *graph, const struct tnm_node *node,
                         struct tnm_tensor *out, struct tnm_error *err) {
    copy_dims(out, input(graph, node, 0));
    uint64_t first = 0;
    for (uint32_t i = 0; i < node->n_inputs; i++) {
        if (!same_dims(input(graph, node, i), input(graph, node, 0), 1))
            return tnm_fail(err, TNM_EFORMAT, "input %u differs from input 0 beyond the first axis",
                            i);
        first += input(graph, node, i)->dim[0];
    }
    if (first > TNM_MAX_ELEMENTS)
        return tnm_fail(err, TNM_EFORMAT, "the inputs together are longer than %d",
                        TNM_MAX_ELEMENTS);
    out->dim[0] = (uint32_t)first;
    return true;
}

static void concat_run(const struct tnm_plan_step *step, const struct tnm_call *call) {
    float *out = call->out;
    for (uint32_t i = 0; i < step->node->n_inputs; i++) {
        size_t n = tnm_tensor_elements(input(step->graph, step->node, i)) * call->lanes;
        memcpy(out, call->in[i], n * sizeof *out);
        out += n;
    }
}

const struct tnm_operation tnm_op_concat = {.name = "concat",
                                            .min_inputs = 2,
                                            .max_inputs = TNM_MAX_NODE_INPUTS,
                                            .shape = concat_shape,
                                            .run = concat_run};

// ---- Another shape ------------------------------------------------------------------------------

static bool reshape_shape(const struct tnm_graph *graph, const struct tnm_node *node,
                          struct tnm_tensor *out, struct tnm_error *err) {
    const struct tnm_tensor *to = &graph->tensor[node->output];
    size_t from = tnm_tensor_elements(input(graph, node, 0));
    if (tnm_tensor_elements(to) != from)
        return tnm_fail(err, TNM_EFORMAT, "%zu elements do not become %zu", from,
                        tnm_tensor_elements(to));
    copy_dims(out, to);
    return true;
}

const struct tnm_operation tnm_op_reshape = {
    .name = "reshape", .min_inputs = 1, .max_inputs = 1, .view = true, .shape = reshape_shape};
