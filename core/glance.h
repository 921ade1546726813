/* SPDX-License-Identifier: MIT */
// A first look at a sheet: which of all marks was written, dark or light, and how far the search
// for its ground has to reach.
#ifndef TNM_GLANCE_H
#define TNM_GLANCE_H

#include "core/sheet.h"

// A mark of sheet->glance, and how it was seen.
struct tnm_find {
    bool light;
    uint32_t reach, threshold, label;
    struct tnm_mark mark;
    double weight; // 0: nothing was found
};

// Tries both polarities, all reaches and several thresholds. Changes the sheet's polarity and what
// glance holds.
struct tnm_find tnm_glance(struct tnm_sheet *sheet);

// Sees the same mark once more: sets the polarity, and chosen to 1 where the mark is, else 0.
void tnm_glance_again(struct tnm_sheet *sheet, const struct tnm_find *find);

#endif
