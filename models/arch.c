/* SPDX-License-Identifier: MIT */
// The shape of a network from a description in words.
#include "models/arch.h"

#include "core/error.h"
#include "core/op.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_SIZES = 64, // of an architecture of fully connected layers
    MAX_WORDS = 1024,
    MAX_WORD = 31,
    MAX_SIZE = 65536
};

// LeNet-5 as the literature on pruning has it: 430,500 weights (LeCun et al. 1998, and Caffe's
// version of it), with relu behind the pools as well.
static const struct {
    const char *name, *words;
} known[] = {
    {"lenet5", "conv 20 5x5 pool relu conv 50 5x5 pool relu fc 500 relu fc 10"},
    {"lstm-128", "lstm 128 fc 10"},
};

// A graph that grows at its end. Everything is one chain: node i writes tensor i + 1.
struct builder {
    struct tnm_graph *graph;
    uint32_t count[TNM_OP_LSTM + 1]; // nodes of each operation so far
    const char *at;                  // what is not read yet of the description
    char word[MAX_WORD + 1];         // the next word; "" at the end
    struct tnm_error *err;
};

// ---- Nodes -------------------------------------------------------------------------------------

static const struct tnm_tensor *last_of(const struct builder *b) {
    return &b->graph->tensor[b->graph->n_tensors - 1];
}

// A node that reads the tensor written last.
static struct tnm_node *append(struct builder *b, enum tnm_op op, const char *name) {
    struct tnm_graph *g = b->graph;
    struct tnm_node *node = &g->node[g->n_nodes++];
    node->op = op;
    node->n_inputs = 1;
    node->input[0] = g->n_tensors - 1;
    node->output = g->n_tensors++;
    node->window = (struct tnm_window){{1, 1}, {1, 1}, {0}, {1, 1}, 1};
    snprintf(node->name, sizeof node->name, "%s%u", name, ++b->count[op]);
    snprintf(g->tensor[node->output].name, sizeof node->name, "%s", node->name);
    return node;
}

static void append_reshape(struct builder *b, const char *name, uint32_t rank, uint32_t rows,
                           uint32_t cols) {
    struct tnm_node *node = append(b, TNM_OP_RESHAPE, name);
    struct tnm_tensor *out = &b->graph->tensor[node->output];
    snprintf(node->name, sizeof node->name, "%s", name);
    snprintf(out->name, sizeof out->name, "%s", name);
    out->rank = rank;
    out->dim[0] = rows;
    out->dim[1] = cols;
}

static bool set_matrix(struct builder *b, struct tnm_node *node, uint64_t rows, uint64_t cols) {
    struct tnm_matrix *w = &node->w[node->n_weights++];
    if (rows * cols > TNM_MAX_ELEMENTS)
        return tnm_fail(b->err, TNM_ELIMIT, "layer %llux%llu has more than %d weights",
                        (unsigned long long)rows, (unsigned long long)cols, TNM_MAX_ELEMENTS);
    w->rows = (uint32_t)rows;
    w->cols = (uint32_t)cols;
    return true;
}

// The output has the shape that the operation gives.
static bool finish(struct builder *b, const struct tnm_node *node) {
    struct tnm_error why;
    struct tnm_tensor *out = &b->graph->tensor[node->output];
    if (!tnm_op_find(node->op)->shape(b->graph, node, out, &why))
        return tnm_fail(b->err, TNM_EINPUT, "%s", why.text);
    uint64_t elements = 1;
    for (uint32_t i = 0; i < out->rank; i++) {
        elements *= out->dim[i];
        if (elements > TNM_MAX_ELEMENTS)
            return tnm_fail(b->err, TNM_ELIMIT, "more than %d outputs", TNM_MAX_ELEMENTS);
    }
    return true;
}

static bool add_linear(struct builder *b, uint32_t rows) {
    size_t inputs = tnm_tensor_elements(last_of(b));
    if (last_of(b)->rank != 1)
        append_reshape(b, "flatten", 1, (uint32_t)inputs, 0);
    struct tnm_node *node = append(b, TNM_OP_LINEAR, "fc");
    return set_matrix(b, node, rows, inputs) && finish(b, node);
}

static bool add_relu(struct builder *b) {
    return finish(b, append(b, TNM_OP_RELU, "relu"));
}

// ---- Layer sizes -------------------------------------------------------------------------------

static bool parse_sizes(const char *arch, uint32_t size[MAX_SIZES], uint32_t *n,
                        struct tnm_error *err) {
    *n = 0;
    for (const char *at = arch;; at++) {
        char *end;
        unsigned long v = *at >= '0' && *at <= '9' ? strtoul(at, &end, 10) : 0;
        if (v < 1 || v > MAX_SIZE || (*end != '-' && *end != 0))
            return tnm_fail(err, TNM_EINPUT,
                            "architecture \"%.64s\" is not layer sizes from 1 to %d joined by '-' "
                            "(784-300-100-10), a name (lenet5, lstm-128) or a description in words "
                            "(conv 8 3x3 relu pool fc 10)",
                            arch, MAX_SIZE);
        if (*n == MAX_SIZES)
            return tnm_fail(err, TNM_ELIMIT, "architecture: more than %d sizes", MAX_SIZES);
        size[(*n)++] = (uint32_t)v;
        at = end;
        if (*at == 0)
            break;
    }
    return *n >= 2 || tnm_fail(err, TNM_EINPUT, "architecture \"%.64s\" has no layer", arch);
}

static bool build_sizes(struct builder *b, const char *arch, const struct tnm_recipe *recipe) {
    uint32_t size[MAX_SIZES], n;
    if (!parse_sizes(arch, size, &n, b->err))
        return false;
    if (size[0] != tnm_tensor_elements(last_of(b)))
        return tnm_fail(b->err, TNM_EINPUT,
                        "architecture \"%.64s\" has %u inputs, the images %zu (%ux%u, %u "
                        "channel%s)",
                        arch, size[0], tnm_tensor_elements(last_of(b)), recipe->width,
                        recipe->height, recipe->channels, recipe->channels == 1 ? "" : "s");
    for (uint32_t i = 1; i < n; i++)
        if (!add_linear(b, size[i]) || (i + 1 < n && !add_relu(b)))
            return tnm_fail_in(b->err, "architecture");
    return true;
}

// ---- Words -------------------------------------------------------------------------------------

// A word that is too long is cut, which makes it one that nobody knows.
static void next(struct builder *b) {
    size_t len = strcspn(b->at += strspn(b->at, " "), " ");
    snprintf(b->word, sizeof b->word, "%.*s", (int)(len < MAX_WORD ? len : MAX_WORD), b->at);
    b->at += len;
}

static bool take_word(struct builder *b, const char *word) {
    if (strcmp(b->word, word) != 0)
        return false;
    next(b);
    return true;
}

// "3x5", or "3" for "3x3", from low; what is no such word stays.
static bool take_pair(struct builder *b, uint32_t pair[2], uint32_t low) {
    unsigned first, second;
    char more;
    if (strspn(b->word, "0123456789x") != strlen(b->word) || strlen(b->word) > 11)
        return false;
    int n = sscanf(b->word, "%5ux%5u%c", &first, &second, &more);
    if (n != 2 && (n != 1 || strchr(b->word, 'x') != NULL || strlen(b->word) > 5))
        return false;
    if (first < low || (n == 2 && second < low))
        return false;
    pair[0] = first;
    pair[1] = n == 2 ? second : first;
    next(b);
    return true;
}

static bool take_number(struct builder *b, uint32_t *n, const char *of) {
    uint32_t pair[2] = {0};
    if (strchr(b->word, 'x') != NULL || strlen(b->word) > 5 ||
        strtoul(b->word, NULL, 10) > MAX_SIZE || !take_pair(b, pair, 1))
        return tnm_fail(b->err, TNM_EINPUT, "\"%s\" where %s must follow, 1 to %d", b->word, of,
                        MAX_SIZE);
    *n = pair[0];
    return true;
}

static bool take_option(struct builder *b, const char *word, uint32_t pair[2], uint32_t low) {
    if (!take_word(b, word))
        return true;
    if (take_pair(b, pair, low))
        return true;
    return tnm_fail(b->err, TNM_EINPUT, "%s: \"%s\" is not a number from %u, or two as 2x1", word,
                    b->word, low);
}

// stride, pad, dilation and groups, as far as they are there.
static bool take_window(struct builder *b, struct tnm_window *w, bool convolution) {
    for (const char *before = NULL; before != b->at;) {
        uint32_t pad[2] = {w->pad[0], w->pad[1]}, groups[2] = {w->groups, w->groups};
        before = b->at;
        if (!take_option(b, "stride", w->stride, 1) || !take_option(b, "pad", pad, 0) ||
            (convolution &&
             (!take_option(b, "dilation", w->dilation, 1) || !take_option(b, "groups", groups, 1))))
            return false;
        w->groups = groups[0];
        w->pad[0] = w->pad[2] = pad[0];
        w->pad[1] = w->pad[3] = pad[1];
    }
    return true;
}

// ---- Operations by their words -----------------------------------------------------------------

static bool add_conv(struct builder *b) {
    uint32_t rows = 0;
    struct tnm_window window = {.stride = {1, 1}, .dilation = {1, 1}, .groups = 1};
    if (!take_number(b, &rows, "the number of channels"))
        return false;
    if (!take_pair(b, window.kernel, 1))
        return tnm_fail(b->err, TNM_EINPUT, "\"%s\" where the window must follow, as 3x3", b->word);
    if (!take_window(b, &window, true))
        return false;
    uint64_t channels = last_of(b)->dim[0] / window.groups;
    struct tnm_node *node = append(b, TNM_OP_CONV2D, "conv");
    node->window = window;
    return set_matrix(b, node, rows, channels * window.kernel[0] * window.kernel[1]) &&
           finish(b, node);
}

static bool add_pool(struct builder *b, enum tnm_op op, const char *name) {
    struct tnm_window window = {.kernel = {2, 2}, .dilation = {1, 1}, .groups = 1};
    (void)take_pair(b, window.kernel, 1);
    memcpy(window.stride, window.kernel, sizeof window.stride);
    if (!take_window(b, &window, false))
        return false;
    struct tnm_node *node = append(b, op, name);
    node->window = window;
    return finish(b, node);
}

// Rows of all channels one after another.
static void read_by_rows(struct builder *b) {
    struct tnm_tensor in = *last_of(b);
    if (in.rank == 3)
        append_reshape(b, "rows", 2, in.dim[0] * in.dim[1], in.dim[2]);
    else if (in.rank == 1)
        append_reshape(b, "rows", 2, 1, in.dim[0]);
}

static bool add_lstm(struct builder *b) {
    uint32_t size;
    if (!take_number(b, &size, "the size of the memory"))
        return false;
    read_by_rows(b);
    uint64_t width = last_of(b)->dim[1];
    struct tnm_node *node = append(b, TNM_OP_LSTM, "lstm");
    node->every_step = take_word(b, "all");
    return set_matrix(b, node, 4 * (uint64_t)size, width) &&
           set_matrix(b, node, 4 * (uint64_t)size, size) && finish(b, node);
}

static bool add_next(struct builder *b) {
    uint32_t rows = 0;
    if (take_word(b, "conv"))
        return add_conv(b);
    if (take_word(b, "pool"))
        return add_pool(b, TNM_OP_MAX_POOL, "pool");
    if (take_word(b, "average"))
        return add_pool(b, TNM_OP_AVERAGE_POOL, "average");
    if (take_word(b, "global"))
        return finish(b, append(b, TNM_OP_GLOBAL_POOL, "global"));
    if (take_word(b, "relu"))
        return add_relu(b);
    if (take_word(b, "fc"))
        return take_number(b, &rows, "the number of outputs") && add_linear(b, rows);
    if (take_word(b, "lstm"))
        return add_lstm(b);
    return tnm_fail(b->err, TNM_EINPUT,
                    "\"%s\" is not conv, pool, average, global, relu, fc or lstm", b->word);
}

static bool build_words(struct builder *b, const char *words) {
    b->at = words;
    next(b);
    while (b->word[0] != 0)
        if (!add_next(b))
            return tnm_fail_in(b->err, "architecture: operation %u", b->graph->n_nodes + 1);
    return last_of(b)->rank == 1 ||
           tnm_fail(b->err, TNM_EINPUT,
                    "architecture: the last operation gives %u planes or rows; "
                    "global or fc makes outputs of them",
                    last_of(b)->dim[0]);
}

// ---- All ---------------------------------------------------------------------------------------

static void set_input(struct tnm_graph *g, const struct tnm_recipe *recipe) {
    struct tnm_tensor *in = &g->tensor[0];
    g->n_nodes = 0; // append counts them again
    g->n_tensors = 1;
    snprintf(in->name, sizeof in->name, "input");
    in->rank = recipe->fit == TNM_FIT_NONE ? 1 : 3;
    in->dim[0] =
        in->rank == 3 ? recipe->channels : recipe->width * recipe->height * recipe->channels;
    in->dim[1] = recipe->height;
    in->dim[2] = recipe->width;
}

bool arch_build(struct tnm_graph *graph, const char *arch, const struct tnm_recipe *recipe,
                struct tnm_error *err) {
    struct builder b = {.graph = graph, .err = err};
    const char *words = strchr("abcdefghijklmnopqrstuvwxyz", arch[0]) != NULL &&
                                (strchr(arch, ' ') != NULL || strcmp(arch, "global") == 0)
                            ? arch
                            : NULL;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(arch, known[i].name) == 0)
            words = known[i].words;
    if (strlen(arch) > MAX_WORDS)
        return tnm_fail(err, TNM_EINPUT, "architecture: more than %d characters", MAX_WORDS);
    if (!tnm_graph_init(graph, 2 * MAX_WORDS + 1, 2 * MAX_WORDS, err))
        return false;
    set_input(graph, recipe);
    if (!(words != NULL ? build_words(&b, words) : build_sizes(&b, arch, recipe)))
        return false;
    graph->output = graph->n_tensors - 1;
    snprintf(graph->tensor[graph->output].name, sizeof graph->tensor->name, "logits");
    return true;
}
