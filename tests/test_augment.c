/* SPDX-License-Identifier: MIT */
// Variations of pictures: what they may do and what not.
#include <check.h>
#include <math.h>
#include <string.h>

#include "models/augment.h"
#include "tests/random.h"

enum { SIDE = 28, PIXELS = SIDE * SIDE };

// A ring in the middle: smooth, away from the edges.
static void ring(uint8_t pixel[PIXELS]) {
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            double radius = hypot(x - 13.5, y - 13.5);
            pixel[y * SIDE + x] = (uint8_t)(255 * exp(-(radius - 6) * (radius - 6) / 2));
        }
}

struct ink {
    double sum, x, y; // and its centre
};

static struct ink weigh(const float *picture) {
    struct ink ink = {0};
    for (int i = 0; i < PIXELS; i++) {
        ink.sum += (double)picture[i];
        ink.x += (double)picture[i] * (i % SIDE);
        ink.y += (double)picture[i] * (i / SIDE);
    }
    ink.x /= ink.sum;
    ink.y /= ink.sum;
    return ink;
}

static void vary(const struct augment *how, uint64_t seed, const uint8_t *pixel, float *out) {
    struct augment_bench bench;
    struct rng rng;
    ck_assert(augment_open(&bench, SIDE, SIDE, 1, NULL));
    rng_seed(&rng, seed, 0);
    augment_run(how, &bench, &rng, pixel, out);
    augment_close(&bench);
}

START_TEST(of_strength_0_it_leaves_a_picture_as_it_is) {
    struct augment nothing = augment_of_strength(0);
    uint8_t pixel[PIXELS];
    float out[PIXELS];
    struct randomness r;
    random_start(&r, 0);
    for (int i = 0; i < PIXELS; i++) // to the very edges
        pixel[i] = (uint8_t)random_bits(&r);
    vary(&nothing, 1, pixel, out);
    for (int i = 0; i < PIXELS; i++)
        ck_assert_float_eq_tol(out[i], (float)pixel[i] / 255, 1e-5f);
}
END_TEST

START_TEST(the_same_seed_draws_the_same_and_another_something_else) {
    struct augment how = augment_of_strength(1);
    uint8_t pixel[PIXELS];
    float first[PIXELS], again[PIXELS], other[PIXELS];
    ring(pixel);
    vary(&how, 7, pixel, first);
    vary(&how, 7, pixel, again);
    vary(&how, 8, pixel, other);
    ck_assert_mem_eq(first, again, sizeof first);
    ck_assert_mem_ne(first, other, sizeof first);
}
END_TEST

START_TEST(values_stay_within_0_and_1_at_any_size_and_strength) {
    static const uint32_t size[][3] = {{28, 28, 1}, {1, 1, 1}, {5, 19, 3}, {40, 3, 1}, {64, 64, 3}};
    uint32_t w = size[_i][0], h = size[_i][1], c = size[_i][2];
    static uint8_t pixel[3 * 64 * 64];
    static float out[3 * 64 * 64 + 1];
    struct augment how = augment_of_strength(4);
    struct augment_bench bench;
    struct rng rng;
    ck_assert(augment_open(&bench, w, h, c, NULL));
    memset(pixel, 255, sizeof pixel);
    rng_seed(&rng, 3, 0);
    for (int k = 0; k < 30; k++) {
        out[w * h * c] = -7;
        augment_run(&how, &bench, &rng, pixel, out);
        for (uint32_t i = 0; i < w * h * c; i++)
            ck_assert(out[i] >= 0 && out[i] <= 1.000001f);
        ck_assert_float_eq(out[w * h * c], -7);
    }
    augment_close(&bench);
}
END_TEST

START_TEST(a_shift_moves_the_ink_and_no_further_than_asked) {
    struct augment how = {.shift = 2};
    uint8_t pixel[PIXELS];
    float out[PIXELS];
    double furthest = 0;
    ring(pixel);
    for (uint64_t seed = 0; seed < 50; seed++) {
        vary(&how, seed, pixel, out);
        struct ink ink = weigh(out);
        furthest = fmax(furthest, fmax(fabs(ink.x - 13.5), fabs(ink.y - 13.5)));
    }
    ck_assert_double_le(furthest, 2.01);
    ck_assert_double_ge(furthest, 1.5);
}
END_TEST

START_TEST(a_thicker_pen_leaves_more_ink_and_a_thinner_one_less) {
    struct augment thick = {.thicker = 1}, thin = {.thinner = 1};
    uint8_t pixel[PIXELS];
    float out[PIXELS], plain[PIXELS];
    ring(pixel);
    for (int i = 0; i < PIXELS; i++)
        plain[i] = (float)pixel[i] / 255;
    double sum = weigh(plain).sum, most = sum, least = sum;
    for (uint64_t seed = 0; seed < 30; seed++) {
        vary(&thick, seed, pixel, out);
        ck_assert_double_ge(weigh(out).sum, sum - 1e-3);
        most = fmax(most, weigh(out).sum);
        vary(&thin, seed, pixel, out);
        ck_assert_double_le(weigh(out).sum, sum + 1e-3);
        least = fmin(least, weigh(out).sum);
    }
    ck_assert_double_ge(most, 1.3 * sum);
    ck_assert_double_le(least, 0.7 * sum);
}
END_TEST

// The mean square of how far the bending moves things, from a slope that shows it.
START_TEST(bending_is_as_strong_as_it_says) {
    struct augment how = {.elastic = 0.8f};
    uint8_t pixel[PIXELS];
    float out[PIXELS];
    double square = 0;
    int n = 0;
    for (int i = 0; i < PIXELS; i++)
        pixel[i] = (uint8_t)(9 * (i % SIDE)); // each pixel to the right is 9 brighter
    for (uint64_t seed = 0; seed < 100; seed++) {
        vary(&how, seed, pixel, out);
        for (int y = 5; y < SIDE - 5; y++)
            for (int x = 5; x < SIDE - 5; x++, n++) {
                double moved = (double)out[y * SIDE + x] * 255 / 9 - x;
                square += moved * moved;
            }
    }
    ck_assert_double_eq_tol(sqrt(square / n), 0.8, 0.08);
}
END_TEST

START_TEST(a_mirrored_picture_is_the_picture_left_for_right) {
    struct augment how = {.mirror = true};
    uint8_t pixel[PIXELS];
    float out[PIXELS];
    struct randomness r;
    int mirrored = 0;
    random_start(&r, 0);
    for (int i = 0; i < PIXELS; i++)
        pixel[i] = (uint8_t)random_bits(&r);
    for (uint64_t seed = 0; seed < 40; seed++) {
        vary(&how, seed, pixel, out);
        bool same = fabsf(out[0] - (float)pixel[0] / 255) < 1e-5f;
        mirrored += !same;
        for (int i = 0; i < PIXELS; i++) {
            int from = same ? i : i - i % SIDE + SIDE - 1 - i % SIDE;
            ck_assert_float_eq_tol(out[i], (float)pixel[from] / 255, 1e-5f);
        }
    }
    ck_assert_int_ge(mirrored, 10);
    ck_assert_int_le(mirrored, 30);
}
END_TEST

Suite *augment_suite(void) {
    Suite *s = suite_create("augment");
    TCase *t = tcase_create("augment");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, of_strength_0_it_leaves_a_picture_as_it_is);
    tcase_add_test(t, the_same_seed_draws_the_same_and_another_something_else);
    tcase_add_loop_test(t, values_stay_within_0_and_1_at_any_size_and_strength, 0, 5);
    tcase_add_test(t, a_shift_moves_the_ink_and_no_further_than_asked);
    tcase_add_test(t, a_thicker_pen_leaves_more_ink_and_a_thinner_one_less);
    tcase_add_test(t, bending_is_as_strong_as_it_says);
    tcase_add_test(t, a_mirrored_picture_is_the_picture_left_for_right);
    suite_add_tcase(s, t);
    return s;
}
