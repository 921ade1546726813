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

// ---- Two by two --------------------------------------------------------------------------------

// The pool that nearly everybody has. Of a window is kept which of its four is the largest, 0..3.
static bool is_two_by_two(const struct tnm_window *w) {
    return w->kernel[0] == 2 && w->kernel[1] == 2 && w->stride[0] == 2 && w->stride[1] == 2 &&
           w->dilation[0] == 1 && w->dilation[1] == 1 &&
           (w->pad[0] | w->pad[1] | w->pad[2] | w->pad[3]) == 0;
}

// Four windows side by side.
typedef float floats __attribute__((vector_size(16), aligned(4), may_alias));
typedef int32_t ints __attribute__((vector_size(16), aligned(4), may_alias));
enum { SIDE = 4 };

static floats even(floats a, floats b) {
    return __builtin_shuffle(a, b, (ints){0, 2, 4, 6});
}

static floats odd(floats a, floats b) {
    return __builtin_shuffle(a, b, (ints){1, 3, 5, 7});
}

// a where which is all ones, b where it is 0.
static ints choose(ints which, ints a, ints b) {
    return (which & a) | (~which & b);
}

static floats choose_float(ints which, floats a, floats b) {
    return (floats)choose(which, (ints)a, (ints)b);
}

static void four_largest(const float *up, const float *down, float *out, int32_t *kept) {
    const floats *u = (const floats *)up, *d = (const floats *)down;
    floats left = even(u[0], u[1]), right = odd(u[0], u[1]);
    floats below_left = even(d[0], d[1]), below_right = odd(d[0], d[1]);
    ints of_upper = right > left, of_lower = below_right > below_left;
    floats upper = choose_float(of_upper, right, left);
    floats lower = choose_float(of_lower, below_right, below_left);
    ints is_lower = lower > upper;
    *(floats *)out = choose_float(is_lower, lower, upper);
    *(ints *)kept = choose(is_lower, 2 - of_lower, -of_upper); // true is -1
}

static void one_largest(const float *up, const float *down, float *out, int32_t *kept) {
    const float x[4] = {up[0], up[1], down[0], down[1]};
    int32_t best = 0;
    for (int32_t k = 1; k < 4; k++)
        best = x[k] > x[best] ? k : best;
    *out = x[best];
    *kept = best;
}

// A row of n windows.
static void largest_of_row(const float *up, uint32_t width, uint32_t n, float *out, int32_t *kept) {
    const float *down = up + width;
    uint32_t i = 0;
    for (; i + SIDE <= n; i += SIDE)
        four_largest(up + 2 * i, down + 2 * i, out + i, kept + i);
    for (; i < n; i++)
        one_largest(up + 2 * i, down + 2 * i, out + i, kept + i);
}

static void add_pairs(float *to, floats even_ones, floats odd_ones) {
    floats *t = (floats *)to;
    t[0] += __builtin_shuffle(even_ones, odd_ones, (ints){0, 4, 1, 5});
    t[1] += __builtin_shuffle(even_ones, odd_ones, (ints){2, 6, 3, 7});
}

static void give_four(const float *d_out, const int32_t *kept, float *up, float *down) {
    const floats gradient = *(const floats *)d_out;
    const ints d = (ints)gradient, which = *(const ints *)kept;
    add_pairs(up, (floats)(d & (which == 0)), (floats)(d & (which == 1)));
    add_pairs(down, (floats)(d & (which == 2)), (floats)(d & (which == 3)));
}

static void give_row(const float *d_out, const int32_t *kept, uint32_t width, uint32_t n,
                     float *up) {
    float *down = up + width;
    uint32_t i = 0;
    for (; i + SIDE <= n; i += SIDE)
        give_four(d_out + i, kept + i, up + 2 * i, down + 2 * i);
    for (; i < n; i++)
        (kept[i] < 2 ? up : down)[2 * i + (uint32_t)kept[i] % 2] += d_out[i];
}

static void two_by_two(const struct op_call *call, bool back) {
    const struct tnm_tensor *in = input_of(call->graph, call->node);
    const struct tnm_tensor *out = output_of(call->graph, call->node);
    size_t width = in->dim[2], plane = in->dim[1] * width, at = 0;
    int32_t *kept = call->kept;
    for (size_t c = 0; c < (size_t)call->n * in->dim[0]; c++) {
        float *d_in = back ? call->d_in[0] + c * plane : NULL;
        if (back && !call->adds[0]) // here, where it is about to be used
            memset(d_in, 0, plane * sizeof *d_in);
        for (uint32_t y = 0; y < out->dim[1]; y++, at += out->dim[2])
            if (back)
                give_row(call->d_out + at, kept + at, in->dim[2], out->dim[2],
                         d_in + 2 * y * width);
            else
                largest_of_row(call->in[0] + c * plane + 2 * y * width, in->dim[2], out->dim[2],
                               call->out + at, kept + at);
    }
}

// ------------------------------------------------------------------------------------------------

static void max_forward(const struct op_call *call) {
    if (is_two_by_two(&call->node->window))
        two_by_two(call, false);
    else
        pool_windows(call, find_largest);
}

static void max_backward(const struct op_call *call) {
    if (call->d_in[0] == NULL)
        return;
    if (is_two_by_two(&call->node->window)) {
        two_by_two(call, true);
        return;
    }
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
