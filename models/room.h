/* SPDX-License-Identifier: MIT */
// How many weights a byte budget has room for: found by trial, on a copy that is pruned, shared,
// rounded and packed.
#ifndef ROOM_H
#define ROOM_H

#include "models/data.h"
#include "models/pack.h"

// Of shared values and of biases: measured on lenet5 and 784-300-100-10 of 1,600 to 8,600 weights,
// biases of 5 bits take 3 of 100 bytes less than those of 8 and cost nothing that can be measured.
enum { ROOM_CODEBOOK_BITS = 8, ROOM_BIAS_BITS = 5 };

struct room {
    struct net *net;
    const struct dataset *data; // whose images say what is salient
    const struct pack *pack;
    uint32_t bits;    // of a code, where a layer is not shared yet
    const char *verb; // the step that the file is going to tell of beside those it has, scores too
    uint64_t seed;    // of that step
};

// Rounds shared values and biases to as many bits as above.
void room_round(struct net *net);

// Bytes of the file as the network is now, its last step told; a few less in the end, as scores
// are.
bool room_size(const struct room *room, size_t *len, struct tnm_error *err) TNM_MUST_CHECK;

// The most weights that a file of so many bytes has room for, to within a 400th. The network stays
// as it is. TNM_EINPUT where there is room for none.
bool room_find(const struct room *room, uint64_t budget, uint64_t *n,
               struct tnm_error *err) TNM_MUST_CHECK;

// Removes the least salient weights until the file fits. Of a shared network.
bool room_trim(const struct room *room, uint64_t budget, struct tnm_error *err) TNM_MUST_CHECK;

#endif
