/* SPDX-License-Identifier: MIT */
// The shape of a network from a description in words, as --arch takes it:
//
//     784-300-100-10                       layer sizes, the inputs first; relu between
//     lenet5  lstm-128                     by name
//     conv 8 3x3 relu pool fc 32 relu fc 10    one operation after another:
//
//     conv N KxK      N channels by windows of K x K; more words may follow, in any order:
//                     stride S, pad P, dilation D (S, P, D: one number, or two as 2x1), groups G
//     pool [KxK]      the largest of a window, 2x2 unless told; stride S (else as the window), pad
//     P average [KxK]   the mean of a window, likewise global          the mean of each channel
//     relu
//     fc N            N outputs, each from all that is there
//     lstm N [all]    a memory of N that reads rows from first to last; out comes what it holds
//                     after the last row, or with "all" after each
//
// fc flattens what it reads, lstm reads a picture row by row. The first input is the picture, in
// (channels, height, width).
#ifndef ARCH_H
#define ARCH_H

#include "core/graph.h"
#include "core/tnm.h"

// Nodes are named after what they do and counted: conv1, pool1, relu1, fc1; matrices have rows and
// cols only. TNM_EINPUT for what is no description, or does not fit the recipe's input; TNM_ELIMIT
// for a matrix that is too large.
bool arch_build(struct tnm_graph *graph, const char *arch, const struct tnm_recipe *recipe,
                struct tnm_error *err) TNM_MUST_CHECK;

#endif
