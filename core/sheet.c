/* SPDX-License-Identifier: MIT */
// Sizes and layout of the sheet, and darkness against the ground.
#include "core/sheet.h"

#include "core/raster.h"

enum {
    LONGEST = 640,    // what larger pictures are reduced to
    GLANCE = 160,     // and once more, to see what there is
    LEAST_GROUND = 48 // a darker ground than this does not make more ink of the same difference
};

const uint32_t tnm_reach[TNM_REACHES] = {640 / 30, 640 / 60, 640 / 120};

static uint32_t larger_of(uint32_t a, uint32_t b) {
    return a > b ? a : b;
}

static uint32_t smaller_of(uint32_t a, uint32_t b) {
    return a < b ? a : b;
}

// ---- Sizes -------------------------------------------------------------------------------------

// Both sides in proportion, so that the longer one is at most `longest`; at least 1.
static void reduce(uint32_t *width, uint32_t *height, uint32_t longest) {
    uint64_t longer = larger_of(*width, *height);
    if (longer <= longest)
        return;
    *width = larger_of((uint32_t)((*width * (uint64_t)longest + longer / 2) / longer), 1);
    *height = larger_of((uint32_t)((*height * (uint64_t)longest + longer / 2) / longer), 1);
}

static size_t aligned(size_t bytes) {
    return (bytes + 15) & ~(size_t)15;
}

static size_t most_of(size_t a, size_t b) {
    return a > b ? a : b;
}

static uint32_t radius_of(uint32_t width, uint32_t height, uint32_t reach) {
    return larger_of((larger_of(width, height) + reach / 2) / reach, 2);
}

static size_t scratch_bytes(uint32_t width, uint32_t height, uint32_t picture_width) {
    uint32_t radius = radius_of(width, height, tnm_reach[TNM_REACHES - 1]);
    size_t mean = width * sizeof(uint32_t);
    return most_of(most_of(tnm_raster_resize_bytes(picture_width), mean),
                   tnm_raster_close_bytes(width, height, radius));
}

size_t tnm_sheet_bytes(const struct tnm_recipe *recipe, uint32_t width, uint32_t height) {
    uint32_t w = width, h = height;
    reduce(&w, &h, LONGEST);
    size_t n = (size_t)w * h, glance = (size_t)GLANCE * GLANCE;
    return aligned((size_t)recipe->box * recipe->box) + 3 * aligned(n) + 2 * aligned(glance) +
           aligned(n * sizeof(uint32_t)) +
           aligned((tnm_marks_most(w, h) + 1) * sizeof(struct tnm_mark)) +
           aligned(scratch_bytes(w, h, width));
}

static void *carve(uint8_t **at, size_t bytes) {
    void *part = *at;
    *at += aligned(bytes);
    return part;
}

static uint32_t divided(uint32_t side, uint32_t by) {
    return (side + by - 1) / by;
}

// Lays the sheet out in `memory`, of tnm_sheet_bytes.
static void lay_out(struct tnm_sheet *s, const struct tnm_recipe *recipe,
                    const struct tnm_pixels *picture, uint8_t *memory) {
    uint32_t w = picture->width, h = picture->height;
    reduce(&w, &h, LONGEST);
    size_t n = (size_t)w * h, glance = (size_t)GLANCE * GLANCE;
    *s = (struct tnm_sheet){.box = carve(&memory, (size_t)recipe->box * recipe->box),
                            .grey = carve(&memory, n),
                            .ink = carve(&memory, n),
                            .ground = carve(&memory, n),
                            .small_grey = carve(&memory, glance),
                            .chosen = carve(&memory, glance)};
    s->full = (struct tnm_marks){w, h, s->grey, s->ink, NULL, NULL, 0};
    s->full.label = carve(&memory, n * sizeof(uint32_t));
    s->full.mark = carve(&memory, (tnm_marks_most(w, h) + 1) * sizeof(struct tnm_mark));
    s->glance = s->full;
    s->factor = divided(larger_of(w, h), GLANCE);
    s->glance.width = divided(w, s->factor);
    s->glance.height = divided(h, s->factor);
    s->glance.grey = s->small_grey;
    s->scratch = memory;
}

// ---- Ground and darkness -----------------------------------------------------------------------

// Reads the picture in, reduced, and smooths it against noise if there is anything to spare.
static void read_in(struct tnm_sheet *s, const struct tnm_pixels *picture) {
    uint32_t width = s->full.width, height = s->full.height;
    struct raster_part all = {0, 0, picture->width, picture->height};
    bool smooth = larger_of(width, height) >= 100;
    tnm_raster_resize(picture, &all, RASTER_GREY, smooth ? s->ink : s->grey, width, height, width,
                      s->scratch);
    if (smooth)
        tnm_raster_mean(s->ink, width, height, 1, s->grey, s->scratch);
}

void tnm_sheet_init(struct tnm_sheet *s, const struct tnm_recipe *recipe,
                    const struct tnm_pixels *picture, void *memory) {
    lay_out(s, recipe, picture, memory);
    read_in(s, picture);
}

void tnm_sheet_set_polarity(struct tnm_sheet *s, bool light) {
    uint32_t width = s->full.width, height = s->full.height;
    for (size_t i = 0; i < (size_t)width * height && s->light != light; i++)
        s->grey[i] = (uint8_t)~s->grey[i];
    s->light = light;
    tnm_raster_pool(s->grey, width, height, s->factor, true, s->small_grey, s->scratch);
}

// The plane with all that is dark and narrow filled. Gives the shift of its sides: 1 where half the
// size will do.
static uint32_t find_ground(struct tnm_sheet *s, const struct tnm_marks *v, uint32_t reach) {
    uint32_t shift = larger_of(v->width, v->height) > LONGEST / 2;
    uint32_t width = divided(v->width, 1u << shift), height = divided(v->height, 1u << shift);
    tnm_raster_pool(v->grey, v->width, v->height, 1u << shift, false, s->ground, s->scratch);
    tnm_raster_close(s->ground, width, height, radius_of(width, height, reach), s->scratch);
    return shift;
}

// ink = (ground - grey) * gain of the ground.
static void darken(struct tnm_sheet *s, const struct tnm_marks *v, uint32_t reach,
                   const uint32_t gain[256]) {
    uint32_t shift = find_ground(s, v, reach);
    for (uint32_t y = 0; y < v->height; y++) {
        const uint8_t *grey = v->grey + (size_t)y * v->width;
        const uint8_t *ground = s->ground + (size_t)(y >> shift) * divided(v->width, 1u << shift);
        uint8_t *ink = s->ink + (size_t)y * v->width;
        for (uint32_t x = 0; x < v->width; x++) {
            uint32_t g = ground[x >> shift];
            ink[x] = (uint8_t)((g - smaller_of(grey[x], g)) * gain[g] >> 16);
        }
    }
}

void tnm_sheet_darken_glance(struct tnm_sheet *s, uint32_t reach) {
    uint32_t gain[256];
    for (uint32_t i = 0; i < 256; i++)
        gain[i] = 1 << 16;
    darken(s, &s->glance, reach, gain);
}

void tnm_sheet_darken_full(struct tnm_sheet *s, uint32_t reach) {
    uint32_t gain[256];
    for (uint32_t i = 0; i < 256; i++)
        gain[i] = s->light ? 1 << 16 : (255u << 16) / larger_of(i, LEAST_GROUND);
    darken(s, &s->full, reach, gain);
}

uint32_t tnm_sheet_window(const struct tnm_sheet *s, uint32_t reach) {
    return 2 * radius_of(s->glance.width, s->glance.height, reach) + 1;
}
