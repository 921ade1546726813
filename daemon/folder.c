/* SPDX-License-Identifier: MIT */
// Names, signatures and the remembered name.
#include "daemon/folder.h"

#include "core/checksum.h"
#include "core/error.h"
#include "core/save.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

bool folder_name_fits(const char *name) {
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t len = strlen(name);
    return len > 0 && len < MODEL_NAME_BYTES && name[0] != '.' && strspn(name, allowed) == len;
}

bool folder_model_name(const char *file, char name[MODEL_NAME_BYTES]) {
    size_t len = strlen(file);
    if (len < 5 || len - 4 >= MODEL_NAME_BYTES || strcmp(file + len - 4, ".tnm") != 0)
        return false;
    memcpy(name, file, len - 4);
    name[len - 4] = '\0';
    return folder_name_fits(name);
}

bool folder_stat(const char *folder, const char *name, char path[PATH_MAX], struct stat *s) {
    int n = snprintf(path, PATH_MAX, "%s/%s.tnm", folder, name);
    if (n < 0 || n >= PATH_MAX) {
        errno = ENAMETOOLONG;
        return false;
    }
    return stat(path, s) == 0;
}

// The folders' own names are short enough: options.c sees to that.
void folder_path(const char *folder, const char *name, char path[PATH_MAX]) {
    (void)snprintf(path, PATH_MAX, "%s/%s.tnm", folder, name);
}

void folder_pending_path(const char *folder, const char *name, char path[PATH_MAX]) {
    (void)snprintf(path, PATH_MAX, "%s/%s.tnm.pending", folder, name);
}

bool folder_is_link(const char *folder, const char *file) {
    char path[PATH_MAX];
    struct stat s;
    int n = snprintf(path, sizeof path, "%s/%s", folder, file);
    return n > 0 && n < PATH_MAX && lstat(path, &s) == 0 && S_ISLNK(s.st_mode);
}

struct signature folder_signature(const struct stat *s) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (now.tv_sec - s->st_mtim.tv_sec < 2 || now.tv_sec - s->st_ctim.tv_sec < 2)
        return (struct signature){0};
    return (struct signature){s->st_dev, s->st_ino, s->st_size, s->st_mtim, s->st_ctim};
}

static bool same_time(struct timespec a, struct timespec b) {
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

bool folder_unchanged(const struct signature *seen, const struct stat *s) {
    return seen->inode != 0 && seen->device == s->st_dev && seen->inode == s->st_ino &&
           seen->len == s->st_size && same_time(seen->modified, s->st_mtim) &&
           same_time(seen->changed, s->st_ctim);
}

bool folder_being_written(const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return false;
    bool written = fcntl(fd, F_SETLEASE, F_RDLCK) != 0 && errno == EAGAIN;
    close(fd); // and with it the lease
    return written;
}

void folder_forget_path(struct tnm_error *err, const char *path) {
    size_t len = strlen(path);
    if (strncmp(err->text, path, len) == 0 && strncmp(err->text + len, ": ", 2) == 0)
        memmove(err->text, err->text + len + 2, strlen(err->text + len + 2) + 1);
}

// ---- The list ----------------------------------------------------------------------------------

static int is_model(const struct dirent *d) {
    char name[MODEL_NAME_BYTES];
    return folder_model_name(d->d_name, name);
}

static int by_bytes(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

int folder_names(const char *folder, char (**names)[MODEL_NAME_BYTES]) {
    struct dirent **files;
    *names = NULL;
    int n = scandir(folder, &files, is_model, by_bytes);
    if (n < 0)
        return -1;
    *names = calloc(n > 0 ? (size_t)n : 1, sizeof **names);
    for (int i = 0; i < n; i++) {
        if (*names != NULL)
            folder_model_name(files[i]->d_name, (*names)[i]);
        free(files[i]);
    }
    free(files);
    return *names != NULL ? n : -1;
}

// ---- Digests -----------------------------------------------------------------------------------

static bool add_file(struct tnm_sha256 *sha, int fd, size_t limit, struct tnm_error *err) {
    uint8_t piece[16384];
    for (ssize_t n; (n = read(fd, piece, sizeof piece)) != 0;) {
        if (n < 0 && errno != EINTR)
            return tnm_fail_errno(err, errno, "reading it");
        tnm_sha256_add(sha, piece, n > 0 ? (size_t)n : 0);
        if (sha->len > limit)
            return tnm_fail(err, TNM_ELIMIT, "more than %zu bytes", limit);
    }
    return true;
}

bool folder_digest(const char *path, size_t limit, char digest[65], struct tnm_error *err) {
    struct tnm_sha256 sha;
    uint8_t bytes[32];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return tnm_fail_errno(err, errno, "cannot be opened");
    tnm_sha256_start(&sha);
    bool ok = add_file(&sha, fd, limit, err);
    close(fd);
    tnm_sha256_finish(&sha, bytes);
    tnm_digest_text(bytes, digest);
    return ok;
}

// ---- The state folder --------------------------------------------------------------------------

static bool state_path(const char *state, const char *file, char path[PATH_MAX]) {
    int n = snprintf(path, PATH_MAX, "%s/%s", state, file);
    return *state != '\0' && n > 0 && n < PATH_MAX;
}

void folder_recall_text(const char *state, const char *file, char *text, size_t size) {
    char path[PATH_MAX];
    *text = '\0';
    FILE *from = state_path(state, file, path) ? fopen(path, "re") : NULL;
    if (from == NULL)
        return;
    size_t len = fread(text, 1, size, from);
    text[len < size ? len : 0] = '\0';
    fclose(from);
}

void folder_recall(const char *state, char name[MODEL_NAME_BYTES]) {
    char text[MODEL_NAME_BYTES + 1];
    folder_recall_text(state, "active", text, sizeof text);
    snprintf(name, MODEL_NAME_BYTES, "%.*s", (int)strcspn(text, "\n"), text);
}

bool folder_remember(const char *state, const char *file, const char *text, struct tnm_error *err) {
    char path[PATH_MAX];
    if (*state == '\0')
        return true;
    if (!state_path(state, file, path))
        return tnm_fail(err, TNM_EIO, "%s/%s: the path is too long", state, file);
    return tnm_write_file(path, text, strlen(text), err);
}
