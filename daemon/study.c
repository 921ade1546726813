/* SPDX-License-Identifier: MIT */
// The thread of a study.
#include "daemon/study.h"

#include "daemon/background.h"

#include <pthread.h>

enum { MOST_SECONDS = 45 }; // the watchdog calls a request stuck after 60

struct work {
    struct study study;
    void (*run)(const struct study *study, void *arg);
    void *arg;
};

static void *work(void *argument) {
    const struct work *w = argument;
    background_nice();
    w->run(&w->study, w->arg);
    return NULL;
}

bool study_run(struct api *api, const struct request *request, struct reply *reply,
               void (*run)(const struct study *study, void *arg), void *arg) {
    struct work w = {{api, clock_ns() + MOST_SECONDS * UINT64_C(1000000000)}, run, arg};
    pthread_t thread;
    if (atomic_exchange(&api->observer->is_studying, true)) {
        reply_error(reply, request, 503, "overloaded", "another evaluation or replay is running");
        return false;
    }
    bool ok = pthread_create(&thread, NULL, work, &w) == 0;
    if (ok)
        pthread_join(thread, NULL);
    else
        reply_error(reply, request, 503, "overloaded", "no thread for it now");
    atomic_store(&api->observer->is_studying, false);
    return ok;
}

bool study_is_over(const struct study *study) {
    return atomic_load_explicit(&study->api->draining, memory_order_relaxed) ||
           clock_ns() > study->end_ns;
}
