/* SPDX-License-Identifier: MIT */
// Writing a .tnm file.
#ifndef TNM_SAVE_H
#define TNM_SAVE_H

#include "core/graph.h"
#include "core/meta.h"

// Encodes a graph with its metadata into the bytes of a .tnm file. The result is the only form that
// this pair has: the same input gives the same bytes everywhere. *bytes is to be freed by the
// caller. Everything a reader checks is checked here first, with the same errors.
bool tnm_encode(const struct tnm_graph *graph, const struct tnm_meta *meta, uint8_t **bytes,
                size_t *len, struct tnm_error *err) TNM_MUST_CHECK;

// Encodes and writes: into a temporary file beside path, fsync, rename, fsync of the folder. A
// reader of path sees the old file or the new one, never a part. On failure path is as it was, but
// where only the last sync failed: then the new file is there and might not outlive a power cut.
bool tnm_save(const char *path, const struct tnm_graph *graph, const struct tnm_meta *meta,
              struct tnm_error *err) TNM_MUST_CHECK;

// The writing half alone, for any bytes: temporary file, fsync, rename.
bool tnm_write_file(const char *path, const void *bytes, size_t len,
                    struct tnm_error *err) TNM_MUST_CHECK;

#endif
