/* SPDX-License-Identifier: MIT */
// Writing JSON: a growing buffer and what is appended to it. Made for the reply of every request,
// so it formats numbers itself and keeps its memory between replies.
//
// Nothing here fails on the way: when memory runs out, the buffer is marked, further appends do
// nothing, and the caller looks once at the end.
#ifndef JSON_OUT_H
#define JSON_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct json_out {
    char *at; // owned; not NUL-terminated
    size_t len, size;
    bool failed; // no memory: what is here is incomplete, and size is cut to len
};

// Empties, but keeps the memory, unless that is more than keep bytes.
void json_out_reset(struct json_out *out, size_t keep);
void json_out_free(struct json_out *out);

// Makes room for so many bytes behind len. False without memory.
bool json_out_grow(struct json_out *out, size_t more);

// Bytes as they are: the punctuation and the keys, which the caller writes as JSON.
static inline void json_out_raw(struct json_out *out, const char *bytes, size_t len) {
    if (len <= out->size - out->len || json_out_grow(out, len)) {
        memcpy(out->at + out->len, bytes, len);
        out->len += len;
    }
}

// A literal or a string that is known to be JSON already.
static inline void json_out_text(struct json_out *out, const char *text) {
    json_out_raw(out, text, strlen(text));
}

// A string in quotes, escaped. Bytes that are not UTF-8 become U+FFFD.
void json_out_string(struct json_out *out, const char *text);
void json_out_string_n(struct json_out *out, const char *text, size_t len);

// Bytes in base64 (RFC 4648, padded), in quotes.
void json_out_base64(struct json_out *out, const void *bytes, size_t len);

void json_out_uint(struct json_out *out, uint64_t value);

// Rounded to so many decimals (0..9), zeros at the end left out: 0.25, 3, -1.5. JSON knows no NaN
// and no infinity: null.
void json_out_decimal(struct json_out *out, double value, unsigned decimals);

// true or false.
void json_out_bool(struct json_out *out, bool value);

// Length of the UTF-8 character at `at`, where len > 0 bytes are; 0 if there is none: RFC 3629, no
// overlong forms, no surrogates, nothing beyond U+10FFFF.
size_t utf8_length(const uint8_t *at, size_t len);

// The digits of value in decimal at `at` (20 bytes of room); how many there are. Not terminated.
size_t format_uint(char *at, uint64_t value);

// value as json_out_decimal writes it, NUL-terminated, into 40 bytes.
size_t format_decimal(char *at, double value, unsigned decimals);

#endif
