/* SPDX-License-Identifier: MIT */
// POST and GET /feedback of the real daemon.
#include "tests/expect.h"
#include "tests/scratch.h"
#include "tests/served.h"

#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct served_run run;

static void start(const char *remembered) {
    const char *const args[] = {"--feedback", remembered, NULL};
    served_start(&run, remembered != NULL ? args : NULL);
}

static void teardown(void) {
    served_stop(&run);
}

static json_t *post(const char *body, int status) {
    return expect_json(run.daemon.port, "POST", "/feedback", "application/json", body, strlen(body),
                       status);
}

static json_t *say(const char *id, size_t label, int status) {
    char body[160];
    snprintf(body, sizeof body, "{\"request_id\":\"%s\",\"label\":\"%zu\"}", id, label);
    return post(body, status);
}

static json_t *table(void) {
    return expect_json(run.daemon.port, "GET", "/feedback", NULL, NULL, 0, 200);
}

static void expect_code(json_t *reply, const char *code) {
    ck_assert_str_eq(expect_string(reply, "code"), code);
    json_decref(reply);
}

static void classify(unsigned input, const char *query, const char *id) {
    expect_classified(run.daemon.port, input, query, id, NULL);
}

// Judges an answer of model seed to input: rightly says what was answered, or the class behind it.
static void judge(unsigned seed, unsigned input, const char *id, bool rightly) {
    struct expected expected = expect_answer(seed, input);
    size_t label = rightly ? expected.index : (expected.index + 1) % MADE_OUTPUTS;
    json_t *reply = say(id, label, 200);
    char answered[24];
    snprintf(answered, sizeof answered, "%zu", expected.index);
    ck_assert_str_eq(expect_string(reply, "answered"), answered);
    ck_assert_str_eq(expect_string(reply, "digest"), expected.digest);
    ck_assert_int_eq(json_is_true(json_object_get(reply, "correct")), rightly);
    ck_assert(json_is_true(json_object_get(reply, "counted")));
    json_decref(reply);
}

static void expect_row(const json_t *row, const char *model, unsigned seed, json_int_t judged,
                       json_int_t correct) {
    ck_assert_str_eq(expect_string(row, "model"), model);
    ck_assert_str_eq(expect_string(row, "digest"), expect_answer(seed, 0).digest);
    ck_assert_int_eq(expect_integer(row, "judged"), judged);
    ck_assert_int_eq(expect_integer(row, "correct"), correct);
}

START_TEST(verdicts_are_counted_for_each_model) {
    start(NULL);
    char id[32];
    for (unsigned i = 0; i < 4; i++) {
        snprintf(id, sizeof id, "one-%u", i);
        classify(i, NULL, id);
        judge(1, i, id, i != 2);
    }
    for (unsigned i = 0; i < 2; i++) {
        snprintf(id, sizeof id, "two-%u", i);
        classify(i, "?model=two", id);
        judge(2, i, id, false);
    }
    json_t *reply = table();
    const json_t *rows = json_object_get(reply, "results");
    ck_assert_uint_eq(json_array_size(rows), 2);
    const json_t *two = json_array_get(rows, 0), *one = json_array_get(rows, 1);
    expect_row(one, "one", 1, 4, 3);
    expect_row(two, "two", 2, 2, 0);
    ck_assert_double_eq_tol(expect_number(one, "accuracy"), 0.75, 1e-9);
    // Wilson's interval of 3 of 4 and of 0 of 2, by another program.
    const json_t *interval = json_object_get(one, "interval");
    ck_assert_double_eq_tol(json_number_value(json_array_get(interval, 0)), 0.300642, 1e-6);
    ck_assert_double_eq_tol(json_number_value(json_array_get(interval, 1)), 0.954413, 1e-6);
    interval = json_object_get(two, "interval");
    ck_assert_double_eq_tol(json_number_value(json_array_get(interval, 0)), 0, 1e-6);
    ck_assert_double_eq_tol(json_number_value(json_array_get(interval, 1)), 0.657620, 1e-6);
    json_decref(reply);
    const uint16_t port = run.daemon.port;
    const char *right = "tnm_feedback_total{model=\"one\",correct=\"true\"}";
    const char *wrong = "tnm_feedback_total{model=\"one\",correct=\"false\"}";
    ck_assert_double_eq(expect_metric(port, right), 3);
    ck_assert_double_eq(expect_metric(port, wrong), 1);
    ck_assert_double_eq(expect_metric(port, "tnm_feedback_total{model=\"two\",correct=\"false\"}"),
                        2);
}
END_TEST

START_TEST(the_same_said_twice_counts_once_and_another_label_not_at_all) {
    start(NULL);
    classify(5, NULL, "r");
    const size_t index = expect_answer(1, 5).index;
    json_decref(say("r", index, 200));
    json_t *again = say("r", index, 200);
    ck_assert(json_is_false(json_object_get(again, "counted")));
    ck_assert(json_is_true(json_object_get(again, "correct")));
    json_decref(again);
    expect_code(say("r", (index + 1) % 10, 409), "already_judged");
    json_t *reply = table();
    expect_row(json_array_get(json_object_get(reply, "results"), 0), "one", 1, 1, 1);
    json_decref(reply);
}
END_TEST

START_TEST(what_is_unknown_or_forgotten_is_not_found) {
    start("3");
    expect_code(say("never", 1, 404), "request_not_found");
    classify(0, NULL, "a");
    classify(1, NULL, "b");
    classify(2, NULL, "c");
    json_decref(say("a", 1, 200));
    classify(3, NULL, "d");
    expect_code(say("a", 1, 404), "request_not_found");
    json_decref(say("b", 1, 200));
    expect_code(post("{\"request_id\":\"b\",\"label\":\"1\",\"item\":1}", 404),
                "request_not_found");
}
END_TEST

START_TEST(nothing_is_remembered_where_that_is_off) {
    start("0");
    classify(0, NULL, "a");
    expect_code(say("a", 1, 404), "request_not_found");
    json_t *reply = table();
    ck_assert_uint_eq(json_array_size(json_object_get(reply, "results")), 0);
    json_decref(reply);
}
END_TEST

START_TEST(an_id_used_again_means_the_newer_answer) {
    start(NULL);
    classify(0, NULL, "same");
    classify(1, "?model=two", "same");
    judge(2, 1, "same", true);
}
END_TEST

START_TEST(a_label_may_come_as_a_number) {
    start(NULL);
    classify(4, NULL, "n");
    char body[80];
    snprintf(body, sizeof body, "{\"request_id\":\"n\",\"label\":%zu}", expect_answer(1, 4).index);
    json_t *reply = post(body, 200);
    ck_assert(json_is_true(json_object_get(reply, "correct")));
    json_decref(reply);
}
END_TEST

static bool serves_seed(void *arg) {
    struct answer answer;
    expect_classified(run.daemon.port, 0, NULL, NULL, &answer);
    bool serves = strstr(answer.body, expect_answer(*(unsigned *)arg, 0).digest) != NULL;
    answer_free(&answer);
    return serves;
}

START_TEST(a_replaced_file_has_a_row_of_its_own) {
    start(NULL);
    classify(7, NULL, "before");
    judge(1, 7, "before", true);
    struct made made = made_model(3, false);
    scratch_replace(scratch_path(run.folder, "one.tnm"), made.bytes, made.len);
    made_free(&made);
    ck_assert(eventually(serves_seed, &(unsigned){3}));
    classify(7, NULL, "after");
    judge(3, 7, "after", false);
    json_t *reply = table();
    const json_t *rows = json_object_get(reply, "results");
    ck_assert_uint_eq(json_array_size(rows), 2);
    expect_row(json_array_get(rows, 0), "one", 3, 1, 0);
    expect_row(json_array_get(rows, 1), "one", 1, 1, 1);
    json_decref(reply);
}
END_TEST

static const char *const malformed[] = {
    "",
    "[]",
    "{",
    "{\"request_id\":\"a\"}",
    "{\"label\":\"1\"}",
    "{\"request_id\":1,\"label\":\"1\"}",
    "{\"request_id\":\"\",\"label\":\"1\"}",
    "{\"request_id\":\"a\",\"label\":\"\"}",
    "{\"request_id\":\"a\",\"label\":null}",
    "{\"request_id\":\"a\",\"label\":1.5}",
    "{\"request_id\":\"a\",\"label\":\"1\\u00002\"}",
    "{\"request_id\":\"a\",\"label\":\"1\",\"item\":-1}",
    "{\"request_id\":\"a\",\"label\":\"1\",\"item\":4294967296}",
    "{\"request_id\":\"a\",\"label\":\"1\",\"item\":\"0\"}",
    "{\"request_id\":\"a\",\"request_id\":\"b\",\"label\":\"1\"}",
    "{\"request_id\":\"0123456789012345678901234567890123456789012345678901234567890123456789\","
    "\"label\":\"1\"}",
};

START_TEST(malformed_sayings_are_refused) {
    start(NULL);
    for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++)
        expect_code(post(malformed[i], 400), "malformed");
    char *big = malloc(70000);
    ck_assert_ptr_nonnull(big);
    memset(big, ' ', 70000);
    json_t *reply =
        expect_json(run.daemon.port, "POST", "/feedback", "application/json", big, 70000, 413);
    expect_code(reply, "body_too_large");
    free(big);
}
END_TEST

START_TEST(a_page_of_another_site_may_not_judge) {
    start(NULL);
    classify(0, NULL, "mine");
    struct answer answer;
    static const char body[] = "{\"request_id\":\"mine\",\"label\":\"1\"}";
    ck_assert(request_once(run.daemon.port, "POST", "/feedback", "Origin: http://elsewhere\r\n",
                           "text/plain", body, sizeof body - 1, &answer));
    served_expect_error(&answer, 403, "foreign_origin");
    json_t *reply = table();
    ck_assert_uint_eq(json_array_size(json_object_get(reply, "results")), 0);
    json_decref(reply);
}
END_TEST

// Each client asks and judges; none of it may be lost or counted for another.
enum { SAYERS = 4 };

static void *ask_and_say(void *arg) {
    unsigned own = *(unsigned *)arg, n = emulated() ? 10 : 60;
    struct client client;
    ck_assert(client_open(&client, run.daemon.port));
    for (unsigned i = 0; i < n; i++) {
        uint8_t pixels[MADE_INPUTS];
        char header[64], body[96];
        struct answer answer;
        made_input(i % 8, pixels);
        snprintf(header, sizeof header, "X-Request-Id: s%u-%u\r\n", own, i);
        ck_assert(client_request(&client, "POST", "/classify", header, "application/octet-stream",
                                 pixels, sizeof pixels, &answer));
        answer_free(&answer);
        snprintf(body, sizeof body, "{\"request_id\":\"s%u-%u\",\"label\":\"%d\"}", own, i,
                 i % 2 == 0 ? 11 : 12);
        ck_assert(
            client_post(&client, "/feedback", "application/json", body, strlen(body), &answer));
        ck_assert_int_eq(answer.status, 200);
        answer_free(&answer);
    }
    client_close(&client);
    return NULL;
}

START_TEST(no_verdict_is_lost_under_load) {
    start(NULL);
    pthread_t thread[SAYERS];
    unsigned number[SAYERS];
    for (unsigned i = 0; i < SAYERS; i++) {
        number[i] = i;
        ck_assert_int_eq(pthread_create(&thread[i], NULL, ask_and_say, &number[i]), 0);
    }
    for (unsigned i = 0; i < SAYERS; i++)
        pthread_join(thread[i], NULL);
    json_t *reply = table();
    expect_row(json_array_get(json_object_get(reply, "results"), 0), "one", 1,
               SAYERS * (emulated() ? 10 : 60), 0);
    json_decref(reply);
}
END_TEST

Suite *feedback_suite(void);
Suite *feedback_suite(void) {
    Suite *suite = suite_create("feedback");
    TCase *t = tcase_create("daemon");
    tcase_set_timeout(t, 300);
    tcase_add_checked_fixture(t, NULL, teardown);
    tcase_add_test(t, verdicts_are_counted_for_each_model);
    tcase_add_test(t, the_same_said_twice_counts_once_and_another_label_not_at_all);
    tcase_add_test(t, what_is_unknown_or_forgotten_is_not_found);
    tcase_add_test(t, nothing_is_remembered_where_that_is_off);
    tcase_add_test(t, an_id_used_again_means_the_newer_answer);
    tcase_add_test(t, a_label_may_come_as_a_number);
    tcase_add_test(t, a_replaced_file_has_a_row_of_its_own);
    tcase_add_test(t, malformed_sayings_are_refused);
    tcase_add_test(t, a_page_of_another_site_may_not_judge);
    tcase_add_test(t, no_verdict_is_lost_under_load);
    suite_add_tcase(suite, t);
    return suite;
}
