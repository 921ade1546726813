/* SPDX-License-Identifier: MIT */
// Putting hidden units that are alike next to each other.
#include "models/order.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "models/link.h"

// The units of a layer, each as the magnitudes of its weights on the side that has blocks.
struct units {
    uint32_t n, dims;
    float *at;       // (n, dims), owned
    double *score;   // (n), owned
    uint32_t *order; // (n), which unit comes first, second, ..., owned
};

static bool units_open(struct units *u, const struct link *link) {
    bool incoming = link->from->block == NET_4X1;
    const struct net_layer *side = incoming ? link->from : link->to;
    *u = (struct units){.n = link->from->rows, .dims = incoming ? side->cols : side->rows};
    u->at = malloc((size_t)u->n * u->dims * sizeof *u->at);
    u->score = calloc(u->n, sizeof *u->score);
    u->order = malloc(u->n * sizeof *u->order);
    if (u->at == NULL || u->score == NULL || u->order == NULL)
        return false;
    for (uint32_t i = 0; i < u->n; i++) {
        u->order[i] = i;
        for (uint32_t d = 0; d < u->dims; d++)
            u->at[(size_t)i * u->dims + d] = fabsf(incoming ? side->w[(size_t)i * side->cols + d]
                                                            : side->w[(size_t)d * side->cols + i]);
    }
    return true;
}

static void units_close(struct units *u) {
    free(u->at);
    free(u->score);
    free(u->order);
}

static double product(const struct units *u, uint32_t a, uint32_t b) {
    const float *one = u->at + (size_t)a * u->dims, *two = u->at + (size_t)b * u->dims;
    double sum = 0;
    for (uint32_t d = 0; d < u->dims; d++)
        sum += (double)(one[d] * two[d]);
    return sum;
}

// The best of place from on moves to that place.
static void bring_best(struct units *u, uint32_t place) {
    uint32_t best = place;
    for (uint32_t i = place + 1; i < u->n; i++)
        if (u->score[u->order[i]] > u->score[u->order[best]])
            best = i;
    uint32_t unit = u->order[best];
    u->order[best] = u->order[place];
    u->order[place] = unit;
}

// The strongest unit and the three that are most like it, then the same of what is left. Strength
// counts in likeness, so that weak units stay together, too.
static void make_fours(struct units *u) {
    for (uint32_t place = 0; place < u->n; place++) {
        if (place % 4 == 0) {
            for (uint32_t i = place; i < u->n; i++)
                u->score[u->order[i]] = product(u, u->order[i], u->order[i]);
            bring_best(u, place);
            for (uint32_t i = place + 1; i < u->n; i++)
                u->score[u->order[i]] = product(u, u->order[i], u->order[place]);
        } else {
            bring_best(u, place);
        }
    }
}

// Element place of each of n rows, pitch bytes apart, becomes what was element order[place].
static void permute(void *array, size_t size, uint32_t rows, const struct units *u, void *room) {
    for (uint32_t r = 0; r < rows; r++) {
        char *row = (char *)array + (size_t)r * u->n * size;
        for (uint32_t i = 0; i < u->n; i++)
            memcpy((char *)room + i * size, row + u->order[i] * size, size);
        memcpy(row, room, u->n * size);
    }
}

static bool apply(const struct units *u, const struct link *link) {
    struct net_layer *from = link->from, *to = link->to;
    void *room = malloc((size_t)u->n * (from->cols + 1) * sizeof(float));
    if (room == NULL)
        return false;
    permute(from->w, from->cols * sizeof *from->w, 1, u, room);
    permute(from->keep, from->cols, 1, u, room);
    permute(from->bias, sizeof *from->bias, 1, u, room);
    if (from->code != NULL)
        permute(from->code, from->cols, 1, u, room);
    permute(to->w, sizeof *to->w, to->rows, u, room);
    permute(to->keep, 1, to->rows, u, room);
    if (to->code != NULL)
        permute(to->code, 1, to->rows, u, room);
    free(room);
    return true;
}

static bool order(const struct link *link) {
    struct units u;
    bool ok = units_open(&u, link);
    if (ok) {
        make_fours(&u);
        ok = apply(&u, link);
    }
    units_close(&u);
    return ok;
}

bool order_units(struct net *net, struct tnm_error *err) {
    struct link link;
    for (uint32_t l = 0; l < net->n_layers; l++) {
        if (!link_find(net, &net->layer[l], &link) || link.group != 1 ||
            (link.from->block != NET_4X1 && link.to->block != NET_1X4))
            continue;
        if (!order(&link))
            return tnm_fail_errno(err, ENOMEM, "order of units");
    }
    return true;
}
