/* SPDX-License-Identifier: MIT */
// Shared weights that may change their group while a network learns.
#include "models/regroup.h"

#include "core/error.h"
#include "models/share.h"

#include <errno.h>
#include <stdlib.h>

static bool open_layer(struct regroup_layer *r, const struct net_layer *layer,
                       struct tnm_error *err) {
    size_t all = (size_t)layer->rows * layer->cols;
    for (size_t i = 0; i < all; i++)
        r->n += layer->keep[i];
    r->index = malloc((r->n + 1) * sizeof *r->index);
    r->latent = malloc((r->n + 1) * sizeof *r->latent);
    r->slope = malloc((r->n + 1) * sizeof *r->slope);
    r->m = calloc(r->n + 1, sizeof *r->m);
    r->v = calloc(r->n + 1, sizeof *r->v);
    if (r->index == NULL || r->latent == NULL || r->slope == NULL || r->m == NULL || r->v == NULL)
        return tnm_fail_errno(err, ENOMEM, "%s", layer->name);
    for (size_t i = 0, k = 0; i < all; i++)
        if (layer->keep[i]) {
            r->index[k] = (uint32_t)i;
            r->latent[k++] = layer->w[i];
        }
    return true;
}

bool regroup_open(struct regroup *regroup, const struct net *net, struct tnm_error *err) {
    regroup->n_layers = net->n_layers;
    regroup->layer = calloc(net->n_layers, sizeof *regroup->layer);
    bool ok = regroup->layer != NULL || tnm_fail_errno(err, ENOMEM, "sharing");
    for (uint32_t l = 0; ok && l < net->n_layers; l++)
        ok = open_layer(&regroup->layer[l], &net->layer[l], err);
    if (!ok)
        regroup_close(regroup);
    return ok;
}

void regroup_close(struct regroup *regroup) {
    for (uint32_t l = 0; regroup->layer != NULL && l < regroup->n_layers; l++) {
        struct regroup_layer *r = &regroup->layer[l];
        free(r->index);
        free(r->latent);
        free(r->slope);
        free(r->m);
        free(r->v);
    }
    free(regroup->layer);
    *regroup = (struct regroup){0};
}

// ---- One step ----------------------------------------------------------------------------------

// Of an ascending codebook; of two centroids as near the upper.
static uint8_t nearest(const float *codebook, uint32_t k, float x) {
    uint32_t code = 0;
    while (code + 1 < k && x - codebook[code] >= codebook[code + 1] - x)
        code++;
    return (uint8_t)code;
}

static void join(const struct regroup_layer *r, struct net_layer *layer) {
    for (size_t i = 0; i < r->n; i++)
        layer->code[r->index[i]] = nearest(layer->codebook, layer->n_centroids, r->latent[i]);
}

// Means of intervals: the codebook stays in order. A centroid without weights stays where it is.
static void move_centroids(const struct regroup_layer *r, struct net_layer *layer) {
    double sum[SHARE_MAX_CENTROIDS] = {0};
    uint32_t n[SHARE_MAX_CENTROIDS] = {0};
    for (size_t i = 0; i < r->n; i++) {
        uint8_t code = layer->code[r->index[i]];
        sum[code] += (double)r->latent[i];
        n[code]++;
    }
    for (uint32_t c = 0; c < layer->n_centroids; c++)
        if (n[c] > 0)
            layer->codebook[c] = (float)(sum[c] / n[c]);
}

void regroup_step(struct regroup_layer *r, struct net_layer *layer,
                  const struct optimise_step *step, enum optimiser optimiser, const float *const *g,
                  uint32_t n_g) {
    for (size_t i = 0; i < r->n; i++) {
        r->slope[i] = g[0][r->index[i]];
        for (uint32_t t = 1; t < n_g; t++)
            r->slope[i] += g[t][r->index[i]];
    }
    if (optimiser == OPTIMISE_ADAM)
        optimise_adam(step, r->latent, r->slope, r->m, r->v, NULL, r->n);
    else
        optimise_sgd(step, r->latent, r->slope, r->v, NULL, r->n);
    join(r, layer);
    move_centroids(r, layer);
    for (size_t i = 0; i < r->n; i++)
        layer->w[r->index[i]] = layer->codebook[layer->code[r->index[i]]];
}
