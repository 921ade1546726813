/* SPDX-License-Identifier: MIT */
// Bodies to inputs.
#include "daemon/input.h"

#include "daemon/clock.h"

#include <math.h>

// What the steps below pass on.
struct reading {
    struct api *api;
    const struct request *request;
    struct reply *reply;
    struct input *input;
    const struct tnm_model *model;
};

static size_t round_up(size_t bytes) {
    return (bytes + 15) / 16 * 16;
}

size_t input_bytes(size_t n) {
    return round_up(n * sizeof(float) + n);
}

void input_init(struct input *input, void *room, size_t n) {
    *input = (struct input){.n = n, .x = room};
    input->pixel = (uint8_t *)(input->x + n);
}

static bool refuse(const struct request *request, struct reply *reply, unsigned status,
                   const char *code, const char *text) {
    reply_error(reply, request, status, code, "%s", text);
    return false;
}

static struct picture_wish limits_of(const struct options *options) {
    return (struct picture_wish){
        .channels = 1, .max_pixels = options->max_pixels, .max_bytes = options->decode_memory};
}

bool input_take_memory(struct api *api, const struct request *request, size_t bytes,
                       struct reply *reply) {
    const size_t all = api->options->decode_memory;
    if (bytes > all)
        reply_error(reply, request, 413, "body_too_large",
                    "reading this body takes %zu bytes (limit: decode-memory = %zu)", bytes, all);
    else if (!budget_take(&api->decoding, bytes))
        refuse(request, reply, 503, "overloaded",
               "the memory for decoding is in use by other requests");
    else
        return true;
    return false;
}

// ---- What was sent -----------------------------------------------------------------------------

static bool refuse_type(const struct request *request, struct reply *reply) {
    reply_error(reply, request, 415, "unsupported_media_type",
                "the body is none of: image/jpeg, image/png, image/x-portable-graymap or -pixmap, "
                "multipart/form-data, application/json, application/octet-stream");
    reply_header(reply, "Accept-Post",
                 "image/jpeg, image/png, image/x-portable-anymap, multipart/form-data, "
                 "application/json, application/octet-stream");
    return false;
}

static bool take(struct sent *sent, enum sent_kind kind, struct bytes bytes) {
    sent->kind = kind;
    sent->bytes = bytes;
    return true;
}

static bool send_json(struct api *api, const struct request *request, size_t n_inputs,
                      struct sent *sent, struct reply *reply) {
    struct tnm_error err = {0};
    size_t cost = 10 * request->body.len + 200 * n_inputs;
    if (!input_take_memory(api, request, cost, reply))
        return false;
    sent->charged = cost;
    if (!body_json_parse(request->body, n_inputs, &sent->json, &err))
        return refuse(request, reply, err.code == TNM_ENOMEM ? 503 : 400,
                      err.code == TNM_ENOMEM ? "overloaded" : "malformed", err.text);
    if (sent->json.image == NULL)
        return take(sent, SENT_NUMBERS, (struct bytes){0});
    return take(sent, SENT_PICTURE, (struct bytes){sent->json.image, sent->json.image_len});
}

static bool send_multipart(const struct request *request, const char *boundary, struct sent *sent,
                           struct reply *reply) {
    struct body_part part;
    struct tnm_error err = {0};
    if (request->is_foreign)
        return refuse(request, reply, 403, "foreign_origin",
                      "a form of another site may not be sent here");
    if (!body_picture_part(request->body, boundary, &part, &err))
        return refuse(request, reply, 400, "malformed", err.text);
    bool is_picture = picture_sniff(part.data) != PICTURE_UNKNOWN;
    return take(sent, is_picture ? SENT_PICTURE : SENT_OCTETS, part.data);
}

// A body whose type nobody said. curl says x-www-form-urlencoded of whatever --data-binary sends.
static bool send_unnamed(struct api *api, const struct request *request, size_t n_inputs,
                         struct sent *sent, struct reply *reply) {
    struct bytes body = request->body;
    if (picture_sniff(body) != PICTURE_UNKNOWN)
        return take(sent, SENT_PICTURE, body);
    if (body.len == n_inputs || body.len == 4 * n_inputs)
        return take(sent, SENT_OCTETS, body);
    size_t blank = 0;
    while (blank < body.len && strchr(" \t\r\n", body.at[blank]) != NULL)
        blank++;
    return blank < body.len && body.at[blank] == '{'
               ? send_json(api, request, n_inputs, sent, reply)
               : refuse_type(request, reply);
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

static bool send_named(struct api *api, const struct request *request, size_t n_inputs,
                       struct sent *sent, struct reply *reply) {
    struct media_type type = {0};
    struct tnm_error err = {0};
    const bool is_named = request->content_type != NULL && request->content_type[0] != 0;
    if (is_named && !media_type_parse(request->content_type, &type, &err))
        return refuse(request, reply, 400, "malformed", err.text);
    if (strcmp(type.name, "application/octet-stream") == 0)
        return take(sent, SENT_OCTETS, request->body);
    if (is_picture_type(type.name))
        return take(sent, SENT_PICTURE, request->body);
    if (strcmp(type.name, "multipart/form-data") == 0)
        return send_multipart(request, type.boundary, sent, reply);
    if (strcmp(type.name, "application/json") == 0)
        return send_json(api, request, n_inputs, sent, reply);
    if (type.name[0] == 0 || strcmp(type.name, "application/x-www-form-urlencoded") == 0)
        return send_unnamed(api, request, n_inputs, sent, reply);
    return refuse_type(request, reply);
}

bool sent_read(struct api *api, const struct request *request, size_t n_inputs, struct sent *sent,
               struct reply *reply) {
    *sent = (struct sent){0};
    if (request->body.len == 0)
        return refuse(request, reply, 400, "malformed", "the body is empty");
    bool ok = send_named(api, request, n_inputs, sent, reply);
    if (!ok)
        sent_free(api, sent);
    return ok;
}

void sent_free(struct api *api, struct sent *sent) {
    body_json_free(&sent->json);
    if (sent->charged > 0)
        budget_give(&api->decoding, sent->charged);
    *sent = (struct sent){0};
}

bool input_fits(const struct sent *sent, const struct tnm_model *model) {
    const size_t n = tnm_model_inputs(model), len = sent->bytes.len;
    const bool shows_pictures = tnm_model_recipe(model)->fit != TNM_FIT_NONE;
    switch (sent->kind) {
    case SENT_PICTURE:
        return shows_pictures;
    case SENT_NUMBERS:
        return sent->json.n_pixels == n;
    default:
        return len == n || len == 4 * n ||
               (shows_pictures && picture_sniff(sent->bytes) != PICTURE_UNKNOWN);
    }
}

// ---- The input ---------------------------------------------------------------------------------

// Status and code for what the picture code says.
static bool refuse_picture(const struct reading *r, const struct tnm_error *err) {
    const struct options *options = r->api->options;
    if (err->code == TNM_ELIMIT)
        reply_error(r->reply, r->request, 413, "image_too_large",
                    "%s (limits: max-pixels = %llu, decode-memory = %zu)", err->text,
                    (unsigned long long)options->max_pixels, options->decode_memory);
    else if (err->code == TNM_ENOMEM)
        reply_error(r->reply, r->request, 503, "overloaded", "%s", err->text);
    else if (err->code == TNM_EINPUT)
        reply_error(r->reply, r->request, 422, "not_a_picture_model", "%s", err->text);
    else
        reply_error(r->reply, r->request, 422, "image_undecodable", "%s", err->text);
    return false;
}

// Decodes within the memory that all requests share.
static bool read_picture(const struct reading *r, struct bytes file) {
    struct tnm_error err = {0};
    struct input *input = r->input;
    const struct tnm_recipe *recipe = tnm_model_recipe(r->model);
    struct picture_wish limits = limits_of(r->api->options);
    size_t cost;
    if (!picture_to_input_cost(file, recipe, &limits, &cost, &err))
        return refuse_picture(r, &err);
    if (!input_take_memory(r->api, r->request, cost, r->reply))
        return false;
    uint64_t start_ns = clock_ns();
    bool ok =
        picture_to_input(file, recipe, &limits, input->pixel, &input->picture, &input->did, &err);
    budget_give(&r->api->decoding, cost);
    if (!ok)
        return refuse_picture(r, &err);
    stats_decode(r->api->stats, clock_ns() - start_ns);
    input->kind = picture_format_name(input->picture.format);
    tnm_prepare_scale(input->pixel, input->n, input->x);
    return input->has_pixels = true;
}

static bool read_floats(const struct reading *r, struct bytes body) {
    for (size_t i = 0; i < r->input->n; i++) {
        r->input->x[i] = load_f32(body.at + 4 * i);
        if (!isfinite(r->input->x[i])) {
            reply_error(r->reply, r->request, 400, "malformed",
                        "value %zu of the f32 input is not finite", i);
            return false;
        }
    }
    r->input->kind = "f32";
    return true;
}

// The input itself: a byte or a float a value.
static bool read_octets(const struct reading *r, struct bytes body) {
    struct input *input = r->input;
    if (body.len == input->n) {
        memcpy(input->pixel, body.at, input->n);
        tnm_prepare_scale(body.at, input->n, input->x);
        input->kind = "u8";
        return input->has_pixels = true;
    }
    if (body.len == 4 * input->n)
        return read_floats(r, body);
    reply_error(r->reply, r->request, 400, "malformed",
                "%zu bytes; the input is %zu values: %zu bytes as u8 or %zu as f32", body.len,
                input->n, input->n, 4 * input->n);
    return false;
}

static bool read_numbers(const struct reading *r, const struct body_json *json) {
    if (json->n_pixels != r->input->n) {
        reply_error(r->reply, r->request, 400, "malformed", "%zu pixels; the input has %zu",
                    json->n_pixels, r->input->n);
        return false;
    }
    for (size_t i = 0; i < json->n_pixels; i++)
        r->input->x[i] = json->pixels[i] / 255;
    r->input->kind = "pixels";
    return true;
}

bool input_make(struct api *api, const struct request *request, const struct sent *sent,
                const struct tnm_model *model, struct input *input, struct reply *reply) {
    const struct reading r = {api, request, reply, input, model};
    const struct bytes bytes = sent->bytes;
    input->picture.format = PICTURE_UNKNOWN;
    input->has_pixels = false;
    switch (sent->kind) {
    case SENT_PICTURE:
        return read_picture(&r, bytes);
    case SENT_NUMBERS:
        return read_numbers(&r, &sent->json);
    default:
        break;
    }
    // Octets of the input's size may look like a picture by chance: its declared type decides.
    bool fits = bytes.len == input->n || bytes.len == 4 * input->n;
    return !fits && picture_sniff(bytes) != PICTURE_UNKNOWN ? read_picture(&r, bytes)
                                                            : read_octets(&r, bytes);
}

// ---- Saying it ---------------------------------------------------------------------------------

static uint32_t byte_of(float x) {
    return x <= 0 ? 0 : x >= 1 ? 255 : (uint32_t)lrintf(255 * x);
}

void input_write_pixels(struct json_out *out, const float *x, size_t n) {
    json_out_text(out, ",\"pixels\":[");
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            json_out_raw(out, ",", 1);
        json_out_uint(out, byte_of(x[i]));
    }
    json_out_raw(out, "]", 1);
}

static void write_picture(struct json_out *out, const struct input *input) {
    const struct picture *picture = &input->picture;
    const struct {
        const char *key;
        uint32_t value;
    } number[] = {
        {",\"width\":", picture->file_width},
        {",\"height\":", picture->file_height},
        {",\"orientation\":", picture->orientation},
        {",\"scale\":", picture->scale},
        {",\"crop\":[", input->did.crop_x},
        {",", input->did.crop_y},
        {",", input->did.crop_width},
        {",", input->did.crop_height},
    };
    for (size_t i = 0; i < sizeof number / sizeof number[0]; i++) {
        json_out_text(out, number[i].key);
        json_out_uint(out, number[i].value);
    }
    json_out_text(out, "],\"as_is\":");
    json_out_bool(out, input->did.as_is);
    json_out_text(out, ",\"inverted\":");
    json_out_bool(out, input->did.inverted);
    json_out_text(out, ",\"found\":");
    json_out_bool(out, input->did.found);
}

void input_write(struct json_out *out, const struct input *input, bool with_pixels) {
    json_out_text(out, "\"input\":{\"kind\":\"");
    json_out_text(out, input->kind);
    json_out_raw(out, "\"", 1);
    if (input->picture.format != PICTURE_UNKNOWN)
        write_picture(out, input);
    if (with_pixels)
        input_write_pixels(out, input->x, input->n);
    json_out_raw(out, "}", 1);
}

// Forms and JSON have to be read before one knows what is in them.
static bool is_wrapped(const struct request *request) {
    const char *type = request->content_type;
    const struct bytes body = request->body;
    if (type != NULL && strcasecmp(type, "application/octet-stream") == 0)
        return false;
    if (type != NULL && (strcasestr(type, "json") != NULL || strcasestr(type, "multipart") != NULL))
        return true;
    size_t blank = 0;
    while (blank < body.len && memchr(" \t\r\n", body.at[blank], 4) != NULL)
        blank++;
    return blank < body.len && body.at[blank] == '{';
}

// A PNG of 1800 bytes may be one of 1350 x 1350 pixels, and take 50 ms: the header tells. One that
// is damaged is refused quickly.
bool input_is_slow(const struct api *api, const struct request *request) {
    enum { SMALL_BODY = 8192, SMALL_PIXELS = 32 * 32 };
    (void)api;
    if (request->body.len > SMALL_BODY)
        return true;
    if (picture_sniff(request->body) == PICTURE_UNKNOWN)
        return is_wrapped(request);
    const struct picture_wish small = {
        .channels = 1, .max_pixels = SMALL_PIXELS, .max_bytes = SIZE_MAX};
    struct tnm_error err = {0};
    size_t cost;
    return !picture_cost(request->body, &small, &cost, &err) && err.code == TNM_ELIMIT;
}
