/* SPDX-License-Identifier: MIT */
// Damaging .tnm files in ways that leave them almost right, for the reader's tests.
#ifndef MUTATE_H
#define MUTATE_H

#include "tests/random.h"

#include <stdint.h>

// Changes bytes of a file in a few places; some changes make a section longer or shorter, and then
// its entry in the directory too. *bytes may be moved. The checksum is left for mutate_seal.
void mutate(struct randomness *r, uint8_t **bytes, size_t *len);

// Makes the checksum right, where the file is long enough to have one.
void mutate_seal(uint8_t *bytes, size_t len);

#endif
