/* SPDX-License-Identifier: MIT */
// Reading bytes that may be gzip'd, in pieces, without ever holding all of them.
#ifndef UNPACK_H
#define UNPACK_H

#include "core/bytes.h"
#include "core/error.h"

struct unpack {
    struct bytes plain;   // what is left, where it is not packed
    struct z_stream_s *z; // zlib's; NULL: it is not packed
    bool ended;
    uint64_t done; // bytes read
};

// bytes are borrowed. TNM_ENOMEM.
bool unpack_open(struct unpack *unpack, struct bytes bytes, struct tnm_error *err) TNM_MUST_CHECK;
void unpack_close(struct unpack *unpack);

// Exactly len bytes. TNM_EFORMAT: there are fewer, or they are damaged.
bool unpack_read(struct unpack *unpack, void *out, size_t len,
                 struct tnm_error *err) TNM_MUST_CHECK;

// That nothing follows, and the checksum is right. TNM_EFORMAT.
bool unpack_finish(struct unpack *unpack, struct tnm_error *err) TNM_MUST_CHECK;

#endif
