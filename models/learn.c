/* SPDX-License-Identifier: MIT */
// What `tnm train` and `tnm retrain` have in common.
#include "models/learn.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "models/gemm.h"
#include "models/measure.h"
#include "models/team.h"

static struct train_options options_of(const struct learn_settings *s,
                                       const struct augment *augment) {
    struct train_options o = train_defaults();
    uint32_t threads = cli_threads(s->threads);
    o.epochs = s->epochs;
    o.batch = s->batch;
    o.threads = threads < TEAM_MAX ? threads : TEAM_MAX;
    o.seed = s->seed;
    o.optimiser = s->optimiser == 0 ? OPTIMISE_ADAM : OPTIMISE_SGD;
    o.rate = (float)s->rate;
    o.momentum = (float)s->momentum;
    o.weight_decay = (float)s->weight_decay;
    o.l2 = (float)s->l2;
    o.l1 = (float)s->l1;
    o.schedule = (enum train_schedule)s->schedule;
    o.last = (float)s->last;
    o.warmup_epochs = (float)s->warmup;
    o.step_epochs = s->step_epochs;
    o.step_factor = (float)s->step_factor;
    o.augment = s->augment > 0 ? augment : NULL; // not given: NaN
    o.keep_best = s->keep == 1;
    return o;
}

static bool tell(void *arg, const struct train_report *r) {
    json_t *epochs = arg;
    cli_say("epoch %u of %u: loss %.4f, train %.2f %%, validation %.2f %%, rate %.2g, %.2f s",
            r->epoch, r->epochs, r->loss, 100 * measure_accuracy(r->train),
            100 * measure_accuracy(r->validation), (double)r->rate, r->seconds);
    json_array_append_new(epochs, json_pack("{s:I, s:f, s:o, s:o, s:f, s:f}", "epoch",
                                            (json_int_t)r->epoch, "loss", r->loss, "train",
                                            cli_number(measure_accuracy(r->train)), "validation",
                                            cli_number(measure_accuracy(r->validation)), "rate",
                                            (double)r->rate, "seconds", r->seconds));
    return true;
}

bool learn_run(const struct learn_settings *s, struct net *net, const struct dataset *data,
               struct json_t **epochs, struct tnm_error *err) {
    struct augment augment = augment_of_strength((float)s->augment);
    struct train_options options = options_of(s, &augment);
    *epochs = json_array();
    cli_say("%u training images, %u for validation, %u for the final test; %llu of %llu weights; "
            "%u thread%s, products by %s",
            data->set[DATA_TRAIN].n, data->set[DATA_VALIDATION].n, data->set[DATA_TEST].n,
            (unsigned long long)net_nonzeros(net), (unsigned long long)net_weights(net),
            options.threads, options.threads == 1 ? "" : "s", gemm_name());
    if (train_run(net, data, &options, tell, *epochs, NULL, err))
        return true;
    json_decref(*epochs);
    *epochs = NULL;
    return false;
}

bool learn_name(const struct learn_settings *s, struct tnm_meta *meta, struct tnm_error *err) {
    if (s->name == NULL)
        return true;
    if (!tnm_name_valid(s->name))
        return tnm_fail(err, TNM_EINPUT,
                        "--name = \"%.100s\" is not 1 to 63 of A-Z a-z 0-9 . _ - without a dot in "
                        "front",
                        s->name);
    snprintf(meta->name, sizeof meta->name, "%s", s->name);
    return true;
}
