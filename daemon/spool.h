/* SPDX-License-Identifier: MIT */
// Bytes on their way into a file: written to a temporary one as they come, and renamed into place
// once all of them are there and found good. So a long upload takes no memory.
#ifndef SPOOL_H
#define SPOOL_H

#include "core/checksum.h"
#include "core/tnm.h"

struct spool {
    char *path;            // ".upload-..." in the folder; empty once it is kept
    int fd;                // locked as long as it is open
    size_t len;            // so far
    struct tnm_sha256 sha; // of these
    bool full;             // the disk: why adding or keeping failed
};

// Makes an empty one in folder. NULL: TNM_EIO, TNM_ENOMEM.
struct spool *spool_open(const char *folder, struct tnm_error *err) TNM_MUST_CHECK;

// Adds bytes at the end. TNM_EIO.
bool spool_add(struct spool *spool, const void *bytes, size_t len,
               struct tnm_error *err) TNM_MUST_CHECK;

// After the last byte: the SHA-256 of all.
void spool_digest(const struct spool *spool, uint8_t digest[32]);

// Sends the bytes to the disk, then gives the file this path, in the same folder, in place of one
// that is there. TNM_EIO: nothing is changed, but where the folder could not be synced.
bool spool_keep(struct spool *spool, const char *path, struct tnm_error *err) TNM_MUST_CHECK;

// Closes, and removes the file unless it was kept; NULL is fine.
void spool_close(struct spool *spool);

// Removes what a process that died has left in folder.
void spool_clean(const char *folder);

// Renames a file of a folder within it, in place of one that is there, or removes one; and syncs
// the folder. False and errno.
bool spool_rename(const char *from, const char *to);
bool spool_unlink(const char *path);

#endif
