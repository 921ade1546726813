/* SPDX-License-Identifier: MIT */
// tnm train: a new network from labelled pictures.
#include "models/commands.h"

#include <jansson.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "models/learn.h"
#include "models/step.h"

static const struct cli_option options[] = {
    {"arch", 0, CLI_TEXT, LEARN_AT(arch), "A", CLI_MUST, 0, 0,
     "784-300-100-10, lenet5, lstm-128, or \"conv 8 3x3 relu pool fc 10\""},
    LEARN_INPUT_OPTIONS,
    {"size", 0, CLI_TEXT, LEARN_AT(size), "WxH[xC]", NULL, 0, 0,
     "of the input, C channels (1 or 3); of itself: the idx images' or 28x28"},
    LEARN_OPTIONS("24", "0.002"),
};

static const struct cli_command command = {
    "train",
    "--arch A --data DIR -o M.tnm",
    "Trains a network on labelled pictures and writes it as a .tnm file.\n\n"
    "Of the training images 5,000 (or a tenth) are held out; accuracy on them is shown after each\n"
    "epoch and is what to choose by. The test set, if there is one, is measured once at the end.\n"
    "The file is written when all is done; interrupted before, nothing changes, and the same "
    "command\n"
    "with --resume goes on after the last whole epoch, to the same bits.\n\n"
    "A is layer sizes, inputs first, relu between (784-300-100-10); a name: lenet5, lstm-128; or\n"
    "words, one operation after another:\n"
    "  conv N KxK [stride S] [pad P] [dilation D] [groups G]   N channels, windows of K x K\n"
    "  pool | average [KxK] [stride S] [pad P]   largest or mean of a window, 2x2 unless told\n"
    "  global     the mean of each channel\n"
    "  relu\n"
    "  fc N       N outputs, each from all that is there\n"
    "  lstm N [all]   reads rows from first to last; what it holds at the end, or after each",
    options,
    sizeof options / sizeof *options,
    0,
    0};

// "28x28" or "32x32x3"; left alone where text is NULL.
static int read_size(const char *text, struct tnm_recipe *size) {
    unsigned width, height, channels = 1;
    char more;
    if (text == NULL)
        return CLI_GO;
    int n = sscanf(text, "%4ux%4ux%1u%c", &width, &height, &channels, &more);
    if (strspn(text, "0123456789x") != strlen(text) || n < 2 || n > 3 || width < 1 || height < 1 ||
        width > DATA_MAX_SIDE || height > DATA_MAX_SIDE || (channels != 1 && channels != 3))
        return cli_wrong(&command,
                         "--size = \"%s\" is not WxH or WxHxC with sides of 1 to %d and 1 or 3 "
                         "channels",
                         text, DATA_MAX_SIDE);
    *size = (struct tnm_recipe){.width = width, .height = height, .channels = channels};
    return CLI_GO;
}

static bool train(const struct learn_settings *s, struct step *step, struct net *net,
                  const struct dataset *data, struct tnm_error *err) {
    struct learn learn = {0};
    if (!learn_new(s, net, data, LEARN_SELF_TEST, err) || !step_name(step, net, err) ||
        !learn_name(s, &net->meta, err))
        return false;
    bool ok = learn_open(&learn, s, net, data, err) && learn_keep(&learn, s, step, data, err) &&
              learn_epochs(&learn, net, data, err) &&
              step_finish(step, net, data, json_pack("{s:O}", "epochs", learn.epochs), err);
    learn_close(&learn, ok);
    return ok;
}

int cmd_train(int argc, char **argv) {
    struct learn_settings s;
    struct net net = {0};
    struct dataset data = {0};
    struct tnm_error err;
    int code = cli_parse(&command, argc, argv, &s, NULL);
    if (code == CLI_GO)
        code = learn_check(&s, &command);
    struct tnm_recipe size = {0};
    if (code != CLI_GO || (code = read_size(s.size, &size)) != CLI_GO)
        return code;
    struct step step = learn_step(&s, "train");
    step.started = cli_seconds();
    cli_tell(&command, &s, step.parameters, sizeof step.parameters);
    bool ok = step_name(&step, NULL, &err) && learn_data(&s, &size, &data, &err) &&
              train(&s, &step, &net, &data, &err);
    code = ok ? CLI_OK : cli_fail(&err);
    dataset_close(&data);
    net_free(&net);
    return code;
}
