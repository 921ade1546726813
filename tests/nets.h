/* SPDX-License-Identifier: MIT */
// Networks made in memory, and a second way to run them: plain loops in double precision that carry
// along how far off an f32 implementation may be.
#ifndef NETS_H
#define NETS_H

#include "core/graph.h"
#include "tests/random.h"

// An empty graph with one tensor, its input; room for so many nodes. The output is always that of
// the node added last.
void nets_begin(struct tnm_graph *graph, uint32_t max_nodes, uint32_t rank, const uint32_t *dim);

// What the weights of a layer look like.
struct nets_weights {
    enum tnm_encoding encoding;
    uint32_t bits;  // dense: 32 or 16; csr-codebook: of a code
    unsigned zeros; // of 100 weights
    bool no_bias;
    uint32_t block_rows, block_cols; // of blocks that are there or not together; 0 stands for 1
    unsigned holes;                  // of 100 weights in a block
};

// A random matrix. Some rows of sparse ones are empty.
void nets_matrix(struct tnm_matrix *out, uint32_t rows, uint32_t cols,
                 const struct nets_weights *weights, struct randomness *r);

// Add a node and its output tensor, and return the tensor's index. Abort where the shape rule
// refuses.
uint32_t nets_linear(struct tnm_graph *graph, uint32_t input, uint32_t outputs,
                     const struct nets_weights *weights, struct randomness *r);
uint32_t nets_conv(struct tnm_graph *graph, uint32_t input, uint32_t channels,
                   const struct tnm_window *window, const struct nets_weights *weights,
                   struct randomness *r);
// A memory of size that reads the rows of a tensor (rows, width).
uint32_t nets_lstm(struct tnm_graph *graph, uint32_t input, uint32_t size, bool every_step,
                   const struct nets_weights *weights, struct randomness *r);
uint32_t nets_pool(struct tnm_graph *graph, enum tnm_op op, uint32_t input,
                   const struct tnm_window *window);
uint32_t nets_clip(struct tnm_graph *graph, uint32_t input, float low, float high);
uint32_t nets_reshape(struct tnm_graph *graph, uint32_t input, uint32_t rank, const uint32_t *dim);
uint32_t nets_node(struct tnm_graph *graph, enum tnm_op op, uint32_t n_inputs,
                   const uint32_t *input);

// 784-300-100-10 with relu between, weights zero in so many of 100 places.
void nets_mlp(struct tnm_graph *graph, const struct nets_weights *weights, struct randomness *r);

// So many nodes of random operations on random tensors written before: (n), (c, h, w) and views.
void nets_random(struct tnm_graph *graph, uint32_t n_nodes, struct randomness *r);

// A number and how far from it an f32 result may be.
struct nets_value {
    double value, error;
};

// Runs the graph on one input. out (outputs).
void nets_reference(const struct tnm_graph *graph, const float *x, struct nets_value *out);

// Fails the test where one of n results is further off than it may be.
void nets_compare(const float *got, const struct nets_value *want, size_t n, const char *what);

#endif
