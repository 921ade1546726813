/* SPDX-License-Identifier: MIT */
// The HTTP server: the only file, beside tls.c, that knows libmicrohttpd. It reads whole requests
// within limits, refuses what is malformed, hands plain data to the routes, and sends what they
// return.
#ifndef HTTP_H
#define HTTP_H

#include "daemon/options.h"
#include "daemon/shelf.h"

struct http;

// Starts serving on listen_fd (bound and listening; owned by the caller, who closes it after
// http_stop). options, shelf and stats must outlive it.
struct http *http_start(int listen_fd, const struct options *options, struct shelf *shelf,
                        struct stats *stats, struct tnm_error *err) TNM_MUST_CHECK;

// Readiness goes first: /readyz answers 503 from here on, everything else goes on.
void http_drain(struct http *http);

// Reads tokens and certificate anew. Where that fails, the log says why, and the old ones stay.
void http_reload(struct http *http);

// Stops accepting (MHD_quiesce_daemon: the listening socket stays usable for the next process),
// lets requests in flight finish for at most timeout_s, then stops. True if all finished.
bool http_stop(struct http *http, unsigned timeout_s);

// Requests answered since the start, and in work now.
void http_counts(const struct http *http, uint64_t *answered, unsigned *in_work);

// Asks the server itself for /healthz's answer through its own threads: the watchdog's proof of
// life. Over a socketpair (MHD_add_connection), as the unit forbids the daemon to open or reach any
// IP socket by itself. Waits a second at most.
bool http_alive(struct http *http);

#endif
