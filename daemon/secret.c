/* SPDX-License-Identifier: MIT */
// Reading a small file whole.
#include "daemon/secret.h"

#include "daemon/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// As many bytes as there are; a file that grows meanwhile is cut, one that shrinks is short.
static bool read_all(int fd, char *text, size_t len, struct tnm_error *err) {
    size_t n = 0;
    for (ssize_t got = 1; n < len && got != 0; n += got > 0 ? (size_t)got : 0) {
        got = read(fd, text + n, len - n);
        if (got < 0 && errno != EINTR)
            return tnm_fail_errno(err, errno, "read");
    }
    text[n] = 0;
    return strlen(text) == n || tnm_fail(err, TNM_EINPUT, "holds a zero byte");
}

static char *read_regular(int fd, const char *path, size_t most, bool is_private,
                          struct tnm_error *err) {
    struct stat s;
    if (fstat(fd, &s) != 0 || !S_ISREG(s.st_mode)) {
        tnm_fail(err, TNM_EINPUT, "not a regular file");
        return NULL;
    }
    if ((uint64_t)s.st_size > most) {
        tnm_fail(err, TNM_EINPUT, "%lld bytes long, not at most %zu", (long long)s.st_size, most);
        return NULL;
    }
    if (is_private && (s.st_mode & S_IROTH) != 0)
        log_warn("%s: every user of this machine may read it (chmod o= would end that)", path);
    char *text = malloc((size_t)s.st_size + 1);
    if (text == NULL)
        tnm_fail(err, TNM_ENOMEM, "no memory to read it");
    if (text != NULL && !read_all(fd, text, (size_t)s.st_size, err)) {
        free(text);
        text = NULL;
    }
    return text;
}

char *secret_read(const char *path, size_t most, bool is_private, struct tnm_error *err) {
    // Opening a pipe would wait for a writer.
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        tnm_fail_errno(err, errno, "open");
        return NULL;
    }
    char *text = read_regular(fd, path, most, is_private, err);
    close(fd);
    return text;
}

void secret_free(char *text) {
    if (text != NULL)
        explicit_bzero(text, strlen(text));
    free(text);
}
