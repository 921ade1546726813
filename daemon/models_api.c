/* SPDX-License-Identifier: MIT */
// GET /models, GET /models/{name}.
#include "daemon/handlers.h"

#include "daemon/models_json.h"

#include <stdlib.h>

static void write_layers(struct json_out *out, const struct tnm_model *model, uint32_t n_layers) {
    write_key(out, "layers");
    json_out_raw(out, "[", 1);
    struct tnm_layer layer;
    for (uint32_t i = 0; i < n_layers && tnm_model_layer(model, i, &layer); i++) {
        json_out_text(out, i > 0 ? ",{\"name\":" : "{\"name\":");
        json_out_string(out, layer.name);
        write_string(out, "op", layer.op);
        write_string(out, "encoding", layer.encoding);
        write_key(out, "shape");
        json_out_raw(out, "[", 1);
        json_out_uint(out, layer.rows);
        json_out_raw(out, ",", 1);
        json_out_uint(out, layer.cols);
        json_out_raw(out, "]", 1);
        write_uint(out, "weights", layer.weights);
        write_uint(out, "nonzeros", layer.nonzeros);
        write_uint(out, "bits", layer.bits);
        write_uint(out, "bytes", layer.bytes);
        json_out_raw(out, "}", 1);
    }
    json_out_raw(out, "]", 1);
}

static void write_labels(struct json_out *out, const struct tnm_model *model) {
    write_key(out, "labels");
    json_out_raw(out, "[", 1);
    for (size_t i = 0; i < tnm_model_outputs(model); i++) {
        if (i > 0)
            json_out_raw(out, ",", 1);
        json_out_string(out, tnm_model_label(model, i));
    }
    json_out_raw(out, "]", 1);
}

// What the file says of itself. Accuracies are the forge's claim; null where it makes none.
static void write_summary(struct json_out *out, const struct tnm_model *model) {
    struct tnm_summary summary;
    tnm_model_summary(model, &summary);
    write_uint(out, "bytes", summary.bytes);
    write_uint(out, "dense_bytes", summary.dense_bytes);
    write_decimal(out, "ratio", (double)summary.dense_bytes / (double)summary.bytes);
    write_uint(out, "memory_bytes", summary.memory_bytes);
    write_uint(out, "parameters", summary.parameters);
    write_uint(out, "nonzeros", summary.nonzeros);
    write_decimal(out, "sparsity",
                  summary.weights > 0 ? 1 - (double)summary.nonzeros / (double)summary.weights : 0);
    write_uint(out, "bits", summary.bits);
    write_key(out, "accuracy");
    json_out_text(out, "{\"test\":");
    json_out_decimal(out, summary.test_accuracy, 6);
    write_decimal(out, "validation", summary.validation_accuracy);
    json_out_raw(out, "}", 1);
    write_uint(out, "inputs", tnm_model_inputs(model));
    write_uint(out, "outputs", tnm_model_outputs(model));
    write_layers(out, model, summary.n_layers);
}

// The names that stand for a model.
static void write_aliases(struct json_out *out, struct shelf *shelf, const char *model) {
    struct tnm_error err;
    struct shelf_alias *aliases;
    size_t n = shelf_aliases(shelf, &aliases, &err), written = 0;
    write_key(out, "alias");
    json_out_raw(out, "[", 1);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(aliases[i].model, model) != 0)
            continue;
        if (written++ > 0)
            json_out_raw(out, ",", 1);
        json_out_string(out, aliases[i].name);
    }
    json_out_raw(out, "]", 1);
    free(aliases);
}

// One model. detail adds its labels, which may be many.
static void write_model(struct json_out *out, struct shelf *shelf, const struct shelf_entry *entry,
                        bool detail) {
    json_out_text(out, "{\"name\":");
    json_out_string(out, entry->name);
    write_string(out, "state", shelf_state_name(entry->state));
    if (entry->reason[0] != 0)
        write_string(out, "reason", entry->reason);
    write_bool(out, "active", entry->active);
    write_aliases(out, shelf, entry->name);
    write_string(out, "source", entry->uploaded ? "uploads" : "models");
    if (entry->pending[0] != 0)
        write_string(out, "pending", entry->pending);
    struct served *served = entry->ready ? shelf_hold(shelf, entry->name) : NULL;
    if (served != NULL) {
        write_string(out, "digest", served->digest);
        write_uint(out, "generation", served->generation);
        write_summary(out, served->model);
        if (detail)
            write_labels(out, served->model);
        shelf_release(served);
    }
    write_uint(out, "requests", entry->requests);
    json_out_raw(out, "}", 1);
}

static void write_limits(struct json_out *out, const struct options *options) {
    write_key(out, "limits");
    json_out_text(out, "{\"models\":");
    json_out_uint(out, options->max_models);
    write_uint(out, "file_bytes", options->max_model);
    write_uint(out, "model_memory_bytes", options->max_model_memory);
    write_uint(out, "memory_bytes", options->max_memory);
    json_out_raw(out, "}", 1);
}

// What is true of all models together.
static void write_totals(struct json_out *out, struct api *api) {
    struct shelf_totals totals;
    shelf_sum(api->shelf, &totals);
    write_string(out, "previous", totals.before);
    write_string(out, "previous_digest", totals.before_digest);
    write_uint(out, "memory_bytes", totals.memory_bytes);
    write_limits(out, api->options);
}

void handle_models(struct api *api, const struct request *request, struct scratch *scratch,
                   struct reply *reply) {
    (void)scratch;
    struct tnm_error err = {0};
    struct shelf_entry *entries = NULL;
    size_t n = shelf_list(api->shelf, &entries, &err);
    if (err.code != TNM_OK) {
        reply_error(reply, request, 503, "overloaded", "%s", err.text);
        return;
    }
    struct json_out *out = &reply->body;
    const struct shelf_entry *active = NULL;
    for (size_t i = 0; i < n; i++)
        if (entries[i].active)
            active = &entries[i];
    json_out_text(out, "{\"active\":");
    if (active != NULL)
        json_out_string(out, active->name);
    else
        json_out_text(out, "null");
    write_uint(out, "generation", active != NULL ? active->generation : 0);
    write_totals(out, api);
    write_key(out, "models");
    json_out_raw(out, "[", 1);
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            json_out_raw(out, ",", 1);
        write_model(out, api->shelf, &entries[i], false);
    }
    json_out_text(out, "]}\n");
    free(entries);
}

static void refuse_unknown(const struct request *request, struct reply *reply) {
    reply_error(reply, request, 404, "model_not_found", "no model \"%s\"", request->name);
}

void handle_model(struct api *api, const struct request *request, struct scratch *scratch,
                  struct reply *reply) {
    (void)scratch;
    struct shelf_entry entry;
    if (!shelf_find(api->shelf, request->name, &entry)) {
        refuse_unknown(request, reply);
        return;
    }
    write_model(&reply->body, api->shelf, &entry, true);
    json_out_raw(&reply->body, "\n", 1);
}
