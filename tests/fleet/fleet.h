/* SPDX-License-Identifier: MIT */
// Three daemons with models of their own, and a real HAProxy before them that runs conf/haproxy.cfg
// with other addresses. All of it on 127.0.0.1 at free ports, and it ends with the test.
#ifndef TEST_FLEET_H
#define TEST_FLEET_H

#include "tests/daemon_run.h"
#include "tests/load.h"

enum { FLEET_SERVERS = 3, FLEET_WAIT_MS = 30000 };

struct fleet {
    const char *folder;
    struct made made[LOAD_MODELS];
    char models[FLEET_SERVERS][4096]; // folder of each
    struct daemon_run server[FLEET_SERVERS];
    uint16_t at[FLEET_SERVERS]; // where each listens, or HAProxy looks for it
    pid_t haproxy;
    uint16_t port, state_port; // of HAProxy: for requests, and its own state
};

// Each daemon has the models "a" (made_model(0), active) and "b" (made_model(1)). at holds 0, or
// where HAProxy shall look instead of starting a daemon.
void fleet_start(struct fleet *fleet);

// HAProxy must have been alive. Ends all that runs.
void fleet_stop(struct fleet *fleet);

// Starts a daemon that has ended again, where it was.
void fleet_restart(struct fleet *fleet, unsigned server);

// Puts a model into a daemon's folder, under its name in use or another.
void fleet_put(struct fleet *fleet, unsigned server, const char *name, const struct made *model);

// Waits until HAProxy takes a server for "UP" or "DOWN".
void fleet_wait_for(struct fleet *fleet, unsigned server, const char *state);

// Requests HAProxy has given to a server so far.
unsigned fleet_asked(struct fleet *fleet, unsigned server);

#endif
