/* SPDX-License-Identifier: MIT */
// The working copies of a picture in which a mark is looked for: reduced, of either polarity, and
// set against its ground. All memory is one allocation of the caller's.
#ifndef TNM_SHEET_H
#define TNM_SHEET_H

#include "core/mark.h"
#include "core/prepare.h"

// The picture at most 640 pixels long and wide (full), and at most 160 (glance), where each pixel
// is as dark as the darkest that it stands for, so that thin strokes stay.
struct tnm_sheet {
    struct tnm_marks full, glance; // glance has a grey of its own; they share the rest
    bool light;                    // marks are lighter than the ground: grey is complemented
    uint32_t factor;               // pixels of full to one of glance, each way
    uint8_t *grey, *small_grey;    // what full and glance look at
    uint8_t *ink;                  // (full.height, full.width): darkness against the ground
    uint8_t *ground;               // of the same size; free to use after darkening
    uint8_t *chosen;               // (glance.height, glance.width), free to use
    uint8_t *box;                  // (recipe->box, recipe->box), free to use
    void *scratch;                 // for tnm_raster_resize and _close on any of it
};

// How far the search for the ground reaches: half a side of the closing's square, as parts of the
// picture's longer side. It has to be wider than the widest stroke; the narrowest that is is best,
// for it fills least of what is no stroke.
enum { TNM_REACHES = 3 };
extern const uint32_t tnm_reach[TNM_REACHES];

size_t tnm_sheet_bytes(const struct tnm_recipe *recipe, uint32_t width, uint32_t height);

// Lays the sheet out in memory of tnm_sheet_bytes, and reads the picture in, marks being dark.
void tnm_sheet_init(struct tnm_sheet *sheet, const struct tnm_recipe *recipe,
                    const struct tnm_pixels *picture, void *memory);

// Sets what a mark is, dark or light, and makes glance anew. Marks look dark in either case.
void tnm_sheet_set_polarity(struct tnm_sheet *sheet, bool light);

// Fills ink for glance: plain differences to the ground, in which dark and light marks compare.
void tnm_sheet_darken_glance(struct tnm_sheet *sheet, uint32_t reach);

// Fills ink for full. Light falls on dark ink and on its ground alike, so there it is the part that
// is missing, 255 * (1 - grey / ground); light ink adds to what there is.
void tnm_sheet_darken_full(struct tnm_sheet *sheet, uint32_t reach);

// The side in pixels of glance of the square that a reach means there.
uint32_t tnm_sheet_window(const struct tnm_sheet *sheet, uint32_t reach);

#endif
