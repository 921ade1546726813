/* SPDX-License-Identifier: MIT */
// Pools, forward and backward.
#include "models/ops_pool.h"

#include <string.h>

static const struct tnm_tensor *input_of(const struct tnm_graph *g, const struct tnm_node *node) {
    return &g->tensor[node->input[0]];
}

static const struct tnm_tensor *output_of(const struct tnm_graph *g, const struct tnm_node *node) {
    return &g->tensor[node->output];
}

// ---- Windows -----------------------------------------------------------------------------------

// The elements of window i along an axis that lie inside: first, first + step, ... below end.
struct reach {
    size_t first, step, end;
};

static struct reach reach_of(const struct tnm_window *w, unsigned axis, uint32_t i, uint32_t size) {
    int64_t dilation = w->dilation[axis], start = (int64_t)i * w->stride[axis] - w->pad[axis];
    int64_t end = start + (int64_t)(w->kernel[axis] - 1) * dilation + 1;
    if (start < 0)
        start += (-start + dilation - 1) / dilation * dilation;
    return (struct reach){(size_t)start, (size_t)dilation, (size_t)(end < size ? end : size)};
}

static struct tnm_window whole(const struct tnm_tensor *in) {
    return (struct tnm_window){{in->dim[1], in->dim[2]}, {1, 1}, {0}, {1, 1}, 1};
}

// Every window of every channel of every picture in the order of the output, told to each.
struct pooling {
    const struct op_call *call;
    size_t plane; // where the window's plane begins in the input
    size_t at;    // in the output
    struct reach down, across;
    size_t width;
};

static void each_window(const struct op_call *call, const struct tnm_window *w, uint32_t rows,
                        uint32_t cols, void (*each)(const struct pooling *)) {
    const struct tnm_tensor *in = input_of(call->graph, call->node);
    struct pooling p = {.call = call, .width = in->dim[2]};
    for (uint32_t c = 0; c < call->n * in->dim[0]; c++) {
        for (uint32_t y = 0; y < rows; y++) {
            p.down = reach_of(w, 0, y, in->dim[1]);
            for (uint32_t x = 0; x < cols; x++) {
                p.across = reach_of(w, 1, x, in->dim[2]);
                each(&p);
                p.at++;
            }
        }
        p.plane += (size_t)in->dim[1] * in->dim[2];
    }
}

static void pool_windows(const struct op_call *call, void (*each)(const struct pooling *)) {
    const struct tnm_tensor *out = output_of(call->graph, call->node);
    each_window(call, &call->node->window, out->dim[1], out->dim[2], each);
}

static void clear_input_gradient(const struct op_call *call) {
    size_t n = call->n * tnm_tensor_elements(input_of(call->graph, call->node));
    if (!call->adds[0])
        memset(call->d_in[0], 0, n * sizeof(float));
}

// Of equals the first is the largest.
static void find_largest(const struct pooling *p) {
    const float *x = p->call->in[0] + p->plane;
    size_t best = p->down.first * p->width + p->across.first;
    for (size_t y = p->down.first; y < p->down.end; y += p->down.step)
        for (size_t k = p->across.first; k < p->across.end; k += p->across.step)
            best = x[y * p->width + k] > x[best] ? y * p->width + k : best;
    p->call->out[p->at] = x[best];
    ((uint32_t *)p->call->kept)[p->at] = (uint32_t)best;
}

static void give_largest(const struct pooling *p) {
    uint32_t best = ((const uint32_t *)p->call->kept)[p->at];
    p->call->d_in[0][p->plane + best] += p->call->d_out[p->at];
}

// The pool that nearly everybody has.
static bool is_two_by_two(const struct tnm_window *w) {
    return w->kernel[0] == 2 && w->kernel[1] == 2 && w->stride[0] == 2 && w->stride[1] == 2 &&
           w->dilation[0] == 1 && w->dilation[1] == 1 &&
           (w->pad[0] | w->pad[1] | w->pad[2] | w->pad[3]) == 0;
}

// One row of windows without branches; first is where the upper of its two rows begins in the
// plane.
static void two_by_two_row(const float *plane, uint32_t first, uint32_t width, uint32_t n,
                           float *out, uint32_t *kept) {
    const float *up = plane + first, *down = up + width;
    for (uint32_t i = 0; i < n; i++) {
        float a = up[2 * i], b = up[2 * i + 1], c = down[2 * i], d = down[2 * i + 1];
        uint32_t at = first + 2 * i, above = b > a ? at + 1 : at;
        uint32_t below = d > c ? at + width + 1 : at + width;
        float most_above = b > a ? b : a, most_below = d > c ? d : c;
        kept[i] = most_below > most_above ? below : above;
        out[i] = most_below > most_above ? most_below : most_above;
    }
}

static void two_by_two(const struct op_call *call) {
    const struct tnm_tensor *in = input_of(call->graph, call->node);
    const struct tnm_tensor *out = output_of(call->graph, call->node);
    const float *plane = call->in[0];
    size_t at = 0;
    for (uint32_t c = 0; c < call->n * in->dim[0]; c++) {
        for (uint32_t y = 0; y < out->dim[1]; y++, at += out->dim[2])
            two_by_two_row(plane, 2 * y * in->dim[2], in->dim[2], out->dim[2], call->out + at,
                           (uint32_t *)call->kept + at);
        plane += (size_t)in->dim[1] * in->dim[2];
    }
}

static void max_forward(const struct op_call *call) {
    if (is_two_by_two(&call->node->window))
        two_by_two(call);
    else
        pool_windows(call, find_largest);
}

static void max_backward(const struct op_call *call) {
    if (call->d_in[0] == NULL)
        return;
    clear_input_gradient(call);
    pool_windows(call, give_largest);
}

static size_t max_kept(const struct tnm_graph *g, const struct tnm_node *node) {
    return tnm_tensor_elements(output_of(g, node)) * sizeof(uint32_t);
}

static size_t count(const struct reach *r) {
    return (r->end - r->first - 1) / r->step + 1;
}

static void take_mean(const struct pooling *p) {
    const float *x = p->call->in[0] + p->plane;
    float sum = 0;
    for (size_t y = p->down.first; y < p->down.end; y += p->down.step)
        for (size_t k = p->across.first; k < p->across.end; k += p->across.step)
            sum += x[y * p->width + k];
    p->call->out[p->at] = sum / (float)(count(&p->down) * count(&p->across));
}

static void give_mean(const struct pooling *p) {
    float *d_x = p->call->d_in[0] + p->plane;
    float part = p->call->d_out[p->at] / (float)(count(&p->down) * count(&p->across));
    for (size_t y = p->down.first; y < p->down.end; y += p->down.step)
        for (size_t k = p->across.first; k < p->across.end; k += p->across.step)
            d_x[y * p->width + k] += part;
}

static void average_forward(const struct op_call *call) {
    pool_windows(call, take_mean);
}

static void average_backward(const struct op_call *call) {
    if (call->d_in[0] == NULL)
        return;
    clear_input_gradient(call);
    pool_windows(call, give_mean);
}

static void global_forward(const struct op_call *call) {
    struct tnm_window w = whole(input_of(call->graph, call->node));
    each_window(call, &w, 1, 1, take_mean);
}

static void global_backward(const struct op_call *call) {
    if (call->d_in[0] == NULL)
        return;
    struct tnm_window w = whole(input_of(call->graph, call->node));
    clear_input_gradient(call);
    each_window(call, &w, 1, 1, give_mean);
}

const struct train_op train_max_pool = {.op = TNM_OP_MAX_POOL,
                                        .kept_bytes = max_kept,
                                        .forward = max_forward,
                                        .backward = max_backward};
const struct train_op train_average_pool = {
    .op = TNM_OP_AVERAGE_POOL, .forward = average_forward, .backward = average_backward};
const struct train_op train_global_pool = {
    .op = TNM_OP_GLOBAL_POOL, .forward = global_forward, .backward = global_backward};
