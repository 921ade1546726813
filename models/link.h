/* SPDX-License-Identifier: MIT */
// Two layers, the second reading what the first writes, and how.
#ifndef LINK_H
#define LINK_H

#include "models/net.h"

struct link {
    struct net_layer *from, *to;
    uint32_t group; // columns of to for each unit of from; they follow each other
    bool rectified; // there is a relu between them
    bool padded;    // to pads with zeros
};

// The layer that alone reads from's units, through relu, pools and reshapes; both linear, or
// convolutions without groups, with biases. False where there is none.
bool link_find(const struct net *net, struct net_layer *from, struct link *link);

#endif
