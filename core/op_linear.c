/* SPDX-License-Identifier: MIT */
// linear: y = w x + bias.
#include "core/op.h"

#include "core/error.h"
#include "core/layout.h"

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

static uint64_t sum_bytes(const struct tnm_matrix *w) {
    return sizeof(float) * ((uint64_t)w->rows + TNM_SCATTER);
}

static uint64_t linear_scratch(const struct tnm_plan_step *step, size_t lanes) {
    const struct tnm_matrix *w = &step->node->w[0];
    if (lanes > 1)
        return 0;
    if (step->layout->dense.w != NULL)
        return sizeof(uint32_t) * (uint64_t)(w->cols / 4 + 1);
    if (step->layout->columns.start != NULL)
        return sum_bytes(w) + sizeof(uint16_t) * (uint64_t)w->cols;
    return 0;
}

static uint64_t active_records(const struct tnm_columns *columns, const uint16_t *active,
                               uint32_t n) {
    uint64_t records = 0;
    for (uint32_t a = 0; a < n; a++)
        records += columns->start[active[a] + 1] - columns->start[active[a]];
    return records;
}

// Visits the columns of inputs that are not 0, or, where those hold too much, all rows: the answer
// is the same to the bit.
static void run_columns(const struct tnm_plan_step *step, const struct tnm_call *call) {
    const struct tnm_layout *layout = step->layout;
    struct tnm_scatter_room room = {.sum = call->scratch};
    room.active = (uint16_t *)(void *)((char *)call->scratch + sum_bytes(&step->node->w[0]));
    uint32_t n = call->kernels->find_active(call->in[0], layout->columns.cols, room.active);
    if (active_records(&layout->columns, room.active, n) <= layout->most_active)
        call->kernels->scatter(&layout->columns, call->in[0], n, &room, call->out, step->clamp);
    else
        call->kernels->gather(&layout->rows, call->in[0], call->out, step->clamp);
}

// ---- Many inputs --------------------------------------------------------------------------------

static void run_rows_many(const struct tnm_plan_step *step, const struct tnm_call *call) {
    const struct tnm_rows *rows = &step->layout->rows;
    const char *record = rows->record;
    struct tnm_span x = {call->in[0], call->lanes, call->lanes};
    for (uint32_t g = 0; g < rows->n_groups; g++) {
        const struct tnm_group *group = &rows->group[g];
        float *y[4] = {NULL};
        for (uint32_t i = 0; i < group->n_rows; i++)
            y[i] = call->out + group->row[i] * call->lanes;
        call->kernels->rows_many(rows, group, record, &x, y, step->clamp);
        record += group->n_records * tnm_record_bytes(rows->form);
    }
}

static void linear_run(const struct tnm_plan_step *step, const struct tnm_call *call) {
    const struct tnm_layout *layout = step->layout;
    const struct tnm_kernels *kernels = call->kernels;
    if (layout->dense.w != NULL && call->lanes == 1)
        kernels->dense(&layout->dense, call->in[0], call->scratch, call->out, step->clamp);
    else if (layout->dense.w != NULL)
        kernels->dense_many(&layout->dense, call->in[0], call->lanes, call->out, step->clamp);
    else if (call->lanes > 1)
        run_rows_many(step, call);
    else if (layout->columns.start != NULL)
        run_columns(step, call);
    else
        kernels->gather(&layout->rows, call->in[0], call->out, step->clamp);
}

const struct tnm_operation tnm_op_linear = {.name = "linear",
                                            .min_inputs = 1,
                                            .max_inputs = 1,
                                            .n_weights = 1,
                                            .shape = linear_shape,
                                            .scratch = linear_scratch,
                                            .run = linear_run};
