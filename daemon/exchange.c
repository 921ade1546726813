/* SPDX-License-Identifier: MIT */
// From the head of a request to its reply.
#include "daemon/exchange.h"

#include "daemon/clock.h"
#include "daemon/gate.h"

#include <stdlib.h>

enum {
    SMALL_BODY = 65536, // read to its end even if it is refused, so that the connection lives
    KEEP_BODY = 4096,   // bytes of body memory that a connection keeps
    KEEP_SCRATCH = 65536
};

// ---- The head ----------------------------------------------------------------------------------

void exchange_begin(struct exchange *exchange, const char *target) {
    request_reset(&exchange->request);
    reply_reset(&exchange->reply);
    exchange->route = NULL;
    exchange->shared_with = NULL;
    exchange->begun = exchange->admitted = false;
    exchange->body_len = 0;
    exchange->limit = exchange->api->options->max_body;
    exchange->whole_ns = 0;
    request_set_target(&exchange->request, target);
}

static void make_id(struct api *api, char id[REQUEST_MAX_ID + 1]) {
    static const char digit[] = "0123456789abcdef";
    unsigned count = atomic_fetch_add_explicit(&api->id_count, 1, memory_order_relaxed);
    uint64_t value = (uint64_t)api->id_prefix << 32 | count;
    for (int i = 0; i < 16; i++)
        id[i] = digit[value >> (60 - 4 * i) & 15];
    id[16] = 0;
}

// Room for len bytes of body. Small ones are the connection's own affair, large ones share a
// budget.
static bool reserve_body(struct exchange *exchange, size_t len) {
    if (len <= exchange->body_size)
        return true;
    size_t charge = len > SMALL_BODY ? len - exchange->body_charged : 0;
    if (charge > 0 && !budget_take(&exchange->api->bodies, charge))
        return false;
    exchange->body_charged += charge;
    uint8_t *grown = realloc(exchange->body, len);
    if (grown == NULL)
        return false;
    exchange->body = grown;
    exchange->body_size = len;
    return true;
}

static bool is_spooled(const struct exchange *exchange) {
    return exchange->route->intake == INTAKE_SPOOLED;
}

static void drop_spool(struct exchange *exchange) {
    spool_close(exchange->spool);
    exchange->spool = NULL;
    if (exchange->spool_charged > 0)
        budget_give(&exchange->api->uploads, exchange->spool_charged);
    exchange->spool_charged = 0;
}

static void refuse_length(struct exchange *exchange) {
    reply_error(&exchange->reply, &exchange->request, 413, "body_too_large",
                "the body is longer than %s = %zu bytes",
                is_spooled(exchange) ? "max-model" : "max-body", exchange->limit);
    exchange->route = NULL;
    drop_spool(exchange);
}

static void refuse(struct exchange *exchange, unsigned status, const char *code, const char *text) {
    exchange->route = NULL;
    reply_error(&exchange->reply, &exchange->request, status, code, "%s", text);
    drop_spool(exchange);
}

static void refuse_client(struct exchange *exchange, const char *code, const char *text,
                          unsigned seconds) {
    refuse(exchange, 429, code, text);
    reply_retry_after(&exchange->reply, seconds);
}

static void refuse_full(struct exchange *exchange, const char *text) {
    refuse(exchange, 503, "overloaded", text);
}

// The share of the disk for len bytes in all.
static bool reserve_spool(struct exchange *exchange, size_t len) {
    if (len <= exchange->spool_charged)
        return true;
    if (!budget_take(&exchange->api->uploads, len - exchange->spool_charged))
        return false;
    exchange->spool_charged = len;
    return true;
}

static void start_spool(struct exchange *exchange) {
    struct tnm_error err;
    if (!reserve_spool(exchange, (size_t)exchange->request.length))
        refuse_full(exchange, "other uploads are on their way");
    else if ((exchange->spool = shelf_spool(exchange->api->shelf, &err)) == NULL)
        refuse(exchange, err.code == TNM_ENOMEM ? 503 : 409,
               err.code == TNM_ENOMEM ? "overloaded" : "read_only", err.text);
}

// One more request in work, unless there are too many, of all or of this client.
static bool admit(struct exchange *exchange) {
    struct api *api = exchange->api;
    if (exchange->route->intake == INTAKE_ALWAYS)
        return true; // takes no place of another's
    exchange->counted = client_begins(exchange->client);
    if (!exchange->counted) {
        refuse_client(exchange, "too_many_requests",
                      "as many requests are in work as one client may have (queue-per-client)", 1);
        return false;
    }
    unsigned before = atomic_fetch_add(&api->in_work, 1);
    exchange->admitted = before < api->options->queue;
    if (!exchange->admitted) {
        atomic_fetch_sub(&api->in_work, 1);
        refuse_full(exchange, "as many requests are in work as the queue holds");
    }
    return exchange->admitted;
}

// Before the token is looked at, so that guessing one is limited, too.
static bool may_ask(struct exchange *exchange) {
    unsigned seconds = 0;
    if (exchange->route->intake == INTAKE_ALWAYS ||
        exchange->api->options->requests_per_client == 0 || // then the clock need not be asked
        client_may_ask(exchange->client, clock_ns(), &seconds))
        return true;
    refuse_client(exchange, "rate_limited",
                  "more requests a second than one client may send (requests-per-client)", seconds);
    return false;
}

// Whether the request may go on to its route; if not, reply says why.
static bool enters(struct exchange *exchange) {
    struct request *request = &exchange->request;
    enum scope scope = exchange->route->scope;
    exchange->shared_with = gate_shares_with(exchange->api, request, scope);
    request->is_foreign = gate_is_foreign(exchange->api, request);
    return may_ask(exchange) && gate_admits(exchange->api, request, scope, &exchange->reply);
}

// route is NULL afterwards where reply holds a refusal.
static void decide(struct exchange *exchange) {
    struct request *request = &exchange->request;
    if (request->fault.status != 0) {
        reply_error(&exchange->reply, request, request->fault.status, request->fault.code, "%s",
                    request->fault.text);
        return;
    }
    exchange->route = routes_find(exchange->api, request, &exchange->reply);
    if (exchange->route == NULL) {
        // An answered preflight.
        if (exchange->reply.status == 204)
            exchange->shared_with = request->origin;
        return;
    }
    if (!enters(exchange)) {
        exchange->route = NULL;
        return;
    }
    const struct options *options = exchange->api->options;
    exchange->limit = is_spooled(exchange) ? options->max_model : options->max_body;
    if (request->length > exchange->limit)
        refuse_length(exchange);
    else if (!admit(exchange))
        return;
    else if (is_spooled(exchange))
        start_spool(exchange);
    else if (!reserve_body(exchange, (size_t)request->length))
        refuse_full(exchange, "no memory for another body now");
}

bool exchange_judge(struct exchange *exchange, const char *method, const char *version) {
    struct request *request = &exchange->request;
    exchange->begun = true;
    request_finish_head(request, method, version);
    if (request->id[0] == 0)
        make_id(exchange->api, request->id);
    decide(exchange);
    if (exchange->route != NULL || !(request->breaks_framing || request->chunked ||
                                     request->expects_continue || request->length > SMALL_BODY))
        return false;
    exchange->reply.close = exchange->lingers = true;
    return true;
}

// ---- The body and the answer -------------------------------------------------------------------

static void append_spool(struct exchange *exchange, const char *data, size_t len) {
    struct tnm_error err;
    if (!reserve_spool(exchange, exchange->body_len + len))
        refuse_full(exchange, "other uploads are on their way");
    else if (!spool_add(exchange->spool, data, len, &err))
        refuse(exchange, exchange->spool->full ? 507 : 409,
               exchange->spool->full ? "storage_full" : "read_only", err.text);
}

static void append(struct exchange *exchange, const char *data, size_t len) {
    size_t limit = exchange->limit;
    size_t needed = exchange->body_len + len, doubled = 2 * exchange->body_size;
    size_t wanted = needed <= exchange->body_size ? needed : doubled > needed ? doubled : needed;
    if (reserve_body(exchange, wanted < limit ? wanted : limit))
        memcpy(exchange->body + exchange->body_len, data, len);
    else
        refuse_full(exchange, "no memory for another body now");
}

bool exchange_take(struct exchange *exchange, const char *data, size_t len) {
    if (exchange->route == NULL) {
        exchange->body_len += len;
        return exchange->body_len <= 2 * exchange->limit;
    }
    if (exchange->body_len + len > exchange->limit)
        refuse_length(exchange);
    else if (is_spooled(exchange))
        append_spool(exchange, data, len);
    else
        append(exchange, data, len);
    exchange->body_len += len;
    return true;
}

void exchange_came_whole(struct exchange *exchange) {
    if (exchange->whole_ns == 0)
        exchange->whole_ns = clock_ns();
}

bool exchange_is_slow(struct exchange *exchange) {
    exchange->request.body = (struct bytes){exchange->body, exchange->body_len};
    exchange->request.spool = exchange->spool;
    return exchange->route->is_slow != NULL &&
           exchange->route->is_slow(exchange->api, &exchange->request);
}

void exchange_handle(struct exchange *exchange) {
    exchange->route->handle(exchange->api, &exchange->request, &exchange->scratch,
                            &exchange->reply);
    exchange->route = NULL; // the reply is there
    drop_spool(exchange);   // what was not kept is gone before the reply says so
}

void exchange_count(const struct exchange *exchange) {
    struct stats *stats = exchange->api->stats;
    const struct reply *reply = &exchange->reply;
    uint64_t ns = exchange->whole_ns > 0 ? clock_ns() - exchange->whole_ns : 0;
    stats_request(stats, exchange->request.row, reply->status, ns);
    if (reply->code != NULL)
        stats_refused(stats, reply->code);
}

// ---- The end -----------------------------------------------------------------------------------

void exchange_end(struct exchange *exchange) {
    if (exchange->admitted)
        atomic_fetch_sub(&exchange->api->in_work, 1);
    if (exchange->counted)
        client_finishes(exchange->client);
    exchange->admitted = exchange->counted = false;
    drop_spool(exchange);
    if (exchange->body_charged > 0)
        budget_give(&exchange->api->bodies, exchange->body_charged);
    exchange->body_charged = 0;
    if (exchange->body_size > KEEP_BODY) {
        free(exchange->body);
        exchange->body = NULL;
        exchange->body_size = 0;
    }
    if (exchange->scratch.size > KEEP_SCRATCH)
        scratch_free(&exchange->scratch);
}

void exchange_free(struct exchange *exchange) {
    tls_release(exchange->identity);
    json_out_free(&exchange->reply.body);
    scratch_free(&exchange->scratch);
    free(exchange->body);
    free(exchange);
}
