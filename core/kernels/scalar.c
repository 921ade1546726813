/* SPDX-License-Identifier: MIT */
// The reference: what every variant computes, written to be read.
#include "core/kernels/gates.h"
#include "core/kernels/kernels.h"

// The element of x and the weight of entry k of row i in a group whose records start at record.
static uint32_t record_element(const struct tnm_rows *w, const void *record, uint32_t k,
                               uint32_t i) {
    switch (w->form) {
    case TNM_RECORD16:
        return ((const struct tnm_record16 *)record)[k].offset[i] / 4;
    case TNM_RECORD32:
        return ((const struct tnm_record32 *)record)[k].offset[i] / 4;
    default:
        return ((const struct tnm_record_code *)record)[k].offset[i] / 4;
    }
}

static float record_weight(const struct tnm_rows *w, const void *record, uint32_t k, uint32_t i) {
    switch (w->form) {
    case TNM_RECORD16:
        return ((const struct tnm_record16 *)record)[k].weight[i];
    case TNM_RECORD32:
        return ((const struct tnm_record32 *)record)[k].weight[i];
    default:
        return w->codebook[((const struct tnm_record_code *)record)[k].code[i]];
    }
}

static void rows_many(const struct tnm_rows *w, const struct tnm_group *group, const void *record,
                      const struct tnm_span *x, float *const y[4], struct tnm_clamp to) {
    for (uint32_t i = 0; i < group->n_rows; i++)
        for (size_t j = 0; j < x->n; j++) {
            float sum = group->bias[i];
            for (uint32_t k = 0; k < group->n_records; k++)
                sum += record_weight(w, record, k, i) *
                       x->at[record_element(w, record, k, i) * x->stride + j];
            y[i][j] = tnm_clamp(sum, to);
        }
}

static void gather(const struct tnm_rows *w, const float *x, float *y, struct tnm_clamp to) {
    const char *record = w->record;
    struct tnm_span column = {x, 1, 1};
    for (uint32_t g = 0; g < w->n_groups; g++) {
        const struct tnm_group *group = &w->group[g];
        float *row[4] = {NULL};
        for (uint32_t i = 0; i < group->n_rows; i++)
            row[i] = &y[group->row[i]];
        rows_many(w, group, record, &column, row, to);
        record += group->n_records * tnm_record_bytes(w->form);
    }
}

static uint32_t find_active(const float *x, uint32_t n, uint16_t *active) {
    uint32_t found = 0;
    for (uint32_t i = 0; i < n; i++)
        if (x[i] != 0)
            active[found++] = (uint16_t)i;
    return found;
}

static void scatter(const struct tnm_columns *w, const float *x, uint32_t n_active,
                    const struct tnm_scatter_room *room, float *y, struct tnm_clamp to) {
    for (uint32_t r = 0; r < w->rows + TNM_SCATTER; r++)
        room->sum[r] = w->bias[r];
    for (uint32_t a = 0; a < n_active; a++) {
        uint32_t c = room->active[a];
        for (uint32_t k = w->start[c]; k < w->start[c + 1]; k++)
            for (uint32_t i = 0; i < TNM_SCATTER; i++)
                room->sum[w->record[k].offset[i] / 4] += w->record[k].weight[i] * x[c];
    }
    for (uint32_t r = 0; r < w->rows; r++)
        y[r] = tnm_clamp(room->sum[r], to);
}

// ---- Blocks
// --------------------------------------------------------------------------------------

static void gather_tall(const struct tnm_blocks *w, const float *x, float *y, struct tnm_clamp to) {
    uint64_t step = 0;
    for (uint32_t s = 0; s < w->n_strips; s++) {
        const struct tnm_strip *strip = &w->strip[s];
        for (uint32_t i = 0; i < 4 * strip->n; i++) {
            float sum = strip->bias[i];
            for (uint64_t k = step; k < step + strip->n_steps; k++)
                sum += w->weight[16 * k + i] * x[w->offset[4 * k + i / 4] / 4];
            uint32_t row = strip->row[i / 4] + i % 4;
            if (row < w->rows)
                y[row] = tnm_clamp(sum, to);
        }
        step += strip->n_steps;
    }
}

static void gather_wide(const struct tnm_blocks *w, const float *x, float *y, struct tnm_clamp to) {
    uint64_t step = 0;
    for (uint32_t s = 0; s < w->n_strips; s++) {
        const struct tnm_strip *strip = &w->strip[s];
        for (uint32_t i = 0; i < strip->n; i++) {
            float sum = strip->bias[i];
            for (uint64_t k = step; k < step + strip->n_steps; k++)
                for (uint32_t c = 0; c < 4; c++)
                    sum += w->weight[32 * k + i / 4 * 16 + 4 * c + i % 4] *
                           x[w->offset[8 * k + i] / 4 + c];
            y[strip->row[i]] = tnm_clamp(sum, to);
        }
        step += strip->n_steps;
    }
}

static uint32_t find_active_blocks(const float *x, uint32_t cols, uint16_t *active) {
    uint32_t found = 0;
    for (uint32_t b = 0; b < tnm_block_columns_of(cols); b++) {
        const float *at = x + tnm_block_column_at(b, cols);
        if (at[0] != 0 || at[1] != 0 || at[2] != 0 || at[3] != 0)
            active[found++] = (uint16_t)b;
    }
    return found;
}

static void scatter_wide(const struct tnm_block_columns *w, const float *x, uint32_t n_active,
                         const struct tnm_scatter_room *room, float *y, struct tnm_clamp to) {
    for (uint32_t r = 0; r < w->rows + TNM_SCATTER; r++)
        room->sum[r] = w->bias[r];
    for (uint32_t a = 0; a < n_active; a++) {
        uint32_t b = room->active[a];
        const float *at = x + tnm_block_column_at(b, w->cols);
        for (size_t k = w->start[b]; k < w->start[b + 1]; k++)
            for (uint32_t c = 0; c < 4; c++)
                for (uint32_t i = 0; i < 4; i++)
                    room->sum[w->offset[4 * k + i] / 4] += w->weight[16 * k + 4 * c + i] * at[c];
    }
    for (uint32_t r = 0; r < w->rows; r++)
        y[r] = tnm_clamp(room->sum[r], to);
}

// ---- Dense, lstm, table
// --------------------------------------------------------------------------

static void dense(const struct tnm_dense *w, const float *x, uint32_t *blocks, float *y,
                  struct tnm_clamp to) {
    (void)blocks;
    for (uint32_t r = 0; r < w->rows; r++) {
        const float *row = w->w + (size_t)r * w->cols;
        float sum = w->bias[r];
        for (uint32_t c = 0; c < w->cols; c++)
            sum += row[c] * x[c];
        y[r] = tnm_clamp(sum, to);
    }
}

static void dense_many(const struct tnm_dense *w, const float *x, size_t lanes, float *y,
                       struct tnm_clamp to) {
    for (uint32_t r = 0; r < w->rows; r++)
        for (size_t l = 0; l < lanes; l++) {
            const float *row = w->w + (size_t)r * w->cols;
            float sum = w->bias[r];
            for (uint32_t c = 0; c < w->cols; c++)
                sum += row[c] * x[c * lanes + l];
            y[r * lanes + l] = tnm_clamp(sum, to);
        }
}

static void lstm(const float *row, const float *memory, size_t n, float *cell, float *out) {
    gates_lstm(row, memory, n, cell, out);
}

void tnm_kernels_scalar(struct tnm_kernels *table) {
    *table = (struct tnm_kernels){.name = "scalar",
                                  .gather = gather,
                                  .find_active = find_active,
                                  .scatter = scatter,
                                  .gather_tall = gather_tall,
                                  .gather_wide = gather_wide,
                                  .find_active_blocks = find_active_blocks,
                                  .scatter_wide = scatter_wide,
                                  .dense = dense,
                                  .rows_many = rows_many,
                                  .dense_many = dense_many,
                                  .lstm = lstm};
}
