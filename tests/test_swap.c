/* SPDX-License-Identifier: MIT */
// The real daemon from outside: models are swapped, files are spoilt, the process is told to
// reload, to stop, to start again, and no request may notice but by the headers of its answer.
#include "tests/client.h"
#include "tests/daemon_run.h"
#include "tests/handed.h"
#include "tests/load.h"
#include "tests/made.h"
#include "tests/scratch.h"

#include <check.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WAIT_MS = 60000 };

static const char *folder;
static char models[4096];
static struct made made[LOAD_MODELS];
static struct daemon_run run;
static struct load load;

static void setup(void) {
    folder = scratch_make();
    snprintf(models, sizeof models, "%s/models", folder);
    ck_assert_int_eq(mkdir(models, 0755), 0);
    for (unsigned i = 0; i < LOAD_MODELS; i++)
        made[i] = made_model(i, false);
}

static void teardown(void) {
    daemon_stop(&run);
    for (unsigned i = 0; i < LOAD_MODELS; i++)
        made_free(&made[i]);
    scratch_remove(folder);
}

// ---- Words for the tests -----------------------------------------------------------------------

static const char *file_of(const char *name) {
    char file[80];
    snprintf(file, sizeof file, "%s.tnm", name);
    return scratch_path(models, file);
}

static void put(const char *name, const struct made *model) {
    scratch_replace(file_of(name), model->bytes, model->len);
}

static void start_with(const char *const *env) {
    const char *const args[] = {"--models", models, NULL};
    ck_assert_msg(daemon_start_with(&run, args, env), "%s", daemon_log(&run));
}

static void start(void) {
    start_with(NULL);
}

// Two models, the daemon, and load on it.
static void start_under_load(void) {
    put("a", &made[0]);
    put("b", &made[1]);
    start();
    load_start(&load, run.port, made);
    load_wait(&load, 20);
}

// Status of a request without a body; what says *text of a header or a word of the body.
static int ask(const char *method, const char *path, const char *headers, char *body, size_t size) {
    struct answer answer;
    ck_assert_msg(request_once(run.port, method, path, headers, NULL, NULL, 0, &answer),
                  "no answer to %s %s", method, path);
    int status = answer.status;
    if (body != NULL)
        snprintf(body, size, "%s", answer.body);
    answer_free(&answer);
    return status;
}

static int get(const char *path) {
    return ask("GET", path, NULL, NULL, 0);
}

static bool body_has(const char *path, const char *text) {
    static char body[65536];
    ask("GET", path, NULL, body, sizeof body);
    return strstr(body, text) != NULL;
}

// A header of an answer by the active model.
static const char *active_header(const char *name) {
    static char value[128];
    uint8_t pixels[MADE_INPUTS];
    struct answer answer;
    made_input(0, pixels);
    ck_assert(request_once(run.port, "POST", "/classify", NULL, "application/octet-stream", pixels,
                           sizeof pixels, &answer));
    ck_assert_int_eq(answer.status, 200);
    const char *found = answer_header(&answer, name);
    snprintf(value, sizeof value, "%s", found != NULL ? found : "");
    answer_free(&answer);
    return value;
}

static bool model_answers(void *digest) {
    return strcmp(active_header("X-Model-Digest"), digest) == 0;
}

static int activate(const char *name, const char *headers) {
    char path[128];
    snprintf(path, sizeof path, "/models/%s/activate", name);
    return ask("POST", path, headers, NULL, 0);
}

static bool is_listed_as(void *text) {
    return body_has("/models", text);
}

static bool is_ready(void *arg) {
    (void)arg;
    return get("/readyz") == 200;
}

// ---- Swaps -------------------------------------------------------------------------------------

START_TEST(two_hundred_swaps_lose_nothing_and_mix_nothing) {
    start_under_load();
    unsigned swaps = emulated() ? 24 : 200, on[2] = {0, 1}; // which model a and b are
    long before = atol(active_header("X-Model-Generation"));
    for (unsigned i = 0; i < swaps; i++) {
        const char *const name[] = {"a", "b"};
        unsigned active = i / 2 % 2; // activate the other, then replace it while it is active
        if (i % 2 == 0) {
            ck_assert_int_eq(activate(name[active], NULL), 200);
        } else {
            on[active] = (on[active] + 2) % LOAD_MODELS;
            put(name[active], &made[on[active]]);
        }
        ck_assert(eventually(model_answers, load.digest[on[active]]));
    }
    ck_assert_int_eq(atol(active_header("X-Model-Generation")) - before, swaps);
    load_wait(&load, 20);
    load_stop(&load);
    ck_assert_uint_gt(load.right, swaps);
}
END_TEST

START_TEST(files_that_are_spoilt_change_no_answer) {
    start_under_load();
    scratch_write(file_of("a"), made[2].bytes, made[2].len / 2);
    ck_assert(eventually(is_listed_as, "\"reason\":\""));
    load_wait(&load, 50);
    ck_assert_int_eq(truncate(file_of("a"), 10), 0);
    load_wait(&load, 50);
    ck_assert_int_eq(unlink(file_of("a")), 0);
    ck_assert(eventually(is_listed_as, "gone"));
    load_wait(&load, 50);
    ck_assert(model_answers(load.digest[0]));
    ck_assert_int_eq(get("/readyz"), 200);
    load_stop(&load);
    ck_assert_int_eq(daemon_stop(&run), 0);
}
END_TEST

START_TEST(a_corrupt_file_is_refused_by_name_and_reason) {
    put("a", &made[0]);
    start();
    made[1].bytes[made[1].len / 2] ^= 1;
    put("broken", &made[1]);
    ck_assert(daemon_log_has(&run, "model refused: broken: ", WAIT_MS));
    ck_assert(eventually(is_listed_as, "\"broken\""));
    ck_assert(body_has("/models/broken", "\"failed\""));
    ck_assert(body_has("/models/broken", "\"reason\":\""));
    ck_assert_int_eq(activate("broken", NULL), 422);
    ck_assert_str_eq(active_header("X-Model"), "a");
}
END_TEST

START_TEST(an_activation_goes_by_the_generation) {
    char stale[64], fresh[64];
    put("a", &made[0]);
    put("b", &made[1]);
    start();
    long generation = atol(active_header("X-Model-Generation"));
    snprintf(stale, sizeof stale, "If-Match: \"%ld\"\r\n", generation + 7);
    snprintf(fresh, sizeof fresh, "If-Match: \"%ld\"\r\n", generation);
    ck_assert_int_eq(activate("b", stale), 412);
    ck_assert_str_eq(active_header("X-Model"), "a");
    ck_assert_int_eq(activate("b", fresh), 200);
    ck_assert_str_eq(active_header("X-Model"), "b");
    ck_assert_int_eq(atol(active_header("X-Model-Generation")), generation + 1);
    ck_assert_int_eq(activate("b", fresh), 412);
    ck_assert_int_eq(activate("none", NULL), 404);
}
END_TEST

START_TEST(without_a_model_it_serves_and_says_so) {
    char body[4096];
    start();
    ck_assert_int_eq(ask("GET", "/readyz", NULL, body, sizeof body), 503);
    ck_assert_ptr_nonnull(strstr(body, "no_model"));
    ck_assert_int_eq(get("/healthz"), 200);
    ck_assert(daemon_log_has(&run, "no model", WAIT_MS));
    put("first", &made[0]);
    ck_assert(eventually(is_ready, NULL));
    ck_assert_str_eq(active_header("X-Model"), "first");
}
END_TEST

START_TEST(what_is_active_is_remembered_over_a_restart) {
    const char *const args[] = {"--models", models, "--state", folder, NULL};
    put("a", &made[0]);
    put("b", &made[1]);
    ck_assert(daemon_start(&run, args));
    ck_assert_int_eq(activate("b", NULL), 200);
    ck_assert_int_eq(daemon_stop(&run), 0);
    ck_assert(daemon_start(&run, args));
    ck_assert_str_eq(active_header("X-Model"), "b");
}
END_TEST

// ---- systemd -----------------------------------------------------------------------------------

// A fake notify socket, and the variable that names it.
static int open_notify(char *variable, size_t size) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%.80s/notify", folder);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    snprintf(variable, size, "NOTIFY_SOCKET=%s", address.sun_path);
    return fd;
}

// Waits for a message that begins with text; others are passed over.
static const char *await_message(int notify, const char *text) {
    static char message[1024];
    struct pollfd wait = {.fd = notify, .events = POLLIN};
    // Something comes every 0.1 s, so that this ends.
    for (int i = 0; i < WAIT_MS / 100 && poll(&wait, 1, WAIT_MS) == 1; i++) {
        ssize_t n = recv(notify, message, sizeof message - 1, 0);
        message[n > 0 ? n : 0] = '\0';
        if (strncmp(message, text, strlen(text)) == 0)
            return message;
    }
    ck_abort_msg("no %s", text);
}

START_TEST(systemd_is_told_of_each_change) {
    char variable[128];
    int notify = open_notify(variable, sizeof variable);
    const char *const env[] = {variable, "WATCHDOG_USEC=200000", NULL};
    put("a", &made[0]);
    start_with(env);
    const char *ready = await_message(notify, "READY=1\n");
    ck_assert_msg(strstr(ready, "STATUS=a: ") != NULL && strstr(ready, "% pruned") != NULL, "%s",
                  ready);
    for (int i = 0; i < 3; i++)
        await_message(notify, "WATCHDOG=1");
    put("b", &made[1]);
    ck_assert(eventually(is_listed_as, "\"b\""));
    ck_assert_int_eq(activate("b", NULL), 200);
    await_message(notify, "STATUS=b: ");
    daemon_signal(&run, SIGHUP);
    ck_assert_ptr_nonnull(strstr(await_message(notify, "RELOADING=1\n"), "MONOTONIC_USEC="));
    await_message(notify, "READY=1\nSTATUS=b: ");
    ck_assert(daemon_log_has(&run, "reloaded: 0 models new, 0 refused", WAIT_MS));
    daemon_signal(&run, SIGTERM);
    await_message(notify, "STOPPING=1");
    ck_assert_int_eq(daemon_wait(&run, WAIT_MS), 0);
    close(notify);
}
END_TEST

START_TEST(a_reload_takes_what_the_watch_cannot_see) {
    put("a", &made[0]);
    start();
    ck_assert_int_eq(truncate(file_of("a"), 100), 0); // closes nothing
    daemon_signal(&run, SIGHUP);
    ck_assert(daemon_log_has(&run, "model refused: a: ", WAIT_MS));
    ck_assert(daemon_log_has(&run, "reloaded: 0 models new, 1 refused", WAIT_MS));
    ck_assert_str_eq(active_header("X-Model"), "a");
}
END_TEST

// ---- Stopping ----------------------------------------------------------------------------------

START_TEST(a_stop_loses_no_request) {
    start_under_load();
    daemon_signal(&run, SIGTERM);
    ck_assert_int_eq(daemon_wait(&run, WAIT_MS), 0);
    load_stop(&load);
    ck_assert_uint_eq(load.ended, LOAD_CLIENTS);
}
END_TEST

START_TEST(a_second_signal_ends_it_at_once) {
    struct client slow;
    put("a", &made[0]);
    start();
    ck_assert(client_open(&slow, run.port));
    ck_assert(client_printf(&slow, "POST /classify HTTP/1.1\r\nHost: x\r\nContent-Length: 784\r\n"
                                   "Content-Type: application/octet-stream\r\n\r\nhalf"));
    ck_assert_int_eq(get("/healthz"), 200);
    daemon_signal(&run, SIGINT);
    ck_assert(daemon_log_has(&run, "stopping", WAIT_MS));
    daemon_signal(&run, SIGINT);
    ck_assert_int_eq(daemon_wait(&run, WAIT_MS), 128 + SIGINT);
    client_close(&slow);
}
END_TEST

START_TEST(wrong_settings_exit_with_2_and_their_place) {
    const char *conf = scratch_path(folder, "tnmd.conf");
    const char *const args[] = {"--config", conf, NULL};
    scratch_write(conf, "[http]\nqueue = none\n", 20);
    ck_assert(!daemon_start(&run, args));
    ck_assert_int_eq(daemon_wait(&run, WAIT_MS), 2);
    ck_assert_ptr_nonnull(strstr(daemon_log(&run), "tnmd.conf:2: queue = \"none\" is not"));
}
END_TEST

START_TEST(a_start_that_fails_exits_with_1) {
    const char *const args[] = {"--models", scratch_path(folder, "nowhere"), NULL};
    ck_assert(!daemon_start(&run, args));
    ck_assert_int_eq(daemon_wait(&run, WAIT_MS), 1);
    ck_assert_ptr_nonnull(strstr(daemon_log(&run), "nowhere"));
}
END_TEST

// ---- A socket of systemd's ---------------------------------------------------------------------

START_TEST(restarts_on_one_socket_lose_no_request) {
    uint16_t port;
    int fd = handed_listen(&port);
    put("a", &made[0]);
    const char *const args[] = {"--models", models, NULL};
    pid_t daemon = handed_start(fd, args, false, NULL);
    load.reconnects = true;
    load_start(&load, port, made); // the first connections wait in the socket
    for (int i = 0; i < 5; i++) {
        load_wait(&load, emulated() ? 20 : 200);
        int status = -1;
        ck_assert_int_eq(kill(daemon, SIGTERM), 0);
        ck_assert_int_eq(waitpid(daemon, &status, 0), daemon);
        ck_assert_int_eq(status, 0);
        daemon = handed_start(fd, args, false, NULL);
    }
    load_wait(&load, 20);
    load_stop(&load);
    ck_assert_uint_ge(load.ended, 5);
    kill(daemon, SIGTERM);
    waitpid(daemon, NULL, 0);
    close(fd);
}
END_TEST

START_TEST(the_watchdog_is_fed_where_there_is_no_network) {
    uint16_t port;
    char variable[128];
    int fd = handed_listen(&port), notify = open_notify(variable, sizeof variable), status = 0;
    put("a", &made[0]);
    const char *const args[] = {"--models", models, NULL};
    pid_t daemon = handed_start(fd, args, true, variable);
    siginfo_t info = {0};
    struct pollfd wait = {.fd = notify, .events = POLLIN};
    while (info.si_pid == 0 && poll(&wait, 1, 100) == 0)
        ck_assert_int_eq(waitid(P_PID, (id_t)daemon, &info, WEXITED | WNOHANG | WNOWAIT), 0);
    if (info.si_pid == 0) {
        await_message(notify, "READY=1\n");
        await_message(notify, "WATCHDOG=1");
        load_start(&load, port, made); // the socket is of the old network
        load_wait(&load, 20);
        load_stop(&load);
        kill(daemon, SIGTERM);
    }
    ck_assert_int_eq(waitpid(daemon, &status, 0), daemon);
    ck_assert(status == 0 || WEXITSTATUS(status) == HANDED_ALONE_FAILED);
    close(notify);
    close(fd);
}
END_TEST

Suite *swap_suite(void) {
    Suite *s = suite_create("swap");
    TCase *t = tcase_create("swap");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 240);
    tcase_add_test(t, two_hundred_swaps_lose_nothing_and_mix_nothing);
    tcase_add_test(t, files_that_are_spoilt_change_no_answer);
    tcase_add_test(t, a_corrupt_file_is_refused_by_name_and_reason);
    tcase_add_test(t, an_activation_goes_by_the_generation);
    tcase_add_test(t, without_a_model_it_serves_and_says_so);
    tcase_add_test(t, what_is_active_is_remembered_over_a_restart);
    tcase_add_test(t, systemd_is_told_of_each_change);
    tcase_add_test(t, a_reload_takes_what_the_watch_cannot_see);
    tcase_add_test(t, a_stop_loses_no_request);
    tcase_add_test(t, a_second_signal_ends_it_at_once);
    tcase_add_test(t, wrong_settings_exit_with_2_and_their_place);
    tcase_add_test(t, a_start_that_fails_exits_with_1);
    tcase_add_test(t, restarts_on_one_socket_lose_no_request);
    tcase_add_test(t, the_watchdog_is_fed_where_there_is_no_network);
    suite_add_tcase(s, t);
    return s;
}
