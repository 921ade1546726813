/* SPDX-License-Identifier: MIT */
// How many images a model answers rightly. Runs the engine one image at a time, as the daemon does,
// so that both count the same.
#ifndef MEASURE_H
#define MEASURE_H

#include "core/meta.h"
#include "models/data.h"

struct measure {
    uint32_t images, correct, classes;
    uint32_t *answer;    // (images), the class with the highest score; the first of equal ones
    uint8_t *right;      // (images), 1 where the answer was the label
    uint32_t *confusion; // (classes, classes), rows: what it was, columns: what was answered
};

// Opens the data of a model that exists: images of its input's size, classes in the order of its
// labels.
bool measure_data(struct dataset *data, const char *dir, const struct tnm_meta *meta,
                  size_t outputs, bool train, bool test, struct tnm_error *err) TNM_MUST_CHECK;

// Answers a whole set. Its labels must be classes of the model: see dataset_match. threads 0: one
// for each core. TNM_EINPUT where images are not of the model's size, TNM_ENOMEM, TNM_ELIMIT.
bool measure_run(struct measure *m, const struct tnm_model *model, const struct data_set *set,
                 uint32_t inputs, uint32_t threads, struct tnm_error *err) TNM_MUST_CHECK;

// The same, and adds the probability that the model gives each class to sum (n, outputs), if that
// is not NULL. What several models have added up to is what their ensemble answers.
bool measure_run_summing(struct measure *m, const struct tnm_model *model,
                         const struct data_set *set, uint32_t inputs, uint32_t threads, float *sum,
                         struct tnm_error *err) TNM_MUST_CHECK;

// Marks the ensemble: its answers are the classes with the highest sums (n, classes), which also
// have the highest mean. Labels of the set are below classes. TNM_ENOMEM.
bool measure_sums(struct measure *m, const float *sum, uint32_t classes, const struct data_set *set,
                  struct tnm_error *err) TNM_MUST_CHECK;

void measure_free(struct measure *m);

// Correct answers on the validation and the test set of data; a set that data lacks: 0 of 0.
bool measure_scores(const struct tnm_model *model, const struct dataset *data, uint32_t threads,
                    struct tnm_score *validation, struct tnm_score *test,
                    struct tnm_error *err) TNM_MUST_CHECK;

// correct / images, NaN where there are no images.
double measure_accuracy(struct tnm_score score);

// Two models on the same images: how often only the first, only the second was right.
struct measure_pair {
    uint32_t only_first, only_second;
    double p; // of tnm_mcnemar
};

// Both must have been run on the same set.
struct measure_pair measure_compare(const struct measure *first, const struct measure *second);

#endif
