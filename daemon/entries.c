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
    entries_forget(entries);
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

struct entry *entries_add(struct entries *entries, const char *name, struct tnm_error *err) {
    if (entries->n == MAX_ENTRIES) {
        tnm_fail(err, TNM_ELIMIT, "there are more than %d models", MAX_ENTRIES);
        return NULL;
    }
    struct entry *entry = calloc(1, sizeof *entry);
    if (entry == NULL || (entry->tally = tally_open()) == NULL) {
        free(entry);
        tnm_fail(err, TNM_ENOMEM, "no memory");
        return NULL;
    }
    snprintf(entry->name, sizeof entry->name, "%s", name);
    entry->loading = true;
    size_t i = position(entries, name);
    pthread_mutex_lock(&entries->lock);
    memmove(entries->at + i + 1, entries->at + i, (entries->n - i) * sizeof(struct entry *));
    entries->at[i] = entry;
    entries->n++;
    pthread_mutex_unlock(&entries->lock);
    return entry;
}

void entries_remove(struct entries *entries, struct entry *entry) {
    assert(entry != entries->active);
    size_t i = position(entries, entry->name);
    entries_withdraw(entries, entry);
    pthread_mutex_lock(&entries->lock);
    entries->n--;
    memmove(entries->at + i, entries->at + i + 1, (entries->n - i) * sizeof(struct entry *));
    pthread_mutex_unlock(&entries->lock);
    tally_release(entry->tally);
    free(entry);
}

void entries_mark(struct entries *entries, struct entry *entry, const struct entry *like) {
    pthread_mutex_lock(&entries->lock);
    entry->loading = like->loading;
    entry->refused = like->refused;
    entry->gone = like->gone;
    entry->unloaded = like->unloaded;
    entry->uploaded = like->uploaded;
    memcpy(entry->pending, like->pending, sizeof entry->pending);
    pthread_mutex_unlock(&entries->lock);
}

// ---- Builds ------------------------------------------------------------------------------------

static struct build *build_of(const struct entry *entry) {
    return entry->served != NULL ? slot_build(entry->served) : NULL;
}

struct build *entries_twin(const struct entries *entries, const char *digest) {
    for (size_t i = 0; i < entries->n; i++) {
        const struct served *served = entries->at[i]->served;
        if (served != NULL && strcmp(served->digest, digest) == 0)
            return slot_build(served);
    }
    const struct served *before = entries->before;
    return before != NULL && strcmp(before->digest, digest) == 0 ? slot_build(before) : NULL;
}

static bool has_length(const struct served *served, size_t bytes) {
    struct tnm_summary summary;
    if (served == NULL)
        return false;
    tnm_model_summary(served->model, &summary);
    return summary.bytes == bytes;
}

bool entries_have_length(const struct entries *entries, size_t bytes) {
    bool found = has_length(entries->before, bytes);
    for (size_t i = 0; i < entries->n; i++)
        found = found || has_length(entries->at[i]->served, bytes);
    return found;
}

static size_t bytes_of(const struct build *build) {
    struct tnm_summary summary;
    tnm_model_summary(build_model(build), &summary);
    return summary.memory_bytes;
}

// Whether one of the first n entries but `without` serves build.
static bool has_build(const struct entries *entries, size_t n, const struct build *build,
                      const struct entry *without) {
    for (size_t i = 0; i < n; i++)
        if (entries->at[i] != without && build_of(entries->at[i]) == build)
            return true;
    return false;
}

size_t entries_memory(const struct entries *entries, const struct entry *without) {
    size_t sum = 0;
    for (size_t i = 0; i < entries->n; i++) {
        const struct build *build = build_of(entries->at[i]);
        if (build != NULL && entries->at[i] != without && !has_build(entries, i, build, without))
            sum += bytes_of(build);
    }
    return sum;
}

// After every change of what serves.
static void count(struct entries *entries) {
    size_t memory = entries_memory(entries, NULL), n_ready = 0;
    struct served *before = entries->before;
    if (before != NULL && !has_build(entries, entries->n, slot_build(before), NULL))
        memory += bytes_of(slot_build(before));
    for (size_t i = 0; i < entries->n; i++)
        n_ready += entries->at[i]->served != NULL;
    pthread_mutex_lock(&entries->lock);
    entries->memory = memory;
    entries->n_ready = n_ready;
    pthread_mutex_unlock(&entries->lock);
}

// ---- Service -----------------------------------------------------------------------------------

static bool is_same(const struct served *a, const struct served *b) {
    return slot_build(a) == slot_build(b) && strcmp(a->name, b->name) == 0;
}

// Exchanges what serves under entry, and who is active. What was active is kept for a rollback,
// unless it is still the same. What is released is so without the lock, as unmapping takes time.
static void put_in_service(struct entries *entries, struct entry *entry, struct served *fresh,
                           struct entry *active) {
    struct served *was = entries->active != NULL ? entries->active->served : NULL;
    if (was != NULL)
        slot_hold(was);
    pthread_mutex_lock(&entries->lock);
    struct served *old = entry->served, *forgotten = was;
    entry->served = fresh;
    entry->unloaded = entry->loading = entry->gone = false;
    entries->generation++;
    entries->active = active;
    if (was != NULL && !is_same(was, active->served)) {
        forgotten = entries->before;
        entries->before = was;
    }
    pthread_mutex_unlock(&entries->lock);
    shelf_release(old);
    shelf_release(forgotten);
    count(entries);
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
                     bool makes_active, struct tnm_error *err) {
    struct served *fresh =
        slot_open(build, entry->tally, entry->name, entries->generation + 1, err);
    if (fresh == NULL)
        return false;
    bool relabels = entry->served != NULL && !same_labels(entry->served->model, build_model(build));
    put_in_service(entries, entry, fresh, makes_active ? entry : entries->active);
    if (relabels)
        stats_forget_classes(tally_stats(entry->tally));
    return true;
}

void entries_withdraw(struct entries *entries, struct entry *entry) {
    assert(entry != entries->active);
    pthread_mutex_lock(&entries->lock);
    struct served *old = entry->served;
    entry->served = NULL;
    pthread_mutex_unlock(&entries->lock);
    shelf_release(old);
    count(entries);
}

bool entries_forget(struct entries *entries) {
    pthread_mutex_lock(&entries->lock);
    struct served *before = entries->before;
    entries->before = NULL;
    pthread_mutex_unlock(&entries->lock);
    shelf_release(before);
    count(entries);
    return before != NULL;
}

// ---- Aliases -----------------------------------------------------------------------------------

// Where alias stands, or would.
static size_t alias_position(const struct entries *entries, const char *alias) {
    size_t i = 0;
    while (i < entries->n_aliases && strcmp(entries->alias[i].name, alias) < 0)
        i++;
    return i;
}

const struct shelf_alias *entries_alias(const struct entries *entries, const char *alias) {
    size_t i = alias_position(entries, alias);
    bool found = i < entries->n_aliases && strcmp(entries->alias[i].name, alias) == 0;
    return found ? &entries->alias[i] : NULL;
}

bool entries_in_use(const struct entries *entries, const struct entry *entry) {
    bool used = entry == entries->active;
    for (size_t i = 0; i < entries->n_aliases; i++)
        used = used || strcmp(entries->alias[i].model, entry->name) == 0;
    return used;
}

bool entries_set_alias(struct entries *entries, const char *alias, const char *model,
                       bool *is_new) {
    size_t i = alias_position(entries, alias);
    *is_new = entries_alias(entries, alias) == NULL;
    if (*is_new && entries->n_aliases == MAX_ALIASES)
        return false;
    pthread_mutex_lock(&entries->lock);
    struct shelf_alias *at = &entries->alias[i];
    if (*is_new)
        memmove(at + 1, at, (entries->n_aliases++ - i) * sizeof *at);
    snprintf(at->name, sizeof at->name, "%s", alias);
    snprintf(at->model, sizeof at->model, "%s", model);
    pthread_mutex_unlock(&entries->lock);
    return true;
}

void entries_remove_alias(struct entries *entries, const char *alias) {
    size_t i = alias_position(entries, alias);
    pthread_mutex_lock(&entries->lock);
    struct shelf_alias *at = &entries->alias[i];
    memmove(at, at + 1, (--entries->n_aliases - i) * sizeof *at);
    pthread_mutex_unlock(&entries->lock);
}

// ---- For everyone ------------------------------------------------------------------------------

// The entry of a name or an alias. Called with the lock held.
static const struct entry *resolve(const struct entries *entries, const char *name) {
    const struct entry *entry = entries_find(entries, name);
    if (entry != NULL && entry->served != NULL)
        return entry;
    const struct shelf_alias *alias = entries_alias(entries, name);
    return alias != NULL ? entries_find(entries, alias->model) : entry;
}

struct served *entries_hold(struct entries *entries, const char *name) {
    pthread_mutex_lock(&entries->lock);
    const struct entry *entry = name == NULL ? entries->active : resolve(entries, name);
    struct served *served = entry != NULL ? entry->served : NULL;
    if (served != NULL)
        slot_hold(served);
    pthread_mutex_unlock(&entries->lock);
    return served;
}

size_t entries_hold_all(struct entries *entries, struct served **held, size_t room) {
    size_t n = 0;
    pthread_mutex_lock(&entries->lock);
    for (size_t i = 0; i < entries->n && n < room; i++)
        if (entries->at[i]->served != NULL)
            slot_hold(held[n++] = entries->at[i]->served);
    pthread_mutex_unlock(&entries->lock);
    return n;
}

static enum shelf_state state_of(const struct entry *entry) {
    return entry->served != NULL ? SHELF_READY
           : entry->loading      ? SHELF_LOADING
           : entry->unloaded     ? SHELF_UNLOADED
                                 : SHELF_FAILED;
}

static void describe(const struct entries *entries, const struct entry *entry,
                     struct shelf_entry *out) {
    *out = (struct shelf_entry){.state = state_of(entry),
                                .ready = entry->served != NULL,
                                .active = entry == entries->active,
                                .uploaded = entry->uploaded,
                                .requests = stats_read_answers(tally_stats(entry->tally))};
    memcpy(out->name, entry->name, sizeof out->name);
    memcpy(out->pending, entry->pending, sizeof out->pending);
    if (entry->gone)
        snprintf(out->reason, sizeof out->reason,
                 "its file is gone; it serves on until it is no longer active, nor has an alias");
    else
        memcpy(out->reason, entry->refused.text, sizeof out->reason);
    if (entry->served == NULL)
        return;
    snprintf(out->digest, sizeof out->digest, "%s", entry->served->digest);
    out->generation = entry->served->generation;
}

bool entries_describe(struct entries *entries, const char *name, struct shelf_entry *out) {
    pthread_mutex_lock(&entries->lock);
    const struct entry *entry = resolve(entries, name);
    if (entry != NULL)
        describe(entries, entry, out);
    pthread_mutex_unlock(&entries->lock);
    return entry != NULL;
}

void entries_sum(struct entries *entries, struct shelf_totals *out) {
    *out = (struct shelf_totals){0};
    pthread_mutex_lock(&entries->lock);
    out->memory_bytes = entries->memory;
    if (entries->before != NULL) {
        snprintf(out->before, sizeof out->before, "%s", entries->before->name);
        snprintf(out->before_digest, sizeof out->before_digest, "%s", entries->before->digest);
    }
    pthread_mutex_unlock(&entries->lock);
}

size_t entries_aliases(struct entries *entries, struct shelf_alias **list, struct tnm_error *err) {
    pthread_mutex_lock(&entries->lock);
    size_t n = entries->n_aliases;
    *list = calloc(n > 0 ? n : 1, sizeof **list);
    if (*list != NULL)
        memcpy(*list, entries->alias, n * sizeof **list);
    pthread_mutex_unlock(&entries->lock);
    if (*list != NULL)
        return n;
    tnm_fail(err, TNM_ENOMEM, "no memory");
    return 0;
}

size_t entries_list(struct entries *entries, struct shelf_entry **list, struct tnm_error *err) {
    pthread_mutex_lock(&entries->lock);
    size_t n = entries->n;
    *list = calloc(n > 0 ? n : 1, sizeof **list);
    for (size_t i = 0; *list != NULL && i < n; i++)
        describe(entries, entries->at[i], *list + i);
    pthread_mutex_unlock(&entries->lock);
    if (*list != NULL)
        return n;
    tnm_fail(err, TNM_ENOMEM, "no memory");
    return 0;
}
