/* SPDX-License-Identifier: MIT */
// tnm eval: how many images each model answers rightly, and whether the difference means anything.
#include "models/commands.h"

#include <jansson.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "core/model.h"
#include "models/cli.h"
#include "models/measure.h"

struct settings {
    const char *data;
    uint32_t split, threads;
    bool json, brief;
};

#define AT(field) offsetof(struct settings, field)

static const struct cli_option options[] = {
    CLI_DATA(AT(data), CLI_MUST),
    {"split", 0, CLI_CHOICE, AT(split), "test|validation|train", "test", 0, 0,
     "which images: choose on validation, report on test"},
    {"brief", 0, CLI_FLAG, AT(brief), NULL, NULL, 0, 0, "leave out the confusion"},
    CLI_JSON(AT(json)),
    CLI_THREADS(AT(threads)),
};

static const struct cli_command command = {
    "eval",
    "M.tnm... --data DIR",
    "Counts the right answers of each model, one image at a time, as the daemon answers.\n\n"
    "Prints the accuracy with its 95 % interval (Wilson), the confusion (rows: what it was,\n"
    "columns: what was answered), and for each further model how it differs from the first: how\n"
    "many images only one of them got right, and p of McNemar's test (a small p: not by chance).",
    options,
    sizeof options / sizeof *options,
    1,
    CLI_MAX_OPERANDS};

static enum data_split wanted_split(const struct settings *s) {
    static const enum data_split split[] = {DATA_TEST, DATA_VALIDATION, DATA_TRAIN};
    return split[s->split];
}

// One model's answers; the data is read anew, as its classes may stand in another order.
static bool evaluate(struct measure *m, const struct settings *s, const struct tnm_model *model,
                     struct tnm_error *err) {
    struct dataset data;
    enum data_split split = wanted_split(s);
    if (!measure_data(&data, s->data, &model->meta, tnm_model_outputs(model), split != DATA_TEST,
                      split == DATA_TEST, err))
        return false;
    bool ok = data.set[split].n > 0
                  ? measure_run(m, model, &data.set[split], data.inputs, s->threads, err)
                  : tnm_fail(err, TNM_EINPUT, "%s has no %s set", s->data, data_split_name(split));
    dataset_close(&data);
    return ok;
}

// ---- Text --------------------------------------------------------------------------------------

enum {
    MOST_CLASSES = 20 // of a confusion that is readable on a terminal
};

static void print_confusion(const struct tnm_model *model, const struct measure *m) {
    if (m->classes > MOST_CLASSES)
        return;
    printf("  %-10s", "");
    for (uint32_t c = 0; c < m->classes; c++)
        printf(" %5.5s", tnm_model_label(model, c));
    printf("\n");
    for (uint32_t r = 0; r < m->classes; r++) {
        printf("  %-10.10s", tnm_model_label(model, r));
        for (uint32_t c = 0; c < m->classes; c++) {
            uint32_t n = m->confusion[r * m->classes + c];
            if (n > 0)
                printf(" %5u", n);
            else
                printf("     .");
        }
        printf("\n");
    }
}

static void print_model(const char *file, const struct measure *m, const struct measure *first) {
    double low, high;
    struct tnm_score score = {m->correct, m->images};
    measure_interval(score, &low, &high);
    printf("%s: %u of %u right, %.2f %% (95 %% interval %.2f to %.2f)\n", file, m->correct,
           m->images, 100 * measure_accuracy(score), 100 * low, 100 * high);
    if (first != m) {
        struct measure_pair pair = measure_compare(first, m);
        printf("  against the first: only the first right %u, only this one %u; McNemar p = %.3g\n",
               pair.only_first, pair.only_second, pair.p);
    }
}

// ---- JSON --------------------------------------------------------------------------------------

static json_t *confusion_json(const struct measure *m) {
    json_t *rows = json_array();
    for (uint32_t r = 0; r < m->classes; r++) {
        json_t *row = json_array();
        for (uint32_t c = 0; c < m->classes; c++)
            json_array_append_new(row, json_integer(m->confusion[(size_t)r * m->classes + c]));
        json_array_append_new(rows, row);
    }
    return rows;
}

static json_t *against_json(const struct measure *first, const struct measure *m) {
    struct measure_pair pair = measure_compare(first, m);
    return json_pack("{s:I, s:I, s:o}", "only_first", (json_int_t)pair.only_first, "only_this",
                     (json_int_t)pair.only_second, "mcnemar_p", cli_number(pair.p));
}

static json_t *model_json(const char *file, const struct tnm_model *model, const struct measure *m,
                          const struct measure *first) {
    double low, high;
    struct tnm_score score = {m->correct, m->images};
    measure_interval(score, &low, &high);
    return json_pack("{s:s, s:s, s:s, s:I, s:I, s:o, s:[o, o], s:o, s:o}", "name",
                     tnm_model_name(model), "file", file, "digest", tnm_model_digest(model),
                     "images", (json_int_t)m->images, "correct", (json_int_t)m->correct, "accuracy",
                     cli_number(measure_accuracy(score)), "interval", cli_number(low),
                     cli_number(high), "confusion", confusion_json(m), "against_first",
                     first != m ? against_json(first, m) : json_null());
}

// ---- All of it ---------------------------------------------------------------------------------

static bool eval_one(const struct settings *s, const char *file, struct measure *m,
                     const struct measure *first, json_t *list, struct tnm_error *err) {
    struct tnm_model *model = tnm_model_open(file, err);
    const bool was_opened = model != NULL;
    bool ok = was_opened && evaluate(m, s, model, err);
    if (ok && m->images != first->images)
        ok = tnm_fail(err, TNM_EINPUT, "%u images, the first model had %u", m->images,
                      first->images);
    if (ok && s->json)
        json_array_append_new(list, model_json(file, model, m, first));
    else if (ok)
        print_model(file, m, first);
    if (ok && !s->json && !s->brief)
        print_confusion(model, m);
    tnm_model_close(model);
    return ok || (was_opened && tnm_fail_in(err, "%s", file)); // what cannot be opened is named
}

int cmd_eval(int argc, char **argv) {
    struct settings s;
    struct cli_operands files;
    struct measure first = {0};
    struct tnm_error err;
    int code = cli_parse(&command, argc, argv, &s, &files);
    if (code != CLI_GO)
        return code;
    json_t *list = json_array();
    bool ok = eval_one(&s, files.item[0], &first, &first, list, &err);
    for (uint32_t i = 1; ok && i < files.n; i++) {
        struct measure m = {0};
        ok = eval_one(&s, files.item[i], &m, &first, list, &err);
        measure_free(&m);
    }
    measure_free(&first);
    code = ok ? cli_finish() : cli_fail(&err);
    if (ok && s.json)
        code = cli_print_json(json_pack("{s:s, s:s, s:O}", "data", s.data, "split",
                                        data_split_name(wanted_split(&s)), "models", list));
    json_decref(list);
    return code;
}
