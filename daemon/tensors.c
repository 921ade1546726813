/* SPDX-License-Identifier: MIT */
// Tensors as the Open Inference Protocol sends them.
#include "daemon/tensors.h"

#include "core/matrix.h"
#include "core/prepare.h"

#include <inttypes.h>
#include <math.h>

// ---- Types -------------------------------------------------------------------------------------

static const struct {
    const char *name;
    size_t size;
} types[] = {
    [TENSOR_BOOL] = {"BOOL", 1},     [TENSOR_UINT8] = {"UINT8", 1},
    [TENSOR_UINT16] = {"UINT16", 2}, [TENSOR_UINT32] = {"UINT32", 4},
    [TENSOR_UINT64] = {"UINT64", 8}, [TENSOR_INT8] = {"INT8", 1},
    [TENSOR_INT16] = {"INT16", 2},   [TENSOR_INT32] = {"INT32", 4},
    [TENSOR_INT64] = {"INT64", 8},   [TENSOR_FP16] = {"FP16", 2},
    [TENSOR_BF16] = {"BF16", 2},     [TENSOR_FP32] = {"FP32", 4},
    [TENSOR_FP64] = {"FP64", 8},     [TENSOR_BYTES] = {"BYTES", 0},
};

bool tensor_type_find(const char *name, enum tensor_type *type) {
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (strcmp(name, types[i].name) == 0) {
            *type = (enum tensor_type)i;
            return true;
        }
    return false;
}

const char *tensor_type_name(enum tensor_type type) {
    return types[type].name;
}

size_t tensor_type_size(enum tensor_type type) {
    return types[type].size;
}

// ---- Shapes ------------------------------------------------------------------------------------

// The product of the dimensions from `first` on; UINT64_MAX where it does not fit.
static uint64_t count_from(const struct tensor *tensor, unsigned first) {
    uint64_t n = 1;
    for (unsigned i = first; i < tensor->n_dims; i++)
        if (__builtin_mul_overflow(n, tensor->dim[i], &n))
            return UINT64_MAX;
    return n;
}

uint64_t tensor_count(const struct tensor *tensor) {
    return count_from(tensor, 0);
}

bool tensor_batch(const struct tensor *tensor, size_t n_each, size_t *batch,
                  struct tnm_error *err) {
    uint64_t n = tensor_count(tensor);
    *batch = 0;
    if (tensor->n_dims > 1 && count_from(tensor, 1) == n_each)
        *batch = tensor->dim[0] <= SIZE_MAX ? (size_t)tensor->dim[0] : SIZE_MAX;
    else if (n == n_each)
        *batch = 1;
    else if (tensor->n_dims == 1 && n_each == 1)
        *batch = (size_t)n;
    return *batch > 0 ||
           tnm_fail(err, TNM_EINPUT, "the shape is neither [%zu] nor [n, %zu], n being 1 or more",
                    n_each, n_each);
}

// ---- One value ---------------------------------------------------------------------------------

static double load_float(const struct tensor *tensor, const uint8_t *at) {
    uint64_t bits;
    double value;
    switch (tensor->type) {
    case TENSOR_FP16:
        return (double)tnm_half_to_float(load_u16(at));
    case TENSOR_BF16:
        return (double)load_f32((const uint8_t[]){0, 0, at[0], at[1]});
    case TENSOR_FP32:
        return (double)load_f32(at);
    default:
        bits = load_u64(at);
        memcpy(&value, &bits, sizeof value);
        return value;
    }
}

// A whole number; what is beyond 255 in either direction comes out as some number that is, too.
static double load_whole(const struct tensor *tensor, const uint8_t *at) {
    switch (tensor->type) {
    case TENSOR_INT8:
        return (double)(int8_t)at[0];
    case TENSOR_UINT16:
        return (double)load_u16(at);
    case TENSOR_INT16:
        return (double)(int16_t)load_u16(at);
    case TENSOR_UINT32:
        return (double)load_u32(at);
    case TENSOR_INT32:
        return (double)(int32_t)load_u32(at);
    case TENSOR_UINT64:
        return (double)load_u64(at);
    case TENSOR_INT64:
        return (double)(int64_t)load_u64(at);
    default:
        return (double)at[0];
    }
}

static bool is_float(enum tensor_type type) {
    return type >= TENSOR_FP16 && type <= TENSOR_FP64;
}

// As a model wants it; by value, so that JSON and bytes give the same.
static bool convert(const struct tensor_walk *walk, double value, float *x) {
    const enum tensor_type type = walk->tensor->type;
    *x = (float)value;
    if (is_float(type))
        return isfinite(*x) ||
               tnm_fail(walk->err, TNM_EINPUT, "value %" PRIu64 " is not finite", walk->n_done);
    const double most = type == TENSOR_BOOL ? 1 : 255;
    if (!(value >= 0 && value <= most && value == floor(value)))
        return tnm_fail(walk->err, TNM_EINPUT,
                        "value %" PRIu64 " is %.17g, not a whole number from 0 to %g", walk->n_done,
                        value, most);
    const uint8_t pixel = (uint8_t)value;
    if (type != TENSOR_BOOL)
        tnm_prepare_scale(&pixel, 1, x);
    return true;
}

// ---- From bytes --------------------------------------------------------------------------------

static bool next_raw(struct tensor_walk *walk, size_t n, float *x) {
    const struct tensor *tensor = walk->tensor;
    const size_t size = tensor_type_size(tensor->type);
    const uint8_t *at = tensor->raw.at + walk->offset;
    if (n > (tensor->raw.len - walk->offset) / size)
        return tnm_fail(walk->err, TNM_EINPUT, "%zu bytes, the shape needs %" PRIu64 " of %zu",
                        tensor->raw.len, tensor_count(tensor), size);
    walk->offset += n * size;
    if (tensor->type == TENSOR_UINT8) {
        tnm_prepare_scale(at, n, x);
        walk->n_done += n;
        return true;
    }
    for (size_t i = 0; i < n; i++, at += size, walk->n_done++)
        if (!convert(walk, is_float(tensor->type) ? load_float(tensor, at) : load_whole(tensor, at),
                     &x[i]))
            return false;
    return true;
}

static bool next_raw_bytes(struct tensor_walk *walk, struct bytes *value) {
    struct bytes raw = walk->tensor->raw, length;
    if (bytes_slice(raw, walk->offset, 4, &length) &&
        bytes_slice(raw, walk->offset + 4, load_u32(length.at), value)) {
        walk->offset += 4 + value->len;
        return true;
    }
    return tnm_fail(walk->err, TNM_EINPUT,
                    "element %" PRIu64 " reaches beyond the end: each is a u32 of its length and "
                    "as many bytes",
                    walk->n_done);
}

// ---- From JSON ---------------------------------------------------------------------------------

// Whether the array that ends at this depth has as many elements as the shape says: of the
// dimension there, or, being flat, of all that are left.
static bool is_full(const struct tensor_walk *walk) {
    uint64_t n = walk->n_in[walk->depth];
    return n == walk->tensor->dim[walk->depth] || n == count_from(walk->tensor, walk->depth);
}

// Goes to the next value, in and out of nested arrays. False at the end of the outermost, or at a
// fault.
static bool next_text(struct tensor_walk *walk) {
    struct json_in *in = &walk->in;
    const unsigned n_dims = walk->tensor->n_dims;
    for (;;) {
        if (json_in_element(in)) {
            walk->n_in[walk->depth]++;
            if (json_in_kind(in) != '[')
                return true;
            if (walk->depth + 1 >= n_dims)
                return json_in_fail(in, "more brackets than the shape has dimensions");
            if (!json_in_enter(in, '['))
                return false;
            walk->n_in[++walk->depth] = 0;
        } else {
            if (in->failed || !is_full(walk))
                return json_in_fail(in, "an array of another length than the shape says");
            if (walk->depth-- == 0)
                return false;
        }
    }
}

static bool too_few(struct tensor_walk *walk) {
    return json_in_fail(&walk->in, "%" PRIu64 " values, the shape needs %" PRIu64, walk->n_done,
                        tensor_count(walk->tensor));
}

static bool next_number(struct tensor_walk *walk, float *x) {
    double value = 0;
    if (!next_text(walk))
        return too_few(walk);
    bool word = walk->tensor->type == TENSOR_BOOL && json_in_kind(&walk->in) != '0', yes = false;
    if (word ? !json_in_bool(&walk->in, &yes) : !json_in_number(&walk->in, &value))
        return false;
    if (!convert(walk, word ? (double)yes : value, x))
        return false;
    walk->n_done++;
    return true;
}

// ---- The walk ----------------------------------------------------------------------------------

void tensor_start(struct tensor_walk *walk, const struct tensor *tensor, struct tnm_error *err) {
    *walk = (struct tensor_walk){.tensor = tensor, .err = err};
    if (tensor->text.at == NULL)
        return;
    json_in_start(&walk->in, tensor->text, err);
    json_in_enter(&walk->in, '[');
}

bool tensor_next(struct tensor_walk *walk, size_t n, float *x) {
    if (walk->tensor->text.at == NULL)
        return next_raw(walk, n, x);
    for (size_t i = 0; i < n; i++)
        if (!next_number(walk, &x[i]))
            return false;
    return true;
}

bool tensor_next_bytes(struct tensor_walk *walk, struct bytes *value, bool *escaped) {
    *escaped = false;
    if (walk->tensor->text.at == NULL) {
        if (!next_raw_bytes(walk, value))
            return false;
    } else {
        if (!next_text(walk))
            return too_few(walk);
        if (!json_in_string(&walk->in, value))
            return false;
        *escaped = value->len > 0 && memchr(value->at, '\\', value->len) != NULL;
    }
    walk->n_done++;
    return true;
}

bool tensor_finish(struct tensor_walk *walk) {
    const struct tensor *tensor = walk->tensor;
    if (tensor->text.at == NULL)
        return walk->offset == tensor->raw.len ||
               tnm_fail(walk->err, TNM_EINPUT, "%zu bytes, the shape needs %zu", tensor->raw.len,
                        walk->offset);
    if (next_text(walk))
        return json_in_fail(&walk->in, "more values than the shape has");
    return json_in_end(&walk->in);
}
