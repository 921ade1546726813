/* SPDX-License-Identifier: MIT */
// A small HTTP client on a raw socket, for tests: it can keep a connection alive, send a request in
// pieces, pipeline, and send what no proper client would.
#ifndef TEST_CLIENT_H
#define TEST_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct client {
    int fd;
    struct secure *secure; // a session on fd (tests/secure.h), which client_close ends; NULL: plain
    uint16_t port;
    char *held; // bytes received that no answer has taken yet
    size_t n_held;
    unsigned timeout_ms; // of one wait for bytes; 20,000 after client_open
};

// One reply as it came. head is the status line and the headers, NUL-terminated.
struct answer {
    int status;
    char *head;
    char *body; // NUL-terminated; its bytes may hold others
    size_t body_len;
    bool closes; // said Connection: close
};

// Whether each connection begins with a session of TLS, in what follows; false at first.
extern bool client_over_tls;

// Connects to 127.0.0.1. False where that is refused.
bool client_open(struct client *client, uint16_t port);

// The same as another client: from another address of the loopback, "127.0.0.2".
bool client_open_from(struct client *client, const char *from, uint16_t port);
void client_close(struct client *client);

// Sends all of it; false when the peer has closed.
bool client_send(struct client *client, const void *bytes, size_t len);
bool client_printf(struct client *client, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

// Sends in pieces of at most piece bytes, each a TCP segment of its own.
bool client_send_split(struct client *client, const void *bytes, size_t len, size_t piece);

// Reads one reply; for HEAD there is no body. A 100 Continue is a reply of its own. False at the
// end of the connection, after timeout_ms, or where the bytes are no HTTP; answer is empty then.
bool client_read(struct client *client, struct answer *answer, bool head);

// True when the peer closes within timeout_ms without another byte.
bool client_sees_end(struct client *client);

// Requests in one call, on a connection that stays open: path may hold a query; headers is NULL or
// whole lines "Name: value\r\n"; type may be NULL.
bool client_request(struct client *client, const char *method, const char *path,
                    const char *headers, const char *type, const void *body, size_t len,
                    struct answer *answer);
bool client_get(struct client *client, const char *path, struct answer *answer);
bool client_post(struct client *client, const char *path, const char *type, const void *body,
                 size_t len, struct answer *answer);

// The same on a connection of its own.
bool request_once(uint16_t port, const char *method, const char *path, const char *headers,
                  const char *type, const void *body, size_t len, struct answer *answer);

// The value of a header, without regard to case; NULL where absent. Lives until the next call of
// the same thread.
const char *answer_header(const struct answer *answer, const char *name);

// How often a header line occurs.
unsigned answer_header_count(const struct answer *answer, const char *name);

void answer_free(struct answer *answer);

#endif
