/* SPDX-License-Identifier: MIT */
// How far each step of a training run goes: the learning rate over time, and what an optimiser
// makes of it. steps is how many an epoch has.
#ifndef SCHEDULE_H
#define SCHEDULE_H

#include "models/train.h"

// The learning rate of step number t (from 0) of the whole run.
float schedule_rate(const struct train_options *options, uint64_t t, uint32_t steps);

// All of that step; Adam's with its corrections for moments that began at 0.
struct optimise_step schedule_step(const struct train_options *options, uint64_t t, uint32_t steps);

#endif
