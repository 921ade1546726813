/* SPDX-License-Identifier: MIT */
// Counted models, and sessions without a lock.
#include "daemon/slot.h"

#include "core/error.h"
#include "daemon/clock.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

// Idle sessions a build keeps; as many as there can be threads that answer. One more is closed.
enum { IDLE_SESSIONS = 16 };

struct tally {
    atomic_uint holders;
    struct stats_model *stats;
};

struct build {
    atomic_uint holders;
    struct tnm_model *model;
    uint64_t run_ns;
    _Atomic(struct tnm_session *) idle[IDLE_SESSIONS];
};

struct slot {
    struct served served; // first, so that the two pointers are one
    atomic_uint holders;
    struct build *build;
    struct tally *tally;
    char name[64];
};

static struct slot *slot_of(const struct served *served) {
    return (struct slot *)(uintptr_t)served;
}

// True for the last holder, who then sees all that the others did.
static bool drop(atomic_uint *holders) {
    return atomic_fetch_sub_explicit(holders, 1, memory_order_acq_rel) == 1;
}

static void keep(atomic_uint *holders) {
    atomic_fetch_add_explicit(holders, 1, memory_order_relaxed);
}

// ---- Tallies -----------------------------------------------------------------------------------

struct tally *tally_open(void) {
    struct tally *tally = calloc(1, sizeof *tally);
    if (tally == NULL || (tally->stats = stats_model_open()) == NULL) {
        free(tally);
        return NULL;
    }
    atomic_init(&tally->holders, 1);
    return tally;
}

struct stats_model *tally_stats(const struct tally *tally) {
    return tally->stats;
}

void tally_release(struct tally *tally) {
    if (tally == NULL || !drop(&tally->holders))
        return;
    stats_model_close(tally->stats);
    free(tally);
}

struct stats_model *served_stats(const struct served *served) {
    return slot_of(served)->tally->stats;
}

// ---- Builds ------------------------------------------------------------------------------------

// Values of half: zeros would be left out, and the weights they meet not looked at. The second run
// is as long as others will be at most.
static bool warm(struct build *build, struct tnm_session *session, struct tnm_error *err) {
    size_t inputs = tnm_model_inputs(build->model), outputs = tnm_model_outputs(build->model);
    float *room = malloc((inputs + outputs) * sizeof *room);
    if (room == NULL)
        return tnm_fail(err, TNM_ENOMEM, "no memory");
    for (size_t i = 0; i < inputs; i++)
        room[i] = 0.5F;
    tnm_session_run(session, room, 1, room + inputs);
    uint64_t start_ns = clock_of_thread_ns();
    tnm_session_run(session, room, 1, room + inputs);
    build->run_ns = clock_of_thread_ns() - start_ns;
    free(room);
    return true;
}

struct build *build_open(const char *path, const struct tnm_limits *limits, struct tnm_error *err) {
    struct build *build = calloc(1, sizeof *build);
    if (build == NULL) {
        tnm_fail(err, TNM_ENOMEM, "no memory");
        return NULL;
    }
    atomic_init(&build->holders, 1);
    struct tnm_session *first = NULL;
    build->model = tnm_model_open_within(path, limits, err);
    if (build->model != NULL && tnm_model_self_test(build->model, err) &&
        (first = tnm_session_open(build->model, 1, err)) != NULL) {
        atomic_init(&build->idle[0], first);
        if (warm(build, first, err))
            return build;
    }
    build_release(build);
    return NULL;
}

void build_hold(struct build *build) {
    keep(&build->holders);
}

void build_release(struct build *build) {
    if (build == NULL || !drop(&build->holders))
        return;
    for (size_t i = 0; i < IDLE_SESSIONS; i++)
        tnm_session_close(atomic_load_explicit(&build->idle[i], memory_order_relaxed));
    tnm_model_close(build->model);
    free(build);
}

const struct tnm_model *build_model(const struct build *build) {
    return build->model;
}

// A session is taken by exchanging its pointer for NULL and given back by exchanging NULL for it.
// Neither looks through the pointer, so that it does not matter who used the place meanwhile.
struct tnm_session *served_take(struct served *served) {
    struct build *build = slot_of(served)->build;
    for (size_t i = 0; i < IDLE_SESSIONS; i++) {
        if (atomic_load_explicit(&build->idle[i], memory_order_relaxed) == NULL)
            continue;
        struct tnm_session *session =
            atomic_exchange_explicit(&build->idle[i], NULL, memory_order_acquire);
        if (session != NULL)
            return session;
    }
    return tnm_session_open(build->model, 1, NULL);
}

void served_give(struct served *served, struct tnm_session *session) {
    struct build *build = slot_of(served)->build;
    for (size_t i = 0; i < IDLE_SESSIONS; i++) {
        struct tnm_session *none = NULL;
        if (atomic_load_explicit(&build->idle[i], memory_order_relaxed) == NULL &&
            atomic_compare_exchange_strong_explicit(&build->idle[i], &none, session,
                                                    memory_order_release, memory_order_relaxed))
            return;
    }
    tnm_session_close(session);
}

// ---- Slots -------------------------------------------------------------------------------------

struct served *slot_open(struct build *build, struct tally *tally, const char *name,
                         uint64_t generation, struct tnm_error *err) {
    struct slot *slot = calloc(1, sizeof *slot);
    if (slot == NULL) {
        tnm_fail(err, TNM_ENOMEM, "no memory");
        return NULL;
    }
    keep(&build->holders);
    keep(&tally->holders);
    atomic_init(&slot->holders, 1);
    slot->build = build;
    slot->tally = tally;
    snprintf(slot->name, sizeof slot->name, "%s", name);
    slot->served = (struct served){slot->name, tnm_model_digest(build->model), generation,
                                   build->model, build->run_ns};
    return &slot->served;
}

void slot_hold(struct served *served) {
    keep(&slot_of(served)->holders);
}

struct build *slot_build(const struct served *served) {
    return slot_of(served)->build;
}

void shelf_release(struct served *served) {
    if (served == NULL || !drop(&slot_of(served)->holders))
        return;
    build_release(slot_of(served)->build);
    tally_release(slot_of(served)->tally);
    free(slot_of(served));
}
