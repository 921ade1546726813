/* SPDX-License-Identifier: MIT */
// POST /classify: one picture, one answer.
#include "daemon/handlers.h"

#include "daemon/body.h"
#include "daemon/picture.h"

#include <math.h>
#include <stdlib.h>
#include <time.h>

// What is asked for in the query.
struct wanted {
    char model[REQUEST_MAX_NAME + 1]; // empty: the active one
    size_t top;
    bool logits;
};

// One request on its way. The arrays are in the connection's scratch.
struct task {
    struct api *api;
    const struct request *request;
    struct reply *reply;
    struct wanted wanted;
    struct served *served;
    size_t n_inputs, n_outputs;
    float *x, *logits, *probability;
    size_t *best; // (wanted.top) classes, the most probable first
    uint8_t *pixel;
    const char *kind; // "jpeg", "png", "pnm", "pixels", "u8", "f32"
    struct picture picture;
    struct tnm_prepared did;
    uint64_t start_ns, decoded_ns, inferred_ns;
};

static uint64_t clock_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

// ---- The query ---------------------------------------------------------------------------------

static bool refuse(struct task *task, unsigned status, const char *code, const char *text) {
    reply_error(task->reply, task->request, status, code, "%s", text);
    return false;
}

static bool read_wanted(struct task *task) {
    const struct request *request = task->request;
    char text[16];
    task->wanted = (struct wanted){.top = 3};
    if (request->query[0] == 0)
        return true;
    if (request_parameter(request, "model", task->wanted.model, sizeof task->wanted.model) &&
        task->wanted.model[0] == 0)
        return refuse(task, 400, "bad_query", "model= is not a model's name");
    if (request_parameter(request, "top", text, sizeof text)) {
        char *end;
        unsigned long top = strtoul(text, &end, 10);
        if (text[0] < '0' || text[0] > '9' || *end != 0 || top < 1 || top > 1000)
            return refuse(task, 400, "bad_query", "top= is not a whole number from 1 to 1000");
        task->wanted.top = top;
    }
    if (request_parameter(request, "logits", text, sizeof text)) {
        task->wanted.logits = strcmp(text, "1") == 0 || strcmp(text, "true") == 0;
        if (!task->wanted.logits && strcmp(text, "0") != 0 && strcmp(text, "false") != 0)
            return refuse(task, 400, "bad_query", "logits= is neither 0 nor 1");
    }
    return true;
}

static bool hold_model(struct task *task) {
    const char *name = task->wanted.model;
    task->served = shelf_hold(task->api->shelf, name[0] != 0 ? name : NULL);
    if (task->served != NULL)
        return true;
    struct shelf_entry entry;
    if (name[0] == 0) {
        reply_error(task->reply, task->request, 503, "no_model", "no model is in service");
    } else if (!shelf_find(task->api->shelf, name, &entry)) {
        reply_error(task->reply, task->request, 404, "model_not_found", "no model \"%s\"", name);
    } else {
        reply_error(task->reply, task->request, 503, "no_model",
                    "model \"%s\" is not in service: %s", name, entry.reason);
    }
    return false;
}

// ---- The body ----------------------------------------------------------------------------------

static bool refuse_type(struct task *task) {
    reply_error(task->reply, task->request, 415, "unsupported_media_type",
                "the body is none of: image/jpeg, image/png, image/x-portable-graymap or -pixmap, "
                "multipart/form-data, application/json, application/octet-stream");
    reply_header(task->reply, "Accept-Post",
                 "image/jpeg, image/png, image/x-portable-anymap, multipart/form-data, "
                 "application/json, application/octet-stream");
    return false;
}

// Status and code for what the picture code says.
static bool refuse_picture(struct task *task, const struct tnm_error *err) {
    const struct options *options = task->api->options;
    if (err->code == TNM_ELIMIT)
        reply_error(task->reply, task->request, 413, "image_too_large",
                    "%s (limits: max-pixels = %llu, decode-memory = %zu)", err->text,
                    (unsigned long long)options->max_pixels, options->decode_memory);
    else if (err->code == TNM_ENOMEM)
        reply_error(task->reply, task->request, 503, "overloaded", "%s", err->text);
    else if (err->code == TNM_EINPUT)
        reply_error(task->reply, task->request, 422, "not_a_picture_model", "%s", err->text);
    else
        reply_error(task->reply, task->request, 422, "image_undecodable", "%s", err->text);
    return false;
}

static struct picture_wish limits_of(const struct options *options) {
    return (struct picture_wish){
        .channels = 1, .max_pixels = options->max_pixels, .max_bytes = options->decode_memory};
}

// A share of the memory for decoding.
static bool take_memory(struct task *task, size_t bytes) {
    const size_t all = task->api->options->decode_memory;
    if (bytes > all)
        reply_error(task->reply, task->request, 413, "body_too_large",
                    "reading this body takes %zu bytes (limit: decode-memory = %zu)", bytes, all);
    else if (!budget_take(&task->api->decoding, bytes))
        refuse(task, 503, "overloaded", "the memory for decoding is in use by other requests");
    else
        return true;
    return false;
}

// Decodes within the memory that all requests share.
static bool read_picture(struct task *task, struct bytes file) {
    struct tnm_error err = {0};
    const struct tnm_recipe *recipe = tnm_model_recipe(task->served->model);
    struct picture_wish limits = limits_of(task->api->options);
    size_t cost;
    if (!picture_to_input_cost(file, recipe, &limits, &cost, &err))
        return refuse_picture(task, &err);
    if (!take_memory(task, cost))
        return false;
    bool ok =
        picture_to_input(file, recipe, &limits, task->pixel, &task->picture, &task->did, &err);
    budget_give(&task->api->decoding, cost);
    if (!ok)
        return refuse_picture(task, &err);
    task->kind = picture_format_name(task->picture.format);
    tnm_prepare_scale(task->pixel, task->n_inputs, task->x);
    return true;
}

static bool read_floats(struct task *task, struct bytes body) {
    for (size_t i = 0; i < task->n_inputs; i++) {
        task->x[i] = load_f32(body.at + 4 * i);
        if (!isfinite(task->x[i])) {
            reply_error(task->reply, task->request, 400, "malformed",
                        "value %zu of the f32 input is not finite", i);
            return false;
        }
    }
    task->kind = "f32";
    return true;
}

// The input itself: a byte or a float a value.
static bool read_octets(struct task *task, struct bytes body) {
    if (body.len == task->n_inputs) {
        tnm_prepare_scale(body.at, task->n_inputs, task->x);
        task->kind = "u8";
        return true;
    }
    if (body.len == 4 * task->n_inputs)
        return read_floats(task, body);
    if (picture_sniff(body) != PICTURE_UNKNOWN)
        return read_picture(task, body);
    reply_error(task->reply, task->request, 400, "malformed",
                "%zu bytes; the input is %zu values: %zu bytes as u8 or %zu as f32", body.len,
                task->n_inputs, task->n_inputs, 4 * task->n_inputs);
    return false;
}

static bool read_json(struct task *task) {
    struct body_json json;
    struct tnm_error err = {0};
    size_t cost = 10 * task->request->body.len + 200 * task->n_inputs;
    if (!take_memory(task, cost))
        return false;
    bool ok = body_json_parse(task->request->body, task->n_inputs, &json, &err);
    if (!ok)
        reply_error(task->reply, task->request, err.code == TNM_ENOMEM ? 503 : 400,
                    err.code == TNM_ENOMEM ? "overloaded" : "malformed", "%s", err.text);
    if (ok && json.image != NULL)
        ok = read_picture(task, (struct bytes){json.image, json.image_len});
    for (size_t i = 0; ok && i < json.n_pixels; i++)
        task->x[i] = json.pixels[i] / 255;
    if (ok && json.n_pixels > 0)
        task->kind = "pixels";
    body_json_free(&json);
    budget_give(&task->api->decoding, cost);
    return ok;
}

static bool read_multipart(struct task *task, const char *boundary) {
    struct body_part part;
    struct tnm_error err = {0};
    if (origin_is_foreign(task->request->origin, task->request->host))
        return refuse(task, 403, "foreign_origin", "a form of another site may not be sent here");
    if (!body_picture_part(task->request->body, boundary, &part, &err))
        return refuse(task, 400, "malformed", err.text);
    return picture_sniff(part.data) != PICTURE_UNKNOWN ? read_picture(task, part.data)
                                                       : read_octets(task, part.data);
}

// A body whose type nobody said. curl says x-www-form-urlencoded of whatever --data-binary sends.
static bool read_unnamed(struct task *task) {
    struct bytes body = task->request->body;
    if (picture_sniff(body) != PICTURE_UNKNOWN)
        return read_picture(task, body);
    if (body.len == task->n_inputs || body.len == 4 * task->n_inputs)
        return read_octets(task, body);
    size_t blank = 0;
    while (blank < body.len && strchr(" \t\r\n", body.at[blank]) != NULL)
        blank++;
    return blank < body.len && body.at[blank] == '{' ? read_json(task) : refuse_type(task);
}

static bool is_picture_type(const char *name) {
    static const char *const types[] = {"image/jpeg",
                                        "image/png",
                                        "image/jpg",
                                        "image/pjpeg",
                                        "image/x-png",
                                        "image/x-portable-graymap",
                                        "image/x-portable-pixmap",
                                        "image/x-portable-anymap"};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (strcmp(name, types[i]) == 0)
            return true;
    return false;
}

// Fills x from the body, or refuses.
static bool read_input(struct task *task) {
    struct media_type type = {0};
    struct tnm_error err = {0};
    const struct request *request = task->request;
    if (request->body.len == 0)
        return refuse(task, 400, "malformed", "the body is empty");
    const bool is_named = request->content_type != NULL && request->content_type[0] != 0;
    if (is_named && !media_type_parse(request->content_type, &type, &err))
        return refuse(task, 400, "malformed", err.text);
    if (strcmp(type.name, "application/octet-stream") == 0)
        return read_octets(task, request->body);
    if (is_picture_type(type.name))
        return read_picture(task, request->body);
    if (strcmp(type.name, "multipart/form-data") == 0)
        return read_multipart(task, type.boundary);
    if (strcmp(type.name, "application/json") == 0)
        return read_json(task);
    if (type.name[0] == 0 || strcmp(type.name, "application/x-www-form-urlencoded") == 0)
        return read_unnamed(task);
    return refuse_type(task);
}

// ---- The answer --------------------------------------------------------------------------------

// The wanted.top most probable classes; of equals the lower index first.
static void choose_best(struct task *task) {
    size_t n = 0, top = task->wanted.top;
    for (size_t i = 0; i < task->n_outputs; i++) {
        if (n == top && !(task->probability[i] > task->probability[task->best[n - 1]]))
            continue;
        size_t at = n < top ? n++ : n - 1;
        for (; at > 0 && task->probability[i] > task->probability[task->best[at - 1]]; at--)
            task->best[at] = task->best[at - 1];
        task->best[at] = i;
    }
}

static void write_class(struct task *task, size_t index) {
    struct json_out *out = &task->reply->body;
    json_out_text(out, "\"index\":");
    json_out_uint(out, index);
    json_out_text(out, ",\"label\":");
    json_out_string(out, tnm_model_label(task->served->model, index));
    json_out_text(out, ",\"probability\":");
    json_out_decimal(out, (double)task->probability[index], 6);
}

static void write_input(struct task *task) {
    struct json_out *out = &task->reply->body;
    const struct picture *picture = &task->picture;
    json_out_text(out, ",\"input\":{\"kind\":\"");
    json_out_text(out, task->kind);
    json_out_raw(out, "\"", 1);
    if (picture->format != PICTURE_UNKNOWN) {
        const struct {
            const char *key;
            uint32_t value;
        } number[] = {
            {",\"width\":", picture->file_width},
            {",\"height\":", picture->file_height},
            {",\"orientation\":", picture->orientation},
            {",\"scale\":", picture->scale},
            {",\"crop\":[", task->did.crop_x},
            {",", task->did.crop_y},
            {",", task->did.crop_width},
            {",", task->did.crop_height},
        };
        for (size_t i = 0; i < sizeof number / sizeof number[0]; i++) {
            json_out_text(out, number[i].key);
            json_out_uint(out, number[i].value);
        }
        json_out_text(out, "],\"as_is\":");
        json_out_bool(out, task->did.as_is);
        json_out_text(out, ",\"inverted\":");
        json_out_bool(out, task->did.inverted);
        json_out_text(out, ",\"found\":");
        json_out_bool(out, task->did.found);
    }
    json_out_raw(out, "}", 1);
}

static void write_logits(struct task *task) {
    struct json_out *out = &task->reply->body;
    json_out_text(out, ",\"logits\":[");
    for (size_t i = 0; i < task->n_outputs; i++) {
        if (i > 0)
            json_out_raw(out, ",", 1);
        json_out_decimal(out, (double)task->logits[i], 6);
    }
    json_out_raw(out, "]", 1);
}

static void write_timing(struct task *task, uint64_t total_ns) {
    struct json_out *out = &task->reply->body;
    uint64_t decode_ns = task->decoded_ns - task->start_ns;
    uint64_t infer_ns = task->inferred_ns - task->decoded_ns;
    json_out_text(out, ",\"timing_us\":{\"decode\":");
    json_out_decimal(out, (double)decode_ns / 1e3, 1);
    json_out_text(out, ",\"infer\":");
    json_out_decimal(out, (double)infer_ns / 1e3, 1);
    json_out_text(out, ",\"total\":");
    json_out_decimal(out, (double)total_ns / 1e3, 1);
    json_out_raw(out, "}", 1);

    char value[128];
    size_t len = 0;
    const char *names[] = {"decode;dur=", ", infer;dur=", ", total;dur="};
    const double ms[] = {(double)decode_ns / 1e6, (double)infer_ns / 1e6, (double)total_ns / 1e6};
    for (size_t i = 0; i < 3; i++) {
        size_t n = strlen(names[i]);
        memcpy(value + len, names[i], n);
        len += n;
        len += format_decimal(value + len, ms[i], 4);
    }
    reply_header(task->reply, "Server-Timing", value);
}

static void write_head(struct task *task) {
    struct served *served = task->served;
    char text[32];
    reply_header(task->reply, "X-Model", served->name);
    memcpy(text, "sha256:", 7);
    memcpy(text + 7, served->digest, 12);
    text[19] = 0;
    reply_header(task->reply, "X-Model-Digest", text);
    text[format_uint(text, served->generation)] = 0;
    reply_header(task->reply, "X-Model-Generation", text);
}

static void write_answer(struct task *task) {
    struct json_out *out = &task->reply->body;
    const size_t *best = task->best;
    json_out_text(out, "{\"model\":");
    json_out_string(out, task->served->name);
    json_out_text(out, ",\"digest\":\"");
    json_out_text(out, task->served->digest);
    json_out_text(out, "\",\"generation\":");
    json_out_uint(out, task->served->generation);
    json_out_raw(out, ",", 1);
    write_class(task, best[0]);
    json_out_text(out, ",\"margin\":");
    double second = task->n_outputs > 1 ? (double)task->probability[best[1]] : 0;
    json_out_decimal(out, (double)task->probability[best[0]] - second, 6);
    json_out_text(out, ",\"top\":[");
    size_t shown = task->wanted.top < task->n_outputs ? task->wanted.top : task->n_outputs;
    for (size_t i = 0; i < shown; i++) {
        json_out_text(out, i > 0 ? ",{" : "{");
        write_class(task, best[i]);
        json_out_raw(out, "}", 1);
    }
    json_out_raw(out, "]", 1);
    write_input(task);
    if (task->wanted.logits)
        write_logits(task);
    write_timing(task, clock_ns() - task->start_ns);
    json_out_text(out, "}\n");
}

// Lays the arrays out in the connection's scratch. best has room for two, for the margin.
static bool take_arrays(struct task *task, struct scratch *scratch) {
    size_t n = task->n_inputs, m = task->n_outputs;
    size_t n_best = task->wanted.top > 2 ? task->wanted.top : 2;
    size_t *at = scratch_take(scratch, n_best * sizeof *at + (n + 2 * m) * sizeof(float) + n);
    if (at == NULL)
        return refuse(task, 503, "overloaded", "no memory for an input now");
    task->best = at;
    task->x = (float *)(void *)(at + n_best);
    task->logits = task->x + n;
    task->probability = task->logits + m;
    task->pixel = (uint8_t *)(task->probability + m);
    return true;
}

static bool run_model(struct task *task) {
    struct tnm_session *session = served_take(task->served);
    if (session == NULL)
        return refuse(task, 503, "overloaded", "no memory for a session now");
    task->decoded_ns = clock_ns();
    tnm_session_run(session, task->x, 1, task->logits);
    tnm_model_probabilities(task->served->model, task->logits, task->probability);
    task->inferred_ns = clock_ns();
    served_give(task->served, session);
    // A sum of products of finite values may still be too large for a float.
    for (size_t i = 0; i < task->n_outputs; i++)
        if (!isfinite(task->logits[i]))
            return refuse(task, 422, "out_of_range", "the input's values are too large");
    return true;
}

void handle_classify(struct api *api, const struct request *request, struct scratch *scratch,
                     struct reply *reply) {
    struct task task = {.api = api, .request = request, .reply = reply, .start_ns = clock_ns()};
    if (!read_wanted(&task) || !hold_model(&task))
        return;
    task.n_inputs = tnm_model_inputs(task.served->model);
    task.n_outputs = tnm_model_outputs(task.served->model);
    if (take_arrays(&task, scratch) && read_input(&task) && run_model(&task)) {
        size_t asked = task.wanted.top;
        task.wanted.top = asked > 2 ? asked : 2; // the margin needs two
        choose_best(&task);
        task.wanted.top = asked;
        write_head(&task);
        write_answer(&task);
        served_count(task.served);
    }
    shelf_release(task.served);
}

// A millisecond or more. Tiny files cannot take it whatever they say of themselves (deflate makes
// at most 1032 bytes of one, a JPEG spends half a byte on 64 pixels); of those in between the
// header tells.
bool classify_is_slow(const struct api *api, const struct request *request) {
    enum { TINY_BODY = 2048, SMALL_BODY = 8192, SMALL_COST = 1 << 20 };
    if (request->body.len <= TINY_BODY || request->body.len > SMALL_BODY)
        return request->body.len > SMALL_BODY;
    struct picture_wish limits = limits_of(api->options);
    size_t cost;
    return picture_sniff(request->body) != PICTURE_UNKNOWN &&
           picture_cost(request->body, &limits, &cost, NULL) && cost > SMALL_COST;
}
