/* SPDX-License-Identifier: MIT */
// Operations on each element by itself, and softmax.
#include "core/op.h"

#include "core/elementary.h"
#include "core/error.h"

#include <string.h>

static bool same_shape(const struct tnm_graph *graph, const struct tnm_node *node,
                       struct tnm_tensor *out, struct tnm_error *err) {
    (void)err;
    const struct tnm_tensor *in = &graph->tensor[node->input[0]];
    out->rank = in->rank;
    memcpy(out->dim, in->dim, sizeof out->dim);
    return true;
}

static size_t elements(const struct tnm_plan_step *step) {
    return tnm_tensor_elements(&step->graph->tensor[step->output]);
}

// ---- Limits -------------------------------------------------------------------------------------

static bool clip_shape(const struct tnm_graph *graph, const struct tnm_node *node,
                       struct tnm_tensor *out, struct tnm_error *err) {
    if (!(node->clip.low <= node->clip.high))
        return tnm_fail(err, TNM_EFORMAT, "limits %g to %g", (double)node->clip.low,
                        (double)node->clip.high);
    return same_shape(graph, node, out, err);
}

static void clamp_run(const struct tnm_plan_step *step, const struct tnm_call *call) {
    struct tnm_clamp to = tnm_op_clamp(step->node);
    size_t n = elements(step) * call->lanes;
    for (size_t i = 0; i < n; i++)
        call->out[i] = tnm_clamp(call->in[0][i], to);
}

const struct tnm_operation tnm_op_relu = {.name = "relu",
                                          .min_inputs = 1,
                                          .max_inputs = 1,
                                          .clamp = true,
                                          .shape = same_shape,
                                          .run = clamp_run};
const struct tnm_operation tnm_op_clip = {.name = "clip",
                                          .min_inputs = 1,
                                          .max_inputs = 1,
                                          .clamp = true,
                                          .shape = clip_shape,
                                          .run = clamp_run};

// ---- Curves -------------------------------------------------------------------------------------

static void sigmoid_run(const struct tnm_plan_step *step, const struct tnm_call *call) {
    size_t n = elements(step) * call->lanes;
    for (size_t i = 0; i < n; i++)
        call->out[i] = (float)(1 / (1 + tnm_exp(-(double)call->in[0][i])));
}

static void tanh_run(const struct tnm_plan_step *step, const struct tnm_call *call) {
    size_t n = elements(step) * call->lanes;
    for (size_t i = 0; i < n; i++)
        call->out[i] = (float)tnm_tanh((double)call->in[0][i]);
}

// x * clip(x + 3, 0, 6) / 6 (Howard et al. 2019, "Searching for MobileNetV3", section 5.2).
static void hard_swish_run(const struct tnm_plan_step *step, const struct tnm_call *call) {
    size_t n = elements(step) * call->lanes;
    for (size_t i = 0; i < n; i++) {
        float x = call->in[0][i];
        call->out[i] = x * tnm_clamp(x + 3, (struct tnm_clamp){0, 6}) / 6;
    }
}

const struct tnm_operation tnm_op_sigmoid = {
    .name = "sigmoid", .min_inputs = 1, .max_inputs = 1, .shape = same_shape, .run = sigmoid_run};
const struct tnm_operation tnm_op_tanh = {
    .name = "tanh", .min_inputs = 1, .max_inputs = 1, .shape = same_shape, .run = tanh_run};
const struct tnm_operation tnm_op_hard_swish = {.name = "hard-swish",
                                                .min_inputs = 1,
                                                .max_inputs = 1,
                                                .shape = same_shape,
                                                .run = hard_swish_run};

// ---- Softmax ------------------------------------------------------------------------------------

static void softmax_run(const struct tnm_plan_step *step, const struct tnm_call *call) {
    size_t n = elements(step), lanes = call->lanes;
    for (size_t l = 0; l < lanes; l++)
        tnm_softmax(call->in[0] + l, n, lanes, call->out + l);
}

const struct tnm_operation tnm_op_softmax = {
    .name = "softmax", .min_inputs = 1, .max_inputs = 1, .shape = same_shape, .run = softmax_run};
