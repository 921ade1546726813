/* SPDX-License-Identifier: MIT */
// GET /models, GET /models/{name}, POST /models/{name}/activate.
#include "daemon/handlers.h"

#include <stdlib.h>

static void write_key(struct json_out *out, const char *key) {
    json_out_text(out, ",\"");
    json_out_text(out, key);
    json_out_text(out, "\":");
}

static void write_uint(struct json_out *out, const char *key, uint64_t value) {
    write_key(out, key);
    json_out_uint(out, value);
}

static void write_decimal(struct json_out *out, const char *key, double value) {
    write_key(out, key);
    json_out_decimal(out, value, 6);
}

static void write_string(struct json_out *out, const char *key, const char *value) {
    write_key(out, key);
    json_out_string(out, value);
}

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

// One model. detail adds its labels, which may be many.
static void write_model(struct json_out *out, struct shelf *shelf, const struct shelf_entry *entry,
                        bool detail) {
    json_out_text(out, "{\"name\":");
    json_out_string(out, entry->name);
    write_string(out, "state", entry->ready ? "ready" : "failed");
    if (entry->reason[0] != 0)
        write_string(out, "reason", entry->reason);
    write_key(out, "active");
    json_out_bool(out, entry->active);
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

// If-Match: "7", a generation. 0 for what is none; generations start at 1.
static uint64_t read_generation(const char *text) {
    char *end;
    if (text[0] != '"' || text[1] < '0' || text[1] > '9')
        return 0;
    uint64_t generation = strtoull(text + 1, &end, 10);
    return end[0] == '"' && end[1] == 0 ? generation : 0;
}

static void write_activation(struct reply *reply, const char *name,
                             const struct shelf_activation *did) {
    struct json_out *out = &reply->body;
    json_out_text(out, "{\"model\":");
    json_out_string(out, name);
    write_uint(out, "generation", did->generation);
    write_key(out, "previous");
    if (did->previous[0] != 0)
        json_out_string(out, did->previous);
    else
        json_out_text(out, "null");
    write_uint(out, "swap_us", did->swap_us);
    write_uint(out, "verify_us", did->verify_us);
    json_out_text(out, "}\n");
}

void handle_activate(struct api *api, const struct request *request, struct scratch *scratch,
                     struct reply *reply) {
    (void)scratch;
    struct tnm_error err = {0};
    struct shelf_activation did = {0};
    bool moved = false;
    uint64_t if_match = 0;
    if (request->if_match != NULL && strcmp(request->if_match, "*") != 0) {
        if_match = read_generation(request->if_match);
        if (if_match == 0) {
            reply_error(reply, request, 400, "malformed",
                        "If-Match is not a generation in quotes, like \"7\"");
            return;
        }
    }
    if (shelf_activate(api->shelf, request->name, if_match, &moved, &did, &err))
        write_activation(reply, request->name, &did);
    else if (moved)
        reply_error(reply, request, 412, "generation_moved",
                    "the active generation is no longer %llu", (unsigned long long)if_match);
    else if (err.code == TNM_EINPUT)
        refuse_unknown(request, reply);
    else if (err.code == TNM_ENOMEM)
        reply_error(reply, request, 503, "overloaded", "%s", err.text);
    else if (err.code == TNM_ELIMIT)
        reply_error(reply, request, 409, "limit_reached", "%s", err.text);
    else
        reply_error(reply, request, 422,
                    err.code == TNM_ESELFTEST ? "selftest_failed" : "model_invalid", "%s",
                    err.text);
}
