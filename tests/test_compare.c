/* SPDX-License-Identifier: MIT */
// /compare and /ensemble of the real daemon: each answer against that of /classify to the last
// digit, distances and means against sums in double made here, and every way to ask wrongly.
#include "core/save.h"
#include "tests/files.h"
#include "tests/made.h"
#include "tests/photo.h"
#include "tests/scratch.h"
#include "tests/served.h"

#include <check.h>
#include <float.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(table) ((int)(sizeof(table) / sizeof(table)[0]))
#define OCTETS "application/octet-stream"

enum { N = MADE_INPUTS, M = MADE_OUTPUTS };

static struct served_run run;
static struct client client;

// ---- Models ------------------------------------------------------------------------------------

// What a model of this file may be beyond made_model: 784 inputs, ten classes.
struct kind {
    const char *name;
    unsigned seed;
    float scale; // of its weights
    bool ends_in_softmax;
    char first_label; // 0: none, which count; else 'a' gives a, b, c...
    enum tnm_fit fit;
};

static const struct kind kinds[] = {
    {"letters", 11, 1, false, 'a', TNM_FIT_INK}, {"vector", 12, 1, false, 0, TNM_FIT_NONE},
    {"soft", 13, 0.2F, true, 0, TNM_FIT_INK},    {"cold", 14, 1e3F, true, 0, TNM_FIT_INK},
    {"steep", 15, 1e4F, false, 0, TNM_FIT_INK},  {"huge", 16, 1e38F, false, 'h', TNM_FIT_INK},
    {"cover", 17, 1, false, 0, TNM_FIT_COVER},
};

static void make_matrix(struct tnm_matrix *out, const struct kind *kind) {
    static float w[M * N];
    float bias[M];
    struct tnm_error err;
    uint32_t state = kind->seed;
    for (size_t i = 0; i < M * N + M; i++) {
        state = state * 1664525U + 1013904223U;
        float value = kind->scale * ((float)(state >> 8 & 0xffff) / 32768.0F - 1);
        if (i < M * N)
            w[i] = state >> 28 == 0 ? value : 0; // one of 16
        else
            bias[i - M * N] = value;
    }
    const struct tnm_matrix_source source = {
        .rows = M, .cols = N, .encoding = TNM_CSR, .bits = 32, .w = w, .bias = bias};
    ck_assert_msg(tnm_matrix_make(out, &source, &err), "%s", err.text);
}

static void make_graph(struct tnm_graph *graph, const struct kind *kind) {
    struct tnm_error err;
    const uint32_t n_nodes = kind->ends_in_softmax ? 2 : 1;
    ck_assert(tnm_graph_init(graph, n_nodes + 1, n_nodes, &err));
    graph->tensor[0] = (struct tnm_tensor){"x", 1, {N}};
    for (uint32_t i = 1; i <= n_nodes; i++) {
        graph->tensor[i] = (struct tnm_tensor){"", 1, {M}};
        graph->node[i - 1] = (struct tnm_node){.op = i == 1 ? TNM_OP_LINEAR : TNM_OP_SOFTMAX,
                                               .n_inputs = 1,
                                               .input = {i - 1},
                                               .output = i};
    }
    graph->output = n_nodes;
    graph->node[0].n_weights = 1;
    make_matrix(&graph->node[0].w[0], kind);
}

static void write_kind(const struct kind *kind) {
    char text[M][2] = {{0}}, path[64];
    const char *label[M];
    struct tnm_graph graph;
    struct tnm_error err;
    struct tnm_meta meta = {.recipe = {.width = 28, .height = 28, .channels = 1, .deviation = {1}}};
    meta.recipe.fit = kind->fit;
    meta.recipe.box = kind->fit == TNM_FIT_INK ? 20 : 0;
    snprintf(meta.name, sizeof meta.name, "%s", kind->name);
    for (size_t i = 0; i < M; i++) {
        text[i][0] = (char)(kind->first_label + (char)i);
        label[i] = text[i];
    }
    if (kind->first_label != 0)
        ck_assert(tnm_meta_set_labels(&meta, label, M, &err));
    make_graph(&graph, kind);
    snprintf(path, sizeof path, "%s.tnm", kind->name);
    ck_assert_msg(tnm_save(scratch_path(run.folder, path), &graph, &meta, &err), "%s", err.text);
    tnm_graph_free(&graph);
    tnm_meta_free(&meta);
}

enum { WIDE = 10000 };

// Four inputs, very many classes.
static void write_wide(const char *name) {
    static float w[4 * WIDE], bias[WIDE];
    struct tnm_graph graph;
    struct tnm_error err;
    struct tnm_meta meta = {.recipe = {.width = 2, .height = 2, .channels = 1, .deviation = {1}}};
    char file[64];
    meta.recipe.fit = TNM_FIT_NONE;
    snprintf(meta.name, sizeof meta.name, "%s", name);
    snprintf(file, sizeof file, "%s.tnm", name);
    for (size_t i = 0; i < WIDE; i++)
        bias[i] = (float)(i % 7);
    const struct tnm_matrix_source source = {
        .rows = WIDE, .cols = 4, .encoding = TNM_CSR, .bits = 32, .w = w, .bias = bias};
    ck_assert(tnm_graph_init(&graph, 2, 1, &err));
    graph.tensor[0] = (struct tnm_tensor){"x", 1, {4}};
    graph.tensor[1] = (struct tnm_tensor){"y", 1, {WIDE}};
    graph.node[0] =
        (struct tnm_node){.op = TNM_OP_LINEAR, .n_inputs = 1, .output = 1, .n_weights = 1};
    graph.output = 1;
    ck_assert_msg(tnm_matrix_make(&graph.node[0].w[0], &source, &err), "%s", err.text);
    ck_assert_msg(tnm_save(scratch_path(run.folder, file), &graph, &meta, &err), "%s", err.text);
    tnm_graph_free(&graph);
}

static void write_made(const char *name, unsigned seed) {
    char file[80];
    struct made made = made_model(seed, false);
    snprintf(file, sizeof file, "%s.tnm", name);
    scratch_replace(scratch_path(run.folder, file), made.bytes, made.len);
    made_free(&made);
}

static struct tnm_model *open_model(const char *name) {
    char file[80];
    struct tnm_error err;
    snprintf(file, sizeof file, "%s.tnm", name);
    struct tnm_model *model = tnm_model_open(scratch_path(run.folder, file), &err);
    ck_assert_msg(model != NULL, "%s", err.text);
    return model;
}

static void start_with(const char *const *more) {
    const char *args[16] = {"--models", run.folder, "--active", "one"};
    for (size_t n = 4; more != NULL && *more != NULL; n++)
        args[n] = *more++;
    ck_assert_msg(daemon_start(&run.daemon, args), "%s", daemon_log(&run.daemon));
    ck_assert(client_open(&client, run.daemon.port));
}

static void start(void) {
    run.folder = scratch_make();
    write_made("one", 1);
    write_made("two", 2);
    write_made("three", 3);
    for (int i = 0; i < COUNT(kinds); i++)
        write_kind(&kinds[i]);
    sample_save(SAMPLE_TINY, scratch_path(run.folder, "tiny.tnm"));
    start_with(NULL);
}

static void stop(void) {
    client_close(&client);
    served_stop(&run);
}

// ---- Asking ------------------------------------------------------------------------------------

struct sent {
    const char *type;
    const void *bytes;
    size_t len;
};

static json_t *ask(const char *path, const struct sent *sent) {
    struct answer answer;
    ck_assert(client_post(&client, path, sent->type, sent->bytes, sent->len, &answer));
    ck_assert_msg(answer.status == 200, "%s: %d: %s", path, answer.status, answer.body);
    json_t *root = served_json(&answer);
    answer_free(&answer);
    return root;
}

static void refused(const char *path, const struct sent *sent, int status, const char *code,
                    const char *words) {
    struct answer answer;
    ck_assert(client_post(&client, path, sent->type, sent->bytes, sent->len, &answer));
    ck_assert_msg(strstr(answer.body, words) != NULL, "%s: %s lacks %s", path, answer.body, words);
    served_expect_error(&answer, status, code);
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

static const json_t *results(const json_t *root) {
    const json_t *list = json_object_get(root, "results");
    ck_assert(json_is_array(list));
    return list;
}

static const json_t *result_of(const json_t *root, const char *model) {
    size_t i;
    json_t *result;
    json_array_foreach(results(root), i, result) if (strcmp(text(result, "model"), model) == 0) {
        return result;
    }
    ck_abort_msg("no result of %s", model);
    return NULL;
}

// The values of some keys are the same JSON.
static void same(const json_t *a, const json_t *b, const char *const *keys) {
    for (; *keys != NULL; keys++) {
        const json_t *p = json_object_get(a, *keys), *q = json_object_get(b, *keys);
        ck_assert_msg(p != NULL && json_equal(p, q), "%s of %s: %s, and %s", *keys,
                      text(a, "model"), json_dumps(p, JSON_ENCODE_ANY),
                      json_dumps(q, JSON_ENCODE_ANY));
    }
}

// Each result says what /classify says of that model, to the last digit.
static void expect_as_classified(const json_t *root, const struct sent *sent) {
    static const char *const keys[] = {"model", "digest", "generation", "index",       "label",
                                       "top",   "logits", "margin",     "probability", NULL};
    size_t i;
    json_t *result;
    json_array_foreach(results(root), i, result) {
        char path[128];
        snprintf(path, sizeof path, "/classify?logits=1&top=4&model=%s", text(result, "model"));
        json_t *alone = ask(path, sent);
        same(result, alone, keys);
        const json_t *own = json_object_get(result, "input");
        ck_assert(json_equal(own != NULL ? own : json_object_get(root, "input"),
                             json_object_get(alone, "input")));
        ck_assert_double_ge(number(result, "infer_us"), 0);
        json_decref(alone);
    }
}

static struct sent octets(unsigned i, uint8_t pixels[N]) {
    made_input(i, pixels);
    return (struct sent){OCTETS, pixels, N};
}

// ---- Answers -----------------------------------------------------------------------------------

static uint8_t *digits;

static void read_digits(void) {
    digits = photo_digits();
    ck_assert_ptr_nonnull(digits);
}

static void free_digits(void) {
    free(digits);
}

static const char four[] = "/compare?top=4&logits=1&models=one,two,three,letters,soft,cold,cover";

START_TEST(each_answer_is_that_of_classify) {
    for (unsigned i = 0; i < 5; i++) {
        uint8_t pixels[N];
        struct sent sent = octets(i, pixels);
        json_t *root = ask(four, &sent);
        ck_assert_uint_eq(json_array_size(results(root)), 7);
        expect_as_classified(root, &sent);
        json_decref(root);
    }
}
END_TEST

START_TEST(so_it_is_of_a_photograph_which_two_recipes_prepare_differently) {
    struct photo photo;
    size_t len;
    photo_make(&photo, PHOTO_PAPER, digits, 320, 240, 3);
    uint8_t *jpeg = photo_jpeg(&photo, 80, &len);
    const struct sent sent = {"image/jpeg", jpeg, len};
    json_t *root = ask(four, &sent);
    expect_as_classified(root, &sent);
    ck_assert_ptr_null(json_object_get(result_of(root, "two"), "input"));
    const json_t *other = json_object_get(result_of(root, "cover"), "input");
    ck_assert(!json_equal(json_object_get(other, "crop"),
                          json_object_get(json_object_get(root, "input"), "crop")));
    json_decref(root);
    free(jpeg);
    photo_free(&photo);
}
END_TEST

// The published models: four levels of digits, and two of clothes in the way of fashion.
START_TEST(published_models_of_two_recipes_are_compared) {
    struct daemon_run own = run.daemon;
    struct client before = client;
    const char *const args[] = {"--models", "models", NULL};
    struct photo photo;
    size_t len;
    photo_make(&photo, PHOTO_PAPER, digits, 320, 240, 7);
    uint8_t *jpeg = photo_jpeg(&photo, 80, &len);
    const struct sent sent = {"image/jpeg", jpeg, len};
    ck_assert_msg(daemon_start(&run.daemon, args), "%s", daemon_log(&run.daemon));
    ck_assert(client_open(&client, run.daemon.port));
    json_t *root = ask("/compare?top=4&logits=1&models=mnist-mlp-dense,mnist-mlp-5bit,"
                       "mnist-lenet5-packed-1k5,mnist-lstm-packed,fashion-mlp-dense,"
                       "fashion-mlp-packed&reference=mnist-mlp-dense",
                       &sent);
    expect_as_classified(root, &sent);
    ck_assert_ptr_nonnull(json_object_get(result_of(root, "fashion-mlp-packed"), "input"));
    ck_assert(json_is_null(json_object_get(result_of(root, "fashion-mlp-packed"), "kl")));
    ck_assert_str_eq(text(root, "reference"), "mnist-mlp-dense");
    json_decref(root);
    root = ask("/compare", &sent); // all that know digits
    ck_assert_str_eq(text(root, "reference"), "mnist-lenet5-dense");
    ck_assert_uint_eq(json_array_size(results(root)), 16);
    json_decref(root);
    client_close(&client);
    ck_assert_int_eq(daemon_stop(&run.daemon), 0);
    run.daemon = own;
    client = before;
    free(jpeg);
    photo_free(&photo);
}
END_TEST

// ---- Distances, in double ----------------------------------------------------------------------

// ln of the probabilities that a model gives to made input i, and its logits.
static void log_probabilities(const char *name, unsigned i, double ln[M], double logit[M]) {
    struct tnm_model *model = open_model(name);
    float logits[M];
    made_answer(model, i, logits);
    tnm_model_close(model);
    const bool is_soft = strcmp(name, "soft") == 0 || strcmp(name, "cold") == 0;
    double most = -INFINITY, sum = 0;
    for (size_t k = 0; k < M; k++) {
        logit[k] = (double)logits[k];
        most = fmax(most, logit[k]);
    }
    for (size_t k = 0; k < M; k++)
        sum += exp(logit[k] - most);
    for (size_t k = 0; k < M; k++)
        ln[k] = is_soft ? log(fmax(logit[k], 0x1p-149)) : logit[k] - most - log(sum);
}

static void expect_distances(const json_t *root, const char *reference, const char *name,
                             unsigned i) {
    double p[M], q[M], a[M], b[M], kl = 0, apart = 0;
    log_probabilities(reference, i, p, a);
    log_probabilities(name, i, q, b);
    for (size_t k = 0; k < M; k++) {
        kl += exp(p[k]) * (p[k] - q[k]);
        apart = fmax(apart, fabs(a[k] - b[k]));
    }
    const json_t *result = result_of(root, name);
    ck_assert_double_ge(number(result, "kl"), 0);
    ck_assert_double_eq_tol(number(result, "kl"), fmax(kl, 0), 1e-9 + 1e-12 * kl);
    ck_assert_double_eq_tol(number(result, "max_abs_dlogit"), apart, 1e-6 + 1e-12 * apart);
}

static const char *const alike[] = {"one", "two", "soft", "cold", "steep"};

START_TEST(distances_are_those_of_the_definition) {
    for (unsigned i = 0; i < 40; i++) {
        const char *reference = alike[i % COUNT(alike)];
        uint8_t pixels[N];
        char path[128];
        struct sent sent = octets(i, pixels);
        snprintf(path, sizeof path, "/compare?models=one,two,soft,cold,steep&reference=%s",
                 reference);
        json_t *root = ask(path, &sent);
        for (int k = 0; k < COUNT(alike); k++)
            expect_distances(root, reference, alike[k], i);
        ck_assert_double_eq(number(result_of(root, reference), "kl"), 0);
        json_decref(root);
    }
}
END_TEST

START_TEST(agreement_is_of_labels) {
    unsigned agreed = 0, all_agreed = 0;
    for (unsigned i = 0; i < 60; i++) {
        uint8_t pixels[N];
        struct sent sent = octets(i, pixels);
        json_t *root = ask("/compare?models=one,two,letters&reference=two", &sent);
        bool one = strcmp(text(result_of(root, "one"), "label"),
                          text(result_of(root, "two"), "label")) == 0;
        ck_assert_int_eq(json_is_true(json_object_get(result_of(root, "one"), "agree")), one);
        ck_assert(json_is_true(json_object_get(result_of(root, "two"), "agree")));
        ck_assert(json_is_false(json_object_get(result_of(root, "letters"), "agree")));
        ck_assert(json_is_null(json_object_get(result_of(root, "letters"), "kl")));
        ck_assert(json_is_null(json_object_get(result_of(root, "letters"), "max_abs_dlogit")));
        ck_assert(json_is_false(json_object_get(root, "agree")));
        json_decref(root);
        root = ask("/compare?models=one,two", &sent);
        ck_assert_int_eq(json_is_true(json_object_get(root, "agree")), one);
        all_agreed += json_is_true(json_object_get(root, "agree"));
        json_decref(root);
        agreed += one;
    }
    ck_assert_uint_eq(agreed, all_agreed);
    ck_assert(agreed > 0 && agreed < 60); // or the test says nothing
}
END_TEST

START_TEST(results_say_what_the_file_is) {
    uint8_t pixels[N];
    struct sent sent = octets(1, pixels);
    json_t *root = ask("/compare?models=one,two,three,letters&probabilities=1", &sent);
    const json_t *list = results(root);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *result = json_array_get(list, i);
        struct tnm_model *model = open_model(text(result, "model"));
        struct tnm_summary s;
        tnm_model_summary(model, &s);
        ck_assert_str_eq(text(result, "digest"), tnm_model_digest(model));
        ck_assert_double_eq(number(result, "bytes"), (double)s.bytes);
        ck_assert_double_eq(number(result, "nonzeros"), (double)s.nonzeros);
        ck_assert_double_eq(number(result, "bits"), s.bits);
        ck_assert_double_eq_tol(number(result, "sparsity"),
                                1 - (double)s.nonzeros / (double)s.weights, 1e-6);
        ck_assert_double_eq_tol(number(result, "ratio"), (double)s.dense_bytes / (double)s.bytes,
                                1e-6);
        ck_assert(json_is_null(json_object_get(result, "accuracy"))); // these claim nothing
        const json_t *p = json_object_get(result, "probabilities");
        ck_assert_uint_eq(json_array_size(p), M);
        ck_assert_double_eq(json_number_value(json_array_get(p, (size_t)number(result, "index"))),
                            number(result, "probability"));
        if (i > 0) // largest first
            ck_assert_double_ge(number(json_array_get(list, i - 1), "bytes"),
                                number(result, "bytes"));
        tnm_model_close(model);
    }
    ck_assert_str_eq(text(root, "reference"), text(json_array_get(list, 0), "model"));
    json_decref(root);
}
END_TEST

START_TEST(the_headers_name_the_reference) {
    uint8_t pixels[N];
    struct sent sent = octets(1, pixels);
    struct answer answer;
    ck_assert(client_post(&client, "/compare?models=one,three&reference=two", sent.type, sent.bytes,
                          sent.len, &answer));
    ck_assert_int_eq(answer.status, 200);
    json_t *root = served_json(&answer);
    ck_assert_str_eq(text(root, "reference"), "two");
    ck_assert_uint_eq(json_array_size(results(root)), 3);
    ck_assert_str_eq(answer_header(&answer, "X-Model"), "two");
    ck_assert_int_eq(memcmp(answer_header(&answer, "X-Model-Digest") + strlen("sha256:"),
                            text(result_of(root, "two"), "digest"), 12),
                     0);
    const json_t *timing = json_object_get(root, "timing_us");
    double infer = 0;
    for (size_t i = 0; i < 3; i++)
        infer += number(json_array_get(results(root), i), "infer_us");
    ck_assert_double_eq_tol(number(timing, "infer"), infer, 0.3);
    ck_assert_double_ge(number(timing, "total") + 0.3, number(timing, "decode") + infer);
    json_decref(root);
    answer_free(&answer);
}
END_TEST

// ---- Who is asked ------------------------------------------------------------------------------

static void expect_models(const char *path, const struct sent *sent, const char *want) {
    json_t *root = ask(path, sent);
    char got[256] = "";
    size_t i;
    json_t *result;
    for (size_t k = 0, n = json_array_size(results(root)); k < n; k++)
        ck_assert(strstr(want, text(json_array_get(results(root), k), "model")) != NULL);
    json_array_foreach(results(root), i, result) {
        strcat(got, text(result, "model"));
        strcat(got, " ");
    }
    ck_assert_msg(strlen(got) == strlen(want), "%s gives %s, not %s", path, got, want);
    json_decref(root);
}

START_TEST(all_are_those_that_answer_the_same_question) {
    uint8_t pixels[N];
    char pgm[16 + N] = "P5\n28 28\n255\n";
    struct sent sent = octets(1, pixels), mixed = {OCTETS, "\1\2\3\4", 4};
    size_t head = strlen(pgm);
    memcpy(pgm + head, pixels, N);
    const struct sent picture = {"image/x-portable-graymap", pgm, head + N};
    expect_models("/compare", &sent, "one two three soft cold steep cover vector ");
    expect_models("/compare?models=all", &sent, "one two three soft cold steep cover vector ");
    // A vector is no picture: left out of what nobody named.
    expect_models("/compare?models=all", &picture, "one two three soft cold steep cover ");
    expect_models("/compare?models=all&reference=letters", &sent, "letters ");
    expect_models("/compare?reference=tiny", &mixed, "tiny ");
    expect_models("/compare?models=two,one,two", &sent, "one two ");
    expect_models("/compare?models=one&reference=one", &sent, "one ");
    expect_models("/compare?models=one%2Ctwo", &sent, "one two ");
    expect_models("/ensemble?models=all", &sent, "one two three soft cold steep cover vector ");
}
END_TEST

static const struct {
    const char *query;
    int status;
    const char *code, *words;
} wrong[] = {
    {"models=nobody", 404, "model_not_found", "nobody"},
    {"models=one,nobody", 404, "model_not_found", "nobody"},
    {"models=all,one", 404, "model_not_found", "\\\"all\\\""}, // all stands alone
    {"models=", 400, "bad_query", "models="},
    {"models=,", 400, "bad_query", "empty name"},
    {"models=one,", 400, "bad_query", "empty name"},
    {"models=,one", 400, "bad_query", "empty name"},
    {"models=one,,two", 400, "bad_query", "empty name"},
    {"models=one%zz", 400, "bad_query", "models="},
    {"models=../one", 404, "model_not_found", "../one"},
    {"models=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 404,
     "model_not_found", "aaaaaaaa"},
    {"top=0", 400, "bad_query", "top="},
    {"top=x", 400, "bad_query", "top="},
    {"probabilities=2", 400, "bad_query", "probabilities="},
    {"logits=yes", 400, "bad_query", "logits="},
    {"models=one,tiny", 422, "input_mismatch", "tiny"},
    {"models=one,huge", 422, "out_of_range", "huge"},
};

START_TEST(who_asks_wrongly_is_told) {
    uint8_t pixels[N];
    memset(pixels, 255, N);
    const struct sent sent = {OCTETS, pixels, N};
    for (int i = 0; i < COUNT(wrong); i++) {
        char path[256];
        snprintf(path, sizeof path, "/compare?%s", wrong[i].query);
        refused(path, &sent, wrong[i].status, wrong[i].code, wrong[i].words);
        // Models of other classes are no ensemble, whatever else they are.
        snprintf(path, sizeof path, "/ensemble?%s", wrong[i].query);
        refused(path, &sent, wrong[i].status,
                wrong[i].status == 422 ? "labels_differ" : wrong[i].code, wrong[i].words);
    }
}
END_TEST

START_TEST(who_names_a_wrong_reference_is_told) {
    uint8_t pixels[N];
    struct sent sent = octets(0, pixels);
    char png[] = "\x89PNG\r\n\x1a\n....";
    const struct sent broken = {"image/png", png, sizeof png - 1}, empty = {OCTETS, "", 0};
    refused("/compare?models=all&reference=nobody", &sent, 404, "model_not_found", "nobody");
    refused("/compare?models=all&reference=", &sent, 400, "bad_query", "reference=");
    refused("/compare?reference=tiny", &sent, 400, "malformed", "784 bytes");
    refused("/compare", &broken, 422, "image_undecodable", "");
    refused("/compare", &empty, 400, "malformed", "empty");
}
END_TEST

START_TEST(a_named_model_without_pictures_is_named) {
    uint8_t pixels[N];
    char pgm[16 + N] = "P5\n28 28\n255\n";
    size_t head = strlen(pgm);
    octets(1, pixels);
    memcpy(pgm + head, pixels, N);
    const struct sent picture = {"image/x-portable-graymap", pgm, head + N};
    refused("/compare?models=one,vector", &picture, 422, "not_a_picture_model", "vector");
    refused("/ensemble?models=one,vector", &picture, 422, "not_a_picture_model", "vector");
    refused("/compare?models=vector", &picture, 422, "not_a_picture_model", "picture");
    json_t *root = ask("/compare?models=one,tiny", &picture); // any picture fits any size
    ck_assert_uint_eq(json_array_size(results(root)), 2);
    json_decref(root);
}
END_TEST

START_TEST(other_methods_are_refused) {
    static const char *const path[] = {"/compare", "/ensemble"};
    for (size_t i = 0; i < 2; i++) {
        struct answer answer;
        ck_assert(client_get(&client, path[i], &answer));
        ck_assert_str_eq(answer_header(&answer, "Allow"), "POST");
        served_expect_error(&answer, 405, "method_not_allowed");
    }
}
END_TEST

// ---- /ensemble ---------------------------------------------------------------------------------

START_TEST(an_ensemble_answers_with_the_mean) {
    static const char *const names[] = {"one", "two", "three", "soft"};
    for (unsigned i = 0; i < 10; i++) {
        uint8_t pixels[N];
        double mean[M] = {0}, ln[M], logit[M];
        size_t best = 0;
        struct sent sent = octets(i, pixels);
        json_t *root = ask("/ensemble?models=one,two,three,soft&top=4&logits=1", &sent);
        for (int m = 0; m < COUNT(names); m++) {
            log_probabilities(names[m], i, ln, logit);
            for (size_t k = 0; k < M; k++)
                mean[k] += exp(ln[k]) / COUNT(names);
        }
        for (size_t k = 0; k < M; k++) {
            best = mean[k] > mean[best] ? k : best;
            ck_assert_double_eq_tol(
                json_number_value(json_array_get(json_object_get(root, "probabilities"), k)),
                mean[k], 1e-6);
        }
        ck_assert_uint_eq((size_t)number(root, "index"), best);
        ck_assert_double_eq_tol(number(root, "probability"), mean[best], 1e-6);
        ck_assert_double_eq(number(root, "n_models"), COUNT(names));
        ck_assert_uint_eq(json_array_size(json_object_get(root, "top")), 4);
        expect_as_classified(root, &sent);
        for (int m = 0; m < COUNT(names); m++) {
            const json_t *result = result_of(root, names[m]);
            ck_assert_int_eq(json_is_true(json_object_get(result, "agree")),
                             number(result, "index") == (double)best);
        }
        json_decref(root);
    }
}
END_TEST

START_TEST(an_ensemble_of_one_is_that_one) {
    static const char *const keys[] = {"index", "label", "probability", "margin", "top", NULL};
    uint8_t pixels[N];
    struct sent sent = octets(3, pixels);
    json_t *root = ask("/ensemble?models=two&probabilities=0", &sent);
    json_t *alone = ask("/classify?model=two", &sent);
    same(alone, root, keys);
    ck_assert_ptr_null(json_object_get(root, "probabilities"));
    json_decref(alone);
    json_decref(root);
}
END_TEST

START_TEST(models_of_other_classes_are_no_ensemble) {
    uint8_t pixels[N];
    struct sent sent = octets(3, pixels);
    refused("/ensemble?models=one,letters", &sent, 422, "labels_differ", "letters");
}
END_TEST

// ---- Many, and changing ------------------------------------------------------------------------

static void start_many(void) {
    run.folder = scratch_make();
    write_made("one", 1);
    for (unsigned i = 0; i < 31; i++) {
        char name[16];
        snprintf(name, sizeof name, "m%02u", i);
        write_made(name, 100 + i);
    }
    start_with(NULL);
}

START_TEST(thirty_two_models_answer) {
    uint8_t pixels[N];
    struct sent sent = octets(5, pixels);
    json_t *root = ask("/compare?top=4&logits=1", &sent);
    ck_assert_uint_eq(json_array_size(results(root)), 32);
    expect_as_classified(root, &sent);
    json_decref(root);
    root = ask("/ensemble", &sent);
    ck_assert_double_eq(number(root, "n_models"), 32);
    json_decref(root);
}
END_TEST

enum { SEEDS = 6, INPUTS = 4, CALLERS = 3 };

// Models that come and go under four names, and callers who compare what is there.
struct turmoil {
    char digest[SEEDS][65];
    float logits[SEEDS][INPUTS][M];
    atomic_bool stop;
    atomic_uint compared, results, gone, faults;
    atomic_uint seen[SEEDS]; // results of each model
    unsigned until;
    pthread_mutex_t lock;
    char first_fault[512];
};

static void learn(struct turmoil *t) {
    const struct tnm_limits limits = {1 << 24, 1 << 24};
    struct tnm_error err;
    for (unsigned s = 0; s < SEEDS; s++) {
        struct made made = made_model(s + 1, false);
        struct tnm_model *model = tnm_model_from_bytes(made.bytes, made.len, &limits, &err);
        ck_assert_msg(model != NULL, "%s", err.text);
        memcpy(t->digest[s], tnm_model_digest(model), sizeof t->digest[s]);
        for (unsigned i = 0; i < INPUTS; i++)
            made_answer(model, i, t->logits[s][i]);
        tnm_model_close(model);
        made_free(&made);
    }
}

static void fault(struct turmoil *t, const char *body) {
    pthread_mutex_lock(&t->lock);
    if (t->first_fault[0] == '\0')
        snprintf(t->first_fault, sizeof t->first_fault, "%.500s", body);
    pthread_mutex_unlock(&t->lock);
    t->faults++;
}

// Whether the logits are those of the model that the digest names.
static bool is_consistent(struct turmoil *t, const json_t *result, unsigned input) {
    const char *digest = json_string_value(json_object_get(result, "digest"));
    const json_t *logits = json_object_get(result, "logits");
    for (unsigned s = 0; s < SEEDS; s++) {
        if (digest == NULL || strcmp(digest, t->digest[s]) != 0)
            continue;
        for (size_t k = 0; k < M; k++)
            if (!(fabs(json_number_value(json_array_get(logits, k)) -
                       (double)t->logits[s][input][k]) < 2e-6))
                return false;
        t->seen[s]++;
        return json_array_size(logits) == M;
    }
    return false;
}

static void judge(struct turmoil *t, const struct answer *answer, unsigned input) {
    if (answer->status == 404 || answer->status == 503) { // one that was named is gone
        t->gone++;
        return;
    }
    json_t *root = answer->status == 200 ? json_loads(answer->body, 0, NULL) : NULL;
    const json_t *list = json_object_get(root, "results");
    size_t n = json_array_size(list);
    bool good = n > 0;
    for (size_t i = 0; good && i < n; i++)
        good = is_consistent(t, json_array_get(list, i), input);
    if (!good)
        fault(t, answer->body);
    json_decref(root);
    t->results += (unsigned)n;
    t->compared++;
}

static void *compare_on(void *arg) {
    static const char *const path[] = {"/compare?logits=1", "/compare?logits=1&models=a,b,c",
                                       "/ensemble?logits=1",
                                       "/compare?logits=1&models=one,a&reference=d"};
    struct turmoil *t = arg;
    struct client own;
    if (!client_open(&own, run.daemon.port)) {
        fault(t, "no connection");
        return NULL;
    }
    for (unsigned i = 0; !t->stop; i++) {
        uint8_t pixels[N];
        struct answer answer;
        made_input(i % INPUTS, pixels);
        if (!client_post(&own, path[i % 4], OCTETS, pixels, N, &answer)) {
            fault(t, "no answer");
            break;
        }
        judge(t, &answer, i % INPUTS);
        answer_free(&answer);
    }
    client_close(&own);
    return NULL;
}

static void change(unsigned i) {
    static const char *const file[] = {"a.tnm", "b.tnm", "c.tnm", "d.tnm"};
    const char *path = scratch_path(run.folder, file[i % 4]);
    if (i % 5 == 3) {
        remove(path);
        return;
    }
    struct made made = made_model(i % SEEDS + 1, false);
    scratch_replace(path, made.bytes, made.len);
    made_free(&made);
}

static bool has_enough(void *arg) {
    struct turmoil *t = arg;
    static unsigned i;
    struct answer answer;
    if (i % 7 == 0 &&
        client_post(&client, i % 2 == 0 ? "/models/a/activate" : "/models/one/activate", NULL, NULL,
                    0, &answer))
        answer_free(&answer);
    change(i++);
    return t->compared >= t->until || t->faults > 0;
}

static bool is_ready(void *arg) {
    char path[64];
    struct answer answer;
    snprintf(path, sizeof path, "/models/%s", (const char *)arg);
    ck_assert(client_get(&client, path, &answer));
    bool ready = strstr(answer.body, "\"state\":\"ready\"") != NULL;
    answer_free(&answer);
    return ready;
}

START_TEST(each_result_is_its_models_while_models_come_and_go) {
    static struct turmoil t;
    const char *wanted = getenv("TNM_COMPARISONS");
    pthread_t caller[CALLERS];
    pthread_mutex_init(&t.lock, NULL);
    t.until = wanted != NULL ? (unsigned)atoi(wanted) : emulated() ? 100 : 1000;
    learn(&t);
    for (int i = 0; i < COUNT(kinds); i++) { // whose answers are not known here
        char file[80];
        snprintf(file, sizeof file, "%s.tnm", kinds[i].name);
        ck_assert_int_eq(remove(scratch_path(run.folder, file)), 0);
        while (eventually(is_ready, (void *)(uintptr_t) "one") &&
               is_ready((void *)(uintptr_t)kinds[i].name))
            ;
    }
    for (size_t i = 0; i < CALLERS; i++)
        ck_assert_int_eq(pthread_create(&caller[i], NULL, compare_on, &t), 0);
    bool enough = false;
    while (!enough)
        enough = eventually(has_enough, &t);
    t.stop = true;
    for (size_t i = 0; i < CALLERS; i++)
        pthread_join(caller[i], NULL);
    ck_assert_msg(t.faults == 0, "%u faults; the first: %s", t.faults, t.first_fault);
    ck_assert_uint_ge(t.compared, t.until);
    ck_assert_uint_gt(t.results, t.compared);
    for (size_t s = 0; s < SEEDS; s++) // or nothing was swapped
        ck_assert_uint_gt(t.seen[s], 0);
}
END_TEST

// ---- The limits --------------------------------------------------------------------------------

static void start_small(void) {
    static const char *const args[] = {"--max-pixels", "76800", "--decode-memory", "2M", NULL};
    run.folder = scratch_make();
    write_made("one", 1);
    write_made("two", 2);
    write_kind(&kinds[6]); // cover
    write_wide("wide");
    write_wide("wider");
    start_with(args);
}

START_TEST(a_picture_at_the_limit_is_compared_and_one_beyond_is_not) {
    struct photo photo;
    size_t len;
    for (uint32_t more = 0; more < 2; more++) {
        photo_make(&photo, PHOTO_PAPER, digits, 320, 240 + more, 3);
        uint8_t *jpeg = photo_jpeg(&photo, 80, &len);
        const struct sent sent = {"image/jpeg", jpeg, len};
        for (int i = 0; i < 5 && more == 0; i++) { // what decoding takes is given back
            json_t *root = ask("/compare?top=4&logits=1", &sent);
            ck_assert_uint_eq(json_array_size(results(root)), 3);
            expect_as_classified(root, &sent);
            json_decref(root);
        }
        if (more > 0) {
            refused("/compare", &sent, 413, "image_too_large", "max-pixels");
            refused("/ensemble", &sent, 413, "image_too_large", "max-pixels");
        }
        free(jpeg);
        photo_free(&photo);
    }
}
END_TEST

// Answers of very many classes count against the memory of all requests, and are given back.
START_TEST(very_many_classes_are_compared_again_and_again) {
    const struct sent sent = {OCTETS, "\1\2\3\4", 4};
    for (int i = 0; i < 30; i++) {
        json_t *root = ask("/compare?models=wide,wider", &sent);
        ck_assert_double_eq(number(result_of(root, "wider"), "index"), 6);
        json_decref(root);
    }
}
END_TEST

static TCase *add_case(Suite *suite, const char *name, void (*setup)(void)) {
    TCase *tc = tcase_create(name);
    tcase_add_unchecked_fixture(tc, read_digits, free_digits);
    tcase_add_checked_fixture(tc, setup, stop);
    tcase_set_timeout(tc, 240);
    suite_add_tcase(suite, tc);
    return tc;
}

Suite *compare_suite(void) {
    Suite *suite = suite_create("compare");
    TCase *tc = add_case(suite, "plain", start);
    tcase_add_test(tc, each_answer_is_that_of_classify);
    tcase_add_test(tc, so_it_is_of_a_photograph_which_two_recipes_prepare_differently);
    tcase_add_test(tc, published_models_of_two_recipes_are_compared);
    tcase_add_test(tc, distances_are_those_of_the_definition);
    tcase_add_test(tc, agreement_is_of_labels);
    tcase_add_test(tc, results_say_what_the_file_is);
    tcase_add_test(tc, the_headers_name_the_reference);
    tcase_add_test(tc, all_are_those_that_answer_the_same_question);
    tcase_add_test(tc, who_asks_wrongly_is_told);
    tcase_add_test(tc, who_names_a_wrong_reference_is_told);
    tcase_add_test(tc, a_named_model_without_pictures_is_named);
    tcase_add_test(tc, other_methods_are_refused);
    tcase_add_test(tc, an_ensemble_answers_with_the_mean);
    tcase_add_test(tc, an_ensemble_of_one_is_that_one);
    tcase_add_test(tc, models_of_other_classes_are_no_ensemble);
    tc = add_case(suite, "many", start_many);
    tcase_add_test(tc, thirty_two_models_answer);
    tc = add_case(suite, "changing", start);
    tcase_add_test(tc, each_result_is_its_models_while_models_come_and_go);
    tc = add_case(suite, "limits", start_small);
    tcase_add_test(tc, a_picture_at_the_limit_is_compared_and_one_beyond_is_not);
    tcase_add_test(tc, very_many_classes_are_compared_again_and_again);
    return suite;
}
