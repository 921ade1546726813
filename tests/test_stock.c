/* SPDX-License-Identifier: MIT */
// The shelf with two folders, with little room, and with models that are taken out of it.
#include "daemon/shelf.h"

#include "tests/made.h"
#include "tests/scratch.h"

#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MADE = 4 };

static const char *folder;
static char models[4096], uploads[4096], state[4096];
static struct made made[MADE];
static size_t memory; // of each, open
static struct shelf *shelf;
static struct tnm_error err;
static struct shelf_settings settings;

static void setup(void) {
    signal(SIGIO, SIG_IGN);
    folder = scratch_make();
    snprintf(models, sizeof models, "%s/models", folder);
    snprintf(uploads, sizeof uploads, "%s/uploads", folder);
    snprintf(state, sizeof state, "%s/state", folder);
    ck_assert_int_eq(mkdir(models, 0755) | mkdir(uploads, 0755) | mkdir(state, 0755), 0);
    const struct tnm_limits limits = {1 << 24, 1 << 24};
    for (unsigned i = 0; i < MADE; i++) {
        struct tnm_summary s;
        made[i] = made_model(i, false);
        struct tnm_model *model = tnm_model_from_bytes(made[i].bytes, made[i].len, &limits, NULL);
        tnm_model_summary(model, &s);
        memory = s.memory_bytes > memory ? s.memory_bytes : memory;
        tnm_model_close(model);
    }
    settings = (struct shelf_settings){
        .folder = models, .uploads = uploads, .state = state, .limits = limits, .max_models = 8};
}

static void teardown(void) {
    shelf_close(shelf);
    for (unsigned i = 0; i < MADE; i++)
        made_free(&made[i]);
    scratch_remove(folder);
}

static void put(const char *where, const char *name, const struct made *model) {
    char file[128];
    snprintf(file, sizeof file, "%s.tnm", name);
    scratch_replace(scratch_path(where, file), model->bytes, model->len);
}

static void put_corrupt(const char *where, const char *name) {
    const struct made half = {made[0].bytes, made[0].len / 2};
    put(where, name, &half);
}

static void open_shelf(void) {
    shelf_close(shelf);
    shelf = shelf_open(&settings, &err);
    ck_assert_msg(shelf != NULL, "%s", err.text);
}

static void rescan(void) {
    unsigned published, refused;
    shelf_rescan(shelf, &published, &refused);
}

static struct shelf_entry entry(const char *name) {
    struct shelf_entry e = {0};
    ck_assert_msg(shelf_find(shelf, name, &e), "no entry %s", name);
    return e;
}

// Which of the made models serves under name; -1: none.
static int serves(const char *name) {
    struct served *served = shelf_hold(shelf, name);
    const struct tnm_limits limits = {1 << 24, 1 << 24};
    int found = -1;
    for (int i = 0; served != NULL && i < MADE; i++) {
        struct tnm_model *model = tnm_model_from_bytes(made[i].bytes, made[i].len, &limits, NULL);
        if (strcmp(tnm_model_digest(model), served->digest) == 0)
            found = i;
        tnm_model_close(model);
    }
    shelf_release(served);
    return found;
}

static enum shelf_result activate(const char *name) {
    struct shelf_activation out;
    return shelf_activate(shelf, name, 0, &out, &err);
}

// ---- Two folders -------------------------------------------------------------------------------

START_TEST(an_upload_goes_before_what_was_shipped) {
    put(models, "a", &made[0]);
    put(uploads, "a", &made[1]);
    put(models, "b", &made[2]);
    open_shelf();
    ck_assert_int_eq(serves("a"), 1);
    ck_assert(entry("a").uploaded && !entry("b").uploaded);
    ck_assert_int_eq(unlink(scratch_path(uploads, "a.tnm")), 0);
    rescan();
    ck_assert_int_eq(serves("a"), 0);
    ck_assert(!entry("a").uploaded);
}
END_TEST

START_TEST(at_the_start_a_bad_upload_takes_nothing_out_of_service) {
    put(models, "a", &made[0]);
    put_corrupt(uploads, "a");
    put_corrupt(uploads, "b");
    open_shelf();
    ck_assert_int_eq(serves("a"), 0);
    ck_assert_int_eq(serves(NULL), 0);
    ck_assert(entry("a").ready && *entry("a").reason != '\0' && !entry("a").uploaded);
    ck_assert_int_eq(entry("b").state, SHELF_FAILED);
    put(uploads, "a", &made[1]);
    rescan();
    ck_assert_int_eq(serves("a"), 1);
    ck_assert_str_eq(entry("a").reason, "");
    put_corrupt(uploads, "a"); // later the one before serves on
    rescan();
    ck_assert_int_eq(serves("a"), 1);
}
END_TEST

START_TEST(an_upload_is_not_active_because_its_name_comes_first) {
    put(models, "b", &made[0]);
    put(uploads, "a", &made[1]);
    open_shelf();
    ck_assert_int_eq(serves(NULL), 0);
    ck_assert_int_eq(activate("a"), SHELF_DONE); // but because it was asked for
    open_shelf();
    ck_assert_int_eq(serves(NULL), 1);
}
END_TEST

START_TEST(what_a_process_left_is_removed_but_not_what_another_is_at) {
    const char *left = scratch_path(uploads, ".upload-1-0"),
               *held = scratch_path(uploads, ".upload-2-0");
    const char *other = scratch_path(uploads, ".other");
    scratch_write(left, "left", 4);
    scratch_write(held, "held", 4);
    scratch_write(other, "other", 5);
    int fd = open(held, O_RDONLY | O_CLOEXEC);
    ck_assert_int_eq(flock(fd, LOCK_EX), 0);
    open_shelf();
    ck_assert_int_eq(access(left, F_OK), -1);
    ck_assert_int_eq(access(held, F_OK), 0);
    ck_assert_int_eq(access(other, F_OK), 0);
    close(fd);
}
END_TEST

// ---- Room --------------------------------------------------------------------------------------

START_TEST(equal_bytes_are_built_once) {
    put(models, "a", &made[0]);
    put(models, "b", &made[0]);
    settings.max_memory = 2 * memory + memory / 2; // too little for two, and running them
    open_shelf();
    struct served *a = shelf_hold(shelf, "a"), *b = shelf_hold(shelf, "b");
    ck_assert_ptr_nonnull(a);
    ck_assert_ptr_nonnull(b);
    ck_assert_ptr_eq(a->model, b->model);
    ck_assert_str_eq(a->name, "a");
    ck_assert_str_eq(b->name, "b");
    shelf_release(a);
    shelf_release(b);
    struct shelf_totals totals;
    shelf_sum(shelf, &totals);
    ck_assert_uint_le(totals.memory_bytes, settings.max_memory);
}
END_TEST

START_TEST(memory_that_is_given_back_goes_to_who_waits) {
    settings.max_memory = 3 * memory + memory / 2; // running one takes more than holding it
    put(models, "a", &made[0]);
    put(models, "b", &made[1]);
    put(models, "c", &made[2]);
    open_shelf();
    ck_assert_int_eq(serves("c"), -1);
    ck_assert_int_eq(entry("c").state, SHELF_FAILED);
    ck_assert_ptr_nonnull(strstr(entry("c").reason, "max-memory = "));
    ck_assert_ptr_null(strchr(entry("c").reason, '/')); // clients need not know the folder
    if (_i == 0)
        ck_assert_int_eq(unlink(scratch_path(models, "b.tnm")), 0);
    else
        ck_assert_int_eq(shelf_unload(shelf, "b", &err), SHELF_DONE);
    if (_i == 0)
        rescan();
    ck_assert_int_eq(serves("c"), 2);
    ck_assert_str_eq(entry("c").reason, "");
}
END_TEST

// Large ones, whose weights take more than running them.
static void put_published(const char *name, const char *file) {
    static uint8_t bytes[1 << 21];
    FILE *from = fopen(scratch_path("models", file), "re");
    ck_assert_ptr_nonnull(from);
    const struct made published = {bytes, fread(bytes, 1, sizeof bytes, from)};
    fclose(from);
    put(models, name, &published);
}

START_TEST(what_a_rollback_would_need_gives_way) {
    struct shelf_activation out;
    struct shelf_totals totals;
    settings.max_memory = 3500000;
    put_published("a", "mnist-mlp-dense.tnm");
    open_shelf();
    put_published("a", "fashion-mlp-dense.tnm");
    rescan();
    shelf_sum(shelf, &totals);
    ck_assert_str_eq(totals.before, "a");
    ck_assert_uint_gt(totals.memory_bytes, 2000000);
    put_published("b", "mnist-lenet5-dense.tnm");
    rescan();
    ck_assert_msg(entry("b").ready, "%s", entry("b").reason);
    shelf_sum(shelf, &totals);
    ck_assert_str_eq(totals.before, "");
    ck_assert_uint_le(totals.memory_bytes, settings.max_memory);
    ck_assert_int_eq(shelf_rollback(shelf, 0, &out, &err), SHELF_NOTHING_BEFORE);
}
END_TEST

// ---- In and out --------------------------------------------------------------------------------

START_TEST(an_unloaded_model_stays_out_until_it_is_loaded) {
    put(models, "a", &made[0]);
    put(models, "b", &made[1]);
    open_shelf();
    ck_assert_int_eq(shelf_unload(shelf, "b", &err), SHELF_DONE);
    ck_assert_int_eq(shelf_unload(shelf, "b", &err), SHELF_DONE); // it is
    ck_assert_int_eq(entry("b").state, SHELF_UNLOADED);
    ck_assert_str_eq(shelf_state_name(entry("b").state), "unloaded");
    ck_assert_int_eq(serves("b"), -1);
    put(models, "b", &made[2]);
    rescan();
    ck_assert_int_eq(serves("b"), -1);
    ck_assert_int_eq(activate("b"), SHELF_NOT_LOADED);
    bool is_new;
    ck_assert_int_eq(shelf_set_alias(shelf, "x", "b", &is_new, &err), SHELF_NOT_LOADED);
    ck_assert_int_eq(shelf_load(shelf, "b", &err), SHELF_DONE);
    ck_assert_int_eq(serves("b"), 2);
    ck_assert_int_eq(shelf_load(shelf, "b", &err), SHELF_DONE); // it is
    ck_assert_int_eq(shelf_unload(shelf, "b", &err), SHELF_DONE);
    open_shelf(); // this is not remembered
    ck_assert_int_eq(serves("b"), 2);
}
END_TEST

START_TEST(what_cannot_be_unloaded_or_loaded_is_said) {
    bool is_new;
    put(models, "a", &made[0]);
    put(models, "b", &made[1]);
    put_corrupt(models, "c");
    open_shelf();
    ck_assert_int_eq(shelf_unload(shelf, "a", &err), SHELF_IN_USE);
    ck_assert_int_eq(shelf_unload(shelf, "none", &err), SHELF_UNKNOWN);
    ck_assert_int_eq(shelf_load(shelf, "none", &err), SHELF_UNKNOWN);
    ck_assert_int_eq(shelf_load(shelf, "../models/a", &err), SHELF_UNKNOWN);
    ck_assert_int_eq(shelf_load(shelf, "c", &err), SHELF_REFUSED);
    ck_assert_int_eq(err.code, TNM_EFORMAT);
    ck_assert_int_eq(shelf_set_alias(shelf, "x", "b", &is_new, &err), SHELF_DONE);
    ck_assert_int_eq(shelf_unload(shelf, "b", &err), SHELF_IN_USE);
    ck_assert_int_eq(shelf_unload(shelf, "x", &err), SHELF_IN_USE);
    put(models, "new", &made[2]); // a file that nobody has looked at yet
    ck_assert_int_eq(shelf_load(shelf, "new", &err), SHELF_DONE);
    ck_assert_int_eq(serves("new"), 2);
}
END_TEST

START_TEST(an_unloaded_model_whose_file_goes_goes_too) {
    struct shelf_entry e;
    put(models, "a", &made[0]);
    put(models, "b", &made[1]);
    open_shelf();
    ck_assert_int_eq(shelf_unload(shelf, "b", &err), SHELF_DONE);
    ck_assert_int_eq(unlink(scratch_path(models, "b.tnm")), 0);
    rescan();
    ck_assert(!shelf_find(shelf, "b", &e));
}
END_TEST

Suite *stock_suite(void) {
    Suite *s = suite_create("stock");
    TCase *t = tcase_create("stock");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 240);
    tcase_add_test(t, an_upload_goes_before_what_was_shipped);
    tcase_add_test(t, at_the_start_a_bad_upload_takes_nothing_out_of_service);
    tcase_add_test(t, an_upload_is_not_active_because_its_name_comes_first);
    tcase_add_test(t, what_a_process_left_is_removed_but_not_what_another_is_at);
    tcase_add_test(t, equal_bytes_are_built_once);
    tcase_add_loop_test(t, memory_that_is_given_back_goes_to_who_waits, 0, 2);
    tcase_add_test(t, what_a_rollback_would_need_gives_way);
    tcase_add_test(t, an_unloaded_model_stays_out_until_it_is_loaded);
    tcase_add_test(t, what_cannot_be_unloaded_or_loaded_is_said);
    tcase_add_test(t, an_unloaded_model_whose_file_goes_goes_too);
    suite_add_tcase(s, t);
    return s;
}
