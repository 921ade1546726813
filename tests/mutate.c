/* SPDX-License-Identifier: MIT */
// Damage to files.
#include "tests/mutate.h"

#include "core/bytes.h"
#include "core/checksum.h"

#include <stdlib.h>
#include <string.h>

void mutate_seal(uint8_t *bytes, size_t len) {
    if (len < 16)
        return;
    memset(bytes + 12, 0, 4);
    store_u32(bytes + 12, tnm_crc32(0, bytes, len));
}

// Values at which readers go wrong.
static uint8_t odd_byte(struct randomness *r) {
    static const uint8_t odd[] = {0, 1, 2, 3, 4, 8, 9, 16, 17, 63, 64, 0x7f, 0x80, 0x81, 0xff};
    if (random_percent(r, 30))
        return (uint8_t)random_bits(r);
    return odd[random_between(r, 0, sizeof odd - 1)];
}

static void put_odd_word(struct randomness *r, uint8_t *at) {
    static const uint32_t odd[] = {0,          1,          0x7fffffff, 0x80000000,
                                   0xffffffff, 0x7f800000, 0x7fc00000, 0x10000000};
    store_u32(at, odd[random_between(r, 0, sizeof odd / sizeof *odd - 1)]);
}

// The section that holds offset at, or -1.
static int section_of(const uint8_t *bytes, size_t len, size_t at) {
    size_t n = load_u16(bytes + 10), end = 16 + 8 * n;
    for (size_t i = 0; i < n && i < 4 && at >= end && end <= len; i++) {
        end += load_u32(bytes + 16 + 8 * i + 4);
        if (at < end)
            return (int)i;
    }
    return -1;
}

static void resize_section(uint8_t *bytes, size_t len, size_t at, int by) {
    int i = section_of(bytes, len, at);
    if (i >= 0)
        store_u32(bytes + 20 + 8 * i, load_u32(bytes + 20 + 8 * i) + (uint32_t)by);
}

static void insert(struct randomness *r, uint8_t **bytes, size_t *len, size_t at) {
    resize_section(*bytes, *len, at, 1);
    *bytes = realloc(*bytes, *len + 1);
    memmove(*bytes + at + 1, *bytes + at, *len - at);
    (*bytes)[at] = odd_byte(r);
    ++*len;
}

static void delete (uint8_t *bytes, size_t *len, size_t at) {
    resize_section(bytes, *len, at, -1);
    memmove(bytes + at, bytes + at + 1, *len - at - 1);
    --*len;
}

void mutate(struct randomness *r, uint8_t **bytes, size_t *len) {
    for (uint32_t n = random_between(r, 1, 3); n > 0 && *len > 24; n--) {
        // streams more often than arrays: they are shorter
        size_t end = random_percent(r, 70) && *len > 400 ? 400 : *len;
        size_t at = random_between(r, 8, (uint32_t)end - 1);
        switch (random_between(r, 0, 6)) {
        case 0:
            (*bytes)[at] = (uint8_t)((*bytes)[at] ^ 1u << random_between(r, 0, 7));
            break;
        case 1:
            (*bytes)[at] = (uint8_t)((*bytes)[at] + (random_percent(r, 50) ? 1 : 255));
            break;
        case 2:
            if (at + 4 <= *len)
                put_odd_word(r, *bytes + at);
            break;
        case 3:
            insert(r, bytes, len, at);
            break;
        case 4:
            delete (*bytes, len, at);
            break;
        default:
            (*bytes)[at] = odd_byte(r);
        }
    }
}
