/* SPDX-License-Identifier: MIT */
// POST and GET /feedback.
#include "core/statistics.h"
#include "daemon/feedback.h"
#include "daemon/handlers.h"
#include "daemon/json_object.h"
#include "daemon/models_json.h"

#include <stdio.h>
#include <stdlib.h>

// What somebody says.
struct saying {
    char request_id[REQUEST_MAX_ID + 1];
    char label[256]; // no label of a model is longer
    uint32_t item;
};

static bool copy_string(const json_t *value, char *out, size_t size) {
    size_t len = json_string_length(value);
    if (!json_is_string(value) || len == 0 || len >= size ||
        strlen(json_string_value(value)) != len)
        return false;
    memcpy(out, json_string_value(value), len + 1);
    return true;
}

// A label may come as the number it looks like.
static bool copy_label(const json_t *value, char *out, size_t size) {
    if (json_is_integer(value))
        return snprintf(out, size, "%" JSON_INTEGER_FORMAT, json_integer_value(value)) > 0;
    return copy_string(value, out, size);
}

static bool copy_item(const json_t *value, uint32_t *item) {
    json_int_t number = json_integer_value(value);
    *item = (uint32_t)number;
    return value == NULL || (json_is_integer(value) && number >= 0 && number <= UINT32_MAX);
}

static bool read_saying(const struct request *request, struct saying *saying, struct reply *reply) {
    json_t *root = json_object_read(request, reply);
    if (root == NULL)
        return false;
    const char *wrong = NULL;
    if (!copy_string(json_object_get(root, "request_id"), saying->request_id,
                     sizeof saying->request_id))
        wrong = "\"request_id\" is not the id of a request, 1 to 64 characters";
    else if (!copy_label(json_object_get(root, "label"), saying->label, sizeof saying->label))
        wrong = "\"label\" is not the name of a class, 1 to 255 bytes";
    else if (!copy_item(json_object_get(root, "item"), &saying->item))
        wrong = "\"item\" is not the number of an input";
    json_decref(root);
    if (wrong != NULL)
        reply_error(reply, request, 400, "malformed", "%s", wrong);
    return wrong == NULL;
}

// Counts in the metrics too, if the model is still the one that serves.
static void count(struct api *api, const struct feedback_verdict *verdict) {
    struct served *served = shelf_hold(api->shelf, verdict->model);
    if (served != NULL && strcmp(served->digest, verdict->digest) == 0)
        stats_feedback(served_stats(served), verdict->correct);
    shelf_release(served);
}

static void write_verdict(struct json_out *out, const struct saying *saying,
                          const struct feedback_verdict *verdict, bool counted) {
    json_out_text(out, "{\"request_id\":");
    json_out_string(out, saying->request_id);
    write_uint(out, "item", saying->item);
    write_string(out, "model", verdict->model);
    write_string(out, "digest", verdict->digest);
    write_string(out, "answered", verdict->label);
    write_string(out, "label", saying->label);
    write_bool(out, "correct", verdict->correct);
    write_bool(out, "counted", counted);
    json_out_text(out, "}\n");
}

void handle_post_feedback(struct api *api, const struct request *request, struct scratch *scratch,
                          struct reply *reply) {
    (void)scratch;
    struct saying saying = {0};
    struct feedback_verdict verdict = {0};
    struct feedback *feedback = api->observer->feedback;
    if (request->is_foreign) {
        reply_error(reply, request, 403, "foreign_origin",
                    "a page of another site may not judge answers");
        return;
    }
    if (!read_saying(request, &saying, reply))
        return;
    enum feedback_result result =
        feedback != NULL
            ? feedback_judge(feedback, saying.request_id, saying.item, saying.label, &verdict)
            : FEEDBACK_UNKNOWN;
    if (result == FEEDBACK_UNKNOWN) {
        reply_error(reply, request, 404, "request_not_found",
                    "request \"%s\", input %u, is not among the last answers (feedback = %u)",
                    saying.request_id, saying.item, api->options->feedback);
    } else if (result == FEEDBACK_DIFFERS) {
        reply_error(reply, request, 409, "already_judged",
                    "it was said before that the answer to \"%s\" should have been \"%s\"",
                    saying.request_id, verdict.said);
    } else {
        if (result == FEEDBACK_COUNTED)
            count(api, &verdict);
        write_verdict(&reply->body, &saying, &verdict, result == FEEDBACK_COUNTED);
    }
}

static void write_tally(struct json_out *out, const struct feedback_tally *tally) {
    double low, high;
    tnm_interval(tally->correct, tally->judged, &low, &high);
    json_out_text(out, "{\"model\":");
    json_out_string(out, tally->model);
    write_string(out, "digest", tally->digest);
    write_uint(out, "judged", tally->judged);
    write_uint(out, "correct", tally->correct);
    write_decimal(out, "accuracy", (double)tally->correct / (double)tally->judged);
    write_key(out, "interval");
    json_out_raw(out, "[", 1);
    json_out_decimal(out, low, 6);
    json_out_raw(out, ",", 1);
    json_out_decimal(out, high, 6);
    json_out_text(out, "]}");
}

void handle_feedback(struct api *api, const struct request *request, struct scratch *scratch,
                     struct reply *reply) {
    (void)request;
    struct json_out *out = &reply->body;
    struct feedback_tally *tally =
        scratch_take(scratch, FEEDBACK_MODELS * sizeof(struct feedback_tally));
    if (tally == NULL) {
        reply_error(reply, request, 503, "overloaded", "no memory for it now");
        return;
    }
    struct feedback *feedback = api->observer->feedback;
    const size_t n = feedback != NULL ? feedback_tallies(feedback, tally) : 0;
    json_out_text(out, "{\"remembered\":");
    json_out_uint(out, api->options->feedback);
    write_key(out, "results");
    json_out_raw(out, "[", 1);
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            json_out_raw(out, ",", 1);
        write_tally(out, &tally[i]);
    }
    json_out_text(out, "]}\n");
}
