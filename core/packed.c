/* SPDX-License-Identifier: MIT */
// A matrix bit by bit. Each function here both writes and reads: see coder.h.
#include "core/packed.h"

#include "core/coder.h"
#include "core/error.h"
#include "core/packed_list.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    DENSITIES = 12, // buckets of a column's density
    NEEDS = 14,     // of what a row still needs
    GAPS = 10,      // of the distance to the entry before
    COUNTS = 24,    // of a row's entries: floor(log2(entries + 1))
    STEPS = 25,     // "larger than k" of a magnitude, k = 1 to 24; what is above is a number
    NEAR = 64       // magnitudes of neighbours
};

// What is known of a column before a row begins.
struct column {
    uint32_t entries;    // in the rows before
    uint32_t near, wide; // the same with neighbours, in a picture
    uint32_t magnitudes; // sum of them
    uint32_t feeding;    // entries of the row of the matrix before that feeds it, in 1/64 of mean
    uint32_t ratio, ratio2; // its density against the mean, in 1/64: two estimates
    uint8_t q, q2;          // the same as buckets
};

struct packer {
    const struct tnm_matrix *m;
    uint32_t width;          // of the picture, 0: none
    uint32_t negative;       // centroids below 0, and
    uint32_t positive;       //     the others, in ascending order
    uint8_t code_of[256];    // of a rank
    uint8_t rank_of[256];    // of a code
    bool is_fed;             // whether column.feeding says something
    uint64_t total;          // entries in the rows before
    uint32_t count, seen;    // entries of this row; of them coded
    uint32_t last_magnitude; // of the entry before, in this row
    unsigned last_sign;      //     and its sign: 0 none, 1 negative, 2 positive
    struct column *column;   // (cols)
    int16_t *line;           // (cols): this row's levels, 0: no entry
    struct tnm_bit count_bit[COUNTS][COUNTS], count_low[COUNTS][8];
    struct tnm_bit here[DENSITIES * NEEDS], around[DENSITIES][64], gap[GAPS][COUNTS];
    struct tnm_bit crowd[DENSITIES][COUNTS][4], shape[8][64][4];
    struct tnm_weights by_gap[GAPS], by_density[DENSITIES * NEEDS], by_shape[64];
    struct tnm_bit sign_near[27], sign_sum[5], sign_far[9];
    struct tnm_weights sign_set[2], sign_crowd[8];
    struct tnm_bit size_row[STEPS][2][8], size_density[STEPS][DENSITIES], size_near[STEPS][NEAR];
    struct tnm_bit size_column[STEPS][8];
    struct tnm_weights size_set[4], size_last[NEAR];
    struct tnm_numbers numbers;
    struct tnm_coder *coder;
};

static uint32_t least(uint32_t a, uint32_t b) {
    return a < b ? a : b;
}

// ---- Levels ------------------------------------------------------------------------------------

// Ascends with the value, -0 before 0.
static uint32_t order_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits >> 31 != 0 ? ~bits : bits | 0x80000000;
}

// Centroids in ascending order are the levels -negative .. -1, 1 .. positive.
static void rank_centroids(struct packer *p) {
    const struct tnm_matrix *m = p->m;
    for (uint32_t i = 0; i < m->n_centroids; i++) {
        uint32_t rank = 0;
        for (uint32_t k = 0; k < m->n_centroids; k++) {
            uint32_t a = order_of(m->codebook[k]), b = order_of(m->codebook[i]);
            rank += a < b || (a == b && k < i);
        }
        p->code_of[rank] = (uint8_t)i;
        p->rank_of[i] = (uint8_t)rank;
        p->negative += order_of(m->codebook[i]) >> 31 == 0;
    }
    p->positive = m->n_centroids - p->negative;
}

static int level_of(const struct packer *p, uint32_t code) {
    int level = p->rank_of[code] - (int)p->negative;
    return level + (level >= 0);
}

static uint32_t code_of(const struct packer *p, int level) {
    return p->code_of[level + (int)p->negative - (level > 0)];
}

// ---- What is known -----------------------------------------------------------------------------

static unsigned bucket(uint64_t value, const uint32_t *edge, unsigned n) {
    unsigned i = 0;
    while (i < n && value >= edge[i])
        i++;
    return i;
}

static unsigned density_bucket(uint32_t ratio) { // 2^(i / 1.5) around 64
    static const uint32_t edge[DENSITIES - 1] = {4, 6, 10, 16, 25, 40, 64, 102, 161, 256, 406};
    return bucket(ratio, edge, DENSITIES - 1);
}

static unsigned need_bucket(uint32_t need) { // the same around 65536 / 2^8
    static const uint32_t edge[NEEDS - 1] = {161,  256,  406,   645,   1024,  1625, 2580,
                                             4096, 6502, 10321, 16384, 26008, 41285};
    return bucket(need, edge, NEEDS - 1);
}

static unsigned gap_bucket(uint32_t gap) {
    static const uint32_t edge[GAPS - 1] = {2, 3, 4, 6, 9, 14, 23, 41, 81};
    return bucket(gap, edge, GAPS - 1);
}

static unsigned log2_of(uint32_t x) {
    unsigned n = 0;
    while (x >>= 1)
        n++;
    return n;
}

// Density of a column against the mean of all. sum counts entries in places of that weight; prior
// is so many sixteenths of a row more, as dense as feeding says.
static uint32_t ratio_of(const struct packer *p, uint64_t sum, uint32_t weight, uint32_t prior,
                         uint32_t feeding) {
    uint64_t cols = p->m->cols, mean = 16 * p->total + prior * cols;
    uint64_t ratio = (1024 * sum + (uint64_t)prior * weight * feeding) * cols / (weight * mean) + 4;
    return (uint32_t)(ratio < 1 << 20 ? ratio : 1 << 20);
}

static void begin_row(struct packer *p) {
    for (uint32_t k = 0; k < p->m->cols; k++) {
        struct column *col = &p->column[k];
        if (p->width > 0) {
            col->ratio = ratio_of(p, col->near, 6, 16, col->feeding);
            col->ratio2 = ratio_of(p, col->wide, 25, 4, col->feeding);
        } else {
            col->ratio = ratio_of(p, col->entries, 1, p->is_fed ? 32 : 16, col->feeding);
            col->ratio2 = least(col->feeding + 4, 1 << 20);
        }
        col->q = (uint8_t)density_bucket(col->ratio);
        col->q2 = (uint8_t)density_bucket(col->ratio2);
    }
    p->seen = p->last_magnitude = p->last_sign = 0;
}

// An entry counts for the places around it, in the picture.
static void count_around(struct packer *p, uint32_t k) {
    int64_t x = k % p->width, y = k / p->width;
    for (int dy = -2; dy <= 2; dy++)
        for (int dx = -2; dx <= 2; dx++) {
            int64_t at = (y + dy) * p->width + x + dx;
            if (x + dx < 0 || x + dx >= p->width || at < 0 || at >= p->m->cols)
                continue;
            p->column[at].wide++;
            if (dx == 0 || dy == 0)
                p->column[at].near += (dx == 0 && dy == 0) ? 2 : dx * dx + dy * dy == 1;
        }
}

static void end_row(struct packer *p) {
    for (uint32_t k = 0; k < p->m->cols; k++) {
        int level = p->line[k];
        if (level == 0)
            continue;
        p->total++;
        p->column[k].entries++;
        p->column[k].magnitudes += (uint32_t)(level < 0 ? -level : level);
        if (p->width > 0)
            count_around(p, k);
    }
}

// ---- Entries -----------------------------------------------------------------------------------

// The levels around a place that are known before it.
struct around {
    int left, left2, up, up2, up_left, up_right;
    unsigned shape, crowd; // which of them are entries; how many, up to 3
};

static struct around look_around(const struct packer *p, uint32_t k) {
    struct around a = {0};
    uint32_t w = p->width, x = w > 0 ? k % w : k;
    const int16_t *at = p->line + k;
    a.left = x > 0 ? at[-1] : 0;
    a.left2 = x > 1 ? at[-2] : 0;
    if (w > 0 && k >= w) {
        a.up = at[-(ptrdiff_t)w];
        a.up_left = x > 0 ? at[-(ptrdiff_t)w - 1] : 0;
        a.up_right = x + 1 < w ? at[-(ptrdiff_t)w + 1] : 0;
        a.up2 = k >= 2 * w ? at[-2 * (ptrdiff_t)w] : 0;
    }
    const int all[6] = {a.left, a.up, a.up_left, a.up_right, a.left2, a.up2};
    for (unsigned i = 0; i < 6; i++) {
        a.shape |= (unsigned)(all[i] != 0) << i;
        a.crowd += all[i] != 0;
    }
    return a;
}

// Whether column k has an entry; gap: columns since the last.
static bool code_presence(struct packer *p, uint32_t k, uint32_t gap, const struct around *a) {
    const struct column *col = &p->column[k];
    uint32_t need = (uint32_t)(((uint64_t)(p->count - p->seen) << 16) / (p->m->cols - k));
    unsigned crowd = least(a->crowd, 3), rows = log2_of(p->count + 1), gaps = gap_bucket(gap);
    unsigned needs = need_bucket(need), place = col->q * NEEDS + needs;
    uint32_t likely = least((uint32_t)((uint64_t)need * col->ratio >> 6), 60000);
    uint32_t likely2 = least((uint32_t)((uint64_t)need * col->ratio2 >> 6), 60000);
    struct tnm_decision d = {
        .n_models = 5,
        .model = {&p->here[col->q2 * NEEDS + needs], &p->around[col->q][a->shape],
                  &p->gap[gaps][rows], &p->crowd[col->q][rows][crowd],
                  &p->shape[least(gaps, 7)][a->shape][least(col->entries, 3)]},
        .n_logits = 2,
        .logit = {p->coder->stretch[likely], p->coder->stretch[likely2]},
        .n_sets = 3,
        .set = {&p->by_gap[gaps], &p->by_density[place], &p->by_shape[a->shape]}};
    for (unsigned i = 0; i < d.n_models; i++)
        if (d.model[i]->n == 0)
            d.model[i]->p = (likely < 4 ? 4 : likely) << 12;
    return tnm_code_mixed(p->coder, &d, p->line[k] != 0);
}

static unsigned sign_of(int level) {
    return level > 0 ? 2 : level < 0;
}

static bool code_sign(struct packer *p, uint32_t k, const struct around *a) {
    unsigned diagonal = sign_of(a->up_left != 0 ? a->up_left : a->up_right);
    unsigned far = sign_of(a->up2 != 0 ? a->up2 : a->left2);
    int sum = (a->left > 0) - (a->left < 0) + (a->up > 0) - (a->up < 0);
    struct tnm_decision d = {
        .n_models = 3,
        .model = {&p->sign_near[sign_of(a->left) * 9 + sign_of(a->up) * 3 + diagonal],
                  &p->sign_sum[sum + 2], &p->sign_far[p->last_sign * 3 + far]},
        .n_sets = 2,
        .set = {&p->sign_set[p->width > 0], &p->sign_crowd[a->crowd]}};
    return tnm_code_mixed(p->coder, &d, p->line[k] < 0);
}

static uint32_t size_of(int level) {
    return (uint32_t)(level < 0 ? -level : level);
}

static uint32_t largest_near(const struct around *a) {
    const int all[4] = {a->left, a->up, a->up_left, a->up_right};
    uint32_t largest = 0;
    for (int i = 0; i < 4; i++)
        largest = size_of(all[i]) > largest ? size_of(all[i]) : largest;
    return least(largest, NEAR - 1);
}

// 1 to most, one step at a time; what is above the steps is a number.
static uint32_t code_size(struct packer *p, uint32_t k, bool negative, uint32_t most,
                          const struct around *a) {
    const struct column *col = &p->column[k];
    uint32_t size = size_of(p->line[k]), near = largest_near(a), at = 1;
    unsigned rows = least(log2_of(p->count + 1), 7);
    unsigned mean = col->entries > 0 ? least(2 * col->magnitudes / col->entries, 7) : 0;
    for (; at < most && at < STEPS; at++) {
        struct tnm_decision d = {
            .n_models = 4,
            .model = {&p->size_row[at][negative][rows], &p->size_density[at][col->q],
                      &p->size_near[at][near], &p->size_column[at][mean]},
            .n_sets = 2,
            .set = {&p->size_set[least(at, 3)], &p->size_last[least(p->last_magnitude, NEAR - 1)]}};
        if (!tnm_code_mixed(p->coder, &d, at < size))
            return at;
    }
    if (at < most)
        at += size_of(tnm_code_number(p->coder, &p->numbers, 0, (int32_t)size - (int32_t)at));
    return least(at, most);
}

static int code_level(struct packer *p, uint32_t k, const struct around *a) {
    bool negative = p->negative > 0;
    if (p->negative > 0 && p->positive > 0)
        negative = code_sign(p, k, a);
    uint32_t most = negative ? p->negative : p->positive;
    uint32_t size = code_size(p, k, negative, most, a);
    p->last_magnitude = size;
    p->last_sign = negative ? 1 : 2;
    return negative ? -(int)size : (int)size;
}

// ---- Rows --------------------------------------------------------------------------------------

// The number of entries: its length in bits, unary, and the bits. before: the length in the row
// before.
static uint32_t code_count(struct packer *p, uint32_t count, unsigned *before) {
    unsigned length = 0;
    uint32_t plus = count + 1, read = 1;
    while ((2u << length) - 1 <= p->m->cols &&
           tnm_code_bit(p->coder, &p->count_bit[*before][length], plus >> length > 1))
        length++;
    for (unsigned i = length; i-- > 0;)
        read = read << 1 | tnm_code_bit(p->coder, &p->count_low[length][least(length - 1 - i, 7)],
                                        (plus >> i & 1) != 0);
    *before = length;
    return read - 1;
}

static void code_entries(struct packer *p) {
    uint32_t next = 0; // column after the last entry
    for (uint32_t k = 0; k < p->m->cols && p->seen < p->count; k++) {
        struct around a = look_around(p, k);
        bool must = p->m->cols - k == p->count - p->seen;
        if (!must && !code_presence(p, k, k + 1 - next, &a))
            continue;
        p->line[k] = (int16_t)code_level(p, k, &a);
        p->seen++;
        next = k + 1;
    }
}

static void put_line(struct packer *p, uint32_t r) {
    const struct tnm_matrix *m = p->m;
    memset(p->line, 0, m->cols * sizeof *p->line);
    for (size_t i = m->row_start[r]; i < m->row_start[r + 1]; i++)
        p->line[tnm_matrix_col(m, i)] = (int16_t)level_of(p, tnm_matrix_code(m, i));
}

static void take_line(struct packer *p, uint32_t r) {
    const struct tnm_matrix *m = p->m;
    size_t i = m->row_start[r];
    for (uint32_t k = 0; k < m->cols; k++)
        if (p->line[k] != 0)
            tnm_matrix_put_entry(m, i++, k, code_of(p, p->line[k]));
}

// False where the rows hold more entries than the matrix, or fewer, or a row more than columns.
static bool code_rows(struct packer *p, struct tnm_error *err) {
    const struct tnm_matrix *m = p->m;
    uint32_t *row_start = (uint32_t *)m->row_start;
    unsigned length = 0;
    for (uint32_t r = 0; r < m->rows; r++) {
        bool decode = p->coder->decode;
        p->count = code_count(p, decode ? 0 : row_start[r + 1] - row_start[r], &length);
        if (p->count > m->cols || p->count > m->nonzeros - p->total)
            return tnm_fail(err, TNM_EFORMAT,
                            "packed stream: row %u begins after %llu of %llu entries and has %u", r,
                            (unsigned long long)p->total, (unsigned long long)m->nonzeros,
                            p->count);
        if (decode)
            row_start[r + 1] = row_start[r] + p->count;
        if (p->count == 0)
            continue;
        if (decode)
            memset(p->line, 0, m->cols * sizeof *p->line);
        else
            put_line(p, r);
        begin_row(p);
        code_entries(p);
        end_row(p);
        if (decode)
            take_line(p, r);
    }
    if (p->total != m->nonzeros)
        return tnm_fail(err, TNM_EFORMAT, "packed stream: %llu entries, not %llu",
                        (unsigned long long)p->total, (unsigned long long)m->nonzeros);
    return true;
}

// ---- All of it ---------------------------------------------------------------------------------

uint64_t tnm_packed_scratch(const struct tnm_matrix *m) {
    return sizeof(struct packer) + sizeof(struct tnm_coder) +
           m->cols * (uint64_t)(sizeof(struct column) + sizeof(int16_t));
}

#define BITS(MODELS, P)                                                                            \
    tnm_bits_init((struct tnm_bit *)(p->MODELS), sizeof p->MODELS / sizeof(struct tnm_bit), P)
#define WEIGHTS(SETS, W)                                                                           \
    tnm_weights_init((struct tnm_weights *)(p->SETS), sizeof p->SETS / sizeof(struct tnm_weights), \
                     W)

static void init_models(struct packer *p) {
    enum { HALF = 1 << 15 };
    tnm_numbers_init(&p->numbers);
    BITS(count_bit, HALF);
    BITS(count_low, HALF);
    BITS(here, HALF);
    BITS(around, HALF);
    BITS(gap, HALF);
    BITS(crowd, HALF);
    BITS(shape, HALF);
    BITS(sign_near, HALF);
    BITS(sign_sum, HALF);
    BITS(sign_far, HALF);
    BITS(size_row, HALF);
    BITS(size_density, HALF);
    BITS(size_near, HALF);
    BITS(size_column, HALF);
    WEIGHTS(by_gap, 65536 / 16);
    WEIGHTS(by_density, 65536 / 16);
    WEIGHTS(by_shape, 65536 / 16);
    WEIGHTS(sign_set, 65536 / 3);
    WEIGHTS(sign_crowd, 65536 / 3);
    WEIGHTS(size_set, 65536 / 4);
    WEIGHTS(size_last, 65536 / 4);
}

// Column k is fed by row k / (cols / rows) of the matrix before, where rows divides cols.
static void init_columns(struct packer *p, const struct tnm_matrix *before) {
    uint32_t cols = p->m->cols, rows = before != NULL ? before->rows : 0;
    p->is_fed = rows > 0 && cols % rows == 0 && before->nonzeros > 0;
    for (uint32_t k = 0; k < cols; k++) {
        uint32_t r = p->is_fed ? k / (cols / rows) : 0;
        uint64_t n = p->is_fed ? before->row_start[r + 1] - before->row_start[r] : 0;
        p->column[k].feeding = p->is_fed ? (uint32_t)(64 * n * rows / before->nonzeros) : 64;
    }
}

static struct packer *open_packer(struct tnm_coder *coder, const struct tnm_matrix *m,
                                  const struct tnm_matrix *before) {
    struct packer *p = calloc(1, sizeof *p);
    if (p == NULL)
        return NULL;
    p->coder = coder;
    p->m = m;
    p->width = m->packed_width;
    p->column = calloc(m->cols, sizeof *p->column);
    p->line = calloc(m->cols, sizeof *p->line);
    if (p->column != NULL && p->line != NULL) {
        init_models(p);
        init_columns(p, before);
        return p;
    }
    free(p->column);
    free(p->line);
    free(p);
    return NULL;
}

static void close_packer(struct packer *p) {
    free(p->column);
    free(p->line);
    free(p);
}

// Levels are ordered by it.
static bool check_codebook(const struct tnm_matrix *m, struct tnm_error *err) {
    for (uint32_t i = 0; i < m->n_centroids; i++)
        if (!isfinite(m->codebook[i]))
            return tnm_fail(err, TNM_EFORMAT, "codebook: entry %u is not finite", i);
    return true;
}

// Codebook, rows, bias.
static bool code_matrix(struct packer *p, bool has_bias, struct tnm_error *err) {
    const struct tnm_matrix *m = p->m;
    const struct tnm_list codebook = {
        .value = (float *)m->codebook, .n = m->n_centroids, .chain = true};
    const struct tnm_list bias = {
        .value = (float *)m->bias, .n = m->rows, .row_start = m->row_start};
    tnm_code_list(p->coder, &p->numbers, &codebook);
    if (!check_codebook(m, err))
        return false;
    rank_centroids(p);
    if (!code_rows(p, err))
        return false;
    if (has_bias)
        tnm_code_list(p->coder, &p->numbers, &bias);
    return true;
}

bool tnm_packed_code(struct tnm_coder *c, const struct tnm_matrix *m,
                     const struct tnm_matrix *before, struct tnm_error *err) {
    struct packer *p = open_packer(c, m, before);
    if (p == NULL)
        return tnm_fail_errno(err, ENOMEM, "packed matrix");
    bool ok = code_matrix(p, m->bias != NULL, err);
    close_packer(p);
    return ok;
}

void tnm_packed_write(struct tnm_sink *sink, const struct tnm_matrix *m,
                      const struct tnm_matrix *before) {
    struct tnm_sink out = {0};
    struct tnm_coder *c = malloc(sizeof *c);
    bool ok = c != NULL;
    if (ok) {
        tnm_coder_start(c, (struct bytes){0}, &out);
        ok = tnm_packed_code(c, m, before, NULL) && tnm_coder_end(c);
    }
    free(c);
    sink->failed = sink->failed || !ok || out.failed;
    tnm_sink_number(sink, out.len);
    tnm_sink_bytes(sink, out.at, out.len);
    tnm_sink_free(&out);
}

bool tnm_packed_read(struct bytes in, struct tnm_matrix *m, const struct tnm_matrix *before,
                     struct tnm_error *err) {
    struct tnm_coder *c = malloc(sizeof *c);
    if (c == NULL)
        return tnm_fail_errno(err, ENOMEM, "packed matrix");
    tnm_coder_start(c, in, NULL);
    bool ok = tnm_packed_code(c, m, before, err) && tnm_coder_check_end(c, "packed stream", err);
    free(c);
    return ok;
}
