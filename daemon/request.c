/* SPDX-License-Identifier: MIT */
// Reading and checking the head of a request.
#include "daemon/request.h"

#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

void request_refuse(struct request *request, unsigned status, const char *code, const char *text) {
    if (request->fault.status == 0)
        request->fault = (struct request_fault){status, code, text};
}

// Everything before target, which is long and need not be cleared.
void request_reset(struct request *request) {
    memset(request, 0, offsetof(struct request, target));
    request->path = request->query = "";
    request->target[0] = 0;
}

// ---- Target ------------------------------------------------------------------------------------

static void refuse_target(struct request *request, const char *text) {
    request_refuse(request, 400, "malformed", text);
    request->path = request->query = "";
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// The byte of "%41" at `at`, -1 if it is none.
static int escaped_byte(const char *at) {
    int high = at[0] == '%' ? hex_digit(at[1]) : -1;
    int low = high >= 0 ? hex_digit(at[2]) : -1;
    return low >= 0 ? high << 4 | low : -1;
}

enum { TOKEN = 1, TARGET = 2 };

// RFC 9110, 5.6.2: what a field's name is made of. RFC 3986: what may stand in a path or query, '%'
// included.
static const uint8_t class_of[256] = {
    ['0' ... '9'] = TOKEN | TARGET,
    ['A' ... 'Z'] = TOKEN | TARGET,
    ['a' ... 'z'] = TOKEN | TARGET,
    ['!'] = TOKEN | TARGET,
    ['$'] = TOKEN | TARGET,
    ['%'] = TOKEN | TARGET,
    ['&'] = TOKEN | TARGET,
    ['\''] = TOKEN | TARGET,
    ['*'] = TOKEN | TARGET,
    ['+'] = TOKEN | TARGET,
    ['-'] = TOKEN | TARGET,
    ['.'] = TOKEN | TARGET,
    ['_'] = TOKEN | TARGET,
    ['~'] = TOKEN | TARGET,
    ['#'] = TOKEN,
    ['^'] = TOKEN,
    ['`'] = TOKEN,
    ['|'] = TOKEN,
    ['('] = TARGET,
    [')'] = TARGET,
    [','] = TARGET,
    ['/'] = TARGET,
    [':'] = TARGET,
    [';'] = TARGET,
    ['='] = TARGET,
    ['?'] = TARGET,
    ['@'] = TARGET,
};

// How many bytes from `at` on are of a class.
static size_t span_of(const char *at, uint8_t wanted) {
    size_t len = 0;
    while (class_of[(uint8_t)at[len]] & wanted)
        len++;
    return len;
}

// Decodes path in place. Escapes that would change what the path means, or end it, are refused.
static bool decode_path(char *path) {
    char *out = path;
    for (const char *at = path; *at != 0; out++) {
        if (*at != '%') {
            *out = *at++;
            continue;
        }
        int byte = escaped_byte(at);
        if (byte < 0x20 || byte >= 0x7f || byte == '/' || byte == '\\')
            return false;
        *out = (char)byte;
        at += 3;
    }
    *out = 0;
    return true;
}

// Behind "http://authority"; NULL if target is neither in absolute nor in origin form.
static const char *skip_authority(const char *target) {
    if (target[0] == '/')
        return target;
    if (strncasecmp(target, "http://", 7) != 0)
        return NULL;
    const char *path = target + 7 + strcspn(target + 7, "/?");
    return *path == '/' ? path : *path == 0 ? "/" : NULL;
}

void request_set_target(struct request *request, const char *target) {
    target = skip_authority(target);
    if (target == NULL) {
        refuse_target(request, "the request target is not a path");
        return;
    }
    size_t len = span_of(target, TARGET);
    if (target[len] != 0) {
        refuse_target(request, "the path holds a byte that must be escaped");
        return;
    }
    if (len > REQUEST_MAX_TARGET) {
        request_refuse(request, 414, "uri_too_long", "path and query are longer than 2047 bytes");
        return;
    }
    memcpy(request->target, target, len + 1);
    char *question = strchr(request->target, '?');
    if (question != NULL) {
        *question = 0;
        request->query = question + 1;
    }
    request->path = request->target;
    if (!decode_path(request->target))
        refuse_target(request, "the path holds an escape that is not allowed");
}

// ---- Query -------------------------------------------------------------------------------------

// Decodes len bytes at `at` into out. False for a bad escape or no room.
static bool decode_value(const char *at, size_t len, char *out, size_t size) {
    size_t n = 0;
    for (size_t i = 0; i < len; i++, n++) {
        int byte = at[i] == '+' ? ' ' : (unsigned char)at[i];
        if (at[i] == '%') {
            byte = len - i >= 3 ? escaped_byte(at + i) : -1;
            i += 2;
        }
        if (byte <= 0 || n + 1 >= size)
            return false;
        out[n] = (char)byte;
    }
    out[n] = 0;
    return true;
}

bool request_parameter(const struct request *request, const char *name, char *out, size_t size) {
    size_t name_len = strlen(name);
    out[0] = 0;
    for (const char *at = request->query; *at != 0;) {
        size_t len = strcspn(at, "&");
        if (len >= name_len && memcmp(at, name, name_len) == 0 &&
            (len == name_len || at[name_len] == '=')) {
            size_t skip = len == name_len ? len : name_len + 1;
            if (!decode_value(at + skip, len - skip, out, size))
                out[0] = 0;
            return true;
        }
        at += len + (at[len] == '&');
    }
    return false;
}

// ---- Fields ------------------------------------------------------------------------------------

bool header_list_has(const char *list, const char *word) {
    size_t word_len = strlen(word);
    while (*list != 0) {
        list += strspn(list, " \t,");
        size_t len = strcspn(list, ",");
        const char *next = list + len;
        while (len > 0 && (list[len - 1] == ' ' || list[len - 1] == '\t'))
            len--;
        if (len == word_len && strncasecmp(list, word, len) == 0)
            return true;
        list = next;
    }
    return false;
}

// Whether a caller's id may be echoed into a header and a log: visible, and nothing that quotes.
static bool is_safe_id(const char *id) {
    size_t len = strlen(id);
    if (len == 0 || len > REQUEST_MAX_ID)
        return false;
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)id[i]) && strchr("-_.:/+=@", id[i]) == NULL)
            return false;
    return true;
}

// RFC 9110, 8.6: digits, nothing else. The library takes "1 " and "+1" for malformed itself.
static void set_length(struct request *request, const char *value) {
    request->n_lengths++;
    request->has_length = true;
    char *end;
    request->length = strtoull(value, &end, 10);
    if (!isdigit((unsigned char)value[0]) || *end != 0) {
        request_refuse(request, 400, "malformed", "Content-Length is not a number");
        request->breaks_framing = true;
    }
}

static void set_once(struct request *request, const char **field, const char *value) {
    if (*field != NULL)
        request_refuse(request, 400, "malformed", "a header that may come once came twice");
    *field = value;
}

// A blank before the colon ends up in the name: that is refused, too.
static bool is_field_name(const char *name) {
    size_t len = span_of(name, TOKEN);
    return len > 0 && name[len] == 0;
}

void request_add_field(struct request *request, const char *name, const char *value) {
    request->n_fields++;
    if (value == NULL)
        value = "";
    if (!is_field_name(name)) {
        request_refuse(request, 400, "malformed", "a header name holds what is no token");
        request->breaks_framing = true;
        return;
    }
    switch (name[0] | 0x20) {
    case 'a':
        if (strcasecmp(name, "Authorization") == 0)
            set_once(request, &request->authorization, value);
        else if (strcasecmp(name, "Accept-Encoding") == 0)
            request->accept_encoding = value;
        else if (strcasecmp(name, "Access-Control-Request-Method") == 0)
            set_once(request, &request->preflight, value);
        break;
    case 'c':
        if (strcasecmp(name, "Content-Length") == 0)
            set_length(request, value);
        else if (strcasecmp(name, "Content-Type") == 0)
            set_once(request, &request->content_type, value);
        else if (strcasecmp(name, "Content-Digest") == 0)
            set_once(request, &request->content_digest, value);
        else if (strcasecmp(name, "Content-Encoding") == 0)
            set_once(request, &request->content_encoding, value);
        break;
    case 'e':
        if (strcasecmp(name, "Expect") == 0)
            request->expects_continue = true;
        break;
    case 'h':
        if (strcasecmp(name, "Host") == 0) {
            request->n_hosts++;
            request->host = value;
        }
        break;
    case 'i':
        if (strcasecmp(name, "If-Match") == 0)
            set_once(request, &request->if_match, value);
        else if (strcasecmp(name, "If-None-Match") == 0)
            request->if_none_match = value;
        else if (strcasecmp(name, "Inference-Header-Content-Length") == 0)
            set_once(request, &request->inference_length, value);
        break;
    case 'o':
        if (strcasecmp(name, "Origin") == 0)
            set_once(request, &request->origin, value);
        break;
    case 's':
        if (strcasecmp(name, "Sec-Fetch-Site") == 0)
            set_once(request, &request->fetch_site, value);
        break;
    case 't':
        if (strcasecmp(name, "Transfer-Encoding") == 0) {
            request->n_encodings++;
            request->chunked = strcasecmp(value, "chunked") == 0;
        }
        break;
    case 'x':
        if (strcasecmp(name, "X-Request-Id") == 0 && is_safe_id(value))
            memcpy(request->id, value, strlen(value) + 1);
        break;
    default:
        break;
    }
}

static void refuse_line(struct request *request) {
    request_refuse(request, 400, "malformed",
                   "a line of the header is folded, does not end in CRLF, or holds a zero byte");
    request->breaks_framing = true;
}

void request_check_gap(struct request *request, const char *due, const char *at) {
    if (at != due)
        refuse_line(request);
}

void request_check_lines(struct request *request, const char *from, size_t len) {
    if (memchr(from, '\r', len) != NULL)
        refuse_line(request);
}

// RFC 9112, 6.1 and 6.3: two ways to say where a body ends are how requests are smuggled.
static void check_framing(struct request *request) {
    request->breaks_framing |= request->n_lengths > 1 || request->n_encodings > 1 ||
                               (request->n_encodings == 1 && !request->chunked) ||
                               (request->n_encodings == 1 && request->n_lengths == 1);
    if (request->n_lengths > 1)
        request_refuse(request, 400, "malformed", "more than one Content-Length");
    if (request->n_encodings > 0 && request->n_lengths > 0)
        request_refuse(request, 400, "malformed", "both Content-Length and Transfer-Encoding");
    if (request->n_encodings > 0 && (request->n_encodings > 1 || !request->chunked))
        request_refuse(request, 501, "not_implemented", "Transfer-Encoding other than chunked");
}

void request_finish_head(struct request *request, const char *method, const char *version) {
    request->method = method;
    check_framing(request);
    bool must_have_host = strcmp(version, "HTTP/1.0") != 0;
    if (!must_have_host && request->n_encodings > 0) { // RFC 9112, 6.1
        request_refuse(request, 400, "malformed", "HTTP/1.0 knows no Transfer-Encoding");
        request->breaks_framing = true;
    }
    if (request->n_hosts > 1 || (must_have_host && request->n_hosts == 0)) {
        request_refuse(request, 400, "malformed", "not exactly one Host");
        request->breaks_framing = true;
    }
    if (request->n_fields > REQUEST_MAX_FIELDS)
        request_refuse(request, 431, "headers_too_large", "more than 100 header lines");
}
