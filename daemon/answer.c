/* SPDX-License-Identifier: MIT */
// Answers.
#include "daemon/answer.h"

#include <math.h>

struct served *answer_hold(struct api *api, const struct request *request, const char *name,
                           struct reply *reply) {
    struct served *served = shelf_hold(api->shelf, name[0] != 0 ? name : NULL);
    if (served != NULL)
        return served;
    struct shelf_entry entry;
    if (name[0] == 0)
        reply_error(reply, request, 503, "no_model", "no model is in service");
    else if (!shelf_find(api->shelf, name, &entry))
        reply_error(reply, request, 404, "model_not_found", "no model \"%s\"", name);
    else
        reply_error(reply, request, 503, "no_model", "model \"%s\" is not in service: %s", name,
                    entry.reason[0] != 0 ? entry.reason : shelf_state_name(entry.state));
    return NULL;
}

bool answer_is_slow(const struct api *api, const char *name) {
    struct served *served = shelf_hold(api->shelf, name[0] != 0 ? name : NULL);
    bool slow = served != NULL && served->run_ns > SLOW_NS;
    shelf_release(served);
    return slow;
}

// ---- Running -----------------------------------------------------------------------------------

static size_t best_of(size_t n_classes, size_t n_best) {
    size_t n = n_best > 2 ? n_best : 2;
    return n < n_classes ? n : n_classes;
}

size_t answer_bytes(size_t n_classes, size_t n_best) {
    size_t bytes = best_of(n_classes, n_best) * sizeof(size_t) + 2 * n_classes * sizeof(float);
    return (bytes + 15) / 16 * 16;
}

void answer_init(struct answer *answer, void *room, size_t n_classes, size_t n_best) {
    *answer = (struct answer){.n = n_classes, .best = room};
    answer->n_best = best_of(n_classes, n_best);
    answer->logits = (float *)(void *)(answer->best + answer->n_best);
    answer->probability = answer->logits + n_classes;
}

size_t answer_rows_bytes(size_t n, size_t n_classes, size_t n_best) {
    return n * (sizeof(struct answer) + best_of(n_classes, n_best) * sizeof(size_t) +
                2 * n_classes * sizeof(float));
}

struct answer *answer_rows_init(void *room, size_t n, size_t n_classes, size_t n_best) {
    struct answer *rows = room;
    const size_t kept = best_of(n_classes, n_best);
    size_t *best = (size_t *)(void *)(rows + n);
    float *logits = (float *)(void *)(best + n * kept), *probability = logits + n * n_classes;
    for (size_t row = 0; row < n; row++)
        rows[row] = (struct answer){.n = n_classes,
                                    .n_best = kept,
                                    .best = best + row * kept,
                                    .logits = logits + row * n_classes,
                                    .probability = probability + row * n_classes};
    return rows;
}

void answer_choose(struct answer *answer) {
    const float *probability = answer->probability;
    size_t *best = answer->best;
    size_t n = 0;
    for (size_t i = 0; i < answer->n; i++) {
        if (n == answer->n_best && !(probability[i] > probability[best[n - 1]]))
            continue;
        size_t at = n < answer->n_best ? n++ : n - 1;
        for (; at > 0 && probability[i] > probability[best[at - 1]]; at--)
            best[at] = best[at - 1];
        best[at] = i;
    }
}

// A sum of products of finite values may still be too large for a float.
static bool are_finite(const float *value, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (!isfinite(value[i]))
            return false;
    return true;
}

enum answer_result answer_try(struct served *served, const float *x, struct answer *answer) {
    struct tnm_session *session = served_take(served);
    if (session == NULL)
        return ANSWER_NO_MEMORY;
    uint64_t start = clock_ns();
    tnm_session_run(session, x, 1, answer->logits);
    tnm_model_probabilities(served->model, answer->logits, answer->probability);
    answer->infer_ns = clock_ns() - start;
    served_give(served, session);
    if (!are_finite(answer->logits, answer->n))
        return ANSWER_NOT_FINITE;
    answer_choose(answer);
    return ANSWER_MADE;
}

static bool refuse_values(const struct request *request, struct reply *reply) {
    reply_error(reply, request, 422, "out_of_range", "the input's values are too large");
    return false;
}

bool answer_run(struct served *served, const float *x, struct answer *answer,
                const struct request *request, struct reply *reply) {
    switch (answer_try(served, x, answer)) {
    case ANSWER_NO_MEMORY:
        reply_error(reply, request, 503, "overloaded", "no memory for a session now");
        return false;
    case ANSWER_NOT_FINITE:
        return refuse_values(request, reply);
    default:
        stats_answer(served_stats(served), answer->best[0], answer->infer_ns);
        return true;
    }
}

bool answer_run_rows(struct served *served, struct tnm_session *session, const float *x, size_t n,
                     struct answer *rows, const struct request *request, struct reply *reply) {
    uint64_t start = clock_ns();
    tnm_session_run(session, x, (unsigned)n, rows[0].logits);
    for (size_t row = 0; row < n; row++)
        tnm_model_probabilities(served->model, rows[row].logits, rows[row].probability);
    const uint64_t each_ns = (clock_ns() - start) / n;
    for (size_t row = 0; row < n; row++) {
        if (!are_finite(rows[row].logits, rows[row].n))
            return refuse_values(request, reply);
        rows[row].infer_ns = each_ns;
        answer_choose(&rows[row]);
        stats_answer(served_stats(served), rows[row].best[0], each_ns);
    }
    return true;
}

double answer_margin(const struct answer *answer) {
    double first = (double)answer->probability[answer->best[0]];
    return answer->n_best > 1 ? first - (double)answer->probability[answer->best[1]] : first;
}

// ---- Saying it ---------------------------------------------------------------------------------

void answer_write_class(struct json_out *out, const struct tnm_model *model, size_t index,
                        float probability) {
    json_out_text(out, "\"index\":");
    json_out_uint(out, index);
    json_out_text(out, ",\"label\":");
    json_out_string(out, tnm_model_label(model, index));
    json_out_text(out, ",\"probability\":");
    json_out_decimal(out, (double)probability, 6);
}

void answer_write_top(struct json_out *out, const struct tnm_model *model,
                      const struct answer *answer, size_t n) {
    json_out_text(out, "\"top\":[");
    for (size_t i = 0; i < n && i < answer->n_best; i++) {
        json_out_text(out, i > 0 ? ",{" : "{");
        answer_write_class(out, model, answer->best[i], answer->probability[answer->best[i]]);
        json_out_raw(out, "}", 1);
    }
    json_out_raw(out, "]", 1);
}

void answer_write_numbers(struct json_out *out, const float *value, size_t n, unsigned decimals) {
    json_out_raw(out, "[", 1);
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            json_out_raw(out, ",", 1);
        json_out_decimal(out, (double)value[i], decimals);
    }
    json_out_raw(out, "]", 1);
}

void answer_headers(struct reply *reply, const struct served *served) {
    char text[32];
    reply_header(reply, "X-Model", served->name);
    memcpy(text, "sha256:", 7);
    memcpy(text + 7, served->digest, 12);
    text[19] = 0;
    reply_header(reply, "X-Model-Digest", text);
    text[format_uint(text, served->generation)] = 0;
    reply_header(reply, "X-Model-Generation", text);
}

// Decoding, running, all of it.
static void durations_of(const struct answer_times *times, uint64_t ns[3]) {
    ns[0] = times->decoded_ns - times->start_ns;
    ns[1] = times->inferred_ns - times->decoded_ns;
    ns[2] = clock_ns() - times->start_ns;
}

static void add_timing(struct reply *reply, const uint64_t ns[3]) {
    static const char *const name[] = {"decode;dur=", ", infer;dur=", ", total;dur="};
    char value[128];
    size_t len = 0;
    for (size_t i = 0; i < 3; i++) {
        size_t n = strlen(name[i]);
        memcpy(value + len, name[i], n);
        len += n;
        len += format_decimal(value + len, (double)ns[i] / 1e6, 4);
    }
    reply_header(reply, "Server-Timing", value);
}

void answer_add_timing(struct reply *reply, const struct answer_times *times) {
    uint64_t ns[3];
    durations_of(times, ns);
    add_timing(reply, ns);
}

void answer_write_timing(struct reply *reply, const struct answer_times *times) {
    static const char *const key[] = {"\"timing_us\":{\"decode\":", ",\"infer\":", ",\"total\":"};
    struct json_out *out = &reply->body;
    uint64_t ns[3];
    durations_of(times, ns);
    for (size_t i = 0; i < 3; i++) {
        json_out_text(out, key[i]);
        json_out_decimal(out, (double)ns[i] / 1e3, 1);
    }
    json_out_raw(out, "}", 1);
    add_timing(reply, ns);
}
