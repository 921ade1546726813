/* SPDX-License-Identifier: MIT */
// A request to oneself.
#include "daemon/knock.h"

#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ANSWER_MS = 2000 };

// The loopback address where it listens on all addresses.
static int connect_to(int listen_fd) {
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof address;
    if (getsockname(listen_fd, (struct sockaddr *)&address, &len) != 0)
        return -1;
    struct sockaddr_in *v4 = (struct sockaddr_in *)&address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&address;
    if (address.ss_family == AF_INET && v4->sin_addr.s_addr == htonl(INADDR_ANY))
        v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (address.ss_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr))
        v6->sin6_addr = in6addr_loopback;
    int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, len) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

bool knock_answered(int listen_fd) {
    static const char request[] = "GET /healthz HTTP/1.0\r\n\r\n";
    char reply[16];
    int fd = connect_to(listen_fd);
    if (fd < 0)
        return false;
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    bool answered = send(fd, request, sizeof request - 1, MSG_NOSIGNAL) == sizeof request - 1 &&
                    poll(&wait, 1, ANSWER_MS) > 0 && recv(fd, reply, sizeof reply, 0) >= 12 &&
                    memcmp(reply + 9, "200", 3) == 0;
    close(fd);
    return answered;
}
