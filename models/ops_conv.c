/* SPDX-License-Identifier: MIT */
// Convolutions, forward and backward.
//
// A convolution is a matrix product once each window's pixels stand in a column (im2col:
// Chellapilla et al. 2006, "High performance convolutional neural networks for document
// processing"). The columns of one picture fit a cache, so they are made anew for the way back
// rather than kept. Where few weights are left, conv_sparse.c does it without columns.
#include "models/ops_conv.h"

#include "models/conv_sparse.h"
#include "models/gemm.h"

#include <string.h>

static const struct tnm_tensor *input_of(const struct tnm_graph *g, const struct tnm_node *node) {
    return &g->tensor[node->input[0]];
}

static const struct tnm_tensor *output_of(const struct tnm_graph *g, const struct tnm_node *node) {
    return &g->tensor[node->output];
}

// ---- Columns -----------------------------------------------------------------------------------

// Along one axis: window i has its element k at place i * stride + shift.
struct line {
    int64_t stride, shift, size;
    size_t from, to; // the windows whose element lies inside
};

static struct line line_of(const struct tnm_window *w, unsigned axis, uint32_t k, uint32_t size,
                           uint32_t n_windows) {
    struct line l = {w->stride[axis], (int64_t)k * w->dilation[axis] - w->pad[axis], size, 0, 0};
    int64_t from = l.shift < 0 ? (-l.shift + l.stride - 1) / l.stride : 0;
    int64_t to = l.shift < l.size ? (l.size - 1 - l.shift) / l.stride + 1 : 0;
    to = to < (int64_t)n_windows ? to : (int64_t)n_windows;
    l.from = (size_t)from;
    l.to = to > from ? (size_t)to : (size_t)from;
    if (l.from > n_windows)
        l.from = l.to = n_windows;
    return l;
}

static size_t place(const struct line *l, size_t window) {
    return (size_t)((int64_t)window * l->stride + l->shift);
}

// One row of the columns, (height, width) of the output, from a plane.
static void take_plane(const float *plane, const struct line *y, const struct line *x,
                       const struct tnm_tensor *out, float *row) {
    size_t width = out->dim[2];
    memset(row, 0, y->from * width * sizeof *row);
    for (size_t i = y->from; i < y->to; i++) {
        const float *from = plane + place(y, i) * (size_t)x->size;
        float *to = row + i * width;
        for (size_t j = 0; j < x->from; j++)
            to[j] = 0;
        if (x->stride == 1)
            memcpy(to + x->from, from + place(x, x->from), (x->to - x->from) * sizeof *to);
        else
            for (size_t j = x->from; j < x->to; j++)
                to[j] = from[place(x, j)];
        for (size_t j = x->to; j < width; j++)
            to[j] = 0;
    }
    memset(row + y->to * width, 0, (out->dim[1] - y->to) * width * sizeof *row);
}

// The way back: adds to the plane.
static void give_plane(float *plane, const struct line *y, const struct line *x,
                       const struct tnm_tensor *out, const float *row) {
    for (size_t i = y->from; i < y->to; i++) {
        float *to = plane + place(y, i) * (size_t)x->size;
        const float *from = row + i * out->dim[2];
        float *first = x->to > x->from ? to + place(x, x->from) : to;
        if (x->stride == 1)
            for (size_t j = 0; j < x->to - x->from; j++)
                first[j] += from[x->from + j];
        else
            for (size_t j = x->from; j < x->to; j++)
                to[place(x, j)] += from[j];
    }
}

// All columns of the channels of x, (channels * kernel, windows); or, where d_x is not NULL, back.
static void columns(const struct tnm_graph *g, const struct tnm_node *node, uint32_t channels,
                    const float *x, float *d_x, float *column) {
    const struct tnm_tensor *in = input_of(g, node), *out = output_of(g, node);
    const struct tnm_window *w = &node->window;
    size_t plane = (size_t)in->dim[1] * in->dim[2];
    for (uint32_t c = 0; c < channels; c++)
        for (uint32_t ky = 0; ky < w->kernel[0]; ky++)
            for (uint32_t kx = 0; kx < w->kernel[1]; kx++) {
                struct line down = line_of(w, 0, ky, in->dim[1], out->dim[1]);
                struct line across = line_of(w, 1, kx, in->dim[2], out->dim[2]);
                if (d_x == NULL)
                    take_plane(x + c * plane, &down, &across, out, column);
                else
                    give_plane(d_x + c * plane, &down, &across, out, column);
                column += (size_t)out->dim[1] * out->dim[2];
            }
}

// ---- Convolution -------------------------------------------------------------------------------

// One group of channels of one picture.
struct part {
    size_t rows, cols, windows; // of the group's weights; of a plane of the output
    size_t in, out, w;          // where the group begins
    uint32_t channels;
};

static struct part part_of(const struct op_call *call, uint32_t i, uint32_t group) {
    const struct tnm_tensor *in = input_of(call->graph, call->node);
    const struct tnm_tensor *out = output_of(call->graph, call->node);
    uint32_t groups = call->node->window.groups;
    struct part p = {.rows = call->layer->rows / groups,
                     .cols = call->layer->cols,
                     .windows = (size_t)out->dim[1] * out->dim[2],
                     .channels = in->dim[0] / groups};
    p.in = i * tnm_tensor_elements(in) + (size_t)group * p.channels * in->dim[1] * in->dim[2];
    p.out = i * tnm_tensor_elements(out) + group * p.rows * p.windows;
    p.w = group * p.rows * p.cols;
    return p;
}

static size_t column_floats(const struct tnm_graph *g, const struct tnm_node *node, size_t n) {
    (void)n; // one picture after another
    const struct tnm_tensor *out = output_of(g, node);
    size_t sparse = conv_sparse_floats(g, node);
    size_t dense = (size_t)node->w[0].cols * out->dim[1] * out->dim[2];
    return sparse > dense ? sparse : dense;
}

// A 1x1 window finds its columns where they lie.
static bool in_place(const struct tnm_window *w) {
    return w->kernel[0] * w->kernel[1] * w->stride[0] * w->stride[1] == 1 &&
           (w->pad[0] | w->pad[1] | w->pad[2] | w->pad[3]) == 0;
}

static const float *columns_of(const struct op_call *call, const struct part *p) {
    if (in_place(&call->node->window))
        return call->in[0] + p->in;
    columns(call->graph, call->node, p->channels, call->in[0] + p->in, NULL, call->work);
    return call->work;
}

static void dense_forward(const struct op_call *call) {
    const struct net_layer *layer = call->layer;
    uint32_t groups = call->node->window.groups;
    for (uint32_t i = 0; i < call->n * groups; i++) {
        struct part p = part_of(call, i / groups, i % groups);
        const float *bias = layer->bias + i % groups * p.rows;
        float *out = call->out + p.out;
        for (size_t r = 0; r < p.rows; r++)
            for (size_t k = 0; k < p.windows; k++)
                out[r * p.windows + k] = bias[r];
        gemm_run(&(struct gemm){.m = p.rows,
                                .n = p.windows,
                                .k = p.cols,
                                .a = layer->w + p.w,
                                .b = columns_of(call, &p),
                                .c = out,
                                .add = true},
                 call->scratch);
    }
}

// In lanes side by side, which compilers make one vector of.
static float sum_of(const float *x, size_t n) {
    enum { LANES = 16 };
    float lane[LANES] = {0}, sum = 0;
    size_t k = 0;
    for (; k + LANES <= n; k += LANES)
        for (size_t i = 0; i < LANES; i++)
            lane[i] += x[k + i];
    for (; k < n; k++)
        sum += x[k];
    for (size_t i = 0; i < LANES; i++)
        sum += lane[i];
    return sum;
}

static void add_bias_gradient(const float *d_out, const struct part *p, float *d_bias) {
    for (size_t r = 0; r < p->rows; r++)
        d_bias[r] += sum_of(d_out + r * p->windows, p->windows);
}

static void conv_input_gradient(const struct op_call *call, const struct part *p) {
    bool direct = in_place(&call->node->window);
    float *column = direct ? call->d_in[0] + p->in : call->work;
    gemm_run(&(struct gemm){.m = p->cols,
                            .n = p->windows,
                            .k = p->rows,
                            .a = call->layer->w + p->w,
                            .transpose_a = true,
                            .b = call->d_out + p->out,
                            .c = column,
                            .add = direct},
             call->scratch);
    if (!direct)
        columns(call->graph, call->node, p->channels, NULL, call->d_in[0] + p->in, column);
}

static void dense_backward(const struct op_call *call) {
    const struct net_layer *layer = call->layer;
    uint32_t groups = call->node->window.groups;
    memset(call->d_w[0], 0, (size_t)layer->rows * layer->cols * sizeof(float));
    memset(call->d_bias[0], 0, layer->rows * sizeof(float));
    if (call->d_in[0] != NULL && !call->adds[0])
        memset(call->d_in[0], 0,
               call->n * tnm_tensor_elements(input_of(call->graph, call->node)) * sizeof(float));
    for (uint32_t i = 0; i < call->n * groups; i++) {
        struct part p = part_of(call, i / groups, i % groups);
        add_bias_gradient(call->d_out + p.out, &p, call->d_bias[0] + i % groups * p.rows);
        gemm_run(&(struct gemm){.m = p.rows,
                                .n = p.cols,
                                .k = p.windows,
                                .a = call->d_out + p.out,
                                .b = columns_of(call, &p),
                                .transpose_b = true,
                                .c = call->d_w[0] + p.w,
                                .add = true},
                 call->scratch);
        if (call->d_in[0] != NULL)
            conv_input_gradient(call, &p);
    }
}

static void conv_forward(const struct op_call *call) {
    if (op_sparse(call, 0) != NULL)
        conv_sparse_forward(call);
    else
        dense_forward(call);
}

static void conv_backward(const struct op_call *call) {
    if (op_sparse(call, 0) != NULL)
        conv_sparse_backward(call);
    else
        dense_backward(call);
}

const struct train_op train_conv2d = {.op = TNM_OP_CONV2D,
                                      .sparse_shape = conv_sparse_shape,
                                      .work_floats = column_floats,
                                      .forward = conv_forward,
                                      .backward = conv_backward};
