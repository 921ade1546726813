/* SPDX-License-Identifier: MIT */
// What the forge can train: forward and backward of each operation.
#include "models/ops.h"

#include "models/gemm.h"
#include "models/ops_lstm.h"
#include "models/ops_window.h"

#include <string.h>

// ---- linear: out = in w^T + bias ---------------------------------------------------------------

static void linear_forward(const struct op_call *call) {
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

static void linear_backward(const struct op_call *call) {
    const struct net_layer *layer = call->layer;
    sum_rows(call->d_out, call->n, layer->rows, call->d_bias[0]);
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

// ---- relu --------------------------------------------------------------------------------------

static size_t all_elements(const struct op_call *call) {
    return call->n * tnm_tensor_elements(&call->graph->tensor[call->node->output]);
}

static void relu_forward(const struct op_call *call) {
    size_t n = all_elements(call);
    for (size_t i = 0; i < n; i++)
        call->out[i] = call->in[0][i] > 0 ? call->in[0][i] : 0;
}

static void relu_backward(const struct op_call *call) {
    size_t n = all_elements(call);
    float *d_in = call->d_in[0];
    if (d_in == NULL)
        return;
    if (call->adds[0])
        for (size_t i = 0; i < n; i++)
            d_in[i] += call->out[i] > 0 ? call->d_out[i] : 0;
    else
        for (size_t i = 0; i < n; i++)
            d_in[i] = call->out[i] > 0 ? call->d_out[i] : 0;
}

// ------------------------------------------------------------------------------------------------

static const struct train_op train_linear = {
    .op = TNM_OP_LINEAR, .forward = linear_forward, .backward = linear_backward};
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
