/* SPDX-License-Identifier: MIT */
// Unpacking with zlib.
#include "daemon/inflate.h"

#include <strings.h>
#include <zlib.h>

// What deflate makes of one byte at most: 258 bytes of two bits.
enum { MOST_OF_A_BYTE = 1032 };

bool inflate_needed(const char *encoding) {
    return encoding != NULL && encoding[0] != 0 && strcasecmp(encoding, "identity") != 0;
}

size_t inflate_bound(size_t packed, size_t most) {
    return packed < most / MOST_OF_A_BYTE ? packed * MOST_OF_A_BYTE : most;
}

// The windowBits of zlib for an encoding; 0 for an unknown one. A zlib header is 0x78 with any but
// strange settings, and never 7 below 8 in its low half (RFC 1950, 2.2).
static int window_of(const char *encoding, struct bytes packed) {
    if (strcasecmp(encoding, "gzip") == 0 || strcasecmp(encoding, "x-gzip") == 0)
        return 16 + MAX_WBITS;
    if (strcasecmp(encoding, "deflate") != 0)
        return 0;
    bool has_header = packed.len >= 2 && (packed.at[0] & 15) == Z_DEFLATED &&
                      (packed.at[0] << 8 | packed.at[1]) % 31 == 0;
    return has_header ? MAX_WBITS : -MAX_WBITS;
}

bool inflate_body(const char *encoding, struct bytes packed, uint8_t *out, size_t size, size_t *len,
                  struct tnm_error *err) {
    int window = window_of(encoding, packed);
    *len = 0;
    if (window == 0)
        return tnm_fail(err, TNM_EUNSUPPORTED,
                        "Content-Encoding \"%.40s\" is neither gzip nor "
                        "deflate",
                        encoding);
    if (packed.len > UINT32_MAX || size > UINT32_MAX)
        return tnm_fail(err, TNM_ELIMIT, "a compressed body of 4 GiB or more");
    z_stream stream = {.next_in = (Bytef *)packed.at,
                       .avail_in = (uInt)packed.len,
                       .next_out = out,
                       .avail_out = (uInt)size};
    if (inflateInit2(&stream, window) != Z_OK)
        return tnm_fail(err, TNM_ENOMEM, "no memory to unpack the body");
    int result = inflate(&stream, Z_FINISH);
    *len = size - stream.avail_out;
    const uInt left = stream.avail_in;
    inflateEnd(&stream);
    if (result == Z_STREAM_END && left == 0)
        return true;
    if (result == Z_MEM_ERROR)
        return tnm_fail(err, TNM_ENOMEM, "no memory to unpack the body");
    if (result == Z_BUF_ERROR && stream.avail_out == 0)
        return tnm_fail(err, TNM_ELIMIT, "the body is longer than %zu bytes when unpacked", size);
    return tnm_fail(err, TNM_EINPUT, "the body is no whole %.40s stream", encoding);
}
