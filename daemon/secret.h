/* SPDX-License-Identifier: MIT */
// Small files that are meant for the daemon alone: tokens, a private key.
#ifndef SECRET_H
#define SECRET_H

#include "core/error.h"

// Reads a regular file of at most `most` bytes whole, NUL-terminated, into memory of its own that
// secret_free wipes. Warns in the log where any user of the machine may read a file that is
// private. NULL: TNM_EIO, TNM_EINPUT (not a regular file, too long, a zero byte), TNM_ENOMEM.
char *secret_read(const char *path, size_t most, bool is_private,
                  struct tnm_error *err) TNM_MUST_CHECK;
void secret_free(char *text);

#endif
