/* SPDX-License-Identifier: MIT */
// Opening, measuring and timing the models of a plot.
#include "models/gallery.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "models/arch.h"
#include "models/bench.h"
#include "models/cli.h"
#include "models/measure.h"

enum {
    ROUNDS = 301, // of timing, so short that some fall between what else the machine does
    ROUND_NS = 300000
};

// ---- Names of networks -------------------------------------------------------------------------

static const char *const named[] = {"lenet5", "lstm-128"};

// The next node with weights from *at on; NULL at the end.
static const struct tnm_node *next_weights(const struct tnm_graph *g, uint32_t *at) {
    while (*at < g->n_nodes)
        if (g->node[(*at)++].n_weights > 0)
            return &g->node[*at - 1];
    return NULL;
}

static bool same_layer(const struct tnm_node *a, const struct tnm_node *b) {
    bool same = a->op == b->op && a->n_weights == b->n_weights;
    if (same && a->op == TNM_OP_CONV2D)
        same = memcmp(a->window.kernel, b->window.kernel, sizeof a->window.kernel) == 0;
    for (uint32_t k = 0; same && k < a->n_weights; k++)
        same = a->w[k].rows == b->w[k].rows && a->w[k].cols == b->w[k].cols;
    return same;
}

static bool same_layers(const struct tnm_graph *a, const struct tnm_graph *b) {
    uint32_t at_a = 0, at_b = 0;
    for (;;) {
        const struct tnm_node *x = next_weights(a, &at_a), *y = next_weights(b, &at_b);
        if (x == NULL || y == NULL)
            return x == y;
        if (!same_layer(x, y))
            return false;
    }
}

static bool is_named(const struct tnm_model *model, const char *name) {
    struct tnm_graph graph = {0};
    const struct tnm_recipe *recipe = tnm_model_recipe(model);
    bool same = recipe->fit != TNM_FIT_NONE && arch_build(&graph, name, recipe, NULL) &&
                same_layers(&graph, &model->graph);
    tnm_graph_free(&graph);
    return same;
}

static void append(char name[GALLERY_FAMILY], const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void append(char name[GALLERY_FAMILY], const char *format, ...) {
    size_t len = strlen(name);
    va_list args;
    va_start(args, format);
    vsnprintf(name + len, GALLERY_FAMILY - len, format, args);
    va_end(args);
}

static bool is_fully_connected(const struct tnm_graph *g) {
    const struct tnm_node *node;
    for (uint32_t at = 0; (node = next_weights(g, &at)) != NULL;)
        if (node->op != TNM_OP_LINEAR)
            return false;
    return true;
}

static void append_input(const struct tnm_model *model, bool flat, char name[GALLERY_FAMILY]) {
    const struct tnm_tensor *x = &model->graph.tensor[model->graph.input];
    if (flat)
        append(name, "%zu", tnm_tensor_elements(x));
    for (uint32_t i = 0; !flat && i < x->rank; i++)
        append(name, "%s%u", i > 0 ? "x" : "", x->dim[i]);
}

static void append_layer(const struct tnm_node *node, bool flat, char name[GALLERY_FAMILY]) {
    uint32_t rows = node->w[0].rows;
    if (node->op == TNM_OP_CONV2D)
        append(name, "-%uc%ux%u", rows, node->window.kernel[0], node->window.kernel[1]);
    else if (node->op == TNM_OP_LSTM)
        append(name, "-lstm%u", rows / 4); // four gates
    else
        append(name, "-%s%u", flat ? "" : "fc", rows);
}

void gallery_family(const struct tnm_model *model, char name[GALLERY_FAMILY]) {
    const struct tnm_node *node;
    for (size_t i = 0; i < sizeof named / sizeof *named; i++)
        if (is_named(model, named[i])) {
            snprintf(name, GALLERY_FAMILY, "%s", named[i]);
            return;
        }
    bool flat = is_fully_connected(&model->graph);
    name[0] = 0;
    append_input(model, flat, name);
    for (uint32_t at = 0; (node = next_weights(&model->graph, &at)) != NULL;)
        append_layer(node, flat, name);
}

// ---- Finding out -------------------------------------------------------------------------------

// "models/mnist.tnm" is "mnist".
static void name_after(const char *file, char name[GALLERY_NAME]) {
    const char *slash = strrchr(file, '/'), *base = slash != NULL ? slash + 1 : file;
    size_t len = strlen(base);
    if (len > 4 && strcmp(base + len - 4, ".tnm") == 0)
        len -= 4;
    snprintf(name, GALLERY_NAME, "%.*s", (int)(len < GALLERY_NAME ? len : GALLERY_NAME), base);
}

static bool open_one(struct exhibit *e, const char *file, struct tnm_error *err) {
    *e = (struct exhibit){.file = file, .ns = NAN, .ns_median = NAN};
    if ((e->model = tnm_model_open(file, err)) == NULL)
        return false; // which names the file
    name_after(file, e->name);
    tnm_model_summary(e->model, &e->summary);
    gallery_family(e->model, e->family);
    e->test = e->model->meta.test;
    snprintf(e->data, sizeof e->data, "%s", e->model->meta.dataset);
    return true;
}

static bool measure_one(struct exhibit *e, const struct gallery_options *o, struct tnm_error *err) {
    struct dataset data;
    struct measure m;
    if (!measure_data(&data, o->data, &e->model->meta, tnm_model_outputs(e->model), false, true,
                      err))
        return false;
    bool ok = measure_run(&m, e->model, &data.set[DATA_TEST], data.inputs, o->threads, err);
    if (ok) {
        e->test = (struct tnm_score){m.correct, m.images};
        snprintf(e->data, sizeof e->data, "%s", data.name);
        measure_free(&m);
    }
    dataset_close(&data);
    return ok;
}

static bool time_one(struct exhibit *e, const struct gallery_options *o, struct tnm_error *err) {
    struct bench_result result;
    const struct bench_options how = {.data = o->data,
                                      .inputs = BENCH_SEEDED,
                                      .batch = 1,
                                      .threads = 1,
                                      .rounds = ROUNDS,
                                      .round_ns = ROUND_NS};
    if (!bench_run(e->model, &how, &result, err))
        return false;
    e->ns_median = result.median[BENCH_SPARSE];
    e->ns = result.least[BENCH_SPARSE];
    return true;
}

static bool find_out(struct exhibit *e, const struct gallery_options *o, struct tnm_error *err) {
    cli_progress("%s", e->file);
    bool ok = (o->data == NULL || measure_one(e, o, err)) && (!o->timed || time_one(e, o, err));
    return ok || tnm_fail_in(err, "%s", e->file);
}

bool gallery_open(struct gallery *g, const char *const *files, uint32_t n,
                  const struct gallery_options *options, struct tnm_error *err) {
    *g = (struct gallery){.n = n,
                          .measured_on = options->data,
                          .timed = options->timed,
                          .timed_on_test = options->data != NULL};
    g->at = calloc(n, sizeof *g->at);
    bool ok = g->at != NULL || tnm_fail_errno(err, ENOMEM, "models");
    ok = ok && (options->records == NULL || records_read(&g->records, options->records, err));
    for (uint32_t i = 0; ok && i < n; i++)
        ok = open_one(&g->at[i], files[i], err);
    for (uint32_t i = 0; ok && i < n; i++)
        ok = find_out(&g->at[i], options, err);
    if (!ok)
        gallery_close(g);
    return ok;
}

void gallery_close(struct gallery *g) {
    for (uint32_t i = 0; g->at != NULL && i < g->n; i++)
        tnm_model_close(g->at[i].model);
    free(g->at);
    records_free(&g->records);
    *g = (struct gallery){0};
}

uint32_t gallery_series(const struct gallery *g, const char *family) {
    uint32_t series = 0;
    for (uint32_t i = 0; i < g->n; i++) {
        bool is_new = true;
        for (uint32_t k = 0; k < i; k++)
            is_new = is_new && strcmp(g->at[k].family, g->at[i].family) != 0;
        if (strcmp(g->at[i].family, family) == 0)
            return series;
        series += is_new;
    }
    return UINT32_MAX;
}
