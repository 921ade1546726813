/* SPDX-License-Identifier: MIT */
// Several models that answer as one: the class with the highest mean of their probabilities.
#ifndef ENSEMBLE_H
#define ENSEMBLE_H

#include "models/measure.h"

struct ensemble {
    uint32_t n;               // members so far
    uint64_t bytes;           // of their files together
    uint32_t images, classes; //
    uint16_t *label;          // (images), owned
    float *sum;               // (images, classes) of probabilities, owned
};

// Whether a model can be a member beside first: takes the same pictures, and answers with the same
// labels in the same order. TNM_EINPUT: the text says in what it differs, and names first.
bool ensemble_agree(const struct tnm_model *first, const struct tnm_model *model,
                    struct tnm_error *err) TNM_MUST_CHECK;

// Runs a model on a set as measure_run does, and takes it in. All members must agree. TNM_EINPUT
// where the set is not the one that the first was run on.
bool ensemble_add(struct ensemble *e, const struct tnm_model *model, const struct data_set *set,
                  uint32_t inputs, uint32_t threads, struct measure *m,
                  struct tnm_error *err) TNM_MUST_CHECK;

// What the members answer together.
bool ensemble_measure(const struct ensemble *e, struct measure *m,
                      struct tnm_error *err) TNM_MUST_CHECK;

void ensemble_free(struct ensemble *e);

#endif
