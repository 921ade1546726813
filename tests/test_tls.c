/* SPDX-License-Identifier: MIT */
// HTTPS, against the real daemon.
#include "tests/made.h"
#include "tests/scratch.h"
#include "tests/secure.h"
#include "tests/served.h"

#include <check.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define COUNT(table) ((int)(sizeof(table) / sizeof(table)[0]))

static struct served_run run;
static char folder[PATH_MAX]; // of certificate and key

static const char *in_folder(const char *name) {
    return scratch_path(folder, name);
}

static void make_folder(void) {
    snprintf(folder, sizeof folder, "%s", scratch_make());
}

static void start_with(const char *const *more) {
    make_folder();
    certificate_write(in_folder("cert"), in_folder("key"), 86400);
    const char *args[16] = {"--tls-cert", in_folder("cert"), "--tls-key", in_folder("key")};
    for (size_t n = 4; more != NULL && *more != NULL && n < 15; n++)
        args[n] = *more++;
    served_start(&run, args);
}

static void open_plain(struct client *client) {
    ck_assert(client_open(client, run.daemon.port));
}

static void open_secure(struct client *client, const char *priorities) {
    open_plain(client);
    client->secure = secure_open(client->fd, priorities, 20000);
    ck_assert_ptr_nonnull(client->secure);
}

static void expect_health(struct client *client) {
    struct answer answer;
    ck_assert(client_get(client, "/healthz", &answer));
    ck_assert_int_eq(answer.status, 200);
    answer_free(&answer);
}

// The daemon still serves, and ends well.
static void stop(void) {
    struct client client;
    open_secure(&client, NULL);
    expect_health(&client);
    client_close(&client);
    daemon_signal(&run.daemon, SIGTERM);
    int status = daemon_wait(&run.daemon, 20000);
    ck_assert_msg(status == 0, "ended with %d: %s", status, daemon_log(&run.daemon));
    daemon_stop(&run.daemon);
    scratch_remove(run.folder);
    scratch_remove(folder);
}

// ---- Requests ----------------------------------------------------------------------------------

START_TEST(requests_are_answered_as_without_tls) {
    struct client client;
    struct answer answer;
    uint8_t pixels[MADE_INPUTS];
    made_input(1, pixels);
    open_secure(&client, NULL);
    for (int i = 0; i < 20; i++) {
        ck_assert(client_post(&client, "/classify", "application/octet-stream", pixels,
                              sizeof pixels, &answer));
        ck_assert_msg(answer.status == 200, "%s", answer.body);
        ck_assert_str_eq(answer_header(&answer, "X-Model"), "one");
        answer_free(&answer);
    }
    ck_assert(client_get(&client, "/nowhere", &answer));
    served_expect_error(&answer, 404, "not_found");
    ck_assert(daemon_log_has(&run.daemon, "listening on https://127.0.0.1:", 20000));
    client_close(&client);
}
END_TEST

// Longer than a TLS record, than the library's memory, and than what the sockets hold.
START_TEST(long_bodies_come_through) {
    enum { LENGTH = 3 << 20 };
    struct client client;
    struct answer answer;
    char *body = malloc(LENGTH);
    ck_assert_ptr_nonnull(body);
    memset(body, 'a', LENGTH);
    open_secure(&client, NULL);
    ck_assert(client_post(&client, "/classify", "text/plain", body, LENGTH, &answer));
    served_expect_error(&answer, 415, "unsupported_media_type");
    expect_health(&client);
    ck_assert(client_get(&client, "/metrics", &answer)); // and long answers
    ck_assert_int_eq(answer.status, 200);
    answer_free(&answer);
    client_close(&client);
    free(body);
}
END_TEST

START_TEST(pipelined_requests_are_answered_over_tls) {
    struct client client;
    open_secure(&client, NULL);
    for (int i = 0; i < 20; i++)
        ck_assert(client_printf(&client, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"));
    for (int i = 0; i < 20; i++) {
        struct answer answer;
        ck_assert(client_read(&client, &answer, false));
        ck_assert_int_eq(answer.status, 200);
        answer_free(&answer);
    }
    client_close(&client);
}
END_TEST

// What the library refuses by itself, with a page in HTML.
START_TEST(the_librarys_own_refusals_are_json) {
    static const struct {
        const char *sent;
        int status;
        const char *code;
    } malformed[] = {
        {"GET /healthz\r\n\r\n", 400, "malformed"},
        {"GET /healthz HTTP/2.0\r\nHost: x\r\n\r\n", 505, "version_not_supported"},
        {"POST /classify HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400, "malformed"},
        {"POST /classify HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n",
         413, "body_too_large"},
    };
    for (int i = 0; i < COUNT(malformed); i++) {
        struct client client;
        struct answer answer;
        open_secure(&client, NULL);
        ck_assert(client_printf(&client, "%sGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
                                malformed[i].sent));
        ck_assert(client_read(&client, &answer, false));
        served_expect_error(&answer, malformed[i].status, malformed[i].code);
        ck_assert(client_sees_end(&client));
        client_close(&client);
    }
}
END_TEST

START_TEST(plain_http_is_told_so) {
    struct client client;
    struct answer answer;
    open_plain(&client);
    ck_assert(client_get(&client, "/healthz", &answer));
    served_expect_error(&answer, 400, "tls_required");
    ck_assert(client_sees_end(&client));
    client_close(&client);
}
END_TEST

START_TEST(garbage_instead_of_a_handshake_ends_the_connection) {
    static const char *const garbage[] = {"\r\n\r\n\r\n\r\n", "SSH-2.0-OpenSSH_9.2\r\n",
                                          "\x16\x03\x01\x40\x01\x01\xff\xff\xff\xff\xff\xff"};
    for (int i = 0; i < COUNT(garbage); i++) {
        struct client client;
        open_plain(&client);
        (void)client_printf(&client, "%s", garbage[i]);
        shutdown(client.fd, SHUT_WR);
        char rest[256];
        struct pollfd wait = {.fd = client.fd, .events = POLLIN};
        ssize_t n = 1; // an alert may come
        while (n > 0 && poll(&wait, 1, 20000) > 0)
            n = recv(client.fd, rest, sizeof rest, 0);
        ck_assert_int_le(n, 0);
        client_close(&client);
    }
}
END_TEST

START_TEST(old_versions_are_refused) {
    static const struct {
        const char *priorities;
        bool served;
    } versions[] = {
        {"NORMAL:-VERS-ALL:+VERS-TLS1.3", true},
        {"NORMAL:-VERS-ALL:+VERS-TLS1.2", true},
        {"NORMAL:-VERS-ALL:+VERS-TLS1.1:%COMPAT", false},
        {"NORMAL:-VERS-ALL:+VERS-TLS1.0:%COMPAT", false},
        {"NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+RSA", false}, // no forward secrecy
    };
    for (int i = 0; i < COUNT(versions); i++) {
        struct client client;
        open_plain(&client);
        client.secure = secure_open(client.fd, versions[i].priorities, 20000);
        ck_assert_msg((client.secure != NULL) == versions[i].served, "%s", versions[i].priorities);
        client_close(&client);
    }
}
END_TEST

// ---- Certificates ------------------------------------------------------------------------------

// How many more were sent.
static unsigned expect_certificate(const struct client *client, const char *name) {
    uint8_t shown[32], wanted[32];
    unsigned more = secure_peer(client->secure, shown);
    certificate_digest(in_folder(name), wanted);
    ck_assert_mem_eq(shown, wanted, 32);
    return more;
}

START_TEST(a_new_certificate_is_taken_on_sighup) {
    struct client before, after;
    open_secure(&before, NULL);
    expect_certificate(&before, "cert");
    expect_health(&before);
    certificate_write(in_folder("cert"), in_folder("key"), 172800);
    daemon_signal(&run.daemon, SIGHUP);
    ck_assert(daemon_log_has(&run.daemon, "reloaded:", 20000));
    open_secure(&after, NULL);
    expect_certificate(&after, "cert");
    expect_health(&after);
    expect_health(&before); // goes on with the one it had
    client_close(&before);
    client_close(&after);
}
END_TEST

START_TEST(a_certificate_that_does_not_fit_changes_nothing) {
    struct client client;
    certificate_write(in_folder("new"), in_folder("key"), 86400);
    daemon_signal(&run.daemon, SIGHUP);
    ck_assert(daemon_log_has(&run.daemon, "the old certificate stays: tls-key", 20000));
    open_secure(&client, NULL);
    expect_certificate(&client, "cert");
    expect_health(&client);
    client_close(&client);
}
END_TEST

// Many at once, while the certificate changes under them.
START_TEST(handshakes_go_on_while_certificates_change) {
    const int rounds = emulated() ? 3 : 15;
    for (int i = 0; i < rounds; i++) {
        struct client client[4];
        certificate_write(in_folder("cert"), in_folder("key"), 86400);
        daemon_signal(&run.daemon, SIGHUP);
        for (int k = 0; k < 4; k++) {
            open_secure(&client[k], k % 2 == 0 ? "NORMAL:-VERS-ALL:+VERS-TLS1.2" : NULL);
            expect_health(&client[k]);
        }
        for (int k = 0; k < 4; k++)
            client_close(&client[k]);
    }
}
END_TEST

static const struct {
    const char *cert, *key, *words;
    int status;
} starts[] = {
    {"cert", "other", "is not the key of", 1},
    {"cert", "absent", "No such file", 1},
    {"absent", "key", "No such file", 1},
    {"cert", "cert", "tls-key", 1},
    {"key", "key", "tls-cert", 1},
    {"empty", "key", "tls-cert", 1},
    {"cert", ".", "not a regular file", 1},
    {"cert", NULL, "tls-cert without tls-key", 2},
    {NULL, "key", "tls-key without tls-cert", 2},
};

START_TEST(what_cannot_serve_is_refused_at_the_start) {
    make_folder();
    certificate_write(in_folder("cert"), in_folder("key"), 86400);
    certificate_write(in_folder("more"), in_folder("other"), 86400);
    scratch_write(in_folder("empty"), "", 0);
    const char *args[8] = {"--models", folder};
    size_t n = 2;
    if (starts[_i].cert != NULL) {
        args[n++] = "--tls-cert";
        args[n++] = in_folder(starts[_i].cert);
    }
    if (starts[_i].key != NULL) {
        args[n++] = "--tls-key";
        args[n++] = in_folder(starts[_i].key);
    }
    struct daemon_run daemon;
    ck_assert(!daemon_start(&daemon, args));
    ck_assert_int_eq(daemon_wait(&daemon, 20000), starts[_i].status);
    ck_assert_msg(strstr(daemon_log(&daemon), starts[_i].words) != NULL, "%s", daemon_log(&daemon));
    daemon_stop(&daemon);
    scratch_remove(folder);
}
END_TEST

// As systemd passes them; an expired certificate, whose refusal is the client's affair; a key that
// everybody may read.
START_TEST(credentials_are_found_and_faults_are_warned_of) {
    char variable[PATH_MAX + 32];
    make_folder();
    certificate_write(in_folder("tnmd.cert"), in_folder("tnmd.key"), -3600);
    chmod(in_folder("tnmd.key"), 0644);
    snprintf(variable, sizeof variable, "CREDENTIALS_DIRECTORY=%s", folder);
    const char *const args[] = {"--models", folder, NULL}, *const env[] = {variable, NULL};
    ck_assert(daemon_start_with(&run.daemon, args, env));
    ck_assert_ptr_nonnull(strstr(daemon_log(&run.daemon), "warning: certificate"));
    ck_assert_ptr_nonnull(strstr(daemon_log(&run.daemon), "every user of this machine"));
    struct client client;
    open_secure(&client, NULL);
    expect_health(&client);
    client_close(&client);
    ck_assert_int_eq(daemon_stop(&run.daemon), 0);
    scratch_remove(folder);
}
END_TEST

START_TEST(the_issuers_certificates_are_sent_along) {
    make_folder();
    certificate_write_chain(in_folder("cert"), in_folder("key"), in_folder("chain"));
    const char *const args[] = {"--models",  folder,           "--tls-cert", in_folder("chain"),
                                "--tls-key", in_folder("key"), NULL};
    ck_assert(daemon_start(&run.daemon, args));
    struct client client;
    open_secure(&client, NULL);
    ck_assert_uint_eq(expect_certificate(&client, "cert"), 1);
    expect_health(&client);
    client_close(&client);
    ck_assert_int_eq(daemon_stop(&run.daemon), 0);
    scratch_remove(folder);
}
END_TEST

// ---- Slow clients, limits, the watchdog --------------------------------------------------------

static void start_secure(void) {
    start_with(NULL);
}

static void start_hasty(void) {
    static const char *const args[] = {
        "--header-timeout", "1", "--body-timeout", "1", "--idle-timeout", "1", NULL};
    start_with(args);
}

static uint64_t clock_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

// Sends bytes one by one, each 100 ms, until the peer closes.
static uint64_t trickle(struct client *client, const char *bytes, size_t len) {
    uint64_t start = clock_ms();
    struct timespec pause = {0, 100000000};
    struct pollfd wait = {.fd = client->fd, .events = POLLIN | POLLRDHUP};
    for (size_t i = 0; i < len; i++) {
        if (!client_send(client, bytes + i, 1))
            break;
        nanosleep(&pause, NULL); // the slow client's own pace, not a wait for an event
        if (poll(&wait, 1, 0) > 0 && (wait.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0)
            break;
    }
    return clock_ms() - start;
}

START_TEST(a_slow_handshake_is_cut_off) {
    // The beginning of a ClientHello of 16 KiB.
    char hello[600] = "\x16\x03\x01\x3f\x00\x01\x00\x3e\xfc\x03\x03";
    struct client client;
    open_plain(&client);
    uint64_t took = trickle(&client, hello, sizeof hello);
    ck_assert_msg(took >= 900 && took < 20000, "%llu ms", (unsigned long long)took);
    client_close(&client);
}
END_TEST

// CPU time of the daemon so far, in ticks of 10 ms.
static unsigned long ticks_used(void) {
    char path[64];
    unsigned long user = 0, kernel = 0;
    snprintf(path, sizeof path, "/proc/%ld/stat", (long)run.daemon.pid);
    FILE *file = fopen(path, "r");
    ck_assert_ptr_nonnull(file);
    int n = fscanf(file, "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
                   &kernel);
    fclose(file);
    ck_assert_int_eq(n, 2);
    return user + kernel;
}

// The library runs in circles meanwhile if it waits with epoll.
START_TEST(waiting_for_a_handshake_costs_nothing) {
    static const char hello[] = "\x16\x03\x01\x3f\x00\x01\x00\x3e\xfc\x03\x03";
    struct client client[4];
    for (int i = 0; i < 4; i++) {
        open_plain(&client[i]);
        ck_assert(client_send(&client[i], hello, sizeof hello - 1));
    }
    unsigned long before = ticks_used();
    for (int i = 0; i < 4; i++) { // a second later
        ck_assert(client_sees_end(&client[i]));
        client_close(&client[i]);
    }
    unsigned long used = ticks_used() - before;
    ck_assert_msg(used <= 5 || emulated(), "%lu ticks", used);
}
END_TEST

START_TEST(a_slow_header_or_body_over_tls_is_cut_off) {
    static const char *const begun[] = {"GET /healthz HTTP/1.1\r\nHost: x\r\nX: ",
                                        "POST /classify HTTP/1.1\r\nHost: x\r\n"
                                        "Content-Length: 100000\r\n\r\n"};
    char bytes[600];
    memset(bytes, 'a', sizeof bytes);
    for (int i = 0; i < COUNT(begun); i++) {
        struct client client;
        open_secure(&client, "NORMAL:-VERS-ALL:+VERS-TLS1.2"); // no ticket comes
        ck_assert(client_printf(&client, "%s", begun[i]));
        uint64_t took = trickle(&client, bytes, sizeof bytes);
        ck_assert_msg(took >= 900 && took < 20000, "%llu ms", (unsigned long long)took);
        client_close(&client);
    }
}
END_TEST

START_TEST(who_says_nothing_is_closed) {
    struct client silent, shaken;
    open_plain(&silent);
    open_secure(&shaken, NULL);
    ck_assert(client_sees_end(&silent));
    ck_assert(client_sees_end(&shaken));
    client_close(&silent);
    client_close(&shaken);
}
END_TEST

static void start_shared(void) {
    static const char *const args[] = {"--connections-per-client", "2", NULL};
    start_with(args);
}

// A refusal before the handshake would be read as a broken one: it just closes.
START_TEST(a_connection_too_many_is_closed) {
    struct client held[2], more;
    for (int i = 0; i < 2; i++) {
        open_secure(&held[i], NULL);
        expect_health(&held[i]);
    }
    open_plain(&more);
    ck_assert(client_sees_end(&more));
    client_close(&more);
    for (int i = 0; i < 2; i++)
        client_close(&held[i]);
    for (bool served = false; !served;) { // until the daemon has seen them go
        open_plain(&more);
        more.secure = secure_open(more.fd, NULL, 20000);
        served = more.secure != NULL;
        client_close(&more);
    }
}
END_TEST

static int open_notified(struct sockaddr_un *address) {
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    snprintf(address->sun_path, sizeof address->sun_path, "%.80s/notify", folder);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)address, sizeof *address), 0);
    return fd;
}

// Where systemd watches, the daemon asks itself, over TLS as well.
START_TEST(the_watchdogs_question_is_answered) {
    struct sockaddr_un address;
    char variable[sizeof address.sun_path + 32];
    make_folder();
    certificate_write(in_folder("cert"), in_folder("key"), 86400);
    int notified = open_notified(&address);
    snprintf(variable, sizeof variable, "NOTIFY_SOCKET=%s", address.sun_path);
    const char *const args[] = {"--models",  folder,           "--tls-cert", in_folder("cert"),
                                "--tls-key", in_folder("key"), NULL},
                      *const env[] = {variable, "WATCHDOG_USEC=200000", NULL};
    ck_assert(daemon_start_with(&run.daemon, args, env));
    for (int fed = 0; fed < 3;) {
        char text[1024];
        ssize_t len = recv(notified, text, sizeof text - 1, 0);
        ck_assert_int_gt(len, 0);
        text[len] = 0;
        fed += strcmp(text, "WATCHDOG=1") == 0;
    }
    ck_assert_int_eq(daemon_stop(&run.daemon), 0);
    close(notified);
    scratch_remove(folder);
}
END_TEST

// ---- The suite ---------------------------------------------------------------------------------

static TCase *add_case(Suite *suite, const char *name, void (*setup)(void)) {
    TCase *tc = tcase_create(name);
    tcase_set_timeout(tc, 300);
    if (setup != NULL)
        tcase_add_checked_fixture(tc, setup, stop);
    suite_add_tcase(suite, tc);
    return tc;
}

Suite *tls_suite(void) {
    Suite *suite = suite_create("tls");
    TCase *tc = add_case(suite, "requests", start_secure);
    tcase_add_test(tc, requests_are_answered_as_without_tls);
    tcase_add_test(tc, long_bodies_come_through);
    tcase_add_test(tc, pipelined_requests_are_answered_over_tls);
    tcase_add_test(tc, the_librarys_own_refusals_are_json);
    tcase_add_test(tc, plain_http_is_told_so);
    tcase_add_test(tc, garbage_instead_of_a_handshake_ends_the_connection);
    tcase_add_test(tc, old_versions_are_refused);
    tcase_add_test(tc, a_new_certificate_is_taken_on_sighup);
    tcase_add_test(tc, a_certificate_that_does_not_fit_changes_nothing);
    tcase_add_test(tc, handshakes_go_on_while_certificates_change);
    tc = add_case(suite, "hasty", start_hasty);
    tcase_add_test(tc, a_slow_handshake_is_cut_off);
    tcase_add_test(tc, waiting_for_a_handshake_costs_nothing);
    tcase_add_test(tc, a_slow_header_or_body_over_tls_is_cut_off);
    tcase_add_test(tc, who_says_nothing_is_closed);
    tc = add_case(suite, "shared", start_shared);
    tcase_add_test(tc, a_connection_too_many_is_closed);
    tc = add_case(suite, "alone", NULL);
    tcase_add_loop_test(tc, what_cannot_serve_is_refused_at_the_start, 0, COUNT(starts));
    tcase_add_test(tc, credentials_are_found_and_faults_are_warned_of);
    tcase_add_test(tc, the_issuers_certificates_are_sent_along);
    tcase_add_test(tc, the_watchdogs_question_is_answered);
    return suite;
}
