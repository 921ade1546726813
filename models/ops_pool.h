/* SPDX-License-Identifier: MIT */
// Training of pools.
#ifndef OPS_POOL_H
#define OPS_POOL_H

#include "models/ops.h"

extern const struct train_op train_max_pool, train_average_pool, train_global_pool;

#endif
