/* SPDX-License-Identifier: MIT */
// Gradual pruning (Zhu and Gupta 2017, with a gentler end) while a network trains: several times an
// epoch the least salient weights of all layers go, so that a number is left when the run ends.
#ifndef GRADUAL_H
#define GRADUAL_H

#include "models/run.h"

// Memory for a run that prunes.
bool gradual_open(struct run *run, struct tnm_error *err) TNM_MUST_CHECK;
void gradual_close(struct run *run);

// Whether weights go after step number t (from 0) of the whole run; and removing them, one thread's
// part.
bool gradual_due(const struct run *run, uint64_t t);
void gradual_prune(struct run *run, uint64_t t);

#endif
