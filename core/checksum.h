/* SPDX-License-Identifier: MIT */
// The two sums of a file: CRC-32 against damage, SHA-256 as its name.
#ifndef TNM_CHECKSUM_H
#define TNM_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

// CRC-32 of IEEE 802.3, as zlib and gzip compute it (reflected polynomial 0xedb88320, both ends
// inverted). crc is 0 at first, then the result for the bytes before these.
uint32_t tnm_crc32(uint32_t crc, const void *bytes, size_t len);

// SHA-256 of FIPS 180-4.
void tnm_sha256(const void *bytes, size_t len, uint8_t digest[32]);

// The same of bytes that come in pieces: start, add as often as there are pieces, finish.
struct tnm_sha256 {
    uint32_t state[8];
    uint64_t len;
    uint8_t block[64]; // what is left over of the pieces so far: len % 64 bytes
};
void tnm_sha256_start(struct tnm_sha256 *sha);
void tnm_sha256_add(struct tnm_sha256 *sha, const void *bytes, size_t len);
void tnm_sha256_finish(struct tnm_sha256 *sha, uint8_t digest[32]);

// In 64 hex digits, as sha256sum prints it.
void tnm_digest_text(const uint8_t digest[32], char text[65]);

#endif
