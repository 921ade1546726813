/* SPDX-License-Identifier: MIT */
// tnm eval: how many images each model answers rightly, and whether the difference means anything.
#include "models/commands.h"

#include <jansson.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "core/model.h"
#include "core/statistics.h"
#include "models/cli.h"
#include "models/ensemble.h"
#include "models/measure.h"

struct settings {
    const char *data, *against;
    uint32_t split, threads;
    bool json, brief, ensemble;
};

#define AT(field) offsetof(struct settings, field)

static const struct cli_option options[] = {
    CLI_DATA(AT(data), CLI_MUST),
    {"split", 0, CLI_CHOICE, AT(split), "test|validation|train", "test", 0, 0,
     "which images: choose on validation, report on test"},
    {"ensemble", 0, CLI_FLAG, AT(ensemble), NULL, NULL, 0, 0,
     "also the mean of the models' probabilities, as one more model"},
    {"against", 0, CLI_PATH, AT(against), "M.tnm", NULL, 0, 0,
     "compare with this one, which is no member, and not with the first"},
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
    "many images only one of them got right, and p of McNemar's test (a small p: not by chance).\n"
    "The members of an ensemble must take the same pictures and have the same labels.",
    options,
    sizeof options / sizeof *options,
    1,
    CLI_MAX_OPERANDS};

static enum data_split wanted_split(const struct settings *s) {
    static const enum data_split split[] = {DATA_TEST, DATA_VALIDATION, DATA_TRAIN};
    return split[s->split];
}

// What goes from model to model.
struct evaluation {
    const struct settings *s;
    struct measure first;     // the one that the others are compared with
    struct ensemble ensemble; // of no members where none is wanted
    json_t *list;
};

// One model's answers; the data is read anew, as its classes may stand in another order.
static bool evaluate(struct evaluation *e, const struct tnm_model *model, bool is_member,
                     struct measure *m, struct tnm_error *err) {
    struct dataset data;
    const struct settings *s = e->s;
    enum data_split split = wanted_split(s);
    if (!measure_data(&data, s->data, &model->meta, tnm_model_outputs(model), split != DATA_TEST,
                      split == DATA_TEST, err))
        return false;
    const struct data_set *set = &data.set[split];
    bool ok = set->n > 0;
    if (!ok)
        tnm_fail(err, TNM_EINPUT, "%s has no %s set", s->data, data_split_name(split));
    else if (is_member)
        ok = ensemble_add(&e->ensemble, model, set, data.inputs, s->threads, m, err);
    else
        ok = measure_run(m, model, set, data.inputs, s->threads, err);
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

static void print_result(const char *what, const struct measure *m, const struct measure *first) {
    double low, high;
    struct tnm_score score = {m->correct, m->images};
    tnm_interval(score.correct, score.images, &low, &high);
    printf("%s: %u of %u right, %.2f %% (95 %% interval %.2f to %.2f)\n", what, m->correct,
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

// images, correct, accuracy, interval, confusion, against_first.
static json_t *result_json(const struct measure *m, const struct measure *first) {
    double low, high;
    struct tnm_score score = {m->correct, m->images};
    tnm_interval(score.correct, score.images, &low, &high);
    return json_pack("{s:I, s:I, s:o, s:[o, o], s:o, s:o}", "images", (json_int_t)m->images,
                     "correct", (json_int_t)m->correct, "accuracy",
                     cli_number(measure_accuracy(score)), "interval", cli_number(low),
                     cli_number(high), "confusion", confusion_json(m), "against_first",
                     first != m ? against_json(first, m) : json_null());
}

// Frees result.
static json_t *joined(json_t *head, json_t *result) {
    json_object_update(head, result);
    json_decref(result);
    return head;
}

static json_t *model_json(const char *file, const struct tnm_model *model, json_t *result) {
    struct tnm_summary summary;
    tnm_model_summary(model, &summary);
    return joined(json_pack("{s:s, s:s, s:s, s:I}", "name", tnm_model_name(model), "file", file,
                            "digest", tnm_model_digest(model), "bytes", (json_int_t)summary.bytes),
                  result);
}

// ---- All of it ---------------------------------------------------------------------------------

static bool eval_one(struct evaluation *e, const char *file, bool is_member, struct measure *m,
                     struct tnm_error *err) {
    struct tnm_model *model = tnm_model_open(file, err);
    const bool was_opened = model != NULL;
    bool ok = was_opened && evaluate(e, model, is_member, m, err);
    if (ok && m->images != e->first.images)
        ok = tnm_fail(err, TNM_EINPUT, "%u images, the first model had %u", m->images,
                      e->first.images);
    if (ok && e->s->json)
        json_array_append_new(e->list, model_json(file, model, result_json(m, &e->first)));
    else if (ok)
        print_result(file, m, &e->first);
    if (ok && !e->s->json && !e->s->brief)
        print_confusion(model, m);
    tnm_model_close(model);
    return ok || (was_opened && tnm_fail_in(err, "%s", file)); // what cannot be opened is named
}

static bool eval_all(struct evaluation *e, const struct cli_operands *files,
                     struct tnm_error *err) {
    bool is_first_told = e->s->against != NULL;
    if (is_first_told && !eval_one(e, e->s->against, false, &e->first, err))
        return false;
    for (uint32_t i = 0; i < files->n; i++) {
        struct measure own = {0}, *m = i > 0 || is_first_told ? &own : &e->first;
        bool ok = eval_one(e, files->item[i], e->s->ensemble, m, err);
        measure_free(&own);
        if (!ok)
            return false;
    }
    return true;
}

// Finds out before the long work which of the files cannot be members.
static bool check_members(const struct cli_operands *files, struct tnm_error *err) {
    struct tnm_model *first = tnm_model_open(files->item[0], err);
    bool ok = first != NULL;
    for (uint32_t i = 1; ok && i < files->n; i++) {
        struct tnm_model *model = tnm_model_open(files->item[i], err);
        ok = model != NULL &&
             (ensemble_agree(first, model, err) || tnm_fail_in(err, "%s", files->item[i]));
        tnm_model_close(model);
    }
    tnm_model_close(first);
    return ok;
}

static bool tell_ensemble(struct evaluation *e, json_t **document, struct tnm_error *err) {
    char what[80];
    struct measure m;
    const struct ensemble *all = &e->ensemble;
    if (!ensemble_measure(all, &m, err))
        return false;
    snprintf(what, sizeof what, "ensemble of %u, %llu bytes in all", all->n,
             (unsigned long long)all->bytes);
    if (e->s->json)
        *document = joined(
            json_pack("{s:I, s:I}", "members", (json_int_t)all->n, "bytes", (json_int_t)all->bytes),
            result_json(&m, &e->first));
    else
        print_result(what, &m, &e->first);
    measure_free(&m);
    return true;
}

static json_t *document(const struct evaluation *e, json_t *ensemble) {
    json_t *all = json_pack("{s:s, s:s, s:O}", "data", e->s->data, "split",
                            data_split_name(wanted_split(e->s)), "models", e->list);
    if (ensemble != NULL)
        json_object_set(all, "ensemble", ensemble);
    return all;
}

static int eval(struct evaluation *e, const struct cli_operands *files) {
    struct tnm_error err;
    json_t *ensemble = NULL;
    bool wanted = e->s->ensemble;
    bool ok = (!wanted || check_members(files, &err)) && eval_all(e, files, &err) &&
              (!wanted || tell_ensemble(e, &ensemble, &err));
    int code = !ok          ? cli_fail(&err)
               : e->s->json ? cli_print_json(document(e, ensemble))
                            : cli_finish();
    json_decref(ensemble);
    return code;
}

int cmd_eval(int argc, char **argv) {
    struct settings s;
    struct cli_operands files;
    int code = cli_parse(&command, argc, argv, &s, &files);
    if (code != CLI_GO)
        return code;
    if (s.ensemble && files.n < 2)
        return cli_wrong(&command, "--ensemble needs two models at least");
    struct evaluation e = {.s = &s, .list = json_array()};
    code = eval(&e, &files);
    ensemble_free(&e.ensemble);
    measure_free(&e.first);
    json_decref(e.list);
    return code;
}
