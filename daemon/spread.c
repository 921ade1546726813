/* SPDX-License-Identifier: MIT */
// Buckets that grow with what they hold.
#include "daemon/spread.h"

static unsigned shift_of(uint64_t ns) {
    return ns < 64 ? 0 : 58 - (unsigned)__builtin_clzll(ns);
}

void spread_add(struct spread *spread, uint64_t ns) {
    const uint64_t most = (UINT64_C(1) << 40) - 1;
    ns = ns < most ? ns : most;
    unsigned shift = shift_of(ns);
    spread->bucket[32 * shift + (ns >> shift)]++;
    spread->n++;
}

// The middle of a bucket.
static double middle_of(unsigned i) {
    unsigned shift = i < 64 ? 0 : i / 32 - 1;
    uint64_t first = (uint64_t)(i - 32 * shift) << shift;
    return (double)first + (double)((UINT64_C(1) << shift) - 1) / 2;
}

double spread_quantile(const struct spread *spread, double q) {
    uint64_t below = 0;
    double wanted = q * (double)spread->n - 1e-3; // 0.57 * 100 is a little more than 57
    for (unsigned i = 0; i < SPREAD_BUCKETS; i++) {
        below += spread->bucket[i];
        if (below > 0 && (double)below >= wanted)
            return middle_of(i);
    }
    return 0;
}
