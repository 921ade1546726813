/* SPDX-License-Identifier: MIT */
// Training: gradients against differences of a double-precision network, masks, seeds, schedules,
// and that it learns.
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "models/loss.h"
#include "models/pass.h"
#include "models/score.h"
#include "models/train.h"
#include "tests/quarters.h"
#include "tests/random.h"
#include "tests/scratch.h"

// ---- A small network and a slow second way to run it ------------------------------------------

enum { BATCH = 7, INPUTS = 6, OUTPUTS = 3, WIDEST = 8 };

static void build(struct net *net, const char *arch, uint32_t inputs, uint64_t seed) {
    struct tnm_error err;
    struct tnm_recipe recipe = data_recipe(inputs, 1, 1, TNM_FIT_CONTAIN);
    ck_assert_msg(net_build(net, arch, &recipe, &err), "%s", err.text);
    net_initialise(net, seed);
    struct randomness r;
    random_start(&r, seed);
    for (uint32_t l = 0; l < net->n_layers; l++)
        random_fill(&r, net->layer[l].bias, net->layer[l].rows, 0);
}

static double cross_entropy(const double *z, uint32_t n, uint32_t label) {
    double sum = 0;
    for (uint32_t k = 0; k < n; k++)
        sum += exp(z[k] - z[label]);
    return log(sum);
}

// The mean loss of a chain of linear and relu, from its parameters as pass lays them out.
static double slow_loss(const struct net *net, const double *p, const float *x,
                        const uint16_t *label, uint32_t n) {
    double loss = 0;
    for (uint32_t i = 0; i < n; i++) {
        double value[2][WIDEST];
        const double *at = p;
        for (int k = 0; k < INPUTS; k++)
            value[0][k] = (double)x[i * INPUTS + (uint32_t)k];
        for (uint32_t l = 0; l < net->n_layers; l++) {
            const struct net_layer *layer = &net->layer[l];
            const double *bias = at + layer->rows * layer->cols;
            for (uint32_t r = 0; r < layer->rows; r++) {
                double y = bias[r];
                for (uint32_t c = 0; c < layer->cols; c++)
                    y += at[r * layer->cols + c] * value[l % 2][c];
                value[(l + 1) % 2][r] = l + 1 < net->n_layers ? fmax(y, 0) : y;
            }
            at = bias + layer->rows;
        }
        loss += cross_entropy(value[net->n_layers % 2], OUTPUTS, label[i]);
    }
    return loss / n;
}

static void parameters(const struct net *net, double *p) {
    for (uint32_t l = 0; l < net->n_layers; l++) {
        const struct net_layer *layer = &net->layer[l];
        for (uint32_t i = 0; i < layer->rows * layer->cols; i++)
            *p++ = (double)layer->w[i];
        for (uint32_t i = 0; i < layer->rows; i++)
            *p++ = (double)layer->bias[i];
    }
}

static void make_batch(uint64_t salt, float *x, uint16_t *label) {
    struct randomness r;
    random_start(&r, salt);
    random_fill(&r, x, BATCH * INPUTS, 30);
    for (int i = 0; i < BATCH; i++)
        label[i] = (uint16_t)random_between(&r, 0, OUTPUTS - 1);
}

// Runs a pass forward and backward on the batch; returns the mean loss.
static double run_pass(struct pass *pass, const float *x, const uint16_t *label) {
    uint32_t correct = 0;
    memcpy(pass_input(pass), x, BATCH * INPUTS * sizeof *x);
    struct loss_call call = {.logits = pass_forward(pass, BATCH),
                             .label = label,
                             .n = BATCH,
                             .outputs = OUTPUTS,
                             .scale = 1.0f / BATCH,
                             .d_logits = pass_output_gradient(pass),
                             .correct = &correct};
    double loss = loss_cross_entropy(&call);
    pass_backward(pass, BATCH);
    return loss / BATCH;
}

static const char *const shapes[] = {"6-3", "6-5-3", "6-8-5-3", "6-1-8-4-3"};

START_TEST(gradients_are_those_that_differences_give) {
    struct net net;
    struct pass pass;
    struct tnm_error err;
    float x[BATCH * INPUTS];
    uint16_t label[BATCH];
    double p[512];
    build(&net, shapes[_i], INPUTS, 5);
    make_batch((uint64_t)_i, x, label);
    ck_assert_msg(pass_open(&pass, &net, BATCH, true, &err), "%s", err.text);
    parameters(&net, p);
    ck_assert_double_eq_tol(run_pass(&pass, x, label), slow_loss(&net, p, x, label, BATCH), 1e-5);
    double largest = 0;
    for (size_t i = 0; i < pass_parameters(&net); i++) {
        const double was = p[i], h = 1e-6;
        p[i] = was + h;
        double above = slow_loss(&net, p, x, label, BATCH);
        p[i] = was - h;
        double slope = (above - slow_loss(&net, p, x, label, BATCH)) / (2 * h);
        p[i] = was;
        ck_assert_msg(fabs((double)pass.d_param[i] - slope) < 1e-5, "%zu: %g, not %g", i,
                      (double)pass.d_param[i], slope);
        largest = fmax(largest, fabs(slope));
    }
    ck_assert_double_gt(largest, 0.05);
    pass_close(&pass);
    net_free(&net);
}
END_TEST

// ---- Optimisers --------------------------------------------------------------------------------

enum {
    N = 37 // a few vectors and a rest
};

static void random_state(float w[N], float g[N], uint8_t keep[N]) {
    struct randomness r;
    random_start(&r, 1);
    random_fill(&r, w, N, 0);
    random_fill(&r, g, N, 10);
    for (int i = 0; i < N; i++) {
        keep[i] = i % 3 != 0;
        w[i] = keep[i] ? w[i] : 0;
    }
}

START_TEST(adam_is_the_published_one_with_decay_of_both_kinds) {
    float w[N], g[N], m[N] = {0}, v[N] = {0};
    double ww[N], mm[N] = {0}, vv[N] = {0};
    uint8_t keep[N];
    random_state(w, g, keep);
    for (int i = 0; i < N; i++)
        ww[i] = (double)w[i];
    for (int t = 1; t <= 20; t++) {
        double c1 = 1 - pow(0.9, t), c2 = 1 - pow(0.999, t);
        struct optimise_step step = {.rate = (float)(0.01 / c1),
                                     .beta1 = 0.9f,
                                     .beta2 = 0.999f,
                                     .correction = (float)(1 / sqrt(c2)),
                                     .epsilon = 1e-8f,
                                     .shrink = 0.001f,
                                     .l1 = 0.02f,
                                     .l2 = 0.1f};
        optimise_adam(&step, w, g, m, v, NULL, N);
        for (int i = 0; i < N; i++) {
            double sign = ww[i] > 0 ? 1 : ww[i] < 0 ? -1 : 0;
            double slope = (double)g[i] + 0.1 * ww[i] + 0.02 * sign;
            mm[i] = 0.9 * mm[i] + 0.1 * slope;
            vv[i] = 0.999 * vv[i] + 0.001 * slope * slope;
            ww[i] -= 0.001 * ww[i] + 0.01 * (mm[i] / c1) / (sqrt(vv[i] / c2) + 1e-8);
            ck_assert_double_eq_tol((double)w[i], ww[i], 2e-5);
        }
    }
}
END_TEST

START_TEST(momentum_is_what_it_says) {
    float w[N], g[N], v[N] = {0};
    double ww[N], vv[N] = {0};
    uint8_t keep[N];
    struct optimise_step step = {.rate = 0.1f, .momentum = 0.5f, .l2 = 0.1f};
    random_state(w, g, keep);
    for (int i = 0; i < N; i++)
        ww[i] = (double)w[i];
    for (int t = 0; t < 5; t++) {
        optimise_sgd(&step, w, g, v, NULL, N);
        for (int i = 0; i < N; i++) {
            vv[i] = 0.5 * vv[i] + (double)g[i] + 0.1 * ww[i];
            ww[i] -= 0.1 * vv[i];
            ck_assert_double_eq_tol((double)w[i], ww[i], 1e-5);
        }
    }
}
END_TEST

START_TEST(what_is_removed_does_not_move_and_nor_do_its_moments) {
    float w[N], g[N], m[N] = {0}, v[N] = {0}, w2[N], v2[N] = {0};
    uint8_t keep[N];
    const float zero = 0;
    struct optimise_step step = {.rate = 0.1f,
                                 .beta1 = 0.9f,
                                 .beta2 = 0.999f,
                                 .correction = 1,
                                 .epsilon = 1e-8f,
                                 .momentum = 0.9f,
                                 .shrink = 0.01f,
                                 .l1 = 0.1f,
                                 .l2 = 0.1f};
    random_state(w, g, keep);
    memcpy(w2, w, sizeof w);
    for (int t = 0; t < 3; t++) {
        optimise_adam(&step, w, g, m, v, keep, N);
        optimise_sgd(&step, w2, g, v2, keep, N);
    }
    for (int i = 0; i < N; i++) {
        const float *all[] = {&w[i], &m[i], &v[i], &w2[i], &v2[i]};
        for (int k = 0; k < 5; k++)
            ck_assert((memcmp(all[k], &zero, sizeof zero) == 0) == !keep[i]);
    }
}
END_TEST

// ---- Whole runs --------------------------------------------------------------------------------

enum { SIDE = 6, CLASSES = QUARTERS_CLASSES, IMAGES = 600, HELD = 100 };

static void make_data(struct dataset *data) {
    quarters_make(data, SIDE, IMAGES, HELD);
}

static void make_net(struct net *net, const struct dataset *data) {
    struct tnm_error err;
    ck_assert_msg(net_build(net, "36-16-4", &data->recipe, &err), "%s", err.text);
    net_initialise(net, 9);
}

static struct train_options quick(void) {
    struct train_options o = train_defaults();
    o.epochs = 6;
    o.batch = 32; // 600 is no multiple of it
    o.rate = 0.01f;
    return o;
}

static struct train_report train(struct net *net, const struct dataset *data,
                                 const struct train_options *o) {
    struct tnm_error err;
    struct train_report last;
    ck_assert_msg(train_run(net, data, o, NULL, NULL, &last, &err), "%s", err.text);
    return last;
}

START_TEST(it_learns) {
    struct dataset data;
    struct net net;
    make_data(&data);
    make_net(&net, &data);
    struct train_options o = quick();
    o.optimiser = _i == 0 ? OPTIMISE_ADAM : OPTIMISE_SGD;
    o.rate = _i == 0 ? 0.01f : 0.1f;
    o.threads = 2;
    struct tnm_score before;
    struct tnm_error err;
    ck_assert(score_net(&net, &data.set[DATA_VALIDATION], 1, &before, &err));
    ck_assert_uint_lt(before.correct, 70);
    struct train_report last = train(&net, &data, &o);
    ck_assert_uint_ge(last.validation.correct, 95);
    ck_assert_uint_eq(last.validation.images, HELD);
    ck_assert_uint_eq(last.train.images, IMAGES);
    net_free(&net);
    dataset_close(&data);
}
END_TEST

// w of the first layer after training with these threads and this seed.
static void trained(const struct dataset *data, uint32_t threads, uint64_t seed, float *w) {
    struct net net;
    struct augment augment = augment_of_strength(0.5f);
    struct train_options o = quick();
    make_net(&net, data);
    o.epochs = 2;
    o.threads = threads;
    o.seed = seed;
    o.augment = &augment;
    train(&net, data, &o);
    memcpy(w, net.layer[0].w, 16 * 36 * sizeof *w);
    net_free(&net);
}

START_TEST(a_seed_repeats_to_the_bit_and_threads_change_only_rounding) {
    struct dataset data;
    static float w[5][16 * 36];
    make_data(&data);
    trained(&data, 1, 1, w[0]);
    trained(&data, 1, 1, w[1]);
    trained(&data, 3, 1, w[2]);
    trained(&data, 3, 1, w[3]);
    trained(&data, 1, 2, w[4]);
    ck_assert_mem_eq(w[0], w[1], sizeof w[0]);
    ck_assert_mem_eq(w[2], w[3], sizeof w[0]);
    ck_assert_mem_ne(w[0], w[4], sizeof w[0]);
    for (int i = 0; i < 16 * 36; i++)
        ck_assert_float_eq_tol(w[0][i], w[2][i], 2e-3f);
    dataset_close(&data);
}
END_TEST

START_TEST(removed_weights_stay_removed_and_the_others_learn) {
    struct dataset data;
    struct net net;
    const float zero = 0;
    make_data(&data);
    make_net(&net, &data);
    struct net_layer *layer = &net.layer[0];
    for (int i = 0; i < 16 * 36; i++)
        if (i % 4 != 0) {
            layer->keep[i] = 0;
            layer->w[i] = 0;
        }
    float before = layer->w[0];
    struct train_options o = quick();
    o.optimiser = _i == 0 ? OPTIMISE_ADAM : OPTIMISE_SGD;
    o.l2 = o.weight_decay = 1e-3f;
    o.threads = 2;
    train(&net, &data, &o);
    for (int i = 0; i < 16 * 36; i++)
        if (i % 4 != 0)
            ck_assert(memcmp(&layer->w[i], &zero, sizeof zero) == 0 && layer->keep[i] == 0);
    ck_assert_float_ne(layer->w[0], before);
    net_free(&net);
    dataset_close(&data);
}
END_TEST

// Gives the first layer a codebook of four, with every fifth weight removed.
static void share(struct net_layer *layer) {
    size_t n = (size_t)layer->rows * layer->cols;
    layer->bits = 2;
    layer->n_centroids = 4;
    layer->codebook = malloc(4 * sizeof(float));
    layer->code = calloc(n, 1);
    ck_assert(layer->codebook != NULL && layer->code != NULL);
    memcpy(layer->codebook, (const float[]){-0.3f, -0.1f, 0.1f, 0.3f}, 4 * sizeof(float));
    for (size_t i = 0; i < n; i++) {
        float w = layer->w[i];
        layer->keep[i] = i % 5 != 0;
        layer->code[i] = (uint8_t)(w < -0.2f ? 0 : w < 0 ? 1 : w < 0.2f ? 2 : 3);
        layer->w[i] = layer->keep[i] ? layer->codebook[layer->code[i]] : 0;
    }
}

START_TEST(a_centroid_moves_by_the_sum_of_its_weights_gradients) {
    struct dataset data;
    struct net net, plain;
    struct train_options o = quick();
    make_data(&data);
    make_net(&net, &data);
    make_net(&plain, &data);
    share(&net.layer[_i]); // of the first layer, or of one behind it
    const struct net_layer *layer = &net.layer[_i];
    const int n = (int)(layer->rows * layer->cols);
    memcpy(plain.layer[_i].w, layer->w, (size_t)n * sizeof(float));
    o.optimiser = OPTIMISE_SGD; // one step without momentum on all images shows the gradient
    o.momentum = 0;
    o.schedule = TRAIN_CONSTANT;
    o.rate = 0.05f;
    o.epochs = 1;
    o.batch = IMAGES;
    o.threads = 2;
    train(&net, &data, &o);
    train(&plain, &data, &o);
    double want[4] = {(double)-0.3f, (double)-0.1f, (double)0.1f, (double)0.3f};
    for (int i = 0; i < n; i++) {
        float was = layer->keep[i] ? (const float[]){-0.3f, -0.1f, 0.1f, 0.3f}[layer->code[i]] : 0;
        if (layer->keep[i])
            want[layer->code[i]] += (double)plain.layer[_i].w[i] - (double)was;
        ck_assert_float_eq(layer->w[i], layer->keep[i] ? layer->codebook[layer->code[i]] : 0);
    }
    for (int k = 0; k < 4; k++) {
        ck_assert_double_eq_tol((double)layer->codebook[k], want[k], 1e-5);
        ck_assert_double_gt(fabs(want[k] - (double)(0.2f * (float)k - 0.3f)), 1e-4);
    }
    net_free(&net);
    net_free(&plain);
    dataset_close(&data);
}
END_TEST

struct heard {
    float rate[16];
    uint32_t n, best, last;
};

static bool hear(void *arg, const struct train_report *r) {
    struct heard *h = arg;
    h->rate[h->n++] = r->rate;
    h->last = r->validation.correct;
    h->best = h->last > h->best ? h->last : h->best;
    return true;
}

START_TEST(the_rate_follows_its_schedule) {
    struct dataset data;
    struct tnm_error err;
    static const struct {
        enum train_schedule schedule;
        float warmup;
        float rate[4]; // at the last step of epochs 1, 2, 3, 4 of 4; 19 steps each
    } known[] = {
        {TRAIN_CONSTANT, 0, {1, 1, 1, 1}},
        {TRAIN_CONSTANT, 2, {0.5f, 1, 1, 1}},
        {TRAIN_STEP, 0, {1, 1, 0.1f, 0.1f}},
        // 0.5 + 0.5 cos(pi t), t = (19 e - 1) / 76
        {TRAIN_COSINE, 0, {0.867862f, 0.520662f, 0.161359f, 0.000427f}},
    };
    make_data(&data);
    struct net net;
    struct heard heard = {0};
    struct train_options o = quick();
    make_net(&net, &data);
    o.epochs = 4;
    o.rate = 1e-3f;
    o.schedule = known[_i].schedule;
    o.warmup_epochs = known[_i].warmup;
    o.last = 0;
    o.step_epochs = 2;
    ck_assert_msg(train_run(&net, &data, &o, hear, &heard, NULL, &err), "%s", err.text);
    ck_assert_uint_eq(heard.n, 4);
    for (int e = 0; e < 4; e++)
        ck_assert_float_eq_tol(heard.rate[e], 1e-3f * known[_i].rate[e], 1e-8f);
    net_free(&net);
    dataset_close(&data);
}
END_TEST

START_TEST(the_best_epoch_is_kept_where_asked) {
    struct dataset data;
    struct net net;
    struct tnm_error err;
    struct heard heard = {0};
    struct tnm_score score;
    struct train_options o = quick();
    make_data(&data);
    make_net(&net, &data);
    o.keep_best = true;
    o.epochs = 8;
    o.rate = 0.3f; // jumps about
    o.schedule = TRAIN_CONSTANT;
    ck_assert_msg(train_run(&net, &data, &o, hear, &heard, NULL, &err), "%s", err.text);
    ck_assert(score_net(&net, &data.set[DATA_VALIDATION], 2, &score, &err));
    ck_assert_uint_eq(score.correct, heard.best);
    ck_assert_uint_ne(heard.best, heard.last); // or this shows nothing
    net_free(&net);
    dataset_close(&data);
}
END_TEST

// ---- Interruption ------------------------------------------------------------------------------

static bool three_epochs(void *arg, const struct train_report *r) {
    uint32_t *told = arg;
    *told = r->epoch;
    return r->epoch < 3;
}

// What differs between the cases: a codebook, weights that go while it trains, the best epoch kept.
static void prepare(struct net *net, const struct dataset *data, struct train_options *o, int which,
                    const struct train_prune *prune) {
    make_net(net, data);
    *o = quick();
    o->threads = 2;
    if (which == 1)
        share(&net->layer[0]);
    if (which == 2)
        o->prune = prune;
    o->keep_best = which == 3;
}

static void same_layers(const struct net *a, const struct net *b) {
    for (uint32_t l = 0; l < a->n_layers; l++) {
        size_t n = (size_t)a->layer[l].rows * a->layer[l].cols;
        ck_assert_mem_eq(a->layer[l].w, b->layer[l].w, n * sizeof(float));
        ck_assert_mem_eq(a->layer[l].keep, b->layer[l].keep, n);
        ck_assert_mem_eq(a->layer[l].bias, b->layer[l].bias, a->layer[l].rows * sizeof(float));
    }
}

START_TEST(an_interrupted_run_goes_on_to_the_same_bits) {
    const char *dir = scratch_make();
    const char *path = scratch_path(dir, "x.tnm");
    const struct train_prune prune = {100, TRAIN_PRUNINGS, SALIENCY_FISHER};
    struct checkpoint checkpoint;
    struct train_report last[2];
    struct train_options o;
    struct dataset data;
    struct tnm_error err;
    struct net whole, net;
    uint32_t told = 0;
    make_data(&data);
    prepare(&whole, &data, &o, _i, &prune);
    ck_assert(train_run(&whole, &data, &o, NULL, NULL, &last[0], &err));
    for (int part = 0; part < 2; part++) { // up to epoch 3, then from there
        prepare(&net, &data, &o, _i, &prune);
        ck_assert(checkpoint_open(&checkpoint, path, "a run", part == 1, &err));
        o.checkpoint = &checkpoint;
        ck_assert_msg(
            train_run(&net, &data, &o, part == 0 ? three_epochs : NULL, &told, &last[1], &err),
            "%s", err.text);
        if (part == 0)
            net_free(&net);
        if (part == 0)
            checkpoint_close(&checkpoint, false);
    }
    ck_assert_uint_eq(told, 3);
    same_layers(&whole, &net);
    ck_assert_uint_eq(last[0].epoch, last[1].epoch);
    ck_assert_double_eq(last[0].loss, last[1].loss);
    checkpoint_close(&checkpoint, true);
    ck_assert_int_ne(access(scratch_path(dir, "x.tnm.part"), F_OK), 0);
    net_free(&net);
    net_free(&whole);
    dataset_close(&data);
    scratch_remove(dir);
}
END_TEST

START_TEST(what_another_run_left_is_refused) {
    const char *dir = scratch_make();
    const char *path = scratch_path(dir, "x.tnm");
    struct checkpoint c;
    struct tnm_error err;
    char kept[4] = "abc", back[5] = "";
    struct checkpoint_part part[] = {{kept, 4}, {NULL, 0}}, into[] = {{back, 4}, {NULL, 0}};
    ck_assert(checkpoint_open(&c, path, "a run", true, &err));
    ck_assert_int_eq(checkpoint_load(&c, into, 2, &err), CHECKPOINT_NONE); // there is no file
    c.stage = 2;
    ck_assert(checkpoint_save(&c, part, 2, &err));
    checkpoint_close(&c, false);
    static const struct {
        const char *text;
        uint32_t stage;
        size_t len;
        enum checkpoint_found found;
    } known[] = {{"a run", 2, 4, CHECKPOINT_HERE},
                 {"a run", 1, 4, CHECKPOINT_LATER},
                 {"a run", 3, 4, CHECKPOINT_BROKEN},
                 {"a run", 2, 5, CHECKPOINT_BROKEN},
                 {"another", 2, 4, CHECKPOINT_BROKEN}};
    for (int i = 0; i < 5; i++) {
        ck_assert(checkpoint_open(&c, path, known[i].text, true, &err));
        c.stage = known[i].stage;
        into[0].len = known[i].len;
        ck_assert_int_eq(checkpoint_load(&c, into, 2, &err), known[i].found);
        checkpoint_close(&c, false);
    }
    ck_assert_str_eq(back, "abc");
    ck_assert_ptr_nonnull(strstr(err.text, "x.tnm.part is of another run"));
    FILE *file = fopen(scratch_path(dir, "x.tnm.part"), "r+");
    ck_assert(file != NULL && fseek(file, 60, SEEK_SET) == 0 && fputc('x', file) == 'x');
    fclose(file);
    ck_assert(checkpoint_open(&c, path, "a run", true, &err));
    c.stage = 2;
    ck_assert_int_eq(checkpoint_load(&c, part, 2, &err), CHECKPOINT_BROKEN);
    ck_assert_ptr_nonnull(strstr(err.text, "is damaged"));
    checkpoint_close(&c, true);
    scratch_remove(dir);
}
END_TEST

START_TEST(what_cannot_be_trained_is_said) {
    struct dataset data;
    struct net net;
    struct tnm_error err;
    make_data(&data);
    make_net(&net, &data);
    struct train_options o = quick();
    o.optimiser = OPTIMISE_SGD;
    o.rate = 1e30f;
    ck_assert(!train_run(&net, &data, &o, NULL, NULL, NULL, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "no longer finite"));
    o.rate = 0;
    ck_assert(!train_run(&net, &data, &o, NULL, NULL, NULL, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "a rate above 0"));
    o.rate = 1;
    data.n_classes = 5;
    ck_assert(!train_run(&net, &data, &o, NULL, NULL, NULL, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "5 classes, the network 4 outputs"));
    data.inputs = 35;
    ck_assert(!train_run(&net, &data, &o, NULL, NULL, NULL, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "36 inputs, the images of quarters have 35"));
    net_free(&net);
    dataset_close(&data);
}
END_TEST

Suite *train_suite(void) {
    Suite *s = suite_create("train");
    TCase *t = tcase_create("train");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, gradients_are_those_that_differences_give, 0,
                        sizeof shapes / sizeof *shapes);
    tcase_add_test(t, adam_is_the_published_one_with_decay_of_both_kinds);
    tcase_add_test(t, momentum_is_what_it_says);
    tcase_add_test(t, what_is_removed_does_not_move_and_nor_do_its_moments);
    tcase_add_loop_test(t, it_learns, 0, 2);
    tcase_add_test(t, a_seed_repeats_to_the_bit_and_threads_change_only_rounding);
    tcase_add_loop_test(t, removed_weights_stay_removed_and_the_others_learn, 0, 2);
    tcase_add_loop_test(t, a_centroid_moves_by_the_sum_of_its_weights_gradients, 0, 2);
    tcase_add_loop_test(t, the_rate_follows_its_schedule, 0, 4);
    tcase_add_test(t, the_best_epoch_is_kept_where_asked);
    tcase_add_loop_test(t, an_interrupted_run_goes_on_to_the_same_bits, 0, 4);
    tcase_add_test(t, what_another_run_left_is_refused);
    tcase_add_test(t, what_cannot_be_trained_is_said);
    suite_add_tcase(s, t);
    return s;
}
