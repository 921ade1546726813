/* SPDX-License-Identifier: MIT */
// tnm, the forge: the table of its subcommands.
#include <stdio.h>
#include <string.h>

#include "core/tnm.h"
#include "models/cli.h"
#include "models/commands.h"

// In the order one uses them.
static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *purpose;
} table[] = {
    {"train", cmd_train, "train a new network"},
    {"prune", cmd_prune, "remove small weights"},
    {"retrain", cmd_retrain, "train what is left further"},
    {"share", cmd_share, "let the weights of a layer share a few values"},
    {"pack", cmd_pack, "write a file in as few bytes as possible"},
    {"unpack", cmd_unpack, "write it to be used in place again"},
    {"squeeze", cmd_squeeze, "all of these, to the best file under a byte budget"},
    {"eval", cmd_eval, "count right answers, compare models"},
    {"info", cmd_info, "tell what a file holds"},
    {"verify", cmd_verify, "check files by every rule"},
    {"classify", cmd_classify, "tell what pictures show"},
    {"bench", cmd_bench, "measure the time an input takes"},
    {"plot", cmd_plot, "draw accuracy, size, time and weights of models"},
    {"report", cmd_report, "show a log of steps as a table"},
    {NULL, NULL, NULL},
};

static void usage(FILE *out) {
    fprintf(out,
            "usage: tnm COMMAND [OPTIONS]\n\n"
            "tnm %s makes tiny neural models: it trains, prunes and shares the weights of\n"
            "networks, writes them as .tnm files and tells about such files.\n\ncommands:\n",
            TNM_VERSION);
    for (size_t i = 0; table[i].name != NULL; i++)
        fprintf(out, "  %-10s %s\n", table[i].name, table[i].purpose);
    fprintf(out, "\ntnm COMMAND --help tells more; tnm --version prints the version.\n");
}

static int run(int argc, char **argv) {
    for (size_t i = 0; table[i].name != NULL; i++)
        if (strcmp(argv[0], table[i].name) == 0)
            return table[i].run(argc, argv);
    fprintf(stderr, "tnm: unknown command \"%s\" (tnm --help)\n", argv[0]);
    return CLI_WRONG;
}

int main(int argc, char **argv) {
    if (argc < 2) {
        usage(stderr);
        return CLI_WRONG;
    }
    bool wants_help = strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0;
    if (strcmp(argv[1], "--version") == 0)
        printf("tnm %s\n", TNM_VERSION);
    else if (wants_help || (strcmp(argv[1], "help") == 0 && argc == 2))
        usage(stdout);
    else
        return run(argc - 1, argv + 1);
    return cli_finish();
}
