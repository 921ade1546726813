/* SPDX-License-Identifier: MIT */
// How many weights a byte budget has room for: found by trial, on a copy that is pruned, shared,
// rounded and packed.
#ifndef ROOM_H
#define ROOM_H

#include "models/data.h"
#include "models/pack.h"

enum { ROOM_ROUND_BITS = 8 }; // of shared values and biases

struct room {
    struct net *net;
    const struct dataset *data; // whose images say what is salient
    const struct pack *pack;
    uint32_t bits; // of a code, where a layer is not shared yet
};

// Shares, in 2^bits values each, the layers that are not.
bool room_share(struct net *net, uint32_t bits, struct tnm_error *err) TNM_MUST_CHECK;

// Rounds shared values and biases to ROOM_ROUND_BITS.
void room_round(struct net *net);

// Bytes of the file as the network is now.
bool room_size(const struct room *room, size_t *len, struct tnm_error *err) TNM_MUST_CHECK;

// The most weights that a file of so many bytes has room for, to within a 400th. The network stays
// as it is. TNM_EINPUT where there is room for none.
bool room_find(const struct room *room, uint64_t budget, uint64_t *n,
               struct tnm_error *err) TNM_MUST_CHECK;

// Removes the least salient weights until the file fits. Of a shared network.
bool room_trim(const struct room *room, uint64_t budget, struct tnm_error *err) TNM_MUST_CHECK;

#endif
