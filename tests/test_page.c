/* SPDX-License-Identifier: MIT */
// The page as it goes over the wire, and the weights that it shows, against the real daemon. What
// the page does is tested in a browser: tests/web.
#include "core/checksum.h"
#include "core/model.h"
#include "daemon/body.h"
#include "daemon/json_out.h"
#include "tests/made.h"
#include "tests/scratch.h"
#include "tests/served.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static struct served_run run;

static void start(void) {
    served_start(&run, NULL);
}

static void stop(void) {
    served_stop(&run);
}

static void get(const char *path, const char *headers, struct answer *answer) {
    ck_assert(request_once(run.daemon.port, "GET", path, headers, NULL, NULL, 0, answer));
}

// ---- The page ----------------------------------------------------------------------------------

START_TEST(page_comes_with_its_policy) {
    struct answer answer;
    get("/", NULL, &answer);
    ck_assert_int_eq(answer.status, 200);
    ck_assert_str_eq(answer_header(&answer, "Content-Type"), "text/html; charset=utf-8");
    ck_assert_str_eq(answer_header(&answer, "X-Content-Type-Options"), "nosniff");
    ck_assert_str_eq(answer_header(&answer, "Cache-Control"), "no-cache");
    ck_assert_ptr_nonnull(strstr(answer_header(&answer, "Content-Security-Policy"),
                                 "default-src 'none'; connect-src 'self'"));
    ck_assert_ptr_null(strstr(answer_header(&answer, "Content-Security-Policy"), "unsafe"));
    ck_assert(strncmp(answer.body, "<!DOCTYPE html>\n", 16) == 0);
    answer_free(&answer);
}
END_TEST

// The policy's hash of what stands between two tags.
static void expect_hash(const struct answer *answer, const char *kind, const char *open,
                        const char *close) {
    const char *begin = strstr(answer->body, open);
    ck_assert_ptr_nonnull(begin);
    begin += strlen(open);
    const char *end = strstr(begin, close);
    ck_assert_ptr_nonnull(end);
    ck_assert_ptr_null(strstr(end, open)); // and there is no other
    uint8_t digest[32];
    tnm_sha256(begin, (size_t)(end - begin), digest);
    struct json_out quoted = {0};
    json_out_base64(&quoted, digest, sizeof digest);
    char wanted[128];
    snprintf(wanted, sizeof wanted, "%s 'sha256-%.*s';", kind, (int)quoted.len - 2, quoted.at + 1);
    json_out_free(&quoted);
    const char *policy = answer_header(answer, "Content-Security-Policy");
    ck_assert_msg(strstr(policy, wanted) != NULL, "no %s in %s", wanted, policy);
}

START_TEST(policy_names_the_script_and_the_style) {
    struct answer answer;
    get("/", NULL, &answer);
    expect_hash(&answer, "script-src", "<script type=\"module\">", "</script>");
    expect_hash(&answer, "style-src", "<style>", "</style>");
    answer_free(&answer);
}
END_TEST

START_TEST(page_is_compressed_for_who_takes_it) {
    struct answer plain, gzip;
    get("/", NULL, &plain);
    get("/", "Accept-Encoding: br, gzip\r\n", &gzip);
    ck_assert_ptr_null(answer_header(&plain, "Content-Encoding"));
    ck_assert_str_eq(answer_header(&gzip, "Content-Encoding"), "gzip");
    ck_assert_str_eq(answer_header(&gzip, "Vary"), "Accept-Encoding");
    uint8_t *out = malloc(plain.body_len + 1);
    z_stream z = {.next_in = (Bytef *)gzip.body,
                  .avail_in = (uInt)gzip.body_len,
                  .next_out = out,
                  .avail_out = (uInt)plain.body_len + 1};
    ck_assert_int_eq(inflateInit2(&z, 16 + MAX_WBITS), Z_OK);
    ck_assert_int_eq(inflate(&z, Z_FINISH), Z_STREAM_END);
    ck_assert_uint_eq(z.total_out, plain.body_len);
    ck_assert_mem_eq(out, plain.body, plain.body_len);
    inflateEnd(&z);
    free(out);
    answer_free(&plain);
    answer_free(&gzip);
}
END_TEST

START_TEST(page_is_sent_once) {
    struct answer answer;
    char field[128];
    get("/", NULL, &answer);
    snprintf(field, sizeof field, "If-None-Match: \"other\", %s\r\n",
             answer_header(&answer, "ETag"));
    answer_free(&answer);
    get("/", field, &answer);
    ck_assert_int_eq(answer.status, 304);
    ck_assert_uint_eq(answer.body_len, 0);
    answer_free(&answer);
    get("/", "If-None-Match: W/\"other\"\r\n", &answer);
    ck_assert_int_eq(answer.status, 200);
    answer_free(&answer);
}
END_TEST

// ---- Weights -----------------------------------------------------------------------------------

// The bytes of a base64 string of a reply; to be freed.
static uint8_t *bytes_of(const json_t *root, const char *key, size_t *len) {
    const char *text = json_string_value(json_object_get(root, key));
    ck_assert_ptr_nonnull(text);
    struct tnm_error err = {0};
    struct bytes from = {(const uint8_t *)text, strlen(text)};
    uint8_t *out = malloc(from.len / 4 * 3 + 3);
    ck_assert_msg(base64_decode(from, out, len, &err), "%s", err.text);
    return out;
}

// The first layer of model "one" in full.
static float *dense_weights(uint32_t *rows, uint32_t *cols) {
    struct made made = made_model(1, false);
    struct tnm_error err = {0};
    struct tnm_model *model =
        tnm_model_from_bytes(made.bytes, made.len, &(struct tnm_limits){1 << 24, 1 << 26}, &err);
    ck_assert_msg(model != NULL, "%s", err.text);
    const struct tnm_matrix *m = &model->graph.node[0].w[0];
    *rows = m->rows, *cols = m->cols;
    float *w = malloc(tnm_matrix_elements(m) * sizeof *w);
    tnm_matrix_to_dense(m, w);
    tnm_model_close(model);
    made_free(&made);
    return w;
}

START_TEST(weights_are_those_of_the_strongest_rows) {
    struct answer answer;
    get("/models/one/weights?layer=0&units=3", NULL, &answer);
    ck_assert_int_eq(answer.status, 200);
    json_t *root = served_json(&answer);
    uint32_t rows, cols;
    float *w = dense_weights(&rows, &cols);
    size_t len;
    int8_t *value = (int8_t *)bytes_of(root, "values", &len);
    const json_t *units = json_object_get(root, "units");
    const double scale = json_number_value(json_object_get(root, "scale"));
    ck_assert_uint_eq(json_array_size(units), rows < 3 ? rows : 3);
    ck_assert_uint_eq(len, json_array_size(units) * cols);
    double before = INFINITY;
    for (size_t i = 0; i < json_array_size(units); i++) {
        const float *row = w + (size_t)json_integer_value(json_array_get(units, i)) * cols;
        double strength = 0;
        for (uint32_t c = 0; c < cols; c++) {
            int8_t got = value[i * cols + c];
            strength += fabs((double)row[c]);
            ck_assert_msg((got != 0) == (row[c] != 0) &&
                              fabs((double)row[c] - got * scale / 127) <= 1.01 * scale / 127,
                          "unit %zu, column %u: %d of %g for %g", i, c, got, scale, (double)row[c]);
        }
        ck_assert(strength <= before);
        before = strength;
    }
    for (uint32_t r = 0, stronger = 0; r < rows; r++) { // no other row is stronger than the last
        double strength = 0;
        for (uint32_t c = 0; c < cols; c++)
            strength += fabs((double)w[(size_t)r * cols + c]);
        stronger += strength > before;
        ck_assert_uint_lt(stronger, 3);
    }
    free(value);
    free(w);
    json_decref(root);
    answer_free(&answer);
}
END_TEST

START_TEST(weights_are_summed_by_column) {
    struct answer answer;
    get("/models/one/weights", NULL, &answer);
    json_t *root = served_json(&answer);
    uint32_t rows, cols;
    float *w = dense_weights(&rows, &cols);
    double *sum = calloc(cols, sizeof *sum), most = 0;
    for (size_t i = 0; i < (size_t)rows * cols; i++) {
        sum[i % cols] += fabs((double)w[i]);
        most = fmax(most, sum[i % cols]);
    }
    size_t len;
    uint8_t *seen = bytes_of(root, "seen", &len);
    ck_assert_uint_eq(len, cols);
    for (uint32_t c = 0; c < cols; c++)
        ck_assert_msg(fabs(seen[c] - sum[c] / most * 255) <= 1, "column %u: %u", c, seen[c]);
    free(seen);
    free(sum);
    free(w);
    json_decref(root);
    answer_free(&answer);
}
END_TEST

static const struct {
    const char *path;
    int status;
    const char *code;
} refused[] = {
    {"/models/none/weights", 404, "model_not_found"},
    {"/models/one/weights?layer=99", 404, "not_found"},
    {"/models/one/weights?layer=x", 400, "bad_query"},
    {"/models/one/weights?layer=-1", 400, "bad_query"},
    {"/models/one/weights?units=0", 400, "bad_query"},
    {"/models/one/weights?units=65", 400, "bad_query"},
};

START_TEST(weights_are_refused) {
    struct answer answer;
    get(refused[_i].path, NULL, &answer);
    served_expect_error(&answer, refused[_i].status, refused[_i].code);
}
END_TEST

Suite *page_suite(void) {
    Suite *suite = suite_create("page");
    TCase *page = tcase_create("page"), *weights = tcase_create("weights");
    tcase_add_checked_fixture(page, start, stop);
    tcase_add_checked_fixture(weights, start, stop);
    tcase_set_timeout(page, 60);
    tcase_set_timeout(weights, 60);
    tcase_add_test(page, page_comes_with_its_policy);
    tcase_add_test(page, policy_names_the_script_and_the_style);
    tcase_add_test(page, page_is_compressed_for_who_takes_it);
    tcase_add_test(page, page_is_sent_once);
    tcase_add_test(weights, weights_are_those_of_the_strongest_rows);
    tcase_add_test(weights, weights_are_summed_by_column);
    tcase_add_loop_test(weights, weights_are_refused, 0, (int)(sizeof refused / sizeof refused[0]));
    suite_add_tcase(suite, page);
    suite_add_tcase(suite, weights);
    return suite;
}
