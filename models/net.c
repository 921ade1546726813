/* SPDX-License-Identifier: MIT */
// A network in the forge: from a description, from a file, and back into a file.
#include "models/net.h"

#include "core/error.h"
#include "core/model.h"
#include "core/prepare.h"
#include "core/save.h"
#include "models/rng.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const float self_test_tolerance = 1e-3f;

// ---- From a description ------------------------------------------------------------------------

enum {
    MAX_SIZES = 64 // of an architecture of fully connected layers
};

// "784-300-100-10" as numbers.
static bool parse_sizes(const char *arch, uint32_t size[MAX_SIZES], uint32_t *n,
                        struct tnm_error *err) {
    *n = 0;
    for (const char *at = arch;; at++) {
        char *end;
        unsigned long v = *at >= '0' && *at <= '9' ? strtoul(at, &end, 10) : 0;
        if (v < 1 || v > 65536 || (*end != '-' && *end != 0))
            return tnm_fail(err, TNM_EINPUT,
                            "architecture \"%.64s\" is not layer sizes from 1 to 65536 joined by "
                            "'-', like 784-300-100-10",
                            arch);
        if (*n == MAX_SIZES)
            return tnm_fail(err, TNM_ELIMIT, "architecture: more than %d sizes", MAX_SIZES);
        size[(*n)++] = (uint32_t)v;
        at = end;
        if (*at == 0)
            break;
    }
    for (uint32_t i = 1; i < *n; i++)
        if ((uint64_t)size[i - 1] * size[i] > TNM_MAX_ELEMENTS)
            return tnm_fail(err, TNM_ELIMIT, "architecture: layer %ux%u has more than %d weights",
                            size[i], size[i - 1], TNM_MAX_ELEMENTS);
    return *n >= 2 || tnm_fail(err, TNM_EINPUT, "architecture \"%.64s\" has no layer", arch);
}

// Appends a node that reads the tensor written last and writes a vector. Tensor 0 is the input and
// node i writes tensor i + 1, as everything here is one chain.
static struct tnm_node *append(struct tnm_graph *g, enum tnm_op op, const char *name,
                               uint32_t len) {
    struct tnm_node *node = &g->node[g->n_nodes];
    struct tnm_tensor *out = &g->tensor[++g->n_nodes];
    node->op = op;
    node->n_inputs = 1;
    node->input[0] = g->n_nodes - 1;
    node->output = g->n_nodes;
    out->rank = 1;
    out->dim[0] = len;
    snprintf(node->name, sizeof node->name, "%s", name);
    snprintf(out->name, sizeof out->name, "%s", name);
    return node;
}

static void add_input(struct tnm_graph *g, const struct tnm_recipe *recipe, uint32_t inputs) {
    g->n_nodes = 0; // append counts them again
    snprintf(g->tensor[0].name, sizeof g->tensor[0].name, "input");
    g->tensor[0].rank = 1;
    g->tensor[0].dim[0] = inputs;
    if (recipe->fit == TNM_FIT_NONE)
        return;
    g->tensor[0].rank = 3;
    g->tensor[0].dim[0] = recipe->channels;
    g->tensor[0].dim[1] = recipe->height;
    g->tensor[0].dim[2] = recipe->width;
    append(g, TNM_OP_RESHAPE, "flatten", inputs);
}

static bool build_graph(struct tnm_graph *g, const uint32_t *size, uint32_t n,
                        const struct tnm_recipe *recipe, struct tnm_error *err) {
    uint32_t n_nodes = 2 * (n - 1) - 1 + (recipe->fit != TNM_FIT_NONE);
    if (!tnm_graph_init(g, n_nodes + 1, n_nodes, err))
        return false;
    add_input(g, recipe, size[0]);
    for (uint32_t i = 1; i < n; i++) {
        char name[TNM_MAX_NAME + 1];
        snprintf(name, sizeof name, "fc%u", i);
        struct tnm_node *linear = append(g, TNM_OP_LINEAR, name, size[i]);
        linear->n_weights = 1;
        linear->w[0].rows = size[i];
        linear->w[0].cols = size[i - 1];
        snprintf(name, sizeof name, "relu%u", i);
        if (i + 1 < n)
            append(g, TNM_OP_RELU, name, size[i]);
    }
    g->output = g->n_nodes;
    snprintf(g->tensor[g->output].name, sizeof g->tensor[g->output].name, "logits");
    return true;
}

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

// One struct net_layer for each node that has weights.
static bool make_layers(struct net *net, struct tnm_error *err) {
    net->layer = calloc(net->graph.n_nodes, sizeof *net->layer);
    if (net->layer == NULL)
        return tnm_fail_errno(err, ENOMEM, "layers");
    for (uint32_t i = 0; i < net->graph.n_nodes; i++) {
        const struct tnm_node *node = &net->graph.node[i];
        if (node->n_weights == 0)
            continue;
        if (node->n_weights > 1)
            return tnm_fail(err, TNM_EUNSUPPORTED, "%s: the forge cannot change a %s yet",
                            node->name, tnm_op_name(node->op));
        struct net_layer *layer = &net->layer[net->n_layers++];
        layer->node = i;
        layer->name = node->name;
        layer->rows = node->w[0].rows;
        layer->cols = node->w[0].cols;
        if (!layer_alloc(layer, err))
            return false;
    }
    return true;
}

bool net_build(struct net *net, const char *arch, const struct tnm_recipe *recipe,
               struct tnm_error *err) {
    uint32_t size[MAX_SIZES], n;
    *net = (struct net){.meta.recipe = *recipe};
    if (!parse_sizes(arch, size, &n, err))
        return false;
    uint32_t inputs = recipe->width * recipe->height * recipe->channels;
    if (size[0] != inputs)
        return tnm_fail(err, TNM_EINPUT,
                        "architecture \"%.64s\" has %u inputs, the images %u (%ux%u, %u channel%s)",
                        arch, size[0], inputs, recipe->width, recipe->height, recipe->channels,
                        recipe->channels == 1 ? "" : "s");
    if (build_graph(&net->graph, size, n, recipe, err) && make_layers(net, err))
        return true;
    net_free(net);
    return false;
}

void net_initialise(struct net *net, uint64_t seed) {
    for (uint32_t l = 0; l < net->n_layers; l++) {
        struct net_layer *layer = &net->layer[l];
        size_t n = layer_size(layer);
        double deviation = sqrt(2.0 / layer->cols);
        struct rng rng;
        rng_seed(&rng, seed, l);
        for (size_t i = 0; i < n; i++)
            layer->w[i] = (float)(deviation * rng_normal(&rng));
        memset(layer->bias, 0, layer->rows * sizeof *layer->bias);
        memset(layer->keep, 1, n);
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
        const struct tnm_matrix *m = &model->graph.node[net->layer[l].node].w[0];
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
                                       .bias = layer->bias};
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
        struct tnm_matrix *m = &graph->node[net->layer[l].node].w[0];
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
