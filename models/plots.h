/* SPDX-License-Identifier: MIT */
// The charts of a gallery: accuracy against bytes and against time, one for each set of data that
// models were tested on.
#ifndef PLOTS_H
#define PLOTS_H

#include <stdio.h>

#include "models/gallery.h"

enum plots_by { PLOTS_BYTES, PLOTS_TIME };

// Models of which accuracy, and for PLOTS_TIME time, are known.
uint32_t plots_shown(const struct gallery *g, enum plots_by by);

// The charts as elements of a page, each twice: of class "wide", and of class "narrow" for phones.
// Their points lead to #m0, #m1, ... Nothing where nothing is known.
bool plots_write(FILE *out, const struct gallery *g, enum plots_by by,
                 struct tnm_error *err) TNM_MUST_CHECK;

// Accuracy against bytes as an SVG document. TNM_EINPUT where no accuracy is known.
bool plots_document(FILE *out, const struct gallery *g, struct tnm_error *err) TNM_MUST_CHECK;

#endif
