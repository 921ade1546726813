/* SPDX-License-Identifier: MIT */
// lstm: a memory that reads rows one after another (Hochreiter and Schmidhuber 1997, "Long
// short-term memory", with the forget gate of Gers et al. 2000). Its two matrices run on the same
// kernels as linear.
#include "core/op_linear.h"

#include "core/error.h"

#include <math.h>
#include <string.h>

enum { GATES = 4 };

// ---- Shape --------------------------------------------------------------------------------------

static bool lstm_matrices(const struct tnm_node *node, const struct tnm_tensor *in,
                          struct tnm_error *err) {
    const struct tnm_matrix *row = &node->w[0], *memory = &node->w[1];
    if (row->cols != in->dim[1])
        return tnm_fail(err, TNM_EFORMAT, "rows of %u, but the weights have %u columns", in->dim[1],
                        row->cols);
    if (row->rows % GATES != 0 || memory->rows != row->rows || memory->cols != row->rows / GATES)
        return tnm_fail(err, TNM_EFORMAT,
                        "weights of %u x %u and %u x %u are not 4 N x columns and 4 N x N",
                        row->rows, row->cols, memory->rows, memory->cols);
    return memory->bias == NULL || tnm_fail(err, TNM_EFORMAT, "the second matrix has a bias");
}

static bool lstm_shape(const struct tnm_graph *graph, const struct tnm_node *node,
                       struct tnm_tensor *out, struct tnm_error *err) {
    const struct tnm_tensor *in = &graph->tensor[node->input[0]];
    if (in->rank != 2)
        return tnm_fail(err, TNM_EFORMAT, "the input has rank %u, not 2", in->rank);
    if (!lstm_matrices(node, in, err))
        return false;
    out->rank = node->every_step ? 2 : 1;
    out->dim[0] = node->every_step ? in->dim[0] : node->w[1].cols;
    out->dim[1] = node->w[1].cols;
    return true;
}

// ---- Run ----------------------------------------------------------------------------------------

// Floats, in this order: what the row gives to the gates, what the memory gives, cell, output; then
// scratch of the products. All of it begins at a multiple of 64 bytes.
static uint64_t own_floats(const struct tnm_plan_step *step, size_t lanes) {
    uint64_t n = (uint64_t)step->node->w[1].cols * lanes;
    return ((2 * GATES + 2) * n + 15) / 16 * 16;
}

static uint64_t lstm_scratch(const struct tnm_plan_step *step, size_t lanes) {
    uint64_t most = 0;
    for (uint32_t k = 0; k < 2; k++) {
        const struct tnm_matrix *w = &step->node->w[k];
        uint64_t bytes = tnm_product_scratch(&step->layout[k], w->rows, w->cols, lanes);
        most = bytes > most ? bytes : most;
    }
    return own_floats(step, lanes) * sizeof(float) + most;
}

static struct tnm_product product_of(const struct tnm_plan_step *step, const struct tnm_call *call,
                                     uint32_t k, const float *x, float *y) {
    float *own = call->scratch;
    return (struct tnm_product){.w = &step->layout[k],
                                .rows = step->node->w[k].rows,
                                .cols = step->node->w[k].cols,
                                .x = x,
                                .y = y,
                                .lanes = call->lanes,
                                .clamp = {-INFINITY, INFINITY},
                                .scratch = own + own_floats(step, call->lanes)};
}

static void write_out(const float *held, size_t n, struct tnm_clamp to, float *out) {
    for (size_t i = 0; i < n; i++)
        out[i] = tnm_clamp(held[i], to);
}

// The memory is empty before the first row, so that its product, all zeros, is not computed.
static void lstm_run(const struct tnm_plan_step *step, const struct tnm_call *call) {
    const struct tnm_tensor *in = &step->graph->tensor[step->node->input[0]];
    size_t n = step->node->w[1].cols * call->lanes, row = in->dim[1] * call->lanes;
    float *of_row = call->scratch, *of_memory = of_row + GATES * n, *cell = of_memory + GATES * n;
    float *held = cell + n, *out = call->out;
    memset(of_memory, 0, (GATES + 1) * n * sizeof *cell);
    for (uint32_t t = 0; t < in->dim[0]; t++) {
        struct tnm_product first = product_of(step, call, 0, call->in[0] + t * row, of_row);
        struct tnm_product second = product_of(step, call, 1, held, of_memory);
        tnm_product_run(call->kernels, &first);
        if (t > 0)
            tnm_product_run(call->kernels, &second);
        call->kernels->lstm(of_row, of_memory, n, cell, held);
        if (step->node->every_step || t + 1 == in->dim[0]) {
            write_out(held, n, step->clamp, out);
            out += n;
        }
    }
}

const struct tnm_operation tnm_op_lstm = {.name = "lstm",
                                          .min_inputs = 1,
                                          .max_inputs = 1,
                                          .n_weights = 2,
                                          .shape = lstm_shape,
                                          .scratch = lstm_scratch,
                                          .run = lstm_run};
