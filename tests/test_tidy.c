/* SPDX-License-Identifier: MIT */
// Pruning beyond magnitudes: saliency against a slow second way, schedules, dead units, rounding.
#include <check.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "models/data.h"
#include "models/order.h"
#include "models/pass.h"
#include "models/prune.h"
#include "models/round.h"
#include "models/saliency.h"
#include "models/share.h"
#include "models/tidy.h"
#include "models/train.h"
#include "tests/random.h"

enum { SIDE = 3, INPUTS = SIDE * SIDE, CLASSES = 3, IMAGES = 120 };

static void build(struct net *net, const char *arch, uint64_t seed) {
    struct tnm_error err;
    struct tnm_recipe recipe = data_recipe(SIDE, SIDE, 1, TNM_FIT_CONTAIN);
    ck_assert_msg(net_build(net, arch, &recipe, &err), "%s", err.text);
    net_initialise(net, seed);
    struct randomness r;
    random_start(&r, seed);
    for (uint32_t l = 0; l < net->n_layers; l++)
        random_fill(&r, net->layer[l].bias, net->layer[l].rows, 20);
}

static void make_data(struct dataset *data) {
    struct randomness r;
    random_start(&r, 11);
    *data = (struct dataset){.name = "rows",
                             .recipe = data_recipe(SIDE, SIDE, 1, TNM_FIT_CONTAIN),
                             .inputs = INPUTS,
                             .n_classes = CLASSES};
    struct data_set *set = &data->set[DATA_TRAIN];
    set->n = IMAGES;
    set->pixel = malloc(IMAGES * INPUTS);
    set->label = malloc(IMAGES * sizeof *set->label);
    for (uint32_t i = 0; i < IMAGES; i++) {
        set->label[i] = (uint16_t)(i % CLASSES);
        for (uint32_t p = 0; p < INPUTS; p++)
            set->pixel[i * INPUTS + p] = (uint8_t)random_between(
                &r, p / SIDE == i % CLASSES ? 100 : 0, p / SIDE == i % CLASSES ? 255 : 120);
    }
}

// The logits of a chain of linear and relu in double precision; returns the loss of the label.
static double slow_logits(const struct net *net, const uint8_t *pixel, uint32_t label, double *z) {
    double value[2][16];
    for (int k = 0; k < INPUTS; k++)
        value[0][k] = pixel[k] / 255.0;
    for (uint32_t l = 0; l < net->n_layers; l++) {
        const struct net_layer *layer = &net->layer[l];
        for (uint32_t r = 0; r < layer->rows; r++) {
            double y = (double)layer->bias[r];
            for (uint32_t c = 0; c < layer->cols; c++)
                y += (double)layer->w[r * layer->cols + c] * value[l % 2][c];
            value[(l + 1) % 2][r] = l + 1 < net->n_layers ? fmax(y, 0) : y;
        }
    }
    double sum = 0;
    memcpy(z, value[net->n_layers % 2], CLASSES * sizeof *z);
    for (int k = 0; k < CLASSES; k++)
        sum += exp(z[k] - z[label]);
    return log(sum);
}

// ---- Saliency ----------------------------------------------------------------------------------

START_TEST(squares_are_those_of_differences_image_by_image) {
    struct net net;
    struct dataset data;
    struct tnm_error err;
    float **squares;
    double z[CLASSES];
    const uint32_t sample = 25;
    build(&net, "9-5-3", 2);
    make_data(&data);
    const struct data_set *set = &data.set[DATA_TRAIN];
    ck_assert_msg(saliency_squares(&net, set, sample, &squares, &err), "%s", err.text);
    double largest = 0;
    for (uint32_t l = 0; l < net.n_layers; l++)
        for (uint32_t i = 0; i < net.layer[l].rows * net.layer[l].cols; i++) {
            double want = 0;
            float *w = &net.layer[l].w[i], was = *w;
            for (uint32_t k = 0; k < sample; k++) {
                const uint8_t *pixel = set->pixel + k * INPUTS;
                *w = was + 1e-3f;
                double above = slow_logits(&net, pixel, set->label[k], z), up = (double)*w;
                *w = was - 1e-3f;
                double slope =
                    (above - slow_logits(&net, pixel, set->label[k], z)) / (up - (double)*w);
                want += slope * slope / sample;
            }
            *w = was;
            ck_assert_double_eq_tol((double)squares[l][i], want, 2e-3 * (want + 0.01));
            largest = fmax(largest, want);
        }
    ck_assert_double_gt(largest, 0.01);
    float first = squares[0][0];
    saliency_from_squares(&net, squares);
    ck_assert_double_eq_tol((double)squares[0][0],
                            fabs((double)net.layer[0].w[0]) * pow((double)first, 0.25), 1e-6);
    saliency_free(squares, net.n_layers);
    dataset_close(&data);
    net_free(&net);
}
END_TEST

START_TEST(each_class_keeps_its_best_input) {
    float w[] = {1, 2, 0.1f, 0.3f, 5, 4}, saliency[] = {1, 2, 0.1f, 0.3f, 5, 4};
    uint8_t keep[] = {1, 1, 1, 1, 1, 1};
    struct net_layer layer = {.name = "fc", .rows = 3, .cols = 2, .w = w, .keep = keep};
    struct net_layer *one = &layer;
    const float *list[] = {saliency};
    saliency_guard(&layer, saliency);
    prune_to(&one, list, 1, 3);
    const uint8_t left[] = {0, 1, 0, 1, 1, 0};
    ck_assert_mem_eq(keep, left, sizeof keep);
}
END_TEST

// ---- The schedule ------------------------------------------------------------------------------

START_TEST(the_schedule_begins_and_ends_where_it_should) {
    ck_assert_uint_eq(train_left(266200, 8000, 0), 266200);
    ck_assert_uint_eq(train_left(266200, 8000, 1), 8000);
    ck_assert_uint_eq(train_left(500, 800, 0.5), 500);
    // 1 - 0.5^1.5 = 0.646447; 1000 (1/100)^0.646447 = 50.94
    ck_assert_uint_eq(train_left(1000, 10, 0.5), 51);
    // 1 - 0.9^1.5 = 0.146185; 1000 (1/100)^0.146185 = 510.1
    ck_assert_uint_eq(train_left(1000, 10, 0.1), 510);
    for (int i = 1; i <= 100; i++)
        ck_assert_uint_le(train_left(90000, 77, i / 100.0), train_left(90000, 77, (i - 1) / 100.0));
}
END_TEST

struct seen {
    const struct net *net;
    uint64_t left[8];
};

static bool look(void *arg, const struct train_report *report) {
    struct seen *seen = arg;
    seen->left[report->epoch - 1] = net_nonzeros(seen->net);
    return true;
}

static const enum saliency kinds[] = {SALIENCY_MAGNITUDE, SALIENCY_FISHER};

START_TEST(gradual_pruning_leaves_what_the_schedule_says_after_each_epoch) {
    struct net net;
    struct dataset data;
    struct tnm_error err;
    struct seen seen = {&net, {0}};
    build(&net, "9-12-3", 6); // 144 weights
    make_data(&data);
    struct train_prune prune = {20, TRAIN_PRUNINGS, kinds[_i]};
    struct train_options o = train_defaults();
    o.epochs = 4;
    o.batch = 16; // 8 steps an epoch, fewer than prunings
    o.threads = 2;
    o.prune = &prune;
    ck_assert_msg(train_run(&net, &data, &o, look, &seen, NULL, &err), "%s", err.text);
    for (uint32_t e = 0; e < 4; e++)
        ck_assert_uint_eq(seen.left[e], train_left(144, 20, (e + 1) / 4.0));
    for (uint32_t l = 0; l < net.n_layers; l++)
        for (uint32_t i = 0; i < net.layer[l].rows * net.layer[l].cols; i++)
            ck_assert((net.layer[l].w[i] != 0) == (net.layer[l].keep[i] != 0));
    for (uint32_t r = 0; r < CLASSES; r++)
        ck_assert_uint_ge(prune_left_in_row(&net.layer[1], r), 1);
    dataset_close(&data);
    net_free(&net);
}
END_TEST

// 9 columns and 10 rows: the last blocks are smaller.
START_TEST(gradual_pruning_in_blocks_keeps_them_whole) {
    struct net net;
    struct dataset data;
    struct tnm_error err;
    build(&net, "9-10-6-3", 7);
    make_data(&data);
    bool tall = _i == 0;
    ck_assert_uint_eq(prune_in_blocks(&net, tall ? NET_4X1 : NET_1X4), 2);
    struct train_prune prune = {60, TRAIN_PRUNINGS, SALIENCY_FISHER};
    struct train_options o = train_defaults();
    o.epochs = 3;
    o.batch = 16;
    o.prune = &prune;
    ck_assert_msg(train_run(&net, &data, &o, NULL, NULL, NULL, &err), "%s", err.text);
    ck_assert_uint_le(net_nonzeros(&net), 60);
    ck_assert_uint_ge(net_nonzeros(&net) + 3, 60);
    for (uint32_t l = 0; l < 2; l++) {
        const struct net_layer *layer = &net.layer[l];
        for (uint32_t i = 0; i < layer->rows * layer->cols; i++) {
            uint32_t r = i / layer->cols, c = i % layer->cols;
            uint32_t first = tall ? r / 4 * 4 * layer->cols + c : r * layer->cols + c / 4 * 4;
            ck_assert_uint_eq(layer->keep[i], layer->keep[first]);
        }
    }
    ck_assert_int_eq(net.layer[2].block, NET_SINGLE);
    for (uint32_t r = 0; r < CLASSES; r++)
        ck_assert_uint_ge(prune_left_in_row(&net.layer[2], r), 1);
    dataset_close(&data);
    net_free(&net);
}
END_TEST

START_TEST(what_is_shared_is_not_pruned_on_the_way) {
    struct net net;
    struct dataset data;
    struct tnm_error err;
    struct share_result result;
    struct train_prune prune = {20, TRAIN_PRUNINGS, SALIENCY_FISHER};
    struct train_options o = train_defaults();
    build(&net, "9-12-3", 6);
    make_data(&data);
    ck_assert(share_layer(&net.layer[1], 3, SHARE_LINEAR, 1, &result, &err));
    o.prune = &prune;
    ck_assert(!train_run(&net, &data, &o, NULL, NULL, NULL, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "shared"));
    dataset_close(&data);
    net_free(&net);
}
END_TEST

// ---- Dead units --------------------------------------------------------------------------------

static void drop(struct net_layer *layer, uint32_t row, uint32_t col) {
    layer->keep[row * layer->cols + col] = 0;
    layer->w[row * layer->cols + col] = 0;
}

// A random network of three layers with most weights removed.
static void thin_out(struct net *net, uint64_t salt) {
    struct randomness r;
    random_start(&r, salt);
    build(net, "9-10-8-3", salt);
    for (uint32_t l = 0; l < net->n_layers; l++)
        for (uint32_t i = 0; i < net->layer[l].rows; i++)
            for (uint32_t k = 0; k < net->layer[l].cols; k++)
                if (random_percent(&r, 80))
                    drop(&net->layer[l], i, k);
}

START_TEST(tidying_leaves_the_answers) {
    struct net net;
    struct dataset data;
    double before[IMAGES][CLASSES], after[CLASSES];
    make_data(&data);
    thin_out(&net, (uint64_t)_i + 1);
    const struct data_set *set = &data.set[DATA_TRAIN];
    for (uint32_t i = 0; i < IMAGES; i++)
        slow_logits(&net, set->pixel + i * INPUTS, set->label[i], before[i]);
    uint64_t weights = net_nonzeros(&net);
    struct tidy done = tidy_units(&net);
    ck_assert_uint_eq(net_nonzeros(&net), weights - done.weights);
    for (uint32_t i = 0; i < IMAGES; i++) {
        slow_logits(&net, set->pixel + i * INPUTS, set->label[i], after);
        for (int k = 0; k < CLASSES; k++) // biases are rounded to float
            ck_assert_double_eq_tol(after[k], before[i][k], 1e-6);
    }
    for (uint32_t l = 0; l + 1 < net.n_layers; l++) // each unit has both sides, or neither
        for (uint32_t u = 0; u < net.layer[l].rows; u++) {
            uint32_t readers = 0;
            for (uint32_t r = 0; r < net.layer[l + 1].rows; r++)
                readers += net.layer[l + 1].keep[r * net.layer[l + 1].cols + u];
            ck_assert_int_eq(prune_left_in_row(&net.layer[l], u) > 0, readers > 0);
            ck_assert(readers > 0 || net.layer[l].bias[u] == 0);
        }
    struct tidy again = tidy_units(&net);
    ck_assert_uint_eq(again.weights + again.constant + again.unread, 0);
    net_free(&net);
    dataset_close(&data);
}
END_TEST

START_TEST(a_constant_unit_becomes_a_bias) {
    struct net net;
    build(&net, "9-2-3", 1);
    for (uint32_t k = 0; k < INPUTS; k++)
        drop(&net.layer[0], 1, k);
    net.layer[0].bias[1] = 0.5f;
    memcpy(net.layer[1].w, (float[]){1, 2, 3, -4, 5, 6}, 6 * sizeof(float));
    memcpy(net.layer[1].bias, (float[]){0, 1, 2}, 3 * sizeof(float));
    struct tidy done = tidy_units(&net);
    ck_assert_uint_eq(done.constant, 1);
    ck_assert_uint_eq(done.unread, 0);
    ck_assert_uint_eq(done.weights, 3);
    ck_assert_float_eq(net.layer[1].bias[0], 1); // 0 + 2 * 0.5
    ck_assert_float_eq(net.layer[1].bias[1], -1);
    ck_assert_float_eq(net.layer[1].bias[2], 5);
    ck_assert_float_eq(net.layer[0].bias[1], 0);
    ck_assert_float_eq(net.layer[1].w[1], 0);
    net_free(&net);
}
END_TEST

// ---- Order -------------------------------------------------------------------------------------

START_TEST(another_order_of_units_leaves_the_answers) {
    struct net net;
    struct dataset data;
    struct tnm_error err;
    double before[IMAGES][CLASSES], after[CLASSES];
    make_data(&data);
    thin_out(&net, 5);
    prune_in_blocks(&net, _i == 0 ? NET_4X1 : NET_1X4);
    const struct data_set *set = &data.set[DATA_TRAIN];
    for (uint32_t i = 0; i < IMAGES; i++)
        slow_logits(&net, set->pixel + i * INPUTS, set->label[i], before[i]);
    float was[10 * INPUTS];
    memcpy(was, net.layer[0].w, sizeof was);
    uint64_t weights = net_nonzeros(&net);
    ck_assert(order_units(&net, &err));
    ck_assert(memcmp(was, net.layer[0].w, sizeof was) != 0); // else this test says nothing
    ck_assert_uint_eq(net_nonzeros(&net), weights);
    for (uint32_t l = 0; l < net.n_layers; l++)
        for (uint32_t i = 0; i < net.layer[l].rows * net.layer[l].cols; i++)
            ck_assert((net.layer[l].w[i] != 0) == (net.layer[l].keep[i] != 0));
    for (uint32_t i = 0; i < IMAGES; i++) {
        slow_logits(&net, set->pixel + i * INPUTS, set->label[i], after);
        for (int k = 0; k < CLASSES; k++)
            ck_assert_double_eq_tol(after[k], before[i][k], 1e-9);
    }
    net_free(&net);
    dataset_close(&data);
}
END_TEST

// Two kinds of units, taking turns: four that read the first inputs, four that read the last.
START_TEST(units_that_read_the_same_come_together) {
    struct net net;
    struct tnm_error err;
    build(&net, "9-8-3", 1);
    for (uint32_t u = 0; u < 8; u++)
        for (uint32_t k = 0; k < INPUTS; k++) {
            net.layer[0].w[u * INPUTS + k] = (k < 4) == (u % 2 == 0) ? 0.1f * (float)(u + 1) : 0;
            net.layer[0].keep[u * INPUTS + k] = (k < 4) == (u % 2 == 0);
        }
    prune_in_blocks(&net, NET_4X1);
    ck_assert(order_units(&net, &err));
    for (uint32_t u = 0; u < 8; u++)
        ck_assert_uint_eq(net.layer[0].keep[u * INPUTS], net.layer[0].keep[u / 4 * 4 * INPUTS]);
    net_free(&net);
}
END_TEST

START_TEST(an_order_takes_codes_along) {
    struct net net;
    struct tnm_error err;
    struct share_result result;
    build(&net, "9-7-5-3", 2);
    for (uint32_t l = 0; l < 3; l++)
        ck_assert(share_layer(&net.layer[l], 3, SHARE_LINEAR, 1, &result, &err));
    prune_in_blocks(&net, NET_1X4);
    ck_assert(order_units(&net, &err));
    for (uint32_t l = 0; l < 3; l++)
        for (uint32_t i = 0; i < net.layer[l].rows * net.layer[l].cols; i++)
            ck_assert_float_eq(net.layer[l].w[i], net.layer[l].codebook[net.layer[l].code[i]]);
    net_free(&net);
}
END_TEST

// ---- Rounding ----------------------------------------------------------------------------------

START_TEST(biases_become_multiples_of_a_half_precision_step) {
    struct net net;
    build(&net, "9-12-3", 8);
    struct net_layer *layer = &net.layer[0];
    float was[12], most = 0;
    memcpy(was, layer->bias, sizeof was);
    for (int i = 0; i < 12; i++)
        most = fmaxf(most, fabsf(was[i]));
    memset(net.layer[1].bias, 0, 3 * sizeof(float));
    round_biases(&net, 8);
    float step = tnm_half_to_float(tnm_float_to_half(most / 127));
    if (step * 127 < most)
        step = tnm_half_to_float((uint16_t)(tnm_float_to_half(most / 127) + 1));
    for (int i = 0; i < 12; i++) {
        float times = roundf(layer->bias[i] / step);
        ck_assert_float_eq(times * step, layer->bias[i]); // exactly
        ck_assert_float_le(fabsf(times), 127);
        ck_assert_float_le(fabsf(layer->bias[i] - was[i]), 0.5001f * step);
    }
    for (int i = 0; i < 3; i++)
        ck_assert_float_eq(net.layer[1].bias[i], 0);
    net_free(&net);
}
END_TEST

START_TEST(rounded_codebooks_take_their_weights_along) {
    struct net net;
    struct tnm_error err;
    struct share_result result;
    build(&net, "9-12-3", 9);
    drop(&net.layer[0], 3, 3);
    ck_assert(share_layer(&net.layer[0], 3, SHARE_LINEAR, 1, &result, &err));
    float loose = net.layer[1].w[5];
    if (_i == 0)
        round_codebooks_half(&net);
    else
        round_codebooks(&net, 8);
    const struct net_layer *layer = &net.layer[0];
    for (uint32_t k = 0; k < layer->n_centroids; k++) {
        float c = layer->codebook[k];
        if (_i == 0)
            ck_assert_float_eq(tnm_half_to_float(tnm_float_to_half(c)), c);
    }
    for (uint32_t i = 0; i < 12 * INPUTS; i++)
        ck_assert_float_eq(layer->w[i], layer->keep[i] ? layer->codebook[layer->code[i]] : 0);
    ck_assert_float_eq(net.layer[1].w[5], loose);
    net_free(&net);
}
END_TEST

Suite *tidy_suite(void) {
    Suite *s = suite_create("tidy");
    TCase *t = tcase_create("tidy");
    tcase_set_timeout(t, 300);
    tcase_add_test(t, squares_are_those_of_differences_image_by_image);
    tcase_add_test(t, each_class_keeps_its_best_input);
    tcase_add_test(t, the_schedule_begins_and_ends_where_it_should);
    tcase_add_loop_test(t, gradual_pruning_leaves_what_the_schedule_says_after_each_epoch, 0, 2);
    tcase_add_test(t, what_is_shared_is_not_pruned_on_the_way);
    tcase_add_loop_test(t, gradual_pruning_in_blocks_keeps_them_whole, 0, 2);
    tcase_add_loop_test(t, another_order_of_units_leaves_the_answers, 0, 2);
    tcase_add_test(t, units_that_read_the_same_come_together);
    tcase_add_test(t, an_order_takes_codes_along);
    tcase_add_loop_test(t, tidying_leaves_the_answers, 0, 20);
    tcase_add_test(t, a_constant_unit_becomes_a_bias);
    tcase_add_test(t, biases_become_multiples_of_a_half_precision_step);
    tcase_add_loop_test(t, rounded_codebooks_take_their_weights_along, 0, 2);
    suite_add_tcase(s, t);
    return s;
}
