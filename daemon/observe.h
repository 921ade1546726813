/* SPDX-License-Identifier: MIT */
// What happens with an answer after it was made: other models answer the same input for comparison
// (shadow.h), the input is kept for a replay (replay.h), the answer for somebody's verdict
// (feedback.h). Whatever gives answers tells it here, once for each answer and before it replies.
#ifndef OBSERVE_H
#define OBSERVE_H

#include "daemon/answer.h"
#include "daemon/input.h"

struct shadow;
struct shadow_plan;
struct replay;
struct feedback;

// An answer. All of it is borrowed for the call.
struct seen {
    struct served *served; // who gave it; held by the caller
    const char *request_id;
    uint32_t item; // which input of the request it was, from 0 on
    size_t n;
    const float *x;       // (n,), what the model ran on
    const uint8_t *pixel; // (n,), x * 255 where the input was made of bytes; else NULL
    size_t index;
    double probability, margin;
};

struct observer {
    atomic_uint wants; // enum observing
    struct shadow *shadow;
    struct replay *replay;
    struct feedback *feedback;
    atomic_bool is_studying; // study.h
};

enum observing { OBSERVING_SHADOW = 1, OBSERVING_REPLAY = 2, OBSERVING_FEEDBACK = 4 };

// By the settings shadow, shadow-sample, replay and feedback. shelf and stats must outlive it.
struct observer *observer_open(const struct options *options, struct shelf *shelf,
                               struct stats *stats, struct tnm_error *err) TNM_MUST_CHECK;
void observer_close(struct observer *observer); // NULL is fine

// Changes who runs in shadow; see shadow_set.
bool observer_shadow(struct observer *observer, const struct shadow_plan *plan,
                     struct tnm_error *err) TNM_MUST_CHECK;

// Never waits for work, fails or delays: what there is no room for now is left out.
void observe_seen(struct api *api, const struct seen *seen);

// For the usual case: one input, and the answer to it. Next to nothing where nothing is wanted.
static inline void observe(struct api *api, const struct request *request, struct served *served,
                           const struct input *input, const struct answer *answer) {
    if (api->observer == NULL ||
        atomic_load_explicit(&api->observer->wants, memory_order_relaxed) == 0)
        return;
    const struct seen seen = {.served = served,
                              .request_id = request->id,
                              .n = input->n,
                              .x = input->x,
                              .pixel = input->has_pixels ? input->pixel : NULL,
                              .index = answer->best[0],
                              .probability = (double)answer->probability[answer->best[0]],
                              .margin = answer_margin(answer)};
    observe_seen(api, &seen);
}

#endif
