/* SPDX-License-Identifier: MIT */
// Origins and host names.
#include "daemon/origin.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static const char between[] = ", \t";

bool origin_is_foreign(const char *origin, const char *host) {
    if (origin == NULL)
        return false;
    const char *authority = strstr(origin, "://");
    return authority == NULL || host == NULL || strcasecmp(authority + 3, host) != 0;
}

// Whether list holds the word of len bytes, or "*".
static bool list_has(const char *list, const char *word, size_t len) {
    for (list += strspn(list, between); *list != 0; list += strspn(list, between)) {
        size_t n = strcspn(list, between);
        if ((n == len && strncasecmp(list, word, n) == 0) || (n == 1 && *list == '*'))
            return true;
        list += n;
    }
    return false;
}

bool origin_is_listed(const char *list, const char *origin) {
    return list_has(list, origin, strlen(origin));
}

// ---- Hosts -------------------------------------------------------------------------------------

static bool is_address(const char *name, size_t len) {
    char text[INET6_ADDRSTRLEN];
    struct in6_addr address;
    bool v6 = len > 2 && name[0] == '[' && name[len - 1] == ']';
    if (v6) {
        name++;
        len -= 2;
    }
    if (len >= sizeof text)
        return false;
    memcpy(text, name, len);
    text[len] = 0;
    return inet_pton(v6 ? AF_INET6 : AF_INET, text, &address) == 1;
}

// Asked each time, for it may change; this is not done for every request.
static bool is_own_name(const char *name, size_t len) {
    char own[256], local[sizeof own + 6];
    if (gethostname(own, sizeof own) != 0)
        return false;
    own[sizeof own - 1] = 0;
    snprintf(local, sizeof local, "%s.local", own);
    return list_has(own, name, len) || list_has(local, name, len);
}

bool host_is_ours(const char *list, const char *host) {
    size_t len = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":");
    if (len > strlen(host))
        return false;
    if (len > 1 && host[len - 1] == '.') // the root of all names, which may be written
        len--;
    return is_address(host, len) || list_has("localhost", host, len) || is_own_name(host, len) ||
           list_has(list, host, len);
}

// ---- Settings ----------------------------------------------------------------------------------

static bool is_origin(const char *word, size_t len) {
    const char *authority = memmem(word, len, "://", 3);
    if (authority == NULL)
        return len == 1 && *word == '*';
    authority += 3;
    size_t rest = len - (size_t)(authority - word);
    return rest > 0 && memchr(authority, '/', rest) == NULL;
}

bool origin_check_list(const char *text, struct tnm_error *err) {
    for (text += strspn(text, between); *text != 0; text += strspn(text, between)) {
        size_t len = strcspn(text, between);
        if (!is_origin(text, len))
            return tnm_fail(err, TNM_EINPUT,
                            "\"%.*s\" is not an origin: https://name, without a path", (int)len,
                            text);
        text += len;
    }
    return true;
}
