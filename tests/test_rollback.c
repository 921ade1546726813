/* SPDX-License-Identifier: MIT */
// Going back to the model before, two operators who do not know of each other, and further names
// for models.
#include "tests/scratch.h"
#include "tests/uploading.h"

#include <check.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void rollback(int status, const char *code) {
    up_expect("POST", "/rollback", NULL, NULL, 0, status, code);
}

static void set_alias(const char *alias, const char *model, int status, const char *code) {
    char path[128], body[128];
    snprintf(path, sizeof path, "/aliases/%s", alias);
    snprintf(body, sizeof body, "{\"model\":\"%s\"}", model);
    up_expect("PUT", path, NULL, body, strlen(body), status, code);
}

static void restart(void) {
    up_stop();
    up_start(NULL);
}

static bool is_two(void *arg) {
    (void)arg;
    return up_answers(NULL) == 1;
}

static bool is_three(void *arg) {
    (void)arg;
    return up_answers(NULL) == 2;
}

// ---- Rollback ----------------------------------------------------------------------------------

START_TEST(a_rollback_brings_back_the_model_before_and_a_second_one_goes_forward) {
    up_start(NULL);
    rollback(409, "nothing_before");
    up_activate("one"); // again: nothing changes
    rollback(409, "nothing_before");
    up_activate("two");
    ck_assert_str_eq(up_total("previous"), "one");
    ck_assert_str_eq(up_total("previous_digest"), up.digest[0]);
    long generation = atol(up_total("generation"));
    json_t *reply = up_expect_json("POST", "/rollback", NULL, NULL, 0, 200);
    ck_assert_str_eq(json_string_value(json_object_get(reply, "model")), "one");
    ck_assert_str_eq(json_string_value(json_object_get(reply, "digest")), up.digest[0]);
    ck_assert_str_eq(json_string_value(json_object_get(reply, "previous")), "two");
    ck_assert_int_eq(json_integer_value(json_object_get(reply, "generation")), generation + 1);
    json_decref(reply);
    ck_assert_int_eq(up_answers(NULL), 0);
    rollback(200, NULL);
    ck_assert_int_eq(up_answers(NULL), 1);
    rollback(200, NULL);
    restart(); // which remembers whom, but not who was before
    ck_assert_int_eq(up_answers(NULL), 0);
    rollback(409, "nothing_before");
}
END_TEST

START_TEST(a_rollback_needs_no_file) {
    up_start(NULL);
    up_put("new", &up.made[2], 201, NULL);
    up_activate("new");
    up_activate("two");
    ck_assert_int_eq(unlink(scratch_path(up.uploads, "new.tnm")), 0);
    daemon_signal(&up.run, SIGHUP);
    ck_assert(daemon_log_has(&up.run, "model removed: new", 60000));
    up_expect("GET", "/models/new", NULL, NULL, 0, 404, "model_not_found");
    rollback(200, NULL);
    ck_assert_int_eq(up_answers(NULL), 2);
    ck_assert_int_eq(up_answers("new"), 2);
    daemon_signal(&up.run, SIGHUP); // and goes on without one
    ck_assert(daemon_log_has(&up.run, "reloaded", 60000));
    ck_assert_int_eq(up_answers(NULL), 2);
    rollback(200, NULL);
    ck_assert_int_eq(up_answers(NULL), 1);
    up_expect("GET", "/models/new", NULL, NULL, 0, 404, "model_not_found");
}
END_TEST

START_TEST(what_was_deleted_does_not_come_back) {
    up_start(NULL);
    up_put("new", &up.made[2], 201, NULL);
    up_activate("new");
    up_activate("two");
    up_expect("DELETE", "/models/new", NULL, NULL, 0, 200, NULL);
    rollback(409, "nothing_before");
    ck_assert_int_eq(up_answers(NULL), 1);
}
END_TEST

// The same name, another file: the files follow, or a restart would bring back what was left.
START_TEST(a_rollback_within_one_name_survives_a_restart) {
    up_start(NULL);
    if (_i == 0) { // an upload over an upload
        up_put("new", &up.made[3], 201, NULL);
        up_activate("new");
    } else { // an upload over what was shipped
        up_activate("two");
        up_activate("one");
    }
    const char *name = _i == 0 ? "new" : "one";
    int old = _i == 0 ? 3 : 0;
    up_put(name, &up.made[2], 200, NULL);
    up_activate(name);
    ck_assert_int_eq(up_answers(NULL), 2);
    rollback(200, NULL);
    ck_assert_int_eq(up_answers(NULL), old);
    ck_assert_str_eq(up_field(name, "pending"), up.digest[2]);
    daemon_signal(&up.run, SIGHUP);
    ck_assert(daemon_log_has(&up.run, "reloaded: 0 models new, 0 refused", 60000));
    ck_assert_int_eq(up_answers(NULL), old);
    restart();
    ck_assert_int_eq(up_answers(NULL), old);
    ck_assert_str_eq(up_field(name, "pending"), up.digest[2]);
    up_activate(name); // it still waits
    ck_assert_int_eq(up_answers(NULL), 2);
    rollback(200, NULL);
    rollback(200, NULL); // back and forth
    ck_assert_int_eq(up_answers(NULL), 2);
    ck_assert_str_eq(up_field(name, "pending"), "");
    up_activate(name);
    ck_assert_int_eq(up_answers(NULL), 2);
    restart();
    ck_assert_int_eq(up_answers(NULL), 2);
}
END_TEST

START_TEST(a_shipped_file_that_was_replaced_can_be_rolled_back) {
    up_start(NULL);
    up_ship("one", &up.made[2]); // serves at once
    ck_assert(eventually(is_three, NULL));
    rollback(200, NULL);
    ck_assert_int_eq(up_answers(NULL), 0);
    restart();
    ck_assert_int_eq(up_answers(NULL), 0);
    up_activate("one");
    ck_assert_int_eq(up_answers(NULL), 2);
}
END_TEST

START_TEST(without_a_folder_of_uploads_a_rollback_holds_until_the_end) {
    const char *const args[] = {"--models", up.models, NULL};
    ck_assert(daemon_start(&up.run, args));
    up_ship("one", &up.made[2]);
    ck_assert(eventually(is_three, NULL));
    rollback(200, NULL);
    daemon_signal(&up.run, SIGHUP);
    ck_assert(daemon_log_has(&up.run, "reloaded: 0 models new, 0 refused", 60000));
    ck_assert_int_eq(up_answers(NULL), 0);
    ck_assert_str_eq(up_field("one", "pending"), up.digest[2]);
    up_activate("one");
    ck_assert_int_eq(up_answers(NULL), 2);
    ck_assert_uint_eq(up_count_files(up.models), 2); // and it wrote nothing
}
END_TEST

START_TEST(a_rollback_goes_by_the_generation) {
    char line[64];
    up_start(NULL);
    up_activate("two");
    snprintf(line, sizeof line, "If-Match: \"%ld\"\r\n", atol(up_total("generation")) - 1);
    up_expect("POST", "/rollback", line, NULL, 0, 412, "generation_moved");
    up_expect("POST", "/rollback", "If-Match: 7\r\n", NULL, 0, 400, "malformed");
    ck_assert_int_eq(up_answers(NULL), 1);
    snprintf(line, sizeof line, "If-Match: \"%s\"\r\n", up_total("generation"));
    up_expect("POST", "/rollback", line, NULL, 0, 200, NULL);
    ck_assert_int_eq(up_answers(NULL), 0);
    up_expect("POST", "/rollback", line, NULL, 0, 412, "generation_moved");
}
END_TEST

// ---- Two operators -----------------------------------------------------------------------------

struct rival {
    const char *path;
    char line[64];
    int status;
    pthread_t thread;
};

static void *try_it(void *arg) {
    struct rival *rival = arg;
    struct answer answer;
    rival->status = 0;
    if (request_once(up.run.port, "POST", rival->path, rival->line, NULL, NULL, 0, &answer)) {
        rival->status = answer.status;
        answer_free(&answer);
    }
    return NULL;
}

START_TEST(of_two_operators_at_one_generation_one_wins) {
    struct rival rival[2] = {{.path = "/models/two/activate"}, {.path = "/rollback"}};
    up_start(NULL);
    up_activate("two");
    for (int round = 0; round < (emulated() ? 5 : 50); round++) {
        long generation = atol(up_total("generation"));
        for (int i = 0; i < 2; i++) {
            snprintf(rival[i].line, sizeof rival[i].line, "If-Match: \"%ld\"\r\n", generation);
            ck_assert_int_eq(pthread_create(&rival[i].thread, NULL, try_it, &rival[i]), 0);
        }
        for (int i = 0; i < 2; i++)
            pthread_join(rival[i].thread, NULL);
        ck_assert_msg(rival[0].status + rival[1].status == 200 + 412, "%d and %d", rival[0].status,
                      rival[1].status);
        ck_assert_int_eq(atol(up_total("generation")), generation + 1);
    }
}
END_TEST

// ---- Aliases -----------------------------------------------------------------------------------

START_TEST(an_alias_stands_wherever_a_name_does) {
    up_start(NULL);
    set_alias("canary", "two", 201, NULL);
    ck_assert_int_eq(up_answers("canary"), 1);
    ck_assert_str_eq(up_field("canary", "name"), "two");
    ck_assert_str_eq(up_field("two", "alias"), "canary");
    ck_assert_str_eq(up_field("one", "alias"), "");
    up_activate("canary");
    ck_assert_str_eq(up_total("active"), "two");
    set_alias("canary", "one", 200, NULL);
    ck_assert_int_eq(up_answers("canary"), 0);
    set_alias("stable", "canary", 201, NULL); // what an alias stands for now
    set_alias("canary", "two", 200, NULL);
    ck_assert_int_eq(up_answers("stable"), 0);
    restart();
    ck_assert_int_eq(up_answers("stable"), 0);
    ck_assert_int_eq(up_answers("canary"), 1);
    up_expect("DELETE", "/aliases/canary", NULL, NULL, 0, 200, NULL);
    up_expect("DELETE", "/aliases/canary", NULL, NULL, 0, 404, "alias_not_found");
    up_expect("GET", "/models/canary", NULL, NULL, 0, 404, "model_not_found");
    json_t *list = up_expect_json("GET", "/aliases", NULL, NULL, 0, 200);
    const json_t *left = json_object_get(list, "aliases");
    ck_assert_uint_eq(json_array_size(left), 1);
    ck_assert_str_eq(json_string_value(json_object_get(json_array_get(left, 0), "alias")),
                     "stable");
    ck_assert_str_eq(json_string_value(json_object_get(json_array_get(left, 0), "model")), "one");
    json_decref(list);
}
END_TEST

START_TEST(what_cannot_be_an_alias_is_said) {
    static const char *const bodies[] = {"", "{", "[]", "{}", "{\"model\":7}", "{\"model\":null}"};
    up_start(NULL);
    set_alias("one", "two", 409, "in_use"); // a model has that name
    set_alias(".x", "two", 400, "bad_name");
    set_alias("x", "none", 404, "model_not_found");
    set_alias("x", "", 404, "model_not_found");
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
        up_expect("PUT", "/aliases/x", NULL, bodies[i], strlen(bodies[i]), 400, "malformed");
    struct made bad = {up.made[2].bytes, up.made[2].len / 2};
    up_ship("bad", &bad);
    ck_assert(daemon_log_has(&up.run, "model refused: bad", 60000));
    set_alias("x", "bad", 409, "not_loaded");
    for (int i = 0; i < 64; i++) {
        char name[32];
        snprintf(name, sizeof name, "alias-%d", i);
        set_alias(name, "two", 201, NULL);
    }
    set_alias("x", "two", 409, "limit_reached");
}
END_TEST

START_TEST(a_file_does_not_hide_an_alias) {
    up_start(NULL);
    set_alias("canary", "two", 201, NULL);
    up_put("canary", &up.made[2], 409, "in_use");
    up_ship("canary", &up.made[2]);
    ck_assert(daemon_log_has(&up.run, "model refused: canary: an alias of this name", 60000));
    ck_assert_int_eq(up_answers("canary"), 1);
    restart();
    ck_assert_int_eq(up_answers("canary"), 1);
    up_expect("DELETE", "/aliases/canary", NULL, NULL, 0, 200, NULL);
    ck_assert_int_eq(up_answers("canary"), 2); // now it is what the file says
}
END_TEST

START_TEST(a_model_with_an_alias_outlives_its_file) {
    up_start(NULL);
    set_alias("canary", "two", 201, NULL);
    ck_assert_int_eq(unlink(scratch_path(up.models, "two.tnm")), 0);
    ck_assert(daemon_log_has(&up.run, "model removed: two; it is in use", 60000));
    ck_assert_int_eq(up_answers("canary"), 1);
    set_alias("canary", "one", 200, NULL);
    up_expect("GET", "/models/two", NULL, NULL, 0, 404, "model_not_found");
    ck_assert_int_eq(up_answers("canary"), 0);
}
END_TEST

START_TEST(an_alias_whose_model_is_gone_waits_for_it) {
    up_start(NULL);
    set_alias("canary", "two", 201, NULL);
    up_stop();
    ck_assert_int_eq(unlink(scratch_path(up.models, "two.tnm")), 0);
    up_start(NULL);
    up_expect("GET", "/models/canary", NULL, NULL, 0, 404, "model_not_found");
    up_ship("two", &up.made[1]);
    up_activate("two");
    ck_assert(eventually(is_two, NULL));
    ck_assert_int_eq(up_answers("canary"), 1);
}
END_TEST

Suite *rollback_suite(void) {
    Suite *s = suite_create("rollback");
    TCase *t = tcase_create("rollback");
    tcase_add_checked_fixture(t, uploading_setup, uploading_teardown);
    tcase_set_timeout(t, 240);
    tcase_add_test(t, a_rollback_brings_back_the_model_before_and_a_second_one_goes_forward);
    tcase_add_test(t, a_rollback_needs_no_file);
    tcase_add_test(t, what_was_deleted_does_not_come_back);
    tcase_add_loop_test(t, a_rollback_within_one_name_survives_a_restart, 0, 2);
    tcase_add_test(t, a_shipped_file_that_was_replaced_can_be_rolled_back);
    tcase_add_test(t, without_a_folder_of_uploads_a_rollback_holds_until_the_end);
    tcase_add_test(t, a_rollback_goes_by_the_generation);
    tcase_add_test(t, of_two_operators_at_one_generation_one_wins);
    tcase_add_test(t, an_alias_stands_wherever_a_name_does);
    tcase_add_test(t, what_cannot_be_an_alias_is_said);
    tcase_add_test(t, a_file_does_not_hide_an_alias);
    tcase_add_test(t, a_model_with_an_alias_outlives_its_file);
    tcase_add_test(t, an_alias_whose_model_is_gone_waits_for_it);
    suite_add_tcase(s, t);
    return s;
}
