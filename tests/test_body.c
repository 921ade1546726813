/* SPDX-License-Identifier: MIT */
#include "daemon/body.h"
#include "tests/guard.h"
#include "tests/random.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- Media types -------------------------------------------------------------------------------

static const struct {
    const char *value, *name, *boundary; // name NULL: refused
} types[] = {
    {"image/jpeg", "image/jpeg", ""},
    {"IMAGE/Jpeg", "image/jpeg", ""},
    {"  image/png ; q=1", "image/png", ""},
    {"application/json;charset=utf-8", "application/json", ""},
    {"multipart/form-data; boundary=abc", "multipart/form-data", "abc"},
    {"multipart/form-data; BOUNDARY=\"a b;c\\\"d\"; charset=x", "multipart/form-data", "a b;c\"d"},
    {"multipart/form-data;charset=utf-8;boundary=x", "multipart/form-data", "x"},
    {"text/plain;", "text/plain", ""},
    {"text/plain;;a=b", "text/plain", ""},
    {"", NULL, NULL},
    {"image", NULL, NULL},
    {"image/", NULL, NULL},
    {"/jpeg", NULL, NULL},
    {"a/b/c", NULL, NULL},
    {"image/jpeg x", NULL, NULL},
    {"image/jpeg, image/png", NULL, NULL},
    {"a/b; boundary", NULL, NULL},
    {"a/b; boundary=", NULL, NULL},
    {"a/b; boundary=\"\"", NULL, NULL},
    {"a/b; boundary=\"x", NULL, NULL},
    {"a/b; boundary=\"x\\", NULL, NULL},
    {"a/b; boundary=x; boundary=y", NULL, NULL},
    {"a/b; boundary="
     "01234567890123456789012345678901234567890123456789012345678901234567890",
     NULL, NULL}, // 71 bytes
};

START_TEST(media_types_are_read_or_refused) {
    struct media_type type;
    struct tnm_error err = {0};
    char *value = guard_copy(types[_i].value, strlen(types[_i].value) + 1);
    bool ok = media_type_parse(value, &type, &err);
    ck_assert_msg(ok == (types[_i].name != NULL), "\"%s\": %d", types[_i].value, ok);
    ck_assert_str_eq(type.name, ok ? types[_i].name : "");
    ck_assert_str_eq(type.boundary, ok ? types[_i].boundary : "");
    ck_assert_int_eq(err.code, ok ? TNM_OK : TNM_EINPUT);
    guard_free(value, strlen(types[_i].value) + 1);
}
END_TEST

// ---- Multipart ---------------------------------------------------------------------------------

#define FILE_PART "Content-Disposition: form-data; name=\"x\"; filename=\"a.png\"\r\n\r\n"
#define TEXT_PART "Content-Disposition: form-data; name=\"note\"\r\n\r\n"

static const struct {
    const char *what, *body, *data, *fault; // data NULL: refused with fault
} bodies[] = {
    {"one file", "--b\r\n" FILE_PART "DATA\r\n--b--\r\n", "DATA", NULL},
    {"no line break at the end", "--b\r\n" FILE_PART "DATA\r\n--b--", "DATA", NULL},
    {"preamble and epilogue", "hello\r\n--b\r\n" FILE_PART "DATA\r\n--b--\r\nbye", "DATA", NULL},
    {"the first file of two", "--b\r\n" FILE_PART "ONE\r\n--b\r\n" FILE_PART "TWO\r\n--b--\r\n",
     "ONE", NULL},
    {"a field before the file",
     "--b\r\n" TEXT_PART "hello\r\n--b\r\n" FILE_PART "DATA\r\n--b--\r\n", "DATA", NULL},
    {"a field of a known name without a file",
     "--b\r\n" TEXT_PART "hello\r\n--b\r\nContent-Disposition: form-data; name=image\r\n\r\nDATA"
     "\r\n--b--\r\n",
     "DATA", NULL},
    {"the only part", "--b\r\n" TEXT_PART "DATA\r\n--b--\r\n", "DATA", NULL},
    {"an empty file", "--b\r\n" FILE_PART "\r\n--b--\r\n", "", NULL},
    {"an empty file without its own line break", "--b\r\n" FILE_PART "--b--\r\n", "", NULL},
    {"line breaks in the data", "--b\r\n" FILE_PART "\r\nA\r\nB\r\n\r\n--b--\r\n", "\r\nA\r\nB\r\n",
     NULL},
    {"dashes in the data", "--b\r\n" FILE_PART "--\r\n-b--b\r\n--b--\r\n", "--\r\n-b--b", NULL},
    {"blanks behind the boundary", "--b \t\r\n" FILE_PART "DATA\r\n--b--\r\n", "DATA", NULL},
    {"no headers at all", "--b\r\n\r\nDATA\r\n--b--\r\n", "DATA", NULL},
    {"names in any case",
     "--b\r\nCONTENT-TYPE: image/png\r\ncontent-disposition:form-data;FileName=x\r\n\r\nDATA"
     "\r\n--b--\r\n",
     "DATA", NULL},
    {"a file name with quotes and semicolons",
     "--b\r\nContent-Disposition: form-data; filename=\"a\\\";b=c.png\"; name=\"x\"\r\n\r\nDATA"
     "\r\n--b--\r\n",
     "DATA", NULL},
    {"empty", "", NULL, "without its boundary"},
    {"another boundary", "--c\r\n" FILE_PART "DATA\r\n--c--\r\n", NULL, "without its boundary"},
    {"no end", "--b\r\n" FILE_PART "DATA", NULL, "truncated"},
    {"ends in a header", "--b\r\nContent-Disposition: form-data", NULL, "truncated header"},
    {"ends at the boundary", "--b", NULL, "no line break"},
    {"text behind the boundary", "--bx\r\n" FILE_PART "DATA\r\n--b--\r\n", NULL, "no line break"},
    {"a header without a colon", "--b\r\nhello\r\n\r\nDATA\r\n--b--\r\n", NULL, "damaged"},
    {"no parts", "--b--\r\n", NULL, "0 parts without a file"},
    {"two fields without a file", "--b\r\n" TEXT_PART "x\r\n--b\r\n" TEXT_PART "y\r\n--b--\r\n",
     NULL, "2 parts without a file"},
};

START_TEST(the_part_with_the_picture_is_found) {
    size_t len = strlen(bodies[_i].body);
    struct body_part part;
    struct tnm_error err = {0};
    uint8_t *body = guard_copy(bodies[_i].body, len);
    bool ok = body_picture_part((struct bytes){body, len}, "b", &part, &err);
    ck_assert_msg(ok == (bodies[_i].data != NULL), "%s: %d %s", bodies[_i].what, ok, err.text);
    if (ok) {
        ck_assert_uint_eq(part.data.len, strlen(bodies[_i].data));
        ck_assert_msg(part.data.len == 0 ||
                          memcmp(part.data.at, bodies[_i].data, part.data.len) == 0,
                      "%s: %.*s", bodies[_i].what, (int)part.data.len, part.data.at);
    } else {
        ck_assert_int_eq(err.code, TNM_EINPUT);
        ck_assert_msg(strstr(err.text, bodies[_i].fault) != NULL, "%s: %s", bodies[_i].what,
                      err.text);
    }
    guard_free(body, len);
}
END_TEST

START_TEST(names_and_types_of_parts_are_read) {
    static const char body[] =
        "--b\r\nContent-Disposition: form-data; name=\"image\"; filename=\"a;b.png\"\r\n"
        "Content-Type:  image/png \r\n\r\nx\r\n--b--";
    struct body_part part;
    struct tnm_error err = {0};
    ck_assert(body_picture_part((struct bytes){(const uint8_t *)body, sizeof body - 1}, "b", &part,
                                &err));
    ck_assert_uint_eq(part.name.len, 5);
    ck_assert(memcmp(part.name.at, "image", 5) == 0);
    ck_assert_uint_eq(part.filename.len, 7);
    ck_assert(memcmp(part.filename.at, "a;b.png", 7) == 0);
    ck_assert_uint_eq(part.type.len, 9);
    ck_assert(memcmp(part.type.at, "image/png", 9) == 0);
}
END_TEST

// What browsers send for a field where no file was chosen.
START_TEST(an_empty_file_without_a_name_is_passed_over) {
    static const char body[] =
        "--b\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"\"\r\n"
        "Content-Type: application/octet-stream\r\n\r\n\r\n"
        "--b\r\n" FILE_PART "DATA\r\n--b--";
    struct body_part part;
    struct tnm_error err = {0};
    ck_assert(body_picture_part((struct bytes){(const uint8_t *)body, sizeof body - 1}, "b", &part,
                                &err));
    ck_assert_uint_eq(part.data.len, 4);
}
END_TEST

START_TEST(a_body_of_too_many_parts_is_refused) {
    static const char one[] = "--b\r\n\r\n\r\n";
    size_t len = (BODY_MAX_PARTS + 1) * (sizeof one - 1) + 5;
    char *body = malloc(len + 1), *at = body;
    ck_assert_ptr_nonnull(body);
    for (int i = 0; i <= BODY_MAX_PARTS; i++, at += sizeof one - 1)
        memcpy(at, one, sizeof one - 1);
    memcpy(at, "--b--", 6);
    struct body_part part;
    struct tnm_error err = {0};
    ck_assert(!body_picture_part((struct bytes){(uint8_t *)body, len}, "b", &part, &err));
    ck_assert_msg(strstr(err.text, "more than 1000 parts") != NULL, "%s", err.text);
    free(body);
}
END_TEST

// Any bytes come through, whatever they look like, as long as the boundary is not among them.
START_TEST(random_data_comes_through_a_form) {
    static const char head[] = "--=_x\r\n" FILE_PART, tail[] = "\r\n--=_x--\r\n";
    struct randomness r;
    random_start(&r, (uint64_t)_i);
    size_t n = random_between(&r, 0, 300), len = sizeof head - 1 + n + sizeof tail - 1;
    uint8_t *body = guard_high(len);
    memcpy(body, head, sizeof head - 1);
    for (size_t i = 0; i < n; i++)
        body[sizeof head - 1 + i] = (uint8_t) "\r\n--=_y\0\xff"[random_between(&r, 0, 9)];
    memcpy(body + sizeof head - 1 + n, tail, sizeof tail - 1);
    struct body_part part;
    struct tnm_error err = {0};
    ck_assert_msg(body_picture_part((struct bytes){body, len}, "=_x", &part, &err), "%s", err.text);
    ck_assert_uint_eq(part.data.len, n);
    ck_assert_ptr_eq(part.data.at, body + sizeof head - 1);
    guard_free(body, len);
}
END_TEST

// ---- Base64 ------------------------------------------------------------------------------------

// The vectors of RFC 4648, 10, and what surrounds them in the wild.
static const struct {
    const char *text, *data; // data NULL: refused
} base64[] = {
    {"", ""},
    {"Zg==", "f"},
    {"Zm8=", "fo"},
    {"Zm9v", "foo"},
    {"Zm9vYg==", "foob"},
    {"Zm9vYmE=", "fooba"},
    {"Zm9vYmFy", "foobar"},
    {"Zg", "f"},
    {"Zm8", "fo"},
    {"Zm9v\r\nYmFy\r\n", "foobar"},
    {"data:image/png;base64,Zm9v", "foo"},
    {"-_-_", "\xfb\xff\xbf"},
    {"+/+/", "\xfb\xff\xbf"},
    {"Z", NULL},
    {"Zg=", NULL},
    {"Zg===", NULL},
    {"Zm9v=", NULL},
    {"Zm=v", NULL},
    {"Zm9v!", NULL},
    {"====", NULL},
    {"data:image/png;base64", NULL},
    {"Zm9\xc3\xa9", NULL},
};

START_TEST(base64_is_decoded_or_refused) {
    size_t text_len = strlen(base64[_i].text), size = text_len / 4 * 3 + 3, len;
    uint8_t *text = guard_copy(base64[_i].text, text_len), *out = guard_high(size);
    struct tnm_error err = {0};
    bool ok = base64_decode((struct bytes){text, text_len}, out, &len, &err);
    ck_assert_msg(ok == (base64[_i].data != NULL), "\"%s\": %d", base64[_i].text, ok);
    if (ok) {
        ck_assert_uint_eq(len, strlen(base64[_i].data));
        ck_assert(len == 0 || memcmp(out, base64[_i].data, len) == 0);
    }
    guard_free(text, text_len);
    guard_free(out, size);
}
END_TEST

// ---- JSON --------------------------------------------------------------------------------------

static const struct {
    const char *text, *fault; // fault NULL: taken
} jsons[] = {
    {"{\"pixels\":[0,127.5,255]}", NULL},
    {" {\"other\":{\"a\":[true,null]},\"pixels\":[0,0,0]} ", NULL},
    {"{\"image\":\"Zm9v\"}", NULL},
    {"{\"pixels\":[0,0]}", "has 2 numbers, the model takes 3"},
    {"{\"pixels\":[0,0,0,0]}", "has 4 numbers"},
    {"{\"pixels\":[0,-1,0]}", "[1] is not a number from 0 to 255"},
    {"{\"pixels\":[0,0,256]}", "[2] is not"},
    {"{\"pixels\":[0,\"0\",0]}", "[1] is not"},
    {"{\"pixels\":\"abc\"}", "is not an object with"},
    {"{\"image\":5}", "is not an object with"},
    {"{\"image\":\"Zm9v\",\"pixels\":[0,0,0]}", "is not an object with"},
    {"{\"image\":\"!\"}", "base64"},
    {"{\"image\":\"Zm9v\",\"image\":\"Zm9v\"}", "duplicate"},
    {"{}", "is not an object with"},
    {"[]", "is not an object with"},
    {"5", "JSON"},
    {"{\"pixels\":[0,NaN,0]}", "JSON, line 1"},
    {"{\"pixels\":[0,1e999,0]}", "JSON, line 1"},
    {"{\"pixels\":[0,0,0]", "JSON, line 1"},
    {"{\"image\":\"Zm\xff\"}", "JSON, line 1"},
    {"", "JSON"},
};

START_TEST(json_is_read_or_refused) {
    size_t len = strlen(jsons[_i].text);
    uint8_t *text = guard_copy(jsons[_i].text, len);
    struct body_json json;
    struct tnm_error err = {0};
    bool ok = body_json_parse((struct bytes){text, len}, 3, &json, &err);
    ck_assert_msg(ok == (jsons[_i].fault == NULL), "%s: %d %s", jsons[_i].text, ok, err.text);
    if (!ok) {
        ck_assert_msg(strstr(err.text, jsons[_i].fault) != NULL, "%s: %s", jsons[_i].text,
                      err.text);
        ck_assert_ptr_null(json.image);
        ck_assert_ptr_null(json.pixels);
    }
    body_json_free(&json);
    guard_free(text, len);
}
END_TEST

START_TEST(json_pixels_and_pictures_have_their_values) {
    struct body_json json;
    struct tnm_error err = {0};
    static const char pixels[] = "{\"pixels\":[0,127.5,255]}", image[] = "{\"image\":\"Zm9v\"}";
    ck_assert(body_json_parse((struct bytes){(const uint8_t *)pixels, sizeof pixels - 1}, 3, &json,
                              &err));
    ck_assert_uint_eq(json.n_pixels, 3);
    ck_assert(json.pixels[0] == 0 && json.pixels[1] == 127.5F && json.pixels[2] == 255);
    body_json_free(&json);
    ck_assert(
        body_json_parse((struct bytes){(const uint8_t *)image, sizeof image - 1}, 3, &json, &err));
    ck_assert_uint_eq(json.image_len, 3);
    ck_assert(memcmp(json.image, "foo", 3) == 0);
    body_json_free(&json);
}
END_TEST

// Millions of values in a few megabytes would be hundreds of megabytes once parsed.
START_TEST(json_of_too_many_values_is_refused_unparsed) {
    size_t len = 4000000;
    char *text = malloc(len);
    ck_assert_ptr_nonnull(text);
    for (size_t i = 0; i < len; i++)
        text[i] = i % 2 == 0 ? '[' : ',';
    struct body_json json;
    struct tnm_error err = {0};
    ck_assert(!body_json_parse((struct bytes){(uint8_t *)text, len}, 784, &json, &err));
    ck_assert_msg(strstr(err.text, "more values") != NULL, "%s", err.text);
    free(text);
}
END_TEST

#define COUNT(table) ((int)(sizeof(table) / sizeof(table)[0]))

Suite *body_suite(void) {
    Suite *suite = suite_create("body");
    TCase *tc = tcase_create("body");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, media_types_are_read_or_refused, 0, COUNT(types));
    tcase_add_loop_test(tc, the_part_with_the_picture_is_found, 0, COUNT(bodies));
    tcase_add_test(tc, names_and_types_of_parts_are_read);
    tcase_add_test(tc, a_body_of_too_many_parts_is_refused);
    tcase_add_test(tc, an_empty_file_without_a_name_is_passed_over);
    tcase_add_loop_test(tc, random_data_comes_through_a_form, 0, 50);
    tcase_add_loop_test(tc, base64_is_decoded_or_refused, 0, COUNT(base64));
    tcase_add_loop_test(tc, json_is_read_or_refused, 0, COUNT(jsons));
    tcase_add_test(tc, json_pixels_and_pictures_have_their_values);
    tcase_add_test(tc, json_of_too_many_values_is_refused_unparsed);
    suite_add_tcase(suite, tc);
    return suite;
}
