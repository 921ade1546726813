/* SPDX-License-Identifier: MIT */
// What a weight is worth, for pruning: its magnitude, or |w| v^(1/4) with v its gradient squared,
// on average. The product w^2 sqrt(v) is between magnitude (v does not count) and the diagonal
// Fisher information of the "optimal brain damage" kind (w^2 v, LeCun, Denker, Solla 1990), and
// better than both on very sparse networks.
#ifndef SALIENCY_H
#define SALIENCY_H

#include "models/data.h"
#include "models/net.h"

enum saliency { SALIENCY_MAGNITUDE, SALIENCY_FISHER };

// |w| v^(1/4) of n weights.
void saliency_of(const float *w, const float *v, size_t n, float *saliency);

// The mean over the first n images of set (at most all) of each weight's gradient, squared image by
// image: the diagonal of the empirical Fisher information. One array for each layer, (rows, cols);
// to be freed by saliency_free. TNM_EINPUT for an empty set, TNM_ENOMEM, TNM_EUNSUPPORTED.
bool saliency_squares(const struct net *net, const struct data_set *set, uint32_t n,
                      float ***squares, struct tnm_error *err) TNM_MUST_CHECK;

// The saliency |w| v^(1/4) of every weight by those squares, each output's best kept weight
// guarded: what prunes a whole network at once. Freed and failing as saliency_squares.
bool saliency_fisher(const struct net *net, const struct data_set *set, uint32_t n,
                     float ***saliency, struct tnm_error *err) TNM_MUST_CHECK;

void saliency_free(float **arrays, uint32_t n_layers);

// The saliency of every weight by squares as above, in their place; magnitudes where squares is
// NULL: then NULL.
void saliency_from_squares(const struct net *net, float **squares);

// Makes the most salient kept weight of each output's row the last to go, so that no class loses
// all its inputs: its saliency becomes FLT_MAX. last is the array of the last layer.
void saliency_guard(const struct net_layer *layer, float *last);

#endif
