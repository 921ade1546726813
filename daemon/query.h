/* SPDX-License-Identifier: MIT */
// What the query of a call asks for, checked. Each function returns false with a 400 `bad_query` in
// reply; a parameter that is absent leaves *out as it was.
#ifndef QUERY_H
#define QUERY_H

#include "daemon/reply.h"

// A name of a model, or of several with commas between.
bool query_text(const struct request *request, const char *key, char *out, size_t size,
                struct reply *reply);

// A whole number.
bool query_count(const struct request *request, const char *key, size_t least, size_t most,
                 size_t *out, struct reply *reply);

// 0, 1, false or true.
bool query_flag(const struct request *request, const char *key, bool *out, struct reply *reply);

#endif
