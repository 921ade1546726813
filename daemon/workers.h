/* SPDX-License-Identifier: MIT */
// A few threads for work that takes long, so that nothing on the HTTP threads waits behind it.
#ifndef WORKERS_H
#define WORKERS_H

#include "core/error.h"

// Part of the record of whatever is to be done.
struct job {
    struct job *next;
    void (*run)(struct job *job);
};

struct workers;

struct workers *workers_start(unsigned n_threads, struct tnm_error *err) TNM_MUST_CHECK;

// Runs job->run(job) soon, in the order of the calls. The record must live until then.
void workers_add(struct workers *workers, struct job *job);

// Finishes all that was added, then ends the threads.
void workers_stop(struct workers *workers);

#endif
