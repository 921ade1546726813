/* SPDX-License-Identifier: MIT */
// A model's answer to an input: running it, the most probable classes, and how replies say it.
#ifndef ANSWER_H
#define ANSWER_H

#include "daemon/clock.h"
#include "daemon/routes.h"

// The arrays belong to whoever laid them out.
struct answer {
    size_t n;                    // classes
    float *logits, *probability; // (n,)
    size_t *best;                // (n_best,) classes, the most probable first
    size_t n_best;
    uint64_t infer_ns;
};

// Holds the model that a call names, or for "" the active one; to be given to shelf_release. NULL
// with 404 or 503 in reply.
struct served *answer_hold(struct api *api, const struct request *request, const char *name,
                           struct reply *reply);

// Whether the model, or the active one for "", runs for longer than an HTTP thread may be busy.
bool answer_is_slow(const struct api *api, const char *name);

// How many bytes an answer of so many classes and best ones takes, a multiple of 16; and laying it
// out in so many, aligned to 16. It keeps at least the two best, for the margin, if there are two.
size_t answer_bytes(size_t n_classes, size_t n_best);
void answer_init(struct answer *answer, void *room, size_t n_classes, size_t n_best);

// Runs the model on x, without counting it. answer is not complete where that fails: without
// memory, or where an output is not finite.
enum answer_result { ANSWER_MADE, ANSWER_NO_MEMORY, ANSWER_NOT_FINITE };
enum answer_result answer_try(struct served *served, const float *x, struct answer *answer);

// The same for a reply, and counts it. False with 503 or 422 in reply.
bool answer_run(struct served *served, const float *x, struct answer *answer,
                const struct request *request, struct reply *reply);

// The same for n inputs of one request, whose logits then lie side by side: how many bytes, and
// laying them out in so many, aligned to 16.
size_t answer_rows_bytes(size_t n, size_t n_classes, size_t n_best);
struct answer *answer_rows_init(void *room, size_t n, size_t n_classes, size_t n_best);

// Runs n of such rows in one go, x being (n, inputs). False with 422 in reply.
bool answer_run_rows(struct served *served, struct tnm_session *session, const float *x, size_t n,
                     struct answer *rows, const struct request *request, struct reply *reply);

// Fills best from probability; of equals the lower index comes first. answer_run does it.
void answer_choose(struct answer *answer);

// How far the most probable class is before the next one, 0..1.
double answer_margin(const struct answer *answer);

// `"index":7,"label":"7","probability":0.99`
void answer_write_class(struct json_out *out, const struct tnm_model *model, size_t index,
                        float probability);
// `"top":[{...},...]`, so many of the best.
void answer_write_top(struct json_out *out, const struct tnm_model *model,
                      const struct answer *answer, size_t n);
// `[1,2.5]`
void answer_write_numbers(struct json_out *out, const float *value, size_t n, unsigned decimals);

// X-Model, X-Model-Digest, X-Model-Generation.
void answer_headers(struct reply *reply, const struct served *served);

// When a request was where.
struct answer_times {
    uint64_t start_ns, decoded_ns, inferred_ns;
};

// `"timing_us":{"decode":1.5,"infer":2.5,"total":4}` up to now, and the header Server-Timing.
void answer_write_timing(struct reply *reply, const struct answer_times *times);

// The header alone.
void answer_add_timing(struct reply *reply, const struct answer_times *times);

#endif
