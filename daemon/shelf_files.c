/* SPDX-License-Identifier: MIT */
// Files to entries.
#include "daemon/shelf_inside.h"

#include "core/error.h"
#include "daemon/ahead.h"
#include "daemon/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char default_active[] = "mnist-mlp-5bit";

uint64_t shelf_ns_since(const struct timespec *start) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)((now.tv_sec - start->tv_sec) * 1000000000 + now.tv_nsec - start->tv_nsec);
}

// ---- Builds ------------------------------------------------------------------------------------

// Whether one model more may be loaded, in place of entry's.
static bool may_count(const struct shelf *shelf, const struct entry *entry, struct tnm_error *err) {
    size_t loaded = shelf->entries.n_ready - (entry != NULL && entry->served != NULL);
    return loaded < shelf->max_models ||
           tnm_fail(err, TNM_ELIMIT, "%zu models are loaded, max-models = %u", loaded,
                    shelf->max_models);
}

// What may still be taken for entry's next model. What a rollback would bring back gives way.
static bool room_for(const struct shelf *shelf, const struct entry *entry,
                     struct tnm_limits *limits, struct tnm_error *err) {
    *limits = shelf->limits;
    size_t used = entries_memory(&shelf->entries, entry);
    if (shelf->max_memory == 0)
        return true;
    if (used >= shelf->max_memory)
        return tnm_fail(err, TNM_ELIMIT, "max-memory = %zu, and models take %zu bytes",
                        shelf->max_memory, used);
    if (limits->memory_bytes > shelf->max_memory - used)
        limits->memory_bytes = shelf->max_memory - used;
    return true;
}

// *short_of_room: it would fit if others took less.
static struct build *build_anew(struct shelf *shelf, const struct entry *entry, const char *path,
                                bool *short_of_room, struct tnm_error *err) {
    struct tnm_limits limits;
    *short_of_room = true;
    if (!room_for(shelf, entry, &limits, err))
        return NULL;
    struct build *build = ahead_take(shelf->ahead, path, &limits);
    if (build != NULL || (build = build_open(path, &limits, err)) != NULL)
        return build;
    bool cut = limits.memory_bytes < shelf->limits.memory_bytes;
    *short_of_room = (err->code == TNM_ELIMIT && cut) || err->code == TNM_ENOMEM;
    folder_forget_path(err, path);
    if (err->code == TNM_ELIMIT && cut)
        tnm_fail_in(err, "max-memory = %zu leaves %zu bytes", shelf->max_memory,
                    limits.memory_bytes);
    return NULL;
}

struct build *shelf_obtain(struct shelf *shelf, struct entry *entry, const char *path,
                           const char *digest, struct tnm_error *err) {
    bool short_of_room = true;
    struct build *build = NULL;
    if (may_count(shelf, entry, err)) {
        build = digest != NULL ? entries_twin(&shelf->entries, digest) : NULL;
        if (build != NULL)
            build_hold(build);
        else
            build = build_anew(shelf, entry, path, &short_of_room, err);
    }
    if (entry != NULL)
        entry->waits = build == NULL && short_of_room;
    return build;
}

static void log_loaded(const struct served *served, uint64_t ns) {
    struct tnm_summary s;
    tnm_model_summary(served->model, &s);
    double left = s.weights > 0 ? (double)s.nonzeros / (double)s.weights : 1.0;
    log_info("model loaded: %s, %zu bytes, %" PRIu32 " layers, %.2f %% pruned, generation %" PRIu64
             ", %.1f ms",
             served->name, s.bytes, s.n_layers, 100.0 * (1.0 - left), served->generation,
             (double)ns / 1e6);
}

bool shelf_publish(struct shelf *shelf, struct entry *entry, struct build *build, bool makes_active,
                   const struct timespec *start, struct tnm_error *err) {
    if (!entries_publish(&shelf->entries, entry, build, makes_active, err))
        return false;
    struct entry good = *entry;
    good.refused = (struct tnm_error){.code = TNM_OK};
    good.pending[0] = '\0';
    entries_mark(&shelf->entries, entry, &good);
    snprintf(entry->looked, sizeof entry->looked, "%s", entry->served->digest);
    uint64_t ns = shelf_ns_since(start);
    stats_swap(shelf->stats, true, ns);
    log_loaded(entry->served, ns);
    return true;
}

// ---- One file ----------------------------------------------------------------------------------

void shelf_drop(struct shelf *shelf, struct entry *entry) {
    char pending[PATH_MAX];
    if (entry == NULL)
        return;
    folder_pending_path(shelf->uploads != NULL ? shelf->uploads : "", entry->name, pending);
    if (!entries_in_use(&shelf->entries, entry) || entry->served == NULL) {
        log_info("model removed: %s", entry->name);
        unlink(pending);
        entries_remove(&shelf->entries, entry);
        return;
    }
    if (entry->gone)
        return;
    log_warn("model removed: %s; it is in use and serves on until it no longer is", entry->name);
    struct entry gone = *entry;
    gone.gone = true;
    gone.refused = (struct tnm_error){.code = TNM_OK};
    if (access(pending, F_OK) != 0)
        gone.pending[0] = '\0';
    entry->seen = (struct signature){0};
    entries_mark(&shelf->entries, entry, &gone);
}

// Says so, once.
static void refuse(struct shelf *shelf, struct entry *entry, const struct tnm_error *err) {
    bool known = !entry->gone && strcmp(entry->refused.text, err->text) == 0;
    struct entry refused = *entry;
    refused.refused = *err;
    refused.gone = refused.loading = false;
    entries_mark(&shelf->entries, entry, &refused);
    if (!known)
        log_error("model refused: %s: %s%s", entry->name, err->text,
                  entry->served != NULL ? "; the one before serves on" : "");
}

// Whether it is the bytes that were refused, so that another look at them is of no use.
static bool is_final(int code) {
    return code == TNM_EFORMAT || code == TNM_EUNSUPPORTED || code == TNM_ESELFTEST;
}

static bool build_and_publish(struct shelf *shelf, struct entry *entry, const char *path,
                              const char *digest, const struct timespec *start,
                              struct tnm_error *err) {
    struct build *build = shelf_obtain(shelf, entry, path, digest, err);
    bool ok = build != NULL && shelf_publish(shelf, entry, build, false, start, err);
    build_release(build);
    return ok;
}

// *is_new: the file holds another model than what serves, and than what was looked at last.
static bool load(struct shelf *shelf, struct entry *entry, const char *path, size_t len,
                 bool *is_new, struct tnm_error *err) {
    struct timespec start;
    char digest[65];
    clock_gettime(CLOCK_MONOTONIC, &start);
    entry->waits = false;
    // At the start, nearly every file is new, and need not be read for its digest first.
    *is_new = entry->looked[0] == '\0' && entry->served == NULL &&
              !entries_have_length(&shelf->entries, len);
    if (*is_new)
        return build_and_publish(shelf, entry, path, NULL, &start, err);
    if (!folder_digest(path, shelf->limits.file_bytes, digest, err))
        return false;
    bool again = strcmp(digest, entry->looked) == 0;
    if (again && is_final(entry->refused.code)) {
        *err = entry->refused;
        return false;
    }
    const char *serves = entry->served != NULL ? entry->served->digest : "";
    *is_new =
        strcmp(digest, serves) != 0 && !(again && *serves != '\0' && entry->refused.code == TNM_OK);
    snprintf(entry->looked, sizeof entry->looked, "%s", digest);
    return !*is_new || build_and_publish(shelf, entry, path, digest, &start, err);
}

static void accept_unchanged(struct shelf *shelf, struct entry *entry) {
    struct entry good = *entry;
    good.refused = (struct tnm_error){.code = TNM_OK};
    good.gone = good.loading = false;
    entries_mark(&shelf->entries, entry, &good);
}

// An alias is not to be hidden by a file.
static bool may_be_called(const struct shelf *shelf, const char *name, struct tnm_error *err) {
    const struct shelf_alias *alias = entries_alias(&shelf->entries, name);
    return alias == NULL ||
           tnm_fail(err, TNM_EIO, "an alias of this name stands for %s", alias->model);
}

// A file that is there, and not the one that was looked at last.
static enum outcome look_at_new(struct shelf *shelf, struct entry *entry, const char *path,
                                const struct stat *s) {
    struct tnm_error err = {0};
    bool is_new = false;
    struct signature seen = folder_signature(s);
    bool ok = may_be_called(shelf, entry->name, &err) &&
              (S_ISREG(s->st_mode) ? load(shelf, entry, path, (size_t)s->st_size, &is_new, &err)
                                   : tnm_fail(&err, TNM_EIO, "not a regular file"));
    if (ok && !is_new) {
        accept_unchanged(shelf, entry);
    } else if (!ok) {
        stats_swap(shelf->stats, false, 0);
        folder_forget_path(&err, path);
        refuse(shelf, entry, &err);
        // What the file cannot help may be otherwise next time.
        if (!is_final(err.code))
            seen = (struct signature){0};
    }
    entry->seen = seen;
    return !ok ? REFUSED : is_new ? PUBLISHED : UNCHANGED;
}

// At the start, an upload that cannot serve takes nothing out of service that it covers.
static void fall_back(struct shelf *shelf, struct entry *entry) {
    char path[PATH_MAX], digest[65];
    struct timespec start;
    struct tnm_error err;
    struct entry as_was = *entry;
    clock_gettime(CLOCK_MONOTONIC, &start);
    folder_path(shelf->folder, entry->name, path);
    if (!folder_digest(path, shelf->limits.file_bytes, digest, &err))
        return;
    struct build *build = shelf_obtain(shelf, entry, path, digest, &err);
    if (build != NULL && shelf_publish(shelf, entry, build, false, &start, &err)) {
        as_was.uploaded = false;
        entries_mark(&shelf->entries, entry, &as_was);
        memcpy(entry->looked, as_was.looked, sizeof entry->looked);
    }
    build_release(build);
}

// The file of a name: an upload goes before what is in the other folder.
static bool find_file(const struct shelf *shelf, const char *name, char path[PATH_MAX],
                      struct stat *s, bool *uploaded) {
    *uploaded = shelf->separate && folder_stat(shelf->uploads, name, path, s);
    return *uploaded || folder_stat(shelf->folder, name, path, s);
}

static bool is_absent(int number) {
    return number == ENOENT || number == ENOTDIR || number == ELOOP;
}

// The entry of a name, made where there is none; NULL, and a line in the log, where it cannot be.
static struct entry *entry_for(struct shelf *shelf, const char *name) {
    struct tnm_error err;
    struct entry *entry = entries_find(&shelf->entries, name);
    if (entry == NULL && (entry = entries_add(&shelf->entries, name, &err)) == NULL)
        log_error("model refused: %s: %s", name, err.text);
    return entry;
}

static void set_uploaded(struct shelf *shelf, struct entry *entry, bool uploaded) {
    struct entry like = *entry;
    like.uploaded = uploaded;
    entries_mark(&shelf->entries, entry, &like);
}

enum outcome shelf_look(struct shelf *shelf, const char *name, bool whole) {
    char path[PATH_MAX];
    struct stat s;
    bool uploaded;
    struct entry *entry = entries_find(&shelf->entries, name);
    bool found = find_file(shelf, name, path, &s, &uploaded);
    if (!found && is_absent(errno)) {
        shelf_drop(shelf, entry);
        return UNCHANGED;
    }
    struct tnm_error err;
    if (!found)
        tnm_fail_errno(&err, errno, "its file");
    else if ((entry != NULL && (entry->unloaded || folder_unchanged(&entry->seen, &s))) ||
             (!whole && folder_being_written(path)))
        return UNCHANGED;
    if ((entry = entry_for(shelf, name)) == NULL)
        return REFUSED;
    set_uploaded(shelf, entry, uploaded);
    enum outcome outcome = REFUSED;
    if (found)
        outcome = look_at_new(shelf, entry, path, &s);
    else
        refuse(shelf, entry, &err);
    if (outcome == REFUSED && uploaded && entry->served == NULL)
        fall_back(shelf, entry);
    return outcome;
}

// ---- All files ---------------------------------------------------------------------------------

// What waits to be activated since before the start.
static void find_pending(struct shelf *shelf, struct entry *entry) {
    char path[PATH_MAX];
    struct entry waiting = *entry;
    struct tnm_error err;
    if (shelf->uploads == NULL || *entry->pending != '\0')
        return;
    folder_pending_path(shelf->uploads, entry->name, path);
    if (folder_digest(path, shelf->limits.file_bytes, waiting.pending, &err))
        entries_mark(&shelf->entries, entry, &waiting);
}

static bool look_at_folder(struct shelf *shelf, const char *folder, unsigned *published,
                           unsigned *refused, struct tnm_error *err) {
    char(*names)[MODEL_NAME_BYTES];
    int n = folder_names(folder, &names);
    if (n < 0)
        return tnm_fail_errno(err, errno, "folder of models: %s", folder);
    for (int i = 0; i < n; i++) {
        char path[PATH_MAX];
        struct stat s;
        // What an upload goes before has been looked at with it.
        if (folder == shelf->folder && shelf->separate &&
            folder_stat(shelf->uploads, names[i], path, &s))
            continue;
        enum outcome outcome = shelf_look(shelf, names[i], false);
        *published += outcome == PUBLISHED;
        *refused += outcome == REFUSED;
        struct entry *entry = entries_find(&shelf->entries, names[i]);
        if (entry != NULL)
            find_pending(shelf, entry);
    }
    free(names);
    return true;
}

static void drop_absent(struct shelf *shelf) {
    for (size_t i = shelf->entries.n; i-- > 0;) {
        char path[PATH_MAX];
        struct stat s;
        bool uploaded;
        struct entry *entry = shelf->entries.at[i];
        if (!find_file(shelf, entry->name, path, &s, &uploaded) && errno == ENOENT)
            shelf_drop(shelf, entry);
    }
}

bool shelf_look_at_all(struct shelf *shelf, unsigned *published, unsigned *refused,
                       struct tnm_error *err) {
    *published = *refused = 0;
    drop_absent(shelf); // first: they make room
    if (shelf->separate && !look_at_folder(shelf, shelf->uploads, published, refused, err))
        log_error("%s", err->text);
    bool ok = look_at_folder(shelf, shelf->folder, published, refused, err);
    shelf_settle(shelf);
    return ok;
}

// ---- After a change ----------------------------------------------------------------------------

// How much a model is wanted in service at the start: 0 most. An upload is not active unless
// somebody wants it.
static int rank(const struct shelf *shelf, const struct entry *entry) {
    const char *const order[] = {shelf->wanted, shelf->remembered, default_active};
    int i = 0;
    while (i < 3 && strcmp(entry->name, order[i]) != 0)
        i++;
    return i + (i == 3 && entry->uploaded);
}

// Chooses who is active while nobody has been asked for, or when the one that was asked for comes.
static void elect(struct shelf *shelf) {
    struct entry *best = NULL, *active = shelf->entries.active;
    for (size_t i = 0; i < shelf->entries.n; i++) {
        struct entry *entry = shelf->entries.at[i];
        if (entry->served != NULL && (best == NULL || rank(shelf, entry) < rank(shelf, best)))
            best = entry;
    }
    // Between those that nobody asked for, the one in service stays.
    bool stays = active != NULL && (shelf->chosen || best == NULL || rank(shelf, best) > 1);
    if (best == NULL || best == active || stays)
        return;
    struct tnm_error err;
    if (!shelf_make_active(shelf, best, slot_build(best->served), false, &err))
        log_error("cannot activate %s: %s", best->name, err.text);
}

static void use_room(struct shelf *shelf) {
    for (size_t i = 0; i < shelf->entries.n; i++) {
        char name[MODEL_NAME_BYTES];
        if (!shelf->entries.at[i]->waits)
            continue;
        memcpy(name, shelf->entries.at[i]->name, sizeof name);
        shelf_look(shelf, name, false);
        // Where that took it off the shelf, another stands in its place.
        if (i < shelf->entries.n && strcmp(shelf->entries.at[i]->name, name) != 0)
            i--;
    }
}

void shelf_settle(struct shelf *shelf) {
    const struct entries *entries = &shelf->entries;
    if (shelf->max_memory != 0 && entries->memory > shelf->max_memory &&
        entries_forget(&shelf->entries))
        log_warn("max-memory = %zu: what was active before cannot be kept for a rollback",
                 shelf->max_memory);
    if (entries->memory < shelf->settled_memory || entries->n_ready < shelf->settled_n)
        use_room(shelf);
    shelf->settled_memory = entries->memory;
    shelf->settled_n = entries->n_ready;
    elect(shelf);
}
