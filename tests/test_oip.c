/* SPDX-License-Identifier: MIT */
// The Open Inference Protocol v2 against the real daemon: requests as Triton's Python client puts
// them on the wire (recorded from it), as KServe's examples have them, and as none should be.
#include "core/bytes.h"
#include "tests/made.h"
#include "tests/scratch.h"
#include "tests/served.h"

#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define COUNT(table) ((int)(sizeof(table) / sizeof(table)[0]))
#define INFER "/v2/models/one/infer"

enum { MOST_ROWS = 64 };

static struct served_run run;
static struct client client;
static struct tnm_model *model; // that the daemon serves as "one"
static uint8_t pixels[MOST_ROWS][MADE_INPUTS];
static float logits[MOST_ROWS][MADE_OUTPUTS]; // the truth
static float probability[MOST_ROWS][MADE_OUTPUTS];
static size_t best[MOST_ROWS];

static void find_truth(unsigned row) {
    made_input(row, pixels[row]);
    made_answer(model, row, logits[row]);
    tnm_model_probabilities(model, logits[row], probability[row]);
    for (size_t i = 0; i < MADE_OUTPUTS; i++)
        if (logits[row][i] > logits[row][best[row]])
            best[row] = i;
}

static void start_with(const char *const *args) {
    struct made made = made_model(1, false);
    struct tnm_error err;
    model =
        tnm_model_from_bytes(made.bytes, made.len, &(struct tnm_limits){1 << 24, 1 << 26}, &err);
    ck_assert_msg(model != NULL, "%s", err.text);
    made_free(&made);
    for (unsigned row = 0; row < MOST_ROWS; row++)
        find_truth(row);
    served_start(&run, args);
    ck_assert(client_open(&client, run.daemon.port));
}

static void start(void) {
    start_with(NULL);
}

static void stop(void) {
    client_close(&client);
    served_stop(&run);
    tnm_model_close(model);
}

// ---- Requests ----------------------------------------------------------------------------------

struct message {
    uint8_t at[1 << 19];
    size_t len, json_len;
};
static struct message sent;

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *format, ...) {
    va_list args;
    va_start(args, format);
    sent.len +=
        (size_t)vsnprintf((char *)sent.at + sent.len, sizeof sent.at - sent.len, format, args);
    va_end(args);
    ck_assert_uint_lt(sent.len, sizeof sent.at);
}

static void add(const void *bytes, size_t len) {
    ck_assert_uint_lt(sent.len + len, sizeof sent.at);
    memcpy(sent.at + sent.len, bytes, len);
    sent.len += len;
}

static void end_json(void) {
    sent.json_len = sent.len;
}

static void add_f32(unsigned first, unsigned n) {
    for (unsigned row = first; row < first + n; row++)
        for (size_t i = 0; i < MADE_INPUTS; i++) {
            uint8_t bytes[4];
            store_f32(bytes, (float)pixels[row][i] / 255.0F);
            add(bytes, sizeof bytes);
        }
}

// What Triton's client sends where no outputs are named.
static void say_triton(unsigned rows, const char *datatype, size_t size) {
    sent.len = 0;
    say("{\"inputs\":[{\"name\":\"image\",\"shape\":[%u,784],\"datatype\":\"%s\",\"parameters\":"
        "{\"binary_data_size\":%zu}}],\"parameters\":{\"binary_data_output\":true}}",
        rows, datatype, size);
    end_json();
}

// The bytes of a request as the client makes them: header names in lower case, no Content-Type.
static void post(const char *path, bool has_tensors, const char *headers, struct answer *answer) {
    char lines[256];
    int len = has_tensors ? snprintf(lines, sizeof lines,
                                     "user-agent: python/gevent-http-client-2.0.8\r\n"
                                     "inference-header-content-length: %zu\r\n",
                                     sent.json_len)
                          : 0;
    snprintf(lines + len, sizeof lines - (size_t)len, "%s", headers != NULL ? headers : "");
    ck_assert(client_request(&client, "POST", path, lines, NULL, sent.at, sent.len, answer));
}

// ---- Replies -----------------------------------------------------------------------------------

// The JSON of a reply, and where its tensors begin.
static json_t *head_of(const struct answer *answer, const uint8_t **tensors) {
    const char *length = answer_header(answer, "Inference-Header-Content-Length");
    ck_assert_msg(answer->status == 200, "%d: %s", answer->status, answer->body);
    size_t len = length != NULL ? strtoul(length, NULL, 10) : answer->body_len;
    ck_assert_str_eq(answer_header(answer, "Content-Type"),
                     length != NULL ? "application/octet-stream" : "application/json");
    ck_assert_uint_le(len, answer->body_len);
    *tensors = (const uint8_t *)answer->body + len;
    json_t *root = json_loadb(answer->body, len, JSON_REJECT_DUPLICATES, NULL);
    ck_assert_msg(root != NULL, "%s", answer->body);
    char version[16];
    snprintf(version, sizeof version, "%.12s", tnm_model_digest(model));
    ck_assert_str_eq(json_string_value(json_object_get(root, "model_name")), "one");
    ck_assert_str_eq(json_string_value(json_object_get(root, "model_version")), version);
    const json_t *parameters = json_object_get(root, "parameters");
    ck_assert_str_eq(json_string_value(json_object_get(parameters, "digest")),
                     tnm_model_digest(model));
    return root;
}

static const json_t *output_of(const json_t *root, const char *name) {
    const json_t *outputs = json_object_get(root, "outputs");
    for (size_t i = 0; i < json_array_size(outputs); i++) {
        const json_t *output = json_array_get(outputs, i);
        if (strcmp(json_string_value(json_object_get(output, "name")), name) == 0)
            return output;
    }
    return NULL;
}

static void expect_shape(const json_t *output, size_t n, size_t each) {
    const json_t *shape = json_object_get(output, "shape");
    ck_assert_uint_eq(json_array_size(shape), each > 0 ? 2 : 1);
    ck_assert_int_eq(json_integer_value(json_array_get(shape, 0)), (json_int_t)n);
    if (each > 0)
        ck_assert_int_eq(json_integer_value(json_array_get(shape, 1)), (json_int_t)each);
}

static void expect_floats(const json_t *output, const uint8_t **tensors,
                          float (*want)[MADE_OUTPUTS], unsigned first, unsigned n) {
    const json_t *data = json_object_get(output, "data");
    ck_assert_str_eq(json_string_value(json_object_get(output, "datatype")), "FP32");
    expect_shape(output, n, MADE_OUTPUTS);
    const json_t *size = json_object_get(json_object_get(output, "parameters"), "binary_data_size");
    ck_assert((data == NULL) == (size != NULL));
    if (size != NULL)
        ck_assert_int_eq(json_integer_value(size), (json_int_t)(n * MADE_OUTPUTS * 4));
    else
        ck_assert_uint_eq(json_array_size(data), n * MADE_OUTPUTS);
    for (unsigned i = 0; i < n * MADE_OUTPUTS; i++) {
        double value = size != NULL ? (double)load_f32(*tensors + 4 * i)
                                    : json_number_value(json_array_get(data, i));
        ck_assert_double_eq_tol(value, (double)want[first + i / MADE_OUTPUTS][i % MADE_OUTPUTS],
                                1e-5);
    }
    *tensors += size != NULL ? n * MADE_OUTPUTS * 4 : 0;
}

// Element i of an output of BYTES; it steps over what is binary.
static const char *element(const json_t *output, const uint8_t **tensors, unsigned i) {
    static char text[64];
    const json_t *data = json_object_get(output, "data");
    ck_assert_str_eq(json_string_value(json_object_get(output, "datatype")), "BYTES");
    if (data != NULL) {
        snprintf(text, sizeof text, "%s", json_string_value(json_array_get(data, i)));
        return text;
    }
    uint32_t len = load_u32(*tensors);
    ck_assert_uint_lt(len, sizeof text);
    memcpy(text, *tensors + 4, len);
    text[len] = 0;
    *tensors += 4 + len;
    return text;
}

static void expect_labels(const json_t *output, const uint8_t **tensors, unsigned first,
                          unsigned n) {
    expect_shape(output, n, 0);
    for (unsigned i = 0; i < n; i++) {
        char label[8];
        snprintf(label, sizeof label, "%zu", best[first + i]);
        ck_assert_str_eq(element(output, tensors, i), label);
    }
}

// All three outputs for n rows from `first` on.
static void expect_all(struct answer *answer, unsigned first, unsigned n) {
    const uint8_t *tensors;
    json_t *root = head_of(answer, &tensors);
    ck_assert_uint_eq(json_array_size(json_object_get(root, "outputs")), 3);
    expect_floats(output_of(root, "probabilities"), &tensors, probability, first, n);
    expect_floats(output_of(root, "logits"), &tensors, logits, first, n);
    expect_labels(output_of(root, "label"), &tensors, first, n);
    ck_assert_ptr_eq(tensors, (const uint8_t *)answer->body + answer->body_len);
    json_decref(root);
    answer_free(answer);
}

static json_t *get(const char *path) {
    struct answer answer;
    ck_assert(client_get(&client, path, &answer));
    ck_assert_msg(answer.status == 200, "%s: %d: %s", path, answer.status, answer.body);
    json_t *root = served_json(&answer);
    answer_free(&answer);
    return root;
}

// ---- What the server says of itself ------------------------------------------------------------

START_TEST(the_server_says_what_it_is_and_how_it_is) {
    for (int i = 0; i < 2; i++) {
        json_t *root = get(i == 0 ? "/v2" : "/v2/");
        ck_assert_str_eq(json_string_value(json_object_get(root, "name")), "tnmd");
        ck_assert_str_eq(json_string_value(json_object_get(root, "version")), TNM_VERSION);
        ck_assert_uint_eq(json_array_size(json_object_get(root, "extensions")), 5);
        json_decref(root);
    }
    json_decref(get("/v2/health/live"));
    json_decref(get("/v2/health/ready"));
}
END_TEST

START_TEST(a_model_says_what_it_takes_and_gives_in_every_spelling_of_its_version) {
    char path[160];
    const char *digest = tnm_model_digest(model);
    const struct {
        const char *path;
        int len;
    } versions[] = {{"", 0}, {"/versions/1", 99}, {"/versions/%.*s", 12}, {"/versions/%.*s", 64}};
    for (int i = 0; i < COUNT(versions); i++) {
        char tail[96];
        snprintf(tail, sizeof tail,
                 versions[i].len > 0 && versions[i].len < 99 ? "/versions/%.*s" : versions[i].path,
                 versions[i].len, digest);
        snprintf(path, sizeof path, "/v2/models/one%s", tail);
        json_t *root = get(path);
        ck_assert_str_eq(json_string_value(json_object_get(root, "name")), "one");
        ck_assert_uint_eq(json_array_size(json_object_get(root, "versions")), 1);
        ck_assert_ptr_nonnull(json_object_get(root, "platform"));
        const json_t *input = json_array_get(json_object_get(root, "inputs"), 0);
        ck_assert_str_eq(json_string_value(json_object_get(input, "name")), "image");
        ck_assert_str_eq(json_string_value(json_object_get(input, "datatype")), "FP32");
        const json_t *shape = json_object_get(input, "shape");
        ck_assert_int_eq(json_integer_value(json_array_get(shape, 0)), -1);
        ck_assert_int_eq(json_integer_value(json_array_get(shape, 1)), 784);
        ck_assert_uint_eq(json_array_size(json_object_get(root, "outputs")), 3);
        json_decref(root);
        snprintf(path, sizeof path, "/v2/models/one%s/ready", tail);
        root = get(path);
        ck_assert(json_is_true(json_object_get(root, "ready")));
        json_decref(root);
        snprintf(path, sizeof path, "/v2/models/one%s/config", tail);
        root = get(path);
        ck_assert_int_eq(json_integer_value(json_object_get(root, "max_batch_size")), 0);
        json_decref(root);
    }
}
END_TEST

static const char *const absent[] = {
    "/v2/models/three",
    "/v2/models/three/ready",
    "/v2/models/three/stats",
    "/v2/models/one/versions/2",
    "/v2/models/one/versions/2/ready",
    "/v2/models/one/versions/0123456789ab",
    "/v2/models/one/versions/a", // too short to be a digest
};

START_TEST(what_is_not_there_is_said_to_be_absent) {
    struct answer answer;
    ck_assert(client_get(&client, absent[_i], &answer));
    served_expect_error(&answer, 404, "model_not_found");
}
END_TEST

// ---- Inference ---------------------------------------------------------------------------------

static const unsigned batches[] = {1, 2, 3, 4, 5, 15, 16, 17, 33, MOST_ROWS};

START_TEST(tritons_client_gets_its_tensors) {
    struct answer answer;
    const unsigned n = batches[_i];
    say_triton(n, "FP32", n * MADE_INPUTS * 4);
    add_f32(0, n);
    post(INFER, true, NULL, &answer);
    ck_assert_str_eq(answer_header(&answer, "X-Model"), "one");
    ck_assert_ptr_nonnull(answer_header(&answer, "Server-Timing"));
    expect_all(&answer, 0, n);
    say_triton(n, "UINT8", n * MADE_INPUTS);
    add(pixels, n * MADE_INPUTS);
    post("/v2/models/one/versions/1/infer", true, NULL, &answer);
    expect_all(&answer, 0, n);
}
END_TEST

// Recorded from Triton's client with all it may say.
START_TEST(a_request_of_tritons_client_with_everything_in_it) {
    const uint8_t *tensors;
    struct answer answer;
    sent.len = 0;
    say("{\"id\":\"42\",\"inputs\":[{\"name\":\"image\",\"shape\":[2,784],\"datatype\":\"FP32\","
        "\"parameters\":{\"binary_data_size\":6272}}],\"outputs\":[{\"name\":\"probabilities\","
        "\"parameters\":{\"classification\":2,\"binary_data\":true}}],\"parameters\":"
        "{\"sequence_id\":7,\"sequence_start\":true,\"sequence_end\":false,\"priority\":1,"
        "\"timeout\":1000}}");
    end_json();
    add_f32(3, 2);
    post("/v2/models/one/versions/1/infer", true, NULL, &answer);
    json_t *root = head_of(&answer, &tensors);
    ck_assert_str_eq(json_string_value(json_object_get(root, "id")), "42");
    const json_t *output = output_of(root, "probabilities");
    ck_assert_uint_eq(json_array_size(json_object_get(root, "outputs")), 1);
    expect_shape(output, 2, 2);
    for (unsigned row = 3; row < 5; row++)
        for (unsigned k = 0; k < 2; k++) {
            double value;
            unsigned index, label;
            ck_assert_int_eq(
                sscanf(element(output, &tensors, 0), "%lf:%u:%u", &value, &index, &label), 3);
            ck_assert_uint_eq(index, label);
            ck_assert_double_eq_tol(value, (double)probability[row][index], 2e-6);
            if (k == 0)
                ck_assert_uint_eq(index, best[row]);
        }
    ck_assert_ptr_eq(tensors, (const uint8_t *)answer.body + answer.body_len);
    json_decref(root);
    answer_free(&answer);
}
END_TEST

enum nesting { FLAT, BY_PICTURE, BY_ROW, N_NESTINGS };

static void say_numbers(unsigned row, enum nesting nesting, bool whole) {
    for (unsigned i = 0; i < MADE_INPUTS; i++) {
        bool opens = nesting == BY_ROW && i % 28 == 0;
        say("%s%s", i == 0 ? "" : opens ? "], " : ", ", opens ? "[" : "");
        if (whole)
            say("%u", pixels[row][i]);
        else
            say("%.9g", (double)((float)pixels[row][i] / 255.0F));
    }
    say("%s", nesting == BY_ROW ? "]" : "");
}

// Keys in any order, data nested or flat, whole numbers or not.
START_TEST(json_is_answered_in_json) {
    struct answer answer;
    for (unsigned way = 0; way < 2 * N_NESTINGS; way++) {
        const enum nesting nesting = way / 2;
        const bool whole = way % 2;
        sent.len = 0;
        say("{\"inputs\":[{\"data\":[%s", nesting == FLAT ? "" : "[");
        say_numbers(5, nesting, whole);
        say("%s", nesting == FLAT ? "," : "],[");
        say_numbers(6, nesting, whole);
        say("%s],\"name\":\"image\",\"datatype\":\"%s\",\"shape\":[2,28,28]}]}",
            nesting == FLAT ? "" : "]", whole ? "INT32" : "FP64");
        post(INFER, false, "Content-Type: application/json\r\n", &answer);
        expect_all(&answer, 5, 2);
    }
}
END_TEST

START_TEST(outputs_come_as_each_was_asked_for) {
    const uint8_t *tensors;
    struct answer answer;
    sent.len = 0;
    say("{\"id\":\"\\u00e9 \\\"x\\\"\",\"outputs\":[{\"name\":\"label\",\"parameters\":"
        "{\"binary_data\":false}},{\"name\":\"logits\",\"parameters\":{\"unknown\":[1]}},"
        "{\"name\":\"probabilities\",\"parameters\":{\"classification\":99,\"binary_data\":false}}]"
        ","
        "\"parameters\":{\"binary_data_output\":true},\"inputs\":[{\"name\":\"image\","
        "\"shape\":[784],\"datatype\":\"UINT8\"}]}");
    end_json();
    add(pixels[9], MADE_INPUTS);
    post(INFER, true, NULL, &answer);
    json_t *root = head_of(&answer, &tensors);
    ck_assert_str_eq(json_string_value(json_object_get(root, "id")), "\xc3\xa9 \"x\"");
    expect_labels(output_of(root, "label"), &tensors, 9, 1);
    expect_floats(output_of(root, "logits"), &tensors, logits, 9, 1);
    const json_t *classes = output_of(root, "probabilities");
    expect_shape(classes, 1, MADE_OUTPUTS); // there are no 99
    double last = 2;
    for (unsigned k = 0; k < MADE_OUTPUTS; k++) {
        double value = strtod(element(classes, &tensors, k), NULL);
        ck_assert_double_le(value, last);
        last = value;
    }
    json_decref(root);
    answer_free(&answer);
}
END_TEST

START_TEST(without_an_id_the_requests_own_comes_back) {
    const uint8_t *tensors;
    struct answer answer;
    say_triton(1, "UINT8", MADE_INPUTS);
    add(pixels[0], MADE_INPUTS);
    post(INFER, true, "X-Request-Id: abc-1\r\n", &answer);
    json_t *root = head_of(&answer, &tensors);
    ck_assert_str_eq(json_string_value(json_object_get(root, "id")), "abc-1");
    json_decref(root);
    answer_free(&answer);
}
END_TEST

START_TEST(a_raw_request_is_nothing_but_the_input) {
    struct answer answer;
    sent.json_len = 0;
    for (int way = 0; way < 4; way++) {
        sent.len = 0;
        if (way == 3) // a picture, with its length in front
            add((const uint8_t[]){(MADE_INPUTS + 13) & 255, (MADE_INPUTS + 13) >> 8, 0, 0}, 4);
        if (way >= 2)
            say("P5 28 28 255\n");
        if (way == 0)
            add_f32(11, 1);
        else
            add(pixels[11], MADE_INPUTS);
        post(INFER, true, NULL, &answer);
        expect_all(&answer, 11, 1);
    }
}
END_TEST

// ---- Pictures ----------------------------------------------------------------------------------

static void add_base64(const uint8_t *bytes, size_t len, bool escape) {
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < len; i += 3) {
        size_t n = len - i < 3 ? len - i : 3;
        uint32_t bits = (uint32_t)bytes[i] << 16 | (n > 1 ? (uint32_t)bytes[i + 1] << 8 : 0) |
                        (n > 2 ? bytes[i + 2] : 0);
        for (size_t k = 0; k < 4; k++) {
            char c = k <= n ? digit[bits >> (18 - 6 * k) & 63] : '=';
            say(escape && c == '/' ? "\\%c" : "%c", c);
        }
    }
}

static size_t make_pgm(unsigned row, uint8_t pgm[13 + MADE_INPUTS]) {
    memcpy(pgm, "P5 28 28 255\n", 13);
    memcpy(pgm + 13, pixels[row], MADE_INPUTS);
    return 13 + MADE_INPUTS;
}

START_TEST(pictures_are_elements_of_bytes) {
    static const char *const name[] = {"jpeg", "image"};
    uint8_t pgm[13 + MADE_INPUTS], length[4];
    struct answer answer;
    for (int way = 0; way < 8; way++) {
        bool in_json = way & 2, other = way & 4;
        sent.len = 0;
        say("{\"inputs\":[{\"name\":\"%s\",\"shape\":[%s],\"datatype\":\"BYTES\"", name[way & 1],
            other ? "3,1" : "3");
        say("%s", in_json ? ",\"data\":[" : "}]}");
        end_json();
        for (unsigned row = 20; row < 23; row++) {
            size_t len = make_pgm(row, pgm);
            if (in_json) {
                say(row > 20 ? ",\"" : "\"");
                add_base64(pgm, len, other);
                say("\"");
                continue;
            }
            store_u32(length, (uint32_t)len);
            add(length, 4);
            add(pgm, len);
        }
        if (in_json)
            say("]}]}");
        post(INFER, !in_json, NULL, &answer);
        expect_all(&answer, 20, 3);
    }
}
END_TEST

// ---- Compressed requests -----------------------------------------------------------------------

// window: as deflateInit2 has it.
static void pack(int window) {
    static struct message packed;
    z_stream stream = {.next_in = sent.at,
                       .avail_in = (uInt)sent.len,
                       .next_out = packed.at,
                       .avail_out = sizeof packed.at};
    ck_assert_int_eq(deflateInit2(&stream, 9, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY), Z_OK);
    ck_assert_int_eq(deflate(&stream, Z_FINISH), Z_STREAM_END);
    deflateEnd(&stream);
    packed.len = sizeof packed.at - stream.avail_out;
    packed.json_len = sent.json_len; // of what was packed
    sent = packed;
}

START_TEST(compressed_requests_are_unpacked) {
    struct answer answer;
    for (int way = 0; way < 3; way++) {
        say_triton(7, "UINT8", 7 * MADE_INPUTS);
        add(pixels[2], 7 * MADE_INPUTS);
        pack(way == 0 ? 31 : way == 1 ? 15 : -15);
        post(INFER, true,
             way == 0 ? "content-encoding: gzip\r\naccept-encoding: gzip\r\n"
                      : "content-encoding: deflate\r\n",
             &answer);
        expect_all(&answer, 2, 7);
    }
    post(INFER, true, "content-encoding: br\r\n", &answer);
    served_expect_error(&answer, 415, "unsupported_media_type");
    post(INFER, true, "content-encoding: gzip\r\n", &answer);
    served_expect_error(&answer, 400, "malformed");
}
END_TEST

START_TEST(a_body_that_unpacks_to_more_than_the_limit_is_refused) {
    struct answer answer;
    client_close(&client);
    served_stop(&run);
    tnm_model_close(model);
    start_with((const char *const[]){"--max-body", "100K", NULL});
    sent.len = sent.json_len = 0;
    memset(sent.at, ' ', 120000);
    sent.len = 120000;
    pack(31);
    ck_assert_uint_lt(sent.len, 1000);
    post(INFER, false, "content-encoding: gzip\r\n", &answer);
    served_expect_error(&answer, 413, "body_too_large");
}
END_TEST

// ---- Refusals ----------------------------------------------------------------------------------

#define INPUT(more)                                                                                \
    "{\"inputs\":[{\"name\":\"image\",\"shape\":[1,784],\"datatype\":\"FP32\"" more "}]}"

static const struct {
    const char *headers, *json;
    int status;
    const char *code;
} refused[] = {
    {NULL, "", 400, "malformed"},
    {NULL, "hello", 400, "malformed"},
    {NULL, "{}", 400, "malformed"},
    {NULL, INPUT(""), 400, "malformed"},
    {NULL, INPUT(",\"data\":[1,2,3]"), 400, "malformed"},
    {NULL, INPUT(",\"data\":\"abc\""), 400, "malformed"},
    {NULL, INPUT(",\"data\":[[[[1]]]]"), 400, "malformed"},
    {NULL, INPUT(",\"parameters\":{\"shared_memory_region\":\"r\"}"), 501, "not_implemented"},
    {NULL,
     "{\"inputs\":[{\"name\":\"image\",\"shape\":[0,784],\"datatype\":\"FP32\",\"data\":[]}]}", 400,
     "malformed"},
    {NULL,
     "{\"inputs\":[{\"name\":\"image\",\"shape\":[4000000000,784],\"datatype\":\"FP32\","
     "\"data\":[]}]}",
     413, "batch_too_large"},
    {NULL,
     "{\"inputs\":[{\"name\":\"jpeg\",\"shape\":[1],\"datatype\":\"BYTES\","
     "\"data\":[\"aGVsbG8=\"]}]}",
     422, "image_undecodable"},
    {NULL,
     "{\"inputs\":[{\"name\":\"jpeg\",\"shape\":[1],\"datatype\":\"BYTES\","
     "\"data\":[\"!!!\"]}]}",
     400, "malformed"},
    {NULL,
     "{\"inputs\":[{\"name\":\"jpeg\",\"shape\":[1],\"datatype\":\"BYTES\","
     "\"data\":[7]}]}",
     400, "malformed"},
    {"Inference-Header-Content-Length: 9999\r\n", INPUT(""), 400, "malformed"},
    {"Inference-Header-Content-Length: -1\r\n", INPUT(""), 400, "malformed"},
    {"Inference-Header-Content-Length: +1\r\n", INPUT(""), 400, "malformed"},
    {"Inference-Header-Content-Length: 1 2\r\n", INPUT(""), 400, "malformed"},
    {"Inference-Header-Content-Length: 99999999999999999999999\r\n", INPUT(""), 400, "malformed"},
    {"Inference-Header-Content-Length: 0\r\n", "abc", 400, "malformed"},
    {"Inference-Header-Content-Length: 0\r\nInference-Header-Content-Length: 3\r\n", "abc", 400,
     "malformed"},
};

START_TEST(bad_requests_are_refused_and_the_connection_lives) {
    struct answer answer;
    ck_assert(client_request(&client, "POST", INFER, refused[_i].headers, NULL, refused[_i].json,
                             strlen(refused[_i].json), &answer));
    served_expect_error(&answer, refused[_i].status, refused[_i].code);
    say_triton(1, "UINT8", MADE_INPUTS);
    add(pixels[0], MADE_INPUTS);
    post(INFER, true, NULL, &answer);
    expect_all(&answer, 0, 1);
}
END_TEST

// The second is finite itself, and makes what is not.
START_TEST(values_that_are_no_use_are_refused_wherever_they_stand) {
    static const uint32_t bits[] = {0x7fc00000, 0x7f7fffff};
    struct answer answer;
    for (unsigned row = 0; row < 20; row += 19)
        for (int which = 0; which < 2; which++) {
            say_triton(20, "FP32", 20 * MADE_INPUTS * 4);
            add_f32(0, 20);
            for (size_t i = 0; i < MADE_INPUTS; i++)
                store_u32(sent.at + sent.json_len + 4 * (row * MADE_INPUTS + i), bits[which]);
            post(INFER, true, NULL, &answer);
            served_expect_error(&answer, which == 0 ? 400 : 422,
                                which == 0 ? "malformed" : "out_of_range");
        }
}
END_TEST

START_TEST(a_batch_has_a_limit) {
    struct answer answer;
    client_close(&client);
    served_stop(&run);
    tnm_model_close(model);
    start_with((const char *const[]){"--max-batch", "5", NULL});
    for (unsigned n = 5; n < 7; n++) {
        say_triton(n, "UINT8", n * MADE_INPUTS);
        add(pixels, n * MADE_INPUTS);
        post(INFER, true, NULL, &answer);
        if (n == 5)
            expect_all(&answer, 0, n);
        else
            served_expect_error(&answer, 413, "batch_too_large");
    }
}
END_TEST

// ---- The repository ----------------------------------------------------------------------------

static int post_text(const char *path, const char *headers, const char *body, char *text,
                     size_t size) {
    struct answer answer;
    ck_assert(client_request(&client, "POST", path, headers, NULL, body, strlen(body), &answer));
    int status = answer.status;
    if (text != NULL)
        snprintf(text, size, "%s", answer.body);
    answer_free(&answer);
    return status;
}

static const json_t *entry_of(const json_t *index, const char *name) {
    for (size_t i = 0; i < json_array_size(index); i++)
        if (strcmp(json_string_value(json_object_get(json_array_get(index, i), "name")), name) == 0)
            return json_array_get(index, i);
    return NULL;
}

static json_t *index_with(const char *body) {
    struct answer answer;
    ck_assert(client_request(&client, "POST", "/v2/repository/index", NULL, NULL, body,
                             strlen(body), &answer));
    ck_assert_int_eq(answer.status, 200);
    json_t *index = served_json(&answer);
    answer_free(&answer);
    return index;
}

START_TEST(models_are_listed_unloaded_and_loaded) {
    char text[512];
    json_t *index = index_with("");
    ck_assert_uint_eq(json_array_size(index), 2);
    ck_assert_str_eq(json_string_value(json_object_get(entry_of(index, "two"), "state")), "READY");
    json_decref(index);
    // As Triton's client says it.
    ck_assert_int_eq(post_text("/v2/repository/models/two/unload", NULL,
                               "{\"parameters\":{\"unload_dependents\":false}}", NULL, 0),
                     200);
    index = index_with("{}");
    const json_t *two = entry_of(index, "two");
    ck_assert_str_eq(json_string_value(json_object_get(two, "state")), "UNAVAILABLE");
    ck_assert_uint_gt(json_string_length(json_object_get(two, "reason")), 0);
    json_decref(index);
    index = index_with("{\"ready\":true}");
    ck_assert_uint_eq(json_array_size(index), 1);
    json_decref(index);
    struct answer answer;
    ck_assert(client_get(&client, "/v2/models/two/ready", &answer));
    ck_assert_ptr_nonnull(strstr(answer.body, "is not in service: unloaded\""));
    served_expect_error(&answer, 503, "no_model");
    ck_assert_int_eq(post_text("/v2/repository/models/two/load", NULL, "{}", text, sizeof text),
                     200);
    ck_assert_ptr_nonnull(strstr(text, "\"load\":true"));
    json_decref(get("/v2/models/two/ready"));
}
END_TEST

// Triton's client says neither a length nor that the body comes in chunks.
START_TEST(models_are_listed_to_who_sends_no_body) {
    struct answer answer;
    ck_assert(client_printf(&client,
                            "POST /v2/repository/index HTTP/1.1\r\n"
                            "user-agent: python/gevent-http-client-2.0.8\r\n"
                            "host: 127.0.0.1:%u\r\n\r\n",
                            client.port));
    ck_assert(client_read(&client, &answer, false));
    ck_assert_int_eq(answer.status, 200);
    json_t *index = served_json(&answer);
    ck_assert_uint_eq(json_array_size(index), 2);
    json_decref(index);
    answer_free(&answer);
}
END_TEST

static const struct {
    const char *path, *body;
    int status;
} changes[] = {
    {"/v2/repository/models/one/unload", "", 409}, // it is active
    {"/v2/repository/models/three/load", "", 404},
    {"/v2/repository/models/three/unload", "", 404},
    {"/v2/repository/models/two/load", "{\"parameters\":{\"config\":\"{}\"}}", 501},
    {"/v2/repository/models/two/load", "{\"parameters\":{\"file:1/model\":\"eA==\"}}", 501},
    {"/v2/repository/models/two/load", "{", 400},
    {"/v2/repository/index", "[]", 400},
    {"/v2/repository/index", "{\"ready\":1}", 400},
};

START_TEST(changes_that_cannot_be_are_refused) {
    char text[512];
    int status = post_text(changes[_i].path, NULL, changes[_i].body, text, sizeof text);
    ck_assert_msg(status == changes[_i].status, "%d: %s", status, text);
    ck_assert_ptr_nonnull(strstr(text, "{\"error\":\""));
}
END_TEST

START_TEST(changes_need_the_admin_token_and_no_foreign_page) {
    char file[4096];
    client_close(&client);
    served_stop(&run);
    tnm_model_close(model);
    const char *folder = scratch_make();
    snprintf(file, sizeof file, "%s", scratch_path(folder, "tokens"));
    scratch_write(file, "admin:secret\n", 13);
    start_with((const char *const[]){"--token-file", file, NULL});
    const char *path = "/v2/repository/models/two/unload";
    ck_assert_int_eq(post_text(path, NULL, "", NULL, 0), 401);
    ck_assert_int_eq(post_text(path, "Authorization: Bearer wrong\r\n", "", NULL, 0), 401);
    ck_assert_int_eq(
        post_text(path, "Authorization: Bearer secret\r\nOrigin: http://evil\r\n", "", NULL, 0),
        403);
    ck_assert_int_eq(post_text(path, "Authorization: Bearer secret\r\n", "", NULL, 0), 200);
    scratch_remove(folder);
}
END_TEST

// ---- Statistics --------------------------------------------------------------------------------

static json_int_t count_of(const json_t *stats, const char *part) {
    const json_t *found = json_object_get(json_object_get(stats, "inference_stats"), part);
    ck_assert_msg(json_is_integer(json_object_get(found, "ns")), "%s", part);
    return json_integer_value(json_object_get(found, "count"));
}

START_TEST(statistics_count_what_was_inferred) {
    struct answer answer;
    say_triton(20, "UINT8", 20 * MADE_INPUTS);
    add(pixels, 20 * MADE_INPUTS);
    for (int i = 0; i < 3; i++) {
        post(INFER, true, NULL, &answer);
        expect_all(&answer, 0, 20);
    }
    sent.json_len = 5; // no JSON
    post(INFER, true, NULL, &answer);
    served_expect_error(&answer, 400, "malformed");
    json_t *root = get("/v2/models/one/stats");
    const json_t *stats = json_array_get(json_object_get(root, "model_stats"), 0);
    ck_assert_int_eq(json_integer_value(json_object_get(stats, "inference_count")), 60);
    ck_assert_int_eq(json_integer_value(json_object_get(stats, "execution_count")), 6);
    ck_assert_int_gt(json_integer_value(json_object_get(stats, "last_inference")), 1600000000000);
    ck_assert_int_eq(count_of(stats, "success"), 3);
    ck_assert_int_eq(count_of(stats, "fail"), 1);
    ck_assert_int_eq(count_of(stats, "compute_infer"), 3);
    ck_assert_int_eq(count_of(stats, "queue"), 0);
    json_decref(root);
    root = get("/v2/models/stats");
    ck_assert_uint_eq(json_array_size(json_object_get(root, "model_stats")), 2);
    json_decref(root);
}
END_TEST

Suite *oip_suite(void);

Suite *oip_suite(void) {
    Suite *suite = suite_create("oip");
    TCase *tc = tcase_create("oip");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, start, stop);
    tcase_add_test(tc, the_server_says_what_it_is_and_how_it_is);
    tcase_add_test(tc, a_model_says_what_it_takes_and_gives_in_every_spelling_of_its_version);
    tcase_add_loop_test(tc, what_is_not_there_is_said_to_be_absent, 0, COUNT(absent));
    tcase_add_loop_test(tc, tritons_client_gets_its_tensors, 0, COUNT(batches));
    tcase_add_test(tc, a_request_of_tritons_client_with_everything_in_it);
    tcase_add_test(tc, json_is_answered_in_json);
    tcase_add_test(tc, outputs_come_as_each_was_asked_for);
    tcase_add_test(tc, without_an_id_the_requests_own_comes_back);
    tcase_add_test(tc, a_raw_request_is_nothing_but_the_input);
    tcase_add_test(tc, pictures_are_elements_of_bytes);
    tcase_add_test(tc, compressed_requests_are_unpacked);
    tcase_add_test(tc, a_body_that_unpacks_to_more_than_the_limit_is_refused);
    tcase_add_loop_test(tc, bad_requests_are_refused_and_the_connection_lives, 0, COUNT(refused));
    tcase_add_test(tc, values_that_are_no_use_are_refused_wherever_they_stand);
    tcase_add_test(tc, a_batch_has_a_limit);
    tcase_add_test(tc, models_are_listed_unloaded_and_loaded);
    tcase_add_test(tc, models_are_listed_to_who_sends_no_body);
    tcase_add_loop_test(tc, changes_that_cannot_be_are_refused, 0, COUNT(changes));
    tcase_add_test(tc, changes_need_the_admin_token_and_no_foreign_page);
    tcase_add_test(tc, statistics_count_what_was_inferred);
    suite_add_tcase(suite, tc);
    return suite;
}
