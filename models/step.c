/* SPDX-License-Identifier: MIT */
// Beginning and end of the commands that make a network.
#include "models/step.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/model.h"
#include "core/save.h"
#include "models/cli.h"
#include "models/describe.h"
#include "models/measure.h"

bool step_name(const struct step *step, struct net *net, struct tnm_error *err) {
    const char *slash = strrchr(step->output, '/');
    const char *base = slash != NULL ? slash + 1 : step->output;
    size_t len = strlen(base);
    char name[TNM_MAX_NAME + 1] = "";
    if (len > 4 && len - 4 <= TNM_MAX_NAME && strcmp(base + len - 4, ".tnm") == 0)
        memcpy(name, base, len - 4);
    if (!tnm_name_valid(name))
        return tnm_fail(
            err, TNM_EINPUT,
            "%.200s: not NAME.tnm with a NAME of 1 to %d letters, digits, '.', '_', '-'",
            step->output, TNM_MAX_NAME);
    if (net != NULL)
        memcpy(net->meta.name, name, sizeof name);
    return true;
}

bool step_open(struct step *step, struct net *net, const char *path, struct tnm_error *err) {
    *net = (struct net){0};
    step->started = cli_seconds();
    if (!step_name(step, NULL, err))
        return false;
    struct tnm_model *model = tnm_model_open(path, err);
    if (model == NULL)
        return false;
    step->input_bytes = model->len;
    tnm_model_close(model);
    if (!net_open(net, path, step->parent, err) || !step_name(step, net, err))
        return false;
    step->has_parent = true;
    step->input = path;
    step->input_nonzeros = net_nonzeros(net);
    step->input_validation = net->meta.validation;
    step->input_test = net->meta.test;
    return true;
}

bool step_data(struct dataset *data, const char *dir, const struct net *net, bool train, bool test,
               struct tnm_error *err) {
    const struct tnm_tensor *out = &net->graph.tensor[net->graph.output];
    return measure_data(data, dir, &net->meta, tnm_tensor_elements(out), train, test, err);
}

static bool measure_net(const struct step *step, struct net *net, const struct dataset *data,
                        struct tnm_error *err) {
    net->meta.validation = net->meta.test = (struct tnm_score){0};
    if (data == NULL)
        return true;
    struct tnm_model *model = net_model(net, err);
    bool ok = model != NULL && measure_scores(model, data, step->threads, &net->meta.validation,
                                              &net->meta.test, err);
    tnm_model_close(model);
    return ok;
}

static bool add_provenance(const struct step *step, struct net *net, struct tnm_error *err) {
    struct tnm_step entry = {.seed = step->seed,
                             .nonzeros = net_nonzeros(net),
                             .validation = net->meta.validation,
                             .has_parent = step->has_parent};
    snprintf(entry.verb, sizeof entry.verb, "%s", step->verb);
    memcpy(entry.parameters, step->parameters, sizeof entry.parameters);
    memcpy(entry.parent, step->parent, sizeof entry.parent);
    return tnm_meta_add_step(&net->meta, &entry, err);
}

static bool save_packed(const struct step *step, const struct net *net, struct tnm_error *err) {
    uint8_t *bytes = NULL;
    size_t len;
    bool ok = pack_net(net, step->pack, &bytes, &len, err) &&
              tnm_write_file(step->output, bytes, len, err);
    free(bytes);
    return ok;
}

// net_save runs the images of the self-test anew.
static bool save(const struct step *step, struct net *net, struct tnm_error *err) {
    if (step->pack != NULL)
        return save_packed(step, net, err);
    return net_save(net, step->output, net->meta.self_test.x, net->meta.self_test.n_cases, err);
}

static json_t *document(const struct step *step, const struct tnm_model *model, json_t *details) {
    json_t *all = json_pack("{s:s, s:s, s:s, s:I, s:o}", "step", step->verb, "output", step->output,
                            "options", step->parameters, "seed", (json_int_t)step->seed, "seconds",
                            cli_number(cli_seconds() - step->started));
    if (step->input != NULL)
        json_object_set_new(all, "before",
                            json_pack("{s:s, s:I, s:I, s:o, s:o}", "file", step->input, "bytes",
                                      (json_int_t)step->input_bytes, "nonzeros",
                                      (json_int_t)step->input_nonzeros, "validation",
                                      cli_number(measure_accuracy(step->input_validation)), "test",
                                      cli_number(measure_accuracy(step->input_test))));
    json_t *after = describe_summary(model);
    json_object_update(all, after);
    json_decref(after);
    json_object_set_new(all, "layers", describe_layers(model, false));
    if (details != NULL)
        json_object_update(all, details);
    return all;
}

const char *step_percent(struct tnm_score score, char text[16]) {
    if (score.images == 0)
        return "unknown";
    snprintf(text, 16, "%.2f %%", 100.0 * score.correct / score.images);
    return text;
}

static void report(const struct step *step, const struct tnm_model *model) {
    struct tnm_summary s;
    char validation[16], test[16];
    tnm_model_summary(model, &s);
    printf("%s: %llu of %llu weights (%.2f %% removed), %zu bytes, %.1f times smaller than dense; "
           "validation %s, test %s; %.1f s\n",
           step->output, (unsigned long long)s.nonzeros, (unsigned long long)s.weights,
           100.0 * (double)(s.weights - s.nonzeros) / (double)s.weights, s.bytes,
           (double)s.dense_bytes / (double)s.bytes,
           step_percent(model->meta.validation, validation), step_percent(model->meta.test, test),
           cli_seconds() - step->started);
}

bool step_finish(const struct step *step, struct net *net, const struct dataset *data,
                 json_t *details, struct tnm_error *err) {
    struct tnm_model *model = NULL;
    bool ok = measure_net(step, net, data, err) && add_provenance(step, net, err) &&
              save(step, net, err) && (model = tnm_model_open(step->output, err)) != NULL;
    if (ok) {
        json_t *all = document(step, model, details);
        if (step->json)
            ok = cli_print_json(json_incref(all)) == CLI_OK || tnm_fail(err, TNM_EIO, "stdout");
        else
            report(step, model);
        ok = cli_log(step->log, all, err) && ok;
    }
    tnm_model_close(model);
    json_decref(details);
    return ok;
}
