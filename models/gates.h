/* SPDX-License-Identifier: MIT */
// An lstm's gates for one input at one step, with what training needs of them.
#ifndef MODELS_GATES_H
#define MODELS_GATES_H

#include <stddef.h>

struct gates_place {
    size_t n;            // places of the memory
    float *gate;         // (4, n): in, forget, fresh, show
    const float *before; // (n), the cell before the step; NULL: 0
    float *cell;         // (n), after it
    float *tanh;         // (n), of the cell
    float *held;         // (n), what comes out
};

// gate holds sums and gets what sigmoid and tanh make of them; cell, tanh and held are written.
void gates_forward(const struct gates_place *place);

// gate becomes the gradient by its sums. d_held and d_cell (n) are the gradients by what came out
// and by the cell; d_cell becomes that by the cell before. before and tanh are read.
void gates_backward(const struct gates_place *place, const float *d_held, float *d_cell);

#endif
