/* SPDX-License-Identifier: MIT */
// tnm prune: removes weights by deviation, by share or by number.
#include "models/commands.h"

#include <jansson.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "models/cli.h"
#include "models/order.h"
#include "models/prune.h"
#include "models/saliency.h"
#include "models/step.h"
#include "models/tidy.h"

struct settings {
    const char *output, *data, *log;
    double std, sparsity;
    uint64_t nonzeros;
    struct cli_list layers;
    uint32_t threads, saliency, sample, block;
    bool json, tidy;
};

#define AT(field) offsetof(struct settings, field)

static const struct cli_option options[] = {
    CLI_OUTPUT(AT(output)),
    {"std", 0, CLI_REAL, AT(std), "S", NULL, 0, 1000,
     "remove what is below S standard deviations of its layer"},
    {"sparsity", 0, CLI_REAL, AT(sparsity), "F", NULL, 0, 1,
     "remove the share F (0.94) of all weights, the smallest first"},
    {"nonzeros", 0, CLI_BIG, AT(nonzeros), "N", NULL, 0, 1e15,
     "leave N weights, the largest of all layers"},
    {"layer", 0, CLI_LIST, AT(layers), "NAME=X", NULL, 0, 0,
     "S, F or N for one layer by itself; may be repeated"},
    {"saliency", 0, CLI_CHOICE, AT(saliency), "magnitude|fisher", NULL, 0, 0,
     "what counts as small, but for --std: |w|, or |w| v^(1/4), v of gradients squared [|w|]"},
    {"block", 0, CLI_CHOICE, AT(block), "1x4|4x1", NULL, 0, 0,
     "remove blocks of a row's or a column's four neighbours, for faster kernels"},
    {"sample", 0, CLI_COUNT, AT(sample), "N", NULL, 1, 1e9,
     "training images that fisher takes gradients from [2000]"},
    {"tidy", 0, CLI_FLAG, AT(tidy), NULL, NULL, 0, 0,
     "then empty units without inputs or readers; answers stay as they are"},
    CLI_DATA(AT(data), NULL),
    CLI_JSON(AT(json)),
    CLI_LOG(AT(log)),
    CLI_THREADS(AT(threads)),
};

static const struct cli_command command = {
    "prune",
    "M.tnm -o P.tnm (--std S | --sparsity F | --nonzeros N)",
    "Removes weights. Removed weights stay removed in every later step; biases stay.\n\n"
    "--std is the classic rule: each layer loses the weights whose magnitude is less than S times\n"
    "the standard deviation of the layer's weights (the population's, over all entries, those\n"
    "removed earlier counting as zeros). With --sparsity and --nonzeros all layers compete by\n"
    "magnitude; a layer named by --layer is pruned by itself first, and the others share what the\n"
    "whole network is to keep. With --block linear layers but the last lose whole blocks, whose\n"
    "weights count by their mean. Fisher needs --data, and leaves each class an input. With --data "
    "the result is measured; without, the file says that\n"
    "its accuracy is unknown.",
    options,
    sizeof options / sizeof *options,
    1,
    1};

enum { STANDARD_SAMPLE = 2000 };

enum rule { BY_STD, BY_SPARSITY, BY_NUMBER };

// What was asked of one layer by --layer; NaN: nothing.
struct wishes {
    enum rule rule;
    double *own; // (n_layers)
};

// ---- Reading the wishes ------------------------------------------------------------------------

// CLI_GO, or the exit code of wrong usage.
static int choose_rule(const struct settings *s, enum rule *rule) {
    bool by_std = !isnan(s->std), by_share = !isnan(s->sparsity);
    bool by_number = s->nonzeros != UINT64_MAX;
    if (by_std + by_share + by_number != 1)
        return cli_wrong(&command, "give one of --std, --sparsity, --nonzeros");
    if (s->saliency == SALIENCY_FISHER && (by_std || s->data == NULL))
        return cli_wrong(&command, "--saliency fisher wants --data, and --sparsity or --nonzeros");
    *rule = by_std ? BY_STD : by_share ? BY_SPARSITY : BY_NUMBER;
    return CLI_GO;
}

static struct net_layer *find_layer(const struct net *net, const char *name, size_t len) {
    for (uint32_t l = 0; l < net->n_layers; l++)
        if (strlen(net->layer[l].name) == len && memcmp(net->layer[l].name, name, len) == 0)
            return &net->layer[l];
    return NULL;
}

// "fc3=1.5" into the wish for fc3.
static int read_wish(const struct net *net, const char *text, struct wishes *wishes) {
    const char *equals = strchr(text, '=');
    char *end = NULL;
    double x = equals != NULL ? strtod(equals + 1, &end) : NAN;
    double most = wishes->rule == BY_SPARSITY ? 1 : wishes->rule == BY_STD ? 1000 : 1e15;
    if (end == NULL || end == equals + 1 || *end != 0 || !(x >= 0 && x <= most))
        return cli_wrong(&command, "--layer = \"%s\" is not NAME=X with X from 0 to %g", text,
                         most);
    if (wishes->rule == BY_NUMBER && x != floor(x))
        return cli_wrong(&command, "--layer = \"%s\": %s is not a whole number", text, equals + 1);
    struct net_layer *layer = find_layer(net, text, (size_t)(equals - text));
    if (layer == NULL)
        return cli_wrong(&command, "--layer = \"%s\": no layer of that name (tnm info lists them)",
                         text);
    wishes->own[layer - net->layer] = x;
    return CLI_GO;
}

static int read_wishes(const struct net *net, const struct settings *s, struct wishes *wishes) {
    for (uint32_t l = 0; l < net->n_layers; l++)
        wishes->own[l] = NAN;
    for (uint32_t i = 0; i < s->layers.n; i++) {
        int code = read_wish(net, s->layers.item[i], wishes);
        if (code != CLI_GO)
            return code;
    }
    return CLI_GO;
}

// ---- Pruning -----------------------------------------------------------------------------------

static json_t *prune_one_by_std(struct net_layer *layer, double s, bool json) {
    double deviation = prune_deviation(layer);
    uint64_t removed = prune_below(layer, s * deviation);
    if (!json)
        printf("%-10s below %.4f (%g x deviation %.4f): %llu removed, %llu left\n", layer->name,
               s * deviation, s, deviation, (unsigned long long)removed,
               (unsigned long long)prune_left(layer));
    return json_pack("{s:s, s:f, s:f, s:f, s:I}", "name", layer->name, "s", s, "deviation",
                     deviation, "threshold", s * deviation, "removed", (json_int_t)removed);
}

static json_t *prune_all_by_std(struct net *net, const struct wishes *wishes,
                                const struct settings *s) {
    json_t *list = json_array();
    for (uint32_t l = 0; l < net->n_layers; l++) {
        double own = isnan(wishes->own[l]) ? s->std : wishes->own[l];
        json_array_append_new(list, prune_one_by_std(&net->layer[l], own, s->json));
    }
    return json_pack("{s:o}", "thresholds", list);
}

static void prune_own(struct net_layer *layer, const struct wishes *wishes, double own,
                      const float *saliency) {
    uint64_t n = (uint64_t)layer->rows * layer->cols;
    uint64_t left = wishes->rule == BY_SPARSITY ? prune_left_of(n, own) : (uint64_t)own;
    prune_to(&layer, saliency != NULL ? &saliency : NULL, 1, left);
}

// The layers with a wish of their own first; the others share what remains of n.
// saliency is NULL for magnitudes.
static bool prune_all_by_number(struct net *net, const struct wishes *wishes, uint64_t n,
                                float **saliency, struct tnm_error *err) {
    struct net_layer **others = calloc(net->n_layers + 1, sizeof *others);
    const float **theirs = calloc(net->n_layers + 1, sizeof *theirs);
    if (others == NULL || theirs == NULL) {
        free(others);
        free(theirs);
        return tnm_fail(err, TNM_ENOMEM, "out of memory");
    }
    uint32_t n_others = 0;
    uint64_t fixed = 0;
    for (uint32_t l = 0; l < net->n_layers; l++) {
        struct net_layer *layer = &net->layer[l];
        if (isnan(wishes->own[l])) {
            theirs[n_others] = saliency != NULL ? saliency[l] : NULL;
            others[n_others++] = layer;
            continue;
        }
        prune_own(layer, wishes, wishes->own[l], saliency != NULL ? saliency[l] : NULL);
        fixed += prune_left(layer);
    }
    bool ok = fixed <= n || tnm_fail(err, TNM_EINPUT,
                                     "the layers named by --layer keep %llu weights, the whole "
                                     "network is to keep %llu",
                                     (unsigned long long)fixed, (unsigned long long)n);
    if (ok)
        prune_to(others, saliency != NULL ? theirs : NULL, n_others, n - fixed);
    free(others);
    free(theirs);
    return ok;
}

static void warn(const struct net *net) {
    struct prune_harm harm;
    prune_check(net, &harm);
    if (harm.empty_layers > 0)
        cli_warn("%u layer%s without any weight left, first of them %s", harm.empty_layers,
                 harm.empty_layers == 1 ? "" : "s", net->layer[harm.first_empty].name);
    if (harm.dead_outputs > 0 && harm.first_dead < net->meta.n_labels)
        cli_warn("%u class%s with no input left, first of them \"%s\"", harm.dead_outputs,
                 harm.dead_outputs == 1 ? "" : "es", net->meta.label[harm.first_dead]);
    else if (harm.dead_outputs > 0)
        cli_warn("%u class%s with no input left, first of them %u", harm.dead_outputs,
                 harm.dead_outputs == 1 ? "" : "es", harm.first_dead);
}

// Of every weight, as asked for; NULL: magnitudes.
static bool weigh(const struct settings *s, const struct net *net, const struct dataset *data,
                  float ***saliency, struct tnm_error *err) {
    *saliency = NULL;
    if (s->saliency != SALIENCY_FISHER)
        return true;
    uint32_t sample = s->sample != UINT32_MAX ? s->sample : STANDARD_SAMPLE;
    return saliency_fisher(net, &data->set[DATA_TRAIN], sample, saliency, err);
}

static void tidy(const struct settings *s, struct net *net) {
    struct tidy done = tidy_units(net);
    if (!s->json)
        printf("emptied %u units without inputs and %u that nobody reads: %llu weights\n",
               done.constant, done.unread, (unsigned long long)done.weights);
}

static int prune(const struct settings *s, struct net *net, struct step *step,
                 struct wishes *wishes, const struct dataset *data) {
    struct tnm_error err;
    json_t *details = NULL;
    int code = read_wishes(net, s, wishes);
    if (code != CLI_GO)
        return code;
    uint64_t n =
        wishes->rule == BY_SPARSITY ? prune_left_of(net_weights(net), s->sparsity) : s->nonzeros;
    if (s->block != UINT32_MAX && prune_in_blocks(net, NET_1X4 + s->block) == 0)
        return cli_wrong(&command, "--block: no linear layer but the last");
    if (!order_units(net, &err))
        return cli_fail(&err);
    if (wishes->rule == BY_STD)
        details = prune_all_by_std(net, wishes, s);
    float **saliency = NULL;
    bool ok = wishes->rule == BY_STD || (weigh(s, net, data, &saliency, &err) &&
                                         prune_all_by_number(net, wishes, n, saliency, &err));
    saliency_free(saliency, net->n_layers);
    if (!ok)
        return cli_fail(&err);
    if (s->tidy)
        tidy(s, net);
    warn(net);
    return step_finish(step, net, data, details, &err) ? CLI_OK : cli_fail(&err);
}

int cmd_prune(int argc, char **argv) {
    struct settings s;
    struct cli_operands files;
    struct net net = {0};
    struct dataset data = {0};
    struct tnm_error err;
    struct wishes wishes = {0};
    int code = cli_parse(&command, argc, argv, &s, &files);
    if (code != CLI_GO || (code = choose_rule(&s, &wishes.rule)) != CLI_GO)
        return code;
    struct step step = {
        .verb = "prune", .output = s.output, .log = s.log, .json = s.json, .threads = s.threads};
    cli_tell(&command, &s, step.parameters, sizeof step.parameters);
    bool ok = step_open(&step, &net, files.item[0], &err) &&
              (s.data == NULL || step_data(&data, s.data, &net, true, true, &err));
    wishes.own = calloc(net.n_layers + 1, sizeof *wishes.own);
    if (ok && wishes.own == NULL)
        ok = tnm_fail(&err, TNM_ENOMEM, "out of memory");
    code = ok ? prune(&s, &net, &step, &wishes, s.data != NULL ? &data : NULL) : cli_fail(&err);
    free(wishes.own);
    dataset_close(&data);
    net_free(&net);
    return code;
}
