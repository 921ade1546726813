/* SPDX-License-Identifier: MIT */
// One function a keyword, in one table.
#include "tests/schema.h"

#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

// A value and the schema it is held against.
struct pair {
    const json_t *document, *schema, *value;
    const char *at; // where the value is
    char *why;
};

static bool refuse(const struct pair *p, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool refuse(const struct pair *p, const char *format, ...) {
    va_list args;
    int n = snprintf(p->why, SCHEMA_WHY, "%s: ", p->at);
    va_start(args, format);
    if (n < SCHEMA_WHY)
        vsnprintf(p->why + n, (size_t)(SCHEMA_WHY - n), format, args);
    va_end(args);
    return false;
}

static bool fits(const struct pair *p);

// The same for a part of the value.
static bool part_fits(const struct pair *p, const json_t *schema, const json_t *value,
                      const char *name) {
    char at[160];
    snprintf(at, sizeof at, "%s/%s", p->at, name);
    const struct pair part = {p->document, schema, value, at, p->why};
    return fits(&part);
}

const json_t *schema_find(const json_t *document, const char *pointer) {
    char name[128];
    if (strncmp(pointer, "#/", 2) != 0)
        return NULL;
    for (pointer += 2; document != NULL && *pointer != '\0';) {
        size_t len = strcspn(pointer, "/");
        snprintf(name, sizeof name, "%.*s", (int)len, pointer);
        document = json_object_get(document, name);
        pointer += len + (pointer[len] == '/');
    }
    return document;
}

// ---- Keywords ----------------------------------------------------------------------------------

static bool is_noted(const struct pair *p, const json_t *word) {
    (void)p, (void)word;
    return true;
}

static bool fits_ref(const struct pair *p, const json_t *word) {
    const json_t *schema = schema_find(p->document, json_string_value(word));
    const struct pair other = {p->document, schema, p->value, p->at, p->why};
    return schema != NULL ? fits(&other) : refuse(p, "nothing at %s", json_string_value(word));
}

static bool has_type(const json_t *value, const char *type) {
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return strcmp(type, "object") == 0;
    case JSON_ARRAY:
        return strcmp(type, "array") == 0;
    case JSON_STRING:
        return strcmp(type, "string") == 0;
    case JSON_INTEGER:
        return strcmp(type, "integer") == 0 || strcmp(type, "number") == 0;
    case JSON_REAL:
        return strcmp(type, "number") == 0;
    case JSON_TRUE:
    case JSON_FALSE:
        return strcmp(type, "boolean") == 0;
    default:
        return strcmp(type, "null") == 0;
    }
}

static bool fits_type(const struct pair *p, const json_t *word) {
    if (json_is_string(word))
        return has_type(p->value, json_string_value(word)) ||
               refuse(p, "is no %s", json_string_value(word));
    size_t i;
    json_t *one;
    json_array_foreach(word, i, one) {
        if (has_type(p->value, json_string_value(one)))
            return true;
    }
    return refuse(p, "has none of the types");
}

static bool fits_enum(const struct pair *p, const json_t *word) {
    size_t i;
    json_t *one;
    json_array_foreach(word, i, one) {
        if (json_equal(one, p->value))
            return true;
    }
    return refuse(p, "is none of the values");
}

static bool fits_const(const struct pair *p, const json_t *word) {
    return json_equal(word, p->value) || refuse(p, "is not the value");
}

static bool fits_required(const struct pair *p, const json_t *word) {
    size_t i;
    json_t *one;
    json_array_foreach(word, i, one) {
        if (json_is_object(p->value) && json_object_get(p->value, json_string_value(one)) == NULL)
            return refuse(p, "lacks %s", json_string_value(one));
    }
    return true;
}

static bool fits_properties(const struct pair *p, const json_t *word) {
    const json_t *others = json_object_get(p->schema, "additionalProperties");
    const char *name;
    json_t *member;
    json_object_foreach((json_t *)(uintptr_t)p->value, name, member) {
        const json_t *schema = json_object_get(word, name);
        if (schema == NULL && others == NULL)
            return refuse(p, "%s is not described", name);
        if (!part_fits(p, schema != NULL ? schema : others, member, name))
            return false;
    }
    return true;
}

static bool fits_additional(const struct pair *p, const json_t *word) {
    (void)word;
    return json_object_get(p->schema, "properties") != NULL || fits_properties(p, NULL);
}

static bool fits_items(const struct pair *p, const json_t *word) {
    size_t i;
    json_t *one;
    json_array_foreach(p->value, i, one) {
        char name[24];
        snprintf(name, sizeof name, "%zu", i);
        if (!part_fits(p, word, one, name))
            return false;
    }
    return true;
}

static bool fits_one_of(const struct pair *p, const json_t *word) {
    size_t i, n = 0;
    json_t *one;
    char why[SCHEMA_WHY] = "";
    json_array_foreach(word, i, one) {
        const struct pair other = {p->document, one, p->value, p->at, why};
        n += fits(&other);
    }
    return n == 1 || refuse(p, "fits %zu of %zu; %s", n, json_array_size(word), why);
}

static double size_of(const json_t *value) {
    return json_is_string(value)  ? (double)json_string_length(value)
           : json_is_array(value) ? (double)json_array_size(value)
                                  : json_number_value(value);
}

static bool fits_least(const struct pair *p, const json_t *word) {
    return size_of(p->value) >= json_number_value(word) ||
           refuse(p, "%g is less than %g", size_of(p->value), json_number_value(word));
}

static bool fits_most(const struct pair *p, const json_t *word) {
    return size_of(p->value) <= json_number_value(word) ||
           refuse(p, "%g is more than %g", size_of(p->value), json_number_value(word));
}

// Those of numbers, strings and arrays say nothing of values of another type.
static const struct keyword {
    const char *name, *of;
    bool (*fits)(const struct pair *p, const json_t *word);
} keywords[] = {
    {"$ref", NULL, fits_ref},
    {"type", NULL, fits_type},
    {"enum", NULL, fits_enum},
    {"const", NULL, fits_const},
    {"oneOf", NULL, fits_one_of},
    {"required", "object", fits_required},
    {"properties", "object", fits_properties},
    {"additionalProperties", "object", fits_additional},
    {"items", "array", fits_items},
    {"minItems", "array", fits_least},
    {"maxItems", "array", fits_most},
    {"minLength", "string", fits_least},
    {"maxLength", "string", fits_most},
    {"minimum", "number", fits_least},
    {"maximum", "number", fits_most},
    {"description", NULL, is_noted},
    {"contentMediaType", NULL, is_noted},
};

static bool fits(const struct pair *p) {
    const char *name;
    json_t *word;
    json_object_foreach((json_t *)(uintptr_t)p->schema, name, word) {
        const struct keyword *k = keywords, *end = k + sizeof keywords / sizeof keywords[0];
        while (k < end && strcmp(k->name, name) != 0)
            k++;
        if (k == end)
            return refuse(p, "the schema says %s, which nobody here understands", name);
        if ((k->of == NULL || has_type(p->value, k->of)) && !k->fits(p, word))
            return false;
    }
    return true;
}

bool schema_fits(const json_t *document, const json_t *schema, const json_t *value,
                 char why[SCHEMA_WHY]) {
    const struct pair p = {document, schema, value, "", why};
    why[0] = '\0';
    return fits(&p);
}
