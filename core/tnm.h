/* SPDX-License-Identifier: MIT */
// The public interface of libtnm: open a .tnm model, ask what it is, run it.
//
//     struct tnm_error err;
//     struct tnm_model *model = tnm_model_open("mnist-mlp-5bit.tnm", &err);
//     struct tnm_session *session = model ? tnm_session_open(model, 1, &err) : NULL;
//     if (session == NULL)
//         fprintf(stderr, "%s\n", err.text);
//     tnm_session_run(session, pixels, 1, logits); // as often as you like
//     tnm_session_close(session);
//     tnm_model_close(model);
//
// A model never changes once it is open: any number of threads may read it and open sessions on it.
// A session belongs to one thread at a time. Every function that takes an error accepts NULL for
// it.
#ifndef TNM_H
#define TNM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define TNM_MUST_CHECK __attribute__((warn_unused_result))
#else
#define TNM_MUST_CHECK
#endif

#define TNM_VERSION "0.1.0"

// What went wrong: code for programs, text for people. The text is one line, in lower case, and
// names the thing, the value found and what was allowed.
enum tnm_code {
    TNM_OK = 0,
    TNM_EIO,          // the system refused: open, read, write, rename
    TNM_EFORMAT,      // not a .tnm file, damaged, or against a rule of FORMAT.md
    TNM_EUNSUPPORTED, // well formed, but of a version, operation or encoding this build lacks
    TNM_ELIMIT,       // larger than a stated limit
    TNM_ENOMEM,       // no memory
    TNM_EINPUT,       // an argument or an input that cannot be used
    TNM_ESELFTEST     // the model does not reproduce the answers stored in its file
};

struct tnm_error {
    int code; // enum tnm_code
    char text[252];
};

// ---- Models ------------------------------------------------------------------------------------

struct tnm_model;

// What opening may take. The defaults of tnm_model_open are 256 MiB and 1 GiB.
struct tnm_limits {
    size_t file_bytes;   // the longest file
    size_t memory_bytes; // all that a model holds once open, and likewise all that a session holds
};

// Opens a model: takes a private snapshot of the file, checks all of it against every rule of
// FORMAT.md, and lays out the kernels' view of the weights. What happens to the file afterwards
// (truncated, overwritten, deleted) changes no answer.
// NULL on failure: TNM_EIO, TNM_EFORMAT, TNM_EUNSUPPORTED, TNM_ELIMIT or TNM_ENOMEM.
struct tnm_model *tnm_model_open(const char *path, struct tnm_error *err) TNM_MUST_CHECK;

// The same within limits of the caller's.
struct tnm_model *tnm_model_open_within(const char *path, const struct tnm_limits *limits,
                                        struct tnm_error *err) TNM_MUST_CHECK;

// The same from bytes in memory, which are copied.
struct tnm_model *tnm_model_from_bytes(const void *bytes, size_t len,
                                       const struct tnm_limits *limits,
                                       struct tnm_error *err) TNM_MUST_CHECK;

// Runs the inputs that the file carries and compares the logits with those it carries.
// False with TNM_ESELFTEST when one is further off than the file's tolerance. A file without a
// self-test passes.
bool tnm_model_self_test(const struct tnm_model *model, struct tnm_error *err) TNM_MUST_CHECK;

// Closes; NULL is fine. No session on the model may be open any more.
void tnm_model_close(struct tnm_model *model);

// How many floats one input and one output have.
size_t tnm_model_inputs(const struct tnm_model *model);
size_t tnm_model_outputs(const struct tnm_model *model);

// The name of a class, or NULL from tnm_model_outputs() on. A file without labels counts: "0",
// "1"... Lives as long as the model.
const char *tnm_model_label(const struct tnm_model *model, size_t index);

// The name in the file, and the SHA-256 of the whole file in 64 hex digits (as sha256sum prints
// it).
const char *tnm_model_name(const struct tnm_model *model);
const char *tnm_model_digest(const struct tnm_model *model);

// Probabilities of one input's logits, softmax in double precision; a network that already ends in
// a softmax is left as it is. logits and probability (outputs,) may be the same array.
void tnm_model_probabilities(const struct tnm_model *model, const float *logits,
                             float *probability);

// How a picture becomes an input. The pixels go to the network as value / 255.
enum tnm_fit {
    TNM_FIT_CONTAIN = 0, // "fit": scale to fit, pad with black
    TNM_FIT_COVER = 1,   // "cover": scale to fill, cut what stands out
    TNM_FIT_INK = 2,     // "ink": find the mark, light on black, centre it by mass in a margin
    TNM_FIT_NONE = 3     // the input is not a picture
};

struct tnm_recipe {
    uint32_t width, height; // of the input; width * height * channels = inputs
    uint32_t channels;      // 1 grey, 3 RGB (planes)
    enum tnm_fit fit;
    uint32_t box;                // ink: the mark's longer side, 20 for MNIST
    float mean[4], deviation[4]; // per channel, of the training data; already in the first layer
};

const struct tnm_recipe *tnm_model_recipe(const struct tnm_model *model);

// What the file says of itself in numbers.
struct tnm_summary {
    size_t bytes;         // of the file
    size_t dense_bytes;   // the same weights and biases as plain f32
    size_t memory_bytes;  // held by the open model
    uint64_t parameters;  // weights and biases
    uint64_t weights;     // without biases
    uint64_t nonzeros;    // weights that are left
    uint32_t n_layers;    // weight matrices; an lstm has two
    uint32_t bits;        // widest codebook code of any layer, 0 if no layer has a codebook
    double test_accuracy; // 0..1 as measured by the forge, NaN if the file does not say
    double validation_accuracy;
};

void tnm_model_summary(const struct tnm_model *model, struct tnm_summary *out);

// One weight matrix.
struct tnm_layer {
    const char *name;     // "fc1", "lstm1.in", "lstm1.rec"; lives as long as the model
    const char *op;       // "linear", "conv2d"
    const char *encoding; // in the file: "dense", "csr", "csr-codebook", "packed"
    const char *kernel;   // what runs it: "gather", "scatter", "dense", ...
    uint32_t rows, cols;  // of the matrix: outputs, inputs
    uint64_t weights, nonzeros;
    uint32_t bits; // of a code; of a value where there is no codebook: 32 or 16
    size_t bytes;  // in the file, bias included
};

// Layer index of 0..n_layers-1. False, and out untouched, beyond them.
bool tnm_model_layer(const struct tnm_model *model, uint32_t index, struct tnm_layer *out);

// ---- Sessions ----------------------------------------------------------------------------------

struct tnm_session;

// All the memory that running takes, in one allocation. max_batch 1..65536 inputs run side by side.
// The model must outlive the session. NULL on failure: TNM_EINPUT, TNM_ELIMIT or TNM_ENOMEM.
struct tnm_session *tnm_session_open(const struct tnm_model *model, unsigned max_batch,
                                     struct tnm_error *err) TNM_MUST_CHECK;

// Runs the network.
//   x        (batch, inputs), row-major, values 0..1 before the model's own normalisation, which
//            is part of the first layer's weights
//   batch    any number; more than max_batch run in several goes
//   logits   (batch, outputs), row-major: unnormalised scores
// Allocates nothing, takes no lock, cannot fail, and gives the same answer whatever else runs.
void tnm_session_run(struct tnm_session *session, const float *x, unsigned batch, float *logits);

void tnm_session_close(struct tnm_session *session);

// The kernels picked for this processor: "neon", "neon (simde, avx2)", "scalar".
// TNM_CPU_OFF=neon in the environment at first use forces the scalar reference.
const char *tnm_kernels_name(void);

#ifdef __cplusplus
}
#endif
#endif
