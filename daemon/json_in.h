/* SPDX-License-Identifier: MIT */
// Reading JSON (RFC 8259) without building a tree: a cursor that walks over the text and is asked
// for the next value. It takes no memory whatever the text holds, so that a request costs what its
// values are stored in and nothing else. Where a document's shape is not known beforehand, or
// small, jansson is more convenient.
//
//     json_in_start(&in, text, err);
//     if (json_in_enter(&in, '{'))
//         while (json_in_member(&in, key, sizeof key))
//             if (strcmp(key, "id") == 0)
//                 json_in_string(&in, &id);
//             else
//                 json_in_skip(&in, NULL);
//     return json_in_end(&in);
//
// The first fault ends the walk: whatever is asked afterwards gives false. err then tells what was
// expected, and at which byte.
#ifndef JSON_IN_H
#define JSON_IN_H

#include "core/bytes.h"
#include "core/error.h"

enum { JSON_IN_DEPTH = 32 }; // of brackets in brackets

struct json_in {
    const uint8_t *start, *at, *end;
    unsigned depth;
    bool fresh; // just behind a bracket: no comma comes before what is next
    bool failed;
    struct tnm_error *err;
};

// text is borrowed for as long as the walk goes on, and so is all that it gives.
void json_in_start(struct json_in *in, struct bytes text, struct tnm_error *err);

// What the next value begins with: '{', '[', '"', '0' for a number, 't', 'f', 'n'; 0 for what
// begins no value. Takes nothing.
char json_in_kind(struct json_in *in);

// Steps over '{' or '[', which must come next.
bool json_in_enter(struct json_in *in, char bracket);

// Goes to the next member of the object that was entered last, and stands before its value; its
// name, without escapes resolved, goes to key, or "" if it does not fit. False behind the '}'.
bool json_in_member(struct json_in *in, char *key, size_t size);

// Goes to the next element of the array. False behind the ']'.
bool json_in_element(struct json_in *in);

// The values themselves. A number becomes the double that is nearest.
bool json_in_number(struct json_in *in, double *value);
bool json_in_bool(struct json_in *in, bool *value);

// What stands between the quotes: valid UTF-8 and valid escapes, which are left as they are.
bool json_in_string(struct json_in *in, struct bytes *text);

// Any value; all of its text goes to *text, if that is not NULL.
bool json_in_skip(struct json_in *in, struct bytes *text);

// Whether the walk came to the end of the text, and no fault on its way.
bool json_in_end(struct json_in *in);

// Refuses the value that comes next (or came last) with a text of the caller's. Always false.
bool json_in_fail(struct json_in *in, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

// Resolves the escapes of a string's inside into out (text.len bytes are enough); how many bytes it
// makes. The text must be what json_in_string gave. Half a surrogate pair becomes U+FFFD.
size_t json_unescape(struct bytes text, char *out);

#endif
