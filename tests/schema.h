/* SPDX-License-Identifier: MIT */
// Whether a JSON value fits a schema: those keywords of JSON Schema (2020-12) that
// daemon/openapi.json uses; any other is a fault. Stricter than the standard in one thing: an
// object has no members but those under "properties" (or "additionalProperties"), so that none goes
// undescribed.
#ifndef TEST_SCHEMA_H
#define TEST_SCHEMA_H

#include <jansson.h>
#include <stdbool.h>

enum { SCHEMA_WHY = 256 };

// document is what "$ref" looks into. False, and why, where the value does not fit.
bool schema_fits(const json_t *document, const json_t *schema, const json_t *value,
                 char why[SCHEMA_WHY]);

// What "#/a/b" stands for in a document; NULL if nothing.
const json_t *schema_find(const json_t *document, const char *pointer);

#endif
