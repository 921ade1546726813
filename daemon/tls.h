/* SPDX-License-Identifier: MIT */
// TLS on the listening socket: certificate and key, read anew without a restart, and what
// libmicrohttpd is to be started with.
#ifndef TLS_H
#define TLS_H

#include "core/error.h"

struct tls;
struct identity; // a certificate and its key

// Versions and algorithms: TLS 1.2 and 1.3, nothing without forward secrecy.
#define TLS_PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-RSA:%SERVER_PRECEDENCE"

// Reads the certificate (PEM; those of its issuers may follow) and its private key (PEM, without a
// pass phrase). TNM_EIO, TNM_EINPUT (also where they do not belong together), TNM_ENOMEM. Logs
// until when the certificate is valid.
struct tls *tls_open(const char *certificate, const char *key,
                     struct tnm_error *err) TNM_MUST_CHECK;
void tls_close(struct tls *tls);

// Reads both files again. Connections that are open keep what they began with; if it fails, so do
// new ones.
bool tls_reload(struct tls *tls, struct tnm_error *err) TNM_MUST_CHECK;

// What MHD_OPTION_HTTPS_CERT_CALLBACK2 takes. The connections' contexts are struct exchange, whose
// tls is set.
void *tls_choice(void);

// Gives back what a connection held. identity may be NULL.
void tls_release(struct identity *identity);

// As a client on fd: a handshake, with no question who the server is, then the request; the
// reply's first bytes into reply, as many as there are at once or -1. Waits at most wait_ms for
// each step.
int tls_ask(int fd, const char *request, size_t len, char *reply, size_t size, int wait_ms);

#endif
