/* SPDX-License-Identifier: MIT */
// POST /v2/models/{name}[/versions/{version}]/infer: one input or a batch of them.
#include "daemon/oip.h"

#include "daemon/handlers.h"
#include "daemon/inflate.h"
#include "daemon/input.h"
#include "daemon/observe.h"

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
    size_t n_rows, n_runs;
    struct answer *rows;
    struct input input;                    // of one row
    float *x;                              // (SIDE_BY_SIDE, inputs), or as many as there are rows
    uint64_t start_ns, input_ns, infer_ns; // when it came; spent on inputs, and on running
};

// So many inputs are run in one go. With the published 784-300-100-10, 5 bits, an input takes 1.4
// us of 16, 3.4 us of 4, and 13 us alone; from 16 on it does not get less.
enum { SIDE_BY_SIDE = 16 };

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
    const size_t at_once = i->n_rows < SIDE_BY_SIDE ? i->n_rows : SIDE_BY_SIDE;
    const size_t of_x = (at_once * n * sizeof(float) + 15) / 16 * 16;
    const size_t bytes = input_bytes(n) + of_x + answer_rows_bytes(i->n_rows, m, n_best);
    if (!charge(i, bytes))
        return false;
    uint8_t *room = scratch_take(scratch, bytes);
    if (room == NULL)
        return refuse(i, 503, "overloaded", "no memory for this batch now");
    input_init(&i->input, room, n);
    i->x = (float *)(void *)(room + input_bytes(n));
    i->rows = answer_rows_init(room + input_bytes(n) + of_x, i->n_rows, m, n_best);
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

// The next row, into x.
static bool make_next(struct inference *i, struct tensor_walk *walk, float *x) {
    struct bytes value;
    bool escaped;
    if (!i->asked.pictures)
        return tensor_next(walk, i->input.n, x) || refuse_as(i, walk->err);
    if (!tensor_next_bytes(walk, &value, &escaped))
        return refuse_as(i, walk->err);
    bool ok = walk->tensor->text.at != NULL ? make_from_text(i, value, escaped)
                                            : make_input(i, SENT_PICTURE, value);
    if (ok)
        memcpy(x, i->input.x, i->input.n * sizeof *x);
    return ok;
}

// Each row is an answer of its own to those that look at answers.
static void tell(const struct inference *i, size_t row, const float *x) {
    const struct answer *answer = &i->rows[row];
    const size_t index = answer->best[0];
    observe_seen(i->api, &(struct seen){.served = i->served,
                                        .request_id = i->request->id,
                                        .item = (uint32_t)row,
                                        .n = i->input.n,
                                        .x = x,
                                        .index = index,
                                        .probability = (double)answer->probability[index],
                                        .margin = answer_margin(answer)});
}

// Makes and runs n rows from `first` on. Counts the time of either.
static bool run_some(struct inference *i, struct tnm_session *session, struct tensor_walk *walk,
                     size_t first, size_t n) {
    uint64_t start = clock_ns();
    for (size_t row = 0; row < n; row++)
        if (!make_next(i, walk, i->x + row * i->input.n))
            return false;
    uint64_t made = clock_ns();
    if (!answer_run_rows(i->served, session, i->x, n, i->rows + first, i->request, i->reply))
        return false;
    i->input_ns += made - start;
    i->infer_ns += clock_ns() - made;
    i->n_runs++;
    for (size_t row = 0; row < n; row++)
        tell(i, first + row, i->x + row * i->input.n);
    return true;
}

static bool run_rows(struct inference *i, struct tnm_session *session) {
    struct tnm_error err = {0};
    struct tensor_walk walk;
    tensor_start(&walk, &i->asked.input, &err);
    for (size_t row = 0; row < i->n_rows; row += SIDE_BY_SIDE) {
        size_t n = i->n_rows - row < SIDE_BY_SIDE ? i->n_rows - row : SIDE_BY_SIDE;
        if (!run_some(i, session, &walk, row, n))
            return false;
    }
    return tensor_finish(&walk) || refuse_as(i, &err);
}

// A session that is wide enough is not kept: opening one takes some microseconds, and an idle one
// as much memory as 16 of the others.
static bool run_all(struct inference *i) {
    bool wide = i->n_rows >= 4;
    unsigned width = i->n_rows < SIDE_BY_SIDE ? (unsigned)i->n_rows : SIDE_BY_SIDE;
    struct tnm_session *session =
        wide ? tnm_session_open(i->served->model, width, NULL) : served_take(i->served);
    if (session == NULL)
        return refuse(i, 503, "overloaded", "no memory for a session now");
    bool ok = run_rows(i, session);
    if (wide)
        tnm_session_close(session);
    else
        served_give(i->served, session);
    return ok;
}

static bool run_raw(struct inference *i) {
    uint64_t start = clock_ns();
    if (!make_input(i, SENT_OCTETS, i->asked.input.raw))
        return false;
    i->input_ns = clock_ns() - start;
    if (!answer_run(i->served, i->input.x, i->rows, i->request, i->reply))
        return false;
    observe(i->api, i->request, i->served, &i->input, i->rows);
    i->infer_ns = i->rows->infer_ns;
    i->n_runs = 1;
    return true;
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
    return raw ? run_raw(i) : run_all(i);
}

static void write_reply(struct inference *i) {
    const uint64_t decoded = i->start_ns + i->input_ns;
    const struct answer_times times = {i->start_ns, decoded, decoded + i->infer_ns};
    struct reply *reply = i->reply;
    size_t json_len;
    char text[24];
    answer_headers(reply, i->served);
    oip_write_answers(&reply->body, i->served, i->request, &i->asked, i->rows, i->n_rows,
                      &json_len);
    answer_add_timing(reply, &times);
    if (json_len == 0)
        return;
    text[format_uint(text, json_len)] = 0;
    reply->type = "application/octet-stream";
    reply_header(reply, "Inference-Header-Content-Length", text);
}

static void count(const struct inference *i, bool done, uint64_t answered_ns) {
    const uint64_t now = clock_ns();
    stats_protocol(
        served_stats(i->served),
        &(struct stats_protocol){.requests = {!done, done},
                                 .ns = {done ? 0 : now - i->start_ns, done ? now - i->start_ns : 0},
                                 .rows = done ? i->n_rows : 0,
                                 .runs = i->n_runs,
                                 .input_ns = i->input_ns,
                                 .infer_ns = i->infer_ns,
                                 .output_ns = done ? now - answered_ns : 0});
}

void handle_oip_infer(struct api *api, const struct request *request, struct scratch *scratch,
                      struct reply *reply) {
    struct inference i = {.api = api, .request = request, .reply = reply, .start_ns = clock_ns()};
    i.served = oip_hold(api, request, reply);
    if (i.served == NULL)
        return;
    i.input.n = tnm_model_inputs(i.served->model);
    bool done = infer(&i, scratch);
    uint64_t answered_ns = clock_ns();
    if (done)
        write_reply(&i);
    count(&i, done, answered_ns);
    free(i.unpacked);
    budget_give(&api->decoding, i.charged);
    shelf_release(i.served);
}

// By size: more than a few rows, or a picture, as far as the body shows.
bool oip_infer_is_slow(const struct api *api, const struct request *request) {
    enum { TINY_BODY = 2048, SMALL_BODY = 8192 };
    const struct bytes body = request->body;
    if (inflate_needed(request->content_encoding) || answer_is_slow(api, request->name))
        return true;
    if (request->inference_length != NULL && strcmp(request->inference_length, "0") == 0)
        return input_is_slow(api, request);
    if (body.len > TINY_BODY && memmem(body.at, body.len, "\"BYTES\"", 7) != NULL)
        return true;
    return body.len > SMALL_BODY;
}
