/* SPDX-License-Identifier: MIT */
// A labelled set of pictures, as MNIST and its relatives come: two idx files, gzip'd or not. The
// pictures are unpacked as they are read, and never all there at once.
#ifndef LABELLED_H
#define LABELLED_H

#include "daemon/unpack.h"

#include <stdatomic.h>

enum { LABELLED_MOST_IMAGES = 1000000, LABELLED_MOST_BYTES = 1 << 30 };

struct labelled {
    uint32_t n, width, height;
    uint8_t *label;     // (n,), owned
    uint32_t used[256]; // how often each label occurs
    struct unpack unpack;
    struct bytes images;
};

// Checks both files whole, unless *stop becomes true, after which labelled_read has what there is.
// images stay borrowed. TNM_EFORMAT (damaged, truncated, not as many labels as images), TNM_ELIMIT,
// TNM_ENOMEM.
bool labelled_open(struct labelled *set, struct bytes images, struct bytes labels,
                   const atomic_bool *stop, struct tnm_error *err) TNM_MUST_CHECK;
void labelled_close(struct labelled *set);

// The next n pictures, (n, height, width).
bool labelled_read(struct labelled *set, uint32_t n, uint8_t *pixel,
                   struct tnm_error *err) TNM_MUST_CHECK;

#endif
