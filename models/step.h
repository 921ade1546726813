/* SPDX-License-Identifier: MIT */
// What every command that makes a network has in common: open the file it starts from, and at the
// end measure, write provenance, save, log and report.
//
//     struct step step = {.verb = "prune", .seed = s.seed, .output = s.output, ...};
//     cli_tell(&command, &s, step.parameters, sizeof step.parameters);
//     if (!step_open(&step, &net, "in.tnm", &err)) ...
//     ... change net ...
//     ok = step_finish(&step, &net, details, &err);
#ifndef STEP_H
#define STEP_H

#include "models/data.h"
#include "models/net.h"
#include "models/pack.h"

struct json_t; // jansson

struct step {
    const char *verb;                  // "prune"
    char parameters[TNM_MAX_TEXT + 1]; // see cli_tell
    uint64_t seed;
    const char *input;       // the file it starts from; NULL for none
    const char *output;      // the file it writes; its name gives the network's name
    const char *log;         // --log; may be NULL
    const struct pack *pack; // the file is packed so; NULL: it is not
    bool json;               // print the document of the step on stdout instead of a line
    uint32_t threads;
    double started; // cli_seconds() when it began

    // Filled by step_open.
    bool has_parent;
    uint8_t parent[TNM_DIGEST_BYTES];
    uint64_t input_bytes, input_nonzeros;
    struct tnm_score input_validation, input_test; // as the file says
};

// Checks that the output's name may be a model's ("NAME.tnm"), then reads path into net.
// Starts the step's clock.
bool step_open(struct step *step, struct net *net, const char *path,
               struct tnm_error *err) TNM_MUST_CHECK;

// The check alone, for a step that starts from nothing; puts the name into net->meta.name if net is
// not NULL.
bool step_name(const struct step *step, struct net *net, struct tnm_error *err) TNM_MUST_CHECK;

// Opens the data of a network that exists: images of its input's size, classes in the order of its
// labels.
bool step_data(struct dataset *data, const char *dir, const struct net *net, bool train, bool test,
               struct tnm_error *err) TNM_MUST_CHECK;

// Measures on the validation and test set of data (NULL: the accuracy becomes unknown), appends the
// step to the provenance, saves with the images of the present self-test, opens what was saved,
// appends to the log and reports. details, which may be NULL, is freed; its keys go into the
// document of the step.
bool step_finish(const struct step *step, struct net *net, const struct dataset *data,
                 struct json_t *details, struct tnm_error *err) TNM_MUST_CHECK;

// "98.51 %", in text, or "unknown".
const char *step_percent(struct tnm_score score, char text[16]);

#endif
