/* SPDX-License-Identifier: MIT */
// Tensors from JSON and from bytes, and the requests that hold them.
#include "daemon/inflate.h"
#include "daemon/oip_request.h"
#include "tests/guard.h"
#include "tests/random.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#define COUNT(table) ((int)(sizeof(table) / sizeof(table)[0]))

static struct bytes bytes_of(const char *text) {
    return (struct bytes){(const uint8_t *)text, strlen(text)};
}

// ---- Shapes ------------------------------------------------------------------------------------

static const struct {
    unsigned n_dims;
    uint64_t dim[4];
    size_t each, batch; // 0: refused
} shapes[] = {
    {1, {784}, 784, 1},
    {2, {1, 784}, 784, 1},
    {2, {5, 784}, 784, 5},
    {2, {784, 784}, 784, 784},
    {2, {28, 28}, 784, 1},
    {3, {3, 28, 28}, 784, 3},
    {4, {3, 1, 28, 28}, 784, 3},
    {4, {1, 28, 28, 1}, 784, 1},
    {1, {7}, 1, 7},
    {2, {7, 1}, 1, 7},
    {0, {0}, 1, 1},
    {0, {0}, 784, 0},
    {1, {783}, 784, 0},
    {2, {0, 784}, 784, 0},
    {2, {784, 0}, 784, 0},
    {2, {784, 2}, 784, 0},
    {1, {0}, 1, 0},
    {2, {UINT64_MAX, 784}, 784, UINT64_MAX},
    {3, {UINT64_MAX, UINT64_MAX, 2}, 784, 0},
};

START_TEST(shapes_are_batches_of_inputs) {
    struct tensor tensor = {.type = TENSOR_FP32, .n_dims = shapes[_i].n_dims};
    struct tnm_error err = {0};
    size_t batch;
    memcpy(tensor.dim, shapes[_i].dim, sizeof shapes[_i].dim);
    bool ok = tensor_batch(&tensor, shapes[_i].each, &batch, &err);
    ck_assert_uint_eq(batch, shapes[_i].batch);
    ck_assert_int_eq(ok, shapes[_i].batch > 0);
    ck_assert_int_eq(err.code, ok ? TNM_OK : TNM_EINPUT);
}
END_TEST

// ---- Values ------------------------------------------------------------------------------------

static const struct {
    const char *type, *data; // a JSON array of two values
    uint8_t raw[16];         // the same
    float want[2];           // NAN: refused
} pairs[] = {
    {"BOOL", "[true,false]", {1, 0}, {1, 0}},
    {"BOOL", "[0,1]", {0, 1}, {0, 1}},
    {"BOOL", "[2,0]", {2, 0}, {NAN, 0}},
    {"UINT8", "[255,51]", {255, 51}, {1, 0.2F}},
    {"UINT16", "[255,51]", {255, 0, 51, 0}, {1, 0.2F}},
    {"UINT16", "[256,51]", {0, 1, 51, 0}, {NAN, 0}},
    {"UINT32", "[0,51]", {0, 0, 0, 0, 51}, {0, 0.2F}},
    {"UINT32", "[16777216,51]", {0, 0, 0, 1, 51}, {NAN, 0}},
    {"UINT64", "[51,255]", {51, 0, 0, 0, 0, 0, 0, 0, 255}, {0.2F, 1}},
    {"UINT64",
     "[18446744073709551615,255]",
     {255, 255, 255, 255, 255, 255, 255, 255, 255},
     {NAN, 1}},
    {"INT8", "[51,0]", {51, 0}, {0.2F, 0}},
    {"INT8", "[-1,0]", {255, 0}, {NAN, 0}},
    {"INT16", "[255,51]", {255, 0, 51}, {1, 0.2F}},
    {"INT16", "[0,-1]", {0, 0, 255, 255}, {NAN, 0}},
    {"INT32", "[51,255]", {51, 0, 0, 0, 255}, {0.2F, 1}},
    {"INT32", "[-256,255]", {0, 255, 255, 255, 255}, {NAN, 1}},
    {"INT64", "[51,0]", {51}, {0.2F, 0}},
    {"INT64", "[-1,0]", {255, 255, 255, 255, 255, 255, 255, 255}, {NAN, 0}},
    {"FP16", "[0.5,-2]", {0, 0x38, 0, 0xc0}, {0.5F, -2}},
    {"FP16", "[1e39,0]", {0, 0x7c, 0, 0}, {NAN, 0}}, // infinite
    {"BF16", "[0.5,-2]", {0, 0x3f, 0, 0xc0}, {0.5F, -2}},
    {"FP32", "[0.5,-2]", {0, 0, 0, 0x3f, 0, 0, 0, 0xc0}, {0.5F, -2}},
    {"FP32", "[0,1e39]", {0, 0, 0, 0, 0, 0, 0xc0, 0x7f}, {NAN, 0}}, // not a number
    {"FP64", "[0.5,-2]", {0, 0, 0, 0, 0, 0, 0xe0, 0x3f, 0, 0, 0, 0, 0, 0, 0, 0xc0}, {0.5F, -2}},
    {"FP64",
     "[0,1e300]", // more than a float holds
     {0, 0, 0, 0, 0, 0, 0, 0, 0x9c, 0x75, 0, 0x88, 0x3c, 0xe4, 0x37, 0x7e},
     {NAN, 0}},
};

// What it was refused with, if it was.
static const char *expect_pair(const struct tensor *tensor, const float want[2]) {
    static char text[2][sizeof((struct tnm_error *)NULL)->text];
    static int turn;
    struct tensor_walk walk;
    struct tnm_error err = {0};
    float x[2] = {9, 9};
    tensor_start(&walk, tensor, &err);
    bool ok = tensor_next(&walk, 2, x);
    ck_assert_msg(ok == !isnan(want[0]), "%s: %s", tensor_type_name(tensor->type), err.text);
    if (!ok) {
        ck_assert_int_eq(err.code, TNM_EINPUT);
        ck_assert_ptr_nonnull(strstr(err.text, "value "));
        return strcpy(text[turn++ % 2], err.text);
    }
    ck_assert_msg(tensor_finish(&walk), "%s", err.text);
    ck_assert_float_eq(x[0], want[0]);
    ck_assert_float_eq(x[1], want[1]);
    return "";
}

START_TEST(values_of_every_type_are_read_from_bytes_and_json) {
    struct tensor tensor = {.n_dims = 1, .dim = {2}};
    ck_assert(tensor_type_find(pairs[_i].type, &tensor.type));
    ck_assert_str_eq(tensor_type_name(tensor.type), pairs[_i].type);
    size_t len = 2 * tensor_type_size(tensor.type);
    uint8_t *raw = guard_copy(pairs[_i].raw, len);
    tensor.raw = (struct bytes){raw, len};
    const char *why = expect_pair(&tensor, pairs[_i].want);
    guard_free(raw, len);
    tensor.raw = (struct bytes){0};
    tensor.text = bytes_of(pairs[_i].data);
    ck_assert_str_eq(expect_pair(&tensor, pairs[_i].want), why);
}
END_TEST

START_TEST(whole_numbers_in_json_are_whole) {
    struct tensor tensor = {.type = TENSOR_UINT8, .n_dims = 1, .dim = {2}};
    tensor.text = bytes_of("[1.5,2]");
    expect_pair(&tensor, (float[]){NAN, 0});
}
END_TEST

static const struct {
    unsigned n_dims;
    uint64_t dim[3];
    const char *data; // 1, 2, 3... in order
    bool good;
} nested[] = {
    {1, {3}, "[1,2,3]", true},
    {2, {2, 3}, "[[1,2,3],[4,5,6]]", true},
    {2, {2, 3}, "[1,2,3,4,5,6]", true},
    {3, {2, 1, 2}, "[[[1,2]],[[3,4]]]", true},
    {3, {2, 1, 2}, "[[1,2],[3,4]]", true}, // flat from the second dimension on
    {3, {1, 2, 2}, "[[1,2,3,4]]", true},
    {2, {1, 1}, " [ [ 1 ] ] ", true},
    {1, {3}, "[1,2]", false},
    {1, {3}, "[1,2,3,4]", false},
    {1, {3}, "[]", false},
    {1, {3}, "[[1,2,3]]", false},
    {2, {2, 3}, "[[1,2],[3,4],[5,6]]", false},
    {2, {2, 3}, "[[1,2,3,4],[5,6]]", false},
    {2, {2, 3}, "[[1,2,3],[4,5]]", false},
    {2, {2, 3}, "[[1,2,3],[4,5,6],[]]", false},
    {2, {2, 3}, "[[1,2,3],[4,5,6]", false},
    {2, {2, 3}, "[[1,2,3],[4,5,\"6\"]]", false},
    {2, {2, 3}, "[[1,2,3],[4,5,null]]", false},
    {1, {1}, "1", false},
    {1, {1}, "{\"a\":1}", false},
    {1, {1}, "[1] 2", false},
};

START_TEST(nested_data_has_the_nesting_of_its_shape) {
    struct tensor tensor = {.type = TENSOR_FP32, .n_dims = nested[_i].n_dims};
    struct tensor_walk walk;
    struct tnm_error err = {0};
    float x[8] = {0};
    memcpy(tensor.dim, nested[_i].dim, sizeof nested[_i].dim);
    tensor.text = bytes_of(nested[_i].data);
    const size_t n = (size_t)tensor_count(&tensor);
    tensor_start(&walk, &tensor, &err);
    // In two goes, as a batch is read.
    bool ok = tensor_next(&walk, 1, x) && tensor_next(&walk, n - 1, x + 1) && tensor_finish(&walk);
    ck_assert_msg(ok == nested[_i].good, "%s: %s", nested[_i].data, err.text);
    for (size_t i = 0; ok && i < n; i++)
        ck_assert_float_eq(x[i], (float)(i + 1));
}
END_TEST

START_TEST(data_may_be_nested_as_deep_as_shapes_go) {
    struct tensor tensor = {.type = TENSOR_FP32, .n_dims = TENSOR_MAX_DIMS};
    struct tensor_walk walk;
    struct tnm_error err = {0};
    float x;
    for (unsigned i = 0; i < TENSOR_MAX_DIMS; i++)
        tensor.dim[i] = 1;
    tensor.text = bytes_of("[[[[[[[[1]]]]]]]]");
    tensor_start(&walk, &tensor, &err);
    ck_assert_msg(tensor_next(&walk, 1, &x) && tensor_finish(&walk), "%s", err.text);
    tensor.text = bytes_of("[[[[[[[[[1]]]]]]]]]");
    tensor_start(&walk, &tensor, &err);
    ck_assert(!tensor_next(&walk, 1, &x));
    ck_assert_ptr_nonnull(strstr(err.text, "more brackets than the shape has dimensions"));
}
END_TEST

START_TEST(bytes_are_as_many_as_the_shape_says) {
    struct tensor tensor = {.type = TENSOR_FP32, .n_dims = 1, .dim = {2}};
    struct tensor_walk walk;
    struct tnm_error err = {0};
    const uint8_t zeros[12] = {0};
    float x[2];
    for (size_t len = 1; len <= sizeof zeros; len++) {
        uint8_t *raw = guard_copy(zeros, len);
        tensor.raw = (struct bytes){raw, len};
        tensor_start(&walk, &tensor, &err);
        ck_assert_int_eq(tensor_next(&walk, 2, x) && tensor_finish(&walk), len == 8);
        guard_free(raw, len);
    }
}
END_TEST

START_TEST(elements_of_bytes_are_walked_over) {
    static const uint8_t raw[] = {3, 0, 0, 0, 'a', 'b', 'c', 0, 0, 0, 0, 1, 0, 0, 0, 0xff};
    static const size_t length[] = {3, 0, 1};
    struct tensor tensor = {.type = TENSOR_BYTES, .n_dims = 1, .dim = {3}};
    struct tensor_walk walk;
    struct tnm_error err = {0};
    struct bytes value;
    bool escaped;
    uint8_t *copy = guard_copy(raw, sizeof raw);
    tensor.raw = (struct bytes){copy, sizeof raw};
    tensor_start(&walk, &tensor, &err);
    for (size_t i = 0; i < 3; i++) {
        ck_assert_msg(tensor_next_bytes(&walk, &value, &escaped), "%s", err.text);
        ck_assert_uint_eq(value.len, length[i]);
        ck_assert(!escaped);
    }
    ck_assert_int_eq(value.at[0], 0xff);
    ck_assert(tensor_finish(&walk));
    ck_assert(!tensor_next_bytes(&walk, &value, &escaped));
    for (size_t len = 0; len < sizeof raw; len++) { // cut anywhere
        tensor.raw = (struct bytes){copy + sizeof raw - len, len};
        memcpy(copy + sizeof raw - len, raw, len);
        tensor_start(&walk, &tensor, &err);
        bool ok = true;
        for (size_t i = 0; ok && i < 3; i++)
            ok = tensor_next_bytes(&walk, &value, &escaped);
        ck_assert(!ok);
    }
    guard_free(copy, sizeof raw);
}
END_TEST

START_TEST(elements_of_bytes_are_strings_in_json) {
    struct tensor tensor = {.type = TENSOR_BYTES, .n_dims = 2, .dim = {2, 1}};
    struct tensor_walk walk;
    struct tnm_error err = {0};
    struct bytes value;
    bool escaped;
    tensor.text = bytes_of("[[\"ab\"],[\"\\/x\"]]");
    tensor_start(&walk, &tensor, &err);
    ck_assert(tensor_next_bytes(&walk, &value, &escaped) && !escaped && value.len == 2);
    ck_assert(tensor_next_bytes(&walk, &value, &escaped) && escaped && value.len == 3);
    ck_assert(tensor_finish(&walk));
}
END_TEST

// ---- Requests ----------------------------------------------------------------------------------

#define IN(more) "{\"inputs\":[{\"name\":\"image\",\"shape\":[2],\"datatype\":\"UINT8\"" more "}]"
#define DATA IN(",\"data\":[1,2]")

static const struct {
    const char *json, *tail; // NULL: without the header
    const char *error;       // NULL: good
} requests[] = {
    {DATA "}", NULL, NULL},
    {DATA "}", "", NULL},
    {DATA ",\"id\":\"x\",\"parameters\":{\"a\":1,\"b\":\"c\",\"d\":true},\"what\":[1]}", NULL,
     NULL},
    {IN(",\"parameters\":{\"binary_data_size\":2}") "}", "ab", NULL},
    {IN("") "}", "ab", NULL}, // the size may be left out
    {IN(",\"parameters\":{\"binary_data_size\":3}") "}", "ab", "binary_data_size is 3"},
    {IN(",\"parameters\":{\"binary_data_size\":-1}") "}", "ab", "whole number"},
    {IN(",\"parameters\":{\"binary_data_size\":1e30}") "}", "ab", "whole number"},
    {IN(",\"parameters\":{\"binary_data_size\":2}") "}", NULL, "Inference-Header"},
    {IN("") "}", NULL, "no \"data\""},
    {DATA "}", "ab", "both \"data\" and bytes"},
    {IN(",\"data\":[1],\"data\":[2]") "}", NULL, "\"data\" twice"},
    {DATA ",\"inputs\":[]}", NULL, "\"inputs\" twice"},
    {"{\"inputs\":[]}", NULL, "no input"},
    {"{\"inputs\":[{\"name\":\"image\",\"shape\":[1],\"datatype\":\"FP32\",\"data\":[1]},"
     "{\"name\":\"image\",\"shape\":[1],\"datatype\":\"FP32\",\"data\":[1]}]}",
     NULL, "more than one input"},
    {"{}", NULL, "no \"inputs\""},
    {"[]", NULL, "an object expected"},
    {"", NULL, "an object expected"},
    {"{\"inputs\":{}}", NULL, "an array expected"},
    {DATA "} x", NULL, "nothing more"},
    {DATA, NULL, "'}' expected"},
    {"{\"inputs\":[{\"name\":\"image\",\"shape\":[2],\"data\":[1,2]}]}", NULL, "a datatype"},
    {"{\"inputs\":[{\"name\":\"image\",\"datatype\":\"FP32\",\"data\":[1,2]}]}", NULL, "a shape"},
    {"{\"inputs\":[{\"shape\":[2],\"datatype\":\"FP32\",\"data\":[1,2]}]}", NULL, "a name"},
    {"{\"inputs\":[{\"name\":\"INPUT0\"}]}", NULL, "no such input"},
    {"{\"inputs\":[{\"name\":7}]}", NULL, "a string expected"},
    {"{\"inputs\":[{\"datatype\":\"FP8\"}]}", NULL, "no such datatype as \"FP8\""},
    {"{\"inputs\":[{\"shape\":[-1]}]}", NULL, "whole number"},
    {"{\"inputs\":[{\"shape\":[1.5]}]}", NULL, "whole number"},
    {"{\"inputs\":[{\"shape\":[4294967297]}]}", NULL, "whole number"},
    {"{\"inputs\":[{\"shape\":[1,1,1,1,1,1,1,1,1]}]}", NULL, "more than 8 dimensions"},
    {"{\"inputs\":[{\"name\":\"jpeg\",\"shape\":[1],\"datatype\":\"FP32\",\"data\":[1]}]}", NULL,
     "BYTES"},
    {"{\"inputs\":[{\"name\":\"image\",\"parameters\":{\"shared_memory_region\":\"a\"}}]}", NULL,
     "shared memory"},
    {DATA ",\"outputs\":[{\"name\":\"label\"}]}", NULL, NULL},
    {DATA ",\"outputs\":[]}", NULL, NULL},
    {DATA ",\"outputs\":[{\"name\":\"scores\"}]}", NULL, "no such output"},
    {DATA ",\"outputs\":[{}]}", NULL, "an output has a name"},
    {DATA ",\"outputs\":[{\"name\":\"label\"},{\"name\":\"label\"}]}", NULL, "\"label\" twice"},
    {DATA ",\"outputs\":[{\"name\":\"label\",\"parameters\":{\"classification\":2}}]}", NULL,
     "classification is of"},
    {DATA ",\"outputs\":[{\"name\":\"logits\",\"parameters\":{\"classification\":0.5}}]}", NULL,
     "whole number"},
    {DATA ",\"outputs\":[{\"name\":\"logits\",\"parameters\":{\"binary_data\":1}}]}", NULL,
     "true or false"},
    {DATA ",\"outputs\":[{\"name\":\"logits\",\"parameters\":{\"shared_memory_offset\":1}}]}", NULL,
     "shared memory"},
    {DATA ",\"parameters\":{\"binary_data_output\":\"yes\"}}", NULL, "true or false"},
    {DATA ",\"id\":7}", NULL, "a string expected"},
};

START_TEST(requests_are_read_or_refused) {
    struct oip_request request;
    struct tnm_error err = {0};
    struct bytes tail = {0};
    const char *json = requests[_i].json;
    char *copy = guard_copy(json, strlen(json));
    if (requests[_i].tail != NULL)
        tail = bytes_of(requests[_i].tail);
    bool ok =
        oip_request_parse((struct bytes){(uint8_t *)copy, strlen(json)}, tail, &request, &err);
    ck_assert_msg(ok == (requests[_i].error == NULL), "%s: %s", json, err.text);
    if (!ok) {
        ck_assert_msg(strstr(err.text, requests[_i].error) != NULL, "%s: %s", json, err.text);
        bool is_shared = strstr(err.text, "shared memory") != NULL;
        ck_assert_int_eq(err.code, is_shared ? TNM_EUNSUPPORTED : TNM_EINPUT);
    }
    guard_free(copy, strlen(json));
}
END_TEST

START_TEST(a_request_says_how_outputs_shall_come) {
    static const char json[] =
        "{\"outputs\":[{\"parameters\":{\"classification\":3,\"binary_data\":false},"
        "\"name\":\"logits\"},{\"name\":\"label\"}],\"parameters\":{\"binary_data_output\":true},"
        "\"inputs\":[{\"data\":[[1,2]],\"datatype\":\"INT64\",\"shape\":[1,2],\"name\":\"image\"}],"
        "\"id\":\"a\\\"b\"}";
    struct oip_request request;
    struct tnm_error err = {0};
    ck_assert_msg(oip_request_parse(bytes_of(json), (struct bytes){0}, &request, &err), "%s",
                  err.text);
    ck_assert_uint_eq(request.n_wanted, 2);
    ck_assert_int_eq(request.wanted[0].output, OIP_LOGITS);
    ck_assert_uint_eq(request.wanted[0].classes, 3);
    ck_assert(!request.wanted[0].binary);
    ck_assert_int_eq(request.wanted[1].output, OIP_LABEL);
    ck_assert(request.wanted[1].binary); // though it is said behind
    ck_assert_uint_eq(request.id.len, 4);
    ck_assert_mem_eq(request.id.at, "a\\\"b", 4);
    ck_assert_int_eq(request.input.type, TENSOR_INT64);
    ck_assert_uint_eq(request.input.n_dims, 2);
    ck_assert(!request.pictures);
}
END_TEST

START_TEST(an_id_may_be_so_long) {
    char json[OIP_MAX_ID + 128];
    struct oip_request request;
    struct tnm_error err = {0};
    for (int more = 0; more < 2; more++) {
        int len = snprintf(json, sizeof json, DATA ",\"id\":\"%0*d\"}", OIP_MAX_ID + more, 0);
        struct bytes text = {(const uint8_t *)json, (size_t)len};
        ck_assert_int_eq(oip_request_parse(text, (struct bytes){0}, &request, &err), more == 0);
    }
}
END_TEST

// ---- Compressed bodies -------------------------------------------------------------------------

// window: as deflateInit2 has it.
static size_t pack(const uint8_t *bytes, size_t len, int window, uint8_t *out, size_t size) {
    z_stream stream = {
        .next_in = (Bytef *)bytes, .avail_in = (uInt)len, .next_out = out, .avail_out = (uInt)size};
    ck_assert_int_eq(deflateInit2(&stream, 9, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY), Z_OK);
    ck_assert_int_eq(deflate(&stream, Z_FINISH), Z_STREAM_END);
    deflateEnd(&stream);
    return size - stream.avail_out;
}

static const struct {
    const char *encoding;
    int window;
} packings[] = {{"gzip", 31}, {"x-gzip", 31}, {"GZIP", 31}, {"deflate", 15}, {"deflate", -15}};

START_TEST(compressed_bodies_are_unpacked) {
    uint8_t plain[5000], packed[6000];
    struct tnm_error err = {0};
    size_t len;
    for (size_t i = 0; i < sizeof plain; i++)
        plain[i] = (uint8_t)(i * i >> 5);
    size_t n = pack(plain, sizeof plain, packings[_i].window, packed, sizeof packed);
    uint8_t *copy = guard_copy(packed, n), *out = guard_high(sizeof plain);
    const char *encoding = packings[_i].encoding;
    ck_assert(inflate_needed(encoding));
    ck_assert_msg(inflate_body(encoding, (struct bytes){copy, n}, out, sizeof plain, &len, &err),
                  "%s", err.text);
    ck_assert_uint_eq(len, sizeof plain);
    ck_assert_mem_eq(out, plain, len);
    ck_assert(!inflate_body(encoding, (struct bytes){copy, n}, out, len - 1, &len, &err));
    ck_assert_int_eq(err.code, TNM_ELIMIT);
    for (size_t cut = 0; cut < n; cut += 97) {
        ck_assert(
            !inflate_body(encoding, (struct bytes){copy, cut}, out, sizeof plain, &len, &err));
        ck_assert_int_eq(err.code, TNM_EINPUT);
    }
    guard_free(copy, n);
    packed[n] = 0; // one byte behind the end
    ck_assert(
        !inflate_body(encoding, (struct bytes){packed, n + 1}, out, sizeof plain, &len, &err));
    ck_assert_int_eq(err.code, TNM_EINPUT);
    guard_free(out, sizeof plain);
}
END_TEST

START_TEST(zeros_stay_within_the_bound_of_unpacking) {
    static uint8_t plain[4 << 20], packed[8192];
    struct tnm_error err = {0};
    size_t len, n = pack(plain, sizeof plain, 31, packed, sizeof packed);
    ck_assert_uint_ge(inflate_bound(n, SIZE_MAX), sizeof plain);
    ck_assert_uint_eq(inflate_bound(n, 1000), 1000);
    ck_assert(inflate_body("gzip", (struct bytes){packed, n}, plain, sizeof plain, &len, &err));
}
END_TEST

START_TEST(other_encodings_are_named) {
    struct tnm_error err = {0};
    uint8_t out[8];
    size_t len;
    ck_assert(!inflate_needed(NULL) && !inflate_needed("") && !inflate_needed("Identity"));
    ck_assert(!inflate_body("br", bytes_of("x"), out, sizeof out, &len, &err));
    ck_assert_int_eq(err.code, TNM_EUNSUPPORTED);
    ck_assert(!inflate_body("gzip, gzip", bytes_of("x"), out, sizeof out, &len, &err));
    ck_assert_int_eq(err.code, TNM_EUNSUPPORTED);
}
END_TEST

Suite *tensors_suite(void);

Suite *tensors_suite(void) {
    Suite *suite = suite_create("tensors");
    TCase *tc = tcase_create("tensors");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, shapes_are_batches_of_inputs, 0, COUNT(shapes));
    tcase_add_loop_test(tc, values_of_every_type_are_read_from_bytes_and_json, 0, COUNT(pairs));
    tcase_add_test(tc, whole_numbers_in_json_are_whole);
    tcase_add_loop_test(tc, nested_data_has_the_nesting_of_its_shape, 0, COUNT(nested));
    tcase_add_test(tc, data_may_be_nested_as_deep_as_shapes_go);
    tcase_add_test(tc, bytes_are_as_many_as_the_shape_says);
    tcase_add_test(tc, elements_of_bytes_are_walked_over);
    tcase_add_test(tc, elements_of_bytes_are_strings_in_json);
    tcase_add_loop_test(tc, requests_are_read_or_refused, 0, COUNT(requests));
    tcase_add_test(tc, a_request_says_how_outputs_shall_come);
    tcase_add_test(tc, an_id_may_be_so_long);
    tcase_add_loop_test(tc, compressed_bodies_are_unpacked, 0, COUNT(packings));
    tcase_add_test(tc, zeros_stay_within_the_bound_of_unpacking);
    tcase_add_test(tc, other_encodings_are_named);
    suite_add_tcase(suite, tc);
    return suite;
}
