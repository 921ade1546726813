/* SPDX-License-Identifier: MIT */
// Constant load on a daemon: clients on kept connections that classify made inputs, and compare
// every answer with what the model named in its headers gives. The generation of the active model,
// too, is looked at: on one connection it never goes back.
#ifndef TEST_LOAD_H
#define TEST_LOAD_H

#include "tests/made.h"

#include <pthread.h>
#include <stdatomic.h>

enum { LOAD_CLIENTS = 8, LOAD_MAX_CLIENTS = 16, LOAD_MODELS = 4, LOAD_INPUTS = 16 };

struct load {
    uint16_t port;
    unsigned clients; // 0: LOAD_CLIENTS
    const char *also; // a name that every fourth request asks, instead of the active model; or NULL
    bool several;     // servers behind the port: each has generations of its own
    bool reconnects;  // when told that a connection closes; otherwise the client ends then
    char digest[LOAD_MODELS][32]; // as X-Model-Digest has it
    float logits[LOAD_MODELS][LOAD_INPUTS][MADE_OUTPUTS];
    pthread_t thread[LOAD_MAX_CLIENTS];
    atomic_bool stop;
    atomic_uint right;   // answers that were as they must be
    atomic_uint wrong;   // answers that were not
    atomic_uint refused; // answers other than 200
    atomic_uint lost;    // requests without an answer, and connections refused
    atomic_uint ended;   // clients that were told that the connection closes
    char first_fault[512];
    pthread_mutex_t lock;
};

// Knows the models to expect, and starts the clients.
void load_start(struct load *load, uint16_t port, const struct made made[LOAD_MODELS]);

// Waits until n more answers have come.
void load_wait(struct load *load, unsigned n);

// Ends the clients. Fails the test where anything was wrong, refused or lost.
void load_stop(struct load *load);

#endif
