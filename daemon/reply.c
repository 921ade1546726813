/* SPDX-License-Identifier: MIT */
// Replies, and the one form of an error.
#include "daemon/reply.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

enum { KEEP_BODY = 16384 };

void reply_reset(struct reply *reply) {
    json_out_reset(&reply->body, KEEP_BODY);
    reply->status = 200;
    reply->type = reply->cache = reply->policy = NULL;
    reply->code = NULL;
    reply->close = false;
    reply->n_headers = 0;
}

void reply_header(struct reply *reply, const char *name, const char *value) {
    assert(reply->n_headers < REPLY_MAX_HEADERS);
    size_t len = strnlen(value, REPLY_MAX_VALUE);
    char *copy = reply->header[reply->n_headers].value;
    memcpy(copy, value, len);
    copy[len] = 0;
    reply->header[reply->n_headers++].name = name;
}

void reply_retry_after(struct reply *reply, unsigned seconds) {
    char text[16];
    snprintf(text, sizeof text, "%u", seconds);
    for (unsigned i = 0; i < reply->n_headers; i++)
        if (strcmp(reply->header[i].name, "Retry-After") == 0)
            memcpy(reply->header[i].value, text, sizeof text);
}

// DeepStack's clients look for "success" first.
static const char *opening_of(const struct request *request) {
    static const char deepstack[] = "/v1/vision/";
    return request->path != NULL && strncmp(request->path, deepstack, sizeof deepstack - 1) == 0
               ? "{\"success\":false,\"error\":"
               : "{\"error\":";
}

static void write_error(struct json_out *body, const char *opening, const char *code,
                        const char *text, const char *id) {
    json_out_text(body, opening);
    json_out_string(body, text);
    json_out_text(body, ",\"code\":");
    json_out_string(body, code);
    json_out_text(body, ",\"request_id\":");
    json_out_string(body, id);
    json_out_text(body, "}\n");
}

void reply_error(struct reply *reply, const struct request *request, unsigned status,
                 const char *code, const char *format, ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    reply_reset(reply);
    reply->status = status;
    reply->code = code;
    if (status == 503 || status == 429)
        reply_header(reply, "Retry-After", "1");
    write_error(&reply->body, opening_of(request), code, text, request->id);
}

const char *status_words(unsigned status) {
    switch (status) {
    case 400:
        return "Bad Request";
    case 408:
        return "Request Timeout";
    case 413:
        return "Content Too Large";
    case 414:
        return "URI Too Long";
    case 429:
        return "Too Many Requests";
    case 431:
        return "Request Header Fields Too Large";
    case 503:
        return "Service Unavailable";
    case 507:
        return "Insufficient Storage";
    case 505:
        return "HTTP Version Not Supported";
    default:
        return "Internal Server Error";
    }
}

size_t reply_write_bare(char *at, size_t size, unsigned status, const char *code, const char *text,
                        const char *id) {
    struct json_out body = {0};
    write_error(&body, "{\"error\":", code, text, id);
    const char *later = status == 503 || status == 429 ? "Retry-After: 1\r\n" : "";
    int len = snprintf(at, size,
                       "HTTP/1.1 %u %s\r\nContent-Type: application/json\r\n%s"
                       "Content-Length: %zu\r\nConnection: close\r\nCache-Control: no-store\r\n"
                       "X-Request-Id: %s\r\n\r\n%.*s",
                       status, status_words(status), later, body.len, id, (int)body.len, body.at);
    json_out_free(&body);
    return len > 0 && (size_t)len < size ? (size_t)len : 0;
}
