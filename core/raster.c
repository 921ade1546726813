/* SPDX-License-Identifier: MIT */
// Resizing, means and morphology of 8-bit planes.
#include "core/raster.h"

#include <string.h>

// ---- Resizing ----------------------------------------------------------------------------------

// One axis of a resize, `from` samples to `to`. Shrinking: in units of 1 / to of a source sample,
// result o covers [o * from, (o + 1) * from) and source i covers [i * to, (i + 1) * to); the weight
// is the overlap. Enlarging: result o lies between two sources, at ((2 o + 1) from - to) / (2 to).
struct axis {
    uint64_t from, to;
};

struct span {
    uint32_t first, count; // of source samples
};

static uint64_t axis_total(struct axis a) {
    return a.from >= a.to ? a.from : 2 * a.to;
}

static struct span axis_span(struct axis a, uint64_t o) {
    if (a.from >= a.to) {
        uint64_t first = o * a.from / a.to, last = ((o + 1) * a.from - 1) / a.to;
        return (struct span){(uint32_t)first, (uint32_t)(last - first + 1)};
    }
    uint64_t at = (2 * o + 1) * a.from;
    if (at < a.to)
        return (struct span){0, 1};
    uint64_t first = (at - a.to) / (2 * a.to);
    return (struct span){(uint32_t)first, first + 1 < a.from ? 2 : 1};
}

static uint32_t axis_weight(struct axis a, uint64_t o, struct span s, uint32_t i) {
    if (a.from >= a.to) {
        uint64_t low = o * a.from, high = low + a.from;
        uint64_t begin = (uint64_t)i * a.to, end = begin + a.to;
        return (uint32_t)((end < high ? end : high) - (begin > low ? begin : low));
    }
    if (s.count == 1)
        return (uint32_t)(2 * a.to);
    uint64_t past = ((2 * o + 1) * a.from - a.to) % (2 * a.to);
    return (uint32_t)(i == s.first ? 2 * a.to - past : past);
}

static const uint8_t *fetch_row(const struct tnm_pixels *p, const struct raster_part *part,
                                int channel, uint32_t y, uint8_t *row) {
    const uint8_t *at = p->at + ((size_t)(part->y + y) * p->width + part->x) * p->channels;
    if (p->channels == 1)
        return at;
    for (uint32_t x = 0; x < part->width; x++, at += 3)
        row[x] = channel == RASTER_GREY
                     ? (uint8_t)((19595u * at[0] + 38470u * at[1] + 7471u * at[2] + 32768u) >> 16)
                     : at[channel];
    return row;
}

// Adds up the source rows under result row o, each by its weight.
static void sum_rows(const struct tnm_pixels *p, const struct raster_part *part, int channel,
                     struct axis vertical, uint32_t o, uint32_t *sum, uint8_t *row) {
    struct span rows = axis_span(vertical, o);
    memset(sum, 0, part->width * sizeof *sum);
    for (uint32_t i = rows.first; i < rows.first + rows.count; i++) {
        const uint8_t *at = fetch_row(p, part, channel, i, row);
        uint32_t weight = axis_weight(vertical, o, rows, i);
        for (uint32_t x = 0; x < part->width; x++)
            sum[x] += weight * at[x];
    }
}

static void copy(const struct tnm_pixels *p, const struct raster_part *part, int channel,
                 uint8_t *to, uint32_t stride) {
    for (uint32_t y = 0; y < part->height; y++, to += stride) {
        const uint8_t *row = fetch_row(p, part, channel, y, to);
        if (row != to)
            memcpy(to, row, part->width);
    }
}

size_t tnm_raster_resize_bytes(uint32_t part_width) {
    return (size_t)part_width * (sizeof(uint32_t) + 1);
}

void tnm_raster_resize(const struct tnm_pixels *picture, const struct raster_part *part,
                       int channel, uint8_t *to, uint32_t width, uint32_t height, uint32_t stride,
                       void *scratch) {
    struct axis across = {part->width, width}, down = {part->height, height};
    if (part->width == width && part->height == height) {
        copy(picture, part, channel, to, stride);
        return;
    }
    uint64_t total = axis_total(across) * axis_total(down);
    uint32_t *sum = scratch;
    uint8_t *row = (uint8_t *)(sum + part->width);
    for (uint32_t y = 0; y < height; y++, to += stride) {
        sum_rows(picture, part, channel, down, y, sum, row);
        for (uint32_t x = 0; x < width; x++) {
            struct span columns = axis_span(across, x);
            uint64_t value = total / 2;
            for (uint32_t i = columns.first; i < columns.first + columns.count; i++)
                value += (uint64_t)axis_weight(across, x, columns, i) * sum[i];
            to[x] = (uint8_t)(value / total);
        }
    }
}

// ---- Means -------------------------------------------------------------------------------------

// sum / count, rounded, by a multiplication with 2^40 / count, rounded up: exact for sums of up to
// 201 * 201 bytes, halves included.
static uint8_t rounded(uint32_t sum, uint64_t reciprocal) {
    return (uint8_t)((sum * reciprocal + (1ull << 39)) >> 40);
}

static void add_row(uint32_t *sum, const uint8_t *row, uint32_t width) {
    for (uint32_t x = 0; x < width; x++)
        sum[x] += row[x];
}

static void take_row(uint32_t *sum, const uint8_t *row, uint32_t width) {
    for (uint32_t x = 0; x < width; x++)
        sum[x] -= row[x];
}

static void mean_row(const uint32_t *sum, uint32_t width, uint32_t radius, uint32_t n_rows,
                     uint8_t *to) {
    uint32_t run = 0, n = 0, counted = 0;
    uint64_t reciprocal = 0;
    for (uint32_t x = 0; x < radius && x < width; x++, n++)
        run += sum[x];
    for (uint32_t x = 0; x < width; x++) {
        if (x + radius < width)
            run += sum[x + radius], n++;
        if (x > radius)
            run -= sum[x - radius - 1], n--;
        if (n != counted) {
            counted = n;
            reciprocal = (1ull << 40) / (n * n_rows) + 1;
        }
        to[x] = rounded(run, reciprocal);
    }
}

void tnm_raster_mean(const uint8_t *from, uint32_t width, uint32_t height, uint32_t radius,
                     uint8_t *to, uint32_t *scratch) {
    uint32_t n_rows = 0;
    memset(scratch, 0, width * sizeof *scratch);
    for (uint32_t y = 0; y < radius && y < height; y++, n_rows++)
        add_row(scratch, from + (size_t)y * width, width);
    for (uint32_t y = 0; y < height; y++) {
        if (y + radius < height) {
            add_row(scratch, from + (size_t)(y + radius) * width, width);
            n_rows++;
        }
        if (y > radius) {
            take_row(scratch, from + (size_t)(y - radius - 1) * width, width);
            n_rows--;
        }
        mean_row(scratch, width, radius, n_rows, to + (size_t)y * width);
    }
}

// Takes row into acc, sample by sample: sums, or minima.
static void pool_row(const uint8_t *row, uint32_t width, bool minimum, uint16_t *acc) {
    if (minimum)
        for (uint32_t x = 0; x < width; x++)
            acc[x] = row[x] < acc[x] ? row[x] : acc[x];
    else
        for (uint32_t x = 0; x < width; x++)
            acc[x] = (uint16_t)(acc[x] + row[x]);
}

static void pool_columns(const uint16_t *acc, uint32_t width, uint32_t factor, uint32_t n_rows,
                         bool minimum, uint8_t *to) {
    for (uint32_t x = 0; x < width; x += factor) {
        uint32_t wide = width - x < factor ? width - x : factor, sum = 0, least = 255;
        for (uint32_t i = 0; i < wide; i++) {
            sum += acc[x + i];
            least = acc[x + i] < least ? acc[x + i] : least;
        }
        *to++ = (uint8_t)(minimum ? least : (sum + wide * n_rows / 2) / (wide * n_rows));
    }
}

void tnm_raster_pool(const uint8_t *from, uint32_t width, uint32_t height, uint32_t factor,
                     bool minimum, uint8_t *to, uint16_t *scratch) {
    uint32_t wide = (width + factor - 1) / factor;
    for (uint32_t y = 0; y < height; y += factor, to += wide) {
        uint32_t n_rows = height - y < factor ? height - y : factor;
        for (uint32_t x = 0; x < width; x++)
            scratch[x] = minimum ? 255 : 0;
        for (uint32_t i = 0; i < n_rows; i++)
            pool_row(from + (size_t)(y + i) * width, width, minimum, scratch);
        pool_columns(scratch, width, factor, n_rows, minimum, to);
    }
}

// ---- Morphology --------------------------------------------------------------------------------

// Both passes are maxima; the minimum is the maximum of the complement. The maximum over a window
// is made by doubling: over 2 samples, over 4, over 8, up to the largest power of two in it, and
// then of two of those that overlap. Each step is one comparison of two long rows, which a
// processor does 16 or 32 samples at a time.
//
// Lines are padded by `radius` zeros at both ends. Columns go in strips, side by side.
enum { STRIP = 64 };

static void larger(const uint8_t *restrict a, const uint8_t *restrict b, uint8_t *restrict to,
                   size_t n) {
    for (size_t i = 0; i < n; i++)
        to[i] = a[i] > b[i] ? a[i] : b[i];
}

// The maxima over `window` samples, each `wide` bytes, from line's start: n of them. line and other
// have room for n + window - 1. Gives where they are, line or other.
static uint8_t *maxima(uint8_t *line, uint8_t *other, uint32_t n, uint32_t window, size_t wide) {
    uint32_t over = 1, left = n + window - 1;
    while (over < window) {
        uint32_t step = 2 * over <= window ? over : window - over;
        left -= step;
        larger(line, line + step * wide, other, left * wide);
        over += step;
        uint8_t *done = other;
        other = line;
        line = done;
    }
    return line;
}

static void maxima_of_row(uint8_t *row, uint32_t n, uint32_t radius, uint8_t *scratch) {
    uint32_t padded = n + 2 * radius;
    memset(scratch, 0, padded);
    memcpy(scratch + radius, row, n);
    memcpy(row, maxima(scratch, scratch + padded, n, 2 * radius + 1, 1), n);
}

static void maxima_of_strip(uint8_t *strip, uint32_t stride, size_t wide, uint32_t n,
                            uint32_t radius, uint8_t *scratch) {
    size_t padded = (n + 2 * radius) * wide;
    memset(scratch, 0, padded);
    for (uint32_t y = 0; y < n; y++)
        memcpy(scratch + (radius + y) * wide, strip + (size_t)y * stride, wide);
    const uint8_t *done = maxima(scratch, scratch + padded, n, 2 * radius + 1, wide);
    for (uint32_t y = 0; y < n; y++)
        memcpy(strip + (size_t)y * stride, done + y * wide, wide);
}

static void dilate(uint8_t *plane, uint32_t width, uint32_t height, uint32_t radius,
                   uint8_t *scratch) {
    for (uint32_t y = 0; y < height; y++)
        maxima_of_row(plane + (size_t)y * width, width, radius, scratch);
    for (uint32_t x = 0; x < width; x += STRIP)
        maxima_of_strip(plane + x, width, width - x < STRIP ? width - x : STRIP, height, radius,
                        scratch);
}

static void complement(uint8_t *plane, size_t n) {
    for (size_t i = 0; i < n; i++)
        plane[i] = (uint8_t)~plane[i];
}

size_t tnm_raster_close_bytes(uint32_t width, uint32_t height, uint32_t radius) {
    size_t row = width + 2 * radius, strip = (size_t)(height + 2 * radius) * STRIP;
    return 2 * (row > strip ? row : strip);
}

void tnm_raster_close(uint8_t *plane, uint32_t width, uint32_t height, uint32_t radius,
                      uint8_t *scratch) {
    size_t n = (size_t)width * height;
    dilate(plane, width, height, radius, scratch);
    complement(plane, n);
    dilate(plane, width, height, radius, scratch);
    complement(plane, n);
}
