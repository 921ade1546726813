/* SPDX-License-Identifier: MIT */
// A weight matrix in the form that its kernels read, built once when a model is opened.
//
// Which form is decided by shape and density alone, so that a model runs the same way everywhere:
//   - linear, more than 7 of 20 weights not zero: dense, in place where the file holds f32: a
//     gather costs about three times what a dense multiply-add does.
//   - else rows for gathering; many inputs and convolutions read these too.
//   - linear, weights in blocks of four as core/blocks.h says: strips of blocks besides, for one
//     input. For many inputs four rows at once are no faster than rows: multiply and add, one after
//     the other, take longer than the loads that they would share.
//   - linear on the graph's own input: columns for scattering besides, taken for an input whose
//     columns that are not 0 hold at most half as many records as all rows do. Pictures are mostly
//     black; hidden layers behind a relu are not empty enough to pay for the stores. (A record
//     takes 0.9 ns to gather and 1.6 to scatter on x86-64; ARM's ratio should be between that
//     and 1.3.) Or block columns, where core/blocks.h finds them worth it, for an input that takes
//     at most three quarters of their records or what gathering rows takes instead. (2.4 ns, for 16
//     places.) Not beside tall blocks: to scatter as many of them as are active takes longer than
//     to gather them all, 1.1 to 1.6 times.
//
// Shared weights are spread out to f32, 6 bytes an entry with its offset, while the layer fits a
// Pi's caches; beyond that rows keep codes, 3 bytes an entry, looked up in the codebook while
// running. A lookup is one more load for each load of x: dear from a cache, cheap beside memory.
// (Measured on x86-64, gather, ns an entry, f32 against codes: 0.23 and 0.37 up to 6 MB, within the
// cache; 0.69 and 0.39 at 13 MB, beyond it.)
#ifndef TNM_LAYOUT_H
#define TNM_LAYOUT_H

#include "core/kernels/kernels.h"
#include "core/matrix.h"

struct tnm_layout {
    // What runs one input: "dense", "gather", "scatter", "gather 4x1", "gather 1x4", "scatter 1x4";
    // of a convolution "direct".
    const char *kernel;
    struct tnm_dense dense;
    struct tnm_rows rows;
    struct tnm_columns columns;
    struct tnm_blocks tall, wide;
    struct tnm_block_columns wide_columns;
    uint64_t most_active; // columns: an input that takes more records than these is gathered
    size_t bytes;         // held by this layout
    void *owned[10];      // of rows 3 at most, of strips 3, of columns 3, of block columns 4
};

// How a matrix is used.
struct tnm_use {
    const struct tnm_matrix *matrix;
    bool convolution;
    bool reads_input; // x is the input of the graph
    // The element of x that weight (row, col) is multiplied with; NULL: element col.
    uint32_t (*element)(const void *context, uint32_t row, uint32_t col);
    const void *context;
};

// The most bytes that a layout for this use can take, without looking at the entries.
uint64_t tnm_layout_bound(const struct tnm_use *use);

// The matrix must outlive the layout. On failure out is empty: TNM_ENOMEM.
bool tnm_layout_make(struct tnm_layout *out, const struct tnm_use *use,
                     struct tnm_error *err) TNM_MUST_CHECK;

void tnm_layout_free(struct tnm_layout *layout);

#endif
