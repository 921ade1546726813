/* SPDX-License-Identifier: MIT */
// From pixels to inputs: resizing, the ink recipe, and what passes as it is.
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/prepare.h"
#include "core/raster.h"
#include "daemon/picture.h"
#include "tests/guard.h"
#include "tests/photo.h"
#include "tests/pictures.h"
#include "tests/random.h"

static const struct tnm_recipe ink = {
    .width = 28, .height = 28, .channels = 1, .fit = TNM_FIT_INK, .box = 20};

// Prepares from and to guarded memory.
static struct tnm_prepared prepare(const struct tnm_recipe *recipe, const uint8_t *at,
                                   uint32_t width, uint32_t height, uint32_t channels,
                                   uint8_t *input) {
    struct tnm_error err = {.text = ""};
    struct tnm_prepared did;
    size_t len = (size_t)width * height * channels;
    size_t n = (size_t)recipe->width * recipe->height * recipe->channels;
    uint8_t *copy = guard_copy(at, len), *out = guard_high(n);
    struct tnm_pixels pixels = {width, height, channels, copy};
    bool ok = tnm_prepare(recipe, &pixels, out, &did, &err);
    ck_assert_msg(ok, "%s", err.text);
    memcpy(input, out, n);
    guard_free(copy, len);
    guard_free(out, n);
    return did;
}

static bool is_black(const uint8_t *input, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (input[i] != 0)
            return false;
    return true;
}

// How alike two inputs are, whatever their strength: 1 is the same.
static double likeness(const uint8_t *a, const uint8_t *b) {
    double ab = 0, aa = 0, bb = 0;
    for (int i = 0; i < 784; i++) {
        ab += (double)a[i] * b[i];
        aa += (double)a[i] * a[i];
        bb += (double)b[i] * b[i];
    }
    return aa > 0 && bb > 0 ? ab / sqrt(aa * bb) : 0;
}

// ---- Resizing ----------------------------------------------------------------------------------

// Sample o of `to` over `from` by the definition: the mean over what it covers, or, enlarging, what
// lies between the middles of its neighbours.
static double resized(const uint8_t *plane, uint32_t stride, uint32_t from_x, uint32_t from_y,
                      uint32_t to_x, uint32_t to_y, uint32_t x, uint32_t y) {
    double sum = 0, total = 0, sx = (double)from_x / to_x, sy = (double)from_y / to_y;
    for (uint32_t j = 0; j < from_y; j++)
        for (uint32_t i = 0; i < from_x; i++) {
            double wx, wy;
            if (sx >= 1)
                wx = fmax(0, fmin(i + 1, (x + 1) * sx) - fmax(i, x * sx));
            else
                wx = fmax(0, 1 - fabs(fmin(fmax((x + 0.5) * sx - 0.5, 0), from_x - 1) - i));
            if (sy >= 1)
                wy = fmax(0, fmin(j + 1, (y + 1) * sy) - fmax(j, y * sy));
            else
                wy = fmax(0, 1 - fabs(fmin(fmax((y + 0.5) * sy - 0.5, 0), from_y - 1) - j));
            sum += wx * wy * plane[j * stride + i];
            total += wx * wy;
        }
    return sum / total;
}

START_TEST(resizing_is_the_mean_of_what_is_covered) {
    struct randomness r;
    random_start(&r, (uint64_t)_i);
    for (int round = 0; round < 12; round++) {
        uint32_t w = random_between(&r, 1, 40), h = random_between(&r, 1, 40);
        uint32_t to_w = random_between(&r, 1, 40), to_h = random_between(&r, 1, 40);
        uint32_t part_w = random_between(&r, 1, w), part_h = random_between(&r, 1, h);
        struct raster_part part = {random_between(&r, 0, w - part_w),
                                   random_between(&r, 0, h - part_h), part_w, part_h};
        uint8_t *plane = guard_high((size_t)w * h), *to = guard_high((size_t)to_w * to_h);
        for (uint32_t i = 0; i < w * h; i++)
            plane[i] = (uint8_t)random_bits(&r);
        struct tnm_pixels pixels = {w, h, 1, plane};
        size_t len = tnm_raster_resize_bytes(part_w);
        void *scratch = guard_high((len + 7) / 8 * 8);
        tnm_raster_resize(&pixels, &part, 0, to, to_w, to_h, to_w, scratch);
        for (uint32_t y = 0; y < to_h; y++)
            for (uint32_t x = 0; x < to_w; x++) {
                double want =
                    resized(plane + part.y * w + part.x, w, part_w, part_h, to_w, to_h, x, y);
                ck_assert_double_eq_tol(to[y * to_w + x], want, 0.5001);
            }
        guard_free(scratch, (len + 7) / 8 * 8);
        guard_free(to, (size_t)to_w * to_h);
        guard_free(plane, (size_t)w * h);
    }
}
END_TEST

// ---- Filters -----------------------------------------------------------------------------------

static uint8_t around(const uint8_t *p, uint32_t w, uint32_t h, uint32_t x, uint32_t y,
                      uint32_t radius, char what) {
    uint32_t sum = 0, n = 0, most = 0, least = 255;
    for (int64_t j = (int64_t)y - radius; j <= (int64_t)y + radius; j++)
        for (int64_t i = (int64_t)x - radius; i <= (int64_t)x + radius; i++)
            if (i >= 0 && j >= 0 && i < w && j < h) {
                uint32_t v = p[j * w + i];
                sum += v;
                n++;
                most = v > most ? v : most;
                least = v < least ? v : least;
            }
    return (uint8_t)(what == 'm' ? (2 * sum + n) / (2 * n) : what == '+' ? most : least);
}

static void filter_slowly(const uint8_t *from, uint32_t w, uint32_t h, uint32_t radius, char what,
                          uint8_t *to) {
    for (uint32_t y = 0; y < h; y++)
        for (uint32_t x = 0; x < w; x++)
            to[y * w + x] = around(from, w, h, x, y, radius, what);
}

START_TEST(pooling_takes_the_mean_or_the_minimum_of_squares) {
    struct randomness r;
    random_start(&r, (uint64_t)_i);
    uint32_t w = random_between(&r, 1, 60), h = random_between(&r, 1, 60);
    uint32_t factor = random_between(&r, 1, 9), wide = (w + factor - 1) / factor;
    uint32_t high = (h + factor - 1) / factor;
    uint8_t *plane = guard_high((size_t)w * h), *got = guard_high((size_t)wide * high);
    uint16_t *scratch = guard_low(w * sizeof *scratch);
    for (uint32_t i = 0; i < w * h; i++)
        plane[i] = (uint8_t)random_bits(&r);
    for (int minimum = 0; minimum < 2; minimum++) {
        tnm_raster_pool(plane, w, h, factor, minimum, got, scratch);
        for (uint32_t i = 0; i < wide * high; i++) {
            uint32_t sum = 0, n = 0, least = 255;
            for (uint32_t y = i / wide * factor; y < h && y < (i / wide + 1) * factor; y++)
                for (uint32_t x = i % wide * factor; x < w && x < (i % wide + 1) * factor; x++) {
                    sum += plane[y * w + x];
                    n++;
                    least = plane[y * w + x] < least ? plane[y * w + x] : least;
                }
            ck_assert_uint_eq(got[i], minimum ? least : (2 * sum + n) / (2 * n));
        }
    }
    guard_free(scratch, w * sizeof *scratch);
    guard_free(got, (size_t)wide * high);
    guard_free(plane, (size_t)w * h);
}
END_TEST

START_TEST(filters_are_what_their_definition_says) {
    struct randomness r;
    random_start(&r, (uint64_t)_i);
    uint32_t w = random_between(&r, 1, 90), h = random_between(&r, 1, 90);
    uint32_t radius = random_between(&r, 0, 12);
    size_t n = (size_t)w * h, close_len = tnm_raster_close_bytes(w, h, radius);
    uint8_t *plane = guard_high(n), *got = guard_high(n), *close_scratch = guard_high(close_len);
    uint32_t *mean_scratch = guard_high((w + w % 2) * sizeof *mean_scratch);
    uint8_t *a = malloc(n), *b = malloc(n);
    for (size_t i = 0; i < n; i++)
        plane[i] = (uint8_t)(random_percent(&r, 50) ? 255 : random_bits(&r));
    tnm_raster_mean(plane, w, h, radius, got, mean_scratch);
    filter_slowly(plane, w, h, radius, 'm', a);
    ck_assert_mem_eq(got, a, n);
    memcpy(got, plane, n);
    tnm_raster_close(got, w, h, radius, close_scratch);
    filter_slowly(plane, w, h, radius, '+', a);
    filter_slowly(a, w, h, radius, '-', b);
    ck_assert_mem_eq(got, b, n);
    free(a);
    free(b);
    guard_free(mean_scratch, (w + w % 2) * sizeof *mean_scratch);
    guard_free(close_scratch, close_len);
    guard_free(got, n);
    guard_free(plane, n);
}
END_TEST

// ---- fit and cover -----------------------------------------------------------------------------

START_TEST(fit_shows_all_and_pads_with_black) {
    struct tnm_recipe fit = {.width = 10, .height = 10, .channels = 1, .fit = TNM_FIT_CONTAIN};
    uint8_t wide[40 * 20], input[100];
    memset(wide, 200, sizeof wide);
    struct tnm_prepared did = prepare(&fit, wide, 40, 20, 1, input);
    for (int i = 0; i < 100; i++)
        ck_assert_uint_eq(input[i], i / 10 >= 2 && i / 10 < 7 ? 200 : 0);
    ck_assert_uint_eq(did.crop_width, 40);
    ck_assert_uint_eq(did.crop_height, 20);
    ck_assert(!did.as_is);
    prepare(&fit, wide, 1, 40, 1, input); // a line stays visible
    ck_assert_uint_eq(input[5 * 10 + 4] + input[5 * 10 + 5], 200);
}
END_TEST

START_TEST(cover_fills_and_cuts_the_middle_out) {
    struct tnm_recipe cover = {.width = 10, .height = 10, .channels = 3, .fit = TNM_FIT_COVER};
    uint8_t wide[40 * 20 * 3], input[300];
    for (int i = 0; i < 40 * 20; i++)
        for (int c = 0; c < 3; c++)
            wide[3 * i + c] = (uint8_t)(i % 40 < 10 || i % 40 >= 30 ? 255 : 50 * c + i % 40);
    struct tnm_prepared did = prepare(&cover, wide, 40, 20, 3, input);
    ck_assert_uint_eq(did.crop_x, 10);
    ck_assert_uint_eq(did.crop_width, 20);
    ck_assert_uint_eq(did.crop_height, 20);
    for (int c = 0; c < 3; c++)
        for (int i = 0; i < 100; i++) // 10.5, 12.5, ... rounds up
            ck_assert_int_eq(input[c * 100 + i], 50 * c + 11 + 2 * (i % 10));
}
END_TEST

START_TEST(the_inputs_size_passes_for_fit_and_cover) {
    struct tnm_recipe recipe = {.width = 5, .height = 3, .channels = 3, .fit = TNM_FIT_CONTAIN};
    uint8_t rgb[45], input[45];
    for (uint8_t i = 0; i < 45; i++)
        rgb[i] = (uint8_t)(5 * i);
    ck_assert(prepare(&recipe, rgb, 5, 3, 3, input).as_is);
    for (int i = 0; i < 15; i++)
        for (int c = 0; c < 3; c++)
            ck_assert_uint_eq(input[15 * c + i], rgb[3 * i + c]);
}
END_TEST

START_TEST(what_cannot_be_an_input_is_refused) {
    struct tnm_recipe bad[] = {ink, ink, ink, ink, ink};
    bad[0].fit = TNM_FIT_NONE;
    bad[1].width = 0;
    bad[2].channels = 2;
    bad[3].box = 29;
    bad[4].box = 0;
    uint8_t pixel = 7, input[784];
    struct tnm_pixels one = {1, 1, 1, &pixel}, none = {0, 1, 1, &pixel};
    struct tnm_prepared did;
    struct tnm_error err;
    for (size_t i = 0; i < 5; i++) {
        ck_assert(!tnm_prepare(&bad[i], &one, input, &did, &err));
        ck_assert_int_eq(err.code, TNM_EINPUT);
    }
    ck_assert(!tnm_prepare(&ink, &none, input, &did, &err));
    ck_assert_int_eq(err.code, TNM_EINPUT);
}
END_TEST

// ---- As it is ----------------------------------------------------------------------------------

START_TEST(every_test_digit_passes_unchanged) {
    uint8_t *digits = photo_digits(), input[784];
    struct tnm_prepared did;
    ck_assert_ptr_nonnull(digits);
    for (uint32_t i = 0; i < 10000; i++) {
        struct tnm_pixels pixels = {28, 28, 1, digits + 784 * i};
        ck_assert(tnm_prepare(&ink, &pixels, input, &did, NULL));
        ck_assert_msg(did.as_is && did.found && !did.inverted, "digit %u", i);
        ck_assert_mem_eq(input, digits + 784 * i, 784);
    }
    free(digits);
}
END_TEST

// Every digit natively, every tenth elsewhere, where an emulator may run.
START_TEST(test_digits_pass_as_png_and_jpeg) {
    static const struct picture_wish limits = {1, 0, 50000000, (size_t)1 << 28};
    static const struct png_kind grey = {0, 8, 0, 0}, rgb = {2, 8, 0, 0};
    uint8_t *digits = photo_digits(), input[784], coloured[3 * 784];
    ck_assert_ptr_nonnull(digits);
    for (uint32_t i = (uint32_t)_i; i < 10000; i += 10) {
        const uint8_t *digit = digits + 784 * i;
        struct tnm_prepared did;
        size_t len;
        for (int k = 0; k < 3; k++) {
            for (int j = 0; j < 3 * 784; j++)
                coloured[j] = digit[j / 3];
            uint8_t *file = k == 0   ? make_png(digit, 28, 28, grey, &len)
                            : k == 1 ? make_png(coloured, 28, 28, rgb, &len)
                                     : make_jpeg(digit, 28, 28, 1, 90, 1, 0, &len);
            ck_assert(picture_to_input((struct bytes){file, len}, &ink, &limits, input, NULL, &did,
                                       NULL));
            ck_assert_msg(did.as_is && did.found, "digit %u", i);
            for (int j = 0; j < 784; j++)
                ck_assert_int_le(abs(input[j] - digit[j]), k < 2 ? 0 : 40);
            free(file);
        }
    }
    free(digits);
}
END_TEST

START_TEST(a_dark_digit_of_the_inputs_size_is_treated_as_ink) {
    uint8_t *digits = photo_digits(), dark[784], input[784];
    double alike = 0;
    ck_assert_ptr_nonnull(digits);
    for (int i = 0; i < 200; i++) {
        for (int j = 0; j < 784; j++)
            dark[j] = (uint8_t)(240 - digits[784 * i + j] * 9 / 10);
        struct tnm_prepared did = prepare(&ink, dark, 28, 28, 1, input);
        ck_assert_msg(!did.as_is && did.found && did.inverted, "digit %d", i);
        alike += likeness(input, digits + 784 * i) / 200;
    }
    ck_assert_double_ge(alike, 0.9);
    free(digits);
}
END_TEST

// ---- Ink ---------------------------------------------------------------------------------------

// A ring, as wide as high: unlike a disc it has a hole, which could be taken for the mark.
static uint8_t *ring(uint32_t width, uint32_t height, double x, double y, double radius,
                     double stroke, uint8_t ground, uint8_t mark) {
    uint8_t *at = malloc((size_t)width * height);
    for (uint32_t j = 0; j < height; j++)
        for (uint32_t i = 0; i < width; i++) {
            double d = fabs(hypot(i + 0.5 - x, j + 0.5 - y) - radius) - stroke / 2;
            double part = fmin(fmax(0.5 - d, 0), 1);
            at[(size_t)j * width + i] = (uint8_t)lround(ground + part * (mark - ground));
        }
    return at;
}

static const struct {
    uint32_t width, height;
    double x, y, radius, stroke;
} rings[] = {
    {280, 280, 140, 140, 80, 20},  {280, 280, 90, 180, 40, 8},   {280, 280, 140, 140, 100, 45},
    {640, 480, 500, 100, 60, 12},  {640, 480, 60, 400, 12.5, 3}, {640, 480, 300, 240, 140, 60},
    {1600, 900, 800, 300, 90, 20}, {100, 300, 50, 60, 20, 6},    {64, 64, 32, 30, 14, 4},
};

static void check_ring(int i, uint8_t ground, uint8_t mark) {
    uint32_t width = rings[i].width, height = rings[i].height;
    double x = rings[i].x, y = rings[i].y, outer = rings[i].radius + rings[i].stroke / 2;
    uint8_t *at = ring(width, height, x, y, rings[i].radius, rings[i].stroke, ground, mark);
    uint8_t input[784];
    struct tnm_prepared did = prepare(&ink, at, width, height, 1, input);
    ck_assert_msg(did.found, "ring %d of %u on %u", i, mark, ground);
    ck_assert_int_eq(did.inverted, mark < ground);
    double slack = 3 + (width > 640 ? width / 320.0 : 0);
    ck_assert_double_eq_tol(did.crop_x, x - outer, slack);
    ck_assert_double_eq_tol(did.crop_y, y - outer, slack);
    ck_assert_double_eq_tol(did.crop_width, 2 * outer, 2 * slack);
    ck_assert_double_eq_tol(did.crop_height, 2 * outer, 2 * slack);
    double scale = 20 / (2 * outer); // the same ring in the input
    uint8_t *want = ring(28, 28, 14, 14, rings[i].radius * scale, rings[i].stroke * scale, 0, 255);
    double least = rings[i].stroke > 3 ? 0.93 : 0.83; // smoothing widens a stroke of 3 pixels
    ck_assert_msg(likeness(input, want) > least, "ring %d of %u on %u: likeness %g", i, mark,
                  ground, likeness(input, want));
    free(want);
    free(at);
}

START_TEST(a_ring_is_found_whatever_its_size_and_polarity) {
    check_ring(_i, 0, 255);
    check_ring(_i, 255, 0);
    check_ring(_i, 200, 60);
    check_ring(_i, 40, 180);
    check_ring(_i, 210, 130);
}
END_TEST

// Extent and centre of mass of an input.
static void check_mnist_form(const uint8_t *input, const char *what, int number) {
    int left = 28, right = -1, top = 28, bottom = -1;
    double mass = 0, mx = 0, my = 0;
    for (int y = 0; y < 28; y++)
        for (int x = 0; x < 28; x++) {
            double v = input[28 * y + x];
            mass += v;
            mx += v * x;
            my += v * y;
            if (v == 0)
                continue;
            left = x < left ? x : left;
            right = x > right ? x : right;
            top = y < top ? y : top;
            bottom = y > bottom ? y : bottom;
        }
    int longer = right - left > bottom - top ? right - left + 1 : bottom - top + 1;
    ck_assert_msg(longer >= 18 && longer <= 20, "%s %d: longer side %d", what, number, longer);
    ck_assert_msg(fabs(mx / mass - 14) < 1.01 || left == 0 || right == 27, "%s %d: mass at x %g",
                  what, number, mx / mass);
    ck_assert_msg(fabs(my / mass - 14) < 1.01 || top == 0 || bottom == 27, "%s %d: mass at y %g",
                  what, number, my / mass);
}

START_TEST(drawings_come_in_the_form_of_mnist) {
    uint8_t *digits = photo_digits(), input[784], inverted[784];
    ck_assert_ptr_nonnull(digits);
    for (int i = 0; i < 12; i++) {
        struct photo drawing;
        photo_make(&drawing, PHOTO_CANVAS, digits + 784 * (100 + i), 280, 280, (uint64_t)i);
        struct tnm_prepared did = prepare(&ink, drawing.rgb, 280, 280, 3, input);
        ck_assert(did.found && !did.inverted && !did.as_is);
        check_mnist_form(input, "drawing", i);
        for (int j = 0; j < 280 * 280 * 3; j++)
            drawing.rgb[j] = (uint8_t)(255 - drawing.rgb[j]);
        did = prepare(&ink, drawing.rgb, 280, 280, 3, inverted);
        ck_assert(did.found && did.inverted);
        ck_assert_double_ge(likeness(input, inverted), 0.97);
        photo_free(&drawing);
    }
    free(digits);
}
END_TEST

// What an out-of-focus camera makes of a digit, or a browser that enlarges one.
START_TEST(soft_edges_are_edges) {
    uint8_t *digits = photo_digits(), *large = malloc(280 * 280), input[784];
    uint32_t scratch[100];
    double alike = 0;
    ck_assert_ptr_nonnull(digits);
    for (int i = 0; i < 100; i++) {
        struct tnm_pixels pixels = {28, 28, 1, digits + 784 * i};
        struct raster_part all = {0, 0, 28, 28};
        tnm_raster_resize(&pixels, &all, 0, large, 280, 280, 280, scratch);
        struct tnm_prepared did = prepare(&ink, large, 280, 280, 1, input);
        alike += did.found && !did.inverted ? likeness(input, digits + 784 * i) / 100 : 0;
    }
    ck_assert_double_ge(alike, 0.9);
    free(large);
    free(digits);
}
END_TEST

// A darker and larger bar, but one that leaves the picture: a table's edge, a finger.
START_TEST(what_leaves_the_picture_is_not_the_mark) {
    uint8_t *at = ring(320, 240, 200, 120, 30, 8, 220, 60), input[784];
    for (int i = 0; i < 320 * 240; i++)
        if (i % 320 < 70 && i / 320 >= 30 && i / 320 < 44)
            at[i] = 10;
    struct tnm_prepared did = prepare(&ink, at, 320, 240, 1, input);
    ck_assert(did.found && did.inverted);
    ck_assert_double_eq_tol(did.crop_x, 166, 3);
    ck_assert_double_eq_tol(did.crop_width, 68, 6);
    free(at);
}
END_TEST

START_TEST(moving_a_drawing_changes_nothing) {
    uint8_t first[784], moved[784];
    for (int i = 0; i < 8; i++) {
        uint8_t *at = ring(280, 280, 70 + 18 * i, 200 - 15 * i, 40, 9, 0, 255);
        prepare(&ink, at, 280, 280, 1, i == 0 ? first : moved);
        if (i > 0)
            ck_assert_double_ge(likeness(first, moved), 0.98);
        free(at);
    }
}
END_TEST

START_TEST(nothing_is_found_on_an_empty_page) {
    uint8_t *at = malloc(320 * 240), input[784];
    struct randomness r;
    random_start(&r, 3);
    for (int kind = 0; kind < 7; kind++) {
        for (int i = 0; i < 320 * 240; i++) {
            int x = i % 320, y = i / 320, noise = (int)random_between(&r, 0, 12) - 6;
            const int value[7] = {
                255, 0, 128, 60 + x / 2, 250 - y / 2, 200 + noise, 90 + x / 4 + y / 4 + noise};
            at[i] = (uint8_t)value[kind];
        }
        struct tnm_prepared did = prepare(&ink, at, 320, 240, 1, input);
        ck_assert_msg(!did.found && !did.inverted && !did.as_is, "kind %d", kind);
        ck_assert(is_black(input, 784));
        ck_assert_uint_eq(did.crop_width, 0);
    }
    memset(at, 0, 784);
    struct tnm_prepared did = prepare(&ink, at, 28, 28, 1, input);
    ck_assert(did.as_is && !did.found && is_black(input, 784));
    memset(at, 255, 784);
    did = prepare(&ink, at, 28, 28, 1, input);
    ck_assert(!did.as_is && !did.found && is_black(input, 784));
    free(at);
}
END_TEST

START_TEST(any_size_and_content_is_survived) {
    struct randomness r;
    random_start(&r, (uint64_t)_i);
    static const uint32_t longest[] = {4, 30, 160, 400, 1500};
    struct tnm_recipe recipe = ink;
    for (int round = 0; round < 20; round++) {
        uint32_t limit = longest[random_between(&r, 0, 4)];
        uint32_t width = random_between(&r, 1, limit), height = random_between(&r, 1, limit);
        if (random_percent(&r, 30))
            *(random_percent(&r, 50) ? &width : &height) = random_between(&r, 1, 3);
        recipe.channels = random_percent(&r, 20) ? 3 : 1;
        recipe.width = random_between(&r, 20, 40);
        recipe.box = random_between(&r, 1, 20);
        uint32_t channels = random_percent(&r, 20) ? 3 : 1;
        size_t n = (size_t)width * height * channels;
        uint8_t *at = malloc(n), input[3 * 28 * 40];
        uint32_t few = random_between(&r, 0, 100);
        for (size_t i = 0; i < n; i++)
            at[i] = (uint8_t)(random_percent(&r, few) ? random_bits(&r) : 230);
        struct tnm_prepared did = prepare(&recipe, at, width, height, channels, input);
        size_t inputs = (size_t)recipe.width * recipe.height * recipe.channels;
        ck_assert(did.as_is || did.found == !is_black(input, inputs));
        ck_assert(did.crop_x + did.crop_width <= width && did.crop_y + did.crop_height <= height);
        free(at);
    }
}
END_TEST

START_TEST(pixels_scale_to_the_same_float_everywhere) {
    uint8_t pixel[256];
    float x[256];
    for (int i = 0; i < 256; i++)
        pixel[i] = (uint8_t)i;
    tnm_prepare_scale(pixel, 256, x);
    for (int i = 0; i < 256; i++)
        ck_assert_float_eq(x[i], (float)(i / 255.0));
}
END_TEST

Suite *prepare_suite(void);
Suite *prepare_suite(void) {
    Suite *s = suite_create("prepare");
    TCase *t = tcase_create("prepare");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, resizing_is_the_mean_of_what_is_covered, 0, 8);
    tcase_add_loop_test(t, filters_are_what_their_definition_says, 0, 24);
    tcase_add_loop_test(t, pooling_takes_the_mean_or_the_minimum_of_squares, 0, 12);
    tcase_add_test(t, fit_shows_all_and_pads_with_black);
    tcase_add_test(t, cover_fills_and_cuts_the_middle_out);
    tcase_add_test(t, the_inputs_size_passes_for_fit_and_cover);
    tcase_add_test(t, what_cannot_be_an_input_is_refused);
    tcase_add_test(t, every_test_digit_passes_unchanged);
    tcase_add_loop_test(t, test_digits_pass_as_png_and_jpeg, 0, 2);
    tcase_add_test(t, a_dark_digit_of_the_inputs_size_is_treated_as_ink);
    tcase_add_loop_test(t, a_ring_is_found_whatever_its_size_and_polarity, 0,
                        sizeof rings / sizeof *rings);
    tcase_add_test(t, drawings_come_in_the_form_of_mnist);
    tcase_add_test(t, soft_edges_are_edges);
    tcase_add_test(t, what_leaves_the_picture_is_not_the_mark);
    tcase_add_test(t, moving_a_drawing_changes_nothing);
    tcase_add_test(t, nothing_is_found_on_an_empty_page);
    tcase_add_loop_test(t, any_size_and_content_is_survived, 0, 8);
    tcase_add_test(t, pixels_scale_to_the_same_float_everywhere);
    suite_add_tcase(s, t);
    return s;
}
