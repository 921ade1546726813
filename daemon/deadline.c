/* SPDX-License-Identifier: MIT */
// The thread that looks after deadlines.
#include "daemon/deadline.h"

#include "daemon/reply.h"
#include "daemon/stats.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>

// So long in the middle of a request, and it is asked whether the peer is there.
enum { ENDED_MS = 1000 };

struct deadlines {
    struct deadline_limits limits;
    unsigned tick_ms;
    pthread_t thread;
    pthread_mutex_t lock; // guards the list, and with it that the sockets stay open
    pthread_cond_t changed;
    struct deadline *first;
    bool stopping;
};

// A few ms coarse, and several times cheaper than the exact clock.
static uint64_t now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static enum stage stage_of(uint64_t clock) {
    return (enum stage)(clock & 7);
}

static uint64_t age_of(uint64_t clock, uint64_t now) {
    uint64_t since = clock >> 3;
    return now > since ? now - since : 0;
}

bool deadline_enter(struct deadline *deadline, enum stage stage) {
    uint64_t old = atomic_load_explicit(&deadline->clock, memory_order_relaxed), fresh;
    uint64_t now = now_ms();
    do {
        if (stage_of(old) == STAGE_EXPIRED)
            return false;
        // A first request has its time from the connection on, whatever it sends in between.
        bool goes_on = stage_of(old) == STAGE_FRESH && stage == DEADLINE_HEAD;
        fresh = (goes_on ? old >> 3 : now) << 3 | stage;
    } while (!atomic_compare_exchange_weak(&deadline->clock, &old, fresh));
    return true;
}

static uint64_t limit_of(const struct deadlines *deadlines, enum stage stage) {
    switch (stage) {
    case STAGE_FRESH:
    case DEADLINE_HEAD:
        return deadlines->limits.head_ms;
    case STAGE_BODY:
    case STAGE_SEND:
        return deadlines->limits.body_ms;
    case STAGE_IDLE:
        return deadlines->limits.idle_ms;
    default:
        return UINT64_MAX;
    }
}

// Whether the peer has sent a byte at all. One who only connected gets no reply.
static bool has_spoken(int fd) {
    struct tcp_info info = {0};
    socklen_t len = sizeof info;
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0)
        return false;
    return len >= offsetof(struct tcp_info, tcpi_bytes_received) + 8 &&
           info.tcpi_bytes_received > 0;
}

static void expire(struct deadline *deadline, enum stage stage,
                   const struct deadline_limits *limits) {
    bool in_body = stage == STAGE_BODY;
    if (in_body || stage == DEADLINE_HEAD || (stage == STAGE_FRESH && has_spoken(deadline->fd))) {
        char text[512];
        size_t len = reply_write_bare(text, sizeof text, 408, "timeout",
                                      in_body ? "the body did not come in time (body-timeout)"
                                              : "the header did not come in time (header-timeout)",
                                      in_body ? deadline->id : "-");
        stats_refused(limits->stats, "timeout");
        if (!limits->silent)
            (void)!send(deadline->fd, text, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    shutdown(deadline->fd, SHUT_RDWR);
}

// Whether the peer has ended what it sends, and all of it was read: no request can become whole.
static bool has_ended(int fd) {
    struct pollfd ended = {.fd = fd, .events = POLLRDHUP};
    int unread = 0;
    return poll(&ended, 1, 0) == 1 && ioctl(fd, FIONREAD, &unread) == 0 && unread == 0;
}

// The library does not see an end that came together with bytes: having read less than it might, it
// waits for another event. The dead would hold their place among those in work until the deadline.
static void look_for_end(struct deadline *deadline, uint64_t clock, uint64_t now) {
    enum stage stage = stage_of(clock);
    bool expects = stage == STAGE_FRESH || stage == DEADLINE_HEAD || stage == STAGE_BODY;
    if (expects && age_of(clock, now) > ENDED_MS && has_ended(deadline->fd) &&
        atomic_compare_exchange_strong(&deadline->clock, &clock, now << 3 | STAGE_EXPIRED))
        shutdown(deadline->fd, SHUT_RDWR);
}

// Takes the connection out of its owner's hands, unless the stage just changed.
static void check_deadline(struct deadlines *deadlines, struct deadline *deadline, uint64_t now) {
    uint64_t clock = atomic_load(&deadline->clock);
    enum stage stage = stage_of(clock);
    if (age_of(clock, now) <= limit_of(deadlines, stage))
        look_for_end(deadline, clock, now);
    else if (atomic_compare_exchange_strong(&deadline->clock, &clock, now << 3 | STAGE_EXPIRED))
        expire(deadline, stage, &deadlines->limits);
}

static void wait_tick(struct deadlines *deadlines) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    uint64_t ns = (uint64_t)t.tv_nsec + (uint64_t)deadlines->tick_ms * 1000000;
    t.tv_sec += (time_t)(ns / 1000000000);
    t.tv_nsec = (long)(ns % 1000000000);
    pthread_cond_timedwait(&deadlines->changed, &deadlines->lock, &t);
}

static void *look_after(void *argument) {
    struct deadlines *deadlines = argument;
    pthread_mutex_lock(&deadlines->lock);
    while (!deadlines->stopping) {
        if (deadlines->first == NULL) {
            pthread_cond_wait(&deadlines->changed, &deadlines->lock);
            continue;
        }
        wait_tick(deadlines);
        uint64_t now = now_ms();
        for (struct deadline *each = deadlines->first; each != NULL; each = each->next)
            check_deadline(deadlines, each, now);
    }
    pthread_mutex_unlock(&deadlines->lock);
    return NULL;
}

static unsigned tick_of(const struct deadline_limits *limits) {
    unsigned least = limits->head_ms < limits->body_ms ? limits->head_ms : limits->body_ms;
    least = limits->idle_ms < least ? limits->idle_ms : least;
    unsigned tick = least / 8;
    return tick < 10 ? 10 : tick > 500 ? 500 : tick;
}

struct deadlines *deadline_start(const struct deadline_limits *limits, struct tnm_error *err) {
    struct deadlines *deadlines = calloc(1, sizeof *deadlines);
    if (deadlines == NULL) {
        tnm_fail(err, TNM_ENOMEM, "no memory for the deadlines");
        return NULL;
    }
    deadlines->limits = *limits;
    deadlines->tick_ms = tick_of(limits);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&deadlines->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&deadlines->lock, NULL);
    int error = pthread_create(&deadlines->thread, NULL, look_after, deadlines);
    if (error == 0)
        return deadlines;
    tnm_fail_errno(err, error, "thread for deadlines");
    pthread_cond_destroy(&deadlines->changed);
    pthread_mutex_destroy(&deadlines->lock);
    free(deadlines);
    return NULL;
}

void deadline_stop(struct deadlines *deadlines) {
    if (deadlines == NULL)
        return;
    pthread_mutex_lock(&deadlines->lock);
    deadlines->stopping = true;
    pthread_cond_signal(&deadlines->changed);
    pthread_mutex_unlock(&deadlines->lock);
    pthread_join(deadlines->thread, NULL);
    pthread_cond_destroy(&deadlines->changed);
    pthread_mutex_destroy(&deadlines->lock);
    free(deadlines);
}

void deadline_add(struct deadlines *deadlines, struct deadline *deadline, int fd) {
    deadline->fd = fd;
    deadline->previous = NULL;
    atomic_store(&deadline->clock, now_ms() << 3 | STAGE_FRESH);
    pthread_mutex_lock(&deadlines->lock);
    deadline->next = deadlines->first;
    if (deadlines->first != NULL)
        deadlines->first->previous = deadline;
    else
        pthread_cond_signal(&deadlines->changed);
    deadlines->first = deadline;
    pthread_mutex_unlock(&deadlines->lock);
}

void deadline_remove(struct deadlines *deadlines, struct deadline *deadline) {
    pthread_mutex_lock(&deadlines->lock);
    if (deadline->previous != NULL)
        deadline->previous->next = deadline->next;
    else
        deadlines->first = deadline->next;
    if (deadline->next != NULL)
        deadline->next->previous = deadline->previous;
    pthread_mutex_unlock(&deadlines->lock);
}

struct deadline_counts deadline_count(struct deadlines *deadlines, unsigned settle_ms) {
    struct deadline_counts counts = {0};
    uint64_t now = now_ms();
    pthread_mutex_lock(&deadlines->lock);
    for (struct deadline *each = deadlines->first; each != NULL; each = each->next) {
        uint64_t clock = atomic_load(&each->clock), age = age_of(clock, now);
        enum stage stage = stage_of(clock);
        bool quiet = stage == STAGE_FRESH || stage == STAGE_IDLE || stage == STAGE_EXPIRED;
        counts.connections++;
        counts.busy += !quiet || age < settle_ms;
        if (stage == STAGE_WORK && age > counts.oldest_work_ms)
            counts.oldest_work_ms = age;
    }
    pthread_mutex_unlock(&deadlines->lock);
    return counts;
}
