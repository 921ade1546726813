/* SPDX-License-Identifier: MIT */
// Who may change the daemon's state: tokens, and the Origin of a browser.
#ifndef ACCESS_H
#define ACCESS_H

#include "core/error.h"

struct access;

// Reads the tokens of a file: one a line, blanks around it and empty lines and lines with #
// ignored; "admin:" may stand in front. path empty: no token is needed. TNM_EIO; TNM_EINPUT for a
// file without a token, or a token of more than 255 bytes.
struct access *access_open(const char *path, struct tnm_error *err) TNM_MUST_CHECK;
void access_close(struct access *access);

enum access_result {
    ACCESS_GRANTED,
    ACCESS_MISSING, // a token is needed and none was sent
    ACCESS_WRONG    // not one of the tokens
};

// authorization is the header's value, or NULL. Takes as long for a wrong token as for a right one.
enum access_result access_check(const struct access *access, const char *authorization);

// Whether a browser says that the page which sent the request came from elsewhere: an Origin other
// than the Host that was asked. Without Origin no browser is involved.
bool origin_is_foreign(const char *origin, const char *host);

#endif
