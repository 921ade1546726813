/* SPDX-License-Identifier: MIT */
// The sections GRAPH and DATA: a network from bytes, and into bytes.
#include "core/format.h"

#include "core/coded.h"
#include "core/error.h"
#include "core/packed.h"

#include <errno.h>
#include <float.h>
#include <stdlib.h>

enum {
    NO_SUCH_OP = 0,  // what an operation has beside its tensors:
    PLAIN = 1,       //     nothing
    HAS_WINDOW = 2,  //     a window that slides
    HAS_GROUPS = 4,  //     groups of channels
    HAS_CLIP = 8,    //     two bounds
    HAS_MATRIX = 16, //     a weight matrix
    HAS_STEPS = 32,  //     which of its steps come out
    HAS_SECOND = 64  //     a second matrix
};

static unsigned form_of(uint32_t op) {
    static const uint8_t form[] = {
        [TNM_OP_LINEAR] = HAS_MATRIX,   [TNM_OP_CONV2D] = HAS_WINDOW | HAS_GROUPS | HAS_MATRIX,
        [TNM_OP_MAX_POOL] = HAS_WINDOW, [TNM_OP_AVERAGE_POOL] = HAS_WINDOW,
        [TNM_OP_GLOBAL_POOL] = PLAIN,   [TNM_OP_ADD] = PLAIN,
        [TNM_OP_MUL] = PLAIN,           [TNM_OP_CONCAT] = PLAIN,
        [TNM_OP_RELU] = PLAIN,          [TNM_OP_CLIP] = HAS_CLIP,
        [TNM_OP_SIGMOID] = PLAIN,       [TNM_OP_TANH] = PLAIN,
        [TNM_OP_HARD_SWISH] = PLAIN,    [TNM_OP_SOFTMAX] = PLAIN,
        [TNM_OP_RESHAPE] = PLAIN,       [TNM_OP_LSTM] = HAS_STEPS | HAS_MATRIX | HAS_SECOND,
    };
    return op < sizeof form / sizeof *form ? form[op] : NO_SUCH_OP;
}

// ---- DATA: the arrays of the matrices, in the order of the nodes -------------------------------

struct data {
    struct bytes file; // up to the end of DATA
    size_t at;
    struct tnm_budget *budget;
    struct tnm_coder *coder;         // of packed matrices, or NULL
    uint64_t packed;                 // elements of packed matrices so far
    const struct tnm_matrix *before; // the last of them, or NULL
};

static bool take_array(struct data *d, const char *name, uint64_t len, const void **out,
                       struct tnm_error *err) {
    size_t start = d->at + (TNM_ARRAY_ALIGN - d->at % TNM_ARRAY_ALIGN) % TNM_ARRAY_ALIGN;
    struct bytes array;
    if (!bytes_slice(d->file, start, len, &array))
        return tnm_fail(err, TNM_EFORMAT, "%s: %llu bytes at offset %zu, DATA ends at %zu", name,
                        (unsigned long long)len, start, d->file.len);
    for (; d->at < start; d->at++)
        if (d->file.at[d->at] != 0)
            return tnm_fail(err, TNM_EFORMAT, "%s: padding at offset %zu is not 0", name, d->at);
    d->at = start + array.len;
    *out = array.at;
    return true;
}

static bool take_arrays(struct data *d, struct tnm_matrix *m, bool has_bias, size_t *taken,
                        struct tnm_error *err) {
    for (enum tnm_array a = 0; a < TNM_ARRAYS; a++) {
        const void *at = NULL;
        if (!tnm_matrix_has(m, a) && !(a == TNM_ARRAY_BIAS && has_bias))
            continue;
        if (!take_array(d, tnm_array_name(a), tnm_array_bytes(m, a), &at, err))
            return false;
        tnm_array_set(m, a, at);
        *taken += (size_t)tnm_array_bytes(m, a);
    }
    return true;
}

static bool check_packed(struct data *d, struct tnm_matrix *m, bool has_bias,
                         struct tnm_error *err) {
    d->packed += tnm_matrix_elements(m);
    if (d->packed > TNM_MAX_PACKED)
        return tnm_fail(err, TNM_EFORMAT, "more than %d elements in packed matrices",
                        TNM_MAX_PACKED);
    struct tnm_budget scratch;
    if (!tnm_budget_take(d->budget, tnm_matrix_memory(m, has_bias), err))
        return false;
    scratch = *d->budget;
    return tnm_budget_take(&scratch, tnm_packed_scratch(m), err);
}

// As the stream of coded sections goes on.
static bool take_coded(struct data *d, struct tnm_matrix *m, bool has_bias, size_t *taken,
                       struct tnm_error *err) {
    size_t start = d->coder->at;
    if (!check_packed(d, m, has_bias, err) || !tnm_matrix_take_arrays(m, has_bias, err) ||
        !tnm_packed_code(d->coder, m, d->before, err))
        return false;
    *taken += d->coder->at - start;
    d->before = m;
    return true;
}

// A number, and as many bytes; no padding.
static bool take_packed(struct data *d, struct tnm_matrix *m, bool has_bias, size_t *taken,
                        struct tnm_error *err) {
    struct tnm_stream s = {.in = d->file, .at = d->at, .err = err};
    uint64_t len = tnm_stream_number(&s, "length of a packed stream", 0, UINT32_MAX);
    struct bytes in = {tnm_stream_bytes(&s, "a packed stream", len), (size_t)len};
    if (s.failed)
        return tnm_fail_in(err, "DATA");
    if (!check_packed(d, m, has_bias, err) || !tnm_matrix_take_arrays(m, has_bias, err) ||
        !tnm_packed_read(in, m, d->before, err))
        return false;
    *taken += s.at - d->at;
    d->at = s.at;
    d->before = m;
    return true;
}

static void write_arrays(struct tnm_sink *file, const struct tnm_matrix *m) {
    for (enum tnm_array a = 0; a < TNM_ARRAYS; a++) {
        if (!tnm_matrix_has(m, a) && !(a == TNM_ARRAY_BIAS && m->bias != NULL))
            continue;
        tnm_sink_align(file, TNM_ARRAY_ALIGN);
        tnm_sink_bytes(file, tnm_array_get(m, a), (size_t)tnm_array_bytes(m, a));
    }
}

// The packed matrices into c, or, where it is NULL, everything into the file but what c has.
static bool write_matrices(struct tnm_sink *file, struct tnm_coder *c,
                           const struct tnm_graph *graph, struct tnm_error *err) {
    const struct tnm_matrix *before = NULL;
    for (uint32_t i = 0; i < graph->n_nodes; i++)
        for (uint32_t k = 0; k < graph->node[i].n_weights; k++) {
            const struct tnm_matrix *m = &graph->node[i].w[k];
            if (!m->packed && c == NULL)
                write_arrays(file, m);
            if (m->packed && c == NULL && !graph->coded)
                tnm_packed_write(file, m, before);
            if (m->packed && c != NULL && !tnm_packed_code(c, m, before, err))
                return false;
            before = m->packed ? m : before;
        }
    return true;
}

void tnm_write_data(struct tnm_sink *file, const struct tnm_graph *graph) {
    (void)write_matrices(file, NULL, graph, NULL);
}

// ---- GRAPH: a matrix ---------------------------------------------------------------------------

static bool take_weights(struct data *d, struct tnm_matrix *m, bool has_bias, size_t *taken,
                         struct tnm_error *err) {
    if (!m->packed)
        return take_arrays(d, m, has_bias, taken, err);
    return d->coder != NULL ? take_coded(d, m, has_bias, taken, err)
                            : take_packed(d, m, has_bias, taken, err);
}

static bool read_matrix(struct tnm_stream *s, struct data *d, struct tnm_matrix *m, size_t *taken) {
    m->encoding = (enum tnm_encoding)tnm_stream_u32(s, "encoding", TNM_DENSE, TNM_PACKED);
    m->packed = m->encoding == TNM_PACKED;
    if (m->packed)
        m->encoding = TNM_CSR_CODEBOOK;
    bool has_bias = tnm_stream_u32(s, "has_bias", 0, 1) != 0;
    m->rows = tnm_stream_u32(s, "number of rows", 1, TNM_MAX_ELEMENTS);
    m->cols = tnm_stream_u32(s, "number of columns", 1, TNM_MAX_ELEMENTS);
    m->bits = m->encoding == TNM_CSR ? 32 : tnm_stream_u32(s, "number of bits", 1, 32);
    if (m->encoding != TNM_DENSE)
        m->nonzeros = tnm_stream_number(s, "number of nonzeros", 0, TNM_MAX_ELEMENTS);
    if (m->encoding == TNM_CSR_CODEBOOK)
        m->n_centroids = tnm_stream_u32(s, "number of centroids", 1, 256);
    if (m->packed)
        m->packed_width = tnm_stream_u32(s, "width", 0, m->cols);
    s->failed = s->failed || !tnm_matrix_check_sizes(m, s->err) ||
                !take_weights(d, m, has_bias, taken, s->err) || !tnm_matrix_check_arrays(m, s->err);
    if (!s->failed && m->encoding == TNM_DENSE)
        m->nonzeros = tnm_matrix_count_dense(m);
    return !s->failed;
}

static void write_matrix(struct tnm_sink *sink, const struct tnm_matrix *m) {
    tnm_sink_number(sink, m->packed ? TNM_PACKED : m->encoding);
    tnm_sink_number(sink, m->bias != NULL);
    tnm_sink_number(sink, m->rows);
    tnm_sink_number(sink, m->cols);
    if (m->encoding != TNM_CSR)
        tnm_sink_number(sink, m->bits);
    if (m->encoding != TNM_DENSE)
        tnm_sink_number(sink, m->nonzeros);
    if (m->encoding == TNM_CSR_CODEBOOK)
        tnm_sink_number(sink, m->n_centroids);
    if (m->packed)
        tnm_sink_number(sink, m->packed_width);
}

// ---- GRAPH: attributes -------------------------------------------------------------------------

static void read_window(struct tnm_stream *s, unsigned form, struct tnm_window *w) {
    for (int i = 0; i < 2; i++)
        w->kernel[i] = tnm_stream_u32(s, "kernel", 1, TNM_MAX_WINDOW);
    for (int i = 0; i < 2; i++)
        w->stride[i] = tnm_stream_u32(s, "stride", 1, TNM_MAX_WINDOW);
    for (int i = 0; i < 4; i++)
        w->pad[i] = tnm_stream_u32(s, "pad", 0, TNM_MAX_WINDOW);
    for (int i = 0; i < 2; i++)
        w->dilation[i] = tnm_stream_u32(s, "dilation", 1, TNM_MAX_WINDOW);
    w->groups =
        (form & HAS_GROUPS) != 0 ? tnm_stream_u32(s, "number of groups", 1, TNM_MAX_WINDOW) : 1;
}

static void write_window(struct tnm_sink *sink, unsigned form, const struct tnm_window *w) {
    for (int i = 0; i < 2; i++)
        tnm_sink_number(sink, w->kernel[i]);
    for (int i = 0; i < 2; i++)
        tnm_sink_number(sink, w->stride[i]);
    for (int i = 0; i < 4; i++)
        tnm_sink_number(sink, w->pad[i]);
    for (int i = 0; i < 2; i++)
        tnm_sink_number(sink, w->dilation[i]);
    if ((form & HAS_GROUPS) != 0)
        tnm_sink_number(sink, w->groups);
}

static void read_attributes(struct tnm_stream *s, unsigned form, struct tnm_node *node) {
    if ((form & HAS_WINDOW) != 0)
        read_window(s, form, &node->window);
    if ((form & HAS_CLIP) != 0) {
        node->clip.low = tnm_stream_f32(s, "low", -FLT_MAX);
        node->clip.high = tnm_stream_f32(s, "high", -FLT_MAX);
    }
    if ((form & HAS_STEPS) != 0)
        node->every_step = tnm_stream_u32(s, "every_step", 0, 1) != 0;
}

static void write_attributes(struct tnm_sink *sink, unsigned form, const struct tnm_node *node) {
    if ((form & HAS_WINDOW) != 0)
        write_window(sink, form, &node->window);
    if ((form & HAS_CLIP) != 0) {
        tnm_sink_f32(sink, node->clip.low);
        tnm_sink_f32(sink, node->clip.high);
    }
    if ((form & HAS_STEPS) != 0)
        tnm_sink_number(sink, node->every_step);
}

// ---- GRAPH: nodes ------------------------------------------------------------------------------

static unsigned read_op(struct tnm_stream *s, enum tnm_op *op) {
    uint32_t number = tnm_stream_u32(s, "operation", 0, UINT32_MAX);
    unsigned form = form_of(number);
    if (!s->failed && form == NO_SUCH_OP)
        s->failed =
            !tnm_fail(s->err, TNM_EUNSUPPORTED, "operation %u is unknown to this build", number);
    *op = (enum tnm_op)number;
    return form;
}

static bool read_node(struct tnm_stream *s, struct data *d, uint32_t n_tensors,
                      struct tnm_node *node, size_t *taken) {
    tnm_stream_text(s, "name", node->name, 0, TNM_MAX_NAME);
    unsigned form = read_op(s, &node->op);
    node->n_inputs = tnm_stream_u32(s, "number of inputs", 1, TNM_MAX_NODE_INPUTS);
    for (uint32_t i = 0; i < node->n_inputs; i++)
        node->input[i] = tnm_stream_u32(s, "input", 0, n_tensors - 1);
    node->output = tnm_stream_u32(s, "output", 0, n_tensors - 1);
    if (s->failed)
        return false;
    read_attributes(s, form, node);
    node->n_weights = (form & HAS_SECOND) != 0 ? 2 : (form & HAS_MATRIX) != 0;
    for (uint32_t k = 0; k < node->n_weights && !s->failed; k++)
        if (!read_matrix(s, d, &node->w[k], &taken[k]))
            return false;
    return !s->failed;
}

static void write_node(struct tnm_sink *sink, const struct tnm_node *node) {
    unsigned form = form_of(node->op);
    tnm_sink_text(sink, node->name);
    tnm_sink_number(sink, node->op);
    tnm_sink_number(sink, node->n_inputs);
    for (uint32_t i = 0; i < node->n_inputs; i++)
        tnm_sink_number(sink, node->input[i]);
    tnm_sink_number(sink, node->output);
    write_attributes(sink, form, node);
    for (uint32_t k = 0; k < node->n_weights; k++)
        write_matrix(sink, &node->w[k]);
}

// ---- GRAPH: all --------------------------------------------------------------------------------

static bool read_tensor(struct tnm_stream *s, struct tnm_tensor *tensor) {
    uint64_t elements = 1;
    tnm_stream_text(s, "name", tensor->name, 0, TNM_MAX_NAME);
    tensor->rank = tnm_stream_u32(s, "rank", 1, TNM_MAX_RANK);
    for (uint32_t i = 0; i < tensor->rank && !s->failed; i++) {
        tensor->dim[i] = tnm_stream_u32(s, "dimension", 1, TNM_MAX_ELEMENTS);
        elements *= tensor->dim[i];
        if (elements > TNM_MAX_ELEMENTS)
            s->failed = !tnm_fail(s->err, TNM_EFORMAT, "more than %d elements", TNM_MAX_ELEMENTS);
    }
    return !s->failed;
}

static bool read_tensors(struct tnm_stream *s, struct tnm_graph *g) {
    for (uint32_t i = 0; i < g->n_tensors; i++)
        if (!read_tensor(s, &g->tensor[i]))
            return tnm_fail_in(s->err, "tensor %u", i);
    return true;
}

static bool read_nodes(struct tnm_stream *s, struct data *d, struct tnm_graph *g,
                       size_t *weight_bytes) {
    for (uint32_t i = 0; i < g->n_nodes; i++)
        if (!read_node(s, d, g->n_tensors, &g->node[i], &weight_bytes[(size_t)i * TNM_MAX_WEIGHTS]))
            return tnm_fail_in(s->err, "node %u \"%s\"", i, g->node[i].name);
    return true;
}

static bool take_memory(const struct tnm_reading *from, uint32_t n_tensors, uint32_t n_nodes,
                        struct tnm_graph *graph, size_t **weight_bytes, struct tnm_error *err) {
    uint64_t need =
        (uint64_t)n_tensors * sizeof *graph->tensor +
        (uint64_t)n_nodes * (sizeof *graph->node + TNM_MAX_WEIGHTS * sizeof **weight_bytes);
    if (!tnm_budget_take(from->budget, need, err) ||
        !tnm_graph_init(graph, n_tensors, n_nodes, err))
        return false;
    *weight_bytes = calloc((size_t)n_nodes * TNM_MAX_WEIGHTS, sizeof **weight_bytes);
    return *weight_bytes != NULL || tnm_fail_errno(err, ENOMEM, "%u nodes", n_nodes);
}

static bool read_all(const struct tnm_reading *from, struct data *d, struct tnm_graph *graph,
                     size_t **weight_bytes, struct tnm_error *err) {
    struct tnm_stream s = {.in = from->section, .err = err};
    uint32_t n_tensors = tnm_stream_u32(&s, "number of tensors", 1, TNM_MAX_TENSORS);
    uint32_t n_nodes = tnm_stream_u32(&s, "number of nodes", 1, TNM_MAX_NODES);
    uint32_t input = tnm_stream_u32(&s, "input", 0, n_tensors - 1);
    uint32_t output = tnm_stream_u32(&s, "output", 0, n_tensors - 1);
    if (s.failed)
        return tnm_fail_in(err, "GRAPH");
    if (!take_memory(from, n_tensors, n_nodes, graph, weight_bytes, err))
        return false;
    graph->input = input;
    graph->output = output;
    if (!read_tensors(&s, graph) || !read_nodes(&s, d, graph, *weight_bytes))
        return false;
    return tnm_stream_end(&s) || tnm_fail_in(err, "GRAPH");
}

bool tnm_read_graph(const struct tnm_reading *from, struct bytes file, size_t data_at,
                    struct tnm_graph *graph, size_t **weight_bytes, struct tnm_error *err) {
    struct data d = {.file = file, .at = data_at, .budget = from->budget, .coder = from->coder};
    if (!read_all(from, &d, graph, weight_bytes, err) || !tnm_graph_check(graph, err))
        return false;
    if (d.at != file.len)
        return tnm_fail(err, TNM_EFORMAT, "DATA: left over at its end: %zu", file.len - d.at);
    graph->coded = d.coder != NULL;
    return d.coder == NULL || tnm_coder_check_end(d.coder, "coded sections", err);
}

void tnm_write_graph(struct tnm_sink *sink, const struct tnm_graph *graph) {
    tnm_sink_number(sink, graph->n_tensors);
    tnm_sink_number(sink, graph->n_nodes);
    tnm_sink_number(sink, graph->input);
    tnm_sink_number(sink, graph->output);
    for (uint32_t i = 0; i < graph->n_tensors; i++) {
        const struct tnm_tensor *tensor = &graph->tensor[i];
        tnm_sink_text(sink, tensor->name);
        tnm_sink_number(sink, tensor->rank);
        for (uint32_t k = 0; k < tensor->rank; k++)
            tnm_sink_number(sink, tensor->dim[k]);
    }
    for (uint32_t i = 0; i < graph->n_nodes; i++)
        write_node(sink, &graph->node[i]);
}

// ---- CODED: META, GRAPH and SELFTEST, and the packed matrices behind them -----------------------

static bool write_stream(struct tnm_coder *c, const struct tnm_sink text[TNM_CODED_SECTIONS],
                         const struct tnm_graph *graph, struct tnm_error *err) {
    struct bytes section[TNM_CODED_SECTIONS];
    for (unsigned i = 0; i < TNM_CODED_SECTIONS; i++) {
        if (text[i].failed)
            return tnm_fail_errno(err, ENOMEM, "coded sections");
        section[i] = (struct bytes){text[i].at, text[i].len};
    }
    return tnm_coded_write(c, section, err) && write_matrices(NULL, c, graph, err) &&
           tnm_coder_end(c);
}

bool tnm_write_coded(struct tnm_sink *file, const struct tnm_graph *graph,
                     const struct tnm_meta *meta, struct tnm_error *err) {
    struct tnm_sink text[TNM_CODED_SECTIONS] = {{0}}, out = {0};
    struct tnm_coder *c = malloc(sizeof *c);
    bool ok = c != NULL || tnm_fail_errno(err, ENOMEM, "coded sections");
    if (ok) {
        tnm_write_meta(&text[0], meta);
        tnm_write_graph(&text[1], graph);
        if (meta->self_test.n_cases > 0)
            tnm_write_self_test(&text[2], &meta->self_test);
        tnm_coder_start(c, (struct bytes){0}, &out);
        ok = write_stream(c, text, graph, err);
    }
    file->failed = file->failed || out.failed;
    tnm_sink_bytes(file, out.at, out.len);
    for (unsigned i = 0; i < TNM_CODED_SECTIONS; i++)
        tnm_sink_free(&text[i]);
    tnm_sink_free(&out);
    free(c);
    return ok;
}
