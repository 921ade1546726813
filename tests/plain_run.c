/* SPDX-License-Identifier: MIT */
// What the operations of FORMAT.md, section 5, compute: plain loops in double precision.
#include "tests/plain_reader.h"

#include <math.h>
#include <stdlib.h>

struct map {
    size_t channels, height, width;
};

static struct map map_of(const struct plain_tensor *tensor) {
    return (struct map){(size_t)tensor->dim[0], (size_t)tensor->dim[1], (size_t)tensor->dim[2]};
}

static void linear(const struct plain_node *node, const double *x, double *y) {
    for (size_t r = 0; r < node->rows; r++)
        y[r] = node->bias != NULL ? node->bias[r] : 0;
    for (size_t k = 0; k < node->n_entries; k++)
        y[node->entry[k].row] += node->entry[k].value * x[node->entry[k].col];
}

// The place of element k of window i along an axis, or -1 where it is padding.
static int64_t place(const struct plain_node *node, int axis, size_t i, uint64_t k, size_t n) {
    int64_t at = (int64_t)(i * node->stride[axis] + k * node->dilation[axis]);
    at -= (int64_t)node->pad[axis];
    return at >= 0 && at < (int64_t)n ? at : -1;
}

static void conv2d(const struct plain_node *node, struct map in, struct map out, const double *x,
                   double *y) {
    size_t plane = out.height * out.width, c = in.channels / (size_t)node->groups;
    for (size_t i = 0; i < out.channels * plane; i++)
        y[i] = node->bias != NULL ? node->bias[i / plane] : 0;
    for (size_t e = 0; e < node->n_entries; e++) {
        const struct plain_entry *entry = &node->entry[e];
        size_t v = entry->col % node->kernel[1], u = entry->col / node->kernel[1] % node->kernel[0];
        size_t k = entry->col / (size_t)(node->kernel[0] * node->kernel[1]);
        size_t g = entry->row / (size_t)(node->rows / node->groups);
        for (size_t i = 0; i < plane; i++) {
            int64_t row = place(node, 0, i / out.width, u, in.height);
            int64_t col = place(node, 1, i % out.width, v, in.width);
            if (row >= 0 && col >= 0)
                y[entry->row * plane + i] +=
                    entry->value *
                    x[((g * c + k) * in.height + (size_t)row) * in.width + (size_t)col];
        }
    }
}

static double pool(const struct plain_node *node, struct map in, const double *plane, size_t i,
                   size_t j) {
    double sum = 0, largest = -INFINITY;
    size_t n = 0;
    for (uint64_t u = 0; u < node->kernel[0]; u++)
        for (uint64_t v = 0; v < node->kernel[1]; v++) {
            int64_t row = place(node, 0, i, u, in.height), col = place(node, 1, j, v, in.width);
            if (row < 0 || col < 0)
                continue;
            double x = plane[(size_t)row * in.width + (size_t)col];
            sum += x;
            largest = fmax(largest, x);
            n++;
        }
    return node->op == 3 ? largest : sum / (double)n;
}

static void pools(const struct plain_node *node, struct map in, struct map out, const double *x,
                  double *y) {
    for (size_t c = 0; c < out.channels; c++)
        for (size_t i = 0; i < out.height; i++)
            for (size_t j = 0; j < out.width; j++)
                y[(c * out.height + i) * out.width + j] =
                    pool(node, in, x + c * in.height * in.width, i, j);
}

static void global_pool(struct map in, const double *x, double *y) {
    size_t plane = in.height * in.width;
    for (size_t c = 0; c < in.channels; c++) {
        y[c] = 0;
        for (size_t i = 0; i < plane; i++)
            y[c] += x[c * plane + i] / (double)plane;
    }
}

static double sigmoid(double x) {
    return 1 / (1 + exp(-x));
}

static void lstm(const struct plain_node *node, struct map in, const double *x, double *y) {
    size_t n = (size_t)node->memory->cols;
    double *a = calloc(10 * n, sizeof *a), *b = a + 4 * n, *c = a + 8 * n, *h = a + 9 * n;
    if (a == NULL)
        abort();
    for (size_t t = 0; t < in.channels; t++) {
        linear(node, x + t * in.height, a);
        linear(node->memory, h, b);
        for (size_t j = 0; j < n; j++) {
            c[j] = sigmoid(a[n + j] + b[n + j]) * c[j] +
                   sigmoid(a[j] + b[j]) * tanh(a[2 * n + j] + b[2 * n + j]);
            h[j] = sigmoid(a[3 * n + j] + b[3 * n + j]) * tanh(c[j]);
            y[(node->every_step != 0 ? t * n : 0) + j] = h[j];
        }
    }
    free(a);
}

static void softmax(const double *x, size_t n, double *y) {
    double largest = -INFINITY, sum = 0;
    for (size_t i = 0; i < n; i++)
        largest = fmax(largest, x[i]);
    for (size_t i = 0; i < n; i++)
        sum += exp(x[i] - largest);
    for (size_t i = 0; i < n; i++)
        y[i] = exp(x[i] - largest) / sum;
}

static double each(const struct plain_node *node, double x) {
    switch (node->op) {
    case 9:
        return fmax(x, 0);
    case 10:
        return fmin(fmax(x, node->low), node->high);
    case 11:
        return sigmoid(x);
    case 12:
        return tanh(x);
    case 13:
        return x * fmin(fmax(x + 3, 0), 6) / 6;
    default: // reshape
        return x;
    }
}

static void run_node(const struct plain *p, const struct plain_node *node, double **value) {
    const struct plain_tensor *in = &p->tensor[node->input[0]], *out = &p->tensor[node->output];
    const double *x = value[node->input[0]], *second = value[node->input[1]];
    double *y = value[node->output];
    size_t n = plain_elements(in);
    switch (node->op) {
    case 1:
        linear(node, x, y);
        break;
    case 2:
        conv2d(node, map_of(in), map_of(out), x, y);
        break;
    case 3:
    case 4:
        pools(node, map_of(in), map_of(out), x, y);
        break;
    case 5:
        global_pool(map_of(in), x, y);
        break;
    case 6:
    case 7:
        for (size_t i = 0; i < n; i++)
            y[i] = node->op == 6 ? x[i] + second[i] : x[i] * second[i];
        break;
    case 8:
        for (size_t k = 0; k < node->n_inputs; k++)
            for (size_t i = 0; i < plain_elements(&p->tensor[node->input[k]]); i++)
                *y++ = value[node->input[k]][i];
        break;
    case 16:
        lstm(node, map_of(in), x, y);
        break;
    case 14:
        softmax(x, n, y);
        break;
    default:
        for (size_t i = 0; i < n; i++)
            y[i] = each(node, x[i]);
    }
}

void plain_run(const struct plain *p, const double *x, double *y) {
    double **value = calloc((size_t)p->n_tensors, sizeof *value);
    if (value == NULL)
        abort();
    for (size_t i = 0; i < p->n_tensors; i++)
        if ((value[i] = calloc(plain_elements(&p->tensor[i]), sizeof **value)) == NULL)
            abort();
    for (size_t i = 0; i < plain_elements(&p->tensor[p->input]); i++)
        value[p->input][i] = x[i];
    for (size_t i = 0; i < p->n_nodes; i++)
        run_node(p, &p->node[i], value);
    for (size_t i = 0; i < plain_elements(&p->tensor[p->output]); i++)
        y[i] = value[p->output][i];
    for (size_t i = 0; i < p->n_tensors; i++)
        free(value[i]);
    free(value);
}
