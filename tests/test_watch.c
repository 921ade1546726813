/* SPDX-License-Identifier: MIT */
// What the watching thread reports of a folder, and what it does not.
#include "daemon/watch.h"

#include "tests/scratch.h"

#include <check.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_REPORTS = 64 };

// What was reported, and how often: a file's name, "name!" for attributes only, "*" for all, "*?"
// when asked.
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    char reports[MAX_REPORTS][32];
    unsigned times[MAX_REPORTS], n;
    bool hold, holding; // whether the next report waits, and whether one does
} seen;

static const char *folder;
static struct watch *watch;

// Where a report stands, or would. Called with the lock held.
static unsigned place(const char *text) {
    unsigned i = 0;
    while (i < seen.n && strcmp(seen.reports[i], text) != 0)
        i++;
    return i;
}

static void report(const char *name, const char *mark) {
    char text[32];
    snprintf(text, sizeof text, "%.24s%s", name, mark);
    pthread_mutex_lock(&seen.lock);
    unsigned i = place(text);
    ck_assert_uint_lt(i, MAX_REPORTS);
    if (i == seen.n) {
        memcpy(seen.reports[seen.n], text, sizeof text);
        seen.times[seen.n++] = 0;
    }
    seen.times[i]++;
    seen.holding = true;
    pthread_cond_broadcast(&seen.changed);
    while (seen.hold)
        pthread_cond_wait(&seen.changed, &seen.lock);
    seen.holding = false;
    pthread_mutex_unlock(&seen.lock);
}

static void on_file(void *arg, const char *name, bool only_attributes) {
    (void)arg;
    report(name, only_attributes ? "!" : "");
}

static void on_all(void *arg, bool asked) {
    (void)arg;
    report("*", asked ? "?" : "");
}

// How often a report came since the last forget().
static unsigned count(const char *text) {
    pthread_mutex_lock(&seen.lock);
    unsigned i = place(text);
    unsigned times = i < seen.n ? seen.times[i] : 0;
    pthread_mutex_unlock(&seen.lock);
    return times;
}

static bool has(void *text) {
    return count(text) > 0;
}

static void forget(void) {
    pthread_mutex_lock(&seen.lock);
    seen.n = 0;
    pthread_mutex_unlock(&seen.lock);
}

static void hold_reports(bool hold) {
    pthread_mutex_lock(&seen.lock);
    seen.hold = hold;
    pthread_cond_broadcast(&seen.changed);
    pthread_mutex_unlock(&seen.lock);
}

// Everything that happened before is reported when this returns.
static void settle(void) {
    scratch_write(scratch_path(folder, "mark"), "", 0);
    ck_assert(eventually(has, "mark"));
}

static const char *in_folder(const char *name) {
    return scratch_path(folder, name);
}

static void setup(void) {
    struct tnm_error err;
    const struct watch_calls calls = {on_file, on_all, NULL};
    folder = scratch_make();
    pthread_mutex_init(&seen.lock, NULL);
    pthread_cond_init(&seen.changed, NULL);
    watch = watch_start(folder, &calls, &err);
    ck_assert_msg(watch != NULL, "%s", err.text);
    ck_assert(eventually(has, "*")); // the look at the start; from here on events count
    forget();
}

static void teardown(void) {
    hold_reports(false);
    watch_stop(watch);
    scratch_remove(folder);
}

START_TEST(a_file_is_reported_when_it_is_closed_and_not_before) {
    int fd = open(in_folder("slow"), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    ck_assert_int_eq(write(fd, "half", 4), 4);
    settle();
    ck_assert_uint_eq(count("slow"), 0);
    ck_assert_int_eq(write(fd, "half", 4), 4);
    close(fd);
    ck_assert(eventually(has, "slow"));
}
END_TEST

START_TEST(renames_report_both_names) {
    scratch_write(in_folder("a"), "1", 1);
    settle();
    forget();
    ck_assert_int_eq(rename(in_folder("a"), in_folder("b")), 0);
    ck_assert(eventually(has, "b"));
    ck_assert_uint_eq(count("a"), 1);
}
END_TEST

START_TEST(removal_is_reported) {
    scratch_write(in_folder("a"), "1", 1);
    settle();
    forget();
    ck_assert_int_eq(unlink(in_folder("a")), 0);
    ck_assert(eventually(has, "a"));
}
END_TEST

START_TEST(links_are_whole_when_they_appear) {
    scratch_write(in_folder("a"), "1", 1);
    ck_assert_int_eq(symlink("a", in_folder("soft")), 0);
    ck_assert(eventually(has, "soft"));
    ck_assert_int_eq(link(in_folder("a"), in_folder("hard")), 0);
    ck_assert(eventually(has, "hard"));
}
END_TEST

START_TEST(permissions_are_reported_as_such) {
    scratch_write(in_folder("a"), "1", 1);
    settle();
    forget();
    ck_assert_int_eq(chmod(in_folder("a"), 0600), 0);
    ck_assert(eventually(has, "a!"));
    ck_assert_uint_eq(count("a"), 0);
}
END_TEST

START_TEST(asking_looks_at_all) {
    watch_ask(watch);
    ck_assert(eventually(has, "*?"));
}
END_TEST

START_TEST(a_folder_may_go_and_come_back) {
    char moved[4096];
    snprintf(moved, sizeof moved, "%s.moved", folder);
    if (_i == 0)
        ck_assert_int_eq(rmdir(folder), 0);
    else
        ck_assert_int_eq(rename(folder, moved), 0);
    ck_assert(eventually(has, "*"));
    forget();
    watch_ask(watch); // it answers without a folder, too
    ck_assert(eventually(has, "*?"));
    forget();
    ck_assert_int_eq(mkdir(folder, 0755), 0);
    ck_assert(eventually(has, "*"));
    settle();
    if (_i == 1) { // what happens in the old one is no concern of ours
        forget();
        scratch_write(scratch_path(moved, "a"), "1", 1);
        settle();
        ck_assert_uint_eq(count("a"), 0);
        scratch_remove(moved);
    }
}
END_TEST

static unsigned queue_limit(void) {
    unsigned limit = 0;
    FILE *file = fopen("/proc/sys/fs/inotify/max_queued_events", "r");
    if (file != NULL && fscanf(file, "%u", &limit) != 1)
        limit = 0;
    if (file != NULL)
        fclose(file);
    return limit;
}

static bool is_holding(void *arg) {
    (void)arg;
    pthread_mutex_lock(&seen.lock);
    bool holding = seen.holding;
    pthread_mutex_unlock(&seen.lock);
    return holding;
}

START_TEST(lost_events_make_it_look_at_all) {
    unsigned limit = queue_limit();
    if (limit == 0 || limit > 200000)
        return; // too many to bring about
    hold_reports(true);
    scratch_write(in_folder("first"), "", 0);
    ck_assert(eventually(is_holding, NULL));
    // Two names, as equal events in a row are one.
    for (unsigned i = 0; i < limit / 2 + 100; i++)
        ck_assert_int_eq(
            rename(in_folder(i % 2 ? "other" : "first"), in_folder(i % 2 ? "first" : "other")), 0);
    ck_assert_uint_eq(count("*"), 0);
    hold_reports(false);
    ck_assert(eventually(has, "*"));
}
END_TEST

Suite *watch_suite(void) {
    Suite *s = suite_create("watch");
    TCase *t = tcase_create("watch");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 120);
    tcase_add_test(t, a_file_is_reported_when_it_is_closed_and_not_before);
    tcase_add_test(t, renames_report_both_names);
    tcase_add_test(t, removal_is_reported);
    tcase_add_test(t, links_are_whole_when_they_appear);
    tcase_add_test(t, permissions_are_reported_as_such);
    tcase_add_test(t, asking_looks_at_all);
    tcase_add_loop_test(t, a_folder_may_go_and_come_back, 0, 2);
    tcase_add_test(t, lost_events_make_it_look_at_all);
    suite_add_tcase(s, t);
    return s;
}
