/* SPDX-License-Identifier: MIT */
// The second way to run a graph: double precision, plain loops, and the rounding that each result
// of an f32 implementation may carry: for a sum of n terms (n + 1) * FLT_EPSILON * the sum of their
// magnitudes, whatever its order, and the errors of what it is made from.
#include "tests/nets.h"

#include <check.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>

typedef struct nets_value value;

static const double epsilon = (double)FLT_EPSILON;

// ---- Sums ---------------------------------------------------------------------------------------

struct sum {
    double value, error, magnitude;
    unsigned terms;
};

static void sum_add(struct sum *sum, double w, value x) {
    sum->value += w * x.value;
    sum->error += fabs(w) * x.error;
    sum->magnitude += fabs(w) * (fabs(x.value) + x.error);
    sum->terms++;
}

static value sum_result(const struct sum *sum) {
    return (value){sum->value, sum->error + (sum->terms + 1) * epsilon * sum->magnitude + 1e-40};
}

static void linear(const struct tnm_matrix *m, const value *x, value *y) {
    float *w = malloc((size_t)m->rows * m->cols * sizeof *w);
    tnm_matrix_to_dense(m, w);
    for (uint32_t r = 0; r < m->rows; r++) {
        struct sum sum = {0};
        sum_add(&sum, 1, (value){m->bias != NULL ? (double)m->bias[r] : 0, 0});
        for (uint32_t c = 0; c < m->cols; c++)
            sum_add(&sum, (double)w[(size_t)r * m->cols + c], x[c]);
        y[r] = sum_result(&sum);
    }
    free(w);
}

// ---- Windows ------------------------------------------------------------------------------------

// The window at (row, col) of the output.
struct place {
    const struct tnm_tensor *in;
    const struct tnm_window *window;
    const value *x;
    int64_t row, col;
};

static const value *element(const struct place *p, uint32_t channel, uint32_t ky, uint32_t kx) {
    const struct tnm_window *w = p->window;
    int64_t y = p->row * w->stride[0] - w->pad[0] + (int64_t)ky * w->dilation[0];
    int64_t x = p->col * w->stride[1] - w->pad[1] + (int64_t)kx * w->dilation[1];
    if (y < 0 || y >= p->in->dim[1] || x < 0 || x >= p->in->dim[2])
        return NULL;
    return &p->x[((size_t)channel * p->in->dim[1] + (size_t)y) * p->in->dim[2] + (size_t)x];
}

static value conv_element(const struct place *p, const struct tnm_node *node, const float *w,
                          uint32_t row) {
    const struct tnm_window *window = &node->window;
    uint32_t channels = p->in->dim[0] / window->groups;
    uint32_t first = row / (node->w[0].rows / window->groups) * channels;
    struct sum sum = {0};
    sum_add(&sum, 1, (value){node->w[0].bias != NULL ? (double)node->w[0].bias[row] : 0, 0});
    for (uint32_t c = 0; c < channels; c++)
        for (uint32_t ky = 0; ky < window->kernel[0]; ky++)
            for (uint32_t kx = 0; kx < window->kernel[1]; kx++) {
                const value *x = element(p, first + c, ky, kx);
                double weight = (double)*w++;
                if (x != NULL)
                    sum_add(&sum, weight, *x);
            }
    return sum_result(&sum);
}

static value pool_element(const struct place *p, enum tnm_op op, uint32_t channel) {
    struct sum sum = {0};
    value most = {-INFINITY, 0};
    for (uint32_t ky = 0; ky < p->window->kernel[0]; ky++)
        for (uint32_t kx = 0; kx < p->window->kernel[1]; kx++) {
            const value *x = element(p, channel, ky, kx);
            if (x == NULL)
                continue;
            sum_add(&sum, 1, *x);
            most.value = fmax(most.value, x->value);
            most.error = fmax(most.error, x->error);
        }
    if (op == TNM_OP_MAX_POOL)
        return most;
    value mean = sum_result(&sum);
    mean.value /= sum.terms;
    mean.error = mean.error / sum.terms + epsilon * fabs(mean.value);
    return mean;
}

static void window(const struct tnm_graph *graph, const struct tnm_node *node, const value *x,
                   value *y) {
    struct place p = {&graph->tensor[node->input[0]], &node->window, x, 0, 0};
    const uint32_t *dim = graph->tensor[node->output].dim;
    struct tnm_window whole = {{p.in->dim[1], p.in->dim[2]}, {1, 1}, {0}, {1, 1}, 1};
    uint32_t rows = dim[1], cols = dim[2];
    float *w = NULL;
    if (node->op == TNM_OP_CONV2D) {
        w = malloc((size_t)node->w[0].rows * node->w[0].cols * sizeof *w);
        tnm_matrix_to_dense(&node->w[0], w);
    }
    if (node->op == TNM_OP_GLOBAL_POOL) {
        p.window = &whole;
        rows = cols = 1;
    }
    for (uint32_t c = 0; c < dim[0]; c++)
        for (p.row = 0; p.row < rows; p.row++)
            for (p.col = 0; p.col < cols; p.col++)
                *y++ = w != NULL ? conv_element(&p, node, w + (size_t)c * node->w[0].cols, c)
                                 : pool_element(&p, node->op, c);
    free(w);
}

// ---- Elements -----------------------------------------------------------------------------------

static double clip(double x, double low, double high) {
    return fmin(fmax(x, low), high);
}

static value one(const struct tnm_node *node, value x) {
    switch (node->op) {
    case TNM_OP_RELU:
        return (value){fmax(x.value, 0), x.error};
    case TNM_OP_CLIP:
        return (value){clip(x.value, (double)node->clip.low, (double)node->clip.high), x.error};
    case TNM_OP_SIGMOID: {
        double y = 1 / (1 + exp(-x.value));
        return (value){y, x.error / 4 + epsilon * y};
    }
    case TNM_OP_TANH:
        return (value){tanh(x.value), x.error + epsilon * fabs(tanh(x.value))};
    default: { // hard-swish, whose slope is at most 1.5; x + 3 rounds, then twice more
        double y = x.value * clip(x.value + 3, 0, 6) / 6;
        return (value){y, 1.5 * x.error + 4 * epsilon * (fabs(x.value) + fabs(y))};
    }
    }
}

static value two(enum tnm_op op, value a, value b) {
    double y = op == TNM_OP_ADD ? a.value + b.value : a.value * b.value;
    double error = op == TNM_OP_ADD
                       ? a.error + b.error
                       : fabs(a.value) * b.error + fabs(b.value) * a.error + a.error * b.error;
    return (value){y, error + epsilon * (fabs(y) + error) + 1e-40};
}

// ---- Lstm ---------------------------------------------------------------------------------------

// What gates.h promises of its sigmoid and tanh, and their slopes.
static const double gate_error = 0x1p-21;

static value sigmoid_gate(value a, value b) {
    value x = two(TNM_OP_ADD, a, b);
    return (value){1 / (1 + exp(-x.value)), x.error / 4 + gate_error};
}

static value tanh_gate(value x) {
    return (value){tanh(x.value), x.error + gate_error};
}

static void lstm_step(const value *row, const value *memory, size_t n, value *cell, value *held) {
    for (size_t i = 0; i < n; i++) {
        value in = sigmoid_gate(row[i], memory[i]);
        value forget = sigmoid_gate(row[n + i], memory[n + i]);
        value fresh = tanh_gate(two(TNM_OP_ADD, row[2 * n + i], memory[2 * n + i]));
        value show = sigmoid_gate(row[3 * n + i], memory[3 * n + i]);
        cell[i] = two(TNM_OP_ADD, two(TNM_OP_MUL, forget, cell[i]), two(TNM_OP_MUL, in, fresh));
        held[i] = two(TNM_OP_MUL, show, tanh_gate(cell[i]));
    }
}

static void lstm(const struct tnm_node *node, const struct tnm_tensor *in, const value *x,
                 value *y) {
    size_t n = node->w[1].cols;
    value *row = calloc(10 * n, sizeof *row), *memory = row + 4 * n, *cell = memory + 4 * n;
    value *held = cell + n;
    for (uint32_t t = 0; t < in->dim[0]; t++) {
        linear(&node->w[0], x + (size_t)t * in->dim[1], row);
        linear(&node->w[1], held, memory);
        lstm_step(row, memory, n, cell, held);
        for (size_t i = 0; i < n; i++)
            y[(node->every_step ? t * n : 0) + i] = held[i];
    }
    free(row);
}

static void softmax(const value *x, size_t n, value *y) {
    double most = -INFINITY, error = 0, sum = 0;
    for (size_t i = 0; i < n; i++) {
        most = fmax(most, x[i].value);
        error = fmax(error, x[i].error);
    }
    for (size_t i = 0; i < n; i++)
        sum += exp(x[i].value - most);
    for (size_t i = 0; i < n; i++) {
        double p = exp(x[i].value - most) / sum;
        y[i] = (value){p, p * expm1(2 * error) + epsilon * p + 1e-40};
    }
}

// ---- Graph --------------------------------------------------------------------------------------

static void concat(const struct tnm_graph *graph, const struct tnm_node *node, value **tensor) {
    value *to = tensor[node->output];
    for (uint32_t k = 0; k < node->n_inputs; k++)
        for (size_t i = 0; i < tnm_tensor_elements(&graph->tensor[node->input[k]]); i++)
            *to++ = tensor[node->input[k]][i];
}

static void run_node(const struct tnm_graph *graph, const struct tnm_node *node, value **tensor) {
    const value *x = tensor[node->input[0]];
    value *y = tensor[node->output];
    size_t n = tnm_tensor_elements(&graph->tensor[node->output]);
    if (node->op == TNM_OP_LINEAR)
        linear(&node->w[0], x, y);
    else if (node->op >= TNM_OP_CONV2D && node->op <= TNM_OP_GLOBAL_POOL)
        window(graph, node, x, y);
    else if (node->op == TNM_OP_CONCAT || node->op == TNM_OP_RESHAPE)
        concat(graph, node, tensor);
    else if (node->op == TNM_OP_LSTM)
        lstm(node, &graph->tensor[node->input[0]], x, y);
    else if (node->op == TNM_OP_SOFTMAX)
        softmax(x, n, y);
    else
        for (size_t i = 0; i < n; i++)
            y[i] = node->n_inputs == 2 ? two(node->op, x[i], tensor[node->input[1]][i])
                                       : one(node, x[i]);
}

void nets_reference(const struct tnm_graph *graph, const float *x, struct nets_value *out) {
    value **tensor = calloc(graph->n_tensors, sizeof *tensor);
    for (uint32_t t = 0; t < graph->n_tensors; t++)
        tensor[t] = calloc(tnm_tensor_elements(&graph->tensor[t]), sizeof **tensor);
    for (size_t i = 0; i < tnm_tensor_elements(&graph->tensor[graph->input]); i++)
        tensor[graph->input][i].value = (double)x[i];
    for (uint32_t i = 0; i < graph->n_nodes; i++)
        run_node(graph, &graph->node[i], tensor);
    for (size_t i = 0; i < tnm_tensor_elements(&graph->tensor[graph->output]); i++)
        out[i] = tensor[graph->output][i];
    for (uint32_t t = 0; t < graph->n_tensors; t++)
        free(tensor[t]);
    free(tensor);
}

void nets_compare(const float *got, const struct nets_value *want, size_t n, const char *what) {
    for (size_t i = 0; i < n; i++)
        ck_assert_msg(fabs((double)got[i] - want[i].value) <= want[i].error,
                      "%s: element %zu: got %.9g, want %.9g within %.3g", what, i, (double)got[i],
                      want[i].value, want[i].error);
}
