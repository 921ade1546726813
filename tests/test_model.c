/* SPDX-License-Identifier: MIT */
// Opening files whatever they are, within limits, and what an open model says.
#include "core/checksum.h"
#include "core/model.h"
#include "core/save.h"
#include "tests/files.h"
#include "tests/scratch.h"

#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *folder;

static void begin(void) {
    folder = scratch_make();
}

static void end(void) {
    scratch_remove(folder);
}

// ---- What happens to the file ------------------------------------------------------------------

static void overwrite(const char *path) {
    struct stat st;
    ck_assert_int_eq(stat(path, &st), 0);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    for (off_t i = 0; i < st.st_size; i++)
        ck_assert_int_eq(write(fd, "\xff", 1), 1);
    close(fd);
}

static void cut(const char *path) {
    ck_assert_int_eq(truncate(path, 0), 0);
}

static void drop(const char *path) {
    ck_assert_int_eq(unlink(path), 0);
}

static void (*const mishap[])(const char *path) = {overwrite, cut, drop};

START_TEST(nothing_done_to_the_file_changes_an_answer) {
    const char *path = scratch_path(folder, "m.tnm");
    struct tnm_error err;
    float x[784], before[10], after[10];
    for (int i = 0; i < 784; i++)
        x[i] = (float)(i % 7) / 7;
    sample_save(SAMPLE_DIGITS, path);
    struct tnm_model *model = tnm_model_open(path, &err);
    ck_assert_msg(model != NULL, "%s", err.text);
    struct tnm_session *session = tnm_session_open(model, 1, &err);
    tnm_session_run(session, x, 1, before);
    mishap[_i](path);
    tnm_session_run(session, x, 1, after);
    ck_assert_mem_eq(before, after, sizeof before);
    ck_assert_str_eq(tnm_model_label(model, 9), "9");
    uint8_t digest[32];
    tnm_sha256(model->bytes, model->len, digest); // all of it can still be read
    ck_assert_uint_eq(strtoul((char[]){model->digest[0], model->digest[1], 0}, NULL, 16),
                      digest[0]);
    tnm_session_close(session);
    tnm_model_close(model);
}
END_TEST

static int open_files(void) {
    int n = 0;
    DIR *dir = opendir("/proc/self/fd");
    while (dir != NULL && readdir(dir) != NULL)
        n++;
    closedir(dir);
    return n;
}

static void refuses(const char *path, int code, const char *words) {
    struct tnm_error err = {0};
    char text[600];
    int files = open_files();
    snprintf(text, sizeof text, "%s: %s", path, words);
    ck_assert_ptr_null(tnm_model_open(path, &err));
    ck_assert_str_eq(err.text, text);
    ck_assert_int_eq(err.code, code);
    ck_assert_int_eq(open_files(), files);
}

START_TEST(what_is_no_file_is_refused_without_waiting) {
    const char *pipe = scratch_path(folder, "pipe");
    ck_assert_int_eq(mkfifo(pipe, 0600), 0);
    refuses(pipe, TNM_EIO, "not a regular file");
    refuses(folder, TNM_EIO, "not a regular file");
    refuses("/dev/null", TNM_EIO, "not a regular file");
    refuses(scratch_path(folder, "none"), TNM_EIO, "cannot be opened: No such file or directory");
}
END_TEST

START_TEST(an_empty_file_and_a_text_are_refused) {
    const char *path = scratch_path(folder, "m.tnm");
    scratch_write(path, "", 0);
    refuses(path, TNM_EFORMAT, "not a .tnm file");
    scratch_write(path, "\x89TNM\r\n\x1a\n", 8);
    refuses(path, TNM_EFORMAT, "not a .tnm file");
    scratch_write(path, "this is no model, but a text\n", 29);
    refuses(path, TNM_EFORMAT, "not a .tnm file");
}
END_TEST

// Files of /proc have more bytes than they say, those of /sys often fewer.
START_TEST(a_file_that_is_longer_or_shorter_than_it_said_is_refused) {
    struct stat st;
    const char *shorter = "/sys/devices/system/cpu/online";
    refuses("/proc/self/status", TNM_EIO,
            "the file changed its length of 0 bytes while it was read");
    if (stat(shorter, &st) == 0 && st.st_size == 4096)
        refuses(shorter, TNM_EIO, "the file changed its length of 4096 bytes while it was read");
}
END_TEST

START_TEST(an_open_model_holds_no_file) {
    const char *path = scratch_path(folder, "m.tnm");
    int files = open_files();
    sample_save(SAMPLE_TINY, path);
    struct tnm_model *model = tnm_model_open(path, NULL);
    ck_assert(model != NULL);
    ck_assert_int_eq(open_files(), files);
    tnm_model_close(model);
    tnm_model_close(NULL);
}
END_TEST

START_TEST(bytes_given_are_copied) {
    size_t len;
    uint8_t *bytes = sample_bytes(SAMPLE_TINY, &len);
    struct tnm_model *model = tnm_model_from_bytes(bytes, len, NULL, NULL);
    memset(bytes, 0, len);
    free(bytes);
    ck_assert_str_eq(tnm_model_name(model), "tiny");
    ck_assert(tnm_model_self_test(model, NULL));
    tnm_model_close(model);
}
END_TEST

// ---- Limits ------------------------------------------------------------------------------------

START_TEST(a_file_beyond_the_limit_is_not_read) {
    const char *path = scratch_path(folder, "m.tnm");
    struct tnm_error err = {0};
    struct tnm_limits limits = {523, 1 << 20};
    sample_save(SAMPLE_TINY, path);
    ck_assert_ptr_null(tnm_model_open_within(path, &limits, &err));
    ck_assert_int_eq(err.code, TNM_ELIMIT);
    ck_assert_msg(strstr(err.text, "m.tnm: 524 bytes, at most 523") != NULL, "%s", err.text);
    limits.file_bytes = 524;
    struct tnm_model *model = tnm_model_open_within(path, &limits, &err);
    ck_assert_msg(model != NULL, "%s", err.text);
    tnm_model_close(model);
}
END_TEST

// With one byte less than it holds in the end a model is not opened.
START_TEST(no_model_holds_more_than_the_limit) {
    struct tnm_error err = {0};
    struct tnm_summary summary;
    size_t len, most;
    uint8_t *bytes = sample_bytes((enum sample_kind)_i, &len);
    struct tnm_model *model = tnm_model_from_bytes(bytes, len, NULL, &err);
    ck_assert_msg(model != NULL, "%s", err.text);
    tnm_model_summary(model, &summary);
    most = summary.memory_bytes;
    ck_assert_uint_ge(model->mapped, len + 64);
    ck_assert_uint_gt(most, model->mapped + sizeof *model +
                                model->graph.n_nodes * sizeof *model->graph.node);
    tnm_model_close(model);
    for (size_t i = 0; i <= 64; i++) {
        struct tnm_limits limits = {SIZE_MAX, most * i / 64 - (i == 64)};
        ck_assert_ptr_null(tnm_model_from_bytes(bytes, len, &limits, &err));
        ck_assert_msg(err.code == TNM_ELIMIT, "%zu of %zu: %s", limits.memory_bytes, most,
                      err.text);
    }
    free(bytes);
}
END_TEST

// ---- What it says ------------------------------------------------------------------------------

START_TEST(a_model_describes_itself) {
    struct tnm_model *model = sample_open(SAMPLE_TINY);
    struct tnm_summary sum;
    tnm_model_summary(model, &sum);
    ck_assert_uint_eq(sum.bytes, 524);
    ck_assert_uint_eq(sum.dense_bytes, 4 * (12 + 3));
    ck_assert_uint_eq(sum.parameters, 15);
    ck_assert_uint_eq(sum.weights, 12);
    ck_assert_uint_eq(sum.nonzeros, 5);
    ck_assert_uint_eq(sum.n_layers, 1);
    ck_assert_uint_eq(sum.bits, 2);
    ck_assert_double_eq(sum.test_accuracy, 0.9);
    ck_assert_double_eq(sum.validation_accuracy, 0.9);
    ck_assert_uint_eq(tnm_model_inputs(model), 4);
    ck_assert_uint_eq(tnm_model_outputs(model), 3);
    ck_assert_str_eq(tnm_model_name(model), "tiny");
    ck_assert_str_eq(tnm_model_label(model, 2), "drei");
    ck_assert_ptr_null(tnm_model_label(model, 3));
    ck_assert_ptr_null(tnm_model_label(model, SIZE_MAX));
    ck_assert_int_eq(tnm_model_recipe(model)->fit, TNM_FIT_INK);
    tnm_model_close(model);
}
END_TEST

START_TEST(a_layer_describes_itself) {
    struct tnm_model *model = sample_open(SAMPLE_TINY);
    struct tnm_layer layer = {.rows = 77};
    ck_assert(!tnm_model_layer(model, 1, &layer) && layer.rows == 77);
    ck_assert(tnm_model_layer(model, 0, &layer));
    ck_assert_str_eq(layer.name, "fc");
    ck_assert_str_eq(layer.op, "linear");
    ck_assert_str_eq(layer.encoding, "csr-codebook");
    ck_assert_ptr_nonnull(layer.kernel);
    ck_assert_uint_eq(layer.rows, 3);
    ck_assert_uint_eq(layer.cols, 4);
    ck_assert_uint_eq(layer.weights, 12);
    ck_assert_uint_eq(layer.nonzeros, 5);
    ck_assert_uint_eq(layer.bits, 2);
    ck_assert_uint_eq(layer.bytes, 4 * 4 + 5 * 2 + 4 * 4 + 2 + 3 * 4);
    tnm_model_close(model);
}
END_TEST

START_TEST(layers_are_the_nodes_with_weights) {
    struct tnm_model *model = sample_open(SAMPLE_CONV);
    static const char *const name[3] = {"conv1", "conv2", "fc"};
    struct tnm_summary sum;
    struct tnm_layer layer;
    size_t weights = 0;
    for (uint32_t i = 0; i < 3; i++) {
        ck_assert(tnm_model_layer(model, i, &layer));
        ck_assert_str_eq(layer.name, name[i]);
        weights += layer.weights;
    }
    ck_assert(!tnm_model_layer(model, 3, &layer));
    tnm_model_summary(model, &sum);
    ck_assert_uint_eq(sum.weights, 4 * 9 + 6 * 18 + 10 * 24);
    ck_assert_uint_eq(sum.weights, weights);
    ck_assert_uint_eq(sum.parameters, weights + 4 + 6 + 10);
    ck_assert_uint_eq(sum.bits, 4);
    ck_assert(isnan(sum.test_accuracy) && isnan(sum.validation_accuracy));
    tnm_model_close(model);
}
END_TEST

START_TEST(bits_are_those_of_the_widest_codes) {
    struct tnm_model *model = sample_open(SAMPLE_SHARED);
    struct tnm_summary sum;
    tnm_model_summary(model, &sum);
    ck_assert_uint_eq(model->graph.node[0].w[0].bits, 5);
    ck_assert_uint_eq(model->graph.node[2].w[0].bits, 3);
    ck_assert_uint_eq(sum.bits, 5);
    tnm_model_close(model);
}
END_TEST

START_TEST(without_labels_a_model_counts) {
    struct tnm_model *model = sample_open(SAMPLE_SHARED);
    ck_assert_str_eq(tnm_model_label(model, 0), "0");
    ck_assert_str_eq(tnm_model_label(model, 9), "9");
    ck_assert_ptr_null(tnm_model_label(model, 10));
    ck_assert_int_eq(tnm_model_recipe(model)->fit, TNM_FIT_NONE);
    tnm_model_close(model);
}
END_TEST

// As sha256sum prints it: of "tests/data/good/tiny.tnm".
START_TEST(the_digest_is_the_sha_256_of_the_file) {
    size_t len;
    char hex[65];
    uint8_t digest[32], *bytes = sample_bytes(SAMPLE_TINY, &len);
    struct tnm_model *model = sample_open(SAMPLE_TINY);
    tnm_sha256(bytes, len, digest);
    for (int i = 0; i < 32; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    ck_assert_str_eq(tnm_model_digest(model), hex);
    tnm_model_close(model);
    free(bytes);
}
END_TEST

START_TEST(a_file_without_self_test_passes_it) {
    struct tnm_model *model = sample_open(SAMPLE_SHARED);
    ck_assert(tnm_model_self_test(model, NULL));
    tnm_model_close(model);
}
END_TEST

START_TEST(the_two_matrices_of_an_lstm_are_two_layers) {
    static const char *const name[] = {"lstm1.in", "lstm1.rec", "lstm2.in", "lstm2.rec", "fc"};
    static const uint32_t shape[][2] = {{16, 3}, {16, 4}, {24, 4}, {24, 6}, {3, 6}};
    struct tnm_model *model = sample_open(SAMPLE_LSTM);
    struct tnm_summary summary;
    struct tnm_layer layer;
    tnm_model_summary(model, &summary);
    ck_assert_uint_eq(summary.n_layers, 5);
    for (uint32_t i = 0; i < 5; i++) {
        ck_assert(tnm_model_layer(model, i, &layer));
        ck_assert_str_eq(layer.name, name[i]);
        ck_assert_uint_eq(layer.rows, shape[i][0]);
        ck_assert_uint_eq(layer.cols, shape[i][1]);
        ck_assert_ptr_nonnull(layer.kernel);
        ck_assert_uint_gt(layer.bytes, 0);
    }
    ck_assert(!tnm_model_layer(model, 5, &layer));
    tnm_model_close(model);
}
END_TEST

Suite *model_suite(void) {
    Suite *suite = suite_create("model");
    TCase *tcase = tcase_create("files");
    tcase_add_checked_fixture(tcase, begin, end);
    tcase_set_timeout(tcase, 30);
    tcase_add_loop_test(tcase, nothing_done_to_the_file_changes_an_answer, 0, 3);
    tcase_add_test(tcase, what_is_no_file_is_refused_without_waiting);
    tcase_add_test(tcase, an_empty_file_and_a_text_are_refused);
    tcase_add_test(tcase, a_file_that_is_longer_or_shorter_than_it_said_is_refused);
    tcase_add_test(tcase, an_open_model_holds_no_file);
    tcase_add_test(tcase, bytes_given_are_copied);
    tcase_add_test(tcase, a_file_beyond_the_limit_is_not_read);
    tcase_add_loop_test(tcase, no_model_holds_more_than_the_limit, 0, SAMPLE_KINDS);
    tcase_add_test(tcase, the_two_matrices_of_an_lstm_are_two_layers);
    suite_add_tcase(suite, tcase);
    tcase = tcase_create("description");
    tcase_add_test(tcase, a_model_describes_itself);
    tcase_add_test(tcase, a_layer_describes_itself);
    tcase_add_test(tcase, layers_are_the_nodes_with_weights);
    tcase_add_test(tcase, bits_are_those_of_the_widest_codes);
    tcase_add_test(tcase, without_labels_a_model_counts);
    tcase_add_test(tcase, the_digest_is_the_sha_256_of_the_file);
    tcase_add_test(tcase, a_file_without_self_test_passes_it);
    suite_add_tcase(suite, tcase);
    return suite;
}
