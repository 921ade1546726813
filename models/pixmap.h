/* SPDX-License-Identifier: MIT */
// Small pictures of at most 16 colours, as PNG within a page.
#ifndef PIXMAP_H
#define PIXMAP_H

#include <stdio.h>

#include "core/tnm.h"

enum {
    PIXMAP_COLOURS = 16,
    PIXMAP_SIDE = 4096 // at most
};

struct pixmap_colour {
    uint8_t red, green, blue, alpha;
};

struct pixmap {
    uint32_t width, height; // 1..PIXMAP_SIDE
    uint8_t *at;            // (height, width), each below PIXMAP_COLOURS, owned
};

// All 0. TNM_ENOMEM.
bool pixmap_make(struct pixmap *p, uint32_t width, uint32_t height,
                 struct tnm_error *err) TNM_MUST_CHECK;
void pixmap_free(struct pixmap *p);

// The bytes of a PNG file of 4 bits a pixel (PNG, 2nd edition: colour type 3, tRNS for alpha), to
// be freed by the caller; NULL when out of memory.
uint8_t *pixmap_png(const struct pixmap *p, const struct pixmap_colour colour[PIXMAP_COLOURS],
                    size_t *len);

// "data:image/png;base64,...". False when out of memory.
bool pixmap_write(FILE *out, const struct pixmap *p,
                  const struct pixmap_colour colour[PIXMAP_COLOURS]) TNM_MUST_CHECK;

#endif
