/* SPDX-License-Identifier: MIT */
// Picture files for tests, through libturbojpeg and libpng.
#include "tests/pictures.h"

#include <png.h>
#include <stdlib.h>
#include <turbojpeg.h>

static void *take(size_t n) {
    void *at = calloc(n > 0 ? n : 1, 1);
    if (at == NULL)
        abort();
    return at;
}

// ---- JPEG --------------------------------------------------------------------------------------

uint8_t *make_jpeg(const uint8_t *samples, uint32_t width, uint32_t height, uint32_t channels,
                   int quality, int subsampling, int flags, size_t *len) {
    tjhandle tj = tjInitCompress();
    unsigned char *jpeg = NULL;
    unsigned long n = 0;
    int form = channels == 1 ? TJPF_GRAY : channels == 3 ? TJPF_RGB : TJPF_CMYK;
    int sampling = channels == 1 ? TJSAMP_GRAY : subsampling == 2 ? TJSAMP_420 : TJSAMP_444;
    if (tj == NULL ||
        tjCompress2(tj, samples, (int)width, 0, (int)height, form, &jpeg, &n, sampling, quality,
                    flags & JPEG_PROGRESSIVE ? TJFLAG_PROGRESSIVE : 0) != 0)
        abort();
    uint8_t *copy = take(n);
    memcpy(copy, jpeg, n);
    *len = n;
    tjFree(jpeg);
    tjDestroy(tj);
    return copy;
}

uint8_t *with_segment(const uint8_t *jpeg, size_t jpeg_len, uint8_t marker, const void *body,
                      size_t body_len, size_t *len) {
    uint8_t *file = take(jpeg_len + 4 + body_len);
    memcpy(file, jpeg, 2); // SOI
    file[2] = 0xff;
    file[3] = marker;
    file[4] = (uint8_t)((body_len + 2) >> 8);
    file[5] = (uint8_t)(body_len + 2);
    memcpy(file + 6, body, body_len);
    memcpy(file + 6 + body_len, jpeg + 2, jpeg_len - 2);
    *len = jpeg_len + 4 + body_len;
    return file;
}

uint8_t *with_exif(const uint8_t *jpeg, size_t jpeg_len, uint32_t orientation, int big,
                   size_t *len) {
    // TIFF 6.0: byte order, 42, offset of the directory; one entry: tag, type SHORT, count, value
    uint8_t little_block[] = {'E', 'x',  'i', 'f', 0,
                              0,   'I',  'I', 42,  0,
                              8,   0,    0,   0,   1,
                              0,   0x12, 1,   3,   0,
                              1,   0,    0,   0,   (uint8_t)orientation,
                              0,   0,    0,   0,   0,
                              0,   0};
    uint8_t big_block[] = {'E', 'x', 'i', 'f', 0,    0, 'M', 'M', 0, 42, 0, 0, 0,
                           8,   0,   1,   1,   0x12, 0, 3,   0,   0, 0,  1, 0, (uint8_t)orientation,
                           0,   0,   0,   0,   0,    0};
    return with_segment(jpeg, jpeg_len, 0xe1, big ? big_block : little_block, sizeof big_block,
                        len);
}

// ---- PNG ---------------------------------------------------------------------------------------

struct sink {
    uint8_t *at;
    size_t len, room;
};

static void on_write(png_structp png, png_bytep from, size_t n) {
    struct sink *sink = png_get_io_ptr(png);
    if (sink->len + n > sink->room) {
        sink->room = 2 * sink->room + n;
        sink->at = realloc(sink->at, sink->room);
        if (sink->at == NULL)
            abort();
    }
    memcpy(sink->at + sink->len, from, n);
    sink->len += n;
}

static void on_flush(png_structp png) {
    (void)png;
}

void palette_entry(uint32_t i, uint8_t rgb[3]) {
    rgb[0] = (uint8_t)(37 * i + 11);
    rgb[1] = (uint8_t)(91 * i + 200);
    rgb[2] = (uint8_t)(151 * i + 60);
}

static void set_palette(png_structp png, png_infop info, int depth) {
    png_color palette[256];
    int n = 1 << depth;
    for (int i = 0; i < n; i++) {
        uint8_t rgb[3];
        palette_entry((uint32_t)i, rgb);
        palette[i] = (png_color){rgb[0], rgb[1], rgb[2]};
    }
    png_set_PLTE(png, info, palette, n);
}

static void set_transparency(png_structp png, png_infop info, struct png_kind kind) {
    png_color_16 key = {0, PNG_KEY, PNG_KEY, PNG_KEY, PNG_KEY};
    png_byte alpha[6];
    int n = kind.depth == 1 ? 2 : kind.depth == 2 ? 4 : 6;
    for (int i = 0; i < n; i++)
        alpha[i] = (png_byte)(255 - 40 * i);
    if (kind.colour == PNG_COLOR_TYPE_PALETTE)
        png_set_tRNS(png, info, alpha, n, NULL);
    else
        png_set_tRNS(png, info, NULL, 0, &key);
}

uint8_t *make_png(const uint8_t *rows, uint32_t width, uint32_t height, struct png_kind kind,
                  size_t *len) {
    struct sink sink = {0};
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png != NULL ? png_create_info_struct(png) : NULL;
    if (info == NULL || setjmp(png_jmpbuf(png)) != 0)
        abort();
    png_set_write_fn(png, &sink, on_write, on_flush);
    png_set_IHDR(png, info, width, height, kind.depth, kind.colour,
                 kind.interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    if (kind.colour == PNG_COLOR_TYPE_PALETTE)
        set_palette(png, info, kind.depth);
    if (kind.transparency)
        set_transparency(png, info, kind);
    png_set_gAMA_fixed(png, info, 100000); // to be ignored, like all that is beside the pixels
    png_write_info(png, info);
    int passes = png_set_interlace_handling(png);
    size_t row_bytes = png_get_rowbytes(png, info);
    for (int pass = 0; pass < passes; pass++)
        for (uint32_t y = 0; y < height; y++)
            png_write_row(png, rows + y * row_bytes);
    png_write_end(png, info);
    png_destroy_write_struct(&png, &info);
    *len = sink.len;
    return sink.at;
}
