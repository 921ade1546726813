/* SPDX-License-Identifier: MIT */
// Models that answer together: the mean of their probabilities, added up here in double precision
// beside, and who cannot be a member.
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "models/ensemble.h"
#include "tests/files.h"
#include "tests/made.h"

enum { MEMBERS = 3, IMAGES = 150 };

static struct tnm_model *member[MEMBERS];
static struct data_set set;

static void make_members(void) {
    for (unsigned i = 0; i < MEMBERS; i++) {
        struct made made = made_model(i + 1, false);
        member[i] = tnm_model_from_bytes(made.bytes, made.len, NULL, NULL);
        ck_assert_ptr_nonnull(member[i]);
        made_free(&made);
    }
    set.n = IMAGES;
    set.pixel = malloc((size_t)IMAGES * MADE_INPUTS);
    set.label = malloc(IMAGES * sizeof *set.label);
    ck_assert(set.pixel != NULL && set.label != NULL);
    for (unsigned i = 0; i < IMAGES; i++) {
        made_input(i, set.pixel + (size_t)i * MADE_INPUTS);
        set.label[i] = (uint16_t)(i * 7 % MADE_OUTPUTS);
    }
}

static void free_members(void) {
    for (unsigned i = 0; i < MEMBERS; i++)
        tnm_model_close(member[i]);
    free(set.pixel);
    free(set.label);
}

// The class with the highest mean probability of n members.
static uint32_t mean_answer(unsigned image, unsigned n) {
    double mean[MADE_OUTPUTS] = {0};
    uint32_t best = 0;
    for (unsigned k = 0; k < n; k++) {
        float logits[MADE_OUTPUTS];
        double sum = 0;
        made_answer(member[k], image, logits);
        for (int c = 0; c < MADE_OUTPUTS; c++)
            sum += exp((double)logits[c]);
        for (int c = 0; c < MADE_OUTPUTS; c++)
            mean[c] += exp((double)logits[c]) / sum / n;
    }
    for (uint32_t c = 1; c < MADE_OUTPUTS; c++)
        best = mean[c] > mean[best] ? c : best;
    return best;
}

START_TEST(the_answer_is_the_highest_mean_probability) {
    static const uint32_t threads[] = {1, 3};
    struct ensemble e = {0};
    struct measure m, all;
    uint32_t correct = 0, bytes = 0, unlike_any = 0;
    for (unsigned k = 0; k < MEMBERS; k++) {
        struct tnm_summary summary;
        ck_assert(ensemble_add(&e, member[k], &set, MADE_INPUTS, threads[_i], &m, NULL));
        tnm_model_summary(member[k], &summary);
        bytes += (uint32_t)summary.bytes;
        for (unsigned i = 0; i < IMAGES; i++)
            unlike_any += m.answer[i] != mean_answer(i, MEMBERS);
        measure_free(&m);
    }
    ck_assert(ensemble_measure(&e, &all, NULL));
    for (unsigned i = 0; i < IMAGES; i++) {
        ck_assert_uint_eq(all.answer[i], mean_answer(i, MEMBERS));
        correct += mean_answer(i, MEMBERS) == set.label[i];
    }
    ck_assert_uint_eq(all.correct, correct);
    ck_assert_uint_eq(all.images, IMAGES);
    ck_assert_uint_eq(e.n, MEMBERS);
    ck_assert_uint_eq(e.bytes, bytes);
    ck_assert_uint_gt(unlike_any, 0); // or the mean would decide nothing
    measure_free(&all);
    ensemble_free(&e);
}
END_TEST

START_TEST(one_member_answers_as_it_does_alone) {
    struct ensemble e = {0};
    struct measure m, all;
    ck_assert(ensemble_add(&e, member[1], &set, MADE_INPUTS, 2, &m, NULL));
    ck_assert(ensemble_measure(&e, &all, NULL));
    ck_assert_mem_eq(all.answer, m.answer, IMAGES * sizeof *m.answer);
    ck_assert_mem_eq(all.confusion, m.confusion, MADE_OUTPUTS * MADE_OUTPUTS * sizeof *m.confusion);
    ck_assert_double_eq(measure_compare(&m, &all).p, 1);
    measure_free(&m);
    measure_free(&all);
    ensemble_free(&e);
}
END_TEST

START_TEST(another_set_of_images_is_refused) {
    struct ensemble e = {0};
    struct measure m;
    struct tnm_error err;
    uint16_t label[IMAGES];
    memcpy(label, set.label, sizeof label);
    label[IMAGES - 1] = (uint16_t)(9 - label[IMAGES - 1]);
    struct data_set fewer = set, other = set;
    fewer.n--;
    other.label = label;
    ck_assert(ensemble_add(&e, member[0], &set, MADE_INPUTS, 1, &m, NULL));
    measure_free(&m);
    ck_assert(!ensemble_add(&e, member[1], _i == 0 ? &fewer : &other, MADE_INPUTS, 1, &m, &err));
    ck_assert_int_eq(err.code, TNM_EINPUT);
    ck_assert_uint_eq(e.n, 1);
    measure_free(&m);
    ensemble_free(&e);
}
END_TEST

// ---- Who agrees --------------------------------------------------------------------------------

static struct tnm_model *open_sample(struct sample *sample) {
    size_t len;
    uint8_t *bytes = sample_encode(sample, &len);
    struct tnm_model *model = tnm_model_from_bytes(bytes, len, NULL, NULL);
    ck_assert_ptr_nonnull(model);
    free(bytes);
    sample_free(sample);
    return model;
}

enum change { NOTHING, BOX, FIT, NO_LABELS, ONE_LABEL, DEVIATION, CHANGES };

// The words of the refusal; NULL: it agrees.
static const char *const refusal[CHANGES] = {
    [BOX] = "takes 28x28x1 (ink, 18), digits takes 28x28x1 (ink, 20): no ensemble",
    [FIT] = "takes 28x28x1 (fit, 0), digits takes 28x28x1 (ink, 20): no ensemble",
    [ONE_LABEL] = "class 7 is \"seven\", that of digits is \"7\": no ensemble",
};

static void change(struct sample *sample, enum change what) {
    static const char *const label[] = {"0", "1", "2", "3", "4", "5", "6", "seven", "8", "9"};
    if (what == BOX)
        sample->meta.recipe.box = 18;
    if (what == FIT)
        sample->meta.recipe.fit = TNM_FIT_CONTAIN, sample->meta.recipe.box = 0;
    if (what == DEVIATION)
        sample->meta.recipe.deviation[0] = 0.5f;
    if (what == NO_LABELS)
        ck_assert(tnm_meta_set_labels(&sample->meta, NULL, 0, NULL)); // then they count
    if (what == ONE_LABEL)
        ck_assert(tnm_meta_set_labels(&sample->meta, label, 10, NULL));
}

START_TEST(members_take_the_same_pictures_and_have_the_same_labels) {
    struct sample sample;
    struct tnm_error err;
    struct tnm_model *first = sample_open(SAMPLE_DIGITS);
    sample_make(&sample, SAMPLE_DIGITS);
    change(&sample, (enum change)_i);
    struct tnm_model *other = open_sample(&sample);
    bool ok = ensemble_agree(first, other, &err);
    ck_assert(ok == (refusal[_i] == NULL));
    if (!ok)
        ck_assert_str_eq(err.text, refusal[_i]);
    tnm_model_close(first);
    tnm_model_close(other);
}
END_TEST

START_TEST(another_number_of_classes_is_refused) {
    struct tnm_error err;
    struct tnm_model *six = sample_open(SAMPLE_DENSE), *shared = sample_open(SAMPLE_SHARED);
    ck_assert(!ensemble_agree(six, shared, &err));
    ck_assert_str_eq(err.text, "takes 16 values, dense takes 6: no ensemble");
    tnm_model_close(six);
    tnm_model_close(shared);
}
END_TEST

Suite *ensemble_suite(void);
Suite *ensemble_suite(void) {
    Suite *suite = suite_create("ensemble");
    TCase *t = tcase_create("ensemble");
    tcase_add_unchecked_fixture(t, make_members, free_members);
    tcase_add_loop_test(t, the_answer_is_the_highest_mean_probability, 0, 2);
    tcase_add_test(t, one_member_answers_as_it_does_alone);
    tcase_add_loop_test(t, another_set_of_images_is_refused, 0, 2);
    tcase_add_loop_test(t, members_take_the_same_pictures_and_have_the_same_labels, 0, CHANGES);
    tcase_add_test(t, another_number_of_classes_is_refused);
    suite_add_tcase(suite, t);
    return suite;
}
