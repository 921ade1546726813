/* SPDX-License-Identifier: MIT */
// What is kept of an answer for later: a copy of its input, a byte a value where that is all there
// was, and the short texts.
#ifndef KEPT_H
#define KEPT_H

#include "daemon/observe.h"

enum { KEPT_LABEL_BYTES = 64 }; // a longer label is known by its beginning

static inline size_t kept_bytes(const struct seen *seen) {
    return seen->pixel != NULL ? seen->n : seen->n * sizeof(float);
}

// Into so many bytes.
static inline void kept_store(void *at, const struct seen *seen) {
    memcpy(at, seen->pixel != NULL ? (const void *)seen->pixel : (const void *)seen->x,
           kept_bytes(seen));
}

// The same floats again.
static inline void kept_load(const void *at, bool is_bytes, size_t n, float *x) {
    if (is_bytes)
        tnm_prepare_scale(at, n, x);
    else
        memcpy(x, at, n * sizeof *x);
}

// Cut to size.
static inline void kept_text(char *to, size_t size, const char *from) {
    size_t len = strnlen(from, size - 1);
    memcpy(to, from, len);
    to[len] = 0;
}

// Whether label is the one that was kept.
static inline bool kept_is_label(const char kept[KEPT_LABEL_BYTES], const char *label) {
    return strncmp(kept, label, KEPT_LABEL_BYTES - 1) == 0;
}

#endif
