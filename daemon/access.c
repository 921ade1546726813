/* SPDX-License-Identifier: MIT */
// Tokens and origins.
#include "daemon/access.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MAX_TOKEN = 255, MAX_TOKENS = 64 };

struct access {
    unsigned n_tokens;
    char token[MAX_TOKENS][MAX_TOKEN + 1]; // padded with zeros
};

// The token of a line, trimmed in place; empty for a line without one.
static char *trim_line(char *line) {
    line += strspn(line, " \t");
    line[strcspn(line, "\r\n")] = 0;
    size_t len = strlen(line);
    while (len > 0 && (line[len - 1] == ' ' || line[len - 1] == '\t'))
        line[--len] = 0;
    if (strncmp(line, "admin:", 6) == 0)
        line += 6;
    return line[0] == '#' ? line + len : line;
}

static bool add_token(struct access *access, const char *token, unsigned number,
                      struct tnm_error *err) {
    size_t len = strlen(token);
    if (len > MAX_TOKEN)
        return tnm_fail(err, TNM_EINPUT, "line %u: a token of %zu bytes, allowed are %d", number,
                        len, MAX_TOKEN);
    if (access->n_tokens == MAX_TOKENS)
        return tnm_fail(err, TNM_EINPUT, "line %u: more than %d tokens", number, MAX_TOKENS);
    memcpy(access->token[access->n_tokens++], token, len + 1);
    return true;
}

static bool read_tokens(struct access *access, FILE *file, struct tnm_error *err) {
    char line[1024];
    for (unsigned number = 1; fgets(line, sizeof line, file) != NULL; number++) {
        const char *token = trim_line(line);
        if (token[0] != 0 && !add_token(access, token, number, err))
            return false;
    }
    if (ferror(file))
        return tnm_fail(err, TNM_EIO, "cannot be read");
    if (access->n_tokens == 0)
        return tnm_fail(err, TNM_EINPUT, "holds no token");
    return true;
}

struct access *access_open(const char *path, struct tnm_error *err) {
    struct access *access = calloc(1, sizeof *access);
    if (access == NULL) {
        tnm_fail(err, TNM_ENOMEM, "no memory for tokens");
        return NULL;
    }
    if (path[0] == 0)
        return access;
    FILE *file = fopen(path, "re");
    bool ok = file != NULL ? read_tokens(access, file, err) : tnm_fail_errno(err, errno, "open");
    if (file != NULL)
        fclose(file);
    if (ok)
        return access;
    tnm_fail_in(err, "token file %s", path);
    access_close(access);
    return NULL;
}

void access_close(struct access *access) {
    if (access != NULL)
        explicit_bzero(access, sizeof *access);
    free(access);
}

// Compares all bytes whatever they are.
static bool same_token(const char *a, const char *b) {
    unsigned difference = 0;
    for (size_t i = 0; i <= MAX_TOKEN; i++)
        difference |= (unsigned char)(a[i] ^ b[i]);
    return difference == 0;
}

enum access_result access_check(const struct access *access, const char *authorization) {
    if (access->n_tokens == 0)
        return ACCESS_GRANTED;
    if (authorization == NULL || strncasecmp(authorization, "Bearer ", 7) != 0)
        return ACCESS_MISSING;
    const char *token = authorization + 7 + strspn(authorization + 7, " ");
    char padded[MAX_TOKEN + 1] = {0};
    size_t len = strlen(token);
    if (len > MAX_TOKEN)
        return ACCESS_WRONG;
    memcpy(padded, token, len);
    bool found = false;
    for (unsigned i = 0; i < access->n_tokens; i++)
        found |= same_token(access->token[i], padded);
    return found ? ACCESS_GRANTED : ACCESS_WRONG;
}

bool origin_is_foreign(const char *origin, const char *host) {
    if (origin == NULL)
        return false;
    const char *authority = strstr(origin, "://");
    return authority == NULL || host == NULL || strcasecmp(authority + 3, host) != 0;
}
