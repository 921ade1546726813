/* SPDX-License-Identifier: MIT */
// The head of a request as plain data, and the checks that the HTTP library leaves out: it accepts
// requests that a proxy in front may read differently (two lengths, a length and chunks, a blank
// before the colon), and it decodes %00 and %2F before anybody can look.
#ifndef REQUEST_H
#define REQUEST_H

#include "core/bytes.h"

enum {
    REQUEST_MAX_TARGET = 2047, // bytes of path and query
    REQUEST_MAX_FIELDS = 100,  // header lines
    REQUEST_MAX_ID = 64,
    REQUEST_MAX_NAME = 63,   // of what {name} in a path matches
    REQUEST_MAX_VERSION = 64 // and {version}: a SHA-256
};

struct spool;

// Why a request is refused. text and code live as long as the program.
struct request_fault {
    unsigned status; // 0: there is none
    const char *code;
    const char *text;
};

// Strings are borrowed from the connection, and live until the reply is sent.
struct request {
    const char *method;
    const char *path;  // starts with '/', decoded, without query
    const char *query; // behind the '?', as sent; "" if there is none
    const char *content_type, *authorization, *origin, *host, *if_match; // NULL where absent
    const char *accept_encoding, *if_none_match;                         // the last line of each
    const char *content_digest, *content_encoding;                       // NULL where absent
    const char *fetch_site;                                              // Sec-Fetch-Site
    const char *preflight;        // Access-Control-Request-Method
    bool is_foreign;              // a page of another site sent it, of none that is trusted
    const char *inference_length; // Inference-Header-Content-Length
    struct bytes body;
    struct spool *spool;                   // instead of body, for a route that has it spooled
    char id[REQUEST_MAX_ID + 1];           // the caller's, or made
    char name[REQUEST_MAX_NAME + 1];       // what {name} in the route's path matched
    char version[REQUEST_MAX_VERSION + 1]; // and {version}; empty where there is none
    unsigned row;                          // of the table of routes, from 1 on; 0: none fits

    // How the body comes.
    bool chunked, has_length, expects_continue;
    uint64_t length;

    struct request_fault fault; // the first one found
    bool breaks_framing;        // where the next request begins is doubtful: close
    uint16_t n_fields, n_hosts, n_lengths, n_encodings;
    char target[REQUEST_MAX_TARGET + 1]; // path and query point in here
};

// Empties for the next request; id stays empty.
void request_reset(struct request *request);

// The request target as it came: origin form, or absolute form whose authority is dropped.
void request_set_target(struct request *request, const char *target);

// One header line. value is borrowed.
void request_add_field(struct request *request, const char *name, const char *value);

// What a library that splits the head in place took for parts is checked by where they lie: `at`,
// where a part begins, must be `due`, which is where the one before it and its CRLF end. Else there
// was more between them than the parts show: a zero byte, a folded line, a line that ended in LF
// alone; and a proxy in front may have read another request. Neither is read through.
void request_check_gap(struct request *request, const char *due, const char *at);

// The lines of a head that was split in place, whose ends are zeros now: a CR that is left in them
// is the end of a line to some.
void request_check_lines(struct request *request, const char *from, size_t len);

// After the last header line. version is "HTTP/1.1" or "HTTP/1.0".
void request_finish_head(struct request *request, const char *method, const char *version);

// Keeps the first fault.
void request_refuse(struct request *request, unsigned status, const char *code, const char *text);

// The value of a query parameter, decoded, into out (size bytes). False where it is absent.
// A value that does not fit or has a bad escape gives "" and true, which no caller accepts.
bool request_parameter(const struct request *request, const char *name, char *out, size_t size);

// Whether a word of the comma-separated list `list` is `word`, without regard to case.
bool header_list_has(const char *list, const char *word);

#endif
