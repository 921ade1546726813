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
#include "models/prune.h"
#include "models/round.h"
#include "models/saliency.h"
#include "models/share.h"
#include "models/state.h"
#include "models/tidy.h"

enum {
    SAMPLE = 1000,  // images whose gradients say what is salient in a trial
    ROUND_BITS = 8, // of shared values and biases
    MAX_FITS = 3,   // times that a little is removed while weights still learn by themselves
    FEW_COPIES = 3, // of an image, for a tiny network: itself and two mild ones
    USUAL_BITS = 4  // of a code, in trials; how many each layer gets is seen when it is shared
};

// Epochs of each stage. Convolutions and lstms take 5 to 20 times as long for one as matrices do,
// and learn more in it.
struct course {
    double dense, prune, tune, fit, polish, share;
};
static const struct course short_epochs = {60, 8, 8, 8, 60, 10}, long_epochs = {18, 2, 3, 2, 20, 4};

// The share of the budget that weights may add when they change their groups.
static const double slack = 0.008;

// What is left at the first level at most, as a share of all weights; and where few copies of an
// image are better than many: measured on 784-300-100-10.
static const double first_level = 0.06, tiny = 0.019;

static const float dense_rate = 2e-3f, prune_rate = 7e-4f, tune_rate = 1.5e-3f, tiny_rate = 2e-3f,
                   share_rate = 3e-4f;

// ---- Size --------------------------------------------------------------------------------------

static bool share_all(const struct squeeze *s, struct tnm_error *err) {
    struct share_result result;
    uint32_t bits = s->bits > 0 ? s->bits : USUAL_BITS;
    for (uint32_t l = 0; l < s->net->n_layers; l++)
        if (s->net->layer[l].bits == 0 &&
            !share_layer(&s->net->layer[l], bits, SHARE_LINEAR, 1, &result, err))
            return false;
    return true;
}

static void round_all(struct net *net) {
    round_codebooks(net, ROUND_BITS);
    round_biases(net, ROUND_BITS);
}

// Bytes of the file as the network is now.
static bool size_of(const struct squeeze *s, size_t *len, struct tnm_error *err) {
    uint8_t *bytes = NULL;
    bool ok = pack_net(s->net, &s->pack, &bytes, len, err);
    free(bytes);
    return ok;
}

// Weights to be removed by trial.
struct trial {
    float **saliency;
    struct net_layer **layer; // (n_layers)
};

static void drop_to(const struct squeeze *s, const struct trial *t, uint64_t n) {
    for (uint32_t l = 0; l < s->net->n_layers; l++)
        t->layer[l] = &s->net->layer[l];
    prune_to(t->layer, (const float *const *)t->saliency, s->net->n_layers, n);
    tidy_units(s->net);
}

// Bytes of the file if n weights were left; the network stays as it is.
static bool size_at(const struct squeeze *s, const struct trial *t, uint64_t n, size_t *len,
                    struct tnm_error *err) {
    struct state state;
    if (!state_keep(&state, s->net, err))
        return false;
    drop_to(s, t, n);
    bool ok = share_all(s, err);
    *len = 0; // of a network whose last weights were dead
    if (ok && net_nonzeros(s->net) > 0) {
        round_all(s->net);
        ok = size_of(s, len, err);
    }
    state_restore(&state, s->net);
    return ok;
}

static bool trial_open(const struct squeeze *s, struct trial *t, struct tnm_error *err) {
    struct net *net = s->net;
    *t = (struct trial){.layer = calloc(net->n_layers + 1, sizeof(struct net_layer *))};
    if (t->layer == NULL)
        return tnm_fail_errno(err, ENOMEM, "a trial");
    if (!saliency_squares(net, &s->data->set[DATA_TRAIN], SAMPLE, &t->saliency, err))
        return false;
    saliency_from_squares(net, t->saliency);
    saliency_guard(&net->layer[net->n_layers - 1], t->saliency[net->n_layers - 1]);
    return true;
}

static void trial_close(const struct squeeze *s, struct trial *t) {
    saliency_free(t->saliency, s->net->n_layers);
    free(t->layer);
}

// The most weights that a file of so many bytes has room for, to within a 400th.
static bool find_room(const struct squeeze *s, const struct trial *t, uint64_t budget, uint64_t *n,
                      struct tnm_error *err) {
    uint64_t fits = 0, above = net_nonzeros(s->net) + 1;
    size_t len, fitting = 0;
    if (!size_at(s, t, above - 1, &len, err))
        return false;
    if (len <= budget) // all that there is
        fits = above - 1, fitting = len;
    while (above - fits > 1 + fits / 400) {
        // Sizes are nearly proportional, and the room is mostly far below what there is.
        uint64_t middle = above > 4 * fits + 64 ? 2 * fits + 32 : fits + (above - fits) / 2;
        if (!size_at(s, t, middle, &len, err))
            return false;
        *(len <= budget ? &fits : &above) = middle;
        fitting = len <= budget ? len : fitting;
    }
    *n = fits;
    return fitting > 0 || tnm_fail(err, TNM_EINPUT, "a budget of %llu bytes is too small",
                                   (unsigned long long)s->budget);
}

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
    if (pool == NULL || is_deep(s->net) || part > first_level)
        return 0; // all
    uint32_t mild = 1 + pool->weak;
    return part > tiny || mild < FEW_COPIES ? mild : FEW_COPIES;
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

static bool tell(const struct squeeze *s, const char *stage, struct tnm_error *err) {
    double validation = measure_accuracy(s->learn->last.validation);
    uint64_t n = net_nonzeros(s->net);
    size_t len = 0; // unknown while nothing is shared
    if (s->net->layer[0].bits > 0 && !size_of(s, &len, err))
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
    return (double)n > tiny * (double)net_weights(s->net) ? tune_rate : tiny_rate;
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
// bit packs better than one in a trial; or half of what there is, if that is far more.
static bool next_level(const struct squeeze *s, uint32_t level, uint64_t *n, bool *last,
                       struct tnm_error *err) {
    struct trial t;
    uint64_t room = 0, left = net_nonzeros(s->net);
    bool ok = trial_open(s, &t, err) && find_room(s, &t, s->budget, &room, err);
    trial_close(s, &t);
    double step = level == 0 ? first_level * (double)net_weights(s->net) : 0.5 * (double)left;
    room += room * 3 / 100;
    *last = (double)room >= 0.8 * step;
    *n = *last ? room : (uint64_t)step;
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
static bool fit(struct squeeze *s, const char *name, struct tnm_error *err) {
    for (int i = 0; i < MAX_FITS; i++) {
        struct trial t;
        uint64_t room = 0;
        bool ok = trial_open(s, &t, err) && find_room(s, &t, with_slack(s->budget), &room, err);
        trial_close(s, &t);
        if (!ok || room >= net_nonzeros(s->net))
            return ok;
        char stage[24];
        snprintf(stage, sizeof stage, "%s%d", name, i + 1);
        if (!stage_of(s, stage, room, fit_level, err))
            return false;
    }
    return true;
}

// Most of the learning is done by the network that is going to be shared. Its file may have become
// larger by it.
static bool polish(struct squeeze *s, struct tnm_error *err) {
    return stage_of(s, "polish", net_nonzeros(s->net), polish_level, err) && fit(s, "refit", err);
}

// The last bytes. The network is left as it was measured.
static bool trim(struct squeeze *s, struct tnm_error *err) {
    struct trial t;
    uint64_t room = 0;
    size_t len;
    if (!size_of(s, &len, err))
        return false;
    if (len <= s->budget)
        return true;
    bool ok = trial_open(s, &t, err) && find_room(s, &t, s->budget, &room, err);
    if (ok)
        drop_to(s, &t, room);
    trial_close(s, &t);
    if (ok)
        round_all(s->net); // dead units have moved biases
    return ok && tell(s, "trim", err);
}

// Few bits for layers that bear it, more for the others, all in the budget.
static bool share_by_worth(struct squeeze *s, struct tnm_error *err) {
    float **squares;
    struct share_result result;
    struct net *net = s->net;
    uint32_t *bits = calloc(net->n_layers + 1, sizeof *bits);
    if (bits == NULL)
        return tnm_fail_errno(err, ENOMEM, "sharing");
    bool ok = saliency_squares(net, &s->data->set[DATA_TRAIN], SAMPLE, &squares, err) &&
              allot_bits(net, &s->pack, (const float *const *)squares, with_slack(s->budget),
                         SHARE_MAX_BITS, ROUND_BITS, bits, err);
    for (uint32_t l = 0; ok && l < net->n_layers; l++) {
        cli_say("share: %s %u bits", net->layer[l].name, bits[l]);
        ok = bits[l] == 0 || share_layer(&net->layer[l], bits[l], SHARE_LINEAR, 1, &result, err);
    }
    saliency_free(squares, net->n_layers);
    free(bits);
    return ok;
}

static bool share(struct squeeze *s, struct tnm_error *err) {
    struct regroup regroup;
    if (!regroup_open(&regroup, s->net, err))
        return false;
    s->learn->options.regroup = &regroup;
    bool ok = (s->bits > 0 ? share_all(s, err) : share_by_worth(s, err)) &&
              train(s, course_of(s)->share, TRAIN_COSINE, share_rate, net_nonzeros(s->net), err);
    s->learn->options.regroup = NULL;
    regroup_close(&regroup);
    if (!ok)
        return false;
    round_all(s->net);
    return tell(s, "share", err) && trim(s, err);
}

bool squeeze_run(struct squeeze *s, struct tnm_error *err) {
    return dense(s, err) && prune_chain(s, err) && fit(s, "fit", err) && polish(s, err) &&
           share(s, err);
}
