/* SPDX-License-Identifier: MIT */
// PUT and GET /shadow.
#include "daemon/shadow.h"

#include "core/error.h"
#include "core/statistics.h"
#include "daemon/handlers.h"
#include "daemon/json_object.h"
#include "daemon/models_json.h"

#include <stdlib.h>

// ---- Saying it ---------------------------------------------------------------------------------

static void write_side(struct json_out *out, const char *label, double margin) {
    json_out_text(out, "{\"label\":");
    json_out_string(out, label);
    write_decimal(out, "margin", margin);
    json_out_raw(out, "}", 1);
}

// The newest first.
static void write_examples(struct json_out *out, const struct shadow_row *row) {
    write_key(out, "examples");
    json_out_raw(out, "[", 1);
    for (uint64_t i = 0; i < row->n_examples && i < SHADOW_EXAMPLES; i++) {
        const struct shadow_example *example =
            &row->example[(row->n_examples - 1 - i) % SHADOW_EXAMPLES];
        json_out_text(out, i > 0 ? ",{\"request_id\":" : "{\"request_id\":");
        json_out_string(out, example->request_id);
        write_uint(out, "item", example->item);
        write_string(out, "model", example->model);
        write_key(out, "answer");
        write_side(out, example->label, example->margin);
        write_key(out, "shadow");
        write_side(out, example->shadow_label, example->shadow_margin);
        json_out_raw(out, "}", 1);
    }
    json_out_raw(out, "]", 1);
}

// A mean, or null where nothing was seen.
static void write_mean(struct json_out *out, const char *key, double sum, uint64_t n) {
    if (n > 0) {
        write_decimal(out, key, sum / (double)n);
    } else {
        write_key(out, key);
        json_out_text(out, "null");
    }
}

static void write_row(struct json_out *out, const struct shadow_row *row) {
    const uint64_t seen = row->agreed + row->disagreed;
    double low, high;
    tnm_interval(row->agreed, seen, &low, &high);
    json_out_text(out, "{\"model\":");
    json_out_string(out, row->model);
    write_string(out, "digest", row->digest);
    write_bool(out, "missing", row->is_missing);
    write_uint(out, "seen", seen);
    write_uint(out, "agreed", row->agreed);
    write_uint(out, "disagreed", row->disagreed);
    write_uint(out, "skipped", row->skipped);
    write_uint(out, "dropped", row->dropped);
    write_mean(out, "agreement", (double)row->agreed, seen);
    write_key(out, "interval");
    json_out_raw(out, "[", 1);
    json_out_decimal(out, low, 6);
    json_out_raw(out, ",", 1);
    json_out_decimal(out, high, 6);
    json_out_raw(out, "]", 1);
    write_mean(out, "margin_change", row->margin_change, seen);
    write_mean(out, "infer_us", (double)row->infer_ns / 1e3, seen);
    write_examples(out, row);
    json_out_raw(out, "}", 1);
}

void handle_shadow(struct api *api, const struct request *request, struct scratch *scratch,
                   struct reply *reply) {
    (void)scratch;
    struct json_out *out = &reply->body;
    struct shadow_plan plan;
    struct shadow_row *row = malloc(SHADOW_MODELS * sizeof *row);
    if (row == NULL) {
        reply_error(reply, request, 503, "overloaded", "no memory for it now");
        return;
    }
    shadow_read(api->observer->shadow, &plan, row);
    json_out_text(out, "{\"models\":[");
    for (size_t i = 0; i < plan.n; i++) {
        if (i > 0)
            json_out_raw(out, ",", 1);
        json_out_string(out, plan.model[i]);
    }
    json_out_raw(out, "]", 1);
    write_decimal(out, "sample", plan.sample);
    write_key(out, "results");
    json_out_raw(out, "[", 1);
    for (size_t i = 0; i < plan.n; i++) {
        if (i > 0)
            json_out_raw(out, ",", 1);
        write_row(out, &row[i]);
    }
    json_out_text(out, "]}\n");
    free(row);
}

// ---- Setting it --------------------------------------------------------------------------------

static bool read_models(struct shadow_plan *plan, const json_t *models, struct tnm_error *err) {
    size_t i;
    json_t *name;
    if (!json_is_array(models))
        return tnm_fail(err, TNM_EINPUT, "\"models\" is not an array of names");
    json_array_foreach(models, i, name) {
        if (!json_is_string(name) || strchr(json_string_value(name), ',') != NULL)
            return tnm_fail(err, TNM_EINPUT, "\"models\" has something that is no model's name");
        if (!shadow_plan_add(plan, json_string_value(name), json_string_length(name), err))
            return false;
    }
    return true;
}

static bool read_plan(struct shadow_plan *plan, const json_t *root, struct tnm_error *err) {
    const json_t *sample = json_object_get(root, "sample");
    *plan = (struct shadow_plan){.sample = sample != NULL ? json_number_value(sample) : 1};
    if ((sample != NULL && !json_is_number(sample)) || !(plan->sample >= 0 && plan->sample <= 1))
        return tnm_fail(err, TNM_EINPUT, "\"sample\" is not a number from 0 to 1");
    return read_models(plan, json_object_get(root, "models"), err);
}

static bool models_exist(struct api *api, const struct request *request,
                         const struct shadow_plan *plan, struct reply *reply) {
    for (size_t i = 0; i < plan->n; i++) {
        struct served *served = answer_hold(api, request, plan->model[i], reply);
        if (served == NULL)
            return false;
        shelf_release(served);
    }
    return true;
}

void handle_put_shadow(struct api *api, const struct request *request, struct scratch *scratch,
                       struct reply *reply) {
    struct tnm_error err = {0};
    struct shadow_plan plan;
    json_t *root = json_object_read(request, reply);
    if (root == NULL)
        return;
    bool ok = read_plan(&plan, root, &err);
    json_decref(root);
    if (!ok)
        reply_error(reply, request, 400, "malformed", "%s", err.text);
    else if (!models_exist(api, request, &plan, reply))
        return;
    else if (!observer_shadow(api->observer, &plan, &err))
        reply_error(reply, request, 503, "overloaded", "%s", err.text);
    else
        handle_shadow(api, request, scratch, reply);
}
