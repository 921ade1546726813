/* SPDX-License-Identifier: MIT */
// What a server could do that ours does not, or not on command: always healthy by GET /readyz, but
// for anything else it answers what it is told, or goes away without an answer.
#ifndef TEST_IMPOSTOR_H
#define TEST_IMPOSTOR_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

struct impostor {
    uint16_t port;
    const char *answer; // whole, with its head; NULL: closes instead
    atomic_uint asked;
    char head[8192]; // of the request it was asked last
    pthread_mutex_t lock;
    int fd;
    pthread_t thread;
};

void impostor_start(struct impostor *impostor, const char *answer);
void impostor_stop(struct impostor *impostor);

#endif
