/* SPDX-License-Identifier: MIT */
// A list of tokens, and looking for one in it.
#include "daemon/access.h"

#include "daemon/log.h"
#include "daemon/secret.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

// A token of 16 random letters and digits would take longer to guess than the device lasts.
enum { MAX_TOKEN = 255, MAX_TOKENS = 64, MAX_FILE = 65536, SHORT_TOKEN = 16 };

struct tokens {
    unsigned n[SCOPE_ADMIN + 1]; // how many there are for a scope
    unsigned n_all;
    struct {
        enum scope scope;
        char text[MAX_TOKEN + 1]; // padded with zeros
    } at[MAX_TOKENS];
};

struct access {
    const char *path;
    pthread_rwlock_t lock; // guards tokens
    struct tokens tokens;
};

// ---- Reading -----------------------------------------------------------------------------------

static const char *trim(char *line) {
    line += strspn(line, " \t");
    size_t len = strcspn(line, "\r");
    while (len > 0 && (line[len - 1] == ' ' || line[len - 1] == '\t'))
        len--;
    line[len] = 0;
    return line;
}

static bool add_token(struct tokens *tokens, const char *line, struct tnm_error *err) {
    enum scope scope = strncmp(line, "infer:", 6) == 0 ? SCOPE_INFER : SCOPE_ADMIN;
    if (scope == SCOPE_INFER || strncmp(line, "admin:", 6) == 0)
        line += 6;
    size_t len = strlen(line);
    if (len == 0)
        return tnm_fail(err, TNM_EINPUT, "no token behind the colon");
    if (len > MAX_TOKEN)
        return tnm_fail(err, TNM_EINPUT, "a token of %zu bytes, allowed are %d", len, MAX_TOKEN);
    if (tokens->n_all == MAX_TOKENS)
        return tnm_fail(err, TNM_EINPUT, "more than %d tokens", MAX_TOKENS);
    tokens->n[scope]++;
    tokens->at[tokens->n_all].scope = scope;
    memcpy(tokens->at[tokens->n_all++].text, line, len + 1);
    return true;
}

static bool parse_tokens(struct tokens *tokens, char *text, struct tnm_error *err) {
    unsigned number = 0;
    for (char *next = text, *line; (line = strsep(&next, "\n")) != NULL;) {
        const char *token = trim(line);
        number++;
        if (token[0] != 0 && token[0] != '#' && !add_token(tokens, token, err))
            return tnm_fail_in(err, "line %u", number);
    }
    return tokens->n_all > 0 || tnm_fail(err, TNM_EINPUT, "holds no token");
}

static void warn_of_short_tokens(const struct tokens *tokens, const char *path) {
    unsigned n = 0;
    for (unsigned i = 0; i < tokens->n_all; i++)
        n += strlen(tokens->at[i].text) < SHORT_TOKEN;
    if (n > 0)
        log_warn("token file %s: %u of the tokens are shorter than %d bytes, and could be guessed",
                 path, n, SHORT_TOKEN);
}

bool access_reload(struct access *access, struct tnm_error *err) {
    if (access->path[0] == 0)
        return true;
    struct tokens fresh = {0};
    char *text = secret_read(access->path, MAX_FILE, true, err);
    bool ok = text != NULL && parse_tokens(&fresh, text, err);
    secret_free(text);
    if (ok) {
        warn_of_short_tokens(&fresh, access->path);
        pthread_rwlock_wrlock(&access->lock);
        access->tokens = fresh;
        pthread_rwlock_unlock(&access->lock);
    }
    explicit_bzero(&fresh, sizeof fresh);
    return ok || tnm_fail_in(err, "token file %s", access->path);
}

struct access *access_open(const char *path, struct tnm_error *err) {
    struct access *access = calloc(1, sizeof *access);
    if (access == NULL) {
        tnm_fail(err, TNM_ENOMEM, "no memory for tokens");
        return NULL;
    }
    access->path = path;
    pthread_rwlock_init(&access->lock, NULL);
    if (access_reload(access, err))
        return access;
    access_close(access);
    return NULL;
}

void access_close(struct access *access) {
    if (access == NULL)
        return;
    pthread_rwlock_destroy(&access->lock);
    explicit_bzero(access, sizeof *access);
    free(access);
}

// ---- Checking ----------------------------------------------------------------------------------

// The token behind "Bearer", padded; false where there is none.
static bool take_token(const char *authorization, char padded[MAX_TOKEN + 1]) {
    if (authorization == NULL || strncasecmp(authorization, "Bearer ", 7) != 0)
        return false;
    const char *token = authorization + 7 + strspn(authorization + 7, " ");
    size_t len = strlen(token);
    memset(padded, 0, MAX_TOKEN + 1);
    if (len <= MAX_TOKEN) // else it stays empty, which no token is
        memcpy(padded, token, len);
    return true;
}

// Compares all bytes whatever they are.
static bool same_token(const char *a, const char *b) {
    unsigned difference = 0;
    for (size_t i = 0; i <= MAX_TOKEN; i++)
        difference |= (unsigned char)(a[i] ^ b[i]);
    return difference == 0;
}

// Looks at every token, also behind the one that is found.
static enum access_result find_token(const struct tokens *tokens, enum scope scope,
                                     const char *padded) {
    unsigned found = SCOPE_OPEN;
    for (unsigned i = 0; i < tokens->n_all; i++)
        found |= same_token(tokens->at[i].text, padded) ? (unsigned)tokens->at[i].scope : 0;
    return found >= scope ? ACCESS_GRANTED : found > SCOPE_OPEN ? ACCESS_LESS : ACCESS_WRONG;
}

enum access_result access_check(struct access *access, enum scope scope,
                                const char *authorization) {
    char padded[MAX_TOKEN + 1];
    enum access_result result = ACCESS_GRANTED;
    if (scope == SCOPE_OPEN || access->path[0] == 0)
        return result;
    pthread_rwlock_rdlock(&access->lock);
    if (scope == SCOPE_ADMIN || access->tokens.n[SCOPE_INFER] > 0)
        result = take_token(authorization, padded) ? find_token(&access->tokens, scope, padded)
                                                   : ACCESS_MISSING;
    pthread_rwlock_unlock(&access->lock);
    return result;
}
