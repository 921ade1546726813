/* SPDX-License-Identifier: MIT */
// Counts allocations: the test program's malloc and its kin go through here to the C library's.
#ifndef ALLOCATIONS_H
#define ALLOCATIONS_H

#include <stdbool.h>
#include <stdint.h>

// Allocations made by this thread so far; 0 always where they are not counted.
uint64_t allocations(void);

// False under sanitizers, which need these functions themselves.
extern const bool allocations_are_counted;

#endif
