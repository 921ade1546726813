/* SPDX-License-Identifier: MIT */
// The part of the page about one model, layer by layer: how much of each is left, a picture of its
// weights, and how often each value occurs.
#ifndef LAYERS_H
#define LAYERS_H

#include <stdio.h>

#include "core/model.h"

// The layers as cards. TNM_ENOMEM.
bool layers_write(FILE *out, const struct tnm_model *model, struct tnm_error *err) TNM_MUST_CHECK;

// Whether the first layer is linear and reads a picture of a size that can be shown.
bool layers_look_at_picture(const struct tnm_model *model);

// What that layer looks at, as a figure with a name below.
bool layers_write_look(FILE *out, const struct tnm_model *model, const char *name,
                       struct tnm_error *err) TNM_MUST_CHECK;

#endif
