/* SPDX-License-Identifier: MIT */
// What the forge can train: forward and backward of each operation.
#include "models/ops.h"

#include "models/gemm.h"
#include "models/ops_conv.h"
#include "models/ops_lstm.h"
#include "models/ops_pool.h"

#include <string.h>

// ---- linear: out = in w^T + bias ---------------------------------------------------------------

static void dense_forward(const struct op_call *call) {
    const struct net_layer *layer = call->layer;
    for (uint32_t i = 0; i < call->n; i++)
        memcpy(call->out + (size_t)i * layer->rows, layer->bias, layer->rows * sizeof *call->out);
    gemm_run(&(struct gemm){.m = call->n,
                            .n = layer->rows,
                            .k = layer->cols,
                            .a = call->in[0],
                            .b = layer->w,
                            .transpose_b = true,
                            .c = call->out,
                            .add = true},
             call->scratch);
}

static void sum_rows(const float *x, uint32_t n, uint32_t width, float *sum) {
    memset(sum, 0, width * sizeof *sum);
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < width; k++)
            sum[k] += x[(size_t)i * width + k];
}

static void dense_backward(const struct op_call *call) {
    const struct net_layer *layer = call->layer;
    gemm_run(&(struct gemm){.m = layer->rows,
                            .n = layer->cols,
                            .k = call->n,
                            .a = call->d_out,
                            .transpose_a = true,
                            .b = call->in[0],
                            .c = call->d_w[0]},
             call->scratch);
    if (call->d_in[0] == NULL)
        return;
    gemm_run(&(struct gemm){.m = call->n,
                            .n = layer->cols,
                            .k = layer->rows,
                            .a = call->d_out,
                            .b = layer->w,
                            .c = call->d_in[0],
                            .add = call->adds[0]},
             call->scratch);
}

// With few weights left the batch stands in vectors: the inputs' first in work, then the outputs'.
static size_t linear_floats(const struct tnm_graph *g, const struct tnm_node *node, size_t n) {
    (void)g;
    return ((size_t)node->w[0].rows + node->w[0].cols) * sparse_lanes(n);
}

static bool linear_shape(const struct tnm_graph *g, const struct tnm_node *node, uint32_t matrix,
                         size_t n, struct sparse_shape *shape) {
    (void)g;
    return sparse_batch_shape(node->w[matrix].rows, node->w[matrix].cols, n, shape);
}

static void sparse_forward(const struct op_call *call, struct sparse *s) {
    const struct net_layer *layer = call->layer;
    size_t step = s->shape.in_step, len = sparse_lanes(call->n);
    float *in = call->work, *out = in + layer->cols * step;
    sparse_turn(call->in[0], call->n, layer->cols, step, in);
    sparse_read(s, &s->by_row);
    for (uint32_t r = 0; r < layer->rows; r++) {
        for (size_t i = 0; i < len; i++)
            out[r * step + i] = layer->bias[r];
        sparse_sum(&s->by_row, r, in, len, out + r * step);
    }
    sparse_turn_back(out, call->n, layer->rows, step, false, call->out);
}

static void sparse_backward(const struct op_call *call, struct sparse *s) {
    const struct net_layer *layer = call->layer;
    size_t step = s->shape.in_step, len = sparse_lanes(call->n);
    float *in = call->work, *d_out = in + layer->cols * step;
    sparse_turn(call->in[0], call->n, layer->cols, step, in);
    sparse_turn(call->d_out, call->n, layer->rows, step, d_out);
    sparse_clear(s);
    for (uint32_t r = 0; r < layer->rows; r++)
        sparse_multiply(s, r, d_out + r * step, in, len);
    sparse_store(s, call->d_w[0]);
    if (call->d_in[0] == NULL)
        return;
    sparse_read(s, &s->by_input);
    memset(in, 0, layer->cols * step * sizeof *in);
    for (uint32_t c = 0; c < layer->cols; c++)
        sparse_sum(&s->by_input, c, d_out, len, in + c * step);
    sparse_turn_back(in, call->n, layer->cols, step, call->adds[0], call->d_in[0]);
}

static void linear_forward(const struct op_call *call) {
    struct sparse *s = op_sparse(call, 0);
    if (s != NULL)
        sparse_forward(call, s);
    else
        dense_forward(call);
}

static void linear_backward(const struct op_call *call) {
    struct sparse *s = op_sparse(call, 0);
    sum_rows(call->d_out, call->n, call->layer->rows, call->d_bias[0]);
    if (s != NULL)
        sparse_backward(call, s);
    else
        dense_backward(call);
}

// ---- relu --------------------------------------------------------------------------------------

static size_t all_elements(const struct op_call *call) {
    return call->n * tnm_tensor_elements(&call->graph->tensor[call->node->output]);
}

static void relu_forward(const struct op_call *call) {
    size_t n = all_elements(call);
    for (size_t i = 0; i < n; i++)
        call->out[i] = call->in[0][i] > 0 ? call->in[0][i] : 0;
}

// Gradients are read whether they pass or not, so that compilers see no branch in it.
static void relu_backward(const struct op_call *call) {
    size_t n = all_elements(call);
    float *restrict d_in = call->d_in[0];
    const float *restrict d_out = call->d_out, *restrict out = call->out;
    for (size_t i = 0; d_in != NULL && call->adds[0] && i < n; i++) {
        float d = d_out[i];
        d_in[i] += out[i] > 0 ? d : 0;
    }
    for (size_t i = 0; d_in != NULL && !call->adds[0] && i < n; i++) {
        float d = d_out[i];
        d_in[i] = out[i] > 0 ? d : 0;
    }
}

// ------------------------------------------------------------------------------------------------

static const struct train_op train_linear = {.op = TNM_OP_LINEAR,
                                             .sparse_shape = linear_shape,
                                             .work_floats = linear_floats,
                                             .forward = linear_forward,
                                             .backward = linear_backward};
static const struct train_op train_relu = {
    .op = TNM_OP_RELU, .forward = relu_forward, .backward = relu_backward};
static const struct train_op train_reshape = {.op = TNM_OP_RESHAPE, .view = true};

static const struct train_op *const table[] = {
    &train_linear,      &train_conv2d, &train_max_pool, &train_average_pool,
    &train_global_pool, &train_relu,   &train_reshape,  &train_lstm,
};

const struct train_op *train_op_find(enum tnm_op op) {
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i]->op == op)
            return table[i];
    return NULL;
}
