/* SPDX-License-Identifier: MIT */
// inotify events of a folder to "look at this file" and "look at all files".
#include "daemon/watch.h"

#include "daemon/log.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    // A file that is only being written makes IN_CREATE and IN_MODIFY; nobody is told of the
    // second,
    // and of the first only for links, which are whole at once.
    EVENTS = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CREATE | IN_ATTRIB |
             IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR,
    RETRY_MS = 1000
};

struct watch {
    char *folder;
    struct watch_calls calls;
    int events;  // inotify, -1 while the system has none to give
    int wake;    // eventfd
    int current; // watch descriptor of the folder, -1 while there is none
    bool told;   // that the folder cannot be watched
    atomic_bool stop, asked;
    pthread_t thread;
};

// Watches what the path names now. True if that is another folder than before, or none.
static bool attach(struct watch *w) {
    if (w->events < 0)
        w->events = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    int now = inotify_add_watch(w->events, w->folder, EVENTS);
    if (now < 0 && !w->told)
        log_warn("cannot watch %s: %s; trying again", w->folder, strerror(errno));
    w->told = now < 0;
    if (now == w->current)
        return false;
    if (w->current >= 0)
        inotify_rm_watch(w->events, w->current); // it may be gone already
    w->current = now;
    return true;
}

// A new name of what is whole at once: a symbolic link, or one more link to a file.
static bool is_link(const struct watch *w, const char *name) {
    char path[PATH_MAX];
    struct stat s;
    int n = snprintf(path, sizeof path, "%s/%s", w->folder, name);
    return n > 0 && (size_t)n < sizeof path && lstat(path, &s) == 0 &&
           (S_ISLNK(s.st_mode) || s.st_nlink > 1);
}

// Handles one event. True if all files must be looked at.
static bool handle(struct watch *w, const struct inotify_event *e) {
    if (e->mask & IN_Q_OVERFLOW) {
        log_warn("%s: more changes than the system could report; looking at every file", w->folder);
        return true;
    }
    if (e->wd != w->current)
        return false; // of a folder that is no longer ours
    if (e->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED | IN_UNMOUNT)) {
        inotify_rm_watch(w->events, w->current);
        w->current = -1;
        return true;
    }
    if (e->len == 0 || ((e->mask & IN_CREATE) && !is_link(w, e->name)))
        return false;
    w->calls.file(w->calls.arg, e->name, (e->mask & IN_ATTRIB) != 0);
    return false;
}

static bool handle_all(struct watch *w) {
    _Alignas(struct inotify_event) char buffer[4096];
    bool all = false;
    ssize_t len;
    while ((len = read(w->events, buffer, sizeof buffer)) > 0)
        for (char *at = buffer; at < buffer + len;) {
            const struct inotify_event *e = (const void *)at;
            all = handle(w, e) || all;
            at += sizeof *e + e->len;
        }
    return all;
}

static void *run(void *arg) {
    struct watch *w = arg;
    struct pollfd fds[] = {{.fd = w->wake, .events = POLLIN}, {.events = POLLIN}};
    bool all = true;
    attach(w);
    while (!atomic_load(&w->stop)) {
        bool asked = atomic_exchange(&w->asked, false);
        if ((w->current < 0 || asked) && attach(w))
            all = true;
        if (all || asked)
            w->calls.all(w->calls.arg, asked);
        fds[1].fd = w->events;
        poll(fds, 2, w->current < 0 ? RETRY_MS : -1);
        eventfd_t count;
        if (fds[0].revents & POLLIN)
            eventfd_read(w->wake, &count);
        all = w->events >= 0 && handle_all(w);
    }
    return NULL;
}

static void free_watch(struct watch *w) {
    if (w->events >= 0)
        close(w->events);
    if (w->wake >= 0)
        close(w->wake);
    free(w->folder);
    free(w);
}

struct watch *watch_start(const char *folder, const struct watch_calls *calls,
                          struct tnm_error *err) {
    struct watch *w = calloc(1, sizeof *w);
    if (w == NULL || (w->folder = strdup(folder)) == NULL) {
        free(w);
        tnm_fail(err, TNM_ENOMEM, "no memory");
        return NULL;
    }
    w->calls = *calls;
    w->current = -1;
    w->events = -1;
    w->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int failed = w->wake < 0 ? errno : pthread_create(&w->thread, NULL, run, w);
    if (failed != 0) {
        tnm_fail_errno(err, failed, "cannot watch %s", folder);
        free_watch(w);
        return NULL;
    }
    return w;
}

static void wake(struct watch *w) {
    // Fails only where the thread has been woken 2^64 - 1 times already.
    eventfd_write(w->wake, 1);
}

void watch_ask(struct watch *watch) {
    atomic_store(&watch->asked, true);
    wake(watch);
}

void watch_stop(struct watch *watch) {
    if (watch == NULL)
        return;
    atomic_store(&watch->stop, true);
    wake(watch);
    pthread_join(watch->thread, NULL);
    free_watch(watch);
}
