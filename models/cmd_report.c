/* SPDX-License-Identifier: MIT */
// tnm report: the steps in logs of --log as a table in Markdown, or what is worth keeping of them.
#include "models/commands.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "models/cli.h"

struct settings {
    const char *label;
    bool lines;
};

#define AT(field) offsetof(struct settings, field)

static const struct cli_option options[] = {
    {"label", 0, CLI_TEXT, AT(label), "KEY", NULL, 0, 0,
     "start each row with this key of the step, or this option of it, not with the step"},
    {"lines", 0, CLI_FLAG, AT(lines), NULL, NULL, 0, 0,
     "print the steps as JSON lines again, without their epochs and layers"},
};

static const struct cli_command command = {
    "report",
    "LOG...",
    "Prints the steps that --log wrote to files as a table in Markdown: accuracy before and "
    "after,\n"
    "weights left, bytes, and how much smaller than the dense network as plain floats that is.\n"
    "What squeeze did on its way comes before it, a row for each stage.",
    options,
    sizeof options / sizeof *options,
    1,
    CLI_MAX_OPERANDS};

// ---- Cells -------------------------------------------------------------------------------------

static void print_percent(const json_t *value, double scale) {
    if (json_is_number(value))
        printf(" %.2f %% |", scale * json_number_value(value));
    else
        printf(" |");
}

static void print_accuracy(const json_t *object) {
    print_percent(json_object_get(object, "validation"), 100);
    print_percent(json_object_get(object, "test"), 100);
}

// 1234567 as 1,234,567.
static void print_count(const json_t *value) {
    char digits[24];
    if (!json_is_integer(value)) {
        printf(" |");
        return;
    }
    snprintf(digits, sizeof digits, "%lld", (long long)json_integer_value(value));
    size_t len = strlen(digits);
    printf(" ");
    for (size_t i = 0; i < len; i++)
        printf("%s%c", i > 0 && (len - i) % 3 == 0 ? "," : "", digits[i]);
    printf(" |");
}

static const char *text_of(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

// The value of --KEY among the options of a step; its length is 0 where it is not there.
static const char *parameter(const json_t *step, const char *key, int *len) {
    char option[64];
    snprintf(option, sizeof option, "--%s ", key);
    const char *found = strstr(text_of(step, "options"), option);
    if (found == NULL)
        found = "";
    else
        found += strlen(option);
    *len = (int)strcspn(found, " ");
    return found;
}

static void print_label(const json_t *step, const char *label) {
    int len;
    if (label == NULL) {
        printf("| %s |", text_of(step, "step"));
        return;
    }
    const json_t *value = json_object_get(step, label);
    const char *text = parameter(step, label, &len);
    if (json_is_string(value))
        printf("| %s |", json_string_value(value));
    else if (len > 0)
        printf("| %.*s |", len, text);
    else if (json_is_number(value))
        printf("| %g |", json_number_value(value));
    else
        printf("| |");
}

// A stage of squeeze is measured on the validation images alone.
static void print_stages(const json_t *step) {
    size_t i;
    const json_t *stage;
    json_array_foreach(json_object_get(step, "stages"), i, stage) {
        printf("| squeeze | %s | | |", text_of(stage, "stage"));
        print_percent(json_object_get(stage, "validation"), 100);
        printf(" |");
        print_count(json_object_get(stage, "nonzeros"));
        printf(" |");
        print_count(json_object_get(stage, "bytes"));
        printf(" |\n");
    }
}

static void print_row(const json_t *step, const struct settings *s) {
    if (s->label == NULL)
        print_stages(step);
    print_label(step, s->label);
    printf(" %s |", text_of(step, "name"));
    print_accuracy(json_object_get(step, "before"));
    print_accuracy(json_object_get(step, "accuracy"));
    print_count(json_object_get(step, "nonzeros"));
    print_percent(json_object_get(step, "sparsity"), 100);
    print_count(json_object_get(step, "bytes"));
    printf(" %.1fx |\n", json_number_value(json_object_get(step, "ratio")));
}

static void print_head(const struct settings *s) {
    printf(
        "| %s | model | validation before | test before | validation after | test after | "
        "weights left | removed | bytes | smaller |\n|---|---|--:|--:|--:|--:|--:|--:|--:|--:|\n",
        s->label != NULL ? s->label : "step");
}

// ---- The log -----------------------------------------------------------------------------------

static void print_line(json_t *step) {
    json_object_del(step, "epochs");
    json_object_del(step, "layers");
    json_dumpf(step, stdout, JSON_COMPACT | JSON_REAL_PRECISION(6));
    printf("\n");
}

static bool print_log(FILE *log, const char *path, const struct settings *s,
                      struct tnm_error *err) {
    json_error_t error;
    for (unsigned line = 1;; line++) {
        int c = fgetc(log);
        if (c == EOF)
            return !ferror(log) || tnm_fail(err, TNM_EIO, "%s: cannot read", path);
        ungetc(c, log);
        if (c == '\n' && fgetc(log) == '\n')
            continue;
        json_t *step = json_loadf(log, JSON_DISABLE_EOF_CHECK, &error);
        if (step == NULL || !json_is_string(json_object_get(step, "step"))) {
            json_decref(step);
            return tnm_fail(err, TNM_EFORMAT, "%s: entry %u is no step: %.100s", path, line,
                            step == NULL ? error.text : "no key \"step\"");
        }
        if (s->lines)
            print_line(step);
        else
            print_row(step, s);
        json_decref(step);
    }
}

static bool print_file(const char *path, const struct settings *s, struct tnm_error *err) {
    FILE *log = fopen(path, "re");
    if (log == NULL)
        return tnm_fail_errno(err, errno, "%s", path);
    bool ok = print_log(log, path, s, err);
    fclose(log);
    return ok;
}

int cmd_report(int argc, char **argv) {
    struct settings s;
    struct cli_operands files;
    struct tnm_error err;
    int code = cli_parse(&command, argc, argv, &s, &files);
    if (code != CLI_GO)
        return code;
    if (!s.lines)
        print_head(&s);
    for (uint32_t i = 0; i < files.n; i++)
        if (!print_file(files.item[i], &s, &err))
            return cli_fail(&err);
    return cli_finish();
}
