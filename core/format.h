/* SPDX-License-Identifier: MIT */
// The numbers of FORMAT.md, and its sections from bytes and into bytes. Reader and writer of a
// section stand in one file: file_meta.c, file_graph.c.
#ifndef TNM_FORMAT_H
#define TNM_FORMAT_H

#include "core/model.h"
#include "core/stream.h"

#define TNM_MAGIC "\x89TNM\r\n\x1a\n"

enum {
    TNM_FORMAT_VERSION = 1,

    // Header
    TNM_AT_VERSION = 8,
    TNM_AT_SECTIONS = 10,
    TNM_AT_CRC = 12,
    TNM_HEADER_BYTES = 16,

    // Directory entry
    TNM_AT_RESERVED = 2,
    TNM_AT_LENGTH = 4,
    TNM_ENTRY_BYTES = 8,

    // Kinds of sections
    TNM_META = 1,
    TNM_GRAPH = 2,
    TNM_SELF_TEST = 3,
    TNM_DATA = 4,
    TNM_CODED = 5,
    TNM_KINDS = 5,
    TNM_SECTIONS = 4, // most that a file has

    // Tags of META
    TNM_TAG_NAME = 1,
    TNM_TAG_DESCRIPTION = 2,
    TNM_TAG_DATASET = 3,
    TNM_TAG_LABELS = 4,
    TNM_TAG_RECIPE = 5,
    TNM_TAG_TEST = 6,
    TNM_TAG_VALIDATION = 7,
    TNM_TAG_STEPS = 8,
    TNM_TAG_ANCILLARY = 64, // from here on unknown tags are skipped

    TNM_SELF_TEST_STORED = 0,
    TNM_SELF_TEST_SEEDED = 1,
    TNM_MAX_RECIPE_SIDE = 65536,
    TNM_MAX_WINDOW = 65535
};

// What is still free of a limit.
struct tnm_budget {
    size_t left;
};

// Takes len bytes of it, before they are allocated. TNM_ELIMIT where it is less.
bool tnm_budget_take(struct tnm_budget *budget, uint64_t len, struct tnm_error *err) TNM_MUST_CHECK;

// A section on its way in.
struct tnm_reading {
    struct bytes section;
    struct tnm_budget *budget;
    struct tnm_coder *coder; // GRAPH: packed matrices come from it; NULL: they stand in DATA
    size_t inputs, outputs;  // of the graph; for META and SELFTEST
};

// Each fills its part of a zeroed struct. What a failure leaves is to be freed as well.
//   file          from its first byte to the end of DATA, which begins at data_at; matrices point
//                 into it
//   weight_bytes  (n_nodes, TNM_MAX_WEIGHTS), allocated here: what each matrix takes in the file,
//                 without padding
bool tnm_read_graph(const struct tnm_reading *from, struct bytes file, size_t data_at,
                    struct tnm_graph *graph, size_t **weight_bytes,
                    struct tnm_error *err) TNM_MUST_CHECK;
bool tnm_read_meta(const struct tnm_reading *from, struct tnm_meta *meta,
                   struct tnm_error *err) TNM_MUST_CHECK;
bool tnm_read_self_test(const struct tnm_reading *from, struct tnm_self_test *test,
                        struct tnm_error *err) TNM_MUST_CHECK;

// Each appends its section. Whether what they write keeps the rules is for the reader to find.
void tnm_write_graph(struct tnm_sink *sink, const struct tnm_graph *graph);
void tnm_write_data(struct tnm_sink *file, const struct tnm_graph *graph);
bool tnm_write_coded(struct tnm_sink *file, const struct tnm_graph *graph,
                     const struct tnm_meta *meta, struct tnm_error *err) TNM_MUST_CHECK;
void tnm_write_meta(struct tnm_sink *sink, const struct tnm_meta *meta);
void tnm_write_self_test(struct tnm_sink *sink, const struct tnm_self_test *test);

#endif
