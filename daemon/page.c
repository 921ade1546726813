/* SPDX-License-Identifier: MIT */
// GET /: the page, one document, held compressed.
#include "daemon/handlers.h"

#include "page_made.h"

#define ZLIB_CONST
#include <zlib.h>

// The assembler finds it in the build folder.
__asm__(".section .rodata\n"
        "page_begin:\n"
        ".incbin \"page.html.gz\"\n"
        "page_end:\n"
        ".previous\n");
extern const uint8_t page_begin[] __attribute__((visibility("hidden")));
extern const uint8_t page_end[] __attribute__((visibility("hidden")));

// For the few that do not take it as it is.
static void write_inflated(struct json_out *out) {
    if (PAGE_BYTES > out->size - out->len && !json_out_grow(out, PAGE_BYTES))
        return;
    z_stream z = {.next_in = page_begin,
                  .avail_in = (uInt)(page_end - page_begin),
                  .next_out = (Bytef *)out->at + out->len,
                  .avail_out = PAGE_BYTES};
    bool ok = inflateInit2(&z, 16 + MAX_WBITS) == Z_OK; // 16: a gzip header
    ok = ok && inflate(&z, Z_FINISH) == Z_STREAM_END && z.total_out == PAGE_BYTES;
    inflateEnd(&z);
    out->len += ok ? PAGE_BYTES : 0;
    out->failed = !ok;
}

void handle_page(struct api *api, const struct request *request, struct scratch *scratch,
                 struct reply *reply) {
    (void)api, (void)scratch;
    reply->type = "text/html; charset=utf-8";
    reply->cache = "no-cache"; // kept, but asked about each time
    reply->policy = PAGE_POLICY;
    reply_header(reply, "ETag", PAGE_ETAG);
    reply_header(reply, "Vary", "Accept-Encoding");
    reply_header(reply, "X-Content-Type-Options", "nosniff");
    reply_header(reply, "Referrer-Policy", "no-referrer");
    if (request->if_none_match != NULL && header_list_has(request->if_none_match, PAGE_ETAG)) {
        reply->status = 304;
        return;
    }
    if (request->accept_encoding == NULL || !header_list_has(request->accept_encoding, "gzip")) {
        write_inflated(&reply->body);
        return;
    }
    reply_header(reply, "Content-Encoding", "gzip");
    json_out_raw(&reply->body, (const char *)page_begin, (size_t)(page_end - page_begin));
}
