/* SPDX-License-Identifier: MIT */
// Watches one folder from a thread of its own, through inotify. Knows nothing of what is in it.
#ifndef WATCH_H
#define WATCH_H

#include "core/error.h"

struct watch;

// What the watching thread calls.
struct watch_calls {
    // Something happened to this file of the folder: it was closed after writing, renamed into or
    // out of the folder, linked or deleted. What is still being written is not reported.
    // only_attributes: nothing but its permissions or times changed, and it may be open for
    // writing.
    void (*file)(void *arg, const char *name, bool only_attributes);
    // Anything may have happened to all files. Called once at the start, when events were lost,
    // when the folder went or came back, and when asked for (then with asked).
    void (*all)(void *arg, bool asked);
    void *arg;
};

// Starts. A folder that is not there, or a system that has no watch to give, is no failure: it is
// logged and tried again every second, and watch_ask works all the while.
// NULL: TNM_EIO, TNM_ENOMEM.
struct watch *watch_start(const char *folder, const struct watch_calls *calls,
                          struct tnm_error *err) TNM_MUST_CHECK;

// Has calls.all called soon.
void watch_ask(struct watch *watch);

// Waits for a call under way, then stops; NULL is fine.
void watch_stop(struct watch *watch);

#endif
