/* SPDX-License-Identifier: MIT */
// The HTTP server on libmicrohttpd. What that library (0.9.75) gets wrong is put right in
// request.c (checks of the head), deadline.c (deadlines), acceptor.c and refusal.c.
#include "daemon/http.h"

#include "daemon/acceptor.h"
#include "daemon/clients.h"
#include "daemon/exchange.h"
#include "daemon/knock.h"
#include "daemon/log.h"
#include "daemon/observe.h"
#include "daemon/sink.h"

#include <microhttpd.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    // Of the library, for the head of a request and for reading; it clears all of it after each
    // request. 16 KiB take 0.8 us less CPU time a request than 32, and 1.9 less than 64.
    CONNECTION_MEMORY = 16384,
    LONG_BODIES = 8,       // of the longest length, at once; many more that are shorter
    LONG_UPLOADS = 2,      // likewise
    SETTLE_MS = 200,       // so long without a request, and a kept connection counts as quiet
    STUCK_MS = 60000,      // so long at one answer, and the daemon counts as hung
    SPARE_CONNECTIONS = 16 // a thread of the library, so that never it refuses, silently, but we
};

struct http {
    struct MHD_Daemon *daemon;
    struct acceptor *acceptor;
    struct clients *clients;
    struct sink *sink;
    struct deadlines *deadlines;
    struct workers *workers;
    struct tls *tls; // NULL: plain HTTP
    struct api api;
    int listen_fd;
    bool splits_in_place; // the library is the version whose faults are put right here
    _Atomic uint64_t answered;
    atomic_uint handed_over; // accepted, and the library has not begun with them
};

// ---- Replies -----------------------------------------------------------------------------------

// origin: who may read the reply; NULL: no page of another site.
static void add_sharing(struct MHD_Response *response, const char *origin) {
    MHD_add_response_header(response, "Vary", "Origin");
    if (origin == NULL)
        return;
    MHD_add_response_header(response, "Access-Control-Allow-Origin", origin);
    MHD_add_response_header(response, "Access-Control-Expose-Headers",
                            "X-Request-Id, X-Model, X-Model-Digest, X-Model-Generation, "
                            "Server-Timing, Retry-After, Inference-Header-Content-Length");
}

static enum MHD_Result send_reply(struct exchange *exchange) {
    struct reply *reply = &exchange->reply;
    struct http *http = exchange->server;
    if (reply->body.failed)
        reply_error(reply, &exchange->request, 503, "overloaded", "no memory for the answer");
    if (!deadline_enter(&exchange->deadline, STAGE_SEND))
        return MHD_NO;
    // The buffer stays as it is until the next request on this connection.
    struct MHD_Response *response =
        MHD_create_response_from_buffer(reply->body.len, reply->body.at, MHD_RESPMEM_PERSISTENT);
    if (response == NULL)
        return MHD_NO;
    MHD_add_response_header(response, "Content-Type",
                            reply->type != NULL ? reply->type : "application/json");
    MHD_add_response_header(response, "Cache-Control",
                            reply->cache != NULL ? reply->cache : "no-store");
    if (reply->policy != NULL)
        MHD_add_response_header(response, "Content-Security-Policy", reply->policy);
    MHD_add_response_header(response, "X-Request-Id", exchange->request.id);
    if (http->api.options->cors_origins[0] != 0)
        add_sharing(response, exchange->shared_with);
    for (unsigned i = 0; i < reply->n_headers; i++)
        MHD_add_response_header(response, reply->header[i].name, reply->header[i].value);
    if (reply->close || atomic_load_explicit(&http->api.draining, memory_order_relaxed))
        MHD_add_response_header(response, "Connection", "close");
    enum MHD_Result result = MHD_queue_response(exchange->connection, reply->status, response);
    MHD_destroy_response(response);
    atomic_fetch_add_explicit(&http->answered, 1, memory_order_relaxed);
    exchange_count(exchange);
    log_debug("%s %s %s: %u", exchange->request.id, exchange->request.method,
              exchange->request.path, reply->status);
    return result;
}

// The library splits the head where it lies. It unfolds lines wrongly, takes LF for CRLF, and what
// follows a zero byte is lost to it, all of which shows in the distance between the parts. Other
// versions may split otherwise; later ones refuse such heads themselves.
static void follow(struct exchange *exchange, const char *at, size_t len, size_t gap) {
    if (((struct http *)exchange->server)->splits_in_place)
        request_check_gap(&exchange->request, exchange->due, at);
    exchange->due = at + len + gap;
}

static enum MHD_Result add_field(void *argument, enum MHD_ValueKind kind, const char *name,
                                 size_t name_len, const char *value, size_t len) {
    struct exchange *exchange = argument;
    (void)kind, (void)name_len;
    follow(exchange, name, (size_t)(value - name) + len, 2);
    request_add_field(&exchange->request, name, value);
    return MHD_YES;
}

static void read_head(struct exchange *exchange, const char *method, const char *version) {
    follow(exchange, version, strlen(version), 2);
    MHD_get_connection_values_n(exchange->connection, MHD_HEADER_KIND, add_field, exchange);
    const union MHD_ConnectionInfo *size =
        MHD_get_connection_info(exchange->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    if (size == NULL || !((struct http *)exchange->server)->splits_in_place)
        return;
    const char *end = method + size->header_size; // behind the empty line
    follow(exchange, end - 2, 0, 0);
    if (end > version)
        request_check_lines(&exchange->request, version, (size_t)(end - version));
}

static enum MHD_Result begin(struct exchange *exchange, const char *method, const char *version) {
    read_head(exchange, method, version);
    bool refused = exchange_judge(exchange, method, version);
    if (!deadline_enter(&exchange->deadline, STAGE_BODY))
        return MHD_NO;
    return refused ? send_reply(exchange) : MHD_YES;
}

// On a worker. The library calls again with the connection, which then has its reply.
static void run_slow(struct job *job) {
    struct exchange *exchange = (struct exchange *)((char *)job - offsetof(struct exchange, job));
    exchange_handle(exchange);
    MHD_resume_connection(exchange->connection);
}

static enum MHD_Result finish(struct exchange *exchange) {
    exchange_came_whole(exchange);
    if (exchange->route == NULL)
        return send_reply(exchange);
    if (!deadline_enter(&exchange->deadline, STAGE_WORK))
        return MHD_NO;
    if (exchange_is_slow(exchange)) {
        exchange->job.run = run_slow;
        MHD_suspend_connection(exchange->connection);
        workers_add(((struct http *)exchange->server)->workers, &exchange->job);
        return MHD_YES;
    }
    exchange_handle(exchange);
    return send_reply(exchange);
}

// ---- What the library calls --------------------------------------------------------------------

static struct exchange *exchange_of(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info != NULL ? info->socket_context : NULL;
}

static void refuse_connection(struct http *http, int fd, unsigned status, const char *code,
                              const char *why) {
    stats_refused(http->api.stats, code);
    if (http->tls == NULL) { // else the client would not understand
        char text[512];
        size_t len = reply_write_bare(text, sizeof text, status, code, why, "-");
        (void)!send(fd, text, len, MSG_DONTWAIT | MSG_NOSIGNAL);
        sink_take(http->sink, fd);
    }
    close(fd);
}

// Whether one more connection is within bounds; if not, its client is told, and fd is closed.
static bool admit_connection(struct http *http, int fd, const struct sockaddr *address) {
    if (atomic_fetch_add(&http->api.connections, 1) >= http->api.options->connections)
        refuse_connection(http, fd, 503, "overloaded",
                          "as many connections are open as there may be");
    else if (!clients_enter(http->clients, address))
        refuse_connection(http, fd, 429, "too_many_connections",
                          "as many connections are open as one client may have "
                          "(connections-per-client)");
    else
        return true;
    atomic_fetch_sub(&http->api.connections, 1);
    return false;
}

// From the acceptor's thread.
static void take_connection(void *argument, int fd, const struct sockaddr *address, socklen_t len) {
    struct http *http = argument;
    if (!admit_connection(http, fd, address))
        return;
    atomic_fetch_add(&http->handed_over, 1);
    if (MHD_add_connection(http->daemon, fd, address, len) == MHD_NO) { // it has closed fd
        atomic_fetch_sub(&http->handed_over, 1);
        atomic_fetch_sub(&http->api.connections, 1);
        clients_leave(http->clients, address);
    }
}

static void start_connection(struct http *http, struct MHD_Connection *connection, void **context) {
    struct exchange *exchange = calloc(1, sizeof *exchange);
    *context = exchange;
    if (exchange != NULL) { // else on_request closes it
        exchange->api = &http->api;
        exchange->server = http;
        exchange->tls = http->tls;
        exchange->connection = connection;
        exchange->client = clients_find(
            http->clients,
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr);
        exchange->deadline.id = exchange->request.id;
        deadline_add(
            http->deadlines, &exchange->deadline,
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd);
    }
    atomic_fetch_sub(&http->handed_over, 1);
}

static void end_connection(struct http *http, struct MHD_Connection *connection,
                           struct exchange *exchange) {
    atomic_fetch_sub(&http->api.connections, 1);
    clients_leave(
        http->clients,
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr);
    if (exchange == NULL)
        return;
    deadline_remove(http->deadlines, &exchange->deadline);
    if (exchange->lingers)
        sink_take(http->sink, exchange->deadline.fd);
    exchange_free(exchange);
}

// On accept, and before the socket is closed.
static void on_connection(void *argument, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode code) {
    if (code == MHD_CONNECTION_NOTIFY_STARTED)
        start_connection(argument, connection, context);
    else
        end_connection(argument, connection, *context);
}

// On the request line: the only place where the target is seen before it is decoded.
static void *on_target(void *argument, const char *target, struct MHD_Connection *connection) {
    (void)argument;
    struct exchange *exchange = exchange_of(connection);
    if (exchange == NULL)
        return NULL;
    target = target != NULL ? target : "";
    exchange->due = target + strlen(target) + 1;
    exchange_begin(exchange, target);
    deadline_enter(&exchange->deadline, DEADLINE_HEAD);
    return exchange;
}

// Called after the head, for each piece of the body, and at the end; and again after a worker.
static enum MHD_Result on_request(void *argument, struct MHD_Connection *connection,
                                  const char *url, const char *method, const char *version,
                                  const char *data, size_t *len, void **context) {
    (void)argument, (void)connection, (void)url;
    struct exchange *exchange = *context;
    if (exchange == NULL)
        return MHD_NO;
    if (!exchange->begun)
        return begin(exchange, method, version);
    if (*len == 0)
        return finish(exchange);
    size_t n = *len;
    *len = 0; // all of it, always: the library may not call again for what is left over
    return exchange_take(exchange, data, n) ? MHD_YES : MHD_NO;
}

// After the reply was sent, or the connection broke.
static void on_completed(void *argument, struct MHD_Connection *connection, void **context,
                         enum MHD_RequestTerminationCode code) {
    (void)argument, (void)connection, (void)code;
    struct exchange *exchange = *context;
    if (exchange == NULL)
        return;
    exchange_end(exchange);
    deadline_enter(&exchange->deadline, STAGE_IDLE);
}

static void on_message(void *argument, const char *format, va_list args) {
    (void)argument;
    char text[256];
    vsnprintf(text, sizeof text, format, args);
    text[strcspn(text, "\n")] = 0;
    log_debug("http: %s", text);
}

// ---- Start and stop ----------------------------------------------------------------------------

static unsigned count_threads(const struct options *options) {
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned threads = options->threads > 0 ? options->threads : cores > 0 ? (unsigned)cores : 2;
    return threads < 2 ? 2 : threads > 4 && options->threads == 0 ? 4 : threads;
}

static bool start_library(struct http *http, struct tnm_error *err) {
    const struct options *options = http->api.options;
    unsigned threads = count_threads(options);
    struct MHD_OptionItem secure[] = {
        {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)TLS_PRIORITIES},
        {MHD_OPTION_HTTPS_CERT_CALLBACK2, 0, tls_choice()},
        {MHD_OPTION_END, 0, NULL}};
    if (http->tls == NULL)
        secure[0].option = MHD_OPTION_END;
    http->daemon = MHD_start_daemon(
        // With epoll, a thread runs in circles while a client thinks about its part of a handshake.
        (http->tls != NULL ? MHD_USE_TLS | MHD_USE_POLL : MHD_USE_EPOLL) |
            MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_ITC | MHD_USE_ERROR_LOG |
            MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME,
        0, NULL, NULL, on_request, http, MHD_OPTION_EXTERNAL_LOGGER, on_message, http,
        MHD_OPTION_THREAD_POOL_SIZE, threads, MHD_OPTION_CONNECTION_LIMIT,
        options->connections + SPARE_CONNECTIONS * threads, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)CONNECTION_MEMORY, MHD_OPTION_STRICT_FOR_CLIENT, 0, MHD_OPTION_NOTIFY_CONNECTION,
        on_connection, http, MHD_OPTION_NOTIFY_COMPLETED, on_completed, http,
        MHD_OPTION_URI_LOG_CALLBACK, on_target, http, MHD_OPTION_ARRAY, secure, MHD_OPTION_END);
    if (http->daemon == NULL)
        return tnm_fail_errno(err, errno, "the HTTP server did not start");
    http->acceptor = acceptor_start(http->listen_fd, take_connection, http, err);
    return http->acceptor != NULL;
}

static bool start_helpers(struct http *http, struct tnm_error *err) {
    const struct options *options = http->api.options;
    const struct deadline_limits limits = {.silent = options->tls_cert[0] != 0,
                                           .head_ms = options->header_timeout_s * 1000,
                                           .body_ms = options->body_timeout_s * 1000,
                                           .idle_ms = options->idle_timeout_s * 1000,
                                           .stats = http->api.stats};
    const struct client_limits shares = {.connections = options->connections_per_client,
                                         .in_work = options->queue_per_client,
                                         .per_second = options->requests_per_client};
    if (options->tls_cert[0] != 0 &&
        (http->tls = tls_open(options->tls_cert, options->tls_key, err)) == NULL)
        return false;
    http->api.observer = observer_open(options, http->api.shelf, http->api.stats, err);
    if (http->api.observer == NULL)
        return false;
    http->api.access = access_open(options->token_file, err);
    http->clients = http->api.access != NULL ? clients_open(&shares, err) : NULL;
    http->deadlines = http->clients != NULL ? deadline_start(&limits, err) : NULL;
    http->sink = http->deadlines != NULL ? sink_start(err) : NULL;
    // One more than threads, as one may be at an evaluation for long.
    http->workers = http->sink != NULL ? workers_start(count_threads(options) + 1, err) : NULL;
    return http->workers != NULL;
}

static void destroy(struct http *http) {
    acceptor_stop(http->acceptor);
    workers_stop(http->workers); // first: its jobs need the library's connections
    if (http->daemon != NULL)
        MHD_stop_daemon(http->daemon);
    deadline_stop(http->deadlines);
    sink_stop(http->sink);
    clients_close(http->clients);
    observer_close(http->api.observer);
    access_close(http->api.access);
    tls_close(http->tls);
    free(http);
}

struct http *http_start(int listen_fd, const struct options *options, struct shelf *shelf,
                        struct stats *stats, struct tnm_error *err) {
    struct http *http = calloc(1, sizeof *http);
    if (http == NULL) {
        tnm_fail(err, TNM_ENOMEM, "no memory for the HTTP server");
        return NULL;
    }
    http->listen_fd = listen_fd;
    http->splits_in_place = strcmp(MHD_get_version(), "0.9.75") == 0;
    http->api.options = options;
    http->api.shelf = shelf;
    http->api.stats = stats;
    atomic_init(&http->api.bodies.left, LONG_BODIES * options->max_body);
    atomic_init(&http->api.decoding.left, options->decode_memory);
    atomic_init(&http->api.uploads.left, LONG_UPLOADS * options->max_model);
    uint32_t *prefix = &http->api.id_prefix;
    if (getrandom(prefix, sizeof *prefix, 0) != sizeof *prefix)
        *prefix = (uint32_t)getpid();
    // Signals are the main thread's; others inherit that they are blocked.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    bool ok = start_helpers(http, err) && start_library(http, err);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (ok)
        return http;
    destroy(http);
    return NULL;
}

void http_drain(struct http *http) {
    atomic_store(&http->api.draining, true);
}

static uint64_t monotonic_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void http_reload(struct http *http) {
    struct tnm_error err = {0};
    if (!access_reload(http->api.access, &err))
        log_error("the old tokens stay: %s", err.text);
    if (http->tls != NULL && !tls_reload(http->tls, &err))
        log_error("the old certificate stays: %s", err.text);
}

// Nothing on its way, and nothing came for a moment on the connections that are kept.
static bool is_quiet(struct http *http) {
    return atomic_load(&http->handed_over) == 0 &&
           deadline_count(http->deadlines, SETTLE_MS).busy == 0;
}

// Stopping the library loses the replies that are being made: that has to wait.
bool http_stop(struct http *http, unsigned timeout_s) {
    http_drain(http);
    acceptor_stop(http->acceptor);
    http->acceptor = NULL;
    uint64_t end = monotonic_ms() + (uint64_t)timeout_s * 1000;
    bool finished;
    while (!(finished = is_quiet(http)) && monotonic_ms() < end)
        poll(NULL, 0, 10);
    destroy(http);
    return finished;
}

void http_counts(const struct http *http, uint64_t *answered, unsigned *in_work) {
    *answered = atomic_load(&http->answered);
    *in_work = atomic_load(&http->api.in_work);
}

bool http_alive(struct http *http) {
    struct deadline_counts counts = deadline_count(http->deadlines, 0);
    if (counts.oldest_work_ms > STUCK_MS)
        return false;
    // Being full is no reason to be restarted.
    return atomic_load(&http->api.connections) >= http->api.options->connections ||
           knock_answered(take_connection, http, http->tls != NULL);
}
