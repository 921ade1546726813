/* SPDX-License-Identifier: MIT */
// GET /metrics.
#include "daemon/exposition.h"
#include "daemon/handlers.h"
#include "daemon/process.h"

#include <stdlib.h>

// The models that serve, each held.
struct models {
    struct served **at;
    size_t n;
    size_t n_failed; // names under which nothing serves
    const struct served *active;
};

// ---- Models ------------------------------------------------------------------------------------

static bool hold_models(struct shelf *shelf, struct models *models, struct tnm_error *err) {
    struct shelf_entry *entries = NULL;
    size_t n = shelf_list(shelf, &entries, err);
    *models = (struct models){.at = calloc(n > 0 ? n : 1, sizeof(struct served *))};
    if (entries == NULL || models->at == NULL) {
        free(entries);
        free(models->at);
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        struct served *served = entries[i].ready ? shelf_hold(shelf, entries[i].name) : NULL;
        models->n_failed += served == NULL;
        if (served == NULL)
            continue;
        models->at[models->n++] = served;
        if (entries[i].active)
            models->active = served;
    }
    free(entries);
    return true;
}

static void release_models(struct models *models) {
    for (size_t i = 0; i < models->n; i++)
        shelf_release(models->at[i]);
    free(models->at);
}

// What is said of a model with one number.
enum fact { BYTES, NONZEROS, RATIO, RESIDENT, ACCURACY, ACTIVE, INFERENCES, DEGRADED };

static const struct {
    enum fact fact;
    const char *name, *type, *help;
} facts[] = {
    {BYTES, "tnm_model_bytes", "gauge", "Length of the model's file."},
    {NONZEROS, "tnm_model_nonzeros", "gauge", "Weights that are left after pruning."},
    {RATIO, "tnm_model_compression_ratio", "gauge",
     "The same weights as plain 32-bit floats, over the length of the file."},
    {RESIDENT, "tnm_model_resident_bytes", "gauge", "Memory that the open model holds."},
    {ACCURACY, "tnm_model_accuracy_ratio", "gauge",
     "Share of test pictures it gets right, as its file claims."},
    {ACTIVE, "tnm_model_active", "gauge", "1 for the model that answers where none is named."},
    {INFERENCES, "tnm_inferences_total", "counter", "Answers of the model."},
    {DEGRADED, "tnm_degraded_total", "counter",
     "Answers in place of a larger model, under overload."},
};

static double fact_of(enum fact fact, const struct models *models, const struct served *served) {
    struct tnm_summary s;
    tnm_model_summary(served->model, &s);
    switch (fact) {
    case BYTES:
        return (double)s.bytes;
    case NONZEROS:
        return (double)s.nonzeros;
    case RATIO:
        return (double)s.dense_bytes / (double)s.bytes;
    case RESIDENT:
        return (double)s.memory_bytes;
    case ACCURACY:
        return s.test_accuracy;
    case ACTIVE:
        return served == models->active;
    case INFERENCES:
        return (double)stats_read_answers(served_stats(served));
    default:
        return (double)stats_read_verdicts(served_stats(served)).degraded;
    }
}

static void write_facts(struct json_out *out, const struct models *models) {
    for (size_t f = 0; f < sizeof facts / sizeof facts[0]; f++) {
        exposition_family(out, facts[f].name, facts[f].type, facts[f].help);
        for (size_t i = 0; i < models->n; i++) {
            double value = fact_of(facts[f].fact, models, models->at[i]);
            if (value == value) // a file that claims no accuracy has none
                exposition_value(out, facts[f].name, LABELS({"model", models->at[i]->name}), value);
        }
    }
}

static void write_info(struct json_out *out, const struct models *models) {
    exposition_family(out, "tnm_model_info", "gauge", "What the model is; always 1.");
    for (size_t i = 0; i < models->n; i++) {
        const struct served *served = models->at[i];
        struct tnm_summary s;
        struct tnm_layer first = {.encoding = "none"};
        char bits[24] = {0};
        tnm_model_summary(served->model, &s);
        tnm_model_layer(served->model, 0, &first);
        format_uint(bits, s.bits);
        exposition_count(out, "tnm_model_info",
                         LABELS({"model", served->name}, {"digest", served->digest}, {"bits", bits},
                                {"format", first.encoding}),
                         1);
    }
}

static void write_inference(struct json_out *out, const struct models *models) {
    static const char name[] = "tnm_inference_duration_seconds";
    exposition_family(out, name, "histogram", "Time of one run of the model.");
    for (size_t i = 0; i < models->n; i++) {
        struct stats_histogram histogram;
        stats_read_inference(served_stats(models->at[i]), &histogram);
        exposition_histogram(out, name, LABELS({"model", models->at[i]->name}), &histogram);
    }
}

static void write_predictions(struct json_out *out, const struct models *models) {
    static const char name[] = "tnm_predictions_total";
    exposition_family(out, name, "counter",
                      "Answers by the class found; one counter for "
                      "all classes beyond the first 64.");
    for (size_t i = 0; i < models->n; i++) {
        const struct served *served = models->at[i];
        const struct stats_model *stats = served_stats(served);
        size_t n = tnm_model_outputs(served->model);
        for (size_t c = 0; c < n && c <= STATS_MAX_LABELS; c++)
            exposition_count(
                out, name,
                LABELS({"model", served->name},
                       {"label", c < STATS_MAX_LABELS ? tnm_model_label(served->model, c) : ""}),
                stats_read_class(stats, c));
    }
}

// Two counters of a model, for what was so and what was not.
static void write_verdict(struct json_out *out, const struct models *models, const char *name,
                          const char *help, const char *label, size_t at) {
    exposition_family(out, name, "counter", help);
    for (size_t i = 0; i < models->n; i++) {
        const struct stats_verdicts verdicts = stats_read_verdicts(served_stats(models->at[i]));
        const uint64_t *pair = (const uint64_t *)(const void *)((const char *)&verdicts + at);
        for (size_t so = 0; so < 2; so++)
            exposition_count(out, name,
                             LABELS({"model", models->at[i]->name}, {label, so ? "true" : "false"}),
                             pair[so]);
    }
}

static void write_models(struct json_out *out, const struct models *models) {
    exposition_family(out, "tnm_models", "gauge", "Names in the folder of models, by state.");
    exposition_count(out, "tnm_models", LABELS({"state", "ready"}), models->n);
    exposition_count(out, "tnm_models", LABELS({"state", "failed"}), models->n_failed);
    exposition_family(out, "tnm_generation", "gauge",
                      "Generation of the active model; goes up with each swap. 0: no model.");
    exposition_count(out, "tnm_generation", NULL,
                     models->active != NULL ? models->active->generation : 0);
    write_info(out, models);
    write_facts(out, models);
    write_inference(out, models);
    write_predictions(out, models);
    write_verdict(out, models, "tnm_shadow_total",
                  "Runs beside the answering model, by whether both found the same class.", "agree",
                  offsetof(struct stats_verdicts, shadow));
    write_verdict(out, models, "tnm_feedback_total",
                  "Answers that somebody judged, by whether they were right.", "correct",
                  offsetof(struct stats_verdicts, feedback));
    write_verdict(out, models, "tnm_cascade_total",
                  "Answers of the model in a cascade, by whether the next was asked too.",
                  "escalated", offsetof(struct stats_verdicts, cascade));
}

// ---- The daemon --------------------------------------------------------------------------------

static void write_codes(struct json_out *out, const struct stats *stats, unsigned row,
                        const char *path) {
    for (unsigned i = 0; i < STATS_N_STATUSES; i++) {
        unsigned status = stats_status(i);
        uint64_t n = stats_read_requests(stats, row, i);
        char code[24] = {0};
        format_uint(code, status);
        if (n > 0 || status == 200)
            exposition_count(out, "tnm_requests_total",
                             LABELS({"route", path}, {"code", status > 0 ? code : "other"}), n);
    }
}

static void write_duration(struct json_out *out, const struct stats *stats, unsigned row,
                           const char *path) {
    struct stats_histogram histogram;
    stats_read_duration(stats, row, &histogram);
    if (histogram.count > 0)
        exposition_histogram(out, "tnm_request_duration_seconds", LABELS({"route", path}),
                             &histogram);
}

// A family of requests by route; those that no route fits are one more.
static void for_each_route(struct json_out *out, const struct stats *stats,
                           void (*write)(struct json_out *out, const struct stats *stats,
                                         unsigned row, const char *path)) {
    const char *path, *before = "";
    write(out, stats, 0, "none");
    for (unsigned row = 1; (path = routes_path(row)) != NULL; before = path, row++)
        if (strcmp(path, before) != 0)
            write(out, stats, row, path);
}

static void write_requests(struct json_out *out, const struct stats *stats) {
    static const char duration[] = "tnm_request_duration_seconds";
    struct stats_histogram decode;
    exposition_family(out, "tnm_requests_total", "counter", "Requests answered.");
    for_each_route(out, stats, write_codes);
    exposition_family(out, duration, "histogram",
                      "From a request's last byte to its answer, of routes that were asked.");
    for_each_route(out, stats, write_duration);
    exposition_family(out, "tnm_rejected_total", "counter",
                      "Requests and connections refused, by the code of the error.");
    uint64_t n;
    const char *reason;
    for (unsigned i = 0; (reason = stats_read_refused(stats, i, &n)) != NULL; i++)
        exposition_count(out, "tnm_rejected_total", LABELS({"reason", reason}), n);
    exposition_family(out, "tnm_decode_duration_seconds", "histogram",
                      "From a picture's file to the input of a model.");
    stats_read_decode(stats, &decode);
    exposition_histogram(out, "tnm_decode_duration_seconds", NULL, &decode);
}

static void write_swaps(struct json_out *out, const struct stats *stats) {
    uint64_t refused;
    struct stats_histogram done;
    stats_read_swaps(stats, &refused, &done);
    exposition_family(out, "tnm_swap_total", "counter",
                      "Files put into service and models activated, and attempts refused.");
    exposition_count(out, "tnm_swap_total", LABELS({"result", "done"}), done.count);
    exposition_count(out, "tnm_swap_total", LABELS({"result", "refused"}), refused);
    exposition_family(out, "tnm_swap_duration_seconds", "histogram",
                      "Reading, checks, self-test and exchange of what was put into service.");
    exposition_histogram(out, "tnm_swap_duration_seconds", NULL, &done);
}

static void write_number(struct json_out *out, const char *name, const char *type, const char *help,
                         double value) {
    exposition_family(out, name, type, help);
    exposition_value(out, name, NULL, value);
}

static void write_state(struct json_out *out, struct api *api) {
    exposition_family(out, "tnm_build_info", "gauge", "What runs here; always 1.");
    exposition_count(out, "tnm_build_info",
                     LABELS({"version", TNM_VERSION}, {"kernels", tnm_kernels_name()}), 1);
    write_number(out, "tnm_ready", "gauge", "1 while requests should be sent here.",
                 health_reason(api) == NULL);
    write_number(out, "tnm_inflight", "gauge",
                 "Requests in work, but those that are always answered.",
                 atomic_load(&api->in_work));
    write_number(out, "tnm_admission_limit", "gauge", "Requests in work at most (queue).",
                 api->options->queue);
    write_number(out, "tnm_connections", "gauge", "Connections open.",
                 atomic_load(&api->connections));
    write_number(out, "tnm_shadow_dropped_total", "counter",
                 "Runs for comparison left out, as there was other work.",
                 (double)stats_read_shadow_dropped(api->stats));
}

static void write_process(struct json_out *out) {
    struct process p;
    if (!process_read(&p))
        return;
    write_number(out, "process_cpu_seconds_total", "counter", "CPU time of all threads.",
                 p.cpu_seconds);
    write_number(out, "process_start_time_seconds", "gauge", "Start, in seconds since 1970.",
                 p.start_seconds);
    write_number(out, "process_resident_memory_bytes", "gauge", "Memory in RAM.",
                 (double)p.resident_bytes);
    write_number(out, "process_virtual_memory_bytes", "gauge", "Address space in use.",
                 (double)p.virtual_bytes);
    write_number(out, "process_open_fds", "gauge", "Open file descriptors.", (double)p.open_fds);
    write_number(out, "process_max_fds", "gauge", "Open file descriptors at most.",
                 (double)p.max_fds);
    write_number(out, "process_threads", "gauge", "Threads.", (double)p.threads);
}

void handle_metrics(struct api *api, const struct request *request, struct scratch *scratch,
                    struct reply *reply) {
    (void)scratch;
    struct models models;
    struct tnm_error err = {0};
    if (!hold_models(api->shelf, &models, &err)) {
        reply_error(reply, request, 503, "overloaded", "no memory for the metrics now");
        return;
    }
    reply->type = EXPOSITION_TYPE;
    write_state(&reply->body, api);
    write_requests(&reply->body, api->stats);
    write_swaps(&reply->body, api->stats);
    write_models(&reply->body, &models);
    write_process(&reply->body);
    release_models(&models);
}
