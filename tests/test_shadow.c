/* SPDX-License-Identifier: MIT */
// Shadow traffic of the real daemon: how often another model agrees, by the engine's own answers.
#include "tests/expect.h"
#include "tests/load.h"
#include "tests/scratch.h"
#include "tests/served.h"

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FEW = 30 }; // inputs that the queue always has room for

static struct served_run run;

static void start(const char *const *args) {
    served_start(&run, args);
}

static void teardown(void) {
    served_stop(&run);
}

static void classify(unsigned from, unsigned to) {
    char id[16];
    for (unsigned i = from; i < to; i++) {
        snprintf(id, sizeof id, "in-%u", i);
        expect_classified(run.daemon.port, i, NULL, id, NULL);
    }
}

static json_t *put(const char *body, int status) {
    return expect_json(run.daemon.port, "PUT", "/shadow", "application/json", body, strlen(body),
                       status);
}

static void set(const char *body) {
    json_decref(put(body, 200));
}

static json_t *table(void) {
    return expect_json(run.daemon.port, "GET", "/shadow", NULL, NULL, 0, 200);
}

// ---- Waiting -----------------------------------------------------------------------------------

// Of the first row: what was seen, skipped and dropped.
static json_int_t all_of(const json_t *row) {
    return expect_integer(row, "seen") + expect_integer(row, "skipped") +
           expect_integer(row, "dropped");
}

static bool has_come(void *arg) {
    json_t *reply = table();
    json_int_t n = all_of(json_array_get(json_object_get(reply, "results"), 0));
    json_decref(reply);
    return n >= *(json_int_t *)arg;
}

static json_t *table_after(json_int_t n) {
    ck_assert(eventually(has_come, &n));
    return table();
}

static bool is_digest(void *arg) {
    json_t *reply = table();
    const json_t *row = json_array_get(json_object_get(reply, "results"), 0);
    const json_t *digest = json_object_get(row, "digest");
    const char *want = arg;
    bool is = want[0] == 0 ? json_is_null(digest)
                           : json_is_string(digest) && strcmp(json_string_value(digest), want) == 0;
    json_decref(reply);
    return is;
}

// Classifies until the first row shows this digest; "": none.
static bool becomes(void *arg) {
    classify(0, 1);
    return is_digest(arg);
}

// ---- What is counted ---------------------------------------------------------------------------

// The row of a model that ran beside "one" on inputs 0..n-1, and the ids of where it differed.
static void expect_row(const json_t *row, unsigned seed, unsigned n) {
    const json_t *examples = json_object_get(row, "examples");
    json_int_t agreed = 0;
    double change = 0;
    size_t at = 0;
    for (unsigned i = n; i-- > 0;) {
        struct expected answer = expect_answer(1, i), shadow = expect_answer(seed, i);
        change += shadow.margin - answer.margin;
        agreed += answer.index == shadow.index;
        if (answer.index == shadow.index || at == 16)
            continue;
        const json_t *example = json_array_get(examples, at++);
        char text[24];
        snprintf(text, sizeof text, "in-%u", i);
        ck_assert_str_eq(expect_string(example, "request_id"), text);
        ck_assert_str_eq(expect_string(example, "model"), "one");
        const json_t *side = json_object_get(example, "answer");
        snprintf(text, sizeof text, "%zu", answer.index);
        ck_assert_str_eq(expect_string(side, "label"), text);
        ck_assert_double_eq_tol(expect_number(side, "margin"), answer.margin, 2e-6);
        side = json_object_get(example, "shadow");
        snprintf(text, sizeof text, "%zu", shadow.index);
        ck_assert_str_eq(expect_string(side, "label"), text);
        ck_assert_double_eq_tol(expect_number(side, "margin"), shadow.margin, 2e-6);
    }
    ck_assert_uint_eq(json_array_size(examples), at);
    ck_assert_str_eq(expect_string(row, "digest"), expect_answer(seed, 0).digest);
    ck_assert_int_eq(expect_integer(row, "seen"), n);
    ck_assert_int_eq(expect_integer(row, "agreed"), agreed);
    ck_assert_int_eq(expect_integer(row, "disagreed"), n - agreed);
    ck_assert_int_eq(expect_integer(row, "dropped"), 0);
    ck_assert_double_eq_tol(expect_number(row, "margin_change"), change / n, 2e-6);
    ck_assert_double_eq_tol(expect_number(row, "agreement"), (double)agreed / n, 2e-6);
    ck_assert_double_gt(expect_number(row, "infer_us"), 0);
}

START_TEST(agreement_is_what_the_engine_finds) {
    start(NULL);
    set("{\"models\":[\"two\"],\"sample\":1.0}");
    classify(0, FEW);
    json_t *reply = table_after(FEW);
    const json_t *row = json_array_get(json_object_get(reply, "results"), 0);
    expect_row(row, 2, FEW);
    const uint16_t port = run.daemon.port;
    ck_assert_double_eq(expect_metric(port, "tnm_shadow_total{model=\"two\",agree=\"true\"}"),
                        (double)expect_integer(row, "agreed"));
    ck_assert_double_eq(expect_metric(port, "tnm_shadow_total{model=\"two\",agree=\"false\"}"),
                        (double)expect_integer(row, "disagreed"));
    ck_assert_double_eq(expect_metric(port, "tnm_inferences_total{model=\"two\"}"), 0);
    json_decref(reply);
}
END_TEST

START_TEST(a_models_own_answers_are_skipped) {
    start(NULL);
    set("{\"models\":[\"one\",\"two\"]}");
    classify(0, FEW);
    json_t *reply = table_after(FEW);
    const json_t *row = json_array_get(json_object_get(reply, "results"), 0);
    ck_assert_int_eq(expect_integer(row, "seen"), 0);
    ck_assert_int_eq(expect_integer(row, "skipped"), FEW);
    ck_assert(json_is_null(json_object_get(row, "agreement")));
    json_decref(reply);
}
END_TEST

START_TEST(a_sample_is_that_share_of_the_inputs) {
    start(NULL);
    set("{\"models\":[\"two\"],\"sample\":0.25}");
    classify(0, 100);
    json_t *reply = table_after(24);
    json_int_t n = all_of(json_array_get(json_object_get(reply, "results"), 0));
    ck_assert_int_ge(n, 24);
    ck_assert_int_le(n, 26);
    json_decref(reply);
    set("{\"models\":[\"two\"],\"sample\":0}");
    classify(0, 10);
    reply = table();
    ck_assert_int_eq(all_of(json_array_get(json_object_get(reply, "results"), 0)), 0);
    json_decref(reply);
}
END_TEST

START_TEST(settings_begin_it_and_a_call_ends_it) {
    start((const char *const[]){"--shadow", "two,later", "--shadow-sample", "0.5", NULL});
    json_t *reply = table();
    ck_assert_double_eq(expect_number(reply, "sample"), 0.5);
    ck_assert_uint_eq(json_array_size(json_object_get(reply, "results")), 2);
    ck_assert_str_eq(json_string_value(json_array_get(json_object_get(reply, "models"), 1)),
                     "later");
    json_decref(reply);
    reply = put("{\"models\":[]}", 200);
    ck_assert_uint_eq(json_array_size(json_object_get(reply, "models")), 0);
    ck_assert_uint_eq(json_array_size(json_object_get(reply, "results")), 0);
    json_decref(reply);
    classify(0, 3);
    ck_assert_double_eq(
        expect_metric(run.daemon.port, "tnm_shadow_total{model=\"two\",agree=\"true\"}") +
            expect_metric(run.daemon.port, "tnm_shadow_total{model=\"two\",agree=\"false\"}"),
        0);
}
END_TEST

START_TEST(a_replaced_or_removed_model_starts_anew) {
    start((const char *const[]){"--shadow", "two", NULL});
    classify(0, FEW);
    json_t *reply = table_after(FEW);
    expect_row(json_array_get(json_object_get(reply, "results"), 0), 2, FEW);
    json_decref(reply);

    struct made made = made_model(3, false);
    scratch_replace(scratch_path(run.folder, "two.tnm"), made.bytes, made.len);
    made_free(&made);
    struct expected third = expect_answer(3, 0);
    ck_assert(eventually(becomes, third.digest));
    reply = table();
    const json_t *row = json_array_get(json_object_get(reply, "results"), 0);
    ck_assert_int_lt(expect_integer(row, "seen"), FEW); // those of model 2 are gone
    json_decref(reply);

    ck_assert_int_eq(unlink(scratch_path(run.folder, "two.tnm")), 0);
    ck_assert(eventually(becomes, (char[]){""}));
    reply = table();
    row = json_array_get(json_object_get(reply, "results"), 0);
    ck_assert(json_is_true(json_object_get(row, "missing")));
    ck_assert_int_eq(all_of(row), 0);
    json_decref(reply);

    made = made_model(2, false);
    scratch_replace(scratch_path(run.folder, "two.tnm"), made.bytes, made.len);
    made_free(&made);
    struct expected second = expect_answer(2, 0);
    ck_assert(eventually(becomes, second.digest));
    reply = table();
    row = json_array_get(json_object_get(reply, "results"), 0);
    ck_assert(json_is_false(json_object_get(row, "missing")));
    json_decref(reply);
}
END_TEST

static const struct {
    const char *body;
    int status;
    const char *code;
} refusals[] = {
    {"", 400, "malformed"},
    {"[]", 400, "malformed"},
    {"{}", 400, "malformed"},
    {"{\"models\":\"two\"}", 400, "malformed"},
    {"{\"models\":[1]}", 400, "malformed"},
    {"{\"models\":[\"two,one\"]}", 400, "malformed"},
    {"{\"models\":[\"two\",\"two\"]}", 400, "malformed"},
    {"{\"models\":[\"../two\"]}", 400, "malformed"},
    {"{\"models\":[\"two\"],\"sample\":\"1\"}", 400, "malformed"},
    {"{\"models\":[\"two\"],\"sample\":1.01}", 400, "malformed"},
    {"{\"models\":[\"two\"],\"sample\":-0.1}", 400, "malformed"},
    {"{\"models\":[\"two\",\"none\"]}", 404, "model_not_found"},
};

START_TEST(wrong_plans_are_refused_and_change_nothing) {
    start((const char *const[]){"--shadow", "two", "--shadow-sample", "0.5", NULL});
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        json_t *reply = put(refusals[i].body, refusals[i].status);
        ck_assert_str_eq(expect_string(reply, "code"), refusals[i].code);
        json_decref(reply);
    }
    json_t *reply = table();
    ck_assert_double_eq(expect_number(reply, "sample"), 0.5);
    ck_assert_uint_eq(json_array_size(json_object_get(reply, "models")), 1);
    json_decref(reply);
}
END_TEST

START_TEST(a_wrong_setting_is_said_at_the_start) {
    static const char *const args[] = {"--shadow", "two,,one", "--models", "tests/data/good", NULL};
    struct daemon_run daemon;
    ck_assert(!daemon_start(&daemon, args));
    ck_assert_ptr_nonnull(strstr(daemon_log(&daemon), "shadow: \"\" is not a model's name"));
    daemon_stop(&daemon);
}
END_TEST

// ---- Load --------------------------------------------------------------------------------------

static struct made made[LOAD_MODELS];
static struct load load;

static void start_load(void) {
    memset(&load, 0, sizeof load);
    for (unsigned m = 0; m < LOAD_MODELS; m++)
        made[m] = made_model(m, false);
    load_start(&load, run.daemon.port, made);
}

static void stop_load(void) {
    load_stop(&load);
    for (unsigned m = 0; m < LOAD_MODELS; m++)
        made_free(&made[m]);
}

// Each answer is seen or dropped, whatever is swapped meanwhile, and no client loses one.
START_TEST(every_answer_under_load_is_seen_or_dropped) {
    start((const char *const[]){"--shadow", "two", NULL});
    start_load();
    load_wait(&load, emulated() ? 50 : 2000);
    for (unsigned i = 0; i < 10; i++) {
        json_decref(
            expect_json(run.daemon.port, "POST", "/models/one/activate", NULL, NULL, 0, 200));
        load_wait(&load, 10);
    }
    stop_load();
    json_int_t n = load.right;
    json_t *reply = table_after(n);
    const json_t *row = json_array_get(json_object_get(reply, "results"), 0);
    ck_assert_int_eq(all_of(row), n);
    ck_assert_int_gt(expect_integer(row, "seen"), 0);
    ck_assert_double_eq(expect_metric(run.daemon.port, "tnm_shadow_dropped_total"),
                        (double)expect_integer(row, "dropped"));
    json_decref(reply);
}
END_TEST

// Half of what the daemon may have in work is in work, as clients are slow: shadows are dropped,
// answers are not.
START_TEST(a_busy_daemon_drops_it) {
    enum { SLOW = 7 };
    start((const char *const[]){"--shadow", "two", "--queue", "12", NULL});
    struct client client[SLOW];
    for (unsigned i = 0; i < SLOW; i++) {
        ck_assert(client_open(&client[i], run.daemon.port));
        ck_assert(client_printf(&client[i], "POST /classify HTTP/1.1\r\nHost: localhost\r\n"
                                            "Content-Length: 784\r\n\r\nnot all"));
    }
    json_int_t n = 1;
    do // until all of them count
        classify(0, 1);
    while (expect_metric(run.daemon.port, "tnm_shadow_dropped_total") < 1 && ++n < 100000);
    json_t *before = table_after(n);
    const json_t *row = json_array_get(json_object_get(before, "results"), 0);
    const json_int_t seen = expect_integer(row, "seen"), dropped = expect_integer(row, "dropped");
    ck_assert_int_eq(seen + dropped, n);
    classify(0, 20);
    json_t *after = table();
    row = json_array_get(json_object_get(after, "results"), 0);
    ck_assert_int_eq(expect_integer(row, "seen"), seen);
    ck_assert_int_eq(expect_integer(row, "dropped"), dropped + 20);
    for (unsigned i = 0; i < SLOW; i++)
        client_close(&client[i]);
    json_decref(before);
    json_decref(after);
}
END_TEST

static bool is_changing(void *arg) {
    (void)arg;
    return load.right > (emulated() ? 100 : 3000);
}

START_TEST(plans_may_change_under_load) {
    start(NULL);
    start_load();
    for (unsigned i = 0; !is_changing(NULL); i++)
        set(i % 3 == 0   ? "{\"models\":[\"two\",\"one\"]}"
            : i % 3 == 1 ? "{\"models\":[\"two\"],\"sample\":0.5}"
                         : "{\"models\":[]}");
    stop_load();
}
END_TEST

Suite *shadow_suite(void);
Suite *shadow_suite(void) {
    Suite *suite = suite_create("shadow");
    TCase *t = tcase_create("shadow");
    tcase_set_timeout(t, 300);
    tcase_add_checked_fixture(t, NULL, teardown);
    tcase_add_test(t, agreement_is_what_the_engine_finds);
    tcase_add_test(t, a_models_own_answers_are_skipped);
    tcase_add_test(t, a_sample_is_that_share_of_the_inputs);
    tcase_add_test(t, settings_begin_it_and_a_call_ends_it);
    tcase_add_test(t, a_replaced_or_removed_model_starts_anew);
    tcase_add_test(t, wrong_plans_are_refused_and_change_nothing);
    tcase_add_test(t, every_answer_under_load_is_seen_or_dropped);
    tcase_add_test(t, a_busy_daemon_drops_it);
    tcase_add_test(t, plans_may_change_under_load);
    suite_add_tcase(suite, t);
    t = tcase_create("start");
    tcase_set_timeout(t, 300);
    tcase_add_test(t, a_wrong_setting_is_said_at_the_start);
    suite_add_tcase(suite, t);
    return suite;
}
