/* SPDX-License-Identifier: MIT */
// JPEG. The only file that knows libturbojpeg.
#include "daemon/decoders.h"

#include "core/error.h"

#include <inttypes.h>
#include <stdlib.h>
#include <turbojpeg.h>

enum {
    SOI = 0xd8,
    SOS = 0xda,
    APP1 = 0xe1,
    APP14 = 0xee,
    MAX_PARTS = 4,
    FIXED_BYTES = 256 * 1024, // what the library takes for any picture: tables, state
    ROW_BYTES = 48            // and a pixel of width and component: rows of samples on their way
};

// What the segments before the first scan say.
struct header {
    uint32_t width, height, precision;
    uint32_t n_parts;                            // colour components
    uint32_t across[MAX_PARTS], down[MAX_PARTS]; // their sampling factors
    uint32_t orientation;
    bool progressive;
    bool whole;    // coefficients of the whole picture are held: progressive, or several scans
    bool inverted; // CMYK with 255 for no ink, as Adobe writes it
};

static uint32_t big_u16(const uint8_t *at) {
    return (uint32_t)at[0] << 8 | at[1];
}

static bool is_frame(uint32_t marker) {
    return marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
}

static bool stands_alone(uint32_t marker) {
    return marker == 0x01 || (marker >= 0xd0 && marker <= SOI);
}

static bool read_frame(struct bytes body, uint32_t marker, struct header *h,
                       struct tnm_error *err) {
    if (h->n_parts != 0)
        return tnm_fail(err, TNM_EFORMAT, "damaged JPEG: a second frame header");
    if (body.len < 6 || body.len < 6 + 3 * (size_t)body.at[5])
        return tnm_fail(err, TNM_EFORMAT, "damaged JPEG: frame header of %zu bytes", body.len);
    // Baseline, extended and progressive; Huffman or arithmetic coding.
    if (marker != 0xc0 && marker != 0xc1 && marker != 0xc2 && marker != 0xc9 && marker != 0xca)
        return tnm_fail(err, TNM_EUNSUPPORTED, "JPEG of kind SOF%u", marker - 0xc0);
    h->progressive = marker == 0xc2 || marker == 0xca;
    h->precision = body.at[0];
    h->height = big_u16(body.at + 1);
    h->width = big_u16(body.at + 3);
    h->n_parts = body.at[5];
    if (h->precision != 8)
        return tnm_fail(err, TNM_EUNSUPPORTED, "JPEG of %" PRIu32 " bits a sample, not 8",
                        h->precision);
    if (h->n_parts != 1 && h->n_parts != 3 && h->n_parts != 4)
        return tnm_fail(err, TNM_EUNSUPPORTED, "JPEG of %" PRIu32 " components, not 1, 3 or 4",
                        h->n_parts);
    for (uint32_t i = 0; i < h->n_parts; i++) {
        h->across[i] = body.at[6 + 3 * i + 1] >> 4;
        h->down[i] = body.at[6 + 3 * i + 1] & 15;
        if (h->across[i] < 1 || h->across[i] > 4 || h->down[i] < 1 || h->down[i] > 4)
            return tnm_fail(err, TNM_EFORMAT, "damaged JPEG: sampling %" PRIu32 " x %" PRIu32,
                            h->across[i], h->down[i]);
    }
    return true;
}

static void read_application(struct bytes body, uint32_t marker, struct header *h) {
    struct bytes exif;
    if (marker == APP1 && body.len > 6 && memcmp(body.at, "Exif\0", 6) == 0 &&
        bytes_slice(body, 6, body.len - 6, &exif) && h->orientation == 0)
        h->orientation = exif_orientation(exif);
    if (marker == APP14 && body.len >= 12 && memcmp(body.at, "Adobe", 5) == 0)
        h->inverted = true;
}

// The next segment: its marker, and its body if it has one. The library takes bytes between
// segments for damage, and so does this.
static bool next_segment(struct bytes file, size_t *at, uint32_t *marker, struct bytes *body) {
    *body = (struct bytes){0};
    if (*at >= file.len || file.at[*at] != 0xff)
        return false;
    while (*at < file.len && file.at[*at] == 0xff)
        ++*at;
    if (*at >= file.len)
        return false;
    *marker = file.at[(*at)++];
    if (stands_alone(*marker))
        return true;
    if (file.len - *at < 2)
        return false;
    uint32_t len = big_u16(file.at + *at);
    if (len < 2 || !bytes_slice(file, *at + 2, len - 2, body))
        return false;
    *at += len;
    return true;
}

static bool read_header(struct bytes file, struct header *h, struct tnm_error *err) {
    size_t at = 2; // after SOI, which the format was known by
    uint32_t marker = 0;
    struct bytes body;
    *h = (struct header){0};
    while (next_segment(file, &at, &marker, &body) && marker != SOS) {
        if (is_frame(marker) && !read_frame(body, marker, h, err))
            return false;
        read_application(body, marker, h);
    }
    if (marker != SOS || body.len < 1 || h->n_parts == 0)
        return tnm_fail(err, TNM_EFORMAT, "damaged JPEG: its header ends after %zu bytes", at);
    h->whole = h->progressive || body.at[0] < h->n_parts;
    h->orientation += h->orientation == 0;
    return true;
}

// ---- Size and cost -----------------------------------------------------------------------------

static uint32_t divided(uint32_t side, uint32_t by) {
    return (side + by - 1) / by;
}

static uint32_t scale_for(const struct header *h, uint32_t least_side) {
    uint32_t shorter = h->width < h->height ? h->width : h->height;
    uint32_t scale = 8;
    while (scale > 1 && (least_side == 0 || divided(shorter, scale) < least_side))
        scale /= 2;
    return scale;
}

// Two bytes a coefficient, in whole blocks of 8 x 8, of as many blocks as the sampling makes.
static uint64_t coefficient_bytes(const struct header *h) {
    uint32_t across = 1, down = 1;
    for (uint32_t i = 0; i < h->n_parts; i++) {
        across = h->across[i] > across ? h->across[i] : across;
        down = h->down[i] > down ? h->down[i] : down;
    }
    uint64_t units = (uint64_t)divided(h->width, 8 * across) * divided(h->height, 8 * down);
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < h->n_parts; i++)
        bytes += units * h->across[i] * h->down[i] * 64 * 2;
    return bytes;
}

static uint64_t cost_of(const struct header *h, const struct picture_wish *wish, uint32_t scale) {
    uint64_t pixels = (uint64_t)divided(h->width, scale) * divided(h->height, scale);
    uint64_t picture = pixels * wish->channels;
    uint64_t decoding = picture + FIXED_BYTES + (uint64_t)h->width * h->n_parts * ROW_BYTES;
    if (h->whole)
        decoding += coefficient_bytes(h);
    if (h->n_parts == 4)
        decoding += pixels * 4;
    uint64_t turning = h->orientation == 1 ? 0 : 2 * picture;
    return decoding > turning ? decoding : turning;
}

static bool weigh(struct bytes file, const struct picture_wish *wish, struct header *h,
                  uint32_t *scale, uint64_t *cost, struct tnm_error *err) {
    if (!read_header(file, h, err) || !picture_check_pixels(wish, h->width, h->height, err))
        return false;
    *scale = scale_for(h, wish->least_side);
    *cost = cost_of(h, wish, *scale);
    return picture_check_bytes(wish, *cost, err);
}

bool jpeg_cost(struct bytes file, const struct picture_wish *wish, size_t *bytes,
               struct tnm_error *err) {
    struct header h;
    uint32_t scale;
    uint64_t cost;
    if (!weigh(file, wish, &h, &scale, &cost, err))
        return false;
    *bytes = (size_t)cost;
    return true;
}

// ---- Pixels ------------------------------------------------------------------------------------

// A warning is taken for what it is, damage: a picture that ends early would else be filled up with
// grey. A decoder of its own for each picture, at 0.2 us: one used again would remember the tables
// of the picture before, and answer a file without tables by them.
static bool decompress(struct bytes file, uint8_t *to, uint32_t width, uint32_t height, int form,
                       struct tnm_error *err) {
    tjhandle tj = tjInitDecompress();
    if (tj == NULL)
        return tnm_fail(err, TNM_ENOMEM, "no memory for a JPEG decoder");
    bool ok = tjDecompress2(tj, file.at, file.len, to, (int)width, 0, (int)height, form,
                            TJFLAG_STOPONWARNING | TJFLAG_LIMITSCANS) == 0;
    if (!ok)
        tnm_fail(err, TNM_EFORMAT, "damaged JPEG: %s", tjGetErrorStr2(tj));
    tjDestroy(tj);
    return ok;
}

static void from_cmyk(const uint8_t *from, bool inverted, struct picture *picture) {
    size_t pixels = (size_t)picture->width * picture->height;
    uint32_t flip = inverted ? 0 : 255;
    for (size_t i = 0; i < pixels; i++, from += 4) {
        uint32_t rgb[3];
        for (uint32_t c = 0; c < 3; c++)
            rgb[c] = ((from[c] ^ flip) * (from[3] ^ flip) + 127) / 255;
        put_rgb(picture->at + i * picture->channels, picture->channels, rgb[0], rgb[1], rgb[2]);
    }
}

static bool decompress_cmyk(struct bytes file, bool inverted, struct picture *picture,
                            struct tnm_error *err) {
    uint8_t *cmyk = calloc((size_t)picture->width * picture->height, 4);
    if (cmyk == NULL)
        return tnm_fail(err, TNM_ENOMEM, "no memory for a CMYK picture");
    bool ok = decompress(file, cmyk, picture->width, picture->height, TJPF_CMYK, err);
    if (ok)
        from_cmyk(cmyk, inverted, picture);
    free(cmyk);
    return ok;
}

bool jpeg_decode(struct bytes file, const struct picture_wish *wish, struct picture *picture,
                 struct tnm_error *err) {
    struct header h;
    uint32_t scale;
    uint64_t cost;
    if (!weigh(file, wish, &h, &scale, &cost, err) ||
        !picture_take(picture, wish, divided(h.width, scale), divided(h.height, scale), err))
        return false;
    picture->scale = scale;
    picture->file_width = h.width;
    picture->file_height = h.height;
    bool ok = h.n_parts == 4 ? decompress_cmyk(file, h.inverted, picture, err)
                             : decompress(file, picture->at, picture->width, picture->height,
                                          wish->channels == 1 ? TJPF_GRAY : TJPF_RGB, err);
    return ok && picture_turn(picture, h.orientation, err);
}
