/* SPDX-License-Identifier: MIT */
// An open model from the inside. Immutable once open; tools of the forge read it directly.
//
//     path -> snapshot (private copy of the bytes) -> parse -> meta, graph (arrays point into the
//     snapshot) -> check -> plan (shapes, arena, kernel layouts)
#ifndef TNM_MODEL_H
#define TNM_MODEL_H

#include "core/graph.h"
#include "core/meta.h"

struct tnm_plan; // core/plan.h: what running needs, computed once

enum {
    TNM_COUNTED_BYTES = 12, // of a label that is a number
    TNM_PART_NAME = TNM_MAX_NAME + 5
};

struct tnm_model {
    uint8_t *bytes; // the snapshot, page-aligned, read-only
    size_t len;
    size_t mapped; // bytes mapped for it: len rounded up, and at least 64 zero bytes behind
    char digest[2 * TNM_DIGEST_BYTES + 1];
    struct tnm_meta meta;
    struct tnm_graph graph;
    size_t *weight_bytes; // (graph.n_nodes, TNM_MAX_WEIGHTS), in the file, padding left out
    char *counted;        // "0", "1", ... where the file has no labels; NULL else
    char (*part_name)[TNM_PART_NAME]; // (graph.n_nodes, TNM_MAX_WEIGHTS), "lstm1.in", where a node
                                      // has two matrices; NULL where none has
    struct tnm_limits limits;
    size_t held; // bytes, without the plan
    struct tnm_plan *plan;
};

// Reads and checks everything into meta, graph and weight_bytes of a model that has bytes, len and
// limits, the rest being zero. At least 64 readable bytes must follow the last. What a failure
// leaves is for tnm_model_clear.
bool tnm_model_parse(struct tnm_model *model, struct tnm_error *err) TNM_MUST_CHECK;

// Frees all but the bytes.
void tnm_model_clear(struct tnm_model *model);

#endif
