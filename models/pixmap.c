/* SPDX-License-Identifier: MIT */
// Pictures of few colours, and their PNG files.
#include "models/pixmap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "core/error.h"

bool pixmap_make(struct pixmap *p, uint32_t width, uint32_t height, struct tnm_error *err) {
    *p = (struct pixmap){width, height, calloc((size_t)width * height + 1, 1)};
    return p->at != NULL || tnm_fail_errno(err, ENOMEM, "picture");
}

void pixmap_free(struct pixmap *p) {
    free(p->at);
    *p = (struct pixmap){0};
}

// ---- PNG ---------------------------------------------------------------------------------------

enum {
    HEADER = 13,
    FRAME = 12, // of a chunk: length, type, checksum
    SIGNATURE = 8,
};

static uint8_t *put_u32(uint8_t *to, uint32_t v) {
    for (int shift = 24; shift >= 0; shift -= 8)
        *to++ = (uint8_t)(v >> shift);
    return to;
}

// The content may stand at its place, to + 8, already.
static uint8_t *put_chunk(uint8_t *to, const char type[4], const uint8_t *content, size_t len) {
    put_u32(to, (uint32_t)len);
    memcpy(to + 4, type, 4);
    if (len > 0)
        memmove(to + 8, content, len);
    return put_u32(to + 8 + len, (uint32_t)crc32(0, to + 4, (uInt)len + 4));
}

static uint8_t *put_header(uint8_t *to, const struct pixmap *p) {
    uint8_t header[HEADER] = {[8] = 4 /* bits */, [9] = 3 /* by a palette */};
    put_u32(header, p->width);
    put_u32(header + 4, p->height);
    return put_chunk(to, "IHDR", header, HEADER);
}

static uint8_t *put_palette(uint8_t *to, const struct pixmap_colour colour[PIXMAP_COLOURS]) {
    uint8_t rgb[3 * PIXMAP_COLOURS], alpha[PIXMAP_COLOURS];
    for (int i = 0; i < PIXMAP_COLOURS; i++) {
        rgb[3 * i] = colour[i].red;
        rgb[3 * i + 1] = colour[i].green;
        rgb[3 * i + 2] = colour[i].blue;
        alpha[i] = colour[i].alpha;
    }
    to = put_chunk(to, "PLTE", rgb, sizeof rgb);
    return put_chunk(to, "tRNS", alpha, sizeof alpha);
}

// Rows of two pixels a byte, the left one in the high half, each row behind the number of its
// filter: 0, none.
static uint8_t *make_rows(const struct pixmap *p, size_t *len) {
    size_t stride = 1 + ((size_t)p->width + 1) / 2;
    uint8_t *rows = calloc(p->height, stride);
    *len = stride * p->height;
    for (uint32_t y = 0; rows != NULL && y < p->height; y++)
        for (uint32_t x = 0; x < p->width; x++) {
            uint32_t level = p->at[(size_t)y * p->width + x] & 15u;
            rows[y * stride + 1 + x / 2] |= (uint8_t)(x % 2 == 0 ? level << 4 : level);
        }
    return rows;
}

uint8_t *pixmap_png(const struct pixmap *p, const struct pixmap_colour colour[PIXMAP_COLOURS],
                    size_t *len) {
    size_t raw;
    uint8_t *rows = make_rows(p, &raw);
    uLongf packed = compressBound((uLong)raw);
    uint8_t *file = rows != NULL ? malloc(packed + 512) : NULL; // 512: all chunks but the pixels
    if (file == NULL) {
        free(rows);
        return NULL;
    }
    memcpy(file, "\x89PNG\r\n\x1a\n", SIGNATURE);
    uint8_t *to = put_palette(put_header(file + SIGNATURE, p), colour);
    int code = compress2(to + 8, &packed, rows, (uLong)raw, Z_BEST_COMPRESSION);
    free(rows);
    if (code != Z_OK) {
        free(file);
        return NULL;
    }
    to = put_chunk(to, "IDAT", to + 8, packed);
    to = put_chunk(to, "IEND", NULL, 0);
    *len = (size_t)(to - file);
    return file;
}

// ---- Base64 ------------------------------------------------------------------------------------

static void put_base64(FILE *out, const uint8_t *bytes, size_t len) {
    static const char letter[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < len; i += 3) {
        size_t left = len - i;
        uint32_t v = (uint32_t)bytes[i] << 16 | (left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0) |
                     (left > 2 ? (uint32_t)bytes[i + 2] : 0);
        char four[4] = {letter[v >> 18], letter[v >> 12 & 63], left > 1 ? letter[v >> 6 & 63] : '=',
                        left > 2 ? letter[v & 63] : '='};
        fwrite(four, 1, 4, out);
    }
}

bool pixmap_write(FILE *out, const struct pixmap *p,
                  const struct pixmap_colour colour[PIXMAP_COLOURS]) {
    size_t len;
    uint8_t *png = pixmap_png(p, colour, &len);
    if (png == NULL)
        return false;
    fputs("data:image/png;base64,", out);
    put_base64(out, png, len);
    free(png);
    return true;
}
