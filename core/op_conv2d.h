/* SPDX-License-Identifier: MIT */
// Where a convolution's weight finds its pixels: for building its layout. See op_conv2d.c.
#ifndef TNM_OP_CONV2D_H
#define TNM_OP_CONV2D_H

#include "core/graph.h"

// The padded input, a plane for each channel and phase: (channels, phases[0], phases[1], height,
// pitch).
struct tnm_planes {
    uint32_t phases[2];
    uint32_t height, pitch;
    uint64_t elements;
    bool in_place; // the input as it lies has this form
};

struct tnm_conv2d_context {
    struct tnm_window window;
    struct tnm_planes planes;
    uint32_t channels, rows; // of one group
};

// For a node that tnm_graph_check accepted.
void tnm_conv2d_context(struct tnm_conv2d_context *context, const struct tnm_graph *graph,
                        const struct tnm_node *node);

// The element of the planes that weight (row, col) meets at the first output pixel; opaque is the
// context.
uint32_t tnm_conv2d_element(const void *opaque, uint32_t row, uint32_t col);

#endif
