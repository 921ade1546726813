/* SPDX-License-Identifier: MIT */
// Smaller models in place of a large one: the cascade, and degrading before refusing, in the real
// daemon. What must answer follows from what each model answers when it is asked by name.
#include "daemon/pace.h"
#include "tests/made.h"
#include "tests/photo.h"
#include "tests/scratch.h"
#include "tests/served.h"

#include <check.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OCTETS "application/octet-stream"

enum { N = MADE_INPUTS };

static struct served_run run; // models "one", which is active, and "two"
static struct client client;

static void start_with(const char *const *args) {
    served_start(&run, args);
    ck_assert(client_open(&client, run.daemon.port));
}

static void stop(void) {
    client_close(&client);
    served_stop(&run);
}

static json_t *classify(struct client *by, unsigned input, const char *query) {
    uint8_t pixels[N];
    char path[128];
    struct answer answer;
    made_input(input, pixels);
    snprintf(path, sizeof path, "/classify?%s", query);
    ck_assert(client_post(by, path, OCTETS, pixels, N, &answer));
    ck_assert_msg(answer.status == 200, "%d: %s", answer.status, answer.body);
    json_t *root = served_json(&answer);
    ck_assert_str_eq(answer_header(&answer, "X-Model"),
                     json_string_value(json_object_get(root, "model")));
    const char *degraded = answer_header(&answer, "X-Degraded");
    ck_assert_int_eq(degraded != NULL, json_is_true(json_object_get(root, "degraded")));
    answer_free(&answer);
    return root;
}

static const char *text(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    ck_assert_msg(json_is_string(value), "no text \"%s\"", key);
    return json_string_value(value);
}

static double number(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    ck_assert_msg(json_is_number(value), "no number \"%s\"", key);
    return json_number_value(value);
}

static void expect_same_answer(const json_t *a, const json_t *b) {
    static const char *const keys[] = {"model", "digest", "generation",  "index",
                                       "label", "margin", "probability", "top"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        ck_assert_msg(json_equal(json_object_get(a, keys[i]), json_object_get(b, keys[i])), "%s",
                      keys[i]);
}

// The value of a line of /metrics.
static double metric(const char *line) {
    struct answer answer;
    ck_assert(client_get(&client, "/metrics", &answer));
    const char *at = strstr(answer.body, line);
    ck_assert_msg(at != NULL && at[strlen(line)] == ' ', "no %s", line);
    double value = strtod(at + strlen(line), NULL);
    answer_free(&answer);
    return value;
}

// ---- Cascade -----------------------------------------------------------------------------------

#define ESCALATIONS "tnm_cascade_total{model=\"two\",escalated=\"true\"}"
#define STAYS "tnm_cascade_total{model=\"two\",escalated=\"false\"}"

static void start_cascade(void) {
    static const char *const args[] = {"--cascade", "two,one", "--cascade-margin", "0.6", NULL};
    start_with(args);
}

START_TEST(the_next_is_asked_where_the_margin_is_small) {
    unsigned escalated = 0, n = 60;
    for (unsigned i = 0; i < n; i++) {
        json_t *small = classify(&client, i, "model=two"),
               *large = classify(&client, i, "model=one");
        json_t *got = classify(&client, i, "model=cascade");
        ck_assert_double_gt(fabs(number(small, "margin") - 0.6), 1e-6);
        bool goes_on = number(small, "margin") < 0.6;
        expect_same_answer(got, goes_on ? large : small);
        ck_assert_double_eq(number(got, "escalated"), goes_on);
        ck_assert_ptr_null(json_object_get(large, "escalated"));
        escalated += goes_on;
        json_decref(small);
        json_decref(large);
        json_decref(got);
    }
    ck_assert(escalated > 0 && escalated < n); // or the test says nothing
    ck_assert_double_eq(metric(ESCALATIONS), escalated);
    ck_assert_double_eq(metric(STAYS), n - escalated);
    ck_assert_double_eq(metric("tnm_cascade_total{model=\"one\",escalated=\"false\"}"), escalated);
    ck_assert_double_eq(metric("tnm_cascade_total{model=\"one\",escalated=\"true\"}"), 0);
}
END_TEST

static bool has_gone(void *name) {
    char path[64];
    struct answer answer;
    snprintf(path, sizeof path, "/models/%s", (const char *)name);
    ck_assert(client_get(&client, path, &answer));
    bool gone = answer.status == 404;
    answer_free(&answer);
    return gone;
}

static void remove_model(const char *file, char *name) {
    ck_assert_int_eq(remove(scratch_path(run.folder, file)), 0);
    ck_assert(eventually(has_gone, name));
}

static void expect_model(const char *query, const char *model) {
    json_t *root = classify(&client, 1, query);
    ck_assert_str_eq(text(root, "model"), model);
    json_decref(root);
}

START_TEST(levels_out_of_service_are_passed_over) {
    char name[] = "two";
    for (double escalated = 1; escalated > 0;) { // both serve: of some input the small one is sure
        static unsigned input;
        json_t *root = classify(&client, input++, "model=cascade");
        ck_assert_str_eq(text(root, "model"), number(root, "escalated") > 0 ? "one" : "two");
        escalated = number(root, "escalated");
        json_decref(root);
    }
    remove_model("two.tnm", name);
    json_t *root = classify(&client, 1, "model=cascade");
    ck_assert_str_eq(text(root, "model"), "one");
    ck_assert_double_eq(number(root, "escalated"), 0);
    json_decref(root);
}
END_TEST

static void expect_refusal(const char *path, int status, const char *code) {
    uint8_t pixels[N];
    struct answer answer;
    made_input(1, pixels);
    ck_assert(client_post(&client, path, OCTETS, pixels, N, &answer));
    served_expect_error(&answer, status, code);
}

static void start_strangers(void) {
    static const char *const args[] = {"--cascade", "nobody,neither", NULL};
    start_with(args);
}

START_TEST(a_cascade_of_nobody_is_out_of_service) {
    expect_refusal("/classify?model=cascade", 503, "no_model");
    expect_model("", "one");
}
END_TEST

static void start_plain(void) {
    start_with(NULL);
}

START_TEST(without_the_setting_there_is_no_cascade) {
    expect_refusal("/classify?model=cascade", 404, "model_not_found");
    expect_refusal("/compare?models=one,cascade", 404, "model_not_found");
}
END_TEST

// A picture for three published models: the first answers at a margin of 0, the last at 1, and the
// one of other classes is passed over.
START_TEST(published_models_make_a_cascade) {
    static const char *const margin[] = {"0", "1"};
    static const char *const want[] = {"mnist-lenet5-packed-1k5", "mnist-mlp-5bit"};
    uint8_t *digits = photo_digits();
    struct photo photo;
    size_t len;
    ck_assert_ptr_nonnull(digits);
    photo_make(&photo, PHOTO_PENCIL, digits + 8 * N, 320, 240, 7); // not a clear one
    uint8_t *jpeg = photo_jpeg(&photo, 80, &len);
    for (int i = 0; i < 2; i++) {
        struct daemon_run own;
        struct answer answer;
        const char *const args[] = {
            "--models",
            "models",
            "--cascade",
            "mnist-lenet5-packed-1k5,fashion-mlp-packed,mnist-mlp-packed-3k,mnist-mlp-5bit",
            "--cascade-margin",
            margin[i],
            NULL};
        ck_assert_msg(daemon_start(&own, args), "%s", daemon_log(&own));
        ck_assert(request_once(own.port, "POST", "/classify?model=cascade", NULL, "image/jpeg",
                               jpeg, len, &answer));
        json_t *root = served_json(&answer);
        ck_assert_str_eq(text(root, "model"), want[i]);
        ck_assert_double_eq(number(root, "escalated"), i == 0 ? 0 : 2);
        json_decref(root);
        answer_free(&answer);
        ck_assert_int_eq(daemon_stop(&own), 0);
    }
    free(jpeg);
    photo_free(&photo);
    free(digits);
}
END_TEST

// ---- Degrading ---------------------------------------------------------------------------------

enum { QUEUE = 8, HELD = 6 }; // of which more than three quarters are pressure

static void start_degrading(void) {
    static const char *const args[] = {"--queue", "8", "--queue-per-client", "64", "--degrade",
                                       "two",     NULL};
    start_with(args);
}

// Requests whose body does not come yet: they are in work.
static void hold(struct client held[], unsigned n) {
    for (unsigned i = 0; i < n; i++) {
        ck_assert(client_open(&held[i], run.daemon.port));
        ck_assert(client_printf(&held[i],
                                "POST /classify HTTP/1.1\r\nHost: x\r\nContent-Type: " OCTETS
                                "\r\nContent-Length: %d\r\n\r\nabc",
                                N));
    }
}

// How many of them are degraded themselves.
static unsigned let_go(struct client held[], unsigned n) {
    unsigned degraded = 0;
    for (unsigned i = 0; i < n; i++) {
        char rest[N] = {0};
        struct answer answer;
        ck_assert(client_send(&held[i], rest, N - 3));
        ck_assert(client_read(&held[i], &answer, false));
        ck_assert_int_eq(answer.status, 200);
        degraded += answer_header(&answer, "X-Degraded") != NULL;
        answer_free(&answer);
        client_close(&held[i]);
    }
    return degraded;
}

static bool is_degraded(void *by) {
    json_t *root = classify(by, 1, "");
    bool degraded = json_is_true(json_object_get(root, "degraded"));
    ck_assert_str_eq(text(root, "model"), degraded ? "two" : "one");
    json_decref(root);
    return degraded;
}

static bool is_not_degraded(void *by) {
    return !is_degraded(by);
}

static bool is_full(void *by) {
    uint8_t pixels[N];
    struct answer answer;
    made_input(1, pixels);
    ck_assert(client_post(by, "/classify", OCTETS, pixels, N, &answer));
    bool full = answer.status == 503;
    if (full)
        served_expect_error(&answer, 503, "overloaded");
    else
        answer_free(&answer);
    return full;
}

START_TEST(under_pressure_the_smaller_model_answers_and_then_none) {
    struct client held[QUEUE];
    ck_assert(!is_degraded(&client));
    hold(held, HELD - 1);
    ck_assert(!is_degraded(&client)); // 6 of 8 in work with it
    hold(held + HELD - 1, 1);
    ck_assert(eventually(is_degraded, &client)); // 7 of 8
    json_t *small = classify(&client, 2, "model=two"), *got = classify(&client, 2, "");
    expect_same_answer(got, small);
    expect_model("model=one", "one"); // who names a model gets it
    ck_assert_double_ge(metric("tnm_degraded_total{model=\"two\"}"), 2);
    hold(held + HELD, QUEUE - HELD);
    ck_assert(eventually(is_full, &client));
    let_go(held, QUEUE);
    ck_assert(eventually(is_not_degraded, &client));
    json_decref(small);
    json_decref(got);
}
END_TEST

START_TEST(without_the_smaller_model_the_active_one_answers) {
    struct client held[HELD];
    char name[] = "two";
    remove_model("two.tnm", name);
    hold(held, HELD);
    for (int i = 0; i < 20; i++)
        expect_model("", "one");
    let_go(held, HELD);
}
END_TEST

enum { CALLERS = 2 };

struct callers {
    atomic_bool stop;
    atomic_uint right, degraded, faults;
};

static void *call(void *arg) {
    struct callers *callers = arg;
    struct client own;
    bool open = client_open(&own, run.daemon.port);
    for (unsigned i = 0; open && !callers->stop; i++) {
        uint8_t pixels[N];
        struct answer answer;
        made_input(i % 16, pixels);
        if (!client_post(&own, "/classify", OCTETS, pixels, N, &answer))
            break;
        bool marked = answer_header(&answer, "X-Degraded") != NULL &&
                      strstr(answer.body, ",\"degraded\":true,") != NULL;
        const char *model = answer_header(&answer, "X-Model");
        if (answer.status == 200 && strcmp(model, marked ? "two" : "one") == 0)
            callers->right++;
        else
            callers->faults++;
        callers->degraded += marked;
        answer_free(&answer);
    }
    if (open && callers->stop)
        client_close(&own);
    else
        callers->faults++;
    return NULL;
}

struct count {
    atomic_uint *of;
    unsigned until;
};

static bool has_come(void *arg) {
    const struct count *count = arg;
    return *count->of >= count->until;
}

// Pressure comes and goes under a load that fits into the queue: nothing is lost or refused, and
// every answer says truly whose it is.
START_TEST(under_load_nothing_is_lost_and_what_is_degraded_says_so) {
    static struct callers callers;
    pthread_t caller[CALLERS];
    unsigned held_degraded = 0;
    for (int i = 0; i < CALLERS; i++)
        ck_assert_int_eq(pthread_create(&caller[i], NULL, call, &callers), 0);
    for (int round = 0; round < 5; round++) {
        struct client held[HELD];
        struct count more = {&callers.degraded, callers.degraded + 20};
        hold(held, HELD);
        ck_assert(eventually(has_come, &more));
        held_degraded += let_go(held, HELD);
        more = (struct count){&callers.right, callers.right + 50};
        ck_assert(eventually(has_come, &more));
    }
    callers.stop = true;
    for (int i = 0; i < CALLERS; i++)
        pthread_join(caller[i], NULL);
    ck_assert_uint_eq(callers.faults, 0);
    ck_assert_uint_lt(callers.degraded, callers.right);
    ck_assert_double_eq(metric("tnm_degraded_total{model=\"two\"}"),
                        callers.degraded + held_degraded);
}
END_TEST

// ---- Pace --------------------------------------------------------------------------------------

START_TEST(a_slow_call_is_remembered_over_a_few_quick_ones) {
    struct pace pace = {0};
    pace_note(&pace, SLOW_NS);
    ck_assert(!pace_is_slow(&pace));
    pace_note(&pace, 2 * SLOW_NS);
    unsigned quick = 0;
    for (; pace_is_slow(&pace) && quick < 100; quick++)
        pace_note(&pace, 10);
    ck_assert(quick >= 2 && quick <= 4);
    for (int i = 0; i < 200; i++)
        pace_note(&pace, 10);
    ck_assert_uint_le(pace.ns, 10);
    pace_note(&pace, UINT64_MAX);
    ck_assert(pace_is_slow(&pace));
}
END_TEST

static TCase *add_case(Suite *suite, const char *name, void (*setup)(void)) {
    TCase *tc = tcase_create(name);
    tcase_add_checked_fixture(tc, setup, stop);
    tcase_set_timeout(tc, 240);
    suite_add_tcase(suite, tc);
    return tc;
}

Suite *cascade_suite(void) {
    Suite *suite = suite_create("cascade");
    TCase *tc = add_case(suite, "cascade", start_cascade);
    tcase_add_test(tc, the_next_is_asked_where_the_margin_is_small);
    tcase_add_test(tc, levels_out_of_service_are_passed_over);
    tcase_add_test(add_case(suite, "strangers", start_strangers),
                   a_cascade_of_nobody_is_out_of_service);
    tc = add_case(suite, "none", start_plain);
    tcase_add_test(tc, without_the_setting_there_is_no_cascade);
    tc = add_case(suite, "degrading", start_degrading);
    tcase_add_test(tc, under_pressure_the_smaller_model_answers_and_then_none);
    tcase_add_test(tc, without_the_smaller_model_the_active_one_answers);
    tcase_add_test(tc, under_load_nothing_is_lost_and_what_is_degraded_says_so);
    tc = tcase_create("alone");
    tcase_set_timeout(tc, 240);
    tcase_add_test(tc, published_models_make_a_cascade);
    tcase_add_test(tc, a_slow_call_is_remembered_over_a_few_quick_ones);
    suite_add_tcase(suite, tc);
    return suite;
}
