/* SPDX-License-Identifier: MIT */
// Log lines: one write(2) each, so that lines of several threads never mix.
#include "daemon/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { LINE_BYTES = 2048 };

static enum log_level loudest = LOG_LEVEL_INFO;
static bool to_journal;

// $JOURNAL_STREAM is "device:inode" of the stream that systemd gave; a service may since have put
// another file in its place.
static bool stderr_is_journal(void) {
    const char *text = getenv("JOURNAL_STREAM");
    unsigned long long device = 0, inode = 0;
    struct stat s;
    return text != NULL && sscanf(text, "%llu:%llu", &device, &inode) == 2 &&
           fstat(STDERR_FILENO, &s) == 0 && device == s.st_dev && inode == s.st_ino;
}

void log_start(enum log_level level) {
    loudest = level;
    to_journal = stderr_is_journal();
}

// What stands before the text: "<3>" as sd-daemon(3) has it, or the time of day.
static size_t open_line(char *line, size_t size, enum log_level level) {
    static const int priority[] = {3, 4, 6, 7};
    static const char *const word[] = {"error: ", "warning: ", "", ""};
    int n;
    if (to_journal) {
        n = snprintf(line, size, "<%d>", priority[level]);
    } else {
        struct timespec now;
        struct tm tm;
        clock_gettime(CLOCK_REALTIME, &now);
        localtime_r(&now.tv_sec, &tm);
        n = snprintf(line, size, "%02d:%02d:%02d.%03ld %s", tm.tm_hour, tm.tm_min, tm.tm_sec,
                     now.tv_nsec / 1000000, word[level]);
    }
    return n > 0 ? (size_t)n : 0;
}

// A line is one line: text from outside (names, header values) cannot start another.
static void flatten(char *text) {
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            *text = '?';
}

void log_line(enum log_level level, const char *format, ...) {
    if (level > loudest)
        return;
    char line[LINE_BYTES];
    size_t len = open_line(line, sizeof line, level);
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line + len, sizeof line - len - 1, format, args);
    va_end(args);
    if (n < 0)
        return;
    flatten(line + len);
    size_t room = sizeof line - len - 2;
    len += (size_t)n < room ? (size_t)n : room;
    line[len++] = '\n';
    // A log that cannot be written has no better place to say so.
    if (write(STDERR_FILENO, line, len) < 0)
        return;
}
