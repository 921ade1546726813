/* SPDX-License-Identifier: MIT */
// POST /replay of the real daemon: what another model would have answered to the last inputs.
#include "tests/expect.h"
#include "tests/files.h"
#include "tests/load.h"
#include "tests/scratch.h"
#include "tests/served.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct served_run run;

static void start(const char *kept) {
    const char *const args[] = {"--replay", kept, NULL};
    served_start(&run, args);
}

static void teardown(void) {
    served_stop(&run);
}

static json_t *replay(const char *query) {
    char path[128];
    snprintf(path, sizeof path, "/replay%s", query);
    return expect_json(run.daemon.port, "POST", path, NULL, NULL, 0, 200);
}

static void refused(const char *query, int status, const char *code) {
    char path[128];
    struct answer answer;
    snprintf(path, sizeof path, "/replay%s", query);
    ck_assert(request_once(run.daemon.port, "POST", path, NULL, NULL, NULL, 0, &answer));
    served_expect_error(&answer, status, code);
}

// Inputs from..to-1, answered by "one".
static void classify(unsigned from, unsigned to) {
    char id[16];
    for (unsigned i = from; i < to; i++) {
        snprintf(id, sizeof id, "in-%u", i);
        expect_classified(run.daemon.port, i, NULL, id, NULL);
    }
}

static void expect_side(const json_t *side, const struct expected *expected) {
    char label[24];
    snprintf(label, sizeof label, "%zu", expected->index);
    ck_assert_str_eq(expect_string(side, "label"), label);
    ck_assert_double_eq_tol(expect_number(side, "margin"), expected->margin, 2e-6);
}

static void expect_counts(const json_t *reply, json_int_t replayed, json_int_t changed,
                          json_int_t skipped) {
    ck_assert_int_eq(expect_integer(reply, "replayed"), replayed);
    ck_assert_int_eq(expect_integer(reply, "changed"), changed);
    ck_assert_int_eq(expect_integer(reply, "skipped"), skipped);
    ck_assert(json_is_true(json_object_get(reply, "complete")));
}

START_TEST(changes_are_those_that_the_engine_finds) {
    enum { KEPT = 20, ALL = 30 };
    start("20");
    classify(0, ALL);
    json_t *reply = replay("?model=two&pixels=1");
    const json_t *changes = json_object_get(reply, "changes");
    size_t n = 0;
    for (unsigned i = ALL; i-- > ALL - KEPT;) { // the newest first
        struct expected old = expect_answer(1, i), new = expect_answer(2, i);
        if (old.index == new.index)
            continue;
        const json_t *change = json_array_get(changes, n++);
        char id[16];
        snprintf(id, sizeof id, "in-%u", i);
        ck_assert_str_eq(expect_string(change, "request_id"), id);
        ck_assert_int_eq(expect_integer(change, "item"), 0);
        expect_side(json_object_get(change, "old"), &old);
        expect_side(json_object_get(change, "new"), &new);
        ck_assert_str_eq(expect_string(json_object_get(change, "old"), "model"), "one");
        ck_assert_str_eq(expect_string(json_object_get(change, "old"), "digest"), old.digest);
        uint8_t pixels[MADE_INPUTS];
        made_input(i, pixels);
        const json_t *shown = json_object_get(change, "pixels");
        ck_assert_uint_eq(json_array_size(shown), MADE_INPUTS);
        for (size_t k = 0; k < MADE_INPUTS; k++)
            ck_assert_int_eq(json_integer_value(json_array_get(shown, k)), pixels[k]);
    }
    ck_assert_uint_gt(n, 0);
    ck_assert_uint_eq(json_array_size(changes), n);
    expect_counts(reply, KEPT, (json_int_t)n, 0);
    ck_assert_str_eq(expect_string(reply, "digest"), expect_answer(2, 0).digest);
    json_decref(reply);

    json_t *brief = replay("?model=two&limit=1");
    changes = json_object_get(brief, "changes");
    ck_assert_uint_eq(json_array_size(changes), 1);
    ck_assert_ptr_null(json_object_get(json_array_get(changes, 0), "pixels"));
    expect_counts(brief, KEPT, (json_int_t)n, 0);
    json_decref(brief);
}
END_TEST

START_TEST(the_model_that_answered_changes_nothing) {
    start("20");
    json_t *none = replay("");
    expect_counts(none, 0, 0, 0);
    json_decref(none);
    classify(0, 10);
    // Floats that are no bytes, and pixels of JSON, must come back as they were.
    float x[MADE_INPUTS];
    for (size_t i = 0; i < MADE_INPUTS; i++)
        x[i] = (float)i / 3000.0F;
    struct answer answer;
    ck_assert(request_once(run.daemon.port, "POST", "/classify", NULL, "application/octet-stream",
                           x, sizeof x, &answer));
    ck_assert_int_eq(answer.status, 200);
    answer_free(&answer);
    json_t *reply = replay("");
    expect_counts(reply, 11, 0, 0);
    json_decref(reply);
}
END_TEST

START_TEST(inputs_of_another_size_are_skipped) {
    start("20");
    sample_save(SAMPLE_TINY, scratch_path(run.folder, "tiny.tnm"));
    classify(0, 5);
    static const float four[4] = {0.25F, 0.5F, 0.75F, 1};
    struct answer answer = {0};
    for (unsigned tries = 0; answer.status != 200 && tries < 100000; tries++) {
        answer_free(&answer);
        ck_assert(request_once(run.daemon.port, "POST", "/classify?model=tiny", NULL,
                               "application/octet-stream", four, sizeof four, &answer));
    }
    answer_free(&answer);
    json_t *reply = replay("?model=tiny");
    expect_counts(reply, 1, 0, 5);
    json_decref(reply);
    reply = replay("?model=one");
    expect_counts(reply, 5, 0, 1);
    json_decref(reply);
}
END_TEST

START_TEST(wrong_calls_are_refused) {
    start("2");
    refused("?model=none", 404, "model_not_found");
    refused("?limit=x", 400, "bad_query");
    refused("?limit=10001", 400, "bad_query");
    refused("?pixels=2", 400, "bad_query");
}
END_TEST

START_TEST(nothing_is_kept_unless_asked_for) {
    start("0");
    classify(0, 1);
    refused("", 409, "not_configured");
}
END_TEST

// While eight clients ask and models are swapped, every replay is whole and true: what it lists is
// what the two engines say of the input that it shows.
START_TEST(a_replay_under_load_is_true) {
    static struct load load;
    static struct made made[LOAD_MODELS];
    start("50");
    memset(&load, 0, sizeof load);
    for (unsigned m = 0; m < LOAD_MODELS; m++)
        made[m] = made_model(m, false);
    load_start(&load, run.daemon.port, made);
    load_wait(&load, 60);
    size_t listed = 0;
    for (unsigned round = 0; round < (emulated() ? 3 : 20); round++) {
        json_t *reply = replay(round % 2 == 0 ? "?model=two&pixels=1&limit=3" : "?limit=3");
        size_t k;
        json_t *change;
        json_array_foreach(json_object_get(reply, "changes"), k, change) {
            const json_t *old = json_object_get(change, "old");
            unsigned input = 0;
            for (; input < LOAD_INPUTS; input++) {
                uint8_t pixels[MADE_INPUTS];
                bool same = true;
                made_input(input, pixels);
                for (size_t i = 0; i < MADE_INPUTS && same; i++)
                    same = json_integer_value(
                               json_array_get(json_object_get(change, "pixels"), i)) == pixels[i];
                if (same)
                    break;
            }
            if (round % 2 == 1)
                continue;
            ck_assert_uint_lt(input, LOAD_INPUTS);
            struct expected want =
                expect_answer(strcmp(expect_string(old, "model"), "one") == 0 ? 1 : 2, input);
            expect_side(old, &want);
            listed++;
        }
        ck_assert_int_le(expect_integer(reply, "replayed"), 50);
        json_decref(reply);
        json_t *swap = expect_json(run.daemon.port, "POST",
                                   round % 3 == 0 ? "/models/two/activate" : "/models/one/activate",
                                   NULL, NULL, 0, 200);
        json_decref(swap);
    }
    ck_assert_uint_gt(listed, 0);
    load_stop(&load);
    for (unsigned m = 0; m < LOAD_MODELS; m++)
        made_free(&made[m]);
}
END_TEST

Suite *replay_suite(void);
Suite *replay_suite(void) {
    Suite *suite = suite_create("replay");
    TCase *t = tcase_create("replay");
    tcase_set_timeout(t, 300);
    tcase_add_checked_fixture(t, NULL, teardown);
    tcase_add_test(t, changes_are_those_that_the_engine_finds);
    tcase_add_test(t, the_model_that_answered_changes_nothing);
    tcase_add_test(t, inputs_of_another_size_are_skipped);
    tcase_add_test(t, wrong_calls_are_refused);
    tcase_add_test(t, nothing_is_kept_unless_asked_for);
    tcase_add_test(t, a_replay_under_load_is_true);
    suite_add_tcase(suite, t);
    return suite;
}
