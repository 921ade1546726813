/* SPDX-License-Identifier: MIT */
// Accuracy, intervals and McNemar's test against values known from elsewhere.
#include <check.h>
#include <math.h>
#include <string.h>

#include "models/measure.h"

// b, c, two-sided p. Exact ones by adding up binomial coefficients by hand; the last two by the
// chi-squared distribution with continuity correction.
static const struct {
    uint32_t b, c;
    double p;
} cases[] = {
    {0, 0, 1},
    {1, 0, 1},
    {5, 5, 1},
    {0, 6, 2.0 / 64},
    {6, 0, 2.0 / 64},
    {1, 7, 2 * (1.0 + 8) / 256},
    {3, 9, 2 * (1.0 + 12 + 66 + 220) / 4096},
    {600, 500, 0.0028361}, // chi-squared = 99^2 / 1100 = 8.91
    {2000, 2000, 1},
};

START_TEST(mcnemar_gives_known_values) {
    double p = measure_mcnemar(cases[_i].b, cases[_i].c);
    ck_assert_double_eq_tol(p, cases[_i].p, 1e-6);
}
END_TEST

START_TEST(the_exact_test_and_the_approximation_meet) {
    double exact = measure_mcnemar(470, 530), near = measure_mcnemar(470, 531);
    ck_assert_double_eq_tol(exact, near, 0.01);
}
END_TEST

START_TEST(pairs_are_counted_image_by_image) {
    uint8_t right_a[6] = {1, 1, 1, 0, 0, 0}, right_b[6] = {1, 0, 0, 1, 0, 0};
    struct measure a = {.images = 6, .right = right_a}, b = {.images = 6, .right = right_b};
    struct measure_pair pair = measure_compare(&a, &b);
    ck_assert_uint_eq(pair.only_first, 2);
    ck_assert_uint_eq(pair.only_second, 1);
    ck_assert_double_eq_tol(pair.p, 1, 1e-12);
}
END_TEST

// Newcombe (1998), "Two-sided confidence intervals for the single proportion", table I, method 3:
// 81 of 263 gives 0.2553 to 0.3662, 0 of 20 gives 0 to 0.1611.
START_TEST(the_interval_is_wilsons) {
    double low, high;
    measure_interval((struct tnm_score){81, 263}, &low, &high);
    ck_assert_double_eq_tol(low, 0.2553, 5e-5);
    ck_assert_double_eq_tol(high, 0.3662, 5e-5);
    measure_interval((struct tnm_score){0, 20}, &low, &high);
    ck_assert_double_eq_tol(low, 0, 1e-12);
    ck_assert_double_eq_tol(high, 0.1611, 5e-5);
}
END_TEST

START_TEST(no_images_give_no_accuracy) {
    double low, high;
    ck_assert_double_nan(measure_accuracy((struct tnm_score){0, 0}));
    ck_assert_double_eq(measure_accuracy((struct tnm_score){3, 4}), 0.75);
    measure_interval((struct tnm_score){0, 0}, &low, &high);
    ck_assert_double_eq(low, 0);
    ck_assert_double_eq(high, 1);
}
END_TEST

Suite *measure_suite(void);
Suite *measure_suite(void) {
    Suite *suite = suite_create("measure");
    TCase *t = tcase_create("measure");
    tcase_add_loop_test(t, mcnemar_gives_known_values, 0, sizeof cases / sizeof *cases);
    tcase_add_test(t, the_exact_test_and_the_approximation_meet);
    tcase_add_test(t, pairs_are_counted_image_by_image);
    tcase_add_test(t, the_interval_is_wilsons);
    tcase_add_test(t, no_images_give_no_accuracy);
    suite_add_tcase(suite, t);
    return suite;
}
