/* SPDX-License-Identifier: MIT */
// Filling a struct tnm_error.
#include "core/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool tnm_fail(struct tnm_error *err, int code, const char *format, ...) {
    if (err == NULL)
        return false;
    va_list args;
    va_start(args, format);
    vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    err->code = code;
    return false;
}

bool tnm_fail_errno(struct tnm_error *err, int error_number, const char *format, ...) {
    if (err == NULL)
        return false;
    va_list args;
    va_start(args, format);
    vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    size_t len = strlen(err->text);
    char reason[128];
    snprintf(err->text + len, sizeof err->text - len, ": %s",
             strerror_r(error_number, reason, sizeof reason));
    err->code = error_number == ENOMEM ? TNM_ENOMEM : TNM_EIO;
    return false;
}

bool tnm_fail_in(struct tnm_error *err, const char *format, ...) {
    if (err == NULL)
        return false;
    char where[sizeof err->text];
    va_list args;
    va_start(args, format);
    vsnprintf(where, sizeof where, format, args);
    va_end(args);
    // What is wrong matters more than a long place: the place gives way, and shows that it did.
    size_t len = strnlen(err->text, sizeof err->text - sizeof "...: ");
    size_t room = sizeof err->text - sizeof ": " - len;
    size_t before = strlen(where);
    if (before > room) {
        before = room;
        memcpy(where + room - 3, "...", 3);
    }
    memmove(err->text + before + 2, err->text, len);
    memcpy(err->text, where, before);
    memcpy(err->text + before, ": ", 2);
    err->text[before + 2 + len] = 0;
    return false;
}
