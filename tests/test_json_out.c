/* SPDX-License-Identifier: MIT */
#include "daemon/json_out.h"
#include "tests/random.h"

#include <check.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>

#define COUNT(table) ((int)(sizeof(table) / sizeof(table)[0]))

static const struct {
    double value;
    unsigned decimals;
    const char *text;
} decimals[] = {
    {0, 6, "0"},
    {-0.0, 6, "0"},
    {1, 6, "1"},
    {0.25, 6, "0.25"},
    {-1.5, 1, "-1.5"},
    {0.0000004, 6, "0"},
    {-0.0000004, 6, "0"},
    {0.0000005, 6, "0.000001"},
    {0.999999499, 6, "0.999999"},
    {0.9999996, 6, "1"},
    {12.05, 3, "12.05"},
    {100, 0, "100"},
    {0.000000001, 9, "0.000000001"},
    {999999999.5, 1, "999999999.5"},
    {123456789012.0, 6, "123456789012"},
    {-3e38, 6, "-3.0000000000000001e+38"},
    {NAN, 6, "null"},
    {INFINITY, 6, "null"},
    {-INFINITY, 6, "null"},
};

START_TEST(decimals_are_rounded_and_short) {
    struct json_out out = {0};
    json_out_decimal(&out, decimals[_i].value, decimals[_i].decimals);
    ck_assert_uint_eq(out.len, strlen(decimals[_i].text));
    ck_assert_msg(memcmp(out.at, decimals[_i].text, out.len) == 0, "%.*s instead of %s",
                  (int)out.len, out.at, decimals[_i].text);
    json_out_free(&out);
}
END_TEST

// Against printf, which rounds the exact binary value.
START_TEST(random_decimals_are_within_half_a_unit) {
    struct randomness r;
    random_start(&r, (uint64_t)_i);
    char text[40];
    double value = ldexp((double)random_float(&r), (int)random_between(&r, 0, 20));
    size_t len = format_decimal(text, value, 6);
    ck_assert_uint_eq(len, strlen(text));
    ck_assert_msg(fabs(strtod(text, NULL) - value) <= 0.50001e-6, "%.17g as %s", value, text);
}
END_TEST

// The examples of RFC 4648, section 10, and every byte value's bits.
static const struct {
    const char *bytes, *text;
} base64s[] = {
    {"", "\"\""},
    {"f", "\"Zg==\""},
    {"fo", "\"Zm8=\""},
    {"foo", "\"Zm9v\""},
    {"foob", "\"Zm9vYg==\""},
    {"fooba", "\"Zm9vYmE=\""},
    {"foobar", "\"Zm9vYmFy\""},
    {"\xff\xef\xbf", "\"/++/\""},
};

START_TEST(bytes_are_written_in_base64) {
    struct json_out out = {0};
    json_out_base64(&out, base64s[_i].bytes, strlen(base64s[_i].bytes));
    ck_assert_uint_eq(out.len, strlen(base64s[_i].text));
    ck_assert_mem_eq(out.at, base64s[_i].text, out.len);
    json_out_free(&out);
}
END_TEST

START_TEST(whole_numbers_are_written_in_full) {
    struct json_out out = {0};
    json_out_uint(&out, 0);
    json_out_text(&out, " ");
    json_out_uint(&out, UINT64_MAX);
    ck_assert_uint_eq(out.len, 22);
    ck_assert(memcmp(out.at, "0 18446744073709551615", 22) == 0);
    json_out_free(&out);
}
END_TEST

static const struct {
    const char *text, *written;
} strings[] = {
    {"", "\"\""},
    {"seven", "\"seven\""},
    {"a\"b\\c", "\"a\\\"b\\\\c\""},
    {"\n\t\x01\x7f", "\"\\u000a\\u0009\\u0001\\u007f\""},
    {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x99\x82", "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x99\x82\""},
    {"\xff", "\"\\ufffd\""},
    {"a\xc3", "\"a\\ufffd\""},
    {"\xc0\xaf", "\"\\ufffd\\ufffd\""},                       // overlong
    {"\xe0\x80\xaf", "\"\\ufffd\\ufffd\\ufffd\""},            // overlong
    {"\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\""},            // a surrogate
    {"\xf4\x90\x80\x80", "\"\\ufffd\\ufffd\\ufffd\\ufffd\""}, // beyond U+10FFFF
};

START_TEST(strings_are_escaped) {
    struct json_out out = {0};
    json_out_string(&out, strings[_i].text);
    ck_assert_uint_eq(out.len, strlen(strings[_i].written));
    ck_assert_msg(memcmp(out.at, strings[_i].written, out.len) == 0, "%.*s", (int)out.len, out.at);
    json_out_free(&out);
}
END_TEST

// Whatever the bytes, another reader takes the result for JSON.
START_TEST(any_bytes_make_valid_json) {
    struct randomness r;
    random_start(&r, (uint64_t)_i);
    char text[64];
    size_t len = random_between(&r, 0, sizeof text);
    for (size_t i = 0; i < len; i++)
        text[i] = (char)(random_percent(&r, 50) ? random_between(&r, 0, 255)
                                                : random_between(&r, 0x80, 0xf8));
    struct json_out out = {0};
    json_out_string_n(&out, text, len);
    json_error_t fault;
    json_t *value = json_loadb(out.at, out.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &fault);
    ck_assert_msg(value != NULL, "%s", fault.text);
    json_decref(value);
    json_out_free(&out);
}
END_TEST

START_TEST(a_long_text_grows_the_buffer) {
    struct json_out out = {0};
    for (unsigned i = 0; i < 5000; i++)
        json_out_text(&out, "0123456789");
    ck_assert(!out.failed);
    ck_assert_uint_eq(out.len, 50000);
    for (size_t i = 0; i < out.len; i++)
        ck_assert_int_eq(out.at[i], '0' + (int)(i % 10));
    json_out_reset(&out, 1000); // keeps less than it has
    ck_assert_ptr_null(out.at);
    json_out_free(&out);
}
END_TEST

START_TEST(without_memory_the_buffer_is_marked) {
    struct json_out out = {0};
    json_out_text(&out, "kept");
    ck_assert(!json_out_grow(&out, SIZE_MAX / 2 + 2));
    ck_assert(out.failed);
    json_out_text(&out, "more");
    ck_assert_uint_eq(out.len, 4);
    json_out_free(&out);
}
END_TEST

Suite *json_out_suite(void) {
    Suite *suite = suite_create("json_out");
    TCase *tc = tcase_create("json_out");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, bytes_are_written_in_base64, 0, COUNT(base64s));
    tcase_add_loop_test(tc, decimals_are_rounded_and_short, 0, COUNT(decimals));
    tcase_add_loop_test(tc, random_decimals_are_within_half_a_unit, 0, 200);
    tcase_add_test(tc, whole_numbers_are_written_in_full);
    tcase_add_loop_test(tc, strings_are_escaped, 0, COUNT(strings));
    tcase_add_loop_test(tc, any_bytes_make_valid_json, 0, 100);
    tcase_add_test(tc, a_long_text_grows_the_buffer);
    tcase_add_test(tc, without_memory_the_buffer_is_marked);
    suite_add_tcase(suite, tc);
    return suite;
}
