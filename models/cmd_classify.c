/* SPDX-License-Identifier: MIT */
// tnm classify: pictures through the same code as the daemon's, without a daemon.
#include "models/commands.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/error.h"
#include "core/prepare.h"
#include "daemon/picture.h"
#include "models/cli.h"

struct settings {
    uint32_t top;
    uint64_t max_pixels;
    bool json;
};

#define AT(field) offsetof(struct settings, field)

static const struct cli_option options[] = {
    {"top", 0, CLI_COUNT, AT(top), "N", "2", 1, 100, "how many classes to tell, the best first"},
    {"max-pixels", 0, CLI_BIG, AT(max_pixels), "N", "50000000", 1, 1e9, "of a picture"},
    CLI_JSON(AT(json)),
};

static const struct cli_command command = {
    "classify",
    "M.tnm PICTURE...",
    "Tells what pictures show: JPEG, PNG, PGM or PPM. Prints label, probability, runner-up, and "
    "what\n"
    "was done to the picture to make it the model's input. Exits 1 if a picture could not be read.",
    options,
    sizeof options / sizeof *options,
    2,
    CLI_MAX_OPERANDS};

enum {
    MAX_FILE = 256 << 20, // bytes of a picture file
    MAX_MEMORY = 1 << 30, // of decoding
};

struct run {
    const struct settings *s;
    const struct tnm_model *model;
    struct tnm_session *session;
    uint8_t *pixels;                 // (inputs)
    float *x, *logits, *probability; // (inputs), (outputs), (outputs)
    uint32_t *order;                 // (outputs), most probable first
    json_t *list;                    // NULL without --json
};

// ---- Files -------------------------------------------------------------------------------------

static bool read_all(int file, uint8_t *to, size_t len, struct tnm_error *err) {
    for (size_t done = 0; done < len;) {
        ssize_t n = read(file, to + done, len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return tnm_fail_errno(err, n < 0 ? errno : EIO, "cannot read");
        done += (size_t)n;
    }
    return true;
}

// The whole file; *bytes is to be freed.
static bool read_file(const char *path, uint8_t **bytes, size_t *len, struct tnm_error *err) {
    struct stat st;
    *bytes = NULL;
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0 || fstat(file, &st) != 0) {
        tnm_fail_errno(err, errno, "cannot open");
        if (file >= 0)
            close(file);
        return false;
    }
    bool ok = S_ISREG(st.st_mode) || tnm_fail(err, TNM_EINPUT, "not a file");
    if (ok && st.st_size > MAX_FILE)
        ok = tnm_fail(err, TNM_ELIMIT, "%lld bytes, at most %d are read", (long long)st.st_size,
                      MAX_FILE);
    *len = ok ? (size_t)st.st_size : 0;
    if (ok && (*bytes = malloc(*len + 1)) == NULL)
        ok = tnm_fail_errno(err, ENOMEM, "%zu bytes", *len);
    ok = ok && read_all(file, *bytes, *len, err);
    close(file);
    return ok;
}

// ---- Answers -----------------------------------------------------------------------------------

// The places of the most probable classes; among equal ones the first first.
static void rank(struct run *r, uint32_t top) {
    size_t n = tnm_model_outputs(r->model);
    for (uint32_t i = 0; i < n; i++)
        r->order[i] = i;
    for (uint32_t t = 0; t < top && t < n; t++)
        for (uint32_t i = (uint32_t)n - 1; i > t; i--)
            if (r->probability[r->order[i]] > r->probability[r->order[i - 1]]) {
                uint32_t swap = r->order[i];
                r->order[i] = r->order[i - 1];
                r->order[i - 1] = swap;
            }
}

static void print_input(const struct run *r, const struct picture *p,
                        const struct tnm_prepared *did) {
    printf(" (%s %ux%u", picture_format_name(p->format), p->file_width, p->file_height);
    if (p->scale > 1)
        printf(", read at 1/%u", p->scale);
    if (p->orientation > 1)
        printf(", turned upright from orientation %u", p->orientation);
    if (did->as_is)
        printf(", taken as it is)\n");
    else if (!did->found && tnm_model_recipe(r->model)->fit == TNM_FIT_INK)
        printf(", no mark found)\n");
    else
        printf("%s, %ux%u at %u,%u)\n", did->inverted ? ", inverted" : "", did->crop_width,
               did->crop_height, did->crop_x, did->crop_y);
}

static void print_answer(const struct run *r, const char *file, const struct picture *p,
                         const struct tnm_prepared *did) {
    printf("%s:", file);
    for (uint32_t t = 0; t < r->s->top && t < tnm_model_outputs(r->model); t++)
        printf("%s%s %.2f %%", t > 0 ? ", then " : " ", tnm_model_label(r->model, r->order[t]),
               100.0 * (double)r->probability[r->order[t]]);
    print_input(r, p, did);
}

static json_t *class_json(const struct run *r, uint32_t index) {
    return json_pack("{s:I, s:s, s:o}", "index", (json_int_t)index, "label",
                     tnm_model_label(r->model, index), "probability",
                     cli_number(r->probability[index]));
}

static json_t *input_json(const struct picture *p, const struct tnm_prepared *did) {
    return json_pack("{s:s, s:I, s:I, s:I, s:I, s:b, s:b, s:b, s:[I, I, I, I]}", "format",
                     picture_format_name(p->format), "width", (json_int_t)p->file_width, "height",
                     (json_int_t)p->file_height, "orientation", (json_int_t)p->orientation, "scale",
                     (json_int_t)p->scale, "as_is", did->as_is, "inverted", did->inverted, "found",
                     did->found, "crop", (json_int_t)did->crop_x, (json_int_t)did->crop_y,
                     (json_int_t)did->crop_width, (json_int_t)did->crop_height);
}

static json_t *answer_json(const struct run *r, const char *file, const struct picture *p,
                           const struct tnm_prepared *did) {
    size_t outputs = tnm_model_outputs(r->model);
    json_t *answer = class_json(r, r->order[0]), *top = json_array(), *logits = json_array();
    for (uint32_t t = 0; t < r->s->top && t < outputs; t++)
        json_array_append_new(top, class_json(r, r->order[t]));
    for (size_t i = 0; i < outputs; i++)
        json_array_append_new(logits, cli_number(r->logits[i]));
    double second = outputs > 1 ? (double)r->probability[r->order[1]] : 0;
    json_object_set_new(answer, "file", json_string(file));
    json_object_set_new(answer, "margin", cli_number((double)r->probability[r->order[0]] - second));
    json_object_set_new(answer, "top", top);
    json_object_set_new(answer, "logits", logits);
    json_object_set_new(answer, "input", input_json(p, did));
    return answer;
}

static bool answer(struct run *r, const char *path, struct picture *p, struct tnm_prepared *did,
                   struct tnm_error *err) {
    const struct picture_wish limits = {.max_pixels = r->s->max_pixels, .max_bytes = MAX_MEMORY};
    uint8_t *bytes;
    size_t len;
    bool ok = read_file(path, &bytes, &len, err) &&
              picture_to_input((struct bytes){bytes, len}, tnm_model_recipe(r->model), &limits,
                               r->pixels, p, did, err);
    free(bytes);
    if (!ok)
        return tnm_fail_in(err, "%s", path);
    tnm_prepare_scale(r->pixels, tnm_model_inputs(r->model), r->x);
    tnm_session_run(r->session, r->x, 1, r->logits);
    tnm_model_probabilities(r->model, r->logits, r->probability);
    rank(r, r->s->top > 1 ? r->s->top : 2); // the margin wants two
    return true;
}

// A picture that fails is told, and the next ones are answered all the same.
static bool classify(struct run *r, const char *path) {
    struct picture p;
    struct tnm_prepared did;
    struct tnm_error err;
    if (!answer(r, path, &p, &did, &err)) {
        cli_fail(&err);
        if (r->list != NULL)
            json_array_append_new(r->list,
                                  json_pack("{s:s, s:s}", "file", path, "error", err.text));
        return false;
    }
    if (r->list != NULL)
        json_array_append_new(r->list, answer_json(r, path, &p, &did));
    else
        print_answer(r, path, &p, &did);
    return true;
}

static bool open_run(struct run *r, const char *path, struct tnm_error *err) {
    struct tnm_model *model = tnm_model_open(path, err);
    r->model = model;
    if (model == NULL)
        return false;
    if ((r->session = tnm_session_open(model, 1, err)) == NULL)
        return tnm_fail_in(err, "%s", path);
    size_t inputs = tnm_model_inputs(model), outputs = tnm_model_outputs(model);
    r->pixels = malloc(inputs);
    r->x = malloc(inputs * sizeof *r->x);
    r->logits = malloc(outputs * sizeof *r->logits);
    r->probability = malloc(outputs * sizeof *r->probability);
    r->order = malloc(outputs * sizeof *r->order);
    if (r->pixels && r->x && r->logits && r->probability && r->order)
        return true;
    return tnm_fail(err, TNM_ENOMEM, "out of memory");
}

static void close_run(struct run *r) {
    free(r->pixels);
    free(r->x);
    free(r->logits);
    free(r->probability);
    free(r->order);
    tnm_session_close(r->session);
    tnm_model_close((struct tnm_model *)r->model);
}

static int classify_all(struct run *r, const struct cli_operands *files) {
    uint32_t failed = 0;
    for (uint32_t i = 1; i < files->n; i++)
        failed += !classify(r, files->item[i]);
    int code =
        r->list == NULL
            ? cli_finish()
            : cli_print_json(json_pack("{s:s, s:s, s:O}", "model", tnm_model_name(r->model),
                                       "digest", tnm_model_digest(r->model), "pictures", r->list));
    return failed > 0 ? CLI_FAILED : code;
}

int cmd_classify(int argc, char **argv) {
    struct settings s;
    struct cli_operands files;
    struct tnm_error err;
    int code = cli_parse(&command, argc, argv, &s, &files);
    if (code != CLI_GO)
        return code;
    struct run r = {.s = &s, .list = s.json ? json_array() : NULL};
    code = open_run(&r, files.item[0], &err) ? classify_all(&r, &files) : cli_fail(&err);
    json_decref(r.list);
    close_run(&r);
    return code;
}
