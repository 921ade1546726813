/* SPDX-License-Identifier: MIT */
// malloc and its kin, counting, on top of the names glibc gives its own.
#include "tests/allocations.h"

#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__GLIBC__)

const bool allocations_are_counted = false;

uint64_t allocations(void) {
    return 0;
}

#else

const bool allocations_are_counted = true;

static _Thread_local uint64_t count;

extern void *__libc_malloc(size_t len);
extern void *__libc_calloc(size_t n, size_t len);
extern void *__libc_realloc(void *at, size_t len);
extern void *__libc_memalign(size_t alignment, size_t len);

uint64_t allocations(void) {
    return count;
}

void *malloc(size_t len) {
    count++;
    return __libc_malloc(len);
}

void *calloc(size_t n, size_t len) {
    count++;
    return __libc_calloc(n, len);
}

void *realloc(void *at, size_t len) {
    count++;
    return __libc_realloc(at, len);
}

void *aligned_alloc(size_t alignment, size_t len) {
    count++;
    return __libc_memalign(alignment, len);
}

#endif
