/* SPDX-License-Identifier: MIT */
// Several daemons behind HAProxy: they are killed, stopped, started and given other models under
// load, and who asks does not notice. Run by make check-haproxy from the top of the tree.
#include "tests/client.h"
#include "tests/fleet/fleet.h"
#include "tests/fleet/impostor.h"
#include "tests/scratch.h"

#include <check.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct fleet fleet;
static struct load load;
static struct impostor impostor;

static void setup(void) {
    fleet_start(&fleet);
}

static void teardown(void) {
    fleet_stop(&fleet);
}

static void start_load(void) {
    load.several = true;
    load_start(&load, fleet.port, fleet.made);
    load_wait(&load, 200);
}

static void stop_load(void) {
    load_stop(&load);
    ck_assert_uint_eq(load.ended, 0); // nobody was even told to connect again
}

// The text of a JSON object, which the body must be.
static const char *text_of(const struct answer *answer, const char *key) {
    static char value[256];
    json_t *root = json_loads(answer->body, 0, NULL);
    const char *text = json_string_value(json_object_get(root, key));
    ck_assert_msg(text != NULL, "no \"%s\" in %d %s: %s", key, answer->status, answer->head,
                  answer->body);
    snprintf(value, sizeof value, "%s", text);
    json_decref(root);
    return value;
}

// ---- Servers come and go -----------------------------------------------------------------------

START_TEST(a_killed_server_costs_no_request) {
    start_load();
    for (unsigned s = 0; s < FLEET_SERVERS; s++) {
        daemon_signal(&fleet.server[s], SIGKILL);
        ck_assert_int_eq(daemon_wait(&fleet.server[s], FLEET_WAIT_MS), 128 + SIGKILL);
        fleet_wait_for(&fleet, s, "DOWN");
        load_wait(&load, 200);
        daemon_stop(&fleet.server[s]);
        unsigned before = fleet_asked(&fleet, s);
        fleet_restart(&fleet, s);
        fleet_wait_for(&fleet, s, "UP");
        load_wait(&load, 500);
        ck_assert_uint_gt(fleet_asked(&fleet, s), before);
    }
    stop_load();
}
END_TEST

START_TEST(a_stopping_server_costs_no_request) {
    start_load();
    for (unsigned s = 0; s < FLEET_SERVERS; s++) {
        daemon_signal(&fleet.server[s], SIGTERM);
        ck_assert_int_eq(daemon_wait(&fleet.server[s], FLEET_WAIT_MS), 0);
        fleet_wait_for(&fleet, s, "DOWN");
        load_wait(&load, 200);
        daemon_stop(&fleet.server[s]);
        fleet_restart(&fleet, s);
        fleet_wait_for(&fleet, s, "UP");
    }
    stop_load();
}
END_TEST

START_TEST(a_restart_sooner_than_any_check_costs_no_request) {
    start_load();
    for (unsigned i = 0; i < 12; i++) {
        unsigned s = i % FLEET_SERVERS;
        daemon_signal(&fleet.server[s], i % 2 == 0 ? SIGTERM : SIGKILL);
        ck_assert_int_ge(daemon_wait(&fleet.server[s], FLEET_WAIT_MS), 0);
        daemon_stop(&fleet.server[s]);
        fleet_restart(&fleet, s);
        load_wait(&load, 50);
        fleet_wait_for(&fleet, s, "UP");
    }
    stop_load();
}
END_TEST

START_TEST(all_take_part) {
    start_load();
    load_wait(&load, 3000);
    stop_load();
    for (unsigned s = 0; s < FLEET_SERVERS; s++)
        ck_assert_uint_gt(fleet_asked(&fleet, s), load.right / 100);
}
END_TEST

// ---- Models come and go ------------------------------------------------------------------------

// Whether a server, asked itself, answers by a model.
struct expected {
    uint16_t port;
    const char *digest;
};

static bool answers_by(void *arg) {
    const struct expected *e = arg;
    uint8_t pixels[MADE_INPUTS];
    struct answer answer;
    made_input(0, pixels);
    ck_assert(request_once(e->port, "POST", "/classify", NULL, "application/octet-stream", pixels,
                           sizeof pixels, &answer));
    const char *digest = answer_header(&answer, "X-Model-Digest");
    bool does = digest != NULL && strcmp(digest, e->digest) == 0;
    answer_free(&answer);
    return does;
}

static void expect_model(unsigned server, unsigned model) {
    struct expected e = {fleet.at[server], load.digest[model]};
    ck_assert_msg(eventually(answers_by, &e), "server %u has not model %u", server, model);
}

static void activate(unsigned server, const char *name) {
    char path[64];
    struct answer answer;
    snprintf(path, sizeof path, "/models/%s/activate", name);
    ck_assert(request_once(fleet.at[server], "POST", path, NULL, NULL, NULL, 0, &answer));
    ck_assert_msg(answer.status == 200, "%s", answer.body);
    answer_free(&answer);
}

// One server after the other: the other model by HTTP, a third one by its file, and back.
static void swap_all(void) {
    for (unsigned s = 0; s < FLEET_SERVERS; s++) {
        activate(s, "b");
        expect_model(s, 1);
        load_wait(&load, 20);
        fleet_put(&fleet, s, "b", &fleet.made[2]);
        expect_model(s, 2);
        load_wait(&load, 20);
        activate(s, "a");
        expect_model(s, 0);
        fleet_put(&fleet, s, "a", &fleet.made[3]);
        expect_model(s, 3);
        fleet_put(&fleet, s, "a", &fleet.made[0]);
        fleet_put(&fleet, s, "b", &fleet.made[1]);
        expect_model(s, 0);
    }
}

START_TEST(models_are_swapped_one_by_one) {
    start_load();
    for (unsigned i = 0; i < 5; i++)
        swap_all();
    stop_load();
}
END_TEST

START_TEST(all_at_once) {
    start_load();
    for (unsigned i = 0; i < 3; i++) {
        unsigned dies = i, stops = (i + 1) % FLEET_SERVERS, stays = (i + 2) % FLEET_SERVERS;
        daemon_signal(&fleet.server[dies], SIGKILL);
        daemon_signal(&fleet.server[stops], SIGTERM);
        activate(stays, "b");
        expect_model(stays, 1);
        load_wait(&load, 300);
        fleet_put(&fleet, stays, "b", &fleet.made[2 + i % 2]);
        expect_model(stays, 2 + i % 2);
        fleet_put(&fleet, stays, "b", &fleet.made[1]);
        ck_assert_int_eq(daemon_wait(&fleet.server[stops], FLEET_WAIT_MS), 0);
        ck_assert_int_eq(daemon_wait(&fleet.server[dies], FLEET_WAIT_MS), 128 + SIGKILL);
        fleet_wait_for(&fleet, dies, "DOWN");
        fleet_wait_for(&fleet, stops, "DOWN");
        for (unsigned s = 0; s < FLEET_SERVERS; s++)
            if (s != stays) {
                daemon_stop(&fleet.server[s]);
                fleet_restart(&fleet, s);
                fleet_wait_for(&fleet, s, "UP");
            }
        swap_all();
    }
    stop_load();
}
END_TEST

// ---- What HAProxy does itself ------------------------------------------------------------------

static void expect_error(const char *method, const char *path, int status, const char *code) {
    struct answer answer;
    ck_assert(request_once(fleet.port, method, path, "X-Request-Id: mine.7\r\n", "text/plain", "x",
                           1, &answer));
    ck_assert_msg(answer.status == status, "%s %s: %d %s", method, path, answer.status,
                  answer.body);
    ck_assert_str_eq(answer_header(&answer, "Content-Type"), "application/json");
    ck_assert_str_eq(answer_header(&answer, "X-Request-Id"), "mine.7");
    ck_assert_str_eq(text_of(&answer, "code"), code);
    ck_assert_str_eq(text_of(&answer, "request_id"), "mine.7");
    ck_assert_uint_gt(strlen(text_of(&answer, "error")), 5);
    if (status == 503)
        ck_assert_str_eq(answer_header(&answer, "Retry-After"), "1");
    answer_free(&answer);
}

START_TEST(what_changes_one_server_is_not_for_all) {
    expect_error("POST", "/models/b/activate", 403, "forbidden");
    expect_error("PUT", "/models/c", 403, "forbidden");
    expect_error("DELETE", "/models/b", 403, "forbidden");
    expect_error("POST", "/rollback", 403, "forbidden");
    expect_error("POST", "/v2/repository/models/b/load", 403, "forbidden");
    expect_error("POST", "/v2/models/b/inferx", 403, "forbidden");
    expect_error("POST", "/feedback", 403, "forbidden");
    expect_error("GET", "/metrics", 403, "forbidden");
    expect_error("GET", "/v2/models/b/stats", 403, "forbidden");
}
END_TEST

START_TEST(errors_of_a_server_pass) {
    expect_error("POST", "/classify", 415, "unsupported_media_type");
    expect_error("GET", "/models/none", 404, "model_not_found");
    expect_error("POST", "/v2/models/none/versions/1/infer", 404, "model_not_found");
    expect_error("POST", "/v1/vision/custom/none", 404, "model_not_found");
}
END_TEST

START_TEST(without_a_server_it_says_so) {
    struct answer answer;
    ck_assert(request_once(fleet.port, "GET", "/readyz", NULL, NULL, NULL, 0, &answer));
    ck_assert_int_eq(answer.status, 200);
    ck_assert_str_eq(answer.body, "{\"live\":true,\"ready\":true}");
    answer_free(&answer);
    for (unsigned s = 0; s < FLEET_SERVERS; s++)
        daemon_stop(&fleet.server[s]);
    for (unsigned s = 0; s < FLEET_SERVERS; s++)
        fleet_wait_for(&fleet, s, "DOWN");
    expect_error("GET", "/readyz", 503, "no_server");
    expect_error("POST", "/classify", 503, "no_server");
}
END_TEST

START_TEST(what_is_not_http_reaches_no_server) {
    struct client client;
    struct answer answer;
    ck_assert(client_open(&client, fleet.port));
    ck_assert(client_printf(&client, "GET / HTTP/1.1\r\nHost : x\r\n\r\n"));
    ck_assert(client_read(&client, &answer, false));
    ck_assert_int_eq(answer.status, 400);
    answer_free(&answer);
    client_close(&client);
    for (unsigned s = 0; s < FLEET_SERVERS; s++)
        ck_assert_uint_eq(fleet_asked(&fleet, s), 0);
}
END_TEST

START_TEST(a_body_may_be_longer_than_a_buffer) {
    static uint8_t body[3 << 20]; // all black, in no form of a picture
    struct answer answer;
    ck_assert(request_once(fleet.port, "POST", "/classify", NULL, "image/png", body, sizeof body,
                           &answer));
    ck_assert_msg(answer.status == 422, "%d %s", answer.status, answer.body);
    ck_assert_str_eq(text_of(&answer, "code"), "image_undecodable");
    answer_free(&answer);
}
END_TEST

// ---- What a server can do to a request ---------------------------------------------------------

static const char full[] = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n"
                           "Content-Length: 2\r\nConnection: close\r\n\r\n{}";
static const char fine[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";

static void setup_impostor(const char *answer) {
    impostor_start(&impostor, answer);
    fleet.at[0] = impostor.port;
    fleet_start(&fleet);
}

static void setup_full(void) {
    setup_impostor(full);
}

static void setup_vanishing(void) {
    setup_impostor(NULL);
}

static void setup_fine(void) {
    setup_impostor(fine);
}

static void teardown_impostor(void) {
    fleet_stop(&fleet);
    impostor_stop(&impostor);
}

START_TEST(a_full_server_passes_it_on) {
    start_load();
    load_wait(&load, 500);
    stop_load();
    ck_assert_uint_gt(impostor.asked, 20);
}
END_TEST

START_TEST(one_that_vanishes_passes_it_on) {
    start_load();
    load_wait(&load, 500);
    stop_load();
    ck_assert_uint_gt(impostor.asked, 1);
}
END_TEST

START_TEST(who_asks_is_what_haproxy_saw) {
    struct answer answer;
    while (impostor.asked == 0) {
        ck_assert(request_once(fleet.port, "POST", "/compare",
                               "X-Forwarded-For: 8.8.8.8\r\nX-Forwarded-Host: evil\r\n"
                               "Forwarded: for=8.8.8.8\r\nAuthorization: Bearer t\r\n"
                               "X-Request-Id: a\"b\r\n",
                               "text/plain", "x", 1, &answer));
        answer_free(&answer);
    }
    pthread_mutex_lock(&impostor.lock);
    struct answer asked = {.head = impostor.head};
    ck_assert_str_eq(answer_header(&asked, "X-Forwarded-For"), "127.0.0.1");
    ck_assert_str_eq(answer_header(&asked, "X-Forwarded-Proto"), "http");
    ck_assert_str_eq(answer_header(&asked, "Authorization"), "Bearer t");
    ck_assert_ptr_null(answer_header(&asked, "X-Forwarded-Host"));
    ck_assert_ptr_null(answer_header(&asked, "Forwarded"));
    ck_assert_uint_eq(answer_header_count(&asked, "X-Request-Id"), 1);
    ck_assert_ptr_null(strchr(answer_header(&asked, "X-Request-Id"), '"'));
    pthread_mutex_unlock(&impostor.lock);
}
END_TEST

// ---- All of them -------------------------------------------------------------------------------

static TCase *add_case(Suite *suite, const char *name, SFun start, SFun stop) {
    TCase *tcase = tcase_create(name);
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, start, stop);
    suite_add_tcase(suite, tcase);
    return tcase;
}

int main(void) {
    Suite *suite = suite_create("fleet");
    TCase *servers = add_case(suite, "servers", setup, teardown);
    tcase_add_test(servers, a_killed_server_costs_no_request);
    tcase_add_test(servers, a_stopping_server_costs_no_request);
    tcase_add_test(servers, a_restart_sooner_than_any_check_costs_no_request);
    tcase_add_test(servers, all_take_part);
    TCase *models = add_case(suite, "models", setup, teardown);
    tcase_add_test(models, models_are_swapped_one_by_one);
    tcase_add_test(models, all_at_once);
    TCase *own = add_case(suite, "own", setup, teardown);
    tcase_add_test(own, what_changes_one_server_is_not_for_all);
    tcase_add_test(own, errors_of_a_server_pass);
    tcase_add_test(own, without_a_server_it_says_so);
    tcase_add_test(own, what_is_not_http_reaches_no_server);
    tcase_add_test(own, a_body_may_be_longer_than_a_buffer);
    tcase_add_test(add_case(suite, "full", setup_full, teardown_impostor),
                   a_full_server_passes_it_on);
    tcase_add_test(add_case(suite, "vanishing", setup_vanishing, teardown_impostor),
                   one_that_vanishes_passes_it_on);
    tcase_add_test(add_case(suite, "fine", setup_fine, teardown_impostor),
                   who_asks_is_what_haproxy_saw);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
