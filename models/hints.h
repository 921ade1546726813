/* SPDX-License-Identifier: MIT */
// Hints: hidden layers of a network learn from hidden layers of its teacher (Romero et al. 2015,
// "FitNets: hints for thin deep nets", section 2.2), beside what the logits learn.
//
// The network's stage and the teacher's differ in size and in what their features mean, so a
// regressor says from the network's features x what the teacher's, y, would be, and learns along;
// it is thrown away at the end. The loss of a pair is the share of the teacher's variance that is
// not explained,
//
//     |W x + b - y|^2 / variance,   variance = mean of |y - mean of y|^2
//
// which is 1 where W is 0 and b the mean, as each training begins, whatever the teacher's scale.
// weight times the mean over the pairs is added to the loss of an image. Unlike the article's,
// hints and logits learn together, not one after the other.
#ifndef HINTS_H
#define HINTS_H

#include "models/data.h"
#include "models/net.h"
#include "models/optimise.h"
#include "models/pass.h"
#include "models/regressor.h"
#include "models/stages.h"

enum {
    HINTS_SAMPLE = 1000,        // training images that mean and variance are taken from
    HINTS_MAX_WEIGHTS = 4 << 20 // of one regressor
};

// A pair of stages.
struct hint {
    char name[2 * TNM_MAX_NAME + 2]; // "fc1=conv2"
    uint32_t student, teacher;       // tensors
    struct regressor regressor;
    size_t at;       // of its parameters
    double variance; // of all that the teacher's stage says
};

struct hints {
    float weight;
    uint32_t n;
    struct hint hint[STAGES_MAX_PAIRS];
    struct net teacher;
    struct net asked; // the teacher as far as its last hint; borrows
    size_t n_param;   // of all regressors
    float *mean;      // (n_param), 0 but where biases are: how a training begins

    // While a network is trained.
    uint32_t threads;
    float *param; // (3, n_param): regressors and their two moments, what a checkpoint keeps
    struct hints_bench *bench; // (threads)
};

// Opens the first of comma-separated files as the teacher of net, and pairs their stages as
// stages_pair does. Sets weight 10, to be changed before training. Mean and variance are those of
// the first HINTS_SAMPLE training images as they are. TNM_EINPUT; TNM_EUNSUPPORTED where the forge
// cannot train an operation in front of the teacher's last hint; what net_open gives.
bool hints_open(struct hints *h, const char *teachers, const char *pairs, const struct net *net,
                const struct dataset *data, struct tnm_error *err) TNM_MUST_CHECK;
void hints_close(struct hints *h);

// Before and after a training, with room for so many inputs in each thread. Each begins with new
// regressors. hints_end accepts what was not begun, or not wholly.
bool hints_begin(struct hints *h, uint32_t threads, uint32_t room,
                 struct tnm_error *err) TNM_MUST_CHECK;
void hints_end(struct hints *h);

// Between a pass's forward and its backward: asks the teacher about the n inputs of the pass and
// leaves the gradients of scale times their loss in the pass and with the thread. Returns the sum
// over the inputs of the share that is not explained, the mean of all pairs. n may be 0: gradients
// are 0.
double hints_pull(struct hints *h, uint32_t thread, struct pass *pass, uint32_t n, float scale);

// A step of the regressors by the gradients of all threads, without penalties. Each thread takes
// its part; all must have pulled before.
void hints_learn(struct hints *h, uint32_t thread, enum optimiser optimiser,
                 struct optimise_step step);

#endif
