/* SPDX-License-Identifier: MIT */
// Shadow traffic: models that answer what others have answered already, so that one sees on real
// inputs how often they agree, and no client notices.
//
// Inputs are copied into a queue and run by a thread of the lowest priority (SCHED_IDLE), which
// shares no lock with those who answer requests. A full queue, or a daemon that has half of its
// own queue in work, drops them.
//
// Everything may be called from any thread.
#ifndef SHADOW_H
#define SHADOW_H

#include "daemon/kept.h"

enum { SHADOW_MODELS = 16, SHADOW_QUEUE = 64, SHADOW_EXAMPLES = 16 };

// Which models, and which share of the inputs, 0..1.
struct shadow_plan {
    double sample;
    size_t n;
    char model[SHADOW_MODELS][REQUEST_MAX_NAME + 1];
};

// Reads "a,b" into plan->model. TNM_EINPUT: what is no model's name, one that is there twice, too
// many.
bool shadow_plan_add(struct shadow_plan *plan, const char *names, size_t len,
                     struct tnm_error *err) TNM_MUST_CHECK;

// shelf and stats must outlive it. NULL: TNM_ENOMEM.
struct shadow *shadow_open(struct shelf *shelf, struct stats *stats,
                           struct tnm_error *err) TNM_MUST_CHECK;
void shadow_close(struct shadow *shadow); // NULL is fine; what waits is dropped

// Begins anew with other models; the thread starts with the first. TNM_EIO, TNM_ENOMEM.
bool shadow_set(struct shadow *shadow, const struct shadow_plan *plan,
                struct tnm_error *err) TNM_MUST_CHECK;

// Copies an input for the models to run, or drops it if is_busy or the queue is full.
void shadow_offer(struct shadow *shadow, const struct seen *seen, bool is_busy);

// An answer that differed.
struct shadow_example {
    char request_id[REQUEST_MAX_ID + 1];
    uint32_t item;
    char model[REQUEST_MAX_NAME + 1]; // that answered
    char label[KEPT_LABEL_BYTES], shadow_label[KEPT_LABEL_BYTES];
    double margin, shadow_margin;
};

// What one model did since it is in shadow: since shadow_set, or since its file was replaced or
// came into service.
struct shadow_row {
    char model[REQUEST_MAX_NAME + 1];
    char digest[65]; // empty: it has not run yet
    bool is_missing; // it was not in service when it should have run last
    uint64_t agreed, disagreed;
    uint64_t skipped; // other inputs than it takes, or its own answers
    uint64_t dropped;
    double margin_change; // sum of its margin less that of the answer
    uint64_t infer_ns;    // sum
    uint64_t n_examples;  // ever; the last are in example[number % SHADOW_EXAMPLES]
    struct shadow_example example[SHADOW_EXAMPLES];
};

// The plan, and a row for each of its models.
void shadow_read(struct shadow *shadow, struct shadow_plan *plan,
                 struct shadow_row row[SHADOW_MODELS]);

#endif
