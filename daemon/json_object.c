/* SPDX-License-Identifier: MIT */
// Small objects.
#include "daemon/json_object.h"

json_t *json_object_read(const struct request *request, struct reply *reply) {
    json_error_t fault;
    if (request->body.len > JSON_OBJECT_MAX) {
        reply_error(reply, request, 413, "body_too_large", "%zu bytes; here at most %d",
                    request->body.len, JSON_OBJECT_MAX);
        return NULL;
    }
    json_t *root = json_loadb((const char *)request->body.at, request->body.len,
                              JSON_REJECT_DUPLICATES, &fault);
    if (root == NULL)
        reply_error(reply, request, 400, "malformed", "JSON, line %d, column %d: %s", fault.line,
                    fault.column, fault.text);
    if (root == NULL || json_is_object(root))
        return root;
    json_decref(root);
    reply_error(reply, request, 400, "malformed", "JSON, but not an object");
    return NULL;
}
