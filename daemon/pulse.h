/* SPDX-License-Identifier: MIT */
// Whether the daemon does its work, and what it does, in one line.
#ifndef PULSE_H
#define PULSE_H

#include "daemon/http.h"

#include <time.h>

// True while the HTTP threads answer and the active model, if there is one, computes: a blank input
// must give finite logits, twice the same.
bool pulse_good(struct shelf *shelf, struct http *http);

// "mnist-mlp-5bit: 21034 bytes, 94.01 % pruned, generation 4; 120 requests answered"
enum { PULSE_STATUS_BYTES = 256 };
void pulse_status(struct shelf *shelf, const struct http *http, char text[PULSE_STATUS_BYTES]);

// Tells systemd: ready, with the status line.
void pulse_ready(struct shelf *shelf, const struct http *http);

// How often to call pulse_beat: twice as often as the watchdog wants, and every two seconds.
struct timespec pulse_interval(void);

// Tells systemd the status line and, if pulse_good, that the daemon lives. *well is what came out
// last time, so that a change is logged once.
void pulse_beat(struct shelf *shelf, struct http *http, bool *well);

#endif
