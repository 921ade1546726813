/* SPDX-License-Identifier: MIT */
// POST /replay: what a model would have changed.
#include "daemon/replay.h"

#include "daemon/handlers.h"
#include "daemon/models_json.h"
#include "daemon/query.h"
#include "daemon/study.h"

#include <stdlib.h>

struct wanted {
    char model[REQUEST_MAX_NAME + 1]; // empty: the active one
    size_t limit;                     // of changes that are listed
    bool pixels;
};

// A replay under way.
struct rerun {
    struct replay *replay;
    const struct wanted *wanted;
    struct served *served;
    struct json_out *out; // the list of changes
    float *x, *room;      // (inputs,) each
    struct answer answer;
    struct replayed old;
    uint64_t replayed, changed, skipped, listed;
    bool is_complete;
};

static bool read_wanted(const struct request *request, struct wanted *wanted, struct reply *reply) {
    *wanted = (struct wanted){.limit = 100};
    return query_text(request, "model", wanted->model, sizeof wanted->model, reply) &&
           query_count(request, "limit", 0, 10000, &wanted->limit, reply) &&
           query_flag(request, "pixels", &wanted->pixels, reply);
}

static void write_change(struct rerun *rerun) {
    struct json_out *out = rerun->out;
    const struct replayed *old = &rerun->old;
    json_out_text(out, rerun->listed++ > 0 ? ",{\"request_id\":" : "{\"request_id\":");
    json_out_string(out, old->request_id);
    write_uint(out, "item", old->item);
    write_key(out, "old");
    json_out_text(out, "{\"label\":");
    json_out_string(out, old->label);
    write_decimal(out, "margin", old->margin);
    write_string(out, "model", old->model);
    write_string(out, "digest", old->digest);
    json_out_raw(out, "}", 1);
    write_key(out, "new");
    json_out_text(out, "{\"label\":");
    json_out_string(out, tnm_model_label(rerun->served->model, rerun->answer.best[0]));
    write_decimal(out, "margin", answer_margin(&rerun->answer));
    json_out_raw(out, "}", 1);
    if (rerun->wanted->pixels)
        input_write_pixels(out, rerun->x, tnm_model_inputs(rerun->served->model));
    json_out_raw(out, "}", 1);
}

static void replay_one(struct rerun *rerun, uint64_t number) {
    const struct tnm_model *model = rerun->served->model;
    enum replay_result result = replay_read(rerun->replay, number, tnm_model_inputs(model),
                                            rerun->x, rerun->room, &rerun->old);
    if (result == REPLAY_GONE)
        return;
    if (result == REPLAY_OTHER_SIZE ||
        answer_try(rerun->served, rerun->x, &rerun->answer) != ANSWER_MADE) {
        rerun->skipped++;
        return;
    }
    rerun->replayed++;
    if (kept_is_label(rerun->old.label, tnm_model_label(model, rerun->answer.best[0])))
        return;
    if (rerun->changed++ < rerun->wanted->limit)
        write_change(rerun);
}

// The newest first.
static void replay_all(const struct study *study, void *argument) {
    struct rerun *rerun = argument;
    uint64_t first;
    uint64_t number = replay_range(rerun->replay, &first);
    while (number > first && !study_is_over(study))
        replay_one(rerun, --number);
    rerun->is_complete = number == first;
}

static void begin_reply(struct json_out *out, const struct served *served) {
    json_out_text(out, "{\"model\":");
    json_out_string(out, served->name);
    write_string(out, "digest", served->digest);
    write_uint(out, "generation", served->generation);
    write_key(out, "changes");
    json_out_raw(out, "[", 1);
}

static void end_reply(struct json_out *out, const struct rerun *rerun) {
    json_out_raw(out, "]", 1);
    write_uint(out, "listed", rerun->listed);
    write_uint(out, "replayed", rerun->replayed);
    write_uint(out, "changed", rerun->changed);
    write_uint(out, "skipped", rerun->skipped);
    write_bool(out, "complete", rerun->is_complete);
    json_out_text(out, "}\n");
}

static void replay(struct api *api, const struct request *request, const struct wanted *wanted,
                   struct served *served, struct reply *reply) {
    const size_t n = tnm_model_inputs(served->model), m = tnm_model_outputs(served->model);
    struct rerun rerun = {
        .replay = api->observer->replay, .wanted = wanted, .served = served, .out = &reply->body};
    uint8_t *room = malloc(2 * input_bytes(n) + answer_bytes(m, 1));
    if (room == NULL) {
        reply_error(reply, request, 503, "overloaded", "no memory for it now");
        return;
    }
    rerun.x = (float *)(void *)room;
    rerun.room = (float *)(void *)(room + input_bytes(n));
    answer_init(&rerun.answer, room + 2 * input_bytes(n), m, 1);
    answer_headers(reply, served);
    begin_reply(rerun.out, served);
    if (study_run(api, request, reply, replay_all, &rerun))
        end_reply(rerun.out, &rerun);
    free(room);
}

void handle_replay(struct api *api, const struct request *request, struct scratch *scratch,
                   struct reply *reply) {
    (void)scratch;
    struct wanted wanted;
    if (!read_wanted(request, &wanted, reply))
        return;
    if (api->observer->replay == NULL) {
        reply_error(reply, request, 409, "not_configured",
                    "no inputs are kept: the setting replay is 0");
        return;
    }
    struct served *served = answer_hold(api, request, wanted.model, reply);
    if (served != NULL)
        replay(api, request, &wanted, served, reply);
    shelf_release(served);
}
