/* SPDX-License-Identifier: MIT */
// How many bits the codes of each layer get, so that a packed file has at most so many bytes and
// sharing changes what the network says as little as it can.
//
// What sharing costs a layer is told by its weights' gradients squared, the diagonal of the Fisher
// information: the sum over weights of v (w - shared w)^2, as twice the loss grows to second order
// (LeCun, Denker, Solla 1990; for sharing: Choi, El-Khamy, Lee 2017, "Towards the limit of network
// quantization", section 3). What it takes is measured by packing the file. All layers begin with
// the fewest bits; then, again and again, the layer gets one more that saves the most for each
// byte.
#ifndef ALLOT_H
#define ALLOT_H

#include "models/room.h"

// bits (n_layers) gets 1..most of each layer, 0 of one that has no weights. No layer is shared yet;
// the network is left as it was. squares as saliency_squares gives them. TNM_EINPUT where not even
// one bit a weight fits, TNM_ENOMEM.
bool allot_bits(const struct room *room, const float *const *squares, uint64_t budget,
                uint32_t most, uint32_t *bits, struct tnm_error *err) TNM_MUST_CHECK;

#endif
