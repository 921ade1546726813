/* SPDX-License-Identifier: MIT */
// Pages of other sites that may ask models, against the real daemon.
#include "tests/made.h"
#include "tests/served.h"

#include "daemon/origin.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#define COUNT(table) ((int)(sizeof(table) / sizeof(table)[0]))

#define FRIEND "https://friend.example"
#define ASKS(method) "Access-Control-Request-Method: " method "\r\n"

static struct served_run run;

static void start_off(void) {
    served_start(&run, NULL);
}

static void start_listed(void) {
    static const char *const args[] = {"--cors-origins", "http://10.0.0.2:3000, " FRIEND, NULL};
    served_start(&run, args);
}

static void start_any(void) {
    static const char *const args[] = {"--cors-origins", "*", NULL};
    served_start(&run, args);
}

static void stop(void) {
    served_stop(&run);
}

static void ask(const char *method, const char *path, const char *headers, struct answer *answer) {
    static const uint8_t input[MADE_INPUTS];
    bool infers = strcmp(path, "/classify") == 0 && strcmp(method, "POST") == 0;
    ck_assert(request_once(run.daemon.port, method, path, headers, NULL, infers ? input : NULL,
                           infers ? sizeof input : 0, answer));
}

static void expect_header(const struct answer *answer, const char *name, const char *value) {
    const char *have = answer_header(answer, name);
    ck_assert_msg(value == NULL ? have == NULL : have != NULL && strcmp(have, value) == 0, "%s: %s",
                  name, have != NULL ? have : "absent");
}

// ---- Off ---------------------------------------------------------------------------------------

START_TEST(without_a_list_no_page_reads_anything) {
    struct answer answer;
    ask("GET", "/models", "Origin: " FRIEND "\r\n", &answer);
    ck_assert_int_eq(answer.status, 200);
    expect_header(&answer, "Access-Control-Allow-Origin", NULL);
    expect_header(&answer, "Vary", NULL);
    answer_free(&answer);
    ask("OPTIONS", "/classify", "Origin: " FRIEND "\r\n" ASKS("POST"), &answer);
    expect_header(&answer, "Access-Control-Allow-Origin", NULL);
    served_expect_error(&answer, 405, "method_not_allowed");
}
END_TEST

// ---- A list ------------------------------------------------------------------------------------

static const struct {
    const char *method, *path, *origin;
    int status;
    bool shared;
} calls[] = {
    {"GET", "/models", FRIEND, 200, true},
    {"HEAD", "/models", FRIEND, 200, true},
    {"POST", "/classify", FRIEND, 200, true},
    {"POST", "/classify", "http://10.0.0.2:3000", 200, true},
    {"GET", "/healthz", FRIEND, 200, true},
    {"GET", "/models/none", FRIEND, 404, true}, // errors are read as well
    {"POST", "/classify?top=x", FRIEND, 400, true},
    {"GET", "/models", "http://friend.example", 200, false}, // another scheme
    {"GET", "/models", "https://friend.example:444", 200, false},
    {"GET", "/models", "https://friend.example.org", 200, false},
    {"GET", "/models", "https://evil.example", 200, false},
    {"GET", "/models", "null", 200, false},
    {"GET", "/models", NULL, 200, false},
    {"POST", "/models/two/activate", FRIEND, 403, false}, // asking is not changing
};

START_TEST(who_is_listed_may_read_the_answer) {
    struct answer answer;
    char headers[128] = "";
    if (calls[_i].origin != NULL)
        snprintf(headers, sizeof headers, "Origin: %s\r\n", calls[_i].origin);
    if (strcmp(calls[_i].method, "HEAD") == 0) {
        struct client client;
        ck_assert(client_open(&client, run.daemon.port));
        ck_assert(client_request(&client, "HEAD", calls[_i].path, headers, NULL, NULL, 0, &answer));
        client_close(&client);
    } else {
        ask(calls[_i].method, calls[_i].path, headers, &answer);
    }
    ck_assert_int_eq(answer.status, calls[_i].status);
    expect_header(&answer, "Access-Control-Allow-Origin",
                  calls[_i].shared ? calls[_i].origin : NULL);
    expect_header(&answer, "Vary", "Origin"); // or a cache would mix them up
    ck_assert_int_eq(answer_header(&answer, "Access-Control-Expose-Headers") != NULL,
                     calls[_i].shared);
    expect_header(&answer, "Access-Control-Allow-Credentials", NULL);
    answer_free(&answer);
}
END_TEST

static const struct {
    const char *path, *headers;
    bool allowed;
} preflights[] = {
    {"/classify", "Origin: " FRIEND "\r\n" ASKS("POST"), true},
    {"/models", "Origin: " FRIEND "\r\n" ASKS("GET"), true},
    {"/models/one", "Origin: " FRIEND "\r\n" ASKS("HEAD"), true},
    {"/classify", "Origin: https://evil.example\r\n" ASKS("POST"), false},
    {"/classify", "Origin: " FRIEND "\r\n" ASKS("PUT"), false},
    {"/classify", "Origin: " FRIEND "\r\n", false},
    {"/classify", ASKS("POST"), false},
    {"/models/two/activate", "Origin: " FRIEND "\r\n" ASKS("POST"), false},
};

START_TEST(a_browser_that_asks_first_is_answered) {
    struct answer answer;
    struct client client;
    ck_assert(client_open(&client, run.daemon.port));
    ck_assert(client_request(&client, "OPTIONS", preflights[_i].path, preflights[_i].headers, NULL,
                             NULL, 0, &answer));
    expect_header(&answer, "Vary", "Origin");
    if (!preflights[_i].allowed) {
        expect_header(&answer, "Access-Control-Allow-Origin", NULL);
        served_expect_error(&answer, 405, "method_not_allowed");
    } else {
        ck_assert_int_eq(answer.status, 204);
        expect_header(&answer, "Access-Control-Allow-Origin", FRIEND);
        ck_assert_ptr_nonnull(
            strstr(answer_header(&answer, "Access-Control-Allow-Methods"), "POST"));
        ck_assert_ptr_nonnull(
            strstr(answer_header(&answer, "Access-Control-Allow-Headers"), "Authorization"));
        answer_free(&answer);
    }
    ck_assert(client_get(&client, "/healthz", &answer)); // the connection lives
    ck_assert_int_eq(answer.status, 200);
    answer_free(&answer);
    client_close(&client);
}
END_TEST

// What a page may send without asking: a form. Only those that are listed.
START_TEST(forms_of_listed_pages_are_taken) {
    static const char form[] = "--b\r\nContent-Disposition: form-data; name=\"image\"; "
                               "filename=\"x\"\r\n\r\nhello\r\n--b--\r\n";
    static const char type[] = "multipart/form-data; boundary=b";
    struct answer answer;
    ck_assert(request_once(run.daemon.port, "POST", "/classify", "Origin: " FRIEND "\r\n", type,
                           form, sizeof form - 1, &answer));
    ck_assert_int_ne(answer.status, 403);
    answer_free(&answer);
    ck_assert(request_once(run.daemon.port, "POST", "/classify", "Origin: https://evil.example\r\n",
                           type, form, sizeof form - 1, &answer));
    served_expect_error(&answer, 403, "foreign_origin");
}
END_TEST

START_TEST(any_origin_may_be_let_in) {
    struct answer answer;
    ask("GET", "/models", "Origin: https://anybody.example\r\n", &answer);
    expect_header(&answer, "Access-Control-Allow-Origin", "https://anybody.example");
    answer_free(&answer);
    ask("POST", "/models/two/activate", "Origin: https://anybody.example\r\n", &answer);
    expect_header(&answer, "Access-Control-Allow-Origin", NULL);
    served_expect_error(&answer, 403, "foreign_origin");
}
END_TEST

START_TEST(lists_of_origins_are_checked) {
    static const struct {
        const char *list;
        bool good;
    } lists[] = {
        {"", true},         {"*", true},
        {"http://a", true}, {"http://a, https://b:1  http://[::1]:80", true},
        {"a", false},       {"http://a/", false},
        {"http://", false}, {"http://a https://b/c", false},
        {"**", false},
    };
    for (int i = 0; i < COUNT(lists); i++) {
        struct tnm_error err;
        ck_assert_msg(origin_check_list(lists[i].list, &err) == lists[i].good, "%s", lists[i].list);
    }
}
END_TEST

static TCase *add_case(Suite *suite, const char *name, void (*setup)(void)) {
    TCase *tc = tcase_create(name);
    tcase_set_timeout(tc, 300);
    if (setup != NULL)
        tcase_add_checked_fixture(tc, setup, stop);
    suite_add_tcase(suite, tc);
    return tc;
}

Suite *cors_suite(void) {
    Suite *suite = suite_create("cors");
    TCase *tc = add_case(suite, "off", start_off);
    tcase_add_test(tc, without_a_list_no_page_reads_anything);
    tc = add_case(suite, "listed", start_listed);
    tcase_add_loop_test(tc, who_is_listed_may_read_the_answer, 0, COUNT(calls));
    tcase_add_loop_test(tc, a_browser_that_asks_first_is_answered, 0, COUNT(preflights));
    tcase_add_test(tc, forms_of_listed_pages_are_taken);
    tc = add_case(suite, "any", start_any);
    tcase_add_test(tc, any_origin_may_be_let_in);
    tc = add_case(suite, "alone", NULL);
    tcase_add_test(tc, lists_of_origins_are_checked);
    return suite;
}
