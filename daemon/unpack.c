/* SPDX-License-Identifier: MIT */
// Plain and gzip'd bytes.
#include "daemon/unpack.h"

#include <stdlib.h>
#include <zlib.h>

enum { GZIP_ONLY = 16 + MAX_WBITS };

// A stream of zlib at the first of the bytes. NULL: no memory, or more than it takes at once.
static z_stream *stream_open(struct bytes bytes) {
    z_stream *z = bytes.len <= UINT32_MAX ? calloc(1, sizeof *z) : NULL;
    if (z == NULL)
        return NULL;
    z->next_in = (Bytef *)(uintptr_t)bytes.at;
    z->avail_in = (uInt)bytes.len;
    if (inflateInit2(z, GZIP_ONLY) == Z_OK)
        return z;
    free(z);
    return NULL;
}

bool unpack_open(struct unpack *unpack, struct bytes bytes, struct tnm_error *err) {
    *unpack = (struct unpack){.plain = bytes};
    if (bytes.len < 2 || bytes.at[0] != 0x1f || bytes.at[1] != 0x8b)
        return true;
    unpack->z = stream_open(bytes);
    if (unpack->z != NULL)
        return true;
    unpack->plain.len = 0;
    return tnm_fail(err, TNM_ENOMEM, "no memory for unpacking");
}

void unpack_close(struct unpack *unpack) {
    if (unpack->z != NULL)
        inflateEnd(unpack->z);
    free(unpack->z);
    *unpack = (struct unpack){0};
}

static bool fail_short(const struct unpack *unpack, size_t got, size_t len, struct tnm_error *err) {
    return tnm_fail(err, TNM_EFORMAT, "truncated: ends after %llu of %llu bytes",
                    (unsigned long long)(unpack->done + got),
                    (unsigned long long)(unpack->done + len));
}

// As many as there are, up to len; fewer only at the end.
static bool inflate_some(struct unpack *unpack, void *out, size_t len, size_t *got,
                         struct tnm_error *err) {
    z_stream *z = unpack->z;
    z->next_out = out;
    z->avail_out = (uInt)len;
    while (z->avail_out > 0 && !unpack->ended) {
        int code = inflate(z, Z_NO_FLUSH);
        unpack->ended = code == Z_STREAM_END;
        if (code == Z_BUF_ERROR)
            break;
        if (code != Z_OK && code != Z_STREAM_END)
            return tnm_fail(err, code == Z_MEM_ERROR ? TNM_ENOMEM : TNM_EFORMAT, "gzip: %s",
                            z->msg != NULL ? z->msg : "damaged");
    }
    *got = len - z->avail_out;
    return true;
}

bool unpack_read(struct unpack *unpack, void *out, size_t len, struct tnm_error *err) {
    size_t got = unpack->plain.len;
    if (unpack->z != NULL) {
        if (!inflate_some(unpack, out, len, &got, err))
            return false;
    } else if (got >= len) {
        memcpy(out, unpack->plain.at, len);
        unpack->plain = (struct bytes){unpack->plain.at + len, unpack->plain.len - len};
    }
    if (got < len)
        return fail_short(unpack, got, len, err);
    unpack->done += len;
    return true;
}

bool unpack_finish(struct unpack *unpack, struct tnm_error *err) {
    uint8_t more;
    size_t got = unpack->plain.len;
    if (unpack->z != NULL && !inflate_some(unpack, &more, 1, &got, err))
        return false;
    if (got > 0 || (unpack->z != NULL && unpack->z->avail_in > 0))
        return tnm_fail(err, TNM_EFORMAT, "longer than the %llu bytes its head says",
                        (unsigned long long)unpack->done);
    if (unpack->z != NULL && !unpack->ended)
        return tnm_fail(err, TNM_EFORMAT, "gzip: truncated before its checksum");
    return true;
}
