/* SPDX-License-Identifier: MIT */
// Variations of a picture that leave its class as it is: turned, scaled, sheared, shifted, bent
// (elastic distortion, after Simard et al. 2003), drawn with a thicker or thinner pen, and where
// that changes nothing, mirrored. Made for light marks on black.
#ifndef AUGMENT_H
#define AUGMENT_H

#include "core/tnm.h"
#include "models/rng.h"

// How far each may go, either way, every value in between equally likely.
struct augment {
    float rotate;  // degrees
    float scale;   // of each axis, as a share: 0.1 is 0.9 to 1.1
    float shear;   // pixels sideways for each pixel down
    float shift;   // along each axis; pixels of a picture of 28 like all that follow
    float elastic; // root mean square of the bending
    float thicker; // 0..1: towards the largest of a pixel and its four neighbours
    float thinner; // 0..1: towards the smallest
    bool mirror;   // every other picture, left for right
};

// All of it at a strength: 1 is what suits 28x28 digits; 0 is nothing, 2 twice as far.
struct augment augment_of_strength(float strength);

// Memory and tables for pictures of one size; one thread's.
struct augment_bench {
    uint32_t width, height, channels, nodes_x, nodes_y;
    float *plane, *drawn;     // with a margin of zeros
    float *basis_x, *basis_y; // (nodes, width), (nodes, height): cubic B-splines
    float *node[2];           // (nodes_y, nodes_x): bending along x and y
    float *across[2];         // (nodes_y, width): what each row of nodes bends at x
    float *from[2];           // (width): where a row's pixels come from
    int32_t *at;              // (width): of it, the pixel above on the left, in drawn
    void *memory;
};

bool augment_open(struct augment_bench *bench, uint32_t width, uint32_t height, uint32_t channels,
                  struct tnm_error *err) TNM_MUST_CHECK;
void augment_close(struct augment_bench *bench);

// Draws a variation of pixel (channels, height, width) into out, values 0..1. What it draws depends
// on how and rng alone.
void augment_run(const struct augment *how, struct augment_bench *bench, struct rng *rng,
                 const uint8_t *pixel, float *out);

#endif
