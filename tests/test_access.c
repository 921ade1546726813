/* SPDX-License-Identifier: MIT */
// Who may call what, against the real daemon: tokens of two scopes, a browser's Origin and Host,
// and what one client may take.
#include "tests/made.h"
#include "tests/scratch.h"
#include "tests/served.h"

#include "daemon/clients.h"
#include "daemon/origin.h"

#include <check.h>
#include <limits.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COUNT(table) ((int)(sizeof(table) / sizeof(table)[0]))

static struct served_run run;
static char secrets[PATH_MAX]; // a folder; empty: none

// The next scratch_make writes over what this one returned.
static void make_secrets(void) {
    snprintf(secrets, sizeof secrets, "%s", scratch_make());
}

static const char *token_path(void) {
    return scratch_path(secrets, "tokens");
}

static void write_tokens(const char *text) {
    scratch_replace(token_path(), text, strlen(text));
    chmod(token_path(), 0600);
}

static void start_with_tokens(const char *text) {
    make_secrets();
    write_tokens(text);
    const char *const args[] = {"--token-file", token_path(), NULL};
    served_start(&run, args);
}

static void stop(void) {
    served_stop(&run);
    if (secrets[0] != 0)
        scratch_remove(secrets);
}

// Asks with headers, which may be NULL; the answer is to be freed.
static void ask(const char *method, const char *path, const char *headers, struct answer *answer) {
    static const uint8_t input[MADE_INPUTS];
    bool infers = strcmp(path, "/classify") == 0;
    ck_assert(request_once(run.daemon.port, method, path, headers, NULL, infers ? input : NULL,
                           infers ? sizeof input : 0, answer));
}

static int status_of(const char *method, const char *path, const char *headers) {
    struct answer answer;
    ask(method, path, headers, &answer);
    int status = answer.status;
    answer_free(&answer);
    return status;
}

// ---- Tokens ------------------------------------------------------------------------------------

#define ADMIN "Authorization: Bearer admin-token-0123456\r\n"
#define BARE "Authorization: Bearer bare-token-01234567\r\n"
#define INFER "Authorization: Bearer infer-token-0123456\r\n"
#define WRONG "Authorization: Bearer admin-token-0123457\r\n"

static void start_two_scopes(void) {
    start_with_tokens("infer:infer-token-0123456\n# a comment\n admin:admin-token-0123456 \r\n"
                      "bare-token-01234567");
}

static const struct {
    const char *headers, *code;
    int infer, admin; // what data calls and changes get
} scopes[] = {
    {NULL, "unauthorized", 401, 401},
    {WRONG, "unauthorized", 401, 401},
    {"Authorization: Bearer \r\n", "unauthorized", 401, 401},
    {"Authorization: Bearer infer:infer-token-0123456\r\n", "unauthorized", 401, 401},
    {"Authorization: Basic admin-token-0123456\r\n", "unauthorized", 401, 401},
    {INFER, "insufficient_scope", 200, 403},
    {ADMIN, NULL, 200, 200},
    {BARE, NULL, 200, 200},
    {"authorization: bearer  admin-token-0123456\r\n", NULL, 200, 200},
};

START_TEST(each_scope_gets_what_is_its_own) {
    static const struct {
        const char *method, *path;
    } data[] = {{"POST", "/classify"}, {"GET", "/models"}, {"GET", "/models/one"}};
    for (int i = 0; i < COUNT(data); i++)
        ck_assert_int_eq(status_of(data[i].method, data[i].path, scopes[_i].headers),
                         scopes[_i].infer);
    struct answer answer;
    ask("POST", "/models/two/activate", scopes[_i].headers, &answer);
    ck_assert_int_eq(answer.status, scopes[_i].admin);
    const char *challenge = answer_header(&answer, "WWW-Authenticate");
    if (scopes[_i].code == NULL) {
        ck_assert_ptr_null(challenge);
        answer_free(&answer);
        return;
    }
    ck_assert_ptr_nonnull(challenge);
    ck_assert_int_eq(strncmp(challenge, "Bearer realm=\"tnmd\"", 19), 0);
    ck_assert_int_eq(strstr(challenge, "insufficient_scope") != NULL, scopes[_i].admin == 403);
    served_expect_error(&answer, scopes[_i].admin, scopes[_i].code);
}
END_TEST

START_TEST(health_metrics_and_the_page_are_open) {
    static const char *const open[] = {"/healthz", "/readyz", "/metrics", "/"};
    for (int i = 0; i < COUNT(open); i++)
        ck_assert_int_eq(status_of("GET", open[i], WRONG), 200);
}
END_TEST

START_TEST(tokens_are_read_again_on_sighup) {
    write_tokens("admin:another-token-0123\n");
    daemon_signal(&run.daemon, SIGHUP);
    ck_assert(daemon_log_has(&run.daemon, "reloaded:", 20000));
    ck_assert_int_eq(status_of("POST", "/models/two/activate", ADMIN), 401);
    ck_assert_int_eq(
        status_of("POST", "/models/two/activate", "Authorization: Bearer another-token-0123\r\n"),
        200);
    ck_assert_int_eq(status_of("GET", "/models", NULL), 200); // there is no infer token any more
}
END_TEST

START_TEST(a_bad_token_file_changes_nothing) {
    write_tokens("# none\n");
    daemon_signal(&run.daemon, SIGHUP);
    ck_assert(daemon_log_has(&run.daemon, "the old tokens stay: token file", 20000));
    ck_assert_int_eq(status_of("POST", "/models/two/activate", ADMIN), 200);
    unlink(token_path());
    daemon_signal(&run.daemon, SIGHUP);
    ck_assert(daemon_log_has(&run.daemon, "No such file", 20000));
    ck_assert_int_eq(status_of("POST", "/models/two/activate", NULL), 401);
    ck_assert_int_eq(status_of("POST", "/models/two/activate", ADMIN), 200);
}
END_TEST

static void start_admin_only(void) {
    start_with_tokens("short\n");
    chmod(token_path(), 0644);
}

START_TEST(without_an_infer_token_data_is_open) {
    ck_assert_int_eq(status_of("POST", "/classify", NULL), 200);
    ck_assert_int_eq(status_of("POST", "/classify", WRONG), 200);
    ck_assert_int_eq(status_of("POST", "/models/two/activate", NULL), 401);
}
END_TEST

START_TEST(careless_token_files_are_warned_of) {
    ck_assert(daemon_log_has(&run.daemon, "1 of the tokens are shorter than 16 bytes", 20000));
    daemon_signal(&run.daemon, SIGHUP);
    ck_assert(daemon_log_has(&run.daemon, "every user of this machine may read it", 20000));
}
END_TEST

static void start_infer_only(void) {
    start_with_tokens("infer:infer-token-0123456\n");
}

START_TEST(with_infer_tokens_alone_nobody_may_change_anything) {
    ck_assert_int_eq(status_of("POST", "/models/two/activate", NULL), 401);
    ck_assert_int_eq(status_of("POST", "/models/two/activate", INFER), 403);
    ck_assert_int_eq(status_of("POST", "/classify", INFER), 200);
}
END_TEST

static const struct {
    const char *text, *words;
} bad_files[] = {
    {"# nothing\n\n", "holds no token"},
    {"infer:\n", "line 1: no token behind the colon"},
    {"ok-token\nadmin:\n", "line 2: no token behind the colon"},
};

START_TEST(a_bad_token_file_is_refused_at_the_start) {
    make_secrets();
    write_tokens(bad_files[_i].text);
    struct daemon_run daemon;
    const char *const args[] = {"--models", secrets, "--token-file", token_path(), NULL};
    ck_assert(!daemon_start(&daemon, args));
    ck_assert_msg(strstr(daemon_log(&daemon), bad_files[_i].words) != NULL, "%s",
                  daemon_log(&daemon));
    daemon_stop(&daemon);
    scratch_remove(secrets);
}
END_TEST

// ---- Browsers ----------------------------------------------------------------------------------

// What a browser sends with a change, for the daemon at 127.0.0.1.
static const struct {
    const char *headers, *code; // NULL: it is done
} pages[] = {
    {"Origin: http://127.0.0.1:PORT\r\n", NULL},
    {"Origin: http://127.0.0.1:PORT\r\nSec-Fetch-Site: same-origin\r\n", NULL},
    {"Sec-Fetch-Site: none\r\n", NULL},
    {"Origin: http://evil.example\r\n", "foreign_origin"},
    {"Origin: http://127.0.0.1\r\n", "foreign_origin"}, // another port
    {"Origin: null\r\n", "foreign_origin"},
    {"Sec-Fetch-Site: cross-site\r\n", "foreign_origin"},
    {"Sec-Fetch-Site: same-site\r\n", "foreign_origin"},
    {"Origin: http://127.0.0.1:PORT\r\nSec-Fetch-Site: cross-site\r\n", "foreign_origin"},
};

START_TEST(pages_of_other_sites_change_nothing) {
    char headers[256];
    struct answer answer;
    const char *port = strstr(pages[_i].headers, "PORT");
    if (port != NULL)
        snprintf(headers, sizeof headers, "%.*s%u%s", (int)(port - pages[_i].headers),
                 pages[_i].headers, run.daemon.port, port + 4);
    else
        snprintf(headers, sizeof headers, "%s", pages[_i].headers);
    ask("POST", "/models/two/activate", headers, &answer);
    if (pages[_i].code != NULL) {
        served_expect_error(&answer, 403, pages[_i].code);
    } else {
        ck_assert_int_eq(answer.status, 200);
        answer_free(&answer);
    }
}
END_TEST

// The token of a page that rebinds a name: of the right origin, and of no name of ours.
START_TEST(a_rebound_name_changes_nothing) {
    static const struct {
        const char *host;
        int status;
    } hosts[] = {
        {"evil.example", 403},
        {"evil.example:80", 403},
        {"127.0.0.1.evil.example", 403},
        {"127.0.0.1", 200},
        {"[::1]:8080", 200},
        {"localhost:1", 200},
        {"LOCALHOST.", 200},
        {"tnm.example", 200},
        {"pi.lan:8080", 200},
        {"localhost.evil.it", 403},
        {"[evil]", 403},
        {"[", 403},
        {"", 403},
    };
    for (int i = 0; i < COUNT(hosts); i++) {
        struct client client;
        struct answer answer;
        ck_assert(client_open(&client, run.daemon.port));
        ck_assert(client_printf(&client,
                                "POST /models/two/activate HTTP/1.1\r\nHost: %s\r\n"
                                "Origin: http://%s\r\nContent-Length: 0\r\n\r\n"
                                "GET /models HTTP/1.1\r\nHost: %s\r\n\r\n",
                                hosts[i].host, hosts[i].host, hosts[i].host));
        ck_assert(client_read(&client, &answer, false));
        ck_assert_msg(answer.status == hosts[i].status, "%s: %s", hosts[i].host, answer.body);
        if (answer.status == 403)
            served_expect_error(&answer, 403, "unknown_host");
        else
            answer_free(&answer);
        ck_assert(client_read(&client, &answer, false)); // looking is free
        ck_assert_int_eq(answer.status, 200);
        answer_free(&answer);
        client_close(&client);
    }
}
END_TEST

static void start_named(void) {
    static const char *const args[] = {"--allowed-hosts", "tnm.example, pi.lan", NULL};
    served_start(&run, args);
}

START_TEST(a_host_is_ours_by_address_name_or_list) {
    char own[256], local[300];
    ck_assert_int_eq(gethostname(own, sizeof own), 0);
    snprintf(local, sizeof local, "%s.local:8080", own);
    ck_assert(host_is_ours("", own));
    ck_assert(host_is_ours("", local));
    ck_assert(host_is_ours("", "192.168.1.17"));
    ck_assert(host_is_ours("", "[fe80::1]:80"));
    ck_assert(!host_is_ours("", "192.168.1"));
    ck_assert(!host_is_ours("", "1.2.3.4.5"));
    ck_assert(!host_is_ours("", "example.org"));
    ck_assert(host_is_ours("a b,Example.org", "example.org:1"));
    ck_assert(!host_is_ours("example.org", "example.or"));
    ck_assert(!host_is_ours("example.org", "www.example.org"));
    ck_assert(host_is_ours("*", "example.org"));
}
END_TEST

// ---- Shares ------------------------------------------------------------------------------------

static struct sockaddr_in6 address_of(unsigned i) {
    struct sockaddr_in6 address = {.sin6_family = AF_INET6};
    memcpy(address.sin6_addr.s6_addr + 12, &i, sizeof i);
    return address;
}

START_TEST(a_client_may_ask_at_its_rate) {
    const struct client_limits limits = {.connections = 2, .in_work = 2, .per_second = 4};
    const uint64_t start = 1000000000000, ms = 1000000;
    struct tnm_error err;
    struct sockaddr_in6 address = address_of(1);
    const struct sockaddr *from = (const struct sockaddr *)&address;
    struct clients *clients = clients_open(&limits, &err);
    ck_assert(clients_enter(clients, from));
    struct client *client = clients_find(clients, from);
    unsigned seconds = 0;
    for (int i = 0; i < 4; i++)
        ck_assert(client_may_ask(client, start, &seconds));
    ck_assert(!client_may_ask(client, start, &seconds));
    ck_assert_uint_eq(seconds, 1);
    ck_assert(!client_may_ask(client, start + 249 * ms, &seconds));
    ck_assert(client_may_ask(client, start + 250 * ms, &seconds));
    ck_assert(!client_may_ask(client, start + 251 * ms, &seconds));
    unsigned n = 0;
    while (client_may_ask(client, start + 10000 * ms, &seconds)) // a second's worth, not ten
        n++;
    ck_assert_uint_eq(n, 4);
    ck_assert(client_may_ask(NULL, start, &seconds));
    clients_leave(clients, from);
    clients_close(clients);
}
END_TEST

// Leaving and coming back brings no new requests; and what is remembered is bounded.
START_TEST(a_client_that_comes_back_is_known) {
    const struct client_limits limits = {.connections = 1, .in_work = 1, .per_second = 1};
    const uint64_t far = UINT64_C(1) << 62; // in no run of this test they would be back by then
    struct tnm_error err;
    unsigned seconds = 0, known = 0;
    struct clients *clients = clients_open(&limits, &err);
    for (unsigned round = 0; round < 2; round++)
        for (unsigned i = 0; i < 6000; i++) {
            struct sockaddr_in6 address = address_of(i);
            const struct sockaddr *from = (const struct sockaddr *)&address;
            ck_assert(clients_enter(clients, from));
            ck_assert(!clients_enter(clients, from));
            known += !client_may_ask(clients_find(clients, from), far, &seconds);
            clients_leave(clients, from);
        }
    ck_assert_uint_eq(known, 4096);
    clients_close(clients);
}
END_TEST

static void start_rated(void) {
    static const char *const args[] = {"--requests-per-client", "5", NULL};
    served_start(&run, args);
}

START_TEST(too_many_requests_a_second_are_told_when_to_come_back) {
    struct client client;
    struct answer answer;
    ck_assert(client_open(&client, run.daemon.port));
    int served = 0, refused = 0;
    while (refused == 0) {
        ck_assert(client_get(&client, "/models", &answer));
        if (answer.status == 200) {
            served++;
            answer_free(&answer);
        } else {
            refused++;
            ck_assert_str_eq(answer_header(&answer, "Retry-After"), "1");
            served_expect_error(&answer, 429, "rate_limited");
        }
    }
    ck_assert_int_ge(served, 5);
    for (int i = 0; i < 20; i++) { // health is for those who look after the daemon
        ck_assert(client_get(&client, "/healthz", &answer));
        ck_assert_int_eq(answer.status, 200);
        answer_free(&answer);
    }
    client_close(&client);
}
END_TEST

static void start_shared_queue(void) {
    static const char *const args[] = {"--queue", "3", "--queue-per-client", "2", NULL};
    served_start(&run, args);
}

// Half-sent requests of one client; another address of the loopback still gets in.
START_TEST(one_client_cannot_fill_the_queue) {
    struct client holder[2], late;
    struct answer answer;
    for (int i = 0; i < 2; i++) {
        ck_assert(client_open(&holder[i], run.daemon.port));
        ck_assert(client_printf(&holder[i], "POST /classify HTTP/1.1\r\nHost: x\r\n"
                                            "Content-Length: 5\r\nExpect: 100-continue\r\n\r\n"));
        ck_assert(client_read(&holder[i], &answer, false));
        ck_assert_int_eq(answer.status, 100);
        answer_free(&answer);
    }
    ck_assert(client_open(&late, run.daemon.port));
    ck_assert(client_post(&late, "/classify", NULL, "hello", 5, &answer));
    ck_assert_str_eq(answer_header(&answer, "Retry-After"), "1");
    served_expect_error(&answer, 429, "too_many_requests");
    client_close(&late);
    ck_assert(client_open_from(&late, "127.0.0.2", run.daemon.port));
    ck_assert(client_post(&late, "/classify", NULL, "hello", 5, &answer));
    served_expect_error(&answer, 415, "unsupported_media_type");
    client_close(&late);
    client_close(&holder[0]);
    ck_assert(client_printf(&holder[1], "hello"));
    ck_assert(client_read(&holder[1], &answer, false));
    served_expect_error(&answer, 415, "unsupported_media_type");
    client_close(&holder[1]);
    ck_assert(client_open(&late, run.daemon.port));
    int status = 429; // until the daemon has seen the first one go
    while (status == 429) {
        ck_assert(client_post(&late, "/classify", NULL, "hello", 5, &answer));
        status = answer.status;
        answer_free(&answer);
    }
    ck_assert_int_eq(status, 415);
    client_close(&late);
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

Suite *access_suite(void) {
    Suite *suite = suite_create("access");
    TCase *tc = add_case(suite, "scopes", start_two_scopes);
    tcase_add_loop_test(tc, each_scope_gets_what_is_its_own, 0, COUNT(scopes));
    tcase_add_test(tc, health_metrics_and_the_page_are_open);
    tcase_add_test(tc, tokens_are_read_again_on_sighup);
    tcase_add_test(tc, a_bad_token_file_changes_nothing);
    tc = add_case(suite, "admin", start_admin_only);
    tcase_add_test(tc, without_an_infer_token_data_is_open);
    tcase_add_test(tc, careless_token_files_are_warned_of);
    tc = add_case(suite, "infer", start_infer_only);
    tcase_add_test(tc, with_infer_tokens_alone_nobody_may_change_anything);
    tc = add_case(suite, "browsers", start_named);
    tcase_add_loop_test(tc, pages_of_other_sites_change_nothing, 0, COUNT(pages));
    tcase_add_test(tc, a_rebound_name_changes_nothing);
    tc = add_case(suite, "rated", start_rated);
    tcase_add_test(tc, too_many_requests_a_second_are_told_when_to_come_back);
    tc = add_case(suite, "queue", start_shared_queue);
    tcase_add_test(tc, one_client_cannot_fill_the_queue);
    tc = add_case(suite, "alone", NULL);
    tcase_add_loop_test(tc, a_bad_token_file_is_refused_at_the_start, 0, COUNT(bad_files));
    tcase_add_test(tc, a_host_is_ours_by_address_name_or_list);
    tcase_add_test(tc, a_client_may_ask_at_its_rate);
    tcase_add_test(tc, a_client_that_comes_back_is_known);
    return suite;
}
