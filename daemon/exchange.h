/* SPDX-License-Identifier: MIT */
// A connection and the request that is on it, as plain data: what is decided by the head, the body
// as it grows within its limits, and the handler's reply. http.c moves the bytes.
#ifndef EXCHANGE_H
#define EXCHANGE_H

#include "daemon/clients.h"
#include "daemon/deadline.h"
#include "daemon/routes.h"
#include "daemon/tls.h"
#include "daemon/workers.h"

// One allocation a connection, used by one thread at a time: the library's, or the worker that the
// connection waits for.
struct exchange {
    struct api *api;
    void *connection;          // the library's
    void *server;              // http.c's
    struct tls *tls;           // NULL: plain HTTP
    struct identity *identity; // held from the TLS handshake on
    struct client *client;     // whose connection it is
    struct deadline deadline;
    struct job job;
    const char *due;           // where the library's next part of the head must begin; see http.c
    const struct route *route; // NULL: the reply is there
    const char *shared_with;   // the Origin whose page may read the reply; NULL: none but our own
    bool begun, admitted, counted, lingers;
    uint8_t *body; // body_len of body_size bytes, body_charged of them from the shared budget
    size_t body_len, body_size, body_charged;
    size_t limit;        // of body_len
    struct spool *spool; // instead of body; spool_charged bytes of the disk are shared
    size_t spool_charged;
    uint64_t whole_ns; // when the request had come whole; 0: not yet
    struct scratch scratch;
    struct reply reply;
    struct request request;
};

// Begins a request: the line is there, target is what stood in it.
void exchange_begin(struct exchange *exchange, const char *target);

// The head is there, its lines in request. Decides by it: refused, or admitted with room for the
// body. True if the refusal must go out at once, which ends the connection; else the body comes
// first.
bool exchange_judge(struct exchange *exchange, const char *method, const char *version);

// Takes what has come of the body. A chunked body that grows too long is read on, for the refusal
// can only be sent after it. False where it goes on for twice the limit: cut it off.
bool exchange_take(struct exchange *exchange, const char *data, size_t len);

// The last of it is here. Called again after a worker, it changes nothing.
void exchange_came_whole(struct exchange *exchange);

// The body is whole: whether handling it takes long. Not for a request that was refused.
bool exchange_is_slow(struct exchange *exchange);
void exchange_handle(struct exchange *exchange);

// Counts the reply, which is about to be sent.
void exchange_count(const struct exchange *exchange);

// After the reply was sent, or the connection broke: gives back what was shared, and the larger
// part of the memory.
void exchange_end(struct exchange *exchange);

void exchange_free(struct exchange *exchange);

#endif
