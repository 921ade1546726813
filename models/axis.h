/* SPDX-License-Identifier: MIT */
// An axis of a chart: where a value stands, and at which values to put ticks.
#ifndef AXIS_H
#define AXIS_H

#include <stdbool.h>
#include <stdint.h>

enum axis_scale {
    AXIS_LINEAR,
    AXIS_LOG,    // values above 0
    AXIS_ERRORS, // shares below 1: equal steps where the errors, 1 - value, halve
};

enum axis_unit { AXIS_BYTES, AXIS_TIME, AXIS_PERCENT }; // bytes, ns, shares of 1

struct axis {
    enum axis_scale scale;
    enum axis_unit unit;
    double low, high; // values at from and to
    double from, to;  // in the picture
};

enum {
    AXIS_TICKS = 24,
    AXIS_LABEL = 32,
    AXIS_MARGIN = 5 // per cent of the picture left free on either side of the values
};

// For values low..high, and a margin. A range of one value, or none, is widened.
struct axis axis_make(enum axis_scale scale, enum axis_unit unit, double low, double high,
                      double from, double to);

// Where a value stands; what a scale cannot show stands at its end.
double axis_at(const struct axis *axis, double value);

// Ascending values within the axis for ticks that stand at least gap apart in the picture: of 1, 2
// and 5 times a power of ten, or the like, as fine as fits. Returns how many, at most AXIS_TICKS.
uint32_t axis_ticks(const struct axis *axis, double gap, double tick[AXIS_TICKS]);

// "98.5 %", "10 kB", "1 µs".
const char *axis_label(const struct axis *axis, double tick, char text[AXIS_LABEL]);

#endif
