/* SPDX-License-Identifier: MIT */
// Fuzz target: a stream of coded sections. What is read is written again, and read again it is the
// same.
#include "core/coded.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void again(const struct tnm_coded *coded) {
    struct tnm_sink out = {0};
    struct tnm_coder *c = malloc(sizeof *c);
    struct tnm_coded *copy = malloc(sizeof *copy);
    tnm_coder_start(c, (struct bytes){0}, &out);
    if (!tnm_coded_write(c, coded->section, NULL) || !tnm_coder_end(c))
        abort();
    if (!tnm_coded_read(copy, (struct bytes){out.at, out.len}, NULL) ||
        !tnm_coder_check_end(&copy->coder, "again", NULL))
        abort();
    for (unsigned i = 0; i < TNM_CODED_SECTIONS; i++) {
        struct bytes one = coded->section[i], other = copy->section[i];
        if (one.len != other.len || memcmp(one.at, other.at, one.len) != 0)
            abort();
    }
    tnm_coded_free(copy);
    tnm_sink_free(&out);
    free(copy);
    free(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct tnm_coded *coded = malloc(sizeof *coded);
    if (tnm_coded_read(coded, (struct bytes){data, size}, NULL))
        again(coded);
    tnm_coded_free(coded);
    free(coded);
    return 0;
}
