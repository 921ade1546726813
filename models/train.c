/* SPDX-License-Identifier: MIT */
// Training a network on labelled pictures.
//
// One team of threads runs an epoch. A step has two halves: each thread runs its share of the batch
// forward and backward; all meet; each thread adds up and applies the gradients of its share of the
// parameters; all meet again.
#include "models/train.h"

#include "core/error.h"
#include "core/prepare.h"
#include "models/gemm.h"
#include "models/gradual.h"
#include "models/schedule.h"
#include "models/score.h"
#include "models/standing.h"
#include "models/team.h"
#include "models/update.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

// Streams of a run's seed; the weights of layer l have l.
enum {
    STREAM_ORDER = 1 << 20,
    STREAM_IMAGE = 1 << 21 // + epoch
};

struct train_options train_defaults(void) {
    return (struct train_options){.epochs = 24,
                                  .batch = 128,
                                  .threads = 1,
                                  .seed = 1,
                                  .optimiser = OPTIMISE_ADAM,
                                  .rate = 2e-3f,
                                  .beta1 = 0.9f,
                                  .beta2 = 0.999f,
                                  .momentum = 0.9f,
                                  .schedule = TRAIN_COSINE,
                                  .last = 1e-3f,
                                  .step_epochs = 10,
                                  .step_factor = 0.1f,
                                  .loss = loss_cross_entropy};
}

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

// ---- One step ----------------------------------------------------------------------------------

static uint32_t copies_of(const struct train_options *o) {
    return o->copies != 0 ? o->copies : pool_copies(o->pool);
}

// Images index[0..n) of the set as a thread's inputs.
static void fetch(struct run *run, struct run_thread *self, const uint32_t *index, size_t n) {
    const struct train_options *o = run->options;
    float *x = pass_input(&self->pass);
    for (size_t i = 0; i < n; i++, x += run->inputs) {
        const uint8_t *pixel = run->set->pixel + (size_t)index[i] * run->inputs;
        self->label[i] = run->set->label[index[i]];
        self->copy[i] = 0;
        if (o->augment == NULL && o->pool == NULL) {
            tnm_prepare_scale(pixel, run->inputs, x);
            continue;
        }
        // A stream for each image and epoch: a variation does not depend on who draws it.
        struct rng rng;
        rng_seed(&rng, o->seed, (uint64_t)(STREAM_IMAGE + run->epoch) << 32 | index[i]);
        if (o->pool == NULL) {
            augment_run(o->augment, &self->bench, &rng, pixel, x);
            continue;
        }
        self->copy[i] = (uint16_t)rng_below(&rng, copies_of(o));
        pool_draw(o->pool, &self->bench, self->copy[i], index[i], pixel, x);
    }
}

static void learn_share(struct run *run, struct team *team, unsigned index, const uint32_t *image,
                        size_t n) {
    struct run_thread *self = &run->thread[index];
    struct hints *hints = run->options->hints;
    size_t from, to;
    team_share(team, index, n, &from, &to);
    if (from == to) { // a last batch smaller than the team
        memset(self->pass.d_param, 0, pass_parameters(run->net) * sizeof *self->pass.d_param);
        if (hints != NULL)
            hints_pull(hints, index, &self->pass, 0, 0);
        return;
    }
    uint32_t count = (uint32_t)(to - from);
    fetch(run, self, image + from, count);
    struct loss_call call = {.logits = pass_forward(&self->pass, count),
                             .label = self->label,
                             .n = count,
                             .outputs = run->outputs,
                             .scale = 1 / (float)n,
                             .d_logits = pass_output_gradient(&self->pass),
                             .correct = &self->correct};
    loss_function *loss = run->options->loss;
    struct distill *distill = run->options->distill;
    if (distill != NULL) {
        distill_ask(distill, index, pass_input(&self->pass), image + from, self->copy, count,
                    self->soft);
        loss = loss_distilled;
        call.soft = self->soft;
        call.temperature = distill->temperature;
        call.weight = distill->weight;
    }
    self->loss += loss(&call);
    if (hints != NULL)
        self->unexplained += hints_pull(hints, index, &self->pass, count, call.scale);
    pass_backward(&self->pass, count);
}

// ---- An epoch ----------------------------------------------------------------------------------

static void run_epoch(struct team *team, unsigned index, void *arg) {
    struct run *run = arg;
    uint32_t batch = run->options->batch;
    run->thread[index].loss = run->thread[index].unexplained = 0;
    run->thread[index].correct = 0;
    pass_look(&run->thread[index].pass);
    for (uint32_t s = 0; s < run->steps; s++) {
        uint32_t done = s * batch, left = run->set->n - done;
        learn_share(run, team, index, run->order + done, left < batch ? left : batch);
        team_meet(team);
        uint64_t t = (uint64_t)run->epoch * run->steps + s;
        update_share(run, team, index, t);
        team_meet(team);
        if (!gradual_due(run, t))
            continue;
        if (index == 0)
            gradual_prune(run, t);
        team_meet(team);
        pass_look(&run->thread[index].pass);
    }
}

// ---- Before and after --------------------------------------------------------------------------

static bool check_extras(const struct net *net, const struct dataset *data,
                         const struct train_options *o, struct tnm_error *err) {
    if (o->pool != NULL && (pool_copies(o->pool) > POOL_MAX || o->copies > pool_copies(o->pool)))
        return tnm_fail(err, TNM_EINPUT, "a pool of %u copies, %u of them used; at most %d",
                        pool_copies(o->pool), o->copies, POOL_MAX);
    if (o->distill != NULL &&
        (o->distill->threads < o->threads ||
         (o->distill->copies > 0 && o->distill->images != data->set[DATA_TRAIN].n)))
        return tnm_fail(err, TNM_EINPUT, "teachers of %u threads and %u images, not %u and %u",
                        o->distill->threads, o->distill->images, o->threads,
                        data->set[DATA_TRAIN].n);
    if (o->distill != NULL && o->distill->copies > 0 && o->pool == NULL && o->augment != NULL)
        return tnm_fail(err, TNM_EINPUT, "what teachers say is remembered of a pool's copies only");
    if (o->regroup != NULL && (o->keep_best || o->checkpoint != NULL))
        return tnm_fail(err, TNM_EINPUT,
                        "weights that change their groups: only the last epoch, never resumed");
    if (o->prune == NULL)
        return true;
    for (uint32_t l = 0; l < net->n_layers; l++)
        if (net->layer[l].bits != 0)
            return tnm_fail(err, TNM_EINPUT, "%s is shared: prune before sharing",
                            net->layer[l].name);
    return (o->prune->per_epoch > 0 && !o->keep_best &&
            (o->optimiser == OPTIMISE_ADAM || o->prune->saliency == SALIENCY_MAGNITUDE)) ||
           tnm_fail(err, TNM_EINPUT,
                    "gradual pruning wants Adam for its Fisher saliency, at least "
                    "one pruning an epoch, and keeps the last epoch");
}

static bool check(const struct net *net, const struct dataset *data, const struct train_options *o,
                  struct tnm_error *err) {
    const struct tnm_graph *g = &net->graph;
    size_t inputs = tnm_tensor_elements(&g->tensor[g->input]);
    size_t outputs = tnm_tensor_elements(&g->tensor[g->output]);
    if (inputs != data->inputs)
        return tnm_fail(err, TNM_EINPUT, "the network has %zu inputs, the images of %s have %u",
                        inputs, data->name, data->inputs);
    if (data->n_classes > outputs)
        return tnm_fail(err, TNM_EINPUT, "%s has %u classes, the network %zu outputs", data->name,
                        data->n_classes, outputs);
    if (data->set[DATA_TRAIN].n == 0)
        return tnm_fail(err, TNM_EINPUT, "%s: no training images", data->name);
    if (o->epochs < 1 || o->batch < 1 || o->batch > 65536 || o->threads < 1 ||
        o->threads > TEAM_MAX || !(o->rate > 0) || !(o->warmup_epochs < (float)o->epochs))
        return tnm_fail(err, TNM_EINPUT,
                        "training wants at least 1 epoch, a batch of 1 to 65536, 1 to %d threads, "
                        "a rate above 0 and a warm-up shorter than the epochs",
                        TEAM_MAX);
    return check_extras(net, data, o, err);
}

static void run_close(struct run *run) {
    for (uint32_t t = 0; run->thread != NULL && t < run->options->threads; t++) {
        pass_close(&run->thread[t].pass);
        augment_close(&run->thread[t].bench);
        free(run->thread[t].label);
        free(run->thread[t].copy);
        free(run->thread[t].soft);
    }
    free(run->thread);
    free(run->order);
    free(run->block);
    free(run->m);
    free(run->v);
    gradual_close(run);
    if (run->options->hints != NULL)
        hints_end(run->options->hints);
}

// Images that a thread has at hand at most.
static uint32_t room_of(const struct train_options *o) {
    return o->batch / o->threads + 1;
}

static bool open_threads(struct run *run, const struct tnm_recipe *recipe, struct tnm_error *err) {
    uint32_t threads = run->options->threads, room = room_of(run->options);
    run->thread = calloc(threads, sizeof *run->thread);
    bool ok = run->thread != NULL || tnm_fail_errno(err, ENOMEM, "training");
    for (uint32_t t = 0; ok && t < threads; t++) {
        struct run_thread *self = &run->thread[t];
        self->label = malloc(room * sizeof *self->label);
        self->copy = malloc(room * sizeof *self->copy);
        self->soft = malloc((size_t)room * run->outputs * sizeof *self->soft);
        ok = (self->label != NULL && self->copy != NULL && self->soft != NULL) ||
             tnm_fail_errno(err, ENOMEM, "training");
        ok = ok && pass_open(&self->pass, run->net, room, true, err) &&
             ((run->options->augment == NULL && run->options->pool == NULL) ||
              augment_open(&self->bench, recipe->width, recipe->height, recipe->channels, err));
    }
    return ok;
}

// run is to be closed even where this fails.
static bool run_open(struct run *run, const struct dataset *data, struct tnm_error *err) {
    const struct tnm_graph *g = &run->net->graph;
    size_t moments = run_moments(run->net);
    run->set = &data->set[DATA_TRAIN];
    run->inputs = data->inputs;
    run->outputs = (uint32_t)tnm_tensor_elements(&g->tensor[g->output]);
    run->steps = (run->set->n - 1) / run->options->batch + 1;
    run->order = malloc(run->set->n * sizeof *run->order);
    run->block = calloc(2 * (size_t)run->net->n_layers, sizeof *run->block);
    run->m = calloc(moments, sizeof *run->m);
    run->v = calloc(moments, sizeof *run->v);
    if (run->order == NULL || run->block == NULL || run->m == NULL || run->v == NULL)
        return tnm_fail_errno(err, ENOMEM, "training");
    update_list(run);
    if (run->options->prune != NULL && !gradual_open(run, err))
        return false;
    if (run->options->hints != NULL &&
        !hints_begin(run->options->hints, run->options->threads, room_of(run->options), err))
        return false;
    return open_threads(run, &data->recipe, err);
}

static void shuffle(struct run *run) {
    struct rng rng;
    rng_seed(&rng, run->options->seed, STREAM_ORDER + (uint64_t)run->epoch);
    for (uint32_t i = 0; i < run->set->n; i++)
        run->order[i] = i;
    rng_shuffle(&rng, run->order, run->set->n);
}

// ---- A whole run -------------------------------------------------------------------------------

static bool one_epoch(struct run *run, const struct dataset *data, struct train_report *report,
                      struct tnm_error *err) {
    const struct train_options *o = run->options;
    double start = seconds();
    shuffle(run);
    if (!team_run(o->threads, run_epoch, run, err))
        return false;
    *report = (struct train_report){.epoch = run->epoch + 1, .epochs = o->epochs};
    for (uint32_t t = 0; t < o->threads; t++) {
        report->loss += run->thread[t].loss / run->set->n;
        report->unexplained += run->thread[t].unexplained / run->set->n;
        report->train.correct += run->thread[t].correct;
    }
    report->seconds = seconds() - start;
    report->train.images = run->set->n;
    report->rate = schedule_rate(o, (uint64_t)(run->epoch + 1) * run->steps - 1, run->steps);
    if (!isfinite(report->loss + report->unexplained))
        return tnm_fail(err, TNM_EINPUT, "epoch %u: the loss is no longer finite; a rate below %g?",
                        report->epoch, (double)o->rate);
    if (o->hints == NULL)
        report->unexplained = NAN;
    return score_net(run->net, &data->set[DATA_VALIDATION], o->threads, &report->validation, err);
}

// ---- All epochs --------------------------------------------------------------------------------

static bool next_epoch(struct run *run, const struct dataset *data, struct standing *at,
                       struct tnm_error *err) {
    struct train_report *report = &at->report[run->epoch];
    if (!one_epoch(run, data, report, err))
        return false;
    bool better = run->epoch == 0 || report->validation.correct >= at->last.validation.correct;
    if (at->best == NULL || better)
        at->last = *report;
    if (at->best != NULL && better)
        update_copy(run, at->best, false);
    at->done++;
    return standing_keep(run, at, err);
}

static bool all_epochs(struct run *run, const struct dataset *data, train_listener *listener,
                       void *arg, struct standing *at, struct tnm_error *err) {
    bool wanted = true;
    for (uint32_t e = 0; e < at->done && wanted; e++)
        wanted = listener == NULL || listener(arg, &at->report[e]);
    for (run->epoch = at->done; run->epoch < run->options->epochs && wanted; run->epoch++) {
        if (!next_epoch(run, data, at, err))
            return false;
        wanted = listener == NULL || listener(arg, &at->report[run->epoch]);
    }
    if (at->best != NULL)
        update_copy(run, at->best, true);
    return true;
}

bool train_run(struct net *net, const struct dataset *data, const struct train_options *options,
               train_listener *listener, void *arg, struct train_report *last,
               struct tnm_error *err) {
    if (!check(net, data, options, err))
        return false;
    gemm_single_threaded();
    struct run run = {.net = net, .options = options};
    struct standing at = {0};
    bool over = false;
    bool ok = run_open(&run, data, err) && standing_open(&at, &run, err) &&
              standing_find(&run, &at, &over, err);
    ok = ok && (over || all_epochs(&run, data, listener, arg, &at, err));
    if (last != NULL)
        *last = at.last;
    standing_close(&at);
    run_close(&run);
    return ok;
}
