/* SPDX-License-Identifier: MIT */
// A short list under a lock: it is looked at once a connection, not once a request.
#include "daemon/clients.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

// IPv4 in the first four bytes, the rest zero.
struct address {
    uint8_t byte[16];
};

struct client {
    struct address address;
    unsigned connections;
};

struct clients {
    pthread_mutex_t lock;
    unsigned most_each;
    size_t n, room;
    struct client *at;
};

struct clients *clients_open(unsigned most_each, struct tnm_error *err) {
    struct clients *clients = calloc(1, sizeof *clients);
    if (clients == NULL) {
        tnm_fail(err, TNM_ENOMEM, "no memory to count clients");
        return NULL;
    }
    pthread_mutex_init(&clients->lock, NULL);
    clients->most_each = most_each;
    return clients;
}

void clients_close(struct clients *clients) {
    if (clients == NULL)
        return;
    pthread_mutex_destroy(&clients->lock);
    free(clients->at);
    free(clients);
}

// False for what has no address: the daemon's own knock.
static bool take_address(const struct sockaddr *from, struct address *to) {
    *to = (struct address){{0}};
    if (from->sa_family == AF_INET)
        memcpy(to->byte, &((const struct sockaddr_in *)(const void *)from)->sin_addr, 4);
    else if (from->sa_family == AF_INET6)
        memcpy(to->byte, &((const struct sockaddr_in6 *)(const void *)from)->sin6_addr, 16);
    else
        return false;
    return true;
}

// Called with the lock held.
static struct client *find(struct clients *clients, const struct address *address) {
    for (size_t i = 0; i < clients->n; i++)
        if (memcmp(&clients->at[i].address, address, sizeof *address) == 0)
            return &clients->at[i];
    return NULL;
}

// Called with the lock held.
static struct client *add(struct clients *clients, const struct address *address) {
    if (clients->n == clients->room) {
        size_t room = 2 * clients->room + 16;
        struct client *grown = realloc(clients->at, room * sizeof *grown);
        if (grown == NULL)
            return NULL;
        clients->at = grown;
        clients->room = room;
    }
    clients->at[clients->n] = (struct client){*address, 0};
    return &clients->at[clients->n++];
}

bool clients_enter(struct clients *clients, const struct sockaddr *from) {
    struct address address;
    if (!take_address(from, &address))
        return true;
    pthread_mutex_lock(&clients->lock);
    struct client *client = find(clients, &address);
    if (client == NULL)
        client = add(clients, &address);
    bool ok = client != NULL && client->connections < clients->most_each;
    if (ok)
        client->connections++;
    pthread_mutex_unlock(&clients->lock);
    return ok;
}

void clients_leave(struct clients *clients, const struct sockaddr *from) {
    struct address address;
    if (!take_address(from, &address))
        return;
    pthread_mutex_lock(&clients->lock);
    struct client *client = find(clients, &address);
    if (client != NULL && --client->connections == 0)
        *client = clients->at[--clients->n];
    pthread_mutex_unlock(&clients->lock);
}
