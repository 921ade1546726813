/* SPDX-License-Identifier: MIT */
// The socket that the daemon opens itself, where systemd passed none.
#ifndef LISTEN_H
#define LISTEN_H

#include "core/error.h"

enum { LISTEN_NAME_BYTES = 128 };

// Whether text is ADDR:PORT: an IPv4 address, an IPv6 address in brackets, or localhost; and a
// port from 0 to 65535.
bool listen_check(const char *text, struct tnm_error *err) TNM_MUST_CHECK;

// Opens, binds and listens. Port 0 picks a free one. TNM_EINPUT as listen_check, TNM_EIO.
bool listen_open(const char *text, int *fd, struct tnm_error *err) TNM_MUST_CHECK;

// Where fd really listens, as ADDR:PORT or as the path of a local socket.
void listen_name(int fd, char name[LISTEN_NAME_BYTES]);

#endif
