/* SPDX-License-Identifier: MIT */
// Pools: the largest or the mean of a window, and the mean of a whole plane. Padded places do not
// count.
#include "core/op.h"

#include "core/error.h"

#include <math.h>

// ---- Windows ------------------------------------------------------------------------------------

// The elements of a window that lie inside, along one axis: first, first + dilation, ...
struct run {
    size_t first, n;
};

// Of the window at place out along axis over size places.
static struct run inside(const struct tnm_window *window, unsigned axis, uint32_t out,
                         uint32_t size) {
    int64_t dilation = window->dilation[axis];
    int64_t start = (int64_t)out * window->stride[axis] - window->pad[axis];
    int64_t skip = start < 0 ? (-start + dilation - 1) / dilation : 0;
    int64_t first = start + skip * dilation;
    int64_t fit = first < (int64_t)size ? ((int64_t)size - 1 - first) / dilation + 1 : 0;
    int64_t left = (int64_t)window->kernel[axis] - skip;
    int64_t n = fit < left ? fit : left;
    return (struct run){(size_t)first, n > 0 ? (size_t)n : 0};
}

// Whether each window holds a place that is not padding. Where a step of the window cannot jump
// over the whole input, the first and the last window are the worst.
static bool axis_covered(const struct tnm_window *window, unsigned axis, uint32_t size,
                         uint32_t n_windows, struct tnm_error *err) {
    if (window->kernel[axis] > 1 && window->dilation[axis] > size)
        return tnm_fail(err, TNM_EFORMAT, "dilation %u over an input of %u", window->dilation[axis],
                        size);
    if (inside(window, axis, 0, size).n == 0 || inside(window, axis, n_windows - 1, size).n == 0)
        return tnm_fail(err, TNM_EFORMAT, "a window along axis %u lies on padding alone", axis + 1);
    return true;
}

static bool pool_shape(const struct tnm_graph *graph, const struct tnm_node *node,
                       struct tnm_tensor *out, struct tnm_error *err) {
    const struct tnm_tensor *in = &graph->tensor[node->input[0]];
    if (!tnm_window_shape(&node->window, in, in->dim[0], out, err))
        return false;
    if (node->window.groups != 1)
        return tnm_fail(err, TNM_EFORMAT, "%u groups, a pool has 1", node->window.groups);
    return axis_covered(&node->window, 0, in->dim[1], out->dim[1], err) &&
           axis_covered(&node->window, 1, in->dim[2], out->dim[2], err);
}

// One window of one channel, all lanes.
struct window {
    const float *plane;
    size_t width, lanes;
    struct run rows, cols;
    size_t row_step, col_step;
};

static void window_max(const struct window *w, float *out) {
    for (size_t l = 0; l < w->lanes; l++)
        out[l] = -INFINITY;
    for (size_t r = 0; r < w->rows.n; r++)
        for (size_t c = 0; c < w->cols.n; c++) {
            size_t row = w->rows.first + r * w->row_step, col = w->cols.first + c * w->col_step;
            const float *x = w->plane + (row * w->width + col) * w->lanes;
            for (size_t l = 0; l < w->lanes; l++)
                out[l] = x[l] > out[l] ? x[l] : out[l];
        }
}

static void window_mean(const struct window *w, float *out) {
    for (size_t l = 0; l < w->lanes; l++)
        out[l] = 0;
    for (size_t r = 0; r < w->rows.n; r++)
        for (size_t c = 0; c < w->cols.n; c++) {
            size_t row = w->rows.first + r * w->row_step, col = w->cols.first + c * w->col_step;
            const float *x = w->plane + (row * w->width + col) * w->lanes;
            for (size_t l = 0; l < w->lanes; l++)
                out[l] += x[l];
        }
    float count = (float)(w->rows.n * w->cols.n);
    for (size_t l = 0; l < w->lanes; l++)
        out[l] /= count;
}

static void pool_run(const struct tnm_plan_step *step, const struct tnm_call *call,
                     void (*pool)(const struct window *, float *)) {
    const struct tnm_tensor *in = &step->graph->tensor[step->node->input[0]];
    const struct tnm_tensor *out = &step->graph->tensor[step->output];
    const struct tnm_window *shape = &step->node->window;
    struct window w = {call->in[0], in->dim[2],         call->lanes,       {0, 0},
                       {0, 0},      shape->dilation[0], shape->dilation[1]};
    float *to = call->out;
    for (uint32_t c = 0; c < out->dim[0]; c++) {
        for (uint32_t y = 0; y < out->dim[1]; y++) {
            w.rows = inside(shape, 0, y, in->dim[1]);
            for (uint32_t x = 0; x < out->dim[2]; x++) {
                w.cols = inside(shape, 1, x, in->dim[2]);
                pool(&w, to);
                to += call->lanes;
            }
        }
        w.plane += (size_t)in->dim[1] * in->dim[2] * call->lanes;
    }
}

static void max_run(const struct tnm_plan_step *step, const struct tnm_call *call) {
    pool_run(step, call, window_max);
}

static void average_run(const struct tnm_plan_step *step, const struct tnm_call *call) {
    pool_run(step, call, window_mean);
}

const struct tnm_operation tnm_op_max_pool = {
    .name = "max_pool", .min_inputs = 1, .max_inputs = 1, .shape = pool_shape, .run = max_run};
const struct tnm_operation tnm_op_average_pool = {.name = "average_pool",
                                                  .min_inputs = 1,
                                                  .max_inputs = 1,
                                                  .shape = pool_shape,
                                                  .run = average_run};

// ---- Whole planes -------------------------------------------------------------------------------

static bool global_shape(const struct tnm_graph *graph, const struct tnm_node *node,
                         struct tnm_tensor *out, struct tnm_error *err) {
    const struct tnm_tensor *in = &graph->tensor[node->input[0]];
    if (in->rank != 3)
        return tnm_fail(err, TNM_EFORMAT, "the input has rank %u, not 3", in->rank);
    out->rank = 1;
    out->dim[0] = in->dim[0];
    return true;
}

static void global_run(const struct tnm_plan_step *step, const struct tnm_call *call) {
    const struct tnm_tensor *in = &step->graph->tensor[step->node->input[0]];
    struct window w = {call->in[0], in->dim[2], call->lanes, {0, in->dim[1]}, {0, in->dim[2]},
                       1,           1};
    for (uint32_t c = 0; c < in->dim[0]; c++) {
        window_mean(&w, call->out + c * call->lanes);
        w.plane += (size_t)in->dim[1] * in->dim[2] * call->lanes;
    }
}

const struct tnm_operation tnm_op_global_pool = {.name = "global_pool",
                                                 .min_inputs = 1,
                                                 .max_inputs = 1,
                                                 .shape = global_shape,
                                                 .run = global_run};
