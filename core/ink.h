/* SPDX-License-Identifier: MIT */
// Finds a mark, drawn or written, on an unevenly lit ground of either polarity, and lays it into a
// model's input the way MNIST was made: light on black, longer side `box`, centred by mass.
#ifndef TNM_INK_H
#define TNM_INK_H

#include "core/prepare.h"

// Fills plane (recipe->height, recipe->width). Where there is no mark: did->found is false, and all
// is black. TNM_ENOMEM.
bool tnm_ink(const struct tnm_recipe *recipe, const struct tnm_pixels *picture, uint8_t *plane,
             struct tnm_prepared *did, struct tnm_error *err);

// All the memory that takes, for a picture of this size.
size_t tnm_ink_bytes(const struct tnm_recipe *recipe, uint32_t width, uint32_t height);

#endif
