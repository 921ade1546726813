/* SPDX-License-Identifier: MIT */
// Training of a memory over rows.
#ifndef OPS_LSTM_H
#define OPS_LSTM_H

#include "models/ops.h"

extern const struct train_op train_lstm;

#endif
