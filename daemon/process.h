/* SPDX-License-Identifier: MIT */
// What the system says of this process.
#ifndef PROCESS_H
#define PROCESS_H

#include <stdbool.h>
#include <stdint.h>

struct process {
    double cpu_seconds;
    double start_seconds; // since 1970
    uint64_t virtual_bytes, resident_bytes;
    uint64_t open_fds, max_fds;
    uint64_t threads;
};

// False where /proc does not tell.
bool process_read(struct process *out);

#endif
