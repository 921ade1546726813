/* SPDX-License-Identifier: MIT */
// Broken files: each a sample with one thing changed, so that it breaks one rule of FORMAT.md.
#ifndef BAD_H
#define BAD_H

#include "tests/files.h"

enum part {
    PART_NONE,
    PART_META,
    PART_GRAPH,
    PART_TEST,
    PART_CODED,                  // of a coded sample: what the three before it make
    PART_ARRAY,                  // 16 arrays of DATA from here on, without their padding
    PART_FILE = PART_ARRAY + 16, // all of it, before the checksum is computed
    PART_SEALED                  // after it
};

// Bytes are in hex; "61*64" is 64 of them. What is found must be there once; "" is the end of the
// part. NULL instead of what to put drops the whole section, without its entry in the directory.
struct edit {
    enum part part;
    const char *find, *put;
};

struct bad {
    int rule;
    const char *name; // the file is RULE-NAME.tnm
    enum sample_kind from;
    int code;          // that core refuses it with,
    const char *words; // and what its text has in it
    struct edit edit[2];
};

extern const struct bad bad_file[];
extern const size_t n_bad_files;

// "07-kind-twice.tnm"
void bad_name(const struct bad *bad, char name[64]);

// The bytes, to be freed by the caller. abort() where an edit does not fit its sample.
uint8_t *bad_bytes(const struct bad *bad, size_t *len);

#endif
