/* SPDX-License-Identifier: MIT */
// tnm share: few values for many weights.
#include "models/commands.h"

#include <jansson.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "models/cli.h"
#include "models/learn.h"
#include "models/round.h"
#include "models/share.h"
#include "models/step.h"

struct settings {
    struct learn_settings learn; // first, where its options look for it
    const char *output, *data, *log;
    uint32_t bits, init, threads, round_codebook, round_bias;
    uint64_t seed;
    struct cli_list layers;
    bool json, finetune;
    uint32_t regroup;
    double regroup_rate;
};

#define AT(field) offsetof(struct settings, field)

static const struct cli_option options[] = {
    CLI_OUTPUT(AT(output)),
    {"bits", 0, CLI_COUNT, AT(bits), "B", "5", 1, SHARE_MAX_BITS,
     "at most 2^B different values in a layer"},
    {"init", 0, CLI_CHOICE, AT(init), "linear|density|random", "linear", 0, 0,
     "where k-means starts: evenly spaced, at quantiles, at random weights"},
    {"layer", 0, CLI_LIST, AT(layers), "NAME=B", NULL, 0, 0, "B for one layer; may be repeated"},
    {"finetune", 0, CLI_FLAG, AT(finetune), NULL, NULL, 0, 0,
     "then train the shared values and the biases on --data"},
    {"regroup", 0, CLI_COUNT, AT(regroup), "N", "0", 0, 100000,
     "before --finetune, N passes in which weights may change their group"},
    {"regroup-lr", 0, CLI_REAL, AT(regroup_rate), "X", "0.001", 1e-9, 100,
     "its learning rate, along a cosine"},
    {"epochs", 0, CLI_COUNT, LEARN_AT(epochs), "N", NULL, 1, 100000, "passes of --finetune [3]"},
    {"lr", 0, CLI_REAL, LEARN_AT(rate), "X", NULL, 1e-9, 100,
     "its learning rate, along a cosine [0.0003]"},
    {"augment", 0, CLI_DEGREE, LEARN_AT(augment), "X", NULL, 0, 4, "vary its images (tnm train)"},
    LEARN_TEACHER_OPTIONS,
    {"round-codebook", 0, CLI_CHOICE, AT(round_codebook), "f16|8|7|6|5|4", NULL, 0, 0,
     "last, round the shared values: to f16, or to steps of so many bits"},
    {"round-bias", 0, CLI_COUNT, AT(round_bias), "B", NULL, 2, 12,
     "last, round each layer's biases to steps of B bits"},
    CLI_DATA(AT(data), NULL),
    CLI_SEED(AT(seed)),
    CLI_JSON(AT(json)),
    CLI_LOG(AT(log)),
    CLI_THREADS(AT(threads)),
};

static const struct cli_command command = {
    "share",
    "R.tnm --bits B -o S.tnm",
    "Replaces the weights of each layer by a few shared values: k-means over those not removed.\n\n"
    "Prints for each layer the compression of its values that n b / (n log2 k + k b) predicts (n\n"
    "weights of b = 32 bits, k centroids) and the one got in the file, where each value is a code "
    "of\n"
    "whole bits beside its column. Removed weights stay removed. A layer with fewer different\n"
    "weights than 2^B keeps them exactly. Rounded numbers take fewer bytes in a packed file.\n"
    "With --data the result is measured; without, the file\n"
    "says that its accuracy is unknown.",
    options,
    sizeof options / sizeof *options,
    1,
    1};

// "fc3=8" for this layer, or the bits of all; CLI_GO or the exit code.
static int read_bits(const struct net *net, const struct settings *s, uint32_t *bits) {
    for (uint32_t l = 0; l < net->n_layers; l++)
        bits[l] = s->bits;
    for (uint32_t i = 0; i < s->layers.n; i++) {
        const char *text = s->layers.item[i], *equals = strchr(text, '=');
        size_t len = equals != NULL ? (size_t)(equals - text) : 0;
        uint32_t found = 0;
        if (equals == NULL || equals[1] < '1' || equals[1] > '0' + SHARE_MAX_BITS || equals[2] != 0)
            return cli_wrong(&command, "--layer = \"%s\" is not NAME=B with B from 1 to %d", text,
                             SHARE_MAX_BITS);
        for (uint32_t l = 0; l < net->n_layers; l++)
            if (strlen(net->layer[l].name) == len && memcmp(net->layer[l].name, text, len) == 0) {
                bits[l] = (uint32_t)(equals[1] - '0');
                found++;
            }
        if (found == 0)
            return cli_wrong(&command,
                             "--layer = \"%s\": no layer of that name (tnm info lists them)", text);
    }
    return CLI_GO;
}

// Bytes that the values take in the file: codes in whole bytes, and the codebook.
static double got(const struct share_result *r) {
    double bytes = ceil((double)r->n * r->bits / 8) + 4.0 * r->n_centroids;
    return r->n > 0 ? 4.0 * (double)r->n / bytes : 1;
}

static json_t *tell(const char *name, const struct share_result *r, bool json) {
    double predicted = share_predicted(r->n, r->n_centroids);
    if (!json && r->n == 0)
        printf("%-10s no weights to share\n", name);
    else if (!json)
        printf("%-10s %8llu weights, %3u centroids, %u bits: values %.2f times smaller predicted, "
               "%.2f got; moved by %.2g\n",
               name, (unsigned long long)r->n, r->n_centroids, r->bits, predicted, got(r),
               r->error);
    return json_pack("{s:s, s:I, s:I, s:I, s:f, s:f, s:f}", "name", name, "nonzeros",
                     (json_int_t)r->n, "centroids", (json_int_t)r->n_centroids, "bits",
                     (json_int_t)r->bits, "predicted_ratio", predicted, "got_ratio", got(r),
                     "rms_error", r->error);
}

// The values of all layers together.
struct total {
    double before, predicted, got; // bits
};

static void add(struct total *t, const struct share_result *r) {
    double bits = 32.0 * (double)r->n;
    t->before += bits;
    t->predicted += bits / share_predicted(r->n, r->n_centroids);
    t->got += bits / got(r);
}

static bool share_all(const struct settings *s, struct net *net, const uint32_t *bits,
                      json_t *details, struct tnm_error *err) {
    json_t *list = json_array();
    struct total total = {0};
    json_object_set_new(details, "shared", list);
    for (uint32_t l = 0; l < net->n_layers; l++) {
        struct share_result r;
        if (!share_layer(&net->layer[l], bits[l], (enum share_init)s->init, s->seed + l, &r, err))
            return false;
        json_array_append_new(list, tell(net->layer[l].name, &r, s->json));
        add(&total, &r);
    }
    if (total.before == 0)
        return tnm_fail(err, TNM_EINPUT, "no layer has a weight to share");
    json_object_set_new(details, "predicted_ratio", cli_number(total.before / total.predicted));
    json_object_set_new(details, "got_ratio", cli_number(total.before / total.got));
    if (!s->json)
        printf("%-10s values %.2f times smaller predicted, %.2f got\n", "all",
               total.before / total.predicted, total.before / total.got);
    return true;
}

static bool regroup(const struct settings *s, struct regroup *groups, struct learn *learn,
                    struct net *net, const struct dataset *data, struct tnm_error *err) {
    const struct train_options was = learn->options;
    if (s->regroup == 0)
        return true;
    learn->options.regroup = groups;
    learn->options.epochs = s->regroup;
    learn->options.rate = (float)s->regroup_rate;
    bool ok = learn_epochs(learn, net, data, err);
    learn->options = was;
    return ok;
}

static bool finetune(const struct settings *s, struct net *net, const struct dataset *data,
                     struct regroup *groups, json_t *details, struct tnm_error *err) {
    struct learn learn;
    bool ok = learn_open(&learn, &s->learn, net, data, err) &&
              regroup(s, groups, &learn, net, data, err) && learn_epochs(&learn, net, data, err);
    if (ok)
        json_object_set(details, "epochs", learn.epochs);
    learn_close(&learn, ok);
    return ok;
}

static bool share_and_tune(const struct settings *s, struct net *net, const uint32_t *bits,
                           const struct dataset *data, json_t *details, struct tnm_error *err) {
    struct regroup groups = {0};
    bool ok = (s->regroup == 0 || regroup_open(&groups, net, err)) &&
              share_all(s, net, bits, details, err) &&
              (!s->finetune || finetune(s, net, data, &groups, details, err));
    regroup_close(&groups);
    return ok;
}

static void round_values(const struct settings *s, struct net *net) {
    if (s->round_codebook == 0)
        round_codebooks_half(net);
    else if (s->round_codebook != UINT32_MAX)
        round_codebooks(net, 9 - s->round_codebook); // "8" is the word of place 1
    if (s->round_bias != UINT32_MAX)
        round_biases(net, s->round_bias);
}

static int share(const struct settings *s, struct net *net, const struct step *step,
                 const struct dataset *data) {
    struct tnm_error err = {TNM_ENOMEM, "out of memory"};
    uint32_t *bits = calloc(net->n_layers + 1, sizeof *bits);
    json_t *details = json_object();
    int code = bits != NULL && details != NULL ? read_bits(net, s, bits) : cli_fail(&err);
    if (code == CLI_GO) {
        bool ok = share_and_tune(s, net, bits, data, details, &err);
        if (ok)
            round_values(s, net);
        ok = ok && step_finish(step, net, data, json_incref(details), &err);
        code = ok ? CLI_OK : cli_fail(&err);
    }
    json_decref(details);
    free(bits);
    return code;
}

int cmd_share(int argc, char **argv) {
    struct settings s;
    struct cli_operands files;
    struct net net = {0};
    struct dataset data = {0};
    struct tnm_error err;
    learn_defaults(&s.learn);
    int code = cli_parse(&command, argc, argv, &s, &files);
    if (code == CLI_GO && s.finetune && s.data == NULL)
        code = cli_wrong(&command, "--finetune wants --data");
    if (code == CLI_GO && s.regroup > 0 && !s.finetune)
        code = cli_wrong(&command, "--regroup wants --finetune");
    if (code == CLI_GO)
        code = learn_check(&s.learn, &command);
    if (code != CLI_GO)
        return code;
    s.learn.epochs = s.learn.epochs != UINT32_MAX ? s.learn.epochs : 3;
    s.learn.rate = isnan(s.learn.rate) ? 3e-4 : s.learn.rate;
    s.learn.seed = s.seed;
    s.learn.threads = s.threads;
    struct step step = {.verb = "share",
                        .seed = s.seed,
                        .output = s.output,
                        .log = s.log,
                        .json = s.json,
                        .threads = s.threads};
    cli_tell(&command, &s, step.parameters, sizeof step.parameters);
    bool ok = step_open(&step, &net, files.item[0], &err) &&
              (s.data == NULL || step_data(&data, s.data, &net, true, true, &err));
    code = ok ? share(&s, &net, &step, s.data != NULL ? &data : NULL) : cli_fail(&err);
    dataset_close(&data);
    net_free(&net);
    return code;
}
