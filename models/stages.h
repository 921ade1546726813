/* SPDX-License-Identifier: MIT */
// The stages of a network, and how those of two networks go together.
//
// A stage is a layer with weights and what follows it up to the next one: its activation, its pool.
// Its output is that of the last of them; its name is the layer's, as tnm info lists it (of an lstm
// the node's, lstm1). The last stage, whose output is the logits, is left out. A layer without a
// name is called by its place, from 1.
#ifndef STAGES_H
#define STAGES_H

#include "core/graph.h"

enum { STAGES_MAX_PAIRS = 16 };

struct stage {
    char name[TNM_MAX_NAME + 1];
    uint32_t tensor; // its output
    uint32_t node;   // that writes it
};

struct stages {
    uint32_t n;
    struct stage *stage; // (n), from the input to the output, owned
};

// The nodes on the way from input to output; where a node has several inputs, the first is
// followed. TNM_ENOMEM.
bool stages_open(struct stages *stages, const struct tnm_graph *graph,
                 struct tnm_error *err) TNM_MUST_CHECK;
void stages_close(struct stages *stages);

// Of two networks.
struct stage_pair {
    uint32_t student, teacher; // places in their stages
};

// From "fc1=conv2,fc2=fc1", the student's in front. "auto" takes as many pairs as the network with
// fewer stages has, evenly from input to output: the last stages go together, and of the other
// network the stages between are left out. TNM_EINPUT where a network has no stage or none of that
// name, or there are more pairs than STAGES_MAX_PAIRS; the text says what stages there are.
bool stages_pair(const struct stages *student, const struct stages *teacher, const char *text,
                 struct stage_pair pair[STAGES_MAX_PAIRS], uint32_t *n,
                 struct tnm_error *err) TNM_MUST_CHECK;

#endif
