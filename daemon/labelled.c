/* SPDX-License-Identifier: MIT */
// Reading idx files from memory.
#include "daemon/labelled.h"

#include "core/idx.h"

#include <stdlib.h>

enum { PIECE = 16384 };

static bool read_head(struct unpack *unpack, uint32_t magic, uint32_t *dim, struct tnm_error *err) {
    uint8_t words[4 * IDX_WORD];
    return unpack_read(unpack, words, IDX_WORD, err) && tnm_idx_check(words, magic, err) &&
           unpack_read(unpack, words, idx_head_bytes(magic) - IDX_WORD, err) &&
           tnm_idx_read_dims(words, magic, dim, err);
}

static bool check_count(uint32_t n, struct tnm_error *err) {
    if (n == 0)
        return tnm_fail(err, TNM_EFORMAT, "no images");
    return n <= LABELLED_MOST_IMAGES ||
           tnm_fail(err, TNM_ELIMIT, "%u images, at most %d", n, LABELLED_MOST_IMAGES);
}

// ---- Images ------------------------------------------------------------------------------------

static bool read_images_head(struct labelled *set, struct tnm_error *err) {
    uint32_t dim[3];
    if (!read_head(&set->unpack, IDX_IMAGES, dim, err) || !check_count(dim[0], err))
        return false;
    set->n = dim[0];
    set->height = dim[1];
    set->width = dim[2];
    uint64_t bytes = (uint64_t)dim[0] * dim[1] * dim[2];
    return bytes <= LABELLED_MOST_BYTES ||
           tnm_fail(err, TNM_ELIMIT, "%llu bytes of pictures, at most %d",
                    (unsigned long long)bytes, LABELLED_MOST_BYTES);
}

static bool check_images(struct labelled *set, const atomic_bool *stop, struct tnm_error *err) {
    uint8_t piece[PIECE];
    uint64_t left = (uint64_t)set->n * set->width * set->height;
    for (; left > 0; left -= left < PIECE ? left : PIECE) {
        if (atomic_load_explicit(stop, memory_order_relaxed))
            return true;
        if (!unpack_read(&set->unpack, piece, left < PIECE ? (size_t)left : PIECE, err))
            return false;
    }
    return unpack_finish(&set->unpack, err);
}

// Once through all of it, and back to the first picture.
static bool open_images(struct labelled *set, const atomic_bool *stop, struct tnm_error *err) {
    if (!unpack_open(&set->unpack, set->images, err))
        return false;
    bool ok = read_images_head(set, err) && check_images(set, stop, err);
    unpack_close(&set->unpack);
    return ok && unpack_open(&set->unpack, set->images, err) && read_images_head(set, err);
}

bool labelled_read(struct labelled *set, uint32_t n, uint8_t *pixel, struct tnm_error *err) {
    return unpack_read(&set->unpack, pixel, (size_t)n * set->width * set->height, err);
}

// ---- Labels ------------------------------------------------------------------------------------

static bool read_labels(struct labelled *set, struct unpack *unpack, struct tnm_error *err) {
    uint32_t n;
    if (!read_head(unpack, IDX_LABELS, &n, err))
        return false;
    if (n != set->n)
        return tnm_fail(err, TNM_EFORMAT, "%u labels for %u images", n, set->n);
    set->label = malloc(n);
    if (set->label == NULL)
        return tnm_fail(err, TNM_ENOMEM, "no memory for %u labels", n);
    if (!unpack_read(unpack, set->label, n, err) || !unpack_finish(unpack, err))
        return false;
    for (uint32_t i = 0; i < n; i++)
        set->used[set->label[i]]++;
    return true;
}

static bool open_labels(struct labelled *set, struct bytes labels, struct tnm_error *err) {
    struct unpack unpack;
    if (!unpack_open(&unpack, labels, err))
        return false;
    bool ok = read_labels(set, &unpack, err);
    unpack_close(&unpack);
    return ok;
}

bool labelled_open(struct labelled *set, struct bytes images, struct bytes labels,
                   const atomic_bool *stop, struct tnm_error *err) {
    *set = (struct labelled){.images = images};
    bool ok = open_images(set, stop, err);
    if (!ok)
        tnm_fail_in(err, "images");
    else if (!(ok = open_labels(set, labels, err)))
        tnm_fail_in(err, "labels");
    if (!ok)
        labelled_close(set);
    return ok;
}

void labelled_close(struct labelled *set) {
    unpack_close(&set->unpack);
    free(set->label);
    set->label = NULL;
}
