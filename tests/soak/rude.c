/* SPDX-License-Identifier: MIT */
// Ways to go.
#include "tests/soak/rude.h"

#include "tests/client.h"

#include <check.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum { WAYS = 8, ROUND = 2 * WAYS };

// The end of a process that has not read all, or of a machine that has started anew.
static void reset(struct client *client) {
    struct linger at_once = {.l_onoff = 1};
    setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    client_close(client);
}

static void send_head(struct client *client, const char *method, const char *path, size_t len) {
    client_printf(client,
                  "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %zu\r\n"
                  "Content-Type: application/octet-stream\r\n\r\n",
                  method, path, len);
}

static void misbehave(struct client *client, unsigned way, const struct made *model) {
    uint8_t pixels[MADE_INPUTS];
    made_input(way, pixels);
    switch (way) {
    case 0: // nothing at all
        break;
    case 1: // half a head
        client_printf(client, "POST /classify HTTP/1.1\r\nHost: 127.");
        break;
    case 2: // half a body
        send_head(client, "POST", "/classify", sizeof pixels);
        client_send(client, pixels, sizeof pixels / 2);
        break;
    case 3: // a whole request, whose answer nobody reads
        send_head(client, "POST", "/classify", sizeof pixels);
        client_send(client, pixels, sizeof pixels);
        break;
    case 4: // half an upload
        send_head(client, "PUT", "/models/half", model->len);
        client_send(client, model->bytes, model->len / 2);
        break;
    case 5: // half a chunk of one
        client_printf(client,
                      "PUT /models/half HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                      "Transfer-Encoding: chunked\r\n\r\n%zx\r\n",
                      model->len);
        client_send(client, model->bytes, model->len / 2);
        break;
    case 6: // many in a row, and no answer read
        for (int i = 0; i < 8; i++) {
            send_head(client, "POST", "/classify", sizeof pixels);
            client_send(client, pixels, sizeof pixels);
        }
        break;
    default: // no more to send, half open, in the middle of a body
        send_head(client, "POST", "/classify", sizeof pixels);
        client_send(client, pixels, sizeof pixels / 2);
        shutdown(client->fd, SHUT_WR);
    }
}

static void *vanish(void *arg) {
    struct rude *rude = arg;
    while (!rude->stop) {
        struct client client;
        char from[16];
        unsigned n = rude->next++;
        snprintf(from, sizeof from, "127.0.0.%u", 2 + n % 8);
        if (!client_open_from(&client, from, rude->port))
            continue;
        misbehave(&client, n % WAYS, rude->model);
        if (n / ROUND % 2 == 1)
            poll(NULL, 0, 2); // the daemon has seen it
        if (n / WAYS % 2 == 0)
            reset(&client);
        else
            client_close(&client);
        rude->vanished++;
    }
    return NULL;
}

void rude_start(struct rude *rude, uint16_t port, const struct made *model) {
    *rude = (struct rude){.port = port, .model = model};
    for (unsigned i = 0; i < RUDE_CLIENTS; i++)
        ck_assert_int_eq(pthread_create(&rude->thread[i], NULL, vanish, rude), 0);
}

void rude_stop(struct rude *rude) {
    rude->stop = true;
    for (unsigned i = 0; i < RUDE_CLIENTS; i++)
        pthread_join(rude->thread[i], NULL);
}
