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
    uint32_t self_test, provenance, names; // enum pack_part
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
         tnm_write_file(s->output, bytes, len, err) && append_log(s, before, err);
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
    struct pack how = s.small
                          ? pack_small(s.seed)
                          : (struct pack){(enum pack_part)s.self_test, (enum pack_part)s.provenance,
                                          (enum pack_part)s.names, s.seed};
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
