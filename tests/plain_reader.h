/* SPDX-License-Identifier: MIT */
// A second reader of .tnm files, written from core/FORMAT.md alone. It shares no code with core, is
// slow, and computes in double precision: what it refuses and what it answers is what the document
// says.
#ifndef PLAIN_READER_H
#define PLAIN_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct plain_entry {
    uint32_t row, col;
    double value;
};

struct plain_node {
    char name[64];
    uint64_t op, n_inputs, input[8], output;
    uint64_t kernel[2], stride[2], pad[4], dilation[2], groups;
    double low, high;
    uint64_t has_matrix, encoding, has_bias, rows, cols, bits, nonzeros, n_centroids;
    size_t n_entries;
    struct plain_entry *entry; // (n_entries), stored weights
    double *bias;              // (rows), or NULL
    uint64_t width;            // packed only, as what follows
    uint64_t *counts;          // (rows), entries
    int *code;                 // (rows, cols), -1: no entry
    float *packed_bias;        // (rows)
    uint64_t every_step;
    struct plain_node *memory; // lstm: the second matrix, as that of a node; NULL elsewhere
};

struct plain_tensor {
    char name[64];
    uint64_t rank, dim[4];
};

struct plain_step {
    char verb[16], parameters[1024];
    uint64_t seed, nonzeros, images, correct, has_parent;
    uint8_t parent[32];
};

struct plain {
    char name[64], description[1024], dataset[64];
    uint64_t n_labels;
    char (*label)[256];
    uint64_t has_recipe, width, height, channels, fit, box;
    double mean[3], deviation[3];
    uint64_t test_images, test_correct, validation_images, validation_correct;
    uint64_t n_steps;
    struct plain_step *step;
    uint64_t n_tensors, n_nodes, input, output;
    struct plain_tensor *tensor;
    struct plain_node *node;
    uint64_t n_cases;
    double tolerance, test_step; // the one of a stored, the other of a seeded test; else 0
    uint8_t *x;
    double *logits;
};

// NULL where a rule is broken: *rule is its number in section 8.
struct plain *plain_read(const uint8_t *bytes, size_t len, int *rule);

void plain_free(struct plain *plain);

size_t plain_elements(const struct plain_tensor *tensor);

// Runs the network on x (inputs) and fills y (outputs).
void plain_run(const struct plain *plain, const double *x, double *y);

#endif
