/* SPDX-License-Identifier: MIT */
// What each client takes of the daemon: connections, requests in work, requests a second. A client
// is an address.
#ifndef CLIENTS_H
#define CLIENTS_H

#include "core/error.h"

#include <sys/socket.h>

struct client_limits {
    unsigned connections; // open at once
    unsigned in_work;     // requests at once
    unsigned per_second;  // requests, after as many at once; 0: no limit
};

struct clients;
struct client;

struct clients *clients_open(const struct client_limits *limits,
                             struct tnm_error *err) TNM_MUST_CHECK;
void clients_close(struct clients *clients);

// One connection more from address. False where it has its share already, or for want of memory.
bool clients_enter(struct clients *clients, const struct sockaddr *address) TNM_MUST_CHECK;

// One less; what clients_enter let in. Who has used its requests of a second is remembered until
// they would be back, so that a new connection brings no new ones; a few thousand at most.
void clients_leave(struct clients *clients, const struct sockaddr *address);

// Who it is, between enter and leave. NULL for what has no address: the daemon's own knock. The
// calls below take NULL, and grant.
struct client *clients_find(struct clients *clients, const struct sockaddr *address);

// One request more at now_ns. True, or the seconds, rounded up, until there is one again.
bool client_may_ask(struct client *client, uint64_t now_ns, unsigned *seconds) TNM_MUST_CHECK;

// One request more in work; false where it has its share. client_finishes takes it off again.
bool client_begins(struct client *client) TNM_MUST_CHECK;
void client_finishes(struct client *client);

#endif
