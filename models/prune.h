/* SPDX-License-Identifier: MIT */
// Removing weights. What is removed has keep 0 and w 0, and no later step brings it back; biases
// stay. Two rules:
//
//     by deviation  a layer loses what is smaller in magnitude than s times its standard deviation
//                   (Han et al. 2015, "Learning both weights and connections")
//     by number     the least salient of all layers go until a number is left; layers compete
//
// Where a layer has blocks (prune_in_blocks), whole blocks go. A block counts as the mean of its
// weights, those removed earlier as the zeros that they are, so that it competes with single
// weights for the same number of weights. A number may then be missed by up to 3.
#ifndef PRUNE_H
#define PRUNE_H

#include "models/net.h"

// Standard deviation of the weights of a layer around their mean: the population's (divided by n,
// not n - 1), over all rows x cols entries. Removed weights count as the zeros that they are.
double prune_deviation(const struct net_layer *layer);

// From here on the layers that can be are pruned in such blocks: linear ones but the last. An
// output with a few blocks as inputs would be left without any; of other operations only linear has
// kernels for blocks. Returns how many layers that are.
uint32_t prune_in_blocks(struct net *net, enum net_block block);

// Removes the kept weights with |w| < threshold, and says how many.
uint64_t prune_below(struct net_layer *layer, double threshold);

// Kept weights of a layer, and of one row of it.
uint64_t prune_left(const struct net_layer *layer);
uint64_t prune_left_in_row(const struct net_layer *layer, uint32_t row);

// How many of n weights are left when at least the share 0..1 of them is removed.
uint64_t prune_left_of(uint64_t n, double share);

// Removes the least salient kept weights of all the layers given together until n are left (with
// blocks up to 3 fewer); does nothing where no more are there. Of equal ones the first go first.
//   saliency  for each layer (rows, cols), 0 or more and finite; NULL: magnitudes
void prune_to(struct net_layer *const *layer, const float *const *saliency, uint32_t n_layers,
              uint64_t n);

// What pruning should not do to a network without saying so.
struct prune_harm {
    uint32_t empty_layers; // layers without any weight
    uint32_t first_empty;  // the first of them
    uint32_t dead_outputs; // classes whose score no longer depends on the input
    uint32_t first_dead;   // the first of them
    uint32_t dead_hidden;  // units before the last layer without inputs: constants
};

void prune_check(const struct net *net, struct prune_harm *harm);

#endif
