/* SPDX-License-Identifier: MIT */
// How the camera was held. The only file that knows libexif.
#include "daemon/decoders.h"

#include <libexif/exif-data.h>

uint32_t exif_orientation(struct bytes exif) {
    static const uint8_t mark[6] = {'E', 'x', 'i', 'f', 0, 0};
    uint8_t block[65536]; // an APP1 segment holds less
    if (exif.len > sizeof block - sizeof mark)
        return 1;
    memcpy(block, mark, sizeof mark);
    memcpy(block + sizeof mark, exif.at, exif.len);
    ExifData *data = exif_data_new_from_data(block, (unsigned)(exif.len + sizeof mark));
    if (data == NULL)
        return 1;
    const ExifEntry *entry = exif_content_get_entry(data->ifd[EXIF_IFD_0], EXIF_TAG_ORIENTATION);
    uint32_t orientation = 1;
    if (entry != NULL && entry->format == EXIF_FORMAT_SHORT && entry->size >= 2)
        orientation = exif_get_short(entry->data, exif_data_get_byte_order(data));
    exif_data_unref(data);
    return orientation >= 1 && orientation <= 8 ? orientation : 1;
}
