/* SPDX-License-Identifier: MIT */
// Making weight matrices.
#include "core/matrix.h"

#include "core/error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool keeps(const struct tnm_matrix_source *source, size_t i) {
    if (source->keep != NULL)
        return source->keep[i] != 0;
    return source->encoding != TNM_CSR || source->w[i] != 0;
}

static bool check_source(const struct tnm_matrix *m, const struct tnm_matrix_source *source,
                         struct tnm_error *err) {
    if (!tnm_matrix_check_sizes(m, err))
        return false;
    if (m->encoding != TNM_CSR_CODEBOOK)
        return source->w != NULL || tnm_fail(err, TNM_EINPUT, "a matrix without weights");
    if (source->code == NULL || source->codebook == NULL)
        return tnm_fail(err, TNM_EINPUT, "a shared matrix without codes or codebook");
    for (size_t i = 0; i < tnm_matrix_elements(m); i++)
        if (keeps(source, i) && source->code[i] >= m->n_centroids)
            return tnm_fail(err, TNM_EFORMAT, "code %u of weight %zu is not below %u",
                            source->code[i], i, m->n_centroids);
    return true;
}

static uint64_t padded(uint64_t len) {
    return (len + TNM_ARRAY_ALIGN - 1) / TNM_ARRAY_ALIGN * TNM_ARRAY_ALIGN;
}

// One block for all arrays, with readable bytes behind the last.
uint64_t tnm_matrix_memory(const struct tnm_matrix *m, bool has_bias) {
    uint64_t total = TNM_ARRAY_ALIGN;
    for (enum tnm_array a = 0; a < TNM_ARRAYS; a++)
        if (tnm_matrix_has(m, a) || (a == TNM_ARRAY_BIAS && has_bias))
            total += padded(tnm_array_bytes(m, a));
    return total;
}

bool tnm_matrix_take_arrays(struct tnm_matrix *m, bool has_bias, struct tnm_error *err) {
    uint64_t total = tnm_matrix_memory(m, has_bias);
    uint8_t *at = total > SIZE_MAX ? NULL : aligned_alloc(TNM_ARRAY_ALIGN, (size_t)total);
    if (at == NULL)
        return tnm_fail_errno(err, ENOMEM, "matrix of %u rows and %u columns", m->rows, m->cols);
    memset(at, 0, (size_t)total);
    m->owned = at;
    for (enum tnm_array a = 0; a < TNM_ARRAYS; a++)
        if (tnm_matrix_has(m, a) || (a == TNM_ARRAY_BIAS && has_bias)) {
            tnm_array_set(m, a, at);
            at += padded(tnm_array_bytes(m, a));
        }
    return true;
}

static void fill_dense(struct tnm_matrix *m, const struct tnm_matrix_source *source) {
    uint16_t *half = (uint16_t *)m->dense16;
    float *whole = (float *)m->dense32;
    for (size_t i = 0; i < tnm_matrix_elements(m); i++) {
        float w = keeps(source, i) ? source->w[i] : 0;
        if (half != NULL)
            half[i] = tnm_float_to_half(w);
        else
            whole[i] = w;
    }
    m->nonzeros = tnm_matrix_count_dense(m);
}

static void put_code(uint8_t *code, size_t bit, unsigned value) {
    unsigned two = value << bit % 8;
    code[bit / 8] = (uint8_t)(code[bit / 8] | two);
    if (two > 0xff)
        code[bit / 8 + 1] = (uint8_t)(two >> 8);
}

static void put_col(const struct tnm_matrix *m, size_t k, uint32_t col) {
    if (m->col16 != NULL)
        ((uint16_t *)m->col16)[k] = (uint16_t)col;
    else
        ((uint32_t *)m->col32)[k] = col;
}

void tnm_matrix_put_entry(const struct tnm_matrix *m, size_t k, uint32_t col, uint32_t code) {
    put_col(m, k, col);
    put_code((uint8_t *)m->code, k * m->bits, code);
}

static void put_entry(struct tnm_matrix *m, const struct tnm_matrix_source *source, size_t k,
                      uint32_t r, uint32_t c) {
    size_t i = (size_t)r * m->cols + c;
    put_col(m, k, c);
    if (m->value != NULL)
        ((float *)m->value)[k] = source->w[i];
    else
        put_code((uint8_t *)m->code, k * m->bits, source->code[i]);
}

static void fill_sparse(struct tnm_matrix *m, const struct tnm_matrix_source *source) {
    uint32_t k = 0, *row_start = (uint32_t *)m->row_start;
    for (uint32_t r = 0; r < m->rows; r++) {
        for (uint32_t c = 0; c < m->cols; c++)
            if (keeps(source, (size_t)r * m->cols + c))
                put_entry(m, source, k++, r, c);
        row_start[r + 1] = k;
    }
    if (m->codebook != NULL)
        memcpy((float *)m->codebook, source->codebook, m->n_centroids * sizeof(float));
}

bool tnm_matrix_make(struct tnm_matrix *out, const struct tnm_matrix_source *source,
                     struct tnm_error *err) {
    *out = (struct tnm_matrix){0};
    struct tnm_matrix m = {.rows = source->rows,
                           .cols = source->cols,
                           .encoding = source->encoding,
                           .bits = source->encoding == TNM_CSR ? 32 : source->bits,
                           .n_centroids =
                               source->encoding == TNM_CSR_CODEBOOK ? source->n_centroids : 0};
    if (!check_source(&m, source, err))
        return false;
    for (size_t i = 0; i < tnm_matrix_elements(&m); i++)
        m.nonzeros += keeps(source, i);
    if (!tnm_matrix_take_arrays(&m, source->bias != NULL, err))
        return false;
    if (m.encoding == TNM_DENSE)
        fill_dense(&m, source);
    else
        fill_sparse(&m, source);
    if (m.bias != NULL)
        memcpy((float *)m.bias, source->bias, m.rows * sizeof *m.bias);
    if (!tnm_matrix_check_arrays(&m, err)) {
        tnm_matrix_free(&m);
        return false;
    }
    *out = m;
    return true;
}

void tnm_matrix_free(struct tnm_matrix *m) {
    free(m->owned);
    *m = (struct tnm_matrix){0};
}
