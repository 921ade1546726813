/* SPDX-License-Identifier: MIT */
// Picture files: what is decoded, what is refused, and what it may cost.
#include <check.h>
#include <math.h>
#include <png.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/picture.h"
#include "tests/guard.h"
#include "tests/pictures.h"
#include "tests/random.h"

static const struct picture_wish grey_wish = {1, 0, 50000000, (size_t)1 << 28};
static const struct picture_wish rgb_wish = {3, 0, 50000000, (size_t)1 << 28};

static struct picture decode(const uint8_t *file, size_t len, const struct picture_wish *wish) {
    struct tnm_error err = {.text = ""};
    struct picture picture;
    uint8_t *copy = guard_copy(file, len);
    bool ok = picture_decode((struct bytes){copy, len}, wish, &picture, &err);
    guard_free(copy, len);
    ck_assert_msg(ok, "%s", err.text);
    ck_assert_uint_eq(picture.channels, wish->channels);
    return picture;
}

// What a refused file is refused with.
static struct tnm_error refusal(const uint8_t *file, size_t len, const struct picture_wish *wish) {
    struct tnm_error err = {.text = ""};
    struct picture picture;
    uint8_t *copy = guard_copy(file, len);
    ck_assert(!picture_decode((struct bytes){copy, len}, wish, &picture, &err));
    ck_assert_ptr_null(picture.at);
    ck_assert_uint_eq(picture.width, 0);
    guard_free(copy, len);
    return err;
}

// Rec. 601 by its definition.
static double luma(double r, double g, double b) {
    return 0.299 * r + 0.587 * g + 0.114 * b;
}

static void check_near(double got, double want, double within, const char *what, uint32_t x,
                       uint32_t y) {
    ck_assert_msg(fabs(got - want) <= within, "%s: pixel %u, %u: %g, want %g", what, x, y, got,
                  want);
}

// A smooth picture, different in each channel and each corner.
static uint8_t *gradient(uint32_t width, uint32_t height, uint32_t channels) {
    uint8_t *at = calloc((size_t)width * height, channels);
    for (uint32_t y = 0; y < height; y++)
        for (uint32_t x = 0; x < width; x++)
            for (uint32_t c = 0; c < channels; c++)
                at[((size_t)y * width + x) * channels + c] =
                    (uint8_t)(20 + 100 * x / width + (80 + 20 * c) * y / height);
    return at;
}

// ---- What is what ------------------------------------------------------------------------------

START_TEST(formats_are_known_by_their_first_bytes) {
    static const struct {
        const char *bytes;
        size_t len;
        enum picture_format format;
    } cases[] = {
        {"\xff\xd8\xff\xe0", 4, PICTURE_JPEG},
        {"\xff\xd8", 2, PICTURE_UNKNOWN},
        {"\x89PNG\r\n\x1a\n", 8, PICTURE_PNG},
        {"\x89PNG\n\x1a\n\0", 8, PICTURE_UNKNOWN},
        {"P5\n", 3, PICTURE_PNM},
        {"P2#", 3, PICTURE_PNM},
        {"P6 ", 3, PICTURE_PNM},
        {"P3\t", 3, PICTURE_PNM},
        {"P4\n", 3, PICTURE_UNKNOWN},
        {"P55", 3, PICTURE_UNKNOWN},
        {"P5", 2, PICTURE_UNKNOWN},
        {"GIF89a", 6, PICTURE_UNKNOWN},
        {"", 0, PICTURE_UNKNOWN},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t *copy = guard_copy(cases[i].bytes, cases[i].len);
        ck_assert_int_eq(picture_sniff((struct bytes){copy, cases[i].len}), cases[i].format);
        guard_free(copy, cases[i].len);
    }
    ck_assert_str_eq(picture_format_name(PICTURE_PNG), "png");
    ck_assert_int_eq(refusal((const uint8_t *)"<html>", 6, &grey_wish).code, TNM_EUNSUPPORTED);
    ck_assert_int_eq(refusal((const uint8_t *)"", 0, &grey_wish).code, TNM_EUNSUPPORTED);
}
END_TEST

// ---- JPEG --------------------------------------------------------------------------------------

static const struct {
    uint32_t channels;
    int subsampling, flags;
} jpeg_kinds[] = {
    {1, 1, 0}, {3, 1, 0}, {3, 2, 0}, {1, 1, JPEG_PROGRESSIVE}, {3, 2, JPEG_PROGRESSIVE},
    {4, 1, 0}, {4, 2, 0}};

enum { N_JPEG_KINDS = sizeof jpeg_kinds / sizeof *jpeg_kinds };

// Red, green or blue of a pixel as somebody would see it.
static double seen(const uint8_t *pixel, uint32_t channels, uint32_t c) {
    if (channels == 4)
        return pixel[c] * (double)pixel[3] / 255;
    return pixel[channels == 1 ? 0 : c];
}

START_TEST(jpeg_of_every_kind_gives_its_pixels) {
    uint32_t width = 45, height = 31, channels = jpeg_kinds[_i].channels;
    uint8_t *want = gradient(width, height, channels);
    size_t len;
    uint8_t *file = make_jpeg(want, width, height, channels, 100, jpeg_kinds[_i].subsampling,
                              jpeg_kinds[_i].flags, &len);
    struct picture grey = decode(file, len, &grey_wish), rgb = decode(file, len, &rgb_wish);
    ck_assert_uint_eq(grey.width, width);
    ck_assert_uint_eq(grey.height, height);
    ck_assert_uint_eq(grey.file_width, width);
    ck_assert_uint_eq(grey.scale, 1);
    ck_assert_uint_eq(grey.orientation, 1);
    ck_assert_int_eq(grey.format, PICTURE_JPEG);
    for (uint32_t y = 0; y < height; y++)
        for (uint32_t x = 0; x < width; x++) {
            size_t i = (size_t)y * width + x;
            double p[3];
            for (uint32_t c = 0; c < 3; c++) {
                p[c] = seen(want + i * channels, channels, c);
                check_near(rgb.at[3 * i + c], p[c], 7, "rgb", x, y);
            }
            check_near(grey.at[i], luma(p[0], p[1], p[2]), 4, "grey", x, y);
        }
    picture_free(&grey);
    picture_free(&rgb);
    free(file);
    free(want);
}
END_TEST

// File size, least side wanted, and what then becomes of it.
static const struct {
    uint32_t width, height, least_side, scale, got_width, got_height;
} scales[] = {
    {800, 600, 0, 1, 800, 600},   {800, 600, 600, 1, 800, 600}, {800, 600, 301, 1, 800, 600},
    {800, 600, 300, 2, 400, 300}, {800, 600, 150, 4, 200, 150}, {800, 600, 75, 8, 100, 75},
    {800, 600, 1, 8, 100, 75},    {801, 603, 76, 8, 101, 76},   {603, 801, 302, 2, 302, 401},
    {28, 28, 28, 1, 28, 28},      {7, 900, 2, 4, 2, 225},
};

START_TEST(jpeg_is_decoded_at_the_smallest_scale_that_suffices) {
    uint32_t width = scales[_i].width, height = scales[_i].height, by = scales[_i].scale;
    uint8_t *want = gradient(width, height, 1);
    size_t len;
    uint8_t *file = make_jpeg(want, width, height, 1, 95, 1, 0, &len);
    struct picture_wish wish = grey_wish;
    wish.least_side = scales[_i].least_side;
    struct picture got = decode(file, len, &wish);
    ck_assert_uint_eq(got.scale, by);
    ck_assert_uint_eq(got.width, scales[_i].got_width);
    ck_assert_uint_eq(got.height, scales[_i].got_height);
    ck_assert_uint_eq(got.file_width, width);
    for (uint32_t y = 0; y < height / by; y++)
        for (uint32_t x = 0; x < width / by; x++) {
            double w = want[(size_t)(y * by + by / 2) * width + x * by + by / 2];
            check_near(got.at[(size_t)y * got.width + x], w, width < 8 ? 60 : 4, "scaled", x, y);
        }
    picture_free(&got);
    free(file);
    free(want);
}
END_TEST

// EXIF 2.3, tag 0x112: where in the upright picture the stored row r, column c belongs.
static void upright(uint32_t orientation, uint32_t width, uint32_t height, uint32_t r, uint32_t c,
                    uint32_t *x, uint32_t *y) {
    static const struct {
        int swapped, from_right, from_bottom;
    } rule[9] = {{0, 0, 0}, {0, 0, 0}, {0, 1, 0}, {0, 1, 1}, {0, 0, 1},
                 {1, 0, 0}, {1, 1, 0}, {1, 1, 1}, {1, 0, 1}};
    *x = rule[orientation].swapped ? r : c;
    *y = rule[orientation].swapped ? c : r;
    if (rule[orientation].from_right)
        *x = width - 1 - *x;
    if (rule[orientation].from_bottom)
        *y = height - 1 - *y;
}

START_TEST(all_eight_orientations_come_upright) {
    uint32_t orientation = (uint32_t)_i, width = 40, height = 24;
    uint32_t stored_width = orientation < 5 ? width : height;
    uint32_t stored_height = orientation < 5 ? height : width;
    uint8_t *want = gradient(width, height, 1);
    uint8_t *stored = calloc(width, height);
    for (uint32_t r = 0; r < stored_height; r++)
        for (uint32_t c = 0; c < stored_width; c++) {
            uint32_t x, y;
            upright(orientation, width, height, r, c, &x, &y);
            stored[r * stored_width + c] = want[y * width + x];
        }
    size_t plain_len, len;
    uint8_t *plain = make_jpeg(stored, stored_width, stored_height, 1, 100, 1, 0, &plain_len);
    for (int big = 0; big < 2; big++) {
        uint8_t *file = with_exif(plain, plain_len, orientation, big, &len);
        for (uint32_t channels = 1; channels <= 3; channels += 2) {
            struct picture got = decode(file, len, channels == 1 ? &grey_wish : &rgb_wish);
            ck_assert_uint_eq(got.orientation, orientation);
            ck_assert_uint_eq(got.width, width);
            ck_assert_uint_eq(got.height, height);
            ck_assert_uint_eq(got.file_width, stored_width);
            for (uint32_t i = 0; i < width * height * channels; i++)
                check_near(got.at[i], want[i / channels], 3, "upright", i, orientation);
            picture_free(&got);
        }
        free(file);
    }
    free(plain);
    free(stored);
    free(want);
}
END_TEST

START_TEST(an_exif_block_without_sense_turns_nothing) {
    uint8_t *want = gradient(16, 16, 1), junk[64];
    size_t plain_len, len;
    uint8_t *plain = make_jpeg(want, 16, 16, 1, 90, 1, 0, &plain_len);
    static const uint32_t senseless[] = {0, 9, 255};
    for (size_t i = 0; i < 3; i++) {
        uint8_t *file = with_exif(plain, plain_len, senseless[i], 1, &len);
        struct picture got = decode(file, len, &grey_wish);
        ck_assert_uint_eq(got.orientation, 1);
        picture_free(&got);
        free(file);
    }
    struct randomness r;
    random_start(&r, 1);
    for (uint32_t round = 0; round < 300; round++) {
        size_t n = random_between(&r, 0, sizeof junk);
        memcpy(junk, "Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0", 26);
        for (size_t i = random_between(&r, 6, 26); i < sizeof junk; i++)
            junk[i] = (uint8_t)random_bits(&r);
        uint8_t *file = with_segment(plain, plain_len, 0xe1, junk, n, &len);
        struct picture got = decode(file, len, &grey_wish);
        ck_assert(got.orientation >= 1 && got.orientation <= 8);
        picture_free(&got);
        free(file);
    }
    free(plain);
    free(want);
}
END_TEST

// A decoder that remembered the tables of the picture before would answer this one by them.
START_TEST(jpeg_without_tables_does_not_borrow_those_of_another) {
    uint8_t *want = gradient(16, 16, 1);
    size_t len;
    uint8_t *file = make_jpeg(want, 16, 16, 1, 90, 1, 0, &len);
    struct picture got = decode(file, len, &grey_wish);
    picture_free(&got);
    for (size_t i = 2; i + 1 < len; i++)
        if (file[i] == 0xff && file[i + 1] == 0xdb)
            file[i + 1] = 0xfe; // DQT becomes a comment
    ck_assert_int_eq(refusal(file, len, &grey_wish).code, TNM_EFORMAT);
    free(file);
    free(want);
}
END_TEST

// ---- PNG ---------------------------------------------------------------------------------------

// Sample i of a row packed with `depth` bits each.
static uint32_t packed(const uint8_t *row, uint32_t i, int depth) {
    if (depth == 16)
        return (uint32_t)row[2 * i] << 8 | row[2 * i + 1];
    uint32_t bits = (uint32_t)depth, at = i * bits;
    return (uint32_t)row[at / 8] >> (8 - bits - at % 8) & ((1u << bits) - 1);
}

// What a pixel is on white paper, red, green, blue.
static void on_paper(const uint8_t *row, uint32_t x, struct png_kind kind, double rgb[3]) {
    double most = kind.depth == 16 ? 65535 : (1 << kind.depth) - 1, alpha = 1;
    bool colour = kind.colour & PNG_COLOR_MASK_COLOR,
         own_alpha = kind.colour & PNG_COLOR_MASK_ALPHA;
    uint32_t parts = (colour ? 3u : 1u) + own_alpha, keyed = 0;
    if (kind.colour == PNG_COLOR_TYPE_PALETTE) {
        uint32_t i = packed(row, x, kind.depth);
        uint8_t entry[3];
        palette_entry(i, entry);
        alpha = kind.transparency && i < 6 ? (255 - 40.0 * i) / 255 : 1;
        for (uint32_t c = 0; c < 3; c++)
            rgb[c] = entry[c];
    } else {
        for (uint32_t c = 0; c < 3; c++) {
            uint32_t v = packed(row, x * parts + (colour ? c : 0), kind.depth);
            rgb[c] = 255 * v / most;
            keyed += v == PNG_KEY;
        }
        if (own_alpha)
            alpha = packed(row, x * parts + parts - 1, kind.depth) / most;
        if (kind.transparency && keyed == 3)
            alpha = 0;
    }
    for (uint32_t c = 0; c < 3; c++)
        rgb[c] = rgb[c] * alpha + 255 * (1 - alpha);
}

static const struct png_kind png_kinds[] = {
    {PNG_COLOR_TYPE_GRAY, 1, 0, 0},       {PNG_COLOR_TYPE_GRAY, 2, 0, 0},
    {PNG_COLOR_TYPE_GRAY, 4, 0, 1},       {PNG_COLOR_TYPE_GRAY, 8, 0, 0},
    {PNG_COLOR_TYPE_GRAY, 8, 0, 1},       {PNG_COLOR_TYPE_GRAY, 16, 0, 0},
    {PNG_COLOR_TYPE_GRAY_ALPHA, 8, 0, 0}, {PNG_COLOR_TYPE_GRAY_ALPHA, 16, 0, 0},
    {PNG_COLOR_TYPE_PALETTE, 1, 0, 0},    {PNG_COLOR_TYPE_PALETTE, 2, 0, 1},
    {PNG_COLOR_TYPE_PALETTE, 4, 0, 1},    {PNG_COLOR_TYPE_PALETTE, 8, 0, 0},
    {PNG_COLOR_TYPE_PALETTE, 8, 0, 1},    {PNG_COLOR_TYPE_RGB, 8, 0, 0},
    {PNG_COLOR_TYPE_RGB, 8, 0, 1},        {PNG_COLOR_TYPE_RGB, 16, 0, 0},
    {PNG_COLOR_TYPE_RGB_ALPHA, 8, 0, 0},  {PNG_COLOR_TYPE_RGB_ALPHA, 16, 0, 0},
};

enum { N_PNG_KINDS = sizeof png_kinds / sizeof *png_kinds };

static size_t png_row_bytes(struct png_kind kind, uint32_t width) {
    bool colour = kind.colour & PNG_COLOR_MASK_COLOR && kind.colour != PNG_COLOR_TYPE_PALETTE;
    size_t parts = (colour ? 3u : 1u) + (kind.colour & PNG_COLOR_MASK_ALPHA ? 1u : 0u);
    return (width * parts * (size_t)kind.depth + 7) / 8;
}

static void check_png(struct png_kind kind, uint32_t width, uint32_t height) {
    struct randomness r;
    random_start(&r, width * 1000 + height);
    size_t row_bytes = png_row_bytes(kind, width), len;
    uint8_t *rows = calloc(height, row_bytes);
    for (size_t i = 0; i < height * row_bytes; i++)
        rows[i] = (uint8_t)(random_percent(&r, 30) ? PNG_KEY : random_bits(&r));
    uint8_t *file = make_png(rows, width, height, kind, &len);
    struct picture grey = decode(file, len, &grey_wish), rgb = decode(file, len, &rgb_wish);
    ck_assert_uint_eq(grey.width, width);
    ck_assert_uint_eq(grey.height, height);
    for (uint32_t y = 0; y < height; y++)
        for (uint32_t x = 0; x < width; x++) {
            double p[3];
            on_paper(rows + y * row_bytes, x, kind, p);
            check_near(grey.at[y * width + x], luma(p[0], p[1], p[2]), 1.6, "grey", x, y);
            for (uint32_t c = 0; c < 3; c++)
                check_near(rgb.at[3 * (y * width + x) + c], p[c], 1.51, "rgb", x, y); // 3 roundings
        }
    picture_free(&grey);
    picture_free(&rgb);
    free(file);
    free(rows);
}

START_TEST(png_of_every_kind_gives_its_pixels_on_white) {
    static const struct {
        uint32_t width, height;
    } sizes[] = {{1, 1}, {1, 9}, {9, 1}, {7, 5}, {37, 19}};
    for (int interlaced = 0; interlaced < 2; interlaced++)
        for (size_t i = 0; i < 5; i++) {
            struct png_kind kind = png_kinds[_i];
            kind.interlaced = interlaced;
            check_png(kind, sizes[i].width, sizes[i].height);
        }
}
END_TEST

// ---- PNM ---------------------------------------------------------------------------------------

static const struct {
    const char *file;
    size_t len; // 0: strlen
    uint32_t width, height;
    uint8_t grey[8];
} good_pnm[] = {
    {"P5 2 2 255 \x01\x02\x03\xff", 0, 2, 2, {1, 2, 3, 255}},
    {"P5\n# by hand\n2 # wide\n 1\n255\n\x07\x08", 0, 2, 1, {7, 8}},
    {"P5#\n1 1#\r255\n\x30", 0, 1, 1, {0x30}},
    {"P2 3 1 15 0 # none\n 7 15", 0, 3, 1, {0, 119, 255}},
    {"P2\n2 2\n1\n1 0\n0 1\n", 0, 2, 2, {255, 0, 0, 255}},
    {"P2 2 1 65535 65535 32768", 0, 2, 1, {255, 128}},
    {"P5 2 1 65535\n\xff\xff\x80\x00", 18, 2, 1, {255, 128}},
    {"P5 1 1 1000 \x01\xf4", 0, 1, 1, {128}},
    {"P3 1 2 255 255 255 255 10 20 30", 0, 1, 2, {255, 18}},
    {"P6 2 1 255 \x64\x64\x64\xff\x01\x01", 0, 2, 1, {100, 77}},
};

START_TEST(pnm_of_every_kind_gives_its_pixels) {
    size_t len = good_pnm[_i].len > 0 ? good_pnm[_i].len : strlen(good_pnm[_i].file);
    struct picture got = decode((const uint8_t *)good_pnm[_i].file, len, &grey_wish);
    ck_assert_uint_eq(got.width, good_pnm[_i].width);
    ck_assert_uint_eq(got.height, good_pnm[_i].height);
    ck_assert_mem_eq(got.at, good_pnm[_i].grey, got.width * got.height);
    picture_free(&got);
}
END_TEST

static const char *const bad_pnm[] = {
    "P5\n",
    "P5 2",
    "P5 2 2",
    "P5 0 2 255 ",
    "P5 2 0 255 ",
    "P5 -2 2 255 abcd",
    "P5 2 2 0 abcd",
    "P5 2 2 65536 abcdefgh",
    "P5 2 2 255",
    "P5 2 2 255 abc",
    "P5 2 2 255#abcd",
    "P5 2 2 256 abcdefg",
    "P5 2 1 100 \x65\x01",
    "P2 2 1 15 0 16",
    "P2 2 1 15 0",
    "P2 2 1 15 0 x",
    "P2 99999999999999999999 1 15 0 1",
    "P6 1 1 255 ab",
};

START_TEST(pnm_that_breaks_a_rule_is_refused) {
    struct tnm_error err = refusal((const uint8_t *)bad_pnm[_i], strlen(bad_pnm[_i]), &grey_wish);
    ck_assert_msg(err.code == TNM_EFORMAT, "%s: %d %s", bad_pnm[_i], err.code, err.text);
}
END_TEST

// ---- Damage ------------------------------------------------------------------------------------

enum { N_SAMPLES = 8 };

static uint8_t *sample(int i, size_t *len) {
    uint8_t *pixels = gradient(19, 17, 4), *file = NULL;
    size_t plain_len;
    // the last number has one digit: nobody can tell that another one is missing
    static const char pgm[] = "P2\n3 2\n# grey\n15\n1 2 3 4 15 6\n";
    static const struct png_kind rgba = {PNG_COLOR_TYPE_RGB_ALPHA, 8, 1, 0};
    static const struct png_kind palette = {PNG_COLOR_TYPE_PALETTE, 4, 0, 1};
    static const struct png_kind grey16 = {PNG_COLOR_TYPE_GRAY, 16, 0, 0};
    if (i == 0)
        file = make_jpeg(pixels, 19, 17, 1, 80, 1, 0, len);
    if (i == 1)
        file = make_jpeg(pixels, 19, 17, 3, 80, 2, JPEG_PROGRESSIVE, len);
    if (i == 2) {
        uint8_t *plain = make_jpeg(pixels, 19, 17, 4, 80, 1, 0, &plain_len);
        file = with_exif(plain, plain_len, 6, 1, len);
        free(plain);
    }
    if (i >= 3 && i <= 5)
        file = make_png(pixels, 19, 17, i == 3 ? rgba : i == 4 ? palette : grey16, len);
    if (i == 6) {
        *len = sizeof pgm - 1;
        file = calloc(*len, 1);
        memcpy(file, pgm, *len);
    }
    if (i == 7) {
        *len = 12 + 19 * 5 * 3;
        file = calloc(*len, 1);
        memcpy(file, "P6\n19 5 255\n", 12);
        memcpy(file + 12, pixels, *len - 12);
    }
    free(pixels);
    return file;
}

static bool same_pixels(const struct picture *a, const struct picture *b) {
    return a->width == b->width && a->height == b->height &&
           memcmp(a->at, b->at, (size_t)a->width * a->height * a->channels) == 0;
}

START_TEST(a_file_cut_anywhere_is_refused_or_whole) {
    size_t len;
    uint8_t *file = sample(_i, &len);
    struct picture whole = decode(file, len, &rgb_wish);
    for (size_t n = 0; n < len; n++) {
        struct tnm_error err = {.text = ""};
        struct picture got;
        uint8_t *copy = guard_copy(file, n);
        if (picture_decode((struct bytes){copy, n}, &rgb_wish, &got, &err))
            ck_assert_msg(same_pixels(&got, &whole), "cut to %zu of %zu bytes", n, len);
        else
            ck_assert_msg(err.code == TNM_EFORMAT || (n < 8 && err.code == TNM_EUNSUPPORTED),
                          "cut to %zu of %zu bytes: %d %s", n, len, err.code, err.text);
        picture_free(&got);
        guard_free(copy, n);
    }
    picture_free(&whole);
    free(file);
}
END_TEST

START_TEST(a_file_with_bytes_changed_does_no_harm) {
    size_t len;
    uint8_t *file = sample(_i, &len);
    struct picture_wish wish = {1, 8, 100000, 4 << 20};
    struct randomness r;
    random_start(&r, (uint64_t)_i);
    for (uint32_t round = 0; round < 1500; round++) {
        uint8_t *copy = guard_copy(file, len);
        for (uint32_t n = random_between(&r, 1, 4); n > 0; n--)
            copy[random_bits(&r) % len] = (uint8_t)random_bits(&r);
        struct tnm_error err = {.text = ""};
        struct picture got;
        size_t cost;
        bool affordable = picture_cost((struct bytes){copy, len}, &wish, &cost, &err);
        bool ok = picture_decode((struct bytes){copy, len}, &wish, &got, &err);
        ck_assert(affordable || !ok);
        ck_assert(!ok || (uint64_t)got.width * got.height <= cost);
        ck_assert(ok || (err.code != TNM_OK && err.text[0] != '\0'));
        picture_free(&got);
        guard_free(copy, len);
    }
    free(file);
}
END_TEST

// ---- Limits ------------------------------------------------------------------------------------

// Headers that promise 30000 x 30000 pixels.
static uint8_t *huge(int i, size_t *len) {
    static const uint8_t side[4] = {0, 0, 30000 >> 8, 30000 & 255};
    uint8_t *file = sample(i == 0 ? 0 : i == 1 ? 3 : 7, len);
    if (i == 0)
        for (size_t at = 2; at + 9 < *len; at++)
            if (file[at] == 0xff && file[at + 1] == 0xc0) {
                memcpy(file + at + 5, side + 2, 2);
                memcpy(file + at + 7, side + 2, 2);
            }
    if (i == 1) {
        memcpy(file + 16, side, 4);
        memcpy(file + 20, side, 4);
    }
    if (i == 2)
        memcpy(file, "P6 30000 30000 255 ", 19);
    return file;
}

START_TEST(a_header_that_promises_too_much_costs_nothing) {
    size_t len, cost = 1;
    uint8_t *file = huge(_i, &len);
    struct tnm_error err = refusal(file, len, &grey_wish);
    ck_assert_int_eq(err.code, TNM_ELIMIT);
    ck_assert_str_eq(err.text, "picture of 30000 x 30000 = 900000000 pixels, the limit is "
                               "50000000 (max-pixels)");
    ck_assert(!picture_cost((struct bytes){file, len}, &grey_wish, &cost, &err));
    ck_assert_int_eq(err.code, TNM_ELIMIT);
    struct picture_wish lenient = {1, 0, UINT64_MAX, (size_t)1 << 26};
    err = refusal(file, len, &lenient); // 900 MB do not fit into 64 MiB either; PNM lacks samples
    ck_assert_int_eq(err.code, _i == 2 ? TNM_EFORMAT : TNM_ELIMIT);
    free(file);
}
END_TEST

START_TEST(memory_is_counted_before_it_is_taken) {
    uint32_t width = 640, height = 480;
    uint8_t *pixels = gradient(width, height, 3);
    for (int progressive = 0; progressive < 2; progressive++) {
        size_t len, cost;
        uint8_t *file =
            make_jpeg(pixels, width, height, 3, 60, 2, progressive ? JPEG_PROGRESSIVE : 0, &len);
        struct picture_wish wish = {1, 60, 50000000, (size_t)1 << 28};
        ck_assert(picture_cost((struct bytes){file, len}, &wish, &cost, NULL));
        // 2 bytes a coefficient, 1.5 coefficients a pixel, at any scale
        size_t coefficients = progressive ? 3 * width * height : 0;
        ck_assert_uint_ge(cost, coefficients + 80 * 60);
        ck_assert_uint_le(cost, coefficients + 512 * 1024);
        wish.max_bytes = cost;
        struct picture got = decode(file, len, &wish);
        picture_free(&got);
        wish.max_bytes = cost - 1;
        ck_assert_int_eq(refusal(file, len, &wish).code, TNM_ELIMIT);
        free(file);
    }
    free(pixels);
}
END_TEST

// ---- Threads -----------------------------------------------------------------------------------

static void *decode_all(void *unused) {
    for (int round = 0; round < 20; round++)
        for (int i = 0; i < N_SAMPLES; i++) {
            size_t len;
            uint8_t *file = sample(i, &len);
            struct picture a = decode(file, len, &rgb_wish), b = decode(file, len, &rgb_wish);
            ck_assert(same_pixels(&a, &b));
            picture_free(&a);
            picture_free(&b);
            free(file);
        }
    return unused;
}

START_TEST(threads_decode_side_by_side) {
    pthread_t thread[4];
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&thread[i], NULL, decode_all, NULL), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(thread[i], NULL);
}
END_TEST

// ---- All the way -------------------------------------------------------------------------------

START_TEST(a_file_becomes_an_input_within_the_limits) {
    struct tnm_recipe recipe = {.width = 8, .height = 8, .channels = 3, .fit = TNM_FIT_COVER};
    uint8_t *pixels = gradient(200, 100, 3), input[8 * 8 * 3];
    size_t len, cost;
    uint8_t *file = make_jpeg(pixels, 200, 100, 3, 95, 1, 0, &len);
    struct picture picture;
    struct tnm_prepared did;
    struct tnm_error err = {.text = ""};
    struct bytes bytes = {file, len};
    ck_assert(picture_to_input(bytes, &recipe, &grey_wish, input, &picture, &did, &err));
    ck_assert_ptr_null(picture.at);
    ck_assert_uint_eq(picture.file_width, 200);
    ck_assert_uint_eq(picture.scale, 4); // 25 pixels are enough for 8
    ck_assert_uint_eq(did.crop_width, 25);
    for (uint32_t c = 0; c < 3; c++) // planes; the middle of the picture is cut out
        check_near(input[c * 64 + 7 * 8 + 4], 20 + 50 + (80 + 20 * c) * 0.94, 8, "plane", 4, 7);
    ck_assert(picture_to_input_cost(bytes, &recipe, &grey_wish, &cost, &err));
    struct picture_wish poor = grey_wish;
    poor.max_bytes = cost - 1;
    ck_assert(!picture_to_input(bytes, &recipe, &poor, input, &picture, &did, &err));
    ck_assert_int_eq(err.code, TNM_ELIMIT);
    recipe.fit = TNM_FIT_NONE;
    ck_assert(!picture_to_input(bytes, &recipe, &grey_wish, input, NULL, &did, &err));
    ck_assert_int_eq(err.code, TNM_EINPUT);
    free(file);
    free(pixels);
}
END_TEST

Suite *picture_suite(void);
Suite *picture_suite(void) {
    Suite *s = suite_create("picture");
    TCase *t = tcase_create("picture");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, formats_are_known_by_their_first_bytes);
    tcase_add_loop_test(t, jpeg_of_every_kind_gives_its_pixels, 0, N_JPEG_KINDS);
    tcase_add_loop_test(t, jpeg_is_decoded_at_the_smallest_scale_that_suffices, 0,
                        sizeof scales / sizeof *scales);
    tcase_add_loop_test(t, all_eight_orientations_come_upright, 1, 9);
    tcase_add_test(t, an_exif_block_without_sense_turns_nothing);
    tcase_add_test(t, jpeg_without_tables_does_not_borrow_those_of_another);
    tcase_add_loop_test(t, png_of_every_kind_gives_its_pixels_on_white, 0, N_PNG_KINDS);
    tcase_add_loop_test(t, pnm_of_every_kind_gives_its_pixels, 0,
                        sizeof good_pnm / sizeof *good_pnm);
    tcase_add_loop_test(t, pnm_that_breaks_a_rule_is_refused, 0, sizeof bad_pnm / sizeof *bad_pnm);
    tcase_add_loop_test(t, a_file_cut_anywhere_is_refused_or_whole, 0, N_SAMPLES);
    tcase_add_loop_test(t, a_file_with_bytes_changed_does_no_harm, 0, N_SAMPLES);
    tcase_add_loop_test(t, a_header_that_promises_too_much_costs_nothing, 0, 3);
    tcase_add_test(t, memory_is_counted_before_it_is_taken);
    tcase_add_test(t, threads_decode_side_by_side);
    tcase_add_test(t, a_file_becomes_an_input_within_the_limits);
    suite_add_tcase(s, t);
    return s;
}
