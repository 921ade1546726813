/* SPDX-License-Identifier: MIT */
// Tensors as the Open Inference Protocol sends them: as JSON, nested or flat, or as little-endian
// bytes. Pure functions of whole buffers, which take no memory.
#ifndef TENSORS_H
#define TENSORS_H

#include "daemon/json_in.h"

enum tensor_type {
    TENSOR_BOOL,
    TENSOR_UINT8,
    TENSOR_UINT16,
    TENSOR_UINT32,
    TENSOR_UINT64,
    TENSOR_INT8,
    TENSOR_INT16,
    TENSOR_INT32,
    TENSOR_INT64,
    TENSOR_FP16,
    TENSOR_BF16, // an extension of Triton
    TENSOR_FP32,
    TENSOR_FP64,
    TENSOR_BYTES // any bytes: a u32 of their length and they themselves, or a JSON string
};

// "FP32"; false for a name that is none of them.
bool tensor_type_find(const char *name, enum tensor_type *type);
const char *tensor_type_name(enum tensor_type type);
size_t tensor_type_size(enum tensor_type type); // of a value in bytes; 0 for TENSOR_BYTES

enum { TENSOR_MAX_DIMS = 8 };

struct tensor {
    enum tensor_type type;
    unsigned n_dims;
    uint64_t dim[TENSOR_MAX_DIMS];
    struct bytes text; // the values as a JSON array; at is NULL if they are not
    struct bytes raw;  // the values as bytes; at is NULL if they are not
};

// How many values the shape has; UINT64_MAX if that does not fit.
uint64_t tensor_count(const struct tensor *tensor);

// How many inputs of n_each values the shape makes: (batch, ...) with n_each values behind the
// first dimension, or one input of n_each values without a batch dimension. TNM_EINPUT.
bool tensor_batch(const struct tensor *tensor, size_t n_each, size_t *batch,
                  struct tnm_error *err) TNM_MUST_CHECK;

// A walk over the values in row-major order.
struct tensor_walk {
    const struct tensor *tensor;
    struct tnm_error *err;
    uint64_t n_done;
    size_t offset;     // in raw
    struct json_in in; // in text
    unsigned depth;
    uint64_t n_in[TENSOR_MAX_DIMS + 1]; // elements so far of the array at each depth
};

void tensor_start(struct tensor_walk *walk, const struct tensor *tensor, struct tnm_error *err);

// The next n values as a model wants them: floating point as it is, which must be finite; BOOL as 0
// or 1; whole numbers are pixels, 0 to 255, and are divided by 255. TNM_EINPUT names the value.
bool tensor_next(struct tensor_walk *walk, size_t n, float *x) TNM_MUST_CHECK;

// The next value of TENSOR_BYTES. *escaped: it is the inside of a JSON string with escapes in it.
bool tensor_next_bytes(struct tensor_walk *walk, struct bytes *value, bool *escaped) TNM_MUST_CHECK;

// After the last value: nothing may be left. A JSON array must be flat or nested as the shape says.
bool tensor_finish(struct tensor_walk *walk) TNM_MUST_CHECK;

#endif
