/* SPDX-License-Identifier: MIT */
// Small models that differ from one another, made in memory: 28x28 pixels to ten classes through
// one pruned layer. Any two seeds give different answers to (nearly) every input.
#ifndef TEST_MADE_H
#define TEST_MADE_H

#include "core/tnm.h"

enum { MADE_INPUTS = 784, MADE_OUTPUTS = 10 };

struct made {
    uint8_t *bytes; // owned
    size_t len;
};

// With a self-test of one input; wrong_self_test: whose answer the model does not give.
struct made made_model(unsigned seed, bool wrong_self_test);
void made_free(struct made *made);

// Pixels 0..255 of input i.
void made_input(unsigned i, uint8_t pixels[MADE_INPUTS]);

// What a model answers to input i.
void made_answer(const struct tnm_model *model, unsigned i, float logits[MADE_OUTPUTS]);

#endif
