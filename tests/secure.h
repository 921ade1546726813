/* SPDX-License-Identifier: MIT */
// TLS for tests: certificates made on the spot, and a client's session on a socket.
#ifndef TEST_SECURE_H
#define TEST_SECURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// Writes a certificate for localhost, signed with its own new P-256 key, as PEM: valid from a day
// ago for so many seconds from now on, which may be negative. Ends the test on failure.
void certificate_write(const char *certificate, const char *key, int seconds);

// The same, signed by another that is made for it. chain holds both.
void certificate_write_chain(const char *certificate, const char *key, const char *chain);

struct secure;

// A handshake as a client on fd, at most timeout_ms for each step. priorities: GnuTLS's, NULL for
// its own. Who the server is is not checked. NULL where it fails.
struct secure *secure_open(int fd, const char *priorities, unsigned timeout_ms);
void secure_close(struct secure *secure);

// SHA-256 of the certificate that the server showed; how many more it sent.
unsigned secure_peer(struct secure *secure, uint8_t digest[32]);

// The same of a file in PEM.
void certificate_digest(const char *path, uint8_t digest[32]);

// As send and recv. secure_waits: bytes are here that poll does not see.
bool secure_send(struct secure *secure, const void *bytes, size_t len);
ssize_t secure_recv(struct secure *secure, void *bytes, size_t len);
bool secure_waits(const struct secure *secure);

#endif
