/* SPDX-License-Identifier: MIT */
// The ink recipe: ground, darkness, threshold, marks, choice, and the input made of it.
#include "core/ink.h"

#include "core/error.h"
#include "core/raster.h"

#include <stdlib.h>
#include <string.h>

enum {
    LONGEST = 640, // what larger pictures are reduced to
    GLANCE = 160,  // and again, to see the polarity
    LEAST_INK = 30 // the lowest threshold, of 255
};

// A connected set of pixels above the threshold. Before its root is known, a link to another.
struct mark {
    uint32_t link;
    uint32_t ink; // sum of its darkness
    uint32_t pixels;
    uint16_t left, top, right, bottom; // inclusive
    bool kept;
};

// Everything while one picture is looked at: parts of one allocation.
struct sheet {
    uint32_t width, height;
    bool light;        // the mark is lighter than its ground
    uint8_t *grey;     // (height, width), the picture, reduced
    uint8_t *ink;      // darkness against the ground, 0..255
    uint8_t *ground;   // then: what the input is cut from
    uint8_t *glance;   // the picture reduced further
    uint32_t *label;   // of each pixel its mark, 0 for none
    struct mark *mark; // 1..n_marks
    uint32_t n_marks;
    uint32_t threshold;
    uint8_t *small; // (recipe's box, box), the mark at the input's size
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

// Half the side of the closing's square: wider than the widest stroke.
static uint32_t ground_radius(uint32_t width, uint32_t height) {
    return larger_of((larger_of(width, height) * 30 + LONGEST / 2) / LONGEST, 5);
}

static uint32_t most_marks(uint32_t width, uint32_t height) {
    return (width + 1) / 2 * ((height + 1) / 2);
}

static size_t aligned(size_t bytes) {
    return (bytes + 15) & ~(size_t)15;
}

static size_t scratch_bytes(uint32_t width, uint32_t height, uint32_t picture_width) {
    size_t resize = tnm_raster_resize_bytes(picture_width);
    size_t close = tnm_raster_close_bytes(width, height, ground_radius(width, height));
    size_t mean = width * sizeof(uint32_t);
    size_t most = resize > close ? resize : close;
    return most > mean ? most : mean;
}

size_t tnm_ink_bytes(const struct tnm_recipe *recipe, uint32_t width, uint32_t height) {
    uint32_t w = width, h = height;
    reduce(&w, &h, LONGEST);
    size_t n = (size_t)w * h;
    return aligned((size_t)recipe->box * recipe->box) + 3 * aligned(n) +
           aligned((size_t)GLANCE * GLANCE) + aligned(n * sizeof(uint32_t)) +
           aligned((most_marks(w, h) + 1) * sizeof(struct mark)) +
           aligned(scratch_bytes(w, h, width));
}

static void *carve(uint8_t **at, size_t bytes) {
    void *part = *at;
    *at += aligned(bytes);
    return part;
}

// Lays the sheet out in `memory`, of tnm_ink_bytes.
static void lay_out(struct sheet *s, const struct tnm_recipe *recipe,
                    const struct tnm_pixels *picture, uint8_t *memory) {
    *s = (struct sheet){.width = picture->width, .height = picture->height};
    reduce(&s->width, &s->height, LONGEST);
    size_t n = (size_t)s->width * s->height;
    s->small = carve(&memory, (size_t)recipe->box * recipe->box);
    s->grey = carve(&memory, n);
    s->ink = carve(&memory, n);
    s->ground = carve(&memory, n);
    s->glance = carve(&memory, (size_t)GLANCE * GLANCE);
    s->label = carve(&memory, n * sizeof *s->label);
    s->mark = carve(&memory, (most_marks(s->width, s->height) + 1) * sizeof *s->mark);
    s->scratch = memory;
}

// ---- Ground and darkness -----------------------------------------------------------------------

// Complements a picture of light marks, so that every mark is dark from here on.
static void set_polarity(struct sheet *s, bool light) {
    if (s->light == light)
        return;
    s->light = light;
    for (size_t i = 0; i < (size_t)s->width * s->height; i++)
        s->grey[i] = (uint8_t)~s->grey[i];
}

// ink = 255 * (1 - grey / ground), where the ground is the smoothed picture with all that is dark
// and narrow filled.
static void darken(struct sheet *s) {
    uint32_t width = s->width, height = s->height;
    uint32_t smooth = larger_of(width, height) >= 100;
    tnm_raster_mean(s->grey, width, height, smooth, s->ink, s->scratch);
    memcpy(s->ground, s->ink, (size_t)width * height);
    tnm_raster_close(s->ground, width, height, ground_radius(width, height), s->scratch);
    uint32_t reciprocal[256] = {0};
    for (uint32_t i = 1; i < 256; i++)
        reciprocal[i] = (255u << 16) / i;
    for (size_t i = 0; i < (size_t)width * height; i++) {
        uint32_t ground = s->ground[i], grey = smaller_of(s->ink[i], ground);
        s->ink[i] = (uint8_t)((ground - grey) * reciprocal[ground] >> 16);
    }
}

// ---- Threshold ---------------------------------------------------------------------------------

static uint32_t percentile(const uint32_t *histogram, uint64_t n, uint64_t per_10000) {
    uint64_t above = n - n * per_10000 / 10000, seen = 0;
    for (uint32_t v = 255; v > 0; v--) {
        seen += histogram[v];
        if (seen > above)
            return v;
    }
    return 0;
}

// Otsu's threshold over the histogram from `low` up: the one that parts it into the two classes
// that lie furthest apart.
static uint32_t otsu(const uint32_t *histogram, uint32_t low) {
    double all = 0, all_sum = 0, below = 0, below_sum = 0, widest = -1;
    uint32_t best = low;
    for (uint32_t v = low; v < 256; v++) {
        all += histogram[v];
        all_sum += (double)histogram[v] * v;
    }
    for (uint32_t v = low; v < 255; v++) {
        below += histogram[v];
        below_sum += (double)histogram[v] * v;
        if (below == 0 || below == all)
            continue;
        double apart = below_sum / below - (all_sum - below_sum) / (all - below);
        double spread = below * (all - below) * apart * apart;
        if (spread > widest) {
            widest = spread;
            best = v + 1;
        }
    }
    return best;
}

static uint32_t pick_threshold(const struct sheet *s) {
    uint32_t histogram[256] = {0};
    size_t n = (size_t)s->width * s->height;
    for (size_t i = 0; i < n; i++)
        histogram[s->ink[i]]++;
    uint32_t darkest = percentile(histogram, n, 9980);
    uint32_t t = otsu(histogram, larger_of(darkest * 15 / 100, 1));
    t = larger_of(smaller_of(t, darkest * 60 / 100), darkest * 20 / 100);
    return larger_of(t, LEAST_INK);
}

// ---- Marks -------------------------------------------------------------------------------------

static uint32_t root_of(struct mark *mark, uint32_t i) {
    while (mark[i].link != i)
        i = mark[i].link = mark[mark[i].link].link;
    return i;
}

static uint32_t unite(struct mark *mark, uint32_t a, uint32_t b) {
    if (a == 0 || b == 0)
        return a + b;
    a = root_of(mark, a);
    b = root_of(mark, b);
    if (a < b)
        return mark[b].link = a;
    return mark[a].link = b;
}

// The mark of the neighbours already seen, all made one; 0 if they have none.
static uint32_t mark_beside(struct sheet *s, uint32_t x, uint32_t y) {
    const uint32_t *at = s->label + (size_t)y * s->width + x;
    uint32_t found = x > 0 ? at[-1] : 0;
    if (y == 0)
        return found;
    at -= s->width;
    if (at[0] != 0) // touches both others, which are its own already
        return unite(s->mark, found, at[0]);
    if (x > 0)
        found = unite(s->mark, found, at[-1]);
    return x + 1 < s->width ? unite(s->mark, found, at[1]) : found;
}

static void count_pixel(struct mark *m, uint32_t x, uint32_t y, uint32_t ink) {
    m->ink += ink;
    m->pixels++;
    m->left = (uint16_t)smaller_of(m->left, x);
    m->right = (uint16_t)larger_of(m->right, x);
    m->top = (uint16_t)smaller_of(m->top, y);
    m->bottom = (uint16_t)larger_of(m->bottom, y);
}

// Labels what is at or above the threshold, 8-connected: links first, then sums at the roots.
static void find_marks(struct sheet *s) {
    s->n_marks = 0;
    for (uint32_t y = 0; y < s->height; y++)
        for (uint32_t x = 0; x < s->width; x++) {
            size_t i = (size_t)y * s->width + x;
            s->label[i] = 0;
            if (s->ink[i] < s->threshold)
                continue;
            uint32_t label = mark_beside(s, x, y);
            if (label == 0) {
                label = ++s->n_marks;
                s->mark[label] =
                    (struct mark){.link = label, .left = UINT16_MAX, .top = UINT16_MAX};
            }
            s->label[i] = label;
        }
    for (uint32_t y = 0; y < s->height; y++)
        for (uint32_t x = 0; x < s->width; x++) {
            size_t i = (size_t)y * s->width + x;
            if (s->label[i] == 0)
                continue;
            s->label[i] = root_of(s->mark, s->label[i]);
            count_pixel(&s->mark[s->label[i]], x, y, s->ink[i]);
        }
}

// ---- Choice ------------------------------------------------------------------------------------

static uint32_t mark_width(const struct mark *m) {
    return m->right - m->left + 1u;
}

static uint32_t mark_height(const struct mark *m) {
    return m->bottom - m->top + 1u;
}

static double weight_of(const struct sheet *s, const struct mark *m) {
    double weight = m->ink;
    if (m->left == 0 || m->top == 0 || m->right + 1u == s->width || m->bottom + 1u == s->height)
        weight *= 0.15;
    if (mark_height(m) < 8 && s->height >= 64)
        weight *= 0.1;
    return weight;
}

static uint32_t heaviest_mark(const struct sheet *s, double *weight) {
    uint32_t best = 0;
    *weight = 0;
    for (uint32_t i = 1; i <= s->n_marks; i++) {
        if (s->mark[i].link != i)
            continue;
        double w = weight_of(s, &s->mark[i]);
        if (w > *weight) {
            *weight = w;
            best = i;
        }
    }
    return best;
}

// How far apart two marks' boxes are, in pixels; 0 where they overlap.
static uint32_t gap_between(const struct mark *a, const struct mark *b) {
    int32_t x = (int32_t)larger_of(a->left, b->left) - (int32_t)smaller_of(a->right, b->right);
    int32_t y = (int32_t)larger_of(a->top, b->top) - (int32_t)smaller_of(a->bottom, b->bottom);
    return (uint32_t)(x > y ? (x > 0 ? x : 0) : (y > 0 ? y : 0));
}

// A part that a thin stroke cut off: near, about as dark, not a speck and not the page's edge.
static bool belongs(const struct sheet *s, const struct mark *m, const struct mark *chosen) {
    uint32_t size = larger_of(mark_width(chosen), mark_height(chosen));
    double darkness = (double)m->ink / m->pixels, want = (double)chosen->ink / chosen->pixels;
    bool edge =
        m->left == 0 || m->top == 0 || m->right + 1u == s->width || m->bottom + 1u == s->height;
    return !edge && gap_between(m, chosen) <= size / 5 && m->pixels * 50 >= chosen->pixels &&
           darkness >= 0.6 * want;
}

// The box around what is kept.
static struct raster_part keep_marks(struct sheet *s, uint32_t chosen) {
    struct mark box = s->mark[chosen];
    for (uint32_t i = 1; i <= s->n_marks; i++) {
        struct mark *m = &s->mark[i];
        m->kept = m->link == i && (i == chosen || belongs(s, m, &s->mark[chosen]));
        if (!m->kept)
            continue;
        box.left = (uint16_t)smaller_of(box.left, m->left);
        box.right = (uint16_t)larger_of(box.right, m->right);
        box.top = (uint16_t)smaller_of(box.top, m->top);
        box.bottom = (uint16_t)larger_of(box.bottom, m->bottom);
    }
    return (struct raster_part){box.left, box.top, mark_width(&box), mark_height(&box)};
}

// Finds the marks of the sheet and the heaviest of them; 0 if there is none.
static uint32_t look(struct sheet *s, bool light, double *weight) {
    set_polarity(s, light);
    darken(s);
    s->threshold = pick_threshold(s);
    find_marks(s);
    return heaviest_mark(s, weight);
}

// ---- Polarity ----------------------------------------------------------------------------------

// A hole in a dark mark is a light mark by itself, and the other way round; but the mark is larger
// than its hole. So both ways are tried, on a small copy, and the larger and stronger find wins.
static double size_seen(struct sheet *s, bool light) {
    double weight;
    uint32_t found = look(s, light, &weight);
    if (found == 0)
        return 0;
    const struct mark *m = &s->mark[found];
    return weight / m->pixels * larger_of(mark_width(m), mark_height(m));
}

static bool is_light(struct sheet *s) {
    struct sheet small = *s;
    reduce(&small.width, &small.height, GLANCE);
    struct tnm_pixels picture = {s->width, s->height, 1, s->grey};
    struct raster_part all = {0, 0, s->width, s->height};
    small.grey = s->glance;
    tnm_raster_resize(&picture, &all, 0, small.grey, small.width, small.height, small.width,
                      s->scratch);
    double dark = size_seen(&small, false);
    return size_seen(&small, true) > dark;
}

// ---- The input ---------------------------------------------------------------------------------

// Whether the pixel or one beside it belongs to what is kept: a soft edge lies below the threshold.
static bool is_kept(const struct sheet *s, uint32_t x, uint32_t y) {
    uint32_t x1 = smaller_of(x + 1, s->width - 1), y1 = smaller_of(y + 1, s->height - 1);
    for (uint32_t j = y > 0 ? y - 1 : 0; j <= y1; j++)
        for (uint32_t i = x > 0 ? x - 1 : 0; i <= x1; i++) {
            uint32_t label = s->label[(size_t)j * s->width + i];
            if (label != 0 && s->mark[label].kept)
                return true;
        }
    return false;
}

// Darkness to light on black, over the ground's memory: nothing up to `low`, full from `high`.
static void ramp(struct sheet *s, const struct raster_part *box, uint32_t low, uint32_t high) {
    for (uint32_t y = box->y; y < box->y + box->height; y++)
        for (uint32_t x = box->x; x < box->x + box->width; x++) {
            size_t i = (size_t)y * s->width + x;
            uint32_t ink = smaller_of(s->ink[i], high);
            s->ground[i] =
                ink > low && is_kept(s, x, y) ? (uint8_t)((ink - low) * 255 / (high - low)) : 0;
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
static void draw(struct sheet *s, const struct raster_part *box, const struct tnm_recipe *recipe,
                 uint8_t *plane) {
    uint32_t longer = larger_of(box->width, box->height);
    uint32_t width = larger_of((box->width * recipe->box + longer / 2) / longer, 1);
    uint32_t height = larger_of((box->height * recipe->box + longer / 2) / longer, 1);
    struct tnm_pixels picture = {s->width, s->height, 1, s->ground};
    tnm_raster_resize(&picture, box, 0, s->small, width, height, width, s->scratch);
    place(s->small, width, height, recipe, plane);
}

// ---- All of it ---------------------------------------------------------------------------------

// The box of the sheet in pixels of the picture.
static void report_box(const struct sheet *s, const struct raster_part *box,
                       const struct tnm_pixels *picture, struct tnm_prepared *did) {
    uint64_t x1 = ((uint64_t)(box->x + box->width) * picture->width + s->width - 1) / s->width;
    uint64_t y1 = ((uint64_t)(box->y + box->height) * picture->height + s->height - 1) / s->height;
    did->crop_x = (uint32_t)((uint64_t)box->x * picture->width / s->width);
    did->crop_y = (uint32_t)((uint64_t)box->y * picture->height / s->height);
    did->crop_width = (uint32_t)x1 - did->crop_x;
    did->crop_height = (uint32_t)y1 - did->crop_y;
}

bool tnm_ink(const struct tnm_recipe *recipe, const struct tnm_pixels *picture, uint8_t *plane,
             struct tnm_prepared *did, struct tnm_error *err) {
    uint8_t *memory = malloc(tnm_ink_bytes(recipe, picture->width, picture->height));
    if (memory == NULL)
        return tnm_fail(err, TNM_ENOMEM, "no memory to look for a mark in %u x %u pixels",
                        picture->width, picture->height);
    struct sheet s;
    struct raster_part all = {0, 0, picture->width, picture->height};
    lay_out(&s, recipe, picture, memory);
    tnm_raster_resize(picture, &all, RASTER_GREY, s.grey, s.width, s.height, s.width, s.scratch);
    double weight;
    bool light = is_light(&s);
    uint32_t found = look(&s, light, &weight);
    memset(plane, 0, (size_t)recipe->width * recipe->height);
    did->found = found != 0;
    did->inverted = found != 0 && !light;
    if (found != 0) {
        struct raster_part box = keep_marks(&s, found);
        uint32_t full = s.mark[found].ink / s.mark[found].pixels;
        ramp(&s, &box, smaller_of(s.threshold / 2, full - 1), full);
        draw(&s, &box, recipe, plane);
        report_box(&s, &box, picture, did);
    }
    free(memory);
    return true;
}
