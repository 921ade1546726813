/* SPDX-License-Identifier: MIT */
// What a network's layers hold at a moment.
#include "models/state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"

// NULL stays NULL; false where memory is short.
static bool copy(void **to, const void *from, size_t bytes) {
    *to = from != NULL ? malloc(bytes) : NULL;
    if (*to != NULL)
        memcpy(*to, from, bytes);
    return (*to != NULL) == (from != NULL);
}

static void free_layer(struct net_layer *layer) {
    free(layer->w);
    free(layer->bias);
    free(layer->keep);
    free(layer->codebook);
    free(layer->code);
}

static bool copy_layer(struct net_layer *to, const struct net_layer *from) {
    size_t n = (size_t)from->rows * from->cols;
    void *w, *bias, *keep, *codebook, *code;
    bool ok = copy(&w, from->w, n * sizeof(float));
    ok = copy(&bias, from->bias, from->rows * sizeof(float)) && ok;
    ok = copy(&keep, from->keep, n) && ok;
    ok = copy(&codebook, from->codebook, from->n_centroids * sizeof(float)) && ok;
    ok = copy(&code, from->code, n) && ok;
    *to = *from;
    to->w = w;
    to->bias = bias;
    to->keep = keep;
    to->codebook = codebook;
    to->code = code;
    return ok;
}

bool state_keep(struct state *state, const struct net *net, struct tnm_error *err) {
    *state = (struct state){.layer = calloc(net->n_layers + 1, sizeof *state->layer)};
    bool ok = state->layer != NULL;
    for (; ok && state->n_layers < net->n_layers; state->n_layers++)
        ok = copy_layer(&state->layer[state->n_layers], &net->layer[state->n_layers]);
    if (ok)
        return true;
    state_free(state);
    return tnm_fail_errno(err, ENOMEM, "a copy of the network");
}

void state_restore(struct state *state, struct net *net) {
    for (uint32_t l = 0; l < state->n_layers; l++) {
        free_layer(&net->layer[l]);
        net->layer[l] = state->layer[l];
    }
    free(state->layer);
    *state = (struct state){0};
}

void state_free(struct state *state) {
    for (uint32_t l = 0; l < state->n_layers; l++)
        free_layer(&state->layer[l]);
    free(state->layer);
    *state = (struct state){0};
}
