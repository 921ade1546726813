/* SPDX-License-Identifier: MIT */
// Photograph-like pictures of test digits, through the published network. `make bench` runs more.
#include <check.h>
#include <stdlib.h>

#include "core/prepare.h"
#include "daemon/picture.h"
#include "tests/photo.h"
#include "tests/pictures.h"

enum { PICTURES = 63, DIGITS = 10000 };

static struct tnm_model *model;
static struct tnm_session *session;
static uint8_t *digits, *labels;

static void open_model(void) {
    struct tnm_error err = {.text = ""};
    model = tnm_model_open("models/mnist-mlp-5bit.tnm", &err);
    ck_assert_msg(model != NULL, "%s", err.text);
    session = tnm_session_open(model, 1, &err);
    digits = photo_digits();
    labels = photo_labels();
    ck_assert(session != NULL && digits != NULL && labels != NULL);
}

static void close_model(void) {
    tnm_session_close(session);
    tnm_model_close(model);
    free(digits);
    free(labels);
}

static uint32_t classify(const uint8_t input[784]) {
    float x[784], logits[10];
    uint32_t best = 0;
    tnm_prepare_scale(input, 784, x);
    tnm_session_run(session, x, 1, logits);
    for (uint32_t i = 1; i < 10; i++)
        best = logits[i] > logits[best] ? i : best;
    return best;
}

static uint32_t classify_file(uint8_t *file, size_t len, struct tnm_prepared *did) {
    static const struct picture_wish limits = {1, 0, 50000000, (size_t)1 << 26};
    struct tnm_error err = {.text = ""};
    uint8_t input[784];
    bool ok = picture_to_input((struct bytes){file, len}, tnm_model_recipe(model), &limits, input,
                               NULL, did, &err);
    ck_assert_msg(ok, "%s", err.text);
    free(file);
    return classify(input);
}

// 98 % are expected; 90 leave room for the luck of the draw, and for no kind that fails.
START_TEST(photographs_of_digits_are_classified) {
    uint32_t correct = 0, polarity = 0;
    for (uint32_t i = 0; i < PICTURES; i++) {
        enum photo_kind kind = i % PHOTO_KINDS;
        bool drawn = kind == PHOTO_CANVAS || kind == PHOTO_PAINT;
        uint32_t digit = i * 7919 % DIGITS;
        struct photo photo;
        struct tnm_prepared did;
        size_t len;
        photo_make(&photo, kind, digits + 784 * digit, drawn ? 280 : 640, drawn ? 280 : 480, i);
        uint8_t *file = photo_file(&photo, kind, &len);
        correct += classify_file(file, len, &did) == labels[digit];
        polarity += did.found && did.inverted == (kind != PHOTO_CHALK && kind != PHOTO_CANVAS);
        photo_free(&photo);
    }
    ck_assert_uint_ge(correct * 10, PICTURES * 9);
    ck_assert_uint_ge(polarity, PICTURES - 1);
}
END_TEST

// 10,000 digits as they are, and as JPEG.
START_TEST(jpeg_of_quality_90_costs_less_than_0_3_points) {
    int32_t plain = 0, jpeg = 0;
    for (uint32_t i = 0; i < DIGITS; i++) {
        struct tnm_prepared did;
        size_t len;
        uint8_t *file = make_jpeg(digits + 784 * i, 28, 28, 1, 90, 1, 0, &len);
        plain += classify(digits + 784 * i) == labels[i];
        jpeg += classify_file(file, len, &did) == labels[i];
        ck_assert(did.as_is);
    }
    ck_assert_int_le(abs(plain - jpeg), DIGITS * 3 / 1000);
    ck_assert_int_ge(plain, DIGITS * 984 / 1000);
}
END_TEST

Suite *photo_suite(void);
Suite *photo_suite(void) {
    Suite *s = suite_create("photo");
    TCase *t = tcase_create("photo");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, open_model, close_model);
    tcase_add_test(t, photographs_of_digits_are_classified);
    tcase_add_test(t, jpeg_of_quality_90_costs_less_than_0_3_points);
    suite_add_tcase(s, t);
    return s;
}
