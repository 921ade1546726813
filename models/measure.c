/* SPDX-License-Identifier: MIT */
// Accuracy, confusion, and the comparison of two models.
#include "models/measure.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>

#include "core/error.h"
#include "core/prepare.h"
#include "core/statistics.h"
#include "models/cli.h"

enum { MAX_THREADS = 256 };

// ---- Answering ---------------------------------------------------------------------------------

struct worker {
    pthread_t thread;
    bool started;
    const struct tnm_model *model;
    const struct data_set *set;
    uint32_t inputs, begin, end;
    uint32_t *answer;
    float *sum; // may be NULL
    bool ok;
    struct tnm_error err;
};

static uint32_t highest(const float *score, size_t n) {
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (score[i] > score[best])
            best = i;
    return (uint32_t)best;
}

static void add_probabilities(const struct tnm_model *model, float *logits, size_t n, float *sum) {
    tnm_model_probabilities(model, logits, logits);
    for (size_t i = 0; i < n; i++)
        sum[i] += logits[i];
}

static void *answer(void *argument) {
    struct worker *w = argument;
    size_t outputs = tnm_model_outputs(w->model);
    struct tnm_session *session = tnm_session_open(w->model, 1, &w->err);
    float *x = malloc((w->inputs + outputs) * sizeof *x);
    w->ok = session != NULL && (x != NULL || tnm_fail_errno(&w->err, ENOMEM, "inputs"));
    for (uint32_t i = w->begin; w->ok && i < w->end; i++) {
        float *logits = x + w->inputs;
        tnm_prepare_scale(w->set->pixel + (size_t)i * w->inputs, w->inputs, x);
        tnm_session_run(session, x, 1, logits);
        w->answer[i] = highest(logits, outputs);
        if (w->sum != NULL)
            add_probabilities(w->model, logits, outputs, w->sum + i * outputs);
    }
    free(x);
    tnm_session_close(session);
    return NULL;
}

// Splits the images among threads. A thread that cannot be started has its part done here.
static bool answer_all(struct measure *m, const struct tnm_model *model, const struct data_set *set,
                       uint32_t inputs, uint32_t threads, float *sum, struct tnm_error *err) {
    struct worker *w = calloc(threads, sizeof *w);
    if (w == NULL)
        return tnm_fail_errno(err, ENOMEM, "threads");
    for (uint32_t t = 0; t < threads; t++) {
        w[t].model = model;
        w[t].set = set;
        w[t].inputs = inputs;
        w[t].begin = (uint32_t)((uint64_t)set->n * t / threads);
        w[t].end = (uint32_t)((uint64_t)set->n * (t + 1) / threads);
        w[t].answer = m->answer;
        w[t].sum = sum;
        w[t].started = t > 0 && pthread_create(&w[t].thread, NULL, answer, &w[t]) == 0;
    }
    bool ok = true;
    for (uint32_t t = 0; t < threads; t++) {
        if (w[t].started)
            pthread_join(w[t].thread, NULL);
        else
            answer(&w[t]);
        if (ok && !w[t].ok && err != NULL)
            *err = w[t].err;
        ok = ok && w[t].ok;
    }
    free(w);
    return ok;
}

static bool fits(const struct tnm_model *model, const struct data_set *set, uint32_t inputs,
                 struct tnm_error *err) {
    size_t outputs = tnm_model_outputs(model);
    if (tnm_model_inputs(model) != inputs)
        return tnm_fail(err, TNM_EINPUT, "images have %u values, the model takes %zu", inputs,
                        tnm_model_inputs(model));
    for (uint32_t i = 0; i < set->n; i++)
        if (set->label[i] >= outputs)
            return tnm_fail(err, TNM_EINPUT, "image %u has class %u, the model knows %zu", i,
                            set->label[i], outputs);
    return true;
}

bool measure_data(struct dataset *data, const char *dir, const struct tnm_meta *meta,
                  size_t outputs, bool train, bool test, struct tnm_error *err) {
    if (!dataset_open(data, dir, &meta->recipe, train, test, err))
        return false;
    if (dataset_match(data, meta->label, meta->n_labels, (uint32_t)outputs, err))
        return true;
    dataset_close(data);
    return tnm_fail_in(err, "%s", dir);
}

static bool take(struct measure *m, uint32_t images, size_t classes, struct tnm_error *err) {
    *m = (struct measure){.images = images, .classes = (uint32_t)classes};
    m->answer = calloc((size_t)images + 1, sizeof *m->answer);
    m->right = calloc((size_t)images + 1, sizeof *m->right);
    m->confusion = calloc(classes * classes, sizeof *m->confusion);
    if (m->answer != NULL && m->right != NULL && m->confusion != NULL)
        return true;
    measure_free(m);
    return tnm_fail_errno(err, ENOMEM, "answers");
}

static void mark(struct measure *m, const struct data_set *set) {
    for (uint32_t i = 0; i < set->n; i++) {
        m->right[i] = m->answer[i] == set->label[i];
        m->correct += m->right[i];
        m->confusion[(size_t)set->label[i] * m->classes + m->answer[i]]++;
    }
}

bool measure_run_summing(struct measure *m, const struct tnm_model *model,
                         const struct data_set *set, uint32_t inputs, uint32_t threads, float *sum,
                         struct tnm_error *err) {
    *m = (struct measure){0};
    if (!fits(model, set, inputs, err) || !take(m, set->n, tnm_model_outputs(model), err))
        return false;
    threads = cli_threads(threads);
    threads = threads < MAX_THREADS ? threads : MAX_THREADS;
    threads = threads <= set->n / 64 ? threads : set->n / 64 + 1; // a thread wants some work
    if (!answer_all(m, model, set, inputs, threads, sum, err)) {
        measure_free(m);
        return false;
    }
    mark(m, set);
    return true;
}

bool measure_run(struct measure *m, const struct tnm_model *model, const struct data_set *set,
                 uint32_t inputs, uint32_t threads, struct tnm_error *err) {
    return measure_run_summing(m, model, set, inputs, threads, NULL, err);
}

bool measure_sums(struct measure *m, const float *sum, uint32_t classes, const struct data_set *set,
                  struct tnm_error *err) {
    if (!take(m, set->n, classes, err))
        return false;
    for (uint32_t i = 0; i < set->n; i++)
        m->answer[i] = highest(sum + (size_t)i * classes, classes);
    mark(m, set);
    return true;
}

void measure_free(struct measure *m) {
    free(m->answer);
    free(m->right);
    free(m->confusion);
    *m = (struct measure){0};
}

static bool score(const struct tnm_model *model, const struct dataset *data, enum data_split split,
                  uint32_t threads, struct tnm_score *out, struct tnm_error *err) {
    struct measure m;
    *out = (struct tnm_score){0};
    if (data->set[split].n == 0)
        return true;
    if (!measure_run(&m, model, &data->set[split], data->inputs, threads, err))
        return false;
    *out = (struct tnm_score){m.correct, m.images};
    measure_free(&m);
    return true;
}

bool measure_scores(const struct tnm_model *model, const struct dataset *data, uint32_t threads,
                    struct tnm_score *validation, struct tnm_score *test, struct tnm_error *err) {
    return score(model, data, DATA_VALIDATION, threads, validation, err) &&
           score(model, data, DATA_TEST, threads, test, err);
}

double measure_accuracy(struct tnm_score s) {
    return s.images != 0 ? (double)s.correct / s.images : NAN;
}

// ---- Comparing ---------------------------------------------------------------------------------

struct measure_pair measure_compare(const struct measure *first, const struct measure *second) {
    struct measure_pair pair = {0};
    for (uint32_t i = 0; i < first->images; i++) {
        pair.only_first += first->right[i] && !second->right[i];
        pair.only_second += second->right[i] && !first->right[i];
    }
    pair.p = tnm_mcnemar(pair.only_first, pair.only_second);
    return pair;
}
