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
#include "models/prune.h"
#include "models/step.h"

struct settings {
    const char *output, *data, *log;
    double std, sparsity;
    uint64_t nonzeros;
    struct cli_list layers;
    uint32_t threads;
    bool json;
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
    "whole network is to keep. With --data the result is measured; without, the file says that\n"
    "its accuracy is unknown.",
    options,
    sizeof options / sizeof *options,
    1,
    1};

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

// How many of n weights are left when at least the share is removed. The slack keeps 0.9 of 10
// from becoming 10 for want of a last bit.
static uint64_t left_of(uint64_t n, double share) {
    double removed = ceil((double)n * share - 1e-9 * (double)n / (1 + (double)n));
    return n - (uint64_t)fmin(removed, (double)n);
}

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

static void prune_own(struct net_layer *layer, const struct wishes *wishes, double own) {
    uint64_t n = (uint64_t)layer->rows * layer->cols;
    uint64_t left = wishes->rule == BY_SPARSITY ? left_of(n, own) : (uint64_t)own;
    prune_to(&layer, NULL, 1, left);
}

// The layers with a wish of their own first; the others share what remains of n.
static bool prune_all_by_number(struct net *net, const struct wishes *wishes, uint64_t n,
                                struct tnm_error *err) {
    struct net_layer **others = calloc(net->n_layers + 1, sizeof *others);
    if (others == NULL)
        return tnm_fail(err, TNM_ENOMEM, "out of memory");
    uint32_t n_others = 0;
    uint64_t fixed = 0;
    for (uint32_t l = 0; l < net->n_layers; l++) {
        struct net_layer *layer = &net->layer[l];
        if (isnan(wishes->own[l])) {
            others[n_others++] = layer;
            continue;
        }
        prune_own(layer, wishes, wishes->own[l]);
        fixed += prune_left(layer);
    }
    bool ok = fixed <= n || tnm_fail(err, TNM_EINPUT,
                                     "the layers named by --layer keep %llu weights, the whole "
                                     "network is to keep %llu",
                                     (unsigned long long)fixed, (unsigned long long)n);
    if (ok)
        prune_to(others, NULL, n_others, n - fixed);
    free(others);
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

static int prune(const struct settings *s, struct net *net, struct step *step,
                 struct wishes *wishes, const struct dataset *data) {
    struct tnm_error err;
    json_t *details = NULL;
    int code = read_wishes(net, s, wishes);
    if (code != CLI_GO)
        return code;
    uint64_t n = wishes->rule == BY_SPARSITY ? left_of(net_weights(net), s->sparsity) : s->nonzeros;
    if (wishes->rule == BY_STD)
        details = prune_all_by_std(net, wishes, s);
    else if (!prune_all_by_number(net, wishes, n, &err))
        return cli_fail(&err);
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
