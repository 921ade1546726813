/* SPDX-License-Identifier: MIT */
// POST /evaluate: how good models are on a labelled set, here and now.
#include "core/error.h"
#include "core/statistics.h"
#include "daemon/evaluation.h"
#include "daemon/handlers.h"
#include "daemon/models_json.h"
#include "daemon/panel.h"
#include "daemon/query.h"

#include <stdio.h>
#include <stdlib.h>

// An evaluation that a client waits for.
struct call {
    struct api *api;
    const struct request *request;
    struct reply *reply;
    struct panel *panel;
    const struct served *reference;
    struct bytes images, labels;
    struct evaluation evaluation;
};

// ---- What is asked -----------------------------------------------------------------------------

static bool refuse(const struct call *call, unsigned status, const char *code, const char *text) {
    reply_error(call->reply, call->request, status, code, "%s", text);
    return false;
}

static bool is_named(const struct body_part *part, const char *name) {
    return part->name.len == strlen(name) && memcmp(part->name.at, name, part->name.len) == 0;
}

static bool read_parts(struct call *call) {
    struct media_type type = {0};
    struct tnm_error err = {0};
    struct body_parts parts;
    struct body_part part;
    const char *named = call->request->content_type;
    if (named == NULL || !media_type_parse(named, &type, &err) ||
        strcmp(type.name, "multipart/form-data") != 0) {
        refuse(call, 415, "unsupported_media_type",
               "the body is not multipart/form-data with the parts images and labels");
        reply_header(call->reply, "Accept-Post", "multipart/form-data");
        return false;
    }
    if (!body_parts_start(&parts, call->request->body, type.boundary, &err))
        return refuse(call, 400, "malformed", err.text);
    while (body_parts_next(&parts, &part, &err)) {
        struct bytes *at = is_named(&part, "images")   ? &call->images
                           : is_named(&part, "labels") ? &call->labels
                                                       : NULL;
        if (at != NULL && at->at != NULL)
            return refuse(call, 400, "malformed", "a part is there twice");
        if (at != NULL)
            *at = part.data;
    }
    if (err.code != TNM_OK)
        return refuse(call, 400, "malformed", err.text);
    return (call->images.at != NULL && call->labels.at != NULL) ||
           refuse(call, 400, "malformed", "the parts images and labels are not both there");
}

// Seats the models, as /compare does.
static bool choose(struct call *call) {
    char models[REQUEST_MAX_TARGET + 1] = "", reference[REQUEST_MAX_NAME + 1] = "";
    struct served *first = NULL;
    if (!query_text(call->request, "models", models, sizeof models, call->reply) ||
        !query_text(call->request, "reference", reference, sizeof reference, call->reply))
        return false;
    const bool all = models[0] == 0 || strcmp(models, "all") == 0;
    call->panel->by_size = all;
    if ((all || reference[0] != 0) && !panel_add(call->panel, reference, &first))
        return false;
    if (all)
        panel_add_peers(call->panel, first->model);
    else if (!panel_add_list(call->panel, models))
        return false;
    call->reference = reference[0] != 0 ? first : call->panel->seat[0].served;
    return true;
}

// ---- Saying it ---------------------------------------------------------------------------------

static void write_confusion(struct json_out *out, const struct subject *subject) {
    const size_t n = subject->answer.n;
    write_key(out, "confusion");
    if (subject->confusion == NULL) {
        json_out_text(out, "null");
        return;
    }
    for (size_t i = 0; i < n * n; i++) {
        json_out_text(out, i == 0 ? "[[" : i % n == 0 ? "],[" : ",");
        json_out_uint(out, subject->confusion[i]);
    }
    json_out_text(out, "]]");
}

// p may be as small as 1e-300.
static void write_p(struct json_out *out, double p) {
    char text[32];
    write_key(out, "p");
    int len = snprintf(text, sizeof text, "%.9g", p);
    json_out_raw(out, text, (size_t)len);
}

static void write_pair(struct json_out *out, const struct subject *subject) {
    write_key(out, "mcnemar");
    json_out_text(out, "{\"only_reference\":");
    json_out_uint(out, subject->only_reference);
    write_uint(out, "only_this", subject->only_this);
    write_p(out, tnm_mcnemar(subject->only_reference, subject->only_this));
    json_out_raw(out, "}", 1);
}

static void write_result(struct json_out *out, const struct evaluation *evaluation,
                         const struct subject *subject) {
    const struct served *served = subject->served;
    struct tnm_summary summary;
    double low, high;
    tnm_model_summary(served->model, &summary);
    tnm_interval(subject->correct, evaluation->done, &low, &high);
    json_out_text(out, "{\"model\":");
    json_out_string(out, served->name);
    write_string(out, "digest", served->digest);
    write_uint(out, "generation", served->generation);
    write_uint(out, "bytes", summary.bytes);
    write_uint(out, "images", evaluation->done);
    write_uint(out, "correct", subject->correct);
    write_decimal(out, "accuracy", (double)subject->correct / evaluation->done);
    write_key(out, "interval");
    json_out_raw(out, "[", 1);
    json_out_decimal(out, low, 6);
    json_out_raw(out, ",", 1);
    json_out_decimal(out, high, 6);
    json_out_raw(out, "]", 1);
    write_key(out, "p50_us");
    json_out_decimal(out, spread_quantile(&subject->infer, 0.5) / 1e3, 2);
    write_key(out, "p99_us");
    json_out_decimal(out, spread_quantile(&subject->infer, 0.99) / 1e3, 2);
    write_decimal(out, "cpu_s_per_1000", (double)subject->cpu_ns / 1e6 / evaluation->done);
    write_confusion(out, subject);
    if (subject != &evaluation->subject[evaluation->reference]) {
        write_pair(out, subject);
    } else {
        write_key(out, "mcnemar");
        json_out_text(out, "null");
    }
    json_out_raw(out, "}", 1);
}

static void write_reply(const struct call *call) {
    struct json_out *out = &call->reply->body;
    const struct evaluation *evaluation = &call->evaluation;
    json_out_text(out, "{\"reference\":");
    json_out_string(out, call->reference->name);
    write_uint(out, "images", evaluation->done);
    write_bool(out, "complete", evaluation->done == evaluation->set.n);
    write_key(out, "results");
    for (size_t i = 0; i < evaluation->n; i++) {
        json_out_text(out, i == 0 ? "[" : ",");
        write_result(out, evaluation, &evaluation->subject[i]);
    }
    json_out_text(out, "]}\n");
}

// ---- Doing it ----------------------------------------------------------------------------------

static void refuse_for(const struct call *call, const struct tnm_error *err) {
    switch (err->code) {
    case TNM_ELIMIT:
        refuse(call, 413, "set_too_large", err->text);
        break;
    case TNM_EUNSUPPORTED:
        refuse(call, 422, "input_mismatch", err->text);
        break;
    case TNM_EINPUT:
        refuse(call, 422, "labels_differ", err->text);
        break;
    case TNM_ESELFTEST:
        refuse(call, 422, "out_of_range", err->text);
        break;
    case TNM_ENOMEM:
        refuse(call, 503, "overloaded", err->text);
        break;
    default:
        refuse(call, 400, "malformed", err->text);
    }
}

static void run(struct call *call, const struct study *study) {
    struct evaluation *evaluation = &call->evaluation;
    struct tnm_error err = {0};
    const size_t charge = evaluation_bytes(evaluation);
    if (!budget_take(&call->api->decoding, charge)) {
        refuse(call, 503, "overloaded", "the memory for it is in use by other requests");
        return;
    }
    if (!evaluation_run(evaluation, study, &err))
        refuse_for(call, &err);
    else if (evaluation->done == 0)
        refuse(call, 503, atomic_load(&call->api->draining) ? "draining" : "overloaded",
               "it ended before the first pictures were done");
    else
        write_reply(call);
    budget_give(&call->api->decoding, charge);
}

static void evaluate(const struct study *study, void *argument) {
    struct call *call = argument;
    struct evaluation *evaluation = &call->evaluation;
    struct tnm_error err = {0};
    if (!evaluation_open(evaluation, call->panel->n, call->images, call->labels,
                         &call->api->draining, &err)) {
        refuse_for(call, &err);
        return;
    }
    for (size_t i = 0; i < evaluation->n; i++) {
        evaluation->subject[i].served = call->panel->seat[i].served;
        if (evaluation->subject[i].served == call->reference)
            evaluation->reference = i;
    }
    if (!evaluation_match(evaluation, &err))
        refuse_for(call, &err);
    else
        run(call, study);
    evaluation_close(evaluation);
}

void handle_evaluate(struct api *api, const struct request *request, struct scratch *scratch,
                     struct reply *reply) {
    (void)scratch;
    struct panel panel;
    struct call call = {.api = api, .request = request, .reply = reply, .panel = &panel};
    if (!read_parts(&call))
        return;
    panel_begin(&panel, api, request, reply);
    if (choose(&call))
        study_run(api, request, reply, evaluate, &call);
    panel_end(&panel);
}
