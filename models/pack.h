/* SPDX-License-Identifier: MIT */
// A network in as few bytes as possible: layers with shared weights are packed, which loses
// nothing, and the rest of the file may be made smaller, which leaves out what it says of itself.
#ifndef PACK_H
#define PACK_H

#include "core/model.h"
#include "models/net.h"

enum pack_part {
    PACK_KEEP,
    PACK_SMALLER, // self-test: inputs made from a seed, answers of a byte each; provenance: without
                  // parameters and digests; names: of layers with weights alone, no description, no
                  // labels that only count; sections: META, GRAPH, SELFTEST and all packed
                  // matrices as one coded stream
    PACK_NONE     // self-test, provenance
};

struct pack {
    enum pack_part self_test, provenance, names, sections;
    uint64_t seed; // of a seeded self-test
};

// All of them smaller.
struct pack pack_small(uint64_t seed);

// Makes of an open model what tnm_encode writes packed. Sections that are too long to be coded stay
// plain. TNM_EINPUT where no layer is shared,
// TNM_ELIMIT where there are too many weights.
bool pack_model(struct tnm_model *model, const struct pack *how,
                struct tnm_error *err) TNM_MUST_CHECK;

// The other way; what was left out stays out.
void pack_undo(struct tnm_model *model);

// The packed file of a network. *bytes is to be freed by the caller.
bool pack_net(const struct net *net, const struct pack *how, uint8_t **bytes, size_t *len,
              struct tnm_error *err) TNM_MUST_CHECK;

#endif
