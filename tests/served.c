/* SPDX-License-Identifier: MIT */
// A daemon with models of its own.
#include "tests/served.h"

#include "tests/made.h"
#include "tests/scratch.h"

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static void write_model(const char *folder, const char *file, unsigned seed) {
    struct made made = made_model(seed, false);
    scratch_write(scratch_path(folder, file), made.bytes, made.len);
    made_free(&made);
}

void served_start(struct served_run *run, const char *const *args) {
    run->folder = scratch_make();
    write_model(run->folder, "one.tnm", 1);
    write_model(run->folder, "two.tnm", 2);
    const char *all[32] = {"--models", run->folder, "--active", "one"};
    for (size_t n = 4; args != NULL && *args != NULL && n < 31; n++)
        all[n] = *args++;
    ck_assert_msg(daemon_start(&run->daemon, all), "%s", daemon_log(&run->daemon));
}

void served_stop(struct served_run *run) {
    int health = 429; // as long as connections that the test closed still count
    while (health == 429) {
        struct answer answer;
        ck_assert_msg(
            request_once(run->daemon.port, "GET", "/healthz", NULL, NULL, NULL, 0, &answer), "%s",
            daemon_log(&run->daemon));
        health = answer.status;
        answer_free(&answer);
    }
    ck_assert_int_eq(health, 200);
    daemon_signal(&run->daemon, SIGTERM);
    int status = daemon_wait(&run->daemon, 20000);
    ck_assert_msg(status == 0, "ended with %d: %s", status, daemon_log(&run->daemon));
    daemon_stop(&run->daemon);
    scratch_remove(run->folder);
}

json_t *served_json(const struct answer *answer) {
    json_error_t fault;
    json_t *root = json_loadb(answer->body, answer->body_len, JSON_REJECT_DUPLICATES, &fault);
    ck_assert_msg(root != NULL, "%s: %s", fault.text, answer->body);
    return root;
}

void served_expect_error(struct answer *answer, int status, const char *code) {
    ck_assert_msg(answer->status == status, "%d instead of %d: %s%s", answer->status, status,
                  answer->head, answer->body);
    ck_assert_str_eq(answer_header(answer, "Content-Type"), "application/json");
    ck_assert_str_eq(answer_header(answer, "Cache-Control"), "no-store");
    ck_assert_uint_eq(answer_header_count(answer, "Content-Length"), 1);
    json_t *root = served_json(answer);
    ck_assert_str_eq(json_string_value(json_object_get(root, "code")), code);
    ck_assert_uint_gt(json_string_length(json_object_get(root, "error")), 0);
    ck_assert_str_eq(json_string_value(json_object_get(root, "request_id")),
                     answer_header(answer, "X-Request-Id"));
    ck_assert_uint_eq(json_object_size(root), 3);
    if (status == 503)
        ck_assert_str_eq(answer_header(answer, "Retry-After"), "1");
    json_decref(root);
    answer_free(answer);
}
