/* SPDX-License-Identifier: MIT */
// Hidden units in another order, which changes no answer but for rounding: those that read the same
// inputs next to each other before rows go in fours, those that are read by the same units before
// columns do. What blocks remove is then less of what counts.
#ifndef ORDER_H
#define ORDER_H

#include "models/net.h"

// Of linear layers that are to be pruned in blocks, or are read by such. TNM_ENOMEM.
bool order_units(struct net *net, struct tnm_error *err) TNM_MUST_CHECK;

#endif
