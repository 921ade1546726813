/* SPDX-License-Identifier: MIT */
// tnm retrain: goes on training what is left of a network.
#include "models/commands.h"

#include <jansson.h>
#include <stddef.h>

#include "models/learn.h"
#include "models/step.h"

static const struct cli_option options[] = {
    LEARN_OPTIONS("24", "0.001"),
};

static const struct cli_command command = {
    "retrain",
    "P.tnm --data DIR -o R.tnm",
    "Trains an existing network further, usually after pruning.\n\n"
    "A removed weight stays removed: its gradient is masked. A network with shared weights stays\n"
    "shared: its centroids learn, each from the sum of its weights' gradients.\n"
    "The file is written when all is done; interrupted before, nothing changes.",
    options,
    sizeof options / sizeof *options,
    1,
    1};

static bool retrain(const struct learn_settings *s, const struct step *step, struct net *net,
                    const struct dataset *data, struct tnm_error *err) {
    json_t *epochs = NULL;
    return learn_name(s, &net->meta, err) && learn_run(s, net, data, &epochs, err) &&
           step_finish(step, net, data, json_pack("{s:o}", "epochs", epochs), err);
}

int cmd_retrain(int argc, char **argv) {
    struct learn_settings s;
    struct cli_operands files;
    struct net net = {0};
    struct dataset data = {0};
    struct tnm_error err;
    int code = cli_parse(&command, argc, argv, &s, &files);
    if (code != CLI_GO)
        return code;
    struct step step = {.verb = "retrain",
                        .seed = s.seed,
                        .output = s.output,
                        .log = s.log,
                        .json = s.json,
                        .threads = s.threads};
    cli_tell(&command, &s, step.parameters, sizeof step.parameters);
    bool ok = step_open(&step, &net, files.item[0], &err) &&
              step_data(&data, s.data, &net, true, true, &err) &&
              retrain(&s, &step, &net, &data, &err);
    code = ok ? CLI_OK : cli_fail(&err);
    dataset_close(&data);
    net_free(&net);
    return code;
}
