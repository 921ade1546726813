/* SPDX-License-Identifier: MIT */
// Counters and histograms of durations: what the daemon has done since its start, for GET /metrics.
//
// Counting takes a few nanoseconds, no lock and no memory: each processor has counters of its own,
// which reading adds up. A reading is no snapshot: what is counted meanwhile may be in it or not.
//
// Everything may be called from any thread. Durations are in nanoseconds. Where nothing is to be
// counted, stats may be NULL.
#ifndef STATS_H
#define STATS_H

#include "core/error.h"

enum {
    STATS_MAX_ROUTES = 96, // rows of the table of routes, and one for what none fits
    STATS_MAX_LABELS = 64, // classes that are counted each by itself; the others are one
    STATS_MAX_REASONS = 64,
    STATS_MAX_BUCKETS = 18
};

// ---- The daemon --------------------------------------------------------------------------------

struct stats;

struct stats *stats_open(struct tnm_error *err) TNM_MUST_CHECK;
void stats_close(struct stats *stats);

// A request was answered: by which row of the table (0: none), with which status, how long after it
// had come whole.
void stats_request(struct stats *stats, unsigned route, unsigned status, uint64_t ns);

// A request or a connection was refused. reason is the code of the error, a word that lives as long
// as the program; words beyond STATS_MAX_REASONS count as "other".
void stats_refused(struct stats *stats, const char *reason);

// A picture became an input, from the file's first byte to the pixels.
void stats_decode(struct stats *stats, uint64_t ns);

// A model was put into service (a file published, a model activated), or refused. Counts the time
// only of what was put into service: reading, checks, self-test, exchange.
void stats_swap(struct stats *stats, bool done, uint64_t ns);

// A run for comparison was left out, as there was other work.
void stats_shadow_dropped(struct stats *stats);

// ---- A model -----------------------------------------------------------------------------------

// Of all that serves under one name. Comes and goes with the name.
struct stats_model;

struct stats_model *stats_model_open(void); // NULL: no memory
void stats_model_close(struct stats_model *model);

// The model gave an answer: which class, and how long it ran.
void stats_answer(struct stats_model *model, size_t index, uint64_t infer_ns);

// It ran beside another, for comparison; whether both found the same class.
void stats_shadow(struct stats_model *model, bool agree);

// Somebody said what an answer of it should have been.
void stats_feedback(struct stats_model *model, bool correct);

// It was asked in a cascade; whether the next was asked too.
void stats_cascade(struct stats_model *model, bool escalated);

// It answered in place of a larger one, as there was too much to do.
void stats_degraded(struct stats_model *model);

// Requests of the Open Inference Protocol to the model.
struct stats_protocol {
    uint64_t requests[2], ns[2];            // [done]; from head to reply
    uint64_t rows, runs;                    // inputs answered, and in how many goes
    uint64_t input_ns, infer_ns, output_ns; // spent on reading, running, writing
    uint64_t last_ms;                       // of the last one, since 1970; for reading alone
};
void stats_protocol(struct stats_model *model, const struct stats_protocol *more);

// Forgets which classes were answered: another file serves, whose classes may be others.
void stats_forget_classes(struct stats_model *model);

// ---- Reading -----------------------------------------------------------------------------------

struct stats_histogram {
    const uint64_t *bound_ns; // (n_buckets - 1,) upwards; the last bucket has none
    unsigned n_buckets;
    uint64_t bucket[STATS_MAX_BUCKETS]; // how many were at most bound, and above the one before
    uint64_t count;
    double sum; // seconds
};

// How many requests a route answered with a status; the statuses are those of stats_status.
uint64_t stats_read_requests(const struct stats *stats, unsigned route, unsigned status_index);
// The status of an index from 0 on: 200... The last is 0 and stands for all others.
enum { STATS_N_STATUSES = 29 };
unsigned stats_status(unsigned status_index);
void stats_read_duration(const struct stats *stats, unsigned route, struct stats_histogram *out);

// A reason from 0 on, and how often; NULL: there are no more.
const char *stats_read_refused(const struct stats *stats, unsigned i, uint64_t *times);

void stats_read_decode(const struct stats *stats, struct stats_histogram *out);
void stats_read_swaps(const struct stats *stats, uint64_t *refused, struct stats_histogram *done);
uint64_t stats_read_shadow_dropped(const struct stats *stats);

uint64_t stats_read_answers(const struct stats_model *model);
void stats_read_inference(const struct stats_model *model, struct stats_histogram *out);
// index STATS_MAX_LABELS: all classes from there on.
uint64_t stats_read_class(const struct stats_model *model, size_t index);

struct stats_verdicts {
    uint64_t shadow[2]; // [agreed], and so on
    uint64_t feedback[2];
    uint64_t cascade[2];
    uint64_t degraded;
};
struct stats_verdicts stats_read_verdicts(const struct stats_model *model);

struct stats_protocol stats_read_protocol(const struct stats_model *model);

#endif
