/* SPDX-License-Identifier: MIT */
// Pictures to learn from, made up: noise with one bright quarter, which is the class.
#ifndef QUARTERS_H
#define QUARTERS_H

#include "models/data.h"

enum { QUARTERS_CLASSES = 4 };

// Square pictures of an even side: so many to train on, and so many to validate with. Without names
// of classes. To be closed by dataset_close.
void quarters_make(struct dataset *data, uint32_t side, uint32_t train, uint32_t validation);

#endif
