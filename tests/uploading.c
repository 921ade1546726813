/* SPDX-License-Identifier: MIT */
// What the tests of uploads, rollbacks and aliases share.
#include "tests/uploading.h"

#include "tests/scratch.h"

#include <check.h>
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct uploading up;

static void note_digest(unsigned i) {
    const struct tnm_limits limits = {1 << 24, 1 << 24};
    struct tnm_error err;
    struct tnm_model *model = tnm_model_from_bytes(up.made[i].bytes, up.made[i].len, &limits, &err);
    ck_assert_msg(model != NULL, "%s", err.text);
    snprintf(up.digest[i], sizeof up.digest[i], "%s", tnm_model_digest(model));
    tnm_model_close(model);
}

void uploading_setup(void) {
    memset(&up, 0, sizeof up);
    up.run.log_fd = -1;
    up.folder = scratch_make();
    snprintf(up.models, sizeof up.models, "%s/models", up.folder);
    snprintf(up.state, sizeof up.state, "%s/state", up.folder);
    snprintf(up.uploads, sizeof up.uploads, "%s/state/models", up.folder);
    ck_assert_int_eq(mkdir(up.models, 0755) | mkdir(up.state, 0755), 0);
    for (unsigned i = 0; i < LOAD_MODELS; i++) {
        up.made[i] = made_model(i, false);
        note_digest(i);
    }
    up_ship("one", &up.made[0]);
    up_ship("two", &up.made[1]);
}

void uploading_teardown(void) {
    int status = daemon_stop(&up.run); // -1: it ran no more
    ck_assert_msg(status <= 0, "ended with %d", status);
    for (unsigned i = 0; i < LOAD_MODELS; i++)
        made_free(&up.made[i]);
    scratch_remove(up.folder);
}

void up_start(const char *const *args) {
    const char *all[32] = {"--models", up.models, "--state", up.state};
    for (size_t n = 4; args != NULL && *args != NULL && n < 31; n++)
        all[n] = *args++;
    ck_assert_msg(daemon_start(&up.run, all), "%s", daemon_log(&up.run));
}

void up_stop(void) {
    int status = daemon_stop(&up.run);
    ck_assert_int_eq(status, 0);
}

void up_ship(const char *name, const struct made *model) {
    char file[80];
    snprintf(file, sizeof file, "%s.tnm", name);
    scratch_replace(scratch_path(up.models, file), model->bytes, model->len);
}

// ---- Requests ----------------------------------------------------------------------------------

json_t *up_expect_json(const char *method, const char *path, const char *headers, const void *body,
                       size_t len, int status) {
    struct answer answer;
    ck_assert_msg(request_once(up.run.port, method, path, headers, NULL, body, len, &answer),
                  "no answer to %s %s: %s", method, path, daemon_log(&up.run));
    ck_assert_msg(answer.status == status, "%s %s: %d instead of %d: %s", method, path,
                  answer.status, status, answer.body);
    json_t *root = json_loadb(answer.body, answer.body_len, JSON_REJECT_DUPLICATES, NULL);
    ck_assert_msg(root != NULL, "%s", answer.body);
    answer_free(&answer);
    return root;
}

void up_expect(const char *method, const char *path, const char *headers, const void *body,
               size_t len, int status, const char *code) {
    json_t *root = up_expect_json(method, path, headers, body, len, status);
    const char *got = json_string_value(json_object_get(root, "code"));
    if (code != NULL)
        ck_assert_msg(got != NULL && strcmp(got, code) == 0, "%s %s: %s instead of %s", method,
                      path, got, code);
    else
        ck_assert_ptr_null(got);
    json_decref(root);
}

void up_put(const char *name, const struct made *model, int status, const char *code) {
    char path[128];
    snprintf(path, sizeof path, "/models/%s", name);
    up_expect("PUT", path, NULL, model->bytes, model->len, status, code);
}

void up_activate(const char *name) {
    char path[128];
    snprintf(path, sizeof path, "/models/%s/activate", name);
    up_expect("POST", path, NULL, NULL, 0, 200, NULL);
}

static const char *value_of(json_t *root, const char *key) {
    static char text[512];
    const json_t *value = json_object_get(root, key);
    *text = '\0';
    if (json_is_string(value))
        snprintf(text, sizeof text, "%s", json_string_value(value));
    else if (json_is_integer(value))
        snprintf(text, sizeof text, "%lld", (long long)json_integer_value(value));
    else if (json_is_boolean(value))
        snprintf(text, sizeof text, "%s", json_is_true(value) ? "true" : "false");
    else if (json_is_array(value) && json_array_size(value) > 0)
        snprintf(text, sizeof text, "%s", json_string_value(json_array_get(value, 0)));
    json_decref(root);
    return text;
}

const char *up_field(const char *name, const char *key) {
    char path[128];
    snprintf(path, sizeof path, "/models/%s", name);
    return value_of(up_expect_json("GET", path, NULL, NULL, 0, 200), key);
}

const char *up_total(const char *key) {
    return value_of(up_expect_json("GET", "/models", NULL, NULL, 0, 200), key);
}

// ---- Answers -----------------------------------------------------------------------------------

static bool is_answer_of(const struct answer *answer, unsigned model) {
    const struct tnm_limits limits = {1 << 24, 1 << 24};
    float want[MADE_OUTPUTS];
    struct tnm_model *made =
        tnm_model_from_bytes(up.made[model].bytes, up.made[model].len, &limits, NULL);
    made_answer(made, 5, want);
    tnm_model_close(made);
    json_t *root = json_loadb(answer->body, answer->body_len, 0, NULL);
    const json_t *logits = json_object_get(root, "logits");
    bool same = json_array_size(logits) == MADE_OUTPUTS &&
                strcmp(json_string_value(json_object_get(root, "digest")), up.digest[model]) == 0;
    for (size_t i = 0; same && i < MADE_OUTPUTS; i++)
        same = fabs(json_number_value(json_array_get(logits, i)) - (double)want[i]) < 2e-6;
    json_decref(root);
    return same;
}

int up_answers(const char *name) {
    char path[128], digest[32];
    uint8_t pixels[MADE_INPUTS];
    struct answer answer;
    int found = -1;
    made_input(5, pixels);
    snprintf(path, sizeof path, "/classify?logits=1%s%s", name != NULL ? "&model=" : "",
             name != NULL ? name : "");
    if (!request_once(up.run.port, "POST", path, NULL, "application/octet-stream", pixels,
                      sizeof pixels, &answer))
        return -1;
    for (unsigned i = 0; answer.status == 200 && i < LOAD_MODELS; i++) {
        snprintf(digest, sizeof digest, "sha256:%.12s", up.digest[i]);
        const char *said = answer_header(&answer, "X-Model-Digest");
        if (said != NULL && strcmp(said, digest) == 0 && is_answer_of(&answer, i))
            found = (int)i;
    }
    answer_free(&answer);
    return found;
}

unsigned up_count_files(const char *path) {
    unsigned n = 0;
    DIR *dir = opendir(path);
    ck_assert_ptr_nonnull(dir);
    for (const struct dirent *d; (d = readdir(dir)) != NULL;)
        n += strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0;
    closedir(dir);
    return n;
}
