/* SPDX-License-Identifier: MIT */
// Finding, measuring and weighing marks.
#include "core/mark.h"

#include <math.h>
#include <stddef.h>

static uint32_t larger_of(uint32_t a, uint32_t b) {
    return a > b ? a : b;
}

static uint32_t smaller_of(uint32_t a, uint32_t b) {
    return a < b ? a : b;
}

// ---- Finding -----------------------------------------------------------------------------------

uint32_t tnm_marks_most(uint32_t width, uint32_t height) {
    return (width + 1) / 2 * ((height + 1) / 2);
}

static uint32_t root_of(struct tnm_mark *mark, uint32_t i) {
    while (mark[i].link != i)
        i = mark[i].link = mark[mark[i].link].link;
    return i;
}

// Makes one mark of two, of which either may be 0, none.
static uint32_t unite(struct tnm_mark *mark, uint32_t a, uint32_t b) {
    if (a == 0 || b == 0)
        return a + b;
    a = root_of(mark, a);
    b = root_of(mark, b);
    uint32_t root = smaller_of(a, b);
    mark[a].link = mark[b].link = root;
    return root;
}

// The mark of the neighbours already seen, all made one; 0 if they have none.
static uint32_t mark_beside(struct tnm_marks *m, uint32_t x, uint32_t y) {
    const uint32_t *at = m->label + (size_t)y * m->width + x;
    uint32_t found = x > 0 ? at[-1] : 0;
    if (y == 0)
        return found;
    at -= m->width;
    if (at[0] != 0) // the other three touch it, and are one with it already
        return at[0];
    if (x > 0)
        found = unite(m->mark, found, at[-1]);
    return x + 1 < m->width ? unite(m->mark, found, at[1]) : found;
}

static void label_pixels(struct tnm_marks *m, uint32_t threshold) {
    size_t i = 0;
    m->n = 0;
    for (uint32_t y = 0; y < m->height; y++)
        for (uint32_t x = 0; x < m->width; x++, i++) {
            m->label[i] = 0;
            if (m->ink[i] < threshold)
                continue;
            m->label[i] = mark_beside(m, x, y);
            if (m->label[i] != 0)
                continue;
            m->label[i] = ++m->n;
            m->mark[m->n] = (struct tnm_mark){.link = m->n, .left = UINT16_MAX, .top = UINT16_MAX};
        }
}

static void add_pixel(struct tnm_mark *mark, uint32_t x, uint32_t y, uint32_t ink) {
    mark->ink += ink;
    mark->pixels++;
    mark->left = (uint16_t)smaller_of(mark->left, x);
    mark->right = (uint16_t)larger_of(mark->right, x);
    mark->top = (uint16_t)smaller_of(mark->top, y);
    mark->bottom = (uint16_t)larger_of(mark->bottom, y);
}

void tnm_marks_find(struct tnm_marks *m, uint32_t threshold) {
    label_pixels(m, threshold);
    size_t i = 0;
    for (uint32_t y = 0; y < m->height; y++)
        for (uint32_t x = 0; x < m->width; x++, i++)
            if (m->label[i] != 0) {
                m->label[i] = root_of(m->mark, m->label[i]);
                add_pixel(&m->mark[m->label[i]], x, y, m->ink[i]);
            }
}

// ---- Measuring ---------------------------------------------------------------------------------

static uint8_t grey_near(const struct tnm_marks *m, int64_t x, int64_t y) {
    x = x < 0 ? 0 : x >= m->width ? m->width - 1 : x;
    y = y < 0 ? 0 : y >= m->height ? m->height - 1 : y;
    return m->grey[y * m->width + x];
}

// Whether the side of a pixel of a mark belongs to its edge: dx, dy is the way out.
static bool is_rim(const struct tnm_marks *m, uint32_t label, int64_t x, int64_t y, int dx,
                   int dy) {
    return x + dx < 0 || y + dy < 0 || x + dx >= m->width || y + dy >= m->height ||
           m->label[(y + dy) * m->width + x + dx] != label;
}

// Whether the picture steps down by half of the mark's darkness there, from one pixel further in to
// so many out. The picture's own edge is no step.
static bool is_steep(const struct tnm_marks *m, const struct tnm_mark *mark, int64_t x, int64_t y,
                     int dx, int dy) {
    if (x + dx < 0 || y + dy < 0 || x + dx >= m->width || y + dy >= m->height)
        return false;
    int64_t out = mark->softness;
    uint8_t here = grey_near(m, x, y), before = grey_near(m, x - dx, y - dy);
    int32_t step = grey_near(m, x + out * dx, y + out * dy) - (here < before ? here : before);
    return step > 0 && 2 * (uint64_t)step * mark->pixels >= mark->ink;
}

static const int side[4][2] = {{1, 0}, {-1, 0}, {0, 1}, {0, -1}};

static void count_rims(struct tnm_marks *m) {
    size_t i = 0;
    for (uint32_t y = 0; y < m->height; y++)
        for (uint32_t x = 0; x < m->width; x++, i++)
            for (int k = 0; k < 4 && m->label[i] != 0; k++)
                m->mark[m->label[i]].rim += is_rim(m, m->label[i], x, y, side[k][0], side[k][1]);
}

void tnm_marks_trace(struct tnm_marks *m) {
    count_rims(m);
    for (uint32_t i = 1; i <= m->n; i++)
        if (m->mark[i].pixels > 0)
            m->mark[i].softness = (uint8_t)fmin(fmax(tnm_mark_stroke(&m->mark[i]) / 3, 2), 6);
    size_t i = 0;
    for (uint32_t y = 0; y < m->height; y++)
        for (uint32_t x = 0; x < m->width; x++, i++)
            for (int k = 0; k < 4 && m->label[i] != 0; k++)
                if (is_rim(m, m->label[i], x, y, side[k][0], side[k][1]))
                    m->mark[m->label[i]].steep +=
                        is_steep(m, &m->mark[m->label[i]], x, y, side[k][0], side[k][1]);
}

double tnm_mark_darkness(const struct tnm_mark *mark) {
    return (double)mark->ink / mark->pixels;
}

static uint32_t width_of(const struct tnm_mark *mark) {
    return mark->right - mark->left + 1u;
}

static uint32_t height_of(const struct tnm_mark *mark) {
    return mark->bottom - mark->top + 1u;
}

uint32_t tnm_mark_length(const struct tnm_mark *mark) {
    return larger_of(width_of(mark), height_of(mark));
}

double tnm_mark_stroke(const struct tnm_mark *mark) {
    return 2.0 * mark->pixels / mark->rim;
}

bool tnm_mark_at_edge(const struct tnm_marks *m, const struct tnm_mark *mark) {
    return mark->left == 0 || mark->top == 0 || mark->right + 1u == m->width ||
           mark->bottom + 1u == m->height;
}

bool tnm_mark_contains(const struct tnm_mark *outer, const struct tnm_mark *inner) {
    uint32_t slack = 1 + tnm_mark_length(outer) / 32;
    return outer->left <= inner->left + slack && outer->top <= inner->top + slack &&
           outer->right + slack >= inner->right && outer->bottom + slack >= inner->bottom;
}

uint32_t tnm_mark_gap(const struct tnm_mark *a, const struct tnm_mark *b) {
    int32_t x = (int32_t)larger_of(a->left, b->left) - (int32_t)smaller_of(a->right, b->right);
    int32_t y = (int32_t)larger_of(a->top, b->top) - (int32_t)smaller_of(a->bottom, b->bottom);
    int32_t gap = x > y ? x : y;
    return gap > 0 ? (uint32_t)gap : 0;
}

double tnm_mark_weight(const struct tnm_marks *m, const struct tnm_mark *mark) {
    double drawn = (double)mark->steep / mark->rim, darkness = tnm_mark_darkness(mark);
    double weight = darkness * darkness * sqrt(tnm_mark_length(mark)) * drawn * drawn;
    if (tnm_mark_at_edge(m, mark))
        weight *= 0.15;
    if (8 * height_of(mark) < width_of(mark))
        weight *= 0.1;
    if (60 * tnm_mark_length(mark) < larger_of(m->width, m->height))
        weight *= 0.1;
    return weight;
}
