/* SPDX-License-Identifier: MIT */
// Reading labelled pictures: idx files, folders, the held-out set, and what is wrong with them.
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#include "models/data.h"
#include "tests/scratch.h"

enum { SIDE = 3, INPUTS = SIDE * SIDE };

// n images; every pixel of image i is i % 256, its label i % classes.
static size_t idx_images(uint8_t *out, uint32_t n) {
    const uint8_t header[16] = {0, 0,    8, 3, 0, 0,   (uint8_t)(n >> 8), (uint8_t)n, 0, 0,
                                0, SIDE, 0, 0, 0, SIDE};
    memcpy(out, header, 16);
    for (uint32_t i = 0; i < n; i++)
        memset(out + 16 + (size_t)i * INPUTS, (int)(i % 256), INPUTS);
    return 16 + (size_t)n * INPUTS;
}

static size_t idx_labels(uint8_t *out, uint32_t n, uint32_t classes) {
    const uint8_t header[8] = {0, 0, 8, 1, 0, 0, (uint8_t)(n >> 8), (uint8_t)n};
    memcpy(out, header, 8);
    for (uint32_t i = 0; i < n; i++)
        out[8 + i] = (uint8_t)(i % classes);
    return 8 + n;
}

static void write_gz(const char *path, const void *bytes, size_t len) {
    gzFile gz = gzopen(path, "wb");
    ck_assert_ptr_nonnull(gz);
    ck_assert_int_eq(gzwrite(gz, bytes, (unsigned)len), (int)len);
    ck_assert_int_eq(gzclose(gz), Z_OK);
}

static void write_set(const char *dir, const char *set, uint32_t n, uint32_t classes) {
    static uint8_t bytes[16 + 2000 * INPUTS];
    char name[64];
    snprintf(name, sizeof name, "%s-images-idx3-ubyte", set);
    scratch_write(scratch_path(dir, name), bytes, idx_images(bytes, n));
    snprintf(name, sizeof name, "%s-labels-idx1-ubyte.gz", set);
    write_gz(scratch_path(dir, name), bytes, idx_labels(bytes, n, classes));
}

static const char *dir;

static void setup(void) {
    dir = scratch_make();
}

static void teardown(void) {
    scratch_remove(dir);
}

// ---- What is right -----------------------------------------------------------------------------

START_TEST(idx_files_are_read_plain_and_gzipped) {
    struct dataset data;
    struct tnm_error err;
    write_set(dir, "train", 200, 4);
    write_set(dir, "t10k", 30, 6);
    ck_assert_msg(dataset_open(&data, dir, NULL, true, true, &err), "%s", err.text);
    ck_assert_uint_eq(data.set[DATA_TRAIN].n, 180);
    ck_assert_uint_eq(data.set[DATA_VALIDATION].n, 20);
    ck_assert_uint_eq(data.set[DATA_TEST].n, 30);
    ck_assert_uint_eq(data.n_classes, 6);
    ck_assert_str_eq(data.class_name[5], "5");
    ck_assert_uint_eq(data.recipe.width, SIDE);
    ck_assert_int_eq(data.recipe.fit, TNM_FIT_INK);
    dataset_close(&data);
}
END_TEST

START_TEST(the_held_out_images_are_no_training_images_and_always_the_same) {
    struct dataset data, again;
    struct tnm_error err;
    int seen[200] = {0};
    write_set(dir, "train", 200, 10);
    ck_assert_msg(dataset_open(&data, dir, NULL, true, false, &err), "%s", err.text);
    ck_assert(dataset_open(&again, dir, NULL, true, false, &err));
    for (enum data_split s = DATA_TRAIN; s <= DATA_VALIDATION; s++)
        for (uint32_t i = 0; i < data.set[s].n; i++) {
            const uint8_t *pixel = data.set[s].pixel + (size_t)i * INPUTS;
            seen[pixel[0]]++;
            ck_assert_uint_eq(pixel[INPUTS - 1], pixel[0]);
            ck_assert_uint_eq(data.set[s].label[i], pixel[0] % 10);
        }
    for (int i = 0; i < 200; i++)
        ck_assert_int_eq(seen[i], 1);
    ck_assert_mem_eq(data.set[DATA_VALIDATION].pixel, again.set[DATA_VALIDATION].pixel,
                     20 * INPUTS);
    dataset_close(&data);
    dataset_close(&again);
}
END_TEST

// Computed once by hand from rng.c's definition; a change would let old training images into the
// validation set.
START_TEST(mnist_keeps_its_held_out_images) {
    struct dataset data;
    struct tnm_error err;
    if (emulated())
        return;
    ck_assert_msg(dataset_open(&data, "models/mnist", NULL, true, true, &err), "%s", err.text);
    ck_assert_uint_eq(data.set[DATA_TRAIN].n, 55000);
    ck_assert_uint_eq(data.set[DATA_TEST].n, 10000);
    uint32_t sum = 0;
    for (uint32_t i = 0; i < data.set[DATA_VALIDATION].n; i++)
        sum = sum * 31 + data.set[DATA_VALIDATION].label[i];
    ck_assert_uint_eq(sum, 1165809594);
    ck_assert_str_eq(data.name, "mnist");
    dataset_close(&data);
}
END_TEST

static void make_folder(const char *path) {
    ck_assert_int_eq(mkdir(path, 0755), 0);
}

// One grey picture of a mark, in an untroubled 8x8.
static void write_picture(const char *path, int shade) {
    char pgm[11 + 64];
    memcpy(pgm, "P5 8 8 255\n", 11);
    memset(pgm + 11, 0, 64);
    memset(pgm + 11 + 18, shade, 4);
    memset(pgm + 11 + 26, shade, 4);
    scratch_write(path, pgm, sizeof pgm);
}

static void write_pictures(const char *sub, int n) {
    static const char *const class[] = {"zebra", "ape"};
    char name[128];
    make_folder(scratch_path(dir, sub));
    for (int c = 0; c < 2; c++) {
        snprintf(name, sizeof name, "%s/%s", sub, class[c]);
        make_folder(scratch_path(dir, name));
        for (int i = 0; i < n; i++) {
            snprintf(name, sizeof name, "%s/%s/%03d.pgm", sub, class[c], i);
            write_picture(scratch_path(dir, name), 255 - 100 * c);
        }
    }
}

START_TEST(folders_of_pictures_are_classes) {
    struct dataset data;
    struct tnm_error err;
    struct tnm_recipe recipe = data_recipe(8, 8, 1, TNM_FIT_CONTAIN);
    write_pictures("train", 15);
    write_pictures("test", 2);
    ck_assert_msg(dataset_open(&data, dir, &recipe, true, true, &err), "%s", err.text);
    ck_assert_uint_eq(data.set[DATA_TRAIN].n, 27);
    ck_assert_uint_eq(data.set[DATA_VALIDATION].n, 3);
    ck_assert_uint_eq(data.set[DATA_TEST].n, 4);
    ck_assert_str_eq(data.class_name[0], "ape"); // sorted
    ck_assert_str_eq(data.class_name[1], "zebra");
    ck_assert_uint_eq(data.set[DATA_TEST].label[0], 0);
    ck_assert_uint_eq(data.set[DATA_TEST].pixel[18], 155);
    ck_assert_uint_eq(data.set[DATA_TEST].pixel[3 * 64 + 18], 255);
    dataset_close(&data);
}
END_TEST

START_TEST(a_folder_of_one_level_is_measured_whole) {
    struct dataset data;
    struct tnm_error err;
    struct tnm_recipe recipe = data_recipe(8, 8, 1, TNM_FIT_CONTAIN);
    write_pictures("pictures", 3);
    const char *pictures = scratch_path(dir, "pictures");
    ck_assert_msg(dataset_open(&data, pictures, &recipe, false, true, &err), "%s", err.text);
    ck_assert_uint_eq(data.set[DATA_TEST].n, 6);
    ck_assert_uint_eq(data.set[DATA_TEST].label[5], 1);
    dataset_close(&data);
}
END_TEST

START_TEST(classes_follow_the_labels_of_a_network) {
    struct dataset data;
    struct tnm_error err;
    struct tnm_recipe recipe = data_recipe(8, 8, 1, TNM_FIT_CONTAIN);
    char *label[] = {"zebra", "yak", "ape"}, *wrong[] = {"zebra", "yak"};
    write_pictures("train", 2);
    ck_assert_msg(dataset_open(&data, dir, &recipe, true, false, &err), "%s", err.text);
    ck_assert(!dataset_match(&data, wrong, 2, 2, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "class \"ape\""));
    ck_assert_msg(dataset_match(&data, label, 3, 3, &err), "%s", err.text);
    ck_assert_uint_eq(data.set[DATA_TRAIN].label[0], 2);
    ck_assert_uint_eq(data.set[DATA_TRAIN].label[3], 0);
    ck_assert_uint_eq(data.n_classes, 3);
    ck_assert_str_eq(data.class_name[2], "ape");
    dataset_close(&data);
}
END_TEST

START_TEST(numbered_classes_take_the_labels_in_order_unless_those_are_numbers) {
    struct dataset data;
    struct tnm_error err;
    char *name[] = {"boot", "bag", "coat"}, *number[] = {"2", "0", "1"}, *mixed[] = {"0", "x", "y"};
    write_set(dir, "train", 200, 3);
    ck_assert_msg(dataset_open(&data, dir, NULL, true, false, &err), "%s", err.text);
    uint32_t label = data.set[DATA_TRAIN].label[1];
    ck_assert(!dataset_match(&data, name, 2, 2, &err));
    ck_assert(!dataset_match(&data, mixed, 3, 3, &err));
    ck_assert_msg(dataset_match(&data, name, 3, 3, &err), "%s", err.text);
    ck_assert_uint_eq(data.set[DATA_TRAIN].label[1], label);
    ck_assert_str_eq(data.class_name[label], name[label]);
    ck_assert(!dataset_match(&data, number, 3, 3, &err)); // now it has names
    dataset_close(&data);
    ck_assert(dataset_open(&data, dir, NULL, true, false, &err));
    ck_assert_msg(dataset_match(&data, number, 3, 3, &err), "%s", err.text);
    ck_assert_uint_eq(data.set[DATA_TRAIN].label[1], (label + 1) % 3);
    dataset_close(&data);
}
END_TEST

START_TEST(classes_are_named_all_or_none) {
    static const char *const wrong[][2] = {{"a,b", "2 labels, "},
                                           {"a,b,c,d", "4 labels, "},
                                           {"a,b,c,d,e,f", "4 labels, "},
                                           {"", "1 labels, "},
                                           {"a,b,a", "label \"a\" is there twice"}};
    struct dataset data;
    struct tnm_error err;
    write_set(dir, "train", 30, 3);
    ck_assert_msg(dataset_open(&data, dir, NULL, true, false, &err), "%s", err.text);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        ck_assert(!dataset_name(&data, wrong[i][0], &err));
        ck_assert_msg(strncmp(err.text, wrong[i][1], strlen(wrong[i][1])) == 0, "%s", err.text);
    }
    ck_assert_str_eq(data.class_name[2], "2");
    ck_assert_msg(dataset_name(&data, "a,b c,d/e", &err), "%s", err.text);
    ck_assert_str_eq(data.class_name[1], "b c");
    ck_assert_str_eq(data.class_name[2], "d/e");
    dataset_close(&data);
}
END_TEST

// ---- What is wrong -----------------------------------------------------------------------------

// Each does one thing to a folder that has 20 training images; the text must have these words.
static const struct damage {
    const char *file;
    size_t at; // overwritten with value; SIZE_MAX: the file is cut to value bytes, or grows by one
    size_t value;
    bool gz;
    const char *words;
} damages[] = {
    {"train-images-idx3-ubyte", SIZE_MAX, 0, false, "truncated: ends after 0 of 4"},
    {"train-images-idx3-ubyte", SIZE_MAX, 15, false, "truncated: ends after 15 of 16"},
    {"train-images-idx3-ubyte", SIZE_MAX, 195, false, "truncated: ends after 195 of 196"},
    {"train-images-idx3-ubyte", SIZE_MAX, 197, false, "longer than the 196 bytes"},
    {"train-images-idx3-ubyte", 3, 1, false, "magic number 0x00000801, must be 0x00000803"},
    {"train-images-idx3-ubyte", 2, 13, false, "magic number 0x00000d03, must be 0x00000803"},
    {"train-images-idx3-ubyte", 11, 0, false, "images of 3x0, sides may be 1 to 4096"},
    {"train-images-idx3-ubyte", 12, 1, false, "images of 16777219x3, sides"},
    {"train-images-idx3-ubyte", 5, 1, false, "too many for a file of 196"},
    {"train-images-idx3-ubyte", 4, 255, false, "bytes of content, at most 4294967296"},
    {"train-labels-idx1-ubyte", 7, 19, false, "19 labels for the 20 images of "},
    {"train-labels-idx1-ubyte", SIZE_MAX, 27, false, "truncated: ends after 27 of 28"},
    {"train-labels-idx1-ubyte", SIZE_MAX, 29, false, "longer than the 28 bytes"},
    {"train-images-idx3-ubyte", SIZE_MAX, 40, true, "unexpected end of file"},
    {"train-images-idx3-ubyte", 12, 255, true, "train-images-idx3-ubyte"}, // in the deflate stream
};

START_TEST(damage_is_named_with_file_value_and_limit) {
    const struct damage *d = &damages[_i];
    static uint8_t bytes[400];
    struct dataset data;
    struct tnm_error err;
    const char *images = scratch_path(dir, "train-images-idx3-ubyte");
    const char *labels = scratch_path(dir, "train-labels-idx1-ubyte");
    scratch_write(labels, bytes, idx_labels(bytes, 20, 10));
    (d->gz ? write_gz : scratch_write)(images, bytes, idx_images(bytes, 20));
    const char *path = scratch_path(dir, d->file);
    FILE *f = fopen(path, "rb");
    ck_assert_ptr_nonnull(f);
    size_t len = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    if (d->at == SIZE_MAX)
        len = d->value;
    else
        bytes[d->at] = (uint8_t)d->value;
    scratch_write(path, bytes, len);
    ck_assert(!dataset_open(&data, dir, NULL, true, true, &err));
    ck_assert_msg(strstr(err.text, d->words) != NULL, "\"%s\" lacks \"%s\"", err.text, d->words);
    ck_assert_msg(strstr(err.text, d->file) != NULL, "\"%s\" does not name %s", err.text, d->file);
    ck_assert_ptr_null(data.set[DATA_TRAIN].pixel);
}
END_TEST

START_TEST(what_is_missing_is_said) {
    struct dataset data;
    struct tnm_error err;
    static uint8_t bytes[400];
    ck_assert(!dataset_open(&data, "/no/such/folder", NULL, true, true, &err));
    ck_assert_int_eq(err.code, TNM_EIO);
    ck_assert(!dataset_open(&data, dir, NULL, true, true, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "class folders"));
    scratch_write(scratch_path(dir, "train-images-idx3-ubyte"), bytes, idx_images(bytes, 20));
    ck_assert(!dataset_open(&data, dir, NULL, true, true, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "train-labels-idx1-ubyte"));
    scratch_write(scratch_path(dir, "train-labels-idx1-ubyte"), bytes, idx_labels(bytes, 20, 2));
    ck_assert(!dataset_open(&data, dir, NULL, false, true, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "no test images"));
    write_gz(scratch_path(dir, "train-labels-idx1-ubyte.gz"), bytes, idx_labels(bytes, 20, 2));
    ck_assert(!dataset_open(&data, dir, NULL, true, true, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "one is needed"));
}
END_TEST

START_TEST(images_of_another_size_than_wanted_are_refused) {
    struct dataset data;
    struct tnm_error err;
    struct tnm_recipe recipe = data_recipe(28, 28, 1, TNM_FIT_INK);
    write_set(dir, "train", 20, 2);
    ck_assert(!dataset_open(&data, dir, &recipe, true, true, &err));
    ck_assert_int_eq(err.code, TNM_EINPUT);
    ck_assert_ptr_nonnull(strstr(err.text, "images of 3x3 grey, wanted are 28x28"));
}
END_TEST

START_TEST(a_damaged_picture_is_named) {
    struct dataset data;
    struct tnm_error err;
    write_pictures("train", 2);
    scratch_write(scratch_path(dir, "train/ape/001.pgm"), "P5 8 8 255\n....", 15);
    ck_assert(!dataset_open(&data, dir, NULL, true, true, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "train/ape/001.pgm"));
}
END_TEST

Suite *data_suite(void) {
    Suite *s = suite_create("data");
    TCase *t = tcase_create("data");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 120);
    tcase_add_test(t, idx_files_are_read_plain_and_gzipped);
    tcase_add_test(t, the_held_out_images_are_no_training_images_and_always_the_same);
    tcase_add_test(t, mnist_keeps_its_held_out_images);
    tcase_add_test(t, folders_of_pictures_are_classes);
    tcase_add_test(t, a_folder_of_one_level_is_measured_whole);
    tcase_add_test(t, classes_follow_the_labels_of_a_network);
    tcase_add_test(t, numbered_classes_take_the_labels_in_order_unless_those_are_numbers);
    tcase_add_test(t, classes_are_named_all_or_none);
    tcase_add_loop_test(t, damage_is_named_with_file_value_and_limit, 0,
                        sizeof damages / sizeof *damages);
    tcase_add_test(t, what_is_missing_is_said);
    tcase_add_test(t, images_of_another_size_than_wanted_are_refused);
    tcase_add_test(t, a_damaged_picture_is_named);
    suite_add_tcase(s, t);
    return s;
}
