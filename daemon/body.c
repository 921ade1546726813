/* SPDX-License-Identifier: MIT */
// Media types, multipart/form-data, base64.
#include "daemon/body.h"

#include <ctype.h>
#include <strings.h>

// ---- Media types -------------------------------------------------------------------------------

// RFC 9110, 5.6.2.
static bool is_token(char c) {
    bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z', digit = c >= '0' && c <= '9';
    return letter || digit || (c != 0 && strchr("-!#$%&'*+.^_`|~", c) != NULL);
}

static const char *skip_blanks(const char *at) {
    return at + strspn(at, " \t");
}

// A token or a quoted string into out (size bytes). NULL if it is neither or too long.
static const char *read_value(const char *at, char *out, size_t size) {
    size_t len = 0;
    bool quoted = *at == '"';
    if (quoted)
        at++;
    while (quoted ? *at != '"' : is_token(*at)) {
        if (quoted && *at == '\\')
            at++;
        if (*at == 0 || len + 1 >= size)
            return NULL;
        out[len++] = *at++;
    }
    out[len] = 0;
    return quoted ? at + 1 : len > 0 ? at : NULL;
}

static const char *read_type(const char *at, struct media_type *out) {
    size_t len = 0;
    unsigned slashes = 0;
    for (; is_token(*at) || *at == '/'; at++) {
        if (len + 1 >= sizeof out->name)
            return NULL;
        slashes += *at == '/';
        out->name[len++] = (char)tolower((unsigned char)*at);
    }
    bool whole = slashes == 1 && out->name[0] != '/' && out->name[len - 1] != '/';
    return whole ? at : NULL;
}

static const char *read_parameter(const char *at, struct media_type *out) {
    char name[BODY_MAX_TYPE + 1], value[256];
    at = skip_blanks(at);
    if (*at == 0 || *at == ';') // "a/b;" and "a/b;;c=d" are seen in the wild
        return at;
    at = read_value(at, name, sizeof name);
    if (at == NULL || *at != '=')
        return NULL;
    at = read_value(at + 1, value, sizeof value);
    if (at == NULL || strcasecmp(name, "boundary") != 0)
        return at;
    size_t len = strlen(value);
    if (len == 0 || len > BODY_MAX_BOUNDARY || out->boundary[0] != 0)
        return NULL;
    memcpy(out->boundary, value, len + 1);
    return at;
}

bool media_type_parse(const char *value, struct media_type *out, struct tnm_error *err) {
    *out = (struct media_type){0};
    const char *at = read_type(skip_blanks(value), out);
    while (at != NULL && *(at = skip_blanks(at)) == ';')
        at = read_parameter(at + 1, out);
    if (at != NULL && *at == 0)
        return true;
    *out = (struct media_type){0};
    return tnm_fail(err, TNM_EINPUT, "Content-Type is not type/subtype with parameters");
}

// ---- Multipart ---------------------------------------------------------------------------------

static bool starts_with(struct bytes b, const void *word, size_t len) {
    return b.len >= len && memcmp(b.at, word, len) == 0;
}

static struct bytes after(struct bytes b, size_t n) {
    return (struct bytes){b.at + n, b.len - n};
}

// The next "--boundary" at the start of a line, in rest: what is before it goes to before, without
// the line break that belongs to it; rest is moved behind it.
static bool take_delimiter(struct bytes *rest, const char *boundary, struct bytes *before) {
    size_t len = strlen(boundary);
    const uint8_t *start = rest->at;
    for (struct bytes b = *rest; b.len >= len + 2;) {
        const uint8_t *dash = memchr(b.at, '-', b.len - len - 1);
        if (dash == NULL)
            return false;
        b = after(b, (size_t)(dash - b.at));
        bool starts_line = dash == start || (dash - start >= 2 && memcmp(dash - 2, "\r\n", 2) == 0);
        if (starts_line && starts_with(b, "--", 2) && memcmp(dash + 2, boundary, len) == 0) {
            *before = (struct bytes){start, dash == start ? 0 : (size_t)(dash - start) - 2};
            *rest = after(b, 2 + len);
            return true;
        }
        b = after(b, 1);
    }
    return false;
}

bool body_parts_start(struct body_parts *parts, struct bytes body, const char *boundary,
                      struct tnm_error *err) {
    struct bytes preamble;
    *parts = (struct body_parts){body, boundary, 0};
    if (boundary[0] == 0)
        return tnm_fail(err, TNM_EINPUT, "multipart/form-data without a boundary");
    if (body.len == 0 || !take_delimiter(&parts->rest, boundary, &preamble))
        return tnm_fail(err, TNM_EINPUT, "multipart body without its boundary");
    return true;
}

// A line without its CRLF; rest moves behind it.
static bool take_line(struct bytes *rest, struct bytes *line) {
    const uint8_t *end = memmem(rest->at, rest->len, "\r\n", 2);
    if (end == NULL)
        return false;
    *line = (struct bytes){rest->at, (size_t)(end - rest->at)};
    *rest = after(*rest, line->len + 2);
    return true;
}

static bool is_blank(uint8_t c) {
    return c == ' ' || c == '\t';
}

static struct bytes trim(struct bytes b) {
    while (b.len > 0 && is_blank(b.at[0]))
        b = after(b, 1);
    while (b.len > 0 && is_blank(b.at[b.len - 1]))
        b.len--;
    return b;
}

// "name: value"; the value if the line has that name.
static bool field_value(struct bytes line, const char *name, struct bytes *value) {
    size_t len = strlen(name);
    if (line.len <= len || line.at[len] != ':' ||
        strncasecmp((const char *)line.at, name, len) != 0)
        return false;
    *value = trim(after(line, len + 1));
    return true;
}

// Length of a parameter's value at b: up to the closing quote, or to the next ';'.
static size_t value_length(struct bytes b, bool quoted) {
    size_t i = 0;
    while (i < b.len && b.at[i] != (quoted ? '"' : ';'))
        i += quoted && b.at[i] == '\\' ? 2 : 1;
    return i < b.len ? i : b.len;
}

// name and filename of a Content-Disposition: form-data; name="a"; filename="b.png".
static void read_disposition(struct bytes value, struct body_part *part) {
    size_t skip = value_length(value, false);
    while (skip < value.len) {
        value = trim(after(value, skip + 1));
        const uint8_t *equals = value.len > 0 ? memchr(value.at, '=', value.len) : NULL;
        size_t semicolon = value_length(value, false);
        if (equals == NULL || (size_t)(equals - value.at) > semicolon) {
            skip = semicolon;
            continue;
        }
        struct bytes key = trim((struct bytes){value.at, (size_t)(equals - value.at)});
        value = trim(after(value, (size_t)(equals + 1 - value.at)));
        bool quoted = value.len > 0 && value.at[0] == '"';
        if (quoted)
            value = after(value, 1);
        struct bytes found = {value.at, value_length(value, quoted)};
        if (key.len == 4 && strncasecmp((const char *)key.at, "name", 4) == 0)
            part->name = found;
        if (key.len == 8 && strncasecmp((const char *)key.at, "filename", 8) == 0)
            part->filename = found;
        value = after(value, found.len);
        skip = value_length(value, false);
    }
}

// The header lines of a part, up to the empty one.
static bool read_part_head(struct bytes *rest, struct body_part *part) {
    struct bytes line, value;
    while (take_line(rest, &line)) {
        if (line.len == 0)
            return true;
        if (memchr(line.at, ':', line.len) == NULL)
            return false;
        if (field_value(line, "content-disposition", &value))
            read_disposition(value, part);
        else if (field_value(line, "content-type", &value))
            part->type = value;
    }
    return false;
}

bool body_parts_next(struct body_parts *parts, struct body_part *part, struct tnm_error *err) {
    struct bytes line;
    *part = (struct body_part){0};
    if (err != NULL)
        *err = (struct tnm_error){0};
    if (starts_with(parts->rest, "--", 2)) // the closing delimiter; what follows is to be ignored
        return false;
    if (++parts->n_seen > BODY_MAX_PARTS)
        return tnm_fail(err, TNM_EINPUT, "multipart body of more than %d parts", BODY_MAX_PARTS);
    if (!take_line(&parts->rest, &line) || trim(line).len > 0)
        return tnm_fail(err, TNM_EINPUT, "part %u: no line break after its boundary",
                        parts->n_seen);
    if (!read_part_head(&parts->rest, part))
        return tnm_fail(err, TNM_EINPUT, "part %u: damaged or truncated header", parts->n_seen);
    // The line break before a delimiter may be the one that ends the header: an empty part.
    parts->rest = (struct bytes){parts->rest.at - 2, parts->rest.len + 2};
    if (!take_delimiter(&parts->rest, parts->boundary, &part->data))
        return tnm_fail(err, TNM_EINPUT, "part %u: truncated, no boundary after it", parts->n_seen);
    if (part->data.len >= 2)
        part->data = after(part->data, 2);
    return true;
}

static bool has_name(const struct body_part *part) {
    static const char *const names[] = {"image", "file", "data"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (part->name.len == strlen(names[i]) && starts_with(part->name, names[i], part->name.len))
            return true;
    return false;
}

bool body_picture_part(struct bytes body, const char *boundary, struct body_part *part,
                       struct tnm_error *err) {
    struct body_parts parts;
    struct body_part next;
    int best = 0; // 3: a file, 2: a known name, 1: any
    *part = (struct body_part){0};
    if (!body_parts_start(&parts, body, boundary, err))
        return false;
    struct tnm_error end;
    while (body_parts_next(&parts, &next, &end)) {
        // Browsers send an empty file without a name where none was chosen.
        bool is_file = next.filename.at != NULL && (next.filename.len > 0 || next.data.len > 0);
        int rank = is_file ? 3 : has_name(&next) ? 2 : 1;
        if (rank > best) {
            best = rank;
            *part = next;
        }
    }
    if (end.code != TNM_OK)
        return tnm_fail(err, end.code, "%s", end.text);
    if (best == 0 || (best == 1 && parts.n_seen > 1))
        return tnm_fail(err, TNM_EINPUT, "multipart body of %u parts without a file", parts.n_seen);
    return true;
}

// ---- Base64 ------------------------------------------------------------------------------------

static int sextet(uint8_t c) {
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' || c == '-' ? 62 : c == '/' || c == '_' ? 63 : -1;
}

// Behind "data:image/png;base64,", where that stands in front.
static struct bytes skip_data_url(struct bytes text) {
    if (!starts_with(text, "data:", 5))
        return text;
    const uint8_t *comma = memchr(text.at, ',', text.len < 256 ? text.len : 256);
    return comma != NULL ? after(text, (size_t)(comma - text.at) + 1) : text;
}

bool base64_decode(struct bytes text, uint8_t *out, size_t *len, struct tnm_error *err) {
    uint32_t bits = 0;
    unsigned n_sextets = 0, n_pads = 0;
    *len = 0;
    text = skip_data_url(text);
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.at[i];
        if (c == ' ' || c == '\t' || c == '\r' || c == '\n')
            continue;
        n_pads += c == '=';
        int value = c == '=' ? 0 : sextet(c);
        if (value < 0 || (n_pads > 0 && c != '=') || n_pads > 2)
            return tnm_fail(err, TNM_EINPUT, "base64: byte 0x%02x at %zu does not belong there", c,
                            i);
        bits = bits << 6 | (uint32_t)value;
        if (++n_sextets % 4 == 0) {
            out[*len] = (uint8_t)(bits >> 16);
            out[*len + 1] = (uint8_t)(bits >> 8);
            out[*len + 2] = (uint8_t)bits;
            *len += 3 - n_pads;
        }
    }
    unsigned left = n_sextets % 4;
    if (left == 1 || (left > 0 && n_pads > 0))
        return tnm_fail(err, TNM_EINPUT, "base64: ends in the middle of a byte");
    bits <<= 6 * (4 - left);
    if (left >= 2)
        out[(*len)++] = (uint8_t)(bits >> 16);
    if (left == 3)
        out[(*len)++] = (uint8_t)(bits >> 8);
    return true;
}
