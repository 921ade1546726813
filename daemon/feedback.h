/* SPDX-License-Identifier: MIT */
// The last answers by the ids of their requests, and how many were right by what people said of
// them afterwards. Of an input nothing is kept.
//
// Everything may be called from any thread.
#ifndef FEEDBACK_H
#define FEEDBACK_H

#include "daemon/kept.h"

enum { FEEDBACK_MODELS = 64 }; // names and digests that are counted; the one longest unused goes

// Remembers n answers. NULL: TNM_ENOMEM.
struct feedback *feedback_open(size_t n, struct tnm_error *err) TNM_MUST_CHECK;
void feedback_close(struct feedback *feedback); // NULL is fine

// Forgets the oldest for it. Of two answers with one id and item, the newer counts.
void feedback_remember(struct feedback *feedback, const struct seen *seen);

enum feedback_result {
    FEEDBACK_COUNTED,
    FEEDBACK_REPEATED, // said before, and nothing else: not counted again
    FEEDBACK_DIFFERS,  // another label was said before: not counted
    FEEDBACK_UNKNOWN   // no such answer, or forgotten
};

// What the answer was. Empty for FEEDBACK_UNKNOWN.
struct feedback_verdict {
    char model[REQUEST_MAX_NAME + 1], digest[65];
    char label[KEPT_LABEL_BYTES]; // that was answered
    char said[KEPT_LABEL_BYTES];  // first, by somebody
    bool correct;
};

// Somebody says what the answer should have been.
enum feedback_result feedback_judge(struct feedback *feedback, const char *request_id,
                                    uint32_t item, const char *label,
                                    struct feedback_verdict *verdict);

struct feedback_tally {
    char model[REQUEST_MAX_NAME + 1], digest[65];
    uint64_t judged, correct;
};

// Of every name and digest that a verdict was given on, the one used last first; how many.
size_t feedback_tallies(struct feedback *feedback, struct feedback_tally tally[FEEDBACK_MODELS]);

#endif
