/* SPDX-License-Identifier: MIT */
// What a model file is, as the JSON document of `tnm info --json` and as parts of other documents.
#ifndef DESCRIBE_H
#define DESCRIBE_H

#include "core/model.h"

struct json_t; // jansson; every document below is new, or NULL when out of memory

// name, description, digest, bytes, dense_bytes, ratio, parameters, weights, nonzeros, sparsity,
// bits, memory_bytes, accuracy {test, validation}, layers [], labels [], recipe {}, dataset,
// provenance [], self_test {}.
struct json_t *describe_model(const struct tnm_model *model);

// name, bytes, dense_bytes, ratio, parameters, weights, nonzeros, sparsity, bits, accuracy.
struct json_t *describe_summary(const struct tnm_model *model);

// For each layer name, op, shape, weights, nonzeros, sparsity, encoding, bits, bytes, centroids,
// kernel, blocks {shape, count, share}; with histogram: how many weights have each code.
struct json_t *describe_layers(const struct tnm_model *model, bool histogram);

// {"test": 0.98, "validation": null, "test_images": ..., "validation_images": ...}
struct json_t *describe_accuracy(const struct tnm_meta *meta);

// How many weights have each code: count (n_centroids) of layer index; false without codebook.
bool describe_codes(const struct tnm_model *model, uint32_t index, uint64_t count[256]);

// How far the weights of a layer come in fours: the shape with more of them in blocks without a 0.
struct describe_blocks {
    const char *shape; // "4x1", "1x4"
    uint64_t count;    // blocks that hold a weight
    double share;      // of the weights, in blocks without a 0
};

// False where there are no weights.
bool describe_blocks(const struct tnm_matrix *m, struct describe_blocks *blocks);

// The weights of layer index, or NULL beyond.
const struct tnm_matrix *describe_matrix(const struct tnm_model *model, uint32_t index);

#endif
