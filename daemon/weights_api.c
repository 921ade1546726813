/* SPDX-License-Identifier: MIT */
// GET /models/{name}/weights: where the weights of a layer are, for a picture of them.
#include "daemon/handlers.h"

#include "core/model.h"
#include "daemon/query.h"

#include <math.h>
#include <stdlib.h>

enum {
    USUAL_UNITS = 48,
    MOST_UNITS = 64,
    MOST_VALUES = 1 << 16,     // in a reply, and of columns
    MOST_ROWS = 1 << 16,       // more would take too much memory to sort
    STRONGEST_VALUE = INT8_MAX // what the largest magnitude is written as
};

// A row of the matrix, and the sum of its magnitudes.
struct unit {
    double strength;
    uint32_t row;
};

// What the reply is made from. The arrays are in the connection's scratch.
struct view {
    const struct tnm_node *node;
    const struct tnm_matrix *m;
    uint32_t layer;
    uint32_t width, height; // a row of the matrix laid out as what it looks at
    uint32_t n_units;
    struct unit *unit; // (m->rows), the strongest first
    double *seen;      // (m->cols), the sum of magnitudes of each column
    int8_t *value;     // (n_units, m->cols), of the units as they are ranked
    int8_t *at;        // (m->cols), the ones being filled
    float scale;       // the magnitude that STRONGEST_VALUE stands for
};

// ---- The matrix --------------------------------------------------------------------------------

// The matrix of that number, as tnm_model_layer counts.
static bool find_layer(const struct tnm_model *model, struct view *view) {
    uint32_t number = 0;
    for (uint32_t n = 0; n < model->graph.n_nodes; n++) {
        view->node = &model->graph.node[n];
        for (uint32_t k = 0; k < view->node->n_weights; k++, number++) {
            view->m = &view->node->w[k];
            if (number == view->layer)
                return true;
        }
    }
    return false;
}

// A window of a convolution, channels below each other; the input's picture, where the row is as
// long; else a line.
static void find_shape(const struct tnm_model *model, struct view *view) {
    const struct tnm_recipe *recipe = tnm_model_recipe(model);
    view->width = view->m->cols;
    if (view->node->op == TNM_OP_CONV2D)
        view->width = view->node->window.kernel[1];
    else if (view->layer == 0 && view->node->op == TNM_OP_LINEAR && recipe->width > 0 &&
             recipe->width * recipe->height * recipe->channels == view->m->cols)
        view->width = recipe->width;
    view->height = view->m->cols / view->width;
}

// Calls see for each weight that is left.
static void each_weight(const struct tnm_matrix *m, uint32_t row, struct view *view,
                        void (*see)(struct view *view, uint32_t row, uint32_t col, float w)) {
    bool dense = m->encoding == TNM_DENSE;
    size_t begin = dense ? (size_t)row * m->cols : m->row_start[row];
    size_t end = dense ? begin + m->cols : m->row_start[row + 1];
    for (size_t k = begin; k < end; k++) {
        float w = tnm_matrix_value(m, k);
        if (w != 0)
            see(view, row, dense ? (uint32_t)(k - begin) : tnm_matrix_col(m, k), w);
    }
}

static void add_strength(struct view *view, uint32_t row, uint32_t col, float w) {
    view->unit[row].strength += fabs((double)w);
    view->seen[col] += fabs((double)w);
}

static void find_scale(struct view *view, uint32_t row, uint32_t col, float w) {
    (void)row, (void)col;
    view->scale = fmaxf(view->scale, fabsf(w));
}

// What is left stays visible, however small.
static void put_value(struct view *view, uint32_t row, uint32_t col, float w) {
    float level = roundf(w / view->scale * STRONGEST_VALUE);
    (void)row;
    view->at[col] = (int8_t)(level != 0 ? level : copysignf(1, w));
}

// The strongest first, equal ones in their order.
static int by_strength(const void *a, const void *b) {
    const struct unit *x = a, *y = b;
    if (x->strength != y->strength)
        return x->strength < y->strength ? 1 : -1;
    return (x->row > y->row) - (x->row < y->row);
}

// Ranks the units, and keeps at most view->n_units that have weights.
static void rank_units(struct view *view) {
    const struct tnm_matrix *m = view->m;
    for (uint32_t c = 0; c < m->cols; c++)
        view->seen[c] = 0;
    for (uint32_t r = 0; r < m->rows; r++) {
        view->unit[r] = (struct unit){0, r};
        each_weight(m, r, view, add_strength);
    }
    qsort(view->unit, m->rows, sizeof *view->unit, by_strength);
    while (view->n_units > 0 && !(view->unit[view->n_units - 1].strength > 0))
        view->n_units--;
}

static void fill_values(struct view *view) {
    const struct tnm_matrix *m = view->m;
    memset(view->value, 0, (size_t)view->n_units * m->cols);
    for (uint32_t i = 0; i < view->n_units; i++)
        each_weight(m, view->unit[i].row, view, find_scale);
    for (uint32_t i = 0; i < view->n_units; i++) {
        view->at = view->value + (size_t)i * m->cols;
        each_weight(m, view->unit[i].row, view, put_value);
    }
}

// ---- The reply ---------------------------------------------------------------------------------

static void write_matrix(struct json_out *out, const struct served *served,
                         const struct view *view) {
    struct tnm_layer layer;
    if (!tnm_model_layer(served->model, view->layer, &layer))
        return;
    json_out_text(out, "{\"model\":");
    json_out_string(out, served->name);
    json_out_text(out, ",\"digest\":\"");
    json_out_text(out, served->digest);
    json_out_text(out, "\",\"layer\":");
    json_out_uint(out, view->layer);
    json_out_text(out, ",\"name\":");
    json_out_string(out, layer.name);
    const struct {
        const char *key;
        uint64_t value;
    } number[] = {
        {",\"shape\":[", layer.rows},      {",", layer.cols},
        {"],\"weights\":", layer.weights}, {",\"nonzeros\":", layer.nonzeros},
        {",\"picture\":[", view->width},   {",", view->height},
    };
    for (size_t i = 0; i < sizeof number / sizeof number[0]; i++) {
        json_out_text(out, number[i].key);
        json_out_uint(out, number[i].value);
    }
    json_out_text(out, "],\"scale\":");
    json_out_decimal(out, (double)view->scale, 6);
}

// The columns' sums, the largest as 255.
static void write_seen(struct json_out *out, const struct view *view) {
    uint8_t *level = (uint8_t *)view->value; // the values are written already
    double most = 0;
    for (uint32_t c = 0; c < view->m->cols; c++)
        most = fmax(most, view->seen[c]);
    for (uint32_t c = 0; c < view->m->cols; c++)
        level[c] = most > 0 ? (uint8_t)ceil(view->seen[c] / most * UINT8_MAX) : 0;
    json_out_text(out, ",\"seen\":");
    json_out_base64(out, level, view->m->cols);
}

static void write_view(struct json_out *out, const struct served *served, const struct view *view) {
    write_matrix(out, served, view);
    json_out_text(out, ",\"units\":[");
    for (uint32_t i = 0; i < view->n_units; i++) {
        if (i > 0)
            json_out_raw(out, ",", 1);
        json_out_uint(out, view->unit[i].row);
    }
    json_out_text(out, "],\"values\":");
    json_out_base64(out, view->value, (size_t)view->n_units * view->m->cols);
    write_seen(out, view);
    json_out_text(out, "}\n");
}

// ---- The request -------------------------------------------------------------------------------

static bool take_arrays(struct view *view, struct scratch *scratch) {
    const struct tnm_matrix *m = view->m;
    uint32_t fit = MOST_VALUES / m->cols;
    view->n_units = view->n_units < fit ? view->n_units : fit;
    view->n_units = view->n_units < m->rows ? view->n_units : m->rows;
    size_t n_values = (size_t)view->n_units * m->cols;
    view->unit = scratch_take(scratch, m->rows * sizeof *view->unit + m->cols * sizeof *view->seen +
                                           n_values);
    if (view->unit == NULL)
        return false;
    view->seen = (double *)(void *)(view->unit + m->rows);
    view->value = (int8_t *)(view->seen + m->cols);
    return true;
}

static void show(const struct served *served, const struct request *request,
                 struct scratch *scratch, struct reply *reply) {
    size_t layer = 0, n_units = USUAL_UNITS;
    if (!query_count(request, "layer", 0, INT32_MAX, &layer, reply) ||
        !query_count(request, "units", 1, MOST_UNITS, &n_units, reply))
        return;
    struct view view = {.layer = (uint32_t)layer, .n_units = (uint32_t)n_units};
    if (!find_layer(served->model, &view)) {
        reply_error(reply, request, 404, "not_found", "model \"%s\" has no layer %u", served->name,
                    view.layer);
        return;
    }
    if (view.m->rows > MOST_ROWS || view.m->cols > MOST_VALUES) {
        reply_error(reply, request, 422, "layer_too_large",
                    "layer %u is %u by %u; shown are those of at most %d by %d", view.layer,
                    view.m->rows, view.m->cols, MOST_ROWS, MOST_VALUES);
        return;
    }
    find_shape(served->model, &view);
    if (!take_arrays(&view, scratch)) {
        reply_error(reply, request, 503, "overloaded", "no memory for a picture now");
        return;
    }
    rank_units(&view);
    fill_values(&view);
    write_view(&reply->body, served, &view);
}

void handle_weights(struct api *api, const struct request *request, struct scratch *scratch,
                    struct reply *reply) {
    struct served *served = shelf_hold(api->shelf, request->name);
    if (served == NULL) {
        reply_error(reply, request, 404, "model_not_found", "no model \"%s\" is in service",
                    request->name);
        return;
    }
    show(served, request, scratch, reply);
    shelf_release(served);
}
