/* SPDX-License-Identifier: MIT */
// One thread, one request a connection: as little as a server can be.
#include "tests/fleet/impostor.h"

#include <arpa/inet.h>
#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

static const char healthy[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

// All of the request: its head, and as much body as that says. False where it ends before.
static bool read_request(int fd, char *text, size_t size) {
    size_t len = 0, want = 0;
    while (want == 0 || len < want) {
        ssize_t got = len + 1 < size ? recv(fd, text + len, size - 1 - len, 0) : 0;
        if (got <= 0)
            return false;
        text[len += (size_t)got] = '\0';
        const char *end = strstr(text, "\r\n\r\n"), *length = strcasestr(text, "content-length:");
        if (end != NULL)
            want = (size_t)(end + 4 - text) + (length != NULL ? strtoul(length + 15, NULL, 10) : 0);
    }
    return true;
}

static void serve_one(struct impostor *impostor, int fd) {
    char text[8192];
    if (!read_request(fd, text, sizeof text))
        return;
    const char *answer = healthy;
    if (strncmp(text, "GET /readyz ", 12) != 0) {
        answer = impostor->answer;
        pthread_mutex_lock(&impostor->lock);
        memcpy(impostor->head, text, sizeof text);
        pthread_mutex_unlock(&impostor->lock);
        impostor->asked++;
    }
    if (answer != NULL)
        (void)send(fd, answer, strlen(answer), MSG_NOSIGNAL);
    shutdown(fd, SHUT_WR);
}

static void *serve(void *arg) {
    struct impostor *impostor = arg;
    for (int fd; (fd = accept(impostor->fd, NULL, NULL)) >= 0; close(fd))
        serve_one(impostor, fd);
    return NULL;
}

void impostor_start(struct impostor *impostor, const char *answer) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    *impostor = (struct impostor){.answer = answer, .fd = socket(AF_INET, SOCK_STREAM, 0)};
    pthread_mutex_init(&impostor->lock, NULL);
    ck_assert_int_eq(bind(impostor->fd, (const struct sockaddr *)&at, sizeof at), 0);
    ck_assert_int_eq(listen(impostor->fd, 64), 0);
    ck_assert_int_eq(getsockname(impostor->fd, (struct sockaddr *)&at, &len), 0);
    impostor->port = ntohs(at.sin_port);
    ck_assert_int_eq(pthread_create(&impostor->thread, NULL, serve, impostor), 0);
}

void impostor_stop(struct impostor *impostor) {
    shutdown(impostor->fd, SHUT_RDWR); // accept returns
    pthread_join(impostor->thread, NULL);
    close(impostor->fd);
}
