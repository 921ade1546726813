/* SPDX-License-Identifier: MIT */
// CRC-32 and SHA-256 against published values and against zlib.
#include "core/checksum.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

START_TEST(crc_of_the_check_string) {
    ck_assert_uint_eq(tnm_crc32(0, "123456789", 9), 0xcbf43926); // Rocksoft model, "check"
    ck_assert_uint_eq(tnm_crc32(0, "", 0), 0);
}
END_TEST

START_TEST(crc_is_that_of_zlib_in_one_go_or_in_two) {
    uint8_t bytes[300];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * i + 7 * i);
    for (unsigned len = 0; len <= sizeof bytes; len++) {
        uint32_t want = (uint32_t)crc32(0, bytes, len);
        ck_assert_uint_eq(tnm_crc32(0, bytes, len), want);
        uint32_t half = tnm_crc32(0, bytes, len / 3);
        ck_assert_uint_eq(tnm_crc32(half, bytes + len / 3, len - len / 3), want);
    }
}
END_TEST

// Examples of FIPS 180-2, appendix B, and of NIST's byte-oriented test vectors; the others from
// sha256sum. Lengths around 56 and 64 are where the padding takes another block.
static const struct {
    const char *text;
    unsigned times;
    const char *digest;
} sha[] = {
    {"", 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {"abc", 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    {"a", 55, "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318"},
    {"a", 56, "b35439a4ac6f0948b6d6f9e3c6af0f5f590ce20f1bde7090ef7970686ec6738a"},
    {"a", 63, "7d3e74a05d7db15bce4ad9ec0658ea98e3f06eeecf16b4c6fff2da457ddc2f34"},
    {"a", 64, "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb"},
    {"a", 1000000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"},
};

START_TEST(sha_256_of_published_texts) {
    size_t each = strlen(sha[_i].text), len = each * sha[_i].times;
    char *text = malloc(len + 1), hex[65];
    uint8_t digest[32];
    for (size_t i = 0; i < sha[_i].times; i++)
        memcpy(text + i * each, sha[_i].text, each);
    tnm_sha256(text, len, digest);
    for (int i = 0; i < 32; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    ck_assert_str_eq(hex, sha[_i].digest);
    free(text);
}
END_TEST

Suite *checksum_suite(void) {
    Suite *suite = suite_create("checksum");
    TCase *tcase = tcase_create("checksum");
    tcase_add_test(tcase, crc_of_the_check_string);
    tcase_add_test(tcase, crc_is_that_of_zlib_in_one_go_or_in_two);
    tcase_add_loop_test(tcase, sha_256_of_published_texts, 0, sizeof sha / sizeof *sha);
    suite_add_tcase(suite, tcase);
    return suite;
}
