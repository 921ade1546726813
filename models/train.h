/* SPDX-License-Identifier: MIT */
// Training a network on labelled pictures: minibatches, an optimiser, a learning rate that follows
// a schedule, variations of the pictures drawn as they are needed.
//
// What was removed from the network (keep == 0) stays removed: its gradient is masked, its moments
// stay 0. Where a layer is shared, its codebook is what learns: a centroid's gradient is the sum of
// those of its weights (Han et al. 2016, section 3), and the weights follow.
//
// Each thread takes its share of every batch and keeps gradients of its own, which are then added
// in the order of the threads: a run repeats bit for bit with the same seed and number of threads.
#ifndef TRAIN_H
#define TRAIN_H

#include "models/augment.h"
#include "models/checkpoint.h"
#include "models/data.h"
#include "models/distill.h"
#include "models/hints.h"
#include "models/loss.h"
#include "models/net.h"
#include "models/optimise.h"
#include "models/pool.h"
#include "models/regroup.h"
#include "models/saliency.h"

enum train_schedule {
    TRAIN_CONSTANT,
    TRAIN_COSINE, // from rate to rate * last along half a cosine (Loshchilov and Hutter 2017)
    TRAIN_STEP    // rate * step_factor^(epochs done / step_epochs, whole)
};

// Gradual pruning (Zhu and Gupta 2017, with a gentler end) while training: 10 times an epoch the
// least salient weights of all layers go, so that a number is left when the run ends. No layer may
// be shared. v of the Fisher saliency is Adam's second moment.
enum { TRAIN_PRUNINGS = 10 }; // in an epoch: what has been measured

struct train_prune {
    uint64_t to; // weights that are left at the end
    uint32_t per_epoch;
    enum saliency saliency;
};

// What is left of from weights when a share way (0..1) of the run is over: from (to / from)^(1 - (1
// - way)^1.5), to the nearest whole number.
uint64_t train_left(uint64_t from, uint64_t to, double way);

struct train_options {
    uint32_t epochs, batch, threads;
    uint64_t seed;
    enum optimiser optimiser;
    float rate;         // learning rate
    float beta1, beta2; // Adam
    float momentum;     // SGD
    float weight_decay; // decoupled: each step takes rate * weight_decay of every weight
    float l2;           // coupled: l2 w is added to the gradient, as PyTorch's weight_decay does
    float l1;           // coupled: so is l1 sign(w), which drives what is not needed to 0
                        // None of the three touches biases or codebooks.
    enum train_schedule schedule;
    float last;                    // cosine: what is left of the rate at the end
    float warmup_epochs;           // during which the rate rises from 0 in a straight line
    uint32_t step_epochs;          // step
    float step_factor;             // step
    const struct augment *augment; // NULL: pictures as they are
    const struct pool *pool;       // each epoch one of an image's copies, instead of augment
    uint32_t copies;               // the first so many of the pool's; 0: all
    struct distill *distill;       // teachers, with as many threads; NULL: labels alone
    struct hints *hints;           // open, of this network; NULL: none
    const struct train_prune *prune;
    struct regroup *regroup; // shared weights may change their group; NULL: they may not
    bool keep_best;          // the epoch of the best validation score, not the last; without prune
    loss_function *loss;     // without teachers
    // NULL, or where the run stands after each epoch; a run found there goes on instead, to the
    // same bits as if it had not been interrupted. One whose stage is over does nothing.
    struct checkpoint *checkpoint;
};

// Adam, 24 epochs of 128, rate 2e-3 along a cosine, one thread, cross-entropy.
struct train_options train_defaults(void);

// After an epoch.
struct train_report {
    uint32_t epoch, epochs; // epoch 1..epochs
    double loss;            // mean over the training images as they were seen, hints left out
    double unexplained;     // the same of what hints_pull returns; NaN without hints
    struct tnm_score train, validation;
    float rate;
    double seconds; // of the epoch, validation left out
};

// Told after each epoch, also of those that a resumed run did before; false ends training there.
typedef bool train_listener(void *arg, const struct train_report *report);

// Trains on data's training set. listener may be NULL. *last, if not NULL, gets the report of the
// epoch that was kept. On failure the network is as it was or as an epoch left it: TNM_EINPUT
// (sizes or labels that do not fit, options out of range), TNM_EUNSUPPORTED, TNM_ENOMEM, TNM_EIO
// (threads), and TNM_EINPUT when the loss is no longer finite, with a hint at the rate.
bool train_run(struct net *net, const struct dataset *data, const struct train_options *options,
               train_listener *listener, void *arg, struct train_report *last,
               struct tnm_error *err) TNM_MUST_CHECK;

#endif
