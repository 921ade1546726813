/* SPDX-License-Identifier: MIT */
// Much at once: models change, the daemon restarts, clients vanish, all under load, and not one
// answer may be wrong or missing, nor memory grow. `make soak`; CK_RUN_CASE picks one.
// SOAK_REQUESTS (100000) scales it.
#include "tests/handed.h"
#include "tests/scratch.h"
#include "tests/secure.h"
#include "tests/soak/rude.h"
#include "tests/uploading.h"

#include <check.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS = 16, LINES = 10, TIMEOUT_S = 1800 };

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
static const bool sanitized = true; // memory is not what it is otherwise
#else
static const bool sanitized = false;
#endif

static struct load load;
static char certificate[4096], key[4096];

static unsigned requests(void) {
    const char *text = getenv("SOAK_REQUESTS");
    unsigned n = text != NULL ? (unsigned)strtoul(text, NULL, 10) : 100000;
    return n < 2000 ? 2000 : n;
}

static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void setup(void) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    uploading_setup();
    memset(&load, 0, sizeof load);
    load.clients = CONNECTIONS;
    snprintf(certificate, sizeof certificate, "%s/cert", up.folder);
    snprintf(key, sizeof key, "%s/key", up.folder);
    certificate_write(certificate, key, 86400);
    client_over_tls = false;
}

// ---- What the daemon takes ---------------------------------------------------------------------

static long resident_kib(pid_t pid) {
    char path[64], line[256];
    long kib = 0;
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    FILE *file = fopen(path, "re");
    ck_assert_ptr_nonnull(file);
    while (fgets(line, sizeof line, file) != NULL)
        if (sscanf(line, "VmRSS: %ld", &kib) == 1)
            break;
    fclose(file);
    return kib;
}

static unsigned descriptors(pid_t pid) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd", pid);
    return up_count_files(path);
}

static void expect_flat(const char *what, long warm, long end) {
    if (!sanitized)
        ck_assert_msg(end - warm <= 1024, "%s: from %ld KiB to %ld KiB", what, warm, end);
}

// ---- Changes -----------------------------------------------------------------------------------

struct changes {
    unsigned done;    // of all kinds
    unsigned active;  // that changed what is active
    const char *name; // of the active model
};

static void put(const char *name, unsigned model) {
    char path[64];
    struct answer answer;
    snprintf(path, sizeof path, "/models/%s", name);
    ck_assert_msg(request_once(up.run.port, "PUT", path, NULL, NULL, up.made[model].bytes,
                               up.made[model].len, &answer),
                  "no answer to PUT %s", name);
    ck_assert_msg(answer.status == 200 || answer.status == 201, "PUT %s: %d: %s", name,
                  answer.status, answer.body);
    answer_free(&answer);
}

static void activate(struct changes *c, const char *name) {
    up_activate(name);
    c->name = name;
    c->active++;
}

static const char *shipped; // the digest that a file brings

static bool is_served(void *name) {
    return strcmp(up_field(name, "digest"), shipped) == 0;
}

// What a rollback within "one" left in the uploads would go before the file.
static void uncover_one(void) {
    struct answer answer;
    ck_assert(request_once(up.run.port, "DELETE", "/models/one", NULL, NULL, NULL, 0, &answer));
    ck_assert_msg(answer.status == 200 || strstr(answer.body, "read_only") != NULL, "%s",
                  answer.body);
    answer_free(&answer);
}

// A file replaces the one that serves as the active model, which "two" was.
static void replace_active(struct changes *c, unsigned model) {
    static unsigned last = LOAD_MODELS;
    uncover_one();
    activate(c, "one");
    model = model == last ? (model + 1) % LOAD_MODELS : model;
    last = model;
    shipped = up.digest[model];
    up_ship("one", &up.made[model]);
    ck_assert(eventually(is_served, "one"));
    ck_assert_int_eq(up_answers("one"), model);
    c->active++;
}

static void set_alias(const char *model) {
    char body[64];
    struct answer answer;
    int len = snprintf(body, sizeof body, "{\"model\":\"%s\"}", model);
    ck_assert(request_once(up.run.port, "PUT", "/aliases/stable", NULL, NULL, body, (size_t)len,
                           &answer));
    ck_assert_msg(answer.status < 300, "%s", answer.body);
    answer_free(&answer);
}

// Models that are not in service come and go.
static void come_and_go(unsigned round) {
    put("guest", round % LOAD_MODELS);
    ck_assert_int_eq(up_answers("guest"), (int)(round % LOAD_MODELS));
    up_expect("POST", "/v2/repository/models/guest/unload", NULL, NULL, 0, 200, NULL);
    up_expect("POST", "/v2/repository/models/guest/load", NULL, NULL, 0, 200, NULL);
    up_expect("DELETE", "/models/guest", NULL, NULL, 0, 200, NULL);
}

// Six kinds in turns; the model that an upload brings differs from round to round.
static void change(struct changes *c) {
    unsigned round = c->done / 6, model = round % LOAD_MODELS;
    switch (c->done++ % 6) {
    case 0:
        put("sent", model);
        activate(c, "sent");
        break;
    case 1:
        activate(c, "two");
        break;
    case 2:
        replace_active(c, (model + 1) % LOAD_MODELS);
        break;
    case 3:
        up_expect("POST", "/rollback", NULL, NULL, 0, 200, NULL);
        c->active++;
        break;
    case 4:
        set_alias(round % 2 == 0 ? "two" : "sent");
        break;
    default:
        come_and_go(round);
    }
}

// ---- Swaps under load --------------------------------------------------------------------------

static void expect_asked_generations(long before, const struct changes *c) {
    long rose = atol(up_total("generation")) - before;
    ck_assert_msg(rose >= (long)c->active, "generations rose by %ld, %u changes", rose, c->active);
}

// At least as many swaps of the active model as 500 to 100,000 requests, with so many requests in
// between that all are made.
static void soak_swaps(const char *name, const char *const *args) {
    struct changes c = {0};
    unsigned swaps = requests() / 200, pace = requests() * 7 / 10 / swaps / 2;
    double start = now_s();
    up_start(args);
    set_alias("two");
    long generation = atol(up_total("generation")), warm = 0;
    load_start(&load, up.run.port, up.made);
    for (unsigned line = 1; line <= LINES; line++) {
        while (c.active < swaps * line / LINES || load.right < requests() / LINES * line) {
            change(&c);
            load_wait(&load, pace);
        }
        long now = resident_kib(up.run.pid);
        warm = line == 2 ? now : warm;
        printf("%s: %u requests, %u changes, %u of them of the active model, %ld KiB\n", name,
               load.right, c.done, c.active, now);
    }
    load_stop(&load);
    expect_asked_generations(generation, &c);
    expect_flat(name, warm, resident_kib(up.run.pid));
    double took = now_s() - start;
    printf("%s: %u requests right, 0 wrong, refused or lost; %.1f s, %.0f a second\n", name,
           load.right, took, load.right / took);
    up_stop();
}

START_TEST(swaps) {
    load.also = "stable";
    soak_swaps("swaps", NULL);
}
END_TEST

START_TEST(swaps_over_tls) {
    const char *const args[] = {"--tls-cert", certificate, "--tls-key", key, NULL};
    client_over_tls = true;
    load.also = "stable";
    soak_swaps("over TLS", args);
}
END_TEST

// Every feature that looks at requests is on: more than one at once is too much, so that "two"
// answers.
START_TEST(swaps_with_all_on) {
    const char *const args[] = {"--shadow",         "two",  "--replay",  "200",
                                "--feedback",       "1000", "--cascade", "two,one",
                                "--cascade-margin", "0.5",  "--degrade", "two",
                                "--degrade-at",     "0.02", NULL};
    load.also = "cascade";
    soak_swaps("all on", args);
}
END_TEST

// ---- Restarts on one socket --------------------------------------------------------------------

static void end_daemon(pid_t daemon) {
    int status = -1;
    ck_assert_int_eq(kill(daemon, SIGTERM), 0);
    ck_assert_int_eq(waitpid(daemon, &status, 0), daemon);
    ck_assert_msg(status == 0, "ended with %d", status);
}

static void soak_restarts(const char *name, const char *const *more) {
    const char *args[16] = {"--models", up.models, "--state", up.state};
    for (size_t n = 4; more != NULL && *more != NULL && n < 15; n++)
        args[n] = *more++;
    unsigned restarts = requests() / 1000;
    double start = now_s(), longest = 0;
    uint16_t port;
    int fd = handed_listen(&port);
    pid_t daemon = handed_start(fd, args, false, NULL);
    load.reconnects = true;
    load_start(&load, port, up.made);
    for (unsigned i = 0; i < restarts; i++) {
        // From at once, while it is not ready yet, to well in service.
        load_wait(&load, i % 4 * 100 + 1);
        double begin = now_s();
        end_daemon(daemon);
        daemon = handed_start(fd, args, false, NULL);
        load_wait(&load, 1);
        longest = now_s() - begin > longest ? now_s() - begin : longest;
    }
    load_wait(&load, 100);
    load_stop(&load);
    end_daemon(daemon);
    close(fd);
    printf("%s: %u restarts, %u requests right, 0 wrong, refused or lost; %u connections ended in "
           "order; longest pause %.0f ms; %.1f s\n",
           name, restarts, load.right, load.ended, longest * 1e3, now_s() - start);
}

START_TEST(restarts) {
    soak_restarts("restarts", NULL);
}
END_TEST

START_TEST(restarts_over_tls) {
    const char *const args[] = {"--tls-cert", certificate, "--tls-key", key, NULL};
    client_over_tls = true;
    soak_restarts("restarts over TLS", args);
}
END_TEST

// ---- Clients that vanish -----------------------------------------------------------------------

static bool connections_are_gone(void *baseline) {
    return descriptors(up.run.pid) <= *(const unsigned *)baseline;
}

static void soak_rude(const char *name, const char *const *args) {
    struct rude rude;
    long warm = 0;
    up_start(args);
    ck_assert_int_eq(up_answers(NULL), 0);
    unsigned baseline = descriptors(up.run.pid) + 1, vanishings = requests() / 20;
    load_start(&load, up.run.port, up.made);
    rude_start(&rude, up.run.port, &up.made[2]);
    for (unsigned line = 1; line <= LINES; line++) {
        while (rude.vanished < vanishings / LINES * line &&
               load.wrong + load.refused + load.lost == 0)
            load_wait(&load, 10);
        long now = resident_kib(up.run.pid);
        warm = line == 2 ? now : warm;
        printf("%s: %u vanished, %u requests right, %ld KiB, %u descriptors\n", name, rude.vanished,
               load.right, now, descriptors(up.run.pid));
    }
    rude_stop(&rude);
    load_stop(&load);
    ck_assert_msg(eventually(connections_are_gone, &baseline), "%u descriptors, %u before",
                  descriptors(up.run.pid), baseline);
    expect_flat(name, warm, resident_kib(up.run.pid));
    ck_assert_uint_eq(up_count_files(up.uploads), 0);
    up_stop();
}

// The dead are in work until they are noticed, for a second or two; the living are to find room.
// The bound of connections is soon reached, so that memory is compared at equal numbers of them.
#define ROOM "--queue", "200", "--connections", "120"

START_TEST(clients_that_vanish) {
    const char *const args[] = {ROOM, NULL};
    soak_rude("vanishing", args);
}
END_TEST

START_TEST(clients_that_vanish_over_tls) {
    const char *const args[] = {"--tls-cert", certificate, "--tls-key", key, ROOM, NULL};
    client_over_tls = true;
    soak_rude("vanishing over TLS", args);
}
END_TEST

static TCase *add_case(Suite *suite, const char *name) {
    TCase *t = tcase_create(name);
    tcase_set_timeout(t, TIMEOUT_S);
    tcase_add_checked_fixture(t, setup, uploading_teardown);
    suite_add_tcase(suite, t);
    return t;
}

int main(void) {
    Suite *suite = suite_create("soak");
    TCase *t = add_case(suite, "swaps");
    tcase_add_test(t, swaps);
    tcase_add_test(t, swaps_over_tls);
    tcase_add_test(t, swaps_with_all_on);
    t = add_case(suite, "restarts");
    tcase_add_test(t, restarts);
    tcase_add_test(t, restarts_over_tls);
    t = add_case(suite, "vanishing");
    tcase_add_test(t, clients_that_vanish);
    tcase_add_test(t, clients_that_vanish_over_tls);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
