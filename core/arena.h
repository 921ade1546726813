/* SPDX-License-Identifier: MIT */
// Where things lie that do not all live at once: greedy by size, each at the lowest offset that is
// free for as long as it lives (Pisarchyk and Lee 2020, "Efficient memory management for deep
// neural net inference", section 5.2).
#ifndef TNM_ARENA_H
#define TNM_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tnm_block {
    uint64_t size;        // 0: takes no place
    uint32_t first, last; // steps in which it lives, both included
    uint64_t offset;      // set by tnm_arena_place
};

// Sets every offset, and *size to the end of the furthest. The sizes together must stay below 2^63.
// False only where out of memory.
bool tnm_arena_place(struct tnm_block *block, uint32_t n, uint64_t *size);

#endif
