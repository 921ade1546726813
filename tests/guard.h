/* SPDX-License-Identifier: MIT */
// Memory between pages that cannot be touched: a read or write beyond it ends the test.
#ifndef GUARD_H
#define GUARD_H

#include <stddef.h>

// len bytes whose end lies right before a guard page (guard_low: whose start lies right behind
// one). Filled with 0xa5, so that what is used without being written shows. Aborts when out of
// memory.
void *guard_high(size_t len);
void *guard_low(size_t len);

// A copy of from in such memory.
void *guard_copy(const void *from, size_t len);

// Frees what guard_high, guard_low or guard_copy gave; len is the one asked for.
void guard_free(void *at, size_t len);

#endif
