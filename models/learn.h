/* SPDX-License-Identifier: MIT */
// What `tnm train` and `tnm retrain` have in common: the options of training, its progress on the
// terminal, and what of it goes into the log.
#ifndef LEARN_H
#define LEARN_H

#include "models/cli.h"
#include "models/train.h"

struct json_t; // jansson

// Settings of both commands; the first line is train's alone.
struct learn_settings {
    const char *arch, *size;
    uint32_t recipe; // place in "ink|fit|cover"
    const char *data, *output, *log, *name;
    uint32_t epochs, batch, optimiser, schedule, step_epochs, keep, threads;
    double rate, last, warmup, step_factor, momentum, weight_decay, l2, l1, augment;
    uint64_t seed;
    bool json;
};

#define LEARN_AT(FIELD) offsetof(struct learn_settings, FIELD)

// clang-format off
#define LEARN_OPTIONS(EPOCHS, RATE)                                                                \
    CLI_DATA(LEARN_AT(data), CLI_MUST),                                                            \
    CLI_OUTPUT(LEARN_AT(output)),                                                                  \
    {"name", 0, CLI_PATH, LEARN_AT(name), "NAME", NULL, 0, 0,                                      \
     "the network's name in the file, if not the file's own"},                                     \
    {"epochs", 0, CLI_COUNT, LEARN_AT(epochs), "N", EPOCHS, 1, 100000, "passes over the images"},  \
    {"batch", 0, CLI_COUNT, LEARN_AT(batch), "N", "128", 1, 65536, "images in a step"},            \
    {"optimizer", 0, CLI_CHOICE, LEARN_AT(optimiser), "adam|sgd", "adam", 0, 0,                    \
     "Adam, or gradient descent with momentum"},                                                   \
    {"lr", 0, CLI_REAL, LEARN_AT(rate), "X", RATE, 1e-9, 100, "learning rate"},                    \
    {"schedule", 0, CLI_CHOICE, LEARN_AT(schedule), "constant|cosine|step", "cosine", 0, 0,        \
     "how the rate falls"},                                                                        \
    {"lr-last", 0, CLI_REAL, LEARN_AT(last), "F", "0.001", 0, 1,                                   \
     "cosine: the share of the rate that is left at the end"},                                     \
    {"step-epochs", 0, CLI_COUNT, LEARN_AT(step_epochs), "N", "10", 1, 100000,                     \
     "step: epochs between two falls of the rate"},                                                \
    {"step-factor", 0, CLI_REAL, LEARN_AT(step_factor), "F", "0.1", 0, 1,                          \
     "step: what the rate is multiplied by"},                                                      \
    {"warmup", 0, CLI_REAL, LEARN_AT(warmup), "N", "0", 0, 1000,                                   \
     "epochs during which the rate rises from 0"},                                                 \
    {"momentum", 0, CLI_REAL, LEARN_AT(momentum), "X", "0.9", 0, 0.9999, "of sgd"},                \
    {"weight-decay", 0, CLI_REAL, LEARN_AT(weight_decay), "X", "0", 0, 10,                         \
     "each step shrinks the weights by lr X (decoupled, AdamW)"},                                  \
    {"l2", 0, CLI_REAL, LEARN_AT(l2), "X", "0", 0, 10,                                             \
     "adds X w to the gradient (coupled, PyTorch's weight_decay)"},                                \
    {"l1", 0, CLI_REAL, LEARN_AT(l1), "X", "0", 0, 10,                                             \
     "adds X sign(w) to the gradient: readies weights for pruning"},                               \
    {"augment", 0, CLI_DEGREE, LEARN_AT(augment), "X", NULL, 0, 4,                                 \
     "vary the images: turn, scale, shear, shift, bend, thicken; X: how far"},                     \
    {"keep", 0, CLI_CHOICE, LEARN_AT(keep), "last|best", "last", 0, 0,                             \
     "which epoch to write: the last, or the best on validation"},                                 \
    CLI_THREADS(LEARN_AT(threads)), CLI_SEED(LEARN_AT(seed)), CLI_LOG(LEARN_AT(log)),              \
    CLI_JSON(LEARN_AT(json))
// clang-format on

// Trains net on data as the settings say, with a line for each epoch. On success *epochs is a JSON
// array, one object an epoch, to be freed by the caller; NULL on failure.
bool learn_run(const struct learn_settings *s, struct net *net, const struct dataset *data,
               struct json_t **epochs, struct tnm_error *err) TNM_MUST_CHECK;

// Puts the name asked for, if any, into meta. TNM_EINPUT where it cannot be one.
bool learn_name(const struct learn_settings *s, struct tnm_meta *meta,
                struct tnm_error *err) TNM_MUST_CHECK;

#endif
