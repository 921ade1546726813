/* SPDX-License-Identifier: MIT */
// A fixed pool of variations of each training image.
#include "models/pool.h"

#include "core/prepare.h"

struct pool pool_of(uint32_t weak, uint32_t strong, float pen, uint64_t seed) {
    const float thicker = 0.8f * pen, thinner = 0.5f * pen;
    return (struct pool){.seed = seed,
                         .weak = weak,
                         .strong = strong,
                         .weakly = {8, 0.08f, 0.08f, 1, 0.65f, thicker, thinner},
                         .strongly = {12, 0.12f, 0.12f, 1.5f, 1.06f, thicker, thinner}};
}

static void vary(struct augment *how, float reach, bool mirror) {
    how->rotate *= reach;
    how->scale *= reach;
    how->shear *= reach;
    how->shift *= reach;
    how->elastic *= reach;
    how->mirror = mirror;
}

void pool_vary(struct pool *pool, float reach, bool mirror) {
    vary(&pool->weakly, reach, mirror);
    vary(&pool->strongly, reach, mirror);
}

uint32_t pool_copies(const struct pool *pool) {
    return 1 + pool->weak + pool->strong;
}

void pool_draw(const struct pool *pool, struct augment_bench *bench, uint32_t copy, uint32_t index,
               const uint8_t *pixel, float *out) {
    if (copy == 0) {
        tnm_prepare_scale(pixel, (size_t)bench->width * bench->height * bench->channels, out);
        return;
    }
    struct rng rng;
    rng_seed(&rng, pool->seed, (uint64_t)copy << 32 | index);
    augment_run(copy <= pool->weak ? &pool->weakly : &pool->strongly, bench, &rng, pixel, out);
}
