/* SPDX-License-Identifier: MIT */
// The real daemon, end to end: every kind of input against the engine in this process, every kind
// of bad input, models and who may change them.
#include "core/bytes.h"
#include "core/tnm.h"
#include "daemon/picture.h"
#include "tests/made.h"
#include "tests/photo.h"
#include "tests/scratch.h"
#include "tests/served.h"

#include <check.h>
#include <math.h>
#include <png.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define COUNT(table) ((int)(sizeof(table) / sizeof(table)[0]))

static struct served_run run;
static struct client client;
static struct tnm_model *model[2]; // those that the daemon serves as "one" and "two"
static const char *const model_name[2] = {"one", "two"};

// ---- The truth ---------------------------------------------------------------------------------

struct truth {
    double logit[MADE_OUTPUTS], probability[MADE_OUTPUTS];
    size_t best;
};

static struct truth truth_of(const struct tnm_model *of, const float *x) {
    struct tnm_error err;
    struct truth truth = {0};
    float logits[MADE_OUTPUTS];
    struct tnm_session *session = tnm_session_open(of, 1, &err);
    ck_assert_msg(session != NULL, "%s", err.text);
    tnm_session_run(session, x, 1, logits);
    tnm_session_close(session);
    double sum = 0;
    for (size_t i = 0; i < MADE_OUTPUTS; i++) {
        truth.logit[i] = (double)logits[i];
        if (truth.logit[i] > truth.logit[truth.best])
            truth.best = i;
    }
    for (size_t i = 0; i < MADE_OUTPUTS; i++)
        sum += truth.probability[i] = exp(truth.logit[i] - truth.logit[truth.best]);
    for (size_t i = 0; i < MADE_OUTPUTS; i++)
        truth.probability[i] /= sum;
    return truth;
}

static struct truth truth_of_pixels(const struct tnm_model *of, const uint8_t *pixels) {
    float x[MADE_INPUTS];
    for (size_t i = 0; i < MADE_INPUTS; i++)
        x[i] = (float)pixels[i] / 255.0F;
    return truth_of(of, x);
}

static double number(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    ck_assert_msg(json_is_number(value), "no number \"%s\"", key);
    return json_number_value(value);
}

static const char *text(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    ck_assert_msg(json_is_string(value), "no text \"%s\"", key);
    return json_string_value(value);
}

static void expect_class(const json_t *entry, const struct truth *truth) {
    char label[8];
    size_t index = (size_t)number(entry, "index");
    ck_assert_uint_lt(index, MADE_OUTPUTS);
    snprintf(label, sizeof label, "%zu", index);
    ck_assert_str_eq(text(entry, "label"), label);
    ck_assert_double_eq_tol(number(entry, "probability"), truth->probability[index], 2e-6);
}

static void expect_top(const json_t *root, const struct truth *truth, size_t n) {
    const json_t *top = json_object_get(root, "top");
    ck_assert_uint_eq(json_array_size(top), n);
    double last = 2;
    for (size_t i = 0; i < n; i++) {
        const json_t *entry = json_array_get(top, i);
        expect_class(entry, truth);
        ck_assert_double_le(number(entry, "probability"), last);
        last = number(entry, "probability");
    }
    ck_assert_double_eq(number(json_array_get(top, 0), "index"), number(root, "index"));
    if (n > 1)
        ck_assert_double_eq_tol(
            number(root, "margin"),
            number(root, "probability") - number(json_array_get(top, 1), "probability"), 3e-6);
}

static void expect_headers(const struct answer *answer, const json_t *root, int which) {
    char digest[32], generation[32];
    ck_assert_str_eq(text(root, "model"), model_name[which]);
    ck_assert_str_eq(text(root, "digest"), tnm_model_digest(model[which]));
    snprintf(digest, sizeof digest, "sha256:%.12s", tnm_model_digest(model[which]));
    snprintf(generation, sizeof generation, "%.0f", number(root, "generation"));
    ck_assert_str_eq(answer_header(answer, "X-Model"), model_name[which]);
    ck_assert_str_eq(answer_header(answer, "X-Model-Digest"), digest);
    ck_assert_str_eq(answer_header(answer, "X-Model-Generation"), generation);
    ck_assert_str_eq(answer_header(answer, "Content-Type"), "application/json");
    double decode, infer, total;
    ck_assert_int_eq(sscanf(answer_header(answer, "Server-Timing"),
                            "decode;dur=%lf, infer;dur=%lf, total;dur=%lf", &decode, &infer,
                            &total),
                     3);
    const json_t *timing = json_object_get(root, "timing_us");
    ck_assert_double_eq_tol(number(timing, "decode"), decode * 1000, 0.2);
    ck_assert_double_eq_tol(number(timing, "infer"), infer * 1000, 0.2);
    ck_assert_double_eq_tol(number(timing, "total"), total * 1000, 0.2);
    ck_assert_double_ge(number(timing, "total") + 0.2,
                        number(timing, "decode") + number(timing, "infer"));
}

// The whole answer against the truth; its "input" is returned, to be freed.
static json_t *expect_answer(struct answer *answer, int which, const struct truth *truth,
                             size_t top) {
    ck_assert_msg(answer->status == 200, "%d: %s", answer->status, answer->body);
    json_t *root = served_json(answer);
    ck_assert_double_eq(number(root, "index"), (double)truth->best);
    expect_class(root, truth);
    expect_top(root, truth, top);
    expect_headers(answer, root, which);
    const json_t *logits = json_object_get(root, "logits");
    for (size_t i = 0; logits != NULL && i < MADE_OUTPUTS; i++)
        ck_assert_double_eq_tol(json_number_value(json_array_get(logits, i)), truth->logit[i],
                                1e-6);
    json_t *input = json_incref(json_object_get(root, "input"));
    json_decref(root);
    answer_free(answer);
    return input;
}

// ---- Bodies ------------------------------------------------------------------------------------

struct body {
    uint8_t *at; // owned
    size_t len;
};

static struct body body_new(size_t size) {
    struct body body = {malloc(size), 0};
    ck_assert_ptr_nonnull(body.at);
    return body;
}

static void body_add(struct body *body, const void *bytes, size_t len) {
    memcpy(body->at + body->len, bytes, len);
    body->len += len;
}

static void body_say(struct body *body, const char *words) {
    body_add(body, words, strlen(words));
}

static struct body as_u8(const uint8_t *pixels) {
    struct body body = body_new(MADE_INPUTS);
    body_add(&body, pixels, MADE_INPUTS);
    return body;
}

static struct body as_f32(const uint8_t *pixels) {
    struct body body = body_new(4 * MADE_INPUTS);
    for (size_t i = 0; i < MADE_INPUTS; i++) {
        float value = (float)pixels[i] / 255.0F;
        uint32_t bits;
        memcpy(&bits, &value, sizeof bits);
        store_u32(body.at + body.len, bits);
        body.len += 4;
    }
    return body;
}

static struct body as_json_pixels(const uint8_t *pixels) {
    struct body body = body_new(8 * MADE_INPUTS);
    body_say(&body, "{\"pixels\": [");
    for (size_t i = 0; i < MADE_INPUTS; i++) {
        char value[8];
        snprintf(value, sizeof value, "%s%u", i > 0 ? ", " : "", pixels[i]);
        body_say(&body, value);
    }
    body_say(&body, "]}");
    return body;
}

static struct body as_pgm(const uint8_t *pixels) {
    struct body body = body_new(32 + MADE_INPUTS);
    body_say(&body, "P5\n28 28\n255\n");
    body_add(&body, pixels, MADE_INPUTS);
    return body;
}

static struct body as_png(const uint8_t *pixels) {
    png_image image = {
        .version = PNG_IMAGE_VERSION, .width = 28, .height = 28, .format = PNG_FORMAT_GRAY};
    struct body body = body_new(8192);
    body.len = 8192;
    ck_assert(png_image_write_to_memory(&image, body.at, &body.len, 0, pixels, 0, NULL));
    return body;
}

static struct body as_json_image(const uint8_t *pixels) {
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    struct body png = as_png(pixels), body = body_new(2 * png.len + 64);
    body_say(&body, "{\"image\": \"");
    for (size_t i = 0; i < png.len; i += 3) {
        size_t n = png.len - i < 3 ? png.len - i : 3;
        uint32_t bits = (uint32_t)png.at[i] << 16 | (n > 1 ? (uint32_t)png.at[i + 1] << 8 : 0) |
                        (n > 2 ? png.at[i + 2] : 0);
        char four[4] = {digit[bits >> 18], digit[bits >> 12 & 63], digit[bits >> 6 & 63],
                        digit[bits & 63]};
        memset(four + n + 1, '=', 3 - n);
        body_add(&body, four, 4);
    }
    body_say(&body, "\"}");
    free(png.at);
    return body;
}

static struct body in_form(struct body file, const char *disposition) {
    struct body body = body_new(file.len + 512);
    body_say(&body, "--frontier\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nhello\r\n"
                    "--frontier\r\nContent-Disposition: form-data; ");
    body_say(&body, disposition);
    body_say(&body, "\r\nContent-Type: application/octet-stream\r\n\r\n");
    body_add(&body, file.at, file.len);
    body_say(&body, "\r\n--frontier--\r\n");
    free(file.at);
    return body;
}

static struct body as_form_png(const uint8_t *pixels) {
    return in_form(as_png(pixels), "name=\"upload\"; filename=\"seven.png\"");
}

static struct body as_form_u8(const uint8_t *pixels) {
    return in_form(as_u8(pixels), "name=\"image\"");
}

// ---- Every kind of input -----------------------------------------------------------------------

#define FORM "multipart/form-data; charset=utf-8; boundary=\"frontier\""

static const struct {
    const char *type; // NULL: none
    struct body (*make)(const uint8_t *pixels);
    const char *kind;
} inputs[] = {
    {"application/octet-stream", as_u8, "u8"},
    {"application/octet-stream", as_f32, "f32"},
    {"application/octet-stream", as_png, "png"},
    {"application/json", as_json_pixels, "pixels"},
    {"application/json; charset=utf-8", as_json_image, "png"},
    {"image/png", as_png, "png"},
    {"image/x-portable-graymap", as_pgm, "pnm"},
    {FORM, as_form_png, "png"},
    {FORM, as_form_u8, "u8"},
    {NULL, as_u8, "u8"},
    {NULL, as_f32, "f32"},
    {NULL, as_png, "png"},
    {NULL, as_pgm, "pnm"},
    {NULL, as_json_pixels, "pixels"},
    {"application/x-www-form-urlencoded", as_png, "png"}, // what curl --data-binary says
};

// The test images of MNIST, read once for all tests.
static uint8_t *all_digits;

static const uint8_t *digits(void) {
    ck_assert_msg(all_digits != NULL, "no models/mnist");
    return all_digits;
}

START_TEST(every_kind_of_input_is_classified) {
    for (size_t i = 0; i < 5; i++) {
        const uint8_t *pixels = digits() + i * MADE_INPUTS;
        struct body body = inputs[_i].make(pixels);
        struct truth truth = truth_of_pixels(model[0], pixels);
        struct answer answer;
        ck_assert(client_post(&client, "/classify?logits=1", inputs[_i].type, body.at, body.len,
                              &answer));
        json_t *input = expect_answer(&answer, 0, &truth, 3);
        ck_assert_str_eq(text(input, "kind"), inputs[_i].kind);
        json_decref(input);
        free(body.at);
    }
}
END_TEST

// A photograph goes through the picture code; here through the same code in this process.
START_TEST(a_photograph_is_classified) {
    struct photo photo;
    size_t len;
    struct tnm_error err;
    uint8_t pixels[MADE_INPUTS];
    struct picture picture;
    struct tnm_prepared did;
    photo_make(&photo, PHOTO_PAPER, digits(), 640, 480, 7);
    uint8_t *jpeg = photo_jpeg(&photo, 80, &len);
    const struct picture_wish limits = {.max_pixels = 1 << 30, .max_bytes = 1 << 30};
    ck_assert_msg(picture_to_input((struct bytes){jpeg, len}, tnm_model_recipe(model[0]), &limits,
                                   pixels, &picture, &did, &err),
                  "%s", err.text);
    struct truth truth = truth_of_pixels(model[0], pixels);
    struct answer answer;
    ck_assert(client_post(&client, "/classify?logits=1", "image/jpeg", jpeg, len, &answer));
    json_t *input = expect_answer(&answer, 0, &truth, 3);
    ck_assert_str_eq(text(input, "kind"), "jpeg");
    ck_assert_double_eq(number(input, "width"), 640);
    ck_assert_double_eq(number(input, "height"), 480);
    ck_assert_double_eq(number(input, "orientation"), 1);
    ck_assert(json_is_true(json_object_get(input, "inverted")));
    ck_assert(json_is_true(json_object_get(input, "found")));
    ck_assert(json_is_false(json_object_get(input, "as_is")));
    const json_t *crop = json_object_get(input, "crop");
    const uint32_t want[4] = {did.crop_x, did.crop_y, did.crop_width, did.crop_height};
    ck_assert_uint_eq(json_array_size(crop), 4);
    for (size_t i = 0; i < 4; i++)
        ck_assert_double_eq(json_number_value(json_array_get(crop, i)), want[i]);
    json_decref(input);
    free(jpeg);
    photo_free(&photo);
}
END_TEST

START_TEST(test_images_as_png_give_what_the_engine_gives) {
    for (size_t i = 0, n = emulated() ? 100 : 1000; i < n; i++) {
        const uint8_t *pixels = digits() + i * MADE_INPUTS;
        struct body body = as_png(pixels);
        struct truth truth = truth_of_pixels(model[0], pixels);
        struct answer answer;
        ck_assert(
            client_post(&client, "/classify?logits=1", "image/png", body.at, body.len, &answer));
        json_t *input = expect_answer(&answer, 0, &truth, 3);
        ck_assert(json_is_true(json_object_get(input, "as_is")));
        json_decref(input);
        free(body.at);
    }
}
END_TEST

// The acceptance test of the whole way: as many right answers over HTTP as the engine gives here,
// and, of all 10,000, as many as the forge counted when it wrote the file.
START_TEST(the_published_model_is_as_good_over_http) {
    struct tnm_error err;
    struct daemon_run published;
    struct client caller;
    const char *const args[] = {"--models", "models", "--active", "mnist-mlp-5bit", NULL};
    uint8_t *labels = photo_labels();
    struct tnm_model *engine = tnm_model_open("models/mnist-mlp-5bit.tnm", &err);
    ck_assert_msg(labels != NULL && engine != NULL, "%s", err.text);
    ck_assert_msg(daemon_start(&published, args), "%s", daemon_log(&published));
    ck_assert(client_open(&caller, published.port));
    unsigned n = emulated() ? 300 : 10000, right = 0, right_here = 0;
    for (size_t i = 0; i < n; i++) {
        const uint8_t *pixels = digits() + i * MADE_INPUTS;
        struct body body = as_png(pixels);
        struct answer answer;
        ck_assert(client_post(&caller, "/classify?top=1", "image/png", body.at, body.len, &answer));
        ck_assert_int_eq(answer.status, 200);
        json_t *root = served_json(&answer);
        right += number(root, "index") == labels[i];
        right_here += truth_of_pixels(engine, pixels).best == labels[i];
        json_decref(root);
        answer_free(&answer);
        free(body.at);
    }
    struct tnm_summary summary;
    tnm_model_summary(engine, &summary);
    ck_assert_uint_eq(right, right_here);
    ck_assert_double_eq_tol(right, summary.test_accuracy * n, n == 10000 ? 0.5 : 10);
    client_close(&caller);
    ck_assert_int_eq(daemon_stop(&published), 0);
    tnm_model_close(engine);
    free(labels);
}
END_TEST

// Of every kind of body: a page shows what the network saw.
START_TEST(a_reply_holds_what_the_network_saw) {
    const uint8_t *pixels = digits() + _i * MADE_INPUTS;
    struct body body = inputs[_i].make(pixels);
    struct truth truth = truth_of_pixels(model[0], pixels);
    struct answer answer;
    ck_assert(
        client_post(&client, "/classify?pixels=1", inputs[_i].type, body.at, body.len, &answer));
    json_t *input = expect_answer(&answer, 0, &truth, 3);
    const json_t *seen = json_object_get(input, "pixels");
    ck_assert_uint_eq(json_array_size(seen), MADE_INPUTS);
    for (size_t i = 0; i < MADE_INPUTS; i++)
        ck_assert_int_eq(json_integer_value(json_array_get(seen, i)), pixels[i]);
    json_decref(input);
    free(body.at);
}
END_TEST

START_TEST(the_query_chooses_model_and_classes) {
    static const struct {
        const char *path;
        int which;
        size_t top;
        bool logits;
    } calls[] = {
        {"/classify", 0, 3, false},
        {"/classify?model=two", 1, 3, false},
        {"/classify?model=t%77o&top=1", 1, 1, false},
        {"/classify?top=10&logits=1", 0, 10, true},
        {"/classify?top=500&logits=0", 0, 10, false},
        {"/classify?other=1&logits=true", 0, 3, true},
    };
    const uint8_t *pixels = digits();
    for (int i = 0; i < COUNT(calls); i++) {
        struct truth truth = truth_of_pixels(model[calls[i].which], pixels);
        struct answer answer;
        ck_assert(client_post(&client, calls[i].path, NULL, pixels, MADE_INPUTS, &answer));
        ck_assert((strstr(answer.body, "\"logits\"") != NULL) == calls[i].logits);
        json_decref(expect_answer(&answer, calls[i].which, &truth, calls[i].top));
    }
}
END_TEST

START_TEST(a_body_in_chunks_is_classified) {
    const uint8_t *pixels = digits();
    struct truth truth = truth_of_pixels(model[0], pixels);
    struct answer answer;
    ck_assert(client_printf(&client, "POST /classify HTTP/1.1\r\nHost: x\r\n"
                                     "Transfer-Encoding: chunked\r\n\r\n"));
    for (size_t at = 0; at < MADE_INPUTS; at += 98) {
        ck_assert(client_printf(&client, "62\r\n"));
        ck_assert(client_send(&client, pixels + at, 98));
        ck_assert(client_printf(&client, "\r\n"));
    }
    ck_assert(client_printf(&client, "0\r\nX-Trailer: y\r\n\r\n"));
    ck_assert(client_read(&client, &answer, false));
    json_decref(expect_answer(&answer, 0, &truth, 3));
}
END_TEST

// ---- Bad input ---------------------------------------------------------------------------------

#define TYPE_JPEG "image/jpeg"
#define TYPE_JSON "application/json"
#define TYPE_RAW "application/octet-stream"

static const struct {
    const char *what, *path, *type, *body;
    int status;
    const char *code;
} bad[] = {
    {"empty", "/classify", NULL, "", 400, "malformed"},
    {"empty JPEG", "/classify", TYPE_JPEG, "", 400, "malformed"},
    {"text", "/classify", NULL, "hello", 415, "unsupported_media_type"},
    {"text as text", "/classify", "text/plain", "hello", 415, "unsupported_media_type"},
    {"a GIF", "/classify", "image/gif", "GIF89a", 415, "unsupported_media_type"},
    {"text as JPEG", "/classify", TYPE_JPEG, "hello", 422, "image_undecodable"},
    {"a JPEG's first bytes", "/classify", TYPE_JPEG, "\xff\xd8\xff\xe0", 422, "image_undecodable"},
    {"a PNG's first bytes", "/classify", "image/png", "\x89PNG\r\n\x1a\n", 422,
     "image_undecodable"},
    {"a truncated PGM", "/classify", NULL, "P5 28 28 255\nxxxx", 422, "image_undecodable"},
    {"a PGM of 900 megapixels", "/classify", NULL, "P5 30000 30000 255\nx", 413, "image_too_large"},
    {"a short tensor", "/classify", TYPE_RAW, "0123456789", 400, "malformed"},
    {"no JSON", "/classify", TYPE_JSON, "{", 400, "malformed"},
    {"other JSON", "/classify", TYPE_JSON, "{\"pixel\":[]}", 400, "malformed"},
    {"too few pixels", "/classify", TYPE_JSON, "{\"pixels\":[1,2]}", 400, "malformed"},
    {"bad base64", "/classify", TYPE_JSON, "{\"image\":\"*\"}", 400, "malformed"},
    {"no picture in base64", "/classify", TYPE_JSON, "{\"image\":\"aGVsbG8=\"}", 422,
     "image_undecodable"},
    {"a form without a boundary", "/classify", "multipart/form-data", "--x", 400, "malformed"},
    {"a form without its boundary", "/classify", FORM, "hello", 400, "malformed"},
    {"a form without a file", "/classify", FORM,
     "--frontier\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nx\r\n--frontier\r\n"
     "Content-Disposition: form-data; name=\"b\"\r\n\r\ny\r\n--frontier--\r\n",
     400, "malformed"},
    {"a type that is none", "/classify", "jpeg", "hello", 400, "malformed"},
    {"top=0", "/classify?top=0", NULL, "hello", 400, "bad_query"},
    {"top=-1", "/classify?top=-1", NULL, "hello", 400, "bad_query"},
    {"top=x", "/classify?top=x", NULL, "hello", 400, "bad_query"},
    {"top=", "/classify?top=", NULL, "hello", 400, "bad_query"},
    {"top=%00", "/classify?top=%00", NULL, "hello", 400, "bad_query"},
    {"top=99999999999999999999", "/classify?top=99999999999999999999", NULL, "hello", 400,
     "bad_query"},
    {"logits=yes", "/classify?logits=yes", NULL, "hello", 400, "bad_query"},
    {"model=", "/classify?model=", NULL, "hello", 400, "bad_query"},
    {"an unknown model", "/classify?model=three", NULL, "hello", 404, "model_not_found"},
    {"a path for a model", "/classify?model=..%2F..%2Fetc%2Fpasswd", NULL, "hello", 404,
     "model_not_found"},
    {"a model that is no UTF-8", "/classify?model=%ff%fe", NULL, "hello", 404, "model_not_found"},
};

START_TEST(bad_input_is_refused_and_the_connection_lives) {
    struct answer answer;
    ck_assert(client_post(&client, bad[_i].path, bad[_i].type, bad[_i].body, strlen(bad[_i].body),
                          &answer));
    if (bad[_i].status == 415)
        ck_assert_ptr_nonnull(answer_header(&answer, "Accept-Post"));
    served_expect_error(&answer, bad[_i].status, bad[_i].code);
    ck_assert(client_post(&client, "/classify", NULL, digits(), MADE_INPUTS, &answer));
    ck_assert_int_eq(answer.status, 200);
    answer_free(&answer);
}
END_TEST

START_TEST(values_that_are_no_numbers_are_refused) {
    static const uint32_t bits[] = {0x7fc00000, 0x7f800000, 0xff800000};
    for (int i = 0; i < COUNT(bits); i++) {
        struct body body = as_f32(digits());
        store_u32(body.at + 4 * 100, bits[i]);
        struct answer answer;
        ck_assert(client_post(&client, "/classify", TYPE_RAW, body.at, body.len, &answer));
        served_expect_error(&answer, 400, "malformed");
        free(body.at);
    }
}
END_TEST

// Finite, but the sums in the network are not: no answer of nulls.
START_TEST(values_that_overflow_the_network_are_refused) {
    struct body body = body_new(4 * MADE_INPUTS);
    for (body.len = 0; body.len < 4 * MADE_INPUTS; body.len += 4)
        store_u32(body.at + body.len, 0x7f7fffff); // the largest float
    struct answer answer;
    ck_assert(client_post(&client, "/classify", TYPE_RAW, body.at, body.len, &answer));
    served_expect_error(&answer, 422, "out_of_range");
    free(body.at);
}
END_TEST

START_TEST(an_empty_content_type_is_none) {
    struct answer answer;
    ck_assert(client_post(&client, "/classify", "", digits(), MADE_INPUTS, &answer));
    ck_assert_int_eq(answer.status, 200);
    answer_free(&answer);
}
END_TEST

// Every prefix of a picture: refused, never a crash, and never an answer.
START_TEST(a_truncated_picture_is_refused) {
    struct photo photo;
    size_t len;
    struct answer answer;
    photo_make(&photo, PHOTO_PAPER, digits(), 64, 48, 7);
    uint8_t *jpeg = photo_jpeg(&photo, 80, &len);
    for (size_t n = 4; n < len; n += len / 20) {
        ck_assert(client_post(&client, "/classify", TYPE_JPEG, jpeg, n, &answer));
        served_expect_error(&answer, 422, "image_undecodable");
    }
    free(jpeg);
    photo_free(&photo);
}
END_TEST

START_TEST(a_picture_of_30000_by_30000_is_refused_unread) {
    uint8_t png[] = "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x75\x30\0\0\x75\x30\x08\0\0\0\0____"
                    "\0\0\0\0IDAT";
    uint32_t crc = (uint32_t)crc32(0, png + 12, 17);
    for (int i = 0; i < 4; i++)
        png[29 + i] = (uint8_t)(crc >> (24 - 8 * i));
    struct answer answer;
    ck_assert(client_post(&client, "/classify", "image/png", png, sizeof png - 1, &answer));
    ck_assert_msg(strstr(answer.body, "max-pixels") != NULL, "%s", answer.body);
    served_expect_error(&answer, 413, "image_too_large");
}
END_TEST

START_TEST(a_form_of_another_site_is_refused) {
    struct body body = as_form_png(digits());
    struct answer answer;
    char own[64];
    ck_assert(client_request(&client, "POST", "/classify", "Origin: http://evil.example\r\n", FORM,
                             body.at, body.len, &answer));
    served_expect_error(&answer, 403, "foreign_origin");
    snprintf(own, sizeof own, "Origin: http://127.0.0.1:%u\r\n", client.port);
    ck_assert(client_request(&client, "POST", "/classify", own, FORM, body.at, body.len, &answer));
    ck_assert_int_eq(answer.status, 200);
    answer_free(&answer);
    free(body.at);
}
END_TEST

// ---- Models ------------------------------------------------------------------------------------

START_TEST(models_are_listed) {
    struct answer answer;
    for (int i = 0; i < 3; i++) {
        ck_assert(client_post(&client, "/classify", NULL, digits(), MADE_INPUTS, &answer));
        answer_free(&answer);
    }
    ck_assert(client_get(&client, "/models", &answer));
    ck_assert_int_eq(answer.status, 200);
    json_t *root = served_json(&answer);
    ck_assert_str_eq(text(root, "active"), "one");
    ck_assert_uint_eq(json_array_size(json_object_get(root, "models")), 2);
    for (int i = 0; i < 2; i++) {
        const json_t *entry = json_array_get(json_object_get(root, "models"), (size_t)i);
        struct tnm_summary summary;
        tnm_model_summary(model[i], &summary);
        ck_assert_str_eq(text(entry, "name"), model_name[i]);
        ck_assert_str_eq(text(entry, "state"), "ready");
        ck_assert_str_eq(text(entry, "digest"), tnm_model_digest(model[i]));
        ck_assert(json_is_true(json_object_get(entry, "active")) == (i == 0));
        ck_assert_double_eq(number(entry, "bytes"), (double)summary.bytes);
        ck_assert_double_eq(number(entry, "nonzeros"), (double)summary.nonzeros);
        ck_assert_double_eq_tol(number(entry, "ratio"),
                                (double)summary.dense_bytes / (double)summary.bytes, 1e-6);
        ck_assert_double_eq(number(entry, "requests"), i == 0 ? 3 : 0);
        const json_t *layer = json_array_get(json_object_get(entry, "layers"), 0);
        ck_assert_str_eq(text(layer, "op"), "linear");
        ck_assert_str_eq(text(layer, "encoding"), "csr");
        // This file claims no accuracy, and NaN is no JSON.
        ck_assert(json_is_null(json_object_get(json_object_get(entry, "accuracy"), "test")));
    }
    json_decref(root);
    answer_free(&answer);
}
END_TEST

START_TEST(one_model_is_shown_with_its_labels) {
    struct answer answer;
    ck_assert(client_get(&client, "/models/two", &answer));
    ck_assert_int_eq(answer.status, 200);
    json_t *root = served_json(&answer);
    ck_assert_str_eq(text(root, "name"), "two");
    const json_t *labels = json_object_get(root, "labels");
    ck_assert_uint_eq(json_array_size(labels), MADE_OUTPUTS);
    ck_assert_str_eq(json_string_value(json_array_get(labels, 7)), "7");
    json_decref(root);
    answer_free(&answer);
    ck_assert(client_get(&client, "/models/three", &answer));
    served_expect_error(&answer, 404, "model_not_found");
}
END_TEST

static uint64_t active_generation(void) {
    struct answer answer;
    ck_assert(client_get(&client, "/models", &answer));
    json_t *root = served_json(&answer);
    uint64_t generation = (uint64_t)number(root, "generation");
    json_decref(root);
    answer_free(&answer);
    return generation;
}

static struct answer activate(const char *name, const char *headers) {
    char path[128];
    struct answer answer;
    snprintf(path, sizeof path, "/models/%s/activate", name);
    ck_assert(client_request(&client, "POST", path, headers, NULL, NULL, 0, &answer));
    return answer;
}

START_TEST(another_model_is_activated) {
    struct truth truth = truth_of_pixels(model[1], digits());
    uint64_t before = active_generation();
    struct answer answer = activate("two", NULL);
    ck_assert_int_eq(answer.status, 200);
    json_t *root = served_json(&answer);
    ck_assert_str_eq(text(root, "model"), "two");
    ck_assert_str_eq(text(root, "previous"), "one");
    uint64_t generation = (uint64_t)number(root, "generation");
    ck_assert_uint_gt(generation, before);
    ck_assert_uint_eq(generation, active_generation());
    json_decref(root);
    answer_free(&answer);
    ck_assert(client_post(&client, "/classify", NULL, digits(), MADE_INPUTS, &answer));
    json_decref(expect_answer(&answer, 1, &truth, 3));
    answer = activate("three", NULL);
    served_expect_error(&answer, 404, "model_not_found");
}
END_TEST

START_TEST(if_match_keeps_two_operators_apart) {
    char headers[64];
    uint64_t before = active_generation();
    snprintf(headers, sizeof headers, "If-Match: \"%llu\"\r\n", (unsigned long long)before + 1);
    struct answer answer = activate("two", headers);
    served_expect_error(&answer, 412, "generation_moved");
    ck_assert_uint_eq(active_generation(), before);
    answer = activate("two", "If-Match: 7\r\n");
    served_expect_error(&answer, 400, "malformed");
    answer = activate("two", "If-Match: \"seven\"\r\n");
    served_expect_error(&answer, 400, "malformed");
    snprintf(headers, sizeof headers, "If-Match: \"%llu\"\r\n", (unsigned long long)before);
    answer = activate("two", headers);
    ck_assert_int_eq(answer.status, 200);
    answer_free(&answer);
}
END_TEST

START_TEST(a_foreign_page_may_not_activate) {
    struct answer answer = activate("two", "Origin: http://evil.example\r\n");
    served_expect_error(&answer, 403, "foreign_origin");
    answer = activate("two", "Origin: null\r\n");
    served_expect_error(&answer, 403, "foreign_origin");
}
END_TEST

START_TEST(activation_needs_the_token_that_is_configured) {
    struct answer answer = activate("two", NULL);
    ck_assert_str_eq(answer_header(&answer, "WWW-Authenticate"), "Bearer realm=\"tnmd\"");
    served_expect_error(&answer, 401, "unauthorized");
    answer = activate("two", "Authorization: Bearer wrong\r\n");
    served_expect_error(&answer, 401, "unauthorized");
    answer = activate("two", "Authorization: Bearer the-token\r\nOrigin: http://evil.example\r\n");
    served_expect_error(&answer, 403, "foreign_origin");
    answer = activate("two", "Authorization: Bearer the-token\r\n");
    ck_assert_int_eq(answer.status, 200);
    answer_free(&answer);
    // What changes nothing needs none.
    ck_assert(client_get(&client, "/models", &answer));
    ck_assert_int_eq(answer.status, 200);
    answer_free(&answer);
}
END_TEST

static bool bad_is_listed(void *argument) {
    struct answer *answer = argument;
    answer_free(answer);
    ck_assert(client_get(&client, "/models/bad", answer));
    return answer->status == 200 && strstr(answer->body, "\"loading\"") == NULL;
}

START_TEST(a_file_that_cannot_serve_is_reported) {
    struct answer answer = {0};
    scratch_write(scratch_path(run.folder, "bad.tnm"), "no model", 8);
    ck_assert(eventually(bad_is_listed, &answer));
    json_t *root = served_json(&answer);
    ck_assert_str_eq(text(root, "state"), "failed");
    ck_assert_uint_gt(strlen(text(root, "reason")), 0);
    ck_assert(json_is_false(json_object_get(root, "active")));
    json_decref(root);
    answer_free(&answer);
    ck_assert(client_post(&client, "/classify?model=bad", NULL, digits(), MADE_INPUTS, &answer));
    served_expect_error(&answer, 503, "no_model");
    answer = activate("bad", NULL);
    served_expect_error(&answer, 422, "model_invalid");
    ck_assert(client_post(&client, "/classify", NULL, digits(), MADE_INPUTS, &answer));
    ck_assert_int_eq(answer.status, 200);
    answer_free(&answer);
}
END_TEST

START_TEST(without_a_model_it_is_alive_and_not_ready) {
    struct answer answer;
    struct daemon_run empty;
    const char *folder = scratch_make();
    const char *const args[] = {"--models", folder, NULL};
    ck_assert_msg(daemon_start(&empty, args), "%s", daemon_log(&empty));
    ck_assert(request_once(empty.port, "GET", "/healthz", NULL, NULL, NULL, 0, &answer));
    ck_assert_int_eq(answer.status, 200);
    answer_free(&answer);
    ck_assert(request_once(empty.port, "GET", "/readyz", NULL, NULL, NULL, 0, &answer));
    served_expect_error(&answer, 503, "no_model");
    ck_assert(request_once(empty.port, "POST", "/classify", NULL, NULL, "hello", 5, &answer));
    served_expect_error(&answer, 503, "no_model");
    ck_assert(request_once(empty.port, "GET", "/models", NULL, NULL, NULL, 0, &answer));
    ck_assert_msg(strstr(answer.body, "{\"active\":null,") != NULL, "%s", answer.body);
    answer_free(&answer);
    ck_assert_int_eq(daemon_stop(&empty), 0);
    scratch_remove(folder);
}
END_TEST

// ---- The suite ---------------------------------------------------------------------------------

// Once, before all tests.
static void open_all(void) {
    all_digits = photo_digits();
    for (unsigned i = 0; i < 2; i++) {
        struct tnm_error err;
        struct made made = made_model(i + 1, false);
        const struct tnm_limits limits = {1 << 28, 1 << 30};
        model[i] = tnm_model_from_bytes(made.bytes, made.len, &limits, &err);
        ck_assert_msg(model[i] != NULL, "%s", err.text);
        made_free(&made);
    }
}

static void close_all(void) {
    free(all_digits);
    for (int i = 0; i < 2; i++)
        tnm_model_close(model[i]);
}

static void start_with(const char *const *args) {
    served_start(&run, args);
    ck_assert(client_open(&client, run.daemon.port));
}

static void start(void) {
    start_with(NULL);
}

static const char *token_folder;

static void start_with_token(void) {
    token_folder = scratch_make();
    const char *path = scratch_path(token_folder, "tokens");
    scratch_write(path, "admin:the-token\n", 16);
    const char *const args[] = {"--token-file", path, NULL};
    start_with(args);
}

static void stop(void) {
    client_close(&client);
    served_stop(&run);
    if (token_folder != NULL)
        scratch_remove(token_folder);
}

static TCase *add_case(Suite *suite, const char *name, void (*setup)(void)) {
    TCase *tc = tcase_create(name);
    tcase_set_timeout(tc, 300);
    tcase_add_unchecked_fixture(tc, open_all, close_all);
    tcase_add_checked_fixture(tc, setup, stop);
    suite_add_tcase(suite, tc);
    return tc;
}

Suite *daemon_suite(void) {
    Suite *suite = suite_create("daemon");
    TCase *tc = add_case(suite, "plain", start);
    tcase_add_loop_test(tc, every_kind_of_input_is_classified, 0, COUNT(inputs));
    tcase_add_loop_test(tc, a_reply_holds_what_the_network_saw, 0, COUNT(inputs));
    tcase_add_test(tc, a_photograph_is_classified);
    tcase_add_test(tc, test_images_as_png_give_what_the_engine_gives);
    tcase_add_test(tc, the_published_model_is_as_good_over_http);
    tcase_add_test(tc, the_query_chooses_model_and_classes);
    tcase_add_test(tc, a_body_in_chunks_is_classified);
    tcase_add_loop_test(tc, bad_input_is_refused_and_the_connection_lives, 0, COUNT(bad));
    tcase_add_test(tc, values_that_are_no_numbers_are_refused);
    tcase_add_test(tc, values_that_overflow_the_network_are_refused);
    tcase_add_test(tc, an_empty_content_type_is_none);
    tcase_add_test(tc, a_truncated_picture_is_refused);
    tcase_add_test(tc, a_picture_of_30000_by_30000_is_refused_unread);
    tcase_add_test(tc, a_form_of_another_site_is_refused);
    tcase_add_test(tc, models_are_listed);
    tcase_add_test(tc, one_model_is_shown_with_its_labels);
    tcase_add_test(tc, another_model_is_activated);
    tcase_add_test(tc, if_match_keeps_two_operators_apart);
    tcase_add_test(tc, a_foreign_page_may_not_activate);
    tcase_add_test(tc, a_file_that_cannot_serve_is_reported);
    tcase_add_test(tc, without_a_model_it_is_alive_and_not_ready);
    tcase_add_test(add_case(suite, "token", start_with_token),
                   activation_needs_the_token_that_is_configured);
    return suite;
}
