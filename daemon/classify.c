/* SPDX-License-Identifier: MIT */
// POST /classify: one picture, one answer.
#include "daemon/answer.h"
#include "daemon/handlers.h"
#include "daemon/observe.h"
#include "daemon/query.h"

// What is asked for in the query.
struct wanted {
    char model[REQUEST_MAX_NAME + 1]; // empty: the active one
    size_t top;
    bool logits, pixels;
};

static bool read_wanted(const struct request *request, struct wanted *wanted, struct reply *reply) {
    *wanted = (struct wanted){.top = 3};
    return request->query[0] == 0 ||
           (query_text(request, "model", wanted->model, sizeof wanted->model, reply) &&
            query_count(request, "top", 1, 1000, &wanted->top, reply) &&
            query_flag(request, "logits", &wanted->logits, reply) &&
            query_flag(request, "pixels", &wanted->pixels, reply));
}

static void write_answer(struct reply *reply, const struct served *served,
                         const struct wanted *wanted, const struct input *input,
                         const struct answer *answer, const struct answer_times *times) {
    struct json_out *out = &reply->body;
    answer_headers(reply, served);
    json_out_text(out, "{\"model\":");
    json_out_string(out, served->name);
    json_out_text(out, ",\"digest\":\"");
    json_out_text(out, served->digest);
    json_out_text(out, "\",\"generation\":");
    json_out_uint(out, served->generation);
    json_out_raw(out, ",", 1);
    answer_write_class(out, served->model, answer->best[0], answer->probability[answer->best[0]]);
    json_out_text(out, ",\"margin\":");
    json_out_decimal(out, answer_margin(answer), 6);
    json_out_raw(out, ",", 1);
    answer_write_top(out, served->model, answer, wanted->top);
    json_out_raw(out, ",", 1);
    input_write(out, input, wanted->pixels);
    if (wanted->logits) {
        json_out_text(out, ",\"logits\":");
        answer_write_numbers(out, answer->logits, answer->n, 6);
    }
    json_out_raw(out, ",", 1);
    answer_write_timing(reply, times);
    json_out_text(out, "}\n");
}

// Lays input and answer out in the connection's scratch.
static bool take_room(const struct served *served, const struct wanted *wanted,
                      struct scratch *scratch, struct input *input, struct answer *answer) {
    size_t n = tnm_model_inputs(served->model), m = tnm_model_outputs(served->model);
    uint8_t *room = scratch_take(scratch, input_bytes(n) + answer_bytes(m, wanted->top));
    if (room == NULL)
        return false;
    input_init(input, room, n);
    answer_init(answer, room + input_bytes(n), m, wanted->top);
    return true;
}

static bool read_input(struct api *api, const struct request *request, const struct served *served,
                       struct input *input, struct reply *reply) {
    struct sent sent;
    if (!sent_read(api, request, input->n, &sent, reply))
        return false;
    bool ok = input_make(api, request, &sent, served->model, input, reply);
    sent_free(api, &sent);
    return ok;
}

static void classify(struct api *api, const struct request *request, const struct wanted *wanted,
                     struct served *served, struct scratch *scratch, struct reply *reply) {
    struct answer_times times = {.start_ns = clock_ns()};
    struct input input;
    struct answer answer;
    if (!take_room(served, wanted, scratch, &input, &answer)) {
        reply_error(reply, request, 503, "overloaded", "no memory for an input now");
        return;
    }
    if (!read_input(api, request, served, &input, reply))
        return;
    times.decoded_ns = clock_ns();
    if (!answer_run(served, input.x, &answer, request, reply))
        return;
    times.inferred_ns = times.decoded_ns + answer.infer_ns;
    observe(api, request, served, &input, &answer);
    write_answer(reply, served, wanted, &input, &answer, &times);
}

void handle_classify(struct api *api, const struct request *request, struct scratch *scratch,
                     struct reply *reply) {
    struct wanted wanted;
    if (!read_wanted(request, &wanted, reply))
        return;
    struct served *served = answer_hold(api, request, wanted.model, reply);
    if (served != NULL)
        classify(api, request, &wanted, served, scratch, reply);
    shelf_release(served);
}
