/* SPDX-License-Identifier: MIT */
// Models that are opened before they are asked for: the published ones, as files that are younger
// than two seconds are not taken.
#include "daemon/ahead.h"

#include "tests/made.h"
#include "tests/scratch.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct tnm_limits limits = {1 << 28, 1 << 28};
static const char folder[] = "models";
static char (*names)[MODEL_NAME_BYTES];
static size_t n_names;

static void setup(void) {
    int n = folder_names(folder, &names);
    ck_assert_int_gt(n, 8);
    n_names = (size_t)n;
}

static void teardown(void) {
    free(names);
}

// Takes file i, and compares it with what the file holds.
static void take(struct ahead *ahead, size_t i) {
    char path[PATH_MAX], digest[65];
    struct tnm_error err;
    folder_path(folder, names[i], path);
    struct build *build = ahead_take(ahead, path, &limits);
    ck_assert_msg(build != NULL, "%s", path);
    ck_assert(folder_digest(path, limits.file_bytes, digest, &err));
    ck_assert_str_eq(tnm_model_digest(build_model(build)), digest);
    build_release(build);
    ck_assert_ptr_null(ahead_take(ahead, path, &limits)); // once
}

START_TEST(each_file_is_opened_once) {
    struct ahead *ahead = ahead_start(folder, &limits);
    for (size_t i = 0; i < n_names; i++)
        take(ahead, i);
    ahead_stop(ahead);
}
END_TEST

START_TEST(files_that_nobody_asks_for_hold_nothing_up) {
    struct ahead *ahead = ahead_start(folder, &limits);
    take(ahead, n_names - 1);
    take(ahead, 1);
    ahead_stop(ahead);
    ahead_stop(ahead_start(folder, &limits));
}
END_TEST

START_TEST(what_takes_too_much_is_left_to_others) {
    char path[PATH_MAX];
    const struct tnm_limits little = {1 << 28, 1000};
    folder_path(folder, names[0], path);
    struct ahead *ahead = ahead_start(folder, &limits);
    ck_assert_ptr_null(ahead_take(ahead, path, &little));
    ahead_stop(ahead);
    ahead = ahead_start(folder, &little);
    ck_assert_ptr_null(ahead_take(ahead, path, &limits));
    ahead_stop(ahead);
}
END_TEST

// A file may be written again within the same tick of the clock, and nobody could tell.
START_TEST(a_file_that_has_just_changed_is_left_to_others) {
    const char *fresh = scratch_make();
    struct made made = made_model(1, false);
    scratch_write(scratch_path(fresh, "a.tnm"), made.bytes, made.len);
    scratch_write(scratch_path(fresh, "b.tnm"), made.bytes, made.len);
    struct ahead *ahead = ahead_start(fresh, &limits);
    ck_assert_ptr_nonnull(ahead);
    ck_assert_ptr_null(ahead_take(ahead, scratch_path(fresh, "a.tnm"), &limits));
    ck_assert_ptr_null(ahead_take(ahead, scratch_path(fresh, "c.tnm"), &limits));
    ahead_stop(ahead);
    made_free(&made);
    scratch_remove(fresh);
}
END_TEST

START_TEST(without_files_nothing_is_ahead) {
    const char *empty = scratch_make();
    ck_assert_ptr_null(ahead_start(empty, &limits));
    ck_assert_ptr_null(ahead_start(scratch_path(empty, "none"), &limits));
    ck_assert_ptr_null(ahead_take(NULL, "models/a.tnm", &limits));
    ahead_stop(NULL);
    scratch_remove(empty);
}
END_TEST

Suite *ahead_suite(void) {
    Suite *s = suite_create("ahead");
    TCase *t = tcase_create("ahead");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 240);
    tcase_add_test(t, each_file_is_opened_once);
    tcase_add_test(t, files_that_nobody_asks_for_hold_nothing_up);
    tcase_add_test(t, what_takes_too_much_is_left_to_others);
    tcase_add_test(t, a_file_that_has_just_changed_is_left_to_others);
    tcase_add_test(t, without_files_nothing_is_ahead);
    suite_add_tcase(s, t);
    return s;
}
