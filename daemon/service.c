/* SPDX-License-Identifier: MIT */
// The two protocols of systemd: sd_notify(3) is a datagram to $NOTIFY_SOCKET, sd_listen_fds(3) is
// two variables and descriptors from 3 on. Both are stable, and both manual pages allow for
// programs that speak them by themselves. libsystemd would bring six more libraries and a megabyte
// into the memory of the daemon.
#include "daemon/service.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { FIRST_PASSED = 3, MOST_PASSED = 64 };

// ---- What systemd passes -----------------------------------------------------------------------

// A variable that holds a whole number; 0 where it does not.
static unsigned long long number_from(const char *variable) {
    const char *text = getenv(variable);
    char *end;
    if (text == NULL || *text < '0' || *text > '9')
        return 0;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    return errno == 0 && *end == '\0' ? value : 0;
}

static bool listens(int fd) {
    int type = 0, accepts = 0;
    socklen_t type_len = sizeof type, accepts_len = sizeof accepts;
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_len) == 0 && type == SOCK_STREAM &&
           getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &accepts, &accepts_len) == 0 && accepts != 0;
}

bool service_socket(int *fd, struct tnm_error *err) {
    *fd = -1;
    unsigned long long n = number_from("LISTEN_FDS");
    if (n == 0 || number_from("LISTEN_PID") != (unsigned long long)getpid())
        return true;
    // They are for this process alone.
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_PID");
    for (int i = FIRST_PASSED; i < FIRST_PASSED + MOST_PASSED && n-- > 0; i++) {
        (void)fcntl(i, F_SETFD, FD_CLOEXEC);
        if (*fd < 0 && listens(i))
            *fd = i;
    }
    return *fd >= 0 || tnm_fail(err, TNM_EINPUT, "systemd passed no socket that listens");
}

// ---- What systemd is told ----------------------------------------------------------------------

// A path, or with '@' in front a name in the abstract namespace.
static bool notify_address(struct sockaddr_un *address, socklen_t *len) {
    const char *path = getenv("NOTIFY_SOCKET");
    size_t n = path != NULL ? strlen(path) : 0;
    if (n < 2 || n >= sizeof address->sun_path || (*path != '/' && *path != '@'))
        return false;
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(address->sun_path, path, n);
    if (*path == '@')
        address->sun_path[0] = '\0';
    *len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + (*path == '/'));
    return true;
}

// Whoever does not listen any more misses nothing that could be said again.
static void notify(const char *message) {
    struct sockaddr_un address;
    socklen_t len;
    if (!notify_address(&address, &len))
        return;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    (void)sendto(fd, message, strlen(message), MSG_NOSIGNAL, (struct sockaddr *)&address, len);
    close(fd);
}

static void notify_status(const char *before, const char *status) {
    char message[512];
    snprintf(message, sizeof message, "%sSTATUS=%s", before, status);
    notify(message);
}

bool service_present(void) {
    struct sockaddr_un address;
    socklen_t len;
    return notify_address(&address, &len);
}

void service_ready(const char *status) {
    notify_status("READY=1\n", status);
}

void service_status(const char *status) {
    notify_status("", status);
}

void service_reloading(void) {
    struct timespec now;
    char message[64];
    clock_gettime(CLOCK_MONOTONIC, &now);
    uint64_t us = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
    snprintf(message, sizeof message, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, us);
    notify(message);
}

void service_stopping(void) {
    notify_status("STOPPING=1\n", "finishing what is in work");
}

uint64_t service_watchdog_us(void) {
    unsigned long long pid = number_from("WATCHDOG_PID");
    bool ours = getenv("WATCHDOG_PID") == NULL || pid == (unsigned long long)getpid();
    return ours ? number_from("WATCHDOG_USEC") : 0;
}

void service_ping(void) {
    notify("WATCHDOG=1");
}
