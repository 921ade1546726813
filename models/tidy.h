/* SPDX-License-Identifier: MIT */
// Dead units: what pruning leaves behind without use is removed, and the network computes the same
// up to rounding.
//
//     no inputs    a unit (a row; of a convolution a channel) is a constant: it becomes part of the
//                  biases of the layer that reads it, and its weights there go
//     no outputs   nobody reads it: its weights and bias go
//
// Matrices keep their sizes, as the architecture is part of what a network is called; an empty row
// or column costs 4 bytes at most in a compressed file and next to nothing in a packed one.
// Only where one layer reads another through relu, pools and reshapes; a constant
// before a padded convolution stays, as its padding is not that constant.
#ifndef TIDY_H
#define TIDY_H

#include "models/net.h"

struct tidy {
    uint32_t constant, unread; // units of either kind that still had weights or a bias
    uint64_t weights;          // that went
};

struct tidy tidy_units(struct net *net);

#endif
