/* SPDX-License-Identifier: MIT */
// Bodies that were sent compressed (Content-Encoding, RFC 9110, 8.4).
#ifndef INFLATE_H
#define INFLATE_H

#include "core/bytes.h"
#include "core/error.h"

// Whether a Content-Encoding is one that changes the body: not absent, empty or "identity".
bool inflate_needed(const char *encoding);

// How many bytes packed ones can become at most, or `most` where that is less.
size_t inflate_bound(size_t packed, size_t most);

// Unpacks "gzip" (also "x-gzip") or "deflate" (RFC 1950, or the bare RFC 1951 that some send) into
// out, which has room for `size` bytes. TNM_EUNSUPPORTED for another encoding, TNM_ELIMIT where
// size does not suffice, TNM_EINPUT for what is damaged or has more behind its end, TNM_ENOMEM.
bool inflate_body(const char *encoding, struct bytes packed, uint8_t *out, size_t size, size_t *len,
                  struct tnm_error *err) TNM_MUST_CHECK;

#endif
