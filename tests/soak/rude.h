/* SPDX-License-Identifier: MIT */
// Clients that go away in the middle, as those do that are killed or lose their network: from other
// addresses than the load, as each has bounds of its own.
#ifndef TEST_RUDE_H
#define TEST_RUDE_H

#include "tests/made.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

enum { RUDE_CLIENTS = 4 };

struct rude {
    uint16_t port;
    const struct made *model; // to upload, in part
    atomic_bool stop;
    atomic_uint next, vanished;
    pthread_t thread[RUDE_CLIENTS];
};

void rude_start(struct rude *rude, uint16_t port, const struct made *model);
void rude_stop(struct rude *rude);

#endif
