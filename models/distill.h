/* SPDX-License-Identifier: MIT */
// Knowledge distillation (Hinton, Vinyals, Dean 2015): a network learns from what others, its
// teachers, say of an image, beside from the image's label. Teachers are .tnm files of any kind and
// run through the engine on the very floats that the network learns from.
//
// What several teachers say is the mean of their probabilities at the temperature. Where images
// come from a pool, it is remembered, 4 bytes for each class and copy, so that a teacher sees
// each copy once in all the training that shares a struct distill, or a file that keeps it.
#ifndef DISTILL_H
#define DISTILL_H

#include "core/tnm.h"

enum { DISTILL_MAX_TEACHERS = 64 };

struct distill {
    float temperature, weight; // of the loss: (1 - weight) CE + weight temperature^2 KL
    uint32_t n_teachers, threads, inputs, outputs;
    struct tnm_model *teacher[DISTILL_MAX_TEACHERS];
    struct distill_bench *bench; // (threads)
    uint32_t images, copies;     // remembered; 0: nothing is
    float *soft;                 // (copies, images, outputs)
    uint8_t *known;              // (copies, images)
    void *memory;                // both, as in the file that keeps them
    size_t len;
    const char *path; // of it; NULL: none
    uint64_t stored;  // how much was known when it was written last
};

// Opens the files of comma-separated names. Each teacher must have the network's inputs, outputs
// and, of n_labels given, labels in the same order (0: not checked).
// Sets temperature 2 and weight 0.9, to be changed before anybody is asked.
// TNM_EINPUT, TNM_ENOMEM, and what opening a model may give.
bool distill_open(struct distill *d, const char *names, uint32_t inputs, uint32_t outputs,
                  char *const *label, uint32_t n_labels, uint32_t threads,
                  struct tnm_error *err) TNM_MUST_CHECK;

// Remembers from now on what teachers say of so many copies of so many images.
bool distill_remember(struct distill *d, uint32_t images, uint32_t copies,
                      struct tnm_error *err) TNM_MUST_CHECK;

// Keeps it in a file, too, which distill_store writes. If it is there, it is read: TNM_EINPUT where
// it is of another kind, or for other teachers, temperature or images; key says what images, and
// in what copies. path must live as long as d.
bool distill_keep(struct distill *d, const char *path, const char *key,
                  struct tnm_error *err) TNM_MUST_CHECK;

// Writes the file, if there is one and more is known than it holds.
bool distill_store(struct distill *d, struct tnm_error *err) TNM_MUST_CHECK;

void distill_close(struct distill *d);

// What the teachers say of n inputs, x (n, inputs), as probabilities at the temperature: soft (n,
// outputs). Input i is copy[i] of image[i] of the pool. Threads may call at once, each with its own
// number and with images of its own.
void distill_ask(struct distill *d, uint32_t thread, const float *x, const uint32_t *image,
                 const uint16_t *copy, uint32_t n, float *soft);

#endif
