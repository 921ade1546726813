/* SPDX-License-Identifier: MIT */
// Runs the real daemon, $TNM_BUILD/tnmd (through $TNM_EMULATOR, if that is set), for a test.
#ifndef TEST_DAEMON_RUN_H
#define TEST_DAEMON_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct daemon_run {
    pid_t pid;
    uint16_t port; // on 127.0.0.1
    int log_fd;    // the reading end of its stderr
    char *log;     // all it has written so far
    size_t log_len;
};

// Starts tnmd with --listen 127.0.0.1:0 and args (NULL-terminated; may be NULL), and waits for
// "listening on". False where it exits first; daemon_log and daemon_wait then tell why.
bool daemon_start(struct daemon_run *run, const char *const *args);

// The same with environment variables NAME=VALUE (NULL-terminated) added.
bool daemon_start_with(struct daemon_run *run, const char *const *args, const char *const *env);

// Waits at most timeout_ms until what it wrote holds text. False after that, or when it ended.
bool daemon_log_has(struct daemon_run *run, const char *text, unsigned timeout_ms);

// All it has written up to now.
const char *daemon_log(struct daemon_run *run);

void daemon_signal(struct daemon_run *run, int signal_number);

// Waits for the end: the exit status, or 128 + the signal that killed it; -1 after timeout_ms.
int daemon_wait(struct daemon_run *run, unsigned timeout_ms);

// SIGTERM, then daemon_wait; SIGKILL if that takes more than 20 seconds. Frees everything.
int daemon_stop(struct daemon_run *run);

#endif
