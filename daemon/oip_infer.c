/* SPDX-License-Identifier: MIT */
// POST /v2/models/{name}[/versions/{version}]/infer: one input or a batch of them.
#include "daemon/oip.h"

#include "daemon/handlers.h"
#include "daemon/inflate.h"
#include "daemon/input.h"

#include <stdio.h>
#include <stdlib.h>

// One request on its way.
struct inference {
    struct api *api;
    const struct request *request;
    struct reply *reply;
    struct served *served;
    struct bytes body; // unpacked
    uint8_t *unpacked; // owned; NULL: the body came as it is
    size_t charged;    // to api->decoding
    struct oip_request asked;
    size_t n_rows;
    struct answer *rows;
    struct input input;
};

static bool refuse(const struct inference *i, unsigned status, const char *code, const char *text) {
    reply_error(i->reply, i->request, status, code, "%s", text);
    return false;
}

static bool refuse_as(const struct inference *i, const struct tnm_error *err) {
    switch (err->code) {
    case TNM_ENOMEM:
        return refuse(i, 503, "overloaded", err->text);
    case TNM_ELIMIT:
        return refuse(i, 413, "body_too_large", err->text);
    case TNM_EUNSUPPORTED:
        return refuse(i, 501, "not_implemented", err->text);
    default:
        return refuse(i, 400, "malformed", err->text);
    }
}

static bool charge(struct inference *i, size_t bytes) {
    if (!input_take_memory(i->api, i->request, bytes, i->reply))
        return false;
    i->charged += bytes;
    return true;
}

// ---- The body ----------------------------------------------------------------------------------

static bool unpack(struct inference *i) {
    const struct request *request = i->request;
    struct tnm_error err = {0};
    i->body = request->body;
    if (!inflate_needed(request->content_encoding))
        return true;
    size_t size = inflate_bound(request->body.len, i->api->options->max_body), len;
    if (!charge(i, size))
        return false;
    i->unpacked = malloc(size > 0 ? size : 1);
    if (i->unpacked == NULL)
        return refuse(i, 503, "overloaded", "no memory to unpack the body");
    if (!inflate_body(request->content_encoding, request->body, i->unpacked, size, &len, &err))
        return err.code == TNM_EUNSUPPORTED ? refuse(i, 415, "unsupported_media_type", err.text)
                                            : refuse_as(i, &err);
    i->body = (struct bytes){i->unpacked, len};
    return true;
}

// Where the JSON ends and the tensors begin. *raw: there is no JSON at all.
static bool split(const struct inference *i, struct bytes *json, struct bytes *tail, bool *raw) {
    const char *header = i->request->inference_length;
    *json = i->body;
    *tail = (struct bytes){0};
    *raw = false;
    if (header == NULL)
        return true;
    char *end;
    unsigned long long len = strtoull(header, &end, 10);
    if (header[0] < '0' || header[0] > '9' || *end != 0 || len > i->body.len) {
        reply_error(i->reply, i->request, 400, "malformed",
                    "Inference-Header-Content-Length: %.40s is not a number up to the body's %zu "
                    "bytes",
                    header, i->body.len);
        return false;
    }
    *json = (struct bytes){i->body.at, (size_t)len};
    *tail = (struct bytes){i->body.at + len, i->body.len - (size_t)len};
    *raw = len == 0;
    return true;
}

// Nothing but the one input's bytes, all outputs binary: values, or a whole picture. A picture may
// have its length in front, as an element of BYTES has.
static void ask_raw(struct inference *i) {
    struct oip_request *asked = &i->asked;
    struct bytes body = i->body;
    *asked = (struct oip_request){.n_wanted = N_OIP_OUTPUTS};
    for (unsigned k = 0; k < N_OIP_OUTPUTS; k++)
        asked->wanted[k] = (struct oip_wanted){.output = (enum oip_output)k, .binary = true};
    if (body.len > 4 && load_u32(body.at) == body.len - 4)
        body = (struct bytes){body.at + 4, body.len - 4};
    asked->input.raw = body;
    i->n_rows = 1;
}

static bool ask(struct inference *i, struct bytes json, struct bytes tail) {
    struct tnm_error err = {0};
    struct tensor *input = &i->asked.input;
    if (!oip_request_parse(json, tail, &i->asked, &err))
        return refuse_as(i, &err);
    size_t each = i->asked.pictures ? 1 : i->input.n;
    if (!tensor_batch(input, each, &i->n_rows, &err))
        return refuse_as(i, &err);
    return true;
}

// ---- Room --------------------------------------------------------------------------------------

static unsigned most_classes(const struct oip_request *asked) {
    unsigned most = 1;
    for (unsigned k = 0; k < asked->n_wanted; k++)
        if (asked->wanted[k].classes > most)
            most = asked->wanted[k].classes;
    return most;
}

// More than the reply takes. A float is 16 characters at most; a label has at most 255 bytes, each
// of which may become 6.
static size_t reply_bound(const struct inference *i, size_t n_classes) {
    size_t each_row = 0;
    for (unsigned k = 0; k < i->asked.n_wanted; k++) {
        const struct oip_wanted *wanted = &i->asked.wanted[k];
        size_t n = wanted->output == OIP_LABEL   ? 1
                   : wanted->classes == 0        ? n_classes
                   : wanted->classes < n_classes ? wanted->classes
                                                 : n_classes;
        each_row += n * (wanted->output == OIP_LABEL || wanted->classes > 0 ? 64 + 6 * 255 : 16);
    }
    return i->n_rows > SIZE_MAX / each_row ? SIZE_MAX : i->n_rows * each_row;
}

// Lays out one input and the answers to all in the connection's scratch.
static bool take_room(struct inference *i, struct scratch *scratch) {
    const struct options *options = i->api->options;
    const size_t n = i->input.n, m = tnm_model_outputs(i->served->model);
    const size_t n_best = most_classes(&i->asked);
    if (i->n_rows > options->max_batch || reply_bound(i, m) > options->max_body) {
        reply_error(i->reply, i->request, 413, "batch_too_large",
                    "a batch of %zu is more than max-batch = %u, or its answer may be longer than "
                    "max-body = %zu bytes",
                    i->n_rows, options->max_batch, options->max_body);
        return false;
    }
    const size_t each = sizeof(struct answer) + answer_bytes(m, n_best);
    const size_t bytes = input_bytes(n) + i->n_rows * each;
    if (!charge(i, bytes))
        return false;
    uint8_t *room = scratch_take(scratch, bytes);
    if (room == NULL)
        return refuse(i, 503, "overloaded", "no memory for this batch now");
    input_init(&i->input, room, n);
    room += input_bytes(n);
    i->rows = (struct answer *)(void *)(room + i->n_rows * answer_bytes(m, n_best));
    for (size_t row = 0; row < i->n_rows; row++, room += answer_bytes(m, n_best))
        answer_init(&i->rows[row], room, m, n_best);
    return true;
}

// ---- The rows ----------------------------------------------------------------------------------

static bool make_input(struct inference *i, enum sent_kind kind, struct bytes bytes) {
    const struct sent sent = {.kind = kind, .bytes = bytes};
    return input_make(i->api, i->request, &sent, i->served->model, &i->input, i->reply);
}

static size_t unescape(struct bytes text, uint8_t *out) {
    return json_unescape(text, (char *)out);
}

// A picture in base64. escaped: some encoders write a '/' as "\/".
static bool make_from_text(struct inference *i, struct bytes text, bool escaped) {
    struct tnm_error err = {0};
    const size_t size = text.len / 4 * 3 + 3, cost = size + (escaped ? text.len : 0);
    size_t len;
    if (!input_take_memory(i->api, i->request, cost, i->reply))
        return false;
    uint8_t *picture = malloc(cost);
    bool ok = picture != NULL;
    if (!ok)
        refuse(i, 503, "overloaded", "no memory for a picture now");
    if (ok && escaped)
        text = (struct bytes){picture + size, unescape(text, picture + size)};
    if (ok && !base64_decode(text, picture, &len, &err))
        ok = refuse(i, 400, "malformed", err.text);
    ok = ok && make_input(i, SENT_PICTURE, (struct bytes){picture, len});
    free(picture);
    budget_give(&i->api->decoding, cost);
    return ok;
}

static bool make_next(struct inference *i, struct tensor_walk *walk) {
    struct bytes value;
    bool escaped;
    if (!i->asked.pictures)
        return tensor_next(walk, i->input.n, i->input.x) || refuse_as(i, walk->err);
    if (!tensor_next_bytes(walk, &value, &escaped))
        return refuse_as(i, walk->err);
    return walk->tensor->text.at != NULL ? make_from_text(i, value, escaped)
                                         : make_input(i, SENT_PICTURE, value);
}

static bool run_rows(struct inference *i) {
    struct tnm_error err = {0};
    struct tensor_walk walk;
    tensor_start(&walk, &i->asked.input, &err);
    for (size_t row = 0; row < i->n_rows; row++)
        if (!make_next(i, &walk) ||
            !answer_run(i->served, i->input.x, &i->rows[row], i->request, i->reply))
            return false;
    return tensor_finish(&walk) || refuse_as(i, &err);
}

// ---- The whole ---------------------------------------------------------------------------------

static bool infer(struct inference *i, struct scratch *scratch) {
    struct bytes json, tail;
    bool raw;
    if (i->request->body.len == 0)
        return refuse(i, 400, "malformed", "the body is empty");
    if (!unpack(i) || !split(i, &json, &tail, &raw))
        return false;
    if (raw)
        ask_raw(i);
    else if (!ask(i, json, tail))
        return false;
    if (!take_room(i, scratch))
        return false;
    if (!raw)
        return run_rows(i);
    return make_input(i, SENT_OCTETS, i->asked.input.raw) &&
           answer_run(i->served, i->input.x, i->rows, i->request, i->reply);
}

static void write_reply(struct inference *i) {
    size_t json_len;
    char text[24];
    answer_headers(i->reply, i->served);
    oip_write_answers(&i->reply->body, i->served, i->request, &i->asked, i->rows, i->n_rows,
                      &json_len);
    if (json_len == 0)
        return;
    text[format_uint(text, json_len)] = 0;
    i->reply->type = "application/octet-stream";
    reply_header(i->reply, "Inference-Header-Content-Length", text);
}

void handle_oip_infer(struct api *api, const struct request *request, struct scratch *scratch,
                      struct reply *reply) {
    struct inference i = {.api = api, .request = request, .reply = reply};
    i.served = oip_hold(api, request, reply);
    if (i.served == NULL)
        return;
    i.input.n = tnm_model_inputs(i.served->model);
    if (infer(&i, scratch))
        write_reply(&i);
    free(i.unpacked);
    budget_give(&api->decoding, i.charged);
    shelf_release(i.served);
}

// By size: more than a few rows, or a picture, as far as the body shows.
bool oip_infer_is_slow(const struct api *api, const struct request *request) {
    enum { TINY_BODY = 2048, SMALL_BODY = 8192, SMALL_JSON = 32768 };
    const struct bytes body = request->body;
    if (inflate_needed(request->content_encoding))
        return true;
    if (request->inference_length != NULL && strcmp(request->inference_length, "0") == 0)
        return input_is_slow(api, request);
    if (body.len > TINY_BODY && memmem(body.at, body.len, "\"BYTES\"", 7) != NULL)
        return true;
    return body.len > (request->inference_length != NULL ? SMALL_BODY : SMALL_JSON);
}
