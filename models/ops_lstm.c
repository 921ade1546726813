/* SPDX-License-Identifier: MIT */
// lstm, forward and backward through time (Werbos 1990, "Backpropagation through time").
//
// Everything lies step by step, each step holding all inputs, so that a step is one product of
// matrices: (T, n, ...). What the rows give to the gates is one product for all steps. A matrix
// with few weights left takes each step by itself, in vectors over the inputs (models/sparse.h).
#include "models/ops_lstm.h"

#include "models/gemm.h"
#include "models/gates.h"

#include <string.h>

enum { GATES = 4 };

struct sizes {
    size_t steps, width, memory, n; // n inputs
};

static struct sizes sizes_of(const struct tnm_graph *g, const struct tnm_node *node, size_t n) {
    const struct tnm_tensor *in = &g->tensor[node->input[0]];
    return (struct sizes){in->dim[0], in->dim[1], node->w[1].cols, n};
}

// What forward keeps, in this order.
struct kept {
    float *x;    // (T, n, width)
    float *gate; // (T, n, 4 memory), after their curves
    float *cell; // (T, n, memory)
    float *tanh; // (T, n, memory), of the cell
    float *held; // (T, n, memory)
};

static size_t kept_bytes(const struct tnm_graph *g, const struct tnm_node *node) {
    struct sizes s = sizes_of(g, node, 1);
    return s.steps * (s.width + (GATES + 3) * s.memory) * sizeof(float);
}

static struct kept kept_of(float *at, const struct sizes *s) {
    size_t all = s->steps * s->n;
    struct kept k = {.x = at};
    k.gate = k.x + all * s->width;
    k.cell = k.gate + all * GATES * s->memory;
    k.tanh = k.cell + all * s->memory;
    k.held = k.tanh + all * s->memory;
    return k;
}

// From (n, T, width) to (T, n, width), and back.
static void by_step(const float *from, const struct sizes *s, float *to) {
    for (size_t i = 0; i < s->n; i++)
        for (size_t t = 0; t < s->steps; t++)
            memcpy(to + (t * s->n + i) * s->width, from + (i * s->steps + t) * s->width,
                   s->width * sizeof *to);
}

static void by_input(const float *from, const struct sizes *s, bool add, float *to) {
    for (size_t i = 0; i < s->n; i++)
        for (size_t t = 0; t < s->steps; t++)
            for (size_t k = 0; k < s->width; k++) {
                float *at = &to[(i * s->steps + t) * s->width + k];
                *at = from[(t * s->n + i) * s->width + k] + (add ? *at : 0);
            }
}

// ---- Work --------------------------------------------------------------------------------------

// Of the way back: the gradient by the memory and by the cell of the step at hand, (n, memory)
// each; by x. That by the gates' sums is written over what was kept of the gates.
struct back {
    float *held, *cell, *x;
};

static struct back back_of(const struct op_call *call, const struct sizes *s) {
    size_t step = s->n * s->memory;
    return (struct back){call->work, call->work + step, call->work + 2 * step};
}

// Behind it, one step in vectors: rows (width), what was held before (memory), the gates' sums or
// gradients (4 memory), and what goes back of either kind (the larger of width and memory).
struct desk {
    struct sparse *in, *rec; // NULL where many weights are left
    size_t step;             // from one vector to the next
    float *x, *held, *gate, *back;
};

static struct desk desk_of(const struct op_call *call, const struct sizes *s) {
    struct desk d = {.in = op_sparse(call, 0), .rec = op_sparse(call, 1)};
    d.step = d.in != NULL ? d.in->shape.in_step : d.rec != NULL ? d.rec->shape.in_step : 0;
    d.x = back_of(call, s).x + s->n * s->steps * s->width;
    d.held = d.x + s->width * d.step;
    d.gate = d.held + s->memory * d.step;
    d.back = d.gate + GATES * s->memory * d.step;
    return d;
}

static size_t work_floats(const struct tnm_graph *g, const struct tnm_node *node, size_t n) {
    struct sizes s = sizes_of(g, node, n);
    size_t most = s.width > s.memory ? s.width : s.memory;
    return n * (2 * s.memory + s.steps * s.width) +
           sparse_lanes(n) * (s.width + (1 + GATES) * s.memory + most);
}

static bool sparse_shape(const struct tnm_graph *g, const struct tnm_node *node, uint32_t matrix,
                         size_t n, struct sparse_shape *shape) {
    (void)g;
    return sparse_batch_shape(node->w[matrix].rows, node->w[matrix].cols, n, shape);
}

// ---- Forward -----------------------------------------------------------------------------------

static void gates_from_rows(const struct op_call *call, const struct sizes *s,
                            const struct kept *k) {
    const struct net_layer *in = &call->layer[0];
    for (size_t i = 0; i < s->steps * s->n; i++)
        memcpy(k->gate + i * in->rows, in->bias, in->rows * sizeof *k->gate);
    gemm_run(&(struct gemm){.m = s->steps * s->n,
                            .n = in->rows,
                            .k = in->cols,
                            .a = k->x,
                            .b = in->w,
                            .transpose_b = true,
                            .c = k->gate,
                            .add = true},
             call->scratch);
}

static void gates_from_memory(const struct op_call *call, const struct sizes *s, const float *held,
                              float *gate) {
    const struct net_layer *rec = &call->layer[1];
    gemm_run(&(struct gemm){.m = s->n,
                            .n = rec->rows,
                            .k = rec->cols,
                            .a = held,
                            .b = rec->w,
                            .transpose_b = true,
                            .c = gate,
                            .add = true},
             call->scratch);
}

// What sparse matrices give to the gates of step t: the first one's with the bias, before anything
// else; the other's added.
static void gates_from_few(const struct op_call *call, const struct sizes *s, const struct kept *k,
                           const struct desk *d, size_t t) {
    const struct net_layer *in = &call->layer[0];
    struct sparse *rec = t > 0 ? d->rec : NULL;
    size_t len = sparse_lanes(s->n), step = s->n * s->memory;
    if (d->in == NULL && rec == NULL)
        return;
    if (d->in != NULL)
        sparse_turn(k->x + t * s->n * s->width, s->n, s->width, d->step, d->x);
    if (rec != NULL)
        sparse_turn(k->held + (t - 1) * step, s->n, s->memory, d->step, d->held);
    for (uint32_t r = 0; r < in->rows; r++) {
        float *gate = d->gate + r * d->step;
        for (size_t i = 0; i < len; i++)
            gate[i] = d->in != NULL ? in->bias[r] : 0;
        if (d->in != NULL)
            sparse_sum(&d->in->by_row, r, d->x, len, gate);
        if (rec != NULL)
            sparse_sum(&rec->by_row, r, d->held, len, gate);
    }
    sparse_turn_back(d->gate, s->n, in->rows, d->step, d->in == NULL, k->gate + t * GATES * step);
}

static void one_step(const struct sizes *s, size_t t, const struct kept *k) {
    for (size_t i = 0; i < s->n; i++) {
        size_t at = (t * s->n + i) * s->memory;
        struct gates_place place = {.n = s->memory,
                                    .gate = k->gate + GATES * at,
                                    .before = t > 0 ? k->cell + at - s->n * s->memory : NULL,
                                    .cell = k->cell + at,
                                    .tanh = k->tanh + at,
                                    .held = k->held + at};
        gates_forward(&place);
    }
}

static void write_out(const struct op_call *call, const struct sizes *s, const struct kept *k) {
    size_t step = s->n * s->memory;
    if (!call->node->every_step) {
        memcpy(call->out, k->held + (s->steps - 1) * step, step * sizeof *call->out);
        return;
    }
    struct sizes out = {s->steps, s->memory, s->memory, s->n};
    by_input(k->held, &out, false, call->out);
}

static void lstm_forward(const struct op_call *call) {
    struct sizes s = sizes_of(call->graph, call->node, call->n);
    struct kept k = kept_of(call->kept, &s);
    struct desk d = desk_of(call, &s);
    size_t step = s.n * s.memory;
    by_step(call->in[0], &s, k.x);
    if (d.in == NULL)
        gates_from_rows(call, &s, &k);
    else
        sparse_read(d.in, &d.in->by_row);
    if (d.rec != NULL)
        sparse_read(d.rec, &d.rec->by_row);
    for (size_t t = 0; t < s.steps; t++) {
        gates_from_few(call, &s, &k, &d, t);
        if (d.rec == NULL && t > 0)
            gates_from_memory(call, &s, k.held + (t - 1) * step, k.gate + t * GATES * step);
        one_step(&s, t, &k);
    }
    write_out(call, &s, &k);
}

// ---- Backward ----------------------------------------------------------------------------------

static void add_from_output(const struct op_call *call, const struct sizes *s, size_t t,
                            float *d_held) {
    if (!call->node->every_step && t + 1 < s->steps)
        return;
    size_t stride = call->node->every_step ? s->steps * s->memory : s->memory;
    const float *from = call->d_out + (call->node->every_step ? t * s->memory : 0);
    for (size_t i = 0; i < s->n; i++)
        for (size_t k = 0; k < s->memory; k++)
            d_held[i * s->memory + k] += from[i * stride + k];
}

static void step_back(const struct sizes *s, size_t t, const struct kept *k,
                      const struct back *back) {
    for (size_t i = 0; i < s->n; i++) {
        size_t at = (t * s->n + i) * s->memory;
        struct gates_place place = {.n = s->memory,
                                    .gate = k->gate + GATES * at,
                                    .before = t > 0 ? k->cell + at - s->n * s->memory : NULL,
                                    .tanh = k->tanh + at};
        gates_backward(&place, back->held + i * s->memory, back->cell + i * s->memory);
    }
}

static void memory_gradient(const struct op_call *call, const struct sizes *s, const float *d_gate,
                            float *d_held) {
    const struct net_layer *rec = &call->layer[1];
    gemm_run(
        &(struct gemm){
            .m = s->n, .n = rec->cols, .k = rec->rows, .a = d_gate, .b = rec->w, .c = d_held},
        call->scratch);
}

// A sparse matrix at one step: adds to its gradients, and makes that by its input x (n, width) if
// it is wanted. In vectors: x at in, the gates' gradients at d->gate.
static void few_back(const struct sizes *s, struct sparse *w, const struct desk *d, const float *x,
                     size_t width, float *in, float *d_x) {
    size_t len = sparse_lanes(s->n);
    if (x != NULL) {
        sparse_turn(x, s->n, width, d->step, in);
        for (uint32_t r = 0; r < w->layer->rows; r++)
            sparse_multiply(w, r, d->gate + r * d->step, in, len);
    }
    if (d_x == NULL)
        return;
    for (uint32_t c = 0; c < width; c++) {
        memset(d->back + c * d->step, 0, len * sizeof(float));
        sparse_sum(&w->by_input, c, d->gate, len, d->back + c * d->step);
    }
    sparse_turn_back(d->back, s->n, width, d->step, false, d_x);
}

static void sparse_step_back(const struct op_call *call, const struct sizes *s,
                             const struct kept *k, const struct back *back, const struct desk *d,
                             size_t t) {
    size_t step = s->n * s->memory, row = s->n * s->width;
    if (d->in == NULL && d->rec == NULL)
        return;
    sparse_turn(k->gate + t * GATES * step, s->n, GATES * s->memory, d->step, d->gate);
    if (d->in != NULL)
        few_back(s, d->in, d, k->x + t * row, s->width, d->x,
                 call->d_in[0] != NULL ? back->x + t * row : NULL);
    if (d->rec != NULL)
        few_back(s, d->rec, d, t > 0 ? k->held + (t - 1) * step : NULL, s->memory, d->held,
                 back->held);
}

static void through_time(const struct op_call *call, const struct sizes *s, const struct kept *k,
                         const struct back *back, const struct desk *d) {
    size_t step = s->n * s->memory;
    memset(back->held, 0, 2 * step * sizeof *back->held);
    for (size_t t = s->steps; t-- > 0;) {
        add_from_output(call, s, t, back->held);
        step_back(s, t, k, back);
        if (d->rec == NULL)
            memory_gradient(call, s, k->gate + t * GATES * step, back->held);
        sparse_step_back(call, s, k, back, d, t);
    }
}

// d_w (rows, cols) = the gates' gradients times what was multiplied with w, over so many steps.
static void weight_gradient(const struct op_call *call, uint32_t which, const float *d_gate,
                            const float *x, size_t steps) {
    gemm_run(&(struct gemm){.m = call->layer[which].rows,
                            .n = call->layer[which].cols,
                            .k = steps * call->n,
                            .a = d_gate,
                            .transpose_a = true,
                            .b = x,
                            .c = call->d_w[which]},
             call->scratch);
}

static void bias_gradient(const struct op_call *call, const struct sizes *s, const float *d_gate) {
    size_t rows = call->layer[0].rows;
    memset(call->d_bias[0], 0, rows * sizeof(float));
    memset(call->d_bias[1], 0, rows * sizeof(float)); // there is none
    for (size_t i = 0; i < s->steps * s->n; i++)
        for (size_t r = 0; r < rows; r++)
            call->d_bias[0][r] += d_gate[i * rows + r];
}

static void input_gradient(const struct op_call *call, const struct sizes *s, const struct kept *k,
                           const struct back *back) {
    const struct net_layer *in = &call->layer[0];
    gemm_run(&(struct gemm){.m = s->steps * s->n,
                            .n = in->cols,
                            .k = in->rows,
                            .a = k->gate,
                            .b = in->w,
                            .c = back->x},
             call->scratch);
}

static void open_few(struct sparse *w) {
    if (w == NULL)
        return;
    sparse_read(w, &w->by_input);
    sparse_clear(w);
}

static void lstm_backward(const struct op_call *call) {
    struct sizes s = sizes_of(call->graph, call->node, call->n);
    struct kept k = kept_of(call->kept, &s);
    struct back back = back_of(call, &s);
    struct desk d = desk_of(call, &s);
    size_t step = s.n * s.memory;
    open_few(d.in);
    open_few(d.rec);
    through_time(call, &s, &k, &back, &d);
    if (d.in != NULL)
        sparse_store(d.in, call->d_w[0]);
    else
        weight_gradient(call, 0, k.gate, k.x, s.steps);
    if (d.rec != NULL)
        sparse_store(d.rec, call->d_w[1]);
    else
        weight_gradient(call, 1, k.gate + GATES * step, k.held, s.steps - 1);
    bias_gradient(call, &s, k.gate);
    if (call->d_in[0] == NULL)
        return;
    if (d.in == NULL)
        input_gradient(call, &s, &k, &back);
    by_input(back.x, &s, call->adds[0], call->d_in[0]);
}

const struct train_op train_lstm = {.op = TNM_OP_LSTM,
                                    .kept_bytes = kept_bytes,
                                    .sparse_shape = sparse_shape,
                                    .work_floats = work_floats,
                                    .forward = lstm_forward,
                                    .backward = lstm_backward};
