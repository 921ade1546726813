/* SPDX-License-Identifier: MIT */
// How many connections each client has open. A client is an address.
#ifndef CLIENTS_H
#define CLIENTS_H

#include "core/error.h"

#include <sys/socket.h>

struct clients;

struct clients *clients_open(unsigned most_each, struct tnm_error *err) TNM_MUST_CHECK;
void clients_close(struct clients *clients);

// One connection more from address. False where it has most_each already, or for want of memory.
bool clients_enter(struct clients *clients, const struct sockaddr *address) TNM_MUST_CHECK;

// One less; what clients_enter let in.
void clients_leave(struct clients *clients, const struct sockaddr *address);

#endif
