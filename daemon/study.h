/* SPDX-License-Identifier: MIT */
// Long calculations that a call waits for: evaluations and replays. One at a time, on a thread that
// gives way to those who answer requests, and no longer than a client would wait.
#ifndef STUDY_H
#define STUDY_H

#include "daemon/observe.h"

struct study {
    const struct api *api;
    uint64_t end_ns;
};

// Runs run(study, arg) and waits for it. False with 503 in reply where another study runs, or for
// want of a thread.
bool study_run(struct api *api, const struct request *request, struct reply *reply,
               void (*run)(const struct study *study, void *arg), void *arg);

// Whether to stop, as time is up or the daemon is being stopped. To be asked every few
// milliseconds.
bool study_is_over(const struct study *study);

#endif
