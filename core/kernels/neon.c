/* SPDX-License-Identifier: MIT */
// The NEON variants, written once: for ARM, and through SIMDe for x86-64, there once more with
// AVX2. Multiply and add stay apart: see kernels.h.
#include "core/kernels/gates.h"
#include "core/kernels/kernels.h"

#if defined(__ARM_NEON) || defined(__x86_64__)

#include "core/kernels/lanes.h"

// ---- One input, rows ----------------------------------------------------------------------------

// The elements that record k of four rows asks for.
INLINE float32x4_t record_inputs(const void *records, enum tnm_record_form form, uint32_t k,
                                 const float *x) {
    if (form == TNM_RECORD16)
        return four_at(x, unpack(((const struct tnm_record16 *)records)[k].offset));
    if (form == TNM_RECORD_CODE)
        return four_at(x, unpack(((const struct tnm_record_code *)records)[k].offset));
    const uint32_t *offset = ((const struct tnm_record32 *)records)[k].offset;
    return four_at(x, (struct four){offset[0], offset[1], offset[2], offset[3]});
}

INLINE float32x4_t record_weights(const void *records, enum tnm_record_form form, uint32_t k,
                                  const float *codebook) {
    if (form == TNM_RECORD16)
        return vld1q_f32(((const struct tnm_record16 *)records)[k].weight);
    if (form == TNM_RECORD32)
        return vld1q_f32(((const struct tnm_record32 *)records)[k].weight);
    const uint8_t *code = ((const struct tnm_record_code *)records)[k].code;
    return four_at(codebook, (struct four){code[0] * sizeof *codebook, code[1] * sizeof *codebook,
                                           code[2] * sizeof *codebook, code[3] * sizeof *codebook});
}

INLINE void gather_all(const struct tnm_rows *w, enum tnm_record_form form, const float *x,
                       float *y, struct tnm_clamp to) {
    float32x4_t low = vdupq_n_f32(to.low), high = vdupq_n_f32(to.high);
    const char *record = w->record;
    for (uint32_t g = 0; g < w->n_groups; g++) {
        const struct tnm_group *group = &w->group[g];
        float32x4_t sum = vld1q_f32(group->bias);
        for (uint32_t k = 0; k < group->n_records; k++)
            sum = vaddq_f32(sum, vmulq_f32(record_weights(record, form, k, w->codebook),
                                           record_inputs(record, form, k, x)));
        record += group->n_records * tnm_record_bytes(form);
        float four[4];
        vst1q_f32(four, clamp4(sum, low, high));
        for (uint32_t i = 0; i < group->n_rows; i++)
            y[group->row[i]] = four[i];
    }
}

static void gather(const struct tnm_rows *w, const float *x, float *y, struct tnm_clamp to) {
    if (w->form == TNM_RECORD16)
        gather_all(w, TNM_RECORD16, x, y, to);
    else if (w->form == TNM_RECORD32)
        gather_all(w, TNM_RECORD32, x, y, to);
    else
        gather_all(w, TNM_RECORD_CODE, x, y, to);
}

// ---- One input, columns -------------------------------------------------------------------------

// The places of the bits that are set, lowest first, and how many there are.
static const uint16_t bit_place[16][4] = {
    {0}, {0},    {1},    {0, 1},    {2},    {0, 2},    {1, 2},    {0, 1, 2},
    {3}, {0, 3}, {1, 3}, {0, 1, 3}, {2, 3}, {0, 2, 3}, {1, 2, 3}, {0, 1, 2, 3}};
static const uint8_t bit_count[16] = {0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4};

// Writes four places whatever their number: no branch depends on x.
static uint32_t find_active(const float *x, uint32_t n, uint16_t *active) {
    uint32_t found = 0, i = 0;
    for (; i + 4 <= n; i += 4) {
        unsigned mask = simd_nonzero4(x + i);
        vst1_u16(active + found, vadd_u16(vld1_u16(bit_place[mask]), vdup_n_u16((uint16_t)i)));
        found += bit_count[mask];
    }
    for (; i < n; i++)
        if (x[i] != 0)
            active[found++] = (uint16_t)i;
    return found;
}

// The four rows of a record are distinct, so that all may be read before one is written.
INLINE void scatter_record(const struct tnm_column_record *record, float32x4_t x, float *sum) {
    struct four at = unpack(record->offset);
    float32x4_t v = vaddq_f32(four_at(sum, at), vmulq_f32(vld1q_f32(record->weight), x));
    put_four(sum, at, v);
}

static void scatter(const struct tnm_columns *w, const float *x, uint32_t n_active,
                    const struct tnm_scatter_room *room, float *y, struct tnm_clamp to) {
    memcpy(room->sum, w->bias, (w->rows + TNM_SCATTER) * sizeof *room->sum);
    for (uint32_t a = 0; a < n_active; a++) {
        uint32_t c = room->active[a];
        float32x4_t value = vdupq_n_f32(x[c]);
        const struct tnm_column_record *end = w->record + w->start[c + 1];
        for (const struct tnm_column_record *at = w->record + w->start[c]; at < end; at++)
            scatter_record(at, value, room->sum);
    }
    clamp_all(room->sum, w->rows, y, to);
}

// ---- One input, dense ---------------------------------------------------------------------------

// Four columns of four rows, turned so that a vector holds one column.
struct square {
    float32x4_t col[4];
};

INLINE struct square load_square(const float *w, size_t pitch) {
    float32x4x2_t even = vzipq_f32(vld1q_f32(w), vld1q_f32(w + 2 * pitch));
    float32x4x2_t odd = vzipq_f32(vld1q_f32(w + pitch), vld1q_f32(w + 3 * pitch));
    float32x4x2_t first = vzipq_f32(even.val[0], odd.val[0]);
    float32x4x2_t last = vzipq_f32(even.val[1], odd.val[1]);
    return (struct square){{first.val[0], first.val[1], last.val[0], last.val[1]}};
}

INLINE float32x4_t load_column(const float *w, size_t pitch) {
    pitch *= sizeof *w;
    return four_at(w, (struct four){0, pitch, 2 * pitch, 3 * pitch});
}

// 4 * quads rows. Blocks of four columns whose inputs are all 0 are not even loaded.
INLINE void dense_rows(const struct tnm_dense *w, uint32_t row, int quads, const float *x,
                       const uint32_t *blocks, uint32_t n_blocks, float *y, struct tnm_clamp to) {
    const float *first = w->w + (size_t)row * w->cols;
    size_t quad = 4 * (size_t)w->cols;
    float32x4_t sum[4], low = vdupq_n_f32(to.low), high = vdupq_n_f32(to.high);
    for (int q = 0; q < quads; q++)
        sum[q] = vld1q_f32(w->bias + row + 4 * q);
    for (uint32_t b = 0; b < n_blocks; b++) {
        float32x4_t in = vld1q_f32(x + blocks[b]);
        for (int q = 0; q < quads; q++) {
            struct square part = load_square(first + (size_t)q * quad + blocks[b], w->cols);
            sum[q] = vaddq_f32(sum[q], vmulq_lane_f32(part.col[0], vget_low_f32(in), 0));
            sum[q] = vaddq_f32(sum[q], vmulq_lane_f32(part.col[1], vget_low_f32(in), 1));
            sum[q] = vaddq_f32(sum[q], vmulq_lane_f32(part.col[2], vget_high_f32(in), 0));
            sum[q] = vaddq_f32(sum[q], vmulq_lane_f32(part.col[3], vget_high_f32(in), 1));
        }
    }
    for (uint32_t c = w->cols / 4 * 4; c < w->cols; c++)
        for (int q = 0; q < quads; q++) {
            float32x4_t col = load_column(first + (size_t)q * quad + c, w->cols);
            sum[q] = vaddq_f32(sum[q], vmulq_f32(col, vld1q_dup_f32(x + c)));
        }
    for (int q = 0; q < quads; q++)
        vst1q_f32(y + row + 4 * q, clamp4(sum[q], low, high));
}

// One row after the other, for matrices of fewer than four.
static float dense_row(const struct tnm_dense *w, uint32_t row, const float *x) {
    const float *at = w->w + (size_t)row * w->cols;
    float sum = w->bias[row];
    for (uint32_t c = 0; c < w->cols; c++)
        sum += at[c] * x[c];
    return sum;
}

static void dense(const struct tnm_dense *w, const float *x, uint32_t *blocks, float *y,
                  struct tnm_clamp to) {
    uint32_t n = 0, row = 0;
    for (uint32_t c = 0; c + 4 <= w->cols; c += 4) {
        blocks[n] = c;
        n += simd_nonzero4(x + c) != 0;
    }
    for (; row + 16 <= w->rows; row += 16)
        dense_rows(w, row, 4, x, blocks, n, y, to);
    for (; row + 8 <= w->rows; row += 8)
        dense_rows(w, row, 2, x, blocks, n, y, to);
    for (; row + 4 <= w->rows; row += 4)
        dense_rows(w, row, 1, x, blocks, n, y, to);
    if (row < w->rows && w->rows >= 4) { // the last four, some of them again
        dense_rows(w, w->rows - 4, 1, x, blocks, n, y, to);
        row = w->rows;
    }
    for (; row < w->rows; row++)
        y[row] = tnm_clamp(dense_row(w, row, x), to);
}

// ---- Many inputs or pixels ----------------------------------------------------------------------

// One row of a group: its records lie step bytes apart, from the row's own offset and weight on.
struct row {
    const char *offset, *weight;
    size_t step, len; // len: of all of them
    enum tnm_record_form form;
    const float *codebook;
    float bias;
};

// With form known when compiling.
INLINE struct row row_of(const struct tnm_rows *w, enum tnm_record_form form,
                         const struct tnm_group *group, const void *record, uint32_t i) {
    struct row row = {.step = tnm_record_bytes(form), .form = form, .codebook = w->codebook};
    row.len = group->n_records * row.step;
    row.bias = group->bias[i];
    if (form == TNM_RECORD32) {
        row.offset = (const char *)&((const struct tnm_record32 *)record)->offset[i];
        row.weight = (const char *)&((const struct tnm_record32 *)record)->weight[i];
    } else if (form == TNM_RECORD16) {
        row.offset = (const char *)&((const struct tnm_record16 *)record)->offset[i];
        row.weight = (const char *)&((const struct tnm_record16 *)record)->weight[i];
    } else {
        row.offset = (const char *)&((const struct tnm_record_code *)record)->offset[i];
        row.weight = (const char *)&((const struct tnm_record_code *)record)->code[i];
    }
    return row;
}

INLINE size_t row_offset(const struct row *row, size_t at) {
    const void *offset = row->offset + at;
    return row->form == TNM_RECORD32 ? *(const uint32_t *)offset : *(const uint16_t *)offset;
}

INLINE float row_weight(const struct row *row, size_t at) {
    const void *weight = row->weight + at;
    return row->form == TNM_RECORD_CODE ? row->codebook[*(const uint8_t *)weight]
                                        : *(const float *)weight;
}

// 4 * vectors columns. With vectors known when compiling, sum stays in registers.
INLINE void row_tile(const struct row *row, const float *x, size_t stride, float *y, int vectors,
                     struct tnm_clamp to) {
    float32x4_t sum[8], low = vdupq_n_f32(to.low), high = vdupq_n_f32(to.high);
    for (int v = 0; v < vectors; v++)
        sum[v] = vdupq_n_f32(row->bias);
    for (size_t at = 0; at < row->len; at += row->step) {
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
    for (size_t at = 0; at < row->len; at += row->step)
        sum += row_weight(row, at) * *at_offset(x, row_offset(row, at) * stride);
    *y = tnm_clamp(sum, to);
}

// Columns from j on in tiles of 4 * vectors, and a last tile that ends with the last column and
// does some again where that is better than smaller tiles; returns what is done.
INLINE size_t row_tiles(const struct row *row, const struct tnm_span *x, float *y, size_t j,
                        int vectors, struct tnm_clamp to) {
    size_t width = 4 * (size_t)vectors, n = x->n;
    for (; j + width <= n; j += width)
        row_tile(row, x->at + j, x->stride, y + j, vectors, to);
    if (n < width || n - j <= (vectors > 1 ? width / 2 : 0))
        return j;
    row_tile(row, x->at + n - width, x->stride, y + n - width, vectors, to);
    return n;
}

INLINE void row_many(struct row row, const struct tnm_span *x, float *y, struct tnm_clamp to) {
    size_t j = row_tiles(&row, x, y, 0, 8, to);
    j = row_tiles(&row, x, y, j, 4, to);
    j = row_tiles(&row, x, y, j, 2, to);
    j = row_tiles(&row, x, y, j, 1, to);
    for (; j < x->n; j++)
        row_single(&row, x->at + j, x->stride, y + j, to);
}

static void rows_many(const struct tnm_rows *w, const struct tnm_group *group, const void *record,
                      const struct tnm_span *x, float *const y[4], struct tnm_clamp to) {
    for (uint32_t i = 0; i < group->n_rows; i++)
        if (w->form == TNM_RECORD16)
            row_many(row_of(w, TNM_RECORD16, group, record, i), x, y[i], to);
        else if (w->form == TNM_RECORD32)
            row_many(row_of(w, TNM_RECORD32, group, record, i), x, y[i], to);
        else
            row_many(row_of(w, TNM_RECORD_CODE, group, record, i), x, y[i], to);
}

// ---- Many inputs, dense -------------------------------------------------------------------------

// Some rows by 4 * vectors lanes: one load of x serves all rows.
INLINE void dense_tile(const struct tnm_dense *w, uint32_t row, int rows, const float *x,
                       size_t lanes, int vectors, float *y, struct tnm_clamp to) {
    const float *at = w->w + (size_t)row * w->cols;
    float32x4_t sum[4][2], low = vdupq_n_f32(to.low), high = vdupq_n_f32(to.high);
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < vectors; v++)
            sum[r][v] = vdupq_n_f32(w->bias[row + (uint32_t)r]);
    for (uint32_t c = 0; c < w->cols; c++)
        for (int r = 0; r < rows; r++) {
            float32x4_t weight = vdupq_n_f32(at[(size_t)r * w->cols + c]);
            for (int v = 0; v < vectors; v++)
                sum[r][v] =
                    vaddq_f32(sum[r][v], vmulq_f32(weight, vld1q_f32(x + c * lanes + 4 * v)));
        }
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < vectors; v++)
            vst1q_f32(y + (row + (size_t)r) * lanes + 4 * v, clamp4(sum[r][v], low, high));
}

INLINE void dense_lanes(const struct tnm_dense *w, const float *x, size_t lanes, int vectors,
                        float *y, struct tnm_clamp to) {
    uint32_t row = 0;
    for (; row + 4 <= w->rows; row += 4)
        dense_tile(w, row, 4, x, lanes, vectors, y, to);
    for (; row < w->rows; row++)
        dense_tile(w, row, 1, x, lanes, vectors, y, to);
}

static void dense_many(const struct tnm_dense *w, const float *x, size_t lanes, float *y,
                       struct tnm_clamp to) {
    if (lanes == 4)
        dense_lanes(w, x, lanes, 1, y, to);
    for (size_t l = 0; l + 8 <= lanes; l += 8)
        dense_lanes(w, x + l, lanes, 2, y + l, to);
}

// The same loop as the reference's, in this file's vectors.
static void lstm(const float *row, const float *memory, size_t n, float *cell, float *out) {
    gates_lstm(row, memory, n, cell, out);
}

#if defined(TNM_AVX2)
void tnm_kernels_neon_avx2(struct tnm_kernels *table) {
#else
void tnm_kernels_neon(struct tnm_kernels *table) {
#endif
    table->name = TNM_SIMD_NAME;
    table->gather = gather;
    table->find_active = find_active;
    table->scatter = scatter;
    table->dense = dense;
    table->rows_many = rows_many;
    table->dense_many = dense_many;
    table->lstm = lstm;
#if defined(TNM_AVX2)
    tnm_kernels_blocks_avx2(table);
#else
    tnm_kernels_blocks(table);
#endif
}

#endif
