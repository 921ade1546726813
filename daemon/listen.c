/* SPDX-License-Identifier: MIT */
// ADDR:PORT to a listening socket and back.
#include "daemon/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct address {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_un local;
    };
    socklen_t len;
};

static bool parse_port(const char *text, uint16_t *port) {
    char *end;
    if (*text < '0' || *text > '9')
        return false;
    unsigned long value = strtoul(text, &end, 10);
    *port = htons((uint16_t)value);
    return *end == '\0' && value <= 65535;
}

static bool parse_host(const char *host, struct address *a) {
    size_t len = strlen(host);
    if (len >= 2 && host[0] == '[' && host[len - 1] == ']') {
        char inner[INET6_ADDRSTRLEN];
        if (len - 2 >= sizeof inner)
            return false;
        memcpy(inner, host + 1, len - 2);
        inner[len - 2] = '\0';
        a->v6.sin6_family = AF_INET6;
        a->len = sizeof a->v6;
        return inet_pton(AF_INET6, inner, &a->v6.sin6_addr) == 1;
    }
    a->v4.sin_family = AF_INET;
    a->len = sizeof a->v4;
    return inet_pton(AF_INET, strcmp(host, "localhost") == 0 ? "127.0.0.1" : host,
                     &a->v4.sin_addr) == 1;
}

static bool parse(const char *text, struct address *a, struct tnm_error *err) {
    memset(a, 0, sizeof *a);
    const char *colon = strrchr(text, ':');
    char host[LISTEN_NAME_BYTES];
    uint16_t port = 0;
    size_t len = colon != NULL ? (size_t)(colon - text) : 0;
    if (colon == NULL || len >= sizeof host || !parse_port(colon + 1, &port))
        return tnm_fail(err, TNM_EINPUT, "\"%s\" is not ADDR:PORT with a port from 0 to 65535",
                        text);
    memcpy(host, text, len);
    host[len] = '\0';
    if (!parse_host(host, a))
        return tnm_fail(err, TNM_EINPUT,
                        "\"%s\" does not begin with an IPv4 address or an IPv6 address in brackets",
                        text);
    if (a->any.sa_family == AF_INET6)
        a->v6.sin6_port = port;
    else
        a->v4.sin_port = port;
    return true;
}

bool listen_check(const char *text, struct tnm_error *err) {
    struct address a;
    return parse(text, &a, err);
}

bool listen_open(const char *text, int *fd, struct tnm_error *err) {
    struct address a;
    *fd = -1;
    if (!parse(text, &a, err))
        return false;
    int s = socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (s < 0)
        return tnm_fail_errno(err, errno, "listen = %s", text);
    // So that a restart need not wait until the kernel has forgotten old connections.
    int on = 1;
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(s, &a.any, a.len) != 0 || listen(s, SOMAXCONN) != 0) {
        tnm_fail_errno(err, errno, "listen = %s", text);
        close(s);
        return false;
    }
    *fd = s;
    return true;
}

void listen_name(int fd, char name[LISTEN_NAME_BYTES]) {
    struct address a = {.len = sizeof(struct sockaddr_un)};
    char host[INET6_ADDRSTRLEN] = "?";
    snprintf(name, LISTEN_NAME_BYTES, "an unknown socket");
    if (getsockname(fd, &a.any, &a.len) != 0)
        return;
    if (a.any.sa_family == AF_INET) {
        inet_ntop(AF_INET, &a.v4.sin_addr, host, sizeof host);
        snprintf(name, LISTEN_NAME_BYTES, "%s:%u", host, ntohs(a.v4.sin_port));
    } else if (a.any.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &a.v6.sin6_addr, host, sizeof host);
        snprintf(name, LISTEN_NAME_BYTES, "[%s]:%u", host, ntohs(a.v6.sin6_port));
    } else if (a.any.sa_family == AF_UNIX) {
        snprintf(name, LISTEN_NAME_BYTES, "%s", a.local.sun_path);
    }
}
