/* SPDX-License-Identifier: MIT */
// POST /compare and POST /ensemble: one picture, the answers of several models side by side.
#include "daemon/handlers.h"
#include "daemon/panel.h"
#include "daemon/query.h"

#include <float.h>
#include <math.h>

// What is asked for in the query.
struct wanted {
    char models[REQUEST_MAX_TARGET + 1];  // names, commas between; "" or "all": every one
    char reference[REQUEST_MAX_NAME + 1]; // "": the largest file
    size_t top;                           // 0: none
    bool probabilities, logits, pixels;
};

static bool read_wanted(const struct request *request, struct wanted *wanted, struct reply *reply) {
    wanted->models[0] = wanted->reference[0] = 0;
    wanted->logits = wanted->pixels = false;
    return request->query[0] == 0 ||
           (query_text(request, "models", wanted->models, sizeof wanted->models, reply) &&
            query_text(request, "reference", wanted->reference, sizeof wanted->reference, reply) &&
            query_count(request, "top", 1, 1000, &wanted->top, reply) &&
            query_flag(request, "probabilities", &wanted->probabilities, reply) &&
            query_flag(request, "logits", &wanted->logits, reply) &&
            query_flag(request, "pixels", &wanted->pixels, reply));
}

// Seats who is asked. *first: whose question it is.
static bool choose(struct panel *panel, const struct wanted *wanted, struct served **first) {
    const bool all = wanted->models[0] == 0 || strcmp(wanted->models, "all") == 0;
    const bool named = wanted->reference[0] != 0;
    if ((named || all) && !panel_add(panel, wanted->reference, first))
        return false;
    if (all)
        panel_add_peers(panel, (*first)->model);
    else if (!panel_add_list(panel, wanted->models))
        return false;
    if (!named)
        *first = panel->seat[0].served;
    return true;
}

bool compare_is_slow(const struct api *api, const struct request *request) {
    return pace_is_slow(&api->compare_pace) || input_is_slow(api, request);
}

static bool answer_all(struct panel *panel, const struct wanted *wanted, const struct served *first,
                       struct scratch *scratch) {
    if (!panel_read(panel, first, scratch, wanted->top) || !panel_run_all(panel))
        return false;
    pace_note(&panel->api->compare_pace, panel->infer_ns);
    return true;
}

static const struct member *member_of(const struct panel *panel, const struct served *served) {
    const struct member *member = panel->member;
    while (member->served != served)
        member++;
    return member;
}

// ---- Differences -------------------------------------------------------------------------------

// ln of the probabilities of an answer is logit[i] - this; they may be too small for a float.
static double log_sum(const struct answer *answer) {
    const size_t best = answer->best[0];
    double most = (double)answer->logits[best], sum = 1; // of best itself
    for (size_t i = 0; i < answer->n; i++)
        if (i != best)
            sum += exp((double)answer->logits[i] - most);
    return most + log(sum);
}

// A network that ends in a softmax has its probabilities as logits.
static bool has_logits(const struct answer *answer) {
    return memcmp(answer->logits, answer->probability, answer->n * sizeof(float)) != 0;
}

static double log_probability(const struct answer *answer, bool from_logits, double sum, size_t i) {
    if (from_logits)
        return (double)answer->logits[i] - sum;
    float p = answer->probability[i];
    return log((double)(p > FLT_TRUE_MIN ? p : FLT_TRUE_MIN));
}

// The sum of p ln(p / q), p being the reference's probabilities: 0 and more, finite.
static double divergence(const struct answer *reference, const struct answer *answer) {
    bool p_logits = has_logits(reference), q_logits = has_logits(answer);
    double p_sum = p_logits ? log_sum(reference) : 0, q_sum = q_logits ? log_sum(answer) : 0;
    double sum = 0;
    for (size_t i = 0; i < answer->n; i++) {
        double p = log_probability(reference, p_logits, p_sum, i);
        double q = log_probability(answer, q_logits, q_sum, i);
        sum += exp(p) * (p - q);
    }
    return sum > 0 ? sum : 0; // rounding
}

static double most_apart(const struct answer *a, const struct answer *b) {
    double most = 0;
    for (size_t i = 0; i < a->n; i++)
        most = fmax(most, fabs((double)a->logits[i] - (double)b->logits[i]));
    return most;
}

static const char *label_of(const struct member *member) {
    return tnm_model_label(member->served->model, member->answer.best[0]);
}

// ---- Saying it ---------------------------------------------------------------------------------

static void write_served(struct json_out *out, const struct served *served) {
    json_out_text(out, "{\"model\":");
    json_out_string(out, served->name);
    json_out_text(out, ",\"digest\":\"");
    json_out_text(out, served->digest);
    json_out_text(out, "\",\"generation\":");
    json_out_uint(out, served->generation);
}

static void write_decimal(struct json_out *out, const char *key, double value, unsigned decimals) {
    json_out_text(out, key);
    json_out_decimal(out, value, decimals);
}

static void write_size(struct json_out *out, const struct tnm_model *model) {
    struct tnm_summary summary, *s = &summary;
    tnm_model_summary(model, s);
    json_out_text(out, ",\"bytes\":");
    json_out_uint(out, s->bytes);
    write_decimal(out, ",\"ratio\":", (double)s->dense_bytes / (double)s->bytes, 6);
    json_out_text(out, ",\"nonzeros\":");
    json_out_uint(out, s->nonzeros);
    write_decimal(out, ",\"sparsity\":",
                  s->weights > 0 ? 1 - (double)s->nonzeros / (double)s->weights : 0, 6);
    json_out_text(out, ",\"bits\":");
    json_out_uint(out, s->bits);
    write_decimal(out, ",\"accuracy\":", s->test_accuracy, 6);
}

// Index, label, probability, margin, and what else is asked for.
static void write_answer(struct json_out *out, const struct tnm_model *model,
                         const struct answer *answer, const struct wanted *wanted) {
    json_out_raw(out, ",", 1);
    answer_write_class(out, model, answer->best[0], answer->probability[answer->best[0]]);
    write_decimal(out, ",\"margin\":", answer_margin(answer), 6);
    if (wanted->top > 0) {
        json_out_raw(out, ",", 1);
        answer_write_top(out, model, answer, wanted->top);
    }
    if (wanted->probabilities) {
        json_out_text(out, ",\"probabilities\":");
        answer_write_numbers(out, answer->probability, answer->n, 6);
    }
}

static void write_run(struct json_out *out, const struct member *member,
                      const struct wanted *wanted, bool agree) {
    if (wanted->logits) {
        json_out_text(out, ",\"logits\":");
        answer_write_numbers(out, member->answer.logits, member->answer.n, 6);
    }
    write_decimal(out, ",\"infer_us\":", (double)member->answer.infer_ns / 1e3, 1);
    json_out_text(out, ",\"agree\":");
    json_out_bool(out, agree);
}

// What of a picture the reference saw is said once; another recipe says it with its result.
static void write_input(struct json_out *out, const struct input *input, const struct input *first,
                        const struct wanted *wanted) {
    if (input == first)
        return;
    json_out_raw(out, ",", 1);
    input_write(out, input, wanted->pixels);
}

static void write_tail(struct panel *panel, const struct input *input,
                       const struct wanted *wanted) {
    struct json_out *out = &panel->reply->body;
    json_out_text(out, "],");
    input_write(out, input, wanted->pixels);
    json_out_raw(out, ",", 1);
    panel_write_timing(panel);
    json_out_text(out, "}\n");
}

// ---- POST /compare -----------------------------------------------------------------------------

static void write_result(struct json_out *out, const struct member *member,
                         const struct member *reference, const struct wanted *wanted) {
    const struct tnm_model *model = member->served->model;
    bool alike = models_answer_alike(model, reference->served->model);
    write_served(out, member->served);
    write_size(out, model);
    write_answer(out, model, &member->answer, wanted);
    write_run(out, member, wanted, strcmp(label_of(member), label_of(reference)) == 0);
    // Between answers to different questions there is no distance: null.
    write_decimal(
        out, ",\"kl\":", alike ? divergence(&reference->answer, &member->answer) : (double)NAN, 9);
    write_decimal(out, ",\"max_abs_dlogit\":",
                  alike ? most_apart(&reference->answer, &member->answer) : (double)NAN, 6);
    write_input(out, member->input, reference->input, wanted);
    json_out_raw(out, "}", 1);
}

static void write_comparison(struct panel *panel, const struct served *first,
                             const struct wanted *wanted) {
    struct json_out *out = &panel->reply->body;
    const struct member *reference = member_of(panel, first);
    bool agree = true;
    for (size_t i = 0; i < panel->n && agree; i++)
        agree = strcmp(label_of(&panel->member[i]), label_of(reference)) == 0;
    answer_headers(panel->reply, first);
    json_out_text(out, "{\"reference\":");
    json_out_string(out, first->name);
    json_out_text(out, ",\"agree\":");
    json_out_bool(out, agree);
    json_out_text(out, ",\"results\":[");
    for (size_t i = 0; i < panel->n; i++) {
        json_out_raw(out, ",", i > 0);
        write_result(out, &panel->member[i], reference, wanted);
    }
    write_tail(panel, reference->input, wanted);
}

void handle_compare(struct api *api, const struct request *request, struct scratch *scratch,
                    struct reply *reply) {
    struct wanted wanted = {.top = 0, .probabilities = false};
    struct panel panel;
    struct served *first = NULL;
    if (!read_wanted(request, &wanted, reply))
        return;
    panel_begin(&panel, api, request, reply);
    panel.by_size = true;
    if (choose(&panel, &wanted, &first) && answer_all(&panel, &wanted, first, scratch))
        write_comparison(&panel, first, &wanted);
    panel_end(&panel);
}

// ---- POST /ensemble ----------------------------------------------------------------------------

// The mean of their probabilities makes sense if they mean the same.
static bool may_meet(const struct panel *panel, const struct served *first) {
    for (size_t i = 0; i < panel->n; i++) {
        const struct served *served = panel->seat[i].served;
        if (models_answer_alike(served->model, first->model))
            continue;
        reply_error(panel->reply, panel->request, 422, "labels_differ",
                    "model \"%s\" has other classes than \"%s\"", served->name, first->name);
        return false;
    }
    return true;
}

static void take_mean(const struct panel *panel, struct answer *mean) {
    for (size_t k = 0; k < mean->n; k++) {
        double sum = 0;
        for (size_t i = 0; i < panel->n; i++)
            sum += (double)panel->member[i].answer.probability[k];
        mean->probability[k] = (float)(sum / (double)panel->n);
    }
    answer_choose(mean);
}

static void write_ensemble(struct panel *panel, const struct served *first,
                           const struct wanted *wanted) {
    struct json_out *out = &panel->reply->body;
    struct answer *mean = &panel->spare;
    take_mean(panel, mean);
    json_out_text(out, "{\"n_models\":");
    json_out_uint(out, panel->n);
    write_answer(out, first->model, mean, wanted);
    json_out_text(out, ",\"results\":[");
    const struct input *input = member_of(panel, first)->input;
    for (size_t i = 0; i < panel->n; i++) {
        const struct member *member = &panel->member[i];
        json_out_raw(out, ",", i > 0);
        write_served(out, member->served);
        write_answer(out, member->served->model, &member->answer, wanted);
        write_run(out, member, wanted, member->answer.best[0] == mean->best[0]);
        write_input(out, member->input, input, wanted);
        json_out_raw(out, "}", 1);
    }
    write_tail(panel, input, wanted);
}

void handle_ensemble(struct api *api, const struct request *request, struct scratch *scratch,
                     struct reply *reply) {
    struct wanted wanted = {.top = 3, .probabilities = true};
    struct panel panel;
    struct served *first = NULL;
    if (!read_wanted(request, &wanted, reply))
        return;
    wanted.reference[0] = 0; // there is none
    panel_begin(&panel, api, request, reply);
    panel.by_size = true;
    if (choose(&panel, &wanted, &first) && may_meet(&panel, first) &&
        answer_all(&panel, &wanted, first, scratch))
        write_ensemble(&panel, first, &wanted);
    panel_end(&panel);
}
