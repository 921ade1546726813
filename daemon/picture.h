/* SPDX-License-Identifier: MIT */
// Bytes of a picture file to upright pixels. The only interface to the picture libraries; each is
// known to one file (jpeg.c, png.c, pnm.c). Also linked by the forge's `classify`.
#ifndef PICTURE_H
#define PICTURE_H

#include "core/bytes.h"
#include "core/prepare.h"

enum picture_format {
    PICTURE_UNKNOWN = 0,
    PICTURE_JPEG,
    PICTURE_PNG,
    PICTURE_PNM // PGM and PPM, P2 P3 P5 P6
};

// What is asked of the decoder.
struct picture_wish {
    uint32_t channels;   // 1: luminance only; 3: RGB
    uint32_t least_side; // a JPEG may be decoded at a smaller scale, as long as the shorter side
                         // stays at least this; 0: never scale
    uint64_t max_pixels; // of the file, before scaling; TNM_ELIMIT beyond
    size_t max_bytes;    // of memory while decoding; TNM_ELIMIT beyond, checked from the header
};

struct picture {
    uint8_t *at;                      // (height, width, channels), owned
    uint32_t width, height, channels; // as decoded and turned upright
    enum picture_format format;
    uint32_t file_width, file_height; // as the file says, before scaling and turning
    uint32_t orientation;             // EXIF, 1..8; 1 where there is none
    uint32_t scale;                   // 1, 2, 4 or 8: the decoder divided the sides by it
};

// By the first bytes.
enum picture_format picture_sniff(struct bytes file);

// "jpeg", "png", "pnm", "unknown".
const char *picture_format_name(enum picture_format format);

// What decoding would take at most, from the header alone: for a budget that requests share.
// TNM_EUNSUPPORTED (no picture format known here), TNM_EFORMAT (damaged header), TNM_ELIMIT.
bool picture_cost(struct bytes file, const struct picture_wish *wish, size_t *bytes,
                  struct tnm_error *err) TNM_MUST_CHECK;

// Decodes. Transparent PNG pixels are laid on white. On failure picture is empty:
// TNM_EUNSUPPORTED, TNM_EFORMAT (damaged or truncated), TNM_ELIMIT (too many pixels or bytes),
// TNM_ENOMEM.
bool picture_decode(struct bytes file, const struct picture_wish *wish, struct picture *picture,
                    struct tnm_error *err) TNM_MUST_CHECK;

void picture_free(struct picture *picture);

// What picture_to_input would take at most to decode, from the header alone; preparing takes at
// most tnm_prepare_bytes beside the decoded picture, when the decoder's own memory is free again.
bool picture_to_input_cost(struct bytes file, const struct tnm_recipe *recipe,
                           const struct picture_wish *limits, size_t *bytes,
                           struct tnm_error *err) TNM_MUST_CHECK;

// The whole way: decode by what recipe needs, then tnm_prepare. input (recipe's inputs).
// picture, if not NULL, gets the sizes and formats without pixels.
bool picture_to_input(struct bytes file, const struct tnm_recipe *recipe,
                      const struct picture_wish *limits, uint8_t *input, struct picture *picture,
                      struct tnm_prepared *did, struct tnm_error *err) TNM_MUST_CHECK;

#endif
