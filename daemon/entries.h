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

enum { MAX_ENTRIES = 1024 }; // refused files included

struct entry {
    char name[MODEL_NAME_BYTES];
    struct served *served; // NULL: nothing serves
    struct tally *tally;
    struct signature seen;    // of the file that was looked at last; for the shelf alone
    struct tnm_error refused; // why the newest file was refused; code TNM_OK: it was not
    bool gone;                // the file; what served serves on
};

struct entries {
    pthread_mutex_t lock;
    struct entry *at[MAX_ENTRIES]; // by name
    size_t n;
    struct entry *active; // it serves; NULL: none
    uint64_t generation;  // the newest
};

void entries_init(struct entries *entries);
void entries_destroy(struct entries *entries); // what is still held lives on

// ---- For who changes the table -----------------------------------------------------------------

struct entry *entries_find(const struct entries *entries, const char *name);

// Adds an entry under which nothing serves yet, and why. NULL: TNM_ELIMIT, TNM_ENOMEM.
struct entry *entries_add(struct entries *entries, const char *name, const struct tnm_error *why,
                          struct tnm_error *err);
void entries_remove(struct entries *entries, struct entry *entry); // not the active one

// Puts a build into service under the next generation, takes what served out, and forgets what was
// wrong with the file. Takes its own hold of build. TNM_ENOMEM.
bool entries_publish(struct entries *entries, struct entry *entry, struct build *build,
                     struct tnm_error *err);

// Makes an entry that serves the active one, under the next generation. TNM_ENOMEM.
bool entries_activate(struct entries *entries, struct entry *entry, struct tnm_error *err);

// refused NULL: it was not.
void entries_mark(struct entries *entries, struct entry *entry, const struct tnm_error *refused,
                  bool gone);

// ---- For everyone ------------------------------------------------------------------------------

struct served *entries_hold(struct entries *entries, const char *name);
bool entries_describe(struct entries *entries, const char *name, struct shelf_entry *out);
size_t entries_list(struct entries *entries, struct shelf_entry **list, struct tnm_error *err);

#endif
