/* SPDX-License-Identifier: MIT */
// Runs the real forge, $TNM_BUILD/tnm (through $TNM_EMULATOR, if that is set), for a test.
#ifndef TEST_TOOL_RUN_H
#define TEST_TOOL_RUN_H

struct tool_run {
    int code;  // exit code, or 128 + the signal that killed it
    char *out; // what it wrote on stdout
    char *err; // what it wrote on stderr
};

// Runs `tnm ARGUMENTS` in a shell; the arguments are words for it. Paths must not need quotes.
struct tool_run tool_run(const char *format, ...) __attribute__((format(printf, 1, 2)));

void tool_free(struct tool_run *run);

#endif
