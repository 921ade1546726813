/* SPDX-License-Identifier: MIT */
// Names, signatures and the remembered name.
#include "daemon/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

bool folder_model_name(const char *file, char name[MODEL_NAME_BYTES]) {
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t len = strlen(file);
    if (len < 5 || len - 4 >= MODEL_NAME_BYTES || strcmp(file + len - 4, ".tnm") != 0 ||
        file[0] == '.' || strspn(file, allowed) != len)
        return false;
    memcpy(name, file, len - 4);
    name[len - 4] = '\0';
    return true;
}

bool folder_stat(const char *folder, const char *name, char path[PATH_MAX], struct stat *s) {
    int n = snprintf(path, PATH_MAX, "%s/%s.tnm", folder, name);
    if (n < 0 || n >= PATH_MAX) {
        errno = ENAMETOOLONG;
        return false;
    }
    return stat(path, s) == 0;
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

// ---- What was active last ----------------------------------------------------------------------

static bool state_path(const char *state, const char *file, char path[PATH_MAX]) {
    int n = snprintf(path, PATH_MAX, "%s/%s", state, file);
    errno = ENAMETOOLONG;
    return n > 0 && n < PATH_MAX;
}

void folder_recall(const char *state, char name[MODEL_NAME_BYTES]) {
    char path[PATH_MAX];
    *name = '\0';
    FILE *file = *state != '\0' && state_path(state, "active", path) ? fopen(path, "re") : NULL;
    if (file == NULL)
        return;
    if (fgets(name, MODEL_NAME_BYTES, file) != NULL)
        name[strcspn(name, "\n")] = '\0';
    fclose(file);
}

static bool write_line(const char *path, const char *line) {
    FILE *file = fopen(path, "we");
    if (file == NULL)
        return false;
    bool ok = fprintf(file, "%s\n", line) > 0 && fflush(file) == 0 && fsync(fileno(file)) == 0;
    return fclose(file) == 0 && ok;
}

bool folder_remember(const char *state, const char *name) {
    char path[PATH_MAX], fresh[PATH_MAX];
    if (*state == '\0')
        return true;
    return state_path(state, "active", path) && state_path(state, "active.new", fresh) &&
           write_line(fresh, name) && rename(fresh, path) == 0;
}
