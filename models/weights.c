/* SPDX-License-Identifier: MIT */
// Weights one by one, and how often each value occurs.
#include "models/weights.h"

#include <math.h>
#include <stdlib.h>

static float dense_weight(const struct tnm_matrix *m, size_t i) {
    return m->dense32 != NULL ? m->dense32[i] : tnm_half_to_float(m->dense16[i]);
}

void weights_each(const struct tnm_matrix *m,
                  void (*see)(void *context, uint32_t row, uint32_t col, float w), void *context) {
    for (uint32_t r = 0; r < m->rows; r++) {
        if (m->encoding == TNM_DENSE) {
            for (uint32_t c = 0; c < m->cols; c++) {
                float w = dense_weight(m, (size_t)r * m->cols + c);
                if (w != 0)
                    see(context, r, c, w);
            }
            continue;
        }
        for (size_t k = m->row_start[r]; k < m->row_start[r + 1]; k++)
            see(context, r, tnm_matrix_col(m, k), tnm_matrix_value(m, k));
    }
}

// ---- Values ------------------------------------------------------------------------------------

enum { PLAIN_BINS = 60 };

struct range {
    float low, high;
    struct weights_values *values;
};

static void see_range(void *context, uint32_t row, uint32_t col, float w) {
    struct range *range = context;
    (void)row, (void)col;
    range->low = fminf(range->low, w);
    range->high = fmaxf(range->high, w);
}

static void see_bin(void *context, uint32_t row, uint32_t col, float w) {
    struct range *range = context;
    uint32_t n = range->values->n;
    double low = range->low, width = range->high - low; // beyond what a float holds
    uint32_t bin = width > 0 ? (uint32_t)((w - low) / width * n) : 0;
    (void)row, (void)col;
    range->values->count[bin < n ? bin : n - 1]++;
}

static void count_bins(const struct tnm_matrix *m, struct weights_values *v) {
    struct range range = {INFINITY, -INFINITY, v};
    weights_each(m, see_range, &range);
    if (!(range.low <= range.high))
        return;
    v->n = range.high > range.low ? PLAIN_BINS : 1;
    for (uint32_t i = 0; i < v->n; i++)
        v->value[i] = (float)(range.low + ((double)range.high - range.low) * (i + 0.5) / v->n);
    weights_each(m, see_bin, &range);
}

struct counted {
    float value;
    uint64_t count;
};

static int by_value(const void *a, const void *b) {
    float x = ((const struct counted *)a)->value, y = ((const struct counted *)b)->value;
    return (x > y) - (x < y);
}

void weights_count(const struct tnm_matrix *m, struct weights_values *v) {
    struct counted each[WEIGHTS_BINS];
    *v = (struct weights_values){.shared = m->encoding == TNM_CSR_CODEBOOK};
    if (!v->shared) {
        count_bins(m, v);
        return;
    }
    v->n = m->nonzeros > 0 ? m->n_centroids : 0;
    for (uint32_t c = 0; c < v->n; c++)
        each[c] = (struct counted){m->codebook[c], 0};
    for (size_t k = 0; k < m->nonzeros; k++)
        each[tnm_matrix_code(m, k)].count++;
    qsort(each, v->n, sizeof *each, by_value);
    for (uint32_t c = 0; c < v->n; c++) {
        v->value[c] = each[c].value;
        v->count[c] = each[c].count;
    }
}
