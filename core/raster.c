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

static uint8_t pool_square(const uint8_t *at, uint32_t stride, uint32_t wide, uint32_t high,
                           bool minimum) {
    uint32_t sum = 0, least = 255;
    for (uint32_t y = 0; y < high; y++)
        for (uint32_t x = 0; x < wide; x++) {
            uint32_t v = at[(size_t)y * stride + x];
            sum += v;
            least = v < least ? v : least;
        }
    return (uint8_t)(minimum ? least : (sum + wide * high / 2) / (wide * high));
}

void tnm_raster_pool(const uint8_t *from, uint32_t width, uint32_t height, uint32_t factor,
                     bool minimum, uint8_t *to) {
    for (uint32_t y = 0; y < height; y += factor)
        for (uint32_t x = 0; x < width; x += factor) {
            uint32_t wide = width - x < factor ? width - x : factor;
            uint32_t high = height - y < factor ? height - y : factor;
            *to++ = pool_square(from + (size_t)y * width + x, width, wide, high, minimum);
        }
}

// ---- Morphology --------------------------------------------------------------------------------

// Both passes are maxima; the minimum is the maximum of the complement. A line is padded by radius
// zeros on each side, cut into pieces of the window's length, and run through with a maximum from
// each piece's start and one from its end: any window is the end of one piece and the start of the
// next, so its maximum is the larger of two.
//
// Lines are handled `wide` at once, side by side: 1 for rows, a strip of columns for columns.
enum { STRIP = 64 };

static void larger(const uint8_t *a, const uint8_t *b, uint8_t *to, uint32_t wide) {
    for (uint32_t i = 0; i < wide; i++)
        to[i] = a[i] > b[i] ? a[i] : b[i];
}

// line: (padded, STRIP) samples, written over; ahead: as many more. Gives n windows' maxima in
// line, from its start.
static void maxima(uint8_t *line, uint8_t *ahead, uint32_t n, uint32_t window, uint32_t padded,
                   uint32_t wide) {
    memcpy(ahead, line, (size_t)padded * wide);
    for (uint32_t i = 1; i < padded; i++)
        if (i % window != 0)
            larger(ahead + (size_t)i * wide, ahead + (size_t)(i - 1) * wide,
                   ahead + (size_t)i * wide, wide);
    for (uint32_t i = padded - 1; i-- > 0;)
        if ((i + 1) % window != 0)
            larger(line + (size_t)i * wide, line + (size_t)(i + 1) * wide, line + (size_t)i * wide,
                   wide);
    for (uint32_t i = 0; i < n; i++)
        larger(line + (size_t)i * wide, ahead + (size_t)(i + window - 1) * wide,
               line + (size_t)i * wide, wide);
}

static uint32_t padded_length(uint32_t n, uint32_t window) {
    return (n + window - 1 + window - 1) / window * window;
}

static void maxima_of_row(uint8_t *row, uint32_t n, uint32_t radius, uint8_t *scratch) {
    uint32_t padded = padded_length(n, 2 * radius + 1);
    memset(scratch, 0, padded);
    memcpy(scratch + radius, row, n);
    maxima(scratch, scratch + padded, n, 2 * radius + 1, padded, 1);
    memcpy(row, scratch, n);
}

static void maxima_of_strip(uint8_t *strip, uint32_t stride, uint32_t wide, uint32_t n,
                            uint32_t radius, uint8_t *scratch) {
    uint32_t padded = padded_length(n, 2 * radius + 1);
    memset(scratch, 0, (size_t)padded * wide);
    for (uint32_t y = 0; y < n; y++)
        memcpy(scratch + (size_t)(radius + y) * wide, strip + (size_t)y * stride, wide);
    maxima(scratch, scratch + (size_t)padded * wide, n, 2 * radius + 1, padded, wide);
    for (uint32_t y = 0; y < n; y++)
        memcpy(strip + (size_t)y * stride, scratch + (size_t)y * wide, wide);
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
    size_t row = padded_length(width, 2 * radius + 1);
    size_t strip = (size_t)padded_length(height, 2 * radius + 1) * STRIP;
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
