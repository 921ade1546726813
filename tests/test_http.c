/* SPDX-License-Identifier: MIT */
// What goes over the wire, against the real daemon: malformed and smuggled requests, limits, slow
// clients, keep-alive, overload, drain. Each fault of libmicrohttpd 0.9.75 that is known has a
// test.
#include "tests/made.h"
#include "tests/scratch.h"
#include "tests/served.h"

#include <check.h>
#include <png.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define COUNT(table) ((int)(sizeof(table) / sizeof(table)[0]))

static struct served_run run;

static void open_client(struct client *client) {
    ck_assert(client_open(client, run.daemon.port));
}

// The daemon answers a request on a connection of its own.
static void expect_alive(void) {
    struct answer answer;
    ck_assert(request_once(run.daemon.port, "GET", "/readyz", NULL, NULL, NULL, 0, &answer));
    ck_assert_int_eq(answer.status, 200);
    answer_free(&answer);
}

static void expect_health(struct client *client) {
    struct answer answer;
    ck_assert(client_get(client, "/healthz", &answer));
    ck_assert_int_eq(answer.status, 200);
    answer_free(&answer);
}

static uint64_t clock_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

// ---- Malformed ---------------------------------------------------------------------------------

// What is sent, and what comes back; after each, the connection ends and a second request that was
// sent behind the first one is not answered: that is what smuggling would be.
static const struct {
    const char *what, *sent;
    int status; // 0: closed without a reply
    const char *code;
} malformed[] = {
    {"a length and chunks",
     "POST /classify HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n"
     "0\r\n\r\n",
     400, "malformed"},
    {"chunks and a length",
     "POST /classify HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n"
     "0\r\n\r\n",
     400, "malformed"},
    {"two lengths",
     "POST /classify HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: 4\r\n\r\n", 400,
     "malformed"},
    {"gzip", "POST /classify HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501,
     "not_implemented"},
    {"gzip, chunked",
     "POST /classify HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501,
     "not_implemented"},
    {"chunked twice",
     "POST /classify HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: "
     "chunked\r\n\r\n",
     501, "not_implemented"},
    {"a blank before the colon", "POST /classify HTTP/1.1\r\nHost: x\r\nContent-Length : 4\r\n\r\n",
     400, "malformed"},
    {"no Host", "GET /healthz HTTP/1.1\r\n\r\n", 400, "malformed"},
    {"two Hosts", "GET /healthz HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", 400, "malformed"},
    {"a negative length", "POST /classify HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400,
     "malformed"},
    {"a signed length", "POST /classify HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\n", 400,
     "malformed"},
    {"a hexadecimal length", "POST /classify HTTP/1.1\r\nHost: x\r\nContent-Length: 0x5\r\n\r\n",
     400, "malformed"},
    {"a list of lengths", "POST /classify HTTP/1.1\r\nHost: x\r\nContent-Length: 5, 5\r\n\r\n", 400,
     "malformed"},
    {"a length beyond 64 bits",
     "POST /classify HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n", 413,
     "body_too_large"},
    {"a header line without a colon", "GET /healthz HTTP/1.1\r\nHost: x\r\nnonsense\r\n\r\n", 400,
     "malformed"},
    {"HTTP/2.0", "GET /healthz HTTP/2.0\r\nHost: x\r\n\r\n", 505, "version_not_supported"},
    {"HTTP/0.9", "GET /healthz HTTP/0.9\r\nHost: x\r\n\r\n", 505, "version_not_supported"},
    {"another protocol", "GET /healthz SIP/2.0\r\nHost: x\r\n\r\n", 400, "malformed"},
    {"no version", "GET /healthz\r\n\r\n", 400, "malformed"},
    {"a chunk size that is none",
     "POST /classify HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400,
     "malformed"},
    {"a chunk without its line break",
     "POST /classify HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n", 400,
     "malformed"},
    {"a chunk beyond 64 bits",
     "POST /classify HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
     "fffffffffffffffff\r\n",
     413, "body_too_large"},
    {"one word", "nonsense\r\n\r\n", 0, NULL},
    {"chunks in HTTP/1.0",
     "POST /classify HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n"
     "0\r\n\r\n",
     400, "malformed"},
    {"a folded length", "POST /classify HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n 40\r\n\r\n", 400,
     "malformed"},
    {"a length that goes on",
     "POST /classify HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\t0\r\n\r\n", 400, "malformed"},
    {"a folded line", "GET /healthz HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\n\r\n", 400, "malformed"},
    {"LF behind the first line", "GET /healthz HTTP/1.1\nHost: x\r\n\r\n", 400, "malformed"},
    {"LF behind another", "GET /healthz HTTP/1.1\r\nHost: x\r\nX: a\nY: b\r\n\r\n", 400,
     "malformed"},
    {"LF behind the last", "GET /healthz HTTP/1.1\r\nHost: x\n\r\n", 400, "malformed"},
    {"an empty line of LF", "GET /healthz HTTP/1.1\r\nHost: x\r\n\n", 400, "malformed"},
    {"a CR in a value", "GET /healthz HTTP/1.1\r\nHost: x\r\nX: a\rContent-Length: 40\r\n\r\n", 400,
     "malformed"},
};

START_TEST(a_malformed_request_ends_the_connection) {
    struct client client;
    struct answer answer;
    open_client(&client);
    ck_assert(
        client_printf(&client, "%sGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", malformed[_i].sent));
    bool answered = client_read(&client, &answer, false);
    ck_assert_msg(answered == (malformed[_i].status != 0), "%s: %d", malformed[_i].what, answered);
    if (answered) {
        ck_assert_msg(answer.closes, "%s", malformed[_i].what);
        served_expect_error(&answer, malformed[_i].status, malformed[_i].code);
        ck_assert_msg(client_sees_end(&client), "%s: more came", malformed[_i].what);
    }
    client_close(&client);
    expect_alive();
}
END_TEST

// The library sees nothing of what follows a zero byte in a line. # stands for it.
static const char *const zeros[] = {
    "GET /healthz#/models HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /healthz#?x HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /healthz HTTP/1.1\r\nHost: x#y\r\nX: y\r\n\r\n",
    "POST /classify HTTP/1.1\r\nHost: x\r\nContent-Length: 5#6\r\n\r\nhello",
    "POST /classify HTTP/1.1\r\nHost: x\r\nContent-Length#: 5\r\n\r\nhello",
    "POST /classify HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked#\r\n\r\n0\r\n\r\n",
    "GET /healthz HTTP/1.1\r\nHost: x\r\n#\r\n\r\n",
};

START_TEST(a_zero_byte_in_the_header_ends_the_connection) {
    char bytes[512];
    struct client client;
    struct answer answer;
    size_t len = (size_t)snprintf(bytes, sizeof bytes, "%sGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
                                  zeros[_i]);
    *strchr(bytes, '#') = 0;
    open_client(&client);
    ck_assert(client_send(&client, bytes, len));
    ck_assert(client_read(&client, &answer, false));
    ck_assert(answer.closes);
    served_expect_error(&answer, 400, "malformed");
    ck_assert_msg(client_sees_end(&client), "%s: more came", zeros[_i]);
    client_close(&client);
}
END_TEST

// Refusals that leave no doubt where the next request begins.
static const struct {
    const char *what, *target;
} bad_targets[] = {
    {"a zero byte", "/healthz%00"},
    {"an escaped slash", "/models%2Fone"},
    {"an escaped line break", "/healthz%0d%0aX-Y:z"},
    {"a blank", "/heal thz"},
    {"a broken escape", "/healthz%4"},
    {"bytes of no ASCII", "/\xc3\xa9"},
    {"markup", "/<script>"},
    {"no path", "healthz"},
};

START_TEST(a_bad_target_is_refused_and_the_connection_lives) {
    struct client client;
    struct answer answer;
    open_client(&client);
    ck_assert(client_request(&client, "GET", bad_targets[_i].target, NULL, NULL, NULL, 0, &answer));
    served_expect_error(&answer, 400, "malformed");
    expect_health(&client);
    client_close(&client);
}
END_TEST

START_TEST(a_long_target_is_refused) {
    struct answer answer;
    struct client client;
    char target[4000];
    memset(target, 'a', sizeof target);
    target[0] = '/';
    target[sizeof target - 1] = 0;
    open_client(&client);
    ck_assert(client_request(&client, "GET", target, NULL, NULL, NULL, 0, &answer));
    served_expect_error(&answer, 414, "uri_too_long");
    client_close(&client);
}
END_TEST

// Longer than the library's memory, which then answers by itself: in JSON all the same.
START_TEST(a_header_beyond_all_bounds_is_refused_in_json) {
    static const char *const front[] = {"GET /", "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: ",
                                        "POST /classify HTTP/1.1\r\nHost: x\r\nX: y\r\nX-Long: "};
    struct client client;
    struct answer answer;
    size_t len = 200000;
    char *filler = malloc(len);
    ck_assert_ptr_nonnull(filler);
    memset(filler, 'a', len);
    open_client(&client);
    ck_assert(client_printf(&client, "%s", front[_i]));
    (void)client_send(&client, filler, len);
    ck_assert(client_read(&client, &answer, false));
    served_expect_error(&answer, _i == 0 ? 414 : 431,
                        _i == 0 ? "uri_too_long" : "headers_too_large");
    client_close(&client);
    free(filler);
    expect_alive();
}
END_TEST

START_TEST(a_long_header_is_read) {
    struct client client;
    struct answer answer;
    char *headers = malloc(16100);
    ck_assert_ptr_nonnull(headers);
    strcpy(headers, "X-Long: ");
    memset(headers + 8, 'a', 16000);
    strcpy(headers + 16008, "\r\n");
    open_client(&client);
    ck_assert(client_request(&client, "GET", "/healthz", headers, NULL, NULL, 0, &answer));
    ck_assert_int_eq(answer.status, 200);
    answer_free(&answer);
    client_close(&client);
    free(headers);
}
END_TEST

START_TEST(too_many_header_lines_are_refused_in_json) {
    char headers[8 * 120 + 1];
    struct answer answer;
    struct client client;
    for (int i = 0; i < 120; i++)
        memcpy(headers + 8 * i, "X-A: b\r\n", 9);
    open_client(&client);
    ck_assert(client_request(&client, "GET", "/healthz", headers, NULL, NULL, 0, &answer));
    served_expect_error(&answer, 431, "headers_too_large");
    client_close(&client);
}
END_TEST

// ---- Connections -------------------------------------------------------------------------------

START_TEST(a_connection_serves_many_requests) {
    struct client client;
    open_client(&client);
    for (int i = 0; i < 50; i++)
        expect_health(&client);
    client_close(&client);
}
END_TEST

START_TEST(pipelined_requests_are_answered_in_order) {
    struct client client;
    struct answer answer;
    open_client(&client);
    for (int i = 0; i < 20; i++)
        ck_assert(client_printf(&client,
                                "POST /classify HTTP/1.1\r\nHost: x\r\nX-Request-Id: n%d\r\n"
                                "Content-Length: 5\r\n\r\nhello",
                                i));
    for (int i = 0; i < 20; i++) {
        char id[16];
        snprintf(id, sizeof id, "n%d", i);
        ck_assert(client_read(&client, &answer, false));
        ck_assert_str_eq(answer_header(&answer, "X-Request-Id"), id);
        served_expect_error(&answer, 415, "unsupported_media_type");
    }
    client_close(&client);
}
END_TEST

START_TEST(a_request_may_come_in_any_pieces) {
    static const char request[] =
        "POST /classify HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n"
        "Transfer-Encoding: chunked\r\n\r\n5;ext=1\r\nhello\r\nA\r\n0123456789\r\n0\r\n\r\n";
    struct client client;
    struct answer answer;
    open_client(&client);
    ck_assert(client_send_split(&client, request, sizeof request - 1, (size_t)_i));
    ck_assert(client_read(&client, &answer, false));
    served_expect_error(&answer, 415, "unsupported_media_type");
    expect_health(&client);
    client_close(&client);
}
END_TEST

START_TEST(http_1_0_is_answered_and_closed) {
    struct client client;
    struct answer answer;
    open_client(&client);
    ck_assert(client_printf(&client, "GET /healthz HTTP/1.0\r\n\r\n"));
    ck_assert(client_read(&client, &answer, false));
    ck_assert_int_eq(answer.status, 200);
    answer_free(&answer);
    ck_assert(client_sees_end(&client));
    client_close(&client);
}
END_TEST

START_TEST(connection_close_is_done) {
    struct client client;
    struct answer answer;
    open_client(&client);
    ck_assert(client_request(&client, "GET", "/healthz", "Connection: close\r\n", NULL, NULL, 0,
                             &answer));
    ck_assert(answer.closes);
    answer_free(&answer);
    ck_assert(client_sees_end(&client));
    client_close(&client);
}
END_TEST

START_TEST(head_has_the_headers_of_get_and_no_body) {
    static const char *const paths[] = {"/healthz", "/models", "/models/one"};
    for (int i = 0; i < COUNT(paths); i++) {
        struct client client;
        struct answer get, head;
        open_client(&client);
        ck_assert(client_get(&client, paths[i], &get));
        ck_assert(client_request(&client, "HEAD", paths[i], NULL, NULL, NULL, 0, &head));
        ck_assert_int_eq(head.status, 200);
        char length[32];
        snprintf(length, sizeof length, "%zu", get.body_len);
        ck_assert_str_eq(answer_header(&head, "Content-Length"), length);
        answer_free(&get);
        answer_free(&head);
        expect_health(&client); // no body was left in between
        client_close(&client);
    }
}
END_TEST

START_TEST(ids_are_echoed_or_made) {
    struct client client;
    struct answer answer;
    char first[80];
    open_client(&client);
    ck_assert(client_request(&client, "GET", "/healthz", "X-Request-Id: mine-7\r\n", NULL, NULL, 0,
                             &answer));
    ck_assert_str_eq(answer_header(&answer, "X-Request-Id"), "mine-7");
    answer_free(&answer);
    ck_assert(client_request(&client, "GET", "/healthz", "X-Request-Id: \"><script>\r\n", NULL,
                             NULL, 0, &answer));
    snprintf(first, sizeof first, "%s", answer_header(&answer, "X-Request-Id"));
    ck_assert_uint_eq(strlen(first), 16);
    answer_free(&answer);
    ck_assert(client_get(&client, "/healthz", &answer));
    ck_assert_str_ne(answer_header(&answer, "X-Request-Id"), first);
    answer_free(&answer);
    client_close(&client);
}
END_TEST

START_TEST(unknown_paths_and_methods_are_told_apart) {
    static const struct {
        const char *method, *path;
        int status;
        const char *code, *allow;
    } calls[] = {
        {"GET", "/nowhere", 404, "not_found", NULL},
        {"GET", "/models/one/two/three", 404, "not_found", NULL},
        {"GET", "/models/", 404, "not_found", NULL},
        {"POST", "/", 405, "method_not_allowed", "GET, HEAD"},
        {"GET", "/models/..%2e", 404, "model_not_found", NULL},
        {"GET", "/classify", 405, "method_not_allowed", "POST"},
        {"DELETE", "/classify", 405, "method_not_allowed", "POST"},
        {"BREW", "/models", 405, "method_not_allowed", "GET, HEAD"},
        {"POST", "/healthz", 405, "method_not_allowed", "GET, HEAD"},
        {"GET", "/models/one/activate", 405, "method_not_allowed", "POST"},
        {"OPTIONS", "/classify", 405, "method_not_allowed", "POST"},
        {"TRACE", "/classify", 405, "method_not_allowed", "POST"},
        {"PUT", "/v2/models/stats", 405, "method_not_allowed", "GET, HEAD"}, // also a {name}
    };
    struct client client;
    struct answer answer;
    open_client(&client);
    for (int i = 0; i < COUNT(calls); i++) {
        ck_assert(
            client_request(&client, calls[i].method, calls[i].path, NULL, NULL, NULL, 0, &answer));
        const char *allow = answer_header(&answer, "Allow");
        ck_assert(allow == NULL ? calls[i].allow == NULL : strcmp(allow, calls[i].allow) == 0);
        served_expect_error(&answer, calls[i].status, calls[i].code);
    }
    client_close(&client);
}
END_TEST

// ---- Limits ------------------------------------------------------------------------------------

START_TEST(a_body_over_the_limit_is_refused_before_it_is_read) {
    struct client client;
    struct answer answer;
    open_client(&client);
    // Nothing of the body is sent.
    ck_assert(client_printf(&client, "POST /classify HTTP/1.1\r\nHost: x\r\n"
                                     "Content-Length: 100001\r\n\r\n"));
    ck_assert(client_read(&client, &answer, false));
    ck_assert_msg(strstr(answer.body, "max-body = 100000") != NULL, "%s", answer.body);
    ck_assert(answer.closes);
    served_expect_error(&answer, 413, "body_too_large");
    client_close(&client);
}
END_TEST

// As most clients do: they look for the answer when all is sent. More than the buffers of both
// sockets hold, so that the daemon must have read it.
START_TEST(who_sends_all_of_a_refused_body_gets_the_answer) {
    enum { LENGTH = 16 << 20, PIECE = 1 << 16 };
    struct client client;
    struct answer answer;
    static char piece[PIECE];
    open_client(&client);
    ck_assert(client_printf(&client,
                            "POST /classify HTTP/1.1\r\nHost: x\r\n"
                            "Content-Length: %d\r\n\r\n",
                            LENGTH));
    for (int sent = 0; sent < LENGTH; sent += PIECE)
        ck_assert_msg(client_send(&client, piece, PIECE), "after %d bytes", sent);
    ck_assert(client_read(&client, &answer, false));
    served_expect_error(&answer, 413, "body_too_large");
    ck_assert(client_sees_end(&client));
    client_close(&client);
}
END_TEST

START_TEST(a_client_who_waits_for_100_gets_the_refusal_instead) {
    struct client client;
    struct answer answer;
    open_client(&client);
    ck_assert(client_printf(&client, "POST /classify HTTP/1.1\r\nHost: x\r\nContent-Length: 100001"
                                     "\r\nExpect: 100-continue\r\n\r\n"));
    ck_assert(client_read(&client, &answer, false));
    served_expect_error(&answer, 413, "body_too_large");
    client_close(&client);
    open_client(&client);
    ck_assert(client_printf(&client, "POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
                                     "Expect: 100-continue\r\n\r\n"));
    ck_assert(client_read(&client, &answer, false));
    served_expect_error(&answer, 404, "not_found");
    client_close(&client);
    open_client(&client);
    ck_assert(client_printf(&client, "POST /classify HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
                                     "Expect: 100-continue\r\n\r\n"));
    ck_assert(client_read(&client, &answer, false));
    ck_assert_int_eq(answer.status, 100);
    answer_free(&answer);
    ck_assert(client_printf(&client, "hello"));
    ck_assert(client_read(&client, &answer, false));
    served_expect_error(&answer, 415, "unsupported_media_type");
    client_close(&client);
}
END_TEST

// Sends so many chunks of 10,000 bytes, then the last one.
static void send_chunks(struct client *client, int n) {
    char chunk[10000];
    memset(chunk, 'a', sizeof chunk);
    (void)client_printf(client, "POST /classify HTTP/1.1\r\nHost: x\r\n"
                                "Transfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < n; i++) {
        (void)client_printf(client, "2710\r\n");
        (void)client_send(client, chunk, sizeof chunk);
        (void)client_printf(client, "\r\n");
    }
    (void)client_printf(client, "0\r\n\r\n");
}

START_TEST(chunks_over_the_limit_are_refused_at_their_end) {
    struct client client;
    struct answer answer;
    open_client(&client);
    send_chunks(&client, 10); // exactly the limit
    ck_assert(client_read(&client, &answer, false));
    served_expect_error(&answer, 415, "unsupported_media_type");
    send_chunks(&client, 15);
    ck_assert(client_read(&client, &answer, false));
    served_expect_error(&answer, 413, "body_too_large");
    client_close(&client);
}
END_TEST

START_TEST(chunks_without_end_are_cut_off) {
    struct client client;
    struct answer answer;
    open_client(&client);
    send_chunks(&client, 1000);
    ck_assert(!client_read(&client, &answer, false));
    client_close(&client);
    expect_alive();
}
END_TEST

START_TEST(a_small_body_of_a_refused_request_is_skipped) {
    struct client client;
    struct answer answer;
    open_client(&client);
    ck_assert(client_post(&client, "/nowhere", NULL, "hello", 5, &answer));
    ck_assert(!answer.closes);
    served_expect_error(&answer, 404, "not_found");
    expect_health(&client);
    client_close(&client);
}
END_TEST

// ---- Slow clients ------------------------------------------------------------------------------

// Sends a byte each 100 ms until the peer closes, which it must do with a 408 if it must; how long
// that took.
static uint64_t trickle(struct client *client, const char *bytes, bool told) {
    uint64_t start = clock_ms();
    struct timespec pause = {0, 100000000};
    client->timeout_ms = 0;
    for (size_t i = 0; clock_ms() - start < 60000; i++) {
        struct answer answer;
        if (!client_send(client, bytes + i % strlen(bytes), 1))
            break;
        nanosleep(&pause, NULL); // the slow client's own pace, not a wait for an event
        if (client_read(client, &answer, false)) {
            served_expect_error(&answer, 408, "timeout");
            client->timeout_ms = 20000;
            ck_assert(client_sees_end(client));
            return clock_ms() - start;
        }
    }
    ck_assert_msg(!told, "no 408 within %llu ms", (unsigned long long)(clock_ms() - start));
    return clock_ms() - start;
}

static const struct {
    const char *what, *sent, *bytes;
} slow[] = {
    {"the first line", "", "G"},
    {"the header", "GET /healthz HTTP/1.1\r\nHost: x\r\nX: ", "a"},
    {"the body", "POST /classify HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n", "a"},
    {"chunks", "POST /classify HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
     "1\r\na\r\n"},
};

START_TEST(a_slow_client_is_told_and_closed) {
    struct client client;
    open_client(&client);
    ck_assert(client_printf(&client, "%s", slow[_i].sent));
    // Whether a byte has come at all, the daemon asks the kernel, which qemu-user does not pass on.
    uint64_t took = trickle(&client, slow[_i].bytes, _i > 0 || !emulated());
    ck_assert_msg(took >= 900 && took < 20000, "%s: %llu ms", slow[_i].what,
                  (unsigned long long)took);
    client_close(&client);
    expect_alive();
}
END_TEST

START_TEST(an_idle_connection_is_closed_without_a_word) {
    struct client fresh, used;
    open_client(&fresh);
    open_client(&used);
    expect_health(&used);
    ck_assert(client_sees_end(&fresh));
    ck_assert(client_sees_end(&used));
    client_close(&fresh);
    client_close(&used);
}
END_TEST

// Bytes and end in one: the library sees no event of the end alone. Sooner than body-timeout (30
// s).
START_TEST(who_ends_in_the_middle_of_a_request_is_let_go) {
    enum { CLIENTS = 8 };
    struct client client[CLIENTS];
    for (int i = 0; i < CLIENTS; i++) {
        open_client(&client[i]);
        ck_assert(client_printf(&client[i], "POST /classify HTTP/1.1\r\nHost: x\r\n"
                                            "Content-Length: 784\r\n\r\nhalf"));
        ck_assert_int_eq(shutdown(client[i].fd, SHUT_WR), 0);
    }
    for (int i = 0; i < CLIENTS; i++) {
        client[i].timeout_ms = 15000;
        ck_assert(client_sees_end(&client[i]));
        client_close(&client[i]);
    }
    expect_alive();
}
END_TEST

// ---- Overload ----------------------------------------------------------------------------------

START_TEST(a_full_queue_is_said_so_and_health_goes_on) {
    struct client holder[2], late;
    struct answer answer;
    for (int i = 0; i < 2; i++) {
        open_client(&holder[i]);
        // Admitted, for its head is there; and then nothing.
        ck_assert(client_printf(&holder[i], "POST /classify HTTP/1.1\r\nHost: x\r\n"
                                            "Content-Length: 5\r\nExpect: 100-continue\r\n\r\n"));
        ck_assert(client_read(&holder[i], &answer, false));
        ck_assert_int_eq(answer.status, 100);
        answer_free(&answer);
    }
    open_client(&late);
    ck_assert(client_post(&late, "/classify", NULL, "hello", 5, &answer));
    served_expect_error(&answer, 503, "overloaded");
    expect_health(&late);
    for (int i = 0; i < 2; i++) {
        ck_assert(client_printf(&holder[i], "hello"));
        ck_assert(client_read(&holder[i], &answer, false));
        served_expect_error(&answer, 415, "unsupported_media_type");
        client_close(&holder[i]);
    }
    ck_assert(client_post(&late, "/classify", NULL, "hello", 5, &answer));
    served_expect_error(&answer, 415, "unsupported_media_type");
    client_close(&late);
}
END_TEST

// The library alone would just not accept, and the client would wait.
START_TEST(a_connection_too_many_is_told_so) {
    struct client client[4], fifth;
    struct answer answer;
    for (int i = 0; i < 4; i++) {
        open_client(&client[i]);
        expect_health(&client[i]);
    }
    open_client(&fifth);
    ck_assert(client_read(&fifth, &answer, false));
    ck_assert(answer.closes);
    served_expect_error(&answer, 503, "overloaded");
    client_close(&fifth);
    for (int i = 0; i < 4; i++) {
        expect_health(&client[i]);
        client_close(&client[i]);
    }
    // The daemon learns of the ends in its own time.
    bool served = false;
    while (!served) {
        ck_assert(request_once(run.daemon.port, "GET", "/healthz", NULL, NULL, NULL, 0, &answer));
        served = answer.status == 200;
        answer_free(&answer);
    }
}
END_TEST

// A black PNG that takes long to decode and is short.
static uint8_t *heavy_png(size_t *len) {
    const uint32_t side = emulated() ? 1000 : 4000;
    png_image image = {
        .version = PNG_IMAGE_VERSION, .width = side, .height = side, .format = PNG_FORMAT_GRAY};
    uint8_t *pixels = calloc(side, side), *png = malloc(1 << 20);
    ck_assert(pixels != NULL && png != NULL);
    *len = 1 << 20;
    ck_assert(png_image_write_to_memory(&image, png, len, 0, pixels, 0, NULL));
    free(pixels);
    return png;
}

static bool has_answer(const struct client *client) {
    struct pollfd wait = {.fd = client->fd, .events = POLLIN};
    return poll(&wait, 1, 0) > 0;
}

// More heavy requests than there are threads for any of it: health does not wait for them, but is
// answered again and again meanwhile.
START_TEST(nothing_waits_behind_heavy_pictures) {
    enum { N = 6 };
    struct client heavy[N], other;
    struct answer answer;
    size_t len;
    uint8_t *png = heavy_png(&len);
    open_client(&other);
    for (int i = 0; i < N; i++) {
        open_client(&heavy[i]);
        ck_assert(client_printf(&heavy[i],
                                "POST /classify HTTP/1.1\r\nHost: x\r\n"
                                "Content-Length: %zu\r\n\r\n",
                                len));
        ck_assert(client_send(&heavy[i], png, len));
    }
    unsigned meanwhile = 0;
    for (int done = 0; done < N; meanwhile++) {
        expect_health(&other);
        for (done = 0; done < N && has_answer(&heavy[done]); done++)
            ;
    }
    // Behind them all it would be once; a busy or emulated machine gives health few turns.
    ck_assert_uint_ge(meanwhile, emulated() ? 2 : 5);
    for (int i = 0; i < N; i++) {
        ck_assert(client_read(&heavy[i], &answer, false));
        ck_assert_msg(answer.status == 200, "%s", answer.body);
        answer_free(&answer);
        client_close(&heavy[i]);
    }
    client_close(&other);
    free(png);
}
END_TEST

START_TEST(a_model_too_many_is_told_so) {
    struct answer answer;
    ck_assert(request_once(run.daemon.port, "POST", "/models/two/activate", NULL, NULL, NULL, 0,
                           &answer));
    ck_assert_msg(strstr(answer.body, "max-models = 1") != NULL, "%s", answer.body);
    served_expect_error(&answer, 409, "limit_reached");
}
END_TEST

// Opens a connection that is served. What was closed before counts until the daemon has seen it go;
// the case's timeout bounds the wait.
static void open_served(struct client *client) {
    for (bool served = false; !served;) {
        struct answer answer = {0};
        open_client(client);
        served = client_get(client, "/healthz", &answer) && answer.status == 200;
        answer_free(&answer);
        if (!served)
            client_close(client);
    }
}

START_TEST(a_client_with_too_many_connections_is_told_so) {
    struct client held[3], more;
    struct answer answer;
    for (int i = 0; i < 3; i++)
        open_served(&held[i]);
    for (int i = 0; i < 3; i++) { // a refusal takes none of the share
        open_client(&more);
        ck_assert(client_read(&more, &answer, false));
        ck_assert_str_eq(answer_header(&answer, "Retry-After"), "1");
        served_expect_error(&answer, 429, "too_many_connections");
        ck_assert(client_sees_end(&more));
        client_close(&more);
    }
    for (int i = 0; i < 3; i++)
        client_close(&held[i]);
    open_served(&more); // the share is free again
    client_close(&more);
}
END_TEST

// ---- Drain -------------------------------------------------------------------------------------

// A client that has sent half a request when the daemon is told to stop gets its answer, and
// /readyz says so meanwhile on a connection that was open before.
START_TEST(a_request_on_its_way_is_finished) {
    struct client slow_one, other;
    struct answer answer;
    uint8_t pixels[MADE_INPUTS];
    made_input(1, pixels);
    served_start(&run, NULL);
    open_client(&slow_one);
    open_client(&other);
    expect_health(&other);
    ck_assert(client_printf(&slow_one, "POST /classify HTTP/1.1\r\nHost: x\r\n"
                                       "Content-Length: 784\r\nExpect: 100-continue\r\n\r\n"));
    ck_assert(client_read(&slow_one, &answer, false));
    ck_assert_int_eq(answer.status, 100);
    answer_free(&answer);
    ck_assert(client_send(&slow_one, pixels, 400));
    daemon_signal(&run.daemon, SIGTERM);
    ck_assert(daemon_log_has(&run.daemon, "stopping", 20000));
    do { // it says so before it does so
        answer_free(&answer);
        ck_assert(client_get(&other, "/readyz", &answer));
    } while (answer.status == 200);
    ck_assert(answer.closes);
    served_expect_error(&answer, 503, "draining");
    ck_assert(client_send(&slow_one, pixels + 400, MADE_INPUTS - 400));
    ck_assert(client_read(&slow_one, &answer, false));
    ck_assert_int_eq(answer.status, 200);
    ck_assert(answer.closes);
    answer_free(&answer);
    client_close(&slow_one);
    client_close(&other);
    ck_assert_int_eq(daemon_wait(&run.daemon, 20000), 0);
    daemon_stop(&run.daemon);
    scratch_remove(run.folder);
}
END_TEST

// One of the clients that hammer until they are told to close or the server is gone.
struct hammer {
    pthread_t thread;
    uint16_t port;
    unsigned answered, lost;
};

// Once the daemon has stopped accepting, connections wait in the queue of the listening socket: for
// the next process, where systemd holds the socket; here they end unanswered. So the first request
// of a connection may fail, but none after it.
static void *hammer_on(void *argument) {
    struct hammer *hammer = argument;
    uint8_t pixels[MADE_INPUTS];
    made_input(2, pixels);
    struct client client;
    while (client_open(&client, hammer->port)) {
        struct answer answer;
        unsigned before = hammer->answered;
        bool closes = false;
        while (!closes && client_post(&client, "/classify", NULL, pixels, sizeof pixels, &answer)) {
            hammer->answered++;
            hammer->lost += answer.status != 200;
            closes = answer.closes;
            answer_free(&answer);
        }
        hammer->lost += !closes && hammer->answered > before;
        client_close(&client);
    }
    return NULL;
}

START_TEST(no_request_is_lost_when_it_stops_under_load) {
    enum { N = 8 };
    struct hammer hammer[N] = {0};
    unsigned answered = 0, lost = 0;
    served_start(&run, NULL);
    for (int i = 0; i < N; i++) {
        hammer[i].port = run.daemon.port;
        ck_assert_int_eq(pthread_create(&hammer[i].thread, NULL, hammer_on, &hammer[i]), 0);
    }
    struct timespec pause = {0, 300000000};
    nanosleep(&pause, NULL); // the load's duration
    ck_assert_int_eq(daemon_stop(&run.daemon), 0);
    for (int i = 0; i < N; i++) {
        pthread_join(hammer[i].thread, NULL);
        answered += hammer[i].answered;
        lost += hammer[i].lost;
    }
    ck_assert_uint_gt(answered, N);
    ck_assert_uint_eq(lost, 0);
    scratch_remove(run.folder);
}
END_TEST

// ---- The suite ---------------------------------------------------------------------------------

static void start_plain(void) {
    static const char *const args[] = {"--max-body", "100000", NULL};
    served_start(&run, args);
}

static void start_hasty(void) {
    static const char *const args[] = {
        "--header-timeout", "1", "--body-timeout", "1", "--idle-timeout", "1", NULL};
    served_start(&run, args);
}

static void start_shared(void) {
    static const char *const args[] = {"--connections-per-client", "3", NULL};
    served_start(&run, args);
}

static void start_narrow(void) {
    static const char *const args[] = {"--queue", "2", "--connections", "4", "--max-models",
                                       "1",       NULL};
    served_start(&run, args);
}

static void stop(void) {
    served_stop(&run);
}

static TCase *add_case(Suite *suite, const char *name, void (*setup)(void)) {
    TCase *tc = tcase_create(name);
    tcase_set_timeout(tc, 300);
    if (setup != NULL)
        tcase_add_checked_fixture(tc, setup, stop);
    suite_add_tcase(suite, tc);
    return tc;
}

Suite *http_suite(void) {
    Suite *suite = suite_create("http");
    TCase *tc = add_case(suite, "plain", start_plain);
    tcase_add_loop_test(tc, a_malformed_request_ends_the_connection, 0, COUNT(malformed));
    tcase_add_loop_test(tc, a_zero_byte_in_the_header_ends_the_connection, 0, COUNT(zeros));
    tcase_add_loop_test(tc, a_bad_target_is_refused_and_the_connection_lives, 0,
                        COUNT(bad_targets));
    tcase_add_test(tc, a_long_target_is_refused);
    tcase_add_loop_test(tc, a_header_beyond_all_bounds_is_refused_in_json, 0, 3);
    tcase_add_test(tc, a_long_header_is_read);
    tcase_add_test(tc, too_many_header_lines_are_refused_in_json);
    tcase_add_test(tc, a_connection_serves_many_requests);
    tcase_add_test(tc, pipelined_requests_are_answered_in_order);
    tcase_add_loop_test(tc, a_request_may_come_in_any_pieces, 1, 8);
    tcase_add_test(tc, http_1_0_is_answered_and_closed);
    tcase_add_test(tc, connection_close_is_done);
    tcase_add_test(tc, head_has_the_headers_of_get_and_no_body);
    tcase_add_test(tc, ids_are_echoed_or_made);
    tcase_add_test(tc, unknown_paths_and_methods_are_told_apart);
    tcase_add_test(tc, a_body_over_the_limit_is_refused_before_it_is_read);
    tcase_add_test(tc, who_sends_all_of_a_refused_body_gets_the_answer);
    tcase_add_test(tc, a_client_who_waits_for_100_gets_the_refusal_instead);
    tcase_add_test(tc, chunks_over_the_limit_are_refused_at_their_end);
    tcase_add_test(tc, chunks_without_end_are_cut_off);
    tcase_add_test(tc, a_small_body_of_a_refused_request_is_skipped);
    tcase_add_test(tc, nothing_waits_behind_heavy_pictures);
    tcase_add_test(tc, who_ends_in_the_middle_of_a_request_is_let_go);
    tc = add_case(suite, "hasty", start_hasty);
    tcase_add_loop_test(tc, a_slow_client_is_told_and_closed, 0, COUNT(slow));
    tcase_add_test(tc, an_idle_connection_is_closed_without_a_word);
    tc = add_case(suite, "narrow", start_narrow);
    tcase_add_test(tc, a_full_queue_is_said_so_and_health_goes_on);
    tcase_add_test(tc, a_connection_too_many_is_told_so);
    tcase_add_test(tc, a_model_too_many_is_told_so);
    tc = add_case(suite, "shared", start_shared);
    tcase_add_test(tc, a_client_with_too_many_connections_is_told_so);
    tc = add_case(suite, "drain", NULL);
    tcase_add_test(tc, a_request_on_its_way_is_finished);
    tcase_add_test(tc, no_request_is_lost_when_it_stops_under_load);
    return suite;
}
