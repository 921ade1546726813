/* SPDX-License-Identifier: MIT */
// A network as a graph: an array of tensors and an array of nodes in the order they run.
//
// Shapes are those of one input; the batch comes in front of them when a session runs. Feature maps
// are (channels, height, width), vectors (length). Each tensor is written by one node, or is the
// graph's input; nodes read only tensors written before them.
#ifndef TNM_GRAPH_H
#define TNM_GRAPH_H

#include "core/matrix.h"

enum {
    TNM_MAX_RANK = 4,
    TNM_MAX_TENSORS = 4096,
    TNM_MAX_NODES = 4096,
    TNM_MAX_NODE_INPUTS = 8,
    TNM_MAX_WEIGHTS = 2,
    TNM_MAX_NAME = 63,          // bytes of a name, without the 0 at its end
    TNM_MAX_ELEMENTS = 1 << 28, // of one tensor or matrix
};

// The numbers are those of the file. FORMAT.md says what each computes.
enum tnm_op {
    TNM_OP_LINEAR = 1,
    TNM_OP_CONV2D = 2,
    TNM_OP_MAX_POOL = 3,
    TNM_OP_AVERAGE_POOL = 4,
    TNM_OP_GLOBAL_POOL = 5, // average over height and width
    TNM_OP_ADD = 6,
    TNM_OP_MUL = 7,
    TNM_OP_CONCAT = 8, // along the first axis
    TNM_OP_RELU = 9,
    TNM_OP_CLIP = 10, // relu6 is clip 0..6
    TNM_OP_SIGMOID = 11,
    TNM_OP_TANH = 12,
    TNM_OP_HARD_SWISH = 13,
    TNM_OP_SOFTMAX = 14, // over all of the tensor
    TNM_OP_RESHAPE = 15, // a view; flatten is a reshape to rank 1
    TNM_OP_LSTM = 16,    // long short-term memory, over the rows of its input
};

struct tnm_tensor {
    char name[TNM_MAX_NAME + 1]; // may be empty
    uint32_t rank;               // 1..4
    uint32_t dim[TNM_MAX_RANK];  // each at least 1
};

// A window that slides over a feature map: convolutions and pools. Pads are zeros for a
// convolution; a pool leaves padded places out (maximum and mean of what is really there).
struct tnm_window {
    uint32_t kernel[2]; // height, width
    uint32_t stride[2];
    uint32_t pad[4]; // top, left, bottom, right
    uint32_t dilation[2];
    uint32_t groups; // convolution only; 1 elsewhere
};

struct tnm_clip {
    float low, high;
};

struct tnm_node {
    char name[TNM_MAX_NAME + 1]; // "fc1"; may be empty
    enum tnm_op op;
    uint32_t n_inputs;
    uint32_t input[TNM_MAX_NODE_INPUTS]; // tensor indices
    uint32_t output;                     // tensor index
    struct tnm_window window;            // conv2d, max_pool, average_pool
    struct tnm_clip clip;                // clip
    bool every_step; // lstm: what it holds after each row comes out, not only after the last
    uint32_t n_weights;
    struct tnm_matrix w[TNM_MAX_WEIGHTS]; // linear, conv2d: one; lstm: of the row, of the memory
};

struct tnm_graph {
    uint32_t n_tensors, n_nodes;
    struct tnm_tensor *tensor; // (n_tensors), owned
    struct tnm_node *node;     // (n_nodes), owned
    uint32_t input, output;    // tensor indices
    bool coded; // of a file: small sections and packed matrices are one stream (core/coded.h)
};

// Allocates the two arrays, zeroed. The counts must be within the maxima above.
bool tnm_graph_init(struct tnm_graph *graph, uint32_t n_tensors, uint32_t n_nodes,
                    struct tnm_error *err) TNM_MUST_CHECK;

// Frees arrays and matrices, and empties.
void tnm_graph_free(struct tnm_graph *graph);

// Checks everything that running relies on: indices, order, single writers, each node's inputs,
// attributes, weights and shapes by the rules of its operation. Changes nothing. TNM_EFORMAT, or
// TNM_EUNSUPPORTED for an operation that this build cannot run; the text names node and operation.
bool tnm_graph_check(const struct tnm_graph *graph, struct tnm_error *err) TNM_MUST_CHECK;

// Product of the dimensions.
size_t tnm_tensor_elements(const struct tnm_tensor *tensor);

// "linear", "conv2d", ...; NULL for a number without operation.
const char *tnm_op_name(uint32_t op);

#endif
