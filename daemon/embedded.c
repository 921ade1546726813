/* SPDX-License-Identifier: MIT */
// Sending what is held compressed.
#include "daemon/embedded.h"

#include "daemon/inflate.h"

enum { LENGTH_BYTES = 4 }; // at the end of a gzip file: of what it unpacks to

static void write_inflated(struct json_out *out, struct bytes packed) {
    struct tnm_error err;
    size_t len = 0;
    const size_t bytes = load_u32(packed.at + packed.len - LENGTH_BYTES);
    if (bytes > out->size - out->len && !json_out_grow(out, bytes))
        return;
    out->failed = !inflate_body("gzip", packed, (uint8_t *)out->at + out->len, bytes, &len, &err);
    out->len += len;
}

static bool takes_gzip(const struct request *request) {
    return request->accept_encoding != NULL && header_list_has(request->accept_encoding, "gzip");
}

bool embedded_is_slow(const struct api *api, const struct request *request) {
    (void)api;
    return !takes_gzip(request);
}

void embedded_send(struct reply *reply, const struct request *request, const uint8_t *begin,
                   const uint8_t *end) {
    const struct bytes packed = {begin, (size_t)(end - begin)};
    if (!takes_gzip(request)) {
        write_inflated(&reply->body, packed); // for the few that do not take it as it is
        return;
    }
    reply_header(reply, "Content-Encoding", "gzip");
    json_out_raw(&reply->body, (const char *)packed.at, packed.len);
}
