/* SPDX-License-Identifier: MIT */
// Fuzz target: a packed stream for a matrix whose sizes the first bytes say. What is read is valid,
// and written again and read again it is the same.
#include "core/packed.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEAD = 8 };

static struct tnm_matrix sizes(const uint8_t *at) {
    struct tnm_matrix m = {.rows = 1 + at[0] % 48,
                           .cols = 1 + at[1] + 256u * (at[2] % 4),
                           .encoding = TNM_CSR_CODEBOOK,
                           .bits = 1 + at[3] % 8,
                           .packed = true};
    m.n_centroids = 1 + at[4] % (1u << m.bits);
    m.packed_width = at[5] % (m.cols + 1);
    m.nonzeros = (at[6] + 256u * at[7]) % (tnm_matrix_elements(&m) + 1);
    return m;
}

static bool read(struct bytes in, struct tnm_matrix *m, bool has_bias) {
    if (!tnm_matrix_take_arrays(m, has_bias, NULL))
        abort();
    return tnm_packed_read(in, m, NULL, NULL) && tnm_matrix_check_arrays(m, NULL);
}

static void again(const struct tnm_matrix *m) {
    struct tnm_matrix copy = *m;
    struct tnm_sink out = {0};
    tnm_packed_write(&out, m, NULL);
    size_t at = 0;
    while (out.at[at++] >= 0x80)
        ;
    if (!read((struct bytes){out.at + at, out.len - at}, &copy, m->bias != NULL))
        abort();
    for (enum tnm_array a = 0; a < TNM_ARRAYS; a++)
        if ((tnm_matrix_has(m, a) || (a == TNM_ARRAY_BIAS && m->bias != NULL)) &&
            memcmp(tnm_array_get(m, a), tnm_array_get(&copy, a), (size_t)tnm_array_bytes(m, a)) !=
                0)
            abort();
    tnm_matrix_free(&copy);
    tnm_sink_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < HEAD)
        return 0;
    struct tnm_matrix m = sizes(data);
    if (read((struct bytes){data + HEAD, size - HEAD}, &m, data[0] >= 128))
        again(&m);
    tnm_matrix_free(&m);
    return 0;
}
