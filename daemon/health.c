/* SPDX-License-Identifier: MIT */
// GET /healthz and /readyz.
#include "daemon/handlers.h"

static void write_health(struct reply *reply, bool ready, const char *reason) {
    json_out_text(&reply->body, "{\"live\":true,\"ready\":");
    json_out_bool(&reply->body, ready);
    if (reason != NULL) {
        json_out_text(&reply->body, ",\"reason\":");
        json_out_string(&reply->body, reason);
    }
    json_out_text(&reply->body, "}\n");
}

// Why no request should come here now; NULL if it may.
static const char *find_reason(struct api *api) {
    if (atomic_load(&api->draining))
        return "draining";
    struct served *active = shelf_hold(api->shelf, NULL);
    if (active == NULL)
        return "no_model";
    shelf_release(active);
    return NULL;
}

void handle_healthz(struct api *api, const struct request *request, struct scratch *scratch,
                    struct reply *reply) {
    (void)request, (void)scratch;
    write_health(reply, find_reason(api) == NULL, NULL);
}

void handle_readyz(struct api *api, const struct request *request, struct scratch *scratch,
                   struct reply *reply) {
    (void)request, (void)scratch;
    const char *reason = find_reason(api);
    if (reason != NULL) {
        reply->status = 503;
        reply_header(reply, "Retry-After", "1");
    }
    write_health(reply, reason == NULL, reason);
}
