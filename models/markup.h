/* SPDX-License-Identifier: MIT */
// Text for HTML and SVG. What comes from a file may be anything: it only gets into a page through
// here.
#ifndef MARKUP_H
#define MARKUP_H

#include <stdint.h>
#include <stdio.h>

// Writes text as the content of an element or a quoted attribute: & < > " ' as entities, and
// U+FFFD for what no XML document may hold: bytes that are not UTF-8, control characters.
void markup_text(FILE *out, const char *text);

// About how wide a line of text is in a sans-serif face of that size; a little more rather than
// less.
double markup_width(const char *text, double size);

enum {
    MARKUP_NUMBER = 32 // bytes of a number in text
};

// 1234567 as "1,234,567".
const char *markup_count(uint64_t n, char text[MARKUP_NUMBER]);

// Three digits and a unit: "812 B", "48.7 kB" (1 kB = 1000 B); "950 ns", "1.2 µs", "3 ms".
const char *markup_bytes(double bytes, char text[MARKUP_NUMBER]);
const char *markup_time(double ns, char text[MARKUP_NUMBER]);

#endif
