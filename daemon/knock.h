/* SPDX-License-Identifier: MIT */
// Asking one's own server whether it answers.
#ifndef KNOCK_H
#define KNOCK_H

#include "daemon/acceptor.h"

// Hands one end of a socket pair to take, as if it had been accepted, and asks for /healthz through
// the other. True for an answer of 200 within two seconds. No connection through the listening
// socket: the unit lets the daemon use a network socket that systemd passed, and open none.
bool knock_answered(acceptor_take *take, void *argument, bool tls);

#endif
