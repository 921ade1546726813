/* SPDX-License-Identifier: MIT */
// Who is told of an answer.
#include "daemon/observe.h"

#include "core/error.h"
#include "daemon/feedback.h"
#include "daemon/replay.h"
#include "daemon/shadow.h"

#include <stdlib.h>

static void want(struct observer *observer, enum observing what, bool wanted) {
    if (wanted)
        atomic_fetch_or(&observer->wants, (unsigned)what);
    else
        atomic_fetch_and(&observer->wants, ~(unsigned)what);
}

bool observer_shadow(struct observer *observer, const struct shadow_plan *plan,
                     struct tnm_error *err) {
    if (!shadow_set(observer->shadow, plan, err))
        return false;
    want(observer, OBSERVING_SHADOW, plan->n > 0);
    return true;
}

static bool start_shadow(struct observer *observer, const struct options *options,
                         struct tnm_error *err) {
    struct shadow_plan plan = {.sample = options->shadow_sample};
    const size_t len = strlen(options->shadow);
    if (len > 0 && !shadow_plan_add(&plan, options->shadow, len, err))
        return tnm_fail_in(err, "shadow");
    return observer_shadow(observer, &plan, err);
}

static bool start_memories(struct observer *observer, const struct options *options,
                           struct tnm_error *err) {
    if (options->replay > 0 &&
        (observer->replay = replay_open(options->replay, REPLAY_MOST_BYTES, err)) == NULL)
        return false;
    if (options->feedback > 0 &&
        (observer->feedback = feedback_open(options->feedback, err)) == NULL)
        return false;
    want(observer, OBSERVING_REPLAY, observer->replay != NULL);
    want(observer, OBSERVING_FEEDBACK, observer->feedback != NULL);
    return true;
}

struct observer *observer_open(const struct options *options, struct shelf *shelf,
                               struct stats *stats, struct tnm_error *err) {
    struct observer *observer = calloc(1, sizeof *observer);
    if (observer == NULL) {
        tnm_fail(err, TNM_ENOMEM, "no memory");
        return NULL;
    }
    observer->shadow = shadow_open(shelf, stats, err);
    if (observer->shadow != NULL && start_memories(observer, options, err) &&
        start_shadow(observer, options, err))
        return observer;
    observer_close(observer);
    return NULL;
}

void observer_close(struct observer *observer) {
    if (observer == NULL)
        return;
    shadow_close(observer->shadow);
    replay_close(observer->replay);
    feedback_close(observer->feedback);
    free(observer);
}

void observe_seen(struct api *api, const struct seen *seen) {
    struct observer *observer = api->observer;
    const unsigned wants =
        observer != NULL ? atomic_load_explicit(&observer->wants, memory_order_relaxed) : 0;
    if (wants & OBSERVING_FEEDBACK)
        feedback_remember(observer->feedback, seen);
    if (wants & OBSERVING_REPLAY)
        replay_keep(observer->replay, seen);
    if (wants & OBSERVING_SHADOW)
        shadow_offer(observer->shadow, seen,
                     atomic_load_explicit(&api->in_work, memory_order_relaxed) >
                         api->options->queue / 2);
}
