/* SPDX-License-Identifier: MIT */
// Threads for what may take its time.
#ifndef BACKGROUND_H
#define BACKGROUND_H

#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

// The calling thread runs only where nobody else would. For what may be left out.
static inline void background_idle(void) {
    const struct sched_param none = {0};
    if (sched_setscheduler(0, SCHED_IDLE, &none) != 0)
        setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), 19);
}

// The calling thread gives way to others, but gets a tenth of what they do. For what is waited for.
static inline void background_nice(void) {
    setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), 10);
}

#endif
