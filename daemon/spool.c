/* SPDX-License-Identifier: MIT */
// Temporary files that become models.
#include "daemon/spool.h"

#include "core/error.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

static const char prefix[] = ".upload-";

static bool fail(struct spool *spool, const char *what, struct tnm_error *err) {
    spool->full = errno == ENOSPC || errno == EDQUOT;
    return tnm_fail_errno(err, errno, "the upload cannot be %s", what);
}

// A name that no other has.
static bool create(struct spool *spool, const char *folder, struct tnm_error *err) {
    static atomic_uint count;
    size_t room = strlen(folder) + 64;
    spool->path = malloc(room);
    if (spool->path == NULL)
        return tnm_fail(err, TNM_ENOMEM, "no memory");
    do {
        snprintf(spool->path, room, "%s/%s%ld-%u", folder, prefix, (long)getpid(),
                 atomic_fetch_add(&count, 1));
        spool->fd = open(spool->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    } while (spool->fd < 0 && errno == EEXIST);
    // The lock tells spool_clean that somebody is at it.
    return (spool->fd >= 0 && flock(spool->fd, LOCK_EX | LOCK_NB) == 0) ||
           fail(spool, "stored", err);
}

struct spool *spool_open(const char *folder, struct tnm_error *err) {
    struct spool *spool = calloc(1, sizeof *spool);
    if (spool == NULL) {
        tnm_fail(err, TNM_ENOMEM, "no memory");
        return NULL;
    }
    spool->fd = -1;
    tnm_sha256_start(&spool->sha);
    if (create(spool, folder, err))
        return spool;
    spool_close(spool);
    return NULL;
}

bool spool_add(struct spool *spool, const void *bytes, size_t len, struct tnm_error *err) {
    const uint8_t *at = bytes;
    for (size_t done = 0; done < len;) {
        ssize_t n = write(spool->fd, at + done, len - done);
        if (n < 0 && errno != EINTR)
            return fail(spool, "written", err);
        done += n > 0 ? (size_t)n : 0;
    }
    tnm_sha256_add(&spool->sha, bytes, len);
    spool->len += len;
    return true;
}

void spool_digest(const struct spool *spool, uint8_t digest[32]) {
    struct tnm_sha256 sha = spool->sha;
    tnm_sha256_finish(&sha, digest);
}

static bool sync_folder_of(const char *path) {
    char *folder = strndup(path, (size_t)(strrchr(path, '/') - path));
    int fd = folder != NULL ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    free(folder);
    // Some file systems cannot sync a folder, and say EINVAL.
    bool ok = fd >= 0 && (fsync(fd) == 0 || errno == EINVAL);
    int number = errno;
    if (fd >= 0)
        close(fd);
    errno = number;
    return ok;
}

bool spool_rename(const char *from, const char *to) {
    return rename(from, to) == 0 && sync_folder_of(to);
}

bool spool_unlink(const char *path) {
    return unlink(path) == 0 && sync_folder_of(path);
}

bool spool_keep(struct spool *spool, const char *path, struct tnm_error *err) {
    if (fsync(spool->fd) != 0 || !spool_rename(spool->path, path))
        return fail(spool, "stored", err);
    spool->path[0] = '\0';
    return true;
}

void spool_close(struct spool *spool) {
    if (spool == NULL)
        return;
    if (spool->fd >= 0) {
        if (spool->path[0] != '\0')
            unlink(spool->path);
        close(spool->fd);
    }
    free(spool->path);
    free(spool);
}

void spool_clean(const char *folder) {
    DIR *dir = opendir(folder);
    if (dir == NULL)
        return;
    for (const struct dirent *d; (d = readdir(dir)) != NULL;) {
        if (strncmp(d->d_name, prefix, sizeof prefix - 1) != 0)
            continue;
        int fd = openat(dirfd(dir), d->d_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
            unlinkat(dirfd(dir), d->d_name, 0);
        if (fd >= 0)
            close(fd);
    }
    closedir(dir);
}
