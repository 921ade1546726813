/* SPDX-License-Identifier: MIT */
// The subcommands of tnm, a file cmd_NAME.c each. argv[0] is the name of the command; the result is
// the exit code: 0 success, 1 failure, 2 wrong usage.
#ifndef COMMANDS_H
#define COMMANDS_H

int cmd_train(int argc, char **argv);
int cmd_prune(int argc, char **argv);
int cmd_retrain(int argc, char **argv);
int cmd_share(int argc, char **argv);
int cmd_pack(int argc, char **argv);
int cmd_unpack(int argc, char **argv);
int cmd_squeeze(int argc, char **argv);
int cmd_eval(int argc, char **argv);
int cmd_info(int argc, char **argv);
int cmd_verify(int argc, char **argv);
int cmd_classify(int argc, char **argv);
int cmd_bench(int argc, char **argv);
int cmd_plot(int argc, char **argv);
int cmd_report(int argc, char **argv);

#endif
