/* SPDX-License-Identifier: MIT */
// The subcommands of tnm, a file cmd_NAME.c each. argv[0] is the name of the command; the result is
// the exit code: 0 success, 1 failure, 2 wrong usage.
#ifndef COMMANDS_H
#define COMMANDS_H

int cmd_prune(int argc, char **argv);

#endif
