/* SPDX-License-Identifier: MIT */
// Guard pages around test buffers.
#include "tests/guard.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static size_t page_size(void) {
    return (size_t)sysconf(_SC_PAGESIZE);
}

// Pages that hold len bytes; at least one, so that the two guard pages are never one.
static size_t inner(size_t len) {
    size_t page = page_size();
    return len == 0 ? page : (len + page - 1) / page * page;
}

static char *map(size_t len) {
    size_t page = page_size();
    char *all = mmap(NULL, inner(len) + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (all == MAP_FAILED || mprotect(all + page, inner(len), PROT_READ | PROT_WRITE) != 0)
        abort();
    memset(all + page, 0xa5, inner(len));
    return all + page;
}

void *guard_high(size_t len) {
    return map(len) + inner(len) - len;
}

void *guard_low(size_t len) {
    return map(len);
}

void *guard_copy(const void *from, size_t len) {
    return len > 0 ? memcpy(guard_high(len), from, len) : guard_high(len);
}

void guard_free(void *at, size_t len) {
    if (at == NULL)
        return;
    uintptr_t page = page_size(), start = ((uintptr_t)at - (len == 0)) / page * page;
    if (munmap((char *)at - ((uintptr_t)at - start) - page, inner(len) + 2 * page) != 0)
        abort();
}
