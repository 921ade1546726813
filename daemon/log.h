/* SPDX-License-Identifier: MIT */
// One line an event, on stderr: with a <N> priority in front under systemd, with the time
// otherwise.
#ifndef LOG_H
#define LOG_H

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

// Before threads start. Looks at $JOURNAL_STREAM.
void log_start(enum log_level level);

void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__) // a person must act
#define log_warn(...) log_line(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, __VA_ARGS__)   // a change of state
#define log_debug(...) log_line(LOG_LEVEL_DEBUG, __VA_ARGS__) // each request

#endif
