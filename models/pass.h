/* SPDX-License-Identifier: MIT */
// A network running forward and backward on some inputs: the values of all its tensors and, after
// backward, the gradients. One thread's; the network is only read.
#ifndef PASS_H
#define PASS_H

#include "models/ops.h"

struct pass {
    const struct net *net;
    uint32_t room; // inputs it has memory for
    bool backward;
    float **value;    // (n_tensors): (room, elements) each
    float **gradient; // (n_tensors), the same
    bool *pulled;     // (n_tensors): gradient holds what pass_pull was asked for
    void **kept;      // (n_nodes), what an operation keeps from forward to backward
    float *scratch;   // of the matrix products
    float *work;      // of one operation at a time
    float *d_param;   // (net_parameters): gradients by weights and biases, summed over the inputs
    size_t *at;       // (n_layers): where in d_param a layer's weights begin; its biases follow
    struct sparse *sparse; // (n_layers), what is left of the weights, where that is little
    void *memory;          // all of it, one allocation
};

// Weights and biases of all layers, one after another: the length of d_param.
size_t pass_parameters(const struct net *net);

// room >= 1. Without backward there is no memory for gradients. TNM_EUNSUPPORTED where the forge
// cannot train an operation of the network.
bool pass_open(struct pass *pass, const struct net *net, uint32_t room, bool backward,
               struct tnm_error *err) TNM_MUST_CHECK;
void pass_close(struct pass *pass);

// Where few weights of a layer are left, only those cost time, and only they have gradients: those
// of removed weights are 0. pass_open looks at what is left; to be called again where weights were
// removed since, or those go on costing time. Weights must not come back while a pass is open.
void pass_look(struct pass *pass);

// Takes all layers as dense, until the next look.
void pass_take_dense(struct pass *pass);

// Where the inputs go, (room, inputs), 0..1.
float *pass_input(struct pass *pass);

// Runs the first n inputs; returns their logits, (n, outputs).
const float *pass_forward(struct pass *pass, uint32_t n);

// Where the gradient of the loss by the logits goes, (n, outputs).
float *pass_output_gradient(struct pass *pass);

// The gradient of another tensor, (n, elements), for a loss that looks at it beside the logits': to
// be filled before pass_backward, which for this once adds to it. Not of the input.
float *pass_pull(struct pass *pass, uint32_t tensor);

// From there to d_param.
void pass_backward(struct pass *pass, uint32_t n);

#endif
