/* SPDX-License-Identifier: MIT */
// tnm pack and tnm unpack: to and from the packed encoding, and what else makes a file small.
#include "models/commands.h"

#include <jansson.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/error.h"
#include "core/format.h"
#include "core/save.h"
#include "models/cli.h"
#include "models/describe.h"
#include "models/pack.h"

struct settings {
    const char *output, *log;
    uint32_t self_test, provenance, names, sections; // enum pack_part
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
    {"sections", 0, CLI_CHOICE, AT(sections), "keep|coded", "keep", 0, 0,
     "coded: all that is not weights as one compressed section, with the packed layers"},
    {"small", 0, CLI_FLAG, AT(small), NULL, NULL, 0, 0,
     "--self-test seeded --provenance short --names short --sections coded"},
    CLI_SEED(AT(seed)),
    CLI_LOG(AT(log)),
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

// ---- Both commands -----------------------------------------------------------------------------

// Bytes of the packed layers of a coded file.
static size_t coded_weights(const struct tnm_model *model) {
    size_t sum = 0;
    for (size_t i = 0; i < (size_t)model->graph.n_nodes * TNM_MAX_WEIGHTS; i++)
        if (model->graph.node[i / TNM_MAX_WEIGHTS].w[i % TNM_MAX_WEIGHTS].packed)
            sum += model->weight_bytes[i];
    return sum;
}

// A line like those of the commands that make a network.
static bool append_log(const struct settings *s, size_t before, struct tnm_error *err) {
    struct tnm_model *model = s->log != NULL ? tnm_model_open(s->output, err) : NULL;
    if (model == NULL)
        return s->log == NULL;
    json_t *step = json_pack("{s:s, s:s, s:I, s:{s:I}}", "step", "pack", "output", s->output,
                             "seed", (json_int_t)s->seed, "before", "bytes", (json_int_t)before);
    json_t *after = describe_summary(model);
    json_object_update(step, after);
    json_object_update(json_object_get(step, "before"), json_object_get(after, "accuracy"));
    json_decref(after);
    tnm_model_close(model);
    return cli_log(s->log, step, err);
}

// Bytes of each section; the rest is header and directory.
static int tell_sections(const struct tnm_model *model, const char *output, size_t before) {
    static const char *const name[] = {"", "meta", "graph", "self-test", "weights"};
    const uint8_t *entry = model->bytes + TNM_HEADER_BYTES;
    unsigned n = load_u16(model->bytes + TNM_AT_SECTIONS);
    size_t head = TNM_HEADER_BYTES + n * TNM_ENTRY_BYTES;
    printf("%s: %zu bytes from %zu: header %zu", output, model->len, before, head);
    for (unsigned i = 0; i < n && !model->graph.coded; i++, entry += TNM_ENTRY_BYTES)
        printf(", %s %u", name[load_u16(entry)], load_u32(entry + TNM_AT_LENGTH));
    if (model->graph.coded) {
        size_t coded = load_u32(entry + (n - 1) * TNM_ENTRY_BYTES + TNM_AT_LENGTH);
        size_t rest = coded - coded_weights(model);
        printf(", meta with graph and self-test %zu, weights %zu", rest, model->len - head - rest);
    }
    printf("\n");
    return cli_finish();
}

static int tell_json(const struct tnm_model *model, size_t before) {
    json_t *all = describe_summary(model);
    json_object_set_new(all, "before", json_integer((json_int_t)before));
    json_object_set_new(all, "layers", describe_layers(model, false));
    return cli_print_json(all);
}

static int tell(const struct settings *s, size_t before) {
    struct tnm_error err;
    struct tnm_model *model = tnm_model_open(s->output, &err);
    if (model == NULL)
        return cli_fail(&err);
    int code = s->json ? tell_json(model, before) : tell_sections(model, s->output, before);
    tnm_model_close(model);
    return code;
}

// Frees the model.
static int finish(const struct settings *s, struct tnm_model *model, bool ok,
                  struct tnm_error *err) {
    uint8_t *bytes = NULL;
    size_t len = 0, before = model->len;
    ok = ok && tnm_encode(&model->graph, &model->meta, &bytes, &len, err) &&
         tnm_write_file(s->output, bytes, len, err) && append_log(s, before, err);
    tnm_model_close(model);
    int code = ok ? tell(s, before) : cli_fail(err);
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
    struct pack how =
        s.small ? pack_small(s.seed)
                : (struct pack){(enum pack_part)s.self_test, (enum pack_part)s.provenance,
                                (enum pack_part)s.names, (enum pack_part)s.sections, s.seed};
    if (s.small && s.self_test != PACK_KEEP)
        how.self_test = (enum pack_part)s.self_test;
    if (s.small && s.provenance != PACK_KEEP)
        how.provenance = (enum pack_part)s.provenance;
    bool ok = pack_model(model, &how, &err) || tnm_fail_in(&err, "%s", files.item[0]);
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
    pack_undo(model);
    return finish(&s, model, true, &err);
}
