/* SPDX-License-Identifier: MIT */
// Several models on one labelled set, picture by picture, so that they can be compared in pairs.
#ifndef EVALUATION_H
#define EVALUATION_H

#include "daemon/answer.h"
#include "daemon/labelled.h"
#include "daemon/spread.h"
#include "daemon/study.h"

enum { EVALUATION_CHUNK = 256, EVALUATION_MOST_CLASSES = 256 };

// One model, and what has come of it.
struct subject {
    struct served *served; // held by the caller
    uint64_t correct;
    uint64_t only_reference, only_this; // pictures that one got right and the other did not
    uint32_t *confusion; // (classes, classes): what it was, what was answered; NULL: too many
    struct spread infer; // CPU time of each run
    uint64_t cpu_ns;     // of all

    // For evaluation.c.
    uint32_t class_of[256]; // of each label of the set
    struct answer answer;   // room for one
    uint32_t chunk_class[EVALUATION_CHUNK];
    uint64_t chunk_ns[EVALUATION_CHUNK];
};

struct evaluation {
    struct labelled set;
    size_t n, reference;     // which subject the others are compared with
    struct subject *subject; // (n,)
    uint32_t done;           // pictures that all subjects have answered

    void *room; // for evaluation.c
    uint8_t *pixel;
    float *x;
    uint32_t chunk;
    uint64_t clock_cost_ns;
};

// Takes room for n models; served is filled by the caller before evaluation_match. Checks the
// set, unless *stop becomes true.
// TNM_EFORMAT, TNM_ELIMIT, TNM_ENOMEM.
bool evaluation_open(struct evaluation *evaluation, size_t n, struct bytes images,
                     struct bytes labels, const atomic_bool *stop,
                     struct tnm_error *err) TNM_MUST_CHECK;
void evaluation_close(struct evaluation *evaluation);

// How much memory it takes beside what was opened, once served is filled.
size_t evaluation_bytes(const struct evaluation *evaluation);

// Matches the set with each model: its size (TNM_EUNSUPPORTED) and its labels (TNM_EINPUT). A label
// is the class that has its number as name; where no label of the set is such a name, the class
// with that index.
bool evaluation_match(struct evaluation *evaluation, struct tnm_error *err) TNM_MUST_CHECK;

// Answers picture by picture until the end or until the study is over: done says how far it came.
// TNM_ENOMEM; TNM_ESELFTEST where a model's output is not finite.
bool evaluation_run(struct evaluation *evaluation, const struct study *study,
                    struct tnm_error *err) TNM_MUST_CHECK;

#endif
