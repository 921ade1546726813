/* SPDX-License-Identifier: MIT */
// Writing files: all or nothing, and only what a reader accepts.
#include "core/model.h"
#include "core/save.h"
#include "tests/files.h"
#include "tests/scratch.h"

#include <check.h>
#include <dirent.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *folder;

static void begin(void) {
    folder = scratch_make();
}

static void end(void) {
    scratch_remove(folder);
}

static int count_files(void) {
    int n = 0;
    DIR *dir = opendir(folder);
    while (dir != NULL && readdir(dir) != NULL)
        n++;
    closedir(dir);
    return n - 2; // without . and ..
}

static mode_t mode_of(const char *path) {
    struct stat st;
    ck_assert_int_eq(stat(path, &st), 0);
    return st.st_mode & 0777;
}

START_TEST(a_saved_file_is_what_was_encoded) {
    const char *path = scratch_path(folder, "m.tnm");
    struct tnm_error err;
    size_t len;
    uint8_t *bytes = sample_bytes(SAMPLE_TINY, &len);
    sample_save(SAMPLE_TINY, path);
    struct tnm_model *model = tnm_model_open(path, &err);
    ck_assert_msg(model != NULL, "%s", err.text);
    ck_assert_uint_eq(model->len, len);
    ck_assert_mem_eq(model->bytes, bytes, len);
    ck_assert_int_eq(count_files(), 1);
    tnm_model_close(model);
    free(bytes);
}
END_TEST

START_TEST(a_new_file_has_the_mode_of_the_umask_and_an_old_one_keeps_its) {
    const char *path = scratch_path(folder, "m.tnm");
    mode_t mask = umask(027);
    sample_save(SAMPLE_TINY, path);
    ck_assert_uint_eq(mode_of(path), 0640);
    ck_assert_int_eq(chmod(path, 0604), 0);
    sample_save(SAMPLE_DENSE, path);
    ck_assert_uint_eq(mode_of(path), 0604);
    umask(mask);
}
END_TEST

static void cannot_save(const char *path, const char *words) {
    struct sample sample;
    struct tnm_error err = {0};
    int files = count_files();
    sample_make(&sample, SAMPLE_DIGITS);
    ck_assert(!tnm_save(path, &sample.graph, &sample.meta, &err));
    ck_assert_int_eq(err.code, TNM_EIO);
    ck_assert_msg(strstr(err.text, words) != NULL, "%s", err.text);
    ck_assert_int_eq(count_files(), files);
    sample_free(&sample);
}

START_TEST(a_failure_leaves_no_file_behind) {
    const char *sub = scratch_path(folder, "sub");
    ck_assert_int_eq(mkdir(sub, 0700), 0);
    cannot_save(scratch_path(folder, "none/m.tnm"), "its folder cannot be opened: No such file");
    cannot_save(sub, "sub: cannot be replaced: Is a directory");
}
END_TEST

// A limit on the length of files stands for a full disk.
START_TEST(a_full_disk_leaves_the_old_file) {
    const char *path = scratch_path(folder, "m.tnm");
    struct rlimit old, small = {4096, 4096};
    sample_save(SAMPLE_TINY, path);
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &old), 0);
    small.rlim_max = old.rlim_max;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
    cannot_save(path, "cannot be written: File too large");
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &old), 0);
    struct tnm_model *model = tnm_model_open(path, NULL);
    ck_assert(model != NULL);
    ck_assert_str_eq(tnm_model_name(model), "tiny");
    tnm_model_close(model);
}
END_TEST

// The parent opens what the child keeps replacing: each time it is one or the other, whole.
START_TEST(a_reader_sees_the_old_file_or_the_new_one) {
    const char *path = scratch_path(folder, "m.tnm");
    int rounds = emulated() ? 20 : 100;
    sample_save(SAMPLE_TINY, path);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        for (int i = 0; i < rounds; i++)
            sample_save(i % 2 == 0 ? SAMPLE_DIGITS : SAMPLE_TINY, path);
        _exit(0);
    }
    for (int i = 0; i < rounds; i++) {
        struct tnm_error err;
        struct tnm_model *model = tnm_model_open(path, &err);
        ck_assert_msg(model != NULL, "%s", err.text);
        ck_assert(strcmp(tnm_model_name(model), "tiny") == 0 ||
                  strcmp(tnm_model_name(model), "digits") == 0);
        tnm_model_close(model);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(count_files(), 1);
}
END_TEST

// ---- What cannot be written --------------------------------------------------------------------

static void no_name(struct sample *s) {
    s->meta.name[0] = 0;
}

static void slash(struct sample *s) {
    strcpy(s->meta.name, "a/b");
}

static void too_few_labels(struct sample *s) {
    s->meta.n_labels = 2;
}

static void control_character(struct sample *s) {
    strcpy(s->meta.description, "two\nlines");
}

static void other_size(struct sample *s) {
    s->meta.recipe.width = 3;
}

static void five_channels(struct sample *s) {
    s->meta.recipe.channels = 5;
}

static void too_many_correct(struct sample *s) {
    s->meta.test.correct = 201;
}

static void verb(struct sample *s) {
    strcpy(s->meta.step[0].verb, "Train");
}

static void tolerance(struct sample *s) {
    s->meta.self_test.tolerance = NAN;
}

static void shape(struct sample *s) {
    s->graph.tensor[1].dim[0] = 4;
}

static void operation(struct sample *s) {
    s->graph.node[0].op = TNM_OP_LSTM;
}

static void no_codebook(struct sample *s) {
    s->graph.node[0].w[0].codebook = NULL;
}

static void column(struct sample *s) {
    ((uint16_t *)s->graph.node[0].w[0].col16)[1] = 4;
}

static const struct {
    void (*spoil)(struct sample *sample);
    const char *words;
} refused[] = {
    {no_name, "META: there is no name"},
    {slash, "META: name: \"a/b\" is not of"},
    {too_few_labels, "META: labels: 2 of them for 3 outputs"},
    {control_character, "META: description: text is not UTF-8 text without control characters"},
    {other_size, "META: recipe: 3 x 2 x 1 channels are not the 4 inputs"},
    {five_channels, "META: recipe: number of channels is 5, not 1 to 3"},
    {too_many_correct, "META: test score: number of correct answers is 201, not 0 to 200"},
    {verb, "META: provenance: step 0: verb \"Train\" is not of"},
    {tolerance, "SELFTEST: tolerance is not finite"},
    {shape, "node 0 \"fc\""},
    {operation, "lstm: 1 weight matrices, not 2"},
    {no_codebook, "node 0 \"fc\": codebook: there are none"},
    {column, "node 0 \"fc\": column indices: row 0 has 4, not below 4"},
};

START_TEST(what_a_reader_would_refuse_is_not_written) {
    const char *path = scratch_path(folder, "m.tnm");
    struct sample sample;
    struct tnm_error err = {0};
    sample_make(&sample, SAMPLE_TINY);
    refused[_i].spoil(&sample);
    ck_assert(!tnm_save(path, &sample.graph, &sample.meta, &err));
    ck_assert_msg(strstr(err.text, refused[_i].words) != NULL, "%s", err.text);
    ck_assert_msg(strncmp(err.text, path, strlen(path)) == 0, "%s", err.text);
    ck_assert_int_eq(count_files(), 0);
    sample_free(&sample);
}
END_TEST

Suite *save_suite(void) {
    Suite *suite = suite_create("save");
    TCase *tcase = tcase_create("save");
    tcase_add_checked_fixture(tcase, begin, end);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, a_saved_file_is_what_was_encoded);
    tcase_add_test(tcase, a_new_file_has_the_mode_of_the_umask_and_an_old_one_keeps_its);
    tcase_add_test(tcase, a_failure_leaves_no_file_behind);
    tcase_add_test(tcase, a_full_disk_leaves_the_old_file);
    tcase_add_test(tcase, a_reader_sees_the_old_file_or_the_new_one);
    tcase_add_loop_test(tcase, what_a_reader_would_refuse_is_not_written, 0,
                        sizeof refused / sizeof *refused);
    suite_add_tcase(suite, tcase);
    return suite;
}
