/* SPDX-License-Identifier: MIT */
// Fuzzes what reads a request's body and head. The first byte chooses; the rest is the input.
#include "daemon/body.h"
#include "daemon/request.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static bool is_inside(struct bytes outer, struct bytes part) {
    return part.len == 0 || (part.at >= outer.at && part.at <= outer.at + outer.len &&
                             part.len <= (size_t)(outer.at + outer.len - part.at));
}

static void walk_parts(struct bytes body) {
    struct body_parts parts;
    struct body_part part;
    struct tnm_error err;
    if (!body_parts_start(&parts, body, "b", &err))
        return;
    while (body_parts_next(&parts, &part, &err))
        assert(is_inside(body, part.data) && is_inside(body, part.name) &&
               is_inside(body, part.filename) && is_inside(body, part.type));
    (void)!body_picture_part(body, "b", &part, &err);
}

static void decode_base64(struct bytes text) {
    struct tnm_error err;
    size_t size = text.len / 4 * 3 + 3, n;
    uint8_t *out = malloc(size);
    assert(out != NULL);
    if (base64_decode(text, out, &n, &err))
        assert(n <= size);
    free(out);
}

static void read_head(const char *text) {
    struct request request = {0};
    struct media_type type;
    struct tnm_error err;
    char value[16];
    request_reset(&request);
    request_set_target(&request, text);
    request_add_field(&request, text, text);
    request_add_field(&request, "X-Request-Id", text);
    request_add_field(&request, "Content-Length", text);
    request_add_field(&request, "Transfer-Encoding", text);
    request_finish_head(&request, "POST", "HTTP/1.1");
    request.query = text;
    if (request_parameter(&request, "top", value, sizeof value))
        assert(strlen(value) < sizeof value);
    (void)header_list_has(text, "close");
    if (media_type_parse(text, &type, &err))
        assert(strchr(type.name, '/') != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    if (len == 0)
        return 0;
    // Copies, so that the sanitizer sees each byte beyond the end.
    struct bytes body = {NULL, len - 1};
    uint8_t *copy = malloc(len);
    assert(copy != NULL);
    memcpy(copy, data + 1, len - 1);
    copy[len - 1] = 0;
    body.at = copy;
    struct body_json json;
    struct tnm_error err;
    switch (data[0] % 4) {
    case 0:
        walk_parts(body);
        break;
    case 1:
        decode_base64(body);
        break;
    case 2:
        if (body_json_parse(body, 3, &json, &err))
            body_json_free(&json);
        break;
    default:
        read_head((const char *)copy);
    }
    free(copy);
    return 0;
}
