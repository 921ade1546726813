/* SPDX-License-Identifier: MIT */
// Models for tests of shelf and service.
#include "tests/made.h"

#include "core/save.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// A small generator of its own: the models need only differ.
static uint32_t next(uint32_t *state) {
    *state = *state * 1664525U + 1013904223U;
    return *state >> 8;
}

static void make_graph(struct tnm_graph *graph, unsigned seed) {
    struct tnm_error err;
    float w[MADE_OUTPUTS * MADE_INPUTS], bias[MADE_OUTPUTS];
    uint32_t state = seed * 2654435761U + 1;
    for (size_t i = 0; i < MADE_OUTPUTS * MADE_INPUTS; i++)
        w[i] = next(&state) % 10 == 0 ? (float)(next(&state) % 2001) / 1000.0F - 1.0F : 0;
    for (size_t i = 0; i < MADE_OUTPUTS; i++)
        bias[i] = (float)(next(&state) % 2001) / 1000.0F - 1.0F;
    ck_assert(tnm_graph_init(graph, 2, 1, &err));
    graph->tensor[0] = (struct tnm_tensor){"pixels", 1, {MADE_INPUTS}};
    graph->tensor[1] = (struct tnm_tensor){"logits", 1, {MADE_OUTPUTS}};
    graph->input = 0;
    graph->output = 1;
    struct tnm_node *node = &graph->node[0];
    snprintf(node->name, sizeof node->name, "fc1");
    node->op = TNM_OP_LINEAR;
    node->n_inputs = 1;
    node->output = 1;
    node->n_weights = 1;
    const struct tnm_matrix_source source = {.rows = MADE_OUTPUTS,
                                             .cols = MADE_INPUTS,
                                             .encoding = TNM_CSR,
                                             .bits = 32,
                                             .w = w,
                                             .bias = bias};
    ck_assert_msg(tnm_matrix_make(&node->w[0], &source, &err), "%s", err.text);
}

static struct made encode(const struct tnm_graph *graph, const struct tnm_meta *meta) {
    struct made made = {0};
    struct tnm_error err;
    ck_assert_msg(tnm_encode(graph, meta, &made.bytes, &made.len, &err), "%s", err.text);
    return made;
}

struct made made_model(unsigned seed, bool wrong_self_test) {
    struct tnm_graph graph;
    struct tnm_error err;
    struct tnm_meta meta = {.recipe = {.width = 28,
                                       .height = 28,
                                       .channels = 1,
                                       .fit = TNM_FIT_INK,
                                       .box = 20,
                                       .deviation = {1}}};
    snprintf(meta.name, sizeof meta.name, "made-%u", seed);
    make_graph(&graph, seed);
    struct made plain = encode(&graph, &meta);
    const struct tnm_limits limits = {1 << 24, 1 << 24};
    struct tnm_model *model = tnm_model_from_bytes(plain.bytes, plain.len, &limits, &err);
    ck_assert_msg(model != NULL, "%s", err.text);
    uint8_t x[MADE_INPUTS];
    float logits[MADE_OUTPUTS];
    made_input(0, x);
    made_answer(model, 0, logits);
    tnm_model_close(model);
    logits[0] += wrong_self_test ? 1.0F : 0.0F;
    meta.self_test = (struct tnm_self_test){.n_cases = 1,
                                            .inputs = MADE_INPUTS,
                                            .outputs = MADE_OUTPUTS,
                                            .tolerance = 1e-4F,
                                            .x = x,
                                            .logits = logits};
    struct made made = encode(&graph, &meta);
    made_free(&plain);
    tnm_graph_free(&graph);
    return made;
}

void made_free(struct made *made) {
    free(made->bytes);
    *made = (struct made){0};
}

void made_input(unsigned i, uint8_t pixels[MADE_INPUTS]) {
    uint32_t state = i * 40503U + 7;
    for (size_t k = 0; k < MADE_INPUTS; k++)
        pixels[k] = next(&state) % 5 == 0 ? (uint8_t)next(&state) : 0;
}

void made_answer(const struct tnm_model *model, unsigned i, float logits[MADE_OUTPUTS]) {
    uint8_t pixels[MADE_INPUTS];
    float x[MADE_INPUTS];
    made_input(i, pixels);
    for (size_t k = 0; k < MADE_INPUTS; k++)
        x[k] = (float)pixels[k] / 255.0F;
    struct tnm_session *session = tnm_session_open(model, 1, NULL);
    ck_assert_ptr_nonnull(session);
    tnm_session_run(session, x, 1, logits);
    tnm_session_close(session);
}
