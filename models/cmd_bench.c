/* SPDX-License-Identifier: MIT */
// tnm bench: time for an input, beside a dense run of the same network in the same process.
#include "models/commands.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
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

struct settings {
    const char *data;
    uint32_t batch, threads, rounds;
    bool json;
};

#define AT(field) offsetof(struct settings, field)

static const struct cli_option options[] = {
    {"batch", 0, CLI_COUNT, AT(batch), "N", "1", 1, 65536, "inputs side by side"},
    {"threads", 0, CLI_COUNT, AT(threads), "N", "1", 0, TEAM_MAX, "threads; 0: one for each core"},
    {"rounds", 0, CLI_COUNT, AT(rounds), "N", "41", 1, 100000, "of some milliseconds each"},
    CLI_DATA(AT(data), NULL),
    CLI_JSON(AT(json)),
};

static const struct cli_command command = {
    "bench",
    "M.tnm",
    "Measures the time that an input takes: median and minimum over rounds, with all threads "
    "busy.\n\n"
    "Beside it, in turns, runs the same network with every weight as a plain float, zeros too: by "
    "the\n"
    "engine's dense kernels and by the forge's matrix products; the faster of the two is what the\n"
    "speed-up is against. Inputs are the test images of --data, or else those of the self-test: "
    "how\n"
    "many of their pixels are 0 decides how much there is to skip. Only compare figures of one "
    "run.",
    options,
    sizeof options / sizeof *options,
    1,
    1};

enum way {
    SPARSE,   // the file as it is
    DENSE,    // the engine, every weight stored
    PRODUCTS, // the forge's forward pass
    WAYS
};

enum {
    POOL = 1024 // inputs to go through
};

// What all threads read.
struct job {
    const struct settings *s;
    struct tnm_model *sparse, *dense;
    struct net net;
    float *x; // (pool, inputs)
    uint32_t pool, repeats[WAYS];
    const char *source; // of the inputs
    uint32_t ways;      // without PRODUCTS where the forge cannot run the network itself
};

// One thread's.
struct lane {
    struct job *job;
    enum way way;
    struct tnm_session *session[2]; // SPARSE, DENSE
    struct pass pass;
    float *logits;
    double seconds; // of its last round
};

// ---- Running -----------------------------------------------------------------------------------

static void run_once(struct lane *lane, uint32_t turn) {
    const struct job *job = lane->job;
    uint32_t batch = job->s->batch, inputs = (uint32_t)tnm_model_inputs(job->sparse);
    const float *x = job->x + (size_t)(turn % (job->pool / batch)) * batch * inputs;
    if (lane->way == PRODUCTS) {
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
static bool time_round(struct lane *lane, uint32_t n, enum way way, double *ns,
                       struct tnm_error *err) {
    const struct job *job = lane->job;
    double slowest = 0;
    for (uint32_t t = 0; t < n; t++)
        lane[t].way = way;
    if (!team_run(n, run_round, lane, err))
        return false;
    for (uint32_t t = 0; t < n; t++)
        slowest = fmax(slowest, lane[t].seconds);
    *ns = 1e9 * slowest / ((double)job->repeats[way] * job->s->batch * n);
    return true;
}

// As many repeats as make a round last a few milliseconds, which the clock measures well.
static bool calibrate(struct lane *lane, enum way way, struct tnm_error *err) {
    uint32_t *repeats = &lane->job->repeats[way];
    double ns = 0;
    for (*repeats = 1; *repeats < 1 << 24; *repeats *= 2) {
        if (!time_round(lane, 1, way, &ns, err))
            return false;
        if (ns * *repeats * lane->job->s->batch > 3e6)
            break;
    }
    return true;
}

// ---- Results -----------------------------------------------------------------------------------

struct result {
    double median, least;
};

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static bool rounds_of_all(struct lane *lane, uint32_t threads, double *ns, struct tnm_error *err) {
    uint32_t ways = lane->job->ways, rounds = lane->job->s->rounds;
    for (uint32_t way = 0; way < ways; way++)
        if (!calibrate(lane, (enum way)way, err))
            return false;
    for (uint32_t r = 0; r < rounds; r++) {
        cli_progress("round %u of %u", r + 1, rounds);
        for (uint32_t way = 0; way < ways; way++)
            if (!time_round(lane, threads, (enum way)way, &ns[way * rounds + r], err))
                return false;
    }
    return true;
}

// The ways take turns, so that what else the machine does falls on all of them.
static bool measure_all(struct lane *lane, uint32_t threads, struct result result[WAYS],
                        struct tnm_error *err) {
    uint32_t rounds = lane->job->s->rounds;
    double *ns = calloc((size_t)rounds * WAYS, sizeof *ns);
    if (ns == NULL)
        return tnm_fail_errno(err, ENOMEM, "times");
    bool ok = rounds_of_all(lane, threads, ns, err);
    for (uint32_t way = 0; way < WAYS; way++) {
        double *of = ns + (size_t)way * rounds;
        qsort(of, rounds, sizeof *of, ascending);
        result[way] = (struct result){of[rounds / 2], of[0]};
        if (way >= lane->job->ways)
            result[way] = (struct result){NAN, NAN};
    }
    free(ns);
    return ok;
}

static json_t *document(const struct job *job, uint32_t threads, const struct result *r) {
    double dense = fmin(r[DENSE].median, r[PRODUCTS].median);
    return json_pack("{s:s, s:s, s:o, s:o, s:I, s:I, s:o, s:o, s:s, s:s, s:{s:o, s:o}, s:I}",
                     "name", tnm_model_name(job->sparse), "digest", tnm_model_digest(job->sparse),
                     "ns_per_input_median", cli_number(r[SPARSE].median), "ns_per_input_min",
                     cli_number(r[SPARSE].least), "batch", (json_int_t)job->s->batch, "threads",
                     (json_int_t)threads, "dense_ns_per_input_median", cli_number(dense), "speedup",
                     cli_number(dense / r[SPARSE].median), "kernels", tnm_kernels_name(), "inputs",
                     job->source, "dense_ns_by", "engine", cli_number(r[DENSE].median), gemm_name(),
                     cli_number(r[PRODUCTS].median), "rounds", (json_int_t)job->s->rounds);
}

static void print_result(const struct job *job, uint32_t threads, const struct result *r) {
    double dense = fmin(r[DENSE].median, r[PRODUCTS].median);
    printf(
        "%s: %.0f ns an input (least %.0f), batch %u, %u thread%s, kernels %s, inputs of the %s\n",
        tnm_model_name(job->sparse), r[SPARSE].median, r[SPARSE].least, job->s->batch, threads,
        threads == 1 ? "" : "s", tnm_kernels_name(), job->source);
    printf(
        "the same network dense: %.0f ns by the engine, %.0f ns by %s; %.1f times as fast as the "
        "better\n",
        r[DENSE].median, r[PRODUCTS].median, gemm_name(), dense / r[SPARSE].median);
}

// ---- Getting ready -----------------------------------------------------------------------------

// pool inputs out of n images, over and over; noise where there are no images.
static bool fill_pool(struct job *job, const uint8_t *pixel, uint32_t n, struct tnm_error *err) {
    size_t inputs = tnm_model_inputs(job->sparse);
    struct rng rng;
    job->pool = job->s->batch > POOL ? job->s->batch : POOL / job->s->batch * job->s->batch;
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

static bool choose_inputs(struct job *job, struct tnm_error *err) {
    const struct tnm_self_test *test = &job->sparse->meta.self_test;
    if (job->s->data == NULL) {
        job->source = test->n_cases > 0 ? "self-test" : "random numbers";
        return fill_pool(job, test->x, test->n_cases, err);
    }
    struct dataset data;
    job->source = "test set";
    if (!measure_data(&data, job->s->data, &job->sparse->meta, tnm_model_outputs(job->sparse),
                      false, true, err))
        return false;
    bool ok = fill_pool(job, data.set[DATA_TEST].pixel, data.set[DATA_TEST].n, err);
    dataset_close(&data);
    return ok;
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

static bool open_job(struct job *job, const char *path, struct tnm_error *err) {
    if ((job->sparse = tnm_model_open(path, err)) == NULL)
        return false;
    if (!net_open(&job->net, path, NULL, err))
        return false;
    make_dense(&job->net);
    return (job->dense = net_model(&job->net, err)) != NULL && choose_inputs(job, err);
}

static void close_job(struct job *job) {
    tnm_model_close(job->sparse);
    tnm_model_close(job->dense);
    net_free(&job->net);
    free(job->x);
}

static bool open_lane(struct lane *lane, struct job *job, struct tnm_error *err) {
    uint32_t batch = job->s->batch;
    lane->job = job;
    lane->session[SPARSE] = tnm_session_open(job->sparse, batch, err);
    if (lane->session[SPARSE] == NULL)
        return false;
    lane->session[DENSE] = tnm_session_open(job->dense, batch, err);
    if (lane->session[DENSE] == NULL)
        return false;
    lane->logits = calloc(batch * tnm_model_outputs(job->sparse), sizeof *lane->logits);
    if (lane->logits == NULL)
        return tnm_fail_errno(err, ENOMEM, "logits");
    if (pass_open(&lane->pass, &job->net, batch, false, err)) {
        pass_take_dense(&lane->pass); // the products are what is compared with
        return true;
    }
    job->ways = PRODUCTS;
    return err->code == TNM_EUNSUPPORTED;
}

static void close_lane(struct lane *lane) {
    tnm_session_close(lane->session[SPARSE]);
    tnm_session_close(lane->session[DENSE]);
    pass_close(&lane->pass);
    free(lane->logits);
}

static int bench(struct job *job, uint32_t threads) {
    struct tnm_error err;
    struct result result[WAYS];
    struct lane *lane = calloc(threads, sizeof *lane);
    bool ok = lane != NULL || tnm_fail_errno(&err, ENOMEM, "threads");
    for (uint32_t t = 0; ok && t < threads; t++)
        ok = open_lane(&lane[t], job, &err);
    ok = ok && measure_all(lane, threads, result, &err);
    for (uint32_t t = 0; lane != NULL && t < threads; t++)
        close_lane(&lane[t]);
    free(lane);
    if (!ok)
        return cli_fail(&err);
    if (job->s->json)
        return cli_print_json(document(job, threads, result));
    print_result(job, threads, result);
    return cli_finish();
}

int cmd_bench(int argc, char **argv) {
    struct settings s;
    struct cli_operands files;
    struct tnm_error err;
    int code = cli_parse(&command, argc, argv, &s, &files);
    if (code != CLI_GO)
        return code;
    struct job job = {.s = &s, .ways = WAYS};
    gemm_single_threaded();
    code = open_job(&job, files.item[0], &err)
               ? bench(&job, s.threads != 0 ? s.threads : team_processors())
               : cli_fail(&err);
    close_job(&job);
    return code;
}
