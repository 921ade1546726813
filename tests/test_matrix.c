/* SPDX-License-Identifier: MIT */
// Weight matrices: making each encoding, reading it back, binary16.
#include "core/matrix.h"
#include "tests/random.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

// ---- Binary16 ----------------------------------------------------------------------------------

// Every half is the float of its definition, and comes back from it.
START_TEST(each_half_is_its_float_and_back) {
    for (uint32_t bits = 0; bits < 65536; bits++) {
        int exponent = bits >> 10 & 31;
        double fraction = bits & 0x3ff;
        if (exponent == 31)
            continue;
        double want = exponent == 0 ? ldexp(fraction, -24) : ldexp(fraction + 1024, exponent - 25);
        float got = tnm_half_to_float((uint16_t)bits);
        ck_assert_double_eq(got, bits >> 15 != 0 ? -want : want);
        ck_assert_uint_eq(tnm_float_to_half(got), bits);
    }
    ck_assert(isinf(tnm_half_to_float(0x7c00)) && isnan(tnm_half_to_float(0x7e00)));
}
END_TEST

// Half way between two neighbours goes to the even one, anything else to the nearer one.
START_TEST(floats_round_to_the_nearest_half) {
    for (uint32_t bits = 0; bits < 0x7bff; bits++) {
        float low = tnm_half_to_float((uint16_t)bits);
        float high = tnm_half_to_float((uint16_t)(bits + 1)), middle = low + (high - low) / 2;
        ck_assert_uint_eq(tnm_float_to_half(middle), bits + bits % 2);
        ck_assert_uint_eq(tnm_float_to_half(nextafterf(middle, 0)), bits);
        ck_assert_uint_eq(tnm_float_to_half(-nextafterf(middle, 1e9f)), (bits + 1) | 0x8000);
    }
    ck_assert_uint_eq(tnm_float_to_half(65519.99f), 0x7bff);
    ck_assert_uint_eq(tnm_float_to_half(65520), 0x7c00);
    ck_assert_uint_eq(tnm_float_to_half(1e30f), 0x7c00);
    ck_assert_uint_eq(tnm_float_to_half(INFINITY), 0x7c00);
    ck_assert_uint_eq(tnm_float_to_half(NAN) & 0x7c00, 0x7c00);
    ck_assert_uint_eq(tnm_float_to_half(-1e-30f), 0x8000);
}
END_TEST

// ---- Encodings ---------------------------------------------------------------------------------

struct made {
    struct tnm_matrix_source source;
    float *w, codebook[256];
    uint8_t *keep, *code;
    float *want; // (rows, cols)
};

static void make(struct made *m, uint32_t rows, uint32_t cols, enum tnm_encoding encoding,
                 uint32_t bits, unsigned kept) {
    size_t n = (size_t)rows * cols;
    struct randomness r;
    random_start(&r, rows + 100 * bits + kept);
    *m = (struct made){.w = malloc(n * sizeof(float)),
                       .want = malloc(n * sizeof(float)),
                       .keep = malloc(n),
                       .code = malloc(n)};
    random_fill(&r, m->w, n, 10);
    random_fill(&r, m->codebook, 256, 0);
    for (size_t i = 0; i < n; i++) {
        if (bits == 16)
            m->w[i] = tnm_half_to_float(tnm_float_to_half(m->w[i]));
        m->keep[i] = (uint8_t)random_percent(&r, kept);
        m->code[i] = (uint8_t)(bits <= 8 ? random_between(&r, 0, (1u << bits) - 1) : 0);
        float value = encoding == TNM_CSR_CODEBOOK ? m->codebook[m->code[i]] : m->w[i];
        m->want[i] = m->keep[i] != 0 ? value : 0;
    }
    m->source = (struct tnm_matrix_source){.rows = rows,
                                           .cols = cols,
                                           .encoding = encoding,
                                           .bits = bits,
                                           .w = m->w,
                                           .keep = m->keep,
                                           .code = m->code,
                                           .codebook = m->codebook,
                                           .n_centroids = bits <= 8 ? 1u << bits : 0};
}

static void unmake(struct made *m) {
    free(m->w);
    free(m->want);
    free(m->keep);
    free(m->code);
}

static const struct {
    uint32_t rows, cols;
    enum tnm_encoding encoding;
    uint32_t bits;
    unsigned kept;
} shape[] = {
    {3, 5, TNM_DENSE, 32, 100},
    {7, 9, TNM_DENSE, 16, 50},
    {8, 33, TNM_CSR, 32, 30},
    {1, 1, TNM_CSR, 32, 100},
    {4, 4, TNM_CSR, 32, 0},
    {2, 65536, TNM_CSR, 32, 1},
    {2, 65537, TNM_CSR, 32, 1},
    {9, 31, TNM_CSR_CODEBOOK, 1, 40},
    {9, 31, TNM_CSR_CODEBOOK, 2, 40},
    {9, 31, TNM_CSR_CODEBOOK, 3, 40},
    {9, 31, TNM_CSR_CODEBOOK, 4, 40},
    {9, 31, TNM_CSR_CODEBOOK, 5, 40},
    {9, 31, TNM_CSR_CODEBOOK, 6, 40},
    {9, 31, TNM_CSR_CODEBOOK, 7, 40},
    {9, 31, TNM_CSR_CODEBOOK, 8, 40},
    {4, 4, TNM_CSR_CODEBOOK, 5, 0},
    {300, 7, TNM_CSR_CODEBOOK, 5, 100},
};

START_TEST(what_a_matrix_is_made_from_comes_back) {
    struct made made;
    struct tnm_matrix m;
    struct tnm_error err;
    make(&made, shape[_i].rows, shape[_i].cols, shape[_i].encoding, shape[_i].bits, shape[_i].kept);
    ck_assert_msg(tnm_matrix_make(&m, &made.source, &err), "%s", err.text);
    size_t n = (size_t)m.rows * m.cols, kept = 0, nonzero = 0;
    float *w = malloc(n * sizeof *w);
    tnm_matrix_to_dense(&m, w);
    for (size_t i = 0; i < n; i++) {
        ck_assert_double_eq(w[i], made.want[i]);
        kept += made.keep[i] != 0;
        nonzero += made.want[i] != 0;
    }
    ck_assert_uint_eq(m.nonzeros, m.encoding == TNM_DENSE ? nonzero : kept);
    ck_assert_int_eq(m.col32 != NULL, m.encoding != TNM_DENSE && m.cols > 65536);
    ck_assert_ptr_null(m.bias);
    free(w);
    tnm_matrix_free(&m);
    unmake(&made);
}
END_TEST

// Without keep: what is not 0 for csr, all for the others.
START_TEST(without_a_mask_csr_keeps_what_is_not_zero) {
    static const float w[6] = {0, 1, -0.0f, 2, 0, 3};
    static const uint8_t code[6] = {0, 1, 0, 1, 0, 1};
    struct tnm_matrix m;
    struct tnm_matrix_source source = {.rows = 2, .cols = 3, .encoding = TNM_CSR, .w = w};
    ck_assert(tnm_matrix_make(&m, &source, NULL));
    ck_assert_uint_eq(m.nonzeros, 3);
    ck_assert_uint_eq(m.bits, 32);
    tnm_matrix_free(&m);
    source = (struct tnm_matrix_source){.rows = 2,
                                        .cols = 3,
                                        .encoding = TNM_CSR_CODEBOOK,
                                        .bits = 1,
                                        .code = code,
                                        .codebook = w,
                                        .n_centroids = 2};
    ck_assert(tnm_matrix_make(&m, &source, NULL));
    ck_assert_uint_eq(m.nonzeros, 6);
    tnm_matrix_free(&m);
}
END_TEST

static const float bad_weights[4] = {1, 2, NAN, 4}, too_large[4] = {1, 2, 65520, 4};
static const float fine[4] = {1, 2, 3, 4};
static const uint8_t codes[4] = {0, 1, 2, 3};

static const struct {
    struct tnm_matrix_source source;
    int code;
    const char *words;
} refused[] = {
    {{.rows = 2, .cols = 2, .bits = 32, .w = bad_weights},
     TNM_EFORMAT,
     "values: entry 2 is not finite"},
    {{.rows = 2, .cols = 2, .bits = 16, .w = too_large},
     TNM_EFORMAT,
     "values: entry 2 is not finite"},
    {{.rows = 2, .cols = 2, .encoding = TNM_CSR, .w = bad_weights},
     TNM_EFORMAT,
     "values: entry 2 is not finite"},
    {{.rows = 2, .cols = 2, .bits = 32, .w = fine, .bias = bad_weights + 2},
     TNM_EFORMAT,
     "bias: entry 0 is not finite"},
    {{.rows = 2, .cols = 2, .bits = 8, .w = fine},
     TNM_EFORMAT,
     "dense values of 8 bits, not 32 or 16"},
    {{.rows = 2, .cols = 2, .bits = 32}, TNM_EINPUT, "a matrix without weights"},
    {{.rows = 0, .cols = 2, .bits = 32, .w = fine},
     TNM_EFORMAT,
     "matrix of 0 rows and 2 columns, not 1 to 268435456 elements"},
    {{.rows = 65536, .cols = 65536, .bits = 32, .w = fine},
     TNM_EFORMAT,
     "matrix of 65536 rows and 65536 columns, not 1 to 268435456 elements"},
    {{.rows = 2,
      .cols = 2,
      .encoding = TNM_CSR_CODEBOOK,
      .bits = 2,
      .code = codes,
      .codebook = fine,
      .n_centroids = 3},
     TNM_EFORMAT,
     "code 3 of weight 3 is not below 3"},
    {{.rows = 2,
      .cols = 2,
      .encoding = TNM_CSR_CODEBOOK,
      .bits = 2,
      .code = codes,
      .codebook = bad_weights,
      .n_centroids = 4},
     TNM_EFORMAT,
     "codebook: entry 2 is not finite"},
    {{.rows = 2,
      .cols = 2,
      .encoding = TNM_CSR_CODEBOOK,
      .bits = 9,
      .code = codes,
      .codebook = fine,
      .n_centroids = 4},
     TNM_EFORMAT,
     "codes of 9 bits, not 1 to 8"},
    {{.rows = 2, .cols = 2, .encoding = TNM_PACKED, .w = fine},
     TNM_EUNSUPPORTED,
     "a matrix in memory is never packed"},
};

START_TEST(a_source_without_valid_matrix_is_refused) {
    struct tnm_error err = {0};
    struct tnm_matrix m;
    memset(&m, 0xff, sizeof m);
    ck_assert(!tnm_matrix_make(&m, &refused[_i].source, &err));
    ck_assert_str_eq(err.text, refused[_i].words);
    ck_assert_int_eq(err.code, refused[_i].code);
    ck_assert_ptr_null(m.owned);
    ck_assert_uint_eq(m.rows, 0);
    tnm_matrix_free(&m);
}
END_TEST

Suite *matrix_suite(void) {
    Suite *suite = suite_create("matrix");
    TCase *tcase = tcase_create("matrix");
    tcase_set_timeout(tcase, 30);
    tcase_add_test(tcase, each_half_is_its_float_and_back);
    tcase_add_test(tcase, floats_round_to_the_nearest_half);
    tcase_add_loop_test(tcase, what_a_matrix_is_made_from_comes_back, 0,
                        sizeof shape / sizeof *shape);
    tcase_add_test(tcase, without_a_mask_csr_keeps_what_is_not_zero);
    tcase_add_loop_test(tcase, a_source_without_valid_matrix_is_refused, 0,
                        sizeof refused / sizeof *refused);
    suite_add_tcase(suite, tcase);
    return suite;
}
