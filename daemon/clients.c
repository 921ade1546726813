/* SPDX-License-Identifier: MIT */
// A small hash table under a lock: it is looked at once a connection, not once a request.
#include "daemon/clients.h"

#include "daemon/clock.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { N_CHAINS = 256, MOST_ABSENT = 4096 };

static const uint64_t second = 1000000000;

// IPv4 in the first four bytes, the rest zero.
struct address {
    uint8_t byte[16];
};

struct client {
    struct client *next;
    struct address address;
    const struct client_limits *limits;
    unsigned connections; // 0: absent, but remembered
    atomic_uint in_work;
    // When all requests so far would have come if they had come at the allowed rate: the "virtual
    // scheduling" form of the leaky bucket (ITU-T I.371), which is a single number.
    _Atomic uint64_t even_ns;
};

struct clients {
    pthread_mutex_t lock;
    struct client_limits limits;
    unsigned n_absent;
    struct client *chain[N_CHAINS];
};

struct clients *clients_open(const struct client_limits *limits, struct tnm_error *err) {
    struct clients *clients = calloc(1, sizeof *clients);
    if (clients == NULL) {
        tnm_fail(err, TNM_ENOMEM, "no memory to count clients");
        return NULL;
    }
    pthread_mutex_init(&clients->lock, NULL);
    clients->limits = *limits;
    return clients;
}

void clients_close(struct clients *clients) {
    if (clients == NULL)
        return;
    for (size_t i = 0; i < N_CHAINS; i++)
        for (struct client *each = clients->chain[i], *next; each != NULL; each = next) {
            next = each->next;
            free(each);
        }
    pthread_mutex_destroy(&clients->lock);
    free(clients);
}

// ---- The table; all of this is called with the lock held ---------------------------------------

// False for what has no address.
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

static struct client **chain_of(struct clients *clients, const struct address *address) {
    unsigned sum = 0;
    for (size_t i = 0; i < sizeof address->byte; i++)
        sum = 31 * sum + address->byte[i];
    return &clients->chain[sum % N_CHAINS];
}

static struct client *find(struct clients *clients, const struct address *address) {
    struct client *each = *chain_of(clients, address);
    while (each != NULL && memcmp(&each->address, address, sizeof *address) != 0)
        each = each->next;
    return each;
}

// Nothing of it would matter if it came again.
static bool is_forgettable(const struct client *client, uint64_t now_ns) {
    return client->connections == 0 && atomic_load(&client->in_work) == 0 &&
           atomic_load(&client->even_ns) <= now_ns;
}

static void forget_some(struct clients *clients, struct client **chain) {
    uint64_t now = clock_ns();
    for (struct client **at = chain; *at != NULL;) {
        struct client *each = *at;
        if (is_forgettable(each, now)) {
            *at = each->next;
            clients->n_absent--;
            free(each);
        } else {
            at = &each->next;
        }
    }
}

static struct client *add(struct clients *clients, const struct address *address) {
    struct client **chain = chain_of(clients, address);
    forget_some(clients, chain);
    struct client *client = calloc(1, sizeof *client);
    if (client == NULL)
        return NULL;
    client->address = *address;
    client->limits = &clients->limits;
    client->next = *chain;
    *chain = client;
    clients->n_absent++;
    return client;
}

static void remove_client(struct clients *clients, struct client *client) {
    struct client **at = chain_of(clients, &client->address);
    while (*at != client)
        at = &(*at)->next;
    *at = client->next;
    free(client);
}

// ---- Connections -------------------------------------------------------------------------------

bool clients_enter(struct clients *clients, const struct sockaddr *from) {
    struct address address;
    if (!take_address(from, &address))
        return true;
    pthread_mutex_lock(&clients->lock);
    struct client *client = find(clients, &address);
    if (client == NULL)
        client = add(clients, &address);
    bool ok = client != NULL && client->connections < clients->limits.connections;
    if (ok && client->connections++ == 0)
        clients->n_absent--;
    pthread_mutex_unlock(&clients->lock);
    return ok;
}

void clients_leave(struct clients *clients, const struct sockaddr *from) {
    struct address address;
    if (!take_address(from, &address))
        return;
    pthread_mutex_lock(&clients->lock);
    struct client *client = find(clients, &address);
    if (client != NULL && --client->connections == 0) {
        if (clients->n_absent < MOST_ABSENT && !is_forgettable(client, clock_ns()))
            clients->n_absent++;
        else
            remove_client(clients, client);
    }
    pthread_mutex_unlock(&clients->lock);
}

struct client *clients_find(struct clients *clients, const struct sockaddr *from) {
    struct address address;
    if (!take_address(from, &address))
        return NULL;
    pthread_mutex_lock(&clients->lock);
    struct client *client = find(clients, &address);
    pthread_mutex_unlock(&clients->lock);
    return client;
}

// ---- Requests ----------------------------------------------------------------------------------

bool client_may_ask(struct client *client, uint64_t now_ns, unsigned *seconds) {
    if (client == NULL || client->limits->per_second == 0)
        return true;
    uint64_t step = second / client->limits->per_second;
    uint64_t even = atomic_load(&client->even_ns), after;
    do {
        after = (even > now_ns ? even : now_ns) + step;
        if (after > now_ns + second) {
            *seconds = (unsigned)((after - now_ns - 1) / second);
            return false;
        }
    } while (!atomic_compare_exchange_weak(&client->even_ns, &even, after));
    return true;
}

bool client_begins(struct client *client) {
    if (client == NULL)
        return true;
    if (atomic_fetch_add(&client->in_work, 1) < client->limits->in_work)
        return true;
    atomic_fetch_sub(&client->in_work, 1);
    return false;
}

void client_finishes(struct client *client) {
    if (client != NULL)
        atomic_fetch_sub(&client->in_work, 1);
}
