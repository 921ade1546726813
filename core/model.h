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

struct tnm_model {
    uint8_t *bytes; // the snapshot, page-aligned, read-only
    size_t len;
    size_t mapped; // bytes mapped for it: len rounded up, and at least 64 zero bytes behind
    char digest[2 * TNM_DIGEST_BYTES + 1];
    struct tnm_meta meta;
    struct tnm_graph graph;
    size_t *weight_bytes; // (graph.n_nodes), in the file, padding left out
    char **made_label;    // "0", "1", ... where the file has no labels; NULL elsewhere
    struct tnm_limits limits;
    struct tnm_plan *plan;
};

#endif
