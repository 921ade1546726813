/* SPDX-License-Identifier: MIT */
// How many bits the codes of each layer get.
#include "models/allot.h"

#include "core/error.h"
#include "models/share.h"
#include "models/state.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

// Of one layer with so many bits, all others with one.
struct choice {
    double cost;
    size_t bytes; // of the whole file
};

struct table {
    struct choice (*at)[SHARE_MAX_BITS + 1]; // (n_layers), [bits]
    size_t least;                            // bytes with one bit each
};

static bool has_weights(const struct net_layer *layer) {
    return memchr(layer->keep, 1, (size_t)layer->rows * layer->cols) != NULL;
}

static double cost_of(const struct net_layer *before, const struct net_layer *after,
                      const float *squares) {
    double cost = 0;
    for (size_t i = 0; i < (size_t)before->rows * before->cols; i++) {
        double moved = (double)after->w[i] - (double)before->w[i];
        cost += (double)squares[i] * moved * moved;
    }
    return cost;
}

// Shares the network with such bits: the bytes of its file, and what that costs layer l. The
// network is as it was afterwards.
static bool try_bits(const struct room *room, const float *squares, const uint32_t *bits,
                     uint32_t l, struct choice *choice, struct tnm_error *err) {
    struct net *net = room->net;
    struct state state;
    if (!state_keep(&state, net, err))
        return false;
    bool ok = share_layers(net, bits, err);
    if (ok) {
        room_round(net);
        choice->cost = cost_of(&state.layer[l], &net->layer[l], squares);
        ok = room_size(room, &choice->bytes, err);
    }
    state_restore(&state, net);
    return ok;
}

static bool fill_table(const struct room *room, const float *const *squares, uint32_t most,
                       uint32_t *bits, struct table *table, struct tnm_error *err) {
    const struct net *net = room->net;
    for (uint32_t l = 0; l < net->n_layers; l++)
        bits[l] = has_weights(&net->layer[l]);
    for (uint32_t l = 0; l < net->n_layers; l++)
        for (uint32_t b = 1; bits[l] > 0 && b <= most; b++) {
            struct choice *choice = &table->at[l][b];
            bits[l] = b;
            if (!try_bits(room, squares[l], bits, l, choice, err))
                return false;
            bits[l] = 1;
            if (b == 1)
                table->least = choice->bytes;
        }
    return true;
}

// The layer to which more bits are worth most, and how many; false where nothing fits any more.
// More than one bit at once, where the first alone is of little use.
static bool best_step(const struct table *table, const uint32_t *bits, uint32_t n_layers,
                      uint32_t most, uint64_t room, uint32_t *layer, uint32_t *to) {
    double best = 0;
    for (uint32_t l = 0; l < n_layers; l++)
        for (uint32_t b = bits[l] + 1; bits[l] > 0 && b <= most; b++) {
            const struct choice *now = &table->at[l][bits[l]], *then = &table->at[l][b];
            size_t more = then->bytes > now->bytes ? then->bytes - now->bytes : 0;
            double saved = now->cost - then->cost, worth = saved / (double)(more > 0 ? more : 1);
            if (more > room || !(worth > best))
                continue;
            best = worth;
            *layer = l;
            *to = b;
        }
    return best > 0;
}

static void spend(const struct table *table, uint32_t *bits, uint32_t n_layers, uint32_t most,
                  uint64_t budget) {
    uint64_t room = budget > table->least ? budget - table->least : 0;
    uint32_t l, to;
    for (l = 0; l < n_layers; l++)
        bits[l] = bits[l] > 0;
    while (best_step(table, bits, n_layers, most, room, &l, &to)) {
        size_t now = table->at[l][bits[l]].bytes, then = table->at[l][to].bytes;
        room -= then > now ? then - now : 0;
        bits[l] = to;
    }
}

// Layers are not packed independently of each other: where the file came out larger than the sum of
// its parts, there is less to spend.
static bool spend_all(const struct room *room, const float *squares, const struct table *table,
                      uint64_t budget, uint32_t most, uint32_t *bits, struct tnm_error *err) {
    struct choice all;
    uint64_t limit = budget;
    do {
        spend(table, bits, room->net->n_layers, most, limit);
        if (!try_bits(room, squares, bits, 0, &all, err))
            return false;
        uint64_t over = all.bytes > budget ? all.bytes - budget : 0;
        limit -= over < limit ? over : limit;
    } while (all.bytes > budget && limit > table->least);
    return true;
}

bool allot_bits(const struct room *room, const float *const *squares, uint64_t budget,
                uint32_t most, uint32_t *bits, struct tnm_error *err) {
    struct table table = {.at = calloc(room->net->n_layers + 1, sizeof *table.at)};
    bool ok = (table.at != NULL || tnm_fail_errno(err, ENOMEM, "bits of the layers")) &&
              fill_table(room, squares, most, bits, &table, err);
    if (ok && table.least > budget)
        ok = tnm_fail(err, TNM_EINPUT,
                      "%zu bytes with one bit for each weight, more than the budget of %llu",
                      table.least, (unsigned long long)budget);
    ok = ok && spend_all(room, squares[0], &table, budget, most, bits, err);
    free(table.at);
    return ok;
}
