/* SPDX-License-Identifier: MIT */
// What a model file is, as JSON.
#include "models/describe.h"

#include <jansson.h>
#include <stdio.h>

#include "core/blocks.h"
#include "core/checksum.h"
#include "models/cli.h"
#include "models/measure.h"

static double ratio_of(double whole, double part) {
    return part > 0 ? whole / part : 0;
}

const struct tnm_matrix *describe_matrix(const struct tnm_model *model, uint32_t index) {
    for (uint32_t i = 0; i < model->graph.n_nodes; i++)
        for (uint32_t k = 0; k < model->graph.node[i].n_weights; k++)
            if (index-- == 0)
                return &model->graph.node[i].w[k];
    return NULL;
}

bool describe_codes(const struct tnm_model *model, uint32_t index, uint64_t count[256]) {
    const struct tnm_matrix *m = describe_matrix(model, index);
    if (m == NULL || m->encoding != TNM_CSR_CODEBOOK)
        return false;
    for (uint32_t c = 0; c < 256; c++)
        count[c] = 0;
    for (size_t k = 0; k < m->nonzeros; k++)
        count[tnm_matrix_code(m, k)]++;
    return true;
}

json_t *describe_accuracy(const struct tnm_meta *meta) {
    return json_pack("{s:o, s:I, s:o, s:I}", "test", cli_number(measure_accuracy(meta->test)),
                     "test_images", (json_int_t)meta->test.images, "validation",
                     cli_number(measure_accuracy(meta->validation)), "validation_images",
                     (json_int_t)meta->validation.images);
}

json_t *describe_summary(const struct tnm_model *model) {
    struct tnm_summary s;
    tnm_model_summary(model, &s);
    double kept = ratio_of((double)s.nonzeros, (double)s.weights);
    return json_pack("{s:s, s:I, s:I, s:o, s:I, s:I, s:I, s:o, s:I, s:o}", "name",
                     tnm_model_name(model), "bytes", (json_int_t)s.bytes, "dense_bytes",
                     (json_int_t)s.dense_bytes, "ratio",
                     cli_number(ratio_of((double)s.dense_bytes, (double)s.bytes)), "parameters",
                     (json_int_t)s.parameters, "weights", (json_int_t)s.weights, "nonzeros",
                     (json_int_t)s.nonzeros, "sparsity", cli_number(1 - kept), "bits",
                     (json_int_t)s.bits, "accuracy", describe_accuracy(&model->meta));
}

static json_t *describe_histogram(const struct tnm_model *model, uint32_t index) {
    uint64_t count[256];
    const struct tnm_matrix *m = describe_matrix(model, index);
    if (!describe_codes(model, index, count))
        return json_null();
    json_t *list = json_array();
    for (uint32_t c = 0; c < m->n_centroids; c++)
        json_array_append_new(list, json_pack("{s:o, s:I}", "value", cli_number(m->codebook[c]),
                                              "count", (json_int_t)count[c]));
    return list;
}

bool describe_blocks(const struct tnm_matrix *m, struct describe_blocks *blocks) {
    static const char *const shape[] = {"4x1", "1x4"};
    struct tnm_block_count count;
    *blocks = (struct describe_blocks){0};
    if (m == NULL || !tnm_blocks_count(m, &count) || count.weights == 0)
        return false;
    int best = count.in_full[TNM_WIDE] > count.in_full[TNM_TALL] ? TNM_WIDE : TNM_TALL;
    *blocks = (struct describe_blocks){shape[best], count.blocks[best],
                                       (double)count.in_full[best] / (double)count.weights};
    return true;
}

// Null where nothing is removed, as all that is there is in full blocks then.
static json_t *blocks_of(const struct tnm_matrix *m, const struct tnm_layer *l) {
    struct describe_blocks blocks;
    if (l->nonzeros == l->weights || !describe_blocks(m, &blocks))
        return json_null();
    return json_pack("{s:s, s:I, s:f}", "shape", blocks.shape, "count", (json_int_t)blocks.count,
                     "share", blocks.share);
}

static json_t *describe_layer(const struct tnm_model *model, uint32_t index,
                              const struct tnm_layer *l) {
    const struct tnm_matrix *m = describe_matrix(model, index);
    return json_pack("{s:s, s:s, s:[I, I], s:I, s:I, s:o, s:s, s:I, s:I, s:I, s:s, s:o}", "name",
                     l->name, "op", l->op, "shape", (json_int_t)l->rows, (json_int_t)l->cols,
                     "weights", (json_int_t)l->weights, "nonzeros", (json_int_t)l->nonzeros,
                     "sparsity", cli_number(1 - ratio_of((double)l->nonzeros, (double)l->weights)),
                     "encoding", l->encoding, "bits", (json_int_t)l->bits, "bytes",
                     (json_int_t)l->bytes, "centroids",
                     (json_int_t)(m != NULL ? m->n_centroids : 0), "kernel", l->kernel, "blocks",
                     blocks_of(m, l));
}

json_t *describe_layers(const struct tnm_model *model, bool histogram) {
    struct tnm_layer layer;
    json_t *list = json_array();
    for (uint32_t i = 0; tnm_model_layer(model, i, &layer); i++) {
        json_t *one = describe_layer(model, i, &layer);
        if (histogram)
            json_object_set_new(one, "histogram", describe_histogram(model, i));
        json_array_append_new(list, one);
    }
    return list;
}

static json_t *describe_step(const struct tnm_step *step) {
    char parent[2 * TNM_DIGEST_BYTES + 1];
    tnm_digest_text(step->parent, parent);
    return json_pack("{s:s, s:s, s:I, s:I, s:o, s:o}", "step", step->verb, "parameters",
                     step->parameters, "seed", (json_int_t)step->seed, "nonzeros",
                     (json_int_t)step->nonzeros, "validation",
                     cli_number(measure_accuracy(step->validation)), "parent",
                     step->has_parent ? json_string(parent) : json_null());
}

static json_t *describe_provenance(const struct tnm_meta *meta) {
    json_t *list = json_array();
    for (uint32_t i = 0; i < meta->n_steps; i++)
        json_array_append_new(list, describe_step(&meta->step[i]));
    return list;
}

static json_t *describe_recipe(const struct tnm_recipe *r) {
    static const char *const fit[] = {"fit", "cover", "ink", "none"};
    json_t *mean = json_array(), *deviation = json_array();
    for (uint32_t c = 0; c < r->channels && c < 4; c++) {
        json_array_append_new(mean, cli_number(r->mean[c]));
        json_array_append_new(deviation, cli_number(r->deviation[c]));
    }
    return json_pack("{s:I, s:I, s:I, s:s, s:I, s:o, s:o}", "width", (json_int_t)r->width, "height",
                     (json_int_t)r->height, "channels", (json_int_t)r->channels, "fit", fit[r->fit],
                     "box", (json_int_t)r->box, "mean", mean, "deviation", deviation);
}

static json_t *describe_labels(const struct tnm_model *model) {
    json_t *list = json_array();
    for (size_t i = 0; i < tnm_model_outputs(model); i++)
        json_array_append_new(list, json_string(tnm_model_label(model, i)));
    return list;
}

json_t *describe_model(const struct tnm_model *model) {
    const struct tnm_meta *meta = &model->meta;
    struct tnm_summary s;
    tnm_model_summary(model, &s);
    json_t *all = describe_summary(model);
    json_t *more = json_pack(
        "{s:s, s:s, s:s, s:I, s:o, s:o, s:o, s:o, s:{s:I, s:o}}", "digest", tnm_model_digest(model),
        "description", meta->description, "dataset", meta->dataset, "memory_bytes",
        (json_int_t)s.memory_bytes, "layers", describe_layers(model, true), "labels",
        describe_labels(model), "recipe", describe_recipe(&meta->recipe), "provenance",
        describe_provenance(meta), "self_test", "cases", (json_int_t)meta->self_test.n_cases,
        "tolerance", cli_number(meta->self_test.tolerance));
    json_object_update(all, more);
    json_decref(more);
    return all;
}
