/* SPDX-License-Identifier: MIT */
// systemd through libsystemd's sd-daemon(3).
#include "daemon/service.h"

#include <inttypes.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <time.h>

bool service_socket(int *fd, struct tnm_error *err) {
    *fd = -1;
    int n = sd_listen_fds(1);
    if (n < 0)
        return tnm_fail_errno(err, -n, "sockets from systemd");
    for (int i = SD_LISTEN_FDS_START; i < SD_LISTEN_FDS_START + n; i++)
        if (sd_is_socket(i, AF_UNSPEC, SOCK_STREAM, 1) > 0) {
            *fd = i;
            return true;
        }
    return n == 0 ||
           tnm_fail(err, TNM_EINPUT, "none of the %d descriptors from systemd listens", n);
}

bool service_present(void) {
    return getenv("NOTIFY_SOCKET") != NULL;
}

void service_ready(const char *status) {
    sd_notifyf(0, "READY=1\nSTATUS=%s", status);
}

void service_status(const char *status) {
    sd_notifyf(0, "STATUS=%s", status);
}

void service_reloading(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    uint64_t us = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
    sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, us);
}

void service_stopping(void) {
    sd_notify(0, "STOPPING=1\nSTATUS=finishing what is in work");
}

uint64_t service_watchdog_us(void) {
    uint64_t us = 0;
    return sd_watchdog_enabled(0, &us) > 0 ? us : 0;
}

void service_ping(void) {
    sd_notify(0, "WATCHDOG=1");
}
