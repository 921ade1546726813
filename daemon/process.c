/* SPDX-License-Identifier: MIT */
// Reading /proc/self.
#include "daemon/process.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static double now_on(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

// What a file of /proc/self holds, up to size - 1 bytes of it.
static bool read_text(const char *path, char *text, size_t size) {
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    size_t len = fread(text, 1, size - 1, file);
    fclose(file);
    text[len] = 0;
    return len > 0;
}

// Fields of /proc/self/stat from the third on, as proc(5) counts them: 20 the number of threads, 22
// the start in ticks since boot.
static bool read_stat(uint64_t *threads, uint64_t *start_ticks) {
    char text[1024];
    if (!read_text("/proc/self/stat", text, sizeof text))
        return false;
    const char *rest = strrchr(text, ')'); // the name may hold anything
    return rest != NULL && sscanf(rest + 1,
                                  " %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
                                  "%*s %*s %" SCNu64 " %*s %" SCNu64,
                                  threads, start_ticks) == 2;
}

// Pages of address space, and those that are resident. (They stand in stat, too, but as 0 under
// qemu's emulation of a processor.)
static bool read_memory(uint64_t *pages, uint64_t *resident) {
    char text[256];
    return read_text("/proc/self/statm", text, sizeof text) &&
           sscanf(text, "%" SCNu64 " %" SCNu64, pages, resident) == 2;
}

static bool count_fds(uint64_t *n) {
    DIR *folder = opendir("/proc/self/fd");
    if (folder == NULL)
        return false;
    *n = 0;
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;)
        *n += entry->d_name[0] != '.';
    closedir(folder);
    *n -= 1; // the folder's own
    return true;
}

bool process_read(struct process *out) {
    uint64_t start_ticks, pages, resident;
    struct rlimit files;
    if (!read_stat(&out->threads, &start_ticks) || !read_memory(&pages, &resident) ||
        !count_fds(&out->open_fds) || getrlimit(RLIMIT_NOFILE, &files) != 0)
        return false;
    double age = now_on(CLOCK_BOOTTIME) - (double)start_ticks / (double)sysconf(_SC_CLK_TCK);
    out->cpu_seconds = now_on(CLOCK_PROCESS_CPUTIME_ID);
    out->start_seconds = now_on(CLOCK_REALTIME) - age;
    const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    out->virtual_bytes = pages * page;
    out->resident_bytes = resident * page;
    out->max_fds = files.rlim_cur;
    return true;
}
