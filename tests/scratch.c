/* SPDX-License-Identifier: MIT */
// Folders and files of tests.
#include "tests/scratch.h"

#include <check.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *scratch_make(void) {
    static char path[PATH_MAX];
    const char *tmp = getenv("TMPDIR");
    snprintf(path, sizeof path, "%s/tnm-XXXXXX", tmp != NULL ? tmp : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(path));
    return path;
}

static int remove_one(const char *path, const struct stat *s, int type, struct FTW *at) {
    (void)s, (void)type, (void)at;
    return remove(path);
}

void scratch_remove(const char *folder) {
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

const char *scratch_path(const char *folder, const char *name) {
    static _Thread_local char paths[8][PATH_MAX];
    static _Thread_local unsigned next;
    char *path = paths[next++ % 8];
    snprintf(path, PATH_MAX, "%s/%s", folder, name);
    return path;
}

void scratch_write(const char *path, const void *bytes, size_t len) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    ck_assert_msg(fd >= 0, "cannot open %s", path);
    for (const char *at = bytes; len > 0;) {
        ssize_t n = write(fd, at, len);
        ck_assert_int_gt(n, 0);
        at += n;
        len -= (size_t)n;
    }
    ck_assert_int_eq(close(fd), 0);
}

void scratch_replace(const char *path, const void *bytes, size_t len) {
    char fresh[PATH_MAX];
    snprintf(fresh, sizeof fresh, "%s.new", path);
    scratch_write(fresh, bytes, len);
    ck_assert_int_eq(rename(fresh, path), 0);
}

bool eventually(bool (*condition)(void *arg), void *arg) {
    for (int left = emulated() ? 100000 : 10000; left > 0; left--) {
        if (condition(arg))
            return true;
        poll(NULL, 0, 2);
    }
    return condition(arg);
}

bool emulated(void) {
    const char *emulator = getenv("TNM_EMULATOR");
    return emulator != NULL && *emulator != '\0';
}
