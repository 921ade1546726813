/* SPDX-License-Identifier: MIT */
// conv2d, as a direct sparse convolution: a weight that is not 0 times a run of pixels, no im2col
// (the idea of Park et al. 2017, "Faster CNNs with direct sparse convolutions and guided pruning").
//
// The input is copied into planes with its padding around it, so that a weight meets its pixels at
// one fixed distance. For a stride s the pixels are sorted by their place modulo s into a plane for
// each such phase that a window element can fall on; then every stride runs as stride 1 does. A
// convolution without padding and stride reads its input where it lies.
#include "core/op_conv2d.h"

#include "core/error.h"
#include "core/layout.h"
#include "core/op.h"

#include <string.h>

// ---- Geometry -----------------------------------------------------------------------------------

static uint32_t gcd(uint32_t a, uint32_t b) {
    while (b != 0) {
        uint32_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

// Elements along one axis of a phase's plane.
static uint64_t extent(const struct tnm_window *w, unsigned axis, uint32_t out) {
    return out + (uint64_t)(w->kernel[axis] - 1) * w->dilation[axis] / w->stride[axis];
}

static uint32_t count_phases(const struct tnm_window *w, unsigned axis) {
    uint32_t period = w->stride[axis] / gcd(w->stride[axis], w->dilation[axis]);
    return period < w->kernel[axis] ? period : w->kernel[axis];
}

// False where the planes have more than TNM_MAX_ELEMENTS elements.
static bool conv_planes(const struct tnm_window *w, const struct tnm_tensor *in,
                        const struct tnm_tensor *out, struct tnm_planes *p) {
    uint64_t part[5] = {in->dim[0], count_phases(w, 0), count_phases(w, 1),
                        extent(w, 0, out->dim[1]), extent(w, 1, out->dim[2])};
    uint64_t total = 1;
    for (unsigned i = 0; i < 5; i++) {
        if (part[i] > TNM_MAX_ELEMENTS / total)
            return false;
        total *= part[i];
    }
    *p = (struct tnm_planes){
        .phases = {(uint32_t)part[1], (uint32_t)part[2]},
        .height = (uint32_t)part[3],
        .pitch = (uint32_t)part[4],
        .elements = total,
    };
    bool whole = p->height == in->dim[1] && p->pitch == in->dim[2];
    bool padded = (w->pad[0] | w->pad[1] | w->pad[2] | w->pad[3]) != 0;
    p->in_place = whole && !padded && w->stride[0] == 1 && w->stride[1] == 1;
    return true;
}

static const struct tnm_tensor *input_of(const struct tnm_plan_step *step) {
    return &step->graph->tensor[step->node->input[0]];
}

static struct tnm_planes planes_of(const struct tnm_graph *graph, const struct tnm_node *node) {
    struct tnm_planes planes = {0};
    (void)conv_planes(&node->window, &graph->tensor[node->input[0]], &graph->tensor[node->output],
                      &planes);
    return planes;
}

void tnm_conv2d_context(struct tnm_conv2d_context *context, const struct tnm_graph *graph,
                        const struct tnm_node *node) {
    context->window = node->window;
    context->planes = planes_of(graph, node);
    context->channels = graph->tensor[node->input[0]].dim[0] / node->window.groups;
    context->rows = node->w[0].rows / node->window.groups;
}

uint32_t tnm_conv2d_element(const void *opaque, uint32_t row, uint32_t col) {
    const struct tnm_conv2d_context *context = opaque;
    const struct tnm_window *w = &context->window;
    const struct tnm_planes *p = &context->planes;
    uint32_t kx = col % w->kernel[1], ky = col / w->kernel[1] % w->kernel[0];
    uint32_t channel = row / context->rows * context->channels + col / w->kernel[1] / w->kernel[0];
    uint32_t plane = (channel * p->phases[0] + ky % p->phases[0]) * p->phases[1];
    plane += kx % p->phases[1];
    uint32_t y = (uint32_t)((uint64_t)ky * w->dilation[0] / w->stride[0]);
    uint32_t x = (uint32_t)((uint64_t)kx * w->dilation[1] / w->stride[1]);
    return (plane * p->height + y) * p->pitch + x;
}

// ---- Shape --------------------------------------------------------------------------------------

static bool conv_groups(const struct tnm_node *node, const struct tnm_tensor *in,
                        struct tnm_error *err) {
    uint32_t groups = node->window.groups;
    const struct tnm_matrix *w = &node->w[0];
    if (groups == 0 || in->dim[0] % groups != 0 || w->rows % groups != 0)
        return tnm_fail(err, TNM_EFORMAT, "%u groups do not divide %u channels into %u", groups,
                        in->dim[0], w->rows);
    uint64_t cols = (uint64_t)(in->dim[0] / groups) * node->window.kernel[0];
    if (cols > TNM_MAX_ELEMENTS || cols * node->window.kernel[1] != w->cols)
        return tnm_fail(err, TNM_EFORMAT,
                        "weights of %u columns, not %u channels of a %u x %u window", w->cols,
                        in->dim[0] / groups, node->window.kernel[0], node->window.kernel[1]);
    return true;
}

static bool conv_shape(const struct tnm_graph *graph, const struct tnm_node *node,
                       struct tnm_tensor *out, struct tnm_error *err) {
    const struct tnm_tensor *in = &graph->tensor[node->input[0]];
    if (!tnm_window_shape(&node->window, in, node->w[0].rows, out, err) ||
        !conv_groups(node, in, err))
        return false;
    struct tnm_planes planes;
    if (!conv_planes(&node->window, in, out, &planes))
        return tnm_fail(err, TNM_ELIMIT, "the padded input has more than %d elements",
                        TNM_MAX_ELEMENTS);
    return true;
}

// ---- Padding and phases -------------------------------------------------------------------------

// One row of a plane: the pixels of a row of the input from first on, every stride-th.
static void fill_row(float *to, const struct tnm_planes *p, const float *from, int64_t first,
                     int64_t stride, int64_t width, size_t lanes) {
    int64_t skip = first < 0 ? (-first + stride - 1) / stride : 0;
    int64_t n =
        first + skip * stride < width ? (width - 1 - first - skip * stride) / stride + 1 : 0;
    int64_t pitch = p->pitch;
    skip = skip < pitch ? skip : pitch;
    n = n < pitch - skip ? n : pitch - skip;
    memset(to, 0, (size_t)skip * lanes * sizeof *to);
    float *at = to + (size_t)skip * lanes;
    const float *pixel = from + (first + skip * stride) * (int64_t)lanes;
    if (stride == 1)
        memcpy(at, pixel, (size_t)(n > 0 ? n : 0) * lanes * sizeof *at);
    else
        for (int64_t i = 0; i < n; i++)
            memcpy(at + (size_t)i * lanes, pixel + i * stride * (int64_t)lanes, lanes * sizeof *at);
    memset(at + (size_t)n * lanes, 0, (size_t)(pitch - skip - n) * lanes * sizeof *at);
}

static void fill_plane(float *to, const struct tnm_planes *p, const struct tnm_window *w,
                       const float *from, const uint32_t size[2], const uint32_t phase[2],
                       size_t lanes) {
    int64_t first[2];
    for (unsigned axis = 0; axis < 2; axis++)
        first[axis] =
            (int64_t)((uint64_t)phase[axis] * w->dilation[axis] % w->stride[axis]) - w->pad[axis];
    for (uint32_t y = 0; y < p->height; y++) {
        int64_t row = first[0] + (int64_t)y * w->stride[0];
        if (row >= 0 && row < size[0])
            fill_row(to, p, from + (size_t)row * size[1] * lanes, first[1], w->stride[1], size[1],
                     lanes);
        else
            memset(to, 0, p->pitch * lanes * sizeof *to);
        to += p->pitch * lanes;
    }
}

static void fill_planes(float *to, const struct tnm_planes *p, const struct tnm_plan_step *step,
                        const struct tnm_call *call) {
    const struct tnm_tensor *in = input_of(step);
    const float *from = call->in[0];
    uint32_t phase[2];
    for (uint32_t c = 0; c < in->dim[0]; c++) {
        for (phase[0] = 0; phase[0] < p->phases[0]; phase[0]++)
            for (phase[1] = 0; phase[1] < p->phases[1]; phase[1]++) {
                fill_plane(to, p, &step->node->window, from, in->dim + 1, phase, call->lanes);
                to += (size_t)p->height * p->pitch * call->lanes;
            }
        from += (size_t)in->dim[1] * in->dim[2] * call->lanes;
    }
}

// ---- Running ------------------------------------------------------------------------------------

// Output rows lie pitch apart while they are computed as one long run.
static uint64_t run_length(const struct tnm_planes *p, const struct tnm_tensor *out) {
    return (uint64_t)(out->dim[1] - 1) * p->pitch + out->dim[2];
}

static uint64_t planes_bytes(const struct tnm_planes *p, size_t lanes) {
    return p->in_place ? 0 : (p->elements * lanes * sizeof(float) + 63) / 64 * 64;
}

static uint64_t conv_scratch(const struct tnm_plan_step *step, size_t lanes) {
    struct tnm_planes p = planes_of(step->graph, step->node);
    const struct tnm_tensor *out = &step->graph->tensor[step->output];
    bool gaps = lanes == 1 && p.pitch != out->dim[2];
    return planes_bytes(&p, lanes) + (gaps ? 4 * run_length(&p, out) * sizeof(float) : 0);
}

// One input: each output channel as one run over all rows. What falls between them is dropped.
static void run_one(const struct tnm_plan_step *step, const struct tnm_call *call, const float *x,
                    const struct tnm_planes *p, const struct tnm_group *group, const void *record) {
    const struct tnm_tensor *out = &step->graph->tensor[step->output];
    size_t n = (size_t)run_length(p, out), plane = (size_t)out->dim[1] * out->dim[2];
    float *y[4] = {NULL}, *run = (float *)(void *)((char *)call->scratch + planes_bytes(p, 1));
    bool gaps = p->pitch != out->dim[2];
    for (uint32_t i = 0; i < group->n_rows; i++)
        y[i] = gaps ? run + i * n : call->out + group->row[i] * plane;
    struct tnm_span pixels = {x, 1, n};
    call->kernels->rows_many(&step->layout->rows, group, record, &pixels, y, step->clamp);
    for (uint32_t i = 0; gaps && i < group->n_rows; i++)
        for (uint32_t r = 0; r < out->dim[1]; r++)
            memcpy(call->out + group->row[i] * plane + (size_t)r * out->dim[2],
                   y[i] + (size_t)r * p->pitch, out->dim[2] * sizeof(float));
}

// Many inputs: row by row, which the lanes make long enough.
static void run_many(const struct tnm_plan_step *step, const struct tnm_call *call, const float *x,
                     const struct tnm_planes *p, const struct tnm_group *group,
                     const void *record) {
    const struct tnm_tensor *out = &step->graph->tensor[step->output];
    size_t lanes = call->lanes, n = out->dim[2] * lanes;
    for (uint32_t r = 0; r < out->dim[1]; r++) {
        float *y[4] = {NULL};
        for (uint32_t i = 0; i < group->n_rows; i++)
            y[i] = call->out + ((size_t)group->row[i] * out->dim[1] + r) * n;
        struct tnm_span pixels = {x + (size_t)r * p->pitch * lanes, lanes, n};
        call->kernels->rows_many(&step->layout->rows, group, record, &pixels, y, step->clamp);
    }
}

static void conv_run(const struct tnm_plan_step *step, const struct tnm_call *call) {
    struct tnm_planes p = planes_of(step->graph, step->node);
    const struct tnm_rows *rows = &step->layout->rows;
    const float *x = p.in_place ? call->in[0] : call->scratch;
    if (!p.in_place)
        fill_planes(call->scratch, &p, step, call);
    const char *record = rows->record;
    for (uint32_t g = 0; g < rows->n_groups; g++) {
        const struct tnm_group *group = &rows->group[g];
        (call->lanes == 1 ? run_one : run_many)(step, call, x, &p, group, record);
        record += group->n_records * tnm_record_bytes(rows->form);
    }
}

const struct tnm_operation tnm_op_conv2d = {.name = "conv2d",
                                            .min_inputs = 1,
                                            .max_inputs = 1,
                                            .n_weights = 1,
                                            .shape = conv_shape,
                                            .scratch = conv_scratch,
                                            .run = conv_run};
