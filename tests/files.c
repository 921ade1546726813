/* SPDX-License-Identifier: MIT */
// Small valid models.
#include "tests/files.h"

#include "core/save.h"
#include "tests/plain_reader.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct tnm_error err;

static void sample_answers(struct sample *s);

// Used outside of tests as well, by make_samples.c: so without libcheck.
static void must(bool good, const char *text) {
    if (good)
        return;
    fprintf(stderr, "samples: %s\n", text);
    abort();
}

// ---- Building blocks ---------------------------------------------------------------------------

static void begin(struct sample *s, uint32_t n_tensors, uint32_t n_nodes) {
    must(tnm_graph_init(&s->graph, n_tensors, n_nodes, &err), err.text);
    s->graph.n_tensors = 0; // the blocks count them again
    s->graph.n_nodes = 0;
}

// Appends a tensor; trailing zeros do not count.
static uint32_t tensor(struct sample *s, uint32_t a, uint32_t b, uint32_t c) {
    struct tnm_tensor *t = &s->graph.tensor[s->graph.n_tensors];
    *t = (struct tnm_tensor){.rank = b == 0 ? 1 : c == 0 ? 2 : 3, .dim = {a, b, c}};
    return s->graph.n_tensors++;
}

// Appends a node that reads in and writes the tensor appended last.
static struct tnm_node *node(struct sample *s, enum tnm_op op, const char *name, uint32_t in) {
    struct tnm_node *n = &s->graph.node[s->graph.n_nodes++];
    *n = (struct tnm_node){.op = op, .n_inputs = 1, .input = {in}};
    n->output = s->graph.n_tensors - 1;
    n->window = (struct tnm_window){.groups = 1};
    snprintf(n->name, sizeof n->name, "%s", name);
    return n;
}

static void window(struct tnm_node *n, uint32_t kernel, uint32_t stride, uint32_t pad) {
    n->window = (struct tnm_window){.kernel = {kernel, kernel},
                                    .stride = {stride, stride},
                                    .pad = {pad, pad, pad, pad},
                                    .dilation = {1, 1},
                                    .groups = 1};
}

static void second_input(struct tnm_node *n, uint32_t in) {
    n->input[n->n_inputs++] = in;
}

// Numbers that repeat: Knuth's MMIX multiplier.
static uint32_t next(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

static float sixty_fourths(uint64_t *state) {
    return (float)((int)(next(state) % 65) - 32) / 64;
}

// A matrix of its own seed; keep_percent of the weights are stored.
static void make_matrix(struct tnm_matrix *out, uint32_t rows, uint32_t cols,
                        enum tnm_encoding encoding, uint32_t bits, uint32_t keep_percent,
                        bool has_bias) {
    size_t size = (size_t)rows * cols;
    uint64_t state = size + bits;
    float *w = malloc(size * sizeof *w), *bias = malloc(rows * sizeof *bias), codebook[256];
    uint8_t *keep = malloc(size), *code = malloc(size);
    uint32_t n_centroids = encoding == TNM_CSR_CODEBOOK ? (1u << bits) - (bits > 1) : 0;
    for (size_t i = 0; i < size; i++) {
        w[i] = sixty_fourths(&state);
        keep[i] = next(&state) % 100 < keep_percent;
        code[i] = (uint8_t)(n_centroids > 0 ? next(&state) % n_centroids : 0);
    }
    for (uint32_t i = 0; i < rows; i++)
        bias[i] = sixty_fourths(&state);
    for (uint32_t i = 0; i < n_centroids; i++)
        codebook[i] = sixty_fourths(&state);
    struct tnm_matrix_source source = {rows, cols, encoding, bits,        w,
                                       keep, code, codebook, n_centroids, bias};
    source.bias = has_bias ? bias : NULL;
    must(tnm_matrix_make(out, &source, &err), err.text);
    free(w);
    free(bias);
    free(keep);
    free(code);
}

static void matrix(struct tnm_node *n, uint32_t rows, uint32_t cols, enum tnm_encoding encoding,
                   uint32_t bits, uint32_t keep_percent) {
    make_matrix(&n->w[0], rows, cols, encoding, bits, keep_percent, true);
    n->n_weights = 1;
}

// ---- The models --------------------------------------------------------------------------------

// w = 0.5 0 0 -1 / 0 1 0 0 / 0 0 2 0.5
static void tiny_matrix(struct tnm_node *n) {
    static const uint8_t keep[12] = {1, 0, 0, 1, 0, 1, 0, 0, 0, 0, 1, 1};
    static const uint8_t code[12] = {1, 0, 0, 0, 0, 2, 0, 0, 0, 0, 3, 1};
    static const float codebook[4] = {-1, 0.5f, 1, 2}, bias[3] = {0.25f, 0, -0.5f};
    const struct tnm_matrix_source source = {.rows = 3,
                                             .cols = 4,
                                             .encoding = TNM_CSR_CODEBOOK,
                                             .bits = 2,
                                             .keep = keep,
                                             .code = code,
                                             .codebook = codebook,
                                             .n_centroids = 4,
                                             .bias = bias};
    must(tnm_matrix_make(&n->w[0], &source, &err), err.text);
    n->n_weights = 1;
}

static void tiny_meta(struct tnm_meta *meta) {
    static const char *const label[3] = {"one", "two", "drei"};
    const struct tnm_step step = {.verb = "train",
                                  .parameters = "--epochs 3",
                                  .seed = 300,
                                  .nonzeros = 5,
                                  .validation = {9, 10},
                                  .has_parent = true,
                                  .parent = {0xab, 0xcd}};
    strcpy(meta->description, "an example");
    strcpy(meta->dataset, "none");
    must(tnm_meta_set_labels(meta, label, 3, &err), err.text);
    meta->recipe = (struct tnm_recipe){.width = 2,
                                       .height = 2,
                                       .channels = 1,
                                       .fit = TNM_FIT_INK,
                                       .box = 2,
                                       .mean = {0.25f},
                                       .deviation = {0.5f}};
    meta->test = (struct tnm_score){180, 200};
    meta->validation = (struct tnm_score){9, 10};
    must(tnm_meta_add_step(meta, &step, &err), err.text);
}

static void tiny_test(struct tnm_self_test *test) {
    static const uint8_t x[4] = {255, 0, 51, 102}; // 1, 0, 0.2, 0.4
    static const float logits[3] = {0.35f, 0, 0.1f};
    *test = (struct tnm_self_test){.n_cases = 1, .inputs = 4, .outputs = 3, .tolerance = 0.001f};
    test->x = memcpy(malloc(sizeof x), x, sizeof x);
    test->logits = memcpy(malloc(sizeof logits), logits, sizeof logits);
}

static void make_tiny(struct sample *s) {
    begin(s, 2, 1);
    uint32_t in = tensor(s, 4, 0, 0);
    tensor(s, 3, 0, 0);
    tiny_matrix(node(s, TNM_OP_LINEAR, "fc", in));
    strcpy(s->graph.tensor[0].name, "x");
    strcpy(s->graph.tensor[1].name, "y");
    tiny_meta(&s->meta);
    tiny_test(&s->meta.self_test);
}

// Two layers with a relu between them.
static void make_mlp(struct sample *s, const uint32_t size[3], enum tnm_encoding encoding,
                     const uint32_t bits[2], uint32_t keep_percent) {
    uint32_t in = s->graph.n_tensors - 1;
    tensor(s, size[1], 0, 0);
    matrix(node(s, TNM_OP_LINEAR, "fc1", in), size[1], size[0], encoding, bits[0], keep_percent);
    tensor(s, size[1], 0, 0);
    node(s, TNM_OP_RELU, "relu1", in + 1);
    tensor(s, size[2], 0, 0);
    matrix(node(s, TNM_OP_LINEAR, "fc2", in + 2), size[2], size[1], encoding, bits[1],
           keep_percent);
}

static void make_small(struct sample *s, enum tnm_encoding encoding, uint32_t bits,
                       uint32_t keep_percent) {
    static const uint32_t size[3] = {6, 5, 3};
    begin(s, 4, 3);
    tensor(s, size[0], 0, 0);
    make_mlp(s, size, encoding, (const uint32_t[2]){bits, bits}, keep_percent);
}

static void make_shared(struct sample *s) {
    static const uint32_t size[3] = {16, 24, 10};
    begin(s, 4, 3);
    tensor(s, size[0], 0, 0);
    make_mlp(s, size, TNM_CSR_CODEBOOK, (const uint32_t[2]){5, 3}, 40);
}

static void make_wide(struct sample *s) {
    begin(s, 2, 1);
    tensor(s, 70000, 0, 0);
    tensor(s, 3, 0, 0);
    matrix(node(s, TNM_OP_LINEAR, "fc", 0), 3, 70000, TNM_CSR, 32, 1);
}

static void make_digits(struct sample *s) {
    static const uint32_t size[3] = {784, 32, 10};
    static const char *const label[10] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
    begin(s, 5, 4);
    tensor(s, 1, 28, 28);
    tensor(s, 784, 0, 0);
    node(s, TNM_OP_RESHAPE, "flatten", 0);
    make_mlp(s, size, TNM_CSR_CODEBOOK, (const uint32_t[2]){5, 5}, 10);
    must(tnm_meta_set_labels(&s->meta, label, 10, &err), err.text);
    s->meta.recipe = (struct tnm_recipe){.width = 28,
                                         .height = 28,
                                         .channels = 1,
                                         .fit = TNM_FIT_INK,
                                         .box = 20,
                                         .mean = {0.1307f},
                                         .deviation = {0.3081f}};
}

static void make_conv(struct sample *s) {
    begin(s, 8, 7);
    tensor(s, 1, 12, 12);
    tensor(s, 4, 12, 12);
    struct tnm_node *n = node(s, TNM_OP_CONV2D, "conv1", 0);
    window(n, 3, 1, 1);
    matrix(n, 4, 9, TNM_DENSE, 32, 100);
    tensor(s, 4, 12, 12);
    node(s, TNM_OP_RELU, "relu1", 1);
    tensor(s, 4, 6, 6);
    window(node(s, TNM_OP_MAX_POOL, "pool1", 2), 2, 2, 0);
    tensor(s, 6, 3, 3);
    n = node(s, TNM_OP_CONV2D, "conv2", 3);
    window(n, 3, 2, 1);
    n->window.groups = 2;
    matrix(n, 6, 18, TNM_CSR_CODEBOOK, 4, 50);
    tensor(s, 6, 2, 2);
    window(node(s, TNM_OP_AVERAGE_POOL, "pool2", 4), 2, 2, 1);
    tensor(s, 24, 0, 0);
    node(s, TNM_OP_RESHAPE, "flatten", 5);
    tensor(s, 10, 0, 0);
    matrix(node(s, TNM_OP_LINEAR, "fc", 6), 10, 24, TNM_CSR, 32, 30);
}

static void make_every(struct sample *s) {
    begin(s, 18, 17);
    tensor(s, 2, 6, 6);
    tensor(s, 4, 6, 6);
    struct tnm_node *n = node(s, TNM_OP_CONV2D, "conv", 0);
    window(n, 3, 1, 1);
    n->window.groups = 2;
    matrix(n, 4, 9, TNM_CSR, 32, 70);
    tensor(s, 4, 6, 6);
    node(s, TNM_OP_RELU, "relu", 1);
    tensor(s, 4, 3, 3);
    window(node(s, TNM_OP_MAX_POOL, "max", 2), 2, 2, 0);
    tensor(s, 4, 3, 3);
    window(node(s, TNM_OP_AVERAGE_POOL, "average", 3), 3, 1, 1);
    tensor(s, 4, 3, 3);
    second_input(node(s, TNM_OP_ADD, "add", 3), 4);
    tensor(s, 4, 3, 3);
    node(s, TNM_OP_CLIP, "clip", 5)->clip = (struct tnm_clip){0, 6};
    tensor(s, 4, 3, 3);
    node(s, TNM_OP_SIGMOID, "sigmoid", 6);
    tensor(s, 4, 3, 3);
    second_input(node(s, TNM_OP_MUL, "mul", 6), 7);
    tensor(s, 4, 3, 3);
    node(s, TNM_OP_HARD_SWISH, "swish", 8);
    tensor(s, 4, 3, 3);
    node(s, TNM_OP_TANH, "tanh", 9);
    tensor(s, 8, 3, 3);
    second_input(node(s, TNM_OP_CONCAT, "concat", 8), 10);
    tensor(s, 8, 0, 0);
    node(s, TNM_OP_GLOBAL_POOL, "global", 11);
    tensor(s, 36, 0, 0);
    node(s, TNM_OP_RESHAPE, "flatten", 3);
    tensor(s, 8, 0, 0);
    matrix(node(s, TNM_OP_LINEAR, "fc1", 13), 8, 36, TNM_CSR_CODEBOOK, 3, 50);
    tensor(s, 8, 0, 0);
    second_input(node(s, TNM_OP_ADD, "join", 12), 14);
    tensor(s, 6, 0, 0);
    matrix(node(s, TNM_OP_LINEAR, "fc2", 15), 6, 8, TNM_DENSE, 16, 100);
    tensor(s, 6, 0, 0);
    node(s, TNM_OP_SOFTMAX, "softmax", 16);
}

static void pack(struct tnm_node *n, uint32_t width) {
    n->w[0].packed = true;
    n->w[0].packed_width = width;
}

static void packed_test(struct sample *s) {
    struct tnm_self_test *test = &s->meta.self_test;
    s->graph.output = s->graph.n_tensors - 1;
    strcpy(s->meta.name, "packed");
    sample_self_test(s, 2);
    test->seeded = true;
    test->seed = 1000;
    tnm_seeded_inputs(test->seed, test->x, 2 * test->inputs);
    test->step = 0x1p-6f;
    sample_answers(s);
    for (size_t i = 0; i < 2 * test->outputs; i++)
        test->logits[i] = rintf(test->logits[i] * 64) / 64;
    test->tolerance = 0;
}

// A convolution of three codes, a layer of many codes fed by it, a last one.
static void make_packed(struct sample *s) {
    begin(s, 8, 7);
    tensor(s, 1, 12, 12);
    tensor(s, 4, 12, 12);
    struct tnm_node *n = node(s, TNM_OP_CONV2D, "conv", 0);
    window(n, 3, 1, 1);
    matrix(n, 4, 9, TNM_CSR_CODEBOOK, 2, 60);
    pack(n, 3);
    tensor(s, 4, 12, 12);
    node(s, TNM_OP_RELU, "relu1", 1);
    tensor(s, 4, 6, 6);
    window(node(s, TNM_OP_MAX_POOL, "pool", 2), 2, 2, 0);
    tensor(s, 144, 0, 0);
    node(s, TNM_OP_RESHAPE, "flatten", 3);
    tensor(s, 24, 0, 0);
    n = node(s, TNM_OP_LINEAR, "fc1", 4);
    matrix(n, 24, 144, TNM_CSR_CODEBOOK, 7, 10);
    pack(n, 6);
    tensor(s, 24, 0, 0);
    node(s, TNM_OP_RELU, "relu2", 5);
    tensor(s, 10, 0, 0);
    n = node(s, TNM_OP_LINEAR, "fc2", 6);
    matrix(n, 10, 24, TNM_CSR_CODEBOOK, 3, 30);
    pack(n, 0);
    packed_test(s);
}

// A memory of size over rows of width, its second matrix pruned and shared.
static struct tnm_node *lstm(struct sample *s, const char *name, uint32_t in, uint32_t size,
                             uint32_t width) {
    struct tnm_node *n = node(s, TNM_OP_LSTM, name, in);
    make_matrix(&n->w[0], 4 * size, width, TNM_DENSE, 32, 100, true);
    make_matrix(&n->w[1], 4 * size, size, TNM_CSR_CODEBOOK, 4, 50, false);
    n->n_weights = 2;
    return n;
}

static void make_lstm(struct sample *s) {
    begin(s, 4, 3);
    tensor(s, 5, 3, 0);
    tensor(s, 5, 4, 0);
    lstm(s, "lstm1", 0, 4, 3)->every_step = true;
    tensor(s, 6, 0, 0);
    lstm(s, "lstm2", 1, 6, 4);
    tensor(s, 3, 0, 0);
    matrix(node(s, TNM_OP_LINEAR, "fc", 2), 3, 6, TNM_DENSE, 32, 100);
}

const char *sample_name(enum sample_kind kind) {
    static const char *const name[SAMPLE_KINDS] = {"tiny", "dense",  "half",  "csr",   "shared",
                                                   "wide", "digits", "conv",  "every", "packed",
                                                   "lstm", "coded",  "beside"};
    return name[kind];
}

static void make_graph(struct sample *s, enum sample_kind kind) {
    switch (kind) {
    case SAMPLE_TINY:
        make_tiny(s);
        break;
    case SAMPLE_DENSE:
        make_small(s, TNM_DENSE, 32, 100);
        break;
    case SAMPLE_HALF:
        make_small(s, TNM_DENSE, 16, 100);
        break;
    case SAMPLE_CSR:
        make_small(s, TNM_CSR, 32, 50);
        break;
    case SAMPLE_SHARED:
        make_shared(s);
        break;
    case SAMPLE_WIDE:
        make_wide(s);
        break;
    case SAMPLE_DIGITS:
        make_digits(s);
        break;
    case SAMPLE_CONV:
        make_conv(s);
        break;
    case SAMPLE_PACKED:
        make_packed(s);
        break;
    case SAMPLE_LSTM:
        make_lstm(s);
        break;
    case SAMPLE_CODED:
        make_packed(s);
        s->graph.coded = true;
        break;
    case SAMPLE_BESIDE:
        make_lstm(s);
        s->graph.node[0].w[1].packed = s->graph.node[1].w[1].packed = true;
        s->graph.coded = true;
        break;
    default:
        make_every(s);
    }
}

void sample_make(struct sample *s, enum sample_kind kind) {
    *s = (struct sample){.meta.recipe.fit = TNM_FIT_NONE};
    make_graph(s, kind);
    s->graph.output = s->graph.n_tensors - 1;
    strcpy(s->meta.name, sample_name(kind));
}

void sample_free(struct sample *s) {
    tnm_graph_free(&s->graph);
    tnm_meta_free(&s->meta);
}

// ---- Self-tests --------------------------------------------------------------------------------

static void answer(const struct plain *plain, const uint8_t *x, size_t inputs, float *logits,
                   size_t outputs) {
    double *in = malloc(inputs * sizeof *in), *out = malloc(outputs * sizeof *out);
    for (size_t i = 0; i < inputs; i++)
        in[i] = x[i] / 255.0;
    plain_run(plain, in, out);
    for (size_t i = 0; i < outputs; i++)
        logits[i] = (float)out[i];
    free(in);
    free(out);
}

// The logits of the test's inputs, by the second reader.
static void sample_answers(struct sample *s) {
    struct tnm_self_test test = s->meta.self_test;
    size_t len;
    int rule;
    s->meta.self_test = (struct tnm_self_test){0};
    uint8_t *bytes = sample_encode(s, &len);
    struct plain *plain = plain_read(bytes, len, &rule);
    must(plain != NULL, "the second reader refuses one");
    for (uint32_t i = 0; i < test.n_cases; i++)
        answer(plain, test.x + i * test.inputs, test.inputs, test.logits + i * test.outputs,
               test.outputs);
    s->meta.self_test = test;
    plain_free(plain);
    free(bytes);
}

void sample_self_test(struct sample *s, uint32_t n) {
    struct tnm_self_test *test = &s->meta.self_test;
    size_t inputs = tnm_tensor_elements(&s->graph.tensor[s->graph.input]);
    size_t outputs = tnm_tensor_elements(&s->graph.tensor[s->graph.output]);
    free(test->x);
    free(test->logits);
    *test = (struct tnm_self_test){
        .n_cases = n, .inputs = inputs, .outputs = outputs, .tolerance = 0.001f};
    test->x = malloc(n * inputs);
    test->logits = malloc(n * outputs * sizeof *test->logits);
    uint64_t state = n;
    for (size_t i = 0; i < n * inputs; i++)
        test->x[i] = (uint8_t)(next(&state) % 3 == 0 ? next(&state) : 0);
    sample_answers(s);
}

// ---- Files -------------------------------------------------------------------------------------

uint8_t *sample_encode(const struct sample *s, size_t *len) {
    uint8_t *bytes;
    must(tnm_encode(&s->graph, &s->meta, &bytes, len, &err), err.text);
    return bytes;
}

uint8_t *sample_bytes(enum sample_kind kind, size_t *len) {
    struct sample s;
    sample_make(&s, kind);
    uint8_t *bytes = sample_encode(&s, len);
    sample_free(&s);
    return bytes;
}

struct tnm_model *sample_open(enum sample_kind kind) {
    size_t len;
    uint8_t *bytes = sample_bytes(kind, &len);
    struct tnm_model *model = tnm_model_from_bytes(bytes, len, NULL, &err);
    must(model != NULL, err.text);
    free(bytes);
    return model;
}

void sample_save(enum sample_kind kind, const char *path) {
    struct sample s;
    sample_make(&s, kind);
    must(tnm_save(path, &s.graph, &s.meta, &err), err.text);
    sample_free(&s);
}
