/* SPDX-License-Identifier: MIT */
// Counting right answers, and pairs of them.
#include <check.h>
#include <math.h>
#include <string.h>

#include "models/measure.h"

START_TEST(pairs_are_counted_image_by_image) {
    uint8_t right_a[6] = {1, 1, 1, 0, 0, 0}, right_b[6] = {1, 0, 0, 1, 0, 0};
    struct measure a = {.images = 6, .right = right_a}, b = {.images = 6, .right = right_b};
    struct measure_pair pair = measure_compare(&a, &b);
    ck_assert_uint_eq(pair.only_first, 2);
    ck_assert_uint_eq(pair.only_second, 1);
    ck_assert_double_eq_tol(pair.p, 1, 1e-12);
}
END_TEST

START_TEST(no_images_give_no_accuracy) {
    ck_assert_double_nan(measure_accuracy((struct tnm_score){0, 0}));
    ck_assert_double_eq(measure_accuracy((struct tnm_score){3, 4}), 0.75);
}
END_TEST

Suite *measure_suite(void);
Suite *measure_suite(void) {
    Suite *suite = suite_create("measure");
    TCase *t = tcase_create("measure");
    tcase_add_test(t, pairs_are_counted_image_by_image);
    tcase_add_test(t, no_images_give_no_accuracy);
    suite_add_tcase(suite, t);
    return suite;
}
