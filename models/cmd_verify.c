/* SPDX-License-Identifier: MIT */
// tnm verify: everything that a reader checks, and the self-test; one line a file.
#include "models/commands.h"

#include <jansson.h>
#include <stddef.h>
#include <stdio.h>

#include "core/error.h"
#include "core/model.h"
#include "models/cli.h"

struct settings {
    bool json;
};

static const struct cli_option options[] = {CLI_JSON(offsetof(struct settings, json))};

static const struct cli_command command = {
    "verify",
    "M.tnm...",
    "Checks files: every rule of core/FORMAT.md, the checksum, and that the network gives the\n"
    "answers stored with it. One line for each file; exits 1 if one of them fails.",
    options,
    sizeof options / sizeof *options,
    1,
    CLI_MAX_OPERANDS};

static json_t *verdict(const char *file, const struct tnm_model *model,
                       const struct tnm_error *err) {
    return json_pack("{s:s, s:b, s:o, s:o, s:I}", "file", file, "ok", err == NULL, "error",
                     err != NULL ? json_string(err->text) : json_null(), "digest",
                     model != NULL ? json_string(tnm_model_digest(model)) : json_null(),
                     "self_tests", (json_int_t)(model != NULL ? model->meta.self_test.n_cases : 0));
}

static bool verify(const char *file, json_t *list) {
    struct tnm_error err;
    struct tnm_model *model = tnm_model_open(file, &err);
    bool ok = model != NULL && tnm_model_self_test(model, &err);
    if (list != NULL)
        json_array_append_new(list, verdict(file, model, ok ? NULL : &err));
    else if (!ok)
        printf("%s%s%s\n", model != NULL ? file : "", model != NULL ? ": " : "", err.text);
    else
        printf("%s: ok, %zu bytes, self-test of %u inputs passed\n", file, model->len,
               model->meta.self_test.n_cases);
    tnm_model_close(model);
    return ok;
}

int cmd_verify(int argc, char **argv) {
    struct settings s;
    struct cli_operands files;
    int code = cli_parse(&command, argc, argv, &s, &files);
    if (code != CLI_GO)
        return code;
    json_t *list = s.json ? json_array() : NULL;
    uint32_t failed = 0;
    for (uint32_t i = 0; i < files.n; i++)
        failed += !verify(files.item[i], list);
    code =
        s.json
            ? cli_print_json(json_pack("{s:o, s:I}", "files", list, "failed", (json_int_t)failed))
            : cli_finish();
    if (failed == 0 || code != CLI_OK)
        return code;
    struct tnm_error err;
    tnm_fail(&err, TNM_EFORMAT, "%u of %u files failed", failed, files.n);
    return cli_fail(&err);
}
