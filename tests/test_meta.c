/* SPDX-License-Identifier: MIT */
// Metadata: text, names, labels, steps, copies. And errors, which everything else reports through.
#include "core/error.h"
#include "core/meta.h"
#include "tests/files.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

// ---- Text --------------------------------------------------------------------------------------

// From the tables of well-formed byte sequences of Unicode, section 3.9, and their borders.
static const struct {
    const char *text;
    bool valid;
} text[] = {
    {"", true},
    {"plain ASCII ~", true},
    {"\xc2\xa0", true},          // U+00A0
    {"\xdf\xbf", true},          // U+07FF
    {"\xe0\xa0\x80", true},      // U+0800
    {"\xed\x9f\xbf", true},      // U+D7FF
    {"\xee\x80\x80", true},      // U+E000
    {"\xef\xbf\xbf", true},      // U+FFFF
    {"\xf0\x90\x80\x80", true},  // U+10000
    {"\xf4\x8f\xbf\xbf", true},  // U+10FFFF
    {"tab\t", false},            // control characters
    {"\x7f", false},             //
    {"\xc2\x80", false},         // U+0080
    {"\xc2\x9f", false},         // U+009F
    {"\x80", false},             // a continuation alone
    {"\xc0\xaf", false},         // overlong
    {"\xc1\xbf", false},         //
    {"\xe0\x9f\xbf", false},     //
    {"\xf0\x8f\xbf\xbf", false}, //
    {"\xed\xa0\x80", false},     // surrogates
    {"\xed\xbf\xbf", false},     //
    {"\xf4\x90\x80\x80", false}, // U+110000
    {"\xf5\x80\x80\x80", false}, //
    {"\xf8\x88\x80\x80\x80", false},
    {"\xff", false},
    {"a\xc3", false}, // cut
    {"a\xe2\x82", false},
    {"\xf0\x9f\x92", false},
    {"\xc3(", false},
};

START_TEST(text_is_utf8_without_control_characters) {
    ck_assert_int_eq(tnm_text_valid(text[_i].text, strlen(text[_i].text)), text[_i].valid);
}
END_TEST

START_TEST(a_zero_is_a_control_character) {
    ck_assert(!tnm_text_valid("a\0b", 3));
}
END_TEST

START_TEST(names_are_plain) {
    char longest[65];
    memset(longest, 'a', 64);
    longest[64] = 0;
    ck_assert(!tnm_name_valid(longest));
    longest[63] = 0;
    ck_assert(tnm_name_valid(longest));
    ck_assert(tnm_name_valid("mnist-mlp_5bit.v2") && tnm_name_valid("-") && tnm_name_valid("0"));
    ck_assert(!tnm_name_valid("") && !tnm_name_valid(".") && !tnm_name_valid(".hidden"));
    ck_assert(!tnm_name_valid("a/b") && !tnm_name_valid("a b") && !tnm_name_valid("\xc3\xa9"));
}
END_TEST

// ---- Labels and steps --------------------------------------------------------------------------

START_TEST(labels_are_copied_and_replaced) {
    char one[] = "one";
    const char *const first[2] = {one, "two"}, *const second[1] = {"drei"};
    struct tnm_meta meta = {0};
    ck_assert(tnm_meta_set_labels(&meta, first, 2, NULL));
    one[0] = 'x';
    ck_assert_str_eq(meta.label[0], "one");
    ck_assert(tnm_meta_set_labels(&meta, second, 1, NULL));
    ck_assert_uint_eq(meta.n_labels, 1);
    ck_assert_str_eq(meta.label[0], "drei");
    ck_assert(tnm_meta_set_labels(&meta, NULL, 0, NULL));
    ck_assert(meta.n_labels == 0 && meta.label == NULL);
    tnm_meta_free(&meta);
}
END_TEST

START_TEST(a_bad_label_changes_nothing) {
    char longest[TNM_MAX_LABEL + 2];
    memset(longest, 'a', sizeof longest - 1);
    longest[TNM_MAX_LABEL + 1] = 0;
    const char *const good[1] = {"good"}, *const bad[3] = {"", longest, "\xff"};
    struct tnm_meta meta = {0};
    struct tnm_error err = {0};
    ck_assert(tnm_meta_set_labels(&meta, good, 1, &err));
    for (int i = 0; i < 3; i++) {
        ck_assert(!tnm_meta_set_labels(&meta, bad + i, 1, &err));
        ck_assert_int_eq(err.code, TNM_EINPUT);
        ck_assert_str_eq(meta.label[0], "good");
    }
    ck_assert_str_eq(err.text, "label 0 is not UTF-8 text without control characters");
    tnm_meta_free(&meta);
}
END_TEST

START_TEST(steps_are_at_most_64) {
    struct tnm_meta meta = {0};
    struct tnm_error err;
    struct tnm_step step = {.verb = "train"};
    for (step.seed = 0; step.seed < 64; step.seed++)
        ck_assert(tnm_meta_add_step(&meta, &step, &err));
    ck_assert(!tnm_meta_add_step(&meta, &step, &err));
    ck_assert_int_eq(err.code, TNM_ELIMIT);
    ck_assert(meta.n_steps == 64 && meta.step[63].seed == 63);
    tnm_meta_free(&meta);
}
END_TEST

START_TEST(a_copy_shares_nothing) {
    struct sample sample;
    struct tnm_meta copy;
    sample_make(&sample, SAMPLE_TINY);
    ck_assert(tnm_meta_copy(&copy, &sample.meta, NULL));
    sample_free(&sample);
    ck_assert_str_eq(copy.name, "tiny");
    ck_assert_str_eq(copy.label[2], "drei");
    ck_assert_str_eq(copy.step[0].parameters, "--epochs 3");
    ck_assert_uint_eq(copy.self_test.x[3], 102);
    ck_assert_float_eq(copy.self_test.logits[0], 0.35f);
    ck_assert_uint_eq(copy.test.images, 200);
    tnm_meta_free(&copy);
    ck_assert(copy.label == NULL && copy.n_steps == 0);
}
END_TEST

START_TEST(a_copy_of_nothing_is_nothing) {
    struct tnm_meta meta = {0}, copy;
    ck_assert(tnm_meta_copy(&copy, &meta, NULL));
    ck_assert(copy.label == NULL && copy.step == NULL && copy.self_test.x == NULL);
    tnm_meta_free(&copy);
}
END_TEST

// ---- Errors ------------------------------------------------------------------------------------

START_TEST(errors_say_what_and_where) {
    struct tnm_error err = {0};
    ck_assert(!tnm_fail(&err, TNM_EFORMAT, "version %d", 9));
    ck_assert(!tnm_fail_in(&err, "layer %d", 2));
    ck_assert(!tnm_fail_in(&err, "m.tnm"));
    ck_assert_str_eq(err.text, "m.tnm: layer 2: version 9");
    ck_assert_int_eq(err.code, TNM_EFORMAT);
    ck_assert(!tnm_fail_errno(&err, EACCES, "%s", "x"));
    ck_assert_str_eq(err.text, "x: Permission denied");
    ck_assert_int_eq(err.code, TNM_EIO);
    ck_assert(!tnm_fail_errno(&err, ENOMEM, "%s", "x"));
    ck_assert_int_eq(err.code, TNM_ENOMEM);
    ck_assert(!tnm_fail(NULL, TNM_EIO, "x") && !tnm_fail_in(NULL, "x"));
    ck_assert(!tnm_fail_errno(NULL, EIO, "x"));
}
END_TEST

// A place that is too long gives way; what is wrong stays.
START_TEST(errors_stay_within_their_text) {
    struct tnm_error err = {0};
    char place[400];
    memset(place, 'p', sizeof place);
    place[399] = 0;
    for (size_t len = 0; len < sizeof place; len++) {
        tnm_fail(&err, TNM_EIO, "not a regular file");
        tnm_fail_in(&err, "%s", place + sizeof place - 1 - len);
        ck_assert_uint_lt(strlen(err.text), sizeof err.text);
        ck_assert_str_eq(err.text + strlen(err.text) - 18, "not a regular file");
        ck_assert_int_eq(strstr(err.text, "...: ") != NULL, len > 251 - 20);
    }
    tnm_fail(&err, TNM_EIO, "%s", place);
    ck_assert_uint_eq(strlen(err.text), sizeof err.text - 1);
    tnm_fail_in(&err, "%s", place);
    ck_assert_uint_lt(strlen(err.text), sizeof err.text);
    ck_assert_int_eq(strncmp(err.text, "...: ppp", 8), 0);
    tnm_fail_errno(&err, EIO, "%s", place);
    ck_assert_uint_lt(strlen(err.text), sizeof err.text);
}
END_TEST

Suite *meta_suite(void) {
    Suite *suite = suite_create("meta");
    TCase *tcase = tcase_create("meta");
    tcase_add_loop_test(tcase, text_is_utf8_without_control_characters, 0,
                        sizeof text / sizeof *text);
    tcase_add_test(tcase, a_zero_is_a_control_character);
    tcase_add_test(tcase, names_are_plain);
    tcase_add_test(tcase, labels_are_copied_and_replaced);
    tcase_add_test(tcase, a_bad_label_changes_nothing);
    tcase_add_test(tcase, steps_are_at_most_64);
    tcase_add_test(tcase, a_copy_shares_nothing);
    tcase_add_test(tcase, a_copy_of_nothing_is_nothing);
    tcase_add_test(tcase, errors_say_what_and_where);
    tcase_add_test(tcase, errors_stay_within_their_text);
    suite_add_tcase(suite, tcase);
    return suite;
}
