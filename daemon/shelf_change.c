/* SPDX-License-Identifier: MIT */
// Which model is active: activating, rolling back; and what is in memory at all.
#include "daemon/shelf_inside.h"

#include "core/error.h"
#include "core/model.h"
#include "core/save.h"
#include "daemon/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

// ---- Words for all changes ---------------------------------------------------------------------

struct entry *shelf_entry_called(struct shelf *shelf, const char *name) {
    const struct shelf_alias *alias = entries_alias(&shelf->entries, name);
    return entries_find(&shelf->entries, alias != NULL ? alias->model : name);
}

enum shelf_result shelf_unknown(const char *name, struct tnm_error *err) {
    return REFUSE(SHELF_UNKNOWN, err, "no model \"%.64s\"", name);
}

void shelf_set_pending(struct shelf *shelf, struct entry *entry, const char *digest,
                       bool uploaded) {
    struct entry like = *entry;
    snprintf(like.pending, sizeof like.pending, "%s", digest);
    like.uploaded = uploaded;
    entries_mark(&shelf->entries, entry, &like);
}

enum shelf_result shelf_in_use(const struct shelf *shelf, const struct entry *entry,
                               struct tnm_error *err) {
    const struct entries *entries = &shelf->entries;
    if (entry == entries->active)
        return REFUSE(SHELF_IN_USE, err, "%s is active", entry->name);
    for (size_t i = 0; i < entries->n_aliases; i++)
        if (strcmp(entries->alias[i].model, entry->name) == 0)
            return REFUSE(SHELF_IN_USE, err, "the alias %s stands for %s", entries->alias[i].name,
                          entry->name);
    return SHELF_DONE;
}

void shelf_bury(struct shelf *shelf, struct entry *entry) {
    if (entry != NULL && entry->gone && !entries_in_use(&shelf->entries, entry))
        shelf_drop(shelf, entry);
}

struct entry *shelf_look_and_find(struct shelf *shelf, const char *name) {
    const struct entry *known = shelf_entry_called(shelf, name);
    char real[MODEL_NAME_BYTES];
    if (!folder_name_fits(name))
        return NULL;
    snprintf(real, sizeof real, "%s", known != NULL ? known->name : name);
    shelf_look(shelf, real, false);
    return shelf_entry_called(shelf, name);
}

// ---- The active model --------------------------------------------------------------------------

bool shelf_make_active(struct shelf *shelf, struct entry *entry, struct build *build, bool chosen,
                       struct tnm_error *err) {
    struct entry *before = shelf->entries.active;
    if (!entries_publish(&shelf->entries, entry, build, true, err))
        return false;
    shelf->chosen = chosen;
    log_info("model active: %s, generation %" PRIu64, entry->name, entry->served->generation);
    if (before != entry)
        shelf_bury(shelf, before);
    return true;
}

static bool has_moved(const struct shelf *shelf, uint64_t if_match, struct tnm_error *err) {
    const struct entry *active = shelf->entries.active;
    uint64_t now = active != NULL ? active->served->generation : 0;
    return if_match != 0 && if_match != now &&
           !tnm_fail(err, TNM_EINPUT, "generation %" PRIu64 " is active, not %" PRIu64, now,
                     if_match);
}

static void remember_active(struct shelf *shelf) {
    struct tnm_error err;
    char line[MODEL_NAME_BYTES + 1];
    snprintf(line, sizeof line, "%s\n", shelf->entries.active->name);
    if (!folder_remember(shelf->state, "active", line, &err))
        log_warn("cannot remember that %s is active: %s", shelf->entries.active->name, err.text);
}

static const char *upload_folder(const struct shelf *shelf) {
    return shelf->uploads != NULL ? shelf->uploads : shelf->folder;
}

// Has what waits take its place: a pending upload, or the file that a rollback passed over. The
// build is held for the caller.
static struct build *take_pending(struct shelf *shelf, struct entry *entry, struct tnm_error *err) {
    char pending[PATH_MAX], path[PATH_MAX], digest[65];
    folder_path(upload_folder(shelf), entry->name, path);
    folder_pending_path(upload_folder(shelf), entry->name, pending);
    bool stored = access(pending, F_OK) == 0;
    const char *from = stored ? pending : path;
    if (!folder_digest(from, shelf->limits.file_bytes, digest, err))
        return NULL;
    struct build *build = shelf_obtain(shelf, entry, from, digest, err);
    if (build == NULL)
        return NULL;
    if (stored && !spool_rename(pending, path)) {
        tnm_fail_errno(err, errno, "what waits cannot take its place");
        build_release(build);
        return NULL;
    }
    struct entry taken = *entry;
    taken.pending[0] = '\0';
    taken.refused = (struct tnm_error){.code = TNM_OK};
    taken.uploaded = shelf->separate;
    entries_mark(&shelf->entries, entry, &taken);
    snprintf(entry->looked, sizeof entry->looked, "%s", digest);
    return build;
}

// What is to be active: held, and its self-test passed. NULL: it cannot be.
static struct build *candidate(struct shelf *shelf, struct entry *entry, struct tnm_error *err) {
    struct build *build = NULL;
    if (*entry->pending != '\0') {
        build = take_pending(shelf, entry, err);
    } else if (entry->refused.code != TNM_OK) {
        *err = entry->refused;
    } else if (entry->served != NULL) {
        build = slot_build(entry->served);
        build_hold(build);
    }
    if (build != NULL && !tnm_model_self_test(build_model(build), err)) {
        build_release(build);
        return NULL;
    }
    return build;
}

static enum shelf_result activate(struct shelf *shelf, const char *name,
                                  struct shelf_activation *out, struct tnm_error *err) {
    struct timespec start;
    clock_gettime(CLOCK_MONOTONIC, &start);
    const struct timespec asked = start;
    struct entry *entry = shelf_look_and_find(shelf, name);
    if (entry == NULL)
        return shelf_unknown(name, err);
    if (entry->unloaded)
        return REFUSE(SHELF_NOT_LOADED, err, "%s is unloaded: load it first", entry->name);
    struct build *build = candidate(shelf, entry, err);
    if (build == NULL)
        return SHELF_REFUSED;
    out->verify_us = shelf_ns_since(&start) / 1000;
    if (shelf->entries.active != NULL)
        memcpy(out->previous, shelf->entries.active->name, sizeof out->previous);
    clock_gettime(CLOCK_MONOTONIC, &start);
    bool ok = shelf_make_active(shelf, entry, build, true, err);
    out->swap_us = shelf_ns_since(&start) / 1000;
    build_release(build);
    if (!ok)
        return SHELF_REFUSED;
    stats_swap(shelf->stats, true, shelf_ns_since(&asked));
    out->generation = entry->served->generation;
    memcpy(out->name, entry->name, sizeof out->name);
    snprintf(out->digest, sizeof out->digest, "%s", entry->served->digest);
    remember_active(shelf);
    return SHELF_DONE;
}

enum shelf_result shelf_activate(struct shelf *shelf, const char *name, uint64_t if_match,
                                 struct shelf_activation *out, struct tnm_error *err) {
    *out = (struct shelf_activation){0};
    pthread_mutex_lock(&shelf->work);
    enum shelf_result result =
        has_moved(shelf, if_match, err) ? SHELF_MOVED : activate(shelf, name, out, err);
    if (result == SHELF_REFUSED)
        stats_swap(shelf->stats, false, 0);
    shelf_settle(shelf);
    pthread_mutex_unlock(&shelf->work);
    return result;
}

// ---- Rollback ----------------------------------------------------------------------------------

// What serves under entry is no longer what its file holds. Has the files follow, so that a restart
// brings back what serves: it becomes the upload, and what the upload was waits. The folder of the
// settings is not written to.
static bool store_what_serves(struct shelf *shelf, const struct entry *entry,
                              struct tnm_error *err) {
    char path[PATH_MAX], pending[PATH_MAX];
    const struct tnm_model *serves = entry->served->model, *passed = shelf->entries.before->model;
    folder_path(shelf->uploads, entry->name, path);
    folder_pending_path(shelf->uploads, entry->name, pending);
    if (entry->uploaded && rename(path, pending) != 0)
        return tnm_fail_errno(err, errno, "its file");
    if (!entry->uploaded && strcmp(passed->digest, entry->looked) == 0 &&
        !tnm_write_file(pending, passed->bytes, passed->len, err))
        return false;
    return tnm_write_file(path, serves->bytes, serves->len, err);
}

// The other way: what waited is what serves again.
static bool restore_pending(struct shelf *shelf, const struct entry *entry, struct tnm_error *err) {
    char path[PATH_MAX], pending[PATH_MAX];
    folder_path(shelf->uploads, entry->name, path);
    folder_pending_path(shelf->uploads, entry->name, pending);
    return spool_rename(pending, path) || tnm_fail_errno(err, errno, "its file");
}

// After a rollback. Where there is no folder of uploads, only this process knows.
static void pass_over_file(struct shelf *shelf, struct entry *entry) {
    const char *serves = entry->served->digest;
    struct tnm_error err;
    bool back = strcmp(entry->pending, serves) == 0, stored = false;
    if (!back && (strcmp(entry->looked, serves) == 0 || entry->refused.code != TNM_OK))
        return;
    if (shelf->separate) {
        stored = back ? restore_pending(shelf, entry, &err) : store_what_serves(shelf, entry, &err);
        if (!stored)
            log_warn("a restart will not know of the rollback: %s: %s", entry->name, err.text);
    }
    shelf_set_pending(shelf, entry, back ? "" : entry->looked, entry->uploaded || stored);
    if (stored)
        snprintf(entry->looked, sizeof entry->looked, "%s", serves);
}

static enum shelf_result roll_back(struct shelf *shelf, struct shelf_activation *out,
                                   struct tnm_error *err) {
    struct timespec start;
    const struct served *before = shelf->entries.before;
    clock_gettime(CLOCK_MONOTONIC, &start);
    if (before == NULL || shelf->entries.active == NULL)
        return REFUSE(SHELF_NOTHING_BEFORE, err, "no other model was active before");
    struct entry *entry = entries_find(&shelf->entries, before->name);
    if (entry == NULL) { // its file is gone, and it went with it
        if ((entry = entries_add(&shelf->entries, before->name, err)) == NULL)
            return SHELF_REFUSED;
        entry->seen = (struct signature){0};
    }
    bool is_gone = entry->looked[0] == '\0';
    memcpy(out->previous, shelf->entries.active->name, sizeof out->previous);
    if (!shelf_make_active(shelf, entry, slot_build(before), true, err))
        return SHELF_REFUSED;
    out->swap_us = shelf_ns_since(&start) / 1000;
    stats_swap(shelf->stats, true, shelf_ns_since(&start));
    out->generation = entry->served->generation;
    memcpy(out->name, entry->name, sizeof out->name);
    snprintf(out->digest, sizeof out->digest, "%s", entry->served->digest);
    if (is_gone) {
        struct entry gone = *entry;
        gone.gone = true;
        entries_mark(&shelf->entries, entry, &gone);
    } else {
        pass_over_file(shelf, entry);
    }
    remember_active(shelf);
    return SHELF_DONE;
}

enum shelf_result shelf_rollback(struct shelf *shelf, uint64_t if_match,
                                 struct shelf_activation *out, struct tnm_error *err) {
    *out = (struct shelf_activation){0};
    pthread_mutex_lock(&shelf->work);
    enum shelf_result result =
        has_moved(shelf, if_match, err) ? SHELF_MOVED : roll_back(shelf, out, err);
    shelf_settle(shelf);
    pthread_mutex_unlock(&shelf->work);
    return result;
}

// ---- Loading and unloading ---------------------------------------------------------------------

static void set_unloaded(struct shelf *shelf, struct entry *entry, bool unloaded) {
    struct entry like = *entry;
    like.unloaded = unloaded;
    like.refused = (struct tnm_error){.code = TNM_OK};
    like.loading = !unloaded;
    entry->looked[0] = '\0';
    entry->seen = (struct signature){0};
    entry->waits = false;
    entries_mark(&shelf->entries, entry, &like);
}

static enum shelf_result unload(struct shelf *shelf, const char *name, struct tnm_error *err) {
    struct entry *entry = shelf_entry_called(shelf, name);
    if (entry == NULL)
        return shelf_unknown(name, err);
    enum shelf_result used = shelf_in_use(shelf, entry, err);
    if (used != SHELF_DONE || entry->unloaded)
        return used;
    set_unloaded(shelf, entry, true);
    entries_withdraw(&shelf->entries, entry);
    log_info("model unloaded: %s", entry->name);
    return SHELF_DONE;
}

static enum shelf_result load_again(struct shelf *shelf, const char *name, struct tnm_error *err) {
    struct entry *entry = shelf_entry_called(shelf, name);
    if (entry != NULL && entry->unloaded)
        set_unloaded(shelf, entry, false);
    entry = shelf_look_and_find(shelf, name);
    if (entry == NULL)
        return shelf_unknown(name, err);
    if (entry->refused.code == TNM_OK && entry->served != NULL)
        return SHELF_DONE;
    if (entry->refused.code == TNM_OK)
        return REFUSE(SHELF_NOT_LOADED, err, "%s is still being written", entry->name);
    *err = entry->refused;
    return SHELF_REFUSED;
}

enum shelf_result shelf_unload(struct shelf *shelf, const char *name, struct tnm_error *err) {
    pthread_mutex_lock(&shelf->work);
    enum shelf_result result = unload(shelf, name, err);
    shelf_settle(shelf);
    pthread_mutex_unlock(&shelf->work);
    return result;
}

enum shelf_result shelf_load(struct shelf *shelf, const char *name, struct tnm_error *err) {
    pthread_mutex_lock(&shelf->work);
    enum shelf_result result = load_again(shelf, name, err);
    shelf_settle(shelf);
    pthread_mutex_unlock(&shelf->work);
    return result;
}
