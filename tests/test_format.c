/* SPDX-License-Identifier: MIT */
// The file format: what is written is read back, by both readers; damage is found.
#include "core/checksum.h"
#include "core/model.h"
#include "core/save.h"
#include "tests/files.h"
#include "tests/mutate.h"
#include "tests/plain_reader.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct tnm_model *open_bytes(const uint8_t *bytes, size_t len, struct tnm_error *err) {
    return tnm_model_from_bytes(bytes, len, NULL, err);
}

// ---- Both readers ------------------------------------------------------------------------------

START_TEST(a_file_read_and_written_again_is_the_same) {
    struct tnm_error err;
    size_t len, again_len;
    uint8_t *bytes = sample_bytes((enum sample_kind)_i, &len), *again;
    struct tnm_model *model = open_bytes(bytes, len, &err);
    ck_assert_msg(model != NULL, "%s", err.text);
    ck_assert(tnm_encode(&model->graph, &model->meta, &again, &again_len, &err));
    ck_assert_uint_eq(len, again_len);
    ck_assert_mem_eq(bytes, again, len);
    tnm_model_close(model);
    free(bytes);
    free(again);
}
END_TEST

static void same_matrix(const struct plain_node *want, const struct tnm_matrix *got) {
    size_t n = (size_t)got->rows * got->cols;
    ck_assert_uint_eq(want->rows, got->rows);
    ck_assert_uint_eq(want->cols, got->cols);
    float *w = malloc(n * sizeof *w);
    double *plain = calloc(n, sizeof *plain);
    uint64_t nonzeros = 0;
    tnm_matrix_to_dense(got, w);
    for (size_t k = 0; k < want->n_entries; k++) {
        const struct plain_entry *entry = &want->entry[k];
        plain[entry->row * want->cols + entry->col] = entry->value;
        nonzeros += want->encoding != 0 || entry->value != 0;
    }
    for (size_t i = 0; i < n; i++)
        ck_assert_double_eq(w[i], plain[i]);
    ck_assert_uint_eq(nonzeros, got->nonzeros);
    ck_assert_int_eq(want->bias != NULL, got->bias != NULL);
    for (size_t r = 0; want->bias != NULL && r < got->rows; r++)
        ck_assert_double_eq(got->bias[r], want->bias[r]);
    free(w);
    free(plain);
}

static void same_window(const struct plain_node *want, const struct tnm_window *got) {
    for (int i = 0; i < 2; i++) {
        ck_assert_uint_eq(want->kernel[i], got->kernel[i]);
        ck_assert_uint_eq(want->stride[i], got->stride[i]);
        ck_assert_uint_eq(want->dilation[i], got->dilation[i]);
    }
    for (int i = 0; i < 4; i++)
        ck_assert_uint_eq(want->pad[i], got->pad[i]);
    ck_assert_uint_eq(want->groups, got->groups);
}

static void same_node(const struct plain_node *want, const struct tnm_node *got) {
    ck_assert_str_eq(want->name, got->name);
    ck_assert_uint_eq(want->op, got->op);
    ck_assert_uint_eq(want->n_inputs, got->n_inputs);
    for (size_t i = 0; i < want->n_inputs; i++)
        ck_assert_uint_eq(want->input[i], got->input[i]);
    ck_assert_uint_eq(want->output, got->output);
    ck_assert_uint_eq(want->has_matrix + (want->memory != NULL), got->n_weights);
    if (want->has_matrix != 0)
        same_matrix(want, &got->w[0]);
    if (want->memory != NULL)
        same_matrix(want->memory, &got->w[1]);
    ck_assert_uint_eq(want->every_step, got->every_step);
    if (want->op >= TNM_OP_CONV2D && want->op <= TNM_OP_AVERAGE_POOL)
        same_window(want, &got->window);
    ck_assert_double_eq(want->low, got->clip.low);
    ck_assert_double_eq(want->high, got->clip.high);
}

static void same_graph(const struct plain *want, const struct tnm_graph *got) {
    ck_assert_uint_eq(want->n_tensors, got->n_tensors);
    ck_assert_uint_eq(want->n_nodes, got->n_nodes);
    ck_assert_uint_eq(want->input, got->input);
    ck_assert_uint_eq(want->output, got->output);
    for (size_t i = 0; i < got->n_tensors; i++) {
        ck_assert_str_eq(want->tensor[i].name, got->tensor[i].name);
        ck_assert_uint_eq(want->tensor[i].rank, got->tensor[i].rank);
        for (size_t k = 0; k < got->tensor[i].rank; k++)
            ck_assert_uint_eq(want->tensor[i].dim[k], got->tensor[i].dim[k]);
    }
    for (size_t i = 0; i < got->n_nodes; i++)
        same_node(&want->node[i], &got->node[i]);
}

static void same_recipe(const struct plain *want, const struct tnm_recipe *got) {
    ck_assert_uint_eq(want->width, got->width);
    ck_assert_uint_eq(want->height, got->height);
    ck_assert_uint_eq(want->channels, got->channels);
    ck_assert_uint_eq(want->has_recipe != 0 ? want->fit : TNM_FIT_NONE, got->fit);
    ck_assert_uint_eq(want->box, got->box);
    for (size_t i = 0; i < got->channels; i++) {
        ck_assert_double_eq(want->mean[i], got->mean[i]);
        ck_assert_double_eq(want->deviation[i], got->deviation[i]);
    }
}

static void same_step(const struct plain_step *want, const struct tnm_step *got) {
    ck_assert_str_eq(want->verb, got->verb);
    ck_assert_str_eq(want->parameters, got->parameters);
    ck_assert_uint_eq(want->seed, got->seed);
    ck_assert_uint_eq(want->nonzeros, got->nonzeros);
    ck_assert_uint_eq(want->images, got->validation.images);
    ck_assert_uint_eq(want->correct, got->validation.correct);
    ck_assert_uint_eq(want->has_parent, got->has_parent);
    ck_assert_mem_eq(want->parent, got->parent, 32);
}

static void same_meta(const struct plain *want, const struct tnm_meta *got) {
    ck_assert_str_eq(want->name, got->name);
    ck_assert_str_eq(want->description, got->description);
    ck_assert_str_eq(want->dataset, got->dataset);
    ck_assert_uint_eq(want->n_labels, got->n_labels);
    for (size_t i = 0; i < got->n_labels; i++)
        ck_assert_str_eq(want->label[i], got->label[i]);
    same_recipe(want, &got->recipe);
    ck_assert_uint_eq(want->test_images, got->test.images);
    ck_assert_uint_eq(want->test_correct, got->test.correct);
    ck_assert_uint_eq(want->validation_images, got->validation.images);
    ck_assert_uint_eq(want->validation_correct, got->validation.correct);
    ck_assert_uint_eq(want->n_steps, got->n_steps);
    for (size_t i = 0; i < got->n_steps; i++)
        same_step(&want->step[i], &got->step[i]);
}

static void same_test(const struct plain *want, const struct tnm_self_test *got) {
    ck_assert_uint_eq(want->n_cases, got->n_cases);
    ck_assert_double_eq(want->tolerance, got->tolerance);
    for (size_t i = 0; i < got->n_cases * got->inputs; i++)
        ck_assert_uint_eq(want->x[i], got->x[i]);
    for (size_t i = 0; i < got->n_cases * got->outputs; i++)
        ck_assert_double_eq(want->logits[i], got->logits[i]);
}

START_TEST(both_readers_read_the_same) {
    struct tnm_error err;
    struct sample sample;
    size_t len;
    int rule;
    sample_make(&sample, (enum sample_kind)_i);
    if (_i != SAMPLE_TINY && _i != SAMPLE_WIDE)
        sample_self_test(&sample, 3);
    uint8_t *bytes = sample_encode(&sample, &len);
    struct plain *plain = plain_read(bytes, len, &rule);
    ck_assert_msg(plain != NULL, "rule %d", rule);
    struct tnm_model *model = open_bytes(bytes, len, &err);
    ck_assert_msg(model != NULL, "%s", err.text);
    same_graph(plain, &model->graph);
    same_meta(plain, &model->meta);
    same_test(plain, &model->meta.self_test);
    tnm_model_close(model);
    plain_free(plain);
    free(bytes);
    sample_free(&sample);
}
END_TEST

// The logits are those of plain loops in double precision.
START_TEST(a_model_gives_the_answers_of_the_document) {
    struct tnm_error err;
    struct sample sample;
    size_t len;
    sample_make(&sample, (enum sample_kind)_i);
    if (_i != SAMPLE_TINY)
        sample_self_test(&sample, _i == SAMPLE_WIDE ? 1 : 5);
    uint8_t *bytes = sample_encode(&sample, &len);
    struct tnm_model *model = open_bytes(bytes, len, &err);
    ck_assert_msg(model != NULL, "%s", err.text);
    ck_assert_msg(tnm_model_self_test(model, &err), "%s", err.text);
    tnm_model_close(model);
    free(bytes);
    sample_free(&sample);
}
END_TEST

START_TEST(a_wrong_answer_fails_the_self_test) {
    struct tnm_error err;
    struct sample sample;
    size_t len;
    sample_make(&sample, SAMPLE_TINY);
    sample.meta.self_test.logits[2] += 0.0011f;
    uint8_t *bytes = sample_encode(&sample, &len);
    struct tnm_model *model = open_bytes(bytes, len, &err);
    ck_assert(model != NULL && !tnm_model_self_test(model, &err));
    ck_assert_int_eq(err.code, TNM_ESELFTEST);
    ck_assert_str_eq(err.text, "self-test: case 0, output 2 is 0.1, must be 0.1011 within 0.001");
    tnm_model_close(model);
    free(bytes);
    sample_free(&sample);
}
END_TEST

// Inserts 5 bytes, a tag and its value, at the end of META and takes 5 from DATA's first padding,
// so that no array moves.
static void insert_tag(uint8_t *bytes, size_t len, uint8_t tag) {
    static const size_t meta_end = 16 + 3 * 8 + 7, data_start = 16 + 3 * 8 + 7 + 52;
    uint8_t *in = bytes + meta_end;
    memmove(in + 5, in, data_start - meta_end);
    memcpy(in, (uint8_t[5]){tag, 3, 0xff, 0, 0x80}, 5);
    bytes[20] = (uint8_t)(bytes[20] + 5);
    bytes[36] = (uint8_t)(bytes[36] - 5);
    mutate_seal(bytes, len);
}

START_TEST(unknown_tags_from_64_on_are_skipped) {
    struct tnm_error err = {0};
    size_t len;
    int rule;
    uint8_t *bytes = sample_bytes(SAMPLE_DENSE, &len);
    insert_tag(bytes, len, _i == 0 ? 64 : 63);
    struct tnm_model *model = open_bytes(bytes, len, &err);
    struct plain *plain = plain_read(bytes, len, &rule);
    if (_i == 0)
        ck_assert_msg(model != NULL && plain != NULL, "%s", err.text);
    else
        ck_assert_str_eq(err.text, "META: tag 63 is unknown to this build");
    tnm_model_close(model);
    plain_free(plain);
    free(bytes);
}
END_TEST

// ---- Damage ------------------------------------------------------------------------------------

START_TEST(any_byte_changed_is_refused) {
    struct tnm_error err;
    size_t len;
    int rule;
    uint8_t *bytes = sample_bytes(SAMPLE_TINY, &len);
    for (size_t i = 0; i < len; i++)
        for (unsigned bits = 1; bits < 256; bits += 1 + bits / 3) {
            bytes[i] = (uint8_t)(bytes[i] ^ bits);
            ck_assert_msg(open_bytes(bytes, len, &err) == NULL, "byte %zu changed by %x", i, bits);
            ck_assert(err.code == TNM_EFORMAT || err.code == TNM_EUNSUPPORTED);
            ck_assert(plain_read(bytes, len, &rule) == NULL);
            bytes[i] = (uint8_t)(bytes[i] ^ bits);
        }
    free(bytes);
}
END_TEST

START_TEST(any_shorter_or_longer_file_is_refused) {
    struct tnm_error err;
    size_t len;
    int rule;
    uint8_t *bytes = sample_bytes((enum sample_kind)_i, &len);
    bytes = realloc(bytes, len + 1);
    bytes[len] = 0;
    for (size_t n = 0; n <= len + 1; n++) {
        if (n == len)
            continue;
        // a block of just that length, so that reading beyond its end is seen
        uint8_t *part = malloc(n + (n == 0));
        memcpy(part, bytes, n);
        ck_assert_msg(open_bytes(part, n, &err) == NULL, "%zu bytes of %zu", n, len);
        ck_assert_int_eq(err.code, TNM_EFORMAT);
        ck_assert(plain_read(part, n, &rule) == NULL);
        free(part);
    }
    free(bytes);
}
END_TEST

// The same in the other byte order: numbers of 2 and 4 bytes the wrong way round.
START_TEST(a_big_endian_file_is_refused) {
    struct tnm_error err;
    size_t len;
    uint8_t *bytes = sample_bytes(SAMPLE_TINY, &len);
    for (size_t i = 8; i < 12; i += 2) {
        uint8_t low = bytes[i];
        bytes[i] = bytes[i + 1];
        bytes[i + 1] = low;
    }
    ck_assert(open_bytes(bytes, len, &err) == NULL);
    ck_assert_int_eq(err.code, TNM_EUNSUPPORTED);
    ck_assert_str_eq(err.text, "version 256 of the format, this build reads 1");
    free(bytes);
}
END_TEST

Suite *format_suite(void) {
    Suite *suite = suite_create("format");
    TCase *tcase = tcase_create("readers");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, a_file_read_and_written_again_is_the_same, 0, SAMPLE_KINDS);
    tcase_add_loop_test(tcase, both_readers_read_the_same, 0, SAMPLE_KINDS);
    tcase_add_loop_test(tcase, a_model_gives_the_answers_of_the_document, 0, SAMPLE_KINDS);
    tcase_add_test(tcase, a_wrong_answer_fails_the_self_test);
    tcase_add_loop_test(tcase, unknown_tags_from_64_on_are_skipped, 0, 2);
    suite_add_tcase(suite, tcase);
    tcase = tcase_create("damage");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, any_byte_changed_is_refused);
    tcase_add_loop_test(tcase, any_shorter_or_longer_file_is_refused, SAMPLE_TINY, SAMPLE_DENSE);
    tcase_add_test(tcase, a_big_endian_file_is_refused);
    suite_add_tcase(suite, tcase);
    return suite;
}
