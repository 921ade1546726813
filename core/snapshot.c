/* SPDX-License-Identifier: MIT */
// Private copies of files.
#include "core/snapshot.h"

#include "core/error.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static bool take(struct tnm_snapshot *out, uint64_t len, size_t limit, struct tnm_error *err) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if (len > limit || len > SIZE_MAX - TNM_SNAPSHOT_BEHIND - page)
        return tnm_fail(err, TNM_ELIMIT, "%llu bytes, at most %zu", (unsigned long long)len, limit);
    size_t mapped = ((size_t)len + TNM_SNAPSHOT_BEHIND + page - 1) / page * page;
    void *at = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED)
        return tnm_fail_errno(err, errno, "%zu bytes of memory", mapped);
    *out = (struct tnm_snapshot){at, (size_t)len, mapped};
    return true;
}

static bool seal(struct tnm_snapshot *snapshot, struct tnm_error *err) {
    if (mprotect(snapshot->bytes, snapshot->mapped, PROT_READ) == 0)
        return true;
    return tnm_fail_errno(err, errno, "making it read-only");
}

bool tnm_snapshot_bytes(struct tnm_snapshot *out, const void *bytes, size_t len, size_t limit,
                        struct tnm_error *err) {
    *out = (struct tnm_snapshot){0};
    if (!take(out, len, limit, err))
        return false;
    if (len > 0)
        memcpy(out->bytes, bytes, len);
    if (seal(out, err))
        return true;
    tnm_snapshot_free(out);
    return false;
}

// Reads len bytes, or as many as there are.
static ssize_t read_all(int fd, uint8_t *at, size_t len) {
    size_t done = 0;
    while (done < len) {
        ssize_t n = read(fd, at + done, len - done);
        if (n == 0)
            break;
        if (n > 0)
            done += (size_t)n;
        else if (errno != EINTR)
            return -1;
    }
    return (ssize_t)done;
}

static bool fill(struct tnm_snapshot *snapshot, int fd, struct tnm_error *err) {
    uint8_t more;
    ssize_t n = read_all(fd, snapshot->bytes, snapshot->len);
    ssize_t beyond = n < 0 ? 0 : read_all(fd, &more, 1);
    if (n < 0 || beyond < 0)
        return tnm_fail_errno(err, errno, "reading it");
    if ((size_t)n != snapshot->len || beyond != 0)
        return tnm_fail(err, TNM_EIO, "the file changed its length of %zu bytes while it was read",
                        snapshot->len);
    return seal(snapshot, err);
}

static bool copy_file(struct tnm_snapshot *out, int fd, size_t limit, struct tnm_error *err) {
    struct stat st;
    if (fstat(fd, &st) != 0)
        return tnm_fail_errno(err, errno, "fstat");
    if (!S_ISREG(st.st_mode))
        return tnm_fail(err, TNM_EIO, "not a regular file");
    if (!take(out, (uint64_t)st.st_size, limit, err))
        return false;
    if (fill(out, fd, err))
        return true;
    tnm_snapshot_free(out);
    return false;
}

bool tnm_snapshot_file(struct tnm_snapshot *out, const char *path, size_t limit,
                       struct tnm_error *err) {
    *out = (struct tnm_snapshot){0};
    // Opening a pipe would wait for a writer but for O_NONBLOCK, which regular files ignore.
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return tnm_fail_errno(err, errno, "cannot be opened");
    bool ok = copy_file(out, fd, limit, err);
    close(fd);
    return ok;
}

void tnm_snapshot_free(struct tnm_snapshot *snapshot) {
    if (snapshot->bytes != NULL)
        munmap(snapshot->bytes, snapshot->mapped);
    *snapshot = (struct tnm_snapshot){0};
}
