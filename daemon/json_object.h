/* SPDX-License-Identifier: MIT */
// The small JSON object that a call carries.
#ifndef JSON_OBJECT_H
#define JSON_OBJECT_H

#include "daemon/reply.h"

#include <jansson.h>

enum { JSON_OBJECT_MAX = 65536 }; // bytes of a body

// To be given to json_decref. NULL with 400 or 413 in reply.
json_t *json_object_read(const struct request *request, struct reply *reply);

#endif
