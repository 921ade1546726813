/* SPDX-License-Identifier: MIT */
// Scales and ticks.
#include "models/axis.h"

#include <math.h>
#include <stdio.h>

#include "models/markup.h"

// ---- Scales ------------------------------------------------------------------------------------

static const double fewest_errors = 1e-6;

// The place of a value on a scale whose steps are equal.
static double straight(enum axis_scale scale, double value) {
    if (scale == AXIS_LOG)
        return log10(fmax(value, 1e-300));
    if (scale == AXIS_ERRORS)
        return -log10(fmax(1 - value, fewest_errors));
    return value;
}

static double back(enum axis_scale scale, double place) {
    if (scale == AXIS_LOG)
        return pow(10, place);
    return scale == AXIS_ERRORS ? 1 - pow(10, -place) : place;
}

// Half the width, in straight places, of what a single value is widened to.
static double half_width(enum axis_scale scale, double place) {
    return scale == AXIS_LINEAR ? fmax(fabs(place) * 0.005, 1e-9) : 0.3;
}

struct axis axis_make(enum axis_scale scale, enum axis_unit unit, double low, double high,
                      double from, double to) {
    double a = straight(scale, low), b = straight(scale, high);
    if (!(a < b)) {
        double middle = isfinite(a) ? a : 0, half = half_width(scale, middle);
        a = middle - half;
        b = middle + half;
    }
    double margin = (b - a) * AXIS_MARGIN / (100 - 2 * AXIS_MARGIN);
    return (struct axis){scale, unit, back(scale, a - margin), back(scale, b + margin), from, to};
}

double axis_at(const struct axis *axis, double value) {
    double a = straight(axis->scale, axis->low), b = straight(axis->scale, axis->high);
    double part = (straight(axis->scale, value) - a) / (b - a);
    return axis->from + fmin(fmax(part, 0), 1) * (axis->to - axis->from);
}

// ---- Ticks -------------------------------------------------------------------------------------

// The multiples of step within low..high; AXIS_TICKS + 1 where they are more than that.
static uint32_t multiples(double low, double high, double step, double tick[AXIS_TICKS]) {
    double slack = step * 1e-9, first = ceil((low - slack) / step);
    double n = floor((high + slack) / step) - first + 1;
    if (!(n <= AXIS_TICKS))
        return AXIS_TICKS + 1;
    for (uint32_t i = 0; i < n; i++)
        tick[i] = (first + i) * step;
    return n > 0 ? (uint32_t)n : 0;
}

// The values that start with one of digits (a text, ascending) within low..high; likewise.
static uint32_t starting_with(const char *digits, double low, double high,
                              double tick[AXIS_TICKS]) {
    uint32_t n = 0;
    for (double power = floor(log10(low)); power <= log10(high) + 1e-9; power++)
        for (const char *d = digits; *d != 0; d++) {
            double value = (*d - '0') * pow(10, power);
            if (value < low * (1 - 1e-9) || value > high * (1 + 1e-9))
                continue;
            if (n == AXIS_TICKS)
                return AXIS_TICKS + 1;
            tick[n++] = value;
        }
    return n;
}

static uint32_t decades(double low, double high, double every, double tick[AXIS_TICKS]) {
    uint32_t n = multiples(log10(low), log10(high), every, tick);
    for (uint32_t i = 0; n <= AXIS_TICKS && i < n; i++)
        tick[i] = pow(10, tick[i]);
    return n;
}

// Errors, ascending, as the shares that they leave, ascending.
static void turn_round(double *tick, uint32_t n) {
    for (uint32_t i = 0; i < n / 2; i++) {
        double first = tick[i];
        tick[i] = tick[n - 1 - i];
        tick[n - 1 - i] = first;
    }
    for (uint32_t i = 0; i < n; i++)
        tick[i] = 1 - tick[i];
}

static bool is_apart(const struct axis *axis, double gap, const double *tick, uint32_t n) {
    for (uint32_t i = 1; n <= AXIS_TICKS && i < n; i++)
        if (fabs(axis_at(axis, tick[i]) - axis_at(axis, tick[i - 1])) < gap)
            return false;
    return n <= AXIS_TICKS;
}

// Multiples of 1, 2 or 5 times a power of ten. On a scale that is not linear they are values of
// it all the same; of shares or errors alike.
static uint32_t even_ticks(const struct axis *axis, double gap, double tick[AXIS_TICKS]) {
    static const double digit[] = {1, 2, 5};
    double power = pow(10, floor(log10((axis->high - axis->low) / AXIS_TICKS)));
    for (;; power *= 10)
        for (int d = 0; d < 3; d++) {
            uint32_t n = multiples(axis->low, axis->high, digit[d] * power, tick);
            if (is_apart(axis, gap, tick, n))
                return n;
        }
}

static uint32_t log_ticks(const struct axis *axis, double gap, double tick[AXIS_TICKS]) {
    static const char *const digits[] = {"123456789", "12345", "125", "13"};
    bool errors = axis->scale == AXIS_ERRORS;
    double low = errors ? 1 - axis->high : axis->low, high = errors ? 1 - axis->low : axis->high;
    for (size_t i = 0; i < sizeof digits / sizeof *digits; i++) {
        uint32_t n = starting_with(digits[i], low, high, tick);
        if (errors && n <= AXIS_TICKS)
            turn_round(tick, n);
        if (n >= 3 && is_apart(axis, gap, tick, n))
            return n;
    }
    if (log10(high / low) < 1)
        return even_ticks(axis, gap, tick);
    for (double every = 1;; every++) {
        uint32_t n = decades(low, high, every, tick);
        if (errors && n <= AXIS_TICKS)
            turn_round(tick, n);
        if (is_apart(axis, gap, tick, n))
            return n;
    }
}

uint32_t axis_ticks(const struct axis *axis, double gap, double tick[AXIS_TICKS]) {
    return axis->scale == AXIS_LINEAR ? even_ticks(axis, gap, tick) : log_ticks(axis, gap, tick);
}

const char *axis_label(const struct axis *axis, double tick, char text[AXIS_LABEL]) {
    if (axis->unit == AXIS_BYTES)
        return markup_bytes(tick, text);
    if (axis->unit == AXIS_TIME)
        return markup_time(tick, text);
    snprintf(text, AXIS_LABEL, "%.6g %%", 100 * tick);
    return text;
}
