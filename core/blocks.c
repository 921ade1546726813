/* SPDX-License-Identifier: MIT */
// Finding blocks of four weights, and laying them out in strips.
#include "core/blocks.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_COLS = (UINT16_MAX + 1) / sizeof(float) }; // whose byte offsets fit 16 bits

// ---- Blocks of a unit ---------------------------------------------------------------------------

// A block with at least one weight. Tall: its column and what four rows have there. Wide: its block
// column and what the four columns from tnm_block_column_at on have, 0 in those of the block
// before.
struct tnm_block_entry {
    uint32_t at;
    float w[4];
};

// Goes through the weights of a row that are not 0.
struct cursor {
    const struct tnm_matrix *m;
    size_t first, k, end; // dense: elements, else entries
};

static void skip_zeros(struct cursor *c) {
    while (c->k < c->end && tnm_matrix_value(c->m, c->k) == 0)
        c->k++;
}

static struct cursor row_start(const struct tnm_matrix *m, uint32_t row) {
    struct cursor c = {.m = m};
    if (row < m->rows && m->encoding == TNM_DENSE) {
        c.first = c.k = (size_t)row * m->cols;
        c.end = c.first + m->cols;
    } else if (row < m->rows) {
        c.first = c.k = m->row_start[row];
        c.end = m->row_start[row + 1];
    }
    skip_zeros(&c);
    return c;
}

// UINT32_MAX behind the last.
static uint32_t column(const struct cursor *c) {
    if (c->k == c->end)
        return UINT32_MAX;
    return c->m->encoding == TNM_DENSE ? (uint32_t)(c->k - c->first) : tnm_matrix_col(c->m, c->k);
}

static float take_value(struct cursor *c) {
    float value = tnm_matrix_value(c->m, c->k++);
    skip_zeros(c);
    return value;
}

// The blocks of rows row to row + 3, ascending; returns how many, at most cols.
static uint32_t list_tall(const struct tnm_matrix *m, uint32_t row, struct tnm_block_entry *block) {
    struct cursor c[4];
    for (uint32_t i = 0; i < 4; i++)
        c[i] = row_start(m, row + i);
    for (uint32_t n = 0;; n++) {
        uint32_t next = UINT32_MAX;
        for (uint32_t i = 0; i < 4; i++)
            next = column(&c[i]) < next ? column(&c[i]) : next;
        if (next == UINT32_MAX)
            return n;
        block[n].at = next;
        for (uint32_t i = 0; i < 4; i++)
            block[n].w[i] = column(&c[i]) == next ? take_value(&c[i]) : 0;
    }
}

static uint32_t list_wide(const struct tnm_matrix *m, uint32_t row, struct tnm_block_entry *block) {
    struct cursor c = row_start(m, row);
    uint32_t n = 0;
    for (uint32_t col; (col = column(&c)) != UINT32_MAX;) {
        uint32_t at = col / 4;
        if (n == 0 || block[n - 1].at != at)
            block[n++] = (struct tnm_block_entry){.at = at};
        block[n - 1].w[col - tnm_block_column_at(at, m->cols)] = take_value(&c);
    }
    return n;
}

static uint32_t list(const struct tnm_block_plan *plan, const struct tnm_matrix *m, uint32_t row) {
    return plan->shape == TNM_TALL ? list_tall(m, row, plan->block)
                                   : list_wide(m, row, plan->block);
}

static uint32_t weights_in(const struct tnm_block_entry *block) {
    uint32_t n = 0;
    for (int i = 0; i < 4; i++)
        n += block->w[i] != 0;
    return n;
}

// ---- Counting -----------------------------------------------------------------------------------

static uint32_t at_most_4(uint32_t n) {
    return n < 4 ? n : 4;
}

bool tnm_blocks_count(const struct tnm_matrix *m, struct tnm_block_count *count) {
    *count = (struct tnm_block_count){0};
    struct tnm_block_entry *block = malloc(m->cols * sizeof *block);
    for (uint32_t r = 0; block != NULL && r < m->rows; r++) {
        uint32_t n = list_wide(m, r, block);
        count->blocks[TNM_WIDE] += n;
        for (uint32_t k = 0; k < n; k++) {
            uint32_t weights = weights_in(&block[k]), width = at_most_4(m->cols - 4 * block[k].at);
            count->weights += weights;
            count->in_full[TNM_WIDE] += weights == width ? weights : 0;
        }
        if (r % 4 != 0)
            continue;
        n = list_tall(m, r, block);
        count->blocks[TNM_TALL] += n;
        for (uint32_t k = 0; k < n; k++) {
            uint32_t weights = weights_in(&block[k]);
            count->in_full[TNM_TALL] += weights == at_most_4(m->rows - r) ? weights : 0;
        }
    }
    free(block);
    return block != NULL;
}

// ---- Planning -----------------------------------------------------------------------------------

static const uint32_t units_of_strip[2] = {TNM_TALL_ROWS / 4, TNM_WIDE_ROWS};

// The blocks of all units and block columns; returns the number of weights.
static uint64_t measure(struct tnm_block_plan *plan, const struct tnm_matrix *m) {
    uint64_t weights = 0;
    for (uint32_t r = 0; r < m->rows; r++) {
        uint32_t n = list_wide(m, r, plan->block);
        plan->unit[TNM_WIDE][r] = (struct tnm_block_unit){r, n};
        for (uint32_t k = 0; k < n; k++) {
            plan->column[plan->block[k].at]++;
            weights += weights_in(&plan->block[k]);
        }
        if (r % 4 == 0)
            plan->unit[TNM_TALL][r / 4] = (struct tnm_block_unit){r, list_tall(m, r, plan->block)};
    }
    return weights;
}

static int most_first(const void *a, const void *b) {
    const struct tnm_block_unit *one = a, *two = b;
    if (one->n != two->n)
        return one->n > two->n ? -1 : 1;
    return one->row < two->row ? -1 : 1;
}

// A strip takes as many steps as its first unit has blocks.
static uint64_t sort_into_strips(struct tnm_block_unit *unit, uint32_t n, uint32_t width) {
    uint64_t steps = 0;
    qsort(unit, n, sizeof *unit, most_first);
    for (uint32_t u = 0; u < n; u += width)
        steps += unit[u].n;
    return steps;
}

// Of two shapes that fill three quarters the one with fewer places, tall if they are equal.
static void choose(struct tnm_block_plan *plan, const struct tnm_matrix *m, uint64_t weights) {
    uint32_t n[2] = {(m->rows + 3) / 4, m->rows};
    uint64_t most = weights + weights / 3;
    for (unsigned s = TNM_TALL; s <= TNM_WIDE; s++) {
        uint64_t steps = sort_into_strips(plan->unit[s], n[s], units_of_strip[s]);
        uint64_t places = steps * tnm_block_places((enum tnm_block_shape)s);
        if (places > most || (s == TNM_WIDE && m->cols < 4))
            continue;
        most = places - 1;
        plan->shape = (enum tnm_block_shape)s;
        plan->n_units = n[s];
        plan->n_strips = (n[s] + units_of_strip[s] - 1) / units_of_strip[s];
        plan->n_steps = steps;
    }
}

static uint32_t records_for(uint32_t blocks) {
    return (blocks + TNM_SCATTER - 1) / TNM_SCATTER;
}

bool tnm_blocks_plan(struct tnm_block_plan *plan, const struct tnm_matrix *m) {
    *plan = (struct tnm_block_plan){.shape = TNM_NO_BLOCKS};
    if (m->cols > MAX_COLS)
        return true;
    plan->unit[TNM_TALL] = malloc(((size_t)m->rows + 3) / 4 * sizeof **plan->unit);
    plan->unit[TNM_WIDE] = malloc(m->rows * sizeof **plan->unit);
    plan->column = calloc(tnm_block_columns_of(m->cols), sizeof *plan->column);
    plan->block = malloc(m->cols * sizeof *plan->block);
    if (plan->unit[TNM_TALL] == NULL || plan->unit[TNM_WIDE] == NULL || plan->column == NULL ||
        plan->block == NULL) {
        tnm_block_plan_free(plan);
        return false;
    }
    uint64_t weights = measure(plan, m);
    if (weights > 0)
        choose(plan, m, weights);
    for (uint32_t b = 0; b < tnm_block_columns_of(m->cols); b++)
        plan->n_records += records_for(plan->column[b]);
    plan->columns = m->cols >= 4 && weights > 0 && plan->n_records * 16 * 9 <= weights * 20;
    return true;
}

void tnm_block_plan_free(struct tnm_block_plan *plan) {
    free(plan->unit[TNM_TALL]);
    free(plan->unit[TNM_WIDE]);
    free(plan->column);
    free(plan->block);
    *plan = (struct tnm_block_plan){.shape = TNM_NO_BLOCKS};
}

// ---- Filling in ---------------------------------------------------------------------------------

// Unit u of a strip: a block in each step, from the first on.
static void fill_unit(const struct tnm_block_plan *plan, uint32_t cols, uint32_t n, uint32_t u,
                      uint16_t *offset, float *weight) {
    bool tall = plan->shape == TNM_TALL;
    for (uint32_t k = 0; k < n; k++) {
        const struct tnm_block_entry *block = &plan->block[k];
        uint32_t first = tall ? block->at : tnm_block_column_at(block->at, cols);
        offset[u] = (uint16_t)(first * sizeof(float));
        for (uint32_t i = 0; i < 4; i++)
            weight[tall ? 4 * u + i : u / 4 * 16 + 4 * i + u % 4] = block->w[i];
        offset += units_of_strip[plan->shape];
        weight += tnm_block_places(plan->shape);
    }
}

void tnm_blocks_fill(const struct tnm_block_plan *plan, const struct tnm_matrix *m,
                     struct tnm_strip *strip, uint16_t *offset, float *weight) {
    uint32_t width = units_of_strip[plan->shape], places = tnm_block_places(plan->shape);
    const struct tnm_block_unit *unit = plan->unit[plan->shape];
    memset(offset, 0, (size_t)plan->n_steps * width * sizeof *offset);
    memset(weight, 0, (size_t)plan->n_steps * places * sizeof *weight);
    for (uint32_t u = 0; u < plan->n_units; u++) {
        struct tnm_strip *of = &strip[u / width];
        if (u % width == 0)
            *of = (struct tnm_strip){.n_steps = unit[u].n};
        of->row[of->n++] = unit[u].row;
        fill_unit(plan, m->cols, list(plan, m, unit[u].row), u % width, offset, weight);
        if (of->n == width) {
            offset += (size_t)of->n_steps * width;
            weight += (size_t)of->n_steps * places;
        }
    }
}

static void fill_row(const struct tnm_block_plan *plan, const struct tnm_matrix *m, uint32_t row,
                     const uint32_t *start, uint16_t *offset, float *weight) {
    uint32_t n = list_wide(m, row, plan->block);
    for (uint32_t k = 0; k < n; k++) {
        const struct tnm_block_entry *block = &plan->block[k];
        size_t at = (size_t)start[block->at] * TNM_SCATTER + plan->column[block->at]++;
        offset[at] = (uint16_t)(row * sizeof(float));
        for (uint32_t c = 0; c < 4; c++)
            weight[at / 4 * 16 + 4 * c + at % 4] = block->w[c];
    }
}

void tnm_block_columns_fill(const struct tnm_block_plan *plan, const struct tnm_matrix *m,
                            uint32_t *start, uint16_t *offset, float *weight) {
    memset(weight, 0, (size_t)plan->n_records * 16 * sizeof *weight);
    for (uint64_t i = 0; i < plan->n_records * TNM_SCATTER; i++)
        offset[i] = (uint16_t)((m->rows + i % TNM_SCATTER) * sizeof(float));
    start[0] = 0;
    for (uint32_t b = 0; b < tnm_block_columns_of(m->cols); b++) {
        start[b + 1] = start[b] + records_for(plan->column[b]);
        plan->column[b] = 0; // from here on: how many are filled in
    }
    for (uint32_t r = 0; r < m->rows; r++)
        fill_row(plan, m, r, start, offset, weight);
}
