/* SPDX-License-Identifier: MIT */
// Thousands of files that are almost right: the two readers agree on each, and what opens runs.
#include "core/model.h"
#include "tests/files.h"
#include "tests/mutate.h"
#include "tests/plain_reader.h"
#include "tests/scratch.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct tnm_limits limits = {1 << 20, 8 << 20};

static void run(const struct tnm_model *model) {
    size_t inputs = tnm_model_inputs(model), outputs = tnm_model_outputs(model);
    float *x = calloc(2 * inputs, sizeof *x), *y = malloc(2 * outputs * sizeof *y);
    struct tnm_session *session = tnm_session_open(model, 2, NULL);
    for (size_t i = 0; i < 2 * inputs; i++)
        x[i] = (float)(i % 5) / 4;
    if (session != NULL) {
        tnm_session_run(session, x, 1, y);
        tnm_session_run(session, x, 2, y);
    }
    tnm_session_close(session);
    free(x);
    free(y);
}

// Whether the file was opened.
static bool agree(const uint8_t *bytes, size_t len) {
    struct tnm_error err = {0};
    int rule;
    struct tnm_model *model = tnm_model_from_bytes(bytes, len, &limits, &err);
    if (model == NULL && err.code == TNM_ELIMIT) // says nothing about the rules
        return false;
    struct plain *plain = plain_read(bytes, len, &rule);
    ck_assert_msg((plain != NULL) == (model != NULL), "core %s%s, the second reader %s (rule %d)",
                  model != NULL ? "opens" : "refuses: ", err.text,
                  plain != NULL ? "opens" : "refuses", rule);
    if (model != NULL)
        run(model);
    plain_free(plain);
    tnm_model_close(model);
    return model != NULL;
}

START_TEST(both_readers_agree_on_files_that_are_almost_right) {
    struct randomness r;
    struct sample sample;
    size_t len;
    int opened = 0, rounds = emulated() ? 300 : 3000;
    sample_make(&sample, (enum sample_kind)_i);
    if (sample.graph.coded) // takes the second reader longer
        rounds /= 6;
    uint8_t *bytes = sample_encode(&sample, &len);
    random_start(&r, (uint64_t)_i);
    for (int i = 0; i < rounds; i++) {
        size_t n = len;
        uint8_t *copy = memcpy(malloc(len), bytes, len);
        mutate(&r, &copy, &n);
        mutate_seal(copy, n);
        opened += agree(copy, n);
        free(copy);
    }
    // else nothing but the refusals was tested; of a coded file most damage is too much
    ck_assert_int_ge(opened, sample.graph.coded ? rounds / 500 : rounds / 100 + 1);
    ck_assert_int_lt(opened, rounds);
    free(bytes);
    sample_free(&sample);
}
END_TEST

Suite *mutations_suite(void) {
    Suite *suite = suite_create("mutations");
    TCase *tcase = tcase_create("mutations");
    tcase_set_timeout(tcase, 120);
    // the large ones would only be slower
    tcase_add_loop_test(tcase, both_readers_agree_on_files_that_are_almost_right, SAMPLE_TINY,
                        SAMPLE_WIDE);
    tcase_add_loop_test(tcase, both_readers_agree_on_files_that_are_almost_right, SAMPLE_CONV,
                        SAMPLE_KINDS);
    suite_add_tcase(suite, tcase);
    return suite;
}
