/* SPDX-License-Identifier: MIT */
// How long the models of a route took lately. Whether a call will take long is decided before it is
// known which model answers; the last few calls tell well enough.
#ifndef PACE_H
#define PACE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

// Whoever takes longer belongs on a worker: health waits behind all that an HTTP thread has to do,
// which may be half of the connections.
enum { SLOW_NS = 100000 };

struct pace {
    atomic_ullong ns;
};

// A slow call is remembered over a few quick ones.
static inline void pace_note(struct pace *pace, uint64_t ns) {
    uint64_t before = atomic_load_explicit(&pace->ns, memory_order_relaxed);
    uint64_t faded = before - before / 4;
    if (ns < faded)
        ns = faded;
    if (ns != before)
        atomic_store_explicit(&pace->ns, ns, memory_order_relaxed);
}

static inline bool pace_is_slow(const struct pace *pace) {
    return atomic_load_explicit(&pace->ns, memory_order_relaxed) > SLOW_NS;
}

#endif
