/* SPDX-License-Identifier: MIT */
// tnm retrain: goes on training what is left of a network.
#include "models/commands.h"

#include <jansson.h>
#include <math.h>
#include <stddef.h>

#include "models/learn.h"
#include "models/order.h"
#include "models/prune.h"
#include "models/step.h"
#include "models/tidy.h"

struct settings {
    struct learn_settings learn; // first, where its options look for it
    uint64_t to_nonzeros;
    uint32_t prune_epochs, saliency, block;
    double to_sparsity, prune_rate;
};

#define AT(field) offsetof(struct settings, field)

static const struct cli_option options[] = {
    LEARN_OPTIONS("24", "0.001"),
    {"to-nonzeros", 0, CLI_BIG, AT(to_nonzeros), "N", NULL, 1, 1e15,
     "first remove weights bit by bit while training, until N are left"},
    {"to-sparsity", 0, CLI_REAL, AT(to_sparsity), "F", NULL, 0, 1,
     "the same, until the share F of all weights is removed"},
    {"prune-epochs", 0, CLI_COUNT, AT(prune_epochs), "N", NULL, 1, 100000,
     "passes over the images while weights go, then come --epochs [8]"},
    {"prune-lr", 0, CLI_REAL, AT(prune_rate), "X", NULL, 1e-9, 100,
     "learning rate, constant, while weights go [0.0007]"},
    {"saliency", 0, CLI_CHOICE, AT(saliency), "magnitude|fisher", NULL, 0, 0,
     "which go first: the least |w|, or |w| v^(1/4), v of gradients squared [fisher]"},
    {"block", 0, CLI_CHOICE, AT(block), "1x4|4x1", NULL, 0, 0,
     "remove blocks of a row's or a column's four neighbours, for faster kernels"},
};

static const struct cli_command command = {
    "retrain",
    "P.tnm --data DIR -o R.tnm",
    "Trains an existing network further, usually after pruning.\n\n"
    "A removed weight stays removed: its gradient is masked. A network with shared weights stays\n"
    "shared: its centroids learn, each from the sum of its weights' gradients.\n"
    "With --to-nonzeros or --to-sparsity weights go ten times an epoch, all layers competing, few\n"
    "and fewer towards the end; then units without inputs become biases of the next layer and "
    "units\n"
    "that nobody reads are emptied, which changes nothing; then --epochs tune what is left.\n"
    "With --block linear layers but the last lose whole blocks, which count by their mean.\n"
    "The file is written when all is done; interrupted before, nothing changes, and the same "
    "command\n"
    "with --resume goes on after the last whole epoch, to the same bits.",
    options,
    sizeof options / sizeof *options,
    1,
    1};

// The weights that are to be left, UINT64_MAX: all. CLI_GO or the exit code.
static int read_target(const struct settings *s, const struct net *net, uint64_t *left) {
    *left = s->to_nonzeros;
    if (isnan(s->to_sparsity))
        return CLI_GO;
    if (*left != UINT64_MAX)
        return cli_wrong(&command, "give one of --to-nonzeros, --to-sparsity");
    *left = prune_left_of(net_weights(net), s->to_sparsity);
    return CLI_GO;
}

static int read_block(const struct settings *s, struct net *net, uint64_t left) {
    if (s->block == UINT32_MAX)
        return CLI_GO;
    if (left == UINT64_MAX)
        return cli_wrong(&command, "--block wants --to-nonzeros or --to-sparsity");
    if (prune_in_blocks(net, NET_1X4 + s->block) == 0)
        return cli_wrong(&command, "--block: no linear layer but the last");
    return CLI_GO;
}

static bool prune(const struct settings *s, struct learn *learn, struct net *net,
                  const struct dataset *data, uint64_t left, struct json_t *details,
                  struct tnm_error *err) {
    struct train_prune prune = {left, TRAIN_PRUNINGS, SALIENCY_FISHER};
    if (s->saliency != UINT32_MAX)
        prune.saliency = (enum saliency)s->saliency;
    struct train_options tune = learn->options;
    learn->options.prune = &prune;
    learn->options.epochs = s->prune_epochs != UINT32_MAX ? s->prune_epochs : 8;
    learn->options.schedule = TRAIN_CONSTANT;
    learn->options.rate = isnan(s->prune_rate) ? 7e-4f : (float)s->prune_rate;
    learn->options.keep_best = false;
    bool ok = learn_epochs(learn, net, data, err);
    bool before = learn->checkpoint.resume; // all of this was done before an interruption
    struct tidy tidy = ok && !before ? tidy_units(net) : (struct tidy){0};
    if (ok && !before)
        cli_say("%llu weights left; emptied %u units without inputs and %u that nobody reads",
                (unsigned long long)net_nonzeros(net), tidy.constant, tidy.unread);
    json_object_set_new(details, "tidied",
                        json_pack("{s:I, s:I, s:I}", "constant", (json_int_t)tidy.constant,
                                  "unread", (json_int_t)tidy.unread, "weights",
                                  (json_int_t)tidy.weights));
    learn->options = tune;
    return ok;
}

static bool retrain(const struct settings *s, const struct step *step, struct net *net,
                    const struct dataset *data, uint64_t left, struct tnm_error *err) {
    struct learn learn = {0};
    json_t *details = json_object();
    bool ok = learn_name(&s->learn, &net->meta, err) &&
              learn_open(&learn, &s->learn, net, data, err) &&
              learn_keep(&learn, &s->learn, step, data, err) &&
              (left == UINT64_MAX || prune(s, &learn, net, data, left, details, err));
    learn.options.seed += left != UINT64_MAX; // other copies in another order
    ok = ok && learn_epochs(&learn, net, data, err);
    json_object_set(details, "epochs", learn.epochs);
    ok = ok && step_finish(step, net, data, json_incref(details), err);
    json_decref(details);
    learn_close(&learn, ok);
    return ok;
}

int cmd_retrain(int argc, char **argv) {
    struct settings s;
    struct cli_operands files;
    struct net net = {0};
    struct dataset data = {0};
    struct tnm_error err;
    uint64_t left;
    int code = cli_parse(&command, argc, argv, &s, &files);
    if (code == CLI_GO)
        code = learn_check(&s.learn, &command);
    if (code != CLI_GO)
        return code;
    struct step step = learn_step(&s.learn, "retrain");
    cli_tell(&command, &s, step.parameters, sizeof step.parameters);
    bool ok = step_open(&step, &net, files.item[0], &err);
    if (ok && (code = read_target(&s, &net, &left)) == CLI_GO &&
        (code = read_block(&s, &net, left)) == CLI_GO) {
        ok = step_data(&data, s.learn.data, &net, true, true, &err) && order_units(&net, &err) &&
             retrain(&s, &step, &net, &data, left, &err);
        code = CLI_OK;
    }
    if (!ok)
        code = cli_fail(&err);
    dataset_close(&data);
    net_free(&net);
    return code;
}
