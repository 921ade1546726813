/* SPDX-License-Identifier: MIT */
// How far each step of a training run goes.
#include "models/schedule.h"

#include <math.h>

float schedule_rate(const struct train_options *o, uint64_t t, uint32_t steps) {
    double epoch = (double)t / steps, rate = (double)o->rate;
    if (epoch < (double)o->warmup_epochs)
        return (float)(rate * (double)(t + 1) / ((double)o->warmup_epochs * steps));
    if (o->schedule == TRAIN_STEP)
        return (float)(rate * pow((double)o->step_factor, floor(epoch / o->step_epochs)));
    if (o->schedule == TRAIN_CONSTANT)
        return o->rate;
    double span = o->epochs - (double)o->warmup_epochs;
    double way = (epoch - (double)o->warmup_epochs) / span;
    double last = (double)o->last;
    return (float)(rate * (last + (1 - last) * (1 + cos(3.141592653589793 * way)) / 2));
}

struct optimise_step schedule_step(const struct train_options *o, uint64_t t, uint32_t steps) {
    float rate = schedule_rate(o, t, steps);
    struct optimise_step step = {.rate = rate,
                                 .beta1 = o->beta1,
                                 .beta2 = o->beta2,
                                 .epsilon = 1e-8f,
                                 .momentum = o->momentum,
                                 .shrink = rate * o->weight_decay,
                                 .l1 = o->l1,
                                 .l2 = o->l2};
    if (o->optimiser == OPTIMISE_ADAM) {
        step.rate = (float)((double)rate / (1 - pow((double)o->beta1, (double)t + 1)));
        step.correction = (float)(1 / sqrt(1 - pow((double)o->beta2, (double)t + 1)));
    }
    return step;
}
