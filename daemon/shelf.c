/* SPDX-License-Identifier: MIT */
// Opening, watching and asking.
//
// `work` is held by whoever changes anything, for as long as loading takes: one change at a time.
// Requests never take it; they meet only the short lock inside entries.c.
#include "daemon/shelf.h"

#include "core/error.h"
#include "daemon/ahead.h"
#include "daemon/log.h"
#include "daemon/shelf_inside.h"
#include "daemon/watch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- Watching ----------------------------------------------------------------------------------

void shelf_rescan(struct shelf *shelf, unsigned *published, unsigned *refused) {
    struct tnm_error err;
    pthread_mutex_lock(&shelf->work);
    if (!shelf_look_at_all(shelf, published, refused, &err))
        log_error("%s", err.text);
    pthread_mutex_unlock(&shelf->work);
}

static void on_file(void *arg, const char *file, bool only_attributes) {
    const struct shelf_watch *watch = arg;
    struct shelf *shelf = watch->shelf;
    char name[MODEL_NAME_BYTES];
    unsigned published, refused;
    if (!folder_model_name(file, name)) {
        // Models may be links through another link, which is exchanged: Kubernetes does it so.
        if (folder_is_link(watch->folder, file))
            shelf_rescan(shelf, &published, &refused);
        return;
    }
    pthread_mutex_lock(&shelf->work);
    const struct entry *entry = entries_find(&shelf->entries, name);
    // New permissions help only a file that could not be read.
    if (!only_attributes || (entry != NULL && entry->refused.code == TNM_EIO)) {
        shelf_look(shelf, name, !only_attributes);
        shelf_settle(shelf);
    }
    pthread_mutex_unlock(&shelf->work);
}

static void on_all(void *arg, bool asked) {
    const struct shelf_watch *watch = arg;
    struct shelf *shelf = watch->shelf;
    unsigned published, refused;
    shelf_rescan(shelf, &published, &refused);
    if (!asked)
        return;
    pthread_mutex_lock(&shelf->done_lock);
    void (*done)(void *, unsigned, unsigned) = shelf->done;
    void *done_arg = shelf->done_arg;
    pthread_mutex_unlock(&shelf->done_lock);
    done(done_arg, published, refused);
}

void shelf_rescan_soon(struct shelf *shelf,
                       void (*done)(void *arg, unsigned published, unsigned refused), void *arg) {
    pthread_mutex_lock(&shelf->done_lock);
    shelf->done = done;
    shelf->done_arg = arg;
    pthread_mutex_unlock(&shelf->done_lock);
    watch_ask(shelf->watch[0].watch);
}

bool shelf_watch(struct shelf *shelf, struct tnm_error *err) {
    const char *const folders[] = {shelf->folder, shelf->separate ? shelf->uploads : NULL};
    for (int i = 0; i < 2 && folders[i] != NULL; i++) {
        struct shelf_watch *watch = &shelf->watch[i];
        const struct watch_calls calls = {on_file, on_all, watch};
        *watch = (struct shelf_watch){.shelf = shelf, .folder = folders[i]};
        if ((watch->watch = watch_start(folders[i], &calls, err)) == NULL)
            return false;
    }
    return true;
}

void shelf_unwatch(struct shelf *shelf) {
    for (int i = 0; i < 2; i++) {
        watch_stop(shelf->watch[i].watch);
        shelf->watch[i].watch = NULL;
    }
}

// ---- Open and close ----------------------------------------------------------------------------

// The folder of uploads: that of the settings, else one in the state folder, else the models' own.
static bool name_uploads(struct shelf *shelf, const char *uploads, struct tnm_error *err) {
    char path[PATH_MAX];
    if (uploads != NULL && *uploads != '\0')
        snprintf(path, sizeof path, "%s", uploads);
    else if (*shelf->state != '\0')
        snprintf(path, sizeof path, "%.4080s/models", shelf->state);
    else
        snprintf(path, sizeof path, "%s", shelf->folder);
    shelf->uploads = strdup(path);
    return shelf->uploads != NULL || tnm_fail(err, TNM_ENOMEM, "no memory");
}

static void open_uploads(struct shelf *shelf) {
    struct stat of_models, s;
    bool exists = strcmp(shelf->uploads, shelf->folder) == 0 || mkdir(shelf->uploads, 0755) == 0 ||
                  errno == EEXIST;
    if (exists && stat(shelf->uploads, &s) == 0 && S_ISDIR(s.st_mode)) {
        shelf->separate = stat(shelf->folder, &of_models) != 0 || s.st_dev != of_models.st_dev ||
                          s.st_ino != of_models.st_ino;
        spool_clean(shelf->uploads);
        return;
    }
    log_warn("nothing can be uploaded: %s: %s", shelf->uploads, strerror(exists ? ENOTDIR : errno));
    free(shelf->uploads);
    shelf->uploads = NULL;
}

static bool take_settings(struct shelf *shelf, const struct shelf_settings *settings,
                          struct tnm_error *err) {
    shelf->folder = strdup(settings->folder);
    shelf->state = strdup(settings->state != NULL ? settings->state : "");
    if (shelf->folder == NULL || shelf->state == NULL)
        return tnm_fail(err, TNM_ENOMEM, "no memory");
    if (settings->active != NULL)
        snprintf(shelf->wanted, sizeof shelf->wanted, "%s", settings->active);
    folder_recall(shelf->state, shelf->remembered);
    shelf->limits = settings->limits;
    shelf->max_models = settings->max_models;
    shelf->max_memory = settings->max_memory;
    shelf->stats = settings->stats;
    return name_uploads(shelf, settings->uploads, err);
}

static bool fill(struct shelf *shelf, struct tnm_error *err) {
    unsigned published, refused;
    open_uploads(shelf);
    shelf_recall_aliases(shelf);
    // No single model opened ahead may take up the room of many others.
    struct tnm_limits limits = shelf->limits;
    if (shelf->max_memory > 0 && limits.memory_bytes > shelf->max_memory / 16)
        limits.memory_bytes = shelf->max_memory / 16;
    shelf->ahead = ahead_start(shelf->folder, &limits);
    bool ok = shelf_look_at_all(shelf, &published, &refused, err);
    ahead_stop(shelf->ahead);
    shelf->ahead = NULL;
    return ok;
}

struct shelf *shelf_open(const struct shelf_settings *settings, struct tnm_error *err) {
    struct shelf *shelf = calloc(1, sizeof *shelf);
    if (shelf == NULL) {
        tnm_fail(err, TNM_ENOMEM, "no memory");
        return NULL;
    }
    pthread_mutex_init(&shelf->work, NULL);
    pthread_mutex_init(&shelf->done_lock, NULL);
    entries_init(&shelf->entries);
    if (!take_settings(shelf, settings, err) || !fill(shelf, err)) {
        shelf_close(shelf);
        return NULL;
    }
    const struct entry *active = shelf->entries.active;
    if (active == NULL)
        log_error("no model: no file in %s can serve", shelf->folder);
    else if (*shelf->wanted != '\0' && strcmp(active->name, shelf->wanted) != 0)
        log_error("active = %s cannot serve; %s serves until it can", shelf->wanted, active->name);
    return shelf;
}

void shelf_close(struct shelf *shelf) {
    if (shelf == NULL)
        return;
    shelf_unwatch(shelf);
    entries_destroy(&shelf->entries);
    pthread_mutex_destroy(&shelf->work);
    pthread_mutex_destroy(&shelf->done_lock);
    free(shelf->folder);
    free(shelf->uploads);
    free(shelf->state);
    free(shelf);
}

// ---- For requests ------------------------------------------------------------------------------

struct served *shelf_hold(struct shelf *shelf, const char *name) {
    return entries_hold(&shelf->entries, name);
}

size_t shelf_hold_all(struct shelf *shelf, struct served **held, size_t room) {
    return entries_hold_all(&shelf->entries, held, room);
}

bool shelf_find(struct shelf *shelf, const char *name, struct shelf_entry *entry) {
    return entries_describe(&shelf->entries, name, entry);
}

size_t shelf_list(struct shelf *shelf, struct shelf_entry **entries, struct tnm_error *err) {
    return entries_list(&shelf->entries, entries, err);
}

size_t shelf_aliases(struct shelf *shelf, struct shelf_alias **aliases, struct tnm_error *err) {
    return entries_aliases(&shelf->entries, aliases, err);
}

void shelf_sum(struct shelf *shelf, struct shelf_totals *totals) {
    entries_sum(&shelf->entries, totals);
}

const char *shelf_state_name(enum shelf_state state) {
    static const char *const names[] = {"ready", "loading", "failed", "unloaded"};
    return names[state];
}
