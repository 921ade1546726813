/* SPDX-License-Identifier: MIT */
// The thread that accepts connections. The HTTP library could do so itself, but at its limit it
// silently stops accepting, when it stops it shuts the listening socket down for every process that
// shares it, and telling a pool of its threads to leave the socket alone first (quiesce) is a race
// that ends in abort(). All of this is with 0.9.75.
#ifndef ACCEPTOR_H
#define ACCEPTOR_H

#include "core/error.h"

#include <sys/socket.h>

struct acceptor;

// Hands each connection to take, which owns fd from then on.
typedef void acceptor_take(void *argument, int fd, const struct sockaddr *address, socklen_t len);

struct acceptor *acceptor_start(int listen_fd, acceptor_take *take, void *argument,
                                struct tnm_error *err) TNM_MUST_CHECK;

// No connection is taken any more once this returns; listen_fd stays as it is.
void acceptor_stop(struct acceptor *acceptor);

#endif
