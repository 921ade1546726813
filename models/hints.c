/* SPDX-License-Identifier: MIT */
// Hidden layers of a network learn from hidden layers of its teacher.
#include "models/hints.h"

#include "core/error.h"
#include "core/prepare.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM = 50 }; // inputs that the teacher is asked about side by side at first

// What one thread needs.
struct hints_bench {
    struct pass pass; // the teacher's
    float *error;     // (room, elements of the largest hint)
    float *d_param;   // (n_param)
};

// ---- Pairs -------------------------------------------------------------------------------------

static bool add_hint(struct hints *h, const struct net *net, const struct stage *student,
                     const struct stage *teacher, struct tnm_error *err) {
    struct hint *hint = &h->hint[h->n++];
    *hint = (struct hint){.student = student->tensor,
                          .teacher = teacher->tensor,
                          .regressor = regressor_of(&net->graph.tensor[student->tensor],
                                                    &h->teacher.graph.tensor[teacher->tensor]),
                          .at = h->n_param};
    const struct regressor *r = &hint->regressor;
    snprintf(hint->name, sizeof hint->name, "%s=%s", student->name, teacher->name);
    h->n_param += regressor_parameters(r);
    return (uint64_t)r->rows * r->cols <= HINTS_MAX_WEIGHTS ||
           tnm_fail(err, TNM_EINPUT,
                    "--hints: %s wants a regressor of %u x %u weights, more than %d: name smaller "
                    "stages, or maps of equal size",
                    hint->name, r->rows, r->cols, HINTS_MAX_WEIGHTS);
}

static bool pair_stages(struct hints *h, const char *pairs, const struct net *net,
                        const struct stages *student, const struct stages *teacher,
                        struct tnm_error *err) {
    struct stage_pair pair[STAGES_MAX_PAIRS];
    uint32_t n, last = 0;
    if (!stages_pair(student, teacher, pairs, pair, &n, err))
        return false;
    for (uint32_t i = 0; i < n; i++) {
        const struct stage *asked = &teacher->stage[pair[i].teacher];
        if (!add_hint(h, net, &student->stage[pair[i].student], asked, err))
            return false;
        last = pair[i].teacher > last ? pair[i].teacher : last;
    }
    h->asked = h->teacher;
    h->asked.graph.n_nodes = teacher->stage[last].node + 1;
    h->asked.graph.output = teacher->stage[last].tensor;
    return true;
}

static bool open_pairs(struct hints *h, const char *pairs, const struct net *net,
                       struct tnm_error *err) {
    struct stages student = {0}, teacher = {0};
    bool ok = stages_open(&student, &net->graph, err) &&
              stages_open(&teacher, &h->teacher.graph, err) &&
              pair_stages(h, pairs, net, &student, &teacher, err);
    stages_close(&student);
    stages_close(&teacher);
    return ok;
}

// ---- Mean and variance -------------------------------------------------------------------------

static size_t bias_of(const struct hint *hint) {
    return hint->at + (size_t)hint->regressor.rows * hint->regressor.cols;
}

// sum (n_param, 2): of each feature and of its square, in the place of the regressor's bias.
static void add_sample(const struct hint *hint, const float *y, uint32_t n, double *sum) {
    const struct regressor *r = &hint->regressor;
    size_t elements = (size_t)r->rows * r->places;
    for (size_t i = 0; i < n * elements; i++) {
        size_t feature = r->maps ? i % elements / r->places : i % r->rows;
        double *own = sum + 2 * (bias_of(hint) + feature);
        own[0] += (double)y[i];
        own[1] += (double)y[i] * (double)y[i];
    }
}

static bool take_sums(struct hints *h, struct hint *hint, const double *sum, uint32_t images,
                      struct tnm_error *err) {
    const struct regressor *r = &hint->regressor;
    double samples = (double)images * r->places;
    for (size_t i = bias_of(hint); i < bias_of(hint) + r->rows; i++) {
        double mean = sum[2 * i] / samples;
        h->mean[i] = (float)mean;
        hint->variance += r->places * (sum[2 * i + 1] / samples - mean * mean);
    }
    return hint->variance > 1e-9 ||
           tnm_fail(err, TNM_EINPUT, "--hints: %s: the teacher's says the same of every image",
                    hint->name);
}

static bool measure(struct hints *h, struct pass *pass, const struct data_set *set, size_t inputs,
                    double *sum, struct tnm_error *err) {
    uint32_t n = set->n < HINTS_SAMPLE ? set->n : HINTS_SAMPLE;
    bool ok = true;
    for (uint32_t at = 0; at < n; at += ROOM) {
        uint32_t count = n - at < ROOM ? n - at : ROOM;
        tnm_prepare_scale(set->pixel + at * inputs, count * inputs, pass_input(pass));
        pass_forward(pass, count);
        for (uint32_t i = 0; i < h->n; i++)
            add_sample(&h->hint[i], pass->value[h->hint[i].teacher], count, sum);
    }
    for (uint32_t i = 0; ok && i < h->n; i++)
        ok = take_sums(h, &h->hint[i], sum, n, err);
    return ok;
}

static bool open_sample(struct hints *h, const struct dataset *data, struct tnm_error *err) {
    struct pass pass = {0};
    double *sum = calloc(h->n_param, 2 * sizeof *sum);
    h->mean = calloc(h->n_param, sizeof *h->mean);
    bool ok = (sum != NULL && h->mean != NULL) || tnm_fail_errno(err, ENOMEM, "hints");
    ok = ok && pass_open(&pass, &h->asked, ROOM, false, err) &&
         measure(h, &pass, &data->set[DATA_TRAIN], data->inputs, sum, err);
    pass_close(&pass);
    free(sum);
    return ok;
}

// ---- Opening -----------------------------------------------------------------------------------

static bool open_teacher(struct hints *h, const char *teachers, const struct dataset *data,
                         struct tnm_error *err) {
    const struct tnm_graph *g = &h->teacher.graph;
    teachers += strspn(teachers, ",");
    char *path = strndup(teachers, strcspn(teachers, ","));
    if (path == NULL)
        return tnm_fail_errno(err, ENOMEM, "hints");
    bool ok = net_open(&h->teacher, path, NULL, err);
    if (ok && tnm_tensor_elements(&g->tensor[g->input]) != data->inputs)
        ok = tnm_fail(err, TNM_EINPUT, "teacher %.100s: %zu inputs, the images have %u", path,
                      tnm_tensor_elements(&g->tensor[g->input]), data->inputs);
    free(path);
    return ok;
}

bool hints_open(struct hints *h, const char *teachers, const char *pairs, const struct net *net,
                const struct dataset *data, struct tnm_error *err) {
    *h = (struct hints){.weight = 10};
    if (open_teacher(h, teachers, data, err) && open_pairs(h, pairs, net, err) &&
        open_sample(h, data, err))
        return true;
    hints_close(h);
    return false;
}

void hints_close(struct hints *h) {
    hints_end(h);
    net_free(&h->teacher);
    free(h->mean);
    *h = (struct hints){0};
}

static bool open_bench(const struct hints *h, struct hints_bench *bench, uint32_t room,
                       struct tnm_error *err) {
    size_t largest = 0;
    for (uint32_t i = 0; i < h->n; i++) {
        size_t n = (size_t)h->hint[i].regressor.rows * h->hint[i].regressor.places;
        largest = n > largest ? n : largest;
    }
    bench->error = malloc(room * largest * sizeof *bench->error);
    bench->d_param = calloc(h->n_param, sizeof *bench->d_param);
    return ((bench->error != NULL && bench->d_param != NULL) ||
            tnm_fail_errno(err, ENOMEM, "hints")) &&
           pass_open(&bench->pass, &h->asked, room, false, err);
}

bool hints_begin(struct hints *h, uint32_t threads, uint32_t room, struct tnm_error *err) {
    h->threads = threads;
    h->bench = calloc(threads, sizeof *h->bench);
    h->param = calloc(h->n_param, 3 * sizeof *h->param);
    bool ok = (h->bench != NULL && h->param != NULL) || tnm_fail_errno(err, ENOMEM, "hints");
    for (uint32_t t = 0; ok && t < threads; t++)
        ok = open_bench(h, &h->bench[t], room, err);
    if (ok)
        memcpy(h->param, h->mean, h->n_param * sizeof *h->param);
    return ok;
}

void hints_end(struct hints *h) {
    for (uint32_t t = 0; h->bench != NULL && t < h->threads; t++) {
        pass_close(&h->bench[t].pass);
        free(h->bench[t].error);
        free(h->bench[t].d_param);
    }
    free(h->bench);
    free(h->param);
    h->bench = NULL;
    h->param = NULL;
}

// ---- A step ------------------------------------------------------------------------------------

static double pull_one(const struct hints *h, const struct hint *hint, struct hints_bench *bench,
                       struct pass *pass, uint32_t n, float scale) {
    double share = 1 / (hint->variance * h->n);
    struct regressor_job job = {.regressor = &hint->regressor,
                                .n = n,
                                .x = pass->value[hint->student],
                                .y = bench->pass.value[hint->teacher],
                                .param = h->param + hint->at,
                                .factor = (float)(2 * share * (double)(h->weight * scale)),
                                .error = bench->error,
                                .d_x = pass->gradient[hint->student],
                                .d_param = bench->d_param + hint->at,
                                .scratch = bench->pass.scratch};
    return share * regressor_run(&job);
}

double hints_pull(struct hints *h, uint32_t thread, struct pass *pass, uint32_t n, float scale) {
    struct hints_bench *bench = &h->bench[thread];
    const struct tnm_graph *g = &pass->net->graph;
    double unexplained = 0;
    if (n == 0) {
        memset(bench->d_param, 0, h->n_param * sizeof *bench->d_param);
        return 0;
    }
    memcpy(pass_input(&bench->pass), pass_input(pass),
           n * tnm_tensor_elements(&g->tensor[g->input]) * sizeof(float));
    pass_forward(&bench->pass, n);
    for (uint32_t i = 0; i < h->n; i++) // all of them first, as two may pull at one
        memset(pass_pull(pass, h->hint[i].student), 0,
               n * tnm_tensor_elements(&g->tensor[h->hint[i].student]) * sizeof(float));
    for (uint32_t i = 0; i < h->n; i++)
        unexplained += pull_one(h, &h->hint[i], bench, pass, n, scale);
    return unexplained;
}

void hints_learn(struct hints *h, uint32_t thread, enum optimiser optimiser,
                 struct optimise_step step) {
    size_t from = h->n_param * thread / h->threads, to = h->n_param * (thread + 1) / h->threads;
    float *d = h->bench[0].d_param + from, *w = h->param + from;
    float *m = w + h->n_param, *v = m + h->n_param;
    step.shrink = step.l1 = step.l2 = 0;
    for (uint32_t t = 1; t < h->threads; t++)
        optimise_add(d, h->bench[t].d_param + from, to - from);
    if (optimiser == OPTIMISE_ADAM)
        optimise_adam(&step, w, d, m, v, NULL, to - from);
    else
        optimise_sgd(&step, w, d, v, NULL, to - from);
}
