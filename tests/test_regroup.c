/* SPDX-License-Identifier: MIT */
// Shared weights that change their groups, and how many bits each layer gets.
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "models/allot.h"
#include "models/regroup.h"
#include "models/share.h"
#include "models/train.h"
#include "tests/quarters.h"
#include "tests/random.h"

enum { SIDE = 6, INPUTS = SIDE * SIDE, IMAGES = 240, BITS = 2 };

static void build(struct net *net, const char *arch, unsigned removed) {
    struct tnm_error err;
    struct tnm_recipe recipe = data_recipe(SIDE, SIDE, 1, TNM_FIT_CONTAIN);
    struct randomness r;
    random_start(&r, removed);
    ck_assert_msg(net_build(net, arch, &recipe, &err), "%s", err.text);
    net_initialise(net, 3);
    strcpy(net->meta.name, "regrouped");
    for (uint32_t l = 0; l < net->n_layers; l++)
        for (size_t i = 0; i < (size_t)net->layer[l].rows * net->layer[l].cols; i++)
            if (random_percent(&r, removed)) {
                net->layer[l].keep[i] = 0;
                net->layer[l].w[i] = 0;
            }
}

static void share_all(struct net *net, uint32_t bits) {
    struct share_result result;
    struct tnm_error err;
    for (uint32_t l = 0; l < net->n_layers; l++)
        ck_assert(share_layer(&net->layer[l], bits, SHARE_LINEAR, 1, &result, &err));
}

// ---- One layer ---------------------------------------------------------------------------------

static const struct optimise_step plain_step = {
    .rate = 0.05f, .beta1 = 0.9f, .beta2 = 0.999f, .correction = 1, .epsilon = 1e-8f};

static void check_groups(const struct regroup_layer *r, const struct net_layer *layer) {
    const float *codebook = layer->codebook;
    for (uint32_t c = 1; c < layer->n_centroids; c++)
        ck_assert_float_le(codebook[c - 1], codebook[c]);
    size_t kept = 0;
    for (size_t i = 0; i < (size_t)layer->rows * layer->cols; i++) {
        kept += layer->keep[i];
        ck_assert_float_eq(layer->w[i], layer->keep[i] ? codebook[layer->code[i]] : 0);
    }
    ck_assert_uint_eq(r->n, kept);
    double sum[1 << BITS] = {0};
    unsigned n[1 << BITS] = {0};
    for (size_t i = 0; i < r->n; i++) {
        sum[layer->code[r->index[i]]] += (double)r->latent[i];
        n[layer->code[r->index[i]]]++;
    }
    for (uint32_t c = 0; c < layer->n_centroids; c++)
        if (n[c] > 0)
            ck_assert_double_eq_tol((double)codebook[c], sum[c] / n[c], 1e-6);
}

START_TEST(weights_are_means_of_their_groups_after_each_step) {
    struct net net;
    struct regroup regroup;
    struct tnm_error err;
    struct randomness r;
    random_start(&r, 1);
    build(&net, "36-20-4", 60);
    struct net_layer *layer = &net.layer[0];
    size_t n = (size_t)layer->rows * layer->cols;
    float *g = malloc(2 * n * sizeof *g);
    ck_assert_ptr_nonnull(g);
    ck_assert(regroup_open(&regroup, &net, &err));
    share_all(&net, BITS);
    unsigned moved = 0;
    for (int step = 0; step < 50; step++) {
        uint8_t before[20 * INPUTS];
        memcpy(before, layer->code, n);
        random_fill(&r, g, 2 * n, 0);
        const float *const parts[] = {g, g + n};
        regroup_step(&regroup.layer[0], layer, &plain_step, _i == 0 ? OPTIMISE_ADAM : OPTIMISE_SGD,
                     parts, 2);
        check_groups(&regroup.layer[0], layer);
        moved += memcmp(before, layer->code, n) != 0;
    }
    ck_assert_uint_gt(moved, 10);
    free(g);
    regroup_close(&regroup);
    net_free(&net);
}
END_TEST

// k-means has come to rest before the first step, up to rounding.
START_TEST(without_gradients_nothing_moves) {
    struct net net;
    struct regroup regroup;
    struct tnm_error err;
    build(&net, "36-20-4", 50);
    struct net_layer *layer = &net.layer[0];
    size_t n = (size_t)layer->rows * layer->cols;
    float *g = calloc(n, sizeof *g), *w = malloc(n * sizeof *w);
    ck_assert(g != NULL && w != NULL);
    ck_assert(regroup_open(&regroup, &net, &err));
    share_all(&net, BITS);
    memcpy(w, layer->w, n * sizeof *w);
    const float *const parts[] = {g};
    regroup_step(&regroup.layer[0], layer, &plain_step, OPTIMISE_ADAM, parts, 1);
    for (size_t i = 0; i < n; i++)
        ck_assert_float_eq_tol(layer->w[i], w[i], 1e-6f);
    free(g);
    free(w);
    regroup_close(&regroup);
    net_free(&net);
}
END_TEST

// ---- Training ----------------------------------------------------------------------------------

static double train(struct net *net, const struct dataset *data, struct train_options *options) {
    struct train_report last;
    struct tnm_error err;
    ck_assert_msg(train_run(net, data, options, NULL, NULL, &last, &err), "%s", err.text);
    return last.loss;
}

// The loss after sharing with so few bits that k-means alone does harm.
static double tuned(const struct dataset *data, bool regrouped, uint32_t threads, uint8_t *codes) {
    struct net net;
    struct regroup regroup;
    struct tnm_error err;
    struct train_options options = train_defaults();
    build(&net, "36-12-4", 50);
    options.batch = 16;
    options.epochs = 8;
    train(&net, data, &options);
    ck_assert(regroup_open(&regroup, &net, &err));
    share_all(&net, 2);
    options.epochs = 20;
    options.threads = threads;
    options.regroup = regrouped ? &regroup : NULL;
    double loss = train(&net, data, &options);
    if (codes != NULL)
        memcpy(codes, net.layer[0].code, (size_t)net.layer[0].rows * net.layer[0].cols);
    if (regrouped)
        check_groups(&regroup.layer[1], &net.layer[1]);
    regroup_close(&regroup);
    net_free(&net);
    return loss;
}

START_TEST(changing_groups_is_better_than_staying) {
    struct dataset data;
    uint8_t codes[2][12 * INPUTS];
    quarters_make(&data, SIDE, IMAGES, 0);
    double changed = tuned(&data, true, 2, codes[0]);
    ck_assert_double_lt(changed, 0.9 * tuned(&data, false, 2, NULL));
    ck_assert_double_eq(changed, tuned(&data, true, 2, codes[1])); // and repeats
    ck_assert_mem_eq(codes[0], codes[1], sizeof codes[0]);
    dataset_close(&data);
}
END_TEST

// ---- Bits of the layers ------------------------------------------------------------------------

static struct room room_of(struct net *net, const struct dataset *data, const struct pack *pack) {
    return (struct room){net, data, pack, 4, "test", 1};
}

static double cost_with(const struct net *net, const uint32_t *bits, float **squares,
                        const struct dataset *data, const struct pack *pack, size_t *len) {
    struct net copy;
    struct share_result result;
    struct tnm_error err;
    double cost = 0;
    build(&copy, "36-20-12-4", 50);
    for (uint32_t l = 0; l < net->n_layers; l++) {
        size_t n = (size_t)net->layer[l].rows * net->layer[l].cols;
        memcpy(copy.layer[l].w, net->layer[l].w, n * sizeof(float));
        ck_assert(share_layer(&copy.layer[l], bits[l], SHARE_LINEAR, 1, &result, &err));
    }
    room_round(&copy);
    for (uint32_t l = 0; l < net->n_layers; l++)
        for (size_t i = 0; i < (size_t)net->layer[l].rows * net->layer[l].cols; i++) {
            double moved = (double)copy.layer[l].w[i] - (double)net->layer[l].w[i];
            cost += (double)squares[l][i] * moved * moved;
        }
    struct room room = room_of(&copy, data, pack);
    ck_assert_msg(room_size(&room, len, &err), "%s", err.text);
    net_free(&copy);
    return cost;
}

// Against every way to give three layers 1 to 5 bits.
START_TEST(bits_are_spent_nearly_as_well_as_can_be) {
    struct net net;
    struct dataset data;
    struct tnm_error err;
    float **squares;
    uint32_t bits[3], each[3];
    size_t len, least;
    struct pack pack = pack_small(1);
    quarters_make(&data, SIDE, IMAGES, 0);
    build(&net, "36-20-12-4", 50);
    ck_assert(saliency_squares(&net, &data.set[DATA_TRAIN], IMAGES, &squares, &err));
    double none = cost_with(&net, (const uint32_t[]){1, 1, 1}, squares, &data, &pack, &least);
    uint64_t budget = least + 40 + 60 * (uint64_t)_i;
    struct room room = room_of(&net, &data, &pack);
    ck_assert_msg(allot_bits(&room, (const float *const *)squares, budget, 5, bits, &err), "%s",
                  err.text);
    ck_assert_uint_eq(net.layer[0].bits, 0);
    double got = cost_with(&net, bits, squares, &data, &pack, &len), best = none;
    ck_assert_uint_le(len, budget);
    for (int i = 0; i < 125; i++) {
        each[0] = 1 + (uint32_t)i % 5, each[1] = 1 + (uint32_t)i / 5 % 5;
        each[2] = 1 + (uint32_t)i / 25;
        size_t other;
        double cost = cost_with(&net, each, squares, &data, &pack, &other);
        best = other <= budget && cost < best ? cost : best;
    }
    ck_assert_double_le(got - best, 0.25 * (none - best));
    saliency_free(squares, net.n_layers);
    dataset_close(&data);
    net_free(&net);
}
END_TEST

START_TEST(a_budget_of_less_than_one_bit_is_refused) {
    struct net net;
    struct dataset data;
    struct tnm_error err;
    float **squares;
    uint32_t bits[2];
    struct pack pack = pack_small(1);
    quarters_make(&data, SIDE, IMAGES, 0);
    build(&net, "36-12-4", 0);
    ck_assert(saliency_squares(&net, &data.set[DATA_TRAIN], IMAGES, &squares, &err));
    struct room room = room_of(&net, &data, &pack);
    ck_assert(!allot_bits(&room, (const float *const *)squares, 100, 5, bits, &err));
    ck_assert_int_eq(err.code, TNM_EINPUT);
    ck_assert_ptr_nonnull(strstr(err.text, "100"));
    saliency_free(squares, net.n_layers);
    dataset_close(&data);
    net_free(&net);
}
END_TEST

Suite *regroup_suite(void);

Suite *regroup_suite(void) {
    Suite *suite = suite_create("regroup");
    TCase *steps = tcase_create("steps");
    tcase_add_loop_test(steps, weights_are_means_of_their_groups_after_each_step, 0, 2);
    tcase_add_test(steps, without_gradients_nothing_moves);
    tcase_add_test(steps, changing_groups_is_better_than_staying);
    tcase_set_timeout(steps, 60);
    suite_add_tcase(suite, steps);
    TCase *bits = tcase_create("bits");
    tcase_add_loop_test(bits, bits_are_spent_nearly_as_well_as_can_be, 0, 4);
    tcase_add_test(bits, a_budget_of_less_than_one_bit_is_refused);
    tcase_set_timeout(bits, 60);
    suite_add_tcase(suite, bits);
    return suite;
}
