/* SPDX-License-Identifier: MIT */
// PUT and DELETE /models/{name}, POST /models/{name}/activate, POST /rollback.
#include "daemon/handlers.h"

#include "daemon/body.h"
#include "daemon/models_json.h"

#include <stdlib.h>
#include <strings.h>

// ---- Activating --------------------------------------------------------------------------------

// If-Match: "7", a generation. 0 for what is none; generations start at 1.
static uint64_t read_generation(const char *text) {
    char *end;
    if (text[0] != '"' || text[1] < '0' || text[1] > '9')
        return 0;
    uint64_t generation = strtoull(text + 1, &end, 10);
    return end[0] == '"' && end[1] == 0 ? generation : 0;
}

// *generation is 0 where any will do. False, and an error in reply, where the header is none.
static bool read_if_match(const struct request *request, struct reply *reply,
                          uint64_t *generation) {
    *generation = 0;
    if (request->if_match == NULL || strcmp(request->if_match, "*") == 0)
        return true;
    *generation = read_generation(request->if_match);
    if (*generation == 0)
        reply_error(reply, request, 400, "malformed",
                    "If-Match is not a generation in quotes, like \"7\"");
    return *generation != 0;
}

static void write_activation(struct reply *reply, const struct shelf_activation *did) {
    struct json_out *out = &reply->body;
    json_out_text(out, "{\"model\":");
    json_out_string(out, did->name);
    write_string(out, "digest", did->digest);
    write_uint(out, "generation", did->generation);
    write_string(out, "previous", did->previous);
    write_uint(out, "swap_us", did->swap_us);
    write_uint(out, "verify_us", did->verify_us);
    json_out_text(out, "}\n");
}

void handle_activate(struct api *api, const struct request *request, struct scratch *scratch,
                     struct reply *reply) {
    (void)scratch;
    struct tnm_error err = {0};
    struct shelf_activation did;
    uint64_t if_match;
    if (!read_if_match(request, reply, &if_match))
        return;
    enum shelf_result result = shelf_activate(api->shelf, request->name, if_match, &did, &err);
    if (result == SHELF_DONE)
        write_activation(reply, &did);
    else
        reply_refused(reply, request, result, &err);
}

void handle_rollback(struct api *api, const struct request *request, struct scratch *scratch,
                     struct reply *reply) {
    (void)scratch;
    struct tnm_error err = {0};
    struct shelf_activation did;
    uint64_t if_match;
    if (!read_if_match(request, reply, &if_match))
        return;
    enum shelf_result result = shelf_rollback(api->shelf, if_match, &did, &err);
    if (result == SHELF_DONE)
        write_activation(reply, &did);
    else
        reply_refused(reply, request, result, &err);
}

// ---- Uploading ---------------------------------------------------------------------------------

// The bytes of "sha-256=:BASE64:" in a Content-Digest (RFC 9530, a dictionary of RFC 8941). False
// where there is none; *well_formed tells whether that is because it cannot be read.
static bool find_sha256(const char *field, uint8_t digest[32], bool *well_formed) {
    static const char key[] = "sha-256=";
    *well_formed = true;
    while (*field != '\0') {
        field += strspn(field, " \t,");
        size_t len = strcspn(field, ",");
        if (strncmp(field, key, sizeof key - 1) == 0) {
            const char *at = field + sizeof key - 1;
            uint8_t bytes[64];
            size_t n = strcspn(at + 1, ":"), n_bytes = 0;
            *well_formed =
                *at == ':' && n <= 48 && at[1 + n] == ':' &&
                base64_decode((struct bytes){(const uint8_t *)at + 1, n}, bytes, &n_bytes, NULL) &&
                n_bytes == 32;
            if (*well_formed)
                memcpy(digest, bytes, 32);
            return *well_formed;
        }
        field += len;
    }
    return false;
}

static bool check_digest(const struct request *request, struct reply *reply) {
    uint8_t said[32], is[32];
    bool well_formed;
    if (request->content_digest == NULL)
        return true;
    if (find_sha256(request->content_digest, said, &well_formed)) {
        spool_digest(request->spool, is);
        if (memcmp(said, is, 32) == 0)
            return true;
        char text[65];
        tnm_digest_text(is, text);
        reply_error(reply, request, 400, "digest_mismatch",
                    "the body is not what Content-Digest says: its SHA-256 is %s", text);
        return false;
    }
    if (!well_formed)
        reply_error(reply, request, 400, "malformed",
                    "Content-Digest: sha-256 is not 32 bytes in base64 between colons");
    return well_formed; // other algorithms say nothing to us
}

static void write_upload(struct reply *reply, const char *name, const struct shelf_upload *did,
                         bool active) {
    struct json_out *out = &reply->body;
    json_out_text(out, "{\"name\":");
    json_out_string(out, name);
    write_string(out, "digest", did->digest);
    write_uint(out, "bytes", did->bytes);
    write_uint(out, "generation", did->generation);
    write_bool(out, "active", active);
    write_bool(out, "pending", did->pending);
    json_out_text(out, "}\n");
}

void handle_put_model(struct api *api, const struct request *request, struct scratch *scratch,
                      struct reply *reply) {
    (void)scratch;
    struct tnm_error err = {0};
    struct shelf_upload did;
    struct shelf_entry entry = {0};
    bool only_new = request->if_none_match != NULL && header_list_has(request->if_none_match, "*");
    if (!check_digest(request, reply))
        return;
    enum shelf_result result =
        shelf_put(api->shelf, request->name, request->spool, only_new, &did, &err);
    if (result != SHELF_DONE) {
        reply_refused(reply, request, result, &err);
        return;
    }
    shelf_find(api->shelf, request->name, &entry);
    write_upload(reply, request->name, &did, entry.active);
    reply->status = did.is_new ? 201 : 200;
}

void handle_delete_model(struct api *api, const struct request *request, struct scratch *scratch,
                         struct reply *reply) {
    (void)scratch;
    struct tnm_error err = {0};
    bool uncovered;
    enum shelf_result result = shelf_delete(api->shelf, request->name, &uncovered, &err);
    if (result != SHELF_DONE) {
        reply_refused(reply, request, result, &err);
        return;
    }
    json_out_text(&reply->body, "{\"name\":");
    json_out_string(&reply->body, request->name);
    write_bool(&reply->body, "deleted", true);
    write_bool(&reply->body, "uncovered", uncovered);
    json_out_text(&reply->body, "}\n");
}
