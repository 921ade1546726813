/* SPDX-License-Identifier: MIT */
// Intervals and McNemar's test against values known from elsewhere.
#include "core/statistics.h"

#include <check.h>
#include <math.h>

// b, c, two-sided p. Exact ones by adding up binomial coefficients by hand; the last two by the
// chi-squared distribution with continuity correction.
static const struct {
    uint64_t b, c;
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
    double p = tnm_mcnemar(cases[_i].b, cases[_i].c);
    ck_assert_double_eq_tol(p, cases[_i].p, 1e-6);
}
END_TEST

START_TEST(the_exact_test_and_the_approximation_meet) {
    double exact = tnm_mcnemar(470, 530), near = tnm_mcnemar(470, 531);
    ck_assert_double_eq_tol(exact, near, 0.01);
}
END_TEST

// Of 1000 pairs the first term is 2^-1000; 1000 of them on one side leave two such terms.
START_TEST(the_smallest_p_is_exact) {
    ck_assert_double_eq_tol(tnm_mcnemar(0, 1000) / 0x1p-999, 1, 1e-12);
    ck_assert_double_eq_tol(tnm_mcnemar(1, 999) / (1001 * 0x1p-999), 1, 1e-12);
}
END_TEST

// Newcombe (1998), "Two-sided confidence intervals for the single proportion", table I, method 3:
// 81 of 263 gives 0.2553 to 0.3662, 0 of 20 gives 0 to 0.1611.
START_TEST(the_interval_is_wilsons) {
    double low, high;
    tnm_interval(81, 263, &low, &high);
    ck_assert_double_eq_tol(low, 0.2553, 5e-5);
    ck_assert_double_eq_tol(high, 0.3662, 5e-5);
    tnm_interval(0, 20, &low, &high);
    ck_assert_double_eq_tol(low, 0, 1e-12);
    ck_assert_double_eq_tol(high, 0.1611, 5e-5);
}
END_TEST

START_TEST(without_images_anything_may_be_true) {
    double low, high;
    tnm_interval(0, 0, &low, &high);
    ck_assert_double_eq(low, 0);
    ck_assert_double_eq(high, 1);
}
END_TEST

Suite *statistics_suite(void);
Suite *statistics_suite(void) {
    Suite *suite = suite_create("statistics");
    TCase *t = tcase_create("statistics");
    tcase_add_loop_test(t, mcnemar_gives_known_values, 0, sizeof cases / sizeof *cases);
    tcase_add_test(t, the_exact_test_and_the_approximation_meet);
    tcase_add_test(t, the_smallest_p_is_exact);
    tcase_add_test(t, the_interval_is_wilsons);
    tcase_add_test(t, without_images_anything_may_be_true);
    suite_add_tcase(suite, t);
    return suite;
}
