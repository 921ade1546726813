/* SPDX-License-Identifier: MIT */
// GET /: the page, one document, held compressed.
#include "daemon/embedded.h"
#include "daemon/handlers.h"

#include "page_made.h"

EMBED(page, "page.html.gz");

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
    embedded_send(reply, request, page_begin, page_end);
}
