/* SPDX-License-Identifier: MIT */
// A sorted table under a short lock.
#include "daemon/entries.h"

#include "core/error.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void entries_init(struct entries *entries) {
    memset(entries, 0, sizeof *entries);
    // A thread that finds it taken turns round a few times before it sleeps: it is free in a
    // moment.
    pthread_mutexattr_t attr;
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ADAPTIVE_NP);
    pthread_mutex_init(&entries->lock, &attr);
    pthread_mutexattr_destroy(&attr);
}

void entries_destroy(struct entries *entries) {
    entries->active = NULL;
    while (entries->n > 0)
        entries_remove(entries, entries->at[entries->n - 1]);
    pthread_mutex_destroy(&entries->lock);
}

// ---- Entries -----------------------------------------------------------------------------------

// Where name stands, or would.
static size_t position(const struct entries *entries, const char *name) {
    size_t low = 0, high = entries->n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (strcmp(entries->at[middle]->name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct entry *entries_find(const struct entries *entries, const char *name) {
    size_t i = position(entries, name);
    bool found = i < entries->n && strcmp(entries->at[i]->name, name) == 0;
    return found ? entries->at[i] : NULL;
}

struct entry *entries_add(struct entries *entries, const char *name, const struct tnm_error *why,
                          struct tnm_error *err) {
    if (entries->n == MAX_ENTRIES) {
        tnm_fail(err, TNM_ELIMIT, "the folder has more than %d models", MAX_ENTRIES);
        return NULL;
    }
    struct entry *entry = calloc(1, sizeof *entry);
    if (entry == NULL || (entry->tally = tally_open()) == NULL) {
        free(entry);
        tnm_fail(err, TNM_ENOMEM, "no memory");
        return NULL;
    }
    snprintf(entry->name, sizeof entry->name, "%s", name);
    entry->refused = *why;
    size_t i = position(entries, name);
    pthread_mutex_lock(&entries->lock);
    memmove(entries->at + i + 1, entries->at + i, (entries->n - i) * sizeof entry);
    entries->at[i] = entry;
    entries->n++;
    pthread_mutex_unlock(&entries->lock);
    return entry;
}

void entries_remove(struct entries *entries, struct entry *entry) {
    assert(entry != entries->active);
    size_t i = position(entries, entry->name);
    pthread_mutex_lock(&entries->lock);
    entries->n--;
    memmove(entries->at + i, entries->at + i + 1, (entries->n - i) * sizeof entry);
    pthread_mutex_unlock(&entries->lock);
    shelf_release(entry->served);
    tally_release(entry->tally);
    free(entry);
}

// ---- Service -----------------------------------------------------------------------------------

// Exchanges what serves under entry. Called with the lock held; the caller releases what is
// returned after it, as unmapping takes time.
static struct served *exchange(struct entries *entries, struct entry *entry, struct served *fresh) {
    struct served *old = entry->served;
    entry->served = fresh;
    entries->generation++;
    return old;
}

static bool same_labels(const struct tnm_model *a, const struct tnm_model *b) {
    size_t n = tnm_model_outputs(a);
    if (n != tnm_model_outputs(b))
        return false;
    for (size_t i = 0; i < n; i++)
        if (strcmp(tnm_model_label(a, i), tnm_model_label(b, i)) != 0)
            return false;
    return true;
}

bool entries_publish(struct entries *entries, struct entry *entry, struct build *build,
                     struct tnm_error *err) {
    struct served *fresh =
        slot_open(build, entry->tally, entry->name, entries->generation + 1, err);
    if (fresh == NULL)
        return false;
    pthread_mutex_lock(&entries->lock);
    struct served *old = exchange(entries, entry, fresh);
    entry->refused = (struct tnm_error){.code = TNM_OK};
    entry->gone = false;
    pthread_mutex_unlock(&entries->lock);
    if (old != NULL && !same_labels(old->model, build_model(build)))
        stats_forget_classes(tally_stats(entry->tally));
    shelf_release(old);
    return true;
}

bool entries_activate(struct entries *entries, struct entry *entry, struct tnm_error *err) {
    struct served *fresh = slot_open(slot_build(entry->served), entry->tally, entry->name,
                                     entries->generation + 1, err);
    if (fresh == NULL)
        return false;
    pthread_mutex_lock(&entries->lock);
    struct served *old = exchange(entries, entry, fresh);
    entries->active = entry;
    pthread_mutex_unlock(&entries->lock);
    shelf_release(old);
    return true;
}

void entries_mark(struct entries *entries, struct entry *entry, const struct tnm_error *refused,
                  bool gone) {
    pthread_mutex_lock(&entries->lock);
    entry->refused = refused != NULL ? *refused : (struct tnm_error){.code = TNM_OK};
    entry->gone = gone;
    pthread_mutex_unlock(&entries->lock);
}

// ---- For everyone ------------------------------------------------------------------------------

struct served *entries_hold(struct entries *entries, const char *name) {
    pthread_mutex_lock(&entries->lock);
    const struct entry *entry = name == NULL ? entries->active : entries_find(entries, name);
    struct served *served = entry != NULL ? entry->served : NULL;
    if (served != NULL)
        slot_hold(served);
    pthread_mutex_unlock(&entries->lock);
    return served;
}

static void describe(const struct entry *entry, bool active, struct shelf_entry *out) {
    *out = (struct shelf_entry){.ready = entry->served != NULL,
                                .active = active,
                                .requests = stats_read_answers(tally_stats(entry->tally))};
    memcpy(out->name, entry->name, sizeof out->name);
    if (entry->gone)
        snprintf(out->reason, sizeof out->reason,
                 "its file is gone; it serves on until another is activated");
    else
        memcpy(out->reason, entry->refused.text, sizeof out->reason);
    if (entry->served == NULL)
        return;
    snprintf(out->digest, sizeof out->digest, "%s", entry->served->digest);
    out->generation = entry->served->generation;
}

bool entries_describe(struct entries *entries, const char *name, struct shelf_entry *out) {
    pthread_mutex_lock(&entries->lock);
    const struct entry *entry = entries_find(entries, name);
    if (entry != NULL)
        describe(entry, entry == entries->active, out);
    pthread_mutex_unlock(&entries->lock);
    return entry != NULL;
}

size_t entries_list(struct entries *entries, struct shelf_entry **list, struct tnm_error *err) {
    pthread_mutex_lock(&entries->lock);
    size_t n = entries->n;
    *list = calloc(n > 0 ? n : 1, sizeof **list);
    for (size_t i = 0; *list != NULL && i < n; i++)
        describe(entries->at[i], entries->at[i] == entries->active, *list + i);
    pthread_mutex_unlock(&entries->lock);
    if (*list != NULL)
        return n;
    tnm_fail(err, TNM_ENOMEM, "no memory");
    return 0;
}
