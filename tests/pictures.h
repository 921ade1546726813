/* SPDX-License-Identifier: MIT */
// Small picture files of every kind, made through the libraries' writing side.
#ifndef PICTURES_H
#define PICTURES_H

#include "core/bytes.h"

// All return memory to be given to free(), and set *len; they abort where that fails.

enum { JPEG_PROGRESSIVE = 1 };

// samples (height, width, channels): 1 grey, 3 RGB, 4 CMYK with 255 for no ink, as Adobe has it.
// subsampling: how many pixels share a colour, across and down: 1 (4:4:4) or 2 (4:2:0).
uint8_t *make_jpeg(const uint8_t *samples, uint32_t width, uint32_t height, uint32_t channels,
                   int quality, int subsampling, int flags, size_t *len);

// The same file with an EXIF block of nothing but the orientation put in front. big: byte order.
uint8_t *with_exif(const uint8_t *jpeg, size_t jpeg_len, uint32_t orientation, int big,
                   size_t *len);

// The same file with any segment put in front.
uint8_t *with_segment(const uint8_t *jpeg, size_t jpeg_len, uint8_t marker, const void *body,
                      size_t body_len, size_t *len);

struct png_kind {
    int colour, depth; // PNG_COLOR_TYPE_*, bits a sample
    int interlaced;
    int transparency; // a tRNS chunk: palette entry i gets alpha 255 - 40 * i; else a colour key
};

enum { PNG_KEY = 1 }; // the sample that a colour key makes transparent, in each channel

// rows: packed as PNG has them. A palette is that of palette_entry.
uint8_t *make_png(const uint8_t *rows, uint32_t width, uint32_t height, struct png_kind kind,
                  size_t *len);

void palette_entry(uint32_t i, uint8_t rgb[3]);

#endif
