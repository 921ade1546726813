/* SPDX-License-Identifier: MIT */
// A chart of points by two measures, as SVG: series by shape and colour, bars for what is
// uncertain, a name beside each point.
#ifndef CHART_H
#define CHART_H

#include <stdio.h>

#include "core/tnm.h"
#include "models/axis.h"

enum {
    CHART_SERIES = 6,             // looks; more series share them
    CHART_NO_SERIES = UINT32_MAX, // of a point from elsewhere
    CHART_MOST_LABELS = 120       // with more points none is named
};

struct chart_point {
    double x, x_far;         // a bar between them; NaN: none
    double y, y_low, y_high; // a bar; NaN: none
    uint32_t series;
    bool is_reference; // from elsewhere: drawn hollow, without line and bars
    const char *label; // beside the point
    const char *told;  // all of it in words
    const char *link;  // "#m1", or NULL
};

struct chart {
    const char *title, *told; // told: the text in place of the picture
    const char *x_title, *y_title;
    enum axis_scale x_scale, y_scale;
    enum axis_unit x_unit;
    const struct chart_point *point; // (n), those from elsewhere last
    uint32_t n;
    const char *const *series; // (n_series), their names; some may have no points
    uint32_t n_series;
    const char *reference; // what the points from elsewhere are called
};

struct chart_form {
    double width, height;
    const char *id;      // of the element, and the start of those within it
    const char *classes; // of the element, beside "chart"
    bool is_small;       // points from elsewhere have no names
    bool is_part;        // of a larger picture: at y, with a heading, without links
    double y;
};

// The rules of style for charts, light and dark.
extern const char chart_style[];

// Writes the element. n 1 at least. TNM_ENOMEM.
bool chart_write(FILE *out, const struct chart *chart, const struct chart_form *form,
                 struct tnm_error *err) TNM_MUST_CHECK;

// The look of a series alone, as an inline picture for a legend elsewhere.
void chart_mark(FILE *out, uint32_t series, bool is_reference);

#endif
