/* SPDX-License-Identifier: MIT */
// The last inputs with the answers they got, in memory, so that a model can be asked what it would
// have changed. Nothing of it is ever written to a file.
//
// Everything may be called from any thread.
#ifndef REPLAY_H
#define REPLAY_H

#include "daemon/kept.h"

enum { REPLAY_MOST_BYTES = 256 << 20 };

// Keeps the last n inputs, or fewer where those would take more than most_bytes. NULL: TNM_ENOMEM.
struct replay *replay_open(size_t n, size_t most_bytes, struct tnm_error *err) TNM_MUST_CHECK;
void replay_close(struct replay *replay); // NULL is fine

// Forgets the oldest for it.
void replay_keep(struct replay *replay, const struct seen *seen);

// Inputs are counted from 0 on; those of *first to before the returned number are kept.
uint64_t replay_range(struct replay *replay, uint64_t *first);

// An input and the answer it got.
struct replayed {
    char request_id[REQUEST_MAX_ID + 1];
    uint32_t item;
    char model[REQUEST_MAX_NAME + 1], digest[65];
    char label[KEPT_LABEL_BYTES];
    double margin;
};

enum replay_result {
    REPLAY_READ,
    REPLAY_OTHER_SIZE, // not of n values; x is not filled
    REPLAY_GONE        // forgotten meanwhile
};

// Reads one; x and room have place for n floats each.
enum replay_result replay_read(struct replay *replay, uint64_t number, size_t n, float *x,
                               float *room, struct replayed *out);

#endif
