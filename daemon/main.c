/* SPDX-License-Identifier: MIT */
// tnmd: the order of start and stop, and the signals.
#include "daemon/listen.h"
#include "daemon/log.h"
#include "daemon/pulse.h"
#include "daemon/service.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

struct daemon {
    struct options options;
    int listen_fd;
    struct stats *stats;
    struct shelf *shelf;
    struct http *http;
};

// Large blocks go back to the system when they are freed. After 48 photographs of 12 megapixels, 8
// at a time, the daemon holds 8 MB; with the C library's own settings it holds 83.
static void tune_memory(void) {
    mallopt(M_ARENA_MAX, 2);
    mallopt(M_MMAP_THRESHOLD, 128 << 10);
    mallopt(M_TRIM_THRESHOLD, 256 << 10);
}

// Signals are taken by the main thread alone, one by one. A peer that went away is no signal, nor
// is a writer that opens a file of ours (F_SETLEASE).
static sigset_t take_signals(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGIO, SIG_IGN);
    return set;
}

static bool start(struct daemon *d, struct tnm_error *err) {
    const struct options *o = &d->options;
    if ((d->stats = stats_open(err)) == NULL)
        return false;
    const struct shelf_settings settings = {.folder = o->models,
                                            .uploads = o->uploads,
                                            .state = o->state,
                                            .active = o->active,
                                            .limits = {o->max_model, o->max_model_memory},
                                            .max_models = o->max_models,
                                            .max_memory = o->max_memory,
                                            .stats = d->stats};
    if (!service_socket(&d->listen_fd, err) ||
        (d->listen_fd < 0 && !listen_open(o->listen, &d->listen_fd, err)))
        return false;
    if ((d->shelf = shelf_open(&settings, err)) == NULL || !shelf_watch(d->shelf, err) ||
        (d->http = http_start(d->listen_fd, o, d->shelf, d->stats, err)) == NULL)
        return false;
    char name[LISTEN_NAME_BYTES];
    listen_name(d->listen_fd, name);
    log_info("listening on %s://%s", *o->tls_cert != 0 ? "https" : "http", name);
    return true;
}

static void reloaded(void *arg, unsigned published, unsigned refused) {
    log_info("reloaded: %u models new, %u refused", published, refused);
    const struct daemon *d = arg;
    pulse_ready(d->shelf, d->http);
}

// Until told to stop. Between signals it feeds the watchdog and keeps the status fresh.
static void serve(struct daemon *d, const sigset_t *signals) {
    const struct timespec tick = pulse_interval();
    for (bool well = true;;) {
        int sig =
            service_present() ? sigtimedwait(signals, NULL, &tick) : sigwaitinfo(signals, NULL);
        if (sig == SIGTERM || sig == SIGINT)
            return;
        if (sig == SIGHUP) {
            service_reloading();
            http_reload(d->http);
            shelf_rescan_soon(d->shelf, reloaded, d);
        } else if (sig < 0 && errno == EAGAIN) {
            pulse_beat(d->shelf, d->http, &well);
        }
    }
}

static void stop(struct daemon *d, const sigset_t *signals) {
    log_info("stopping: requests in work have %u s to finish", d->options.drain_timeout_s);
    http_drain(d->http);
    shelf_unwatch(d->shelf); // a reload under way would say READY after this, and ask http
    service_stopping();
    signal(SIGHUP, SIG_IGN);
    pthread_sigmask(SIG_UNBLOCK, signals, NULL); // the next one ends the process at once
    if (!http_stop(d->http, d->options.drain_timeout_s))
        log_warn("stopped with requests in work");
    shelf_close(d->shelf);
    stats_close(d->stats);
    close(d->listen_fd);
}

int main(int argc, char **argv) {
    struct daemon d = {.listen_fd = -1};
    struct tnm_error err = {0};
    tune_memory();
    sigset_t signals = take_signals();
    enum options_result result = options_read(&d.options, argc, argv, &err);
    if (result == OPTIONS_DONE)
        return EXIT_SUCCESS;
    log_start(d.options.log_level);
    if (result == OPTIONS_WRONG || !start(&d, &err)) {
        log_error("tnmd: %s", err.text);
        return result == OPTIONS_WRONG ? 2 : EXIT_FAILURE; // the unit knows 2
    }
    malloc_trim(0);
    pulse_ready(d.shelf, d.http);
    serve(&d, &signals);
    stop(&d, &signals);
    log_info("stopped");
    return EXIT_SUCCESS;
}
