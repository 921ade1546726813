/* SPDX-License-Identifier: MIT */
// Random numbers: that they repeat, are spread as promised, and follow the published generator.
#include <check.h>
#include <math.h>

#include "models/rng.h"

// The authors' xoshiro256** from state 1, 2, 3, 4 (their reference prints these).
START_TEST(the_generator_is_the_published_one) {
    static const uint64_t want[] = {11520u, 0u, 1509978240u, 1215971899390074240u};
    struct rng rng = {{1, 2, 3, 4}};
    for (int i = 0; i < 4; i++)
        ck_assert_uint_eq(rng_next(&rng), want[i]);
}
END_TEST

START_TEST(streams_of_a_seed_differ_and_repeat) {
    struct rng a, b, c;
    rng_seed(&a, 1, 0);
    rng_seed(&b, 1, 1);
    rng_seed(&c, 1, 0);
    int equal = 0;
    for (int i = 0; i < 100; i++) {
        uint64_t x = rng_next(&a);
        equal += x == rng_next(&b);
        ck_assert_uint_eq(x, rng_next(&c));
    }
    ck_assert_int_eq(equal, 0);
}
END_TEST

START_TEST(below_is_even) {
    struct rng rng;
    uint32_t count[7] = {0};
    rng_seed(&rng, 5, 0);
    for (int i = 0; i < 70000; i++)
        count[rng_below(&rng, 7)]++;
    for (int i = 0; i < 7; i++) // 5 standard deviations are 460
        ck_assert(count[i] > 9540 && count[i] < 10460);
}
END_TEST

START_TEST(normal_draws_have_the_moments_of_the_normal_distribution) {
    struct rng rng;
    enum { N = 100000 };
    double sum[5] = {0};
    rng_seed(&rng, 6, 0);
    for (int i = 0; i < N; i++) {
        double x = rng_normal(&rng);
        for (int p = 1; p <= 4; p++)
            sum[p] += pow(x, p) / N;
    }
    ck_assert_double_eq_tol(sum[1], 0, 0.02);
    ck_assert_double_eq_tol(sum[2], 1, 0.03);
    ck_assert_double_eq_tol(sum[3], 0, 0.1);
    ck_assert_double_eq_tol(sum[4], 3, 0.25);
}
END_TEST

START_TEST(a_shuffle_keeps_everything_and_moves_it) {
    struct rng rng;
    uint32_t item[1000], in_place = 0;
    _Bool seen[1000] = {0};
    for (uint32_t i = 0; i < 1000; i++)
        item[i] = i;
    rng_seed(&rng, 8, 0);
    rng_shuffle(&rng, item, 1000);
    for (uint32_t i = 0; i < 1000; i++) {
        ck_assert(item[i] < 1000 && !seen[item[i]]);
        seen[item[i]] = 1;
        in_place += item[i] == i;
    }
    ck_assert_uint_le(in_place, 8);
}
END_TEST

Suite *rng_suite(void) {
    Suite *s = suite_create("rng");
    TCase *t = tcase_create("rng");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, the_generator_is_the_published_one);
    tcase_add_test(t, streams_of_a_seed_differ_and_repeat);
    tcase_add_test(t, below_is_even);
    tcase_add_test(t, normal_draws_have_the_moments_of_the_normal_distribution);
    tcase_add_test(t, a_shuffle_keeps_everything_and_moves_it);
    suite_add_tcase(s, t);
    return s;
}
