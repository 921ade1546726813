/* SPDX-License-Identifier: MIT */
// The three ways to fill a struct tnm_error. All accept err == NULL.
#ifndef TNM_ERROR_H
#define TNM_ERROR_H

#include "core/tnm.h"

// Sets code and text, and returns false, so that a failure is one line:
//     return tnm_fail(err, TNM_EFORMAT, "version %u, this build reads 1", version);
bool tnm_fail(struct tnm_error *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// Adds ": " and strerror(error_number) to the text; code TNM_EIO, or TNM_ENOMEM for ENOMEM.
bool tnm_fail_errno(struct tnm_error *err, int error_number, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// Puts where it happened in front of a text that is already there ("layer 2: " + text). Keeps code.
bool tnm_fail_in(struct tnm_error *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
