/* SPDX-License-Identifier: MIT */
// Models that agree, and the sums of their probabilities.
#include "models/ensemble.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"

static const char *const fit_name[] = {"fit", "cover", "ink", "none"};

// The deviations of the training data are in the weights: they may differ.
static bool same_input(const struct tnm_recipe *a, const struct tnm_recipe *b) {
    return a->width == b->width && a->height == b->height && a->channels == b->channels &&
           a->fit == b->fit && (a->fit != TNM_FIT_INK || a->box == b->box);
}

static bool differs_in_input(const struct tnm_recipe *r, const struct tnm_recipe *first,
                             const char *name, struct tnm_error *err) {
    return tnm_fail(err, TNM_EINPUT,
                    "takes %ux%ux%u (%s, %u), %s takes %ux%ux%u (%s, %u): no ensemble", r->width,
                    r->height, r->channels, fit_name[r->fit], r->box, name, first->width,
                    first->height, first->channels, fit_name[first->fit], first->box);
}

bool ensemble_agree(const struct tnm_model *first, const struct tnm_model *model,
                    struct tnm_error *err) {
    const struct tnm_recipe *a = tnm_model_recipe(first), *b = tnm_model_recipe(model);
    const char *name = tnm_model_name(first);
    size_t outputs = tnm_model_outputs(model);
    if (!same_input(a, b))
        return differs_in_input(b, a, name, err);
    if (tnm_model_inputs(first) != tnm_model_inputs(model))
        return tnm_fail(err, TNM_EINPUT, "takes %zu values, %s takes %zu: no ensemble",
                        tnm_model_inputs(model), name, tnm_model_inputs(first));
    if (tnm_model_outputs(first) != outputs)
        return tnm_fail(err, TNM_EINPUT, "knows %zu classes, %s knows %zu: no ensemble", outputs,
                        name, tnm_model_outputs(first));
    for (size_t i = 0; i < outputs; i++)
        if (strcmp(tnm_model_label(first, i), tnm_model_label(model, i)) != 0)
            return tnm_fail(err, TNM_EINPUT,
                            "class %zu is \"%.60s\", that of %s is \"%.60s\": no ensemble", i,
                            tnm_model_label(model, i), name, tnm_model_label(first, i));
    return true;
}

static bool take(struct ensemble *e, const struct data_set *set, size_t classes,
                 struct tnm_error *err) {
    e->images = set->n;
    e->classes = (uint32_t)classes;
    e->label = calloc((size_t)set->n + 1, sizeof *e->label);
    e->sum = calloc(set->n * classes + 1, sizeof *e->sum);
    if (e->label == NULL || e->sum == NULL)
        return tnm_fail_errno(err, ENOMEM, "probabilities");
    memcpy(e->label, set->label, set->n * sizeof *e->label);
    return true;
}

bool ensemble_add(struct ensemble *e, const struct tnm_model *model, const struct data_set *set,
                  uint32_t inputs, uint32_t threads, struct measure *m, struct tnm_error *err) {
    size_t classes = tnm_model_outputs(model);
    struct tnm_summary summary;
    *m = (struct measure){0};
    if (e->n == 0 && !take(e, set, classes, err))
        return false;
    if (set->n != e->images || classes != e->classes ||
        memcmp(set->label, e->label, set->n * sizeof *e->label) != 0)
        return tnm_fail(err, TNM_EINPUT, "the images or classes are not those of the first member");
    if (!measure_run_summing(m, model, set, inputs, threads, e->sum, err))
        return false;
    tnm_model_summary(model, &summary);
    e->bytes += summary.bytes;
    e->n++;
    return true;
}

bool ensemble_measure(const struct ensemble *e, struct measure *m, struct tnm_error *err) {
    struct data_set set = {.n = e->images, .label = e->label};
    return measure_sums(m, e->sum, e->classes, &set, err);
}

void ensemble_free(struct ensemble *e) {
    free(e->label);
    free(e->sum);
    *e = (struct ensemble){0};
}
