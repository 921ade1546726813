/* SPDX-License-Identifier: MIT */
// What an open model answers about itself.
#include "core/model.h"

#include "core/plan.h"

#include <math.h>

size_t tnm_model_inputs(const struct tnm_model *model) {
    return tnm_tensor_elements(&model->graph.tensor[model->graph.input]);
}

size_t tnm_model_outputs(const struct tnm_model *model) {
    return tnm_tensor_elements(&model->graph.tensor[model->graph.output]);
}

const char *tnm_model_label(const struct tnm_model *model, size_t index) {
    if (index >= tnm_model_outputs(model))
        return NULL;
    return model->counted != NULL ? model->counted + index * TNM_COUNTED_BYTES
                                  : model->meta.label[index];
}

const char *tnm_model_name(const struct tnm_model *model) {
    return model->meta.name;
}

const char *tnm_model_digest(const struct tnm_model *model) {
    return model->digest;
}

const struct tnm_recipe *tnm_model_recipe(const struct tnm_model *model) {
    return &model->meta.recipe;
}

// ---- Numbers -----------------------------------------------------------------------------------

static double share(const struct tnm_score *score) {
    return score->images > 0 ? (double)score->correct / score->images : (double)NAN;
}

static void add_matrix(struct tnm_summary *sum, const struct tnm_matrix *m) {
    uint64_t weights = (uint64_t)m->rows * m->cols;
    sum->weights += weights;
    sum->parameters += weights + (m->bias != NULL ? m->rows : 0);
    sum->nonzeros += m->nonzeros;
    if (m->encoding == TNM_CSR_CODEBOOK && m->bits > sum->bits)
        sum->bits = m->bits;
}

void tnm_model_summary(const struct tnm_model *model, struct tnm_summary *out) {
    *out = (struct tnm_summary){.bytes = model->len,
                                .memory_bytes = model->held + tnm_plan_bytes(model->plan),
                                .test_accuracy = share(&model->meta.test),
                                .validation_accuracy = share(&model->meta.validation)};
    for (uint32_t i = 0; i < model->graph.n_nodes; i++) {
        const struct tnm_node *node = &model->graph.node[i];
        out->n_layers += node->n_weights;
        for (uint32_t k = 0; k < node->n_weights; k++)
            add_matrix(out, &node->w[k]);
    }
    out->dense_bytes = (size_t)(out->parameters * sizeof(float));
}

static void describe_matrix(const struct tnm_model *model, uint32_t i, uint32_t k,
                            struct tnm_layer *out) {
    const struct tnm_node *node = &model->graph.node[i];
    const struct tnm_matrix *m = &node->w[k];
    size_t at = (size_t)i * TNM_MAX_WEIGHTS + k;
    *out = (struct tnm_layer){.name = node->n_weights > 1 ? model->part_name[at] : node->name,
                              .op = tnm_op_name(node->op),
                              .encoding = tnm_encoding_name(m->packed ? TNM_PACKED : m->encoding),
                              .kernel = tnm_plan_kernel(model->plan, i, k),
                              .rows = m->rows,
                              .cols = m->cols,
                              .weights = (uint64_t)m->rows * m->cols,
                              .nonzeros = m->nonzeros,
                              .bits = m->bits,
                              .bytes = model->weight_bytes[at]};
}

bool tnm_model_layer(const struct tnm_model *model, uint32_t index, struct tnm_layer *out) {
    for (uint32_t i = 0; i < model->graph.n_nodes; i++)
        for (uint32_t k = 0; k < model->graph.node[i].n_weights; k++)
            if (index-- == 0) {
                describe_matrix(model, i, k, out);
                return true;
            }
    return false;
}
