/* SPDX-License-Identifier: MIT */
// POST /classify: one picture, one answer.
#include "daemon/cascade.h"
#include "daemon/handlers.h"
#include "daemon/observe.h"
#include "daemon/query.h"

// What is asked for in the query.
struct wanted {
    char model[REQUEST_MAX_NAME + 1]; // empty: the active one
    size_t top;
    bool logits, pixels, cascade;
};

static bool read_wanted(const struct request *request, struct wanted *wanted, struct reply *reply) {
    *wanted = (struct wanted){.top = 3};
    return request->query[0] == 0 ||
           (query_text(request, "model", wanted->model, sizeof wanted->model, reply) &&
            query_count(request, "top", 1, 1000, &wanted->top, reply) &&
            query_flag(request, "logits", &wanted->logits, reply) &&
            query_flag(request, "pixels", &wanted->pixels, reply));
}

// Seats who may answer, the one to be asked first last. *first: whose question it is.
static bool choose(struct panel *panel, const struct wanted *wanted, struct served **first) {
    return wanted->cascade         ? cascade_add(panel, first)
           : wanted->model[0] == 0 ? degrade_add(panel, first)
                                   : panel_add(panel, wanted->model, first);
}

// *at: who answered.
static bool run(struct panel *panel, const struct wanted *wanted, size_t *at) {
    *at = panel->n - 1;
    if (!(wanted->cascade ? cascade_run(panel, at) : panel_run(panel, *at)))
        return false;
    const struct member *member = &panel->member[*at];
    if (wanted->cascade)
        pace_note(&panel->api->cascade_pace, panel->infer_ns);
    observe(panel->api, panel->request, member->served, member->input, &member->answer);
    return true;
}

// Which of several it was.
static void write_choice(struct panel *panel, const struct wanted *wanted, size_t at) {
    struct json_out *out = &panel->reply->body;
    if (wanted->cascade) {
        json_out_text(out, ",\"escalated\":");
        json_out_uint(out, panel->n - 1 - at);
    } else if (at > 0) {
        json_out_text(out, ",\"degraded\":true");
        reply_header(panel->reply, "X-Degraded", "true");
        stats_degraded(served_stats(panel->member[at].served));
    }
}

static void write_answer(struct panel *panel, const struct wanted *wanted, size_t at) {
    struct json_out *out = &panel->reply->body;
    const struct served *served = panel->member[at].served;
    const struct answer *answer = &panel->member[at].answer;
    answer_headers(panel->reply, served);
    json_out_text(out, "{\"model\":");
    json_out_string(out, served->name);
    json_out_text(out, ",\"digest\":\"");
    json_out_text(out, served->digest);
    json_out_text(out, "\",\"generation\":");
    json_out_uint(out, served->generation);
    write_choice(panel, wanted, at);
    json_out_raw(out, ",", 1);
    answer_write_class(out, served->model, answer->best[0], answer->probability[answer->best[0]]);
    json_out_text(out, ",\"margin\":");
    json_out_decimal(out, answer_margin(answer), 6);
    json_out_raw(out, ",", 1);
    answer_write_top(out, served->model, answer, wanted->top);
    json_out_raw(out, ",", 1);
    input_write(out, panel->member[at].input, wanted->pixels);
    if (wanted->logits) {
        json_out_text(out, ",\"logits\":");
        answer_write_numbers(out, answer->logits, answer->n, 6);
    }
    json_out_raw(out, ",", 1);
    panel_write_timing(panel);
    json_out_text(out, "}\n");
}

bool classify_is_slow(const struct api *api, const struct request *request) {
    char model[REQUEST_MAX_NAME + 1] = "";
    request_parameter(request, "model", model, sizeof model);
    return input_is_slow(api, request) ||
           (cascade_is_meant(api, model) ? pace_is_slow(&api->cascade_pace)
                                         : answer_is_slow(api, model));
}

void handle_classify(struct api *api, const struct request *request, struct scratch *scratch,
                     struct reply *reply) {
    struct wanted wanted;
    struct panel panel;
    struct served *first = NULL;
    size_t at;
    if (!read_wanted(request, &wanted, reply))
        return;
    wanted.cascade = cascade_is_meant(api, wanted.model);
    panel_begin(&panel, api, request, reply);
    if (choose(&panel, &wanted, &first) && panel_read(&panel, first, scratch, wanted.top) &&
        run(&panel, &wanted, &at))
        write_answer(&panel, &wanted, at);
    panel_end(&panel);
}
