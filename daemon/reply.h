/* SPDX-License-Identifier: MIT */
// What a handler gives back: a status, a few headers, a body. And the one form of an error.
#ifndef REPLY_H
#define REPLY_H

#include "daemon/json_out.h"
#include "daemon/request.h"

enum { REPLY_MAX_HEADERS = 8, REPLY_MAX_VALUE = 127 };

struct reply {
    unsigned status;
    const char *type;  // of the body; NULL: application/json
    const char *cache; // Cache-Control; NULL: no-store
    const char
        *policy; // Content-Security-Policy; NULL: none. All three live as long as the program
    struct json_out body;
    const char *code; // of an error; NULL: it is none
    bool close;       // the connection ends with this reply
    unsigned n_headers;
    struct {
        const char *name; // lives as long as the program
        char value[REPLY_MAX_VALUE + 1];
    } header[REPLY_MAX_HEADERS];
};

// Empties for the next request; keeps the body's memory unless it is large.
void reply_reset(struct reply *reply);

// Adds a header; a value that is too long is cut. Holds at most REPLY_MAX_HEADERS.
void reply_header(struct reply *reply, const char *name, const char *value);

// Retry-After: so many seconds, instead of what is there.
void reply_retry_after(struct reply *reply, unsigned seconds);

// {"error": text, "code": code, "request_id": id} instead of all that reply held. 503 and 429 get
// Retry-After: 1. code lives as long as the program.
void reply_error(struct reply *reply, const struct request *request, unsigned status,
                 const char *code, const char *format, ...) __attribute__((format(printf, 5, 6)));

// The words of a status: "Not Found".
const char *status_words(unsigned status);

// Writes a whole error reply, as it goes over the wire, into at (size bytes); its length. For the
// few places where the HTTP library cannot send it. The connection ends with it.
size_t reply_write_bare(char *at, size_t size, unsigned status, const char *code, const char *text,
                        const char *id);

#endif
