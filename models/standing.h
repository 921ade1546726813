/* SPDX-License-Identifier: MIT */
// Where a training run stands between two epochs, and the checkpoint that it can go on from.
#ifndef STANDING_H
#define STANDING_H

#include "models/run.h"

struct standing {
    uint32_t done; // epochs
    struct train_report last;
    struct train_report *report; // (options->epochs), of each epoch
    float *best;                 // parameters (run_moments), or NULL
};

// standing is to be closed even where this fails.
bool standing_open(struct standing *at, const struct run *run,
                   struct tnm_error *err) TNM_MUST_CHECK;
void standing_close(struct standing *at);

// Writes the checkpoint, if the run has one.
bool standing_keep(struct run *run, struct standing *at, struct tnm_error *err) TNM_MUST_CHECK;

// Goes on from the checkpoint, if there is one. *over: this stage has been run to its end before.
bool standing_find(struct run *run, struct standing *at, bool *over,
                   struct tnm_error *err) TNM_MUST_CHECK;

#endif
