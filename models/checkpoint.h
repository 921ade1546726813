/* SPDX-License-Identifier: MIT */
// Where training stands after an epoch, in a file beside the one it will write, so that an
// interrupted run can go on: OUTPUT.part, written anew after each epoch, removed at the end. It is
// for the same program on the same machine, not a format.
//
// A command may train several times: its stages. What is found of a later stage means that the
// earlier ones are over, and what they left is in it.
#ifndef CHECKPOINT_H
#define CHECKPOINT_H

#include "core/tnm.h"

struct checkpoint {
    char *path;      // owned
    uint8_t key[32]; // of all that a run depends on: another run's file is refused
    uint32_t stage;  // of the training at hand, from 1
    bool resume;     // look for a file; until one of this stage is found
};

struct checkpoint_part {
    void *at;
    size_t len;
};

enum checkpoint_found {
    CHECKPOINT_NONE,  // begin at the beginning
    CHECKPOINT_HERE,  // the parts are filled: go on from there
    CHECKPOINT_LATER, // this stage is over
    CHECKPOINT_BROKEN // err says what is wrong with it
};

// key is the SHA-256 of a text. TNM_ENOMEM.
bool checkpoint_open(struct checkpoint *checkpoint, const char *output, const char *text,
                     bool resume, struct tnm_error *err) TNM_MUST_CHECK;

// Parts must be those that were saved, in number and length. None are filled unless all are.
enum checkpoint_found checkpoint_load(struct checkpoint *checkpoint,
                                      const struct checkpoint_part *part, uint32_t n,
                                      struct tnm_error *err) TNM_MUST_CHECK;

bool checkpoint_save(const struct checkpoint *checkpoint, const struct checkpoint_part *part,
                     uint32_t n, struct tnm_error *err) TNM_MUST_CHECK;

// Frees; over: and removes the file.
void checkpoint_close(struct checkpoint *checkpoint, bool over);

#endif
