/* SPDX-License-Identifier: MIT */
// What a network's layers hold at a moment, to come back to after a trial.
#ifndef STATE_H
#define STATE_H

#include "models/net.h"

struct state {
    uint32_t n_layers;
    struct net_layer *layer; // copies, owned
};

// A deep copy of all layers. TNM_ENOMEM; then state is empty.
bool state_keep(struct state *state, const struct net *net, struct tnm_error *err) TNM_MUST_CHECK;

// Puts the layers back as they were and empties state.
void state_restore(struct state *state, struct net *net);

void state_free(struct state *state);

#endif
