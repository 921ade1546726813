/* SPDX-License-Identifier: MIT */
// What running a graph needs, computed once when a model is opened and shared by all its sessions:
// where each tensor lies in the arena, and each weight matrix in the layout its kernel reads.
#ifndef TNM_PLAN_H
#define TNM_PLAN_H

#include "core/graph.h"
#include "core/layout.h"
#include "core/op.h"

// Immutable once made. Tensors that are views of each other share a place.
struct tnm_plan {
    const struct tnm_graph *graph; // borrowed
    struct tnm_kernels kernels;
    uint32_t n_steps;
    struct tnm_plan_step *step; // (n_steps), nodes that compute something, in order
    struct tnm_layout *layout;  // (graph->n_nodes, TNM_MAX_WEIGHTS), empty where no matrix is
    uint32_t *root;             // (n_tensors), the tensor whose place it shares, itself if none
    uint64_t *offset;           // (n_tensors), of its root in the arena: elements of one lane
    uint64_t arena;             // elements of one lane
    size_t bytes;
};

// Plans a graph that tnm_graph_check accepted. The graph and its matrices must outlive the plan.
// The memory is computed first: TNM_ELIMIT where it would be more than memory_limit bytes.
struct tnm_plan *tnm_plan_create(const struct tnm_graph *graph, size_t memory_limit,
                                 struct tnm_error *err) TNM_MUST_CHECK;

void tnm_plan_free(struct tnm_plan *plan);

// Bytes held by the plan.
size_t tnm_plan_bytes(const struct tnm_plan *plan);

// What runs matrix k of a node: "gather", "scatter", "dense", ...; NULL where there is none.
const char *tnm_plan_kernel(const struct tnm_plan *plan, uint32_t node, uint32_t k);

// Bytes of scratch that the greediest step takes for so many lanes.
uint64_t tnm_plan_scratch(const struct tnm_plan *plan, size_t lanes);

#endif
