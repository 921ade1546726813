/* SPDX-License-Identifier: MIT */
// Reading JSON without building a tree.
#include "daemon/json_in.h"

#include "daemon/json_out.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { LONGEST_NUMBER = 127 }; // digits that say more than any double holds

void json_in_start(struct json_in *in, struct bytes text, struct tnm_error *err) {
    *in = (struct json_in){.start = text.at, .at = text.at, .end = text.at + text.len, .err = err};
}

bool json_in_fail(struct json_in *in, const char *format, ...) {
    char text[200];
    va_list args;
    if (in->failed)
        return false;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    in->failed = true;
    return tnm_fail(in->err, TNM_EINPUT, "JSON, byte %zu: %s", (size_t)(in->at - in->start), text);
}

static void skip_blanks(struct json_in *in) {
    while (in->at < in->end &&
           (*in->at == ' ' || *in->at == '\n' || *in->at == '\r' || *in->at == '\t'))
        in->at++;
}

// The byte that comes next, 0 at the end: no value begins with it, nor may it stand anywhere.
static uint8_t next_byte(struct json_in *in) {
    skip_blanks(in);
    return in->at < in->end ? *in->at : 0;
}

static bool is_digit(const struct json_in *in) {
    return in->at < in->end && *in->at >= '0' && *in->at <= '9';
}

char json_in_kind(struct json_in *in) {
    uint8_t c = in->failed ? 0 : next_byte(in);
    if (c == '-' || (c >= '0' && c <= '9'))
        return '0';
    return c != 0 && strchr("{[\"tfn", c) != NULL ? (char)c : 0;
}

// ---- Objects and arrays ------------------------------------------------------------------------

bool json_in_enter(struct json_in *in, char bracket) {
    if (json_in_kind(in) != bracket)
        return json_in_fail(in, "%s expected", bracket == '{' ? "an object" : "an array");
    if (in->depth == JSON_IN_DEPTH)
        return json_in_fail(in, "more than %d brackets in brackets", JSON_IN_DEPTH);
    in->at++;
    in->depth++;
    in->fresh = true;
    return true;
}

// Steps over the comma before the next value, or over the closing bracket, which gives false.
static bool goes_on(struct json_in *in, uint8_t closing) {
    if (in->failed)
        return false;
    uint8_t c = next_byte(in);
    if (c == closing) {
        in->at++;
        in->depth--;
        in->fresh = false;
        return false;
    }
    if (!in->fresh && c != ',')
        return json_in_fail(in, "',' or '%c' expected", closing);
    in->at += !in->fresh;
    in->fresh = false;
    return true;
}

bool json_in_element(struct json_in *in) {
    return goes_on(in, ']');
}

bool json_in_member(struct json_in *in, char *key, size_t size) {
    struct bytes name;
    key[0] = 0;
    if (!goes_on(in, '}') || !json_in_string(in, &name))
        return false;
    if (next_byte(in) != ':')
        return json_in_fail(in, "':' expected");
    in->at++;
    bool fits = name.len < size && memchr(name.at, 0, name.len) == NULL;
    memcpy(key, name.at, fits ? name.len : 0);
    key[fits ? name.len : 0] = 0;
    return true;
}

// ---- Numbers -----------------------------------------------------------------------------------

// A number's digits as a whole number times a power of ten, as long as they fit.
struct digits {
    uint64_t mantissa;
    int n, exponent; // n significant digits
    bool negative;
};

static void add_digits(struct json_in *in, struct digits *digits, int exponent_each) {
    for (; is_digit(in); in->at++) {
        unsigned digit = *in->at - '0';
        digits->n += digits->n > 0 || digit > 0;
        if (digits->n <= 18)
            digits->mantissa = 10 * digits->mantissa + digit;
        digits->exponent += exponent_each;
    }
}

static bool add_exponent(struct json_in *in, struct digits *digits) {
    int value = 0, sign = 1;
    in->at++;
    if (in->at < in->end && (*in->at == '+' || *in->at == '-'))
        sign = *in->at++ == '-' ? -1 : 1;
    if (!is_digit(in))
        return json_in_fail(in, "a digit expected");
    for (; is_digit(in); in->at++)
        value = value < 10000 ? 10 * value + (*in->at - '0') : value;
    digits->exponent += sign * value;
    return true;
}

// Steps over a number.
static bool scan_number(struct json_in *in, struct digits *digits) {
    *digits = (struct digits){0};
    if (json_in_kind(in) != '0')
        return json_in_fail(in, "a number expected");
    const uint8_t *begin = in->at;
    digits->negative = *in->at == '-';
    in->at += digits->negative;
    if (!is_digit(in))
        return json_in_fail(in, "a digit expected");
    if (*in->at == '0')
        in->at++;
    else
        add_digits(in, digits, 0);
    if (in->at < in->end && *in->at == '.') {
        in->at++;
        if (!is_digit(in))
            return json_in_fail(in, "a digit expected");
        add_digits(in, digits, -1);
    }
    if (in->at < in->end && (*in->at | 0x20) == 'e' && !add_exponent(in, digits))
        return false;
    if (in->at - begin > LONGEST_NUMBER)
        return json_in_fail(in, "a number of more than %d characters", LONGEST_NUMBER);
    return true;
}

// Exact where both the digits and the power of ten are doubles, as IEEE division and
// multiplication round correctly (Clinger 1990); most numbers are of that kind.
static bool is_exact(const struct digits *digits) {
    return digits->mantissa <= 1ull << 53 && digits->n <= 18 && digits->exponent >= -22 &&
           digits->exponent <= 22;
}

static double from_digits(const struct digits *digits) {
    static const double power[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                   1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                   1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    double value = (double)digits->mantissa;
    value =
        digits->exponent < 0 ? value / power[-digits->exponent] : value * power[digits->exponent];
    return digits->negative ? -value : value;
}

bool json_in_number(struct json_in *in, double *value) {
    struct digits digits;
    skip_blanks(in);
    const uint8_t *begin = in->at;
    *value = 0;
    if (!scan_number(in, &digits))
        return false;
    if (is_exact(&digits)) {
        *value = from_digits(&digits);
        return true;
    }
    char text[LONGEST_NUMBER + 1];
    size_t len = (size_t)(in->at - begin);
    memcpy(text, begin, len);
    text[len] = 0;
    *value = strtod(text, NULL);
    return true;
}

// ---- The other values --------------------------------------------------------------------------

static bool scan_word(struct json_in *in, const char *word) {
    size_t len = strlen(word);
    if ((size_t)(in->end - in->at) < len || memcmp(in->at, word, len) != 0)
        return json_in_fail(in, "a value expected");
    in->at += len;
    return true;
}

bool json_in_bool(struct json_in *in, bool *value) {
    char kind = json_in_kind(in);
    *value = kind == 't';
    if (kind != 't' && kind != 'f')
        return json_in_fail(in, "true or false expected");
    return scan_word(in, *value ? "true" : "false");
}

static int hex_of(uint8_t c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// The 16 bits of "\u1234" at `at`, -1 where there is no such thing.
static int escaped_unit(const uint8_t *at, const uint8_t *end) {
    int unit = end - at >= 6 && at[0] == '\\' && at[1] == 'u' ? 0 : -1;
    for (int i = 2; i < 6 && unit >= 0; i++)
        unit = hex_of(at[i]) >= 0 ? unit << 4 | hex_of(at[i]) : -1;
    return unit;
}

// Length of the character or escape at the cursor; 0 where there is none.
static size_t character_length(const struct json_in *in) {
    size_t left = (size_t)(in->end - in->at);
    if (*in->at != '\\')
        return *in->at < 0x20 ? 0 : utf8_length(in->at, left);
    if (escaped_unit(in->at, in->end) >= 0)
        return 6;
    return left >= 2 && in->at[1] != 0 && strchr("\"\\/bfnrt", in->at[1]) != NULL ? 2 : 0;
}

bool json_in_string(struct json_in *in, struct bytes *text) {
    *text = (struct bytes){in->at, 0};
    if (json_in_kind(in) != '"')
        return json_in_fail(in, "a string expected");
    const uint8_t *begin = ++in->at;
    while (in->at < in->end && *in->at != '"') {
        size_t len =
            *in->at >= 0x20 && *in->at < 0x7f && *in->at != '\\' ? 1 : character_length(in);
        if (len == 0)
            return json_in_fail(in, "a character that may not stand in a string");
        in->at += len;
    }
    if (in->at == in->end)
        return json_in_fail(in, "a string without an end");
    *text = (struct bytes){begin, (size_t)(in->at - begin)};
    in->at++;
    return true;
}

static bool skip_value(struct json_in *in) {
    char key[1];
    struct bytes text;
    struct digits digits;
    switch (json_in_kind(in)) {
    case '{':
        for (bool more = json_in_enter(in, '{'); more && json_in_member(in, key, sizeof key);)
            more = skip_value(in); // no deeper than JSON_IN_DEPTH
        return !in->failed;
    case '[':
        for (bool more = json_in_enter(in, '['); more && json_in_element(in);)
            more = skip_value(in);
        return !in->failed;
    case '"':
        return json_in_string(in, &text);
    case '0':
        return scan_number(in, &digits);
    case 't':
        return scan_word(in, "true");
    case 'f':
        return scan_word(in, "false");
    case 'n':
        return scan_word(in, "null");
    default:
        return json_in_fail(in, "a value expected");
    }
}

bool json_in_skip(struct json_in *in, struct bytes *text) {
    skip_blanks(in);
    const uint8_t *begin = in->at;
    bool ok = skip_value(in);
    if (text != NULL)
        *text = (struct bytes){begin, ok ? (size_t)(in->at - begin) : 0};
    return ok;
}

bool json_in_end(struct json_in *in) {
    if (!in->failed && next_byte(in) != 0)
        json_in_fail(in, "nothing more expected");
    return !in->failed && (in->at == in->end || json_in_fail(in, "nothing more expected"));
}

// ---- Escapes -----------------------------------------------------------------------------------

static size_t put_utf8(char *out, uint32_t c) {
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)((0xf00u >> n & 0xf0) | c);
    return n;
}

// The character of the escape at *at, and steps over it.
static uint32_t take_escape(const uint8_t **at, const uint8_t *end) {
    static const char plain[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    int unit = escaped_unit(*at, end);
    if (unit < 0) {
        uint8_t c = (*at)[1];
        *at += 2;
        return (uint8_t)meant[strchr(plain, c) - plain];
    }
    *at += 6;
    if (unit < 0xd800 || unit > 0xdfff)
        return (uint32_t)unit;
    int low = unit < 0xdc00 ? escaped_unit(*at, end) : -1;
    if (low < 0xdc00 || low > 0xdfff)
        return 0xfffd;
    *at += 6;
    return 0x10000 + ((uint32_t)(unit - 0xd800) << 10) + (uint32_t)(low - 0xdc00);
}

size_t json_unescape(struct bytes text, char *out) {
    const uint8_t *at = text.at, *end = at + text.len;
    size_t n = 0;
    while (at < end)
        if (*at == '\\')
            n += put_utf8(out + n, take_escape(&at, end));
        else
            out[n++] = (char)*at++;
    return n;
}
