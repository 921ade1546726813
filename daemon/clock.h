/* SPDX-License-Identifier: MIT */
// The clock that durations are measured with.
#ifndef CLOCK_H
#define CLOCK_H

#include <stdint.h>
#include <time.h>

// Nanoseconds since some moment; never goes back.
static inline uint64_t clock_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

// Nanoseconds that the calling thread has run; what others do meanwhile does not count.
static inline uint64_t clock_of_thread_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

#endif
