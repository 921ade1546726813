/* SPDX-License-Identifier: MIT */
// What others have published, to draw beside: a text file, one line each.
//
//     bytes, test accuracy in %, network, name, source, and if it matters the name of the data,
//     with a tab between; lines that are empty or start with # count for nothing
#ifndef RECORDS_H
#define RECORDS_H

#include "core/tnm.h"

struct record {
    double bytes, accuracy; // of 1
    const char *network, *name, *source;
    const char *data; // "" where the line does not say
};

struct records {
    uint32_t n;
    struct record *record; // (n), owned
    char *text;            // what their words are in, owned
};

// TNM_EIO; TNM_EFORMAT with the line: text is "FILE: line 3: ...".
bool records_read(struct records *records, const char *path, struct tnm_error *err) TNM_MUST_CHECK;

void records_free(struct records *records);

#endif
