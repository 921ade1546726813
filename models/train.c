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
#include "models/pass.h"
#include "models/prune.h"
#include "models/score.h"
#include "models/team.h"

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

// A run of parameters that learn in the same way.
struct block {
    float *value;
    size_t n;
    size_t at;           // of its gradients in a pass's d_param
    size_t moment;       // of its moments in run's m and v
    const uint8_t *keep; // NULL: all
    bool decays;
    struct net_layer *shared; // value is this layer's codebook
};

struct run {
    struct net *net;
    const struct data_set *set;
    const struct train_options *options;
    uint32_t inputs, outputs, steps; // steps in an epoch
    uint32_t epoch;                  // from 0
    uint32_t *order;                 // (set->n), this epoch's
    uint32_t n_blocks;
    struct block *block;
    float *m, *v;             // (parameters), moments
    uint64_t unpruned;        // weights when the run began
    const float **saliency;   // (n_layers), into the next; only with pruning, as all of these
    struct net_layer **layer; // (n_layers)
    float *saliency_memory;   // (weights)
    struct thread {
        struct pass pass;
        struct augment_bench bench;
        uint16_t *label, *copy; // of the images at hand
        float *soft;            // what teachers say of them
        double loss;
        uint32_t correct;
    } * thread; // (options->threads)
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

// ---- The learning rate -------------------------------------------------------------------------

// Of step number t (from 0) of the whole run.
static float rate_at(const struct train_options *o, uint64_t t, uint32_t steps) {
    double epoch = (double)t / steps, rate = (double)o->rate;
    if (epoch < (double)o->warmup_epochs)
        return (float)(rate * (double)(t + 1) / ((double)o->warmup_epochs * steps));
    if (o->schedule == TRAIN_STEP)
        return (float)(rate * pow((double)o->step_factor, floor(epoch / o->step_epochs)));
    if (o->schedule == TRAIN_CONSTANT)
        return o->rate;
    double span = o->epochs - (double)o->warmup_epochs;
    double way = (epoch - (double)o->warmup_epochs) / span;
    double last = (double)o->last;
    return (float)(rate * (last + (1 - last) * (1 + cos(3.141592653589793 * way)) / 2));
}

static struct optimise_step step_at(const struct train_options *o, uint64_t t, uint32_t steps) {
    float rate = rate_at(o, t, steps);
    struct optimise_step step = {.rate = rate,
                                 .beta1 = o->beta1,
                                 .beta2 = o->beta2,
                                 .epsilon = 1e-8f,
                                 .momentum = o->momentum,
                                 .shrink = rate * o->weight_decay,
                                 .l1 = o->l1,
                                 .l2 = o->l2};
    if (o->optimiser == OPTIMISE_ADAM) {
        step.rate = (float)((double)rate / (1 - pow((double)o->beta1, (double)t + 1)));
        step.correction = (float)(1 / sqrt(1 - pow((double)o->beta2, (double)t + 1)));
    }
    return step;
}

// ---- One step ----------------------------------------------------------------------------------

static uint32_t copies_of(const struct train_options *o) {
    return o->copies != 0 ? o->copies : pool_copies(o->pool);
}

// Images index[0..n) of the set as a thread's inputs.
static void fetch(struct run *run, struct thread *self, const uint32_t *index, size_t n) {
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
    struct thread *self = &run->thread[index];
    size_t from, to;
    team_share(team, index, n, &from, &to);
    if (from == to) { // a last batch smaller than the team
        memset(self->pass.d_param, 0, pass_parameters(run->net) * sizeof *self->pass.d_param);
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
    pass_backward(&self->pass, count);
}

// Adds the gradients from..to-1 of all threads into the first one's.
static float *add_up(struct run *run, size_t from, size_t to) {
    float *sum = run->thread[0].pass.d_param;
    for (uint32_t t = 1; t < run->options->threads; t++)
        optimise_add(sum + from, run->thread[t].pass.d_param + from, to - from);
    return sum;
}

static void apply(struct run *run, const struct block *b, struct optimise_step step, size_t from,
                  size_t to, const float *g) {
    const uint8_t *keep = b->keep != NULL ? b->keep + from : NULL;
    float *m = run->m + b->moment + from, *v = run->v + b->moment + from;
    if (!b->decays)
        step.shrink = step.l1 = step.l2 = 0;
    if (run->options->optimiser == OPTIMISE_ADAM)
        optimise_adam(&step, b->value + from, g, m, v, keep, to - from);
    else
        optimise_sgd(&step, b->value + from, g, v, keep, to - from);
}

// A codebook learns from the sums of its weights' gradients, and the weights follow it.
static void apply_shared(struct run *run, const struct block *b, struct optimise_step step) {
    struct net_layer *layer = b->shared;
    size_t n = (size_t)layer->rows * layer->cols;
    const float *g = add_up(run, b->at, b->at + n);
    float sum[256] = {0};
    for (size_t i = 0; i < n; i++)
        if (layer->keep[i])
            sum[layer->code[i]] += g[i];
    apply(run, b, step, 0, b->n, sum);
    for (size_t i = 0; i < n; i++)
        if (layer->keep[i])
            layer->w[i] = layer->codebook[layer->code[i]];
}

// Each thread takes one part of all parameters; a codebook is one thread's.
static void update_share(struct run *run, struct team *team, unsigned index, uint64_t t) {
    struct optimise_step step = step_at(run->options, t, run->steps);
    size_t first, last;
    team_share(team, index, pass_parameters(run->net), &first, &last);
    for (uint32_t i = 0; i < run->n_blocks; i++) {
        const struct block *b = &run->block[i];
        if (b->shared != NULL) {
            if (i % team->n == index)
                apply_shared(run, b, step);
            continue;
        }
        size_t from = b->at > first ? b->at : first;
        size_t to = b->at + b->n < last ? b->at + b->n : last;
        if (from < to)
            apply(run, b, step, from - b->at, to - b->at, add_up(run, from, to) + from);
    }
}

// ---- Pruning on the way ------------------------------------------------------------------------

uint64_t train_left(uint64_t from, uint64_t to, double way) {
    if (to >= from || way <= 0)
        return from;
    double ratio = (double)(to > 0 ? to : 1) / (double)from;
    double left = (double)from * pow(ratio, 1 - pow(1 - way, 1.5));
    return way >= 1 ? to : (uint64_t)llround(left);
}

// How many prunings are due when so many steps of the run are done; they are evenly spread, the
// last one at its end.
static uint64_t prunings_after(const struct run *run, uint64_t steps_done) {
    return steps_done * run->options->prune->per_epoch / run->steps;
}

static void weigh(struct run *run) {
    const struct train_prune *prune = run->options->prune;
    float *saliency = run->saliency_memory;
    for (uint32_t l = 0; l < run->net->n_layers; l++) {
        const struct net_layer *layer = &run->net->layer[l];
        size_t n = (size_t)layer->rows * layer->cols;
        if (prune->saliency == SALIENCY_FISHER)
            saliency_of(layer->w, run->v + run->thread[0].pass.at[l], n, saliency);
        for (size_t i = 0; prune->saliency == SALIENCY_MAGNITUDE && i < n; i++)
            saliency[i] = fabsf(layer->w[i]);
        if (l + 1 == run->net->n_layers)
            saliency_guard(layer, saliency);
        run->layer[l] = &run->net->layer[l];
        run->saliency[l] = saliency;
        saliency += n;
    }
}

// What was removed does not move any more.
static void forget_moments(struct run *run) {
    for (uint32_t i = 0; i < run->n_blocks; i++) {
        const struct block *b = &run->block[i];
        for (size_t k = 0; b->keep != NULL && k < b->n; k++)
            if (!b->keep[k])
                run->m[b->moment + k] = run->v[b->moment + k] = 0;
    }
}

// One thread's, after step number t of the run.
static void prune_after(struct run *run, uint64_t t) {
    uint64_t due = prunings_after(run, t + 1);
    if (due == prunings_after(run, t))
        return;
    const struct train_prune *prune = run->options->prune;
    weigh(run);
    double all = (double)run->options->epochs * prune->per_epoch;
    prune_to(run->layer, run->saliency, run->net->n_layers,
             train_left(run->unpruned, prune->to, (double)due / all));
    forget_moments(run);
}

// ---- An epoch ----------------------------------------------------------------------------------

static void run_epoch(struct team *team, unsigned index, void *arg) {
    struct run *run = arg;
    uint32_t batch = run->options->batch;
    run->thread[index].loss = 0;
    run->thread[index].correct = 0;
    for (uint32_t s = 0; s < run->steps; s++) {
        uint32_t done = s * batch, left = run->set->n - done;
        learn_share(run, team, index, run->order + done, left < batch ? left : batch);
        team_meet(team);
        uint64_t t = (uint64_t)run->epoch * run->steps + s;
        update_share(run, team, index, t);
        team_meet(team);
        if (run->options->prune == NULL)
            continue;
        if (index == 0)
            prune_after(run, t);
        team_meet(team);
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

static bool has_removed(const struct net_layer *layer) {
    return memchr(layer->keep, 0, (size_t)layer->rows * layer->cols) != NULL;
}

static void list_blocks(struct run *run) {
    size_t at = 0, moment = pass_parameters(run->net);
    for (uint32_t l = 0; l < run->net->n_layers; l++) {
        struct net_layer *layer = &run->net->layer[l];
        size_t n = (size_t)layer->rows * layer->cols;
        struct block *b = &run->block[run->n_blocks++];
        *b = (struct block){.value = layer->w, .n = n, .at = at, .moment = at, .decays = true};
        b->keep = run->options->prune != NULL || has_removed(layer) ? layer->keep : NULL;
        if (layer->bits != 0) {
            *b = (struct block){layer->codebook, layer->n_centroids, at, moment, .shared = layer};
            moment += layer->n_centroids;
        }
        at += n;
        run->block[run->n_blocks++] =
            (struct block){.value = layer->bias, .n = layer->rows, .at = at, .moment = at};
        at += layer->rows;
    }
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
    free(run->saliency);
    free(run->saliency_memory);
    free(run->layer);
}

static bool open_threads(struct run *run, const struct tnm_recipe *recipe, struct tnm_error *err) {
    uint32_t threads = run->options->threads, room = run->options->batch / threads + 1;
    run->thread = calloc(threads, sizeof *run->thread);
    bool ok = run->thread != NULL || tnm_fail_errno(err, ENOMEM, "training");
    for (uint32_t t = 0; ok && t < threads; t++) {
        struct thread *self = &run->thread[t];
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

static bool open_pruning(struct run *run, struct tnm_error *err) {
    size_t n = run->net->n_layers;
    run->unpruned = net_nonzeros(run->net);
    run->saliency = calloc(n, sizeof *run->saliency);
    run->layer = calloc(n, sizeof *run->layer);
    run->saliency_memory = malloc(net_weights(run->net) * sizeof *run->saliency_memory);
    return (run->saliency != NULL && run->layer != NULL && run->saliency_memory != NULL) ||
           tnm_fail_errno(err, ENOMEM, "pruning");
}

// run is to be closed even where this fails.
static bool run_open(struct run *run, const struct dataset *data, struct tnm_error *err) {
    const struct tnm_graph *g = &run->net->graph;
    size_t moments = pass_parameters(run->net) + 256 * (size_t)run->net->n_layers;
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
    list_blocks(run);
    if (run->options->prune != NULL && !open_pruning(run, err))
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

// ---- The best epoch ----------------------------------------------------------------------------

// All parameters, block by block: to best, or back from it.
static void copy_parameters(const struct run *run, float *best, bool back) {
    for (uint32_t i = 0; i < run->n_blocks; i++) {
        const struct block *b = &run->block[i];
        float *kept = best + b->moment; // as long as the moments, and laid out like them
        memcpy(back ? b->value : kept, back ? kept : b->value, b->n * sizeof *kept);
        struct net_layer *layer = b->shared;
        for (size_t k = 0; back && layer != NULL && k < (size_t)layer->rows * layer->cols; k++)
            layer->w[k] = layer->keep[k] ? layer->codebook[layer->code[k]] : 0;
    }
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
        report->train.correct += run->thread[t].correct;
    }
    report->seconds = seconds() - start;
    report->train.images = run->set->n;
    report->rate = rate_at(o, (uint64_t)(run->epoch + 1) * run->steps - 1, run->steps);
    if (!isfinite(report->loss))
        return tnm_fail(err, TNM_EINPUT, "epoch %u: the loss is no longer finite; a rate below %g?",
                        report->epoch, (double)o->rate);
    return score_net(run->net, &data->set[DATA_VALIDATION], o->threads, &report->validation, err);
}

// ---- Interruption ------------------------------------------------------------------------------

enum { LAYER_PARTS = 5, RUN_PARTS = 7 };

// What is known of a run when an epoch is over.
struct standing {
    uint32_t done; // epochs
    struct train_report last;
    struct train_report *report; // (options->epochs), of each epoch
    float *best;                 // parameters, or NULL
};

static size_t moments_of(const struct net *net) {
    return pass_parameters(net) + 256 * (size_t)net->n_layers;
}

static uint32_t list_layer(struct net_layer *layer, struct checkpoint_part *part) {
    size_t n = (size_t)layer->rows * layer->cols;
    part[0] = (struct checkpoint_part){layer->w, n * sizeof *layer->w};
    part[1] = (struct checkpoint_part){layer->bias, layer->rows * sizeof *layer->bias};
    part[2] = (struct checkpoint_part){layer->keep, n};
    part[3] = (struct checkpoint_part){layer->codebook, layer->n_centroids * sizeof(float)};
    part[4] = (struct checkpoint_part){layer->code, layer->code != NULL ? n : 0};
    return LAYER_PARTS;
}

static uint32_t list_parts(struct run *run, struct standing *at, struct checkpoint_part *part) {
    size_t moments = moments_of(run->net) * sizeof(float);
    uint32_t n = 0;
    part[n++] = (struct checkpoint_part){&at->done, sizeof at->done};
    part[n++] = (struct checkpoint_part){&at->last, sizeof at->last};
    part[n++] = (struct checkpoint_part){at->report, run->options->epochs * sizeof *at->report};
    part[n++] = (struct checkpoint_part){at->best, at->best != NULL ? moments : 0};
    part[n++] = (struct checkpoint_part){&run->unpruned, sizeof run->unpruned};
    part[n++] = (struct checkpoint_part){run->m, moments};
    part[n++] = (struct checkpoint_part){run->v, moments};
    for (uint32_t l = 0; l < run->net->n_layers; l++)
        n += list_layer(&run->net->layer[l], part + n);
    return n;
}

static struct checkpoint_part *alloc_parts(const struct run *run, struct tnm_error *err) {
    size_t n = RUN_PARTS + (size_t)run->net->n_layers * LAYER_PARTS;
    struct checkpoint_part *part = calloc(n, sizeof *part);
    if (part == NULL)
        tnm_fail_errno(err, ENOMEM, "training");
    return part;
}

static bool keep_standing(struct run *run, struct standing *at, struct tnm_error *err) {
    if (run->options->checkpoint == NULL)
        return true;
    struct checkpoint_part *part = alloc_parts(run, err);
    bool ok = part != NULL &&
              checkpoint_save(run->options->checkpoint, part, list_parts(run, at, part), err);
    free(part);
    return ok;
}

// *over: this stage has been run to its end before.
static bool find_standing(struct run *run, struct standing *at, bool *over, struct tnm_error *err) {
    struct checkpoint *checkpoint = run->options->checkpoint;
    *over = false;
    if (checkpoint == NULL)
        return true;
    checkpoint->stage++;
    struct checkpoint_part *part = alloc_parts(run, err);
    if (part == NULL)
        return false;
    enum checkpoint_found found = checkpoint_load(checkpoint, part, list_parts(run, at, part), err);
    free(part);
    *over = found == CHECKPOINT_LATER;
    if (found == CHECKPOINT_HERE) { // what is removed has changed
        run->n_blocks = 0;
        list_blocks(run);
    }
    return found != CHECKPOINT_BROKEN;
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
        copy_parameters(run, at->best, false);
    at->done++;
    return keep_standing(run, at, err);
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
        copy_parameters(run, at->best, true);
    return true;
}

static bool standing_open(struct standing *at, const struct run *run, struct tnm_error *err) {
    *at = (struct standing){.report = calloc(run->options->epochs, sizeof *at->report)};
    if (run->options->keep_best)
        at->best = calloc(moments_of(run->net), sizeof *at->best);
    return (at->report != NULL && (at->best != NULL || !run->options->keep_best)) ||
           tnm_fail_errno(err, ENOMEM, "training");
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
              find_standing(&run, &at, &over, err);
    ok = ok && (over || all_epochs(&run, data, listener, arg, &at, err));
    if (last != NULL)
        *last = at.last;
    free(at.report);
    free(at.best);
    run_close(&run);
    return ok;
}
