/* SPDX-License-Identifier: MIT */
// Appending JSON to a buffer.
#include "daemon/json_out.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { FIRST_SIZE = 2048 };

void json_out_reset(struct json_out *out, size_t keep) {
    if (out->size > keep)
        json_out_free(out);
    out->len = 0;
    out->failed = false;
}

void json_out_free(struct json_out *out) {
    free(out->at);
    *out = (struct json_out){0};
}

bool json_out_grow(struct json_out *out, size_t more) {
    size_t size = out->size > 0 ? out->size : FIRST_SIZE;
    while (size - out->len < more && size <= SIZE_MAX / 2)
        size *= 2;
    bool fits = !out->failed && size - out->len >= more;
    char *grown = fits ? realloc(out->at, size) : NULL;
    out->failed = grown == NULL;
    out->size = out->failed ? out->len : size;
    out->at = out->failed ? out->at : grown;
    return !out->failed;
}

static bool make_room(struct json_out *out, size_t more) {
    return more <= out->size - out->len || json_out_grow(out, more);
}

size_t utf8_length(const uint8_t *at, size_t len) {
    uint8_t c = at[0];
    size_t n = c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;
    if (n == 0 || n > len)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    bool overlong = (c == 0xe0 && at[1] < 0xa0) || (c == 0xf0 && at[1] < 0x90);
    bool beyond = (c == 0xed && at[1] > 0x9f) || (c == 0xf4 && at[1] > 0x8f);
    return overlong || beyond ? 0 : n;
}

static void append_escape(struct json_out *out, uint8_t c) {
    char text[8];
    int len;
    if (c == '"' || c == '\\')
        len = snprintf(text, sizeof text, "\\%c", c);
    else
        len = snprintf(text, sizeof text, "\\u%04x", c);
    json_out_raw(out, text, (size_t)len);
}

void json_out_string_n(struct json_out *out, const char *text, size_t len) {
    const uint8_t *at = (const uint8_t *)text, *end = at + len, *plain = at;
    json_out_raw(out, "\"", 1);
    while (at < end) {
        if (*at >= 0x20 && *at < 0x7f && *at != '"' && *at != '\\') {
            at++;
            continue;
        }
        json_out_raw(out, (const char *)plain, (size_t)(at - plain));
        size_t n = utf8_length(at, (size_t)(end - at));
        if (n > 1)
            json_out_raw(out, (const char *)at, n);
        else if (n == 1)
            append_escape(out, *at);
        else
            json_out_text(out, "\\ufffd");
        at += n > 0 ? n : 1;
        plain = at;
    }
    json_out_raw(out, (const char *)plain, (size_t)(at - plain));
    json_out_raw(out, "\"", 1);
}

void json_out_string(struct json_out *out, const char *text) {
    json_out_string_n(out, text, strlen(text));
}

size_t format_uint(char *at, uint64_t value) {
    char digit[20];
    size_t n = 0;
    do {
        digit[n++] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    for (size_t i = 0; i < n; i++)
        at[i] = digit[n - 1 - i];
    return n;
}

void json_out_base64(struct json_out *out, const void *bytes, size_t len) {
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *at = bytes;
    if (len > SIZE_MAX / 2 || !make_room(out, (len + 2) / 3 * 4 + 2))
        return;
    char *to = out->at + out->len;
    *to++ = '"';
    for (; len >= 3; at += 3, len -= 3, to += 4) {
        uint32_t v = (uint32_t)at[0] << 16 | (uint32_t)at[1] << 8 | at[2];
        for (int i = 0; i < 4; i++)
            to[i] = digit[v >> (18 - 6 * i) & 63];
    }
    if (len > 0) {
        uint32_t v = (uint32_t)at[0] << 16 | (len > 1 ? (uint32_t)at[1] << 8 : 0);
        to[0] = digit[v >> 18];
        to[1] = digit[v >> 12 & 63];
        to[2] = len > 1 ? digit[v >> 6 & 63] : '=';
        to[3] = '=';
        to += 4;
    }
    *to++ = '"';
    out->len = (size_t)(to - out->at);
}

void json_out_uint(struct json_out *out, uint64_t value) {
    if (make_room(out, 20))
        out->len += format_uint(out->at + out->len, value);
}

size_t format_decimal(char *at, double value, unsigned decimals) {
    static const uint32_t power[10] = {1,      10,      100,      1000,      10000,
                                       100000, 1000000, 10000000, 100000000, 1000000000};
    if (!isfinite(value)) {
        memcpy(at, "null", 5);
        return 4;
    }
    if (fabs(value) >= 1e9) // beyond what 64 bits hold with nine decimals
        return (size_t)snprintf(at, 40, "%.17g", value);
    uint64_t scaled = (uint64_t)llround(fabs(value) * power[decimals]);
    uint64_t whole = scaled / power[decimals], fraction = scaled % power[decimals];
    size_t len = 0;
    if (value < 0 && scaled > 0)
        at[len++] = '-';
    len += format_uint(at + len, whole);
    if (fraction > 0) {
        at[len] = '.';
        for (unsigned i = decimals; i > 0; i--, fraction /= 10)
            at[len + i] = (char)('0' + fraction % 10);
        len += 1 + decimals;
        while (at[len - 1] == '0')
            len--;
    }
    at[len] = 0;
    return len;
}

void json_out_decimal(struct json_out *out, double value, unsigned decimals) {
    if (make_room(out, 40))
        out->len += format_decimal(out->at + out->len, value, decimals);
}

void json_out_bool(struct json_out *out, bool value) {
    json_out_text(out, value ? "true" : "false");
}
