/* SPDX-License-Identifier: MIT */
// Training of what slides a window over a feature map.
#ifndef OPS_WINDOW_H
#define OPS_WINDOW_H

#include "models/ops.h"

extern const struct train_op train_conv2d, train_max_pool, train_average_pool, train_global_pool;

#endif
