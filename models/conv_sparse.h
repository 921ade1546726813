/* SPDX-License-Identifier: MIT */
// Convolutions of stride 1 with few weights left, without columns: each weight adds its multiple of
// a plane, shifted (the idea of Park et al. 2017, "Faster CNNs with direct sparse convolutions and
// guided pruning", for training too).
#ifndef CONV_SPARSE_H
#define CONV_SPARSE_H

#include "models/ops.h"

// As struct train_op has them; a stride above 1 has no shape.
bool conv_sparse_shape(const struct tnm_graph *graph, const struct tnm_node *node, uint32_t matrix,
                       size_t n, struct sparse_shape *shape);
void conv_sparse_forward(const struct op_call *call);
void conv_sparse_backward(const struct op_call *call);

// Floats of work that they need.
size_t conv_sparse_floats(const struct tnm_graph *graph, const struct tnm_node *node);

#endif
