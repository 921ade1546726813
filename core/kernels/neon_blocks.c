/* SPDX-License-Identifier: MIT */
// The NEON variants for weights in blocks of four; like neon.c compiled twice on x86-64.
#include "core/kernels/kernels.h"

#if defined(__ARM_NEON) || defined(__x86_64__)

#include "core/kernels/lanes.h"

// ---- Tall ---------------------------------------------------------------------------------------

// The rows of a group lie side by side in y.
INLINE void put_group(float32x4_t sum, uint32_t row, uint32_t rows, float *y) {
    float four[4];
    if (row + 4 <= rows) {
        vst1q_f32(y + row, sum);
        return;
    }
    vst1q_f32(four, sum);
    for (uint32_t i = 0; row + i < rows; i++)
        y[row + i] = four[i];
}

INLINE float32x4_t add_tall(float32x4_t sum, const float *weight, const float *x, size_t at) {
    return vaddq_f32(sum, vmulq_f32(vld1q_f32(weight), vld1q_dup_f32(at_offset(x, at))));
}

static void gather_tall(const struct tnm_blocks *w, const float *x, float *y, struct tnm_clamp to) {
    float32x4_t low = vdupq_n_f32(to.low), high = vdupq_n_f32(to.high);
    const uint16_t *offset = w->offset;
    const float *weight = w->weight;
    for (uint32_t s = 0; s < w->n_strips; s++) {
        const struct tnm_strip *strip = &w->strip[s];
        float32x4_t sum[4];
        for (int g = 0; g < 4; g++)
            sum[g] = vld1q_f32(strip->bias + 4 * g);
        for (uint32_t k = 0; k < strip->n_steps; k++, offset += 4, weight += 16) {
            struct four at = unpack(offset);
            sum[0] = add_tall(sum[0], weight, x, at.a);
            sum[1] = add_tall(sum[1], weight + 4, x, at.b);
            sum[2] = add_tall(sum[2], weight + 8, x, at.c);
            sum[3] = add_tall(sum[3], weight + 12, x, at.d);
        }
        for (uint32_t g = 0; g < strip->n; g++)
            put_group(clamp4(sum[g], low, high), strip->row[g], w->rows, y);
    }
}

// ---- Wide ---------------------------------------------------------------------------------------

// A block of each of four rows: their inputs are turned so that a vector holds one column.
INLINE float32x4_t add_wide(float32x4_t sum, const float *weight, const float *x, struct four at) {
    float32x4x2_t even = vzipq_f32(vld1q_f32(at_offset(x, at.a)), vld1q_f32(at_offset(x, at.c)));
    float32x4x2_t odd = vzipq_f32(vld1q_f32(at_offset(x, at.b)), vld1q_f32(at_offset(x, at.d)));
    float32x4x2_t first = vzipq_f32(even.val[0], odd.val[0]);
    float32x4x2_t last = vzipq_f32(even.val[1], odd.val[1]);
    sum = vaddq_f32(sum, vmulq_f32(vld1q_f32(weight), first.val[0]));
    sum = vaddq_f32(sum, vmulq_f32(vld1q_f32(weight + 4), first.val[1]));
    sum = vaddq_f32(sum, vmulq_f32(vld1q_f32(weight + 8), last.val[0]));
    return vaddq_f32(sum, vmulq_f32(vld1q_f32(weight + 12), last.val[1]));
}

static void gather_wide(const struct tnm_blocks *w, const float *x, float *y, struct tnm_clamp to) {
    float32x4_t low = vdupq_n_f32(to.low), high = vdupq_n_f32(to.high);
    const uint16_t *offset = w->offset;
    const float *weight = w->weight;
    for (uint32_t s = 0; s < w->n_strips; s++) {
        const struct tnm_strip *strip = &w->strip[s];
        float32x4_t one = vld1q_f32(strip->bias), two = vld1q_f32(strip->bias + 4);
        for (uint32_t k = 0; k < strip->n_steps; k++, offset += 8, weight += 32) {
            one = add_wide(one, weight, x, unpack(offset));
            two = add_wide(two, weight + 16, x, unpack(offset + 4));
        }
        float eight[8];
        vst1q_f32(eight, clamp4(one, low, high));
        vst1q_f32(eight + 4, clamp4(two, low, high));
        for (uint32_t i = 0; i < strip->n; i++)
            y[strip->row[i]] = eight[i];
    }
}

// ---- Wide, columns ------------------------------------------------------------------------------

static uint32_t find_active_blocks(const float *x, uint32_t cols, uint16_t *active) {
    uint32_t found = 0;
    for (uint32_t b = 0; b < tnm_block_columns_of(cols); b++) {
        active[found] = (uint16_t)b;
        found += simd_nonzero4(x + tnm_block_column_at(b, cols)) != 0;
    }
    return found;
}

// The four rows of a record are distinct.
INLINE void scatter_record(const float *weight, struct four at, const float32x4_t x[4],
                           float *sum) {
    float32x4_t v = four_at(sum, at);
    for (int c = 0; c < 4; c++)
        v = vaddq_f32(v, vmulq_f32(vld1q_f32(weight + 4 * c), x[c]));
    put_four(sum, at, v);
}

static void scatter_wide(const struct tnm_block_columns *w, const float *x, uint32_t n_active,
                         const struct tnm_scatter_room *room, float *y, struct tnm_clamp to) {
    memcpy(room->sum, w->bias, (w->rows + TNM_SCATTER) * sizeof *room->sum);
    for (uint32_t a = 0; a < n_active; a++) {
        uint32_t b = room->active[a];
        const float *at = x + tnm_block_column_at(b, w->cols);
        float32x4_t in[4] = {vld1q_dup_f32(at), vld1q_dup_f32(at + 1), vld1q_dup_f32(at + 2),
                             vld1q_dup_f32(at + 3)};
        for (size_t k = w->start[b]; k < w->start[b + 1]; k++)
            scatter_record(w->weight + 16 * k, unpack(w->offset + 4 * k), in, room->sum);
    }
    clamp_all(room->sum, w->rows, y, to);
}

#if defined(TNM_AVX2)
void tnm_kernels_blocks_avx2(struct tnm_kernels *table) {
#else
void tnm_kernels_blocks(struct tnm_kernels *table) {
#endif
    table->gather_tall = gather_tall;
    table->gather_wide = gather_wide;
    table->find_active_blocks = find_active_blocks;
    table->scatter_wide = scatter_wide;
}

#endif
