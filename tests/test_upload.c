/* SPDX-License-Identifier: MIT */
// Models that come over HTTP: stored whole or not at all, never in service before they are asked
// for, deleted again, and whatever may go wrong on the way.
#include "core/checksum.h"
#include "tests/scratch.h"
#include "tests/uploading.h"

#include <check.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *upload_of(const char *file) {
    return scratch_path(up.uploads, file);
}

static bool holds(const char *path, const struct made *model) {
    static uint8_t bytes[1 << 17];
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    size_t len = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    return len == model->len && memcmp(bytes, model->bytes, len) == 0;
}

// Content-Digest of a model, as a header line; wrong: of another.
static const char *digest_line(const struct made *model) {
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    static char line[128];
    uint8_t digest[33] = {0};
    char text[45] = "";
    tnm_sha256(model->bytes, model->len, digest);
    for (unsigned i = 0; i < 43; i++) {
        unsigned bit = 6 * i, at = bit / 8;
        text[i] = letters[(digest[at] << 8 | digest[at + 1]) >> (10 - bit % 8) & 63];
    }
    text[43] = '=';
    snprintf(line, sizeof line, "Content-Digest: sha-256=:%s:\r\n", text);
    return line;
}

// ---- PUT ---------------------------------------------------------------------------------------

START_TEST(an_upload_is_stored_and_serves_under_its_name_alone) {
    up_start(NULL);
    long generation = atol(up_total("generation"));
    json_t *reply =
        up_expect_json("PUT", "/models/new", NULL, up.made[2].bytes, up.made[2].len, 201);
    ck_assert_str_eq(json_string_value(json_object_get(reply, "name")), "new");
    ck_assert_str_eq(json_string_value(json_object_get(reply, "digest")), up.digest[2]);
    ck_assert_uint_eq((size_t)json_integer_value(json_object_get(reply, "bytes")), up.made[2].len);
    ck_assert_int_gt(json_integer_value(json_object_get(reply, "generation")), generation);
    ck_assert(json_is_false(json_object_get(reply, "active")));
    json_decref(reply);
    ck_assert(holds(upload_of("new.tnm"), &up.made[2]));
    ck_assert_int_eq(up_answers("new"), 2);
    ck_assert_int_eq(up_answers(NULL), 0);
    ck_assert_int_eq(atol(up_total("generation")), generation);
    ck_assert_str_eq(up_field("new", "source"), "uploads");
    ck_assert_str_eq(up_field("one", "source"), "models");
    up_put("new", &up.made[3], 200, NULL);
    ck_assert_int_eq(up_answers("new"), 3);
    up_stop(); // and it is still there afterwards
    up_start(NULL);
    ck_assert_int_eq(up_answers("new"), 3);
    ck_assert_int_eq(up_answers(NULL), 0);
}
END_TEST

START_TEST(the_same_upload_again_changes_nothing) {
    char generation[32];
    up_start(NULL);
    up_put("new", &up.made[2], 201, NULL);
    snprintf(generation, sizeof generation, "%s", up_field("new", "generation"));
    up_put("new", &up.made[2], 200, NULL);
    ck_assert_str_eq(up_field("new", "generation"), generation);
    ck_assert_uint_eq(up_count_files(up.uploads), 1);
}
END_TEST

START_TEST(what_is_put_over_the_active_model_waits) {
    up_start(NULL);
    json_t *reply =
        up_expect_json("PUT", "/models/one", NULL, up.made[2].bytes, up.made[2].len, 200);
    ck_assert(json_is_true(json_object_get(reply, "pending")));
    ck_assert(json_is_true(json_object_get(reply, "active")));
    json_decref(reply);
    for (int i = 0; i < 2; i++) { // a reload does not change that, nor does a new start
        ck_assert_int_eq(up_answers(NULL), 0);
        ck_assert_int_eq(up_answers("one"), 0);
        ck_assert_str_eq(up_field("one", "pending"), up.digest[2]);
        if (i == 0) {
            daemon_signal(&up.run, SIGHUP);
            ck_assert(daemon_log_has(&up.run, "reloaded: 0 models new", 60000));
            up_stop();
            up_start(NULL);
        }
    }
    up_put("one", &up.made[3], 200, NULL); // the last one counts
    ck_assert_int_eq(up_answers(NULL), 0);
    up_activate("one");
    ck_assert_int_eq(up_answers(NULL), 3);
    ck_assert_int_eq(up_answers("one"), 3);
    ck_assert_str_eq(up_field("one", "pending"), "");
    ck_assert_uint_eq(up_count_files(up.uploads), 1);
    up_stop();
    up_start(NULL);
    ck_assert_int_eq(up_answers(NULL), 3);
}
END_TEST

START_TEST(a_pending_file_that_is_spoilt_is_refused_and_the_old_model_serves_on) {
    up_start(NULL);
    up_put("one", &up.made[2], 200, NULL);
    scratch_write(upload_of("one.tnm.pending"), up.made[2].bytes, up.made[2].len / 2);
    up_expect("POST", "/models/one/activate", NULL, NULL, 0, 422, "model_invalid");
    ck_assert_int_eq(up_answers(NULL), 0);
    up_put("one", &up.made[3], 200, NULL);
    up_activate("one");
    ck_assert_int_eq(up_answers(NULL), 3);
}
END_TEST

START_TEST(content_digest_is_checked) {
    static const struct {
        const char *line;
        int status;
        const char *code;
    } cases[] = {
        {"Content-Digest: sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:\r\n", 400,
         "digest_mismatch"},
        {"Content-Digest: sha-256=:AAAA:\r\n", 400, "malformed"},
        {"Content-Digest: sha-256=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n", 400,
         "malformed"},
        {"Content-Digest: sha-256=:\r\n", 400, "malformed"},
        {"Content-Digest: sha-512=:AAAA:, "
         "sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:\r\n",
         400, "digest_mismatch"},
    };
    up_start(NULL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        up_expect("PUT", "/models/new", cases[i].line, up.made[2].bytes, up.made[2].len,
                  cases[i].status, cases[i].code);
        up_expect("GET", "/models/new", NULL, NULL, 0, 404, "model_not_found");
    }
    ck_assert_uint_eq(up_count_files(up.uploads), 0);
    up_expect("PUT", "/models/new", digest_line(&up.made[2]), up.made[2].bytes, up.made[2].len, 201,
              NULL);
    // An algorithm that is not known here says nothing.
    up_expect("PUT", "/models/other", "Content-Digest: sha-512=:AAAA:\r\n", up.made[2].bytes,
              up.made[2].len, 201, NULL);
}
END_TEST

START_TEST(if_none_match_keeps_what_there_is) {
    up_start(NULL);
    up_expect("PUT", "/models/two", "If-None-Match: *\r\n", up.made[2].bytes, up.made[2].len, 412,
              "model_exists");
    ck_assert_int_eq(up_answers("two"), 1);
    up_expect("PUT", "/models/new", "If-None-Match: *\r\n", up.made[2].bytes, up.made[2].len, 201,
              NULL);
}
END_TEST

START_TEST(what_is_no_good_model_is_refused_and_leaves_nothing) {
    struct made bad = made_model(9, true);
    struct made half = {up.made[2].bytes, up.made[2].len / 2}, none = {up.made[2].bytes, 0};
    up_start(NULL);
    up_put("two", &bad, 422, "selftest_failed");
    up_put("new", &bad, 422, "selftest_failed");
    up_put("new", &half, 422, "model_invalid");
    up_put("new", &none, 422, "model_invalid");
    up_put("one", &half, 422, "model_invalid");
    up.made[2].bytes[up.made[2].len / 2] ^= 1;
    up_put("new", &up.made[2], 422, "model_invalid");
    ck_assert_uint_eq(up_count_files(up.uploads), 0);
    ck_assert_int_eq(up_answers("two"), 1);
    ck_assert_int_eq(up_answers(NULL), 0);
    up_expect("GET", "/models/new", NULL, NULL, 0, 404, "model_not_found");
    made_free(&bad);
}
END_TEST

static const struct {
    const char *name;
    int status;
    const char *code;
} names[] = {
    {"a", 201, NULL},
    {"A.b_c-1", 201, NULL},
    {"-", 201, NULL},
    {"n%2em", 201, NULL}, // n.m
    {"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", 201, NULL},
    {"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", 404, "not_found"},
    {".hidden", 400, "bad_name"},
    {"%2ehidden", 400, "bad_name"},
    {"%2e%2e", 400, "bad_name"},
    {"..", 400, "bad_name"},
    {".", 400, "bad_name"},
    {"a%20b", 400, "bad_name"},
    {"a%2fb", 400, "malformed"},
    {"..%2f..%2fetc", 400, "malformed"},
    {"a%5cb", 400, "malformed"},
    {"a%00b", 400, "malformed"},
    {"../two", 404, "not_found"},
    {"a/b", 404, "not_found"},
    {"", 404, "not_found"},
    {"a*b", 400, "bad_name"},
};

START_TEST(only_some_names_are_names) {
    up_start(NULL);
    up_put(names[_i].name, &up.made[2], names[_i].status, names[_i].code);
    ck_assert_uint_eq(up_count_files(up.uploads), names[_i].status == 201);
    ck_assert_uint_eq(up_count_files(up.state), 1);
    ck_assert_uint_eq(up_count_files(up.models), 2);
}
END_TEST

START_TEST(the_limit_of_an_upload_is_that_of_model_files) {
    const char *const args[] = {"--max-body", "1K", "--max-model", "16K", NULL};
    static uint8_t long_body[20000];
    up_start(args);
    up_put("new", &up.made[2], 201, NULL);
    ck_assert_uint_gt(up.made[2].len, 1024);
    up_expect("PUT", "/models/big", NULL, long_body, sizeof long_body, 413, "body_too_large");
    up_expect("POST", "/classify", NULL, long_body, 2000, 413, "body_too_large");
    struct client client;
    struct answer answer;
    ck_assert(client_open(&client, up.run.port));
    ck_assert(client_printf(&client, "PUT /models/big HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                                     "Transfer-Encoding: chunked\r\n\r\n4e20\r\n"));
    ck_assert(client_send(&client, long_body, sizeof long_body));
    ck_assert(client_printf(&client, "\r\n0\r\n\r\n"));
    ck_assert(client_read(&client, &answer, false));
    ck_assert_int_eq(answer.status, 413);
    ck_assert_ptr_nonnull(strstr(answer.body, "max-model = 16384"));
    answer_free(&answer);
    client_close(&client);
    ck_assert_uint_eq(up_count_files(up.uploads), 1);
}
END_TEST

START_TEST(chunks_are_as_good_as_a_length) {
    struct client client;
    struct answer answer;
    up_start(NULL);
    ck_assert(client_open(&client, up.run.port));
    ck_assert(client_printf(&client, "PUT /models/new HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                                     "Transfer-Encoding: chunked\r\n\r\n"));
    for (size_t at = 0; at < up.made[2].len; at += 1000) {
        size_t n = up.made[2].len - at < 1000 ? up.made[2].len - at : 1000;
        ck_assert(client_printf(&client, "%zx\r\n", n));
        ck_assert(client_send(&client, up.made[2].bytes + at, n));
        ck_assert(client_printf(&client, "\r\n"));
    }
    ck_assert(client_printf(&client, "0\r\n\r\n"));
    ck_assert(client_read(&client, &answer, false));
    ck_assert_int_eq(answer.status, 201);
    answer_free(&answer);
    // The connection is as before.
    ck_assert(client_get(&client, "/models/new", &answer));
    ck_assert_int_eq(answer.status, 200);
    answer_free(&answer);
    client_close(&client);
    ck_assert_int_eq(up_answers("new"), 2);
}
END_TEST

START_TEST(changing_models_needs_the_token) {
    const char *token = scratch_path(up.folder, "token");
    const char *const args[] = {"--token-file", token, NULL};
    static const struct {
        const char *method, *path;
    } calls[] = {
        {"PUT", "/models/new"}, {"DELETE", "/models/two"}, {"POST", "/models/two/activate"},
        {"POST", "/rollback"},  {"PUT", "/aliases/x"},     {"DELETE", "/aliases/x"}};
    scratch_write(token, "secret-secret-secret\n", 21);
    up_start(args);
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        up_expect(calls[i].method, calls[i].path, NULL, up.made[2].bytes, up.made[2].len, 401,
                  "unauthorized");
        up_expect(calls[i].method, calls[i].path,
                  "Authorization: Bearer secret-secret-secret\r\nOrigin: http://evil.example\r\n",
                  up.made[2].bytes, up.made[2].len, 403, "foreign_origin");
    }
    ck_assert_uint_eq(up_count_files(up.uploads), 0);
    up_expect("PUT", "/models/new", "Authorization: Bearer secret-secret-secret\r\n",
              up.made[2].bytes, up.made[2].len, 201, NULL);
}
END_TEST

// ---- DELETE ------------------------------------------------------------------------------------

START_TEST(an_upload_can_be_deleted_and_uncovers_what_was_shipped) {
    up_start(NULL);
    up_put("new", &up.made[2], 201, NULL);
    up_put("two", &up.made[3], 200, NULL);
    ck_assert_int_eq(up_answers("two"), 3);
    up_expect("DELETE", "/models/new", NULL, NULL, 0, 200, NULL);
    up_expect("GET", "/models/new", NULL, NULL, 0, 404, "model_not_found");
    up_expect("DELETE", "/models/new", NULL, NULL, 0, 404, "model_not_found");
    json_t *reply = up_expect_json("DELETE", "/models/two", NULL, NULL, 0, 200);
    ck_assert(json_is_true(json_object_get(reply, "uncovered")));
    json_decref(reply);
    ck_assert_int_eq(up_answers("two"), 1);
    ck_assert_str_eq(up_field("two", "source"), "models");
    ck_assert_uint_eq(up_count_files(up.uploads), 0);
    up_expect("DELETE", "/models/two", NULL, NULL, 0, 409, "read_only");
    ck_assert_int_eq(up_answers("two"), 1);
}
END_TEST

START_TEST(what_waits_can_be_deleted_once_another_is_active) {
    up_start(NULL);
    up_put("one", &up.made[2], 200, NULL);
    up_expect("DELETE", "/models/one", NULL, NULL, 0, 409, "in_use");
    up_activate("two");
    ck_assert_str_eq(up_field("one", "pending"), up.digest[2]);
    up_expect("DELETE", "/models/one", NULL, NULL, 0, 200, NULL);
    ck_assert_str_eq(up_field("one", "pending"), "");
    ck_assert_int_eq(up_answers("one"), 0);
    ck_assert_uint_eq(up_count_files(up.uploads), 0);
    up_expect("DELETE", "/models/one", NULL, NULL, 0, 409, "read_only");
}
END_TEST

START_TEST(what_is_in_use_is_not_deleted) {
    up_start(NULL);
    up_put("new", &up.made[2], 201, NULL);
    up_activate("new");
    up_expect("DELETE", "/models/new", NULL, NULL, 0, 409, "in_use");
    up_activate("one");
    up_expect("PUT", "/aliases/stable", NULL, "{\"model\":\"new\"}", 15, 201, NULL);
    up_expect("DELETE", "/models/new", NULL, NULL, 0, 409, "in_use");
    up_expect("DELETE", "/models/stable", NULL, NULL, 0, 404, "model_not_found");
    up_expect("DELETE", "/aliases/stable", NULL, NULL, 0, 200, NULL);
    up_expect("DELETE", "/models/new", NULL, NULL, 0, 200, NULL);
    ck_assert(!holds(upload_of("new.tnm"), &up.made[2]));
}
END_TEST

START_TEST(without_a_state_folder_uploads_go_to_the_models) {
    const char *const args[] = {"--models", up.models, NULL};
    ck_assert(daemon_start(&up.run, args));
    up_put("new", &up.made[2], 201, NULL);
    ck_assert(holds(scratch_path(up.models, "new.tnm"), &up.made[2]));
    up_expect("DELETE", "/models/new", NULL, NULL, 0, 200, NULL);
    up_expect("DELETE", "/models/two", NULL, NULL, 0, 200, NULL);
    ck_assert_uint_eq(up_count_files(up.models), 1);
}
END_TEST

START_TEST(a_shipped_file_that_changes_under_an_upload_does_not_serve) {
    up_start(NULL);
    up_put("two", &up.made[2], 200, NULL);
    up_ship("two", &up.made[3]);
    up_ship("mark", &up.made[3]);
    for (int i = 0; i < 2000 && up_answers("mark") != 3; i++)
        ;
    ck_assert_int_eq(up_answers("two"), 2);
    up_expect("DELETE", "/models/two", NULL, NULL, 0, 200, NULL);
    ck_assert_int_eq(up_answers("two"), 3);
}
END_TEST

// ---- Room --------------------------------------------------------------------------------------

static bool third_serves(void *arg) {
    (void)arg;
    return up_answers("third") == 2;
}

START_TEST(a_model_that_waits_for_room_is_taken_when_there_is_some) {
    const char *const args[] = {"--max-models", "3", NULL};
    up_start(args);
    up_put("new", &up.made[3], 201, NULL);
    up_put("more", &up.made[3], 409, "limit_reached");
    up_ship("third", &up.made[2]);
    ck_assert(daemon_log_has(&up.run, "model refused: third: 3 models are loaded", 60000));
    ck_assert_str_eq(up_field("third", "state"), "failed");
    up_expect("POST", "/models/third/activate", NULL, NULL, 0, 409, "limit_reached");
    up_expect("DELETE", "/models/new", NULL, NULL, 0, 200, NULL);
    ck_assert(eventually(third_serves, NULL));
    ck_assert_str_eq(up_field("third", "reason"), "");
}
END_TEST

START_TEST(equal_bytes_take_memory_once) {
    up_start(NULL);
    long before = atol(up_total("memory_bytes"));
    up_put("again", &up.made[0], 201, NULL);
    ck_assert_int_eq(atol(up_total("memory_bytes")), before);
    up_put("other", &up.made[2], 201, NULL);
    ck_assert_int_gt(atol(up_total("memory_bytes")), before);
    up_expect("DELETE", "/models/other", NULL, NULL, 0, 200, NULL);
    ck_assert_int_eq(atol(up_total("memory_bytes")), before);
    ck_assert_int_eq(up_answers("again"), 0);
    up_activate("again");
    up_activate("two");
    up_expect("DELETE", "/models/again", NULL, NULL, 0, 200, NULL);
    ck_assert_int_eq(up_answers("one"), 0); // the build is the other's, too
}
END_TEST

// ---- Clients, disks and folders that fail ------------------------------------------------------

static bool uploads_are_empty(void *arg) {
    (void)arg;
    return up_count_files(up.uploads) == 0;
}

static bool uploads_are_not(void *arg) {
    return !uploads_are_empty(arg);
}

static void send_half(struct client *client) {
    ck_assert(client_open(client, up.run.port));
    ck_assert(client_printf(
        client, "PUT /models/new HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %zu\r\n\r\n",
        up.made[2].len));
    ck_assert(client_send(client, up.made[2].bytes, up.made[2].len / 2));
}

// The library may miss an end that comes together with data (its epoll is edge-triggered); then the
// time for a body ends it.
START_TEST(a_client_that_goes_away_leaves_nothing) {
    struct client client[4];
    const char *const args[] = {"--body-timeout", "5", NULL};
    up_start(args);
    for (int i = 0; i < 4; i++)
        send_half(&client[i]);
    ck_assert(eventually(uploads_are_not, NULL));
    for (int i = 0; i < 4; i++)
        client_close(&client[i]);
    ck_assert(eventually(uploads_are_empty, NULL));
    up_expect("GET", "/models/new", NULL, NULL, 0, 404, "model_not_found");
    up_put("new", &up.made[2], 201, NULL);
}
END_TEST

START_TEST(a_daemon_that_was_killed_leaves_nothing_for_long) {
    struct client client;
    up_start(NULL);
    send_half(&client);
    ck_assert(eventually(uploads_are_not, NULL));
    daemon_signal(&up.run, SIGKILL);
    ck_assert_int_eq(daemon_wait(&up.run, 60000), 128 + SIGKILL);
    daemon_stop(&up.run);
    ck_assert_uint_eq(up_count_files(up.uploads), 1);
    up_start(NULL);
    ck_assert_uint_eq(up_count_files(up.uploads), 0);
    client_close(&client);
}
END_TEST

// Mounts a small disk where uploads go, for this test alone. False where that is not allowed.
static bool mount_small(const char *options) {
    ck_assert_int_eq(mkdir(up.uploads, 0755), 0);
    return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("tmpfs", up.uploads, "tmpfs", 0, options) == 0;
}

START_TEST(a_full_disk_is_said_and_changes_nothing) {
    if (!mount_small("size=32k"))
        return;
    struct made large = made_model(5, false);
    up_start(NULL);
    up_put("new", &up.made[2], 201, NULL);
    int status = 201;
    for (int i = 0; i < 16 && status == 201; i++) {
        char path[64];
        struct answer answer;
        snprintf(path, sizeof path, "/models/filler-%d", i);
        ck_assert(
            request_once(up.run.port, "PUT", path, NULL, NULL, large.bytes, large.len, &answer));
        status = answer.status;
        if (status != 201)
            ck_assert_ptr_nonnull(strstr(answer.body, "storage_full"));
        answer_free(&answer);
    }
    ck_assert_int_eq(status, 507);
    ck_assert_int_eq(up_answers("new"), 2);
    ck_assert_int_eq(up_answers(NULL), 0);
    up_expect("DELETE", "/models/filler-0", NULL, NULL, 0, 200, NULL); // makes room
    up_put("again", &large, 201, NULL);
    up_stop();
    umount(up.uploads);
    made_free(&large);
}
END_TEST

START_TEST(a_folder_that_cannot_be_written_is_said) {
    if (!mount_small("ro"))
        return;
    up_start(NULL);
    up_put("new", &up.made[2], 409, "read_only");
    ck_assert_int_eq(up_answers(NULL), 0);
    up_activate("two"); // which needs no upload
    up_expect("POST", "/rollback", NULL, NULL, 0, 200, NULL);
    ck_assert_int_eq(up_answers(NULL), 0);
    up_stop();
    umount(up.uploads);
}
END_TEST

START_TEST(a_folder_that_is_none_is_said) {
    scratch_write(up.uploads, "a file", 6);
    up_start(NULL);
    ck_assert(daemon_log_has(&up.run, "nothing can be uploaded", 60000));
    up_put("new", &up.made[2], 409, "read_only");
    up_expect("DELETE", "/models/two", NULL, NULL, 0, 409, "read_only");
    ck_assert_int_eq(up_answers(NULL), 0);
}
END_TEST

// ---- All at once -------------------------------------------------------------------------------

START_TEST(two_hundred_changes_under_load_lose_nothing_and_mix_nothing) {
    static struct load load;
    up_start(NULL);
    load_start(&load, up.run.port, up.made);
    load_wait(&load, 20);
    unsigned changes = emulated() ? 24 : 200;
    for (unsigned i = 0; i < changes; i++) {
        char name[32];
        const struct made *model = &up.made[i % LOAD_MODELS];
        snprintf(name, sizeof name, "m%u", i / 8 % 3);
        switch (i % 8) {
        case 0:
            up_put(name, model, 201, NULL);
            break;
        case 1:
            up_activate(name);
            break;
        case 2: // over the active one, and let it serve
            up_put(name, model, 200, NULL);
            break;
        case 3:
            up_activate(name);
            break;
        case 4:
        case 5:
            up_expect("POST", "/rollback", NULL, NULL, 0, 200, NULL);
            break;
        case 6:
            up_activate("one");
            break;
        default: {
            char path[64];
            snprintf(path, sizeof path, "/models/%s", name);
            up_expect("DELETE", path, NULL, NULL, 0, 200, NULL);
        }
        }
    }
    load_wait(&load, 20);
    load_stop(&load);
    ck_assert_uint_eq(up_count_files(up.uploads), 0);
    up_stop();
}
END_TEST

struct operator{
    unsigned seed;
    pthread_t thread;
};

// One of several that do as they like. Only the answers to /classify must be right.
static void *meddle(void *arg) {
    struct operator* me = arg;
    for (unsigned i = 0; i < (emulated() ? 5 : 40); i++) {
        char path[64];
        struct answer answer;
        const struct made *model = &up.made[(i + me->seed) % LOAD_MODELS];
        snprintf(path, sizeof path,
                 i % 5 == 4   ? "/rollback"
                 : i % 5 == 2 ? "/models/x%u/activate"
                              : "/models/x%u",
                 (i / 5 + me->seed) % 2);
        bool put = i % 5 < 2, post = i % 5 == 2 || i % 5 == 4;
        if (request_once(up.run.port,
                         put    ? "PUT"
                         : post ? "POST"
                                : "DELETE",
                         path, NULL, NULL, put ? model->bytes : NULL, put ? model->len : 0,
                         &answer)) {
            ck_assert_msg(answer.status < 500, "%s: %s", path, answer.body);
            answer_free(&answer);
        }
    }
    return NULL;
}

START_TEST(operators_that_do_as_they_like_harm_no_answer) {
    static struct load load;
    static struct operator operators[4];
    up_start(NULL);
    load_start(&load, up.run.port, up.made);
    for (unsigned i = 0; i < 4; i++) {
        operators[i].seed = i;
        ck_assert_int_eq(pthread_create(&operators[i].thread, NULL, meddle, &operators[i]), 0);
    }
    for (unsigned i = 0; i < 4; i++)
        pthread_join(operators[i].thread, NULL);
    load_wait(&load, 20);
    load_stop(&load);
    up_stop();
}
END_TEST

Suite *upload_suite(void) {
    Suite *s = suite_create("upload");
    TCase *t = tcase_create("upload");
    tcase_add_checked_fixture(t, uploading_setup, uploading_teardown);
    tcase_set_timeout(t, 240);
    tcase_add_test(t, an_upload_is_stored_and_serves_under_its_name_alone);
    tcase_add_test(t, the_same_upload_again_changes_nothing);
    tcase_add_test(t, what_is_put_over_the_active_model_waits);
    tcase_add_test(t, a_pending_file_that_is_spoilt_is_refused_and_the_old_model_serves_on);
    tcase_add_test(t, content_digest_is_checked);
    tcase_add_test(t, if_none_match_keeps_what_there_is);
    tcase_add_test(t, what_is_no_good_model_is_refused_and_leaves_nothing);
    tcase_add_loop_test(t, only_some_names_are_names, 0, sizeof names / sizeof *names);
    tcase_add_test(t, the_limit_of_an_upload_is_that_of_model_files);
    tcase_add_test(t, chunks_are_as_good_as_a_length);
    tcase_add_test(t, changing_models_needs_the_token);
    tcase_add_test(t, an_upload_can_be_deleted_and_uncovers_what_was_shipped);
    tcase_add_test(t, what_waits_can_be_deleted_once_another_is_active);
    tcase_add_test(t, what_is_in_use_is_not_deleted);
    tcase_add_test(t, without_a_state_folder_uploads_go_to_the_models);
    tcase_add_test(t, a_shipped_file_that_changes_under_an_upload_does_not_serve);
    tcase_add_test(t, a_model_that_waits_for_room_is_taken_when_there_is_some);
    tcase_add_test(t, equal_bytes_take_memory_once);
    tcase_add_test(t, a_client_that_goes_away_leaves_nothing);
    tcase_add_test(t, a_daemon_that_was_killed_leaves_nothing_for_long);
    tcase_add_test(t, a_full_disk_is_said_and_changes_nothing);
    tcase_add_test(t, a_folder_that_cannot_be_written_is_said);
    tcase_add_test(t, a_folder_that_is_none_is_said);
    tcase_add_test(t, two_hundred_changes_under_load_lose_nothing_and_mix_nothing);
    tcase_add_test(t, operators_that_do_as_they_like_harm_no_answer);
    suite_add_tcase(s, t);
    return s;
}
