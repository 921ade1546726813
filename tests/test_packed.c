/* SPDX-License-Identifier: MIT */
// The packed encoding: nothing is lost, nothing is read or written beyond, and the second reader,
// which shares no code, reads the same.
#include "core/packed.h"

#include "core/coder.h"
#include "core/model.h"
#include "core/save.h"
#include "tests/files.h"
#include "tests/guard.h"
#include "tests/plain_packed.h"
#include "tests/plain_reader.h"
#include "tests/random.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

// ---- The coder alone ---------------------------------------------------------------------------

// Bits of many probabilities, by a model, by a mixture, plain; what is written is read.
static void code_bits(struct tnm_coder *c, const uint8_t *bit, uint8_t *read, size_t n) {
    struct tnm_bit model[4];
    struct tnm_weights set[2];
    tnm_bits_init(model, 4, 1 << 15);
    tnm_weights_init(set, 2, 30000);
    for (size_t i = 0; i < n; i++) {
        struct tnm_decision d = {.n_models = 2,
                                 .model = {&model[0], &model[1 + i % 2]},
                                 .n_logits = 1,
                                 .logit = {(int)(i % 5000) - 2500},
                                 .n_sets = 2,
                                 .set = {&set[0], &set[1]}};
        read[i] = i % 3 == 0   ? tnm_code_mixed(c, &d, bit[i])
                  : i % 3 == 1 ? tnm_code_bit(c, &model[3], bit[i])
                               : (uint8_t)tnm_code_plain_bits(c, bit[i], 1);
    }
}

START_TEST(bits_come_back) {
    enum { N = 5000 };
    struct randomness r;
    random_start(&r, (uint64_t)_i);
    uint8_t bit[N], read[N];
    for (int i = 0; i < N; i++)
        bit[i] = (uint8_t)random_percent(&r, (const unsigned[]){0, 1, 50, 99, 100}[_i]);
    struct tnm_sink out = {0};
    struct tnm_coder *c = malloc(sizeof *c);
    tnm_coder_start(c, (struct bytes){0}, &out);
    code_bits(c, bit, read, N);
    tnm_coder_end(c);
    ck_assert(!out.failed && (out.len == 0 || out.at[out.len - 1] != 0));
    uint8_t *guarded = guard_copy(out.at, out.len);
    tnm_coder_start(c, (struct bytes){guarded, out.len}, NULL);
    code_bits(c, bit, read, N);
    ck_assert(tnm_coder_end(c));
    ck_assert_mem_eq(bit, read, N);
    guard_free(guarded, out.len);
    tnm_sink_free(&out);
    free(c);
}
END_TEST

START_TEST(the_tables_are_the_logistic_function) {
    struct tnm_coder *c = malloc(sizeof *c);
    tnm_coder_start(c, (struct bytes){0}, NULL);
    for (int x = 1 - TNM_SPAN; x < TNM_SPAN; x++)
        ck_assert_double_eq_tol(c->squash[TNM_SPAN + x], 65536 / (1 + exp(-x / 256.0)), 1.5);
    for (int p = 100; p < 65436; p++)
        ck_assert_double_eq_tol(c->stretch[p], 256 * log(p / (65536.0 - p)), 6);
    free(c);
}
END_TEST

// ---- Matrices ----------------------------------------------------------------------------------

struct shape {
    uint32_t rows, cols, width, bits, n_centroids, percent;
    int floats; // codebook and bias: 0 multiples, 1 f16, 2 f32, 3 all 0, 4 no bias
};

static const struct shape shapes[] = {
    {1, 1, 0, 1, 1, 100, 0},     {1, 1, 1, 1, 2, 0, 4},        {7, 5, 0, 2, 3, 50, 1},
    {20, 784, 28, 5, 31, 5, 2},  {30, 60, 0, 8, 256, 40, 1},   {3, 70000, 0, 3, 7, 1, 0},
    {40, 50, 7, 4, 16, 100, 2},  {9, 33, 33, 1, 2, 30, 3},     {64, 64, 1, 6, 60, 10, 4},
    {300, 100, 10, 4, 15, 3, 0}, {5, 1000, 30, 8, 200, 80, 1},
};

static float draw(struct randomness *r, int kind) {
    uint32_t n = random_between(r, 0, 200);
    return kind == 0   ? ((float)n - 100) * 0.0123f
           : kind == 1 ? tnm_half_to_float((uint16_t)random_between(r, 0, 0x7bff))
           : kind == 2 ? (float)n / 7 - (float)random_between(r, 0, 1000) / 37
                       : 0;
}

static struct tnm_matrix make_matrix(const struct shape *shape, unsigned seed) {
    struct randomness r;
    random_start(&r, seed);
    size_t n = (size_t)shape->rows * shape->cols;
    uint8_t *keep = malloc(n), *code = malloc(n);
    float codebook[256], *bias = malloc(shape->rows * sizeof *bias);
    for (size_t i = 0; i < n; i++) {
        keep[i] = (uint8_t)random_percent(&r, shape->percent);
        code[i] = (uint8_t)random_between(&r, 0, shape->n_centroids - 1);
    }
    for (uint32_t i = 0; i < shape->n_centroids; i++)
        codebook[i] = draw(&r, shape->floats);
    for (uint32_t i = 0; i < shape->rows; i++)
        bias[i] = i % 3 == 0 ? -0.0f : draw(&r, shape->floats);
    for (uint32_t i = 0; i < shape->rows && shape->floats == 0; i++)
        bias[i] = draw(&r, 0);
    struct tnm_matrix_source source = {shape->rows,
                                       shape->cols,
                                       TNM_CSR_CODEBOOK,
                                       shape->bits,
                                       NULL,
                                       keep,
                                       code,
                                       codebook,
                                       shape->n_centroids,
                                       shape->floats == 4 ? NULL : bias};
    struct tnm_matrix m;
    struct tnm_error err;
    ck_assert_msg(tnm_matrix_make(&m, &source, &err), "%s", err.text);
    m.packed = true;
    m.packed_width = shape->width;
    free(keep);
    free(code);
    free(bias);
    return m;
}

// A matrix of m's sizes, to be read into.
static struct tnm_matrix like(const struct tnm_matrix *m) {
    struct tnm_matrix copy = {.rows = m->rows,
                              .cols = m->cols,
                              .encoding = TNM_CSR_CODEBOOK,
                              .bits = m->bits,
                              .n_centroids = m->n_centroids,
                              .nonzeros = m->nonzeros,
                              .packed = true,
                              .packed_width = m->packed_width};
    ck_assert(tnm_matrix_take_arrays(&copy, m->bias != NULL, NULL));
    return copy;
}

// The stream alone, without the length in front.
static struct bytes stream_of(struct tnm_sink *sink, const struct tnm_matrix *m,
                              const struct tnm_matrix *before) {
    *sink = (struct tnm_sink){0};
    tnm_packed_write(sink, m, before);
    ck_assert(!sink->failed);
    size_t at = 0;
    while (sink->at[at++] >= 0x80)
        ;
    return (struct bytes){guard_copy(sink->at + at, sink->len - at), sink->len - at};
}

static void check_same(const struct tnm_matrix *a, const struct tnm_matrix *b) {
    for (enum tnm_array array = 0; array < TNM_ARRAYS; array++)
        if (tnm_matrix_has(a, array) || (array == TNM_ARRAY_BIAS && a->bias != NULL))
            ck_assert_mem_eq(tnm_array_get(a, array), tnm_array_get(b, array),
                             (size_t)tnm_array_bytes(a, array));
}

// Matrix i is fed by matrix i - 1.
START_TEST(a_matrix_comes_back_bit_for_bit) {
    struct tnm_matrix before = make_matrix(&shapes[_i > 0 ? _i - 1 : 0], 1);
    struct tnm_matrix m = make_matrix(&shapes[_i], 2), copy = like(&m);
    const struct tnm_matrix *fed = _i > 0 ? &before : NULL;
    struct tnm_sink sink;
    struct tnm_error err;
    struct bytes in = stream_of(&sink, &m, fed);
    ck_assert_msg(tnm_packed_read(in, &copy, fed, &err), "%s", err.text);
    check_same(&m, &copy);
    ck_assert(tnm_matrix_check_arrays(&copy, &err));
    guard_free((void *)in.at, in.len);
    tnm_sink_free(&sink);
    tnm_matrix_free(&copy);
    tnm_matrix_free(&m);
    tnm_matrix_free(&before);
}
END_TEST

static void count_rows(const struct tnm_matrix *m, uint64_t *counts) {
    for (uint32_t r = 0; r < m->rows; r++)
        counts[r] = m->row_start[r + 1] - m->row_start[r];
}

static void check_plain(const struct tnm_matrix *m, const struct plain_packed *p) {
    ck_assert_mem_eq(p->codebook, m->codebook, m->n_centroids * sizeof *m->codebook);
    if (m->bias != NULL)
        ck_assert_mem_eq(p->bias, m->bias, m->rows * sizeof *m->bias);
    uint64_t entries = 0;
    for (size_t i = 0; i < tnm_matrix_elements(m); i++)
        entries += p->code[i] >= 0;
    ck_assert_uint_eq(entries, m->nonzeros);
    for (uint32_t r = 0; r < m->rows; r++)
        for (size_t k = m->row_start[r]; k < m->row_start[r + 1]; k++)
            ck_assert_int_eq(p->code[(size_t)r * m->cols + tnm_matrix_col(m, k)],
                             (int)tnm_matrix_code(m, k));
}

START_TEST(the_second_reader_reads_the_same) {
    struct tnm_matrix before = make_matrix(&shapes[_i > 0 ? _i - 1 : 0], 1);
    struct tnm_matrix m = make_matrix(&shapes[_i], 2);
    struct tnm_sink sink;
    struct bytes in = stream_of(&sink, &m, _i > 0 ? &before : NULL);
    struct plain_packed b = {.rows = before.rows, .counts = calloc(before.rows, 8)};
    struct plain_packed p = {.rows = m.rows,
                             .cols = m.cols,
                             .width = m.packed_width,
                             .nonzeros = m.nonzeros,
                             .n_centroids = m.n_centroids,
                             .counts = calloc(m.rows, 8),
                             .code = calloc(tnm_matrix_elements(&m), sizeof(int)),
                             .codebook = calloc(256, sizeof(float)),
                             .bias = m.bias != NULL ? calloc(m.rows, sizeof(float)) : NULL};
    count_rows(&before, b.counts);
    ck_assert_int_eq(plain_unpack(in.at, in.len, &p, _i > 0 ? &b : NULL), 0);
    check_plain(&m, &p);
    free(b.counts);
    free(p.counts);
    free(p.code);
    free(p.codebook);
    free(p.bias);
    guard_free((void *)in.at, in.len);
    tnm_sink_free(&sink);
    tnm_matrix_free(&m);
    tnm_matrix_free(&before);
}
END_TEST

// Whatever a stream holds, arrays stay within their bounds (guard.h, and the sanitizers), and what
// is accepted is a valid matrix but for its floats.
START_TEST(garbled_streams_are_safe) {
    struct tnm_matrix m = make_matrix(&shapes[_i], 3);
    struct randomness r;
    random_start(&r, (uint64_t)_i);
    struct tnm_sink sink;
    struct bytes in = stream_of(&sink, &m, NULL);
    uint8_t *bytes = malloc(in.len + 8);
    int rounds = tnm_matrix_elements(&m) > 10000 ? 12 : 60;
    for (int i = 0; i < rounds; i++) {
        struct tnm_matrix copy = like(&m);
        struct tnm_error err = {0};
        size_t len = random_percent(&r, 30) ? random_between(&r, 0, (uint32_t)in.len) : in.len;
        memcpy(bytes, in.at, in.len);
        for (uint32_t n = random_between(&r, 1, 8); n > 0 && len > 0; n--)
            bytes[random_between(&r, 0, (uint32_t)len - 1)] = (uint8_t)random_bits(&r);
        uint8_t *guarded = guard_copy(bytes, len);
        bool ok = tnm_packed_read((struct bytes){guarded, len}, &copy, NULL, &err);
        guard_free(guarded, len);
        if (ok)
            ck_assert(tnm_matrix_check_arrays(&copy, &err) ||
                      strstr(err.text, "not finite") != NULL);
        else
            ck_assert_int_eq(err.code, TNM_EFORMAT);
        tnm_matrix_free(&copy);
    }
    free(bytes);
    guard_free((void *)in.at, in.len);
    tnm_sink_free(&sink);
    tnm_matrix_free(&m);
}
END_TEST

// ---- Files -------------------------------------------------------------------------------------

START_TEST(a_packed_file_runs_as_its_unpacked_twin) {
    struct tnm_model *packed = sample_open(SAMPLE_PACKED);
    uint8_t *bytes;
    size_t len;
    float x[144], a[10], b[10];
    struct tnm_layer layer;
    ck_assert(tnm_model_self_test(packed, NULL));
    ck_assert(tnm_model_layer(packed, 1, &layer));
    ck_assert_str_eq(layer.encoding, "packed");
    ck_assert_uint_eq(layer.bits, 7);
    ck_assert_uint_eq(layer.bytes, 717);
    for (uint32_t i = 0; i < packed->graph.n_nodes; i++)
        packed->graph.node[i].w[0].packed = false;
    ck_assert(tnm_encode(&packed->graph, &packed->meta, &bytes, &len, NULL));
    struct tnm_model *twin = tnm_model_from_bytes(bytes, len, NULL, NULL);
    struct tnm_session *one = tnm_session_open(packed, 1, NULL);
    struct tnm_session *other = tnm_session_open(twin, 1, NULL);
    for (int i = 0; i < 144; i++)
        x[i] = (float)(i * i % 7) / 7;
    tnm_session_run(one, x, 1, a);
    tnm_session_run(other, x, 1, b);
    ck_assert_mem_eq(a, b, sizeof a);
    tnm_session_close(one);
    tnm_session_close(other);
    tnm_model_close(packed);
    tnm_model_close(twin);
    free(bytes);
}
END_TEST

START_TEST(a_seeded_self_test_notices_a_wrong_answer) {
    struct tnm_error err;
    struct sample s;
    size_t len;
    sample_make(&s, SAMPLE_PACKED);
    s.meta.self_test.logits[13] += 2 * s.meta.self_test.step;
    uint8_t *bytes = sample_encode(&s, &len);
    struct tnm_model *model = tnm_model_from_bytes(bytes, len, NULL, &err);
    ck_assert(model != NULL && !tnm_model_self_test(model, &err));
    ck_assert_int_eq(err.code, TNM_ESELFTEST);
    tnm_model_close(model);
    sample_free(&s);
    free(bytes);
}
END_TEST

// The published network in a third of its csr-codebook bytes or less.
START_TEST(the_published_model_packs) {
    struct tnm_error err;
    struct tnm_model *model = tnm_model_open("models/mnist-mlp-5bit.tnm", &err);
    ck_assert_msg(model != NULL, "%s", err.text);
    const struct tnm_matrix *before = NULL;
    size_t packed = 0, plain = 0;
    for (uint32_t i = 0; i < model->graph.n_nodes; i++) {
        struct tnm_matrix *m = &model->graph.node[i].w[0];
        if (model->graph.node[i].n_weights == 0)
            continue;
        struct tnm_sink sink;
        m->packed_width = m->cols == 784 ? 28 : 0;
        struct bytes in = stream_of(&sink, m, before);
        struct tnm_matrix copy = like(m);
        ck_assert_msg(tnm_packed_read(in, &copy, before, &err), "%s", err.text);
        check_same(m, &copy);
        packed += sink.len;
        plain += model->weight_bytes[TNM_MAX_WEIGHTS * i];
        before = m;
        guard_free((void *)in.at, in.len);
        tnm_matrix_free(&copy);
        tnm_sink_free(&sink);
    }
    ck_assert_msg(3 * packed <= plain, "%zu of %zu bytes", packed, plain);
    tnm_model_close(model);
}
END_TEST

START_TEST(a_packed_file_that_needs_more_memory_than_the_limit_is_refused) {
    struct tnm_error err;
    size_t len;
    uint8_t *bytes = sample_bytes(SAMPLE_PACKED, &len);
    const struct tnm_limits limits = {1 << 20, 1 << 16};
    ck_assert(tnm_model_from_bytes(bytes, len, &limits, &err) == NULL);
    ck_assert_int_eq(err.code, TNM_ELIMIT);
    free(bytes);
}
END_TEST

Suite *packed_suite(void) {
    Suite *suite = suite_create("packed");
    TCase *tcase = tcase_create("packed");
    int n = (int)(sizeof shapes / sizeof *shapes);
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, bits_come_back, 0, 5);
    tcase_add_test(tcase, the_tables_are_the_logistic_function);
    tcase_add_loop_test(tcase, a_matrix_comes_back_bit_for_bit, 0, n);
    tcase_add_loop_test(tcase, the_second_reader_reads_the_same, 0, n);
    tcase_add_loop_test(tcase, garbled_streams_are_safe, 0, n);
    tcase_add_test(tcase, a_packed_file_runs_as_its_unpacked_twin);
    tcase_add_test(tcase, a_seeded_self_test_notices_a_wrong_answer);
    tcase_add_test(tcase, the_published_model_packs);
    tcase_add_test(tcase, a_packed_file_that_needs_more_memory_than_the_limit_is_refused);
    suite_add_tcase(suite, tcase);
    return suite;
}
