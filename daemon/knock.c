/* SPDX-License-Identifier: MIT */
// A request to oneself.
#include "daemon/knock.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ANSWER_MS = 2000 };

bool knock_answered(acceptor_take *take, void *argument) {
    static const char request[] = "GET /healthz HTTP/1.0\r\n\r\n";
    const struct sockaddr local = {.sa_family = AF_UNIX};
    char reply[16];
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0)
        return false;
    take(argument, ends[1], &local, sizeof local.sa_family);
    struct pollfd wait = {.fd = ends[0], .events = POLLIN};
    bool answered = send(ends[0], request, sizeof request - 1, MSG_NOSIGNAL) > 0 &&
                    poll(&wait, 1, ANSWER_MS) > 0 && recv(ends[0], reply, sizeof reply, 0) >= 12 &&
                    memcmp(reply + 9, "200", 3) == 0;
    close(ends[0]);
    return answered;
}
