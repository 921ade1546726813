/* SPDX-License-Identifier: MIT */
// The head of an idx file, as LeCun's MNIST page describes it: a magic number, and the length of
// each dimension, 32-bit big-endian words.
#ifndef TNM_IDX_H
#define TNM_IDX_H

#include "core/tnm.h"

enum {
    IDX_IMAGES = 0x0803, // unsigned bytes, three dimensions: images, rows, columns
    IDX_LABELS = 0x0801, // unsigned bytes, one dimension
    IDX_MAX_SIDE = 4096, // of an image; a limit of ours
    IDX_WORD = 4         // bytes of each word of the head
};

// How many dimensions a kind of file has, and how many bytes its head.
static inline uint32_t idx_dims(uint32_t magic) {
    return magic & 0xff;
}
static inline size_t idx_head_bytes(uint32_t magic) {
    return IDX_WORD * (1 + idx_dims(magic));
}

// Whether the first word is magic. TNM_EFORMAT.
bool tnm_idx_check(const uint8_t word[IDX_WORD], uint32_t magic,
                   struct tnm_error *err) TNM_MUST_CHECK;

// The dimensions of the kind magic, from the words behind the first. TNM_ELIMIT for images without
// pixels or with sides beyond IDX_MAX_SIDE.
bool tnm_idx_read_dims(const uint8_t *words, uint32_t magic, uint32_t *dim,
                       struct tnm_error *err) TNM_MUST_CHECK;

#endif
