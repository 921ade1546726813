/* SPDX-License-Identifier: MIT */
// A network in the forge: from a description, from a file, and back into a file.
#include "models/net.h"

#include "core/error.h"
#include "core/model.h"
#include "core/prepare.h"
#include "core/save.h"
#include "models/arch.h"
#include "models/rng.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const float self_test_tolerance = 1e-3f;

// ---- Layers ------------------------------------------------------------------------------------

static size_t layer_size(const struct net_layer *layer) {
    return (size_t)layer->rows * layer->cols;
}

static bool layer_alloc(struct net_layer *layer, struct tnm_error *err) {
    size_t n = layer_size(layer);
    layer->w = calloc(n, sizeof *layer->w);
    layer->bias = calloc(layer->rows, sizeof *layer->bias);
    layer->keep = malloc(n);
    if (layer->w == NULL || layer->bias == NULL || layer->keep == NULL)
        return tnm_fail_errno(err, ENOMEM, "%s", layer->name);
    memset(layer->keep, 1, n);
    return true;
}

static bool make_layer(struct net *net, uint32_t i, uint32_t k, struct tnm_error *err) {
    static const char *const part[] = {"in", "rec"};
    const struct tnm_node *node = &net->graph.node[i];
    struct net_layer *layer = &net->layer[net->n_layers++];
    layer->node = i;
    layer->matrix = k;
    if (node->n_weights > 1)
        snprintf(layer->name, sizeof layer->name, "%s.%s", node->name, part[k]);
    else
        snprintf(layer->name, sizeof layer->name, "%s", node->name);
    layer->rows = node->w[k].rows;
    layer->cols = node->w[k].cols;
    return layer_alloc(layer, err);
}

// One struct net_layer for each matrix.
static bool make_layers(struct net *net, struct tnm_error *err) {
    net->layer = calloc((size_t)net->graph.n_nodes * TNM_MAX_WEIGHTS, sizeof *net->layer);
    if (net->layer == NULL)
        return tnm_fail_errno(err, ENOMEM, "layers");
    for (uint32_t i = 0; i < net->graph.n_nodes; i++)
        for (uint32_t k = 0; k < net->graph.node[i].n_weights; k++)
            if (!make_layer(net, i, k, err))
                return false;
    return true;
}

bool net_build(struct net *net, const char *arch, const struct tnm_recipe *recipe,
               struct tnm_error *err) {
    *net = (struct net){.meta.recipe = *recipe};
    if (arch_build(&net->graph, arch, recipe, err) && make_layers(net, err))
        return true;
    net_free(net);
    return false;
}

// An lstm's sums of two products have the variance of one drawn so; a forget gate that begins open
// lets gradients through (Jozefowicz et al. 2015, "An empirical exploration of recurrent network
// architectures").
static void draw(struct net_layer *layer, bool lstm, struct rng *rng) {
    double deviation = sqrt((lstm ? 1.0 : 2.0) / layer->cols);
    for (size_t i = 0; i < layer_size(layer); i++)
        layer->w[i] = (float)(deviation * rng_normal(rng));
    for (uint32_t r = 0; r < layer->rows; r++)
        layer->bias[r] = lstm && layer->matrix == 0 && r / (layer->rows / 4) == 1 ? 1 : 0;
    memset(layer->keep, 1, layer_size(layer));
}

void net_initialise(struct net *net, uint64_t seed) {
    for (uint32_t l = 0; l < net->n_layers; l++) {
        struct rng rng;
        rng_seed(&rng, seed, l);
        draw(&net->layer[l], net->graph.node[net->layer[l].node].op == TNM_OP_LSTM, &rng);
    }
}

void net_free(struct net *net) {
    for (uint32_t l = 0; net->layer != NULL && l < net->n_layers; l++) {
        struct net_layer *layer = &net->layer[l];
        free(layer->w);
        free(layer->bias);
        free(layer->keep);
        free(layer->codebook);
        free(layer->code);
    }
    free(net->layer);
    tnm_graph_free(&net->graph);
    tnm_meta_free(&net->meta);
    *net = (struct net){0};
}

uint64_t net_weights(const struct net *net) {
    uint64_t n = 0;
    for (uint32_t l = 0; l < net->n_layers; l++)
        n += layer_size(&net->layer[l]);
    return n;
}

uint64_t net_nonzeros(const struct net *net) {
    uint64_t n = 0;
    for (uint32_t l = 0; l < net->n_layers; l++)
        for (size_t i = 0; i < layer_size(&net->layer[l]); i++)
            n += net->layer[l].keep[i];
    return n;
}

// ---- From a file -------------------------------------------------------------------------------

// Topology only: a matrix keeps its sizes and leaves the rest to the layer.
static bool copy_topology(struct tnm_graph *to, const struct tnm_graph *from,
                          struct tnm_error *err) {
    if (!tnm_graph_init(to, from->n_tensors, from->n_nodes, err))
        return false;
    memcpy(to->tensor, from->tensor, from->n_tensors * sizeof *to->tensor);
    memcpy(to->node, from->node, from->n_nodes * sizeof *to->node);
    to->input = from->input;
    to->output = from->output;
    for (uint32_t i = 0; i < to->n_nodes; i++)
        for (uint32_t k = 0; k < TNM_MAX_WEIGHTS; k++) {
            const struct tnm_matrix *m = &from->node[i].w[k];
            to->node[i].w[k] = (struct tnm_matrix){.rows = m->rows, .cols = m->cols};
        }
    return true;
}

// Which weights a compressed matrix stores, and with a codebook the code of each.
static void read_entries(struct net_layer *layer, const struct tnm_matrix *m) {
    memset(layer->keep, 0, layer_size(layer));
    for (uint32_t r = 0; r < m->rows; r++)
        for (size_t k = m->row_start[r]; k < m->row_start[r + 1]; k++) {
            size_t at = (size_t)r * m->cols + tnm_matrix_col(m, k);
            layer->keep[at] = 1;
            if (layer->code != NULL)
                layer->code[at] = (uint8_t)tnm_matrix_code(m, k);
        }
}

static bool read_layer(struct net_layer *layer, const struct tnm_matrix *m, struct tnm_error *err) {
    tnm_matrix_to_dense(m, layer->w);
    if (m->bias != NULL)
        memcpy(layer->bias, m->bias, m->rows * sizeof *m->bias);
    if (m->encoding == TNM_DENSE)
        return true;
    if (m->codebook != NULL) {
        layer->bits = m->bits;
        layer->n_centroids = m->n_centroids;
        layer->codebook = malloc(m->n_centroids * sizeof *m->codebook);
        layer->code = calloc(layer_size(layer), 1);
        if (layer->codebook == NULL || layer->code == NULL)
            return tnm_fail_errno(err, ENOMEM, "%s", layer->name);
        memcpy(layer->codebook, m->codebook, m->n_centroids * sizeof *m->codebook);
    }
    read_entries(layer, m);
    return true;
}

static bool read_model(struct net *net, const struct tnm_model *model, struct tnm_error *err) {
    if (!copy_topology(&net->graph, &model->graph, err) ||
        !tnm_meta_copy(&net->meta, &model->meta, err) || !make_layers(net, err))
        return false;
    for (uint32_t l = 0; l < net->n_layers; l++) {
        const struct tnm_matrix *m = &model->graph.node[net->layer[l].node].w[net->layer[l].matrix];
        net->half = net->half || (m->encoding == TNM_DENSE && m->bits == 16);
        if (!read_layer(&net->layer[l], m, err))
            return false;
    }
    return true;
}

static uint8_t hex_digit(char c) {
    return (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

bool net_open(struct net *net, const char *path, uint8_t digest[TNM_DIGEST_BYTES],
              struct tnm_error *err) {
    *net = (struct net){0};
    struct tnm_model *model = tnm_model_open(path, err);
    if (model == NULL)
        return false;
    bool ok = read_model(net, model, err);
    for (int i = 0; ok && digest != NULL && i < TNM_DIGEST_BYTES; i++)
        digest[i] =
            (uint8_t)(hex_digit(model->digest[2 * i]) << 4 | hex_digit(model->digest[2 * i + 1]));
    tnm_model_close(model);
    if (ok)
        return true;
    net_free(net);
    return tnm_fail_in(err, "%s", path);
}

// ---- Into a file -------------------------------------------------------------------------------

static bool is_pruned(const struct net_layer *layer) {
    return memchr(layer->keep, 0, layer_size(layer)) != NULL;
}

static bool write_layer(struct tnm_matrix *out, const struct net_layer *layer, bool half,
                        struct tnm_error *err) {
    struct tnm_matrix_source source = {.rows = layer->rows,
                                       .cols = layer->cols,
                                       .encoding = TNM_DENSE,
                                       .bits = half ? 16 : 32,
                                       .w = layer->w,
                                       .bias = layer->matrix == 0 ? layer->bias : NULL};
    if (layer->bits != 0) {
        source.encoding = TNM_CSR_CODEBOOK;
        source.bits = layer->bits;
        source.code = layer->code;
        source.codebook = layer->codebook;
        source.n_centroids = layer->n_centroids;
        source.keep = layer->keep;
    } else if (is_pruned(layer)) {
        source.encoding = TNM_CSR;
        source.bits = 32;
        source.keep = layer->keep;
    }
    return tnm_matrix_make(out, &source, err) || tnm_fail_in(err, "%s", layer->name);
}

static bool write_graph(struct tnm_graph *graph, const struct net *net, struct tnm_error *err) {
    if (!copy_topology(graph, &net->graph, err))
        return false;
    for (uint32_t l = 0; l < net->n_layers; l++) {
        struct tnm_matrix *m = &graph->node[net->layer[l].node].w[net->layer[l].matrix];
        *m = (struct tnm_matrix){0};
        if (!write_layer(m, &net->layer[l], net->half, err))
            return false;
    }
    return true;
}

static struct tnm_model *encode_and_open(const struct tnm_graph *graph, const struct tnm_meta *meta,
                                         struct tnm_error *err) {
    uint8_t *bytes = NULL;
    size_t len = 0;
    const struct tnm_limits own = {SIZE_MAX, SIZE_MAX}; // it is our own
    if (!tnm_encode(graph, meta, &bytes, &len, err))
        return NULL;
    struct tnm_model *model = tnm_model_from_bytes(bytes, len, &own, err);
    free(bytes);
    return model;
}

struct tnm_model *net_model(const struct net *net, struct tnm_error *err) {
    struct tnm_graph graph = {0};
    struct tnm_meta meta = net->meta; // only read
    meta.self_test = (struct tnm_self_test){0};
    struct tnm_model *model =
        write_graph(&graph, net, err) ? encode_and_open(&graph, &meta, err) : NULL;
    tnm_graph_free(&graph);
    return model;
}

// Runs the encoded network on pixels: what any reader of the file will get.
static bool run_encoded(const struct tnm_graph *graph, const struct tnm_meta *meta,
                        const uint8_t *pixels, uint32_t n, float *logits, struct tnm_error *err) {
    size_t inputs = tnm_tensor_elements(&graph->tensor[graph->input]);
    struct tnm_session *session = NULL;
    struct tnm_model *model = encode_and_open(graph, meta, err);
    float *x = malloc(n * inputs * sizeof *x);
    bool ok = model != NULL && (x != NULL || tnm_fail_errno(err, ENOMEM, "self-test"));
    ok = ok && (session = tnm_session_open(model, n, err)) != NULL;
    if (ok) {
        tnm_prepare_scale(pixels, n * inputs, x);
        tnm_session_run(session, x, n, logits);
    }
    tnm_session_close(session);
    tnm_model_close(model);
    free(x);
    return ok;
}

static bool make_self_test(struct tnm_self_test *test, const struct tnm_graph *graph,
                           const struct tnm_meta *meta, const uint8_t *pixels, uint32_t n,
                           struct tnm_error *err) {
    size_t inputs = tnm_tensor_elements(&graph->tensor[graph->input]);
    size_t outputs = tnm_tensor_elements(&graph->tensor[graph->output]);
    *test = (struct tnm_self_test){
        .n_cases = n, .inputs = inputs, .outputs = outputs, .tolerance = self_test_tolerance};
    if (n == 0)
        return true;
    test->x = malloc(n * inputs);
    test->logits = malloc(n * outputs * sizeof *test->logits);
    if (test->x == NULL || test->logits == NULL)
        return tnm_fail_errno(err, ENOMEM, "self-test");
    memcpy(test->x, pixels, n * inputs);
    return run_encoded(graph, meta, pixels, n, test->logits, err);
}

bool net_save(struct net *net, const char *path, const uint8_t *inputs, uint32_t n,
              struct tnm_error *err) {
    struct tnm_graph graph = {0};
    struct tnm_self_test test = {0};
    struct tnm_meta meta = net->meta; // shares everything but the self-test
    meta.self_test = test;
    bool ok = write_graph(&graph, net, err) && make_self_test(&test, &graph, &meta, inputs, n, err);
    meta.self_test = test;
    ok = ok && tnm_save(path, &graph, &meta, err);
    tnm_graph_free(&graph);
    if (!ok) {
        free(test.x);
        free(test.logits);
        return false;
    }
    free(net->meta.self_test.x);
    free(net->meta.self_test.logits);
    net->meta.self_test = test;
    return true;
}
