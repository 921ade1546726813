/* SPDX-License-Identifier: MIT */
// GET /openapi.json: the interface for machines.
#include "daemon/embedded.h"
#include "daemon/handlers.h"

EMBED(openapi, "openapi.json.gz");

void handle_openapi(struct api *api, const struct request *request, struct scratch *scratch,
                    struct reply *reply) {
    (void)api, (void)scratch;
    reply_header(reply, "Vary", "Accept-Encoding");
    embedded_send(reply, request, openapi_begin, openapi_end);
}
