/* SPDX-License-Identifier: MIT */
// What running a graph needs, computed once when a model is opened and shared by all its sessions:
// where each tensor lies in the arena, and each weight matrix in the layout its kernel reads.
#ifndef TNM_PLAN_H
#define TNM_PLAN_H

#include "core/graph.h"

struct tnm_plan;

// Plans a graph that tnm_graph_check accepted. The graph and its matrices must outlive the plan.
// The memory is computed first: TNM_ELIMIT where it would be more than memory_limit bytes.
struct tnm_plan *tnm_plan_create(const struct tnm_graph *graph, size_t memory_limit,
                                 struct tnm_error *err) TNM_MUST_CHECK;

void tnm_plan_free(struct tnm_plan *plan);

// Bytes held by the plan.
size_t tnm_plan_bytes(const struct tnm_plan *plan);

// What runs the weights of node index: "gather", "scatter", "dense", ...; NULL for a node without.
const char *tnm_plan_kernel(const struct tnm_plan *plan, uint32_t node);

#endif
