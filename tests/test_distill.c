/* SPDX-License-Identifier: MIT */
// Distillation: the loss against differences, teachers against paper, the pool and what is
// remembered of it.
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "models/data.h"
#include "models/distill.h"
#include "models/loss.h"
#include "models/pool.h"
#include "models/score.h"
#include "models/train.h"
#include "tests/random.h"
#include "tests/scratch.h"

enum { INPUTS = 4, OUTPUTS = 3, N = 5 };

// ---- The loss ----------------------------------------------------------------------------------

// Of one image, in double precision: (1 - a) CE + a t^2 sum q log(q / p).
static double slow_loss(const double *z, uint32_t label, const float *q, double t, double a) {
    double sum = 0, hot = 0, kl = 0;
    for (int k = 0; k < OUTPUTS; k++) {
        sum += exp(z[k]);
        hot += exp(z[k] / t);
    }
    for (int k = 0; k < OUTPUTS; k++)
        if (q[k] > 0)
            kl += (double)q[k] * (log((double)q[k]) - z[k] / t + log(hot));
    return (1 - a) * (log(sum) - z[label]) + a * t * t * kl;
}

static const struct {
    float temperature, weight;
} mixes[] = {{1, 0.5f}, {2, 0.9f}, {4, 1}, {3, 0}, {0.5f, 0.3f}};

START_TEST(the_distilled_loss_has_the_gradient_that_differences_give) {
    struct randomness r;
    float z[N * OUTPUTS], soft[N * OUTPUTS], d[N * OUTPUTS];
    uint16_t label[N] = {0, 2, 1, 1, 0};
    uint32_t correct = 0;
    random_start(&r, (uint64_t)_i);
    random_fill(&r, z, N * OUTPUTS, 0);
    for (int i = 0; i < N; i++) {
        soft[i * OUTPUTS] = i == 0 ? 0 : 0.2f;
        soft[i * OUTPUTS + 1] = 0.1f * (float)i;
        soft[i * OUTPUTS + 2] = 1 - soft[i * OUTPUTS] - soft[i * OUTPUTS + 1];
    }
    struct loss_call call = {.logits = z,
                             .label = label,
                             .soft = soft,
                             .n = N,
                             .outputs = OUTPUTS,
                             .temperature = mixes[_i].temperature,
                             .weight = mixes[_i].weight,
                             .scale = 0.2f,
                             .d_logits = d,
                             .correct = &correct};
    double got = loss_distilled(&call), want = 0;
    for (int i = 0; i < N; i++) {
        double at[OUTPUTS], t = (double)mixes[_i].temperature, a = (double)mixes[_i].weight;
        const float *q = soft + i * OUTPUTS;
        for (int k = 0; k < OUTPUTS; k++)
            at[k] = (double)z[i * OUTPUTS + k];
        want += slow_loss(at, label[i], q, t, a);
        for (int k = 0; k < OUTPUTS; k++) {
            const double was = at[k], h = 1e-6;
            at[k] = was + h;
            double above = slow_loss(at, label[i], q, t, a);
            at[k] = was - h;
            double slope = (above - slow_loss(at, label[i], q, t, a)) / (2 * h);
            at[k] = was;
            ck_assert_double_eq_tol((double)d[i * OUTPUTS + k], 0.2 * slope, 1e-5);
        }
    }
    ck_assert_double_eq_tol(got, want, 1e-4);
    ck_assert_uint_le(correct, N);
}
END_TEST

// ---- Teachers ----------------------------------------------------------------------------------

static struct tnm_recipe vector_recipe(void) {
    return data_recipe(2, 2, 1, TNM_FIT_CONTAIN);
}

// A teacher of one layer: logit k is weight times input k.
static void save_teacher(const char *path, float weight, uint32_t outputs) {
    struct net net;
    struct tnm_error err;
    struct tnm_recipe recipe = vector_recipe();
    char arch[16];
    snprintf(arch, sizeof arch, "4-%u", outputs);
    ck_assert_msg(net_build(&net, arch, &recipe, &err), "%s", err.text);
    strcpy(net.meta.name, "teacher");
    for (uint32_t k = 0; k < outputs; k++)
        net.layer[0].w[k * INPUTS + k] = weight;
    ck_assert_msg(net_save(&net, path, NULL, 0, &err), "%s", err.text);
    net_free(&net);
}

START_TEST(teachers_say_the_mean_of_their_softened_probabilities) {
    const char *folder = scratch_make();
    char names[256];
    struct tnm_error err;
    struct distill d;
    save_teacher(scratch_path(folder, "a.tnm"), 2, OUTPUTS);
    save_teacher(scratch_path(folder, "b.tnm"), -6, OUTPUTS);
    snprintf(names, sizeof names, "%s,%s", scratch_path(folder, "a.tnm"),
             scratch_path(folder, "b.tnm"));
    ck_assert_msg(distill_open(&d, names, INPUTS, OUTPUTS, NULL, 0, 1, &err), "%s", err.text);
    ck_assert_uint_eq(d.n_teachers, 2);
    d.temperature = 2;
    const float x[INPUTS] = {1, 0, 0, 1};
    float soft[OUTPUTS];
    distill_ask(&d, 0, x, (uint32_t[]){0}, (uint16_t[]){0}, 1, soft);
    // at temperature 2 the logits are 1 0 0 and -3 0 0
    double a = exp(1.0) / (exp(1.0) + 2), b = exp(-3.0) / (exp(-3.0) + 2);
    ck_assert_double_eq_tol((double)soft[0], (a + b) / 2, 1e-6);
    ck_assert_double_eq_tol((double)soft[1], ((1 - a) / 2 + (1 - b) / 2) / 2, 1e-6);
    ck_assert_float_eq(soft[1], soft[2]);
    distill_close(&d);
    scratch_remove(folder);
}
END_TEST

START_TEST(what_was_said_of_a_copy_is_remembered) {
    enum { MANY = 150 }; // more than a teacher answers at once
    const char *folder = scratch_make();
    struct tnm_error err;
    struct distill d;
    struct randomness r;
    static float x[MANY * INPUTS], first[MANY * OUTPUTS], again[MANY * OUTPUTS];
    static uint32_t image[MANY];
    static uint16_t copy[MANY];
    save_teacher(scratch_path(folder, "a.tnm"), 3, OUTPUTS);
    ck_assert(distill_open(&d, scratch_path(folder, "a.tnm"), INPUTS, OUTPUTS, NULL, 0, 1, &err));
    ck_assert(distill_remember(&d, MANY, 2, &err));
    random_start(&r, 1);
    random_fill(&r, x, MANY * INPUTS, 0);
    for (uint32_t i = 0; i < MANY; i++) {
        image[i] = MANY - 1 - i;
        copy[i] = i % 3 == 0; // other copies are unknown later
    }
    distill_ask(&d, 0, x, image, copy, MANY, first);
    for (uint32_t i = 0; i < MANY; i++) { // each by itself gives the same
        float one[OUTPUTS];
        struct distill fresh;
        if (i % 50 != 0)
            continue;
        ck_assert(
            distill_open(&fresh, scratch_path(folder, "a.tnm"), INPUTS, OUTPUTS, NULL, 0, 1, &err));
        distill_ask(&fresh, 0, x + i * INPUTS, image + i, copy + i, 1, one);
        for (int k = 0; k < OUTPUTS; k++)
            ck_assert_float_eq_tol(one[k], first[i * OUTPUTS + (uint32_t)k], 1e-6f);
        distill_close(&fresh);
    }
    // Another x: only what is not remembered is asked again.
    memset(x, 0, sizeof x);
    for (uint32_t i = 0; i < MANY; i++)
        copy[i] = i % 2 == 0;
    distill_ask(&d, 0, x, image, copy, MANY, again);
    for (uint32_t i = 0; i < MANY; i++)
        for (uint32_t k = 0; k < OUTPUTS; k++) {
            bool known = (i % 3 == 0) == (i % 2 == 0);
            ck_assert_float_eq_tol(again[i * OUTPUTS + k],
                                   known ? first[i * OUTPUTS + k] : 1.0f / 3, 1e-6f);
        }
    distill_close(&d);
    scratch_remove(folder);
}
END_TEST

START_TEST(what_is_remembered_outlives_a_run) {
    const char *folder = scratch_make();
    const char *teacher = scratch_path(folder, "a.tnm"), *kept = scratch_path(folder, "said");
    struct tnm_error err;
    struct distill d;
    const float x[INPUTS] = {1, 0.5f, 0, 0}, other[INPUTS] = {0};
    float first[OUTPUTS], again[OUTPUTS];
    save_teacher(teacher, 3, OUTPUTS);
    for (int run = 0; run < 4; run++) {
        ck_assert(distill_open(&d, teacher, INPUTS, OUTPUTS, NULL, 0, 1, &err));
        ck_assert(distill_remember(&d, 5, 3, &err));
        if (run == 3)
            d.temperature = 4;
        bool fits = distill_keep(&d, kept, run == 2 ? "other images" : "images", &err);
        ck_assert_msg(fits == (run < 2), "run %d: %s", run, err.text);
        if (run == 0) {
            distill_ask(&d, 0, x, (uint32_t[]){4}, (uint16_t[]){2}, 1, first);
            ck_assert_msg(distill_store(&d, &err), "%s", err.text);
        } else if (run == 1) { // another input: what was kept is said
            distill_ask(&d, 0, other, (uint32_t[]){4}, (uint16_t[]){2}, 1, again);
            ck_assert_mem_eq(again, first, sizeof first);
        } else {
            ck_assert_ptr_nonnull(strstr(err.text, "of other teachers"));
        }
        distill_close(&d);
    }
    scratch_write(kept, "something else", 14);
    ck_assert(distill_open(&d, teacher, INPUTS, OUTPUTS, NULL, 0, 1, &err));
    ck_assert(distill_remember(&d, 5, 3, &err));
    ck_assert(!distill_keep(&d, kept, "images", &err));
    ck_assert_ptr_nonnull(strstr(err.text, "not a file of"));
    distill_close(&d);
    scratch_remove(folder);
}
END_TEST

START_TEST(a_teacher_that_does_not_fit_is_refused) {
    const char *folder = scratch_make();
    struct tnm_error err;
    struct distill d;
    char *const label[] = {"0", "1", "two"};
    save_teacher(scratch_path(folder, "two.tnm"), 1, 2);
    save_teacher(scratch_path(folder, "three.tnm"), 1, 3);
    ck_assert(
        !distill_open(&d, scratch_path(folder, "two.tnm"), INPUTS, OUTPUTS, NULL, 0, 1, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "2 outputs"));
    ck_assert(
        !distill_open(&d, scratch_path(folder, "three.tnm"), INPUTS, OUTPUTS, label, 3, 1, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "class 2"));
    ck_assert(!distill_open(&d, ",", INPUTS, OUTPUTS, NULL, 0, 1, &err));
    ck_assert_int_eq(err.code, TNM_EINPUT);
    ck_assert(
        !distill_open(&d, scratch_path(folder, "none.tnm"), INPUTS, OUTPUTS, NULL, 0, 1, &err));
    scratch_remove(folder);
}
END_TEST

// ---- The pool ----------------------------------------------------------------------------------

START_TEST(a_copy_is_the_same_whenever_it_is_drawn) {
    enum { SIDE = 12, PIXELS = SIDE * SIDE };
    struct tnm_error err;
    struct augment_bench bench, other;
    struct pool pool = pool_of(2, 2, 0, 7);
    uint8_t pixel[PIXELS] = {0};
    float out[5][PIXELS], again[PIXELS];
    for (int i = 0; i < PIXELS; i++)
        pixel[i] =
            (uint8_t)(i / SIDE > 3 && i / SIDE < 8 && i % SIDE > 2 && i % SIDE < 9 ? 200 : 0);
    ck_assert_uint_eq(pool_copies(&pool), 5);
    ck_assert(augment_open(&bench, SIDE, SIDE, 1, &err));
    ck_assert(augment_open(&other, SIDE, SIDE, 1, &err));
    for (uint32_t c = 0; c < 5; c++)
        pool_draw(&pool, &bench, c, 31, pixel, out[c]);
    for (uint32_t c = 5; c-- > 0;) {
        pool_draw(&pool, &other, c, 31, pixel, again);
        ck_assert_mem_eq(again, out[c], sizeof again);
        for (uint32_t k = 0; k < c; k++)
            ck_assert_mem_ne(out[k], out[c], sizeof again);
        pool_draw(&pool, &other, c, 32, pixel, again);
        ck_assert(c == 0 || memcmp(again, out[c], sizeof again) != 0);
    }
    for (int i = 0; i < PIXELS; i++)
        ck_assert_float_eq(out[0][i], pixel[i] / 255.0f);
    augment_close(&bench);
    augment_close(&other);
}
END_TEST

// A student that hears nothing but a teacher that knows another rule than the labels' follows it.
START_TEST(copies_go_as_far_as_they_are_told) {
    enum { SIDE = 12, PIXELS = SIDE * SIDE };
    struct pool pool = pool_of(3, 0, 0, 7);
    struct augment_bench bench;
    uint8_t pixel[PIXELS];
    float out[PIXELS];
    pool_vary(&pool, 0, true);
    ck_assert(augment_open(&bench, SIDE, SIDE, 1, NULL));
    for (int i = 0; i < PIXELS; i++)
        pixel[i] = (uint8_t)(i * 7);
    for (uint32_t index = 0; index < 20; index++) { // nothing is left but left and right
        pool_draw(&pool, &bench, 1 + index % 3, index, pixel, out);
        bool same = fabsf(out[0] - (float)pixel[0] / 255) < 1e-5f;
        for (int i = 0; i < PIXELS; i++) {
            int from = same ? i : i - i % SIDE + SIDE - 1 - i % SIDE;
            ck_assert_float_eq_tol(out[i], (float)pixel[from] / 255, 1e-5f);
        }
    }
    augment_close(&bench);
}
END_TEST

START_TEST(a_student_follows_its_teacher) {
    enum { IMAGES = 400 };
    const char *folder = scratch_make();
    struct tnm_error err;
    struct distill d;
    struct net net;
    struct dataset data = {
        .name = "noise", .recipe = vector_recipe(), .inputs = INPUTS, .n_classes = OUTPUTS};
    struct data_set *set = &data.set[DATA_TRAIN];
    set->n = IMAGES;
    set->pixel = malloc(IMAGES * INPUTS);
    set->label = calloc(IMAGES, sizeof *set->label); // all 0
    struct randomness r;
    random_start(&r, 3);
    for (int i = 0; i < IMAGES * INPUTS; i++)
        set->pixel[i] = (uint8_t)random_between(&r, 0, 255);
    save_teacher(scratch_path(folder, "t.tnm"), 8, OUTPUTS);
    ck_assert(distill_open(&d, scratch_path(folder, "t.tnm"), INPUTS, OUTPUTS, NULL, 0, 2, &err));
    ck_assert(distill_remember(&d, IMAGES, 1, &err));
    d.weight = 1;
    struct tnm_recipe recipe = vector_recipe();
    ck_assert(net_build(&net, "4-8-3", &recipe, &err));
    net_initialise(&net, 4);
    struct train_options o = train_defaults();
    o.epochs = 20;
    o.batch = 20;
    o.rate = 0.02f;
    o.threads = 2;
    o.distill = &d;
    ck_assert_msg(train_run(&net, &data, &o, NULL, NULL, NULL, &err), "%s", err.text);
    for (int i = 0; i < IMAGES; i++) // as the teacher, not as the labels, would have it
        ck_assert_uint_eq(d.known[i], 1);
    uint32_t right = 0;
    for (int i = 0; i < IMAGES; i++) {
        float x[INPUTS];
        for (int k = 0; k < INPUTS; k++)
            x[k] = set->pixel[i * INPUTS + k] / 255.0f;
        set->label[i] = (uint16_t)loss_largest(x, OUTPUTS); // what the teacher answers
    }
    struct tnm_score score;
    ck_assert(score_net(&net, set, 1, &score, &err));
    right = score.correct;
    ck_assert_uint_ge(right, IMAGES * 95 / 100);
    distill_close(&d);
    net_free(&net);
    dataset_close(&data);
    scratch_remove(folder);
}
END_TEST

Suite *distill_suite(void) {
    Suite *s = suite_create("distill");
    TCase *t = tcase_create("distill");
    tcase_set_timeout(t, 300);
    tcase_add_loop_test(t, the_distilled_loss_has_the_gradient_that_differences_give, 0,
                        sizeof mixes / sizeof *mixes);
    tcase_add_test(t, teachers_say_the_mean_of_their_softened_probabilities);
    tcase_add_test(t, what_was_said_of_a_copy_is_remembered);
    tcase_add_test(t, what_is_remembered_outlives_a_run);
    tcase_add_test(t, a_teacher_that_does_not_fit_is_refused);
    tcase_add_test(t, a_copy_is_the_same_whenever_it_is_drawn);
    tcase_add_test(t, copies_go_as_far_as_they_are_told);
    tcase_add_test(t, a_student_follows_its_teacher);
    suite_add_tcase(s, t);
    return s;
}
