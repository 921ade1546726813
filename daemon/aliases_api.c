/* SPDX-License-Identifier: MIT */
// GET /aliases, PUT and DELETE /aliases/{name}.
#include "daemon/handlers.h"

#include "daemon/json_object.h"
#include "daemon/models_json.h"

#include <stdlib.h>

static void write_alias(struct json_out *out, const struct shelf_alias *alias) {
    json_out_text(out, "{\"alias\":");
    json_out_string(out, alias->name);
    write_string(out, "model", alias->model);
    json_out_raw(out, "}", 1);
}

void handle_aliases(struct api *api, const struct request *request, struct scratch *scratch,
                    struct reply *reply) {
    (void)scratch;
    struct tnm_error err = {0};
    struct shelf_alias *aliases;
    size_t n = shelf_aliases(api->shelf, &aliases, &err);
    if (aliases == NULL) {
        reply_error(reply, request, 503, "overloaded", "%s", err.text);
        return;
    }
    json_out_text(&reply->body, "{\"aliases\":[");
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            json_out_raw(&reply->body, ",", 1);
        write_alias(&reply->body, &aliases[i]);
    }
    json_out_text(&reply->body, "]}\n");
    free(aliases);
}

// {"model": "NAME"}. False, and an error in reply.
static bool read_model(const struct request *request, char model[64], struct reply *reply) {
    json_t *root = json_object_read(request, reply);
    if (root == NULL)
        return false;
    const char *name = json_string_value(json_object_get(root, "model"));
    bool ok = name != NULL && strlen(name) < 64;
    if (ok)
        memcpy(model, name, strlen(name) + 1);
    else
        reply_error(reply, request, 400, "malformed",
                    "JSON is not an object with \"model\", the name of one");
    json_decref(root);
    return ok;
}

void handle_put_alias(struct api *api, const struct request *request, struct scratch *scratch,
                      struct reply *reply) {
    (void)scratch;
    struct tnm_error err = {0};
    struct shelf_alias alias = {0};
    struct shelf_entry entry = {0};
    bool is_new;
    if (!read_model(request, alias.model, reply))
        return;
    enum shelf_result result =
        shelf_set_alias(api->shelf, request->name, alias.model, &is_new, &err);
    if (result != SHELF_DONE) {
        reply_refused(reply, request, result, &err);
        return;
    }
    memcpy(alias.name, request->name, sizeof alias.name);
    if (shelf_find(api->shelf, alias.model, &entry)) // it may be an alias itself
        memcpy(alias.model, entry.name, sizeof alias.model);
    write_alias(&reply->body, &alias);
    json_out_raw(&reply->body, "\n", 1);
    reply->status = is_new ? 201 : 200;
}

void handle_delete_alias(struct api *api, const struct request *request, struct scratch *scratch,
                         struct reply *reply) {
    (void)scratch;
    struct tnm_error err = {0};
    enum shelf_result result = shelf_remove_alias(api->shelf, request->name, &err);
    if (result == SHELF_UNKNOWN) {
        reply_error(reply, request, 404, "alias_not_found", "%s", err.text);
    } else if (result != SHELF_DONE) {
        reply_refused(reply, request, result, &err);
    } else {
        json_out_text(&reply->body, "{\"alias\":");
        json_out_string(&reply->body, request->name);
        write_bool(&reply->body, "deleted", true);
        json_out_text(&reply->body, "}\n");
    }
}
