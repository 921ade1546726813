/* SPDX-License-Identifier: MIT */
// The shelf from the inside, for the files that it is made of: shelf.c opens, watches and lists it,
// shelf_files.c follows the files; shelf_change.c, shelf_store.c and shelf_alias.c do as it is
// told.
#ifndef SHELF_INSIDE_H
#define SHELF_INSIDE_H

#include "daemon/entries.h"

#include <time.h>

struct ahead;
struct watch;

struct shelf {
    char *folder, *state;
    char *uploads; // NULL: there can be none
    bool separate; // the two folders are not the same

    char wanted[MODEL_NAME_BYTES];     // in service at the start, by the settings
    char remembered[MODEL_NAME_BYTES]; // and by the state folder
    struct tnm_limits limits;
    unsigned max_models;
    size_t max_memory;
    struct stats *stats;
    struct ahead *ahead; // at the start only; else NULL

    pthread_mutex_t work; // held by who changes anything, for as long as that takes
    struct entries entries;
    bool chosen;                      // the active model was asked for, not elected
    size_t settled_memory, settled_n; // what was taken when room was last looked for

    struct shelf_watch {
        struct shelf *shelf;
        const char *folder;
        struct watch *watch;
    } watch[2];                // of folder, of uploads
    pthread_mutex_t done_lock; // guards these two
    void (*done)(void *arg, unsigned published, unsigned refused);
    void *done_arg;
};

enum outcome { UNCHANGED, PUBLISHED, REFUSED };

// ---- shelf_files.c: all with `work` held -------------------------------------------------------

// Looks at the file of a name, and follows what became of it. whole: an event says that it is, so
// that nobody need be asked whether the file is still being written. Nor may anybody be: the event
// of a close comes a moment before the file counts as closed.
enum outcome shelf_look(struct shelf *shelf, const char *name, bool whole);

// Looks at all files. TNM_EIO where the folder cannot be read.
bool shelf_look_at_all(struct shelf *shelf, unsigned *published, unsigned *refused,
                       struct tnm_error *err);

// A build of a file, held: one that there is of the same digest (NULL: there is none), or a new
// one, if there is room for it in place of entry's (NULL: of none). Clears or sets entry->waits.
struct build *shelf_obtain(struct shelf *shelf, struct entry *entry, const char *path,
                           const char *digest, struct tnm_error *err);

// Puts a build that was loaded at start into service, and says so in the log.
bool shelf_publish(struct shelf *shelf, struct entry *entry, struct build *build, bool makes_active,
                   const struct timespec *start, struct tnm_error *err);

// Takes an entry whose file is gone off the shelf, unless it is in use.
void shelf_drop(struct shelf *shelf, struct entry *entry);

// At the end of every change: gives room that appeared to those that wait for it, and lets the
// active model be elected where nobody chose one.
void shelf_settle(struct shelf *shelf);

// ---- shelf_change.c: all with `work` held ------------------------------------------------------

// Fills err, and gives result: a refusal in one line.
#define REFUSE(result, err, ...) (tnm_fail(err, TNM_EINPUT, __VA_ARGS__), (result))

// By name or alias; and after a look at its file, which may have changed, or be new.
struct entry *shelf_entry_called(struct shelf *shelf, const char *name);
struct entry *shelf_look_and_find(struct shelf *shelf, const char *name);

// SHELF_UNKNOWN; SHELF_IN_USE or SHELF_DONE.
enum shelf_result shelf_unknown(const char *name, struct tnm_error *err);
enum shelf_result shelf_in_use(const struct shelf *shelf, const struct entry *entry,
                               struct tnm_error *err);

void shelf_set_pending(struct shelf *shelf, struct entry *entry, const char *digest, bool uploaded);

// Takes what no longer is in use, and has no file, off the shelf. NULL is fine.
void shelf_bury(struct shelf *shelf, struct entry *entry);

// chosen: somebody asked for it.
bool shelf_make_active(struct shelf *shelf, struct entry *entry, struct build *build, bool chosen,
                       struct tnm_error *err);

// ---- shelf_alias.c -----------------------------------------------------------------------------

// Reads what the aliases were.
void shelf_recall_aliases(struct shelf *shelf);

// ---- Small things ------------------------------------------------------------------------------

uint64_t shelf_ns_since(const struct timespec *start);

#endif
