/* SPDX-License-Identifier: MIT */
// lstm, forward and backward through time (Werbos 1990, "Backpropagation through time").
//
// Everything lies step by step, each step holding all inputs, so that a step is one product of
// matrices: (T, n, ...). What the rows give to the gates is one product for all steps.
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
    by_step(call->in[0], &s, k.x);
    gates_from_rows(call, &s, &k);
    for (size_t t = 0; t < s.steps; t++) {
        size_t step = s.n * s.memory;
        if (t > 0)
            gates_from_memory(call, &s, k.held + (t - 1) * step, k.gate + t * GATES * step);
        one_step(&s, t, &k);
    }
    write_out(call, &s, &k);
}

// ---- Backward ----------------------------------------------------------------------------------

// In work: the gradient by the gates' sums of all steps, (T, n, 4 memory), written over what was
// kept of the gates; by the memory and by the cell of the step at hand, (n, memory) each; by x.
struct back {
    float *held, *cell, *x;
};

static size_t work_floats(const struct tnm_graph *g, const struct tnm_node *node, size_t n) {
    struct sizes s = sizes_of(g, node, n);
    return n * (2 * s.memory + s.steps * s.width);
}

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

static void through_time(const struct op_call *call, const struct sizes *s, const struct kept *k,
                         const struct back *back) {
    const struct net_layer *rec = &call->layer[1];
    size_t step = s->n * s->memory;
    memset(back->held, 0, 2 * step * sizeof *back->held);
    for (size_t t = s->steps; t-- > 0;) {
        add_from_output(call, s, t, back->held);
        step_back(s, t, k, back);
        gemm_run(&(struct gemm){.m = s->n,
                                .n = rec->cols,
                                .k = rec->rows,
                                .a = k->gate + t * GATES * step,
                                .b = rec->w,
                                .c = back->held},
                 call->scratch);
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

static void lstm_backward(const struct op_call *call) {
    const struct net_layer *in = &call->layer[0];
    struct sizes s = sizes_of(call->graph, call->node, call->n);
    struct kept k = kept_of(call->kept, &s);
    size_t step = s.n * s.memory;
    struct back back = {call->work, call->work + step, call->work + 2 * step};
    through_time(call, &s, &k, &back);
    weight_gradient(call, 0, k.gate, k.x, s.steps);
    weight_gradient(call, 1, k.gate + GATES * step, k.held, s.steps - 1);
    bias_gradient(call, &s, k.gate);
    if (call->d_in[0] == NULL)
        return;
    gemm_run(
        &(struct gemm){
            .m = s.steps * s.n, .n = in->cols, .k = in->rows, .a = k.gate, .b = in->w, .c = back.x},
        call->scratch);
    by_input(back.x, &s, call->adds[0], call->d_in[0]);
}

const struct train_op train_lstm = {.op = TNM_OP_LSTM,
                                    .kept_bytes = kept_bytes,
                                    .work_floats = work_floats,
                                    .forward = lstm_forward,
                                    .backward = lstm_backward};
