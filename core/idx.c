/* SPDX-License-Identifier: MIT */
// Heads of idx files.
#include "core/idx.h"

#include "core/bytes.h"
#include "core/error.h"

static uint32_t word_at(const uint8_t *at) {
    return __builtin_bswap32(load_u32(at));
}

bool tnm_idx_check(const uint8_t word[IDX_WORD], uint32_t magic, struct tnm_error *err) {
    uint32_t found = word_at(word);
    return found == magic ||
           tnm_fail(err, TNM_EFORMAT, "magic number 0x%08x, must be 0x%08x", found, magic);
}

bool tnm_idx_read_dims(const uint8_t *words, uint32_t magic, uint32_t *dim, struct tnm_error *err) {
    for (uint32_t i = 0; i < idx_dims(magic); i++)
        dim[i] = word_at(words + IDX_WORD * i);
    if (magic == IDX_IMAGES &&
        (dim[1] < 1 || dim[1] > IDX_MAX_SIDE || dim[2] < 1 || dim[2] > IDX_MAX_SIDE))
        return tnm_fail(err, TNM_ELIMIT, "images of %ux%u, sides may be 1 to %d", dim[2], dim[1],
                        IDX_MAX_SIDE);
    return true;
}
