/* SPDX-License-Identifier: MIT */
// The models in models/: each is what its file says, and has a recipe.
#include <check.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/model.h"
#include "models/measure.h"
#include "tests/scratch.h"

enum {
    ALL = 10000,
    SMALL = 320 << 10, // memory of a model that answers all of them at once
    SOME = 300
};

static glob_t files;

static void find_files(void) {
    ck_assert_int_eq(glob("models/*.tnm", 0, NULL, &files), 0);
}

static void forget_files(void) {
    globfree(&files);
}

static struct tnm_model *open_model(const char *path) {
    struct tnm_error err;
    struct tnm_model *model = tnm_model_open(path, &err);
    ck_assert_msg(model != NULL, "%s", err.text);
    return model;
}

START_TEST(every_model_passes_its_self_test_and_is_named_after_its_file) {
    for (size_t i = 0; i < files.gl_pathc; i++) {
        struct tnm_model *model = open_model(files.gl_pathv[i]);
        char path[256];
        ck_assert_msg(tnm_model_self_test(model, NULL), "%s", files.gl_pathv[i]);
        ck_assert_uint_gt(model->meta.self_test.n_cases, 0);
        ck_assert_uint_gt(model->meta.n_steps, 0);
        snprintf(path, sizeof path, "models/%s.tnm", tnm_model_name(model));
        ck_assert_str_eq(path, files.gl_pathv[i]);
        snprintf(path, sizeof path, "models/recipes/%s.sh", tnm_model_name(model));
        ck_assert_msg(access(path, R_OK) == 0, "there is no %s", path);
        tnm_model_close(model);
    }
}
END_TEST

// All test images where that is quick: then the count is the one in the file. Else some of them.
static void check_claim(const char *path, const struct tnm_model *model) {
    struct dataset data;
    struct measure m;
    struct tnm_error err;
    struct tnm_summary summary;
    tnm_model_summary(model, &summary);
    bool all = summary.memory_bytes < SMALL && !emulated();
    ck_assert(measure_data(&data, "models/mnist", &model->meta, tnm_model_outputs(model), false,
                           true, &err));
    struct data_set *set = &data.set[DATA_TEST];
    set->n = all ? ALL : SOME;
    ck_assert_msg(measure_run(&m, model, set, data.inputs, 2, &err), "%s", err.text);
    if (all)
        ck_assert_msg(m.correct == model->meta.test.correct, "%s: %u right, the file says %u", path,
                      m.correct, model->meta.test.correct);
    else // four standard errors of an accuracy of 99 % are 2.3 %
        ck_assert_double_ge((double)m.correct / SOME, summary.test_accuracy - 0.03);
    measure_free(&m);
    dataset_close(&data);
}

START_TEST(every_mnist_model_is_as_good_as_its_file_says) {
    uint32_t checked = 0;
    for (size_t i = 0; i < files.gl_pathc; i++) {
        struct tnm_model *model = open_model(files.gl_pathv[i]);
        if (strncmp(tnm_model_name(model), "mnist-", 6) == 0) {
            check_claim(files.gl_pathv[i], model);
            checked++;
        }
        tnm_model_close(model);
    }
    ck_assert_uint_gt(checked, 0);
}
END_TEST

Suite *published_suite(void);
Suite *published_suite(void) {
    Suite *suite = suite_create("published");
    TCase *t = tcase_create("published");
    tcase_add_checked_fixture(t, find_files, forget_files);
    tcase_set_timeout(t, 240);
    tcase_add_test(t, every_model_passes_its_self_test_and_is_named_after_its_file);
    tcase_add_test(t, every_mnist_model_is_as_good_as_its_file_says);
    suite_add_tcase(suite, t);
    return suite;
}
