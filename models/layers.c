/* SPDX-License-Identifier: MIT */
// Layers as cards of a page.
#include "models/layers.h"

#include <math.h>

#include "core/error.h"
#include "models/heat.h"
#include "models/markup.h"
#include "models/weights.h"

enum {
    MOST_LAYERS = 16, // with pictures
    CARD = 348,       // width of a picture as shown, about
    LOOK = 140,
    LOW = 60, // a flat matrix is drawn so high, about
    MOST_VALUES = 256
};

// Matrix index of a model, its node, and which of the node's it is.
struct layer {
    const struct tnm_model *model;
    const struct tnm_node *node;
    const struct tnm_matrix *m;
    struct tnm_layer told;
    uint32_t index;
};

static bool find_layer(struct layer *l, const struct tnm_model *model, uint32_t index) {
    *l = (struct layer){.model = model, .index = index};
    if (!tnm_model_layer(model, index, &l->told))
        return false;
    for (uint32_t i = 0; i < model->graph.n_nodes; i++) {
        const struct tnm_node *node = &model->graph.node[i];
        if (index < node->n_weights) {
            l->node = node;
            l->m = &node->w[index];
            return true;
        }
        index -= node->n_weights;
    }
    return false;
}

// ---- Pictures as inputs ------------------------------------------------------------------------

// Whether a tensor is the input, as it is or in another shape.
static bool is_input(const struct tnm_graph *g, uint32_t tensor) {
    for (uint32_t i = g->n_nodes; i-- > 0;)
        if (g->node[i].output == tensor) {
            if (g->node[i].op != TNM_OP_RESHAPE)
                return false;
            tensor = g->node[i].input[0];
        }
    return tensor == g->input;
}

static bool sees_picture(const struct layer *l) {
    const struct tnm_recipe *r = tnm_model_recipe(l->model);
    return l->node->op == TNM_OP_LINEAR && r->fit != TNM_FIT_NONE &&
           (uint64_t)r->width * r->height * r->channels == l->m->cols && r->width <= LOOK &&
           r->height <= LOOK && is_input(&l->model->graph, l->node->input[0]);
}

bool layers_look_at_picture(const struct tnm_model *model) {
    struct layer first;
    return find_layer(&first, model, 0) && sees_picture(&first);
}

// ---- Pictures of weights -----------------------------------------------------------------------

// How often width goes into a picture of n pixels across, from 1 to 16 times.
static uint32_t times(uint32_t width, uint32_t n) {
    return width / n < 1 ? 1 : width / n < 16 ? width / n : 16;
}

// As wide as whole multiples of a pixel come to width; no lower than low.
static bool put_picture(FILE *out, const struct heat *heat, const struct pixmap_colour *colour,
                        uint32_t width, uint32_t low, struct tnm_error *err) {
    uint32_t zoom = times(width, heat->map.width), high = heat->map.height * zoom;
    fprintf(out, "<img width=\"%u\" height=\"%u\" ", heat->map.width * zoom, high);
    if (high < low)
        fprintf(out, "style=\"height:%upx\" ", heat->map.height * times(low, heat->map.height));
    fputs("src=\"", out);
    return pixmap_write(out, &heat->map, colour) || tnm_fail(err, TNM_ENOMEM, "picture");
}

static double removed(const struct tnm_layer *l) {
    return l->weights > 0 ? 100 - 100 * (double)l->nonzeros / (double)l->weights : 0;
}

bool layers_write_look(FILE *out, const struct tnm_model *model, const char *name,
                       struct tnm_error *err) {
    struct layer first;
    struct heat heat;
    const struct tnm_recipe *r = tnm_model_recipe(model);
    if (!find_layer(&first, model, 0) || !heat_looks_at(first.m, r->width, r->height, &heat, err))
        return false;
    fputs("<figure class=\"look\">", out);
    bool ok = put_picture(out, &heat, heat_amount, LOOK, 0, err);
    uint32_t pixels = r->width * r->height;
    fprintf(out, "\" alt=\"%u of %u pixels have weights left\"><figcaption><b>", heat.seen, pixels);
    markup_text(out, name);
    fprintf(out, "</b><br>%u of %u pixels</figcaption></figure>\n", heat.seen, pixels);
    heat_free(&heat);
    return ok;
}

// What a picture of a whole matrix shows, in words.
static void tell_matrix(FILE *out, const struct heat *heat) {
    uint32_t across = heat->turned ? heat->rows_a_pixel : heat->cols_a_pixel;
    uint32_t down = heat->turned ? heat->cols_a_pixel : heat->rows_a_pixel;
    if (across == 1 && down == 1)
        fputs("One place is one weight; ", out);
    else
        fprintf(out, "One place is the largest of %u × %u weights; ", across, down);
    fputs(heat->turned ? "outputs from left to right, inputs downwards."
                       : "inputs from left to right, outputs downwards.",
          out);
}

static void tell_windows(FILE *out, const struct layer *l, const struct heat *heat) {
    const uint32_t *k = l->node->window.kernel;
    uint32_t all = l->m->rows * (l->m->cols / (k[0] * k[1]));
    if (heat->tiles < all)
        fprintf(out, "The first %u of %u windows of %u × %u", heat->tiles, all, k[0], k[1]);
    else
        fprintf(out, "The %u windows of %u × %u", all, k[0], k[1]);
    fputs(l->m->cols == k[0] * k[1] ? ", one for each output."
                                    : ": outputs from left to right, channels downwards.",
          out);
}

enum kind { UNITS, WINDOWS, MATRIX };

static enum kind kind_of(const struct layer *l) {
    const uint32_t *k = l->node->window.kernel;
    if (l->index == 0 && sees_picture(l))
        return UNITS;
    if (l->node->op == TNM_OP_CONV2D && k[0] * k[1] > 1 && k[0] <= LOOK && k[1] <= LOOK)
        return WINDOWS;
    return MATRIX;
}

static bool draw(const struct layer *l, struct heat *heat, struct tnm_error *err) {
    const struct tnm_recipe *r = tnm_model_recipe(l->model);
    const uint32_t *k = l->node->window.kernel;
    switch (kind_of(l)) {
    case UNITS:
        return heat_units(l->m, r->width, r->height, heat, err);
    case WINDOWS:
        return heat_windows(l->m, k[1], k[0], heat, err);
    default:
        return heat_matrix(l->m, heat, err);
    }
}

static bool put_weights(FILE *out, const struct layer *l, struct tnm_error *err) {
    struct heat heat;
    if (!draw(l, &heat, err))
        return false;
    fputs("<figure>", out);
    bool ok = put_picture(out, &heat, heat_signed, CARD, kind_of(l) == MATRIX ? LOW : 0, err);
    fputs("\" alt=\"Weights of ", out);
    markup_text(out, l->told.name);
    fprintf(out, ", %.2f %% removed\"><figcaption>", removed(&l->told));
    if (kind_of(l) == UNITS)
        fprintf(out, "What the %u strongest of %u units see of the picture.", heat.tiles,
                l->m->rows);
    else if (kind_of(l) == WINDOWS)
        tell_windows(out, l, &heat);
    else
        tell_matrix(out, &heat);
    fputs("</figcaption></figure>\n", out);
    heat_free(&heat);
    return ok;
}

// ---- Histograms --------------------------------------------------------------------------------

enum {
    WIDTH = 348,
    HEIGHT = 92,
    FLOOR = 72, // where bars stand
    MARGIN = 6
};

static double place_of(const struct weights_values *v, float value) {
    double low = fmin(v->value[0], 0), high = fmax(v->value[v->n - 1], 0);
    return MARGIN + (WIDTH - 2.0 * MARGIN) * (high > low ? (value - low) / (high - low) : 0.5);
}

// Those below 0 or the others.
static void put_bars(FILE *out, const struct weights_values *v, uint64_t most, bool below) {
    double width = fmin(fmax((WIDTH - 2.0 * MARGIN) / v->n * 0.55, 1), 7);
    fprintf(out, "<path class=\"%s\" stroke-width=\"%.1f\" d=\"", below ? "below" : "above", width);
    for (uint32_t i = 0; i < v->n; i++) {
        double high = (FLOOR - 6.0) * (double)v->count[i] / (double)most;
        if (v->count[i] > 0 && (v->value[i] < 0) == below)
            fprintf(out, "M%.1f %dv-%.1f", place_of(v, v->value[i]), FLOOR, fmax(high, 1));
    }
    fputs("\"/>", out);
}

static void put_mark(FILE *out, const struct weights_values *v, float value, const char *anchor) {
    double x = place_of(v, value);
    fprintf(out,
            "<path class=\"axis\" d=\"M%.1f %dv4\"/><text x=\"%.1f\" y=\"%d\" "
            "text-anchor=\"%s\">%.3g</text>",
            x, FLOOR, x, HEIGHT - 4, anchor, (double)value);
}

static void put_scale(FILE *out, const struct weights_values *v) {
    double zero = place_of(v, 0), low = place_of(v, v->value[0]);
    double high = place_of(v, v->value[v->n - 1]);
    fprintf(out, "<path class=\"axis\" d=\"M%d %dH%d\"/>", MARGIN, FLOOR, WIDTH - MARGIN);
    put_mark(out, v, v->value[0], low > WIDTH - 60 ? "end" : "start");
    if (v->n > 1 && high - low > 110)
        put_mark(out, v, v->value[v->n - 1], "end");
    if (fabs(zero - low) > 60 && fabs(zero - high) > 60)
        put_mark(out, v, 0, "middle");
}

static void put_values(FILE *out, const struct weights_values *v) {
    fprintf(out, "<details><summary>the %u shared values, and how often each is used</summary><p>",
            v->n);
    for (uint32_t i = 0; i < v->n; i++)
        fprintf(out, "%s<span>%.5g: %llu</span>", i > 0 ? " " : "", (double)v->value[i],
                (unsigned long long)v->count[i]);
    fputs("</p></details>", out);
}

static void put_histogram(FILE *out, const struct layer *l) {
    struct weights_values v;
    uint64_t most = 1;
    weights_count(l->m, &v);
    if (v.n == 0)
        return;
    for (uint32_t i = 0; i < v.n; i++)
        most = v.count[i] > most ? v.count[i] : most;
    fprintf(out,
            "<svg class=\"values\" viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%u %s from %.4g "
            "to %.4g, the most frequent %llu times\">",
            WIDTH, HEIGHT, v.n, v.shared ? "shared values" : "bins of values", (double)v.value[0],
            (double)v.value[v.n - 1], (unsigned long long)most);
    put_bars(out, &v, most, true);
    put_bars(out, &v, most, false);
    put_scale(out, &v);
    fputs("</svg>\n", out);
    if (v.shared)
        put_values(out, &v);
}

// ---- Cards -------------------------------------------------------------------------------------

static void put_facts(FILE *out, const struct tnm_layer *l) {
    char left[MARKUP_NUMBER], all[MARKUP_NUMBER], bytes[MARKUP_NUMBER];
    fputs("<h4>", out);
    markup_text(out, l->name[0] != 0 ? l->name : l->op);
    fprintf(out, "<small>%s, %u × %u</small></h4>\n<p>", l->op, l->rows, l->cols);
    fprintf(out, "%s of %s weights left, <b>%.2f %% removed</b><br>%s",
            markup_count(l->nonzeros, left), markup_count(l->weights, all), removed(l),
            l->encoding);
    if (l->bits > 0)
        fprintf(out, ", %u bits", l->bits);
    fprintf(out, ", %s bytes</p>\n", markup_count(l->bytes, bytes));
}

bool layers_write(FILE *out, const struct tnm_model *model, struct tnm_error *err) {
    struct layer l;
    fputs("<div class=\"layers\">\n", out);
    for (uint32_t i = 0; find_layer(&l, model, i); i++) {
        fputs("<section class=\"layer\">", out);
        put_facts(out, &l.told);
        if (i < MOST_LAYERS) {
            if (!put_weights(out, &l, err))
                return false;
            put_histogram(out, &l);
        }
        fputs("</section>\n", out);
    }
    fputs("</div>\n", out);
    return true;
}
