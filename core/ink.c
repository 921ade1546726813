/* SPDX-License-Identifier: MIT */
// The ink recipe: where the mark that was found at a glance lies, and the input made of it.
#include "core/ink.h"

#include "core/error.h"
#include "core/glance.h"
#include "core/raster.h"

#include <stdlib.h>
#include <string.h>

static uint32_t larger_of(uint32_t a, uint32_t b) {
    return a > b ? a : b;
}

static uint32_t smaller_of(uint32_t a, uint32_t b) {
    return a < b ? a : b;
}

// ---- Where it is -------------------------------------------------------------------------------

// The pixels of the full view under the chosen mark's box.
static struct raster_part under(const struct tnm_sheet *s, const struct tnm_mark *m) {
    uint32_t right = smaller_of((m->right + 1u) * s->factor, s->full.width);
    uint32_t bottom = smaller_of((m->bottom + 1u) * s->factor, s->full.height);
    return (struct raster_part){m->left * s->factor, m->top * s->factor,
                                right - m->left * s->factor, bottom - m->top * s->factor};
}

static bool is_chosen(const struct tnm_sheet *s, uint32_t x, uint32_t y) {
    return s->chosen[(size_t)(y / s->factor) * s->glance.width + x / s->factor];
}

// How dark the strokes are in the full view, where the glance saw the mark: half of the pixels
// there belong to their edges.
static uint32_t stroke_darkness(const struct tnm_sheet *s, const struct raster_part *box) {
    uint32_t histogram[256] = {0}, n = 0, above = 0, v = 255;
    for (uint32_t y = box->y; y < box->y + box->height; y++)
        for (uint32_t x = box->x; x < box->x + box->width; x++)
            if (is_chosen(s, x, y)) {
                histogram[s->ink[(size_t)y * s->full.width + x]]++;
                n++;
            }
    for (; v > 1 && (above += histogram[v]) * 5 < n; v--)
        ;
    return v;
}

// The mark of the full view that has most of its ink where the glance saw it. 0 if none has any.
static uint32_t same_mark(struct tnm_sheet *s, const struct raster_part *box) {
    uint32_t best = 0;
    for (uint32_t m = 1; m <= s->full.n; m++)
        s->full.mark[m].rim = 0; // not traced: counts the ink
    for (uint32_t y = box->y; y < box->y + box->height; y++)
        for (uint32_t x = box->x; x < box->x + box->width; x++) {
            size_t i = (size_t)y * s->full.width + x;
            if (s->full.label[i] == 0 || !is_chosen(s, x, y))
                continue;
            struct tnm_mark *mark = &s->full.mark[s->full.label[i]];
            mark->rim += s->ink[i];
            if (best == 0 || mark->rim > s->full.mark[best].rim)
                best = s->full.label[i];
        }
    return best;
}

// Finds the mark in the full view. A threshold near half its darkness parts it from shadows and
// lines that it touches. A lower one keeps more of its pale ends, and is taken where the mark
// stays what it is: as long as before, and clear of the picture's edge. 0 if there is none.
static uint32_t separate(struct tnm_sheet *s, const struct raster_part *box, uint32_t dark) {
    tnm_marks_find(&s->full, larger_of(dark * 45 / 100, 1));
    uint32_t chosen = same_mark(s, box);
    if (chosen == 0)
        return 0;
    struct tnm_mark strict = s->full.mark[chosen];
    tnm_marks_find(&s->full, larger_of(dark * 28 / 100, 1));
    chosen = same_mark(s, box);
    const struct tnm_mark *m = &s->full.mark[chosen];
    if (tnm_mark_length(m) <= tnm_mark_length(&strict) * 1.1 + 2 &&
        tnm_mark_at_edge(&s->full, m) == tnm_mark_at_edge(&s->full, &strict))
        return chosen;
    tnm_marks_find(&s->full, larger_of(dark * 45 / 100, 1));
    return same_mark(s, box);
}

// A part that a thin stroke cut off: near, about as dark, not a speck and not the page's edge.
static bool belongs(const struct tnm_marks *marks, const struct tnm_mark *m,
                    const struct tnm_mark *chosen) {
    return !tnm_mark_at_edge(marks, m) && tnm_mark_gap(m, chosen) <= tnm_mark_length(chosen) / 5 &&
           m->pixels * 50 >= chosen->pixels &&
           tnm_mark_darkness(m) >= 0.6 * tnm_mark_darkness(chosen);
}

// Gives every pixel of the chosen mark and its parts the chosen label, and the box around them.
static struct raster_part gather(struct tnm_marks *marks, uint32_t chosen) {
    struct tnm_mark box = marks->mark[chosen];
    for (uint32_t i = 1; i <= marks->n; i++) {
        struct tnm_mark *m = &marks->mark[i];
        m->link = i;
        if (m->pixels == 0 || i == chosen || !belongs(marks, m, &marks->mark[chosen]))
            continue;
        m->link = chosen;
        box.left = (uint16_t)smaller_of(box.left, m->left);
        box.right = (uint16_t)larger_of(box.right, m->right);
        box.top = (uint16_t)smaller_of(box.top, m->top);
        box.bottom = (uint16_t)larger_of(box.bottom, m->bottom);
    }
    return (struct raster_part){box.left, box.top, box.right - box.left + 1u,
                                box.bottom - box.top + 1u};
}

// ---- The input ---------------------------------------------------------------------------------

// Whether the pixel or one beside it belongs to the mark: a soft edge lies below the threshold.
static bool is_part(const struct tnm_marks *m, uint32_t chosen, uint32_t x, uint32_t y) {
    uint32_t x1 = smaller_of(x + 1, m->width - 1), y1 = smaller_of(y + 1, m->height - 1);
    for (uint32_t j = y > 0 ? y - 1 : 0; j <= y1; j++)
        for (uint32_t i = x > 0 ? x - 1 : 0; i <= x1; i++) {
            uint32_t label = m->label[(size_t)j * m->width + i];
            if (label != 0 && m->mark[label].link == chosen)
                return true;
        }
    return false;
}

// Darkness to light on black, over the ground's memory: nothing up to `low`, full from `high`.
static void ramp(struct tnm_sheet *s, const struct raster_part *box, uint32_t chosen, uint32_t low,
                 uint32_t high) {
    for (uint32_t y = box->y; y < box->y + box->height; y++)
        for (uint32_t x = box->x; x < box->x + box->width; x++) {
            size_t i = (size_t)y * s->full.width + x;
            uint32_t ink = smaller_of(s->ink[i], high);
            bool inked = ink > low && is_part(&s->full, chosen, x, y);
            s->ground[i] = (uint8_t)(inked ? (ink - low) * 255 / (high - low) : 0);
        }
}

// Where a mark of `size` goes so that the centre of its mass comes to the middle of `room`.
static uint32_t centred(uint64_t moment, uint64_t mass, uint32_t size, uint32_t room) {
    int64_t middle = mass > 0 ? (int64_t)((2 * moment + mass) / (2 * mass)) : size / 2;
    int64_t at = (int64_t)(room / 2) - middle;
    int64_t last = (int64_t)room - size;
    return (uint32_t)(at < 0 ? 0 : at > last ? last : at);
}

static void place(const uint8_t *mark, uint32_t width, uint32_t height,
                  const struct tnm_recipe *recipe, uint8_t *plane) {
    uint64_t mass = 0, moment_x = 0, moment_y = 0;
    for (uint32_t y = 0; y < height; y++)
        for (uint32_t x = 0; x < width; x++) {
            uint64_t v = mark[y * width + x];
            mass += v;
            moment_x += v * x;
            moment_y += v * y;
        }
    uint32_t left = centred(moment_x, mass, width, recipe->width);
    uint32_t top = centred(moment_y, mass, height, recipe->height);
    for (uint32_t y = 0; y < height; y++)
        memcpy(plane + (size_t)(top + y) * recipe->width + left, mark + (size_t)y * width, width);
}

// Cuts the box out, its longer side to recipe->box, and places it.
static void draw(const struct tnm_sheet *s, const struct raster_part *box,
                 const struct tnm_recipe *recipe, uint8_t *plane) {
    uint32_t longer = larger_of(box->width, box->height);
    uint32_t width = larger_of((box->width * recipe->box + longer / 2) / longer, 1);
    uint32_t height = larger_of((box->height * recipe->box + longer / 2) / longer, 1);
    struct tnm_pixels picture = {s->full.width, s->full.height, 1, s->ground};
    tnm_raster_resize(&picture, box, 0, s->box, width, height, width, s->scratch);
    place(s->box, width, height, recipe, plane);
}

// ---- All of it ---------------------------------------------------------------------------------

// The box in pixels of the picture.
static void report_box(const struct tnm_sheet *s, const struct raster_part *box,
                       const struct tnm_pixels *picture, struct tnm_prepared *did) {
    uint64_t w = s->full.width, h = s->full.height;
    uint64_t right = ((uint64_t)(box->x + box->width) * picture->width + w - 1) / w;
    uint64_t bottom = ((uint64_t)(box->y + box->height) * picture->height + h - 1) / h;
    did->crop_x = (uint32_t)((uint64_t)box->x * picture->width / w);
    did->crop_y = (uint32_t)((uint64_t)box->y * picture->height / h);
    did->crop_width = (uint32_t)right - did->crop_x;
    did->crop_height = (uint32_t)bottom - did->crop_y;
}

// Finds the mark in the full view and draws it. False if there is none.
static bool find_and_draw(struct tnm_sheet *s, const struct tnm_recipe *recipe,
                          const struct tnm_pixels *picture, uint8_t *plane,
                          struct tnm_prepared *did) {
    struct tnm_find find = tnm_glance(s);
    if (find.weight == 0)
        return false;
    tnm_glance_again(s, &find);
    tnm_sheet_darken_full(s, find.reach);
    struct raster_part seen = under(s, &find.mark);
    uint32_t dark = stroke_darkness(s, &seen);
    uint32_t chosen = separate(s, &seen, dark);
    if (chosen == 0)
        return false;
    struct raster_part box = gather(&s->full, chosen);
    uint32_t high = larger_of((uint32_t)tnm_mark_darkness(&s->full.mark[chosen]), 1);
    ramp(s, &box, chosen, smaller_of(dark / 5, high - 1), high);
    draw(s, &box, recipe, plane);
    report_box(s, &box, picture, did);
    did->inverted = !find.light;
    return true;
}

bool tnm_ink(const struct tnm_recipe *recipe, const struct tnm_pixels *picture, uint8_t *plane,
             struct tnm_prepared *did, struct tnm_error *err) {
    uint8_t *memory = malloc(tnm_sheet_bytes(recipe, picture->width, picture->height));
    if (memory == NULL)
        return tnm_fail(err, TNM_ENOMEM, "no memory to look for a mark in %u x %u pixels",
                        picture->width, picture->height);
    struct tnm_sheet s;
    tnm_sheet_init(&s, recipe, picture, memory);
    memset(plane, 0, (size_t)recipe->width * recipe->height);
    did->found = find_and_draw(&s, recipe, picture, plane, did);
    free(memory);
    return true;
}

size_t tnm_ink_bytes(const struct tnm_recipe *recipe, uint32_t width, uint32_t height) {
    return tnm_sheet_bytes(recipe, width, height);
}
