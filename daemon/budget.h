/* SPDX-License-Identifier: MIT */
// An amount of memory that all requests share. Who gets no share is told to come back later.
#ifndef BUDGET_H
#define BUDGET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct budget {
    atomic_size_t left;
};

static inline bool budget_take(struct budget *budget, size_t bytes) {
    size_t left = atomic_load_explicit(&budget->left, memory_order_relaxed);
    while (left >= bytes)
        if (atomic_compare_exchange_weak(&budget->left, &left, left - bytes))
            return true;
    return false;
}

static inline void budget_give(struct budget *budget, size_t bytes) {
    atomic_fetch_add(&budget->left, bytes);
}

#endif
