/* SPDX-License-Identifier: MIT */
// The HTTP client of client.h.
#include "tests/client.h"

#include "tests/secure.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

bool client_over_tls;

bool client_open(struct client *client, uint16_t port) {
    return client_open_from(client, NULL, port);
}

bool client_open_from(struct client *client, const char *from, uint16_t port) {
    *client = (struct client){
        .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), .port = port, .timeout_ms = 20000};
    struct sockaddr_in own = {.sin_family = AF_INET},
                       address = {.sin_family = AF_INET,
                                  .sin_port = htons(port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1;
    bool ok = client->fd >= 0;
    if (ok && from != NULL)
        ok = inet_pton(AF_INET, from, &own.sin_addr) == 1 &&
             bind(client->fd, (struct sockaddr *)&own, sizeof own) == 0;
    ok = ok && connect(client->fd, (struct sockaddr *)&address, sizeof address) == 0 &&
         setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0;
    if (ok && client_over_tls)
        ok = (client->secure = secure_open(client->fd, NULL, client->timeout_ms)) != NULL;
    if (!ok)
        client_close(client);
    return ok;
}

void client_close(struct client *client) {
    secure_close(client->secure);
    if (client->fd >= 0)
        close(client->fd);
    free(client->held);
    *client = (struct client){.fd = -1};
}

bool client_send(struct client *client, const void *bytes, size_t len) {
    if (client->secure != NULL)
        return secure_send(client->secure, bytes, len);
    const char *at = bytes;
    while (len > 0) {
        ssize_t sent = send(client->fd, at, len, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        at += sent;
        len -= (size_t)sent;
    }
    return true;
}

bool client_printf(struct client *client, const char *format, ...) {
    char *text = NULL;
    va_list args;
    va_start(args, format);
    int len = vasprintf(&text, format, args);
    va_end(args);
    bool ok = len >= 0 && client_send(client, text, (size_t)len);
    free(text);
    return ok;
}

bool client_send_split(struct client *client, const void *bytes, size_t len, size_t piece) {
    const char *at = bytes;
    while (len > 0) {
        size_t n = len < piece ? len : piece;
        if (!client_send(client, at, n))
            return false;
        at += n;
        len -= n;
    }
    return true;
}

static bool is_readable(struct client *client) {
    struct pollfd wait = {.fd = client->fd, .events = POLLIN};
    return (client->secure != NULL && secure_waits(client->secure)) ||
           poll(&wait, 1, (int)client->timeout_ms) > 0;
}

static ssize_t receive(struct client *client, void *bytes, size_t len) {
    return client->secure != NULL ? secure_recv(client->secure, bytes, len)
                                  : recv(client->fd, bytes, len, 0);
}

// Waits for bytes and adds them to held. 0 at the end, -1 at an error or after the time.
static ssize_t receive_more(struct client *client) {
    if (!is_readable(client))
        return -1;
    char *grown = realloc(client->held, client->n_held + 65536 + 1);
    if (grown == NULL)
        return -1;
    client->held = grown;
    ssize_t got = receive(client, client->held + client->n_held, 65536);
    if (got > 0)
        client->n_held += (size_t)got;
    client->held[client->n_held] = 0;
    return got;
}

bool client_sees_end(struct client *client) {
    if (client->n_held > 0)
        return false;
    char byte;
    return is_readable(client) && receive(client, &byte, 1) <= 0;
}

// Takes n bytes from the front of held, as a string of their own.
static char *take_held(struct client *client, size_t n) {
    char *taken = malloc(n + 1);
    if (taken == NULL)
        abort();
    if (n > 0)
        memcpy(taken, client->held, n);
    taken[n] = 0;
    client->n_held -= n;
    if (client->n_held > 0)
        memmove(client->held, client->held + n, client->n_held);
    if (client->held != NULL)
        client->held[client->n_held] = 0;
    return taken;
}

static const char *find_header(const struct answer *answer, const char *name, const char *from) {
    size_t len = strlen(name);
    for (const char *line = strstr(from, "\r\n"); line != NULL; line = strstr(line + 2, "\r\n"))
        if (strncasecmp(line + 2, name, len) == 0 && line[2 + len] == ':')
            return line + 2;
    (void)answer;
    return NULL;
}

const char *answer_header(const struct answer *answer, const char *name) {
    static _Thread_local char value[4096];
    const char *line = answer->head != NULL ? find_header(answer, name, answer->head) : NULL;
    if (line == NULL)
        return NULL;
    line += strlen(name) + 1;
    line += strspn(line, " ");
    snprintf(value, sizeof value, "%.*s", (int)strcspn(line, "\r"), line);
    return value;
}

unsigned answer_header_count(const struct answer *answer, const char *name) {
    unsigned n = 0;
    for (const char *at = find_header(answer, name, answer->head); at != NULL;
         at = find_header(answer, name, at))
        n++;
    return n;
}

// How many bytes the body has: from Content-Length, none, or (SIZE_MAX) all until the end.
static size_t body_length(const struct answer *answer, bool head) {
    const char *length = answer_header(answer, "Content-Length");
    if (head || answer->status < 200 || answer->status == 204 || answer->status == 304)
        return 0;
    return length != NULL ? strtoul(length, NULL, 10) : SIZE_MAX;
}

bool client_read(struct client *client, struct answer *answer, bool head) {
    *answer = (struct answer){0};
    const char *end;
    while (client->n_held == 0 || (end = strstr(client->held, "\r\n\r\n")) == NULL)
        if (receive_more(client) <= 0)
            return false;
    answer->head = take_held(client, (size_t)(end - client->held) + 4);
    if (sscanf(answer->head, "HTTP/1.%*1[01] %3d ", &answer->status) != 1) {
        answer_free(answer);
        return false;
    }
    const char *connection = answer_header(answer, "Connection");
    answer->closes = connection != NULL && strcasecmp(connection, "close") == 0;
    size_t len = body_length(answer, head);
    while (client->n_held < len) {
        ssize_t got = receive_more(client);
        if (got == 0 && len == SIZE_MAX) {
            len = client->n_held;
        } else if (got <= 0) {
            answer_free(answer);
            return false;
        }
    }
    answer->body_len = len;
    answer->body = take_held(client, len);
    return true;
}

bool client_request(struct client *client, const char *method, const char *path,
                    const char *headers, const char *type, const void *body, size_t len,
                    struct answer *answer) {
    *answer = (struct answer){0};
    bool has_body = body != NULL || strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0;
    char length[64] = "";
    if (has_body)
        snprintf(length, sizeof length, "Content-Length: %zu\r\n", len);
    char *head = NULL;
    int head_len =
        asprintf(&head, "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n%s%s%s%s%s\r\n", method, path,
                 client->port, type != NULL ? "Content-Type: " : "", type != NULL ? type : "",
                 type != NULL ? "\r\n" : "", length, headers != NULL ? headers : "");
    if (head_len < 0)
        abort();
    char *all = realloc(head, (size_t)head_len + len);
    if (all == NULL)
        abort();
    if (len > 0)
        memcpy(all + head_len, body, len);
    // A server may refuse early and stop reading: the answer counts, not the sending.
    (void)client_send(client, all, (size_t)head_len + len);
    free(all);
    return client_read(client, answer, strcmp(method, "HEAD") == 0);
}

bool client_get(struct client *client, const char *path, struct answer *answer) {
    return client_request(client, "GET", path, NULL, NULL, NULL, 0, answer);
}

bool client_post(struct client *client, const char *path, const char *type, const void *body,
                 size_t len, struct answer *answer) {
    return client_request(client, "POST", path, NULL, type, body, len, answer);
}

bool request_once(uint16_t port, const char *method, const char *path, const char *headers,
                  const char *type, const void *body, size_t len, struct answer *answer) {
    struct client client;
    *answer = (struct answer){0};
    if (!client_open(&client, port))
        return false;
    bool ok = client_request(&client, method, path, headers, type, body, len, answer);
    client_close(&client);
    return ok;
}

void answer_free(struct answer *answer) {
    free(answer->head);
    free(answer->body);
    *answer = (struct answer){0};
}
