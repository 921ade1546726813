/* SPDX-License-Identifier: MIT */
// Asking one's own server whether it answers.
#ifndef KNOCK_H
#define KNOCK_H

#include <stdbool.h>

// Connects to where listen_fd listens, and asks for /healthz. True for an answer of 200 within two
// seconds.
bool knock_answered(int listen_fd);

#endif
