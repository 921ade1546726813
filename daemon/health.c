/* SPDX-License-Identifier: MIT */
// GET /healthz and /readyz.
#include "daemon/handlers.h"

const char *health_reason(struct api *api) {
    if (atomic_load(&api->draining))
        return "draining";
    struct served *active = shelf_hold(api->shelf, NULL);
    if (active == NULL)
        return "no_model";
    shelf_release(active);
    return NULL;
}

static void write_health(struct reply *reply, bool ready) {
    json_out_text(&reply->body, "{\"live\":true,\"ready\":");
    json_out_bool(&reply->body, ready);
    json_out_text(&reply->body, "}\n");
}

void handle_healthz(struct api *api, const struct request *request, struct scratch *scratch,
                    struct reply *reply) {
    (void)request, (void)scratch;
    write_health(reply, health_reason(api) == NULL);
}

void handle_readyz(struct api *api, const struct request *request, struct scratch *scratch,
                   struct reply *reply) {
    (void)scratch;
    const char *reason = health_reason(api);
    if (reason == NULL)
        write_health(reply, true);
    else
        reply_error(reply, request, 503, reason, "not ready: %s",
                    strcmp(reason, "draining") == 0 ? "the daemon is stopping"
                                                    : "no model is in service");
}
