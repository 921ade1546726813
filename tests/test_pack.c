/* SPDX-License-Identifier: MIT */
// tnm pack and tnm unpack as their user meets them: the real binary.
#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/model.h"
#include "tests/files.h"
#include "tests/scratch.h"
#include "tests/tool_run.h"

static const char published[] = "models/mnist-mlp-5bit.tnm";
static const char *folder;
static struct tnm_model *before; // the published model, which may be made anew at any time

static void make_folder(void) {
    struct tnm_error err;
    before = tnm_model_open(published, &err);
    ck_assert_msg(before != NULL, "%s", err.text);
    folder = scratch_make();
    sample_save(SAMPLE_CONV, scratch_path(folder, "conv.tnm"));
    sample_save(SAMPLE_SHARED, scratch_path(folder, "shared.tnm"));
    sample_save(SAMPLE_EVERY, scratch_path(folder, "every.tnm"));
    sample_save(SAMPLE_PACKED, scratch_path(folder, "packed.tnm"));
    sample_save(SAMPLE_DENSE, scratch_path(folder, "dense.tnm"));
}

static void remove_folder(void) {
    tnm_model_close(before);
    scratch_remove(folder);
}

#define RUN(CODE, ...)                                                                             \
    do {                                                                                           \
        struct tool_run run_ = tool_run(__VA_ARGS__);                                              \
        ck_assert_msg(run_.code == (CODE), "exit %d: %s%s", run_.code, run_.out, run_.err);        \
        tool_free(&run_);                                                                          \
    } while (0)

static char *slurp(const char *path, size_t *len) {
    FILE *file = fopen(path, "rb");
    ck_assert_msg(file != NULL, "%s", path);
    char *bytes = malloc(1 << 20);
    *len = fread(bytes, 1, 1 << 20, file);
    fclose(file);
    return bytes;
}

static void check_same_file(const char *one, const char *other) {
    size_t n, m;
    char *a = slurp(one, &n), *b = slurp(other, &m);
    ck_assert_uint_eq(n, m);
    ck_assert_mem_eq(a, b, n);
    free(a);
    free(b);
}

static struct tnm_model *open_model(const char *name) {
    struct tnm_error err;
    struct tnm_model *model = tnm_model_open(scratch_path(folder, name), &err);
    ck_assert_msg(model != NULL, "%s", err.text);
    return model;
}

START_TEST(unpacking_gives_the_very_file_that_was_packed) {
    static const char *const name[] = {"conv", "shared", "every"};
    RUN(0, "pack %s/%s.tnm -o %s/p.tnm", folder, name[_i], folder);
    RUN(0, "verify %s/p.tnm", folder);
    RUN(0, "unpack %s/p.tnm -o %s/u.tnm", folder, folder);
    char original[256];
    snprintf(original, sizeof original, "%s/%s.tnm", folder, name[_i]);
    check_same_file(original, scratch_path(folder, "u.tnm"));
}
END_TEST

START_TEST(coded_sections_come_back_as_well) {
    static const char *const name[] = {"conv", "shared", "every"};
    RUN(0, "pack %s/%s.tnm -o %s/p.tnm", folder, name[_i], folder);
    RUN(0, "pack --sections coded %s/%s.tnm -o %s/c.tnm", folder, name[_i], folder);
    RUN(0, "verify %s/c.tnm", folder);
    RUN(0, "info %s/c.tnm", folder);
    RUN(0, "unpack %s/c.tnm -o %s/u.tnm", folder, folder);
    struct tnm_model *plain = open_model("p.tnm"), *coded = open_model("c.tnm");
    ck_assert(coded->graph.coded && !plain->graph.coded);
    ck_assert_uint_lt(coded->len, plain->len);
    tnm_model_close(plain);
    tnm_model_close(coded);
    char original[256];
    snprintf(original, sizeof original, "%s/%s.tnm", folder, name[_i]);
    check_same_file(original, scratch_path(folder, "u.tnm"));
}
END_TEST

START_TEST(packing_twice_changes_nothing) {
    RUN(0, "unpack %s/packed.tnm -o %s/u.tnm", folder, folder);
    RUN(0, "pack %s/u.tnm -o %s/a.tnm", folder, folder);
    RUN(0, "pack %s/a.tnm -o %s/b.tnm", folder, folder);
    char a[256];
    snprintf(a, sizeof a, "%s/a.tnm", folder);
    check_same_file(a, scratch_path(folder, "b.tnm"));
}
END_TEST

START_TEST(the_published_model_packs_and_comes_back) {
    RUN(0, "pack %s -o %s/p.tnm", published, folder);
    RUN(0, "unpack %s/p.tnm -o %s/u.tnm", folder, folder);
    check_same_file(published, scratch_path(folder, "u.tnm"));
    struct tnm_model *model = open_model("p.tnm");
    ck_assert_uint_lt(model->len, before->len * 9 / 20);
    ck_assert(tnm_model_self_test(model, NULL));
    struct tnm_layer layer, plain;
    size_t bytes = 0;
    for (uint32_t i = 0; tnm_model_layer(model, i, &layer); i++) {
        ck_assert(tnm_model_layer(before, i, &plain));
        ck_assert_str_eq(plain.encoding, "csr-codebook");
        ck_assert_str_eq(layer.encoding, "packed");
        ck_assert_uint_eq(layer.bits, plain.bits);
        bytes += layer.bytes;
    }
    ck_assert_uint_lt(bytes, model->len);
    ck_assert_uint_gt(bytes, model->len / 2);
    tnm_model_close(model);
}
END_TEST

START_TEST(info_and_pack_tell_the_encoding_and_what_it_takes) {
    struct tool_run run = tool_run("pack --json %s -o %s/p.tnm", published, folder);
    ck_assert_int_eq(run.code, 0);
    json_t *all = json_loads(run.out, 0, NULL);
    ck_assert_ptr_nonnull(all);
    ck_assert_int_eq(json_integer_value(json_object_get(all, "before")), (json_int_t)before->len);
    const json_t *layer = json_array_get(json_object_get(all, "layers"), 0);
    ck_assert_str_eq(json_string_value(json_object_get(layer, "encoding")), "packed");
    json_decref(all);
    tool_free(&run);
    run = tool_run("pack %s -o %s/p.tnm", published, folder);
    char words[64];
    snprintf(words, sizeof words, " bytes from %zu: header 48, meta ", before->len);
    ck_assert_ptr_nonnull(strstr(run.out, words));
    tool_free(&run);
    run = tool_run("pack --sections coded %s -o %s/p.tnm", published, folder);
    ck_assert_ptr_nonnull(strstr(run.out, ": header 24, meta with graph and self-test "));
    tool_free(&run);
}
END_TEST

START_TEST(small_leaves_out_what_the_network_does_not_need) {
    RUN(0, "pack --small %s -o %s/p.tnm", published, folder);
    RUN(0, "verify %s/p.tnm", folder);
    struct tnm_model *model = open_model("p.tnm");
    ck_assert_uint_lt(model->len, before->len / 3);
    ck_assert_str_eq(tnm_model_name(model), "mnist-mlp-5bit");
    ck_assert_str_eq(tnm_model_label(model, 9), "9");
    ck_assert(model->meta.self_test.seeded);
    ck_assert_uint_eq(model->meta.self_test.n_cases, 2);
    ck_assert_uint_gt(model->meta.n_steps, 1);
    ck_assert_uint_eq(model->meta.n_steps, before->meta.n_steps);
    ck_assert_str_eq(model->meta.step[1].verb, before->meta.step[1].verb);
    ck_assert_str_ne(before->meta.step[1].parameters, "");
    ck_assert_str_eq(model->meta.step[1].parameters, "");
    ck_assert_str_eq(model->graph.node[1].name, "fc1");
    ck_assert_uint_gt(model->meta.test.correct, 0);
    ck_assert_uint_eq(model->meta.test.correct, before->meta.test.correct);
    ck_assert(model->graph.coded);
    tnm_model_close(model);
}
END_TEST

START_TEST(self_test_and_provenance_can_be_left_out) {
    RUN(0, "pack --self-test none --provenance none %s -o %s/p.tnm", published, folder);
    struct tnm_model *model = open_model("p.tnm");
    ck_assert_uint_eq(model->meta.self_test.n_cases, 0);
    ck_assert_uint_eq(model->meta.n_steps, 0);
    ck_assert_str_eq(model->graph.node[0].name, "flatten");
    tnm_model_close(model);
}
END_TEST

START_TEST(the_forge_goes_on_from_a_packed_file) {
    RUN(0, "pack %s -o %s/p.tnm", published, folder);
    RUN(0, "prune %s/p.tnm -o %s/q.tnm --nonzeros 3000", folder, folder);
    struct tnm_model *model = open_model("q.tnm");
    struct tnm_summary sum;
    tnm_model_summary(model, &sum);
    ck_assert_uint_eq(sum.nonzeros, 3000);
    tnm_model_close(model);
}
END_TEST

START_TEST(what_has_nothing_to_pack_is_refused) {
    struct tool_run run = tool_run("pack %s/dense.tnm -o %s/none.tnm", folder, folder);
    ck_assert_int_eq(run.code, 1);
    ck_assert_ptr_nonnull(strstr(run.err, "dense.tnm: no layer has shared weights to pack"));
    ck_assert_int_ne(access(scratch_path(folder, "none.tnm"), F_OK), 0);
    tool_free(&run);
}
END_TEST

Suite *pack_suite(void);
Suite *pack_suite(void) {
    Suite *suite = suite_create("pack");
    TCase *t = tcase_create("pack");
    tcase_add_unchecked_fixture(t, make_folder, remove_folder);
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, unpacking_gives_the_very_file_that_was_packed, 0, 3);
    tcase_add_loop_test(t, coded_sections_come_back_as_well, 0, 3);
    tcase_add_test(t, packing_twice_changes_nothing);
    tcase_add_test(t, the_published_model_packs_and_comes_back);
    tcase_add_test(t, info_and_pack_tell_the_encoding_and_what_it_takes);
    tcase_add_test(t, small_leaves_out_what_the_network_does_not_need);
    tcase_add_test(t, self_test_and_provenance_can_be_left_out);
    tcase_add_test(t, the_forge_goes_on_from_a_packed_file);
    tcase_add_test(t, what_has_nothing_to_pack_is_refused);
    suite_add_tcase(suite, t);
    return suite;
}
