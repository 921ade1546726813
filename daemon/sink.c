/* SPDX-License-Identifier: MIT */
// A thread that reads what nobody wants.
#include "daemon/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 32, LASTS_MS = 5000, TICK_MS = 250, PIECE = 65536 };

struct guest {
    int fd;
    uint64_t until_ms;
};

struct sink {
    pthread_t thread;
    int wake;
    pthread_mutex_t lock; // guards what follows
    bool stopping;
    size_t n;
    struct guest guest[MOST]; // anybody appends, only the thread removes
};

static uint64_t now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

// One piece, as a client may send faster than anybody reads.
static bool has_ended(int fd) {
    static char dropped[PIECE]; // the thread's own
    ssize_t n = recv(fd, dropped, sizeof dropped, MSG_DONTWAIT);
    return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

// wait[1 + i] is of guest[i], for the first n.
static void read_on(struct sink *sink, const struct pollfd *wait, size_t n) {
    uint64_t now = now_ms();
    pthread_mutex_lock(&sink->lock);
    for (size_t i = n; i-- > 0;) {
        struct guest *guest = &sink->guest[i];
        if (now < guest->until_ms && (wait[1 + i].revents == 0 || !has_ended(guest->fd)))
            continue;
        close(guest->fd);
        memmove(guest, guest + 1, (--sink->n - i) * sizeof *guest);
    }
    pthread_mutex_unlock(&sink->lock);
}

static void *run(void *argument) {
    struct sink *sink = argument;
    struct pollfd wait[1 + MOST];
    for (;;) {
        pthread_mutex_lock(&sink->lock);
        size_t n = sink->n;
        bool stopping = sink->stopping;
        wait[0] = (struct pollfd){.fd = sink->wake, .events = POLLIN};
        for (size_t i = 0; i < n; i++)
            wait[1 + i] = (struct pollfd){.fd = sink->guest[i].fd, .events = POLLIN};
        pthread_mutex_unlock(&sink->lock);
        if (stopping)
            return NULL;
        if (poll(wait, n + 1, n > 0 ? TICK_MS : -1) < 0)
            continue; // EINTR; revents are those of before
        eventfd_t count;
        if (wait[0].revents != 0)
            eventfd_read(sink->wake, &count);
        read_on(sink, wait, n);
    }
}

struct sink *sink_start(struct tnm_error *err) {
    struct sink *sink = calloc(1, sizeof *sink);
    if (sink == NULL) {
        tnm_fail(err, TNM_ENOMEM, "no memory to close connections");
        return NULL;
    }
    pthread_mutex_init(&sink->lock, NULL);
    sink->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int error = sink->wake < 0 ? errno : pthread_create(&sink->thread, NULL, run, sink);
    if (error == 0)
        return sink;
    tnm_fail_errno(err, error, "thread to close connections");
    if (sink->wake >= 0)
        close(sink->wake);
    pthread_mutex_destroy(&sink->lock);
    free(sink);
    return NULL;
}

void sink_stop(struct sink *sink) {
    if (sink == NULL)
        return;
    pthread_mutex_lock(&sink->lock);
    sink->stopping = true;
    pthread_mutex_unlock(&sink->lock);
    eventfd_write(sink->wake, 1);
    pthread_join(sink->thread, NULL);
    for (size_t i = 0; i < sink->n; i++)
        close(sink->guest[i].fd);
    close(sink->wake);
    pthread_mutex_destroy(&sink->lock);
    free(sink);
}

void sink_take(struct sink *sink, int fd) {
    shutdown(fd, SHUT_WR);
    pthread_mutex_lock(&sink->lock);
    int copy = sink->n < MOST ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
    if (copy >= 0)
        sink->guest[sink->n++] = (struct guest){copy, now_ms() + LASTS_MS};
    pthread_mutex_unlock(&sink->lock);
    if (copy >= 0)
        eventfd_write(sink->wake, 1);
}
