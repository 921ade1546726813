/* SPDX-License-Identifier: MIT */
// Charts of points.
#include "models/chart.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "core/error.h"
#include "models/labels.h"
#include "models/markup.h"

enum {
    LEFT = 62,
    RIGHT = 18,
    BOTTOM = 50,
    TEXT = 12, // size of letters
    HEADING = 30,
    LINE = 20,  // of the legend
    MARKER = 6, // half its size, with what is left free around it
    GAP_X = 56, // between ticks
    GAP_Y = 30,
    CHUNK = 7, // of a line that labels keep off
};

// Colours are told apart by people of every kind of colour vision, by lightness too, and stand out
// from both backgrounds; shapes say the same once more.
const char chart_style[] =
    ".chart{font:12px system-ui,sans-serif;fill:#1b1b1a}"
    ".chart .paper{fill:#fff}.chart .head{font-size:15px;font-weight:600}"
    ".chart .grid{stroke:#e4e3df}.chart .base{stroke:#8a8984}.chart .soft,.chart "
    ".tick{fill:#5c5b57}"
    ".chart .ref{fill:none;stroke:#6f6e69;stroke-width:1.6}.chart .refname{fill:#5c5b57}"
    ".chart .lead{stroke:#a5a49e}.chart .dot{stroke:#fff;stroke-width:1.2}"
    ".chart .bar{fill:none;opacity:.5;stroke-width:1.5}"
    ".chart .line{fill:none;opacity:.3;stroke-width:1.5}"
    ".chart .f0{fill:#2a3e77}.chart .s0{stroke:#2a3e77}.chart .f1{fill:#a04c0d}"
    ".chart .s1{stroke:#a04c0d}.chart .f2{fill:#5d9c8d}.chart .s2{stroke:#5d9c8d}"
    ".chart .f3{fill:#7d56c0}.chart .s3{stroke:#7d56c0}.chart .f4{fill:#b4850e}"
    ".chart .s4{stroke:#b4850e}.chart .f5{fill:#781828}.chart .s5{stroke:#781828}"
    ".chart a{text-decoration:none}.chart a:hover text{text-decoration:underline}"
    ".chart a:focus{outline:none}.chart a:focus-visible .dot{stroke:#1b1b1a;stroke-width:3}"
    ".chart a:focus-visible text{text-decoration:underline}"
    "@media(prefers-color-scheme:dark){.chart{fill:#ecebe6}.chart .paper{fill:#161615}"
    ".chart .grid{stroke:#2f2e2c}.chart .base{stroke:#7b7a75}"
    ".chart .soft,.chart .tick,.chart .refname{fill:#b4b3ac}.chart .ref{stroke:#a3a29b}"
    ".chart .lead{stroke:#6a6964}.chart .dot{stroke:#161615}.chart .bar{opacity:.75}"
    ".chart .f0{fill:#79a7e2}.chart .s0{stroke:#79a7e2}.chart .f1{fill:#d29661}"
    ".chart .s1{stroke:#d29661}.chart .f2{fill:#97fbe3}.chart .s2{stroke:#97fbe3}"
    ".chart .f3{fill:#8552d3}.chart .s3{stroke:#8552d3}.chart .f4{fill:#e4de4f}"
    ".chart .s4{stroke:#e4de4f}.chart .f5{fill:#c83065}.chart .s5{stroke:#c83065}"
    ".chart a:focus-visible .dot{stroke:#ecebe6}}";

struct drawing {
    FILE *out;
    const struct chart *chart;
    const struct chart_form *form;
    struct axis x, y;
    double top; // of what the axes enclose
    struct label *label;
    struct label_box *point, *line; // to keep off
    uint32_t n_lines;
};

// ---- Marks -------------------------------------------------------------------------------------

// Around 0, 0; the last one for points from elsewhere.
static const char *const shape[] = {
    "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0-9 0z",   // circle
    "M-4-4h8v8h-8z",                                  // square
    "M0-5.4L5 3.8H-5z",                               // triangle
    "M0-5.6L5.6 0L0 5.6L-5.6 0z",                     // diamond
    "M0 5.4L5-3.8H-5z",                               // triangle on its tip
    "M-5-1.6h3.4V-5h3.2v3.4H5v3.2H1.6V5h-3.2V1.6H-5z" // plus
};

static void put_mark(FILE *out, const struct chart_point *p, double x, double y) {
    bool has_look = p->series != CHART_NO_SERIES;
    uint32_t look = has_look ? p->series % CHART_SERIES : 0;
    fprintf(out, "<path class=\"%s", p->is_reference ? "ref" : "dot");
    if (has_look)
        fprintf(out, " %c%u", p->is_reference ? 's' : 'f', look);
    fprintf(out, "\" transform=\"translate(%.1f %.1f)\" d=\"%s\"/>", x, y, shape[look]);
}

void chart_mark(FILE *out, uint32_t series, bool is_reference) {
    const struct chart_point p = {.series = series, .is_reference = is_reference};
    fputs("<svg class=\"chart key\" viewBox=\"-7 -7 14 14\" width=\"14\" height=\"14\" "
          "aria-hidden=\"true\">",
          out);
    put_mark(out, &p, 0, 0);
    fputs("</svg>", out);
}

static void put_words(FILE *out, const char *classes, double x, double y, const char *anchor,
                      const char *text) {
    fprintf(out, "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\"%s%s%s>", classes, x, y,
            anchor != NULL ? " text-anchor=\"" : "", anchor != NULL ? anchor : "",
            anchor != NULL ? "\"" : "");
    markup_text(out, text);
    fputs("</text>", out);
}

static void put_stroke(FILE *out, const char *classes, double x0, double y0, double x1, double y1) {
    fprintf(out, "<path class=\"%s\" d=\"M%.1f %.1fL%.1f %.1f\"/>", classes, x0, y0, x1, y1);
}

// ---- Legend and axes ---------------------------------------------------------------------------

static bool has_points(const struct chart *c, uint32_t series) {
    for (uint32_t i = 0; i < c->n; i++)
        if (c->point[i].series == series && !c->point[i].is_reference)
            return true;
    return false;
}

static bool has_references(const struct chart *c) {
    for (uint32_t i = 0; i < c->n; i++)
        if (c->point[i].is_reference)
            return true;
    return false;
}

// An entry of the legend at x, y, or at the start of a new line; draws it unless out is NULL.
static void legend_entry(FILE *out, const struct chart_form *form, uint32_t series,
                         const char *name, double *x, double *y) {
    double width = 16 + markup_width(name, TEXT) + 14;
    const struct chart_point p = {.series = series, .is_reference = series == CHART_NO_SERIES};
    if (*x + width > form->width - RIGHT && *x > LEFT) {
        *x = 8;
        *y += LINE;
    }
    if (out != NULL) {
        put_mark(out, &p, *x + 6, *y - 4);
        put_words(out, "soft", *x + 16, *y, NULL, name);
    }
    *x += width;
}

// Below y; returns where it ends.
static double legend(FILE *out, const struct chart *c, const struct chart_form *form, double y) {
    double x = 8;
    y += LINE;
    for (uint32_t s = 0; s < c->n_series; s++)
        if (has_points(c, s))
            legend_entry(out, form, s, c->series[s], &x, &y);
    if (has_references(c))
        legend_entry(out, form, CHART_NO_SERIES, c->reference, &x, &y);
    return y;
}

static void put_axes(const struct drawing *d) {
    FILE *out = d->out;
    double tick[AXIS_TICKS];
    char text[AXIS_LABEL];
    uint32_t n = axis_ticks(&d->y, GAP_Y, tick);
    for (uint32_t i = 0; i < n; i++) {
        double y = axis_at(&d->y, tick[i]);
        put_stroke(out, "grid", d->x.from, y, d->x.to, y);
        put_words(out, "tick", d->x.from - 8, y + 4, "end", axis_label(&d->y, tick[i], text));
    }
    n = axis_ticks(&d->x, GAP_X, tick);
    for (uint32_t i = 0; i < n; i++) {
        double x = axis_at(&d->x, tick[i]);
        put_stroke(out, "grid", x, d->y.to, x, d->y.from);
        put_words(out, "tick", x, d->y.from + 18, "middle", axis_label(&d->x, tick[i], text));
    }
    put_stroke(out, "base", d->x.from, d->y.from, d->x.to, d->y.from);
    put_words(out, "soft", (d->x.from + d->x.to) / 2, d->y.from + 38, "middle", d->chart->x_title);
    put_words(out, "soft", 8, d->y.to - 10, NULL, d->chart->y_title);
}

// ---- Points ------------------------------------------------------------------------------------

static double at_x(const struct drawing *d, const struct chart_point *p) {
    return axis_at(&d->x, p->x);
}

static double at_y(const struct drawing *d, const struct chart_point *p) {
    return axis_at(&d->y, p->y);
}

static void put_bars(const struct drawing *d, const struct chart_point *p) {
    char classes[16];
    double x = at_x(d, p), y = at_y(d, p);
    if (p->is_reference)
        return;
    snprintf(classes, sizeof classes, "bar s%u", p->series % CHART_SERIES);
    if (isfinite(p->y_low))
        fprintf(d->out, "<path class=\"%s\" d=\"M%.1f %.1fh6m-3 0V%.1fm-3 0h6\"/>", classes, x - 3,
                axis_at(&d->y, p->y_low), axis_at(&d->y, p->y_high));
    if (isfinite(p->x_far))
        put_stroke(d->out, classes, axis_at(&d->x, p->x_far), y, x, y);
}

// Letters may be wider or narrower here than was reckoned: they start at the side of the point.
static void put_name(FILE *out, const struct chart_point *p, const struct label *l) {
    const char *classes = p->is_reference ? "refname" : "name";
    bool is_left = l->box.right <= l->x;
    put_words(out, classes, is_left ? l->box.right : l->box.left, l->box.bottom - 3,
              is_left ? "end" : NULL, p->label);
}

static void put_point(const struct drawing *d, const struct chart_point *p,
                      const struct label *label) {
    bool linked = p->link != NULL && !d->form->is_part;
    fprintf(d->out, linked ? "<a href=\"%s\">" : "<g>", p->link);
    fputs("<title>", d->out);
    markup_text(d->out, p->told);
    fputs("</title>", d->out);
    put_mark(d->out, p, at_x(d, p), at_y(d, p));
    if (label->placed)
        put_name(d->out, p, label);
    fputs(linked ? "</a>" : "</g>", d->out);
}

static void put_leader(const struct drawing *d, const struct label *l) {
    const struct label_box *b = &l->box;
    double x = fmin(fmax(l->x, b->left), b->right), y = fmin(fmax(l->y, b->top), b->bottom);
    double far = hypot(x - l->x, y - l->y);
    if (l->placed && l->has_leader && far > MARKER)
        put_stroke(d->out, "lead", l->x + (x - l->x) * MARKER / far,
                   l->y + (y - l->y) * MARKER / far, x, y);
}

// ---- Series ------------------------------------------------------------------------------------

// The points of a series that none further left beats, from left to right: the next after `after`,
// NULL at the end.
static const struct chart_point *next_of(const struct chart *c, uint32_t series,
                                         const struct chart_point *after) {
    const struct chart_point *next = NULL;
    for (const struct chart_point *p = c->point; p < c->point + c->n; p++) {
        if (p->series != series || p->is_reference ||
            (after != NULL && !(p->x > after->x && p->y > after->y)))
            continue;
        if (next == NULL || p->x < next->x || (p->x == next->x && p->y > next->y))
            next = p;
    }
    return next;
}

static void put_lines(const struct drawing *d) {
    const struct chart *c = d->chart;
    for (uint32_t s = 0; s < c->n_series; s++) {
        const struct chart_point *p = next_of(c, s, NULL);
        if (p == NULL || next_of(c, s, p) == NULL)
            continue;
        fprintf(d->out, "<path class=\"line s%u\" d=\"", s % CHART_SERIES);
        for (char verb = 'M'; p != NULL; p = next_of(c, s, p), verb = 'L')
            fprintf(d->out, "%c%.1f %.1f", verb, at_x(d, p), at_y(d, p));
        fputs("\"/>", d->out);
    }
}

// ---- Labels ------------------------------------------------------------------------------------

// A line in boxes, or only their number where d->line is NULL.
static void keep_off(struct drawing *d, double x0, double y0, double x1, double y1) {
    int steps = (int)(hypot(x1 - x0, y1 - y0) / CHUNK) + 1;
    for (int i = 0; i < steps; i++) {
        double a = (double)i / steps, b = (i + 1.0) / steps;
        double xa = x0 + (x1 - x0) * a, xb = x0 + (x1 - x0) * b;
        double ya = y0 + (y1 - y0) * a, yb = y0 + (y1 - y0) * b;
        if (d->line != NULL)
            d->line[d->n_lines] = (struct label_box){fmin(xa, xb) - 1, fmin(ya, yb) - 1,
                                                     fmax(xa, xb) + 1, fmax(ya, yb) + 1};
        d->n_lines++;
    }
}

static void keep_off_all(struct drawing *d) {
    const struct chart *c = d->chart;
    d->n_lines = 0;
    for (const struct chart_point *p = c->point; p < c->point + c->n; p++) {
        double x = at_x(d, p), y = at_y(d, p);
        if (isfinite(p->y_low))
            keep_off(d, x, axis_at(&d->y, p->y_low), x, axis_at(&d->y, p->y_high));
        if (isfinite(p->x_far))
            keep_off(d, axis_at(&d->x, p->x_far), y, x, y);
    }
    for (uint32_t s = 0; s < c->n_series; s++) {
        const struct chart_point *p = next_of(c, s, NULL), *q;
        for (; p != NULL && (q = next_of(c, s, p)) != NULL; p = q)
            keep_off(d, at_x(d, p), at_y(d, p), at_x(d, q), at_y(d, q));
    }
}

static uint32_t first_reference(const struct chart *c) {
    uint32_t i = 0;
    while (i < c->n && !c->point[i].is_reference)
        i++;
    return i;
}

static void place_labels(struct drawing *d) {
    const struct chart *c = d->chart;
    for (uint32_t i = 0; i < c->n; i++) {
        double x = at_x(d, &c->point[i]), y = at_y(d, &c->point[i]);
        d->label[i] = (struct label){
            .x = x, .y = y, .width = markup_width(c->point[i].label, TEXT), .height = TEXT + 2};
        d->point[i] = (struct label_box){x - MARKER, y - MARKER, x + MARKER, y + MARKER};
    }
    const struct label_ground ground = {
        {d->x.from, d->y.to, d->x.to + RIGHT, d->y.from}, d->point, d->line, c->n, d->n_lines};
    uint32_t named = d->form->is_small ? first_reference(c) : c->n;
    if (named <= CHART_MOST_LABELS)
        labels_place(d->label, named, &ground);
}

static bool prepare_labels(struct drawing *d, struct tnm_error *err) {
    keep_off_all(d); // counts
    d->label = calloc(d->chart->n, sizeof *d->label);
    d->point = calloc(d->chart->n, sizeof *d->point);
    d->line = calloc((size_t)d->n_lines + 1, sizeof *d->line);
    if (d->label == NULL || d->point == NULL || d->line == NULL)
        return tnm_fail_errno(err, ENOMEM, "chart");
    keep_off_all(d);
    place_labels(d);
    return true;
}

// ---- The whole ---------------------------------------------------------------------------------

static void widen(double *low, double *high, double value) {
    if (isfinite(value)) {
        *low = fmin(*low, value);
        *high = fmax(*high, value);
    }
}

static void set_axes(struct drawing *d) {
    const struct chart *c = d->chart;
    double x0 = INFINITY, x1 = -INFINITY, y0 = INFINITY, y1 = -INFINITY;
    for (const struct chart_point *p = c->point; p < c->point + c->n; p++) {
        widen(&x0, &x1, p->x);
        widen(&x0, &x1, p->x_far);
        widen(&y0, &y1, p->y);
        widen(&y0, &y1, p->y_low);
        widen(&y0, &y1, p->y_high);
    }
    d->x = axis_make(c->x_scale, c->x_unit, x0, x1, LEFT, d->form->width - RIGHT);
    d->y = axis_make(c->y_scale, AXIS_PERCENT, y0, y1, d->form->height - BOTTOM, d->top);
}

static void put_start(const struct drawing *d) {
    const struct chart_form *f = d->form;
    FILE *out = d->out;
    fprintf(out, "<svg id=\"%s\" class=\"chart %s\" ", f->id, f->classes);
    if (f->is_part)
        fprintf(out, "y=\"%.0f\" width=\"%.0f\" height=\"%.0f\" ", f->y, f->width, f->height);
    fprintf(out,
            "viewBox=\"0 0 %.0f %.0f\" role=\"group\" aria-labelledby=\"%s-title %s-told\">"
            "<title id=\"%s-title\">",
            f->width, f->height, f->id, f->id, f->id);
    markup_text(out, d->chart->title);
    fprintf(out, "</title><desc id=\"%s-told\">", f->id);
    markup_text(out, d->chart->told);
    fputs("</desc>\n", out);
    if (f->is_part)
        put_words(out, "head", 8, 24, NULL, d->chart->title);
}

static void put_all(const struct drawing *d) {
    const struct chart *c = d->chart;
    put_start(d);
    legend(d->out, c, d->form, d->form->is_part ? HEADING : 0);
    put_axes(d);
    fputs("\n", d->out);
    put_lines(d);
    for (uint32_t i = 0; i < c->n; i++)
        put_bars(d, &c->point[i]);
    for (uint32_t i = 0; i < c->n; i++)
        put_leader(d, &d->label[i]);
    for (uint32_t i = 0; i < c->n; i++) {
        fputs("\n", d->out);
        put_point(d, &c->point[i], &d->label[i]);
    }
    fputs("\n</svg>\n", d->out);
}

bool chart_write(FILE *out, const struct chart *chart, const struct chart_form *form,
                 struct tnm_error *err) {
    struct drawing d = {.out = out, .chart = chart, .form = form};
    d.top = legend(NULL, chart, form, form->is_part ? HEADING : 0) + 34;
    set_axes(&d);
    bool ok = prepare_labels(&d, err);
    if (ok)
        put_all(&d);
    free(d.label);
    free(d.point);
    free(d.line);
    return ok;
}
