/* SPDX-License-Identifier: MIT */
// What serves under which name: the table behind a shelf.
//
// One thread at a time changes it (the shelf sees to that); any number hold models from it
// meanwhile. The lock is taken for a pointer or a counter only. Whoever changes the table may read
// it without the lock.
#ifndef ENTRIES_H
#define ENTRIES_H

#include "daemon/folder.h"
#include "daemon/slot.h"

#include <pthread.h>

enum { MAX_ENTRIES = 1024, MAX_ALIASES = 64 }; // refused files included

struct entry {
    char name[MODEL_NAME_BYTES];
    struct served *served; // NULL: nothing serves
    struct tally *tally;
    bool loading;
    struct tnm_error refused; // why the newest file was refused; code TNM_OK: it was not
    bool gone;                // the file; what served serves on
    bool unloaded;            // on purpose
    bool uploaded;            // the file that was looked at last is one of the uploads
    char pending[65];         // digest of the upload that waits; "": none does

    // For the shelf alone.
    struct signature seen; // of the file that was looked at last
    char looked[65];       // and its digest, if it could be read
    bool waits;            // it was refused for lack of room
};

struct entries {
    pthread_mutex_t lock;
    struct entry *at[MAX_ENTRIES]; // by name
    size_t n;
    struct entry *active;                  // it serves; NULL: none
    struct served *before;                 // what was active before that; NULL: nothing
    uint64_t generation;                   // the newest
    size_t memory, n_ready;                // of all builds, each once; how many names serve
    struct shelf_alias alias[MAX_ALIASES]; // by name
    size_t n_aliases;
};

void entries_init(struct entries *entries);
void entries_destroy(struct entries *entries); // what is still held lives on

// ---- For who changes the table -----------------------------------------------------------------

struct entry *entries_find(const struct entries *entries, const char *name);

// Adds an entry under which nothing serves yet. NULL: TNM_ELIMIT, TNM_ENOMEM.
struct entry *entries_add(struct entries *entries, const char *name, struct tnm_error *err);
void entries_remove(struct entries *entries, struct entry *entry); // not the active one

// Puts a build into service under the next generation, takes what served out, and forgets what was
// wrong with the file. makes_active: it is the active one from then on, whatever was. Takes its own
// hold of build. TNM_ENOMEM.
bool entries_publish(struct entries *entries, struct entry *entry, struct build *build,
                     bool makes_active, struct tnm_error *err);

// Takes what serves out of service; not the active one.
void entries_withdraw(struct entries *entries, struct entry *entry);

// Sets the loading, gone, unloaded, uploaded and pending of an entry, and why it was refused, to
// those of like.
void entries_mark(struct entries *entries, struct entry *entry, const struct entry *like);

// Gives up what was active before. False where there was nothing.
bool entries_forget(struct entries *entries);

// An open build of the same bytes, borrowed; NULL where there is none.
struct build *entries_twin(const struct entries *entries, const char *digest);

// Whether an open build is of a file of this length.
bool entries_have_length(const struct entries *entries, size_t bytes);

// The memory of all builds, each once, without what only `without` has (NULL: nothing), nor what
// only a rollback would bring back.
size_t entries_memory(const struct entries *entries, const struct entry *without);

const struct shelf_alias *entries_alias(const struct entries *entries, const char *alias);
bool entries_in_use(const struct entries *entries, const struct entry *entry);

// False: there is no room for one more. *is_new: it was not there.
bool entries_set_alias(struct entries *entries, const char *alias, const char *model, bool *is_new);
void entries_remove_alias(struct entries *entries, const char *alias); // it is there

// ---- For everyone ------------------------------------------------------------------------------

struct served *entries_hold(struct entries *entries, const char *name);
size_t entries_hold_all(struct entries *entries, struct served **held, size_t room);
bool entries_describe(struct entries *entries, const char *name, struct shelf_entry *out);
size_t entries_list(struct entries *entries, struct shelf_entry **list, struct tnm_error *err);
size_t entries_aliases(struct entries *entries, struct shelf_alias **list, struct tnm_error *err);
void entries_sum(struct entries *entries, struct shelf_totals *out);

#endif
