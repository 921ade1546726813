/* SPDX-License-Identifier: MIT */
// What libmicrohttpd answers by itself, turned into replies of ours.
#include "daemon/no_tls.h"
#include "daemon/reply.h"

#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

// Status and words of the library's own refusals; others of its texts stay "malformed".
static const struct request_fault own_refusals[] = {
    {413, "body_too_large", "the length of the body is out of all bounds"},
    {414, "uri_too_long", "the request line is too long"},
    {431, "headers_too_large", "the header is longer than 16 KiB"},
    {500, "internal", "the request could not be handled"},
    {505, "version_not_supported", "only HTTP/1.0 and HTTP/1.1 are spoken here"},
    {400, "malformed", "this is not a well-formed HTTP request"},
};

static struct request_fault find_refusal(const char *head, size_t len) {
    unsigned status = 400;
    if (len >= 12 && memcmp(head, "HTTP/1.", 7) == 0)
        status = (unsigned)strtoul(head + 9, NULL, 10);
    size_t i = 0, last = sizeof own_refusals / sizeof own_refusals[0] - 1;
    while (i < last && own_refusals[i].status != status)
        i++;
    return own_refusals[i];
}

static size_t write_refusal(char text[512], const char *head, size_t len) {
    struct request_fault fault = find_refusal(head, len);
    return reply_write_bare(text, 512, fault.status, fault.code, fault.text, "-");
}

static bool is_page(const char *bytes, size_t len) {
    return len >= 6 && memcmp(bytes, "<html>", 6) == 0; // no reply of ours begins like this
}

// The library refuses what it cannot parse before any callback, with a page in HTML, and sends the
// head of that reply twice when Content-Length is no number. It has no hook for that; but it sends
// through sendmsg(), and this definition comes before libc's. Everything passes but those pages.
// Without it (a static library) they would go out as they are.
ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    const struct iovec *part = message->msg_iov;
    if (message->msg_iovlen != 2 || !is_page(part[1].iov_base, part[1].iov_len))
        return syscall(SYS_sendmsg, fd, message, flags);
    char text[512];
    size_t len = write_refusal(text, part[0].iov_base, part[0].iov_len);
    ssize_t sent = send(fd, text, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    return sent < 0 ? sent : (ssize_t)(part[0].iov_len + part[1].iov_len);
}

// ---- The same over TLS -------------------------------------------------------------------------

// The head goes out first and alone. Every reply of ours has an id in its head, the library's none.
static bool is_own_head(const char *bytes, size_t len) {
    return len > 12 && memcmp(bytes, "HTTP/1.1 ", 9) == 0 && bytes[9] >= '4' &&
           memmem(bytes, len, "\r\nX-Request-Id:", 15) == NULL;
}

ssize_t gnutls_record_send(gnutls_session_t session, const void *bytes, size_t len) {
    ssize_t (*pass)(gnutls_session_t, const void *, size_t) =
        (ssize_t(*)(gnutls_session_t, const void *, size_t))library_function("gnutls_record_send");
    if (is_page(bytes, len))
        return (ssize_t)len;
    if (!is_own_head(bytes, len))
        return pass(session, bytes, len);
    char text[512];
    ssize_t sent = pass(session, text, write_refusal(text, bytes, len));
    return sent < 0 ? sent : (ssize_t)len;
}

// A client who speaks plain HTTP where TLS is expected: half the browsers' users forget the "s".
static void answer_plain(int fd) {
    char text[4096]; // what has come is read, or the client would not get to see the answer
    (void)!recv(fd, text, sizeof text, MSG_DONTWAIT);
    size_t len = reply_write_bare(text, sizeof text, 400, "tls_required",
                                  "this port speaks TLS: the address begins with https://", "-");
    (void)!send(fd, text, len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static bool is_plain_http(int fd) {
    static const char *const methods[] = {"GET ", "POST", "PUT ", "HEAD", "DELE", "OPTI"};
    char first[4];
    if (recv(fd, first, sizeof first, MSG_PEEK | MSG_DONTWAIT) != (ssize_t)sizeof first)
        return false;
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        if (memcmp(first, methods[i], sizeof first) == 0)
            return true;
    return false;
}

int gnutls_handshake(gnutls_session_t session) {
    int (*pass)(gnutls_session_t) = (int (*)(gnutls_session_t))library_function("gnutls_handshake");
    int fd = gnutls_transport_get_int(session);
    if ((int)gnutls_handshake_get_last_in(session) >= 0 || !is_plain_http(fd))
        return pass(session);
    answer_plain(fd);
    return GNUTLS_E_UNEXPECTED_PACKET;
}
