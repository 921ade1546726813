/* SPDX-License-Identifier: MIT */
// The sections of CODED, decoded a second time: from FORMAT.md, without code of core.
#ifndef PLAIN_CODED_H
#define PLAIN_CODED_H

#include "tests/plain_stream.h"

// META, GRAPH and SELFTEST: how long they are, and their bytes one behind the other.
struct plain_sections {
    uint64_t len[3];
    uint8_t text[65536];
};

// 0, or the number of the rule that is broken. The stream stands before its first matrix then.
int plain_decode_sections(struct plain_stream *in, struct plain_sections *out);

#endif
