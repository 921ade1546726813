/* SPDX-License-Identifier: MIT */
// Labels that keep apart.
#include "models/labels.h"

#include <math.h>

enum {
    ROUNDS = 4,
    DIRECTIONS = 16,
    LEADER_FROM = 16, // a label further from its point gets a line
    SPACE = 5,        // between one label and the next
};

static const double distance[] = {7, 11, 17, 25, 36, 50, 68, 90, 116, 146, 180};

// Prices, in the unit of the distance.
static const double of_line = 5, of_crossing = 60, none = 1e9;

static bool overlap(const struct label_box *a, const struct label_box *b) {
    return a->left < b->right && b->left < a->right && a->top < b->bottom && b->top < a->bottom;
}

static bool touch(const struct label_box *a, const struct label_box *b) {
    return a->left < b->right + SPACE && b->left < a->right + SPACE && a->top < b->bottom &&
           b->top < a->bottom;
}

static bool is_within(const struct label_box *inner, const struct label_box *outer) {
    return inner->left >= outer->left && inner->right <= outer->right && inner->top >= outer->top &&
           inner->bottom <= outer->bottom;
}

// Cosines of the directions; a table, so that every machine has the same.
static const double cosine[DIRECTIONS] = {
    1,  0.92387953,  0.70710678,  0.38268343,  0, -0.38268343, -0.70710678, -0.92387953,
    -1, -0.92387953, -0.70710678, -0.38268343, 0, 0.38268343,  0.70710678,  0.92387953};

// The box whose nearest side or corner is that far off in that direction.
static struct label_box box_at(const struct label *l, double far, uint32_t direction) {
    double dx = cosine[direction], dy = cosine[(direction + DIRECTIONS * 3 / 4) % DIRECTIONS];
    double x = l->x + far * dx, y = l->y + far * dy;
    double left = x - l->width * (1 - dx) / 2, top = y - l->height * (1 - dy) / 2;
    return (struct label_box){left, top, left + l->width, top + l->height};
}

// Where a line from the point to the box ends: the box's place nearest to the point.
static void leader_end(const struct label *l, const struct label_box *box, double *x, double *y) {
    *x = fmin(fmax(l->x, box->left), box->right);
    *y = fmin(fmax(l->y, box->top), box->bottom);
}

// Whether a straight line comes through a box; looked at in short steps.
static bool crosses(double x0, double y0, double x1, double y1, const struct label_box *box) {
    int steps = (int)(hypot(x1 - x0, y1 - y0) / 3) + 1;
    for (int i = 1; i <= steps; i++) {
        double x = x0 + (x1 - x0) * i / steps, y = y0 + (y1 - y0) * i / steps;
        if (x > box->left && x < box->right && y > box->top && y < box->bottom)
            return true;
    }
    return false;
}

static bool is_own(const struct label *l, const struct label_box *point) {
    return l->x >= point->left && l->x <= point->right && l->y >= point->top &&
           l->y <= point->bottom;
}

// What the leader of one label would cost another's box, and the other way round.
static double crossing(const struct label *a, const struct label_box *box_a, bool leader_a,
                       const struct label *b) {
    double x, y, sum = 0;
    leader_end(a, box_a, &x, &y);
    if (leader_a && crosses(a->x, a->y, x, y, &b->box))
        sum += of_crossing;
    leader_end(b, &b->box, &x, &y);
    if (b->has_leader && crosses(b->x, b->y, x, y, box_a))
        sum += of_crossing;
    return sum;
}

static double price(const struct label *all, uint32_t n, uint32_t own, double far,
                    const struct label_box *box, const struct label_ground *g) {
    const struct label *l = &all[own];
    double sum = far, x, y;
    bool leader = far >= LEADER_FROM;
    leader_end(l, box, &x, &y);
    if (!is_within(box, &g->frame))
        return none;
    for (uint32_t i = 0; i < g->n_never; i++) {
        if (overlap(box, &g->never[i]))
            return none;
        if (leader && !is_own(l, &g->never[i]) && crosses(l->x, l->y, x, y, &g->never[i]))
            sum += of_crossing;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (i == own || !all[i].placed)
            continue;
        if (touch(box, &all[i].box))
            return none;
        sum += crossing(l, box, leader, &all[i]);
    }
    for (uint32_t i = 0; i < g->n_unwilling; i++)
        sum += overlap(box, &g->unwilling[i]) ? of_line : 0;
    return sum;
}

// To the right costs nothing, to the left little, above and below a little more.
static double preference(uint32_t direction) {
    static const double of[DIRECTIONS] = {0, 4, 6, 5, 3, 6, 8, 5, 2, 5, 8, 6, 3, 5, 6, 4};
    return of[direction];
}

static void place(struct label *all, uint32_t n, uint32_t own, const struct label_ground *g) {
    struct label *l = &all[own];
    double best = none;
    l->placed = false;
    for (size_t d = 0; d < sizeof distance / sizeof *distance; d++)
        for (uint32_t k = 0; k < DIRECTIONS && distance[d] < best; k++) {
            struct label_box box = box_at(l, distance[d], k);
            double cost = price(all, n, own, distance[d], &box, g) + preference(k);
            if (cost < best) {
                best = cost;
                l->box = box;
                l->placed = true;
                l->has_leader = distance[d] >= LEADER_FROM;
            }
        }
}

void labels_place(struct label *label, uint32_t n, const struct label_ground *ground) {
    for (uint32_t i = 0; i < n; i++)
        label[i].placed = false;
    for (uint32_t round = 0; round < ROUNDS; round++)
        for (uint32_t i = 0; i < n; i++)
            place(label, n, i, ground);
}
