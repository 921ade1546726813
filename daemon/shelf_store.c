/* SPDX-License-Identifier: MIT */
// Files that are uploaded, and deleted again.
#include "daemon/shelf_inside.h"

#include "core/error.h"
#include "daemon/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

// ---- Storing -----------------------------------------------------------------------------------

struct spool *shelf_spool(struct shelf *shelf, struct tnm_error *err) {
    if (shelf->uploads != NULL)
        return spool_open(shelf->uploads, err);
    tnm_fail(err, TNM_EIO, "the folder of uploads cannot be used");
    return NULL;
}

static enum shelf_result may_put(struct shelf *shelf, const char *name, bool only_new,
                                 struct tnm_error *err) {
    const struct shelf_alias *alias = entries_alias(&shelf->entries, name);
    if (!folder_name_fits(name))
        return REFUSE(SHELF_BAD_NAME, err,
                      "\"%.64s\" is not 1 to 63 of A-Z a-z 0-9 . _ -, the first no dot", name);
    if (alias != NULL)
        return REFUSE(SHELF_IN_USE, err, "an alias of this name stands for %s", alias->model);
    if (shelf->uploads == NULL)
        return REFUSE(SHELF_READ_ONLY, err, "the folder of uploads cannot be used");
    if (only_new && entries_find(&shelf->entries, name) != NULL)
        return REFUSE(SHELF_EXISTS, err, "there is a model %s", name);
    return SHELF_DONE;
}

static enum shelf_result keep(struct shelf *shelf, const char *name, struct spool *spool,
                              bool pending, struct tnm_error *err) {
    char path[PATH_MAX], waiting[PATH_MAX];
    folder_path(shelf->uploads, name, path);
    folder_pending_path(shelf->uploads, name, waiting);
    if (!spool_keep(spool, pending ? waiting : path, err))
        return spool->full ? SHELF_FULL : SHELF_READ_ONLY;
    if (!pending)
        unlink(waiting);
    return SHELF_DONE;
}

// The file is good, and build, what it holds, may be published.
static enum shelf_result store(struct shelf *shelf, const char *name, struct spool *spool,
                               struct build *build, const struct timespec *start,
                               struct tnm_error *err) {
    struct entry *known = entries_find(&shelf->entries, name), *entry = known;
    if (entry == NULL && (entry = entries_add(&shelf->entries, name, err)) == NULL)
        return SHELF_REFUSED;
    enum shelf_result result = keep(shelf, name, spool, false, err);
    bool is_new = entry->served == NULL ||
                  strcmp(entry->served->digest, tnm_model_digest(build_model(build))) != 0;
    if (result == SHELF_DONE && is_new && !shelf_publish(shelf, entry, build, false, start, err))
        result = SHELF_REFUSED;
    if (result == SHELF_DONE)
        shelf_set_pending(shelf, entry, "", shelf->separate);
    else if (known == NULL)
        entries_remove(&shelf->entries, entry);
    entry = entries_find(&shelf->entries, name);
    if (entry != NULL)
        entry->seen = (struct signature){0};
    return result;
}

// Over the active model: it waits.
static enum shelf_result store_pending(struct shelf *shelf, struct entry *entry,
                                       struct spool *spool, const char *digest,
                                       struct tnm_error *err) {
    enum shelf_result result = keep(shelf, entry->name, spool, true, err);
    if (result != SHELF_DONE)
        return result;
    shelf_set_pending(shelf, entry, digest, entry->uploaded);
    log_info("model waits to be activated: %s, %zu bytes", entry->name, spool->len);
    return SHELF_DONE;
}

static enum shelf_result put(struct shelf *shelf, const char *name, struct spool *spool,
                             bool only_new, struct shelf_upload *out, struct tnm_error *err) {
    struct timespec start;
    uint8_t bytes[32];
    clock_gettime(CLOCK_MONOTONIC, &start);
    enum shelf_result result = may_put(shelf, name, only_new, err);
    if (result != SHELF_DONE)
        return result;
    struct entry *entry = entries_find(&shelf->entries, name);
    spool_digest(spool, bytes);
    tnm_digest_text(bytes, out->digest);
    out->bytes = spool->len;
    out->is_new = entry == NULL;
    out->pending = entry != NULL && entry == shelf->entries.active &&
                   strcmp(entry->served->digest, out->digest) != 0;
    bool waits = entry != NULL && entry->waits;
    struct build *build = shelf_obtain(shelf, entry, spool->path, out->digest, err);
    if (entry != NULL)
        entry->waits = waits; // that was about another file
    if (build == NULL) {
        folder_forget_path(err, spool->path);
        return SHELF_REFUSED;
    }
    result = out->pending ? store_pending(shelf, entry, spool, out->digest, err)
                          : store(shelf, name, spool, build, &start, err);
    build_release(build);
    if (result == SHELF_DONE)
        out->generation = entries_find(&shelf->entries, name)->served->generation;
    return result;
}

enum shelf_result shelf_put(struct shelf *shelf, const char *name, struct spool *spool,
                            bool only_new, struct shelf_upload *out, struct tnm_error *err) {
    *out = (struct shelf_upload){0};
    pthread_mutex_lock(&shelf->work);
    enum shelf_result result = put(shelf, name, spool, only_new, out, err);
    if (result == SHELF_REFUSED)
        stats_swap(shelf->stats, false, 0);
    shelf_settle(shelf);
    pthread_mutex_unlock(&shelf->work);
    return result;
}

// ---- Deleting ----------------------------------------------------------------------------------

// Its upload is gone: what else there is under the name serves, or nothing.
static void uncover(struct shelf *shelf, struct entry *entry, bool *uncovered) {
    char path[PATH_MAX];
    struct stat s;
    shelf_set_pending(shelf, entry, "", false);
    entry->seen = (struct signature){0};
    *uncovered = shelf->separate && folder_stat(shelf->folder, entry->name, path, &s);
    if (!*uncovered)
        shelf_drop(shelf, entry);
    else if (shelf_look(shelf, entry->name, true) == REFUSED)
        entries_withdraw(&shelf->entries, entry);
}

static enum shelf_result remove_upload(struct shelf *shelf, const char *name, bool *uncovered,
                                       struct tnm_error *err) {
    char path[PATH_MAX], pending[PATH_MAX];
    struct entry *entry = entries_find(&shelf->entries, name);
    if (entry == NULL)
        return shelf_unknown(name, err);
    enum shelf_result used = shelf_in_use(shelf, entry, err);
    if (used != SHELF_DONE)
        return used;
    if (shelf->uploads == NULL)
        return REFUSE(SHELF_READ_ONLY, err, "the folder of uploads cannot be used");
    folder_path(shelf->uploads, name, path);
    folder_pending_path(shelf->uploads, name, pending);
    bool waited = unlink(pending) == 0;
    if (!spool_unlink(path) && (errno != ENOENT || !waited)) {
        tnm_fail_errno(err, errno, "%s is no upload that can be deleted", name);
        return SHELF_READ_ONLY;
    }
    if (shelf->entries.before != NULL && strcmp(shelf->entries.before->name, name) == 0)
        entries_forget(&shelf->entries);
    uncover(shelf, entry, uncovered);
    return SHELF_DONE;
}

enum shelf_result shelf_delete(struct shelf *shelf, const char *name, bool *uncovered,
                               struct tnm_error *err) {
    *uncovered = false;
    pthread_mutex_lock(&shelf->work);
    enum shelf_result result = remove_upload(shelf, name, uncovered, err);
    shelf_settle(shelf);
    pthread_mutex_unlock(&shelf->work);
    return result;
}
