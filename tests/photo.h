/* SPDX-License-Identifier: MIT */
// Pictures such as people send: a handwritten digit (28 x 28, light on black, as MNIST has it) laid
// on paper, photographed, or drawn on a canvas. The same seed gives the same picture.
#ifndef PHOTO_H
#define PHOTO_H

#include <stddef.h>
#include <stdint.h>

// What varies within every kind: place, size, turn (10 degrees either way), shear, the thickness of
// the stroke (that of the digit, give or take, or a pen's), colour of ink and ground, light that
// falls off to one side, blotches, grain, blur, noise.
enum photo_kind {
    PHOTO_PAPER,  // pen on plain paper, digit 12 to 60 % of the height
    PHOTO_SHADOW, // with the edge of a shadow and ruled lines
    PHOTO_DESK,   // the paper ends within the picture; beyond it lies a desk
    PHOTO_PENCIL, // pale strokes
    PHOTO_BOLD,   // a felt pen, 30 to 60 % of the height
    PHOTO_SMALL,  // 5 to 12 % of the height
    PHOTO_CHALK,  // light on a dark board
    PHOTO_CANVAS, // drawn white on black with a round brush, hard-edged or soft, no camera
    PHOTO_PAINT,  // drawn black on white in the same way
    PHOTO_KINDS
};

extern const char *const photo_kind_name[PHOTO_KINDS];

struct photo {
    uint32_t width, height;
    uint8_t *rgb; // (height, width, 3), owned
};

// aborts where memory is short; free with photo_free.
void photo_make(struct photo *photo, enum photo_kind kind, const uint8_t digit[784], uint32_t width,
                uint32_t height, uint64_t seed);

void photo_free(struct photo *photo);

// As a file, to be given to free(): PNG for what was drawn, JPEG for what was photographed.
uint8_t *photo_jpeg(const struct photo *photo, int quality, size_t *len);
uint8_t *photo_png(const struct photo *photo, size_t *len);
uint8_t *photo_file(const struct photo *photo, enum photo_kind kind, size_t *len);

// The test images of MNIST and their labels, from models/mnist: (10000, 784) and (10000), to be
// given to free(). NULL where they cannot be read.
uint8_t *photo_digits(void);
uint8_t *photo_labels(void);

#endif
