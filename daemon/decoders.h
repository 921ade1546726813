/* SPDX-License-Identifier: MIT */
// What picture.c and the decoders share; nobody else includes it.
#ifndef DECODERS_H
#define DECODERS_H

#include "daemon/picture.h"

// A decoder reads the header with _cost: at most this many bytes while decoding, the picture
// included. _decode checks the same against the wish before it takes any memory, and leaves picture
// empty on failure. Picture is zeroed before, and format is set after, by picture.c.
bool jpeg_cost(struct bytes file, const struct picture_wish *wish, size_t *bytes,
               struct tnm_error *err);
bool jpeg_decode(struct bytes file, const struct picture_wish *wish, struct picture *picture,
                 struct tnm_error *err);
bool png_cost(struct bytes file, const struct picture_wish *wish, size_t *bytes,
              struct tnm_error *err);
bool png_decode(struct bytes file, const struct picture_wish *wish, struct picture *picture,
                struct tnm_error *err);
bool pnm_cost(struct bytes file, const struct picture_wish *wish, size_t *bytes,
              struct tnm_error *err);
bool pnm_decode(struct bytes file, const struct picture_wish *wish, struct picture *picture,
                struct tnm_error *err);

// Whether a header's size is within wish->max_pixels and not empty.
bool picture_check_pixels(const struct picture_wish *wish, uint32_t width, uint32_t height,
                          struct tnm_error *err);

// Whether decoding may take this much: within wish->max_bytes and what an address can hold.
bool picture_check_bytes(const struct picture_wish *wish, uint64_t bytes, struct tnm_error *err);

// Takes zeroed memory for width x height pixels of wish->channels.
bool picture_take(struct picture *picture, const struct picture_wish *wish, uint32_t width,
                  uint32_t height, struct tnm_error *err);

// Turns the pixels upright, from how EXIF orientation 1..8 says they lie. 2..8 take a second copy
// of them meanwhile; a decoder's cost counts it.
bool picture_turn(struct picture *picture, uint32_t orientation, struct tnm_error *err);

// The orientation 1..8 of an EXIF block (the bytes after "Exif\0\0"), 1 where it has none.
uint32_t exif_orientation(struct bytes exif);

// Luminance by Rec. 601, as JPEG has it.
static inline uint8_t grey_of(uint32_t r, uint32_t g, uint32_t b) {
    return (uint8_t)((19595 * r + 38470 * g + 7471 * b + 32768) >> 16);
}

// One pixel from 8-bit red, green and blue, in the channels wanted.
static inline void put_rgb(uint8_t *to, uint32_t channels, uint32_t r, uint32_t g, uint32_t b) {
    if (channels == 1) {
        to[0] = grey_of(r, g, b);
        return;
    }
    to[0] = (uint8_t)r;
    to[1] = (uint8_t)g;
    to[2] = (uint8_t)b;
}

#endif
