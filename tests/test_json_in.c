/* SPDX-License-Identifier: MIT */
// Against jansson and strtod, which read the same text in their own way.
#include "daemon/json_in.h"
#include "tests/guard.h"
#include "tests/random.h"

#include <check.h>
#include <float.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define COUNT(table) ((int)(sizeof(table) / sizeof(table)[0]))

// A copy of text with a guard page right behind it, read as one value. False with why in err.
static bool is_json(const char *text, size_t len, struct tnm_error *err) {
    struct json_in in;
    struct bytes value;
    uint8_t *copy = guard_copy(text, len);
    json_in_start(&in, (struct bytes){copy, len}, err);
    bool ok = json_in_skip(&in, &value) && json_in_end(&in);
    if (ok)
        ck_assert_uint_le(value.len, len);
    guard_free(copy, len);
    return ok;
}

static const struct {
    const char *text;
    bool good;
} values[] = {
    {"0", true},
    {"-0", true},
    {"[]", true},
    {"{}", true},
    {" [ 1 , 2 ] ", true},
    {"{\"a\":{\"b\":[null,true,false,\"\"]}}", true},
    {"1.5e+10", true},
    {"1E-3", true},
    {"\"\\u00e9\\\"\\\\\\/\\b\\f\\n\\r\\t\"", true},
    {"\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"", true},
    {"", false},
    {" ", false},
    {"[", false},
    {"]", false},
    {"[1", false},
    {"[1,", false},
    {"[1,]", false},
    {"[,1]", false},
    {"[1 2]", false},
    {"[1}", false},
    {"{\"a\"}", false},
    {"{\"a\":}", false},
    {"{\"a\":1,}", false},
    {"{a:1}", false},
    {"{,}", false},
    {"1 1", false},
    {"01", false},
    {"1.", false},
    {".5", false},
    {"+1", false},
    {"-", false},
    {"1e", false},
    {"1e+", false},
    {"NaN", false},
    {"Infinity", false},
    {"-Infinity", false},
    {"nul", false},
    {"nulll", false},
    {"True", false},
    {"'a'", false},
    {"\"", false},
    {"\"a", false},
    {"\"\\\"", false},
    {"\"\\x\"", false},
    {"\"\\u12g4\"", false},
    {"\"\\u12\"", false},
    {"\"\n\"", false},
    {"\"\x80\"", false},
    {"\"\xc0\xaf\"", false},
    {"\"\xed\xa0\x80\"", false},
    {"\"\xf4\x90\x80\x80\"", false},
    {"\"\xe2\x82\"", false},
};

START_TEST(values_are_accepted_or_refused) {
    struct tnm_error err = {0};
    bool ok = is_json(values[_i].text, strlen(values[_i].text), &err);
    ck_assert_msg(ok == values[_i].good, "%s: %s", values[_i].text, err.text);
    ck_assert_int_eq(err.code, ok ? TNM_OK : TNM_EINPUT);
    if (!ok)
        ck_assert_msg(strncmp(err.text, "JSON, byte ", 11) == 0, "%s", err.text);
}
END_TEST

START_TEST(a_zero_byte_is_no_end) {
    struct tnm_error err = {0};
    ck_assert(!is_json("1\0", 2, &err));
    ck_assert(!is_json("\0001", 2, &err));
    ck_assert(!is_json("\"\0\"", 3, &err));
}
END_TEST

START_TEST(brackets_nest_so_deep_and_no_deeper) {
    char text[2 * (JSON_IN_DEPTH + 1)];
    struct tnm_error err = {0};
    memset(text, '[', JSON_IN_DEPTH);
    memset(text + JSON_IN_DEPTH, ']', JSON_IN_DEPTH);
    ck_assert_msg(is_json(text, 2 * JSON_IN_DEPTH, &err), "%s", err.text);
    memset(text, '[', JSON_IN_DEPTH + 1);
    memset(text + JSON_IN_DEPTH + 1, ']', JSON_IN_DEPTH + 1);
    ck_assert(!is_json(text, sizeof text, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "32 brackets"));
}
END_TEST

// Pieces of JSON in a random order: now and then they are JSON.
START_TEST(random_text_is_judged_as_jansson_judges_it) {
    static const char *const piece[] = {"{",  "}",    "[",    "]",     ",",      ":",    "\"a\"",
                                        "1",  "-2.5", "true", "false", "null",   " ",    "\"\\n\"",
                                        "1e", "\"\"", "0",    "1.0E2", "\"\xc3", "[[1]", "{\"b\":"};
    struct randomness r;
    char text[256];
    unsigned n_good = 0;
    random_start(&r, (uint64_t)_i);
    for (unsigned run = 0; run < 4000; run++) {
        size_t len = 0;
        for (unsigned n = random_between(&r, 1, 9); n > 0; n--) {
            const char *next = piece[random_between(&r, 0, COUNT(piece) - 1)];
            memcpy(text + len, next, strlen(next));
            len += strlen(next);
        }
        struct tnm_error err;
        json_t *root = json_loadb(text, len, JSON_DECODE_ANY, NULL);
        bool ok = is_json(text, len, &err);
        ck_assert_msg(ok == (root != NULL), "%.*s: %d", (int)len, text, ok);
        n_good += ok;
        json_decref(root);
    }
    ck_assert_uint_gt(n_good, 20);
}
END_TEST

static double number_of(const char *text) {
    struct json_in in;
    struct tnm_error err = {0};
    double value;
    size_t len = strlen(text);
    char *copy = guard_copy(text, len);
    json_in_start(&in, (struct bytes){(uint8_t *)copy, len}, &err);
    ck_assert_msg(json_in_number(&in, &value) && json_in_end(&in), "%s: %s", text, err.text);
    guard_free(copy, len);
    return value;
}

static void expect_number(const char *text) {
    double value = number_of(text), want = strtod(text, NULL);
    ck_assert_msg(memcmp(&value, &want, sizeof value) == 0, "%s: %.17g", text, value);
}

START_TEST(numbers_are_the_nearest_doubles) {
    static const char *const text[] = {
        "0",
        "-0",
        "-0.0",
        "0e5",
        "1",
        "0.1",
        "255",
        "0.5e-3",
        "1e22",
        "1e23",
        "1e-22",
        "1e-23",
        "1e308",
        "5e-324",
        "1e-400",
        "1e400",
        "1e99999999",
        "-1e-99999999",
        "9007199254740993",
        "9007199254740992",
        "123456789012345678",
        "1234567890123456789",
        "0.1234567890123456789",
        "18446744073709551617",
        "0.000000000000000000000000000001",
        "100000000000000000000000000000",
        "0.3294117748737335",
        "0.32941177487373352",
        "1.7976931348623157e308",
        "9007199254740991e22",
        "2.2250738585072011e-308",
    };
    for (int i = 0; i < COUNT(text); i++)
        expect_number(text[i]);
}
END_TEST

START_TEST(random_numbers_are_the_nearest_doubles) {
    struct randomness r;
    char text[64];
    random_start(&r, (uint64_t)_i);
    for (unsigned run = 0; run < 5000; run++) {
        uint64_t bits = random_bits(&r);
        double value;
        memcpy(&value, &bits, sizeof value);
        if (!isfinite(value))
            continue;
        snprintf(text, sizeof text, "%.*g", (int)random_between(&r, 1, 18), value);
        expect_number(text);
        snprintf(text, sizeof text, "%.*f", (int)random_between(&r, 0, 20),
                 (double)random_float(&r));
        expect_number(text);
    }
}
END_TEST

START_TEST(a_number_of_128_characters_is_refused) {
    char text[130];
    struct tnm_error err = {0};
    memset(text, '1', sizeof text);
    ck_assert(is_json(text, 127, &err));
    ck_assert(!is_json(text, 128, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "127 characters"));
}
END_TEST

static const struct {
    const char *inside, *meant; // meant NULL: the same
} strings[] = {
    {"", NULL},
    {"plain", NULL},
    {"\\/\\\\\\\"", "/\\\""},
    {"a\\u0041b", "aAb"},
    {"\\u00e9\\u20ac", "\xc3\xa9\xe2\x82\xac"},
    {"\\ud83d\\ude00!", "\xf0\x9f\x98\x80!"},
    {"\\ud83d", "\xef\xbf\xbd"},
    {"\\ude00\\ud83d", "\xef\xbf\xbd\xef\xbf\xbd"},
    {"\\ud83d\\u0041", "\xef\xbf\xbd"
                       "A"},
    {"\\b\\f\\n\\r\\t", "\b\f\n\r\t"},
};

START_TEST(escapes_are_resolved_within_their_own_length) {
    struct json_in in;
    struct bytes text;
    struct tnm_error err = {0};
    char quoted[64];
    const char *want = strings[_i].meant != NULL ? strings[_i].meant : strings[_i].inside;
    int len = snprintf(quoted, sizeof quoted, "\"%s\"", strings[_i].inside);
    json_in_start(&in, (struct bytes){(uint8_t *)quoted, (size_t)len}, &err);
    ck_assert_msg(json_in_string(&in, &text) && json_in_end(&in), "%s", err.text);
    char *out = guard_high(text.len + 1);
    size_t n = json_unescape(text, out + 1);
    ck_assert_uint_eq(n, strlen(want));
    ck_assert_mem_eq(out + 1, want, n);
    guard_free(out, text.len + 1);
}
END_TEST

// What a reader does: members in any order, others skipped.
START_TEST(members_and_elements_are_walked_over) {
    static const char text[] = "{\"skip\":[{\"x\":[]}],\"n\":[1,[2,3],true],\"long name\":{},"
                               "\"s\":\"v\"}";
    struct json_in in;
    struct tnm_error err = {0};
    struct bytes string = {0};
    char key[8], seen[64] = "";
    double sum = 0, value;
    bool yes = false;
    json_in_start(&in, (struct bytes){(const uint8_t *)text, strlen(text)}, &err);
    ck_assert(json_in_enter(&in, '{'));
    while (json_in_member(&in, key, sizeof key)) {
        strcat(strcat(seen, key), ";");
        if (strcmp(key, "s") == 0) {
            ck_assert(json_in_string(&in, &string));
        } else if (strcmp(key, "n") == 0) {
            ck_assert(json_in_enter(&in, '['));
            while (json_in_element(&in))
                if (json_in_kind(&in) == '0' && json_in_number(&in, &value))
                    sum += value;
                else if (json_in_kind(&in) == 't')
                    ck_assert(json_in_bool(&in, &yes));
                else
                    ck_assert(json_in_skip(&in, NULL));
        } else {
            ck_assert(json_in_skip(&in, NULL));
        }
    }
    ck_assert_msg(json_in_end(&in), "%s", err.text);
    ck_assert_str_eq(seen, "skip;n;;s;");
    ck_assert_double_eq(sum, 1);
    ck_assert(yes);
    ck_assert_uint_eq(string.len, 1);
}
END_TEST

START_TEST(the_first_fault_is_kept_and_ends_the_walk) {
    struct json_in in;
    struct tnm_error err = {0};
    double value;
    bool yes;
    json_in_start(&in, (struct bytes){(const uint8_t *)"[x,1]", 5}, &err);
    ck_assert(json_in_enter(&in, '['));
    ck_assert(json_in_element(&in));
    ck_assert(!json_in_number(&in, &value));
    ck_assert_str_eq(err.text, "JSON, byte 1: a number expected");
    ck_assert(!json_in_element(&in));
    ck_assert(!json_in_bool(&in, &yes));
    ck_assert(!json_in_skip(&in, NULL));
    ck_assert(!json_in_end(&in));
    ck_assert_str_eq(err.text, "JSON, byte 1: a number expected");
}
END_TEST

Suite *json_in_suite(void);

Suite *json_in_suite(void) {
    Suite *suite = suite_create("json_in");
    TCase *tc = tcase_create("json_in");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, values_are_accepted_or_refused, 0, COUNT(values));
    tcase_add_test(tc, a_zero_byte_is_no_end);
    tcase_add_test(tc, brackets_nest_so_deep_and_no_deeper);
    tcase_add_loop_test(tc, random_text_is_judged_as_jansson_judges_it, 0, 4);
    tcase_add_test(tc, numbers_are_the_nearest_doubles);
    tcase_add_loop_test(tc, random_numbers_are_the_nearest_doubles, 0, 4);
    tcase_add_test(tc, a_number_of_128_characters_is_refused);
    tcase_add_loop_test(tc, escapes_are_resolved_within_their_own_length, 0, COUNT(strings));
    tcase_add_test(tc, members_and_elements_are_walked_over);
    tcase_add_test(tc, the_first_fault_is_kept_and_ends_the_walk);
    suite_add_tcase(suite, tc);
    return suite;
}
