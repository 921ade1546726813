/* SPDX-License-Identifier: MIT */
// A daemon with models of its own, and looking at what it answers.
#ifndef TEST_SERVED_H
#define TEST_SERVED_H

#include "tests/client.h"
#include "tests/daemon_run.h"

#include <jansson.h>

// The daemon under test: a folder with the models "one" (made_model(1), active) and "two"
// (made_model(2)), and tnmd serving it.
struct served_run {
    struct daemon_run daemon;
    const char *folder;
};

// Starts it with further arguments (NULL-terminated; NULL for none). Ends the test on failure.
void served_start(struct served_run *run, const char *const *args);

// Stops it; it must have been alive and must end with exit code 0.
void served_stop(struct served_run *run);

// The body as JSON, which it must be. To be freed with json_decref.
json_t *served_json(const struct answer *answer);

// Fails the test unless answer is the one form of an error, with this status and code, and headers
// as every reply has them. Frees answer.
void served_expect_error(struct answer *answer, int status, const char *code);

#endif
