/* SPDX-License-Identifier: MIT */
// systemd's protocols, as sd_notify(3), sd_listen_fds(3) and sd_watchdog_enabled(3) define them: a
// datagram to the socket that the environment names, descriptors from 3 on, a number. libsystemd
// speaks them too, but brings six libraries for compression and encryption along: 1 MB in memory.
#include "daemon/service.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { FIRST_PASSED = 3, MOST_PASSED = 1024 };

// A variable that is a whole number of at most most; most + 1: something else.
static uint64_t number_of(const char *text, uint64_t most) {
    char *end;
    if (*text < '0' || *text > '9')
        return most + 1;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    return errno != 0 || *end != '\0' || value > most ? most + 1 : value;
}

// Whether a variable is the number of this process.
static bool names_us(const char *text) {
    return number_of(text, INT32_MAX) == (uint64_t)getpid();
}

// ---- Sockets passed in -------------------------------------------------------------------------

// How many descriptors are for us; what we start is not to think that they are for it. -1:
// nonsense.
static int take_passed(void) {
    const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
    uint64_t n = 0;
    if (pid != NULL && fds != NULL && names_us(pid))
        n = number_of(fds, MOST_PASSED);
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    for (int i = 0; n <= MOST_PASSED && i < (int)n; i++)
        if (fcntl(FIRST_PASSED + i, F_SETFD, FD_CLOEXEC) != 0)
            return -1;
    return n <= MOST_PASSED ? (int)n : -1;
}

static bool option_is(int fd, int option, int wanted) {
    int value = 0;
    socklen_t len = sizeof value;
    return getsockopt(fd, SOL_SOCKET, option, &value, &len) == 0 && value == wanted;
}

bool service_socket(int *fd, struct tnm_error *err) {
    *fd = -1;
    int n = take_passed();
    if (n < 0)
        return tnm_fail(err, TNM_EINPUT,
                        "LISTEN_FDS is not the number of descriptors from systemd");
    for (int i = FIRST_PASSED; i < FIRST_PASSED + n; i++)
        if (option_is(i, SO_TYPE, SOCK_STREAM) && option_is(i, SO_ACCEPTCONN, 1)) {
            *fd = i;
            return true;
        }
    return n == 0 ||
           tnm_fail(err, TNM_EINPUT, "none of the %d descriptors from systemd listens", n);
}

// ---- Messages ----------------------------------------------------------------------------------

bool service_present(void) {
    return getenv("NOTIFY_SOCKET") != NULL;
}

// A path, or @ and an abstract name.
static bool address_of(const char *name, struct sockaddr_un *address, socklen_t *len) {
    size_t n = strlen(name);
    if ((*name != '/' && *name != '@') || n < 2 || n >= sizeof address->sun_path)
        return false;
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(address->sun_path, name, n);
    if (*name == '@')
        address->sun_path[0] = '\0';
    *len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + (*name == '/'));
    return true;
}

// Best effort: a manager that does not listen is no reason to stop serving.
__attribute__((format(printf, 1, 2))) static void notify(const char *format, ...) {
    const char *name = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address;
    socklen_t len;
    char text[1024];
    if (name == NULL || !address_of(name, &address, &len))
        return;
    va_list values;
    va_start(values, format);
    int n = vsnprintf(text, sizeof text, format, values);
    va_end(values);
    size_t bytes = n < 0 ? 0 : n < (int)sizeof text ? (size_t)n : sizeof text - 1;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    while (sendto(fd, text, bytes, MSG_NOSIGNAL, (struct sockaddr *)&address, len) < 0 &&
           errno == EINTR) {
    }
    close(fd);
}

void service_ready(const char *status) {
    notify("READY=1\nSTATUS=%s", status);
}

void service_status(const char *status) {
    notify("STATUS=%s", status);
}

void service_reloading(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    uint64_t us = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
    notify("RELOADING=1\nMONOTONIC_USEC=%" PRIu64, us);
}

void service_stopping(void) {
    notify("STOPPING=1\nSTATUS=finishing what is in work");
}

// ---- Watchdog ----------------------------------------------------------------------------------

uint64_t service_watchdog_us(void) {
    const char *pid = getenv("WATCHDOG_PID"), *us = getenv("WATCHDOG_USEC");
    if (us == NULL || (pid != NULL && !names_us(pid)))
        return 0;
    uint64_t value = number_of(us, UINT64_MAX - 1);
    return value < UINT64_MAX ? value : 0;
}

void service_ping(void) {
    notify("WATCHDOG=1");
}
