/* SPDX-License-Identifier: MIT */
// To the packed encoding, and what else makes a file small.
#include "models/pack.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/coded.h"
#include "core/error.h"
#include "core/format.h"
#include "core/packed.h"
#include "core/prepare.h"
#include "core/save.h"

enum { SEEDED_CASES = 2 };

// ---- Layers ------------------------------------------------------------------------------------

// The node that writes a tensor, or NULL for the input.
static const struct tnm_node *writer_of(const struct tnm_graph *graph, uint32_t tensor) {
    for (uint32_t i = 0; i < graph->n_nodes; i++)
        if (graph->node[i].output == tensor)
            return &graph->node[i];
    return NULL;
}

// Width of the picture that the columns of a node's matrix are; 0: they are none.
static uint32_t picture_width(const struct tnm_model *model, const struct tnm_node *node) {
    const struct tnm_graph *graph = &model->graph;
    const struct tnm_node *before = writer_of(graph, node->input[0]);
    const struct tnm_recipe *recipe = &model->meta.recipe;
    if (node->op == TNM_OP_CONV2D)
        return node->window.kernel[1];
    if (before == NULL)
        return recipe->width < node->w[0].cols ? recipe->width : 0;
    const struct tnm_tensor *from = &graph->tensor[before->input[0]];
    return before->op == TNM_OP_RESHAPE && from->rank == 3 ? from->dim[2] : 0;
}

static size_t packed_bytes(const struct tnm_matrix *m, const struct tnm_matrix *before) {
    struct tnm_sink sink = {0};
    tnm_packed_write(&sink, m, before);
    size_t len = sink.failed ? SIZE_MAX : sink.len;
    tnm_sink_free(&sink);
    return len;
}

// As a picture or not, as is shorter.
static void choose_width(struct tnm_matrix *m, const struct tnm_matrix *before, uint32_t width) {
    m->packed_width = 0;
    size_t plain = packed_bytes(m, before);
    m->packed_width = width;
    if (width > 0 && packed_bytes(m, before) >= plain)
        m->packed_width = 0;
}

// What packing has seen of a file so far.
struct marking {
    const struct tnm_matrix *before; // the last one marked, or NULL
    uint64_t elements;
};

// Width: of the picture that the columns are, or 0. Left alone where nothing is shared.
static bool mark_matrix(struct marking *marking, struct tnm_matrix *m, uint32_t width,
                        struct tnm_error *err) {
    if (m->encoding != TNM_CSR_CODEBOOK)
        return true;
    marking->elements += tnm_matrix_elements(m);
    if (marking->elements > TNM_MAX_PACKED)
        return tnm_fail(err, TNM_ELIMIT, "more than %d weights to pack, kept or not",
                        TNM_MAX_PACKED);
    m->packed = true;
    choose_width(m, marking->before, width);
    marking->before = m;
    return true;
}

// Marks every layer that can be packed. False where there is none.
static bool mark_packed(struct tnm_model *model, struct tnm_error *err) {
    struct marking marking = {0};
    for (uint32_t i = 0; i < model->graph.n_nodes; i++) {
        struct tnm_node *node = &model->graph.node[i];
        for (uint32_t k = 0; k < node->n_weights; k++)
            if (!mark_matrix(&marking, &node->w[k], k == 0 ? picture_width(model, node) : 0, err))
                return false;
    }
    return marking.before != NULL ||
           tnm_fail(err, TNM_EINPUT, "no layer has shared weights to pack (tnm share makes them)");
}

void pack_undo(struct tnm_model *model) {
    for (uint32_t i = 0; i < model->graph.n_nodes; i++)
        for (uint32_t k = 0; k < model->graph.node[i].n_weights; k++)
            model->graph.node[i].w[k].packed = false;
    model->graph.coded = false;
}

// ---- What the file says of itself --------------------------------------------------------------

static float largest(const float *value, size_t n) {
    float most = 0;
    for (size_t i = 0; i < n; i++)
        most = fabsf(value[i]) > most ? fabsf(value[i]) : most;
    return most;
}

// The largest answer is 127 steps; each is a whole number of them.
static void round_answers(struct tnm_self_test *test) {
    size_t n = test->n_cases * test->outputs;
    float most = largest(test->logits, n);
    test->step = most >= FLT_MIN * 256 ? most / 127 : 1;
    for (size_t i = 0; i < n; i++)
        test->logits[i] = roundf(test->logits[i] / test->step) * test->step;
}

static bool run_seeded(const struct tnm_model *model, struct tnm_self_test *test,
                       struct tnm_error *err) {
    size_t n = test->n_cases * test->inputs;
    float *x = malloc(n * sizeof *x);
    struct tnm_session *session = tnm_session_open(model, test->n_cases, err);
    bool ok = session != NULL && (x != NULL || tnm_fail_errno(err, ENOMEM, "self-test"));
    if (ok) {
        tnm_prepare_scale(test->x, n, x);
        tnm_session_run(session, x, test->n_cases, test->logits);
    }
    tnm_session_close(session);
    free(x);
    return ok;
}

static bool make_seeded(struct tnm_model *model, uint64_t seed, struct tnm_error *err) {
    struct tnm_self_test test = {.n_cases = SEEDED_CASES,
                                 .inputs = tnm_model_inputs(model),
                                 .outputs = tnm_model_outputs(model),
                                 .seeded = true,
                                 .seed = seed};
    test.x = malloc(test.n_cases * test.inputs);
    test.logits = malloc(test.n_cases * test.outputs * sizeof *test.logits);
    bool ok = (test.x != NULL && test.logits != NULL) || tnm_fail_errno(err, ENOMEM, "self-test");
    if (ok) {
        tnm_seeded_inputs(seed, test.x, test.n_cases * test.inputs);
        ok = run_seeded(model, &test, err);
    }
    if (ok)
        round_answers(&test);
    free(model->meta.self_test.x);
    free(model->meta.self_test.logits);
    model->meta.self_test = test;
    return ok;
}

static void shorten_names(struct tnm_model *model) {
    struct tnm_graph *graph = &model->graph;
    for (uint32_t i = 0; i < graph->n_tensors; i++)
        graph->tensor[i].name[0] = 0;
    for (uint32_t i = 0; i < graph->n_nodes; i++)
        if (graph->node[i].n_weights == 0)
            graph->node[i].name[0] = 0;
    model->meta.description[0] = 0;
}

// Labels that count from 0 are what a file without labels has.
static bool labels_count(const struct tnm_meta *meta) {
    char number[TNM_COUNTED_BYTES];
    for (uint32_t i = 0; i < meta->n_labels; i++) {
        snprintf(number, sizeof number, "%u", i);
        if (strcmp(number, meta->label[i]) != 0)
            return false;
    }
    return true;
}

static void shorten_provenance(struct tnm_meta *meta, enum pack_part part) {
    for (uint32_t i = 0; i < meta->n_steps; i++) {
        meta->step[i].parameters[0] = 0;
        meta->step[i].has_parent = false;
    }
    if (part == PACK_NONE)
        meta->n_steps = 0;
}

static bool can_be_coded(const struct tnm_model *model) {
    struct tnm_sink text = {0};
    tnm_write_meta(&text, &model->meta);
    tnm_write_graph(&text, &model->graph);
    tnm_write_self_test(&text, &model->meta.self_test);
    bool fits = !text.failed && text.len <= TNM_MAX_CODED;
    tnm_sink_free(&text);
    return fits;
}

static bool shorten(struct tnm_model *model, const struct pack *how, struct tnm_error *err) {
    struct tnm_meta *meta = &model->meta;
    if (how->provenance != PACK_KEEP)
        shorten_provenance(meta, how->provenance);
    if (how->names != PACK_KEEP) {
        shorten_names(model);
        if (labels_count(meta))
            meta->n_labels = 0;
    }
    if (how->self_test == PACK_NONE)
        meta->self_test.n_cases = 0;
    if (how->self_test == PACK_SMALLER && !make_seeded(model, how->seed, err))
        return false;
    model->graph.coded = model->graph.coded || how->sections == PACK_SMALLER;
    model->graph.coded = model->graph.coded && can_be_coded(model);
    return true;
}

struct pack pack_small(uint64_t seed) {
    return (struct pack){PACK_SMALLER, PACK_SMALLER, PACK_SMALLER, PACK_SMALLER, seed};
}

bool pack_model(struct tnm_model *model, const struct pack *how, struct tnm_error *err) {
    return mark_packed(model, err) && shorten(model, how, err);
}

bool pack_net(const struct net *net, const struct pack *how, uint8_t **bytes, size_t *len,
              struct tnm_error *err) {
    struct tnm_model *model = net_model(net, err);
    bool ok = model != NULL && pack_model(model, how, err) &&
              tnm_encode(&model->graph, &model->meta, bytes, len, err);
    tnm_model_close(model);
    return ok;
}
