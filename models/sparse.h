/* SPDX-License-Identifier: MIT */
// Products with a layer that has few weights left, at the cost of what is left: forward, the
// gradient by its inputs, and the gradient by its surviving weights.
//
// Everything is a sum of vectors: each output is a vector over the images of a batch (linear,
// lstm) or over the places of a plane (convolution), each weight adds its multiple of an input
// vector to it. A convolution's window moves over a flat plane, so that the vector that a weight
// reads is the plane itself, shifted; where a row of windows ends, a few places of no meaning
// follow. Vectors lie side by side in one array, `from` is where a weight's begins.
//
// One thread's; the layer is only read. Sums run in an order that depends on the weights that are
// left alone, so that a run repeats bit for bit on the same machine.
#ifndef SPARSE_H
#define SPARSE_H

#include "models/net.h"

// Vectors have room for a multiple of so many floats; what a kernel reads and writes is one.
enum { SPARSE_LANES = 16 };

static inline size_t sparse_lanes(size_t n) {
    return (n + SPARSE_LANES - 1) / SPARSE_LANES * SPARSE_LANES;
}

// How a layer's weights find their vectors. Column c of a row reads input vector c / taps (counted
// within the row's group), shifted by its tap (row * down + column * across of the kernel).
struct sparse_shape {
    uint32_t inputs, groups;   // input vectors, all groups together
    uint32_t taps, tap_width;  // elements of a kernel; in one of its rows. 1, 1 without kernel
    uint32_t down, across;     // shifts
    uint32_t in_step;          // from one input vector to the next
    uint32_t out_step, margin; // from one output's gradient to the next; zeros before the first
    float most;                // share of its weights at which a layer is taken as sparse
};

// That of a matrix whose vectors are over a batch of n, side by side. False where there are more
// places than 32 bits can name.
bool sparse_batch_shape(uint32_t rows, uint32_t cols, size_t n, struct sparse_shape *shape);

// The surviving weights in the order of their rows, or of the inputs they read.
struct sparse_list {
    uint32_t *start; // (rows or inputs + 1)
    uint32_t *at;    // (n), in the layer's w
    uint32_t *from;  // (n), in the input vectors, or in the gradients of the outputs
    float *value;    // (n), as sparse_read found them
};

struct sparse {
    const struct net_layer *layer;
    struct sparse_shape shape;
    uint32_t room, n; // weights it has memory for; that are left
    bool on;          // few enough are left
    struct sparse_list by_row, by_input;
    float *part; // (n, 8), gradients by weights before they are summed up
};

// Memory that a layer's needs; sparse_place takes it, aligned like any float. Weights that are
// left may become fewer later, not more.
size_t sparse_bytes(const struct net_layer *layer, const struct sparse_shape *shape);
void sparse_place(struct sparse *s, const struct net_layer *layer, const struct sparse_shape *shape,
                  void *memory);

// Lists what is left: at first, and where weights were removed since (or else those go on costing
// time).
void sparse_look(struct sparse *s);

// Takes the values of a list from w: before sums, whenever weights have moved.
void sparse_read(const struct sparse *s, struct sparse_list *list);

// out (len) += the sum that a line (a row, or an input) of the list is; len a multiple of
// SPARSE_LANES.
void sparse_sum(const struct sparse_list *list, uint32_t line, const float *in, size_t len,
                float *out);

// Gradients by weights in three steps: clear, add for each row the products of its gradient d (len)
// with what its weights read, and store the sums in d_w (rows, cols), where those of removed
// weights stay as they are.
void sparse_clear(const struct sparse *s);
void sparse_multiply(const struct sparse *s, uint32_t row, const float *d, const float *in,
                     size_t len);
void sparse_store(const struct sparse *s, float *d_w);

// ---- Vectors over a batch ----------------------------------------------------------------------

// x (n, width) to (width, step), zeros in the lanes behind n; and back, adding or not.
void sparse_turn(const float *x, size_t n, size_t width, size_t step, float *to);
void sparse_turn_back(const float *from, size_t n, size_t width, size_t step, bool add, float *x);

#endif
