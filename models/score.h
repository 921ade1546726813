/* SPDX-License-Identifier: MIT */
// Correct answers of a network in training, by the arithmetic of training: quick, for every epoch.
// What a file claims is counted by the engine instead (measure.h).
#ifndef SCORE_H
#define SCORE_H

#include "models/data.h"
#include "models/net.h"

// threads 1..TEAM_MAX; an empty set gives 0 of 0. TNM_EUNSUPPORTED, TNM_ENOMEM, TNM_EIO (threads).
bool score_net(const struct net *net, const struct data_set *set, uint32_t threads,
               struct tnm_score *score, struct tnm_error *err) TNM_MUST_CHECK;

#endif
