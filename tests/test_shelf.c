/* SPDX-License-Identifier: MIT */
// The shelf: files come, change and go, and what is in service follows.
#include "daemon/shelf.h"

#include "tests/made.h"
#include "tests/scratch.h"

#include <check.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MADE = 4, THREADS = 8 };

static const char *folder;
static char models[4096], state[4096];
static struct made made[MADE];
static struct shelf *shelf;
static struct tnm_error err;
static struct shelf_settings settings;

static void setup(void) {
    signal(SIGIO, SIG_IGN); // as main does
    folder = scratch_make();
    snprintf(models, sizeof models, "%s/models", folder);
    snprintf(state, sizeof state, "%s/state", folder);
    ck_assert_int_eq(mkdir(models, 0755) | mkdir(state, 0755), 0);
    for (unsigned i = 0; i < MADE; i++)
        made[i] = made_model(i, false);
    settings = (struct shelf_settings){
        .folder = models, .state = state, .limits = {1 << 24, 1 << 24}, .max_models = 8};
}

static void teardown(void) {
    shelf_close(shelf);
    for (unsigned i = 0; i < MADE; i++)
        made_free(&made[i]);
    scratch_remove(folder);
}

// ---- Words for the tests -----------------------------------------------------------------------

static const char *file_of(const char *name) {
    char file[128];
    snprintf(file, sizeof file, "%s.tnm", name);
    return scratch_path(models, file);
}

static void put(const char *name, const struct made *model) {
    scratch_replace(file_of(name), model->bytes, model->len);
}

// Half a model is a file that cannot serve.
static void put_corrupt(const char *name) {
    scratch_replace(file_of(name), made[0].bytes, made[0].len / 2);
}

static void open_shelf(void) {
    shelf = shelf_open(&settings, &err);
    ck_assert_msg(shelf != NULL, "%s", err.text);
}

static void on_rescanned(void *arg, unsigned published, unsigned refused) {
    atomic_store((atomic_uint *)arg, 100 + 10 * published + refused);
}

static bool is_told(void *arg) {
    return atomic_load((atomic_uint *)arg) != 0;
}

// Returns once the thread has had its look at the start, so that from here on events count.
static void open_and_watch(void) {
    atomic_uint told = 0;
    open_shelf();
    ck_assert_msg(shelf_watch(shelf, &err), "%s", err.text);
    shelf_rescan_soon(shelf, on_rescanned, &told);
    ck_assert(eventually(is_told, &told));
}

static const char *active(void) {
    static char name[64];
    struct served *served = shelf_hold(shelf, NULL);
    snprintf(name, sizeof name, "%s", served != NULL ? served->name : "none");
    shelf_release(served);
    return name;
}

static struct shelf_entry entry(const char *name) {
    struct shelf_entry e = {0};
    ck_assert_msg(shelf_find(shelf, name, &e), "no entry %s", name);
    return e;
}

static bool knows(const char *name) {
    struct shelf_entry e;
    return shelf_find(shelf, name, &e);
}

// Whether what serves under name is this model: by its answers.
static bool serves(const char *name, const struct made *model) {
    const struct tnm_limits limits = {1 << 24, 1 << 24};
    struct served *served = shelf_hold(shelf, name);
    if (served == NULL)
        return false;
    struct tnm_model *expected = tnm_model_from_bytes(model->bytes, model->len, &limits, &err);
    ck_assert_msg(expected != NULL, "%s", err.text);
    float got[MADE_OUTPUTS], want[MADE_OUTPUTS];
    made_answer(served->model, 3, got);
    made_answer(expected, 3, want);
    bool same = memcmp(got, want, sizeof got) == 0;
    ck_assert_int_eq(same, strcmp(served->digest, tnm_model_digest(expected)) == 0);
    tnm_model_close(expected);
    shelf_release(served);
    return same;
}

static bool rescan(unsigned want_published, unsigned want_refused) {
    unsigned published, refused;
    shelf_rescan(shelf, &published, &refused);
    return published == want_published && refused == want_refused;
}

static enum shelf_result last; // what the last change came to

static bool activate(const char *name, uint64_t if_match) {
    struct shelf_activation out;
    last = shelf_activate(shelf, name, if_match, &out, &err);
    return last == SHELF_DONE;
}

static bool is_ready(void *name) {
    struct shelf_entry e;
    return shelf_find(shelf, name, &e) && e.ready;
}

static bool is_active(void *name) {
    return strcmp(active(), name) == 0;
}

static bool is_refused(void *name) {
    struct shelf_entry e;
    return shelf_find(shelf, name, &e) && *e.reason != '\0';
}

static bool is_unknown(void *name) {
    return !knows(name);
}

struct expectation {
    const char *name;
    const struct made *model;
};

static bool is_served(void *expectation) {
    const struct expectation *e = expectation;
    return serves(e->name, e->model);
}

static bool comes_to_serve(const char *name, const struct made *model) {
    return eventually(is_served, &(struct expectation){name, model});
}

// ---- Who is active -----------------------------------------------------------------------------

START_TEST(the_first_by_name_serves_where_nothing_else_is_said) {
    put("b", &made[1]);
    put("a", &made[0]);
    open_shelf();
    ck_assert_str_eq(active(), "a");
    ck_assert(entry("a").active && !entry("b").active && entry("b").ready);
}
END_TEST

START_TEST(settings_go_before_memory_and_memory_before_the_default) {
    put("a", &made[0]);
    put("mnist-mlp-5bit", &made[1]);
    put("m", &made[2]);
    put("s", &made[3]);
    open_shelf();
    ck_assert_str_eq(active(), "mnist-mlp-5bit");
    ck_assert(activate("m", 0));
    shelf_close(shelf);
    open_shelf();
    ck_assert_str_eq(active(), "m");
    shelf_close(shelf);
    settings.active = "s";
    open_shelf();
    ck_assert_str_eq(active(), "s");
}
END_TEST

START_TEST(without_a_state_folder_nothing_is_remembered) {
    put("a", &made[0]);
    put("b", &made[1]);
    settings.state = NULL;
    open_shelf();
    ck_assert(activate("b", 0));
    shelf_close(shelf);
    open_shelf();
    ck_assert_str_eq(active(), "a");
}
END_TEST

START_TEST(an_empty_folder_is_no_failure_and_the_first_model_serves) {
    open_and_watch();
    ck_assert_str_eq(active(), "none");
    put("x", &made[0]);
    ck_assert(eventually(is_active, "x"));
    put("a", &made[1]); // that it comes first by name is no reason to change
    ck_assert(eventually(is_ready, "a"));
    ck_assert_str_eq(active(), "x");
}
END_TEST

START_TEST(the_model_of_the_settings_takes_over_when_it_comes) {
    put("a", &made[0]);
    settings.active = "late";
    open_shelf();
    ck_assert_str_eq(active(), "a");
    put("late", &made[1]);
    ck_assert(rescan(1, 0));
    ck_assert_str_eq(active(), "late");
}
END_TEST

START_TEST(but_not_from_one_that_was_activated) {
    put("a", &made[0]);
    put("b", &made[1]);
    settings.active = "late";
    open_shelf();
    ck_assert(activate("b", 0));
    put("late", &made[2]);
    ck_assert(rescan(1, 0));
    ck_assert_str_eq(active(), "b");
}
END_TEST

START_TEST(a_folder_that_cannot_be_read_is_a_failure) {
    settings.folder = scratch_path(folder, "nowhere");
    ck_assert_ptr_null(shelf_open(&settings, &err));
    ck_assert_int_eq(err.code, TNM_EIO);
    ck_assert_ptr_nonnull(strstr(err.text, "nowhere: No such file"));
}
END_TEST

// ---- Files -------------------------------------------------------------------------------------

START_TEST(what_is_no_model_by_name_is_ignored) {
    static const char *const names[] = {".hidden",  "with space", "a/..",
                                        "\xc3\xa4", "",           "semi;colon"};
    char longest[80];
    memset(longest, 'n', 63);
    longest[63] = '\0';
    put(longest, &made[0]);
    put("A.b_c-1", &made[1]);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strchr(names[i], '/') == NULL)
            put(names[i], &made[2]);
    longest[63] = 'n';
    longest[64] = '\0';
    put(longest, &made[3]);
    scratch_write(scratch_path(models, "x.tnm.bak"), made[0].bytes, made[0].len);
    ck_assert_int_eq(mkdir(file_of("directory"), 0755), 0);
    open_shelf();
    struct shelf_entry *list;
    size_t n = shelf_list(shelf, &list, &err);
    ck_assert_uint_eq(n, 3);
    ck_assert_str_eq(list[0].name, "A.b_c-1");
    ck_assert_str_eq(list[1].name, "directory");
    ck_assert_str_eq(list[1].reason, "not a regular file");
    longest[63] = '\0';
    ck_assert_str_eq(list[2].name, longest);
    free(list);
}
END_TEST

START_TEST(a_corrupt_new_file_is_refused_and_the_old_model_serves_on) {
    put("a", &made[0]);
    open_shelf();
    uint64_t generation = entry("a").generation;
    put_corrupt("a");
    put_corrupt("b");
    ck_assert(rescan(0, 2));
    ck_assert(serves("a", &made[0]) && serves(NULL, &made[0]));
    ck_assert(entry("a").ready && *entry("a").reason != '\0');
    ck_assert_uint_eq(entry("a").generation, generation);
    ck_assert(!entry("b").ready && *entry("b").reason != '\0');
    ck_assert_ptr_null(shelf_hold(shelf, "b"));
    ck_assert(!activate("a", 0)); // its file is not good
    ck_assert_int_eq(err.code, TNM_EFORMAT);
    put("a", &made[1]);
    ck_assert(rescan(1, 1));
    ck_assert(serves(NULL, &made[1]) && *entry("a").reason == '\0');
}
END_TEST

START_TEST(a_model_that_fails_its_self_test_is_refused) {
    struct made bad = made_model(9, true);
    put("a", &made[0]);
    open_shelf();
    put("a", &bad);
    ck_assert(rescan(0, 1));
    ck_assert(serves("a", &made[0]));
    ck_assert(!activate("a", 0));
    ck_assert_int_eq(err.code, TNM_ESELFTEST);
    made_free(&bad);
}
END_TEST

START_TEST(the_same_bytes_again_change_nothing) {
    put("a", &made[0]);
    open_shelf();
    uint64_t generation = entry("a").generation;
    put("a", &made[0]);
    ck_assert(rescan(0, 0));
    scratch_write(file_of("a"), made[0].bytes, made[0].len);
    ck_assert(rescan(0, 0));
    ck_assert_uint_eq(entry("a").generation, generation);
}
END_TEST

START_TEST(a_generation_is_never_used_twice) {
    put("a", &made[0]);
    put("b", &made[1]);
    open_shelf();
    uint64_t before = entry("a").generation; // the newest: a was activated after both were loaded
    ck_assert_uint_eq(before, 3);
    ck_assert(activate("b", 0));
    ck_assert_uint_eq(entry("b").generation, before + 1);
    put("a", &made[2]);
    ck_assert(rescan(1, 0));
    ck_assert_uint_eq(entry("a").generation, before + 2);
    ck_assert(activate("a", 0));
    ck_assert_uint_eq(entry("a").generation, before + 3);
    ck_assert_uint_eq(entry("b").generation, before + 1);
}
END_TEST

START_TEST(no_more_models_than_allowed) {
    settings.max_models = 2;
    put("a", &made[0]);
    put("b", &made[1]);
    put("c", &made[2]);
    open_shelf();
    ck_assert(entry("a").ready && entry("b").ready && !entry("c").ready);
    ck_assert_ptr_nonnull(strstr(entry("c").reason, "max-models = 2"));
    put("a", &made[3]); // in place of another there is room
    ck_assert(rescan(1, 1));
    ck_assert_int_eq(unlink(file_of("b")), 0);
    ck_assert(rescan(1, 0));
    ck_assert(entry("c").ready);
}
END_TEST

START_TEST(no_more_memory_than_allowed) {
    struct tnm_summary s;
    put("a", &made[0]);
    put("b", &made[1]);
    open_shelf();
    struct served *served = shelf_hold(shelf, "a");
    tnm_model_summary(served->model, &s);
    shelf_release(served);
    // With more and more memory first none, then one, then both.
    unsigned ready = 0, seen = 1;
    for (settings.max_memory = s.memory_bytes / 2; ready < 2; settings.max_memory *= 5) {
        settings.max_memory /= 4;
        shelf_close(shelf);
        open_shelf();
        ready = (unsigned)entry("a").ready + (unsigned)entry("b").ready;
        seen |= 1U << ready;
        if (!entry("b").ready)
            ck_assert_ptr_nonnull(strstr(entry("b").reason, "max-memory = "));
        ck_assert_uint_lt(settings.max_memory, 100 * s.memory_bytes);
    }
    ck_assert_uint_eq(seen, 7);
}
END_TEST

// ---- Watching ----------------------------------------------------------------------------------

START_TEST(files_that_come_change_and_go_are_followed) {
    put("a", &made[0]);
    open_and_watch();
    put("b", &made[1]);
    ck_assert(comes_to_serve("b", &made[1]));
    put("b", &made[2]);
    ck_assert(comes_to_serve("b", &made[2]));
    scratch_write(file_of("b"), made[3].bytes, made[3].len); // in place
    ck_assert(comes_to_serve("b", &made[3]));
    ck_assert_int_eq(rename(file_of("b"), file_of("c")), 0);
    ck_assert(comes_to_serve("c", &made[3]));
    ck_assert(eventually(is_unknown, "b"));
    ck_assert_int_eq(unlink(file_of("c")), 0);
    ck_assert(eventually(is_unknown, "c"));
    ck_assert(serves(NULL, &made[0]));
}
END_TEST

START_TEST(a_served_file_that_is_spoilt_in_place_changes_no_answer) {
    put("a", &made[0]);
    open_and_watch();
    struct served *held = shelf_hold(shelf, NULL);
    float before[MADE_OUTPUTS], after[MADE_OUTPUTS];
    made_answer(held->model, 1, before);
    if (_i == 0)
        scratch_write(file_of("a"), "not a model", 11);
    else
        ck_assert_int_eq(truncate(file_of("a"), 0), 0);
    made_answer(held->model, 1, after);
    ck_assert_mem_eq(before, after, sizeof before);
    shelf_release(held);
    if (_i == 1) // a truncation alone closes nothing that was open for writing
        ck_assert(rescan(0, 1));
    ck_assert(eventually(is_refused, "a"));
    ck_assert(serves(NULL, &made[0]));
}
END_TEST

START_TEST(the_active_model_survives_its_file) {
    put("a", &made[0]);
    put("b", &made[1]);
    open_shelf();
    ck_assert_int_eq(unlink(file_of("a")), 0);
    ck_assert(rescan(0, 0));
    ck_assert(entry("a").ready && entry("a").active);
    ck_assert_ptr_nonnull(strstr(entry("a").reason, "gone"));
    ck_assert(serves(NULL, &made[0]));
    if (_i == 0) { // until another is activated
        ck_assert(activate("b", 0));
        ck_assert(!knows("a"));
        ck_assert(serves(NULL, &made[1]));
    } else { // or until a file comes back, this one or another
        put("a", &made[_i == 1 ? 0 : 2]);
        ck_assert(rescan(_i == 1 ? 0 : 1, 0));
        ck_assert(serves(NULL, &made[_i == 1 ? 0 : 2]));
        ck_assert_str_eq(entry("a").reason, "");
    }
}
END_TEST

START_TEST(a_file_that_is_still_being_written_is_not_read) {
    open_and_watch();
    int fd = open(file_of("slow"), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    ssize_t half = (ssize_t)made[0].len / 2, rest = (ssize_t)made[0].len - half;
    ck_assert_int_eq(write(fd, made[0].bytes, (size_t)half), half);
    put("mark", &made[1]);
    ck_assert(eventually(is_ready, "mark")); // what was before it is dealt with
    ck_assert(!knows("slow"));
    if (geteuid() == 0) // the kernel tells root who writes, so that a rescan waits too
        ck_assert(rescan(0, 0) && !knows("slow"));
    ck_assert_int_eq(write(fd, made[0].bytes + half, (size_t)rest), rest);
    close(fd);
    ck_assert(comes_to_serve("slow", &made[0]));
}
END_TEST

START_TEST(a_file_that_becomes_readable_is_read) {
    put("a", &made[0]);
    ck_assert_int_eq(chmod(file_of("a"), 0) | chmod(folder, 0755), 0);
    // Root reads everything; be somebody else, but for the change.
    bool root = geteuid() == 0;
    ck_assert(!root || seteuid(65534) == 0);
    open_and_watch();
    ck_assert(eventually(is_refused, "a"));
    pid_t child = fork();
    if (child == 0)
        _exit((root && seteuid(0) != 0) || chmod(file_of("a"), 0644) != 0);
    int status = -1;
    ck_assert(waitpid(child, &status, 0) == child && status == 0);
    ck_assert(comes_to_serve("a", &made[0]));
    ck_assert(!root || seteuid(0) == 0);
}
END_TEST

START_TEST(links_into_a_folder_that_is_exchanged_are_followed) {
    char target[4096];
    ck_assert_int_eq(mkdir(scratch_path(models, "v1"), 0755), 0);
    ck_assert_int_eq(mkdir(scratch_path(models, "v2"), 0755), 0);
    scratch_write(scratch_path(models, "v1/m.tnm"), made[0].bytes, made[0].len);
    scratch_write(scratch_path(models, "v2/m.tnm"), made[1].bytes, made[1].len);
    snprintf(target, sizeof target, "%s", scratch_path(models, "..data"));
    ck_assert_int_eq(symlink("v1", target), 0);
    ck_assert_int_eq(symlink("..data/m.tnm", file_of("m")), 0);
    open_and_watch();
    ck_assert(comes_to_serve("m", &made[0]));
    ck_assert_int_eq(symlink("v2", scratch_path(models, "..new")), 0);
    ck_assert_int_eq(rename(scratch_path(models, "..new"), target), 0);
    ck_assert(comes_to_serve("m", &made[1]));
}
END_TEST

START_TEST(the_folder_may_go_and_come_back) {
    char moved[4200];
    snprintf(moved, sizeof moved, "%s.moved", models);
    put("a", &made[0]);
    put("b", &made[1]);
    open_and_watch();
    ck_assert_int_eq(rename(models, moved), 0);
    ck_assert(eventually(is_unknown, "b"));
    ck_assert(serves(NULL, &made[0]));
    ck_assert_int_eq(mkdir(models, 0755), 0);
    put("b", &made[2]);
    ck_assert(comes_to_serve("b", &made[2]));
    ck_assert(serves(NULL, &made[0]));
}
END_TEST

START_TEST(a_rescan_by_the_watching_thread_says_what_it_found) {
    atomic_uint told = 0;
    put("a", &made[0]);
    open_and_watch();
    ck_assert_int_eq(truncate(file_of("a"), 10), 0); // no event tells of it
    shelf_rescan_soon(shelf, on_rescanned, &told);
    ck_assert(eventually(is_told, &told));
    ck_assert_uint_eq(told, 101);
}
END_TEST

// ---- Activating --------------------------------------------------------------------------------

START_TEST(an_activation_says_what_it_did) {
    put("a", &made[0]);
    put("b", &made[1]);
    open_shelf();
    struct shelf_activation out;
    uint64_t generation = entry("a").generation;
    ck_assert_int_eq(shelf_activate(shelf, "b", generation, &out, &err), SHELF_DONE);
    ck_assert_str_eq(out.name, "b");
    ck_assert_str_eq(out.previous, "a");
    ck_assert_uint_eq(out.generation, generation + 1);
    ck_assert(serves(NULL, &made[1]));
    // Whoever still goes by the old generation changes nothing.
    ck_assert_int_eq(shelf_activate(shelf, "a", generation, &out, &err), SHELF_MOVED);
    ck_assert_str_eq(active(), "b");
}
END_TEST

START_TEST(an_activation_reads_a_file_that_changed) {
    put("a", &made[0]);
    open_shelf();
    put("a", &made[1]);
    put("new", &made[2]);
    ck_assert(activate("a", 0));
    ck_assert(serves(NULL, &made[1]));
    ck_assert(activate("new", 0));
    ck_assert(serves(NULL, &made[2]));
}
END_TEST

START_TEST(what_cannot_be_activated_is_said) {
    static const char *const names[] = {
        "none", "", "../models/a", "a.tnm",
        "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
        "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"};
    put("a", &made[0]);
    open_shelf();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        ck_assert(!activate(names[i], 0));
        ck_assert_int_eq(last, SHELF_UNKNOWN);
    }
    put_corrupt("bad");
    ck_assert(!activate("bad", 0));
    ck_assert_int_eq(err.code, TNM_EFORMAT);
    ck_assert_str_eq(active(), "a");
}
END_TEST

// ---- Requests ----------------------------------------------------------------------------------

START_TEST(a_held_model_lives_until_it_is_released) {
    put("a", &made[0]);
    open_shelf();
    struct served *held = shelf_hold(shelf, "a");
    struct tnm_session *session = served_take(held);
    put("a", &made[1]);
    ck_assert(rescan(1, 0));
    stats_answer(served_stats(held), 0, 1000);
    ck_assert_uint_eq(entry("a").requests, 1); // the name goes on counting
    shelf_close(shelf);
    shelf = NULL;
    float x[MADE_INPUTS] = {0}, logits[MADE_OUTPUTS];
    tnm_session_run(session, x, 1, logits);
    served_give(held, session);
    ck_assert_str_eq(held->name, "a");
    shelf_release(held);
}
END_TEST

START_TEST(sessions_are_used_again) {
    struct tnm_session *session[40];
    put("a", &made[0]);
    open_shelf();
    struct served *held = shelf_hold(shelf, NULL);
    for (size_t i = 0; i < 40; i++) {
        session[i] = served_take(held);
        ck_assert_ptr_nonnull(session[i]);
        for (size_t k = 0; k < i; k++)
            ck_assert_ptr_ne(session[k], session[i]);
    }
    for (size_t i = 0; i < 40; i++)
        served_give(held, session[i]);
    struct tnm_session *again = served_take(held);
    ck_assert_ptr_eq(again, session[0]);
    served_give(held, again);
    shelf_release(held);
}
END_TEST

struct hammer {
    atomic_bool stop;
    atomic_uint wrong, answers;
    float answer[MADE][MADE_OUTPUTS]; // to input 5, by model
    char digest[MADE][65];
};

static void *hammer_run(void *arg) {
    struct hammer *h = arg;
    uint8_t pixels[MADE_INPUTS];
    float x[MADE_INPUTS], logits[MADE_OUTPUTS];
    made_input(5, pixels);
    for (size_t i = 0; i < MADE_INPUTS; i++)
        x[i] = (float)pixels[i] / 255.0F;
    for (unsigned n = 0; !h->stop; n++) {
        struct served *served = shelf_hold(shelf, n % 2 ? "a" : NULL);
        struct tnm_session *session = served_take(served);
        tnm_session_run(session, x, 1, logits);
        bool right = false;
        for (size_t i = 0; i < MADE; i++)
            if (strcmp(served->digest, h->digest[i]) == 0)
                right = memcmp(logits, h->answer[i], sizeof logits) == 0;
        h->wrong += !right;
        h->answers++;
        stats_answer(served_stats(served), 0, 1000);
        served_give(served, session);
        shelf_release(served);
    }
    return NULL;
}

START_TEST(swaps_under_load_lose_and_mix_nothing) {
    static struct hammer h;
    pthread_t thread[THREADS];
    const struct tnm_limits limits = {1 << 24, 1 << 24};
    for (size_t i = 0; i < MADE; i++) {
        struct tnm_model *model = tnm_model_from_bytes(made[i].bytes, made[i].len, &limits, &err);
        made_answer(model, 5, h.answer[i]);
        snprintf(h.digest[i], sizeof h.digest[i], "%s", tnm_model_digest(model));
        tnm_model_close(model);
    }
    put("a", &made[0]);
    put("b", &made[1]);
    open_and_watch();
    for (size_t i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&thread[i], NULL, hammer_run, &h), 0);
    unsigned swaps = emulated() ? 20 : 200;
    for (unsigned i = 0; i < swaps; i++) {
        if (i % 2)
            put("a", &made[i / 2 % MADE]);
        else
            ck_assert_msg(activate(i / 2 % 2 ? "a" : "b", 0), "%s", err.text);
    }
    h.stop = true;
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    ck_assert_uint_eq(h.wrong, 0);
    ck_assert_uint_gt(h.answers, swaps);
    ck_assert_uint_eq(entry("a").requests + entry("b").requests, h.answers);
}
END_TEST

Suite *shelf_suite(void) {
    Suite *s = suite_create("shelf");
    TCase *t = tcase_create("shelf");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 240);
    tcase_add_test(t, the_first_by_name_serves_where_nothing_else_is_said);
    tcase_add_test(t, settings_go_before_memory_and_memory_before_the_default);
    tcase_add_test(t, without_a_state_folder_nothing_is_remembered);
    tcase_add_test(t, an_empty_folder_is_no_failure_and_the_first_model_serves);
    tcase_add_test(t, the_model_of_the_settings_takes_over_when_it_comes);
    tcase_add_test(t, but_not_from_one_that_was_activated);
    tcase_add_test(t, a_folder_that_cannot_be_read_is_a_failure);
    tcase_add_test(t, what_is_no_model_by_name_is_ignored);
    tcase_add_test(t, a_corrupt_new_file_is_refused_and_the_old_model_serves_on);
    tcase_add_test(t, a_model_that_fails_its_self_test_is_refused);
    tcase_add_test(t, the_same_bytes_again_change_nothing);
    tcase_add_test(t, a_generation_is_never_used_twice);
    tcase_add_test(t, no_more_models_than_allowed);
    tcase_add_test(t, no_more_memory_than_allowed);
    tcase_add_test(t, files_that_come_change_and_go_are_followed);
    tcase_add_loop_test(t, a_served_file_that_is_spoilt_in_place_changes_no_answer, 0, 2);
    tcase_add_loop_test(t, the_active_model_survives_its_file, 0, 3);
    tcase_add_test(t, a_file_that_is_still_being_written_is_not_read);
    tcase_add_test(t, a_file_that_becomes_readable_is_read);
    tcase_add_test(t, links_into_a_folder_that_is_exchanged_are_followed);
    tcase_add_test(t, the_folder_may_go_and_come_back);
    tcase_add_test(t, a_rescan_by_the_watching_thread_says_what_it_found);
    tcase_add_test(t, an_activation_says_what_it_did);
    tcase_add_test(t, an_activation_reads_a_file_that_changed);
    tcase_add_test(t, what_cannot_be_activated_is_said);
    tcase_add_test(t, a_held_model_lives_until_it_is_released);
    tcase_add_test(t, sessions_are_used_again);
    tcase_add_test(t, swaps_under_load_lose_and_mix_nothing);
    suite_add_tcase(s, t);
    return s;
}
