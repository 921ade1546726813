/* SPDX-License-Identifier: MIT */
// PGM and PPM: P2 P3 (text), P5 P6 (binary).
#include "daemon/decoders.h"

#include "core/error.h"

#include <inttypes.h>

struct header {
    uint32_t width, height, most; // most: the sample that means white
    uint32_t channels;
    bool text;
    struct bytes samples; // after the header
};

static bool is_space(uint8_t c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

// Passes over space and comments, which run from # to the end of their line.
static void skip_space(struct bytes *b) {
    bool comment = false;
    while (b->len > 0 && (comment || is_space(b->at[0]) || b->at[0] == '#')) {
        comment = b->at[0] != '\n' && b->at[0] != '\r' && (comment || b->at[0] == '#');
        b->at++;
        b->len--;
    }
}

// A whole number of 0..limit in front.
static bool read_number(struct bytes *b, uint32_t limit, uint32_t *out) {
    skip_space(b);
    uint64_t value = 0;
    size_t digits = 0;
    for (; digits < b->len && b->at[digits] >= '0' && b->at[digits] <= '9'; digits++) {
        value = value * 10 + (uint64_t)(b->at[digits] - '0');
        if (value > limit)
            return false;
    }
    b->at += digits;
    b->len -= digits;
    *out = (uint32_t)value;
    return digits > 0;
}

static bool read_header(struct bytes file, struct header *h, struct tnm_error *err) {
    struct bytes b = {file.at + 2, file.len - 2};
    *h = (struct header){.text = file.at[1] < '5', .channels = (file.at[1] - '2') % 3 == 0 ? 1 : 3};
    if (!read_number(&b, UINT32_MAX, &h->width) || !read_number(&b, UINT32_MAX, &h->height) ||
        !read_number(&b, 65535, &h->most) || h->most == 0)
        return tnm_fail(err, TNM_EFORMAT,
                        "damaged PNM: no width, height and largest sample (1 to 65535) in front");
    if (b.len == 0 || !is_space(b.at[0]))
        return tnm_fail(err, TNM_EFORMAT, "damaged PNM: no space between header and samples");
    h->samples = (struct bytes){b.at + 1, b.len - 1};
    return true;
}

// Checked against the length of the file too: a header alone takes no memory.
static bool weigh(struct bytes file, const struct picture_wish *wish, struct header *h,
                  uint64_t *cost, struct tnm_error *err) {
    if (!read_header(file, h, err) || !picture_check_pixels(wish, h->width, h->height, err))
        return false;
    uint64_t pixels = (uint64_t)h->width * h->height;
    uint64_t least = pixels * h->channels * (h->most > 255 && !h->text ? 2 : 1);
    if (h->samples.len < least)
        return tnm_fail(err, TNM_EFORMAT,
                        "truncated PNM: %zu bytes of samples for %" PRIu32 " x %" PRIu32,
                        h->samples.len, h->width, h->height);
    *cost = pixels * wish->channels;
    return picture_check_bytes(wish, *cost, err);
}

bool pnm_cost(struct bytes file, const struct picture_wish *wish, size_t *bytes,
              struct tnm_error *err) {
    struct header h;
    uint64_t cost;
    if (!weigh(file, wish, &h, &cost, err))
        return false;
    *bytes = (size_t)cost;
    return true;
}

// The next sample, scaled to 0..255. False at the end, and for a sample above the largest.
static bool read_sample(struct header *h, uint32_t *out) {
    uint32_t value;
    if (h->text) {
        if (!read_number(&h->samples, h->most, &value))
            return false;
    } else {
        size_t wide = h->most > 255 ? 2 : 1;
        if (h->samples.len < wide)
            return false;
        value = h->samples.at[0];
        if (wide == 2)
            value = value << 8 | h->samples.at[1];
        h->samples.at += wide;
        h->samples.len -= wide;
    }
    *out = (value * 255 + h->most / 2) / h->most;
    return value <= h->most;
}

static bool read_pixel(struct header *h, uint32_t channels, uint8_t *to) {
    uint32_t s[3] = {0};
    for (uint32_t c = 0; c < h->channels; c++)
        if (!read_sample(h, &s[c]))
            return false;
    if (h->channels == 1)
        s[1] = s[2] = s[0];
    put_rgb(to, channels, s[0], s[1], s[2]);
    return true;
}

bool pnm_decode(struct bytes file, const struct picture_wish *wish, struct picture *picture,
                struct tnm_error *err) {
    struct header h;
    uint64_t cost;
    if (!weigh(file, wish, &h, &cost, err) || !picture_take(picture, wish, h.width, h.height, err))
        return false;
    picture->file_width = h.width;
    picture->file_height = h.height;
    picture->scale = picture->orientation = 1;
    size_t pixels = (size_t)h.width * h.height;
    for (size_t i = 0; i < pixels; i++)
        if (!read_pixel(&h, wish->channels, picture->at + i * wish->channels))
            return tnm_fail(err, TNM_EFORMAT,
                            "damaged PNM: pixel %zu of %zu is missing or above the largest sample",
                            i, pixels);
    return true;
}
