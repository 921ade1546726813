/* SPDX-License-Identifier: MIT */
// A folder of its own for a test, and files in it.
#ifndef TEST_SCRATCH_H
#define TEST_SCRATCH_H

#include <stdbool.h>
#include <stddef.h>

// Makes an empty folder under $TMPDIR (or /tmp) and returns its path, which lives as long as the
// process. Ends the test on failure.
const char *scratch_make(void);

// Removes it and all that is in it.
void scratch_remove(const char *folder);

// folder/name; the text lives until the eighth call after this one of the same thread.
const char *scratch_path(const char *folder, const char *name);

// Writes a file in place: opened, written, closed. Ends the test on failure.
void scratch_write(const char *path, const void *bytes, size_t len);

// Writes a temporary file beside it and renames it over path.
void scratch_replace(const char *path, const void *bytes, size_t len);

// Tries until condition(arg) holds, for at most 20 seconds (200 under an emulator).
bool eventually(bool (*condition)(void *arg), void *arg);

// True under $TNM_EMULATOR: where counts ought to be smaller.
bool emulated(void);

#endif
