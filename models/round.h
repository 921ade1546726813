/* SPDX-License-Identifier: MIT */
// Numbers beside the weights, rounded to what a packed file stores in fewer bytes.
#ifndef ROUND_H
#define ROUND_H

#include "models/net.h"

// Every centroid becomes the nearest value of IEEE binary16, at most 65504 in magnitude, and the
// weights follow. Layers that are not shared stay as they are.
void round_codebooks_half(struct net *net);

// Every centroid becomes a whole multiple, of so many bits 2..12 with its sign (8: -127..127), of
// its layer's step: the least value of binary16 that reaches the largest centroid.
void round_codebooks(struct net *net, uint32_t bits);

// The same of the biases.
void round_biases(struct net *net, uint32_t bits);

#endif
