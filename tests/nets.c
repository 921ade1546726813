/* SPDX-License-Identifier: MIT */
// Building networks in memory.
#include "tests/nets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/op.h"

// Not libcheck's: benchmarks build networks too.
static void need(bool ok, const struct tnm_error *err) {
    if (ok)
        return;
    fprintf(stderr, "nets: %s\n", err->text);
    abort();
}

void nets_begin(struct tnm_graph *graph, uint32_t max_nodes, uint32_t rank, const uint32_t *dim) {
    struct tnm_error err;
    need(tnm_graph_init(graph, max_nodes + 1, max_nodes, &err), &err);
    graph->n_tensors = 1;
    graph->n_nodes = 0;
    graph->tensor[0].rank = rank;
    memcpy(graph->tensor[0].dim, dim, rank * sizeof *dim);
}

static struct tnm_node *add(struct tnm_graph *graph, enum tnm_op op, uint32_t n_inputs,
                            const uint32_t *input) {
    struct tnm_node *node = &graph->node[graph->n_nodes++];
    node->op = op;
    node->n_inputs = n_inputs;
    memcpy(node->input, input, n_inputs * sizeof *input);
    node->output = graph->n_tensors++;
    graph->output = node->output;
    return node;
}

static uint32_t finish(struct tnm_graph *graph, struct tnm_node *node) {
    struct tnm_error err = {.text = ""};
    struct tnm_tensor *out = &graph->tensor[node->output];
    need(tnm_op_find(node->op)->shape(graph, node, out, &err), &err);
    return node->output;
}

// ---- Weights ------------------------------------------------------------------------------------

// Whether a block is there is drawn at its first weight. Some rows, or rows of blocks, are empty.
struct pattern {
    const struct nets_weights *weights;
    uint32_t height, width;
    bool empty;
    uint8_t *block; // (cols), of this row of blocks
};

static bool draw_keep(struct pattern *p, uint32_t row, uint32_t col, struct randomness *r) {
    if (row % p->height == 0 && col == 0)
        p->empty = p->weights->zeros > 50 && random_percent(r, 5);
    if (row % p->height == 0 && col % p->width == 0)
        p->block[col / p->width] = !p->empty && !random_percent(r, p->weights->zeros);
    return p->block[col / p->width] &&
           (p->weights->holes == 0 || !random_percent(r, p->weights->holes));
}

void nets_matrix(struct tnm_matrix *out, uint32_t rows, uint32_t cols,
                 const struct nets_weights *weights, struct randomness *r) {
    size_t n = (size_t)rows * cols;
    float *w = calloc(n, sizeof *w), *bias = calloc(rows, sizeof *bias);
    uint8_t *keep = calloc(n, 1), *code = calloc(n, 1);
    float codebook[256];
    uint32_t n_centroids = weights->encoding == TNM_CSR_CODEBOOK ? 1U << weights->bits : 0;
    random_fill(r, codebook, 256, 0);
    random_fill(r, bias, rows, 10);
    struct pattern pattern = {.weights = weights, .block = calloc(cols, 1)};
    pattern.height = weights->block_rows > 0 ? weights->block_rows : 1;
    pattern.width = weights->block_cols > 0 ? weights->block_cols : 1;
    for (size_t at = 0; at < n; at++) {
        keep[at] = draw_keep(&pattern, (uint32_t)(at / cols), (uint32_t)(at % cols), r);
        code[at] = (uint8_t)(n_centroids > 0 ? random_bits(r) % n_centroids : 0);
        w[at] = keep[at] ? random_float(r) : 0;
    }
    struct tnm_matrix_source source = {.rows = rows,
                                       .cols = cols,
                                       .encoding = weights->encoding,
                                       .bits = weights->bits,
                                       .w = w,
                                       .keep = keep,
                                       .bias = weights->no_bias ? NULL : bias};
    if (n_centroids > 0) {
        source.w = NULL;
        source.code = code;
        source.codebook = codebook;
        source.n_centroids = n_centroids;
    }
    struct tnm_error err = {.text = ""};
    need(tnm_matrix_make(out, &source, &err), &err);
    free(w);
    free(bias);
    free(keep);
    free(code);
    free(pattern.block);
}

uint32_t nets_linear(struct tnm_graph *graph, uint32_t input, uint32_t outputs,
                     const struct nets_weights *weights, struct randomness *r) {
    struct tnm_node *node = add(graph, TNM_OP_LINEAR, 1, &input);
    node->n_weights = 1;
    nets_matrix(&node->w[0], outputs, graph->tensor[input].dim[0], weights, r);
    return finish(graph, node);
}

uint32_t nets_conv(struct tnm_graph *graph, uint32_t input, uint32_t channels,
                   const struct tnm_window *window, const struct nets_weights *weights,
                   struct randomness *r) {
    struct tnm_node *node = add(graph, TNM_OP_CONV2D, 1, &input);
    node->n_weights = 1;
    node->window = *window;
    uint32_t cols = graph->tensor[input].dim[0] / window->groups;
    nets_matrix(&node->w[0], channels, cols * window->kernel[0] * window->kernel[1], weights, r);
    return finish(graph, node);
}

uint32_t nets_lstm(struct tnm_graph *graph, uint32_t input, uint32_t size, bool every_step,
                   const struct nets_weights *weights, struct randomness *r) {
    struct nets_weights memory = *weights;
    struct tnm_node *node = add(graph, TNM_OP_LSTM, 1, &input);
    memory.no_bias = true;
    node->n_weights = 2;
    node->every_step = every_step;
    nets_matrix(&node->w[0], 4 * size, graph->tensor[input].dim[1], weights, r);
    nets_matrix(&node->w[1], 4 * size, size, &memory, r);
    return finish(graph, node);
}

// ---- Nodes without weights ----------------------------------------------------------------------

uint32_t nets_pool(struct tnm_graph *graph, enum tnm_op op, uint32_t input,
                   const struct tnm_window *window) {
    struct tnm_node *node = add(graph, op, 1, &input);
    node->window = *window;
    return finish(graph, node);
}

uint32_t nets_clip(struct tnm_graph *graph, uint32_t input, float low, float high) {
    struct tnm_node *node = add(graph, TNM_OP_CLIP, 1, &input);
    node->clip = (struct tnm_clip){low, high};
    return finish(graph, node);
}

uint32_t nets_reshape(struct tnm_graph *graph, uint32_t input, uint32_t rank, const uint32_t *dim) {
    struct tnm_node *node = add(graph, TNM_OP_RESHAPE, 1, &input);
    struct tnm_tensor *out = &graph->tensor[node->output];
    out->rank = rank;
    memcpy(out->dim, dim, rank * sizeof *dim);
    return node->output;
}

uint32_t nets_node(struct tnm_graph *graph, enum tnm_op op, uint32_t n_inputs,
                   const uint32_t *input) {
    return finish(graph, add(graph, op, n_inputs, input));
}

void nets_mlp(struct tnm_graph *graph, const struct nets_weights *weights, struct randomness *r) {
    static const uint32_t plane[] = {1, 28, 28}, size[] = {784, 300, 100, 10};
    nets_begin(graph, 6, 3, plane);
    uint32_t last = nets_reshape(graph, 0, 1, size);
    for (unsigned i = 1; i < 4; i++) {
        last = nets_linear(graph, last, size[i], weights, r);
        if (i < 3)
            last = nets_node(graph, TNM_OP_RELU, 1, &last);
    }
}

// ---- Random graphs
// -------------------------------------------------------------------------------

// A tensor of this rank, or 0, the input, where there is none.
static uint32_t pick(const struct tnm_graph *graph, uint32_t rank, struct randomness *r) {
    uint32_t t = random_between(r, 0, graph->n_tensors - 1);
    for (uint32_t i = 0; i < graph->n_tensors; i++, t = (t + 1) % graph->n_tensors)
        if (graph->tensor[t].rank == rank)
            return t;
    return 0;
}

// A tensor of the same shape as t, t itself at the worst.
static uint32_t pick_like(const struct tnm_graph *graph, uint32_t t, struct randomness *r) {
    for (int attempt = 0; attempt < 8; attempt++) {
        uint32_t other = random_between(r, 0, graph->n_tensors - 1);
        if (graph->tensor[other].rank == graph->tensor[t].rank &&
            memcmp(graph->tensor[other].dim, graph->tensor[t].dim,
                   graph->tensor[t].rank * sizeof(uint32_t)) == 0)
            return other;
    }
    return t;
}

static void add_flat(struct tnm_graph *graph, const struct nets_weights *weights,
                     struct randomness *r) {
    uint32_t t = pick(graph, 1, r);
    const struct tnm_tensor *in = &graph->tensor[t];
    if (in->rank != 1) {
        uint32_t flat = (uint32_t)tnm_tensor_elements(in);
        nets_reshape(graph, t, 1, &flat);
    } else if (random_percent(r, 60) || in->dim[0] % 12 != 0) {
        nets_linear(graph, t, 12 * random_between(r, 1, 5), weights, r);
    } else {
        uint32_t plane[3] = {in->dim[0] / 12, 3, 4};
        nets_reshape(graph, t, 3, plane);
    }
}

static void add_plane(struct tnm_graph *graph, const struct nets_weights *weights,
                      struct randomness *r) {
    uint32_t t = pick(graph, 3, r), pad = random_between(r, 0, 1);
    struct tnm_window window = {.kernel = {random_between(r, 1, 3), random_between(r, 1, 3)},
                                .stride = {random_between(r, 1, 2), random_between(r, 1, 2)},
                                .pad = {pad, 0, pad, 1},
                                .dilation = {1, 1},
                                .groups = 1};
    for (unsigned axis = 0; axis < 2; axis++) {
        uint32_t most = graph->tensor[t].dim[axis + 1];
        window.kernel[axis] = window.kernel[axis] < most ? window.kernel[axis] : most;
    }
    if (window.kernel[0] < 2 || window.kernel[1] < 2) // a pool must not lie on padding alone
        memset(window.pad, 0, sizeof window.pad);
    if (random_percent(r, 50))
        nets_conv(graph, t, random_between(r, 1, 6), &window, weights, r);
    else if (random_percent(r, 80))
        nets_pool(graph, random_percent(r, 50) ? TNM_OP_MAX_POOL : TNM_OP_AVERAGE_POOL, t, &window);
    else
        nets_node(graph, TNM_OP_GLOBAL_POOL, 1, &t);
}

static void add_any(struct tnm_graph *graph, struct randomness *r) {
    static const enum tnm_op one[] = {TNM_OP_RELU, TNM_OP_SIGMOID, TNM_OP_TANH, TNM_OP_HARD_SWISH,
                                      TNM_OP_SOFTMAX};
    static const enum tnm_op pair[] = {TNM_OP_ADD, TNM_OP_MUL, TNM_OP_CONCAT};
    uint32_t t[2] = {random_between(r, 0, graph->n_tensors - 1), 0};
    t[1] = pick_like(graph, t[0], r);
    if (random_percent(r, 10))
        nets_clip(graph, t[0], -0.5F, 0.5F);
    else if (random_percent(r, 60))
        nets_node(graph, one[random_between(r, 0, 4)], 1, t);
    else
        nets_node(graph, pair[random_between(r, 0, 2)], 2, t);
}

void nets_random(struct tnm_graph *graph, uint32_t n_nodes, struct randomness *r) {
    uint32_t dim[3] = {random_between(r, 1, 3), random_between(r, 4, 9), random_between(r, 4, 9)};
    struct nets_weights weights = {
        .encoding = TNM_CSR, .bits = 32, .zeros = random_between(r, 0, 9) * 10};
    nets_begin(graph, n_nodes, 3, dim);
    while (graph->n_nodes < n_nodes)
        switch (random_between(r, 0, 2)) {
        case 0:
            add_flat(graph, &weights, r);
            break;
        case 1:
            add_plane(graph, &weights, r);
            break;
        default:
            add_any(graph, r);
            break;
        }
}
