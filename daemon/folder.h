/* SPDX-License-Identifier: MIT */
// Files of the folder of models: their names, and whether one has changed.
#ifndef FOLDER_H
#define FOLDER_H

#include "core/tnm.h"

#include <limits.h>
#include <sys/stat.h>

enum { MODEL_NAME_BYTES = 64 };

// NAME.tnm to NAME: [A-Za-z0-9._-]{1,63}, no leading dot. False for what is no model's name.
bool folder_model_name(const char *file, char name[MODEL_NAME_BYTES]);

// Whether a model, or an alias, may have this name.
bool folder_name_fits(const char *name);

// What tells that a file has not changed. All zero: not known; it equals nothing.
struct signature {
    dev_t device;
    ino_t inode;
    off_t len;
    struct timespec modified, changed;
};

// Looks at NAME.tnm, through links. False, and errno, where that fails.
bool folder_stat(const char *folder, const char *name, char path[PATH_MAX], struct stat *s);

// Whether folder/file is a symbolic link.
bool folder_is_link(const char *folder, const char *file);

// All zero for a file that changed in the last two seconds: the times of files are coarse, so that
// it may change again without a trace.
struct signature folder_signature(const struct stat *s);

bool folder_unchanged(const struct signature *seen, const struct stat *s);

// Whether some process has the file open for writing. The kernel tells only the file's owner and
// root (F_SETLEASE); others always get false, and find out by the checksum.
bool folder_being_written(const char *path);

// The names of all models, sorted, to be freed. -1 and errno on failure.
int folder_names(const char *folder, char (**names)[MODEL_NAME_BYTES]);

// The SHA-256 of a file of at most limit bytes, as tnm_model_digest has it. TNM_EIO, TNM_ELIMIT.
bool folder_digest(const char *path, size_t limit, char digest[65],
                   struct tnm_error *err) TNM_MUST_CHECK;

// Takes "path: " off the front of a text, if it is there: clients need not know where folders are.
void folder_forget_path(struct tnm_error *err, const char *path);

// folder/NAME.tnm, and folder/NAME.tnm.pending: what waits to take the place of the first.
void folder_path(const char *folder, const char *name, char path[PATH_MAX]);
void folder_pending_path(const char *folder, const char *name, char path[PATH_MAX]);

// ---- The state folder --------------------------------------------------------------------------

// The name that is remembered as active; "" if there is none.
void folder_recall(const char *state, char name[MODEL_NAME_BYTES]);

// Writes a file of the state folder, all or nothing. True if state is "".
bool folder_remember(const char *state, const char *file, const char *text, struct tnm_error *err);

// Reads one: text is NUL-terminated, and empty if there is none or it is longer.
void folder_recall_text(const char *state, const char *file, char *text, size_t size);

#endif
