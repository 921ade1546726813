/* SPDX-License-Identifier: MIT */
// Passing a socket on.
#include "tests/handed.h"

#include <check.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_ARGS = 64 };

int handed_listen(uint16_t *port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(listen(fd, 128), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    *port = ntohs(address.sin_port);
    return fd;
}

static void become_daemon(int socket_fd, const char *const *argv, bool alone, char *variable) {
    char pid[32];
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    snprintf(pid, sizeof pid, "%ld", (long)getpid());
    setenv("LISTEN_PID", pid, 1);
    setenv("LISTEN_FDS", "1", 1);
    setenv("WATCHDOG_USEC", "200000", 1);
    if (variable != NULL)
        putenv(variable);
    if (alone && unshare(CLONE_NEWNET) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
        _exit(HANDED_ALONE_FAILED);
    int quiet = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (getenv("TNM_VERBOSE") == NULL)
        dup2(quiet, STDERR_FILENO);
    if (socket_fd == 3)
        fcntl(3, F_SETFD, 0);
    else
        dup2(socket_fd, 3);
    execvp(argv[0], (char *const *)(uintptr_t)argv);
    _exit(127);
}

pid_t handed_start(int socket_fd, const char *const *args, bool alone, char *variable) {
    char program[4096], words[256];
    const char *build = getenv("TNM_BUILD"), *emulator = getenv("TNM_EMULATOR");
    const char *argv[MAX_ARGS] = {NULL};
    size_t n = 0;
    snprintf(program, sizeof program, "%s/tnmd", build != NULL ? build : "build");
    snprintf(words, sizeof words, "%s", emulator != NULL ? emulator : "");
    const char *word = strtok(words, " ");
    if (word != NULL)
        argv[n++] = word;
    argv[n++] = program;
    while (*args != NULL && n < MAX_ARGS - 1)
        argv[n++] = *args++;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0)
        become_daemon(socket_fd, argv, alone, variable);
    return child;
}
