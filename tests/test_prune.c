/* SPDX-License-Identifier: MIT */
// Pruning against what one works out by hand.
#include <check.h>
#include <float.h>
#include <math.h>
#include <string.h>

#include "models/prune.h"
#include "tests/random.h"

// A layer of 2 x 5 on the stack of a test.
struct small {
    float w[10], bias[2];
    uint8_t keep[10];
    struct net_layer layer;
};

static void small_init(struct small *s, const float w[10]) {
    memcpy(s->w, w, sizeof s->w);
    memset(s->keep, 1, sizeof s->keep);
    s->layer = (struct net_layer){
        .name = "fc1", .rows = 2, .cols = 5, .w = s->w, .bias = s->bias, .keep = s->keep};
}

// Mean 0.5; squares around it 0.25 * 4 + 2.25 * 4 + 6.25 * 2 = 22.5; 22.5 / 10 = 1.5 squared.
static const float known[10] = {0, 1, -1, 2, 0, 1, -1, 2, 3, -2};

START_TEST(the_deviation_is_that_of_the_population_around_the_mean) {
    struct small s;
    small_init(&s, known);
    ck_assert_double_eq_tol(prune_deviation(&s.layer), 1.5, 1e-12);
}
END_TEST

START_TEST(weights_removed_before_count_as_zeros_of_the_deviation) {
    struct small s;
    small_init(&s, known);
    s.keep[8] = 0;
    s.w[8] = 0;
    // mean 0.2, sum of squares 16: sqrt(1.6 - 0.04)
    ck_assert_double_eq_tol(prune_deviation(&s.layer), sqrt(1.56), 1e-12);
}
END_TEST

START_TEST(what_is_below_the_threshold_goes_and_what_is_on_it_stays) {
    struct small s;
    small_init(&s, known);
    ck_assert_uint_eq(prune_below(&s.layer, 2), 6);
    static const uint8_t left[10] = {0, 0, 0, 1, 0, 0, 0, 1, 1, 1};
    ck_assert_mem_eq(s.keep, left, sizeof left);
    for (int i = 0; i < 10; i++)
        ck_assert_float_eq(s.w[i], left[i] ? known[i] : 0.0f);
    ck_assert_uint_eq(prune_below(&s.layer, 2), 0);
    ck_assert_uint_eq(prune_left(&s.layer), 4);
    ck_assert_uint_eq(prune_left_in_row(&s.layer, 0), 1);
}
END_TEST

START_TEST(a_threshold_of_zero_removes_nothing) {
    struct small s;
    small_init(&s, known);
    ck_assert_uint_eq(prune_below(&s.layer, 0), 0);
    ck_assert_uint_eq(prune_left(&s.layer), 10);
}
END_TEST

START_TEST(layers_compete_by_magnitude) {
    struct small a, b;
    small_init(&a, (const float[10]){9, -8, 7, 1e-30f, 5, 4, 3, 2, -1, 0.5f});
    small_init(&b, (const float[10]){6.5f, -0.25f, 0.125f, 10, 0, -0.0f, 0, 0, 0, 1e-20f});
    struct net_layer *both[2] = {&a.layer, &b.layer};
    prune_to(both, NULL, 2, 5);
    static const uint8_t left_a[10] = {1, 1, 1, 0, 0, 0, 0, 0, 0, 0};
    static const uint8_t left_b[10] = {1, 0, 0, 1, 0, 0, 0, 0, 0, 0};
    ck_assert_mem_eq(a.keep, left_a, sizeof left_a);
    ck_assert_mem_eq(b.keep, left_b, sizeof left_b);
}
END_TEST

START_TEST(exactly_as_many_are_left_as_asked_whatever_is_equal) {
    struct small s;
    uint64_t n = (uint64_t)_i;
    small_init(&s, (const float[10]){1, -1, 1, 2, 2, -2, 1, 1, 0, FLT_MAX});
    struct net_layer *one = &s.layer;
    prune_to(&one, NULL, 1, n);
    ck_assert_uint_eq(prune_left(one), n < 10 ? n : 10);
    float least_left = FLT_MAX, most_gone = 0;
    static const float was[10] = {1, 1, 1, 2, 2, 2, 1, 1, 0, FLT_MAX};
    for (int i = 0; i < 10; i++)
        if (s.keep[i])
            least_left = fminf(least_left, was[i]);
        else
            most_gone = fmaxf(most_gone, was[i]);
    ck_assert_float_le(most_gone, n > 0 ? least_left : FLT_MAX);
}
END_TEST

START_TEST(of_equal_weights_the_first_go_first) {
    struct small s;
    small_init(&s, (const float[10]){1, 1, 1, 1, 1, 1, 1, 1, 1, 1});
    struct net_layer *one = &s.layer;
    prune_to(&one, NULL, 1, 4);
    static const uint8_t left[10] = {0, 0, 0, 0, 0, 0, 1, 1, 1, 1};
    ck_assert_mem_eq(s.keep, left, sizeof left);
}
END_TEST

START_TEST(a_saliency_of_ones_own_decides_instead_of_the_magnitude) {
    struct small s;
    small_init(&s, known);
    static const float saliency[10] = {9, 8, 7, 6, 5, 4, 3, 2, 1, -0.0f};
    const float *list[1] = {saliency};
    struct net_layer *one = &s.layer;
    prune_to(&one, list, 1, 3);
    static const uint8_t left[10] = {1, 1, 1, 0, 0, 0, 0, 0, 0, 0};
    ck_assert_mem_eq(s.keep, left, sizeof left);
}
END_TEST

// ---- Blocks ------------------------------------------------------------------------------------

// Blocks of 1x4 in a row of five: four, and one by itself.
START_TEST(a_block_counts_by_the_mean_of_its_weights_and_goes_whole) {
    struct small s;
    small_init(&s, (const float[10]){1, -9, 1, 1, 2, 3, -3, 3, 4, 5}); // means 3, 2, 3.25, 5
    s.layer.block = NET_1X4;
    ck_assert_uint_eq(prune_below(&s.layer, 3), 1);
    ck_assert_uint_eq(prune_left(&s.layer), 9);
    ck_assert_uint_eq(s.keep[4], 0);
    ck_assert_uint_eq(prune_below(&s.layer, 3.2), 4);
    static const uint8_t left[10] = {0, 0, 0, 0, 0, 1, 1, 1, 1, 1};
    ck_assert_mem_eq(s.keep, left, sizeof left);
    ck_assert_float_eq(s.w[1], 0);
}
END_TEST

START_TEST(weights_removed_before_count_as_zeros_of_their_block) {
    struct small s;
    small_init(&s, (const float[10]){4, 4, 4, 4, 9, 5, 5, 5, 5, 9});
    s.layer.block = NET_1X4;
    s.keep[5] = 0;
    s.w[5] = 0; // the mean of the others is 5, of all 3.75
    struct net_layer *one = &s.layer;
    prune_to(&one, NULL, 1, 6);
    static const uint8_t left[10] = {1, 1, 1, 1, 1, 0, 0, 0, 0, 1};
    ck_assert_mem_eq(s.keep, left, sizeof left);
}
END_TEST

// A layer of 2 rows has 4x1 blocks of two.
START_TEST(blocks_compete_with_single_weights_as_many_for_as_many) {
    struct small blocks, single;
    small_init(&blocks, (const float[10]){1, 2, 3, 4, 5, 3, 2, -1, 0, 5}); // means 2 2 2 2 5
    small_init(&single, (const float[10]){1.5f, 2.5f, 9, 9, 9, 9, 9, 9, 9, 9});
    blocks.layer.block = NET_4X1;
    struct net_layer *both[2] = {&blocks.layer, &single.layer};
    prune_to(both, NULL, 2, 14); // six go: 1.5, then blocks from the first on: 7 in all
    static const uint8_t left[10] = {0, 0, 0, 1, 1, 0, 0, 0, 1, 1};
    ck_assert_mem_eq(blocks.keep, left, sizeof left);
    ck_assert_uint_eq(prune_left(&single.layer), 9);
    ck_assert_uint_eq(single.keep[0], 0);
}
END_TEST

// Blocks are whole or gone, and no more than three weights are missing.
static void check_blocks(const struct net_layer *layer, uint32_t height, uint32_t width) {
    for (uint32_t r = 0; r < layer->rows; r++)
        for (uint32_t c = 0; c < layer->cols; c++)
            ck_assert_uint_eq(layer->keep[r * layer->cols + c],
                              layer->keep[r / height * height * layer->cols + c / width * width]);
}

START_TEST(any_number_is_met_to_a_block) {
    enum { ROWS = 7, COLS = 9, N = ROWS * COLS };
    float w[N], saliency[N];
    uint8_t keep[N];
    struct randomness r;
    random_start(&r, (uint64_t)_i);
    bool tall = _i % 2 == 0;
    for (int i = 0; i < N; i++) {
        w[i] = random_float(&r);
        saliency[i] = (float)random_between(&r, 0, 3); // many are equal
        keep[i] = 1;
    }
    struct net_layer layer = {.rows = ROWS, .cols = COLS, .w = w, .keep = keep};
    layer.block = tall ? NET_4X1 : NET_1X4;
    struct net_layer *one = &layer;
    const float *list[1] = {saliency};
    for (uint64_t n = N; n-- > 0;) {
        prune_to(&one, _i % 3 == 0 ? NULL : list, 1, n);
        ck_assert_uint_le(prune_left(one), n);
        ck_assert_uint_ge(prune_left(one) + 3, n);
        check_blocks(one, tall ? 4 : 1, tall ? 1 : 4);
    }
}
END_TEST

START_TEST(harm_is_found) {
    struct small hidden, last;
    struct prune_harm harm;
    small_init(&hidden, known);
    small_init(&last, known);
    struct net_layer layers[2] = {hidden.layer, last.layer};
    struct net net = {.n_layers = 2, .layer = layers};
    prune_check(&net, &harm);
    ck_assert_uint_eq(harm.empty_layers + harm.dead_outputs + harm.dead_hidden, 0);
    memset(hidden.keep, 0, 5);
    memset(last.keep + 5, 0, 5);
    prune_check(&net, &harm);
    ck_assert_uint_eq(harm.empty_layers, 0);
    ck_assert_uint_eq(harm.dead_hidden, 1);
    ck_assert_uint_eq(harm.dead_outputs, 1);
    ck_assert_uint_eq(harm.first_dead, 1);
    memset(hidden.keep, 0, 10);
    prune_check(&net, &harm);
    ck_assert_uint_eq(harm.empty_layers, 1);
    ck_assert_uint_eq(harm.first_empty, 0);
}
END_TEST

Suite *prune_suite(void);
Suite *prune_suite(void) {
    Suite *suite = suite_create("prune");
    TCase *t = tcase_create("prune");
    tcase_add_test(t, the_deviation_is_that_of_the_population_around_the_mean);
    tcase_add_test(t, weights_removed_before_count_as_zeros_of_the_deviation);
    tcase_add_test(t, what_is_below_the_threshold_goes_and_what_is_on_it_stays);
    tcase_add_test(t, a_threshold_of_zero_removes_nothing);
    tcase_add_test(t, layers_compete_by_magnitude);
    tcase_add_loop_test(t, exactly_as_many_are_left_as_asked_whatever_is_equal, 0, 12);
    tcase_add_test(t, of_equal_weights_the_first_go_first);
    tcase_add_test(t, a_saliency_of_ones_own_decides_instead_of_the_magnitude);
    tcase_add_test(t, a_block_counts_by_the_mean_of_its_weights_and_goes_whole);
    tcase_add_test(t, weights_removed_before_count_as_zeros_of_their_block);
    tcase_add_test(t, blocks_compete_with_single_weights_as_many_for_as_many);
    tcase_add_loop_test(t, any_number_is_met_to_a_block, 0, 12);
    tcase_add_test(t, harm_is_found);
    suite_add_tcase(suite, t);
    return suite;
}
