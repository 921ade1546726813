/* SPDX-License-Identifier: MIT */
// Training of convolutions.
#ifndef OPS_CONV_H
#define OPS_CONV_H

#include "models/ops.h"

extern const struct train_op train_conv2d;

#endif
