/* SPDX-License-Identifier: MIT */
// What libmicrohttpd answers by itself, turned into replies of ours.
#include "daemon/reply.h"

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

// The library refuses what it cannot parse before any callback, with a page in HTML, and sends the
// head of that reply twice when Content-Length is no number. It has no hook for that; but it sends
// through sendmsg(), and this definition comes before libc's. Everything passes but those pages.
// Without it (a static library) they would go out as they are.
ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    const struct iovec *part = message->msg_iov;
    if (message->msg_iovlen != 2 || part[1].iov_len < 6 ||
        memcmp(part[1].iov_base, "<html>", 6) != 0)
        return syscall(SYS_sendmsg, fd, message, flags);
    struct request_fault fault = find_refusal(part[0].iov_base, part[0].iov_len);
    char text[512];
    size_t len = reply_write_bare(text, sizeof text, fault.status, fault.code, fault.text, "-");
    ssize_t sent = send(fd, text, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    return sent < 0 ? sent : (ssize_t)(part[0].iov_len + part[1].iov_len);
}
