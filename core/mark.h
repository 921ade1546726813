/* SPDX-License-Identifier: MIT */
// Marks: the connected sets of dark pixels of a plane, measured and weighed, so that the one that
// somebody wrote is told from shadows, ruled lines, specks and the page's edge.
#ifndef TNM_MARK_H
#define TNM_MARK_H

#include <stdbool.h>
#include <stdint.h>

// A set of pixels, 8-connected. Before all are found, a link to another; a root links to itself.
struct tnm_mark {
    uint32_t link;
    uint32_t ink;                      // sum of its darkness
    uint32_t pixels;                   // 0 if it is no root
    uint16_t left, top, right, bottom; // inclusive
    uint32_t rim, steep;               // sides of its edge, and how many of them are a step
    uint8_t softness;                  // within how many pixels that must be
};

// A plane of at most 65535 x 65535 and the marks found in it.
struct tnm_marks {
    uint32_t width, height;
    const uint8_t *grey;   // (height, width), marks being dark
    const uint8_t *ink;    // (height, width), how much darker than its ground
    uint32_t *label;       // (height, width), the mark of each pixel, 0 for none
    struct tnm_mark *mark; // 1..n, of which the roots are marks; room for tnm_marks_most, and one
    uint32_t n;
};

// How many there can be at most.
uint32_t tnm_marks_most(uint32_t width, uint32_t height);

// Finds all pixels with ink at or above the threshold (at least 1), and what they form.
void tnm_marks_find(struct tnm_marks *marks, uint32_t threshold);

// Counts rim and steep of every mark: how much of its outline is drawn, rather than a soft change
// of the light, or the place where the search for the ground gave up. A step is steep that makes
// half the mark's darkness within 2 pixels outside of the edge and 1 inside.
void tnm_marks_trace(struct tnm_marks *marks);

// How likely it is to be what was written, in no unit: stronger and longer is more, a drawn outline
// counts twice; what touches the picture's edge, is flat as a line or a mere speck, counts little.
// Needs tnm_marks_trace.
double tnm_mark_weight(const struct tnm_marks *marks, const struct tnm_mark *mark);

double tnm_mark_darkness(const struct tnm_mark *mark); // the mean
uint32_t tnm_mark_length(const struct tnm_mark *mark); // the longer side of its box
double tnm_mark_stroke(const struct tnm_mark *mark);   // how wide its strokes are, about
bool tnm_mark_at_edge(const struct tnm_marks *marks, const struct tnm_mark *mark);
bool tnm_mark_contains(const struct tnm_mark *outer,
                       const struct tnm_mark *inner); // boxes, by and large

// How far apart the boxes of two marks are, in pixels; 0 where they overlap.
uint32_t tnm_mark_gap(const struct tnm_mark *a, const struct tnm_mark *b);

#endif
