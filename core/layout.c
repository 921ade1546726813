/* SPDX-License-Identifier: MIT */
// Building the layouts that kernels read.
#include "core/layout.h"

#include "core/blocks.h"
#include "core/error.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    ALIGNMENT = 64,
    CACHED_LAYER = 2 << 20, // bytes of records: the last-level cache of a Pi 5; a Pi 4 has half
};

// ---- Entries of a row ---------------------------------------------------------------------------

// The weights of one row that are not 0, columns ascending.
struct entries {
    uint32_t n;
    uint32_t *col; // (most entries of a row)
    float *value;
    size_t *entry; // csr*: its number in the matrix
};

static void add_entry(struct entries *e, uint32_t col, float value, size_t entry) {
    e->entry[e->n] = entry;
    e->col[e->n] = col;
    e->value[e->n] = value;
    e->n += value != 0;
}

static void read_row(const struct tnm_matrix *m, uint32_t row, struct entries *e) {
    e->n = 0;
    if (m->encoding == TNM_DENSE)
        for (uint32_t c = 0; c < m->cols; c++)
            add_entry(e, c, tnm_matrix_value(m, (size_t)row * m->cols + c), 0);
    else
        for (size_t k = m->row_start[row]; k < m->row_start[row + 1]; k++)
            add_entry(e, tnm_matrix_col(m, k), tnm_matrix_value(m, k), k);
}

static uint32_t stored_in_row(const struct tnm_matrix *m, uint32_t row) {
    return m->encoding == TNM_DENSE ? m->cols : m->row_start[row + 1] - m->row_start[row];
}

static uint32_t longest_row(const struct tnm_matrix *m) {
    uint32_t longest = 0;
    for (uint32_t r = 0; r < m->rows; r++)
        longest = stored_in_row(m, r) > longest ? stored_in_row(m, r) : longest;
    return longest;
}

// Room for any row of m, and one entry more.
static bool entries_init(struct entries *e, const struct tnm_matrix *m) {
    size_t n = (size_t)longest_row(m) + 1;
    e->col = malloc(n * sizeof *e->col);
    e->value = malloc(n * sizeof *e->value);
    e->entry = malloc(n * sizeof *e->entry);
    return e->col != NULL && e->value != NULL && e->entry != NULL;
}

static void entries_free(struct entries *e) {
    free(e->col);
    free(e->value);
    free(e->entry);
}

// ---- Choosing -----------------------------------------------------------------------------------

static bool is_dense(const struct tnm_use *use) {
    const struct tnm_matrix *m = use->matrix;
    return !use->convolution && m->nonzeros * 20 > (uint64_t)m->rows * m->cols * 7;
}

static bool has_columns(const struct tnm_use *use) {
    const struct tnm_matrix *m = use->matrix;
    return !use->convolution && use->reads_input && !is_dense(use) &&
           m->rows <= TNM_SCATTER_MAX_ROWS && m->cols <= TNM_SCATTER_MAX_COLS;
}

static uint64_t columns_bound(const struct tnm_matrix *m) {
    return (m->nonzeros / TNM_SCATTER + m->cols) * sizeof(struct tnm_column_record) +
           sizeof(uint32_t) * ((uint64_t)m->cols + 1);
}

// Of four places of strips three hold a weight, and of 20 of block columns 9; four share an offset.
static uint64_t blocks_bound(const struct tnm_use *use) {
    const struct tnm_matrix *m = use->matrix;
    uint64_t four = 4 * sizeof(float) + sizeof(uint16_t);
    uint64_t bytes = (m->nonzeros + m->nonzeros / 3) / 4 * four +
                     (m->rows / TNM_WIDE_ROWS + 1) * sizeof(struct tnm_strip);
    if (has_columns(use))
        bytes += m->nonzeros * 20 / 9 / 4 * four +
                 sizeof(uint32_t) * ((uint64_t)tnm_block_columns_of(m->cols) + 1);
    return bytes;
}

static uint64_t larger(uint64_t a, uint64_t b) {
    return a > b ? a : b;
}

uint64_t tnm_layout_bound(const struct tnm_use *use) {
    const struct tnm_matrix *m = use->matrix;
    uint64_t all = (uint64_t)m->rows * m->cols, bytes = sizeof(float) * (uint64_t)m->rows;
    if (is_dense(use))
        return bytes + (m->dense32 != NULL ? 0 : all * sizeof(float)) + 2 * ALIGNMENT;
    // A group is as long as its longest row, which is no longer than any row of the group before.
    uint64_t records = m->nonzeros / 4 + m->cols + 1, groups = m->rows / 4 + 1;
    bytes += sizeof(float[256]) + records * sizeof(struct tnm_record32) +
             groups * sizeof(struct tnm_group);
    if (!use->convolution)
        bytes += larger(has_columns(use) ? columns_bound(m) : 0, blocks_bound(use));
    return bytes + 12 * ALIGNMENT;
}

// ---- Taking memory ------------------------------------------------------------------------------

static void *take(struct tnm_layout *layout, uint64_t bytes) {
    size_t i = 0;
    if (bytes > SIZE_MAX / 2)
        return NULL;
    while (i < sizeof layout->owned / sizeof *layout->owned && layout->owned[i] != NULL)
        i++;
    assert(i < sizeof layout->owned / sizeof *layout->owned);
    size_t rounded = (size_t)(bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    rounded += rounded == 0 ? ALIGNMENT : 0;
    layout->owned[i] = aligned_alloc(ALIGNMENT, rounded);
    if (layout->owned[i] != NULL)
        layout->bytes += rounded;
    return layout->owned[i];
}

// The bias of row r, never -0.
static float bias_of(const struct tnm_matrix *m, uint32_t r) {
    return m->bias != NULL ? m->bias[r] + 0.0F : 0.0F;
}

static float *make_bias(struct tnm_layout *layout, const struct tnm_matrix *m) {
    float *bias = take(layout, sizeof *bias * ((uint64_t)m->rows + TNM_SCATTER));
    for (uint32_t r = 0; bias != NULL && r < m->rows + TNM_SCATTER; r++)
        bias[r] = r < m->rows ? bias_of(m, r) : 0;
    return bias;
}

// ---- Dense --------------------------------------------------------------------------------------

static bool make_dense(struct tnm_layout *layout, const struct tnm_matrix *m) {
    layout->kernel = "dense";
    layout->dense = (struct tnm_dense){.rows = m->rows, .cols = m->cols, .w = m->dense32};
    layout->dense.bias = make_bias(layout, m);
    if (layout->dense.w == NULL) {
        float *w = take(layout, sizeof *w * (uint64_t)m->rows * m->cols);
        if (w != NULL)
            tnm_matrix_to_dense(m, w);
        layout->dense.w = w;
    }
    return layout->dense.w != NULL && layout->dense.bias != NULL;
}

// ---- Rows ---------------------------------------------------------------------------------------

struct row_length {
    uint32_t row, n;
};

static int longest_first(const void *a, const void *b) {
    const struct row_length *one = a, *two = b;
    if (one->n != two->n)
        return one->n > two->n ? -1 : 1;
    return one->row < two->row ? -1 : 1;
}

// The groups in order, and the number of their records in all.
static uint64_t make_groups(struct tnm_group *group, const struct row_length *sorted,
                            const struct tnm_matrix *m) {
    uint64_t records = 0;
    for (uint32_t r = 0; r < m->rows; r++) {
        struct tnm_group *g = &group[r / 4];
        if (r % 4 == 0) {
            *g = (struct tnm_group){.n_records = sorted[r].n};
            records += g->n_records;
        }
        g->row[g->n_rows] = sorted[r].row;
        g->bias[g->n_rows++] = bias_of(m, sorted[r].row);
    }
    return records;
}

static uint32_t element_of(const struct tnm_use *use, uint32_t row, uint32_t col) {
    return use->element != NULL ? use->element(use->context, row, col) : col;
}

static void put_record(const struct tnm_rows *rows, uint64_t k, uint32_t lane, uint32_t element,
                       float value, uint32_t code) {
    uint32_t offset = element * (uint32_t)sizeof(float);
    void *records = (void *)rows->record; // ours to fill
    if (rows->form == TNM_RECORD16) {
        struct tnm_record16 *record = (struct tnm_record16 *)records + k;
        record->offset[lane] = (uint16_t)offset;
        record->weight[lane] = value;
    } else if (rows->form == TNM_RECORD32) {
        struct tnm_record32 *record = (struct tnm_record32 *)records + k;
        record->offset[lane] = offset;
        record->weight[lane] = value;
    } else {
        struct tnm_record_code *record = (struct tnm_record_code *)records + k;
        record->offset[lane] = (uint16_t)offset;
        record->code[lane] = (uint8_t)code;
    }
}

// Rows of a group that have run out, and rows that are missing, get element 0 times 0.
static void fill_records(const struct tnm_rows *rows, const struct tnm_use *use,
                         struct entries *e) {
    const struct tnm_matrix *m = use->matrix;
    uint64_t first = 0;
    for (uint32_t g = 0; g < rows->n_groups; g++) {
        const struct tnm_group *group = &rows->group[g];
        for (uint32_t i = 0; i < 4; i++) {
            e->n = 0;
            if (i < group->n_rows)
                read_row(m, group->row[i], e);
            for (uint32_t k = 0; k < e->n; k++)
                put_record(rows, first + k, i, element_of(use, group->row[i], e->col[k]),
                           e->value[k],
                           rows->codebook != NULL ? tnm_matrix_code(m, e->entry[k]) : 0);
            for (uint32_t k = e->n; k < group->n_records; k++)
                put_record(rows, first + k, i, 0, 0, m->n_centroids);
        }
        first += group->n_records;
    }
}

// One code must be left for 0.
static enum tnm_record_form choose_form(const struct tnm_matrix *m, bool wide) {
    if (wide)
        return TNM_RECORD32;
    bool codes = m->encoding == TNM_CSR_CODEBOOK && m->n_centroids < 256;
    bool large = m->nonzeros / 4 * sizeof(struct tnm_record16) > CACHED_LAYER;
    return codes && large ? TNM_RECORD_CODE : TNM_RECORD16;
}

static bool make_codebook(struct tnm_layout *layout, const struct tnm_matrix *m) {
    float *codebook = take(layout, sizeof(float[256]));
    for (uint32_t i = 0; codebook != NULL && i < 256; i++)
        codebook[i] = i < m->n_centroids ? m->codebook[i] : 0;
    layout->rows.codebook = codebook;
    return codebook != NULL;
}

// Lengths of all rows, longest first; whether some element is beyond 16 bits of byte offset.
static bool measure_rows(struct row_length *length, const struct tnm_use *use, struct entries *e) {
    bool wide = false;
    for (uint32_t r = 0; r < use->matrix->rows; r++) {
        read_row(use->matrix, r, e);
        length[r] = (struct row_length){r, e->n};
        for (uint32_t k = 0; k < e->n; k++)
            wide |= element_of(use, r, e->col[k]) > UINT16_MAX / sizeof(float);
    }
    qsort(length, use->matrix->rows, sizeof *length, longest_first);
    return wide;
}

static bool make_rows(struct tnm_layout *layout, const struct tnm_use *use, struct entries *e) {
    uint32_t n_rows = use->matrix->rows, n_groups = (n_rows + 3) / 4;
    struct row_length *length = malloc(n_rows * sizeof *length);
    struct tnm_group *group = take(layout, (uint64_t)n_groups * sizeof *group);
    struct tnm_rows *rows = &layout->rows;
    bool ok = length != NULL && group != NULL;
    if (ok) {
        bool wide = measure_rows(length, use, e);
        uint64_t records = make_groups(group, length, use->matrix);
        *rows = (struct tnm_rows){.n_groups = n_groups, .group = group};
        rows->form = choose_form(use->matrix, wide);
        rows->record = take(layout, records * tnm_record_bytes(rows->form));
        ok = rows->record != NULL;
    }
    if (ok && rows->form == TNM_RECORD_CODE)
        ok = make_codebook(layout, use->matrix);
    if (ok)
        fill_records(rows, use, e);
    free(length);
    return ok;
}

static uint64_t count_records(const struct tnm_rows *rows) {
    uint64_t n = 0;
    for (uint32_t g = 0; g < rows->n_groups; g++)
        n += rows->group[g].n_records;
    return n;
}

// ---- Columns ------------------------------------------------------------------------------------

// start[c + 1] = entries of column c, then the first record of each column.
static void count_columns(uint32_t *start, const struct tnm_matrix *m, struct entries *e) {
    memset(start, 0, ((size_t)m->cols + 1) * sizeof *start);
    for (uint32_t r = 0; r < m->rows; r++) {
        read_row(m, r, e);
        for (uint32_t k = 0; k < e->n; k++)
            start[e->col[k] + 1]++;
    }
    for (uint32_t c = 0; c < m->cols; c++)
        start[c + 1] = start[c] + (start[c + 1] + TNM_SCATTER - 1) / TNM_SCATTER;
}

static void fill_columns(struct tnm_column_record *record, uint32_t n_records, uint32_t *filled,
                         const struct tnm_columns *columns, const struct tnm_use *use,
                         struct entries *e) {
    for (uint32_t k = 0; k < n_records; k++)
        for (uint32_t i = 0; i < TNM_SCATTER; i++) {
            record[k].weight[i] = 0;
            record[k].offset[i] = (uint16_t)((columns->rows + i) * sizeof(float));
        }
    for (uint32_t r = 0; r < columns->rows; r++) {
        read_row(use->matrix, r, e);
        for (uint32_t k = 0; k < e->n; k++) {
            uint32_t at = filled[e->col[k]]++;
            struct tnm_column_record *to = &record[columns->start[e->col[k]] + at / TNM_SCATTER];
            to->offset[at % TNM_SCATTER] = (uint16_t)(r * sizeof(float));
            to->weight[at % TNM_SCATTER] = e->value[k];
        }
    }
}

static bool make_columns(struct tnm_layout *layout, const struct tnm_use *use, struct entries *e) {
    const struct tnm_matrix *m = use->matrix;
    uint32_t *start = take(layout, ((uint64_t)m->cols + 1) * sizeof *start);
    uint32_t *filled = calloc(m->cols, sizeof *filled);
    struct tnm_column_record *record = NULL;
    if (start != NULL && filled != NULL) {
        count_columns(start, m, e);
        record = take(layout, (uint64_t)start[m->cols] * sizeof *record);
    }
    if (record != NULL) {
        layout->columns = (struct tnm_columns){m->rows, m->cols, start, record, NULL};
        fill_columns(record, start[m->cols], filled, &layout->columns, use, e);
        layout->columns.bias = make_bias(layout, m);
    }
    free(filled);
    return layout->columns.bias != NULL;
}

// ---- Blocks -------------------------------------------------------------------------------------

static void put_bias(struct tnm_strip *strip, enum tnm_block_shape shape,
                     const struct tnm_matrix *m) {
    for (uint32_t i = 0; i < (shape == TNM_TALL ? 4 * strip->n : strip->n); i++) {
        uint32_t row = shape == TNM_TALL ? strip->row[i / 4] + i % 4 : strip->row[i];
        strip->bias[i] = row < m->rows ? bias_of(m, row) : 0;
    }
}

static bool make_strips(struct tnm_layout *layout, const struct tnm_matrix *m,
                        const struct tnm_block_plan *plan) {
    uint64_t places = plan->n_steps * tnm_block_places(plan->shape);
    struct tnm_strip *strip = take(layout, plan->n_strips * sizeof *strip);
    uint16_t *offset = take(layout, places / 4 * sizeof *offset);
    float *weight = take(layout, places * sizeof *weight);
    if (strip == NULL || offset == NULL || weight == NULL)
        return false;
    tnm_blocks_fill(plan, m, strip, offset, weight);
    for (uint32_t s = 0; s < plan->n_strips; s++)
        put_bias(&strip[s], plan->shape, m);
    *(plan->shape == TNM_TALL ? &layout->tall : &layout->wide) =
        (struct tnm_blocks){m->rows, plan->n_strips, strip, offset, weight};
    return true;
}

static bool make_block_columns(struct tnm_layout *layout, const struct tnm_matrix *m,
                               const struct tnm_block_plan *plan) {
    uint32_t *start = take(layout, (tnm_block_columns_of(m->cols) + 1) * sizeof *start);
    uint16_t *offset = take(layout, plan->n_records * 4 * sizeof *offset);
    float *weight = take(layout, plan->n_records * 16 * sizeof *weight);
    const float *bias = make_bias(layout, m);
    if (start == NULL || offset == NULL || weight == NULL || bias == NULL)
        return false;
    tnm_block_columns_fill(plan, m, start, offset, weight);
    layout->wide_columns =
        (struct tnm_block_columns){m->rows, m->cols, start, offset, weight, bias};
    return true;
}

// Strips, block columns or both; *found tells whether there are any. What is too active for block
// columns is gathered: by strips, whose step holds two records' worth, or by rows, of four entries.
static bool make_blocks(struct tnm_layout *layout, const struct tnm_use *use, bool *found) {
    const struct tnm_matrix *m = use->matrix;
    struct tnm_block_plan plan;
    bool ok = tnm_blocks_plan(&plan, m), strips = plan.shape != TNM_NO_BLOCKS;
    bool columns = plan.shape != TNM_TALL && plan.columns && has_columns(use);
    *found = strips || columns;
    if (ok && strips) {
        layout->kernel = plan.shape == TNM_TALL ? "gather 4x1" : "gather 1x4";
        ok = make_strips(layout, m, &plan);
    }
    if (ok && columns) {
        layout->kernel = "scatter 1x4";
        layout->most_active = strips ? plan.n_steps * 3 / 2 : count_records(&layout->rows) * 3 / 8;
        ok = make_block_columns(layout, m, &plan);
    }
    tnm_block_plan_free(&plan);
    return ok;
}

// ---- All ----------------------------------------------------------------------------------------

bool tnm_layout_make(struct tnm_layout *out, const struct tnm_use *use, struct tnm_error *err) {
    *out = (struct tnm_layout){.kernel = use->convolution ? "direct" : "gather"};
    struct entries e = {0};
    bool ok = false;
    if (is_dense(use)) {
        ok = make_dense(out, use->matrix);
    } else if (entries_init(&e, use->matrix)) {
        bool blocks = false;
        ok = make_rows(out, use, &e) && (use->convolution || make_blocks(out, use, &blocks));
        if (ok && !blocks && has_columns(use)) {
            ok = make_columns(out, use, &e);
            out->kernel = "scatter";
            out->most_active = count_records(&out->rows) / 2;
        }
    }
    entries_free(&e);
    if (ok)
        return true;
    tnm_layout_free(out);
    return tnm_fail(err, TNM_ENOMEM, "no memory for the kernels' view of %u x %u weights",
                    use->matrix->rows, use->matrix->cols);
}

void tnm_layout_free(struct tnm_layout *layout) {
    for (size_t i = 0; i < sizeof layout->owned / sizeof *layout->owned; i++)
        free(layout->owned[i]);
    *layout = (struct tnm_layout){0};
}
