/* SPDX-License-Identifier: MIT */
// POST /evaluate of the real daemon: the numbers against the engine, against the forge and against
// formulas; damaged sets; what goes on beside it.
#include "tests/expect.h"
#include "tests/load.h"
#include "tests/scratch.h"
#include "tests/served.h"
#include "tests/tool_run.h"

#include <check.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <zlib.h>

enum { SOME = 120, SIDE = 28 };

static struct served_run run;

static void setup(void) {
    served_start(&run, NULL);
}

static void teardown(void) {
    served_stop(&run);
}

// ---- Sets --------------------------------------------------------------------------------------

struct file {
    uint8_t *at; // owned
    size_t len;
};

static void put_word(uint8_t *at, uint32_t word) {
    for (unsigned i = 0; i < 4; i++)
        at[i] = (uint8_t)(word >> (24 - 8 * i));
}

static struct file make_file(size_t len) {
    struct file file = {calloc(1, len > 0 ? len : 1), len};
    ck_assert_ptr_nonnull(file.at);
    return file;
}

// made_input(0), 1, ... and, from `distinct` on, the same again. distinct 0: blank, labelled 0.
static struct file make_images(uint32_t n, uint32_t distinct) {
    struct file file = make_file(16 + (size_t)n * MADE_INPUTS);
    const uint32_t head[] = {0x0803, n, SIDE, SIDE};
    for (size_t i = 0; i < 4; i++)
        put_word(file.at + 4 * i, head[i]);
    for (uint32_t i = 0; i < n && i < distinct; i++)
        made_input(i, file.at + 16 + (size_t)i * MADE_INPUTS);
    for (uint32_t i = distinct; i < n && distinct > 0; i++)
        memcpy(file.at + 16 + (size_t)i * MADE_INPUTS,
               file.at + 16 + (size_t)(i % distinct) * MADE_INPUTS, MADE_INPUTS);
    return file;
}

// What model 1 says, but for some: every third what model 2 says, every seventh something else.
static uint8_t label_of(uint32_t i) {
    size_t label = expect_answer(i % 3 == 0 ? 2 : 1, i).index;
    return (uint8_t)(i % 7 == 0 ? (label + 1) % MADE_OUTPUTS : label);
}

static struct file make_labels(uint32_t n, uint32_t distinct) {
    struct file file = make_file(8 + (size_t)n);
    put_word(file.at, 0x0801);
    put_word(file.at + 4, n);
    for (uint32_t i = 0; i < n && distinct > 0; i++)
        file.at[8 + i] = i < distinct ? label_of(i) : file.at[8 + i % distinct];
    return file;
}

static struct file gzipped(const struct file *plain) {
    z_stream z = {0};
    ck_assert_int_eq(deflateInit2(&z, 1, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
    struct file file = make_file(deflateBound(&z, plain->len));
    z.next_in = plain->at;
    z.avail_in = (uInt)plain->len;
    z.next_out = file.at;
    z.avail_out = (uInt)file.len;
    ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
    file.len = z.total_out;
    deflateEnd(&z);
    return file;
}

// ---- Calls -------------------------------------------------------------------------------------

static const char form_type[] = "multipart/form-data; boundary=between";

static void append(struct file *body, const void *bytes, size_t len) {
    body->at = realloc(body->at, body->len + len);
    ck_assert_ptr_nonnull(body->at);
    memcpy(body->at + body->len, bytes, len);
    body->len += len;
}

static void append_part(struct file *body, const char *name, const struct file *file) {
    char head[160];
    int len =
        snprintf(head, sizeof head,
                 "--between\r\nContent-Disposition: form-data; name=\"%s\"; filename=\"f\"\r\n"
                 "Content-Type: application/octet-stream\r\n\r\n",
                 name);
    append(body, head, (size_t)len);
    append(body, file->at, file->len);
    append(body, "\r\n", 2);
}

static struct file make_form(const struct file *images, const struct file *labels) {
    struct file body = make_file(0);
    append_part(&body, "images", images);
    append_part(&body, "labels", labels);
    append(&body, "--between--\r\n", 13);
    return body;
}

static json_t *evaluate(const char *query, const struct file *images, const struct file *labels,
                        int status) {
    char path[256];
    struct file body = make_form(images, labels);
    snprintf(path, sizeof path, "/evaluate%s", query);
    json_t *reply =
        expect_json(run.daemon.port, "POST", path, form_type, body.at, body.len, status);
    free(body.at);
    return reply;
}

static const json_t *result(const json_t *reply, size_t i) {
    return json_array_get(json_object_get(reply, "results"), i);
}

// ---- Numbers -----------------------------------------------------------------------------------

// P(X <= fewer or X >= more) of a fair coin, from Pascal's triangle.
static double slow_mcnemar(unsigned b, unsigned c) {
    static double row[SOME + 2];
    unsigned n = b + c, fewer = b < c ? b : c;
    memset(row, 0, sizeof row);
    row[0] = 1;
    for (unsigned i = 1; i <= n; i++)
        for (unsigned k = i; k > 0; k--)
            row[k] += row[k - 1];
    double sum = 0;
    for (unsigned k = 0; k <= fewer; k++)
        sum += row[k];
    return b == c ? 1 : fmin(1, 2 * sum / exp2(n));
}

// Wilson's bounds are where a normal test of the true share just rejects.
static void expect_interval(const json_t *row, double right, double n) {
    const json_t *interval = json_object_get(row, "interval");
    for (size_t i = 0; i < 2; i++) {
        double p = json_number_value(json_array_get(interval, i)), apart = right / n - p;
        double z = fabs(apart) / sqrt(p * (1 - p) / n);
        ck_assert_double_eq_tol(z, 1.959964, 1e-3);
        ck_assert(i == 0 ? apart > 0 : apart < 0);
    }
}

static void expect_confusion(const json_t *row, unsigned seed) {
    unsigned want[MADE_OUTPUTS][MADE_OUTPUTS] = {0};
    for (uint32_t i = 0; i < SOME; i++)
        want[label_of(i)][expect_answer(seed, i).index]++;
    const json_t *rows = json_object_get(row, "confusion");
    ck_assert_uint_eq(json_array_size(rows), MADE_OUTPUTS);
    for (size_t r = 0; r < MADE_OUTPUTS; r++)
        for (size_t c = 0; c < MADE_OUTPUTS; c++)
            ck_assert_int_eq(json_integer_value(json_array_get(json_array_get(rows, r), c)),
                             want[r][c]);
}

static unsigned right_of(unsigned seed) {
    unsigned right = 0;
    for (uint32_t i = 0; i < SOME; i++)
        right += expect_answer(seed, i).index == label_of(i);
    return right;
}

static void expect_result(const json_t *row, const char *model, unsigned seed) {
    const unsigned right = right_of(seed);
    ck_assert_str_eq(expect_string(row, "model"), model);
    ck_assert_str_eq(expect_string(row, "digest"), expect_answer(seed, 0).digest);
    ck_assert_int_eq(expect_integer(row, "images"), SOME);
    ck_assert_int_eq(expect_integer(row, "correct"), right);
    ck_assert_double_eq_tol(expect_number(row, "accuracy"), (double)right / SOME, 1e-6);
    ck_assert_double_gt(expect_number(row, "p50_us"), 0);
    ck_assert_double_ge(expect_number(row, "p99_us"), expect_number(row, "p50_us"));
    // Seconds for 1000 are milliseconds for one: between half of the median and what p99 allows.
    double mean_us = 1000 * expect_number(row, "cpu_s_per_1000");
    ck_assert_double_gt(mean_us, expect_number(row, "p50_us") / 2);
    expect_interval(row, right, SOME);
    expect_confusion(row, seed);
}

START_TEST(numbers_are_those_of_engine_and_formulas) {
    struct file images = make_images(SOME, SOME), labels = make_labels(SOME, SOME);
    json_t *reply = evaluate("?models=one,two", &images, &labels, 200);
    ck_assert_str_eq(expect_string(reply, "reference"), "one");
    ck_assert_int_eq(expect_integer(reply, "images"), SOME);
    ck_assert(json_is_true(json_object_get(reply, "complete")));
    expect_result(result(reply, 0), "one", 1);
    expect_result(result(reply, 1), "two", 2);
    ck_assert(json_is_null(json_object_get(result(reply, 0), "mcnemar")));
    unsigned only_one = 0, only_two = 0;
    for (uint32_t i = 0; i < SOME; i++) {
        bool one = expect_answer(1, i).index == label_of(i);
        bool two = expect_answer(2, i).index == label_of(i);
        only_one += one && !two;
        only_two += two && !one;
    }
    const json_t *pair = json_object_get(result(reply, 1), "mcnemar");
    ck_assert_int_eq(expect_integer(pair, "only_reference"), only_one);
    ck_assert_int_eq(expect_integer(pair, "only_this"), only_two);
    double p = slow_mcnemar(only_one, only_two);
    ck_assert_double_lt(p, 0.01); // else the test of the test would not see a difference
    ck_assert_double_eq_tol(expect_number(pair, "p"), p, p * 1e-6);
    json_decref(reply);

    // The other way round, packed, and the reference not among the models that are named.
    struct file images_gz = gzipped(&images), labels_gz = gzipped(&labels);
    reply = evaluate("?models=one&reference=two", &images_gz, &labels_gz, 200);
    ck_assert_str_eq(expect_string(reply, "reference"), "two");
    expect_result(result(reply, 0), "two", 2);
    expect_result(result(reply, 1), "one", 1);
    pair = json_object_get(result(reply, 1), "mcnemar");
    ck_assert_int_eq(expect_integer(pair, "only_reference"), only_two);
    ck_assert_int_eq(expect_integer(pair, "only_this"), only_one);
    json_decref(reply);
    free(images_gz.at);
    free(labels_gz.at);
    free(images.at);
    free(labels.at);
}
END_TEST

START_TEST(all_are_the_active_one_and_those_like_it) {
    struct file images = make_images(3, 3), labels = make_labels(3, 3);
    json_t *reply = evaluate("", &images, &labels, 200);
    ck_assert_uint_eq(json_array_size(json_object_get(reply, "results")), 2);
    json_decref(reply);
    reply = evaluate("?models=all&reference=two", &images, &labels, 200);
    ck_assert_str_eq(expect_string(reply, "reference"), "two");
    ck_assert_uint_eq(json_array_size(json_object_get(reply, "results")), 2);
    json_decref(reply);
    free(images.at);
    free(labels.at);
}
END_TEST

// The forge's report on the same files.
START_TEST(numbers_are_those_of_the_forge) {
    struct file images = make_images(SOME, SOME), labels = make_labels(SOME, SOME);
    char data[4096];
    snprintf(data, sizeof data, "%s/data", run.folder);
    ck_assert_int_eq(mkdir(data, 0755), 0);
    scratch_write(scratch_path(data, "t10k-images-idx3-ubyte"), images.at, images.len);
    scratch_write(scratch_path(data, "t10k-labels-idx1-ubyte"), labels.at, labels.len);
    struct tool_run tool =
        tool_run("eval %s/one.tnm %s/two.tnm --data %s --json", run.folder, run.folder, data);
    ck_assert_msg(tool.code == 0, "%s", tool.err);
    json_t *want = json_loads(tool.out, 0, NULL);
    json_t *reply = evaluate("?models=one,two", &images, &labels, 200);
    for (size_t i = 0; i < 2; i++) {
        const json_t *forge = json_array_get(json_object_get(want, "models"), i);
        const json_t *ours = result(reply, i);
        ck_assert_int_eq(expect_integer(ours, "images"), expect_integer(forge, "images"));
        ck_assert_int_eq(expect_integer(ours, "correct"), expect_integer(forge, "correct"));
        ck_assert(
            json_equal(json_object_get(ours, "confusion"), json_object_get(forge, "confusion")));
        for (size_t k = 0; k < 2; k++)
            ck_assert_double_eq_tol(
                json_number_value(json_array_get(json_object_get(ours, "interval"), k)),
                json_number_value(json_array_get(json_object_get(forge, "interval"), k)), 1e-6);
    }
    const json_t *forge_pair =
        json_object_get(json_array_get(json_object_get(want, "models"), 1), "against_first");
    const json_t *pair = json_object_get(result(reply, 1), "mcnemar");
    ck_assert_int_eq(expect_integer(pair, "only_reference"),
                     expect_integer(forge_pair, "only_first"));
    ck_assert_int_eq(expect_integer(pair, "only_this"), expect_integer(forge_pair, "only_this"));
    ck_assert_double_eq_tol(expect_number(pair, "p"), expect_number(forge_pair, "mcnemar_p"), 1e-8);
    json_decref(reply);
    json_decref(want);
    tool_free(&tool);
    free(images.at);
    free(labels.at);
}
END_TEST

// ---- Damage ------------------------------------------------------------------------------------

enum { IMAGES, LABELS };

// A word or a byte of one file is changed, or its length.
static const struct {
    const char *what;
    int file;
    int word; // that becomes value; -1: none
    uint32_t value;
    int longer; // bytes that are added, or taken off
    int status;
    const char *code, *text;
} damages[] = {
    {"magic of images", IMAGES, 0, 0x0802, 0, 400, "malformed", "images: magic number 0x00000802"},
    {"labels for images", IMAGES, 0, 0x0801, 0, 400, "malformed", "magic"},
    {"magic of labels", LABELS, 0, 0x0803, 0, 400, "malformed", "labels: magic number 0x00000803"},
    {"one image more", IMAGES, 1, 6, 0, 400, "malformed", "images: truncated: ends after"},
    {"one image less", IMAGES, 1, 4, 0, 400, "malformed", "images: longer than"},
    {"no images", IMAGES, 1, 0, 0, 400, "malformed", "no images"},
    {"all images there can be", IMAGES, 1, UINT32_MAX, 0, 413, "set_too_large", "at most 1000000"},
    {"product over 64 bits", IMAGES, 2, UINT32_MAX, 0, 413, "set_too_large", "sides may be"},
    {"no rows", IMAGES, 2, 0, 0, 413, "set_too_large", "sides may be"},
    {"no columns", IMAGES, 3, 0, 0, 413, "set_too_large", "sides may be"},
    {"more than a sheet", IMAGES, 1, 1000000, 0, 400, "malformed", "truncated"},
    {"other size", IMAGES, 2, 14, -5 * 14 * 28, 422, "input_mismatch", "28x14"},
    {"one byte more", IMAGES, -1, 0, 1, 400, "malformed", "images: longer than"},
    {"one byte less", IMAGES, -1, 0, -1, 400, "malformed", "images: truncated"},
    {"half a head", IMAGES, -1, 0, -5 * 784 - 6, 400, "malformed", "images: truncated"},
    {"empty", IMAGES, -1, 0, -5 * 784 - 16, 400, "malformed", "images: truncated"},
    {"label too few", LABELS, 1, 4, -1, 400, "malformed", "4 labels for 5 images"},
    {"label too many", LABELS, 1, UINT32_MAX, 0, 400, "malformed", "labels for 5 images"},
    {"label missing", LABELS, -1, 0, -1, 400, "malformed", "labels: truncated"},
    {"label over", LABELS, -1, 0, 1, 400, "malformed", "labels: longer"},
    {"label out of range", LABELS, 2, 0x0a000000, 0, 422, "labels_differ", "label 10 is none of"},
    {"label far out", LABELS, 2, 0xff000000, 0, 422, "labels_differ", "label 255 is none of"},
};

static void spoil(struct file *file, int word, uint32_t value, int longer) {
    struct file spoilt = make_file((size_t)((long)file->len + longer));
    memcpy(spoilt.at, file->at, spoilt.len < file->len ? spoilt.len : file->len);
    if (word >= 0)
        put_word(spoilt.at + 4 * word, value);
    free(file->at);
    *file = spoilt;
}

static void expect_refusal(json_t *reply, const char *code, const char *text) {
    ck_assert_str_eq(expect_string(reply, "code"), code);
    ck_assert_msg(strstr(expect_string(reply, "error"), text) != NULL, "\"%s\" without \"%s\"",
                  expect_string(reply, "error"), text);
    json_decref(reply);
}

// Both as they are and gzip'd: what is wrong is the same.
START_TEST(damaged_sets_are_refused) {
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        struct file file[] = {make_images(5, 5), make_labels(5, 5)};
        spoil(&file[damages[i].file], damages[i].word, damages[i].value, damages[i].longer);
        struct file gz[] = {gzipped(&file[0]), gzipped(&file[1])};
        expect_refusal(evaluate("?models=one", &file[0], &file[1], damages[i].status),
                       damages[i].code, damages[i].text);
        expect_refusal(evaluate("?models=one", &gz[0], &gz[1], damages[i].status), damages[i].code,
                       damages[i].text);
        for (size_t k = 0; k < 2; k++) {
            free(file[k].at);
            free(gz[k].at);
        }
    }
}
END_TEST

START_TEST(damaged_gzip_is_refused) {
    struct file images = make_images(5, 5), labels = make_labels(5, 5), gz = gzipped(&images);
    // Every byte of the last eight is checksum or length; the first ten are the head.
    for (size_t cut = 1; cut < 12; cut++) {
        struct file less = {gz.at, gz.len - cut};
        expect_refusal(evaluate("", &less, &labels, 400), "malformed", "images: ");
    }
    for (size_t at = 2; at < gz.len; at += at < gz.len - 9 ? 97 : 1) {
        if (at >= 4 && at < 10)
            continue; // a time and a system, of which anything may be said
        gz.at[at] ^= 0x55;
        struct answer answer;
        struct file body = make_form(&gz, &labels);
        ck_assert(request_once(run.daemon.port, "POST", "/evaluate", NULL, form_type, body.at,
                               body.len, &answer));
        ck_assert_msg(answer.status == 400, "byte %zu: %d %s", at, answer.status, answer.body);
        answer_free(&answer);
        free(body.at);
        gz.at[at] ^= 0x55;
    }
    append(&gz, "more", 4);
    expect_refusal(evaluate("", &gz, &labels, 400), "malformed", "images: longer than");
    free(gz.at);
    free(images.at);
    free(labels.at);
}
END_TEST

static void expect_status(const char *type, const struct file *body, int status, const char *code) {
    struct answer answer;
    ck_assert(request_once(run.daemon.port, "POST", "/evaluate", NULL, type, body->at, body->len,
                           &answer));
    served_expect_error(&answer, status, code);
}

START_TEST(other_bodies_and_queries_are_refused) {
    struct file images = make_images(5, 5), labels = make_labels(5, 5), body = make_file(0);
    expect_status("application/octet-stream", &images, 415, "unsupported_media_type");
    expect_status(NULL, &images, 415, "unsupported_media_type");
    expect_status(form_type, &images, 400, "malformed");
    expect_status("multipart/form-data", &images, 400, "malformed");
    append_part(&body, "images", &images);
    append(&body, "--between--\r\n", 13);
    expect_status(form_type, &body, 400, "malformed");
    body.len -= 13;
    append_part(&body, "images", &images);
    append_part(&body, "labels", &labels);
    expect_status(form_type, &body, 400, "malformed"); // no end
    append(&body, "--between--\r\n", 13);
    expect_status(form_type, &body, 400, "malformed"); // twice
    json_decref(evaluate("?models=none", &images, &labels, 404));
    json_decref(evaluate("?models=one&reference=none", &images, &labels, 404));
    json_decref(evaluate("?models=one,,two", &images, &labels, 400));
    free(body.at);
    free(images.at);
    free(labels.at);
}
END_TEST

// ---- Beside it ---------------------------------------------------------------------------------

// A call that takes long, from a thread of its own.
struct long_call {
    pthread_t thread;
    const char *query;
    struct file body;
    struct answer answer;
    bool answered;
};

static void *call_long(void *arg) {
    struct long_call *call = arg;
    char path[128];
    struct client client;
    snprintf(path, sizeof path, "/evaluate%s", call->query);
    ck_assert(client_open(&client, run.daemon.port));
    client.timeout_ms = 200000;
    // What finds out whether this one runs is, for a moment, one itself.
    do {
        answer_free(&call->answer);
        call->answered =
            client_post(&client, path, form_type, call->body.at, call->body.len, &call->answer);
    } while (call->answered && strstr(call->answer.body, "another evaluation") != NULL);
    client_close(&client);
    return NULL;
}

static void start_long(struct long_call *call, uint32_t n, uint32_t distinct, const char *query) {
    struct file images = make_images(n, distinct), labels = make_labels(n, distinct);
    struct file gz = gzipped(&images);
    *call = (struct long_call){.query = query, .body = make_form(&gz, &labels)};
    free(gz.at);
    free(images.at);
    free(labels.at);
    ck_assert_int_eq(pthread_create(&call->thread, NULL, call_long, call), 0);
}

static void finish_long(struct long_call *call) {
    pthread_join(call->thread, NULL);
    ck_assert(call->answered);
    free(call->body.at);
}

// True once another evaluation is told to wait.
static bool is_evaluating(void *arg) {
    struct file *body = arg;
    struct answer answer;
    ck_assert(request_once(run.daemon.port, "POST", "/evaluate", NULL, form_type, body->at,
                           body->len, &answer));
    bool busy = answer.status == 503;
    if (busy)
        served_expect_error(&answer, 503, "overloaded");
    else
        answer_free(&answer);
    return busy;
}

static struct file small_form(void) {
    struct file images = make_images(1, 1), labels = make_labels(1, 1);
    struct file body = make_form(&images, &labels);
    free(images.at);
    free(labels.at);
    return body;
}

static double now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int compare_doubles(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

enum { MORE = 20 };

static bool all_are_ready(void *arg) {
    json_t *reply = expect_json(run.daemon.port, "GET", "/models", NULL, NULL, 0, 200);
    size_t n = 0, i;
    const json_t *model;
    json_array_foreach(json_object_get(reply, "models"), i, model) {
        n += strcmp(expect_string(model, "state"), "ready") == 0;
    }
    json_decref(reply);
    return n == 2 + MORE && arg == NULL;
}

// So that evaluating all of them takes seconds.
static void add_models(void) {
    char file[16];
    struct made made = made_model(3, false);
    for (unsigned i = 0; i < MORE; i++) {
        snprintf(file, sizeof file, "more-%u.tnm", i);
        scratch_replace(scratch_path(run.folder, file), made.bytes, made.len);
    }
    made_free(&made);
    ck_assert(eventually(all_are_ready, NULL));
}

// One at a time; health and answers go on beside it; it ends with the daemon.
START_TEST(an_evaluation_disturbs_nobody_and_ends_with_the_daemon) {
    enum { ASKS = 50 };
    struct long_call call;
    struct file small = small_form();
    add_models();
    start_long(&call, 200000, 0, "");
    ck_assert(eventually(is_evaluating, &small));
    double took[ASKS];
    for (unsigned i = 0; i < ASKS; i++) {
        struct answer answer;
        double start = now_ms();
        ck_assert(request_once(run.daemon.port, "GET", "/healthz", NULL, NULL, NULL, 0, &answer));
        took[i] = now_ms() - start;
        ck_assert_int_eq(answer.status, 200);
        answer_free(&answer);
        expect_classified(run.daemon.port, i, NULL, NULL, NULL);
    }
    qsort(took, ASKS, sizeof took[0], compare_doubles);
    ck_assert_msg(took[ASKS / 2] < (emulated() ? 200 : 20), "health took %g ms", took[ASKS / 2]);
    ck_assert(is_evaluating(&small)); // still
    daemon_signal(&run.daemon, SIGTERM);
    finish_long(&call);
    ck_assert_int_eq(call.answer.status, 503);
    ck_assert_ptr_nonnull(strstr(call.answer.body, "\"draining\""));
    ck_assert_int_eq(daemon_wait(&run.daemon, 20000), 0);
    daemon_stop(&run.daemon);
    answer_free(&call.answer);
    free(small.at);
    scratch_remove(run.folder);
    served_start(&run, NULL); // for teardown
}
END_TEST

// The file is replaced and other models are activated meanwhile; what is reported is of one digest.
START_TEST(an_evaluation_is_of_one_file_whatever_is_swapped) {
    const uint32_t n = emulated() ? 4000 : 40000;
    struct long_call call;
    struct file small = small_form();
    start_long(&call, n, LOAD_INPUTS, "?models=one");
    bool seen = eventually(is_evaluating, &small);
    struct made made = made_model(3, false);
    scratch_replace(scratch_path(run.folder, "one.tnm"), made.bytes, made.len);
    made_free(&made);
    for (unsigned i = 0; i < 5; i++)
        json_decref(expect_json(run.daemon.port, "POST",
                                i % 2 == 0 ? "/models/two/activate" : "/models/one/activate", NULL,
                                NULL, 0, 200));
    finish_long(&call);
    ck_assert(seen);
    ck_assert_int_eq(call.answer.status, 200);
    json_t *reply = served_json(&call.answer);
    const json_t *row = result(reply, 0);
    unsigned right[LOAD_INPUTS], sum = 0;
    for (uint32_t i = 0; i < LOAD_INPUTS; i++)
        right[i] = expect_answer(1, i).index == label_of(i);
    for (uint32_t i = 0; i < n; i++)
        sum += right[i % LOAD_INPUTS];
    ck_assert_str_eq(expect_string(row, "digest"), expect_answer(1, 0).digest);
    ck_assert_int_eq(expect_integer(row, "images"), n);
    ck_assert_int_eq(expect_integer(row, "correct"), sum);
    json_decref(reply);
    answer_free(&call.answer);
    free(small.at);
}
END_TEST

START_TEST(it_needs_the_admin_token) {
    char folder[4096], token[4200];
    snprintf(folder, sizeof folder, "%s", scratch_make());
    snprintf(token, sizeof token, "%s/token", folder);
    scratch_write(token, "secret\n", 7);
    chmod(token, 0600);
    served_start(&run, (const char *const[]){"--token-file", token, NULL});
    const uint16_t port = run.daemon.port;
    struct file body = small_form();
    const struct {
        const char *method, *path;
    } calls[] = {{"POST", "/evaluate"}, {"POST", "/replay"}, {"PUT", "/shadow"}};
    struct answer answer;
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        ck_assert(request_once(port, calls[i].method, calls[i].path, NULL, form_type, body.at,
                               body.len, &answer));
        served_expect_error(&answer, 401, "unauthorized");
    }
    ck_assert(request_once(port, "POST", "/evaluate", "Authorization: Bearer secret\r\n", form_type,
                           body.at, body.len, &answer));
    ck_assert_int_eq(answer.status, 200);
    answer_free(&answer);
    free(body.at);
    served_stop(&run);
    scratch_remove(folder);
}
END_TEST

Suite *evaluate_suite(void);
Suite *evaluate_suite(void) {
    Suite *suite = suite_create("evaluate");
    TCase *t = tcase_create("evaluate");
    tcase_set_timeout(t, 300);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, numbers_are_those_of_engine_and_formulas);
    tcase_add_test(t, all_are_the_active_one_and_those_like_it);
    tcase_add_test(t, numbers_are_those_of_the_forge);
    tcase_add_test(t, damaged_sets_are_refused);
    tcase_add_test(t, damaged_gzip_is_refused);
    tcase_add_test(t, other_bodies_and_queries_are_refused);
    tcase_add_test(t, an_evaluation_disturbs_nobody_and_ends_with_the_daemon);
    tcase_add_test(t, an_evaluation_is_of_one_file_whatever_is_swapped);
    suite_add_tcase(suite, t);
    t = tcase_create("token");
    tcase_set_timeout(t, 300);
    tcase_add_test(t, it_needs_the_admin_token);
    suite_add_tcase(suite, t);
    return suite;
}
