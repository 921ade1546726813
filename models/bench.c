/* SPDX-License-Identifier: MIT */
// Timing a model.
#include "models/bench.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/model.h"
#include "core/prepare.h"
#include "models/cli.h"
#include "models/gemm.h"
#include "models/measure.h"
#include "models/net.h"
#include "models/pass.h"
#include "models/rng.h"
#include "models/team.h"

enum {
    POOL = 1024, // inputs to go through
    TRIES = 5,   // of how long a round lasts
    SEEDED = 64  // made ones, of which the pool is filled
};

// What all threads read.
struct job {
    const struct bench_options *o;
    const struct tnm_model *sparse;
    struct tnm_model *dense; // NULL where only BENCH_SPARSE is wanted
    struct net net;
    float *x; // (pool, inputs)
    uint32_t pool, repeats[BENCH_WAYS];
    const char *source; // of the inputs
    uint32_t ways;      // the first so many of enum bench_way
};

// One thread's.
struct lane {
    struct job *job;
    enum bench_way way;
    struct tnm_session *session[2]; // BENCH_SPARSE, BENCH_DENSE
    struct pass pass;
    float *logits;
    double seconds; // of its last round
};

// ---- Running -----------------------------------------------------------------------------------

static void run_once(struct lane *lane, uint32_t turn) {
    const struct job *job = lane->job;
    uint32_t batch = job->o->batch, inputs = (uint32_t)tnm_model_inputs(job->sparse);
    const float *x = job->x + (size_t)(turn % (job->pool / batch)) * batch * inputs;
    if (lane->way == BENCH_PRODUCTS) {
        memcpy(pass_input(&lane->pass), x, (size_t)batch * inputs * sizeof *x);
        pass_forward(&lane->pass, batch);
    } else {
        tnm_session_run(lane->session[lane->way], x, batch, lane->logits);
    }
}

static void run_round(struct team *team, unsigned index, void *argument) {
    struct lane *lane = (struct lane *)argument + index;
    team_meet(team);
    double start = cli_seconds();
    for (uint32_t i = 0; i < lane->job->repeats[lane->way]; i++)
        run_once(lane, i);
    lane->seconds = cli_seconds() - start;
}

// Nanoseconds an input with n lanes at work: the slowest lane's time over all their inputs.
static bool time_round(struct lane *lane, uint32_t n, enum bench_way way, double *ns,
                       struct tnm_error *err) {
    const struct job *job = lane->job;
    double slowest = 0;
    for (uint32_t t = 0; t < n; t++)
        lane[t].way = way;
    if (!team_run(n, run_round, lane, err))
        return false;
    for (uint32_t t = 0; t < n; t++)
        slowest = fmax(slowest, lane[t].seconds);
    *ns = 1e9 * slowest / ((double)job->repeats[way] * job->o->batch * n);
    return true;
}

// As many repeats as make a round last long enough. The least of several tries counts: a single one
// may have waited for the processor.
static bool calibrate(struct lane *lane, enum bench_way way, struct tnm_error *err) {
    uint32_t *repeats = &lane->job->repeats[way];
    for (*repeats = 1; *repeats < 1 << 24; *repeats *= 2) {
        double ns = 0, least = INFINITY;
        for (int i = 0; i < TRIES; i++) {
            if (!time_round(lane, 1, way, &ns, err))
                return false;
            least = fmin(least, ns);
        }
        if (least * *repeats * lane->job->o->batch > lane->job->o->round_ns)
            break;
    }
    return true;
}

// ---- Results -----------------------------------------------------------------------------------

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static bool rounds_of_all(struct lane *lane, uint32_t threads, double *ns, struct tnm_error *err) {
    uint32_t ways = lane->job->ways, rounds = lane->job->o->rounds;
    for (uint32_t way = 0; way < ways; way++)
        if (!calibrate(lane, (enum bench_way)way, err))
            return false;
    for (uint32_t r = 0; r < rounds; r++) {
        cli_progress("round %u of %u", r + 1, rounds);
        for (uint32_t way = 0; way < ways; way++)
            if (!time_round(lane, threads, (enum bench_way)way, &ns[way * rounds + r], err))
                return false;
    }
    return true;
}

// The ways take turns, so that what else the machine does falls on all of them.
static bool measure_all(struct lane *lane, uint32_t threads, struct bench_result *result,
                        struct tnm_error *err) {
    uint32_t rounds = lane->job->o->rounds;
    double *ns = calloc((size_t)rounds * BENCH_WAYS, sizeof *ns);
    if (ns == NULL)
        return tnm_fail_errno(err, ENOMEM, "times");
    bool ok = rounds_of_all(lane, threads, ns, err);
    for (uint32_t way = 0; way < BENCH_WAYS; way++) {
        double *of = ns + (size_t)way * rounds;
        qsort(of, rounds, sizeof *of, ascending);
        bool was_run = way < lane->job->ways;
        result->median[way] = was_run ? of[rounds / 2] : NAN;
        result->least[way] = was_run ? of[0] : NAN;
    }
    free(ns);
    return ok;
}

// ---- Getting ready -----------------------------------------------------------------------------

// pool inputs out of n images, over and over; noise where there are no images.
static bool fill_pool(struct job *job, const uint8_t *pixel, uint32_t n, struct tnm_error *err) {
    size_t inputs = tnm_model_inputs(job->sparse);
    struct rng rng;
    job->pool = job->o->batch > POOL ? job->o->batch : POOL / job->o->batch * job->o->batch;
    job->x = malloc(job->pool * inputs * sizeof *job->x);
    if (job->x == NULL)
        return tnm_fail_errno(err, ENOMEM, "inputs");
    rng_seed(&rng, 1, 0);
    for (size_t i = 0; n == 0 && i < job->pool * inputs; i++)
        job->x[i] = (float)rng_uniform(&rng);
    for (uint32_t i = 0; n > 0 && i < job->pool; i++)
        tnm_prepare_scale(pixel + i % n * inputs, inputs, job->x + i * inputs);
    return true;
}

static bool take_test_images(struct job *job, struct tnm_error *err) {
    struct dataset data;
    job->source = "test set";
    if (!measure_data(&data, job->o->data, &job->sparse->meta, tnm_model_outputs(job->sparse),
                      false, true, err))
        return false;
    bool ok = fill_pool(job, data.set[DATA_TEST].pixel, data.set[DATA_TEST].n, err);
    dataset_close(&data);
    return ok;
}

static bool take_seeded(struct job *job, struct tnm_error *err) {
    size_t inputs = tnm_model_inputs(job->sparse);
    uint8_t *pixel = malloc(SEEDED * inputs);
    if (pixel == NULL)
        return tnm_fail_errno(err, ENOMEM, "inputs");
    tnm_seeded_inputs(1, pixel, SEEDED * inputs);
    job->source = "seed";
    bool ok = fill_pool(job, pixel, SEEDED, err);
    free(pixel);
    return ok;
}

static bool choose_inputs(struct job *job, struct tnm_error *err) {
    const struct tnm_self_test *test = &job->sparse->meta.self_test;
    if (job->o->data != NULL)
        return take_test_images(job, err);
    if (job->o->inputs == BENCH_SEEDED)
        return take_seeded(job, err);
    job->source = test->n_cases > 0 ? "self-test" : "random numbers";
    return fill_pool(job, test->x, test->n_cases, err);
}

// Every weight stored, in a form that only the engine's dense kernels run: those look for zeros
// even where they are stored, so that removed weights become something that changes no answer.
static void make_dense(struct net *net) {
    for (uint32_t l = 0; l < net->n_layers; l++) {
        struct net_layer *layer = &net->layer[l];
        for (size_t i = 0; i < (size_t)layer->rows * layer->cols; i++)
            layer->w[i] = layer->w[i] != 0 ? layer->w[i] : 1e-20f;
        memset(layer->keep, 1, (size_t)layer->rows * layer->cols);
        layer->bits = 0;
    }
    net->half = false;
}

static bool open_job(struct job *job, struct tnm_error *err) {
    if (job->o->dense != NULL) {
        if (!net_open(&job->net, job->o->dense, NULL, err))
            return false;
        make_dense(&job->net);
        if ((job->dense = net_model(&job->net, err)) == NULL)
            return false;
    }
    return choose_inputs(job, err);
}

static void close_job(struct job *job) {
    tnm_model_close(job->dense);
    net_free(&job->net);
    free(job->x);
}

static bool open_dense(struct lane *lane, struct job *job, struct tnm_error *err) {
    lane->session[BENCH_DENSE] = tnm_session_open(job->dense, job->o->batch, err);
    if (lane->session[BENCH_DENSE] == NULL)
        return false;
    if (pass_open(&lane->pass, &job->net, job->o->batch, false, err)) {
        pass_take_dense(&lane->pass); // the products are what is compared with
        return true;
    }
    job->ways = BENCH_PRODUCTS;
    return err->code == TNM_EUNSUPPORTED;
}

static bool open_lane(struct lane *lane, struct job *job, struct tnm_error *err) {
    uint32_t batch = job->o->batch;
    lane->job = job;
    lane->session[BENCH_SPARSE] = tnm_session_open(job->sparse, batch, err);
    if (lane->session[BENCH_SPARSE] == NULL)
        return false;
    lane->logits = calloc(batch * tnm_model_outputs(job->sparse), sizeof *lane->logits);
    if (lane->logits == NULL)
        return tnm_fail_errno(err, ENOMEM, "logits");
    return job->dense == NULL || open_dense(lane, job, err);
}

static void close_lane(struct lane *lane) {
    tnm_session_close(lane->session[BENCH_SPARSE]);
    tnm_session_close(lane->session[BENCH_DENSE]);
    pass_close(&lane->pass);
    free(lane->logits);
}

static bool run_lanes(struct job *job, struct bench_result *result, struct tnm_error *err) {
    uint32_t threads = job->o->threads;
    struct lane *lane = calloc(threads, sizeof *lane);
    bool ok = lane != NULL || tnm_fail_errno(err, ENOMEM, "threads");
    for (uint32_t t = 0; ok && t < threads; t++)
        ok = open_lane(&lane[t], job, err);
    ok = ok && measure_all(lane, threads, result, err);
    for (uint32_t t = 0; lane != NULL && t < threads; t++)
        close_lane(&lane[t]);
    free(lane);
    return ok;
}

bool bench_run(const struct tnm_model *model, const struct bench_options *options,
               struct bench_result *result, struct tnm_error *err) {
    struct job job = {.o = options,
                      .sparse = model,
                      .ways = options->dense != NULL ? BENCH_WAYS : BENCH_SPARSE + 1};
    gemm_single_threaded();
    bool ok = open_job(&job, err) && run_lanes(&job, result, err);
    result->source = job.source;
    close_job(&job);
    return ok;
}
