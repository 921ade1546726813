/* SPDX-License-Identifier: MIT */
// The second half of a training step: the gradients of all threads become a step of the
// parameters. A run's parameters are a list of blocks; each thread takes its share of them.
#ifndef UPDATE_H
#define UPDATE_H

#include "models/run.h"
#include "models/team.h"

// Makes the list anew: at the start, and where what is removed has changed.
void update_list(struct run *run);

// Step number t (from 0) of the whole run, thread index's share of the parameters.
void update_share(struct run *run, struct team *team, unsigned index, uint64_t t);

// What was removed does not move any more.
void update_forget(struct run *run);

// All parameters, block by block: to best (run_moments), or back from it.
void update_copy(const struct run *run, float *best, bool back);

#endif
