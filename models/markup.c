/* SPDX-License-Identifier: MIT */
// Escaping, widths and numbers.
#include "models/markup.h"

#include <stdbool.h>
#include <string.h>

// ---- Escaping ----------------------------------------------------------------------------------

// The length of the UTF-8 sequence at text and its character; 0 where there is none: a shorter form
// exists, a surrogate, beyond U+10FFFF, cut off.
static size_t decode(const unsigned char *text, uint32_t *character) {
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t len = text[0] < 0x80   ? 1
                 : text[0] < 0xc0 ? 0
                 : text[0] < 0xe0 ? 2
                 : text[0] < 0xf0 ? 3
                 : text[0] < 0xf8 ? 4
                                  : 0;
    uint32_t c = len == 1 ? text[0] : text[0] & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (text[i] & 0x3f);
    }
    *character = c;
    bool is_wrong = len > 0 && (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000));
    return is_wrong ? 0 : len;
}

// Not for XML, or for nobody: controls, their C1 relatives, U+FFFE and U+FFFF.
static bool is_forbidden(uint32_t c) {
    return (c < 0x20 && c != '\t' && c != '\n') || (c >= 0x7f && c < 0xa0) || c == 0xfffe ||
           c == 0xffff;
}

static const char *entity(uint32_t c) {
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

void markup_text(FILE *out, const char *text) {
    const unsigned char *at = (const unsigned char *)text;
    while (*at != 0) {
        uint32_t c = 0;
        size_t len = decode(at, &c);
        if (len == 0 || is_forbidden(c))
            fputs("\xef\xbf\xbd", out);
        else if (entity(c) != NULL)
            fputs(entity(c), out);
        else
            fwrite(at, 1, len, out);
        at += len > 0 ? len : 1;
    }
}

// ---- Widths ------------------------------------------------------------------------------------

// Of one character, in parts of the size; those of faces like Helvetica, rounded up.
static double width_of(unsigned char c) {
    if (strchr("ijl.,:;|!'` ", c) != NULL)
        return 0.31;
    if (strchr("frtI-()[]/\\\"*", c) != NULL)
        return 0.38;
    if (strchr("mwMW%@", c) != NULL)
        return 0.9;
    return c >= 'A' && c <= 'Z' ? 0.71 : 0.61;
}

double markup_width(const char *text, double size) {
    double sum = 0;
    for (const char *at = text; *at != 0; at++)
        if ((*at & 0xc0) != 0x80) // a character's first byte
            sum += (unsigned char)*at < 0x80 ? width_of((unsigned char)*at) : 0.75;
    return sum * size;
}

// ---- Numbers -----------------------------------------------------------------------------------

const char *markup_count(uint64_t n, char text[MARKUP_NUMBER]) {
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%llu", (unsigned long long)n);
    char *to = text;
    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            *to++ = ',';
        *to++ = digits[i];
    }
    *to = 0;
    return text;
}

// x in the largest of units (NULL behind the last) that leaves at least 1, each 1000 times the one
// before.
static const char *in_units(double x, const char *const *unit, char text[MARKUP_NUMBER]) {
    for (; unit[1] != NULL && x >= 999.5; unit++)
        x /= 1000;
    snprintf(text, MARKUP_NUMBER, "%.3g %s", x, *unit);
    return text;
}

const char *markup_bytes(double bytes, char text[MARKUP_NUMBER]) {
    static const char *const unit[] = {"B", "kB", "MB", "GB", "TB", NULL};
    return in_units(bytes, unit, text);
}

const char *markup_time(double ns, char text[MARKUP_NUMBER]) {
    static const char *const unit[] = {"ns", "µs", "ms", "s", NULL};
    return in_units(ns, unit, text);
}
