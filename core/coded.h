/* SPDX-License-Identifier: MIT */
// The section CODED: META, GRAPH and SELFTEST of a small file as one arithmetic-coded stream,
// behind which its packed matrices follow. FORMAT.md, section 6.2, defines it; core/coder.h is the
// coder underneath.
//
// Their bytes are told bit by bit by a mixture of what followed the last 0 to 6 bytes. Before the
// first the models learn a text that looks like such sections, so that little is left to say.
#ifndef TNM_CODED_H
#define TNM_CODED_H

#include "core/coder.h"

enum {
    TNM_MAX_CODED = 1 << 16, // bytes of the sections together
    TNM_PRIMER_BYTES = 649,
    TNM_CODED_SECTIONS = 3 // META, GRAPH, SELFTEST
};

extern const uint8_t tnm_primer[TNM_PRIMER_BYTES]; // the text

// A stream as it is read.
struct tnm_coded {
    uint8_t *text;                            // owned
    struct bytes section[TNM_CODED_SECTIONS]; // of it
    struct tnm_coder coder;                   // stands before the first matrix
};

// Bytes of memory that reading takes beside struct tnm_coded and TNM_MAX_CODED; freed at its end.
uint64_t tnm_coded_scratch(void);

// Reads the sections. Any bytes whatever are safe to read. TNM_EFORMAT where they are more than
// TNM_MAX_CODED. What a failure leaves is to be freed as well.
bool tnm_coded_read(struct tnm_coded *coded, struct bytes in, struct tnm_error *err) TNM_MUST_CHECK;

// Frees what it owns.
void tnm_coded_free(struct tnm_coded *coded);

// Writes the sections; a SELFTEST of no bytes is none. That they are short enough is for the reader
// to find.
bool tnm_coded_write(struct tnm_coder *c, const struct bytes section[TNM_CODED_SECTIONS],
                     struct tnm_error *err) TNM_MUST_CHECK;

#endif
