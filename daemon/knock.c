/* SPDX-License-Identifier: MIT */
// A request to oneself.
#include "daemon/knock.h"

#include "daemon/tls.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ANSWER_MS = 2000 };

static const char request[] = "GET /healthz HTTP/1.0\r\n\r\n";

// How many bytes of the reply came.
static int ask(int fd, char *reply, size_t size) {
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    if (send(fd, request, sizeof request - 1, MSG_NOSIGNAL) <= 0 || poll(&wait, 1, ANSWER_MS) <= 0)
        return -1;
    return (int)recv(fd, reply, size, 0);
}

bool knock_answered(acceptor_take *take, void *argument, bool tls) {
    const struct sockaddr local = {.sa_family = AF_UNIX};
    char reply[4096];
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0)
        return false;
    take(argument, ends[1], &local, sizeof local.sa_family);
    int got = tls ? tls_ask(ends[0], request, sizeof request - 1, reply, sizeof reply, ANSWER_MS)
                  : ask(ends[0], reply, sizeof reply);
    close(ends[0]);
    return got >= 12 && memcmp(reply + 9, "200", 3) == 0;
}
