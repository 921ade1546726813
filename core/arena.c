/* SPDX-License-Identifier: MIT */
// Placing blocks that live at different times.
#include "core/arena.h"

#include <stdlib.h>

static int largest_first(const void *a, const void *b) {
    const struct tnm_block *one = *(struct tnm_block *const *)a;
    const struct tnm_block *two = *(struct tnm_block *const *)b;
    if (one->size != two->size)
        return one->size > two->size ? -1 : 1;
    return one < two ? -1 : one > two; // the order given
}

static bool live_together(const struct tnm_block *a, const struct tnm_block *b) {
    return a->first <= b->last && b->first <= a->last;
}

// The lowest gap among placed (n), which ascend by offset.
static uint64_t lowest_gap(struct tnm_block *const *placed, uint32_t n,
                           const struct tnm_block *block) {
    uint64_t offset = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (!live_together(placed[i], block))
            continue;
        if (placed[i]->offset >= offset && placed[i]->offset - offset >= block->size)
            return offset;
        uint64_t end = placed[i]->offset + placed[i]->size;
        offset = end > offset ? end : offset;
    }
    return offset;
}

static void insert(struct tnm_block **placed, uint32_t n, struct tnm_block *block) {
    while (n > 0 && placed[n - 1]->offset > block->offset) {
        placed[n] = placed[n - 1];
        n--;
    }
    placed[n] = block;
}

bool tnm_arena_place(struct tnm_block *block, uint32_t n, uint64_t *size) {
    struct tnm_block **order = malloc(((size_t)n + 1) * sizeof *order);
    struct tnm_block **placed = malloc(((size_t)n + 1) * sizeof *placed);
    bool ok = order != NULL && placed != NULL;
    *size = 0;
    for (uint32_t i = 0; ok && i < n; i++)
        order[i] = &block[i];
    if (ok)
        qsort(order, n, sizeof *order, largest_first);
    for (uint32_t i = 0; ok && i < n; i++) {
        order[i]->offset = lowest_gap(placed, i, order[i]);
        insert(placed, i, order[i]);
        uint64_t end = order[i]->offset + order[i]->size;
        *size = end > *size ? end : *size;
    }
    free(order);
    free(placed);
    return ok;
}
