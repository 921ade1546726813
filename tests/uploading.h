/* SPDX-License-Identifier: MIT */
// A daemon with a folder of models, a state folder and small made models, for the tests of what
// changes models over HTTP.
#ifndef TEST_UPLOADING_H
#define TEST_UPLOADING_H

#include "tests/client.h"
#include "tests/daemon_run.h"
#include "tests/load.h"

#include <jansson.h>

struct uploading {
    const char *folder;                            // of all of it
    char models[4096], state[4096], uploads[4096]; // uploads: models in the state folder
    struct made made[LOAD_MODELS];
    char digest[LOAD_MODELS][65];
    struct daemon_run run;
};
extern struct uploading up;

// "one" (made[0], active) and "two" (made[1]) are in the folder of models. No daemon runs yet.
void uploading_setup(void);
void uploading_teardown(void);

// Starts the daemon with further arguments (NULL-terminated, or NULL); stops it, which must go
// well.
void up_start(const char *const *args);
void up_stop(void);

// Writes a model into the folder of models.
void up_ship(const char *name, const struct made *model);

// A request whose status must be as given. code: of the error, NULL where none is expected. The
// body, to be freed with json_decref by up_expect_json only.
void up_expect(const char *method, const char *path, const char *headers, const void *body,
               size_t len, int status, const char *code);
json_t *up_expect_json(const char *method, const char *path, const char *headers, const void *body,
                       size_t len, int status);

void up_put(const char *name, const struct made *model, int status, const char *code);
void up_activate(const char *name);

// Of GET /models/{name}: a text or a number as text, "true" or "false", "" where it is absent.
const char *up_field(const char *name, const char *key);

// Of GET /models.
const char *up_total(const char *key);

// Which of the made models answers: by the digest in the header of an answer, checked against its
// logits. name NULL: the active one. -1: it is none of them, or no answer.
int up_answers(const char *name);

// How many files a folder has, hidden ones included.
unsigned up_count_files(const char *path);

#endif
