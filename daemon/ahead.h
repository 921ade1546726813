/* SPDX-License-Identifier: MIT */
// At the start, the models of a folder are opened by as many threads as there are processors, a few
// files ahead of whoever looks at them one after the other: most of the time goes into unpacking.
// What is opened here is what build_open would give, or nothing.
#ifndef AHEAD_H
#define AHEAD_H

#include "daemon/folder.h"
#include "daemon/slot.h"

struct ahead;

// Begins with the folder's models, by name. NULL where that cannot be: then nothing is ahead.
struct ahead *ahead_start(const char *folder, const struct tnm_limits *limits);

// The build of a file of the folder, held by the caller from then on; waits for it. NULL: it could
// not be opened, takes more than limits, has changed meanwhile or just before, or is none of these
// files. One thread asks, once a file, by name.
struct build *ahead_take(struct ahead *ahead, const char *path, const struct tnm_limits *limits);

void ahead_stop(struct ahead *ahead); // NULL is fine

#endif
