/* SPDX-License-Identifier: MIT */
// The inner loops: the layouts of weights they read, and one table of functions for each kind of
// processor.
//
// Every function here computes
//
//     y[r] = clamp(bias[r] + w[r][0] x[0] + w[r][1] x[1] + ..., low, high)
//
// in one order, ascending columns, each product and each sum rounded to f32 by itself (no fused
// multiply-add). Terms with w = 0 or x = 0 may be left out or put in: a sum that starts as bias + 0
// is never -0, so adding a zero changes no bit. Gather, scatter, dense, one input or many, scalar
// or NEON, on x86-64 or ARM: an input therefore has one answer, to the bit. (Except on 32-bit ARM,
// whose NEON unit takes numbers below 2^-126 for 0.)
//
// The order costs nothing where it matters: vector lanes hold different rows, inputs or pixels, not
// parts of one sum, and an unfused add has a shorter chain than a fused one. x and w are finite.
//
// Many inputs lie interleaved: element i of lane l is x[i * lanes + l].
#ifndef TNM_KERNELS_H
#define TNM_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tnm_clamp {
    float low, high; // -INFINITY, INFINITY: none
};

// v > low ? v : low, then v < high ? v : high: a NaN becomes low everywhere.
static inline float tnm_clamp(float v, struct tnm_clamp to) {
    v = v > to.low ? v : to.low;
    return v < to.high ? v : to.high;
}

// ---- Rows: for gathering, and for many inputs or pixels -----------------------------------------

// Rows sorted by their number of entries, four side by side (SELL-4-sigma: Kreutzer et al. 2014, "A
// unified sparse matrix data format", SIAM J. Sci. Comput. 36). A record holds the next entry of
// each of the four; rows that have run out hold weight 0, offset 0. Sorting makes the trip count of
// the inner loop change rarely, which keeps the branch predictor right, and the padding small.
struct tnm_record16 {
    uint16_t offset[4]; // in bytes: 4 * column
    float weight[4];
};

struct tnm_record32 { // where an offset would not fit 16 bits
    uint32_t offset[4];
    float weight[4];
};

struct tnm_record_code { // shared weights: codebook[code]
    uint16_t offset[4];
    uint8_t code[4];
};

enum tnm_record_form { TNM_RECORD16, TNM_RECORD32, TNM_RECORD_CODE };

struct tnm_group {
    float bias[4]; // never -0
    uint32_t row[4];
    uint32_t n_rows;    // 1..4 in use
    uint32_t n_records; // after those of the group before
};

struct tnm_rows {
    uint32_t n_groups;
    enum tnm_record_form form;
    const struct tnm_group *group; // (n_groups)
    const void *record;
    const float *codebook; // TNM_RECORD_CODE; rows that have run out hold a code that stands for 0
};

// ---- Columns: for visiting only the inputs that are not 0 ---------------------------------------

enum {
    TNM_SCATTER = 4,              // entries of a record
    TNM_SCATTER_MAX_ROWS = 16380, // so that byte offsets of rows and spare slots fit 16 bits
    TNM_SCATTER_MAX_COLS = 65535
};

// Column c is the records start[c] .. start[c + 1] - 1. Missing entries of a last record have
// weight 0 and point at the TNM_SCATTER spare slots behind the rows, each at its own.
struct tnm_column_record {
    uint16_t offset[TNM_SCATTER]; // in bytes: 4 * row
    float weight[TNM_SCATTER];
};

struct tnm_columns {
    uint32_t rows, cols;
    const uint32_t *start; // (cols + 1)
    const struct tnm_column_record *record;
    const float *bias; // (rows + TNM_SCATTER), never -0, the last ones 0
};

// What scattering writes into: lives in a session.
struct tnm_scatter_room {
    float *sum;       // (rows + TNM_SCATTER)
    uint16_t *active; // (cols)
};

// ---- Blocks: weights that come in fours ---------------------------------------------------------

// Four neighbouring rows of a column (tall, 4x1), or columns of a row (wide, 1x4). A block needs
// one offset, and its four inputs or four sums are one load; holes hold weight 0.
//
// A strip is 16 rows in groups of four, or 8 single rows: those with the same number of blocks, as
// near as sorting brings them. A step holds the next block of each; what has run out holds weight
// 0, offset 0. Several sums side by side, as each waits for its own last addition.
enum { TNM_TALL_ROWS = 16, TNM_WIDE_ROWS = 8 };

struct tnm_strip {
    float bias[16];  // of its rows in order, never -0
    uint32_t row[8]; // tall: the first row of each group; wide: each row
    uint32_t n;      // of these, 1 or more
    uint32_t n_steps;
};

struct tnm_blocks {
    uint32_t rows, n_strips;
    const struct tnm_strip *strip; // (n_strips)
    const uint16_t *offset;        // tall (steps, 4), wide (steps, 8): in bytes, 4 * first column
    const float *weight; // tall (steps, 4 groups, 4 rows), wide (steps, 2, 4 columns, 4 rows)
};

// Wide blocks for visiting only the inputs that are not 0: block column b is the records start[b]
// .. start[b + 1] - 1, of four rows each. Columns 4 b to 4 b + 3, but the last is always the last
// four columns. Missing rows as in tnm_columns.
struct tnm_block_columns {
    uint32_t rows, cols;    // 4 or more columns
    const uint32_t *start;  // (block columns + 1)
    const uint16_t *offset; // (records, 4): in bytes, 4 * row
    const float *weight;    // (records, 4 columns, 4 rows)
    const float *bias;      // (rows + TNM_SCATTER), never -0, the last ones 0
};

static inline uint32_t tnm_block_columns_of(uint32_t cols) {
    return (cols + 3) / 4;
}

static inline uint32_t tnm_block_column_at(uint32_t b, uint32_t cols) {
    return 4 * b + 4 <= cols ? 4 * b : cols - 4;
}

// ---- Dense --------------------------------------------------------------------------------------

struct tnm_dense {
    uint32_t rows, cols;
    const float *w;    // (rows, cols)
    const float *bias; // (rows), never -0
};

// ---- Many columns -------------------------------------------------------------------------------

// n columns side by side: element e of column j is at[e * stride + j].
struct tnm_span {
    const float *at;
    size_t stride, n;
};

// ---- The table ----------------------------------------------------------------------------------

struct tnm_kernels {
    const char *name;

    // One input: y (rows,) from x (cols,).
    void (*gather)(const struct tnm_rows *w, const float *x, float *y, struct tnm_clamp to);

    // Lists the columns of x (n,) that are not 0, ascending, into active (n + 8,); returns how
    // many.
    uint32_t (*find_active)(const float *x, uint32_t n, uint16_t *active);

    // One input, the columns room->active[0 .. n_active - 1] of x only.
    void (*scatter)(const struct tnm_columns *w, const float *x, uint32_t n_active,
                    const struct tnm_scatter_room *room, float *y, struct tnm_clamp to);

    // One input, tall or wide blocks.
    void (*gather_tall)(const struct tnm_blocks *w, const float *x, float *y, struct tnm_clamp to);
    void (*gather_wide)(const struct tnm_blocks *w, const float *x, float *y, struct tnm_clamp to);

    // Lists the block columns of x (cols,) that are not all 0, ascending, into active; returns how
    // many.
    uint32_t (*find_active_blocks)(const float *x, uint32_t cols, uint16_t *active);

    // One input, the block columns room->active[0 .. n_active - 1] of x only.
    void (*scatter_wide)(const struct tnm_block_columns *w, const float *x, uint32_t n_active,
                         const struct tnm_scatter_room *room, float *y, struct tnm_clamp to);

    // One input. blocks (cols / 4) is scratch.
    void (*dense)(const struct tnm_dense *w, const float *x, uint32_t *blocks, float *y,
                  struct tnm_clamp to);

    // One group of w, whose records start at record, for n columns side by side: y[i][j] for
    // i < n_rows, j < n. For many inputs n = stride = lanes; for a convolution columns run over
    // pixels and lanes, and offsets are those of a window's elements in the plane.
    void (*rows_many)(const struct tnm_rows *w, const struct tnm_group *group, const void *record,
                      const struct tnm_span *x, float *const y[4], struct tnm_clamp to);

    // Many inputs: y (rows, lanes) from x (cols, lanes); lanes is 4, 8, 16 or 32.
    void (*dense_many)(const struct tnm_dense *w, const float *x, size_t lanes, float *y,
                       struct tnm_clamp to);

    // What an lstm does to n places of its memory, those of all lanes: row and memory (4, n) are
    // what the two matrices give to its gates, in, forget, fresh, show. cell (n) is carried on,
    // out (n) is what it shows. Bounds of the functions in it: gates.h.
    void (*lstm)(const float *row, const float *memory, size_t n, float *cell, float *out);
};

// Features of the processor that a table may need.
enum { TNM_CPU_NEON = 1, TNM_CPU_AVX2 = 2 };

// What this processor has, without what TNM_CPU_OFF in the environment names ("neon", "avx2").
unsigned tnm_cpu_flags(void);

// The fastest table for these features. Pure: the same flags give the same table.
void tnm_kernels_pick(struct tnm_kernels *table, unsigned flags);

// Each fills in what it does; a variant only what it does better than the table before it.
void tnm_kernels_scalar(struct tnm_kernels *table);
void tnm_kernels_neon(struct tnm_kernels *table);
void tnm_kernels_neon_avx2(struct tnm_kernels *table); // x86-64 only
void tnm_kernels_blocks(struct tnm_kernels *table);    // part of neon, and of neon_avx2
void tnm_kernels_blocks_avx2(struct tnm_kernels *table);

static inline size_t tnm_record_bytes(enum tnm_record_form form) {
    return form == TNM_RECORD16   ? sizeof(struct tnm_record16)
           : form == TNM_RECORD32 ? sizeof(struct tnm_record32)
                                  : sizeof(struct tnm_record_code);
}

#endif
