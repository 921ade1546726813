/* SPDX-License-Identifier: MIT */
// Files to entries, entries to the active model.
//
// `work` is held by whoever changes anything, for as long as loading takes: one change at a time.
// Requests never take it; they meet only the short lock inside entries.c.
#include "daemon/shelf.h"

#include "core/error.h"
#include "daemon/entries.h"
#include "daemon/log.h"
#include "daemon/watch.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char default_active[] = "mnist-mlp-5bit";

struct shelf {
    char *folder, *state;
    char wanted[MODEL_NAME_BYTES];     // in service at the start, by the settings
    char remembered[MODEL_NAME_BYTES]; // and by the state folder
    struct tnm_limits limits;
    unsigned max_models;
    size_t max_memory;
    struct stats *stats;

    pthread_mutex_t work;
    struct entries entries;
    bool chosen; // the active model was asked for, not elected

    struct watch *watch;
    pthread_mutex_t done_lock; // guards these two
    void (*done)(void *arg, unsigned published, unsigned refused);
    void *done_arg;
};

enum outcome { UNCHANGED, PUBLISHED, REFUSED };

// ---- One file: called with `work` held ---------------------------------------------------------

static void drop(struct shelf *shelf, struct entry *entry) {
    if (entry == NULL || entry->gone)
        return;
    if (entry == shelf->entries.active) {
        log_warn("model removed: %s; it is active and serves on until another is activated",
                 entry->name);
        entry->seen = (struct signature){0};
        entries_mark(&shelf->entries, entry, NULL, true);
        return;
    }
    log_info("model removed: %s", entry->name);
    entries_remove(&shelf->entries, entry);
}

// What may still be taken for entry's next model.
static bool room_for(const struct shelf *shelf, const struct entry *entry,
                     struct tnm_limits *limits, struct tnm_error *err) {
    size_t used = 0;
    unsigned loaded = 0;
    for (size_t i = 0; i < shelf->entries.n; i++) {
        const struct entry *other = shelf->entries.at[i];
        if (other == entry || other->served == NULL)
            continue;
        struct tnm_summary summary;
        tnm_model_summary(other->served->model, &summary);
        used += summary.memory_bytes;
        loaded++;
    }
    if (loaded >= shelf->max_models)
        return tnm_fail(err, TNM_ELIMIT, "%u models are loaded, max-models = %u", loaded,
                        shelf->max_models);
    *limits = shelf->limits;
    if (shelf->max_memory == 0)
        return true;
    if (used >= shelf->max_memory)
        return tnm_fail(err, TNM_ELIMIT, "max-memory = %zu, and models take %zu bytes",
                        shelf->max_memory, used);
    if (limits->memory_bytes > shelf->max_memory - used)
        limits->memory_bytes = shelf->max_memory - used;
    return true;
}

static uint64_t ns_since(const struct timespec *start) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)((now.tv_sec - start->tv_sec) * 1000000000 + now.tv_nsec - start->tv_nsec);
}

static uint64_t us_since(const struct timespec *start) {
    return ns_since(start) / 1000;
}

static void log_loaded(const struct served *served, uint64_t us) {
    struct tnm_summary s;
    tnm_model_summary(served->model, &s);
    double left = s.weights > 0 ? (double)s.nonzeros / (double)s.weights : 1.0;
    log_info("model loaded: %s, %zu bytes, %" PRIu32 " layers, %.2f %% pruned, generation %" PRIu64
             ", %.1f ms",
             served->name, s.bytes, s.n_layers, 100.0 * (1.0 - left), served->generation,
             (double)us / 1e3);
}

// Puts a good build into service under name; *entry is made where there is none.
static bool serve(struct shelf *shelf, struct entry **entry, const char *name, struct build *build,
                  struct tnm_error *err) {
    const struct tnm_error why = {TNM_EIO, "it is about to serve"};
    if (*entry == NULL)
        *entry = entries_add(&shelf->entries, name, &why, err);
    return *entry != NULL && entries_publish(&shelf->entries, *entry, build, err);
}

// *is_new: whether the file holds another model than the one that serves.
static bool load(struct shelf *shelf, struct entry **entry, const char *name, const char *path,
                 bool *is_new, struct tnm_error *err) {
    struct timespec start;
    struct tnm_limits limits;
    clock_gettime(CLOCK_MONOTONIC, &start);
    if (!room_for(shelf, *entry, &limits, err))
        return false;
    struct build *build = build_open(path, &limits, err);
    if (build == NULL && err->code == TNM_ELIMIT &&
        limits.memory_bytes < shelf->limits.memory_bytes)
        return tnm_fail_in(err, "max-memory = %zu leaves %zu bytes", shelf->max_memory,
                           limits.memory_bytes);
    if (build == NULL)
        return false;
    const char *digest = tnm_model_digest(build_model(build));
    *is_new =
        *entry == NULL || (*entry)->served == NULL || strcmp((*entry)->served->digest, digest) != 0;
    bool ok = !*is_new || serve(shelf, entry, name, build, err);
    build_release(build);
    if (ok && *is_new) {
        stats_swap(shelf->stats, true, ns_since(&start));
        log_loaded((*entry)->served, us_since(&start));
    }
    return ok;
}

// Says so, once; *entry is made where there is none, and room for one.
static void refuse(struct shelf *shelf, struct entry **entry, const char *name,
                   const struct tnm_error *err) {
    struct tnm_error no_room;
    bool serves = *entry != NULL && (*entry)->served != NULL;
    if (*entry == NULL || (*entry)->gone || strcmp((*entry)->refused.text, err->text) != 0)
        log_error("model refused: %s: %s%s", name, err->text,
                  serves ? "; the one before serves on" : "");
    if (*entry == NULL)
        *entry = entries_add(&shelf->entries, name, err, &no_room);
    else
        entries_mark(&shelf->entries, *entry, err, false);
}

// Clients need not know where the folder is.
static void forget_path(struct tnm_error *err, const char *path) {
    size_t len = strlen(path);
    if (strncmp(err->text, path, len) == 0 && strncmp(err->text + len, ": ", 2) == 0)
        memmove(err->text, err->text + len + 2, strlen(err->text + len + 2) + 1);
}

// A file that is there, and not the one that was looked at last.
static enum outcome look_at_new(struct shelf *shelf, struct entry *entry, const char *name,
                                const char *path, const struct stat *s) {
    struct tnm_error err = {0};
    bool is_new = false;
    struct signature seen = folder_signature(s);
    bool ok = S_ISREG(s->st_mode) ? load(shelf, &entry, name, path, &is_new, &err)
                                  : tnm_fail(&err, TNM_EIO, "not a regular file");
    if (ok && !is_new) {
        entries_mark(&shelf->entries, entry, NULL, false);
    } else if (!ok) {
        stats_swap(shelf->stats, false, 0);
        forget_path(&err, path);
        refuse(shelf, &entry, name, &err);
        // What the file cannot help may be otherwise next time.
        if (err.code == TNM_EIO || err.code == TNM_ENOMEM || err.code == TNM_ELIMIT)
            seen = (struct signature){0};
    }
    if (entry != NULL)
        entry->seen = seen;
    return !ok ? REFUSED : is_new ? PUBLISHED : UNCHANGED;
}

// whole: an event says so, so that nobody need be asked whether the file is still being written.
// Nor may anybody be: the event of a close comes a moment before the file counts as closed.
static enum outcome look(struct shelf *shelf, const char *name, bool whole) {
    char path[PATH_MAX];
    struct stat s;
    struct entry *entry = entries_find(&shelf->entries, name);
    if (folder_stat(shelf->folder, name, path, &s)) {
        if ((entry != NULL && folder_unchanged(&entry->seen, &s)) ||
            (!whole && folder_being_written(path)))
            return UNCHANGED;
        return look_at_new(shelf, entry, name, path, &s);
    }
    if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP) {
        drop(shelf, entry);
        return UNCHANGED;
    }
    struct tnm_error err;
    tnm_fail_errno(&err, errno, "its file");
    refuse(shelf, &entry, name, &err);
    return REFUSED;
}

// ---- The active model: called with `work` held -------------------------------------------------

static bool make_active(struct shelf *shelf, struct entry *entry, bool chosen,
                        struct tnm_error *err) {
    struct entry *before = shelf->entries.active;
    if (!entries_activate(&shelf->entries, entry, err))
        return false;
    shelf->chosen = chosen;
    log_info("model active: %s, generation %" PRIu64, entry->name, entry->served->generation);
    if (before != NULL && before != entry && before->gone) {
        log_info("model removed: %s", before->name);
        entries_remove(&shelf->entries, before);
    }
    return true;
}

// How much a model is wanted in service at the start: 0 most.
static int rank(const struct shelf *shelf, const char *name) {
    const char *const order[] = {shelf->wanted, shelf->remembered, default_active};
    int i = 0;
    while (i < 3 && strcmp(name, order[i]) != 0)
        i++;
    return i;
}

// Chooses who is active while nobody has been asked for, or when the one that was asked for comes.
static void elect(struct shelf *shelf) {
    struct entry *best = NULL, *active = shelf->entries.active;
    for (size_t i = 0; i < shelf->entries.n; i++) {
        struct entry *entry = shelf->entries.at[i];
        if (entry->served != NULL &&
            (best == NULL || rank(shelf, entry->name) < rank(shelf, best->name)))
            best = entry;
    }
    // Between those that nobody asked for, the one in service stays.
    bool stays = active != NULL && (shelf->chosen || best == NULL || rank(shelf, best->name) > 1);
    if (best == NULL || best == active || stays)
        return;
    struct tnm_error err;
    if (!make_active(shelf, best, false, &err))
        log_error("cannot activate %s: %s", best->name, err.text);
}

// ---- The folder --------------------------------------------------------------------------------

// Called with `work` held.
static bool look_at_all(struct shelf *shelf, unsigned *published, unsigned *refused,
                        struct tnm_error *err) {
    char(*names)[MODEL_NAME_BYTES];
    *published = *refused = 0;
    // Backwards, as an entry whose file is gone goes too.
    for (size_t i = shelf->entries.n; i-- > 0;) {
        char path[PATH_MAX];
        struct stat s;
        struct entry *entry = shelf->entries.at[i];
        if (!folder_stat(shelf->folder, entry->name, path, &s) && errno == ENOENT)
            drop(shelf, entry);
    }
    int n = folder_names(shelf->folder, &names);
    if (n < 0)
        return tnm_fail_errno(err, errno, "folder of models: %s", shelf->folder);
    for (int i = 0; i < n; i++) {
        enum outcome outcome = look(shelf, names[i], false);
        *published += outcome == PUBLISHED;
        *refused += outcome == REFUSED;
    }
    free(names);
    elect(shelf);
    return true;
}

void shelf_rescan(struct shelf *shelf, unsigned *published, unsigned *refused) {
    struct tnm_error err;
    pthread_mutex_lock(&shelf->work);
    if (!look_at_all(shelf, published, refused, &err))
        log_error("%s", err.text);
    pthread_mutex_unlock(&shelf->work);
}

static void on_file(void *arg, const char *file, bool only_attributes) {
    struct shelf *shelf = arg;
    char name[MODEL_NAME_BYTES];
    unsigned published, refused;
    if (!folder_model_name(file, name)) {
        // Models may be links through another link, which is exchanged: Kubernetes does it so.
        if (folder_is_link(shelf->folder, file))
            shelf_rescan(shelf, &published, &refused);
        return;
    }
    pthread_mutex_lock(&shelf->work);
    const struct entry *entry = entries_find(&shelf->entries, name);
    // New permissions help only a file that could not be read.
    if (!only_attributes || (entry != NULL && entry->refused.code == TNM_EIO)) {
        look(shelf, name, !only_attributes);
        elect(shelf);
    }
    pthread_mutex_unlock(&shelf->work);
}

static void on_all(void *arg, bool asked) {
    struct shelf *shelf = arg;
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
    watch_ask(shelf->watch);
}

bool shelf_watch(struct shelf *shelf, struct tnm_error *err) {
    const struct watch_calls calls = {on_file, on_all, shelf};
    shelf->watch = watch_start(shelf->folder, &calls, err);
    return shelf->watch != NULL;
}

void shelf_unwatch(struct shelf *shelf) {
    watch_stop(shelf->watch);
    shelf->watch = NULL;
}

// ---- Open and close ----------------------------------------------------------------------------

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
    return true;
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
    unsigned published, refused;
    if (!take_settings(shelf, settings, err) || !look_at_all(shelf, &published, &refused, err)) {
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
    free(shelf->state);
    free(shelf);
}

// ---- For requests ------------------------------------------------------------------------------

struct served *shelf_hold(struct shelf *shelf, const char *name) {
    return entries_hold(&shelf->entries, name);
}

bool shelf_find(struct shelf *shelf, const char *name, struct shelf_entry *entry) {
    return entries_describe(&shelf->entries, name, entry);
}

size_t shelf_list(struct shelf *shelf, struct shelf_entry **entries, struct tnm_error *err) {
    return entries_list(&shelf->entries, entries, err);
}

// Called with `work` held. The entry of a name whose newest file is good.
static struct entry *ready_entry(struct shelf *shelf, const char *name, struct tnm_error *err) {
    char file[2 * MODEL_NAME_BYTES], checked[MODEL_NAME_BYTES];
    snprintf(file, sizeof file, "%.64s.tnm", name);
    if (folder_model_name(file, checked))
        look(shelf, checked, false);
    struct entry *entry = entries_find(&shelf->entries, name);
    if (entry == NULL)
        tnm_fail(err, TNM_EINPUT, "no model \"%.64s\"", name);
    else if (entry->refused.code != TNM_OK)
        tnm_fail(err, entry->refused.code, "%s", entry->refused.text);
    else if (tnm_model_self_test(entry->served->model, err))
        return entry;
    return NULL;
}

static bool activate(struct shelf *shelf, const char *name, struct shelf_activation *out,
                     struct tnm_error *err) {
    struct timespec start;
    clock_gettime(CLOCK_MONOTONIC, &start);
    const struct timespec asked = start;
    struct entry *entry = ready_entry(shelf, name, err);
    if (entry == NULL) {
        stats_swap(shelf->stats, false, 0);
        return false;
    }
    out->verify_us = us_since(&start);
    if (shelf->entries.active != NULL)
        memcpy(out->previous, shelf->entries.active->name, sizeof out->previous);
    clock_gettime(CLOCK_MONOTONIC, &start);
    if (!make_active(shelf, entry, true, err))
        return false;
    out->swap_us = us_since(&start);
    stats_swap(shelf->stats, true, ns_since(&asked));
    out->generation = entry->served->generation;
    if (!folder_remember(shelf->state, name))
        log_warn("cannot remember in %s that %s is active: %s", shelf->state, name,
                 strerror(errno));
    return true;
}

bool shelf_activate(struct shelf *shelf, const char *name, uint64_t if_match, bool *moved,
                    struct shelf_activation *out, struct tnm_error *err) {
    *out = (struct shelf_activation){0};
    pthread_mutex_lock(&shelf->work);
    const struct entry *active = shelf->entries.active;
    uint64_t now = active != NULL ? active->served->generation : 0;
    *moved = if_match != 0 && if_match != now;
    bool ok = *moved ? tnm_fail(err, TNM_EINPUT, "generation %" PRIu64 " is active, not %" PRIu64,
                                now, if_match)
                     : activate(shelf, name, out, err);
    pthread_mutex_unlock(&shelf->work);
    return ok;
}
