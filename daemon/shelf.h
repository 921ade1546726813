/* SPDX-License-Identifier: MIT */
// The folder of models: which files there are, which are loaded, which one is active.
//
// NAME.tnm in the folder is the model NAME. A file is copied out of the user's reach first (a
// private snapshot), then checked, built and self-tested, and only then published by exchanging one
// pointer; the last request that holds the old one frees it. A file that fails is reported (log,
// list) and what NAME served before serves on. A file that is removed from the folder takes its
// model out of service, unless it is the active one: that serves on until another is activated.
//
// Names: the file name without ".tnm", [A-Za-z0-9._-]{1,63}, no leading dot; other files are
// ignored. Who is active at start: options.active; else what was active last (state folder); else
// "mnist-mlp-5bit" if there; else the first by name that loads.
//
// Threads: everything here may be called from any thread. Holding and releasing take a lock for a
// pointer and a counter, never for work.
#ifndef SHELF_H
#define SHELF_H

#include "core/tnm.h"
#include "daemon/stats.h"

struct shelf;

// A model in service. Immutable but for its counters; lives until the last holder releases it.
struct served {
    const char *name;
    const char *digest;  // 64 hex digits
    uint64_t generation; // of the publication that made it: goes up by one with every file
                         // published and every activation, and is never used twice
    const struct tnm_model *model;
};

// How a shelf is made; strings are copied.
struct shelf_settings {
    const char *folder;
    const char *state;  // folder where the active name is remembered; NULL or empty: not remembered
    const char *active; // NULL or empty: see above
    struct tnm_limits limits;
    unsigned max_models;
    size_t max_memory;   // of all models together; 0: no limit but that of each
    struct stats *stats; // borrowed: where swaps are counted; may be NULL
};

// Loads every model of the folder. A folder without a good model is no failure (requests get
// no_model until one comes); one that cannot be read is (TNM_EIO).
struct shelf *shelf_open(const struct shelf_settings *settings,
                         struct tnm_error *err) TNM_MUST_CHECK;
void shelf_close(struct shelf *shelf);

// Starts and stops the thread that watches the folder (inotify: close after write, rename, delete).
// It begins with a look at every file. The folder itself may go and come back.
bool shelf_watch(struct shelf *shelf, struct tnm_error *err) TNM_MUST_CHECK;
void shelf_unwatch(struct shelf *shelf);

// Looks at every file again now (SIGHUP). Returns how many were published and how many refused.
void shelf_rescan(struct shelf *shelf, unsigned *published, unsigned *refused);

// The same from the watching thread, which calls done(arg, ...) afterwards. Does not wait.
void shelf_rescan_soon(struct shelf *shelf,
                       void (*done)(void *arg, unsigned published, unsigned refused), void *arg);

// Holds a model: by name, or the active one for NULL. NULL where there is none (name unknown, or
// known but never loaded): the caller tells the two apart by shelf_find.
struct served *shelf_hold(struct shelf *shelf, const char *name);
void shelf_release(struct served *served);

// A session on a held model, from a pool of idle ones: take, run, give back. NULL: no memory.
// All sessions have max_batch 1.
struct tnm_session *served_take(struct served *served);
void served_give(struct served *served, struct tnm_session *session);

// One entry, as GET /models shows it. Copies: valid for as long as the caller likes.
struct shelf_entry {
    char name[64];
    bool ready; // something serves under this name
    bool active;
    char reason[252]; // why the newest file was refused; empty if it was not
    char digest[65];  // of what serves; empty if nothing
    uint64_t generation;
    uint64_t requests; // answered since the start, by whatever served under this name
};

// All entries by name; *entries is to be freed by the caller.
size_t shelf_list(struct shelf *shelf, struct shelf_entry **entries, struct tnm_error *err);
bool shelf_find(struct shelf *shelf, const char *name, struct shelf_entry *entry);

// The counters of the name under which it serves. They live as long as it is held.
struct stats_model *served_stats(const struct served *served);

struct shelf_activation {
    uint64_t generation;
    char previous[64]; // name that was active; empty if none
    uint64_t swap_us, verify_us;
};

// Makes name the active model: reads its file afresh if it changed, self-tests, publishes.
// TNM_EINPUT: no such name. TNM_EFORMAT...TNM_ESELFTEST: it cannot serve; the old one serves on.
// if_match != 0 and not the active generation: false, *moved is set and nothing changes.
bool shelf_activate(struct shelf *shelf, const char *name, uint64_t if_match, bool *moved,
                    struct shelf_activation *out, struct tnm_error *err) TNM_MUST_CHECK;

#endif
