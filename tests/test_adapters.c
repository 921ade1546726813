/* SPDX-License-Identifier: MIT */
// The calls of other people's servers against the real daemon, as their clients make them: Frigate,
// Blue Iris and Home Assistant (DeepStack's form), and the examples of the Edge Impulse runner.
#include "tests/made.h"
#include "tests/pictures.h"
#include "tests/scratch.h"
#include "tests/served.h"

#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(table) ((int)(sizeof(table) / sizeof(table)[0]))

static struct served_run run;
static struct client client;
static struct tnm_model *model; // that the daemon serves as "one"

static void start_with(const char *const *args) {
    struct made made = made_model(1, false);
    struct tnm_error err;
    model =
        tnm_model_from_bytes(made.bytes, made.len, &(struct tnm_limits){1 << 24, 1 << 26}, &err);
    ck_assert_msg(model != NULL, "%s", err.text);
    made_free(&made);
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

// ---- Forms -------------------------------------------------------------------------------------

static struct {
    uint8_t at[1 << 16];
    size_t len;
} form;

static void add(const void *bytes, size_t len) {
    ck_assert_uint_lt(form.len + len, sizeof form.at);
    memcpy(form.at + form.len, bytes, len);
    form.len += len;
}

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *format, ...) {
    va_list args;
    va_start(args, format);
    form.len +=
        (size_t)vsnprintf((char *)form.at + form.len, sizeof form.at - form.len, format, args);
    va_end(args);
    ck_assert_uint_lt(form.len, sizeof form.at);
}

// As Python's requests writes it: fields first, then the file.
static void add_field(const char *name, const char *value) {
    if (value != NULL)
        say("--5f3c\r\nContent-Disposition: form-data; name=\"%s\"\r\n\r\n%s\r\n", name, value);
}

static void add_file(const char *name, const void *bytes, size_t len) {
    say("--5f3c\r\nContent-Disposition: form-data; name=\"%s\"; filename=\"%s\"\r\n\r\n", name,
        name);
    add(bytes, len);
    say("\r\n--5f3c--\r\n");
}

static void post_form(const char *path, const char *headers, struct answer *answer) {
    ck_assert(client_request(&client, "POST", path, headers, "multipart/form-data; boundary=5f3c",
                             form.at, form.len, answer));
}

// ---- Pictures ----------------------------------------------------------------------------------

static uint8_t pixels[MADE_INPUTS];
static float probability[MADE_OUTPUTS];
static size_t best;

static void find_truth(unsigned i) {
    float logits[MADE_OUTPUTS];
    made_input(i, pixels);
    made_answer(model, i, logits);
    tnm_model_probabilities(model, logits, probability);
    best = 0;
    for (size_t k = 0; k < MADE_OUTPUTS; k++)
        if (probability[k] > probability[best])
            best = k;
}

static void form_with_input(const char *name, const char *min_confidence, const char *api_key) {
    form.len = 0;
    add_field("api_key", api_key);
    add_field("min_confidence", min_confidence);
    uint8_t pgm[13 + MADE_INPUTS] = "P5 28 28 255\n";
    memcpy(pgm + 13, pixels, MADE_INPUTS);
    add_file(name, pgm, sizeof pgm);
}

static json_t *expect_success(struct answer *answer) {
    ck_assert_msg(answer->status == 200, "%d: %s", answer->status, answer->body);
    json_t *root = served_json(answer);
    ck_assert(json_is_true(json_object_get(root, "success")));
    answer_free(answer);
    return root;
}

static void expect_failure(struct answer *answer, int status, const char *code) {
    ck_assert_msg(answer->status == status, "%d: %s", answer->status, answer->body);
    json_t *root = served_json(answer);
    ck_assert(json_is_false(json_object_get(root, "success")));
    ck_assert_uint_gt(json_string_length(json_object_get(root, "error")), 0);
    ck_assert_str_eq(json_string_value(json_object_get(root, "code")), code);
    json_decref(root);
    answer_free(answer);
}

static double number(const json_t *object, const char *key) {
    ck_assert_msg(json_is_number(json_object_get(object, key)), "%s", key);
    return json_number_value(json_object_get(object, key));
}

// ---- DeepStack ---------------------------------------------------------------------------------

START_TEST(a_picture_has_predictions_above_the_threshold_best_first) {
    static const char *const path[] = {"/v1/vision/custom/one", "/v1/vision/detection"};
    static const char *const least[] = {NULL, "", "0.4", "0.05", "0", "1"};
    for (unsigned i = 0; i < 4; i++)
        for (int k = 0; k < COUNT(least); k++) {
            struct answer answer;
            find_truth(i);
            form_with_input("image", least[k], "");
            post_form(path[i % 2], NULL, &answer);
            ck_assert_str_eq(answer_header(&answer, "X-Model"), "one");
            json_t *root = expect_success(&answer);
            const double limit = k < 2 ? 0.4 : atof(least[k]);
            const json_t *predictions = json_object_get(root, "predictions");
            size_t n = 0;
            for (size_t c = 0; c < MADE_OUTPUTS; c++)
                n += (double)probability[c] >= limit;
            ck_assert_uint_eq(json_array_size(predictions), n);
            ck_assert_double_eq(number(root, "count"), (double)n);
            double last = 2;
            for (size_t p = 0; p < n; p++) {
                const json_t *prediction = json_array_get(predictions, p);
                size_t label =
                    strtoul(json_string_value(json_object_get(prediction, "label")), NULL, 10);
                ck_assert_double_eq_tol(number(prediction, "confidence"),
                                        (double)probability[label], 1e-6);
                ck_assert_double_le(number(prediction, "confidence"), last);
                last = number(prediction, "confidence");
                ck_assert_double_eq(number(prediction, "x_min"), 0);
                ck_assert_double_eq(number(prediction, "y_max"), 28);
            }
            json_decref(root);
        }
}
END_TEST

START_TEST(a_scene_has_one_label) {
    struct answer answer;
    for (unsigned i = 0; i < 4; i++) {
        find_truth(i);
        form_with_input("image", NULL, NULL);
        post_form("/v1/vision/scene", NULL, &answer);
        json_t *root = expect_success(&answer);
        ck_assert_uint_eq(strtoul(json_string_value(json_object_get(root, "label")), NULL, 10),
                          best);
        ck_assert_double_eq_tol(number(root, "confidence"), (double)probability[best], 1e-6);
        ck_assert_ptr_null(json_object_get(root, "predictions"));
        json_decref(root);
    }
}
END_TEST

// A dark square on light ground, off the middle, in a JPEG that lies on its side and is decoded at
// a smaller scale.
START_TEST(the_box_is_where_the_mark_is) {
    enum { W = 640, H = 480, X = 400, Y = 90, SIDE = 120 };
    uint8_t *grey = malloc(W * H);
    size_t len, turned_len;
    struct answer answer;
    ck_assert_ptr_nonnull(grey);
    memset(grey, 230, W * H);
    for (int y = Y; y < Y + SIDE; y++)
        memset(grey + y * W + X, 20, SIDE);
    uint8_t *jpeg = make_jpeg(grey, W, H, 1, 90, 1, 0, &len);
    uint8_t *turned = with_exif(jpeg, len, 6, 0, &turned_len);
    form.len = 0;
    add_field("min_confidence", "0");
    add_file("image", turned, turned_len);
    post_form("/v1/vision/custom/one", NULL, &answer);
    json_t *root = expect_success(&answer);
    const json_t *first = json_array_get(json_object_get(root, "predictions"), 0);
    // Upright it is 480 wide: what was y from the top is now x from the right.
    ck_assert_double_eq_tol(number(first, "x_min"), H - Y - SIDE, 24);
    ck_assert_double_eq_tol(number(first, "x_max"), H - Y, 24);
    ck_assert_double_eq_tol(number(first, "y_min"), X, 24);
    ck_assert_double_eq_tol(number(first, "y_max"), X + SIDE, 24);
    json_decref(root);
    free(turned);
    free(jpeg);
    free(grey);
}
END_TEST

START_TEST(an_empty_picture_shows_nothing) {
    uint8_t grey[100 * 100];
    size_t len;
    struct answer answer;
    memset(grey, 200, sizeof grey);
    uint8_t *jpeg = make_jpeg(grey, 100, 100, 1, 90, 1, 0, &len);
    form.len = 0;
    add_field("min_confidence", "0");
    add_file("image", jpeg, len);
    post_form("/v1/vision/custom/one", NULL, &answer);
    json_t *root = expect_success(&answer);
    ck_assert_uint_eq(json_array_size(json_object_get(root, "predictions")), 0);
    json_decref(root);
    post_form("/v1/vision/scene", NULL, &answer);
    root = expect_success(&answer);
    ck_assert_str_eq(json_string_value(json_object_get(root, "label")), "");
    ck_assert_double_eq(number(root, "confidence"), 0);
    json_decref(root);
    free(jpeg);
}
END_TEST

START_TEST(models_are_listed_by_name) {
    for (int i = 0; i < 2; i++) {
        struct answer answer;
        ck_assert(client_request(&client, i == 0 ? "POST" : "GET", "/v1/vision/custom/list", NULL,
                                 NULL, NULL, 0, &answer));
        json_t *root = expect_success(&answer);
        const json_t *models = json_object_get(root, "models");
        ck_assert_uint_eq(json_array_size(models), 2);
        ck_assert_str_eq(json_string_value(json_array_get(models, 0)), "one");
        ck_assert_str_eq(json_string_value(json_array_get(models, 1)), "two");
        json_decref(root);
    }
}
END_TEST

static const struct {
    const char *path, *min_confidence, *file;
    int status;
    const char *code;
} refused[] = {
    {"/v1/vision/custom/three", NULL, NULL, 404, "model_not_found"},
    {"/v1/vision/custom/one", "-0.1", NULL, 400, "malformed"},
    {"/v1/vision/custom/one", "1.5", NULL, 400, "malformed"},
    {"/v1/vision/custom/one", "high", NULL, 400, "malformed"},
    {"/v1/vision/custom/one", NULL, "no picture", 400, "malformed"},
    {"/v1/vision/scene", NULL, "\xff\xd8\xff\xe0 not all of a JPEG", 422, "image_undecodable"},
    {"/v1/vision/face", NULL, NULL, 404, "not_found"},
};

START_TEST(what_cannot_be_is_refused_in_their_form) {
    struct answer answer;
    find_truth(0);
    form_with_input("image", refused[_i].min_confidence, NULL);
    if (refused[_i].file != NULL) {
        form.len = 0;
        add_file("image", refused[_i].file, strlen(refused[_i].file));
    }
    post_form(refused[_i].path, NULL, &answer);
    expect_failure(&answer, refused[_i].status, refused[_i].code);
}
END_TEST

START_TEST(a_form_without_an_end_is_refused) {
    struct answer answer;
    find_truth(0);
    form_with_input("image", NULL, NULL);
    form.len -= 8;
    post_form("/v1/vision/scene", NULL, &answer);
    expect_failure(&answer, 400, "malformed");
}
END_TEST

START_TEST(the_key_in_the_form_is_the_token) {
    static const struct {
        const char *key, *header;
        int status;
    } tries[] = {
        {NULL, NULL, 401},
        {"", NULL, 401},
        {"wrong", NULL, 401},
        {"asks", NULL, 200},
        {"changes", NULL, 200},
        {NULL, "Authorization: Bearer asks\r\n", 200},
        {"asks", "Authorization: Bearer wrong\r\n", 401}, // what the header says counts
    };
    char file[4096];
    stop();
    const char *folder = scratch_make();
    snprintf(file, sizeof file, "%s", scratch_path(folder, "tokens"));
    scratch_write(file, "infer:asks\nadmin:changes\n", 25);
    start_with((const char *const[]){"--token-file", file, NULL});
    find_truth(0);
    for (int i = 0; i < COUNT(tries); i++) {
        static const char *const path[] = {"/v1/vision/custom/one", "/v1/vision/scene",
                                           "/v1/vision/custom/list", "/v1/vision/custom/three"};
        for (int k = 0; k < COUNT(path); k++) {
            struct answer answer;
            form_with_input("image", NULL, tries[i].key);
            post_form(path[k], tries[i].header, &answer);
            // Who may not ask does not learn which models there are.
            const int status = k == 3 && tries[i].status == 200 ? 404 : tries[i].status;
            if (status == 200)
                json_decref(expect_success(&answer));
            else
                expect_failure(&answer, status, status == 404 ? "model_not_found" : "unauthorized");
        }
    }
    struct answer answer;
    ck_assert(client_get(&client, "/api/info", &answer));
    served_expect_error(&answer, 401, "unauthorized");
    scratch_remove(folder);
}
END_TEST

// ---- Edge Impulse ------------------------------------------------------------------------------

static void expect_classes(const json_t *root, const float *want) {
    const json_t *classes = json_object_get(json_object_get(root, "result"), "classification");
    ck_assert_uint_eq(json_object_size(classes), MADE_OUTPUTS);
    for (size_t i = 0; i < MADE_OUTPUTS; i++)
        ck_assert_double_eq_tol(number(classes, tnm_model_label(model, i)), (double)want[i], 1e-5);
    const json_t *timing = json_object_get(root, "timing");
    ck_assert_double_ge(number(timing, "dsp"), 0);
    ck_assert_double_ge(number(timing, "classification"), 0);
    ck_assert_double_eq(number(timing, "anomaly"), 0);
}

START_TEST(the_runners_image_call_classifies) {
    struct answer answer;
    find_truth(7);
    form_with_input("file", NULL, NULL);
    post_form("/api/image", NULL, &answer);
    ck_assert_int_eq(answer.status, 200);
    ck_assert_str_eq(answer_header(&answer, "x-ei-project-name"), "one");
    json_t *root = served_json(&answer);
    expect_classes(root, probability);
    const json_t *resized = json_object_get(json_object_get(root, "result"), "resized");
    ck_assert_double_eq(number(resized, "originalWidth"), 28);
    ck_assert_double_eq(number(resized, "newHeight"), 28);
    json_decref(root);
    answer_free(&answer);
    ck_assert(client_post(&client, "/api/image?model=two", "multipart/form-data; boundary=5f3c",
                          form.at, form.len, &answer));
    ck_assert_str_eq(answer_header(&answer, "x-ei-project-name"), "two");
    answer_free(&answer);
}
END_TEST

static void say_features(unsigned scale, unsigned n) {
    form.len = 0;
    say("{\"other\":[1],\"features\":[");
    for (unsigned i = 0; i < n; i++)
        say("%s%u", i > 0 ? "," : "", scale * pixels[i % MADE_INPUTS]);
    say("]}");
}

static void post_features(struct answer *answer) {
    ck_assert(client_post(&client, "/api/features", "application/json", form.at, form.len, answer));
}

START_TEST(the_runners_features_are_colours) {
    struct answer answer;
    find_truth(8);
    say_features(0x10101, MADE_INPUTS); // grey
    post_features(&answer);
    ck_assert_msg(answer.status == 200, "%s", answer.body);
    json_t *root = served_json(&answer);
    expect_classes(root, probability);
    json_decref(root);
    answer_free(&answer);

    say_features(0x10000, MADE_INPUTS); // red, whose luma is 0.299 of it
    post_features(&answer);
    root = served_json(&answer);
    float x[MADE_INPUTS], logits[MADE_OUTPUTS];
    struct tnm_session *session = tnm_session_open(model, 1, NULL);
    for (size_t i = 0; i < MADE_INPUTS; i++)
        x[i] = (float)((299U * pixels[i] + 500) / 1000) / 255.0F;
    tnm_session_run(session, x, 1, logits);
    tnm_session_close(session);
    tnm_model_probabilities(model, logits, probability);
    expect_classes(root, probability);
    json_decref(root);
    answer_free(&answer);
}
END_TEST

static const char *const bad_features[] = {
    "",
    "[]",
    "{}",
    "{\"features\":1}",
    "{\"features\":[1,2,3]}",
    "{\"features\":[\"a\"]}",
    "{\"features\":[0.5]}",
    "{\"features\":[-1]}",
    "{\"features\":[16777216]}",
    "{\"features\":[",
};

START_TEST(other_features_are_refused) {
    struct answer answer;
    ck_assert(client_post(&client, "/api/features", "application/json", bad_features[_i],
                          strlen(bad_features[_i]), &answer));
    served_expect_error(&answer, 400, "malformed");
}
END_TEST

START_TEST(one_feature_more_is_refused) {
    struct answer answer;
    find_truth(0);
    say_features(1, MADE_INPUTS + 1);
    post_features(&answer);
    served_expect_error(&answer, 400, "malformed");
}
END_TEST

START_TEST(the_runners_info_names_the_model) {
    struct answer answer;
    ck_assert(client_get(&client, "/api/info", &answer));
    ck_assert_int_eq(answer.status, 200);
    json_t *root = served_json(&answer);
    ck_assert_str_eq(json_string_value(json_object_get(json_object_get(root, "project"), "name")),
                     "one");
    const json_t *parameters = json_object_get(root, "modelParameters");
    ck_assert_double_eq(number(parameters, "input_features_count"), MADE_INPUTS);
    ck_assert_double_eq(number(parameters, "image_input_width"), 28);
    ck_assert_double_eq(number(parameters, "label_count"), MADE_OUTPUTS);
    ck_assert_uint_eq(json_array_size(json_object_get(parameters, "labels")), MADE_OUTPUTS);
    ck_assert_str_eq(json_string_value(json_object_get(parameters, "sensorType")), "camera");
    json_decref(root);
    answer_free(&answer);
    ck_assert(client_get(&client, "/api/info?model=three", &answer));
    served_expect_error(&answer, 404, "model_not_found");
}
END_TEST

Suite *adapters_suite(void);

Suite *adapters_suite(void) {
    Suite *suite = suite_create("adapters");
    TCase *tc = tcase_create("adapters");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, start, stop);
    tcase_add_test(tc, a_picture_has_predictions_above_the_threshold_best_first);
    tcase_add_test(tc, a_scene_has_one_label);
    tcase_add_test(tc, the_box_is_where_the_mark_is);
    tcase_add_test(tc, an_empty_picture_shows_nothing);
    tcase_add_test(tc, models_are_listed_by_name);
    tcase_add_loop_test(tc, what_cannot_be_is_refused_in_their_form, 0, COUNT(refused));
    tcase_add_test(tc, a_form_without_an_end_is_refused);
    tcase_add_test(tc, the_key_in_the_form_is_the_token);
    tcase_add_test(tc, the_runners_image_call_classifies);
    tcase_add_test(tc, the_runners_features_are_colours);
    tcase_add_loop_test(tc, other_features_are_refused, 0, COUNT(bad_features));
    tcase_add_test(tc, one_feature_more_is_refused);
    tcase_add_test(tc, the_runners_info_names_the_model);
    suite_add_tcase(suite, tc);
    return suite;
}
