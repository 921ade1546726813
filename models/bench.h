/* SPDX-License-Identifier: MIT */
// The time that an input takes, beside dense runs of the same network in the same process.
#ifndef BENCH_H
#define BENCH_H

#include "core/tnm.h"

enum bench_way {
    BENCH_SPARSE,   // the file as it is
    BENCH_DENSE,    // the engine, every weight stored
    BENCH_PRODUCTS, // the forge's forward pass
    BENCH_WAYS
};

enum bench_inputs {
    BENCH_OWN,    // those of the model's self-test; noise where it has none
    BENCH_SEEDED, // made ones, four of five pixels 0, the same for every model of that size
};

struct bench_options {
    const char *dense;        // the model's file, to make dense ones of; NULL: only BENCH_SPARSE
    const char *data;         // inputs are its test images; NULL: as inputs says
    enum bench_inputs inputs; //
    uint32_t batch, threads;  // at least 1
    uint32_t rounds;          // at least 1
    double round_ns;          // a round is to last, without what else the machine does
};

// Nanoseconds an input; NaN of a way that was not or cannot be run.
struct bench_result {
    double median[BENCH_WAYS], least[BENCH_WAYS];
    const char *source; // of the inputs: "test set", "self-test", "random numbers", "seed"
};

// Ways take turns, so that what else the machine does falls on all of them.
bool bench_run(const struct tnm_model *model, const struct bench_options *options,
               struct bench_result *result, struct tnm_error *err) TNM_MUST_CHECK;

#endif
