/* SPDX-License-Identifier: MIT */
// Parameters of the query.
#include "daemon/query.h"

#include <stdlib.h>

enum { MAX_VALUE = 15 };

static bool refuse(const struct request *request, struct reply *reply, const char *key,
                   const char *wanted) {
    reply_error(reply, request, 400, "bad_query", "%s= is not %s", key, wanted);
    return false;
}

bool query_text(const struct request *request, const char *key, char *out, size_t size,
                struct reply *reply) {
    if (!request_parameter(request, key, out, size) || out[0] != 0)
        return true;
    return refuse(request, reply, key, "a model's name");
}

bool query_count(const struct request *request, const char *key, size_t least, size_t most,
                 size_t *out, struct reply *reply) {
    char text[MAX_VALUE + 1], *end;
    if (!request_parameter(request, key, text, sizeof text))
        return true;
    unsigned long value = strtoul(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != 0 || value < least || value > most) {
        reply_error(reply, request, 400, "bad_query", "%s= is not a whole number from %zu to %zu",
                    key, least, most);
        return false;
    }
    *out = value;
    return true;
}

bool query_flag(const struct request *request, const char *key, bool *out, struct reply *reply) {
    char text[MAX_VALUE + 1];
    if (!request_parameter(request, key, text, sizeof text))
        return true;
    *out = strcmp(text, "1") == 0 || strcmp(text, "true") == 0;
    if (*out || strcmp(text, "0") == 0 || strcmp(text, "false") == 0)
        return true;
    reply_error(reply, request, 400, "bad_query", "%s= is neither 0 nor 1", key);
    return false;
}
