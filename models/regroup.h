/* SPDX-License-Identifier: MIT */
// Shared weights that may change their group while a network learns (Courbariaux et al. 2015,
// "BinaryConnect", section 2.3, with the codebook of Han et al. 2016).
//
// Beside each shared weight a float of its own is kept, its latent value. The network runs with the
// shared values; a step moves the latent ones, by the gradients of the shared ones as if there were
// no rounding in between. Then every weight joins the centroid nearest to its latent value, and
// each centroid moves to the mean of its weights' latent values: one iteration of k-means a step.
#ifndef REGROUP_H
#define REGROUP_H

#include "models/net.h"
#include "models/optimise.h"

struct regroup_layer {
    size_t n;        // weights that are kept; 0: the layer does not take part
    uint32_t *index; // (n), where they stand in the layer
    float *latent;   // (n)
    float *slope;    // (n), gradients of a step
    float *m, *v;    // (n), moments
};

struct regroup {
    uint32_t n_layers;
    struct regroup_layer *layer; // (n_layers), owned
};

// Takes the weights as they are now for latent values: call it before they are shared. From then on
// nothing may be removed. TNM_ENOMEM; then regroup is empty.
bool regroup_open(struct regroup *regroup, const struct net *net,
                  struct tnm_error *err) TNM_MUST_CHECK;
void regroup_close(struct regroup *regroup);

// One step, of a layer that is shared, ascending codebook. g[t] (rows, cols), n_g of them, add up
// to the gradient.
void regroup_step(struct regroup_layer *r, struct net_layer *layer,
                  const struct optimise_step *step, enum optimiser optimiser, const float *const *g,
                  uint32_t n_g);

#endif
