/* SPDX-License-Identifier: MIT */
// Tokens: who may ask, and who may change something.
#ifndef ACCESS_H
#define ACCESS_H

#include "core/error.h"

// Who may call.
enum scope {
    SCOPE_OPEN,  // anybody: health, and what shows nothing of use
    SCOPE_INFER, // asks a model or about one: needs a token where there is one for this
    SCOPE_ADMIN  // changes the daemon's state: needs an admin token where there is any token
};

struct access;

// Reads the tokens of a file, one a line: "infer:TOKEN", "admin:TOKEN", or only TOKEN for admin.
// Blanks around it, empty lines and lines with # are ignored. path empty: no token is needed; it
// must outlive the result. TNM_EIO; TNM_EINPUT for a file without a token, with a token of more
// than 255 bytes, or with more than 64 of them. Warns in the log of a file that others may read,
// and of tokens that are short enough to be guessed.
struct access *access_open(const char *path, struct tnm_error *err) TNM_MUST_CHECK;
void access_close(struct access *access);

// Reads the file again; where that fails, the old tokens stay. For any thread.
bool access_reload(struct access *access, struct tnm_error *err) TNM_MUST_CHECK;

enum access_result {
    ACCESS_GRANTED,
    ACCESS_MISSING, // a token is needed and none was sent
    ACCESS_WRONG,   // not one of the tokens
    ACCESS_LESS     // an infer token where an admin token is needed
};

// authorization is the header's value, or NULL. An admin token is good for everything. Takes as
// long for a wrong token as for a right one.
enum access_result access_check(struct access *access, enum scope scope, const char *authorization);

#endif
