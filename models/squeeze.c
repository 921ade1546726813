/* SPDX-License-Identifier: MIT */
// From data to the most accurate file under a byte budget.
#include "models/squeeze.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/error.h"
#include "models/allot.h"
#include "models/measure.h"
#include "models/room.h"
#include "models/saliency.h"
#include "models/share.h"
#include "models/state.h"
#include "models/tidy.h"

enum {
    SAMPLE = 1000,  // images whose gradients say what bits are worth
    MAX_FITS = 3,   // times that a little is removed while weights still learn by themselves
    MAX_SHARES = 3, // times that the weights are shared, each with fewer of them
    FEW_COPIES = 3, // of an image, for a tiny network: itself and two mild ones
    USUAL_BITS = 4  // of a code, in trials; how many each layer gets is seen when it is shared
};

// Epochs of each stage. Convolutions and lstms take 5 to 20 times as long for one as matrices do,
// and learn more in it.
// A level keeps at least so much of the one before, or last times that if it is the last one. A
// network with at most the share tiny of its weights learns best from few copies of an image.
struct course {
    double dense, prune, tune, fit, polish, regroup, share, level, last, tiny;
};
static const struct course short_epochs = {60, 8, 8, 8, 120, 30, 20, 0.5, 0.8, 0.019},
                           long_epochs = {18, 3, 8, 4, 30, 15, 12, 0.6, 0.9, 0.01};

// The share of the budget that weights may add when they change their groups.
static const double slack = 0.008;

// What is left at the first level at most, as a share of all weights.
static const double first_level = 0.06;

static const float dense_rate = 2e-3f, prune_rate = 7e-4f, tune_rate = 1.5e-3f, tiny_rate = 3e-3f,
                   regroup_rate = 1e-3f, deep_regroup_rate = 2e-3f, share_rate = 3e-3f;

// ---- Stages ------------------------------------------------------------------------------------

static uint32_t epochs(const struct squeeze *s, double standard) {
    return (uint32_t)fmax(1, round(standard * s->effort));
}

// Whether each weight is used several times for an image.
static bool is_deep(const struct net *net) {
    for (uint32_t i = 0; i < net->graph.n_nodes; i++)
        if (net->graph.node[i].op == TNM_OP_CONV2D || net->graph.node[i].op == TNM_OP_LSTM)
            return true;
    return false;
}

static const struct course *course_of(const struct squeeze *s) {
    return is_deep(s->net) ? &long_epochs : &short_epochs;
}

// How many of the pool's copies a network with n weights learns from.
static uint32_t copies_for(const struct squeeze *s, uint64_t n) {
    const struct pool *pool = s->learn->options.pool;
    double part = (double)n / (double)net_weights(s->net);
    if (pool == NULL || part > first_level)
        return 0; // all
    uint32_t mild = 1 + pool->weak;
    return part > course_of(s)->tiny || mild < FEW_COPIES ? mild : FEW_COPIES;
}

static bool train(struct squeeze *s, double standard_epochs, enum train_schedule schedule,
                  float rate, uint64_t n, struct tnm_error *err) {
    struct train_options *o = &s->learn->options;
    o->epochs = epochs(s, standard_epochs);
    o->schedule = schedule;
    o->rate = rate;
    o->copies = copies_for(s, n);
    o->seed++;
    return learn_epochs(s->learn, s->net, s->data, err);
}

static struct room room_of(const struct squeeze *s) {
    uint32_t bits = s->bits > 0 ? s->bits : USUAL_BITS;
    return (struct room){s->net, s->data, &s->pack, bits, "squeeze", s->seed};
}

static bool tell(const struct squeeze *s, const char *stage, struct tnm_error *err) {
    double validation = measure_accuracy(s->learn->last.validation);
    uint64_t n = net_nonzeros(s->net);
    size_t len = 0; // unknown while nothing is shared
    struct room room = room_of(s);
    if (s->net->layer[0].bits > 0 && !room_size(&room, &len, err))
        return false;
    char bytes[32] = "";
    if (len > 0)
        snprintf(bytes, sizeof bytes, " in %zu bytes", len);
    cli_say("%s: %llu weights%s, validation %.2f %%", stage, (unsigned long long)n, bytes,
            100 * validation);
    json_array_append_new(s->log, json_pack("{s:s, s:I, s:o, s:o}", "stage", stage, "nonzeros",
                                            (json_int_t)n, "bytes",
                                            len > 0 ? json_integer((json_int_t)len) : json_null(),
                                            "validation", cli_number(validation)));
    return true;
}

static void path_of(const struct squeeze *s, const char *stage, char *path, size_t size) {
    snprintf(path, size, "%s/%s.tnm", s->folder, stage);
}

// Takes the layers that an earlier run left for this stage; *found is false where there are none.
static bool take(struct squeeze *s, const char *stage, bool *found, struct tnm_error *err) {
    char path[4096];
    struct net kept;
    *found = false;
    if (s->folder == NULL)
        return true;
    path_of(s, stage, path, sizeof path);
    if (access(path, F_OK) != 0)
        return true;
    if (!net_open(&kept, path, NULL, err))
        return false;
    bool same = kept.n_layers == s->net->n_layers;
    for (uint32_t l = 0; same && l < kept.n_layers; l++)
        same = kept.layer[l].rows == s->net->layer[l].rows &&
               kept.layer[l].cols == s->net->layer[l].cols;
    struct state state = {0};
    bool ok = (same || tnm_fail(err, TNM_EINPUT, "%s: a network of another shape", path)) &&
              state_keep(&state, &kept, err);
    if (ok) {
        state_restore(&state, s->net);
        s->learn->options.seed += 2; // as if it had been trained
        s->learn->last.validation = kept.meta.validation;
    }
    net_free(&kept);
    *found = ok;
    return ok && tell(s, stage, err);
}

static bool leave(struct squeeze *s, const char *stage, struct tnm_error *err) {
    char path[4096];
    if (s->folder == NULL)
        return true;
    path_of(s, stage, path, sizeof path);
    struct tnm_score own = s->net->meta.validation;
    s->net->meta.validation = s->learn->last.validation;
    bool ok = net_save(s->net, path, NULL, 0, err);
    s->net->meta.validation = own;
    return ok;
}

static bool dense(struct squeeze *s, struct tnm_error *err) {
    bool found;
    if (s->trained)
        return true;
    if (!take(s, "dense", &found, err))
        return false;
    if (found)
        return true;
    s->learn->options.seed++; // two runs a stage
    return train(s, course_of(s)->dense, TRAIN_COSINE, dense_rate, UINT64_MAX, err) &&
           tell(s, "dense", err) && leave(s, "dense", err);
}

static float rate_for(const struct squeeze *s, uint64_t n) {
    return is_deep(s->net) || (double)n > course_of(s)->tiny * (double)net_weights(s->net)
               ? tune_rate
               : tiny_rate;
}

// A stage is named after its size, so that runs with other budgets may share a folder.
static bool stage_of(struct squeeze *s, const char *name, uint64_t n,
                     bool (*run)(struct squeeze *s, uint64_t n, struct tnm_error *err),
                     struct tnm_error *err) {
    char stage[64];
    bool found;
    snprintf(stage, sizeof stage, "%s-%llu", name, (unsigned long long)n);
    if (!take(s, stage, &found, err))
        return false;
    if (found)
        return true;
    cli_say("%s: to %llu weights", stage, (unsigned long long)n);
    return run(s, n, err) && tell(s, stage, err) && leave(s, stage, err);
}

static bool prune_and_tune(struct squeeze *s, uint64_t n, double prune_epochs, double tune_epochs,
                           struct tnm_error *err) {
    struct train_prune prune = {n, TRAIN_PRUNINGS, SALIENCY_FISHER};
    s->learn->options.prune = &prune;
    bool ok = train(s, prune_epochs, TRAIN_CONSTANT, prune_rate, n, err);
    s->learn->options.prune = NULL;
    if (!ok)
        return false;
    tidy_units(s->net);
    return train(s, tune_epochs, TRAIN_COSINE, rate_for(s, n), n, err);
}

static bool prune_level(struct squeeze *s, uint64_t n, struct tnm_error *err) {
    return prune_and_tune(s, n, course_of(s)->prune, course_of(s)->tune, err);
}

static bool fit_level(struct squeeze *s, uint64_t n, struct tnm_error *err) {
    return prune_and_tune(s, n, 2, course_of(s)->fit, err);
}

static bool polish_level(struct squeeze *s, uint64_t n, struct tnm_error *err) {
    s->learn->options.seed++; // two runs a stage
    return train(s, course_of(s)->polish, TRAIN_COSINE, rate_for(s, n), n, err);
}

// The next level: what the budget has room for and 3 % more, as a network that was pruned bit by
// bit packs better than one in a trial; or a part of what there is, if that is far more.
static bool next_level(const struct squeeze *s, uint32_t level, uint64_t *n, bool *last,
                       struct tnm_error *err) {
    struct room room = room_of(s);
    uint64_t most = 0, left = net_nonzeros(s->net);
    bool ok = room_find(&room, s->budget, &most, err);
    double step =
        level == 0 ? first_level * (double)net_weights(s->net) : course_of(s)->level * (double)left;
    most += most * 3 / 100;
    *last = (double)most >= course_of(s)->last * step;
    *n = *last ? most : (uint64_t)step;
    return ok;
}

static bool prune_chain(struct squeeze *s, struct tnm_error *err) {
    bool last = false;
    for (uint32_t level = 0; !last; level++) {
        uint64_t n;
        char name[24];
        snprintf(name, sizeof name, "prune%u", level + 1);
        if (!next_level(s, level, &n, &last, err) ||
            (n < net_nonzeros(s->net) && !stage_of(s, name, n, prune_level, err)))
            return false;
    }
    return true;
}

static uint64_t with_slack(uint64_t budget) {
    return budget - (uint64_t)ceil(slack * (double)budget);
}

// What is still too much goes while each weight learns by itself: shared values can hardly make up
// for weights that are missing.
static bool fit(struct squeeze *s, const char *name, uint64_t budget, struct tnm_error *err) {
    struct room room = room_of(s);
    for (int i = 0; i < MAX_FITS; i++) {
        uint64_t most = 0;
        char stage[24];
        if (!room_find(&room, budget, &most, err))
            return false;
        if (most >= net_nonzeros(s->net))
            return true;
        snprintf(stage, sizeof stage, "%s%d", name, i + 1);
        if (!stage_of(s, stage, most, fit_level, err))
            return false;
    }
    return true;
}

// Few bits for layers that bear it, more for the others, all in the budget: bits (n_layers).
static bool choose_bits(struct squeeze *s, uint64_t budget, uint32_t *bits, struct tnm_error *err) {
    float **squares;
    struct room room = room_of(s);
    for (uint32_t l = 0; l < s->net->n_layers; l++)
        bits[l] = s->bits;
    if (s->bits > 0)
        return true;
    if (!saliency_squares(s->net, &s->data->set[DATA_TRAIN], SAMPLE, &squares, err))
        return false;
    bool ok = allot_bits(&room, (const float *const *)squares, budget, SHARE_MAX_BITS, bits, err);
    saliency_free(squares, s->net->n_layers);
    for (uint32_t l = 0; ok && l < s->net->n_layers; l++)
        cli_say("share: %s %u bits", s->net->layer[l].name, bits[l]);
    return ok;
}

// Weights first find their groups; then the groups stay, and what they share is trained.
static bool share_once(struct squeeze *s, const uint32_t *bits, size_t *len,
                       struct tnm_error *err) {
    struct room room = room_of(s);
    struct regroup regroup;
    float rate = is_deep(s->net) ? deep_regroup_rate : regroup_rate;
    uint64_t n = net_nonzeros(s->net);
    if (!regroup_open(&regroup, s->net, err))
        return false;
    s->learn->options.regroup = &regroup;
    bool ok = share_layers(s->net, bits, err) &&
              train(s, course_of(s)->regroup, TRAIN_COSINE, rate, n, err);
    s->learn->options.regroup = NULL;
    regroup_close(&regroup);
    if (!ok || !train(s, course_of(s)->share, TRAIN_COSINE, share_rate, n, err))
        return false;
    room_round(s->net);
    return tell(s, "share", err) && room_size(&room, len, err);
}

static bool trim(struct squeeze *s, struct tnm_error *err) {
    struct room room = room_of(s);
    return room_trim(&room, s->budget, err) && tell(s, "trim", err);
}

static bool share_until_it_fits(struct squeeze *s, uint32_t *bits, struct tnm_error *err) {
    uint64_t budget = with_slack(s->budget);
    size_t len = 0;
    for (int i = 0; i < MAX_SHARES; i++) {
        struct state before;
        if (!fit(s, i == 0 ? "refit" : "again", budget, err) ||
            (i == 0 && !choose_bits(s, budget, bits, err)) || !state_keep(&before, s->net, err))
            return false;
        bool ok = share_once(s, bits, &len, err), over = ok && len > s->budget;
        if (over && i + 1 < MAX_SHARES)
            state_restore(&before, s->net);
        else
            state_free(&before);
        if (!over)
            return ok;
        budget -= len - s->budget < budget / 2 ? len - s->budget : 0;
    }
    return trim(s, err);
}

// By how much the file grows while weights change their groups is known when they have done it.
// Bits are chosen once: they would jump with every few bytes.
static bool share(struct squeeze *s, struct tnm_error *err) {
    uint32_t *bits = calloc(s->net->n_layers + 1, sizeof *bits);
    bool ok = (bits != NULL || tnm_fail_errno(err, ENOMEM, "sharing")) &&
              share_until_it_fits(s, bits, err);
    free(bits);
    return ok;
}

static bool polish(struct squeeze *s, struct tnm_error *err) {
    return stage_of(s, "polish", net_nonzeros(s->net), polish_level, err);
}

bool squeeze_run(struct squeeze *s, struct tnm_error *err) {
    return dense(s, err) && prune_chain(s, err) && fit(s, "fit", with_slack(s->budget), err) &&
           polish(s, err) && share(s, err);
}
