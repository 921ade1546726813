/* SPDX-License-Identifier: MIT */
// The table of operations, and what convolution and pools share.
#include "core/op.h"

#include "core/error.h"

#include <math.h>

static const struct tnm_operation *const operations[] = {
    [TNM_OP_LINEAR] = &tnm_op_linear,
    [TNM_OP_CONV2D] = &tnm_op_conv2d,
    [TNM_OP_MAX_POOL] = &tnm_op_max_pool,
    [TNM_OP_AVERAGE_POOL] = &tnm_op_average_pool,
    [TNM_OP_GLOBAL_POOL] = &tnm_op_global_pool,
    [TNM_OP_ADD] = &tnm_op_add,
    [TNM_OP_MUL] = &tnm_op_mul,
    [TNM_OP_CONCAT] = &tnm_op_concat,
    [TNM_OP_RELU] = &tnm_op_relu,
    [TNM_OP_CLIP] = &tnm_op_clip,
    [TNM_OP_SIGMOID] = &tnm_op_sigmoid,
    [TNM_OP_TANH] = &tnm_op_tanh,
    [TNM_OP_HARD_SWISH] = &tnm_op_hard_swish,
    [TNM_OP_SOFTMAX] = &tnm_op_softmax,
    [TNM_OP_RESHAPE] = &tnm_op_reshape,
    [TNM_OP_LSTM] = &tnm_op_lstm,
};

const struct tnm_operation *tnm_op_find(uint32_t op) {
    return op < sizeof operations / sizeof *operations ? operations[op] : NULL;
}

const char *tnm_op_name(uint32_t op) {
    const struct tnm_operation *found = tnm_op_find(op);
    return found != NULL ? found->name : NULL;
}

struct tnm_clamp tnm_op_clamp(const struct tnm_node *node) {
    if (node->op == TNM_OP_RELU)
        return (struct tnm_clamp){0, INFINITY};
    return (struct tnm_clamp){node->clip.low, node->clip.high};
}

uint32_t tnm_window_out(const struct tnm_window *window, unsigned axis, uint32_t size) {
    uint64_t kernel = window->kernel[axis], stride = window->stride[axis];
    if (kernel == 0 || stride == 0 || window->dilation[axis] == 0)
        return 0;
    uint64_t reach = (kernel - 1) * window->dilation[axis] + 1;
    uint64_t padded = (uint64_t)size + window->pad[axis] + window->pad[axis + 2];
    if (reach > padded)
        return 0;
    uint64_t out = (padded - reach) / stride + 1;
    return out <= TNM_MAX_ELEMENTS ? (uint32_t)out : 0;
}

bool tnm_window_shape(const struct tnm_window *window, const struct tnm_tensor *in,
                      uint32_t channels, struct tnm_tensor *out, struct tnm_error *err) {
    if (in->rank != 3)
        return tnm_fail(err, TNM_EFORMAT, "the input has rank %u, not 3", in->rank);
    out->rank = 3;
    out->dim[0] = channels;
    for (unsigned axis = 0; axis < 2; axis++) {
        out->dim[axis + 1] = tnm_window_out(window, axis, in->dim[axis + 1]);
        if (out->dim[axis + 1] == 0)
            return tnm_fail(err, TNM_EFORMAT,
                            "no window of %u with stride %u, dilation %u, pads %u and %u fits %u",
                            window->kernel[axis], window->stride[axis], window->dilation[axis],
                            window->pad[axis], window->pad[axis + 2], in->dim[axis + 1]);
    }
    return true;
}
