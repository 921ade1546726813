/* SPDX-License-Identifier: MIT */
// systemd: ready, status, reloading, stopping, watchdog, a socket passed in. All do nothing without
// it.
#ifndef SERVICE_H
#define SERVICE_H

#include "core/error.h"

// The first stream socket that systemd passed, or -1 with no error when it passed none.
// TNM_EINPUT where it passed something else.
bool service_socket(int *fd, struct tnm_error *err) TNM_MUST_CHECK;

bool service_present(void); // whether systemd wants to be told

void service_ready(const char *status);
void service_status(const char *status);
void service_reloading(void); // RELOADING=1 with MONOTONIC_USEC; then service_ready again
void service_stopping(void);

// Microseconds between pings that systemd expects at most; 0: no watchdog.
uint64_t service_watchdog_us(void);
void service_ping(void);

#endif
