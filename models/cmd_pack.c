/* SPDX-License-Identifier: MIT */
// tnm pack and tnm unpack: to and from the packed encoding, and what else makes a file small.
#include "models/commands.h"

#include <errno.h>
#include <float.h>
#include <jansson.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/format.h"
#include "core/packed.h"
#include "core/prepare.h"
#include "core/save.h"
#include "models/cli.h"
#include "models/describe.h"

enum { KEEP = 0, SMALLER = 1, NONE = 2 }; // of what a file says of itself; none where there is any
enum { SEEDED_CASES = 2 };

struct settings {
    const char *output;
    uint32_t self_test, provenance, names;
    uint64_t seed;
    bool small, json;
};

#define AT(field) offsetof(struct settings, field)

static const struct cli_option pack_options[] = {
    CLI_OUTPUT(AT(output)),
    {"self-test", 0, CLI_CHOICE, AT(self_test), "keep|seeded|none", "keep", 0, 0,
     "seeded: inputs made from a seed, answers in a byte each"},
    {"provenance", 0, CLI_CHOICE, AT(provenance), "keep|short|none", "keep", 0, 0,
     "short: without parameters and digests"},
    {"names", 0, CLI_CHOICE, AT(names), "keep|short", "keep", 0, 0,
     "short: only layers with weights keep theirs; no description"},
    {"small", 0, CLI_FLAG, AT(small), NULL, NULL, 0, 0,
     "--self-test seeded --provenance short --names short"},
    CLI_SEED(AT(seed)),
    CLI_JSON(AT(json)),
};

static const struct cli_option unpack_options[] = {
    CLI_OUTPUT(AT(output)),
    CLI_JSON(AT(json)),
};

static const struct cli_command pack_command = {
    "pack",
    "S.tnm -o T.tnm",
    "Writes a network in as few bytes as possible: layers with shared weights become packed.\n\n"
    "Nothing of the weights is lost: tnm unpack gives back the very file, byte for byte, unless "
    "one\n"
    "of the options below left something out. The network keeps its name and gets no new step of\n"
    "provenance, as it is the same network. Layers without shared weights stay as they are.",
    pack_options,
    sizeof pack_options / sizeof *pack_options,
    1,
    1};

static const struct cli_command unpack_command = {
    "unpack",
    "T.tnm -o S.tnm",
    "Writes packed layers as csr-codebook, to be used in place.\n\n"
    "Gives back the file that tnm pack was given, byte for byte, if it left nothing out.",
    unpack_options,
    sizeof unpack_options / sizeof *unpack_options,
    1,
    1};

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

static void mark_unpacked(struct tnm_model *model) {
    for (uint32_t i = 0; i < model->graph.n_nodes; i++)
        for (uint32_t k = 0; k < model->graph.node[i].n_weights; k++)
            model->graph.node[i].w[k].packed = false;
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

static void shorten_provenance(struct tnm_meta *meta, uint32_t how) {
    for (uint32_t i = 0; i < meta->n_steps; i++) {
        meta->step[i].parameters[0] = 0;
        meta->step[i].has_parent = false;
    }
    if (how == NONE)
        meta->n_steps = 0;
}

static bool shorten(struct tnm_model *model, const struct settings *s, struct tnm_error *err) {
    struct tnm_meta *meta = &model->meta;
    if (s->provenance != KEEP || s->small)
        shorten_provenance(meta, s->provenance);
    if (s->names != KEEP || s->small) {
        shorten_names(model);
        if (labels_count(meta))
            meta->n_labels = 0;
    }
    if (s->self_test == NONE)
        meta->self_test.n_cases = 0;
    else if (s->self_test == SMALLER || s->small)
        return make_seeded(model, s->seed, err);
    return true;
}

// ---- Both commands -----------------------------------------------------------------------------

// Bytes of each section; the rest is header and directory.
static void tell_sections(const uint8_t *file, const char *output, size_t before) {
    static const char *const name[] = {"", "meta", "graph", "self-test", "weights"};
    unsigned n = load_u16(file + TNM_AT_SECTIONS);
    size_t total = TNM_HEADER_BYTES + n * TNM_ENTRY_BYTES, head = total;
    for (unsigned i = 0; i < n; i++)
        total += load_u32(file + TNM_HEADER_BYTES + i * TNM_ENTRY_BYTES + TNM_AT_LENGTH);
    printf("%s: %zu bytes from %zu: header %zu", output, total, before, head);
    for (unsigned i = 0; i < n; i++) {
        const uint8_t *entry = file + TNM_HEADER_BYTES + i * TNM_ENTRY_BYTES;
        printf(", %s %u", name[load_u16(entry)], load_u32(entry + TNM_AT_LENGTH));
    }
    printf("\n");
}

static int tell(const struct settings *s, const uint8_t *file, size_t before) {
    struct tnm_error err;
    struct tnm_model *model = s->json ? tnm_model_open(s->output, &err) : NULL;
    if (!s->json) {
        tell_sections(file, s->output, before);
        return cli_finish();
    }
    if (model == NULL)
        return cli_fail(&err);
    json_t *all = describe_summary(model);
    json_object_set_new(all, "before", json_integer((json_int_t)before));
    json_object_set_new(all, "layers", describe_layers(model, false));
    tnm_model_close(model);
    return cli_print_json(all);
}

// Frees the model.
static int finish(const struct settings *s, struct tnm_model *model, bool ok,
                  struct tnm_error *err) {
    uint8_t *bytes = NULL;
    size_t len = 0, before = model->len;
    ok = ok && tnm_encode(&model->graph, &model->meta, &bytes, &len, err) &&
         tnm_write_file(s->output, bytes, len, err);
    tnm_model_close(model);
    int code = ok ? tell(s, bytes, before) : cli_fail(err);
    free(bytes);
    return code;
}

int cmd_pack(int argc, char **argv) {
    struct settings s;
    struct cli_operands files;
    struct tnm_error err;
    int code = cli_parse(&pack_command, argc, argv, &s, &files);
    if (code != CLI_GO)
        return code;
    struct tnm_model *model = tnm_model_open(files.item[0], &err);
    if (model == NULL)
        return cli_fail(&err);
    bool ok = (mark_packed(model, &err) && shorten(model, &s, &err)) ||
              tnm_fail_in(&err, "%s", files.item[0]);
    return finish(&s, model, ok, &err);
}

int cmd_unpack(int argc, char **argv) {
    struct settings s = {0};
    struct cli_operands files;
    struct tnm_error err;
    int code = cli_parse(&unpack_command, argc, argv, &s, &files);
    if (code != CLI_GO)
        return code;
    struct tnm_model *model = tnm_model_open(files.item[0], &err);
    if (model == NULL)
        return cli_fail(&err);
    mark_unpacked(model);
    return finish(&s, model, true, &err);
}
