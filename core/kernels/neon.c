/* SPDX-License-Identifier: MIT */
// The NEON variants, written once: for ARM, and through SIMDe for x86-64, there once more with
// AVX2. Multiply and add stay apart: see kernels.h.
#include "core/kernels/kernels.h"

#if defined(__ARM_NEON) || defined(__x86_64__)

#include "core/kernels/simd.h"

#define INLINE static inline __attribute__((always_inline))

INLINE float32x4_t clamp4(float32x4_t v, float32x4_t low, float32x4_t high) {
    v = vbslq_f32(vcgtq_f32(v, low), v, low);
    return vbslq_f32(vcltq_f32(v, high), v, high);
}

INLINE const float *at_offset(const float *x, size_t bytes) {
    return (const float *)(const void *)((const char *)x + bytes);
}

// ---- Many inputs or pixels
// -----------------------------------------------------------------------

// One row of a group: its records lie step bytes apart, from the row's own offset and weight on.
struct row {
    const char *offset, *weight;
    size_t step;
    uint32_t n;
    bool wide;
    float bias;
};

INLINE struct row row_of(const struct tnm_group *group, const void *record, bool wide, uint32_t i) {
    struct row row = {.step = tnm_record_bytes(wide), .n = group->n_records, .wide = wide};
    row.bias = group->bias[i];
    if (wide) {
        const struct tnm_record32 *first = record;
        row.offset = (const char *)&first->offset[i];
        row.weight = (const char *)&first->weight[i];
    } else {
        const struct tnm_record16 *first = record;
        row.offset = (const char *)&first->offset[i];
        row.weight = (const char *)&first->weight[i];
    }
    return row;
}

INLINE size_t row_offset(const struct row *row, size_t at) {
    const void *offset = row->offset + at;
    return row->wide ? *(const uint32_t *)offset : *(const uint16_t *)offset;
}

INLINE float row_weight(const struct row *row, size_t at) {
    return *(const float *)(const void *)(row->weight + at);
}

// 4 * vectors columns. With vectors known when compiling, sum stays in registers.
INLINE void row_tile(const struct row *row, const float *x, size_t stride, float *y, int vectors,
                     struct tnm_clamp to) {
    float32x4_t sum[8], low = vdupq_n_f32(to.low), high = vdupq_n_f32(to.high);
    for (int v = 0; v < vectors; v++)
        sum[v] = vdupq_n_f32(row->bias);
    for (size_t at = 0, end = row->n * row->step; at < end; at += row->step) {
        const float *from = at_offset(x, row_offset(row, at) * stride);
        float32x4_t weight = vdupq_n_f32(row_weight(row, at));
        for (int v = 0; v < vectors; v++)
            sum[v] = vaddq_f32(sum[v], vmulq_f32(weight, vld1q_f32(from + 4 * v)));
    }
    for (int v = 0; v < vectors; v++)
        vst1q_f32(y + 4 * v, clamp4(sum[v], low, high));
}

INLINE void row_single(const struct row *row, const float *x, size_t stride, float *y,
                       struct tnm_clamp to) {
    float sum = row->bias;
    for (size_t at = 0, end = row->n * row->step; at < end; at += row->step)
        sum += row_weight(row, at) * *at_offset(x, row_offset(row, at) * stride);
    *y = tnm_clamp(sum, to);
}

INLINE void row_many(struct row row, const float *x, size_t stride, size_t n, float *y,
                     struct tnm_clamp to) {
    size_t j = 0;
    for (; j + 32 <= n; j += 32)
        row_tile(&row, x + j, stride, y + j, 8, to);
    for (; j + 16 <= n; j += 16)
        row_tile(&row, x + j, stride, y + j, 4, to);
    for (; j + 8 <= n; j += 8)
        row_tile(&row, x + j, stride, y + j, 2, to);
    for (; j + 4 <= n; j += 4)
        row_tile(&row, x + j, stride, y + j, 1, to);
    for (; j < n; j++)
        row_single(&row, x + j, stride, y + j, to);
}

static void rows_many(const struct tnm_group *group, const void *record, bool wide, const float *x,
                      size_t stride, size_t n, float *const y[4], struct tnm_clamp to) {
    for (uint32_t i = 0; i < group->n_rows; i++)
        if (wide)
            row_many(row_of(group, record, true, i), x, stride, n, y[i], to);
        else
            row_many(row_of(group, record, false, i), x, stride, n, y[i], to);
}

#if defined(TNM_AVX2)
void tnm_kernels_neon_avx2(struct tnm_kernels *table) {
#else
void tnm_kernels_neon(struct tnm_kernels *table) {
#endif
    table->name = TNM_SIMD_NAME;
    table->rows_many = rows_many;
}

#endif
