/* SPDX-License-Identifier: MIT */
// Whether a text is well-formed XML, or HTML of the strict kind that we write: what a browser need
// not repair. A checker of our own, written from the XML 1.0 recommendation and the HTML standard.
#ifndef TEST_XML_H
#define TEST_XML_H

#include <stdbool.h>

enum { XML_WHY = 160 };

// Elements nest and are all closed (but for the void elements of HTML), attributes are quoted and
// not given twice, no id is given twice, & starts one of the five entities or a number, < stands
// only where a tag starts, and all is UTF-8 without control characters. False, and why, else.
bool xml_is_well_formed(const char *text, bool html, char why[XML_WHY]);

// How often a text occurs in another.
unsigned xml_count(const char *text, const char *part);

#endif
