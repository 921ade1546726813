/* SPDX-License-Identifier: MIT */
// What the files that answer about models share: keys of JSON, and how a refusal of the shelf is
// said.
#ifndef MODELS_JSON_H
#define MODELS_JSON_H

#include "daemon/reply.h"
#include "daemon/shelf.h"

// ,"key":value
void write_key(struct json_out *out, const char *key);
void write_uint(struct json_out *out, const char *key, uint64_t value);
void write_decimal(struct json_out *out, const char *key, double value);
void write_bool(struct json_out *out, const char *key, bool value);
void write_string(struct json_out *out, const char *key, const char *value); // "": null

// The error of a change that is not SHELF_DONE.
void reply_refused(struct reply *reply, const struct request *request, enum shelf_result result,
                   const struct tnm_error *err);

#endif
