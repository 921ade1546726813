/* SPDX-License-Identifier: MIT */
// PNG. The only file that knows libpng.
#include "daemon/decoders.h"

#include "core/error.h"

#include <inttypes.h>
#include <png.h>
#include <stdlib.h>

enum {
    FIXED_BYTES = 128 * 1024, // what the library takes for any picture: inflation, state
    HEADER_BYTES = 8 + 8 + 13 // signature, chunk head, IHDR
};

struct header {
    uint32_t width, height;
    uint32_t depth, colour; // bits a sample; PNG_COLOR_MASK_* bits
    bool interlaced;
};

static uint32_t big_u32(const uint8_t *at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static bool read_header(struct bytes file, struct header *h, struct tnm_error *err) {
    if (file.len < HEADER_BYTES || memcmp(file.at + 8, "\0\0\0\rIHDR", 8) != 0)
        return tnm_fail(err, TNM_EFORMAT, "damaged PNG: no IHDR of 13 bytes in front");
    const uint8_t *at = file.at + 16;
    *h = (struct header){big_u32(at), big_u32(at + 4), at[8], at[9], at[12] != 0};
    return true;
}

// ---- Size and cost -----------------------------------------------------------------------------

// Bytes of a pixel as the library is asked to give it: 8-bit grey or RGB, with alpha where it may
// have some (a palette may, by tRNS, and so may the other kinds).
static uint32_t pixel_bytes(uint32_t colour) {
    return colour & PNG_COLOR_MASK_COLOR ? 4 : 2;
}

static uint64_t cost_of(const struct header *h, const struct picture_wish *wish) {
    uint64_t pixels = (uint64_t)h->width * h->height;
    uint64_t row = (uint64_t)h->width * 8; // the widest there are: 16-bit RGBA
    uint64_t rows = h->interlaced ? pixels * pixel_bytes(h->colour) : row;
    return pixels * wish->channels + rows + 3 * row + FIXED_BYTES;
}

static bool weigh(struct bytes file, const struct picture_wish *wish, struct header *h,
                  uint64_t *cost, struct tnm_error *err) {
    if (!read_header(file, h, err) || !picture_check_pixels(wish, h->width, h->height, err))
        return false;
    *cost = cost_of(h, wish);
    return picture_check_bytes(wish, *cost, err);
}

bool png_cost(struct bytes file, const struct picture_wish *wish, size_t *bytes,
              struct tnm_error *err) {
    struct header h;
    uint64_t cost;
    if (!weigh(file, wish, &h, &cost, err))
        return false;
    *bytes = (size_t)cost;
    return true;
}

// ---- The library -------------------------------------------------------------------------------

// What the library's callbacks and its jumps leave behind; nothing of it lives in a register.
struct job {
    struct bytes left; // of the file
    char text[96];     // of the error
    png_structp png;
    png_infop info;
    uint8_t *rows; // one row, or all of them if interlaced
};

static void on_read(png_structp png, png_bytep to, size_t len) {
    struct job *job = png_get_io_ptr(png);
    if (len > job->left.len)
        png_error(png, "ends early");
    memcpy(to, job->left.at, len);
    job->left.at += len;
    job->left.len -= len;
}

static void on_error(png_structp png, png_const_charp text) {
    struct job *job = png_get_error_ptr(png);
    strncpy(job->text, text, sizeof job->text - 1);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp text) {
    (void)png;
    (void)text;
}

static bool start(struct job *job, struct tnm_error *err) {
    job->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, job, on_error, on_warning);
    if (job->png != NULL)
        job->info = png_create_info_struct(job->png);
    if (job->info == NULL)
        return tnm_fail(err, TNM_ENOMEM, "no memory for a PNG decoder");
    return true;
}

static void stop(struct job *job) {
    free(job->rows);
    png_destroy_read_struct(&job->png, &job->info, NULL);
}

// Nothing beside the pixels is looked at (transparency is part of them): such chunks are skipped
// unread, whatever their length, and cannot cost memory. 8 bits a sample, no palette. Gives the
// passes that it takes.
static int arrange(struct job *job, const struct header *h) {
    png_structp png = job->png;
    png_set_read_fn(png, job, on_read);
    png_set_user_limits(png, h->width, h->height);
    png_set_chunk_malloc_max(png, job->left.len);
    png_set_chunk_cache_max(png, 1);
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_read_info(png, job->info);
    png_set_expand(png);
    png_set_scale_16(png);
    int passes = png_set_interlace_handling(png);
    png_read_update_info(png, job->info);
    return passes;
}

// ---- Pixels ------------------------------------------------------------------------------------

static uint32_t on_white(uint32_t sample, uint32_t alpha) {
    return (sample * alpha + 255 * (255 - alpha) + 127) / 255;
}

// from: n pixels of `parts` samples: grey, grey and alpha, RGB, RGBA.
static void lay_row(const uint8_t *from, uint32_t parts, uint32_t n, uint8_t *to,
                    uint32_t channels) {
    if (parts == channels) {
        memcpy(to, from, (size_t)n * channels);
        return;
    }
    for (uint32_t x = 0; x < n; x++, from += parts, to += channels) {
        uint32_t alpha = parts % 2 == 0 ? from[parts - 1] : 255;
        uint32_t green = parts >= 3 ? 1 : 0, blue = parts >= 3 ? 2 : 0;
        put_rgb(to, channels, on_white(from[0], alpha), on_white(from[green], alpha),
                on_white(from[blue], alpha));
    }
}

// Under setjmp: what changes here and is needed after a jump lives in *job and *picture.
static void read_rows(struct job *job, const struct header *h, struct picture *picture) {
    int passes = arrange(job, h);
    size_t row_bytes = png_get_rowbytes(job->png, job->info);
    uint32_t parts = png_get_channels(job->png, job->info);
    size_t kept = passes > 1 ? h->height : 1;
    if (parts > pixel_bytes(h->colour) || row_bytes != (size_t)h->width * parts)
        png_error(job->png, "header changed");
    job->rows = calloc(kept, row_bytes);
    if (job->rows == NULL)
        png_error(job->png, "no memory for its rows");
    for (int pass = 0; pass < passes; pass++)
        for (uint32_t y = 0; y < h->height; y++) {
            uint8_t *row = job->rows + (passes > 1 ? y * row_bytes : 0);
            png_read_row(job->png, row, NULL);
            if (pass == passes - 1)
                lay_row(row, parts, h->width,
                        picture->at + (size_t)y * h->width * picture->channels, picture->channels);
        }
    png_read_end(job->png, NULL);
}

static bool read_picture(struct job *job, const struct header *h, struct picture *picture,
                         struct tnm_error *err) {
    if (setjmp(png_jmpbuf(job->png)) != 0)
        return tnm_fail(err, TNM_EFORMAT, "damaged PNG: %s", job->text);
    read_rows(job, h, picture);
    return true;
}

bool png_decode(struct bytes file, const struct picture_wish *wish, struct picture *picture,
                struct tnm_error *err) {
    struct header h;
    uint64_t cost;
    struct job job = {.left = file};
    if (!weigh(file, wish, &h, &cost, err) || !picture_take(picture, wish, h.width, h.height, err))
        return false;
    picture->file_width = h.width;
    picture->file_height = h.height;
    picture->scale = picture->orientation = 1;
    bool ok = start(&job, err) && read_picture(&job, &h, picture, err);
    stop(&job);
    return ok;
}
