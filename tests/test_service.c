/* SPDX-License-Identifier: MIT */
// What systemd is told, a socket that it passes, and lines for the journal.
#include "daemon/service.h"

#include "daemon/listen.h"
#include "daemon/log.h"
#include "tests/scratch.h"

#include <check.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *folder;
static int notified; // the fake notify socket

static void setup(void) {
    folder = scratch_make();
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%.80s/notify", folder);
    notified = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(notified, (struct sockaddr *)&address, sizeof address), 0);
    setenv("NOTIFY_SOCKET", address.sun_path, 1);
}

static void teardown(void) {
    close(notified);
    scratch_remove(folder);
}

static const char *next_message(void) {
    static char text[1024];
    ssize_t len = recv(notified, text, sizeof text - 1, MSG_DONTWAIT);
    text[len > 0 ? len : 0] = '\0';
    return text;
}

START_TEST(each_change_is_one_message) {
    ck_assert(service_present());
    service_ready("all is well");
    ck_assert_str_eq(next_message(), "READY=1\nSTATUS=all is well");
    service_status("50 % done");
    ck_assert_str_eq(next_message(), "STATUS=50 % done");
    service_stopping();
    ck_assert_int_eq(strncmp(next_message(), "STOPPING=1\n", 11), 0);
    service_ping();
    ck_assert_str_eq(next_message(), "WATCHDOG=1");
}
END_TEST

START_TEST(reloading_carries_the_time_of_now) {
    struct timespec now;
    service_reloading();
    clock_gettime(CLOCK_MONOTONIC, &now);
    unsigned long long us = 0, now_us = (unsigned long long)now.tv_sec * 1000000;
    ck_assert_int_eq(sscanf(next_message(), "RELOADING=1\nMONOTONIC_USEC=%llu", &us), 1);
    ck_assert_msg(us + 10000000 > now_us && us < now_us + 2000000, "%llu, now %llu", us, now_us);
}
END_TEST

START_TEST(without_systemd_nothing_happens) {
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("LISTEN_FDS");
    ck_assert(!service_present());
    service_ready("");
    service_ping();
    ck_assert_uint_eq(service_watchdog_us(), 0);
    struct tnm_error err;
    int fd = 0;
    ck_assert(service_socket(&fd, &err));
    ck_assert_int_eq(fd, -1);
}
END_TEST

START_TEST(the_watchdog_is_ours_only_if_it_names_us) {
    char pid[32];
    unsetenv("WATCHDOG_PID");
    setenv("WATCHDOG_USEC", "3000000", 1);
    ck_assert_uint_eq(service_watchdog_us(), 3000000);
    snprintf(pid, sizeof pid, "%ld", (long)getpid());
    setenv("WATCHDOG_PID", pid, 1);
    ck_assert_uint_eq(service_watchdog_us(), 3000000);
    snprintf(pid, sizeof pid, "%ld", (long)getppid());
    setenv("WATCHDOG_PID", pid, 1);
    ck_assert_uint_eq(service_watchdog_us(), 0);
}
END_TEST

// Has a child take passed as descriptor 3, as systemd passes it. Its exit status: 0 took it, 1 no
// error but no socket, 2 error.
static int child_takes(int passed) {
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        char pid[32];
        snprintf(pid, sizeof pid, "%ld", (long)getpid());
        setenv("LISTEN_PID", pid, 1);
        setenv("LISTEN_FDS", "1", 1);
        dup2(passed, 3);
        int fd = -1;
        struct tnm_error err;
        bool ok = service_socket(&fd, &err);
        _exit(!ok ? 2 : fd == 3 ? 0 : 1);
    }
    int status = 0;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return WEXITSTATUS(status);
}

START_TEST(a_listening_socket_is_taken_and_nothing_else) {
    struct tnm_error err;
    int listening;
    ck_assert(listen_open("127.0.0.1:0", &listening, &err));
    ck_assert_int_eq(child_takes(listening), 0);
    ck_assert_int_eq(child_takes(notified), 2);
    int idle = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(child_takes(idle), 2);
    close(idle);
    close(listening);
}
END_TEST

// What a child writes to stderr while log_start sees a journal stream of device:inode, or not.
static const char *logged(bool journal) {
    static char text[8192];
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        struct stat s;
        char stream[64];
        dup2(ends[1], STDERR_FILENO);
        fstat(STDERR_FILENO, &s);
        snprintf(stream, sizeof stream, "%llu:%llu", (unsigned long long)s.st_dev,
                 (unsigned long long)s.st_ino + !journal);
        setenv("JOURNAL_STREAM", stream, 1);
        log_start(LOG_LEVEL_INFO);
        log_error("one");
        log_warn("two %d", 2);
        log_info("three\nand \x1b[1m");
        log_debug("four");
        log_info("%0*d", 4000, 7);
        _exit(0);
    }
    close(ends[1]);
    size_t len = 0;
    for (ssize_t n; (n = read(ends[0], text + len, sizeof text - 1 - len)) > 0;)
        len += (size_t)n;
    text[len] = '\0';
    close(ends[0]);
    waitpid(child, NULL, 0);
    return text;
}

START_TEST(the_journal_gets_priorities) {
    const char *text = logged(true);
    const char *const expected = "<3>one\n<4>two 2\n<6>three?and ?[1m\n<6>000";
    ck_assert_msg(strncmp(text, expected, strlen(expected)) == 0, "%s", text);
    ck_assert_msg(strlen(text) > 2000 && strlen(text) < 2200, "%zu", strlen(text));
    ck_assert_int_eq(text[strlen(text) - 1], '\n');
}
END_TEST

START_TEST(a_person_gets_the_time_and_the_level) {
    const char *text = logged(false);
    ck_assert_int_eq(text[2], ':');
    ck_assert_ptr_nonnull(strstr(text, " error: one\n"));
    ck_assert_ptr_nonnull(strstr(text, " warning: two 2\n"));
    ck_assert_ptr_nonnull(strstr(text, " three?and ?[1m\n"));
    ck_assert_ptr_null(strstr(text, "four"));
    ck_assert_ptr_null(strstr(text, "<"));
}
END_TEST

Suite *service_suite(void) {
    Suite *s = suite_create("service");
    TCase *t = tcase_create("service");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, each_change_is_one_message);
    tcase_add_test(t, reloading_carries_the_time_of_now);
    tcase_add_test(t, without_systemd_nothing_happens);
    tcase_add_test(t, the_watchdog_is_ours_only_if_it_names_us);
    tcase_add_test(t, a_listening_socket_is_taken_and_nothing_else);
    tcase_add_test(t, the_journal_gets_priorities);
    tcase_add_test(t, a_person_gets_the_time_and_the_level);
    suite_add_tcase(s, t);
    return s;
}
