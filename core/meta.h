/* SPDX-License-Identifier: MIT */
// What a .tnm says beside its graph: name, labels, recipe, provenance, accuracy, self-test.
#ifndef TNM_META_H
#define TNM_META_H

#include "core/tnm.h"

enum {
    TNM_MAX_LABELS = 65536,
    TNM_MAX_LABEL = 255, // bytes of one
    TNM_MAX_TEXT = 1023, // bytes of a description, of a step's parameters
    TNM_MAX_STEPS = 64,
    TNM_MAX_SELF_TESTS = 64,
    TNM_DIGEST_BYTES = 32
};

// Correct answers of a set of images; images == 0: not measured.
struct tnm_score {
    uint32_t correct, images;
};

// One step that made the network what it is: "train", "prune", "retrain", "share".
struct tnm_step {
    char verb[16];                     // 1 to 15 of [a-z0-9-]
    char parameters[TNM_MAX_TEXT + 1]; // as one would type them: "--std 2 --layer fc3=1"
    uint64_t seed;
    uint64_t nonzeros;                // weights left after it
    struct tnm_score validation;      // after it
    bool has_parent;                  // made from another file
    uint8_t parent[TNM_DIGEST_BYTES]; // SHA-256 of that file
};

// Inputs as 8-bit pixels (value / 255 is what the network sees) and the logits they must give:
// |got - want| <= tolerance * max(1, |want|). A seeded test takes a few bytes in a file: its inputs
// are made from a seed, its logits are whole multiples of a step, and |got - want| <= step.
struct tnm_self_test {
    uint32_t n_cases;
    size_t inputs, outputs; // of one case: those of the network
    float tolerance;        // 0 in a seeded test
    uint8_t *x;             // (n_cases, inputs), owned
    float *logits;          // (n_cases, outputs), owned
    bool seeded;
    uint64_t seed;
    float step; // above 0
};

struct tnm_meta {
    char name[64]; // [A-Za-z0-9._-]{1,63}, no leading dot
    char description[TNM_MAX_TEXT + 1];
    char dataset[64];         // "mnist"
    uint32_t n_labels;        // 0, or the outputs
    char **label;             // (n_labels), UTF-8 without control characters; one block, owned
    struct tnm_recipe recipe; // width 0: the input is not a picture
    struct tnm_score test, validation;
    uint32_t n_steps;
    struct tnm_step *step; // (n_steps), in order, owned
    struct tnm_self_test self_test;
};

// Frees what is owned, and empties.
void tnm_meta_free(struct tnm_meta *meta);

// A deep copy; out is empty on failure.
bool tnm_meta_copy(struct tnm_meta *out, const struct tnm_meta *meta,
                   struct tnm_error *err) TNM_MUST_CHECK;

// Appends a copy of step. TNM_ELIMIT beyond TNM_MAX_STEPS.
bool tnm_meta_add_step(struct tnm_meta *meta, const struct tnm_step *step,
                       struct tnm_error *err) TNM_MUST_CHECK;

// Fills x (n) with the inputs of a seeded self-test: about four of five pixels are 0.
void tnm_seeded_inputs(uint64_t seed, uint8_t *x, size_t n);

// Replaces the labels by copies of label (n). TNM_EINPUT for one that is empty, too long or not
// UTF-8.
bool tnm_meta_set_labels(struct tnm_meta *meta, const char *const *label, uint32_t n,
                         struct tnm_error *err) TNM_MUST_CHECK;

// Whether len bytes are UTF-8 (shortest forms, no surrogates, no control characters).
bool tnm_text_valid(const char *text, size_t len);

// Whether a name may be a model's: [A-Za-z0-9._-], 1 to 63 bytes, no leading dot.
bool tnm_name_valid(const char *name);

#endif
