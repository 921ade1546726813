/* SPDX-License-Identifier: MIT */
// A private copy of a file's bytes. A file that is mapped directly shows what is written over it
// and raises SIGBUS where it was truncated; a copy does neither, whoever owns the file.
#ifndef TNM_SNAPSHOT_H
#define TNM_SNAPSHOT_H

#include "core/tnm.h"

enum {
    TNM_SNAPSHOT_BEHIND = 64 // zero bytes that can be read behind the last, at least
};

struct tnm_snapshot {
    uint8_t *bytes; // page-aligned, read-only
    size_t len;
    size_t mapped; // bytes taken from the system
};

// Reads a regular file of at most limit bytes. TNM_EIO, TNM_ELIMIT or TNM_ENOMEM; a file that
// changes its length while it is read is TNM_EIO.
bool tnm_snapshot_file(struct tnm_snapshot *out, const char *path, size_t limit,
                       struct tnm_error *err) TNM_MUST_CHECK;

// Copies bytes.
bool tnm_snapshot_bytes(struct tnm_snapshot *out, const void *bytes, size_t len, size_t limit,
                        struct tnm_error *err) TNM_MUST_CHECK;

void tnm_snapshot_free(struct tnm_snapshot *snapshot);

#endif
