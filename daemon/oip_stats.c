/* SPDX-License-Identifier: MIT */
// The Open Inference Protocol v2: statistics of what came through `infer`. /metrics counts all.
#include "daemon/oip.h"

#include "daemon/handlers.h"
#include "daemon/models_json.h"

#include <stdlib.h>

static void write_duration(struct json_out *out, const char *key, uint64_t count, uint64_t ns) {
    json_out_text(out, "\"");
    json_out_text(out, key);
    json_out_text(out, "\":{\"count\":");
    json_out_uint(out, count);
    write_uint(out, "ns", ns);
    json_out_raw(out, "}", 1);
}

// A request never waits in a queue of the model's, and no answer is kept for the next one.
static void write_durations(struct json_out *out, const struct stats_protocol *sum) {
    const struct {
        const char *key;
        uint64_t count, ns;
    } part[] = {
        {"success", sum->requests[1], sum->ns[1]},
        {"fail", sum->requests[0], sum->ns[0]},
        {"queue", 0, 0},
        {"compute_input", sum->requests[1], sum->input_ns},
        {"compute_infer", sum->requests[1], sum->infer_ns},
        {"compute_output", sum->requests[1], sum->output_ns},
        {"cache_hit", 0, 0},
        {"cache_miss", 0, 0},
    };
    for (size_t i = 0; i < sizeof part / sizeof part[0]; i++) {
        if (i > 0)
            json_out_raw(out, ",", 1);
        write_duration(out, part[i].key, part[i].count, part[i].ns);
    }
}

static void write_model(struct json_out *out, const struct served *served) {
    const struct stats_protocol sum = stats_read_protocol(served_stats(served));
    struct tnm_summary summary;
    tnm_model_summary(served->model, &summary);
    json_out_text(out, "{\"name\":");
    json_out_string(out, served->name);
    json_out_text(out, ",\"version\":");
    oip_write_version(out, served);
    write_uint(out, "last_inference", sum.last_ms);
    write_uint(out, "inference_count", sum.rows);
    write_uint(out, "execution_count", sum.runs);
    json_out_text(out, ",\"inference_stats\":{");
    write_durations(out, &sum);
    json_out_text(out, "},\"batch_stats\":[],"
                       "\"memory_usage\":[{\"type\":\"CPU\",\"id\":0,\"byte_size\":");
    json_out_uint(out, summary.memory_bytes);
    json_out_text(out, "}]}");
}

void handle_oip_model_stats(struct api *api, const struct request *request, struct scratch *scratch,
                            struct reply *reply) {
    (void)scratch;
    struct served *served = oip_hold(api, request, reply);
    if (served == NULL)
        return;
    json_out_text(&reply->body, "{\"model_stats\":[");
    write_model(&reply->body, served);
    json_out_text(&reply->body, "]}\n");
    shelf_release(served);
}

void handle_oip_stats(struct api *api, const struct request *request, struct scratch *scratch,
                      struct reply *reply) {
    (void)request, (void)scratch;
    enum { MOST = 1024 }; // of max-models
    struct served *held[MOST];
    size_t n = shelf_hold_all(api->shelf, held, MOST);
    json_out_text(&reply->body, "{\"model_stats\":[");
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            json_out_raw(&reply->body, ",", 1);
        write_model(&reply->body, held[i]);
        shelf_release(held[i]);
    }
    json_out_text(&reply->body, "]}\n");
}
