/* SPDX-License-Identifier: MIT */
// A small checker of XML and HTML.
#include "tests/xml.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { DEPTH = 64, NAME = 32, ATTRIBUTES = 32, IDS = 4096 };

struct reader {
    const char *start, *at;
    bool html;
    char open[DEPTH][NAME];
    unsigned depth, n_ids;
    char id[IDS][NAME];
    char *why;
};

static bool fail(struct reader *r, const char *what) {
    unsigned line = 1;
    for (const char *c = r->start; c < r->at; c++)
        line += *c == '\n';
    snprintf(r->why, XML_WHY, "%s in line %u, before \"%.40s\"", what, line, r->at);
    return false;
}

// ---- Characters --------------------------------------------------------------------------------

static bool is_name_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == ':' || c == '_';
}

static bool read_name(struct reader *r, char name[NAME]) {
    size_t len = 0;
    while (is_name_char(*r->at) && len < NAME - 1)
        name[len++] = *r->at++;
    name[len] = 0;
    return (len > 0 && !is_name_char(*r->at)) || fail(r, "no name");
}

static void skip_space(struct reader *r) {
    r->at += strspn(r->at, " \n\t");
}

static bool read_entity(struct reader *r) {
    static const char *const known[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;", "&#8239;"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strncmp(r->at, known[i], strlen(known[i])) == 0) {
            r->at += strlen(known[i]);
            return true;
        }
    return fail(r, "no entity");
}

// One character of text or of an attribute.
static bool read_char(struct reader *r) {
    unsigned char c = (unsigned char)*r->at;
    if (c == '&')
        return read_entity(r);
    if (c == '<')
        return fail(r, "a bare <");
    if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f)
        return fail(r, "a control character");
    if (c < 0x80) {
        r->at++;
        return true;
    }
    int more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
    uint32_t value = c & (0x3fu >> more);
    if (c < 0xc2 || c > 0xf4)
        return fail(r, "no UTF-8");
    for (r->at++; more > 0; more--, r->at++) {
        if ((*r->at & 0xc0) != 0x80)
            return fail(r, "no UTF-8");
        value = value << 6 | ((unsigned char)*r->at & 0x3fu);
    }
    bool bad = value < 0xa0 || value == 0xfffe || value == 0xffff ||
               (value >= 0xd800 && value < 0xe000) || value > 0x10ffff;
    return !bad || fail(r, "a forbidden character");
}

// ---- Tags --------------------------------------------------------------------------------------

static bool is_void(const struct reader *r, const char *name) {
    static const char *const known[] = {"meta", "img", "br", "link", "hr", "input"};
    for (size_t i = 0; r->html && i < sizeof known / sizeof *known; i++)
        if (strcmp(name, known[i]) == 0)
            return true;
    return false;
}

static bool take_id(struct reader *r, const char *from, size_t len) {
    char id[NAME];
    if (len == 0 || len >= NAME || r->n_ids == IDS)
        return fail(r, "an id of unusual length");
    snprintf(id, sizeof id, "%.*s", (int)len, from);
    for (unsigned i = 0; i < r->n_ids; i++)
        if (strcmp(r->id[i], id) == 0)
            return fail(r, "an id for the second time");
    memcpy(r->id[r->n_ids++], id, sizeof id);
    return true;
}

static bool read_attribute(struct reader *r, char name[NAME]) {
    if (!read_name(r, name) || *r->at != '=')
        return fail(r, "an attribute without value");
    r->at++;
    if (*r->at != '"')
        return fail(r, "no quotes");
    const char *from = ++r->at;
    while (*r->at != '"')
        if (*r->at == 0 || !read_char(r))
            return *r->at != 0 ? false : fail(r, "no end of an attribute");
    bool ok = strcmp(name, "id") != 0 || take_id(r, from, (size_t)(r->at - from));
    r->at++;
    return ok;
}

static bool read_attributes(struct reader *r) {
    char name[ATTRIBUTES][NAME];
    for (unsigned n = 0;; n++) {
        const char *before = r->at;
        skip_space(r);
        if (*r->at == '>' || *r->at == '/')
            return true;
        if (r->at == before || n == ATTRIBUTES)
            return fail(r, "no space before an attribute");
        if (!read_attribute(r, name[n]))
            return false;
        for (unsigned i = 0; i < n; i++)
            if (strcmp(name[i], name[n]) == 0)
                return fail(r, "an attribute for the second time");
    }
}

static bool read_end(struct reader *r) {
    char name[NAME];
    r->at += 2;
    if (!read_name(r, name) || *r->at++ != '>')
        return fail(r, "no end tag");
    if (r->depth == 0 || strcmp(r->open[r->depth - 1], name) != 0)
        return fail(r, "an end tag of another element");
    r->depth--;
    return true;
}

static bool read_start(struct reader *r) {
    char name[NAME];
    r->at++;
    if (!read_name(r, name) || !read_attributes(r))
        return false;
    bool closed = *r->at == '/';
    r->at += closed;
    if (*r->at++ != '>')
        return fail(r, "no end of a tag");
    if (closed || is_void(r, name))
        return true;
    if (r->depth == DEPTH)
        return fail(r, "too deep");
    memcpy(r->open[r->depth++], name, NAME);
    if (strcmp(name, "style") != 0)
        return true;
    size_t len = strcspn(r->at, "<");
    if (memchr(r->at, '&', len) != NULL)
        return fail(r, "& in a style");
    r->at += len;
    return true;
}

bool xml_is_well_formed(const char *text, bool html, char why[XML_WHY]) {
    static struct reader r;
    const char *doctype = "<!DOCTYPE html>\n";
    memset(&r, 0, sizeof r);
    r.start = r.at = text;
    r.html = html;
    r.why = why;
    bool begun = false;
    if (html) {
        if (strncmp(text, doctype, strlen(doctype)) != 0)
            return fail(&r, "no doctype");
        r.at += strlen(doctype);
    }
    while (*r.at != 0) {
        bool is_tag = *r.at == '<';
        if (is_tag && begun && r.depth == 0)
            return fail(&r, "a second root");
        if (!is_tag && r.depth == 0 && strchr(" \n", *r.at) == NULL)
            return fail(&r, "text outside");
        begun = begun || is_tag;
        if (!(is_tag ? (r.at[1] == '/' ? read_end(&r) : read_start(&r)) : read_char(&r)))
            return false;
    }
    return (begun && r.depth == 0) || fail(&r, "something left open");
}

unsigned xml_count(const char *text, const char *part) {
    unsigned n = 0;
    for (const char *at = text; (at = strstr(at, part)) != NULL; at += strlen(part))
        n++;
    return n;
}
