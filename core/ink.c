/* SPDX-License-Identifier: MIT */
// The ink recipe: ground, darkness, threshold, marks, choice, and the input made of it.
#include "core/ink.h"

#include "core/error.h"
#include "core/mark.h"
#include "core/raster.h"

#include <stdlib.h>
#include <string.h>

enum {
    LONGEST = 640,    // what larger pictures are reduced to
    GLANCE = 160,     // and once more, to see what there is
    LEAST_INK = 30,   // the lowest threshold, of 255
    LEAST_GROUND = 48 // a darker ground than this does not make more ink of the same difference
};

// Everything while one picture is looked at: parts of one allocation.
struct sheet {
    struct tnm_marks full, glance; // glance has a grey of its own; full lends it the rest
    bool light;                    // marks are lighter than the ground: grey is complemented
    uint8_t *grey, *small_grey;    // what full and glance look at
    uint8_t *ink, *ground;         // (full.height, full.width), or less
    uint8_t *chosen;               // (glance.height, glance.width), 1 where the chosen mark is
    uint8_t *box;                  // (recipe's box, box): the mark at the input's size
    void *scratch;
};

// ---- Sizes -------------------------------------------------------------------------------------

static uint32_t larger_of(uint32_t a, uint32_t b) {
    return a > b ? a : b;
}

static uint32_t smaller_of(uint32_t a, uint32_t b) {
    return a < b ? a : b;
}

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

// The closing's squares, half a side of them, as parts of the picture's longer side: wider than the
// widest stroke. The narrowest that does is best, for it fills least of what is no stroke.
static const uint32_t reach_of[] = {640 / 30, 640 / 60, 640 / 120};
enum { N_REACHES = sizeof reach_of / sizeof *reach_of };

static uint32_t radius_of(uint32_t width, uint32_t height, uint32_t reach) {
    return larger_of((larger_of(width, height) + reach / 2) / reach, 2);
}

static size_t scratch_bytes(uint32_t width, uint32_t height, uint32_t picture_width) {
    uint32_t radius = radius_of(width, height, reach_of[N_REACHES - 1]);
    size_t mean = width * sizeof(uint32_t);
    return most_of(most_of(tnm_raster_resize_bytes(picture_width), mean),
                   tnm_raster_close_bytes(width, height, radius));
}

size_t tnm_ink_bytes(const struct tnm_recipe *recipe, uint32_t width, uint32_t height) {
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

// Divides both sides by the same whole number.
static uint32_t divided(uint32_t side, uint32_t by) {
    return (side + by - 1) / by;
}

static uint32_t factor_to(uint32_t width, uint32_t height, uint32_t longest) {
    return divided(larger_of(width, height), longest);
}

// Lays the sheet out in `memory`, of tnm_ink_bytes.
static void lay_out(struct sheet *s, const struct tnm_recipe *recipe,
                    const struct tnm_pixels *picture, uint8_t *memory) {
    uint32_t w = picture->width, h = picture->height;
    reduce(&w, &h, LONGEST);
    size_t n = (size_t)w * h, glance = (size_t)GLANCE * GLANCE;
    uint32_t factor = factor_to(w, h, GLANCE);
    *s = (struct sheet){.box = carve(&memory, (size_t)recipe->box * recipe->box),
                        .grey = carve(&memory, n),
                        .ink = carve(&memory, n),
                        .ground = carve(&memory, n),
                        .small_grey = carve(&memory, glance),
                        .chosen = carve(&memory, glance)};
    s->full = (struct tnm_marks){w, h, s->grey, s->ink, NULL, NULL, 0};
    s->full.label = carve(&memory, n * sizeof(uint32_t));
    s->full.mark = carve(&memory, (tnm_marks_most(w, h) + 1) * sizeof(struct tnm_mark));
    s->glance = s->full;
    s->glance.width = divided(w, factor);
    s->glance.height = divided(h, factor);
    s->glance.grey = s->small_grey;
    s->scratch = memory;
}

// ---- Ground and darkness -----------------------------------------------------------------------

// Reads the picture in, reduced, and smooths it against noise if there is anything to spare.
static void read_in(struct sheet *s, const struct tnm_pixels *picture) {
    uint32_t width = s->full.width, height = s->full.height;
    struct raster_part all = {0, 0, picture->width, picture->height};
    bool smooth = larger_of(width, height) >= 100;
    tnm_raster_resize(picture, &all, RASTER_GREY, smooth ? s->ink : s->grey, width, height, width,
                      s->scratch);
    if (smooth)
        tnm_raster_mean(s->ink, width, height, 1, s->grey, s->scratch);
}

// Complements a picture of light marks, so that every mark is dark from here on, and makes the
// small copy of it, where thin strokes stay as dark as they are.
static void set_polarity(struct sheet *s, bool light) {
    uint32_t width = s->full.width, height = s->full.height;
    for (size_t i = 0; i < (size_t)width * height && s->light != light; i++)
        s->grey[i] = (uint8_t)~s->grey[i];
    s->light = light;
    tnm_raster_pool(s->grey, width, height, factor_to(width, height, GLANCE), true, s->small_grey,
                    s->scratch);
}

// The plane with all that is dark and narrow filled. Gives the shift of its sides: 1 where half the
// size will do.
static uint32_t find_ground(struct sheet *s, const struct tnm_marks *v, uint32_t reach) {
    uint32_t shift = larger_of(v->width, v->height) > LONGEST / 2;
    uint32_t width = divided(v->width, 1u << shift), height = divided(v->height, 1u << shift);
    tnm_raster_pool(v->grey, v->width, v->height, 1u << shift, false, s->ground, s->scratch);
    tnm_raster_close(s->ground, width, height, radius_of(width, height, reach), s->scratch);
    return shift;
}

// ink = (ground - grey) * gain of the ground.
static void darken(struct sheet *s, const struct tnm_marks *v, uint32_t reach,
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

// Plain differences, in which dark and light marks compare.
static void darken_glance(struct sheet *s, uint32_t reach) {
    uint32_t gain[256];
    for (uint32_t i = 0; i < 256; i++)
        gain[i] = 1 << 16;
    darken(s, &s->glance, reach, gain);
}

// Light falls on dark ink and on its ground alike, so there it is the part that is missing,
// 255 * (1 - grey / ground); light ink adds to what there is.
static void darken_full(struct sheet *s, uint32_t reach) {
    uint32_t gain[256];
    for (uint32_t i = 0; i < 256; i++)
        gain[i] = s->light ? 1 << 16 : (255u << 16) / larger_of(i, LEAST_GROUND);
    darken(s, &s->full, reach, gain);
}

// ---- What there is -----------------------------------------------------------------------------

// A mark of the glance, and how it was seen.
struct find {
    bool light;
    uint32_t reach, threshold, label;
    struct tnm_mark mark;
    double weight;
};

static const uint32_t thresholds[] = {LEAST_INK, 50, 85, 140};
enum { N_THRESHOLDS = sizeof thresholds / sizeof *thresholds };

// The best mark at this reach, over all thresholds: a pale line that holds a strong stroke is cut
// off by a higher one.
static struct find best_at(struct sheet *s, uint32_t reach) {
    struct find best = {.light = s->light, .reach = reach};
    struct tnm_marks *marks = &s->glance;
    darken_glance(s, reach);
    for (uint32_t t = 0; t < N_THRESHOLDS; t++) {
        tnm_marks_find(marks, thresholds[t]);
        tnm_marks_trace(marks);
        for (uint32_t i = 1; i <= marks->n; i++) {
            if (marks->mark[i].pixels == 0)
                continue;
            double weight = tnm_mark_weight(marks, &marks->mark[i]);
            if (weight > best.weight)
                best = (struct find){s->light, reach, thresholds[t], i, marks->mark[i], weight};
        }
    }
    return best;
}

// Whether a longer reach saw more of the same mark, whose strokes are too wide for the shorter one;
// or another mark that is much better.
static bool sees_more(const struct sheet *s, const struct find *far, const struct find *near) {
    if (far->weight > 2 * near->weight)
        return true;
    uint32_t window = 2 * radius_of(s->glance.width, s->glance.height, near->reach) + 1;
    return near->weight > 0 && far->weight > 0.9 * near->weight &&
           tnm_mark_contains(&far->mark, &near->mark) &&
           !tnm_mark_at_edge(&s->glance, &far->mark) && far->mark.ink > 1.03 * near->mark.ink &&
           2 * tnm_mark_stroke(&far->mark) > window;
}

// A hole in a dark mark is a light mark by itself, and the other way round; the mark is the outer
// one of the two.
static bool outdoes(const struct find *light, const struct find *dark) {
    if (light->weight == 0 || dark->weight == 0)
        return light->weight > dark->weight;
    if (tnm_mark_contains(&light->mark, &dark->mark))
        return light->weight > 0.2 * dark->weight;
    return light->weight > dark->weight && !tnm_mark_contains(&dark->mark, &light->mark);
}

static struct find glance_over(struct sheet *s) {
    struct find best[2];
    for (uint32_t light = 0; light < 2; light++) {
        set_polarity(s, light);
        best[light] = best_at(s, reach_of[0]);
        for (uint32_t i = 1; i < N_REACHES; i++) {
            struct find far = best_at(s, reach_of[i]);
            if (sees_more(s, &far, &best[light]))
                best[light] = far;
        }
    }
    return best[outdoes(&best[1], &best[0])];
}

// ---- Where it is -------------------------------------------------------------------------------

// Marks the pixels of what was found at a glance.
static void show_chosen(struct sheet *s, const struct find *find) {
    darken_glance(s, find->reach);
    tnm_marks_find(&s->glance, find->threshold);
    for (size_t i = 0; i < (size_t)s->glance.width * s->glance.height; i++)
        s->chosen[i] = s->glance.label[i] == find->label;
}

// The pixels of the full view under the chosen mark's box.
static struct raster_part under(const struct sheet *s, const struct tnm_mark *m, uint32_t factor) {
    uint32_t right = smaller_of((m->right + 1u) * factor, s->full.width);
    uint32_t bottom = smaller_of((m->bottom + 1u) * factor, s->full.height);
    return (struct raster_part){m->left * factor, m->top * factor, right - m->left * factor,
                                bottom - m->top * factor};
}

static bool is_chosen(const struct sheet *s, uint32_t x, uint32_t y, uint32_t factor) {
    return s->chosen[(size_t)(y / factor) * s->glance.width + x / factor];
}

// How dark the strokes are in the full view, where the glance saw the mark: half of the pixels
// there belong to their edges.
static uint32_t stroke_darkness(const struct sheet *s, const struct raster_part *box,
                                uint32_t factor) {
    uint32_t histogram[256] = {0}, n = 0, above = 0, v = 255;
    for (uint32_t y = box->y; y < box->y + box->height; y++)
        for (uint32_t x = box->x; x < box->x + box->width; x++)
            if (is_chosen(s, x, y, factor)) {
                histogram[s->ink[(size_t)y * s->full.width + x]]++;
                n++;
            }
    for (; v > 1 && (above += histogram[v]) * 5 < n; v--)
        ;
    return v;
}

// The mark of the full view that has most of its ink where the glance saw it. 0 if none has any.
static uint32_t same_mark(struct sheet *s, const struct raster_part *box, uint32_t factor) {
    uint32_t best = 0;
    for (uint32_t m = 1; m <= s->full.n; m++)
        s->full.mark[m].rim = 0; // not traced: counts the ink
    for (uint32_t y = box->y; y < box->y + box->height; y++)
        for (uint32_t x = box->x; x < box->x + box->width; x++) {
            size_t i = (size_t)y * s->full.width + x;
            if (s->full.label[i] == 0 || !is_chosen(s, x, y, factor))
                continue;
            struct tnm_mark *mark = &s->full.mark[s->full.label[i]];
            mark->rim += s->ink[i];
            if (best == 0 || mark->rim > s->full.mark[best].rim)
                best = s->full.label[i];
        }
    return best;
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
static void ramp(struct sheet *s, const struct raster_part *box, uint32_t chosen, uint32_t low,
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
static void draw(const struct sheet *s, const struct raster_part *box,
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
static void report_box(const struct sheet *s, const struct raster_part *box,
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
static bool find_and_draw(struct sheet *s, const struct tnm_recipe *recipe,
                          const struct tnm_pixels *picture, uint8_t *plane,
                          struct tnm_prepared *did) {
    struct find find = glance_over(s);
    if (find.weight == 0)
        return false;
    uint32_t factor = factor_to(s->full.width, s->full.height, GLANCE);
    set_polarity(s, find.light);
    show_chosen(s, &find);
    darken_full(s, find.reach);
    struct raster_part seen = under(s, &find.mark, factor);
    uint32_t dark = stroke_darkness(s, &seen, factor);
    uint32_t threshold = larger_of(dark * 45 / 100, 1);
    tnm_marks_find(&s->full, threshold);
    uint32_t chosen = same_mark(s, &seen, factor);
    if (chosen == 0)
        return false;
    struct raster_part box = gather(&s->full, chosen);
    uint32_t high = larger_of((uint32_t)tnm_mark_darkness(&s->full.mark[chosen]), 1);
    ramp(s, &box, chosen, smaller_of(threshold / 2, high - 1), high);
    draw(s, &box, recipe, plane);
    report_box(s, &box, picture, did);
    did->inverted = !find.light;
    return true;
}

bool tnm_ink(const struct tnm_recipe *recipe, const struct tnm_pixels *picture, uint8_t *plane,
             struct tnm_prepared *did, struct tnm_error *err) {
    uint8_t *memory = malloc(tnm_ink_bytes(recipe, picture->width, picture->height));
    if (memory == NULL)
        return tnm_fail(err, TNM_ENOMEM, "no memory to look for a mark in %u x %u pixels",
                        picture->width, picture->height);
    struct sheet s;
    lay_out(&s, recipe, picture, memory);
    read_in(&s, picture);
    memset(plane, 0, (size_t)recipe->width * recipe->height);
    did->found = find_and_draw(&s, recipe, picture, plane, did);
    free(memory);
    return true;
}
