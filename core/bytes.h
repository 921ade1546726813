/* SPDX-License-Identifier: MIT */
// Views of bytes that cannot be overrun, and little-endian loads and stores.
#ifndef TNM_BYTES_H
#define TNM_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct bytes {
    const uint8_t *at;
    size_t len;
};

// A part of b. False where offset + len is not inside; no sum here can wrap.
static inline bool bytes_slice(struct bytes b, uint64_t offset, uint64_t len, struct bytes *out) {
    if (offset > b.len || len > b.len - offset)
        return false;
    *out = (struct bytes){b.at + offset, (size_t)len};
    return true;
}

static inline uint16_t load_u16(const uint8_t *at) {
    return (uint16_t)(at[0] | (uint16_t)at[1] << 8);
}

static inline uint32_t load_u32(const uint8_t *at) {
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static inline uint64_t load_u64(const uint8_t *at) {
    return (uint64_t)load_u32(at) | (uint64_t)load_u32(at + 4) << 32;
}

static inline float load_f32(const uint8_t *at) {
    uint32_t bits = load_u32(at);
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline void store_u16(uint8_t *at, uint16_t v) {
    at[0] = (uint8_t)v;
    at[1] = (uint8_t)(v >> 8);
}

static inline void store_u32(uint8_t *at, uint32_t v) {
    for (unsigned i = 0; i < 4; i++)
        at[i] = (uint8_t)(v >> 8 * i);
}

static inline void store_u64(uint8_t *at, uint64_t v) {
    store_u32(at, (uint32_t)v);
    store_u32(at + 4, (uint32_t)(v >> 32));
}

static inline void store_f32(uint8_t *at, float v) {
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    store_u32(at, bits);
}

#endif
