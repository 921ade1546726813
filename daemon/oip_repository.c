/* SPDX-License-Identifier: MIT */
// The Open Inference Protocol v2: which models there are, and taking them in and out of service.
#include "daemon/oip.h"

#include "daemon/handlers.h"
#include "daemon/models_json.h"

#include <stdio.h>
#include <stdlib.h>

// ---- POST /v2/repository/index -----------------------------------------------------------------

// {"ready":true}: only models that are. An empty body asks for all.
static bool read_index(const struct request *request, bool *only_ready, struct tnm_error *err) {
    char key[16];
    struct json_in in;
    *only_ready = false;
    if (request->body.len == 0)
        return true;
    json_in_start(&in, request->body, err);
    if (!json_in_enter(&in, '{'))
        return false;
    while (json_in_member(&in, key, sizeof key))
        if (strcmp(key, "ready") == 0)
            json_in_bool(&in, only_ready);
        else
            json_in_skip(&in, NULL);
    return json_in_end(&in);
}

static const char *state_word(enum shelf_state state) {
    return state == SHELF_READY ? "READY" : state == SHELF_LOADING ? "LOADING" : "UNAVAILABLE";
}

static const char *reason_of(const struct shelf_entry *entry) {
    return entry->reason[0] == 0 && entry->state == SHELF_UNLOADED ? "unloaded" : entry->reason;
}

static void write_entry(struct json_out *out, const struct shelf_entry *entry) {
    json_out_text(out, "{\"name\":");
    json_out_string(out, entry->name);
    if (entry->digest[0] != 0) {
        json_out_text(out, ",\"version\":\"");
        json_out_raw(out, entry->digest, OIP_VERSION_DIGITS);
        json_out_raw(out, "\"", 1);
    }
    json_out_text(out, ",\"state\":\"");
    json_out_text(out, state_word(entry->state));
    json_out_text(out, "\",\"reason\":");
    json_out_string(out, reason_of(entry));
    json_out_raw(out, "}", 1);
}

void handle_oip_index(struct api *api, const struct request *request, struct scratch *scratch,
                      struct reply *reply) {
    (void)scratch;
    bool only_ready, any = false;
    struct tnm_error err = {0};
    struct shelf_entry *entries = NULL;
    if (!read_index(request, &only_ready, &err)) {
        reply_error(reply, request, 400, "malformed", "%s", err.text);
        return;
    }
    size_t n = shelf_list(api->shelf, &entries, &err);
    if (err.code != TNM_OK) {
        reply_error(reply, request, 503, "overloaded", "%s", err.text);
        return;
    }
    json_out_raw(&reply->body, "[", 1);
    for (size_t i = 0; i < n; i++) {
        if (only_ready && entries[i].state != SHELF_READY)
            continue;
        if (any)
            json_out_raw(&reply->body, ",", 1);
        write_entry(&reply->body, &entries[i]);
        any = true;
    }
    json_out_text(&reply->body, "]\n");
    free(entries);
}

// ---- POST /v2/repository/models/{name}/load and unload ------------------------------------------

// What Triton takes here beside nothing: a configuration, and files to load instead of the stored
// ones. Only unload_dependents, which has nothing to unload here, means no more than it says.
static bool read_parameters(struct json_in *in, char other[32]) {
    char key[32];
    if (!json_in_enter(in, '{'))
        return false;
    while (json_in_member(in, key, sizeof key)) {
        if (strcmp(key, "unload_dependents") != 0)
            snprintf(other, sizeof key, "%s", key[0] != 0 ? key : "...");
        json_in_skip(in, NULL);
    }
    return !in->failed;
}

static bool read_change(const struct request *request, struct reply *reply) {
    char key[16], other[32] = "";
    struct json_in in;
    struct tnm_error err = {0};
    if (request->body.len == 0)
        return true;
    json_in_start(&in, request->body, &err);
    if (json_in_enter(&in, '{')) {
        while (json_in_member(&in, key, sizeof key))
            if (strcmp(key, "parameters") == 0)
                read_parameters(&in, other);
            else
                json_in_skip(&in, NULL);
    }
    if (!json_in_end(&in))
        reply_error(reply, request, 400, "malformed", "%s", err.text);
    else if (other[0] != 0)
        reply_error(reply, request, 501, "not_implemented",
                    "parameter \"%s\" is not offered here; PUT /models/%s takes a model's file",
                    other, request->name);
    else
        return true;
    return false;
}

static void change(struct api *api, const struct request *request, struct reply *reply,
                   enum shelf_result (*how)(struct shelf *, const char *, struct tnm_error *),
                   const char *word) {
    struct tnm_error err = {0};
    if (!read_change(request, reply))
        return;
    enum shelf_result result = how(api->shelf, request->name, &err);
    if (result != SHELF_DONE) {
        reply_refused(reply, request, result, &err);
        return;
    }
    json_out_text(&reply->body, "{\"name\":");
    json_out_string(&reply->body, request->name);
    write_bool(&reply->body, word, true);
    json_out_text(&reply->body, "}\n");
}

void handle_oip_load(struct api *api, const struct request *request, struct scratch *scratch,
                     struct reply *reply) {
    (void)scratch;
    change(api, request, reply, shelf_load, "load");
}

void handle_oip_unload(struct api *api, const struct request *request, struct scratch *scratch,
                       struct reply *reply) {
    (void)scratch;
    change(api, request, reply, shelf_unload, "unload");
}
