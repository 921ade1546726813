/* SPDX-License-Identifier: MIT */
// A few threads that do one thing together and are done.
#ifndef TEAM_H
#define TEAM_H

#include "core/tnm.h"

#include <pthread.h>

enum { TEAM_MAX = 64 };

struct team {
    unsigned n;
    void (*work)(struct team *team, unsigned index, void *arg);
    void *arg;
    pthread_barrier_t barrier;
    pthread_mutex_t gate; // held until all have started
    bool called_off;
};

// Runs work(index, arg) for index 0..n-1 at the same time, index 0 in the calling thread, and
// returns when all are done. n 1..TEAM_MAX. TNM_EIO where the system gives no more threads; then
// nothing was run.
bool team_run(unsigned n, void (*work)(struct team *team, unsigned index, void *arg), void *arg,
              struct tnm_error *err) TNM_MUST_CHECK;

// Waits, within work, until all have come here.
void team_meet(struct team *team);

// The part of 0..n-1 that is index's: *from..*to-1. Parts follow each other and differ by 1 at
// most.
static inline void team_share(const struct team *team, unsigned index, size_t n, size_t *from,
                              size_t *to) {
    *from = n * index / team->n;
    *to = n * (index + 1) / team->n;
}

// The processors this process may use, at most TEAM_MAX.
unsigned team_processors(void);

#endif
