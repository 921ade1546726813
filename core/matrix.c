/* SPDX-License-Identifier: MIT */
// Weight matrices: reading entries, checking, making.
#include "core/matrix.h"

#include "core/error.h"
#include "core/graph.h"

#include <math.h>
#include <string.h>

// ---- Binary16 ----------------------------------------------------------------------------------

static float float_of(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

float tnm_half_to_float(uint16_t half) {
    uint32_t sign = (uint32_t)(half & 0x8000) << 16, rest = half & 0x7fff;
    if (rest >= 0x7c00) // infinity and NaN
        return float_of(sign | 0x7f800000 | rest << 13);
    // With the exponent field moved, the value is 2^-112 of the right one, subnormals included.
    float magnitude = float_of(rest << 13) * 0x1p112f;
    return sign != 0 ? -magnitude : magnitude;
}

uint16_t tnm_float_to_half(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint32_t sign = bits >> 16 & 0x8000, rest = bits & 0x7fffffff;
    if (rest > 0x7f800000)
        return (uint16_t)(sign | 0x7e00);
    if (rest >= 0x47800000) // 65536 and beyond
        return (uint16_t)(sign | 0x7c00);
    if (rest < 0x38800000) // below 2^-14: whole multiples of 2^-24; lrintf rounds ties to even
        return (uint16_t)(sign | (uint32_t)lrintf(float_of(rest) * 0x1p24f));
    uint32_t half = (rest - 0x38000000) >> 13, cut = rest & 0x1fff;
    return (uint16_t)(sign | (half + (cut > 0x1000 || (cut == 0x1000 && (half & 1) != 0))));
}

// ---- Reading -----------------------------------------------------------------------------------

uint32_t tnm_matrix_code(const struct tnm_matrix *m, size_t k) {
    size_t bit = k * m->bits;
    uint32_t two = m->code[bit / 8] | (uint32_t)m->code[bit / 8 + 1] << 8;
    return two >> bit % 8 & ((1u << m->bits) - 1);
}

static float dense_value(const struct tnm_matrix *m, size_t i) {
    return m->bits == 16 ? tnm_half_to_float(m->dense16[i]) : m->dense32[i];
}

float tnm_matrix_value(const struct tnm_matrix *m, size_t k) {
    if (m->encoding == TNM_DENSE)
        return dense_value(m, k);
    return m->value != NULL ? m->value[k] : m->codebook[tnm_matrix_code(m, k)];
}

void tnm_matrix_to_dense(const struct tnm_matrix *m, float *w) {
    if (m->encoding == TNM_DENSE) {
        for (size_t i = 0; i < tnm_matrix_elements(m); i++)
            w[i] = dense_value(m, i);
        return;
    }
    memset(w, 0, tnm_matrix_elements(m) * sizeof *w);
    for (uint32_t r = 0; r < m->rows; r++)
        for (size_t k = m->row_start[r]; k < m->row_start[r + 1]; k++)
            w[(size_t)r * m->cols + tnm_matrix_col(m, k)] = tnm_matrix_value(m, k);
}

uint64_t tnm_matrix_count_dense(const struct tnm_matrix *m) {
    uint64_t n = 0;
    for (size_t i = 0; i < tnm_matrix_elements(m); i++)
        n += m->bits == 16 ? (m->dense16[i] & 0x7fff) != 0 : m->dense32[i] != 0;
    return n;
}

const char *tnm_encoding_name(enum tnm_encoding encoding) {
    static const char *const name[] = {"dense", "csr", "csr-codebook", "packed"};
    return (unsigned)encoding < sizeof name / sizeof *name ? name[encoding] : "unknown";
}

// ---- Arrays ------------------------------------------------------------------------------------

bool tnm_matrix_has(const struct tnm_matrix *m, enum tnm_array array) {
    switch (array) {
    case TNM_ARRAY_DENSE:
        return m->encoding == TNM_DENSE;
    case TNM_ARRAY_ROW_START:
    case TNM_ARRAY_COL:
        return m->encoding == TNM_CSR || m->encoding == TNM_CSR_CODEBOOK;
    case TNM_ARRAY_VALUE:
        return m->encoding == TNM_CSR;
    case TNM_ARRAY_CODEBOOK:
    case TNM_ARRAY_CODE:
        return m->encoding == TNM_CSR_CODEBOOK;
    default:
        return false;
    }
}

const char *tnm_array_name(enum tnm_array array) {
    static const char *const name[TNM_ARRAYS] = {
        "values", "row starts", "column indices", "values", "codebook", "codes", "bias"};
    return name[array];
}

static bool wide_columns(const struct tnm_matrix *m) {
    return m->cols > 65536;
}

uint64_t tnm_array_bytes(const struct tnm_matrix *m, enum tnm_array array) {
    switch (array) {
    case TNM_ARRAY_DENSE:
        return (uint64_t)m->rows * m->cols * (m->bits / 8);
    case TNM_ARRAY_ROW_START:
        return 4 * ((uint64_t)m->rows + 1);
    case TNM_ARRAY_COL:
        return m->nonzeros * (wide_columns(m) ? 4 : 2);
    case TNM_ARRAY_VALUE:
        return 4 * m->nonzeros;
    case TNM_ARRAY_CODEBOOK:
        return 4 * (uint64_t)m->n_centroids;
    case TNM_ARRAY_CODE:
        return (m->nonzeros * m->bits + 7) / 8;
    default:
        return 4 * (uint64_t)m->rows;
    }
}

const void *tnm_array_get(const struct tnm_matrix *m, enum tnm_array array) {
    switch (array) {
    case TNM_ARRAY_DENSE:
        return m->bits == 16 ? (const void *)m->dense16 : m->dense32;
    case TNM_ARRAY_ROW_START:
        return m->row_start;
    case TNM_ARRAY_COL:
        return wide_columns(m) ? (const void *)m->col32 : m->col16;
    case TNM_ARRAY_VALUE:
        return m->value;
    case TNM_ARRAY_CODEBOOK:
        return m->codebook;
    case TNM_ARRAY_CODE:
        return m->code;
    default:
        return m->bias;
    }
}

void tnm_array_set(struct tnm_matrix *m, enum tnm_array array, const void *at) {
    switch (array) {
    case TNM_ARRAY_DENSE:
        m->dense32 = m->bits == 32 ? at : NULL;
        m->dense16 = m->bits == 16 ? at : NULL;
        break;
    case TNM_ARRAY_ROW_START:
        m->row_start = at;
        break;
    case TNM_ARRAY_COL:
        m->col16 = wide_columns(m) ? NULL : at;
        m->col32 = wide_columns(m) ? at : NULL;
        break;
    case TNM_ARRAY_VALUE:
        m->value = at;
        break;
    case TNM_ARRAY_CODEBOOK:
        m->codebook = at;
        break;
    case TNM_ARRAY_CODE:
        m->code = at;
        break;
    default:
        m->bias = at;
    }
}

// ---- Checking ----------------------------------------------------------------------------------

static bool check_codebook_sizes(const struct tnm_matrix *m, struct tnm_error *err) {
    if (m->bits < 1 || m->bits > 8)
        return tnm_fail(err, TNM_EFORMAT, "codes of %u bits, not 1 to 8", m->bits);
    if (m->n_centroids < 1 || m->n_centroids > 1u << m->bits)
        return tnm_fail(err, TNM_EFORMAT, "%u centroids, not 1 to %u for codes of %u bits",
                        m->n_centroids, 1u << m->bits, m->bits);
    return true;
}

static bool check_encoding(const struct tnm_matrix *m, struct tnm_error *err) {
    switch (m->encoding) {
    case TNM_DENSE:
        if (m->bits != 32 && m->bits != 16)
            return tnm_fail(err, TNM_EFORMAT, "dense values of %u bits, not 32 or 16", m->bits);
        return true;
    case TNM_CSR:
        if (m->bits != 32)
            return tnm_fail(err, TNM_EFORMAT, "csr values of %u bits, not 32", m->bits);
        return true;
    case TNM_CSR_CODEBOOK:
        return check_codebook_sizes(m, err);
    case TNM_PACKED:
        return tnm_fail(err, TNM_EUNSUPPORTED, "a matrix in memory is never packed");
    }
    return tnm_fail(err, TNM_EFORMAT, "encoding %u, not 0 to 3", (unsigned)m->encoding);
}

bool tnm_matrix_check_sizes(const struct tnm_matrix *m, struct tnm_error *err) {
    uint64_t n = (uint64_t)m->rows * m->cols;
    if (n < 1 || n > TNM_MAX_ELEMENTS)
        return tnm_fail(err, TNM_EFORMAT, "matrix of %u rows and %u columns, not 1 to %d elements",
                        m->rows, m->cols, TNM_MAX_ELEMENTS);
    if (!check_encoding(m, err))
        return false;
    if (m->nonzeros > n)
        return tnm_fail(err, TNM_EFORMAT, "%llu nonzeros in a matrix of %llu elements",
                        (unsigned long long)m->nonzeros, (unsigned long long)n);
    return true;
}

static bool check_floats(const float *at, size_t n, const char *what, struct tnm_error *err) {
    for (size_t i = 0; i < n; i++)
        if (!isfinite(at[i]))
            return tnm_fail(err, TNM_EFORMAT, "%s: entry %zu is not finite", what, i);
    return true;
}

static bool check_halves(const uint16_t *at, size_t n, struct tnm_error *err) {
    for (size_t i = 0; i < n; i++)
        if ((at[i] & 0x7c00) == 0x7c00)
            return tnm_fail(err, TNM_EFORMAT, "values: entry %zu is not finite", i);
    return true;
}

static bool check_rows(const struct tnm_matrix *m, struct tnm_error *err) {
    if (m->row_start[0] != 0)
        return tnm_fail(err, TNM_EFORMAT, "row starts: the first is %u, not 0", m->row_start[0]);
    for (uint32_t r = 0; r < m->rows; r++)
        if (m->row_start[r + 1] < m->row_start[r])
            return tnm_fail(err, TNM_EFORMAT, "row starts: row %u ends at %u, before its start %u",
                            r, m->row_start[r + 1], m->row_start[r]);
    if (m->row_start[m->rows] != m->nonzeros)
        return tnm_fail(err, TNM_EFORMAT, "row starts: the last is %u, not %llu nonzeros",
                        m->row_start[m->rows], (unsigned long long)m->nonzeros);
    return true;
}

static bool check_columns(const struct tnm_matrix *m, struct tnm_error *err) {
    for (uint32_t r = 0; r < m->rows; r++)
        for (size_t k = m->row_start[r], least = 0; k < m->row_start[r + 1]; k++) {
            uint32_t col = tnm_matrix_col(m, k);
            if (col >= m->cols)
                return tnm_fail(err, TNM_EFORMAT, "column indices: row %u has %u, not below %u", r,
                                col, m->cols);
            if (col < least)
                return tnm_fail(err, TNM_EFORMAT, "column indices: row %u has %u after %zu", r, col,
                                least - 1);
            least = (size_t)col + 1;
        }
    return true;
}

static bool check_codes(const struct tnm_matrix *m, struct tnm_error *err) {
    for (size_t k = 0; k < m->nonzeros; k++)
        if (tnm_matrix_code(m, k) >= m->n_centroids)
            return tnm_fail(err, TNM_EFORMAT, "codes: entry %zu is %u, not below %u", k,
                            tnm_matrix_code(m, k), m->n_centroids);
    size_t used = (size_t)m->nonzeros * m->bits;
    if (used % 8 != 0 && m->code[used / 8] >> used % 8 != 0)
        return tnm_fail(err, TNM_EFORMAT, "codes: unused bits of the last byte are not 0");
    return true;
}

bool tnm_matrix_check_arrays(const struct tnm_matrix *m, struct tnm_error *err) {
    for (enum tnm_array a = 0; a < TNM_ARRAY_BIAS; a++)
        if (tnm_matrix_has(m, a) && tnm_array_get(m, a) == NULL)
            return tnm_fail(err, TNM_EINPUT, "%s: there are none", tnm_array_name(a));
    if (m->bias != NULL && !check_floats(m->bias, m->rows, "bias", err))
        return false;
    if (m->encoding == TNM_DENSE)
        return m->bits == 16 ? check_halves(m->dense16, tnm_matrix_elements(m), err)
                             : check_floats(m->dense32, tnm_matrix_elements(m), "values", err);
    if (!check_rows(m, err) || !check_columns(m, err))
        return false;
    if (m->encoding == TNM_CSR)
        return check_floats(m->value, (size_t)m->nonzeros, "values", err);
    return check_floats(m->codebook, m->n_centroids, "codebook", err) && check_codes(m, err);
}
