/* SPDX-License-Identifier: MIT */
// What the commands that train have in common.
#include "models/learn.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/checksum.h"
#include "core/error.h"
#include "models/gemm.h"
#include "models/measure.h"
#include "models/step.h"
#include "models/team.h"

void learn_defaults(struct learn_settings *s) {
    struct train_options o = train_defaults();
    *s = (struct learn_settings){.epochs = o.epochs,
                                 .batch = o.batch,
                                 .schedule = TRAIN_COSINE,
                                 .step_epochs = o.step_epochs,
                                 .rate = (double)o.rate,
                                 .last = (double)o.last,
                                 .step_factor = (double)o.step_factor,
                                 .momentum = (double)o.momentum,
                                 .augment = NAN,
                                 .seed = o.seed,
                                 .temperature = NAN,
                                 .teacher_weight = NAN,
                                 .hint_weight = NAN,
                                 .pen = NAN,
                                 .reach = NAN,
                                 .weak = UINT32_MAX,
                                 .strong = UINT32_MAX};
}

struct step learn_step(const struct learn_settings *s, const char *verb) {
    return (struct step){.verb = verb,
                         .seed = s->seed,
                         .output = s->output,
                         .log = s->log,
                         .json = s->json,
                         .threads = s->threads};
}

int learn_check(const struct learn_settings *s, const struct cli_command *command) {
    if (s->hints != NULL && s->teacher == NULL)
        return cli_wrong(command, "--hints wants --teacher");
    if (!isnan(s->hint_weight) && s->hints == NULL)
        return cli_wrong(command, "--hint-weight wants --hints");
    return CLI_GO;
}

static struct train_options options_of(const struct learn_settings *s) {
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
    o.keep_best = s->keep == 1;
    return o;
}

static bool tell(void *arg, const struct train_report *r) {
    json_t *epochs = arg;
    char train[16], validation[16];
    char hints[32] = "";
    if (!isnan(r->unexplained))
        snprintf(hints, sizeof hints, "hints %.4f, ", r->unexplained);
    cli_say("epoch %u of %u: loss %.4f, %strain %s, validation %s, rate %.2g, %.2f s", r->epoch,
            r->epochs, r->loss, hints, step_percent(r->train, train),
            step_percent(r->validation, validation), (double)r->rate, r->seconds);
    json_t *epoch = json_pack("{s:I, s:f, s:o, s:o, s:f, s:f}", "epoch", (json_int_t)r->epoch,
                              "loss", r->loss, "train", cli_number(measure_accuracy(r->train)),
                              "validation", cli_number(measure_accuracy(r->validation)), "rate",
                              (double)r->rate, "seconds", r->seconds);
    if (!isnan(r->unexplained))
        json_object_set_new(epoch, "hints", json_real(r->unexplained));
    json_array_append_new(epochs, epoch);
    return true;
}

static uint32_t given(uint32_t count) {
    return count != UINT32_MAX ? count : 0;
}

static bool pooled(const struct learn_settings *s) {
    return s->weak != UINT32_MAX || s->strong != UINT32_MAX;
}

// What a teacher says of a copy depends on the images and on how the pool draws them.
static bool keep(struct learn *learn, const char *path, const struct dataset *data,
                 struct tnm_error *err) {
    const struct data_set *set = &data->set[DATA_TRAIN];
    const struct pool *pool = &learn->pool; // all 0 where there is none
    uint8_t digest[TNM_DIGEST_BYTES];
    char key[256], images[2 * TNM_DIGEST_BYTES + 1];
    tnm_sha256(set->pixel, (size_t)set->n * data->inputs, digest);
    tnm_digest_text(digest, images);
    int n = snprintf(key, sizeof key, "images %s seed %llu, %u weak, %u strong, pen %.9g%s", images,
                     (unsigned long long)pool->seed, pool->weak, pool->strong,
                     (double)pool->strongly.thicker, pool->strongly.mirror ? ", mirrored" : "");
    const struct pool usual = pool_of(0, 0, 0, 0);
    if (pool->strongly.rotate != usual.strongly.rotate)
        snprintf(key + n, sizeof key - (size_t)n, ", turned %.9g", (double)pool->strongly.rotate);
    return distill_keep(&learn->distill, path, key, err);
}

static bool open_teachers(struct learn *learn, const struct learn_settings *s,
                          const struct net *net, const struct dataset *data,
                          struct tnm_error *err) {
    struct distill *d = &learn->distill;
    uint32_t outputs = (uint32_t)tnm_tensor_elements(&net->graph.tensor[net->graph.output]);
    if (!distill_open(d, s->teacher, data->inputs, outputs, data->class_name, data->n_classes,
                      learn->options.threads, err))
        return false;
    if (!isnan(s->temperature)) // else as it was opened
        d->temperature = (float)s->temperature;
    if (!isnan(s->teacher_weight))
        d->weight = (float)s->teacher_weight;
    learn->options.distill = d;
    uint32_t copies = learn->options.pool != NULL      ? pool_copies(&learn->pool)
                      : learn->options.augment != NULL ? 0
                                                       : 1;
    if (copies == 0 && s->remember != NULL)
        return tnm_fail(err, TNM_EINPUT, "--remember wants a pool: --weak or --strong");
    return copies == 0 || (distill_remember(d, data->set[DATA_TRAIN].n, copies, err) &&
                           (s->remember == NULL || keep(learn, s->remember, data, err)));
}

static bool open_hints(struct learn *learn, const struct learn_settings *s, const struct net *net,
                       const struct dataset *data, struct tnm_error *err) {
    struct hints *h = &learn->hints;
    if (!hints_open(h, s->teacher, s->hints, net, data, err))
        return false;
    if (!isnan(s->hint_weight))
        h->weight = (float)s->hint_weight;
    learn->options.hints = h;
    char list[256] = "";
    for (uint32_t i = 0; i < h->n; i++) {
        size_t used = strlen(list);
        snprintf(list + used, sizeof list - used, " %s", h->hint[i].name);
    }
    cli_say("hints:%s, weight %g", list, (double)h->weight);
    return true;
}

bool learn_open(struct learn *learn, const struct learn_settings *s, const struct net *net,
                const struct dataset *data, struct tnm_error *err) {
    *learn = (struct learn){.options = options_of(s)};
    learn->epochs = json_array();
    if (s->augment > 0 && pooled(s))
        return tnm_fail(err, TNM_EINPUT,
                        "--augment draws images anew each time, --weak and "
                        "--strong from a pool: give one of them");
    if (s->mirror && !(s->augment > 0) && !pooled(s))
        return tnm_fail(err, TNM_EINPUT, "--mirror wants --augment, --weak or --strong");
    if (s->augment > 0) { // not given: NaN
        learn->augment = augment_of_strength((float)s->augment);
        learn->augment.mirror = s->mirror;
        learn->options.augment = &learn->augment;
    }
    if (pooled(s)) {
        learn->pool =
            pool_of(given(s->weak), given(s->strong), isnan(s->pen) ? 0 : (float)s->pen, s->seed);
        pool_vary(&learn->pool, isnan(s->reach) ? 1 : (float)s->reach, s->mirror);
        learn->options.pool = &learn->pool;
    }
    cli_say("%u training images, %u for validation, %u for the final test; %llu of %llu weights; "
            "%u thread%s, products by %s",
            data->set[DATA_TRAIN].n, data->set[DATA_VALIDATION].n, data->set[DATA_TEST].n,
            (unsigned long long)net_nonzeros(net), (unsigned long long)net_weights(net),
            learn->options.threads, learn->options.threads == 1 ? "" : "s", gemm_name());
    return (s->teacher == NULL || open_teachers(learn, s, net, data, err)) &&
           (s->hints == NULL || open_hints(learn, s, net, data, err));
}

uint32_t learn_checksum(const struct dataset *data) {
    const struct data_set *set = &data->set[DATA_TRAIN];
    uint32_t crc = tnm_crc32(0, set->pixel, (size_t)set->n * data->inputs);
    return tnm_crc32(crc, set->label, set->n * sizeof *set->label);
}

bool learn_keep(struct learn *learn, const struct learn_settings *s, const struct step *step,
                const struct dataset *data, struct tnm_error *err) {
    char text[2 * TNM_MAX_TEXT + 512], parent[2 * TNM_DIGEST_BYTES + 1] = "";
    if (step->has_parent)
        tnm_digest_text(step->parent, parent);
    snprintf(text, sizeof text,
             "%s %s: seed %llu, %u threads, %s, data %08x, from %s, taught by %.512s", TNM_VERSION,
             step->verb, (unsigned long long)step->seed, learn->options.threads, gemm_name(),
             learn_checksum(data), parent, s->teacher != NULL ? s->teacher : "nobody");
    size_t used = strlen(text);
    snprintf(text + used, sizeof text - used, ": %s", step->parameters);
    learn->options.checkpoint = &learn->checkpoint;
    return checkpoint_open(&learn->checkpoint, step->output, text, s->resume, err);
}

bool learn_epochs(struct learn *learn, struct net *net, const struct dataset *data,
                  struct tnm_error *err) {
    return train_run(net, data, &learn->options, tell, learn->epochs, &learn->last, err) &&
           distill_store(&learn->distill, err);
}

void learn_close(struct learn *learn, bool over) {
    checkpoint_close(&learn->checkpoint, over);
    distill_close(&learn->distill);
    hints_close(&learn->hints);
    json_decref(learn->epochs);
    *learn = (struct learn){0};
}

// The first images of the test set (or, without one, of the training set), each of another class.
static bool choose_self_test(struct tnm_self_test *test, const struct dataset *data, uint32_t n,
                             struct tnm_error *err) {
    const struct data_set *set = &data->set[data->set[DATA_TEST].n > 0 ? DATA_TEST : DATA_TRAIN];
    uint16_t chosen[LEARN_SELF_TEST];
    test->x = malloc((size_t)LEARN_SELF_TEST * data->inputs);
    if (test->x == NULL)
        return tnm_fail(err, TNM_ENOMEM, "out of memory");
    for (uint32_t i = 0; i < set->n && test->n_cases < n; i++) {
        bool seen = false;
        for (uint32_t k = 0; k < test->n_cases; k++)
            seen = seen || chosen[k] == set->label[i];
        if (seen)
            continue;
        chosen[test->n_cases] = set->label[i];
        memcpy(test->x + (size_t)test->n_cases++ * data->inputs,
               set->pixel + (size_t)i * data->inputs, data->inputs);
    }
    return true;
}

static bool describe_net(struct net *net, const struct dataset *data, uint32_t n,
                         struct tnm_error *err) {
    const struct tnm_tensor *out = &net->graph.tensor[net->graph.output];
    snprintf(net->meta.dataset, sizeof net->meta.dataset, "%s", data->name);
    if (tnm_tensor_elements(out) != data->n_classes)
        return tnm_fail(err, TNM_EINPUT, "the network has %zu outputs, %s has %u classes",
                        tnm_tensor_elements(out), data->name, data->n_classes);
    return tnm_meta_set_labels(&net->meta, (const char *const *)data->class_name, data->n_classes,
                               err) &&
           choose_self_test(&net->meta.self_test, data, n, err);
}

bool learn_data(const struct learn_settings *s, const struct tnm_recipe *size, struct dataset *data,
                struct tnm_error *err) {
    static const enum tnm_fit fit[] = {TNM_FIT_INK, TNM_FIT_CONTAIN, TNM_FIT_COVER};
    struct tnm_recipe recipe =
        data_recipe(size->width, size->height, size->channels, fit[s->recipe]);
    return dataset_open(data, s->data, &recipe, true, true, err) &&
           (s->labels == NULL || dataset_name(data, s->labels, err));
}

bool learn_new(const struct learn_settings *s, struct net *net, const struct dataset *data,
               uint32_t self_test, struct tnm_error *err) {
    if (!net_build(net, s->arch, &data->recipe, err) || !describe_net(net, data, self_test, err))
        return false;
    net_initialise(net, s->seed);
    return true;
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
