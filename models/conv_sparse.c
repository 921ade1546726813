/* SPDX-License-Identifier: MIT */
// Convolutions of stride 1 with few weights left.
//
// The planes of a picture are copied with their padding around them, and so are the gradients of
// the output, in rows as long as those of the padded input: then a place of the output and what a
// weight reads for it are the same distance apart everywhere.
#include "models/conv_sparse.h"

#include <string.h>

struct frame {
    size_t channels, rows; // of the input, of the output
    size_t height, width, out_height, out_width;
    size_t pitch;         // from one row of a padded plane to the next
    size_t plane;         // of a padded input plane
    size_t first, inside; // of it, what is not padding: rows and what lies between them
    size_t result;        // an output plane in rows of that pitch
    size_t reach;         // how far behind a place its window ends
    size_t step;          // from one output's gradient to the next
    size_t in_floats, out_floats, line_floats;
};

static struct frame frame_of(const struct tnm_graph *g, const struct tnm_node *node) {
    const struct tnm_tensor *in = &g->tensor[node->input[0]], *out = &g->tensor[node->output];
    const struct tnm_window *w = &node->window;
    struct frame f = {.channels = in->dim[0],
                      .rows = out->dim[0],
                      .height = in->dim[1],
                      .width = in->dim[2],
                      .out_height = out->dim[1],
                      .out_width = out->dim[2],
                      .pitch = (size_t)w->pad[1] + in->dim[2] + w->pad[3]};
    f.plane = (w->pad[0] + f.height + w->pad[2]) * f.pitch;
    f.first = w->pad[0] * f.pitch + w->pad[1];
    f.inside = (f.height - 1) * f.pitch + f.width;
    f.result = (f.out_height - 1) * f.pitch + f.out_width;
    f.reach = (w->kernel[0] - 1) * w->dilation[0] * f.pitch + (w->kernel[1] - 1) * w->dilation[1];
    f.step = sparse_lanes(f.result) + f.reach;
    f.in_floats = f.channels * f.plane + SPARSE_LANES;
    f.out_floats = f.reach + f.rows * f.step + SPARSE_LANES;
    f.line_floats = sparse_lanes(f.inside > f.result ? f.inside : f.result);
    return f;
}

// Whether there is a way: no strides, and places that 32 bits can name.
static bool fits(const struct tnm_window *w, const struct frame *f) {
    return w->stride[0] * w->stride[1] == 1 && f->in_floats <= UINT32_MAX &&
           f->out_floats <= UINT32_MAX;
}

size_t conv_sparse_floats(const struct tnm_graph *g, const struct tnm_node *node) {
    struct frame f = frame_of(g, node);
    return fits(&node->window, &f) ? f.in_floats + f.out_floats + f.line_floats : 0;
}

bool conv_sparse_shape(const struct tnm_graph *g, const struct tnm_node *node, uint32_t matrix,
                       size_t n, struct sparse_shape *shape) {
    (void)matrix, (void)n; // one picture after another
    const struct tnm_window *w = &node->window;
    struct frame f = frame_of(g, node);
    if (!fits(w, &f))
        return false;
    *shape = (struct sparse_shape){.inputs = (uint32_t)f.channels,
                                   .groups = w->groups,
                                   .taps = w->kernel[0] * w->kernel[1],
                                   .tap_width = w->kernel[1],
                                   .down = w->dilation[0] * (uint32_t)f.pitch,
                                   .across = w->dilation[1],
                                   .in_step = (uint32_t)f.plane,
                                   .out_step = (uint32_t)f.step,
                                   .margin = (uint32_t)f.reach,
                                   .most = 0.5f};
    return true;
}

// ---- Copies ------------------------------------------------------------------------------------

// What a call works in: three pieces of its work.
struct desk {
    float *in;   // (channels, plane)
    float *out;  // margin, (rows, step): gradients of the output
    float *line; // what is computed
};

// Zeros where nothing is written later.
static struct desk clear_desk(const struct op_call *call, const struct frame *f) {
    struct desk d = {.in = call->work};
    d.out = d.in + f->in_floats;
    d.line = d.out + f->out_floats;
    memset(d.in, 0, f->in_floats * sizeof *d.in);
    return d;
}

static void copy_rows(float *to, size_t to_pitch, const float *from, size_t from_pitch,
                      size_t height, size_t width) {
    if (to_pitch == width && from_pitch == width) {
        memcpy(to, from, height * width * sizeof *to);
        return;
    }
    for (size_t y = 0; y < height; y++)
        memcpy(to + y * to_pitch, from + y * from_pitch, width * sizeof *to);
}

static void add_rows(float *to, size_t to_pitch, const float *from, size_t from_pitch,
                     size_t height, size_t width) {
    for (size_t y = 0; y < height; y++)
        for (size_t x = 0; x < width; x++)
            to[y * to_pitch + x] += from[y * from_pitch + x];
}

static void frame_picture(const struct op_call *call, const struct frame *f, uint32_t i,
                          const struct desk *d) {
    size_t plane = f->height * f->width;
    const float *x = call->in[0] + i * f->channels * plane;
    for (uint32_t c = 0; c < f->channels; c++)
        copy_rows(d->in + (size_t)c * f->plane + f->first, f->pitch, x + c * plane, f->width,
                  f->height, f->width);
}

// ---- Forward -----------------------------------------------------------------------------------

void conv_sparse_forward(const struct op_call *call) {
    struct sparse *s = call->sparse;
    struct frame f = frame_of(call->graph, call->node);
    struct desk d = clear_desk(call, &f);
    size_t plane = f.out_height * f.out_width, len = sparse_lanes(f.result);
    float *out = call->out;
    sparse_read(s, &s->by_row);
    for (uint32_t i = 0; i < call->n; i++) {
        frame_picture(call, &f, i, &d);
        for (uint32_t r = 0; r < f.rows; r++, out += plane) {
            for (size_t k = 0; k < len; k++)
                d.line[k] = s->layer->bias[r];
            sparse_sum(&s->by_row, r, d.in, len, d.line);
            copy_rows(out, f.out_width, d.line, f.pitch, f.out_height, f.out_width);
        }
    }
}

// ---- Backward ----------------------------------------------------------------------------------

// In lanes side by side, which compilers make one vector of. n is a multiple of them.
static float sum_of(const float *x, size_t n) {
    float lane[SPARSE_LANES] = {0}, sum = 0;
    for (size_t k = 0; k < n; k += SPARSE_LANES)
        for (size_t i = 0; i < SPARSE_LANES; i++)
            lane[i] += x[k + i];
    for (size_t i = 0; i < SPARSE_LANES; i++)
        sum += lane[i];
    return sum;
}

static void parameter_gradients(const struct op_call *call, const struct frame *f, uint32_t i,
                                const struct desk *d) {
    size_t plane = f->out_height * f->out_width, len = sparse_lanes(f->result);
    const float *d_out = call->d_out + i * f->rows * plane;
    for (uint32_t r = 0; r < f->rows; r++, d_out += plane) {
        float *row = d->out + f->reach + (size_t)r * f->step;
        copy_rows(row, f->pitch, d_out, f->out_width, f->out_height, f->out_width);
        call->d_bias[0][r] += sum_of(row, len);
        sparse_multiply(call->sparse, r, row, d->in, len);
    }
}

static void input_gradient(const struct op_call *call, const struct frame *f, uint32_t i,
                           const struct desk *d) {
    size_t plane = f->height * f->width, len = sparse_lanes(f->inside);
    float *d_in = call->d_in[0] + i * f->channels * plane;
    for (uint32_t c = 0; c < f->channels; c++, d_in += plane) {
        memset(d->line, 0, len * sizeof *d->line);
        sparse_sum(&call->sparse->by_input, c, d->out + f->first, len, d->line);
        (call->adds[0] ? add_rows : copy_rows)(d_in, f->width, d->line, f->pitch, f->height,
                                               f->width);
    }
}

void conv_sparse_backward(const struct op_call *call) {
    struct sparse *s = call->sparse;
    struct frame f = frame_of(call->graph, call->node);
    struct desk d = clear_desk(call, &f);
    memset(d.out, 0, f.out_floats * sizeof *d.out);
    memset(call->d_bias[0], 0, f.rows * sizeof(float));
    sparse_read(s, &s->by_input);
    sparse_clear(s);
    for (uint32_t i = 0; i < call->n; i++) {
        frame_picture(call, &f, i, &d);
        parameter_gradients(call, &f, i, &d);
        if (call->d_in[0] != NULL)
            input_gradient(call, &f, i, &d);
    }
    sparse_store(s, call->d_w[0]);
}
