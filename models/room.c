/* SPDX-License-Identifier: MIT */
// How many weights a byte budget has room for.
#include "models/room.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/error.h"
#include "models/prune.h"
#include "models/round.h"
#include "models/saliency.h"
#include "models/share.h"
#include "models/state.h"
#include "models/tidy.h"

enum {
    SAMPLE = 1000 // images whose gradients say what is salient
};

void room_round(struct net *net) {
    round_codebooks(net, ROOM_CODEBOOK_BITS);
    round_biases(net, ROOM_BIAS_BITS);
}

// The highest score there can be.
static struct tnm_score score_of(const struct room *room, enum data_split part) {
    uint32_t n = room->data->set[part].n;
    return (struct tnm_score){.images = n, .correct = n};
}

bool room_size(const struct room *room, size_t *len, struct tnm_error *err) {
    struct tnm_meta *meta = &room->net->meta;
    const struct tnm_score validation = meta->validation, test = meta->test;
    struct tnm_step step = {.seed = room->seed, .nonzeros = net_nonzeros(room->net)};
    uint8_t *bytes = NULL;
    snprintf(step.verb, sizeof step.verb, "%s", room->verb);
    if (!tnm_meta_add_step(meta, &step, err))
        return false;
    meta->validation = score_of(room, DATA_VALIDATION);
    meta->test = score_of(room, DATA_TEST);
    meta->step[meta->n_steps - 1].validation = meta->validation;
    bool ok = pack_net(room->net, room->pack, &bytes, len, err);
    meta->n_steps--;
    meta->validation = validation;
    meta->test = test;
    free(bytes);
    return ok;
}

// Weights to be removed by trial.
struct trial {
    float **saliency;
    struct net_layer **layer; // (n_layers)
    uint32_t *bits;           // (n_layers), 0 of layers that are shared already
};

static void drop_to(const struct room *room, const struct trial *t, uint64_t n) {
    for (uint32_t l = 0; l < room->net->n_layers; l++)
        t->layer[l] = &room->net->layer[l];
    prune_to(t->layer, (const float *const *)t->saliency, room->net->n_layers, n);
    tidy_units(room->net);
}

// Bytes of the file if n weights were left; the network stays as it is.
static bool size_at(const struct room *room, const struct trial *t, uint64_t n, size_t *len,
                    struct tnm_error *err) {
    struct state state;
    if (!state_keep(&state, room->net, err))
        return false;
    drop_to(room, t, n);
    bool ok = share_layers(room->net, t->bits, err);
    *len = 0; // of a network whose last weights were dead
    if (ok && net_nonzeros(room->net) > 0) {
        room_round(room->net);
        ok = room_size(room, len, err);
    }
    state_restore(&state, room->net);
    return ok;
}

static bool trial_open(const struct room *room, struct trial *t, struct tnm_error *err) {
    struct net *net = room->net;
    *t = (struct trial){.layer = calloc(net->n_layers + 1, sizeof(struct net_layer *)),
                        .bits = calloc(net->n_layers + 1, sizeof(uint32_t))};
    if (t->layer == NULL || t->bits == NULL)
        return tnm_fail_errno(err, ENOMEM, "a trial");
    for (uint32_t l = 0; l < net->n_layers; l++)
        t->bits[l] = net->layer[l].bits == 0 ? room->bits : 0;
    return saliency_fisher(net, &room->data->set[DATA_TRAIN], SAMPLE, &t->saliency, err);
}

static void trial_close(const struct room *room, struct trial *t) {
    saliency_free(t->saliency, room->net->n_layers);
    free(t->layer);
    free(t->bits);
}

static bool search(const struct room *room, const struct trial *t, uint64_t budget, uint64_t *n,
                   struct tnm_error *err) {
    uint64_t fits = 0, above = net_nonzeros(room->net) + 1;
    size_t len, fitting = 0;
    if (!size_at(room, t, above - 1, &len, err))
        return false;
    if (len <= budget) // all that there is
        fits = above - 1, fitting = len;
    while (above - fits > 1 + fits / 400) {
        // Sizes are nearly proportional, and the room is mostly far below what there is.
        uint64_t middle = above > 4 * fits + 64 ? 2 * fits + 32 : fits + (above - fits) / 2;
        if (!size_at(room, t, middle, &len, err))
            return false;
        *(len <= budget ? &fits : &above) = middle;
        fitting = len <= budget ? len : fitting;
    }
    *n = fits;
    return fitting > 0 || tnm_fail(err, TNM_EINPUT, "a budget of %llu bytes is too small",
                                   (unsigned long long)budget);
}

bool room_find(const struct room *room, uint64_t budget, uint64_t *n, struct tnm_error *err) {
    struct trial t;
    bool ok = trial_open(room, &t, err) && search(room, &t, budget, n, err);
    trial_close(room, &t);
    return ok;
}

bool room_trim(const struct room *room, uint64_t budget, struct tnm_error *err) {
    struct trial t;
    uint64_t n = 0;
    bool ok = trial_open(room, &t, err) && search(room, &t, budget, &n, err);
    if (ok)
        drop_to(room, &t, n);
    trial_close(room, &t);
    if (ok)
        room_round(room->net); // dead units have moved biases
    return ok;
}
