/* SPDX-License-Identifier: MIT */
// The models: which files there are, which are loaded, which one is active, what they are called.
//
// NAME.tnm is the model NAME. A file is copied out of the user's reach first (a private snapshot),
// then checked, built, self-tested and run once, and only then published by exchanging one pointer;
// the last request that holds the old one frees it. A file that fails is reported (log, list) and
// what NAME served before serves on. A file that is removed takes its model out of service, unless
// it is in use (active, or an alias stands for it): that serves on until it no longer is.
//
// There are two folders: the one of the settings, which nothing here writes to, and that of
// uploads, whose files go before those of the same name in the first. Both may be the same. What is
// put over the active model by shelf_put waits (NAME.tnm.pending) until it is activated; a file
// that is replaced by other means is published at once, whatever it is.
//
// A model is what its bytes are: the same bytes under two names are built once.
//
// Names: the file name without ".tnm", [A-Za-z0-9._-]{1,63}, no leading dot; other files are
// ignored. An alias is a further name for a model, and may stand wherever a model's name does. Who
// is active at start: options.active; else what was active last (state folder); else
// "mnist-mlp-5bit" if there; else the first by name that loads, uploads last.
//
// Threads: everything here may be called from any thread. Holding and releasing take a lock for a
// pointer and a counter, never for work. What changes something waits for the change before it.
#ifndef SHELF_H
#define SHELF_H

#include "core/tnm.h"
#include "daemon/spool.h"
#include "daemon/stats.h"

struct shelf;

// A model in service. Immutable but for its counters; lives until the last holder releases it.
struct served {
    const char *name;
    const char *digest;  // 64 hex digits
    uint64_t generation; // of the publication that made it: goes up by one with every file
                         // published and every activation, and is never used twice
    const struct tnm_model *model;
    uint64_t run_ns; // of a run, as measured when it was loaded; on an input without zeros
};

// How a shelf is made; strings are copied.
struct shelf_settings {
    const char *folder;
    const char *uploads; // NULL or empty: "models" in the state folder if there is one, else folder
    const char *state;  // folder where the active name is remembered; NULL or empty: not remembered
    const char *active; // NULL or empty: see above
    struct tnm_limits limits;
    unsigned max_models;
    size_t max_memory;   // of all models together; 0: no limit but that of each
    struct stats *stats; // borrowed: where swaps are counted; may be NULL
};

// Loads every model of the folders. A folder without a good model is no failure (requests get
// no_model until one comes); one that cannot be read is (TNM_EIO). A folder of uploads that is not
// there is made; where that fails, nothing can be uploaded.
struct shelf *shelf_open(const struct shelf_settings *settings,
                         struct tnm_error *err) TNM_MUST_CHECK;
void shelf_close(struct shelf *shelf);

// Starts and stops the threads that watch the folders (inotify: close after write, rename, delete).
// They begin with a look at every file. The folders themselves may go and come back.
bool shelf_watch(struct shelf *shelf, struct tnm_error *err) TNM_MUST_CHECK;
void shelf_unwatch(struct shelf *shelf);

// Looks at every file again now (SIGHUP). Returns how many were published and how many refused.
void shelf_rescan(struct shelf *shelf, unsigned *published, unsigned *refused);

// The same from the watching thread, which calls done(arg, ...) afterwards. Does not wait.
void shelf_rescan_soon(struct shelf *shelf,
                       void (*done)(void *arg, unsigned published, unsigned refused), void *arg);

// ---- Using models ------------------------------------------------------------------------------

// Holds a model: by name or alias, or the active one for NULL. NULL where there is none (name
// unknown, or known but not loaded): the caller tells the two apart by shelf_find.
struct served *shelf_hold(struct shelf *shelf, const char *name);
void shelf_release(struct served *served);

// Holds every model that is in service, by name, but no more than there is room for; how many.
size_t shelf_hold_all(struct shelf *shelf, struct served **held, size_t room);

// A session on a held model, from a pool of idle ones: take, run, give back. NULL: no memory.
// All sessions have max_batch 1.
struct tnm_session *served_take(struct served *served);
void served_give(struct served *served, struct tnm_session *session);

// The counters of the name under which it serves. They live as long as it is held.
struct stats_model *served_stats(const struct served *served);

// ---- What there is -----------------------------------------------------------------------------

enum shelf_state {
    SHELF_READY,    // something serves under this name
    SHELF_LOADING,  // its first file is being checked and built
    SHELF_FAILED,   // its file was refused; reason says why
    SHELF_UNLOADED, // taken out of service by shelf_unload
};

// "ready", "loading", "failed", "unloaded".
const char *shelf_state_name(enum shelf_state state);

// One entry, as GET /models shows it. Copies: valid for as long as the caller likes.
struct shelf_entry {
    char name[64];
    enum shelf_state state;
    bool ready; // state is SHELF_READY
    bool active;
    bool uploaded;    // what serves, or was refused, is a file of the folder of uploads
    char reason[252]; // why the newest file was refused; empty if it was not
    char digest[65];  // of what serves; empty if nothing
    char pending[65]; // of the file that waits to be activated; empty if none does
    uint64_t generation;
    uint64_t requests; // answered since the start, by whatever served under this name
};

// All entries by name; *entries is to be freed by the caller.
size_t shelf_list(struct shelf *shelf, struct shelf_entry **entries, struct tnm_error *err);

// The entry of a name, or of the model that an alias stands for.
bool shelf_find(struct shelf *shelf, const char *name, struct shelf_entry *entry);

struct shelf_alias {
    char name[64], model[64];
};

// All aliases by name; *aliases is to be freed by the caller.
size_t shelf_aliases(struct shelf *shelf, struct shelf_alias **aliases, struct tnm_error *err);

// The shelf as a whole.
struct shelf_totals {
    size_t memory_bytes;                // of all open models, each build once, and the one before
    char before[64], before_digest[65]; // what a rollback brings back; empty: nothing
};
void shelf_sum(struct shelf *shelf, struct shelf_totals *totals);

// ---- Changing it -------------------------------------------------------------------------------

// How a change ended. What is not SHELF_DONE has changed nothing, and err says why in words.
enum shelf_result {
    SHELF_DONE,
    SHELF_UNKNOWN,        // no model, or alias, of that name
    SHELF_BAD_NAME,       // none that a model may have
    SHELF_MOVED,          // if_match is not 0, nor the active generation
    SHELF_EXISTS,         // only_new, and there is one of that name
    SHELF_IN_USE,         // it is active, an alias stands for it, or the name is taken
    SHELF_NOT_LOADED,     // it is, but out of service
    SHELF_READ_ONLY,      // the file is none that was uploaded, or nothing can be uploaded
    SHELF_NOTHING_BEFORE, // to roll back to
    SHELF_FULL,           // the disk
    SHELF_REFUSED,        // err->code: TNM_EIO to TNM_ESELFTEST, the model or the room for it
};

struct shelf_activation {
    char name[64], digest[65]; // of the model: an alias may have been given
    uint64_t generation;
    char previous[64]; // name that was active; empty if none
    uint64_t swap_us, verify_us;
};

// Makes name the active model: takes what waits for it, or reads its file afresh if it changed,
// self-tests, publishes. Where it cannot serve, the old one serves on.
enum shelf_result shelf_activate(struct shelf *shelf, const char *name, uint64_t if_match,
                                 struct shelf_activation *out,
                                 struct tnm_error *err) TNM_MUST_CHECK;

// Makes the model active that was before the one that is now. It has been in memory all the time:
// this cannot fail because of a file. What is active now is then the one before.
enum shelf_result shelf_rollback(struct shelf *shelf, uint64_t if_match,
                                 struct shelf_activation *out,
                                 struct tnm_error *err) TNM_MUST_CHECK;

struct shelf_upload {
    char digest[65];
    size_t bytes;
    bool is_new;         // there was no model of that name
    bool pending;        // name is active: the file waits, and what serves is still the old one
    uint64_t generation; // of what serves under the name
};

// Stores an uploaded file as the model name, if it is good. spool is kept, or left as it was.
// only_new: SHELF_EXISTS if there is one.
enum shelf_result shelf_put(struct shelf *shelf, const char *name, struct spool *spool,
                            bool only_new, struct shelf_upload *out,
                            struct tnm_error *err) TNM_MUST_CHECK;

// Deletes an uploaded file, and takes its model out of service. *uncovered: a file of that name
// in the other folder serves now.
enum shelf_result shelf_delete(struct shelf *shelf, const char *name, bool *uncovered,
                               struct tnm_error *err) TNM_MUST_CHECK;

// Takes a model out of memory, and puts it back; the file stays. Not remembered over a restart.
enum shelf_result shelf_unload(struct shelf *shelf, const char *name,
                               struct tnm_error *err) TNM_MUST_CHECK;
enum shelf_result shelf_load(struct shelf *shelf, const char *name,
                             struct tnm_error *err) TNM_MUST_CHECK;

// Lets an alias stand for a loaded model. *is_new: it stood for none.
enum shelf_result shelf_set_alias(struct shelf *shelf, const char *alias, const char *model,
                                  bool *is_new, struct tnm_error *err) TNM_MUST_CHECK;
enum shelf_result shelf_remove_alias(struct shelf *shelf, const char *alias,
                                     struct tnm_error *err) TNM_MUST_CHECK;

// A file for shelf_put, to be filled. NULL: TNM_EIO, TNM_ENOMEM.
struct spool *shelf_spool(struct shelf *shelf, struct tnm_error *err) TNM_MUST_CHECK;

#endif
