/* SPDX-License-Identifier: MIT */
// The daemon on a listening socket that outlives it, as systemd runs it.
#ifndef TEST_HANDED_H
#define TEST_HANDED_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { HANDED_ALONE_FAILED = 77 }; // exit status where alone cannot be had

// A socket that listens on 127.0.0.1.
int handed_listen(uint16_t *port);

// Starts the daemon with args (NULL-terminated) and the socket as descriptor 3, without waiting for
// it. alone: where there is no network, as PrivateNetwork= has it. variable: NOTIFY_SOCKET=..., or
// NULL. What it writes goes nowhere, or to stderr with $TNM_VERBOSE.
pid_t handed_start(int socket_fd, const char *const *args, bool alone, char *variable);

#endif
