/* SPDX-License-Identifier: MIT */
// Which points a chart has, and what it says of them.
#include "models/plots.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/statistics.h"
#include "models/chart.h"
#include "models/markup.h"
#include "models/measure.h"

enum {
    TOLD = 512, // bytes of what a point is, in words; what is longer is cut
    LINK = 16,
    ERRORS_FROM = 4, // times as many errors of the worst as of the best: their logarithm is drawn
};

// The chart of one set of data.
struct panel {
    const struct gallery *g;
    enum plots_by by;
    const struct exhibit *first; // of the models in it
    const char *data;
    struct chart chart;
    struct chart_point *point; // (g->n + records), owned
    char (*told)[TOLD];        // the same, owned
    char (*link)[LINK];        // the same, owned
    const char **series;       // (g->n), owned
    size_t prefix;             // what all names start with
    char title[TOLD], summary[TOLD];
};

// ---- Which models ------------------------------------------------------------------------------

static bool is_shown(const struct exhibit *e, enum plots_by by) {
    return e->test.images > 0 && (by == PLOTS_BYTES || isfinite(e->ns));
}

uint32_t plots_shown(const struct gallery *g, enum plots_by by) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < g->n; i++)
        n += is_shown(&g->at[i], by);
    return n;
}

static bool is_in(const struct panel *p, const struct exhibit *e) {
    return is_shown(e, p->by) && strcmp(e->data, p->data) == 0;
}

// Whether no model before i was tested on the same data.
static bool starts_panel(const struct gallery *g, enum plots_by by, uint32_t i) {
    for (uint32_t k = 0; k < i; k++)
        if (is_shown(&g->at[k], by) && strcmp(g->at[k].data, g->at[i].data) == 0)
            return false;
    return is_shown(&g->at[i], by);
}

// ---- Names -------------------------------------------------------------------------------------

// The length of what all names of the panel start with, up to a '-'; 0 where there is one model.
static size_t common_prefix(const struct panel *p) {
    const char *first = NULL;
    size_t len = 0;
    uint32_t n = 0;
    for (uint32_t i = 0; i < p->g->n; i++) {
        const char *name = p->g->at[i].name;
        if (!is_in(p, &p->g->at[i]))
            continue;
        if (n++ == 0) {
            first = name;
            len = strlen(name);
        }
        while (strncmp(first, name, len) != 0)
            len--;
    }
    while (n > 0 && len > 0 && first[len - 1] != '-')
        len--;
    return n > 1 ? len : 0;
}

// The same look in every chart.
static void name_series(struct panel *p) {
    for (uint32_t i = 0; i < p->g->n; i++) {
        uint32_t series = gallery_series(p->g, p->g->at[i].family);
        p->series[series] = p->g->at[i].family;
        if (series >= p->chart.n_series)
            p->chart.n_series = series + 1;
    }
}

// ---- Points ------------------------------------------------------------------------------------

static void tell_model(const struct exhibit *e, double low, double high, char told[TOLD]) {
    char bytes[MARKUP_NUMBER], time[MARKUP_NUMBER];
    int n = snprintf(told, TOLD, "%s: %s bytes, %.2f %% right (95 %% interval %.2f to %.2f), %s",
                     e->name, markup_count(e->summary.bytes, bytes),
                     100 * measure_accuracy(e->test), 100 * low, 100 * high, e->family);
    if (isfinite(e->ns) && n < TOLD)
        snprintf(told + n, (size_t)(TOLD - n), ", %s an input", markup_time(e->ns, time));
}

static void add_model(struct panel *p, uint32_t i) {
    const struct exhibit *e = &p->g->at[i];
    uint32_t n = p->chart.n++;
    struct chart_point *point = &p->point[n];
    const char *name = e->name;
    double low, high;
    tnm_interval(e->test.correct, e->test.images, &low, &high);
    tell_model(e, low, high, p->told[n]);
    snprintf(p->link[n], LINK, "#m%u", i);
    *point = (struct chart_point){.x = p->by == PLOTS_TIME ? e->ns : (double)e->summary.bytes,
                                  .x_far = p->by == PLOTS_TIME ? e->ns_median : NAN,
                                  .y = measure_accuracy(e->test),
                                  .y_low = low,
                                  .y_high = high,
                                  .series = gallery_series(p->g, e->family),
                                  .label = name[p->prefix] != 0 ? name + p->prefix : name,
                                  .told = p->told[n],
                                  .link = p->link[n]};
}

// A record belongs where its data does; one that does not say, where its network is.
static bool belongs(const struct panel *p, const struct record *r) {
    if (r->data[0] != 0)
        return strcmp(r->data, p->data) == 0;
    for (uint32_t i = 0; i < p->g->n; i++)
        if (is_in(p, &p->g->at[i]) && strcmp(p->g->at[i].family, r->network) == 0)
            return true;
    return false;
}

static void add_record(struct panel *p, const struct record *r) {
    char bytes[MARKUP_NUMBER];
    uint32_t n = p->chart.n++;
    snprintf(p->told[n], TOLD, "%s, %s: %s bytes, %.2f %% right. %s", r->name, r->network,
             markup_count((uint64_t)r->bytes, bytes), 100 * r->accuracy, r->source);
    p->point[n] = (struct chart_point){.x = r->bytes,
                                       .x_far = NAN,
                                       .y = r->accuracy,
                                       .y_low = NAN,
                                       .y_high = NAN,
                                       .series = gallery_series(p->g, r->network),
                                       .is_reference = true,
                                       .label = r->name,
                                       .told = p->told[n]};
}

static void add_points(struct panel *p) {
    for (uint32_t i = 0; i < p->g->n; i++)
        if (is_in(p, &p->g->at[i]))
            add_model(p, i);
    for (uint32_t i = 0; p->by == PLOTS_BYTES && i < p->g->records.n; i++)
        if (belongs(p, &p->g->records.record[i]))
            add_record(p, &p->g->records.record[i]);
}

// ---- What the chart says -----------------------------------------------------------------------

static enum axis_scale accuracy_scale(const struct chart *c) {
    double most = 0, fewest = 1;
    for (uint32_t i = 0; i < c->n; i++) {
        most = fmax(most, 1 - c->point[i].y);
        fewest = fmin(fewest, 1 - c->point[i].y);
    }
    return most > ERRORS_FROM * fewest ? AXIS_ERRORS : AXIS_LINEAR;
}

// The smallest and the most accurate model, in words.
static void summarise(struct panel *p) {
    const struct exhibit *smallest = p->first, *best = p->first;
    uint32_t n = 0;
    for (const struct exhibit *e = p->g->at; e < p->g->at + p->g->n; e++) {
        if (!is_in(p, e))
            continue;
        n++;
        if (e->summary.bytes < smallest->summary.bytes)
            smallest = e;
        if (measure_accuracy(e->test) > measure_accuracy(best->test))
            best = e;
    }
    snprintf(p->summary, TOLD,
             "%u model%s. The smallest is %s with %zu bytes and %.2f %%; the most accurate is %s "
             "with %zu bytes and %.2f %%.",
             n, n == 1 ? "" : "s", smallest->name, smallest->summary.bytes,
             100 * measure_accuracy(smallest->test), best->name, best->summary.bytes,
             100 * measure_accuracy(best->test));
}

static void finish(struct panel *p) {
    struct chart *c = &p->chart;
    bool by_time = p->by == PLOTS_TIME;
    c->point = p->point;
    c->series = p->series;
    c->y_scale = accuracy_scale(c);
    summarise(p);
    snprintf(p->title, TOLD, "Accuracy against %s%s%s", by_time ? "time" : "size",
             p->data[0] != 0 ? ", " : "", p->data);
    c->title = p->title;
    c->told = p->summary;
    c->x_title = by_time ? "time of an input: the least, bars to the median (log scale)"
                         : "bytes of the whole file (log scale)";
    c->y_title = c->y_scale == AXIS_ERRORS
                     ? "test accuracy and its 95 % interval (log scale of the errors)"
                     : "test accuracy and its 95 % interval";
    c->x_scale = AXIS_LOG;
    c->x_unit = by_time ? AXIS_TIME : AXIS_BYTES;
    c->reference = "hollow: published by others";
}

static void panel_free(struct panel *p) {
    free(p->point);
    free(p->told);
    free(p->link);
    free(p->series);
}

// The panel of model i's data.
static bool panel_make(struct panel *p, const struct gallery *g, enum plots_by by, uint32_t i,
                       struct tnm_error *err) {
    size_t most = (size_t)g->n + g->records.n;
    *p = (struct panel){.g = g, .by = by, .first = &g->at[i], .data = g->at[i].data};
    p->point = calloc(most, sizeof *p->point);
    p->told = calloc(most, sizeof *p->told);
    p->link = calloc(most, sizeof *p->link);
    p->series = calloc(g->n, sizeof *p->series);
    if (p->point == NULL || p->told == NULL || p->link == NULL || p->series == NULL) {
        panel_free(p);
        return tnm_fail_errno(err, ENOMEM, "chart");
    }
    p->prefix = common_prefix(p);
    name_series(p);
    add_points(p);
    finish(p);
    return true;
}

// ---- In a page ---------------------------------------------------------------------------------

static bool write_twice(FILE *out, const struct panel *p, uint32_t i, struct tnm_error *err) {
    char id[32];
    const char *by = p->by == PLOTS_TIME ? "time" : "bytes";
    const struct chart_form wide = {.width = 1060, .height = 540, .id = id, .classes = "wide"};
    const struct chart_form narrow = {
        .width = 400, .height = 600, .id = id, .classes = "narrow", .is_small = true};
    snprintf(id, sizeof id, "%s%u-wide", by, i);
    if (!chart_write(out, &p->chart, &wide, err))
        return false;
    snprintf(id, sizeof id, "%s%u-narrow", by, i);
    return chart_write(out, &p->chart, &narrow, err);
}

bool plots_write(FILE *out, const struct gallery *g, enum plots_by by, struct tnm_error *err) {
    struct panel panel;
    for (uint32_t i = 0; i < g->n; i++) {
        if (!starts_panel(g, by, i))
            continue;
        if (!panel_make(&panel, g, by, i, err))
            return false;
        fputs("<figure class=\"plot\"><figcaption>", out);
        markup_text(out, panel.title);
        fputs("</figcaption>\n", out);
        bool ok = write_twice(out, &panel, i, err);
        fputs("</figure>\n", out);
        panel_free(&panel);
        if (!ok)
            return false;
    }
    return true;
}

// ---- Alone -------------------------------------------------------------------------------------

enum {
    WIDTH = 900,
    HEIGHT = 520 // of each panel
};

static void write_head(FILE *out, const struct gallery *g, double height) {
    fprintf(out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"chart\" width=\"%d\" "
            "height=\"%.0f\" viewBox=\"0 0 %d %.0f\" role=\"img\" aria-labelledby=\"title told\">\n"
            "<title id=\"title\">Accuracy of tiny models against their size</title>\n"
            "<desc id=\"told\">%u models, right answers on the test images against the bytes of "
            "the file.</desc>\n<style>%s</style>\n<rect class=\"paper\" width=\"%d\" "
            "height=\"%.0f\"/>\n",
            WIDTH, height, WIDTH, height, plots_shown(g, PLOTS_BYTES), chart_style, WIDTH, height);
}

bool plots_document(FILE *out, const struct gallery *g, struct tnm_error *err) {
    char id[32];
    struct panel panel;
    uint32_t panels = 0;
    for (uint32_t i = 0; i < g->n; i++)
        panels += starts_panel(g, PLOTS_BYTES, i);
    if (panels == 0)
        return tnm_fail(err, TNM_EINPUT, "no file says its test accuracy: --data would measure it");
    write_head(out, g, (double)panels * HEIGHT);
    struct chart_form form = {
        .width = WIDTH, .height = HEIGHT, .id = id, .classes = "", .is_part = true};
    for (uint32_t i = 0; i < g->n; i++) {
        if (!starts_panel(g, PLOTS_BYTES, i))
            continue;
        if (!panel_make(&panel, g, PLOTS_BYTES, i, err))
            return false;
        snprintf(id, sizeof id, "bytes%u", i);
        bool ok = chart_write(out, &panel.chart, &form, err);
        panel_free(&panel);
        form.y += HEIGHT;
        if (!ok)
            return false;
    }
    fputs("</svg>\n", out);
    return true;
}
