/* SPDX-License-Identifier: MIT */
// Planes of 8-bit grey: resizing, means, grey morphology. All in whole numbers, so that every
// machine gives the same bytes.
#ifndef TNM_RASTER_H
#define TNM_RASTER_H

#include "core/prepare.h"

// A part of a picture: from (x, y), width x height, all inside.
struct raster_part {
    uint32_t x, y, width, height;
};

enum { RASTER_GREY = -1 }; // instead of a channel: luminance of all

// Resizes a part of one channel, or of the luminance, into to (height, width), rows `stride` apart.
// Shrinks by area average and enlarges bilinearly, each axis by itself; the same size is a copy.
// Sides are at most 2^24. scratch holds tnm_raster_resize_bytes(part->width).
void tnm_raster_resize(const struct tnm_pixels *picture, const struct raster_part *part,
                       int channel, uint8_t *to, uint32_t width, uint32_t height, uint32_t stride,
                       void *scratch);

size_t tnm_raster_resize_bytes(uint32_t part_width);

// Mean over a square of 2 * radius + 1, at the edge over the part of it that is inside. radius is
// at most 100. to (height, width) is another plane; scratch holds width times 4 bytes.
void tnm_raster_mean(const uint8_t *from, uint32_t width, uint32_t height, uint32_t radius,
                     uint8_t *to, uint32_t *scratch);

// Makes one sample of each square of factor x factor, factor at most 255: the mean or the minimum.
// to (ceil(height / factor), ceil(width / factor)); scratch holds width times 2 bytes.
void tnm_raster_pool(const uint8_t *from, uint32_t width, uint32_t height, uint32_t factor,
                     bool minimum, uint8_t *to, uint16_t *scratch);

// Grey closing: the maximum, then the minimum, over a square of 2 * radius + 1. Fills what is dark
// and narrower than the square, and leaves edges of larger things where they are. In place; about
// log2(radius) + 2 comparisons a pixel and direction. scratch holds tnm_raster_close_bytes.
void tnm_raster_close(uint8_t *plane, uint32_t width, uint32_t height, uint32_t radius,
                      uint8_t *scratch);

size_t tnm_raster_close_bytes(uint32_t width, uint32_t height, uint32_t radius);

#endif
