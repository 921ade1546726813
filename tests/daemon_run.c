/* SPDX-License-Identifier: MIT */
// Starting, reading and stopping the real daemon.
#include "tests/daemon_run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX_ARGS = 64, START_MS = 60000, STOP_MS = 20000 };

static uint64_t now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

// The command line: emulator words, program, --listen, args.
static void collect_args(const char *argv[MAX_ARGS], char *program, size_t size, char *emulator,
                         const char *const *args) {
    size_t n = 0;
    const char *build = getenv("TNM_BUILD");
    snprintf(program, size, "%s/tnmd", build != NULL ? build : "build");
    for (char *word = strtok(emulator, " "); word != NULL && n < 8; word = strtok(NULL, " "))
        argv[n++] = word;
    argv[n++] = program;
    argv[n++] = "--listen";
    argv[n++] = "127.0.0.1:0";
    for (; args != NULL && *args != NULL && n < MAX_ARGS - 1; args++)
        argv[n++] = *args;
    argv[n] = NULL;
}

// In the child: stderr into the pipe, and an end when the test ends.
static void become_daemon(const char *argv[MAX_ARGS], const char *const *env, int log_fd) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(log_fd, STDERR_FILENO);
    for (; env != NULL && *env != NULL; env++)
        putenv((char *)(uintptr_t)*env);
    execvp(argv[0], (char *const *)(uintptr_t)argv);
    dprintf(STDERR_FILENO, "%s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

// Adds what is there to the log; waits at most timeout_ms for it. False at its end.
static bool read_log(struct daemon_run *run, int timeout_ms) {
    struct pollfd wait = {.fd = run->log_fd, .events = POLLIN};
    if (poll(&wait, 1, timeout_ms) <= 0)
        return true;
    char *grown = realloc(run->log, run->log_len + 4096 + 1);
    if (grown == NULL)
        abort();
    run->log = grown;
    ssize_t got = read(run->log_fd, run->log + run->log_len, 4096);
    run->log_len += got > 0 ? (size_t)got : 0;
    run->log[run->log_len] = 0;
    return got > 0;
}

bool daemon_log_has(struct daemon_run *run, const char *text, unsigned timeout_ms) {
    uint64_t end = now_ms() + timeout_ms;
    for (;;) {
        if (run->log != NULL && strstr(run->log, text) != NULL)
            return true;
        uint64_t now = now_ms();
        if (now >= end || !read_log(run, (int)(end - now)))
            return run->log != NULL && strstr(run->log, text) != NULL;
    }
}

const char *daemon_log(struct daemon_run *run) {
    struct pollfd wait = {.fd = run->log_fd, .events = POLLIN};
    while (run->log_fd >= 0 && poll(&wait, 1, 0) > 0 && read_log(run, 0))
        ;
    return run->log != NULL ? run->log : "";
}

// The port of "listening on http://127.0.0.1:PORT", or https, once that line is whole.
static bool find_port(struct daemon_run *run) {
    static const char words[] = "://127.0.0.1:"; // of http or https
    uint64_t end = now_ms() + START_MS;
    for (;;) {
        const char *at = run->log != NULL ? strstr(run->log, words) : NULL;
        if (at != NULL && strchr(at, '\n') != NULL) {
            run->port = (uint16_t)strtoul(at + sizeof words - 1, NULL, 10);
            return true;
        }
        uint64_t now = now_ms();
        if (now >= end || !read_log(run, (int)(end - now)))
            return false;
    }
}

bool daemon_start_with(struct daemon_run *run, const char *const *args, const char *const *env) {
    *run = (struct daemon_run){.log_fd = -1};
    const char *argv[MAX_ARGS];
    char program[4096], emulator[256];
    const char *words = getenv("TNM_EMULATOR");
    snprintf(emulator, sizeof emulator, "%s", words != NULL ? words : "");
    collect_args(argv, program, sizeof program, emulator, args);
    int log_pipe[2];
    if (pipe2(log_pipe, O_CLOEXEC) != 0)
        return false;
    // A daemon that says much must not wait for a test that does not read.
    (void)fcntl(log_pipe[0], F_SETPIPE_SZ, 1 << 20);
    run->pid = fork();
    if (run->pid == 0)
        become_daemon(argv, env, log_pipe[1]);
    close(log_pipe[1]);
    run->log_fd = log_pipe[0];
    return run->pid > 0 && find_port(run);
}

bool daemon_start(struct daemon_run *run, const char *const *args) {
    return daemon_start_with(run, args, NULL);
}

void daemon_signal(struct daemon_run *run, int signal_number) {
    if (run->pid > 0)
        kill(run->pid, signal_number);
}

int daemon_wait(struct daemon_run *run, unsigned timeout_ms) {
    if (run->pid <= 0)
        return -1;
    // Its end closes the log; that is an event to wait for.
    uint64_t end = now_ms() + timeout_ms;
    for (uint64_t now; (now = now_ms()) < end && read_log(run, (int)(end - now));)
        ;
    int status;
    if (waitpid(run->pid, &status, now_ms() >= end ? WNOHANG : 0) != run->pid)
        return -1;
    run->pid = 0;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int daemon_stop(struct daemon_run *run) {
    daemon_signal(run, SIGTERM);
    int status = daemon_wait(run, STOP_MS);
    if (run->pid > 0) {
        daemon_signal(run, SIGKILL);
        waitpid(run->pid, NULL, 0);
    }
    if (run->log_fd >= 0)
        close(run->log_fd);
    free(run->log);
    *run = (struct daemon_run){.log_fd = -1};
    return status;
}
