/* SPDX-License-Identifier: MIT */
// Weight sharing: k-means against brute force, and what must hold whatever the weights.
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "models/rng.h"
#include "models/share.h"

enum { MOST = 4096 };

struct values {
    float value[MOST];
    double sum[MOST + 1], square[MOST + 1];
    struct share_values v;
};

static int ascending(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static struct values *values_of(const float *value, size_t n) {
    struct values *s = calloc(1, sizeof *s);
    ck_assert_ptr_nonnull(s);
    memcpy(s->value, value, n * sizeof *value);
    qsort(s->value, n, sizeof *value, ascending);
    for (size_t i = 0; i < n; i++) {
        s->sum[i + 1] = s->sum[i] + s->value[i];
        s->square[i + 1] = s->square[i] + (double)s->value[i] * s->value[i];
    }
    s->v = (struct share_values){n, s->value, s->sum, s->square};
    return s;
}

static struct values *random_values(struct rng *rng, size_t n, bool gap) {
    float value[MOST];
    for (size_t i = 0; i < n; i++) {
        double x = rng_normal(rng);
        value[i] = (float)(gap ? x + copysign(1, x) : x);
    }
    return values_of(value, n);
}

static double loss_by_hand(const struct values *s, const double *centroid, uint32_t k) {
    double loss = 0;
    for (size_t i = 0; i < s->v.n; i++) {
        double best = INFINITY;
        for (uint32_t j = 0; j < k; j++)
            best = fmin(best, (s->value[i] - centroid[j]) * (s->value[i] - centroid[j]));
        loss += best;
    }
    return loss;
}

// The least loss of values begin.. in at most k clusters, over every way to cut them.
static double least_loss(const struct values *s, size_t begin, uint32_t k) {
    size_t n = s->v.n;
    if (begin == n)
        return 0;
    if (k == 0)
        return INFINITY;
    double best = INFINITY;
    for (size_t end = begin + 1; end <= n; end++) {
        double mean = 0, loss = 0;
        for (size_t i = begin; i < end; i++)
            mean += s->value[i] / (double)(end - begin);
        for (size_t i = begin; i < end; i++)
            loss += (s->value[i] - mean) * (s->value[i] - mean);
        best = fmin(best, loss + least_loss(s, end, k - 1));
    }
    return best;
}

START_TEST(kmeans_is_never_better_than_brute_force_and_the_best_start_reaches_it) {
    struct rng rng;
    rng_seed(&rng, 7, (uint64_t)_i);
    struct values *s = random_values(&rng, 9, false);
    double best = least_loss(s, 0, 3), reached = INFINITY;
    for (uint64_t seed = 0; seed < 40; seed++) {
        double centroid[3];
        share_start(&s->v, SHARE_RANDOM, seed, centroid, 3);
        double loss = share_kmeans(&s->v, centroid, 3, NULL, 0, NULL);
        ck_assert_double_ge_tol(loss, best, 1e-9);
        ck_assert_double_eq_tol(loss, loss_by_hand(s, centroid, 3), 1e-9);
        reached = fmin(reached, loss);
    }
    ck_assert_double_eq_tol(reached, best, 1e-9);
    free(s);
}
END_TEST

START_TEST(the_loss_never_rises_and_every_centroid_has_weights) {
    struct rng rng;
    rng_seed(&rng, 11, (uint64_t)_i);
    struct values *s = random_values(&rng, 2000, _i % 2 == 0);
    double centroid[32], loss[256];
    uint32_t n_losses;
    share_start(&s->v, (enum share_init)(_i % 3), 3, centroid, 32);
    double last = share_kmeans(&s->v, centroid, 32, loss, 256, &n_losses);
    ck_assert_uint_gt(n_losses, 1);
    for (uint32_t i = 1; i < n_losses; i++)
        ck_assert_double_le_tol(loss[i], loss[i - 1], 1e-9);
    ck_assert_double_eq_tol(last, loss_by_hand(s, centroid, 32), 1e-8);
    uint32_t members[32] = {0};
    for (size_t i = 0; i < s->v.n; i++) {
        uint32_t best = 0;
        for (uint32_t j = 1; j < 32; j++)
            if (fabs(s->value[i] - centroid[j]) < fabs(s->value[i] - centroid[best]))
                best = j;
        members[best]++;
    }
    for (uint32_t j = 0; j < 32; j++)
        ck_assert_uint_gt(members[j], 0);
    free(s);
}
END_TEST

START_TEST(a_linear_start_goes_from_the_smallest_weight_to_the_largest) {
    struct values *s = values_of((const float[5]){3, -1, 0, 0.5f, 1}, 5);
    double centroid[5];
    share_start(&s->v, SHARE_LINEAR, 0, centroid, 5);
    for (int j = 0; j < 5; j++)
        ck_assert_double_eq_tol(centroid[j], -1 + j, 1e-12);
    free(s);
}
END_TEST

// ---- Layers ------------------------------------------------------------------------------------

enum { ROWS = 8, COLS = 16, ALL = ROWS * COLS };

static void layer_init(struct net_layer *layer, uint64_t seed, double sparsity) {
    struct rng rng;
    rng_seed(&rng, seed, 0);
    *layer = (struct net_layer){.name = "fc1", .rows = ROWS, .cols = COLS};
    layer->w = calloc(ALL, sizeof *layer->w);
    layer->keep = calloc(ALL, 1);
    ck_assert(layer->w != NULL && layer->keep != NULL);
    for (size_t i = 0; i < ALL; i++) {
        layer->keep[i] = rng_uniform(&rng) >= sparsity;
        layer->w[i] = layer->keep[i] ? (float)rng_normal(&rng) : 0;
    }
}

static void layer_free(struct net_layer *layer) {
    free(layer->w);
    free(layer->keep);
    free(layer->codebook);
    free(layer->code);
}

START_TEST(zeros_stay_zeros_and_each_weight_takes_its_nearest_centroid) {
    struct net_layer before, layer;
    struct share_result r;
    uint32_t bits = (uint32_t)_i;
    layer_init(&before, 5, 0.4);
    layer_init(&layer, 5, 0.4);
    ck_assert(share_layer(&layer, bits, SHARE_LINEAR, 1, &r, NULL));
    ck_assert_uint_le(layer.n_centroids, 1u << bits);
    ck_assert_uint_le(layer.bits, bits);
    double squares = 0;
    for (size_t i = 0; i < ALL; i++) {
        ck_assert_uint_eq(layer.keep[i], before.keep[i]);
        if (!layer.keep[i]) {
            ck_assert_float_eq(layer.w[i], 0);
            continue;
        }
        ck_assert_uint_lt(layer.code[i], layer.n_centroids);
        ck_assert_float_eq(layer.w[i], layer.codebook[layer.code[i]]);
        float moved = fabsf(layer.w[i] - before.w[i]);
        squares += (double)moved * moved;
        for (uint32_t c = 0; c < layer.n_centroids; c++)
            ck_assert_float_le(moved, fabsf(layer.codebook[c] - before.w[i]));
    }
    ck_assert_double_eq_tol(r.error, sqrt(squares / (double)r.n), 1e-6);
    layer_free(&before);
    layer_free(&layer);
}
END_TEST

START_TEST(few_different_weights_are_kept_exactly_with_as_few_bits_as_they_need) {
    struct net_layer layer;
    struct share_result r;
    layer_init(&layer, 6, 0.5);
    static const float three[3] = {-0.5f, 0.25f, 3};
    for (size_t i = 0; i < ALL; i++)
        layer.w[i] = layer.keep[i] ? three[i % 3] : 0;
    ck_assert(share_layer(&layer, 5, SHARE_DENSITY, 1, &r, NULL));
    ck_assert_uint_eq(r.n_centroids, 3);
    ck_assert_uint_eq(layer.bits, 2);
    ck_assert_double_eq(r.error, 0);
    for (size_t i = 0; i < ALL; i++)
        ck_assert_float_eq(layer.w[i], layer.keep[i] ? three[i % 3] : 0.0f);
    layer_free(&layer);
}
END_TEST

START_TEST(a_layer_without_weights_is_left_as_it_is) {
    struct net_layer layer;
    struct share_result r;
    layer_init(&layer, 6, 1);
    ck_assert(share_layer(&layer, 5, SHARE_LINEAR, 1, &r, NULL));
    ck_assert_uint_eq(r.n, 0);
    ck_assert_uint_eq(layer.bits, 0);
    ck_assert_ptr_null(layer.codebook);
    layer_free(&layer);
}
END_TEST

START_TEST(the_same_seed_shares_the_same_way) {
    struct net_layer a, b, c;
    struct share_result r;
    layer_init(&a, 8, 0);
    layer_init(&b, 8, 0);
    layer_init(&c, 8, 0);
    ck_assert(share_layer(&a, 3, SHARE_RANDOM, 4, &r, NULL));
    ck_assert(share_layer(&b, 3, SHARE_RANDOM, 4, &r, NULL));
    ck_assert(share_layer(&c, 3, SHARE_RANDOM, 9, &r, NULL));
    ck_assert_mem_eq(a.w, b.w, ALL * sizeof *a.w);
    ck_assert_mem_ne(a.w, c.w, ALL * sizeof *a.w);
    layer_free(&a);
    layer_free(&b);
    layer_free(&c);
}
END_TEST

// The example of the article: 16 weights of 32 bits, 4 centroids: 16 * 32 / (2 * 16 + 4 * 32).
START_TEST(the_prediction_is_the_articles) {
    ck_assert_double_eq_tol(share_predicted(16, 4), 3.2, 1e-12);
    ck_assert_double_eq(share_predicted(0, 0), 1);
}
END_TEST

Suite *share_suite(void);
Suite *share_suite(void) {
    Suite *suite = suite_create("share");
    TCase *t = tcase_create("share");
    tcase_add_loop_test(t, kmeans_is_never_better_than_brute_force_and_the_best_start_reaches_it, 0,
                        12);
    tcase_add_loop_test(t, the_loss_never_rises_and_every_centroid_has_weights, 0, 6);
    tcase_add_test(t, a_linear_start_goes_from_the_smallest_weight_to_the_largest);
    tcase_add_loop_test(t, zeros_stay_zeros_and_each_weight_takes_its_nearest_centroid, 1, 9);
    tcase_add_test(t, few_different_weights_are_kept_exactly_with_as_few_bits_as_they_need);
    tcase_add_test(t, a_layer_without_weights_is_left_as_it_is);
    tcase_add_test(t, the_same_seed_shares_the_same_way);
    tcase_add_test(t, the_prediction_is_the_articles);
    suite_add_tcase(suite, t);
    return suite;
}
