/* SPDX-License-Identifier: MIT */
// Where the names of points in a chart go: near their points, and not on each other.
#ifndef LABELS_H
#define LABELS_H

#include "core/tnm.h"

struct label_box {
    double left, top, right, bottom;
};

struct label {
    double x, y;          // the point
    double width, height; // of the text
    // Set by labels_place:
    bool placed;          // false: there was no room
    struct label_box box; // of the text
    bool has_leader;      // so far off that a line should lead there
};

// What labels keep off.
struct label_ground {
    struct label_box frame;            // they stay within
    const struct label_box *never;     // (n_never) covered by no label: other points
    const struct label_box *unwilling; // (n_unwilling) covered only at a price: lines
    uint32_t n_never, n_unwilling;
};

// Tries for each label places around its point, nearer ones and those to the right first, and goes
// over all of them a few times, so that an early one can make room. No two placed boxes overlap.
// The same input gives the same places.
void labels_place(struct label *label, uint32_t n, const struct label_ground *ground);

#endif
