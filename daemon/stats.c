/* SPDX-License-Identifier: MIT */
// Counters, as many sets of them as keep processors out of each other's way.
#include "daemon/stats.h"

#include "core/error.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SHARDS = 4, CACHE_LINE = 64 };

typedef _Atomic uint64_t counter;

struct histogram {
    counter sum_ns;
    counter bucket[STATS_MAX_BUCKETS];
};

// Upper bounds of all buckets but the last.
struct ladder {
    unsigned n_buckets;
    uint64_t bound_ns[STATS_MAX_BUCKETS - 1];
};

enum { US = 1000, MS = 1000000 };

// A request takes from some microseconds to as long as a queue of large photographs.
static const struct ladder request_ladder = {
    17,
    {25 * US, 50 * US, 100 * US, 250 * US, 500 * US, 1 * MS, 2500 * US, 5 * MS, 10 * MS, 25 * MS,
     50 * MS, 100 * MS, 250 * MS, 500 * MS, 1000 * MS, 2500ULL * MS}};
static const struct ladder inference_ladder = {14,
                                               {5 * US, 10 * US, 25 * US, 50 * US, 100 * US,
                                                250 * US, 500 * US, 1 * MS, 2500 * US, 5 * MS,
                                                10 * MS, 25 * MS, 100 * MS}};

// What one processor counts.
struct shard {
    struct histogram decode;
    struct histogram duration[STATS_MAX_ROUTES];
    counter requests[STATS_MAX_ROUTES][STATS_N_STATUSES];
    char gap[CACHE_LINE];
};

struct stats {
    struct shard shard[SHARDS];
    struct histogram swap;
    counter swaps_refused, shadow_dropped;
    // Words come one by one and stay.
    _Atomic(const char *) reason[STATS_MAX_REASONS];
    counter refused[STATS_MAX_REASONS];
};

struct model_shard {
    struct histogram inference;
    counter class[STATS_MAX_LABELS + 1];
    char gap[CACHE_LINE];
};

struct stats_model {
    struct model_shard shard[SHARDS];
    counter shadow[2], feedback[2], cascade[2], degraded;
    struct {
        counter requests[2], ns[2], rows, runs, input_ns, infer_ns, output_ns, last_ms;
    } protocol;
};

// ---- Counting ----------------------------------------------------------------------------------

static void add(counter *at, uint64_t n) {
    atomic_fetch_add_explicit(at, n, memory_order_relaxed);
}

static uint64_t get(const counter *at) {
    return atomic_load_explicit(at, memory_order_relaxed);
}

// Two threads may still meet in one, so that counters are atomic nonetheless.
static unsigned my_shard(void) {
    return (unsigned)sched_getcpu() % SHARDS;
}

static void observe(struct histogram *histogram, const struct ladder *ladder, uint64_t ns) {
    unsigned i = 0;
    while (i < ladder->n_buckets - 1 && ns > ladder->bound_ns[i])
        i++;
    add(&histogram->bucket[i], 1);
    add(&histogram->sum_ns, ns);
}

// ---- The daemon --------------------------------------------------------------------------------

// Those that come from the start on, so that a rate of them is known before the first one.
static const char *const usual_reasons[] = {"overloaded", "too_many_connections", "no_model",
                                            "draining", "timeout"};

// The most frequent first. Looked up at each request.
static const uint16_t statuses[STATS_N_STATUSES] = {
    200, 503, 400, 404, 422, 429, 201, 202, 204, 206, 304, 401, 403, 405, 406,
    408, 409, 412, 413, 414, 415, 417, 421, 431, 500, 501, 505, 507, 0};

struct stats *stats_open(struct tnm_error *err) {
    struct stats *stats = calloc(1, sizeof *stats);
    if (stats == NULL) {
        tnm_fail(err, TNM_ENOMEM, "no memory for counters");
        return NULL;
    }
    for (size_t i = 0; i < sizeof usual_reasons / sizeof usual_reasons[0]; i++)
        atomic_init(&stats->reason[i], usual_reasons[i]);
    return stats;
}

void stats_close(struct stats *stats) {
    free(stats);
}

void stats_request(struct stats *stats, unsigned route, unsigned status, uint64_t ns) {
    if (stats == NULL)
        return;
    struct shard *shard = &stats->shard[my_shard()];
    unsigned row = route < STATS_MAX_ROUTES ? route : 0, i = 0;
    while (i < STATS_N_STATUSES - 1 && statuses[i] != status)
        i++;
    add(&shard->requests[row][i], 1);
    observe(&shard->duration[row], &request_ladder, ns);
}

// Where the word stands; it is put where there is still room.
static unsigned find_reason(struct stats *stats, const char *reason) {
    for (unsigned i = 0; i < STATS_MAX_REASONS - 1; i++) {
        const char *there = NULL;
        if (atomic_compare_exchange_strong(&stats->reason[i], &there, reason) ||
            strcmp(there, reason) == 0)
            return i;
    }
    atomic_store(&stats->reason[STATS_MAX_REASONS - 1], "other");
    return STATS_MAX_REASONS - 1;
}

void stats_refused(struct stats *stats, const char *reason) {
    if (stats != NULL)
        add(&stats->refused[find_reason(stats, reason)], 1);
}

void stats_decode(struct stats *stats, uint64_t ns) {
    if (stats != NULL)
        observe(&stats->shard[my_shard()].decode, &request_ladder, ns);
}

void stats_swap(struct stats *stats, bool done, uint64_t ns) {
    if (stats == NULL)
        return;
    if (done)
        observe(&stats->swap, &request_ladder, ns);
    else
        add(&stats->swaps_refused, 1);
}

void stats_shadow_dropped(struct stats *stats) {
    if (stats != NULL)
        add(&stats->shadow_dropped, 1);
}

// ---- A model -----------------------------------------------------------------------------------

struct stats_model *stats_model_open(void) {
    return calloc(1, sizeof(struct stats_model));
}

void stats_model_close(struct stats_model *model) {
    free(model);
}

void stats_answer(struct stats_model *model, size_t index, uint64_t infer_ns) {
    if (model == NULL)
        return;
    struct model_shard *shard = &model->shard[my_shard()];
    observe(&shard->inference, &inference_ladder, infer_ns);
    add(&shard->class[index < STATS_MAX_LABELS ? index : STATS_MAX_LABELS], 1);
}

void stats_shadow(struct stats_model *model, bool agree) {
    if (model != NULL)
        add(&model->shadow[agree], 1);
}

void stats_feedback(struct stats_model *model, bool correct) {
    if (model != NULL)
        add(&model->feedback[correct], 1);
}

void stats_cascade(struct stats_model *model, bool escalated) {
    if (model != NULL)
        add(&model->cascade[escalated], 1);
}

void stats_degraded(struct stats_model *model) {
    if (model != NULL)
        add(&model->degraded, 1);
}

static uint64_t now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME_COARSE, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void stats_protocol(struct stats_model *model, const struct stats_protocol *more) {
    if (model == NULL)
        return;
    for (unsigned done = 0; done < 2; done++) {
        add(&model->protocol.requests[done], more->requests[done]);
        add(&model->protocol.ns[done], more->ns[done]);
    }
    add(&model->protocol.rows, more->rows);
    add(&model->protocol.runs, more->runs);
    add(&model->protocol.input_ns, more->input_ns);
    add(&model->protocol.infer_ns, more->infer_ns);
    add(&model->protocol.output_ns, more->output_ns);
    atomic_store_explicit(&model->protocol.last_ms, now_ms(), memory_order_relaxed);
}

void stats_forget_classes(struct stats_model *model) {
    for (unsigned s = 0; model != NULL && s < SHARDS; s++)
        for (unsigned i = 0; i <= STATS_MAX_LABELS; i++)
            atomic_store_explicit(&model->shard[s].class[i], 0, memory_order_relaxed);
}

// ---- Reading -----------------------------------------------------------------------------------

static void start_reading(struct stats_histogram *out, const struct ladder *ladder) {
    *out = (struct stats_histogram){.bound_ns = ladder->bound_ns, .n_buckets = ladder->n_buckets};
}

static void add_reading(struct stats_histogram *out, const struct histogram *histogram) {
    for (unsigned i = 0; i < out->n_buckets; i++) {
        uint64_t n = get(&histogram->bucket[i]);
        out->bucket[i] += n;
        out->count += n;
    }
    out->sum += (double)get(&histogram->sum_ns) / 1e9;
}

unsigned stats_status(unsigned status_index) {
    return statuses[status_index];
}

uint64_t stats_read_requests(const struct stats *stats, unsigned route, unsigned status_index) {
    uint64_t n = 0;
    for (unsigned s = 0; s < SHARDS; s++)
        n += get(&stats->shard[s].requests[route][status_index]);
    return n;
}

void stats_read_duration(const struct stats *stats, unsigned route, struct stats_histogram *out) {
    start_reading(out, &request_ladder);
    for (unsigned s = 0; s < SHARDS; s++)
        add_reading(out, &stats->shard[s].duration[route]);
}

const char *stats_read_refused(const struct stats *stats, unsigned i, uint64_t *times) {
    const char *reason = i < STATS_MAX_REASONS ? atomic_load(&stats->reason[i]) : NULL;
    *times = reason != NULL ? get(&stats->refused[i]) : 0;
    return reason;
}

void stats_read_decode(const struct stats *stats, struct stats_histogram *out) {
    start_reading(out, &request_ladder);
    for (unsigned s = 0; s < SHARDS; s++)
        add_reading(out, &stats->shard[s].decode);
}

void stats_read_swaps(const struct stats *stats, uint64_t *refused, struct stats_histogram *done) {
    *refused = get(&stats->swaps_refused);
    start_reading(done, &request_ladder);
    add_reading(done, &stats->swap);
}

uint64_t stats_read_shadow_dropped(const struct stats *stats) {
    return get(&stats->shadow_dropped);
}

void stats_read_inference(const struct stats_model *model, struct stats_histogram *out) {
    start_reading(out, &inference_ladder);
    for (unsigned s = 0; s < SHARDS; s++)
        add_reading(out, &model->shard[s].inference);
}

uint64_t stats_read_answers(const struct stats_model *model) {
    struct stats_histogram all;
    stats_read_inference(model, &all);
    return all.count;
}

uint64_t stats_read_class(const struct stats_model *model, size_t index) {
    uint64_t n = 0;
    for (unsigned s = 0; s < SHARDS; s++)
        n += get(&model->shard[s].class[index]);
    return n;
}

struct stats_verdicts stats_read_verdicts(const struct stats_model *model) {
    return (struct stats_verdicts){
        .shadow = {get(&model->shadow[0]), get(&model->shadow[1])},
        .feedback = {get(&model->feedback[0]), get(&model->feedback[1])},
        .cascade = {get(&model->cascade[0]), get(&model->cascade[1])},
        .degraded = get(&model->degraded),
    };
}

struct stats_protocol stats_read_protocol(const struct stats_model *model) {
    if (model == NULL)
        return (struct stats_protocol){0};
    return (struct stats_protocol){
        .requests = {get(&model->protocol.requests[0]), get(&model->protocol.requests[1])},
        .ns = {get(&model->protocol.ns[0]), get(&model->protocol.ns[1])},
        .rows = get(&model->protocol.rows),
        .runs = get(&model->protocol.runs),
        .input_ns = get(&model->protocol.input_ns),
        .infer_ns = get(&model->protocol.infer_ns),
        .output_ns = get(&model->protocol.output_ns),
        .last_ms = get(&model->protocol.last_ms)};
}
