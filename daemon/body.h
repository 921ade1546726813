/* SPDX-License-Identifier: MIT */
// What a request's body is: its media type, the parts of multipart/form-data, base64, and the JSON
// that carries a picture. Pure functions of whole buffers.
#ifndef BODY_H
#define BODY_H

#include "core/bytes.h"
#include "core/error.h"

enum {
    BODY_MAX_TYPE = 63,
    BODY_MAX_BOUNDARY = 70, // RFC 2046, 5.1.1
    BODY_MAX_PARTS = 1000
};

// A Content-Type: "image/jpeg; q=1" is {"image/jpeg", ""}.
struct media_type {
    char name[BODY_MAX_TYPE + 1];         // type/subtype in lower case
    char boundary[BODY_MAX_BOUNDARY + 1]; // of multipart; empty if there is none
};

// RFC 9110, 8.3.1: parameters in any order, values as tokens or quoted. TNM_EINPUT.
bool media_type_parse(const char *value, struct media_type *out,
                      struct tnm_error *err) TNM_MUST_CHECK;

// One part of multipart/form-data; all of it borrowed from the body.
struct body_part {
    struct bytes name;     // of the form's field; quotes and escapes as sent
    struct bytes filename; // at is NULL if the part has none
    struct bytes type;     // its Content-Type; empty if it has none
    struct bytes data;
};

// Where a walk over the parts stands.
struct body_parts {
    struct bytes rest; // from the delimiter of the next part on
    const char *boundary;
    unsigned n_seen;
};

// Begins a walk. TNM_EINPUT: no boundary, or no delimiter in the body.
bool body_parts_start(struct body_parts *parts, struct bytes body, const char *boundary,
                      struct tnm_error *err) TNM_MUST_CHECK;

// The next part. False at the end (err->code is TNM_OK) or for what is malformed (TNM_EINPUT).
bool body_parts_next(struct body_parts *parts, struct body_part *part, struct tnm_error *err);

// The part that carries the picture: the first with a file name, else one named "image", "file" or
// "data", else the only one. TNM_EINPUT where there is none. All of the body is checked.
bool body_picture_part(struct bytes body, const char *boundary, struct body_part *part,
                       struct tnm_error *err) TNM_MUST_CHECK;

// RFC 4648: the standard alphabet or the one for URLs, padded or not; line breaks and blanks are
// skipped; "data:...;base64," may stand in front. out has room for text.len / 4 * 3 + 3 bytes;
// *len says how many there are. TNM_EINPUT with the place of what is wrong.
bool base64_decode(struct bytes text, uint8_t *out, size_t *len,
                   struct tnm_error *err) TNM_MUST_CHECK;

// {"image": base64} or {"pixels": [0..255, ...]}; other keys are ignored.
struct body_json {
    uint8_t *image; // owned
    size_t image_len;
    float *pixels; // owned: 0..255 as sent
    size_t n_pixels;
};

// TNM_EINPUT for what is no JSON, no such object, or has not exactly n_pixels pixels. Memory stays
// within 10 times the body and 200 bytes a pixel. TNM_ENOMEM.
bool body_json_parse(struct bytes body, size_t n_pixels, struct body_json *out,
                     struct tnm_error *err) TNM_MUST_CHECK;
void body_json_free(struct body_json *json);

#endif
