/* SPDX-License-Identifier: MIT */
// Deadlines of connections. The HTTP library only knows an idle time that each byte starts anew, so
// that a client who sends a byte a second holds a connection forever. Here each stage of a request
// has a deadline; a thread looks after them, and shuts down the socket of a connection that missed
// one, after a 408 where nothing has been sent yet. So it does where the client has gone away in
// the middle of a request.
#ifndef DEADLINE_H
#define DEADLINE_H

#include "core/error.h"

#include <stdatomic.h>

enum stage {
    STAGE_FRESH,   // connected; nothing read, or less than a line
    DEADLINE_HEAD, // the request line is there
    STAGE_BODY,    // the head is there
    STAGE_WORK,    // all is there, the answer is being made: no deadline
    STAGE_SEND,    // the answer is being sent
    STAGE_IDLE,    // it was sent; the connection is kept
    STAGE_EXPIRED
};

// Part of the connection's own record.
struct deadline {
    struct deadline *next, *previous;
    int fd;
    const char *id;         // of the request; written only outside STAGE_BODY
    _Atomic uint64_t clock; // ms since the stage began << 3 | stage
};

struct deadline_limits {
    bool silent;      // no 408: TLS is between us and the client
    unsigned head_ms; // from the connection, or the request line, to the end of the head
    unsigned body_ms; // of a body; of sending an answer
    unsigned idle_ms;
    struct stats *stats; // borrowed: where those who come too late are counted; may be NULL
};

struct deadlines;

struct deadlines *deadline_start(const struct deadline_limits *limits,
                                 struct tnm_error *err) TNM_MUST_CHECK;
void deadline_stop(struct deadlines *deadlines);

// From accept to close of fd, which must be open throughout.
void deadline_add(struct deadlines *deadlines, struct deadline *deadline, int fd);
void deadline_remove(struct deadlines *deadlines, struct deadline *deadline);

// Begins a stage. False if a deadline had passed: the connection is shut down, nothing more may be
// sent on it.
bool deadline_enter(struct deadline *deadline, enum stage stage);

// Connections, those with a request on its way, and the age of the oldest STAGE_WORK. A connection
// where something happened within the last settle_ms counts as one with a request.
struct deadline_counts {
    unsigned connections, busy;
    uint64_t oldest_work_ms;
};
struct deadline_counts deadline_count(struct deadlines *deadlines, unsigned settle_ms);

#endif
