/* SPDX-License-Identifier: MIT */
// Files to entries, entries to the active model.
//
// Two locks. `work` is held by whoever changes anything, for as long as loading takes: one change
// at a time. `lock` is held for a pointer or a counter only; requests take no other. What both
// protect (entries, active, generation) is written under both and may be read under either.
#include "daemon/shelf.h"

#include "core/error.h"
#include "daemon/log.h"
#include "daemon/slot.h"
#include "daemon/watch.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char default_active[] = "mnist-mlp-5bit";

enum {
    NAME_BYTES = 64,
    MAX_ENTRIES = 1024 // refused files included
};

// What tells that a file has not changed. Empty: it must be looked at again in any case.
struct signature {
    dev_t device;
    ino_t inode;
    off_t len;
    struct timespec modified, changed;
};

struct entry {
    char name[NAME_BYTES];
    struct served *served; // NULL: nothing serves
    struct tally *tally;
    struct signature seen;
    struct tnm_error refused; // why the newest file was refused; code TNM_OK: it was not
    bool gone;                // the file; what served serves on
};

struct shelf {
    char *folder, *state;
    char wanted[NAME_BYTES], remembered[NAME_BYTES]; // by the settings; by the state folder
    struct tnm_limits limits;
    unsigned max_models;
    size_t max_memory;
    struct watch *watch;
    void (*rescanned)(void *arg, unsigned published, unsigned refused);
    void *rescanned_arg;

    pthread_mutex_t work, lock;
    struct entry *entries[MAX_ENTRIES]; // by name
    size_t n_entries;
    struct entry *active; // it serves; NULL: none
    bool chosen;          // active was asked for, not elected
    uint64_t generation;
};

enum outcome { UNCHANGED, PUBLISHED, REFUSED };

// ---- Names and files ---------------------------------------------------------------------------

// NAME.tnm to NAME. False for what is not the name of a model.
static bool model_name(const char *file, char name[NAME_BYTES]) {
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t len = strlen(file);
    if (len < 5 || strcmp(file + len - 4, ".tnm") != 0)
        return false;
    len -= 4;
    if (len >= NAME_BYTES || file[0] == '.' || strspn(file, allowed) != len + 4)
        return false;
    memcpy(name, file, len);
    name[len] = '\0';
    return true;
}

static bool same_time(struct timespec a, struct timespec b) {
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool same(const struct signature *a, const struct signature *b) {
    return a->device == b->device && a->inode == b->inode && a->len == b->len &&
           same_time(a->modified, b->modified) && same_time(a->changed, b->changed);
}

// The times of files are coarse: one that changed a moment ago may change again without a trace,
// so that its signature says nothing yet.
static struct signature signature_of(const struct stat *s) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (now.tv_sec - s->st_mtim.tv_sec < 2 || now.tv_sec - s->st_ctim.tv_sec < 2)
        return (struct signature){0};
    return (struct signature){s->st_dev, s->st_ino, s->st_size, s->st_mtim, s->st_ctim};
}

static bool stat_model(const struct shelf *shelf, const char *name, char path[PATH_MAX],
                       struct stat *s) {
    int n = snprintf(path, PATH_MAX, "%s/%s.tnm", shelf->folder, name);
    if (n < 0 || n >= PATH_MAX) {
        errno = ENAMETOOLONG;
        return false;
    }
    return stat(path, s) == 0;
}

// Whether some process has the file open for writing. The kernel tells only its owner and root;
// others find out by the checksum.
static bool being_written(const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return false;
    bool written = fcntl(fd, F_SETLEASE, F_RDLCK) != 0 && errno == EAGAIN;
    close(fd); // and with it the lease
    return written;
}

// ---- Entries: called with `work` held ----------------------------------------------------------

// Where name stands among the entries, or would.
static size_t position(const struct shelf *shelf, const char *name) {
    size_t low = 0, high = shelf->n_entries;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (strcmp(shelf->entries[middle]->name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct entry *find(const struct shelf *shelf, const char *name) {
    size_t at = position(shelf, name);
    return at < shelf->n_entries && strcmp(shelf->entries[at]->name, name) == 0 ? shelf->entries[at]
                                                                                : NULL;
}

static struct entry *add_entry(struct shelf *shelf, const char *name, struct tnm_error *err) {
    struct entry *entry = calloc(1, sizeof *entry);
    if (shelf->n_entries >= MAX_ENTRIES || entry == NULL || (entry->tally = tally_open()) == NULL) {
        free(entry);
        tnm_fail(err, TNM_ELIMIT, "no room for more than %d entries", MAX_ENTRIES);
        return NULL;
    }
    snprintf(entry->name, sizeof entry->name, "%s", name);
    size_t at = position(shelf, name);
    pthread_mutex_lock(&shelf->lock);
    memmove(shelf->entries + at + 1, shelf->entries + at,
            (shelf->n_entries - at) * sizeof(struct entry *));
    shelf->entries[at] = entry;
    shelf->n_entries++;
    pthread_mutex_unlock(&shelf->lock);
    return entry;
}

static void remove_entry(struct shelf *shelf, struct entry *entry) {
    assert(entry != shelf->active);
    size_t at = position(shelf, entry->name);
    pthread_mutex_lock(&shelf->lock);
    shelf->n_entries--;
    memmove(shelf->entries + at, shelf->entries + at + 1,
            (shelf->n_entries - at) * sizeof(struct entry *));
    pthread_mutex_unlock(&shelf->lock);
    shelf_release(entry->served);
    tally_release(entry->tally);
    free(entry);
}

// Puts a build into service under the next generation, and takes the old one out.
static bool publish(struct shelf *shelf, struct entry *entry, struct build *build,
                    struct tnm_error *err) {
    struct served *fresh = slot_open(build, entry->tally, entry->name, shelf->generation + 1, err);
    if (fresh == NULL)
        return false;
    pthread_mutex_lock(&shelf->lock);
    struct served *old = entry->served;
    entry->served = fresh;
    shelf->generation++;
    pthread_mutex_unlock(&shelf->lock);
    shelf_release(old); // unmapping takes time, so not under the lock
    return true;
}

static void mark(struct shelf *shelf, struct entry *entry, const struct tnm_error *refused,
                 bool gone) {
    pthread_mutex_lock(&shelf->lock);
    entry->refused = refused != NULL ? *refused : (struct tnm_error){.code = TNM_OK};
    entry->gone = gone;
    pthread_mutex_unlock(&shelf->lock);
}

static void drop(struct shelf *shelf, const char *name) {
    struct entry *entry = find(shelf, name);
    if (entry == NULL || entry->gone)
        return;
    if (entry == shelf->active) {
        log_warn("model removed: %s; it is active and serves on until another is activated", name);
        mark(shelf, entry, NULL, true);
        entry->seen = (struct signature){0};
        return;
    }
    log_info("model removed: %s", name);
    remove_entry(shelf, entry);
}

// ---- Loading: called with `work` held ----------------------------------------------------------

// What may still be taken for entry's next model.
static bool room_for(const struct shelf *shelf, const struct entry *entry,
                     struct tnm_limits *limits, struct tnm_error *err) {
    size_t used = 0;
    unsigned loaded = 0;
    for (size_t i = 0; i < shelf->n_entries; i++) {
        const struct entry *other = shelf->entries[i];
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
        return tnm_fail(err, TNM_ELIMIT, "models take %zu bytes, max-memory = %zu", used,
                        shelf->max_memory);
    if (limits->memory_bytes > shelf->max_memory - used)
        limits->memory_bytes = shelf->max_memory - used;
    return true;
}

static double ms_since(const struct timespec *start) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - start->tv_sec) * 1e3 +
           (double)(now.tv_nsec - start->tv_nsec) / 1e6;
}

static void log_loaded(const struct served *served, const struct timespec *start) {
    struct tnm_summary s;
    tnm_model_summary(served->model, &s);
    log_info("model loaded: %s, %zu bytes, %" PRIu32 " layers, %.2f %% pruned, generation %" PRIu64
             ", %.1f ms",
             served->name, s.bytes, s.n_layers,
             s.weights > 0 ? 100.0 * (1.0 - (double)s.nonzeros / (double)s.weights) : 0.0,
             served->generation, ms_since(start));
}

static bool load(struct shelf *shelf, struct entry *entry, const char *path, enum outcome *outcome,
                 struct tnm_error *err) {
    struct timespec start;
    struct tnm_limits limits;
    clock_gettime(CLOCK_MONOTONIC, &start);
    if (!room_for(shelf, entry, &limits, err))
        return false;
    struct build *build = build_open(path, &limits, err);
    if (build == NULL)
        return false;
    bool is_new = entry->served == NULL ||
                  strcmp(entry->served->digest, tnm_model_digest(build_model(build))) != 0;
    bool ok = !is_new || publish(shelf, entry, build, err);
    build_release(build);
    if (ok && is_new)
        log_loaded(entry->served, &start);
    *outcome = ok && is_new ? PUBLISHED : UNCHANGED;
    return ok;
}

static enum outcome refuse(struct shelf *shelf, struct entry *entry, const char *name,
                           const struct tnm_error *err) {
    log_error("model refused: %s: %s%s", name, err->text,
              entry != NULL && entry->served != NULL ? "; the one before serves on" : "");
    if (entry != NULL)
        mark(shelf, entry, err, false);
    return REFUSED;
}

// Looks at one file, unless it is the one that was looked at before.
static enum outcome look(struct shelf *shelf, const char *name) {
    char path[PATH_MAX];
    struct stat s;
    struct tnm_error err = {0};
    enum outcome outcome = UNCHANGED;
    struct entry *entry = find(shelf, name);
    if (!stat_model(shelf, name, path, &s)) {
        if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP) {
            drop(shelf, name);
            return UNCHANGED;
        }
        tnm_fail_errno(&err, errno, "%s", path);
        return entry != NULL ? refuse(shelf, entry, name, &err) : UNCHANGED;
    }
    const struct signature now = {s.st_dev, s.st_ino, s.st_size, s.st_mtim, s.st_ctim};
    if ((entry != NULL && same(&entry->seen, &now)) || being_written(path))
        return UNCHANGED;
    if (entry == NULL && (entry = add_entry(shelf, name, &err)) == NULL)
        return refuse(shelf, NULL, name, &err);
    entry->seen = signature_of(&s);
    if (!S_ISREG(s.st_mode) && !tnm_fail(&err, TNM_EIO, "not a regular file"))
        return refuse(shelf, entry, name, &err);
    if (!load(shelf, entry, path, &outcome, &err)) {
        // What the file cannot help may be otherwise next time.
        if (err.code == TNM_EIO || err.code == TNM_ENOMEM || err.code == TNM_ELIMIT)
            entry->seen = (struct signature){0};
        return refuse(shelf, entry, name, &err);
    }
    mark(shelf, entry, NULL, false);
    return outcome;
}

// ---- The active model: called with `work` held -------------------------------------------------

static bool make_active(struct shelf *shelf, struct entry *entry, bool chosen,
                        struct tnm_error *err) {
    struct served *fresh =
        slot_open(slot_build(entry->served), entry->tally, entry->name, shelf->generation + 1, err);
    if (fresh == NULL)
        return false;
    pthread_mutex_lock(&shelf->lock);
    struct served *old = entry->served;
    struct entry *before = shelf->active;
    entry->served = fresh;
    shelf->active = entry;
    shelf->chosen = chosen;
    shelf->generation++;
    pthread_mutex_unlock(&shelf->lock);
    shelf_release(old);
    log_info("model active: %s, generation %" PRIu64, entry->name, fresh->generation);
    if (before != NULL && before != entry && before->gone) {
        log_info("model removed: %s", before->name);
        remove_entry(shelf, before);
    }
    return true;
}

// How much an entry is wanted in service at the start: 0 most.
static int rank(const struct shelf *shelf, const char *name) {
    const char *order[] = {shelf->wanted, shelf->remembered, default_active};
    int i = 0;
    while (i < 3 && strcmp(name, order[i]) != 0)
        i++;
    return i;
}

// Chooses who is active where nobody was asked for, or where the one that was asked for has come.
static void elect(struct shelf *shelf) {
    if (shelf->chosen)
        return;
    struct entry *best = NULL;
    for (size_t i = 0; i < shelf->n_entries; i++) {
        struct entry *entry = shelf->entries[i];
        if (entry->served != NULL &&
            (best == NULL || rank(shelf, entry->name) < rank(shelf, best->name)))
            best = entry;
    }
    if (best == NULL || best == shelf->active)
        return;
    // Between those that nobody asked for, the one in service stays.
    if (shelf->active != NULL && rank(shelf, best->name) >= 2)
        return;
    struct tnm_error err;
    if (!make_active(shelf, best, false, &err))
        log_error("cannot activate %s: %s", best->name, err.text);
}

// ---- Remembering -------------------------------------------------------------------------------

static bool state_path(const struct shelf *shelf, const char *suffix, char path[PATH_MAX]) {
    int n = snprintf(path, PATH_MAX, "%s/active%s", shelf->state, suffix);
    return *shelf->state != '\0' && n > 0 && n < PATH_MAX;
}

static void recall(struct shelf *shelf) {
    char path[PATH_MAX];
    FILE *file = state_path(shelf, "", path) ? fopen(path, "re") : NULL;
    if (file == NULL)
        return;
    if (fgets(shelf->remembered, NAME_BYTES, file) != NULL)
        shelf->remembered[strcspn(shelf->remembered, "\n")] = '\0';
    fclose(file);
}

static bool write_line(const char *path, const char *line) {
    FILE *file = fopen(path, "we");
    if (file == NULL)
        return false;
    bool ok = fprintf(file, "%s\n", line) > 0 && fflush(file) == 0 && fsync(fileno(file)) == 0;
    return (fclose(file) == 0) && ok;
}

static void remember(struct shelf *shelf, const char *name) {
    char path[PATH_MAX], fresh[PATH_MAX];
    if (!state_path(shelf, "", path) || !state_path(shelf, ".new", fresh))
        return;
    if (!write_line(fresh, name) || rename(fresh, path) != 0)
        log_warn("cannot remember in %s that %s is active: %s", path, name, strerror(errno));
}

// ---- The folder --------------------------------------------------------------------------------

static int is_model(const struct dirent *d) {
    char name[NAME_BYTES];
    return model_name(d->d_name, name);
}

static int by_name(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void tell(enum outcome outcome, unsigned *published, unsigned *refused) {
    *published += outcome == PUBLISHED;
    *refused += outcome == REFUSED;
}

// Forgets the entries whose files are not there any more.
static void look_for_removed(struct shelf *shelf) {
    for (size_t i = shelf->n_entries; i-- > 0;) {
        char path[PATH_MAX], name[NAME_BYTES];
        struct stat s;
        memcpy(name, shelf->entries[i]->name, sizeof name); // the entry may go
        if (!stat_model(shelf, name, path, &s) && errno == ENOENT)
            drop(shelf, name);
    }
}

static bool look_at_all(struct shelf *shelf, unsigned *published, unsigned *refused,
                        struct tnm_error *err) {
    struct dirent **files;
    *published = *refused = 0;
    look_for_removed(shelf);
    int n = scandir(shelf->folder, &files, is_model, by_name);
    if (n < 0)
        return tnm_fail_errno(err, errno, "folder of models: %s", shelf->folder);
    for (int i = 0; i < n; i++) {
        char name[NAME_BYTES];
        if (model_name(files[i]->d_name, name))
            tell(look(shelf, name), published, refused);
        free(files[i]);
    }
    free(files);
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
    char name[NAME_BYTES];
    unsigned published, refused;
    // Models may be links through a folder that is exchanged as a whole, as Kubernetes does it.
    if (!model_name(file, name)) {
        if (!only_attributes)
            shelf_rescan(shelf, &published, &refused);
        return;
    }
    pthread_mutex_lock(&shelf->work);
    const struct entry *entry = find(shelf, name);
    if (!only_attributes || (entry != NULL && entry->refused.code == TNM_EIO)) {
        look(shelf, name);
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
    pthread_mutex_lock(&shelf->lock);
    void (*done)(void *, unsigned, unsigned) = shelf->rescanned;
    void *done_arg = shelf->rescanned_arg;
    pthread_mutex_unlock(&shelf->lock);
    done(done_arg, published, refused);
}

void shelf_rescan_soon(struct shelf *shelf,
                       void (*done)(void *arg, unsigned published, unsigned refused), void *arg) {
    pthread_mutex_lock(&shelf->lock);
    shelf->rescanned = done;
    shelf->rescanned_arg = arg;
    pthread_mutex_unlock(&shelf->lock);
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

struct shelf *shelf_open(const struct shelf_settings *settings, struct tnm_error *err) {
    struct shelf *shelf = calloc(1, sizeof *shelf);
    if (shelf == NULL) {
        tnm_fail(err, TNM_ENOMEM, "no memory");
        return NULL;
    }
    pthread_mutex_init(&shelf->work, NULL);
    pthread_mutex_init(&shelf->lock, NULL);
    shelf->folder = strdup(settings->folder);
    shelf->state = strdup(settings->state != NULL ? settings->state : "");
    if (settings->active != NULL)
        snprintf(shelf->wanted, sizeof shelf->wanted, "%s", settings->active);
    shelf->limits = settings->limits;
    shelf->max_models = settings->max_models;
    shelf->max_memory = settings->max_memory;
    unsigned published, refused;
    bool ok = shelf->folder != NULL && shelf->state != NULL;
    if (ok)
        recall(shelf);
    else
        tnm_fail(err, TNM_ENOMEM, "no memory");
    if (!ok || !look_at_all(shelf, &published, &refused, err)) {
        shelf_close(shelf);
        return NULL;
    }
    if (*shelf->wanted != '\0' &&
        (shelf->active == NULL || strcmp(shelf->active->name, shelf->wanted) != 0))
        log_error("active = %s cannot serve; %s serves until it can", shelf->wanted,
                  shelf->active != NULL ? shelf->active->name : "nothing");
    return shelf;
}

void shelf_close(struct shelf *shelf) {
    if (shelf == NULL)
        return;
    shelf_unwatch(shelf);
    shelf->active = NULL;
    while (shelf->n_entries > 0)
        remove_entry(shelf, shelf->entries[shelf->n_entries - 1]);
    pthread_mutex_destroy(&shelf->work);
    pthread_mutex_destroy(&shelf->lock);
    free(shelf->folder);
    free(shelf->state);
    free(shelf);
}

// ---- For requests ------------------------------------------------------------------------------

struct served *shelf_hold(struct shelf *shelf, const char *name) {
    pthread_mutex_lock(&shelf->lock);
    const struct entry *entry = name == NULL ? shelf->active : find(shelf, name);
    struct served *served = entry != NULL ? entry->served : NULL;
    if (served != NULL)
        slot_hold(served);
    pthread_mutex_unlock(&shelf->lock);
    return served;
}

static void describe(const struct shelf *shelf, const struct entry *entry,
                     struct shelf_entry *out) {
    *out = (struct shelf_entry){.ready = entry->served != NULL,
                                .active = entry == shelf->active,
                                .requests = tally_read(entry->tally)};
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

bool shelf_find(struct shelf *shelf, const char *name, struct shelf_entry *entry) {
    pthread_mutex_lock(&shelf->lock);
    const struct entry *found = find(shelf, name);
    if (found != NULL)
        describe(shelf, found, entry);
    pthread_mutex_unlock(&shelf->lock);
    return found != NULL;
}

size_t shelf_list(struct shelf *shelf, struct shelf_entry **entries, struct tnm_error *err) {
    pthread_mutex_lock(&shelf->lock);
    size_t n = shelf->n_entries;
    *entries = calloc(n > 0 ? n : 1, sizeof **entries);
    for (size_t i = 0; *entries != NULL && i < n; i++)
        describe(shelf, shelf->entries[i], *entries + i);
    pthread_mutex_unlock(&shelf->lock);
    if (*entries != NULL)
        return n;
    tnm_fail(err, TNM_ENOMEM, "no memory");
    return 0;
}

static uint64_t us_since(const struct timespec *start) {
    return (uint64_t)(ms_since(start) * 1e3);
}

// The part of shelf_activate that changes things.
static bool activate(struct shelf *shelf, const char *name, struct shelf_activation *out,
                     struct tnm_error *err) {
    struct timespec start;
    clock_gettime(CLOCK_MONOTONIC, &start);
    char file[NAME_BYTES + 8], same_name[NAME_BYTES];
    snprintf(file, sizeof file, "%.64s.tnm", name);
    if (model_name(file, same_name))
        look(shelf, same_name);
    struct entry *entry = find(shelf, name);
    if (entry == NULL)
        return tnm_fail(err, TNM_EINPUT, "no model \"%.64s\"", name);
    if (entry->refused.code != TNM_OK)
        return tnm_fail(err, entry->refused.code, "%s", entry->refused.text);
    if (entry->served == NULL)
        return tnm_fail(err, TNM_EIO, "its file is being written");
    if (!tnm_model_self_test(entry->served->model, err))
        return false;
    out->verify_us = us_since(&start);
    if (shelf->active != NULL)
        memcpy(out->previous, shelf->active->name, sizeof out->previous);
    clock_gettime(CLOCK_MONOTONIC, &start);
    if (!make_active(shelf, entry, true, err))
        return false;
    out->swap_us = us_since(&start);
    out->generation = entry->served->generation;
    return true;
}

bool shelf_activate(struct shelf *shelf, const char *name, uint64_t if_match, bool *moved,
                    struct shelf_activation *out, struct tnm_error *err) {
    *out = (struct shelf_activation){0};
    pthread_mutex_lock(&shelf->work);
    uint64_t now = shelf->active != NULL ? shelf->active->served->generation : 0;
    *moved = if_match != 0 && if_match != now;
    bool ok = *moved
                  ? tnm_fail(err, TNM_EINPUT,
                             "generation %" PRIu64 " was to be replaced, but %" PRIu64 " is active",
                             if_match, now)
                  : activate(shelf, name, out, err);
    if (ok)
        remember(shelf, name);
    pthread_mutex_unlock(&shelf->work);
    return ok;
}
