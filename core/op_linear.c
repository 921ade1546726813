/* SPDX-License-Identifier: MIT */
// linear: y = w x + bias.
#include "core/op_linear.h"

#include "core/error.h"

static bool linear_shape(const struct tnm_graph *graph, const struct tnm_node *node,
                         struct tnm_tensor *out, struct tnm_error *err) {
    const struct tnm_tensor *in = &graph->tensor[node->input[0]];
    if (in->rank != 1)
        return tnm_fail(err, TNM_EFORMAT, "the input has rank %u, not 1", in->rank);
    if (in->dim[0] != node->w[0].cols)
        return tnm_fail(err, TNM_EFORMAT, "%u inputs, but the weights have %u columns", in->dim[0],
                        node->w[0].cols);
    out->rank = 1;
    out->dim[0] = node->w[0].rows;
    return true;
}

// ---- One input ----------------------------------------------------------------------------------

static uint64_t sum_bytes(uint32_t rows) {
    return sizeof(float) * ((uint64_t)rows + TNM_SCATTER);
}

uint64_t tnm_product_scratch(const struct tnm_layout *w, uint32_t rows, uint32_t cols,
                             size_t lanes) {
    if (lanes > 1)
        return 0;
    if (w->dense.w != NULL)
        return sizeof(uint32_t) * (uint64_t)(cols / 4 + 1);
    if (w->columns.start != NULL || w->wide_columns.start != NULL)
        return sum_bytes(rows) + sizeof(uint16_t) * (uint64_t)cols;
    return 0;
}

static uint64_t active_records(const uint32_t *start, const uint16_t *active, uint32_t n) {
    uint64_t records = 0;
    for (uint32_t a = 0; a < n; a++)
        records += start[active[a] + 1] - start[active[a]];
    return records;
}

static struct tnm_scatter_room room_of(const struct tnm_product *p) {
    return (struct tnm_scatter_room){
        .sum = p->scratch, .active = (uint16_t *)(void *)((char *)p->scratch + sum_bytes(p->rows))};
}

// Visits the columns of inputs that are not 0, or, where those hold too much, all rows: the answer
// is the same to the bit.
static void run_columns(const struct tnm_kernels *kernels, const struct tnm_product *p) {
    const struct tnm_layout *w = p->w;
    struct tnm_scatter_room room = room_of(p);
    uint32_t n = kernels->find_active(p->x, p->cols, room.active);
    if (active_records(w->columns.start, room.active, n) <= w->most_active)
        kernels->scatter(&w->columns, p->x, n, &room, p->y, p->clamp);
    else
        kernels->gather(&w->rows, p->x, p->y, p->clamp);
}

static void run_block_columns(const struct tnm_kernels *kernels, const struct tnm_product *p) {
    const struct tnm_layout *w = p->w;
    struct tnm_scatter_room room = room_of(p);
    uint32_t n = kernels->find_active_blocks(p->x, p->cols, room.active);
    if (active_records(w->wide_columns.start, room.active, n) <= w->most_active)
        kernels->scatter_wide(&w->wide_columns, p->x, n, &room, p->y, p->clamp);
    else if (w->wide.strip != NULL)
        kernels->gather_wide(&w->wide, p->x, p->y, p->clamp);
    else
        kernels->gather(&w->rows, p->x, p->y, p->clamp);
}

static void run_one(const struct tnm_kernels *kernels, const struct tnm_product *p) {
    const struct tnm_layout *w = p->w;
    if (w->dense.w != NULL)
        kernels->dense(&w->dense, p->x, p->scratch, p->y, p->clamp);
    else if (w->tall.strip != NULL)
        kernels->gather_tall(&w->tall, p->x, p->y, p->clamp);
    else if (w->wide_columns.start != NULL)
        run_block_columns(kernels, p);
    else if (w->wide.strip != NULL)
        kernels->gather_wide(&w->wide, p->x, p->y, p->clamp);
    else if (w->columns.start != NULL)
        run_columns(kernels, p);
    else
        kernels->gather(&w->rows, p->x, p->y, p->clamp);
}

// ---- Many inputs --------------------------------------------------------------------------------

static void run_rows_many(const struct tnm_kernels *kernels, const struct tnm_product *p) {
    const struct tnm_rows *rows = &p->w->rows;
    const char *record = rows->record;
    struct tnm_span x = {p->x, p->lanes, p->lanes};
    for (uint32_t g = 0; g < rows->n_groups; g++) {
        const struct tnm_group *group = &rows->group[g];
        float *y[4] = {NULL};
        for (uint32_t i = 0; i < group->n_rows; i++)
            y[i] = p->y + group->row[i] * p->lanes;
        kernels->rows_many(rows, group, record, &x, y, p->clamp);
        record += group->n_records * tnm_record_bytes(rows->form);
    }
}

void tnm_product_run(const struct tnm_kernels *kernels, const struct tnm_product *p) {
    if (p->lanes == 1)
        run_one(kernels, p);
    else if (p->w->dense.w != NULL)
        kernels->dense_many(&p->w->dense, p->x, p->lanes, p->y, p->clamp);
    else
        run_rows_many(kernels, p);
}

// ---- The operation ------------------------------------------------------------------------------

static uint64_t linear_scratch(const struct tnm_plan_step *step, size_t lanes) {
    const struct tnm_matrix *w = &step->node->w[0];
    return tnm_product_scratch(step->layout, w->rows, w->cols, lanes);
}

static void linear_run(const struct tnm_plan_step *step, const struct tnm_call *call) {
    const struct tnm_matrix *w = &step->node->w[0];
    tnm_product_run(call->kernels, &(struct tnm_product){.w = step->layout,
                                                         .rows = w->rows,
                                                         .cols = w->cols,
                                                         .x = call->in[0],
                                                         .y = call->out,
                                                         .lanes = call->lanes,
                                                         .clamp = step->clamp,
                                                         .scratch = call->scratch});
}

const struct tnm_operation tnm_op_linear = {.name = "linear",
                                            .min_inputs = 1,
                                            .max_inputs = 1,
                                            .n_weights = 1,
                                            .shape = linear_shape,
                                            .scratch = linear_scratch,
                                            .run = linear_run};
