/* SPDX-License-Identifier: MIT */
// Pictures of weights against such made by hand, and their PNG files against libpng's reading.
#include <check.h>
#include <png.h>
#include <stdlib.h>
#include <string.h>

#include "models/heat.h"
#include "models/weights.h"
#include "tests/random.h"

#define MAKE(OUT, ...)                                                                             \
    ck_assert(tnm_matrix_make((OUT), &(struct tnm_matrix_source){__VA_ARGS__}, NULL))

// As letters: what a picture holds. '.' empty, ' ' a gap, 1..7 above 0, a..g below.
static const char *row_text(const struct pixmap *p, uint32_t y) {
    static char text[PIXMAP_SIDE + 1];
    for (uint32_t x = 0; x < p->width; x++)
        text[x] = " 1234567.abcdefg"[p->at[(size_t)y * p->width + x]];
    text[p->width] = 0;
    return text;
}

static void expect(const struct heat *heat, uint32_t n, const char *const *rows) {
    ck_assert_uint_eq(heat->map.height, n);
    for (uint32_t y = 0; y < n; y++)
        ck_assert_str_eq(row_text(&heat->map, y), rows[y]);
}

// ---- Matrices ----------------------------------------------------------------------------------

// Magnitude 7 is the largest but one in a hundred only where there are few pixels: the scale is 7.
static const float small_w[] = {7, 0, -7, 1, /**/ 0, -1, 3.5f, 0};

START_TEST(a_small_matrix_is_drawn_weight_by_weight) {
    static const char *const rows[] = {"7.g1", ".a4."};
    static const enum tnm_encoding encoding[] = {TNM_DENSE, TNM_DENSE, TNM_CSR};
    static const uint32_t bits[] = {32, 16, 32};
    struct tnm_matrix m;
    struct heat heat;
    MAKE(&m, .rows = 2, .cols = 4, .encoding = encoding[_i], .bits = bits[_i], .w = small_w);
    ck_assert(heat_matrix(&m, &heat, NULL));
    ck_assert(!heat.turned);
    ck_assert_uint_eq(heat.rows_a_pixel * heat.cols_a_pixel, 1);
    expect(&heat, 2, rows);
    heat_free(&heat);
    tnm_matrix_free(&m);
}
END_TEST

START_TEST(a_high_matrix_lies_on_its_side) {
    static const char *const rows[] = {"7.g1", ".a4."};
    float w[8];
    struct tnm_matrix m;
    struct heat heat;
    for (int i = 0; i < 8; i++)
        w[i % 4 * 2 + i / 4] = small_w[i];
    MAKE(&m, .rows = 4, .cols = 2, .encoding = TNM_CSR, .bits = 32, .w = w);
    ck_assert(heat_matrix(&m, &heat, NULL));
    ck_assert(heat.turned);
    expect(&heat, 2, rows);
    heat_free(&heat);
    tnm_matrix_free(&m);
}
END_TEST

START_TEST(of_weights_on_one_pixel_the_largest_counts) {
    uint32_t rows = HEAT_MOST_HIGH * 2, cols = HEAT_MOST_WIDE * 3;
    float *w = calloc((size_t)rows * cols, sizeof *w);
    struct tnm_matrix m;
    struct heat heat;
    ck_assert_ptr_nonnull(w);
    w[cols * 2 + 3] = 0.5f, w[cols * 3 + 5] = -7; // both on pixel 1, 1
    w[0] = 3.5f;
    w[(size_t)rows * cols - 1] = 7;
    MAKE(&m, .rows = rows, .cols = cols, .encoding = TNM_CSR, .bits = 32, .w = w);
    ck_assert(heat_matrix(&m, &heat, NULL));
    ck_assert_uint_eq(heat.map.width, HEAT_MOST_WIDE);
    ck_assert_uint_eq(heat.map.height, HEAT_MOST_HIGH);
    ck_assert_uint_eq(heat.rows_a_pixel, 2);
    ck_assert_uint_eq(heat.cols_a_pixel, 3);
    ck_assert_int_eq(row_text(&heat.map, 0)[0], '4');
    ck_assert_int_eq(row_text(&heat.map, 1)[1], 'g');
    ck_assert_int_eq(row_text(&heat.map, HEAT_MOST_HIGH - 1)[HEAT_MOST_WIDE - 1], '7');
    uint32_t drawn = 0;
    for (size_t i = 0; i < (size_t)heat.map.width * heat.map.height; i++)
        drawn += heat.map.at[i] != HEAT_ZERO;
    ck_assert_uint_eq(drawn, 3);
    heat_free(&heat);
    tnm_matrix_free(&m);
    free(w);
}
END_TEST

START_TEST(a_matrix_of_nothing_is_drawn_empty) {
    static const char *const rows[] = {"..", ".."};
    static const float w[4] = {0};
    struct tnm_matrix m;
    struct heat heat;
    MAKE(&m, .rows = 2, .cols = 2, .encoding = TNM_CSR, .bits = 32, .w = w);
    ck_assert(heat_matrix(&m, &heat, NULL));
    expect(&heat, 2, rows);
    heat_free(&heat);
    tnm_matrix_free(&m);
}
END_TEST

// ---- Pictures ----------------------------------------------------------------------------------

// Four units over a picture of 3 x 2 pixels; the third has nothing.
static const float unit_w[] = {1, 0, 0, 0, 0, -1, /**/ 0, 7, 7, 0, 0,  0,
                               0, 0, 0, 0, 0, 0,  /**/ 0, 0, 0, 0, -7, 1};

START_TEST(a_layer_looks_at_pixels_with_weights) {
    struct tnm_matrix m;
    struct heat heat;
    // Sums by pixel: 1 7 7 / 0 7 2, of 7 being level 15.
    static const uint8_t level[] = {3, 15, 15, 0, 15, 5};
    MAKE(&m, .rows = 4, .cols = 6, .encoding = TNM_CSR, .bits = 32, .w = unit_w);
    ck_assert(heat_looks_at(&m, 3, 2, &heat, NULL));
    ck_assert_uint_eq(heat.seen, 5);
    ck_assert_uint_eq(heat.map.width, 3);
    ck_assert_mem_eq(heat.map.at, level, sizeof level);
    heat_free(&heat);
    tnm_matrix_free(&m);
}
END_TEST

START_TEST(the_strongest_units_come_first) {
    static const char *const rows[] = {".77 ... 1..", "... .g1 ..a"};
    struct tnm_matrix m;
    struct heat heat;
    MAKE(&m, .rows = 4, .cols = 6, .encoding = TNM_CSR, .bits = 32, .w = unit_w);
    ck_assert(heat_units(&m, 3, 2, &heat, NULL));
    ck_assert_uint_eq(heat.tiles, 3);
    expect(&heat, 2, rows);
    heat_free(&heat);
    tnm_matrix_free(&m);
}
END_TEST

START_TEST(no_more_units_than_there_is_room_for) {
    struct randomness r;
    float *w = calloc(100 * 784, sizeof *w);
    struct tnm_matrix m;
    struct heat heat;
    ck_assert_ptr_nonnull(w);
    random_start(&r, 1);
    random_fill(&r, w, 100 * 784, 90);
    MAKE(&m, .rows = 100, .cols = 784, .encoding = TNM_CSR, .bits = 32, .w = w);
    ck_assert(heat_units(&m, 28, 28, &heat, NULL));
    ck_assert_uint_eq(heat.tiles, HEAT_MOST_TILES);
    ck_assert_uint_le(heat.map.width, HEAT_MOST_WIDE);
    ck_assert_uint_le(heat.map.height, HEAT_MOST_HIGH);
    heat_free(&heat);
    tnm_matrix_free(&m);
    free(w);
}
END_TEST

START_TEST(windows_of_one_channel_stand_in_rows) {
    static const char *const rows[] = {"7.", ".7"};
    static const float w[] = {7, 0, 0, 7};
    struct tnm_matrix m;
    struct heat heat;
    MAKE(&m, .rows = 1, .cols = 4, .encoding = TNM_DENSE, .bits = 32, .w = w);
    ck_assert(heat_windows(&m, 2, 2, &heat, NULL));
    expect(&heat, 2, rows);
    heat_free(&heat);
    tnm_matrix_free(&m);
}
END_TEST

START_TEST(windows_of_channels_stand_below_their_output) {
    // Two outputs, two channels, windows 2 wide and 1 high.
    static const char *const rows[] = {"7. .1", "     ", ".a g."};
    static const float w[] = {7, 0, 0, -1, /**/ 0, 1, -7, 0};
    struct tnm_matrix m;
    struct heat heat;
    MAKE(&m, .rows = 2, .cols = 4, .encoding = TNM_CSR, .bits = 32, .w = w);
    ck_assert(heat_windows(&m, 2, 1, &heat, NULL));
    ck_assert_uint_eq(heat.tiles, 4);
    expect(&heat, 3, rows);
    heat_free(&heat);
    tnm_matrix_free(&m);
}
END_TEST

// ---- Values ------------------------------------------------------------------------------------

START_TEST(shared_values_are_counted_in_ascending_order) {
    static const float codebook[] = {0.5f, -2, 1};
    static const uint8_t code[] = {0, 1, 1, 2, 0, 1}, keep[] = {1, 1, 1, 0, 1, 1};
    struct tnm_matrix m;
    struct weights_values v;
    MAKE(&m, .rows = 2, .cols = 3, .encoding = TNM_CSR_CODEBOOK, .bits = 2, .keep = keep,
         .code = code, .codebook = codebook, .n_centroids = 3);
    weights_count(&m, &v);
    ck_assert(v.shared);
    ck_assert_uint_eq(v.n, 3);
    ck_assert(v.value[0] == -2 && v.count[0] == 3);
    ck_assert(v.value[1] == 0.5f && v.count[1] == 2);
    ck_assert(v.value[2] == 1 && v.count[2] == 0);
    tnm_matrix_free(&m);
}
END_TEST

START_TEST(other_values_fall_into_bins) {
    static const float w[] = {-3e38f, 0, 0, 3e38f, 3e38f, 1};
    struct tnm_matrix m;
    struct weights_values v;
    uint64_t sum = 0;
    MAKE(&m, .rows = 2, .cols = 3, .encoding = TNM_DENSE, .bits = 32, .w = w);
    weights_count(&m, &v);
    ck_assert(!v.shared);
    for (uint32_t i = 0; i < v.n; i++)
        sum += v.count[i];
    ck_assert_uint_eq(sum, 4); // zeros are no weights that are left
    ck_assert_uint_eq(v.count[0], 1);
    ck_assert_uint_eq(v.count[v.n - 1], 2);
    tnm_matrix_free(&m);
}
END_TEST

START_TEST(equal_values_make_one_bin) {
    static const float w[] = {2, 2, 0, 2};
    struct tnm_matrix m;
    struct weights_values v;
    MAKE(&m, .rows = 2, .cols = 2, .encoding = TNM_CSR, .bits = 32, .w = w);
    weights_count(&m, &v);
    ck_assert(v.n == 1 && v.value[0] == 2 && v.count[0] == 3);
    tnm_matrix_free(&m);
}
END_TEST

// ---- PNG ---------------------------------------------------------------------------------------

static const uint32_t sizes[][2] = {{1, 1}, {2, 1}, {3, 2}, {7, 5}, {28, 28}, {347, 241}};

START_TEST(libpng_reads_what_was_drawn) {
    struct randomness r;
    struct pixmap p;
    size_t len;
    random_start(&r, (uint64_t)_i);
    ck_assert(pixmap_make(&p, sizes[_i][0], sizes[_i][1], NULL));
    size_t n = (size_t)p.width * p.height;
    for (size_t i = 0; i < n; i++)
        p.at[i] = (uint8_t)random_between(&r, 0, PIXMAP_COLOURS - 1);
    uint8_t *file = pixmap_png(&p, heat_signed, &len), *rgba = malloc(4 * n);
    ck_assert(file != NULL && rgba != NULL);
    png_image image = {.version = PNG_IMAGE_VERSION};
    ck_assert(png_image_begin_read_from_memory(&image, file, len));
    ck_assert_uint_eq(image.width, p.width);
    ck_assert_uint_eq(image.height, p.height);
    image.format = PNG_FORMAT_RGBA;
    ck_assert(png_image_finish_read(&image, NULL, rgba, 0, NULL));
    for (size_t i = 0; i < n; i++)
        ck_assert_mem_eq(rgba + 4 * i, &heat_signed[p.at[i]], 4);
    free(file);
    free(rgba);
    pixmap_free(&p);
}
END_TEST

START_TEST(a_picture_in_a_page_is_base64) {
    static const char start[] = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUg";
    struct pixmap p;
    char text[2048] = "";
    ck_assert(pixmap_make(&p, 5, 4, NULL));
    FILE *out = fmemopen(text, sizeof text, "w");
    ck_assert(pixmap_write(out, &p, heat_amount));
    fclose(out);
    ck_assert_int_eq(strncmp(text, start, strlen(start)), 0);
    const char *code = strchr(text, ',') + 1;
    ck_assert_uint_eq(strlen(code) % 4, 0);
    ck_assert_uint_eq(strspn(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                   "+/="),
                      strlen(code));
    // The end of every PNG: IEND and its checksum.
    ck_assert(strstr(code, "SUVORK5CYII=") != NULL || strstr(code, "JRU5ErkJggg==") != NULL ||
              strstr(code, "ElFTkSuQmCC") != NULL);
    pixmap_free(&p);
}
END_TEST

Suite *heat_suite(void);
Suite *heat_suite(void) {
    Suite *suite = suite_create("heat");
    TCase *t = tcase_create("heat");
    tcase_add_loop_test(t, a_small_matrix_is_drawn_weight_by_weight, 0, 3);
    tcase_add_test(t, a_high_matrix_lies_on_its_side);
    tcase_add_test(t, of_weights_on_one_pixel_the_largest_counts);
    tcase_add_test(t, a_matrix_of_nothing_is_drawn_empty);
    tcase_add_test(t, a_layer_looks_at_pixels_with_weights);
    tcase_add_test(t, the_strongest_units_come_first);
    tcase_add_test(t, no_more_units_than_there_is_room_for);
    tcase_add_test(t, windows_of_one_channel_stand_in_rows);
    tcase_add_test(t, windows_of_channels_stand_below_their_output);
    tcase_add_test(t, shared_values_are_counted_in_ascending_order);
    tcase_add_test(t, other_values_fall_into_bins);
    tcase_add_test(t, equal_values_make_one_bin);
    tcase_add_loop_test(t, libpng_reads_what_was_drawn, 0, sizeof sizes / sizeof *sizes);
    tcase_add_test(t, a_picture_in_a_page_is_base64);
    suite_add_tcase(suite, t);
    return suite;
}
