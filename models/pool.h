/* SPDX-License-Identifier: MIT */
// A fixed pool of variations of each training image: copy 0 is the image itself, copies 1..weak are
// mild variations of it, the rest strong ones. A copy is drawn anew whenever it is asked for and is
// the same each time, so that a pool takes no memory and what a teacher said of a copy stays true.
//
// A tiny network learns best from few mild copies, a large one from many: training takes the first
// copies of a pool, as many as it is told.
#ifndef POOL_H
#define POOL_H

#include "models/augment.h"

enum { POOL_MAX = 1024 }; // copies of an image

struct pool {
    uint64_t seed;
    uint32_t weak, strong;
    struct augment weakly, strongly;
};

// How far copies go: up to 8 degrees, 8 % and a pixel, or half as far again. pen is how much of
// augment's thicker and thinner pen there is, 0..1.
struct pool pool_of(uint32_t weak, uint32_t strong, float pen, uint64_t seed);

// All copies go reach times as far, the pen aside; 0 leaves shapes as they are. With mirror every
// other one is left for right.
void pool_vary(struct pool *pool, float reach, bool mirror);

uint32_t pool_copies(const struct pool *pool);

// Draws copy 0..pool_copies-1 of image number index, whose pixels are given, into out, 0..1.
void pool_draw(const struct pool *pool, struct augment_bench *bench, uint32_t copy, uint32_t index,
               const uint8_t *pixel, float *out);

#endif
