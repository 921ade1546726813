/* SPDX-License-Identifier: MIT */
// From data to the most accurate file under a byte budget, in one go:
//
//     train    the whole network, where it is not trained yet
//     prune    in a chain of levels, each more than half of the one before: weights go while the
//              network trains, dead units are emptied, what is left is tuned. How many weights the
//              budget has room for is found by trial before each level: prune, share and encode a
//              copy
//     fit      what the file still has too much goes, too
//     polish   most of the training, of the weights that stay
//     share    bits of each layer by what they are worth (allot.h); weights first may change their
//              group (regroup.h), then the groups stay and their values learn
//     round    shared values and biases (room.h)
//     trim     the least salient weights, where a few bytes are left over
//
// Each choice is made by size or by what has been measured on held-out images (models/README.md),
// never by the test set. The same seed and threads repeat a run bit for bit.
#ifndef SQUEEZE_H
#define SQUEEZE_H

#include "models/learn.h"
#include "models/pack.h"

struct squeeze {
    struct net *net;
    const struct dataset *data;
    struct learn *learn; // open; its pool and teachers serve all stages
    uint64_t budget;     // bytes of the whole file, packed as pack says, this step told in it
    uint64_t seed;       // of this step
    struct pack pack;
    uint32_t bits;      // of a code, 1..8; 0: as many for each layer as are worth their bytes
    double effort;      // of all epochs: 1 is a chain of 150 to 250
    bool trained;       // net is
    const char *folder; // each stage's network is kept there, and taken from there if it is; NULL
    struct json_t *log; // array, an object is appended for each stage
};

// On success the network is shared and its file has at most the budget's bytes. TNM_EINPUT for a
// budget that is too small for any network of this shape.
bool squeeze_run(struct squeeze *s, struct tnm_error *err) TNM_MUST_CHECK;

#endif
