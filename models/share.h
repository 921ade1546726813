/* SPDX-License-Identifier: MIT */
// Weight sharing: the kept weights of a layer are replaced by at most 2^bits values, the centroids
// of a k-means clustering in one dimension (Han, Mao, Dally 2016, "Deep compression", section 3).
//
// In one dimension clusters are intervals of the sorted values, so that an iteration costs
// O(k log n) with prefix sums. Iterations go on until nothing changes. A centroid that is left
// without weights, as the one of a linear start in the gap that pruning leaves around 0, moves
// to the weight that is worst served; the loss never rises.
#ifndef SHARE_H
#define SHARE_H

#include "models/net.h"

enum share_init {
    SHARE_LINEAR,  // evenly spaced from the smallest weight to the largest: keeps the large ones
    SHARE_DENSITY, // at evenly spaced quantiles
    SHARE_RANDOM   // at weights drawn by seed
};

enum { SHARE_MAX_BITS = 8, SHARE_MAX_CENTROIDS = 256 };

// Values to cluster, sorted, with what clustering asks of them.
struct share_values {
    size_t n;
    const float *value;   // (n), ascending
    const double *sum;    // (n + 1), sum[i] = value[0] + ... + value[i - 1]
    const double *square; // (n + 1), the same of the squares
};

// k-means from the centroids given, (k), ascending; they end ascending, and each has values as long
// as there are k distinct ones. Returns the sum of squared distances. loss, if not NULL, gets the
// loss after each iteration, at most max_losses of them, and *n_losses their number.
double share_kmeans(const struct share_values *v, double *centroid, uint32_t k, double *loss,
                    uint32_t max_losses, uint32_t *n_losses);

// Starting points for n >= 1 values and k of 1..256 centroids.
void share_start(const struct share_values *v, enum share_init init, uint64_t seed,
                 double *centroid, uint32_t k);

struct share_result {
    uint64_t n;    // weights that share
    uint32_t bits; // of a code, as few as the centroids need; 0: nothing to share
    uint32_t n_centroids;
    double error; // root mean square of what the weights moved by
};

// Shares the kept weights of a layer among at most 2^bits centroids: layer->w, code, codebook,
// bits. A layer with no more distinct weights than that keeps each exactly, with as short a code as
// they need. A layer without weights is left as it is. TNM_ENOMEM.
bool share_layer(struct net_layer *layer, uint32_t bits, enum share_init init, uint64_t seed,
                 struct share_result *result, struct tnm_error *err) TNM_MUST_CHECK;

// Shares each layer among at most 2^bits[l] centroids from a linear start; with 0 of them the layer
// is left as it is. TNM_ENOMEM.
bool share_layers(struct net *net, const uint32_t *bits, struct tnm_error *err) TNM_MUST_CHECK;

// The compression of n values of 32 bits by k centroids that the article predicts: n b / (n log2 k
// + k b). With 0 of them: 1.
double share_predicted(uint64_t n, uint32_t k);

#endif
