/* SPDX-License-Identifier: MIT */
// What the commands that train have in common: the options of training, its progress on the
// terminal, and what of it goes into the log.
#ifndef LEARN_H
#define LEARN_H

#include "models/cli.h"
#include "models/step.h"
#include "models/train.h"

struct json_t; // jansson
struct step;

// Settings of both commands; the first line is train's alone.
struct learn_settings {
    const char *arch, *size;
    uint32_t recipe; // place in "ink|fit|cover"
    const char *data, *output, *log, *name;
    uint32_t epochs, batch, optimiser, schedule, step_epochs, keep, threads;
    double rate, last, warmup, step_factor, momentum, weight_decay, l2, l1, augment;
    uint64_t seed;
    bool json, resume;
    const char *labels; // of the classes, comma between
    bool mirror;
    const char *teacher, *remember;
    const char *hints;
    double temperature, teacher_weight, hint_weight, pen, reach;
    uint32_t weak, strong;
};

#define LEARN_AT(FIELD) offsetof(struct learn_settings, FIELD)

// clang-format off
#define LEARN_TEACHER_OPTIONS                                                                      \
    {"teacher", 0, CLI_PATH, LEARN_AT(teacher), "T.tnm[,T2...]", NULL, 0, 0,                       \
     "learn from what other networks say, too"},                                                   \
    {"temperature", 0, CLI_REAL, LEARN_AT(temperature), "X", NULL, 0.1, 100,                       \
     "at which teacher and network are compared [2]"},                                             \
    {"teacher-weight", 0, CLI_REAL, LEARN_AT(teacher_weight), "F", NULL, 0, 1,                     \
     "the teacher's share of the loss; the label has the rest [0.9]"},                             \
    {"hints", 0, CLI_CHOSEN, LEARN_AT(hints), "S=T[,S2=T2...]", NULL, 0, 0,                        \
     "layers S learn from what layers T of the first teacher hold; alone: evenly paired"},         \
    {"hint-weight", 0, CLI_REAL, LEARN_AT(hint_weight), "X", NULL, 0, 1000,                        \
     "what the hints' loss is multiplied by [10]"},                                                \
    {"remember", 0, CLI_PATH, LEARN_AT(remember), "FILE", NULL, 0, 0,                              \
     "keep what teachers say of the pool's copies for the next run"},                              \
    {"weak", 0, CLI_COUNT, LEARN_AT(weak), "N", NULL, 0, 500,                                      \
     "learn from a fixed pool: each image, N mild copies of it,"},                                 \
    {"strong", 0, CLI_COUNT, LEARN_AT(strong), "N", NULL, 0, 500,                                  \
     "... and N strongly varied ones; a teacher sees each copy once"},                             \
    {"pen", 0, CLI_REAL, LEARN_AT(pen), "F", NULL, 0, 1,                                           \
     "how far a pool's copies vary the thickness of strokes [0]"},                                 \
    {"reach", 0, CLI_REAL, LEARN_AT(reach), "F", NULL, 0, 4,                                       \
     "a pool's copies go F times as far in all else [1]"},                                         \
    {"mirror", 0, CLI_FLAG, LEARN_AT(mirror), NULL, NULL, 0, 0,                                    \
     "vary left and right, too: for things, not for signs"}

// How pictures become the inputs of a new network, and what its classes are called.
#define LEARN_INPUT_OPTIONS                                                                        \
    {"recipe", 0, CLI_CHOICE, LEARN_AT(recipe), "ink|fit|cover", "ink", 0, 0,                      \
     "how a picture becomes an input: find the mark on it, pad, or cut"},                          \
    {"labels", 0, CLI_PATH, LEARN_AT(labels), "A,B,...", NULL, 0, 0,                             \
     "names of the classes in their order, where the data only counts them"}

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
    {"resume", 0, CLI_FLAG, LEARN_AT(resume), NULL, NULL, 0, 0,                                    \
     "go on where an interrupted run of the same command stopped: OUTPUT.part"},                   \
    LEARN_TEACHER_OPTIONS,                                                                         \
    CLI_THREADS(LEARN_AT(threads)), CLI_SEED(LEARN_AT(seed)), CLI_LOG(LEARN_AT(log)),              \
    CLI_JSON(LEARN_AT(json))
// clang-format on

// The settings of training where a command has not all of the options: as train_defaults.
void learn_defaults(struct learn_settings *s);

// A step of that name with what the settings say of one; pointers lead into the settings.
struct step learn_step(const struct learn_settings *s, const char *verb);

// Opens the data of a new network, its classes named as the settings say. size: of the input, width
// 0 for its own; how pictures become inputs is the settings'.
bool learn_data(const struct learn_settings *s, const struct tnm_recipe *size, struct dataset *data,
                struct tnm_error *err) TNM_MUST_CHECK;

// What --teacher and --hints want of each other: CLI_GO, or CLI_WRONG after a line on stderr.
int learn_check(const struct learn_settings *s, const struct cli_command *command);

// Training as the settings say, once or several times with the same pool and teachers.
struct learn {
    struct train_options options; // may be changed between runs
    struct train_report last;     // of the last run
    struct json_t *epochs;        // array, one object for each epoch of all runs, owned
    struct augment augment;
    struct pool pool;
    struct distill distill;
    struct hints hints;
    struct checkpoint checkpoint; // open only after learn_keep
};

// Opens teachers, and says what there is to learn from. learn is not to be moved while it is open.
bool learn_open(struct learn *learn, const struct learn_settings *s, const struct net *net,
                const struct dataset *data, struct tnm_error *err) TNM_MUST_CHECK;

// Of the training images and their labels, to tell a run from others.
uint32_t learn_checksum(const struct dataset *data);

// From here on keeps where training stands in a file beside the output, removed by learn_close
// where all went well, and with s->resume looks for one. step is what a run is known by.
bool learn_keep(struct learn *learn, const struct learn_settings *s, const struct step *step,
                const struct dataset *data, struct tnm_error *err) TNM_MUST_CHECK;

// Trains with learn->options, with a line for each epoch.
bool learn_epochs(struct learn *learn, struct net *net, const struct dataset *data,
                  struct tnm_error *err) TNM_MUST_CHECK;

// over: all has been written, and where training stood is of no more use.
void learn_close(struct learn *learn, bool over);

enum { LEARN_SELF_TEST = 4 }; // images, of different classes; each costs a file its pixels

// A new network of s->arch with the data's classes as labels, weights drawn by s->seed, and images
// (0..LEARN_SELF_TEST) of the test set, or else of the training set, to test itself with.
bool learn_new(const struct learn_settings *s, struct net *net, const struct dataset *data,
               uint32_t self_test, struct tnm_error *err) TNM_MUST_CHECK;

// Puts the name asked for, if any, into meta. TNM_EINPUT where it cannot be one.
bool learn_name(const struct learn_settings *s, struct tnm_meta *meta,
                struct tnm_error *err) TNM_MUST_CHECK;

#endif
