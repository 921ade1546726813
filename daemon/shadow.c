/* SPDX-License-Identifier: MIT */
// A queue without locks, and the thread behind it.
#include "daemon/shadow.h"

#include "core/error.h"
#include "daemon/background.h"
#include "daemon/folder.h"
#include "daemon/slot.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>

enum { MOST_BYTES = 16 << 20 }; // of all inputs in the queue

// An input that waits, and who is to run it. room is changed by who puts alone, so that the thread
// behind never waits for the allocator's lock, nor anybody for the thread.
struct place {
    void *room;
    size_t size;
    bool is_bytes;
    uint32_t item;
    size_t n, index;
    double margin;
    uint64_t plan; // number of the plan that it was put for
    size_t n_candidates;
    struct served *answered;
    struct served *candidate[SHADOW_MODELS]; // held; NULL: not in service
    char request_id[REQUEST_MAX_ID + 1];
};

struct shadow {
    struct shelf *shelf;
    struct stats *stats;
    pthread_mutex_t set_lock; // one plan is set at a time

    // Of those who answer requests: the thread never takes this lock.
    pthread_mutex_t plan_lock;
    struct shadow_plan plan;
    uint64_t plan_number, n_offered;
    atomic_ullong dropped[SHADOW_MODELS];

    // The queue: put under plan_lock, taken by the thread.
    struct place place[SHADOW_QUEUE];
    atomic_size_t n_put, n_taken;
    size_t bytes; // of all rooms
    sem_t waiting;

    // Of the thread and of who reads: those who answer requests never take this lock.
    pthread_mutex_t table_lock;
    uint64_t table_plan;
    struct shadow_row row[SHADOW_MODELS];

    bool started;
    atomic_bool stopping;
    pthread_t thread;
    void *scratch; // of the thread
    size_t scratch_size;
};

struct shadow *shadow_open(struct shelf *shelf, struct stats *stats, struct tnm_error *err) {
    struct shadow *shadow = calloc(1, sizeof *shadow);
    if (shadow == NULL) {
        tnm_fail(err, TNM_ENOMEM, "no memory for shadow traffic");
        return NULL;
    }
    shadow->shelf = shelf;
    shadow->stats = stats;
    pthread_mutex_init(&shadow->set_lock, NULL);
    pthread_mutex_init(&shadow->plan_lock, NULL);
    pthread_mutex_init(&shadow->table_lock, NULL);
    sem_init(&shadow->waiting, 0, 0);
    return shadow;
}

static void release(struct place *place) {
    for (size_t i = 0; i < place->n_candidates; i++)
        shelf_release(place->candidate[i]);
    shelf_release(place->answered);
}

void shadow_close(struct shadow *shadow) {
    if (shadow == NULL)
        return;
    atomic_store(&shadow->stopping, true);
    sem_post(&shadow->waiting);
    if (shadow->started)
        pthread_join(shadow->thread, NULL);
    for (; shadow->n_taken < shadow->n_put; shadow->n_taken++)
        release(&shadow->place[shadow->n_taken % SHADOW_QUEUE]);
    for (size_t i = 0; i < SHADOW_QUEUE; i++)
        free(shadow->place[i].room);
    free(shadow->scratch);
    sem_destroy(&shadow->waiting);
    pthread_mutex_destroy(&shadow->table_lock);
    pthread_mutex_destroy(&shadow->plan_lock);
    pthread_mutex_destroy(&shadow->set_lock);
    free(shadow);
}

// ---- The plan ----------------------------------------------------------------------------------

static bool add_name(struct shadow_plan *plan, const char *name, size_t len,
                     struct tnm_error *err) {
    char text[REQUEST_MAX_NAME + 1] = {0};
    memcpy(text, name, len < sizeof text ? len : sizeof text - 1);
    if (len >= sizeof text || !folder_name_fits(text))
        return tnm_fail(err, TNM_EINPUT, "\"%s\" is not a model's name", text);
    for (size_t i = 0; i < plan->n; i++)
        if (strcmp(plan->model[i], text) == 0)
            return tnm_fail(err, TNM_EINPUT, "\"%s\" is there twice", text);
    if (plan->n == SHADOW_MODELS)
        return tnm_fail(err, TNM_EINPUT, "more than %d models", SHADOW_MODELS);
    memcpy(plan->model[plan->n++], text, sizeof text);
    return true;
}

bool shadow_plan_add(struct shadow_plan *plan, const char *names, size_t len,
                     struct tnm_error *err) {
    for (const char *end = names + len; names <= end;) {
        const char *comma = memchr(names, ',', (size_t)(end - names));
        size_t n = (size_t)((comma != NULL ? comma : end) - names);
        if (!add_name(plan, names, n, err))
            return false;
        names += n + 1;
    }
    return true;
}

static void *work(void *argument);

static bool start(struct shadow *shadow, struct tnm_error *err) {
    int error = pthread_create(&shadow->thread, NULL, work, shadow);
    shadow->started = error == 0;
    return shadow->started || tnm_fail_errno(err, error, "thread for shadow traffic");
}

static void begin(struct shadow *shadow, const struct shadow_plan *plan) {
    pthread_mutex_lock(&shadow->plan_lock);
    const size_t n_rows = shadow->plan.n;
    shadow->plan = *plan;
    uint64_t number = ++shadow->plan_number;
    shadow->n_offered = 0;
    for (size_t i = 0; i < SHADOW_MODELS; i++)
        atomic_store(&shadow->dropped[i], 0);
    pthread_mutex_unlock(&shadow->plan_lock);
    pthread_mutex_lock(&shadow->table_lock);
    shadow->table_plan = number;
    memset(shadow->row, 0, n_rows * sizeof shadow->row[0]);
    for (size_t i = 0; i < plan->n; i++)
        memcpy(shadow->row[i].model, plan->model[i], sizeof shadow->row[i].model);
    pthread_mutex_unlock(&shadow->table_lock);
}

bool shadow_set(struct shadow *shadow, const struct shadow_plan *plan, struct tnm_error *err) {
    pthread_mutex_lock(&shadow->set_lock);
    bool ok = shadow->started || plan->n == 0 || start(shadow, err);
    if (ok)
        begin(shadow, plan);
    pthread_mutex_unlock(&shadow->set_lock);
    return ok;
}

void shadow_read(struct shadow *shadow, struct shadow_plan *plan,
                 struct shadow_row row[SHADOW_MODELS]) {
    pthread_mutex_lock(&shadow->set_lock);
    *plan = shadow->plan; // only set under set_lock
    pthread_mutex_lock(&shadow->table_lock);
    memcpy(row, shadow->row, sizeof shadow->row);
    pthread_mutex_unlock(&shadow->table_lock);
    for (size_t i = 0; i < SHADOW_MODELS; i++)
        row[i].dropped = atomic_load(&shadow->dropped[i]);
    pthread_mutex_unlock(&shadow->set_lock);
}

// ---- Putting -----------------------------------------------------------------------------------

// Takes as many of the inputs as the plan says, spread evenly: fractions of multiples of the golden
// ratio (a low-discrepancy sequence), so that a rhythm in the traffic does not matter.
static bool is_sampled(struct shadow *shadow) {
    uint64_t fraction = ++shadow->n_offered * UINT64_C(0x9e3779b97f4a7c15);
    return (double)fraction < shadow->plan.sample * 0x1p64;
}

static bool make_room(struct shadow *shadow, struct place *place, size_t len) {
    if (place->size >= len && place->size / 4 <= len)
        return true;
    if (shadow->bytes - place->size + len > MOST_BYTES)
        return false;
    void *room = realloc(place->room, len);
    if (room == NULL)
        return false;
    shadow->bytes += len - place->size;
    place->room = room;
    place->size = len;
    return true;
}

// The next free place with room for it. NULL: the queue is full.
static struct place *next_place(struct shadow *shadow, size_t len) {
    size_t taken = atomic_load_explicit(&shadow->n_taken, memory_order_acquire);
    if (shadow->n_put - taken == SHADOW_QUEUE)
        return NULL;
    struct place *place = &shadow->place[shadow->n_put % SHADOW_QUEUE];
    return make_room(shadow, place, len) ? place : NULL;
}

static void fill(struct shadow *shadow, struct place *place, const struct seen *seen) {
    kept_store(place->room, seen);
    kept_text(place->request_id, sizeof place->request_id, seen->request_id);
    place->is_bytes = seen->pixel != NULL;
    place->n = seen->n;
    place->item = seen->item;
    place->index = seen->index;
    place->margin = seen->margin;
    place->plan = shadow->plan_number;
    place->answered = seen->served;
    slot_hold(place->answered);
    place->n_candidates = shadow->plan.n;
    for (size_t i = 0; i < shadow->plan.n; i++)
        place->candidate[i] = shelf_hold(shadow->shelf, shadow->plan.model[i]);
}

static void drop(struct shadow *shadow) {
    for (size_t i = 0; i < shadow->plan.n; i++) {
        atomic_fetch_add_explicit(&shadow->dropped[i], 1, memory_order_relaxed);
        stats_shadow_dropped(shadow->stats);
    }
}

void shadow_offer(struct shadow *shadow, const struct seen *seen, bool is_busy) {
    pthread_mutex_lock(&shadow->plan_lock);
    if (shadow->plan.n > 0 && is_sampled(shadow)) {
        struct place *place = is_busy ? NULL : next_place(shadow, kept_bytes(seen));
        if (place != NULL) {
            fill(shadow, place, seen);
            atomic_store_explicit(&shadow->n_put, shadow->n_put + 1, memory_order_release);
            sem_post(&shadow->waiting);
        } else {
            drop(shadow);
        }
    }
    pthread_mutex_unlock(&shadow->plan_lock);
}

// ---- Running -----------------------------------------------------------------------------------

// What came of one model and one input.
struct outcome {
    const struct place *place;
    struct served *served;
    bool ran; // else it was skipped
    size_t index;
    double margin;
    uint64_t infer_ns;
};

static void *take_scratch(struct shadow *shadow, size_t bytes) {
    if (bytes > shadow->scratch_size) {
        free(shadow->scratch);
        shadow->scratch = malloc(bytes);
        shadow->scratch_size = shadow->scratch != NULL ? bytes : 0;
    }
    return shadow->scratch;
}

static void run(struct shadow *shadow, struct outcome *outcome) {
    const struct place *place = outcome->place;
    const struct tnm_model *model = outcome->served->model;
    if (tnm_model_inputs(model) != place->n ||
        strcmp(outcome->served->digest, place->answered->digest) == 0)
        return;
    const size_t n_classes = tnm_model_outputs(model), input_len = input_bytes(place->n);
    uint8_t *room = take_scratch(shadow, input_len + answer_bytes(n_classes, 1));
    if (room == NULL)
        return;
    float *x = (float *)(void *)room;
    struct answer answer;
    answer_init(&answer, room + input_len, n_classes, 1);
    kept_load(place->room, place->is_bytes, place->n, x);
    if (answer_try(outcome->served, x, &answer) != ANSWER_MADE)
        return;
    outcome->ran = true;
    outcome->index = answer.best[0];
    outcome->margin = answer_margin(&answer);
    outcome->infer_ns = answer.infer_ns;
}

// ---- The table ---------------------------------------------------------------------------------

static void restart(struct shadow *shadow, size_t i) {
    struct shadow_row *row = &shadow->row[i];
    char model[sizeof row->model];
    memcpy(model, row->model, sizeof model);
    memset(row, 0, sizeof *row);
    memcpy(row->model, model, sizeof model);
    atomic_store(&shadow->dropped[i], 0);
}

static void keep_example(struct shadow_row *row, const struct outcome *outcome) {
    const struct place *place = outcome->place;
    struct shadow_example *example = &row->example[row->n_examples++ % SHADOW_EXAMPLES];
    memcpy(example->request_id, place->request_id, sizeof example->request_id);
    kept_text(example->model, sizeof example->model, place->answered->name);
    kept_text(example->label, sizeof example->label,
              tnm_model_label(place->answered->model, place->index));
    kept_text(example->shadow_label, sizeof example->shadow_label,
              tnm_model_label(outcome->served->model, outcome->index));
    example->item = place->item;
    example->margin = place->margin;
    example->shadow_margin = outcome->margin;
}

static void count(struct shadow_row *row, const struct outcome *outcome) {
    const struct place *place = outcome->place;
    if (!outcome->ran) {
        row->skipped++;
        return;
    }
    bool agrees = strcmp(tnm_model_label(place->answered->model, place->index),
                         tnm_model_label(outcome->served->model, outcome->index)) == 0;
    stats_shadow(served_stats(outcome->served), agrees);
    row->margin_change += outcome->margin - place->margin;
    row->infer_ns += outcome->infer_ns;
    if (agrees) {
        row->agreed++;
    } else {
        row->disagreed++;
        keep_example(row, outcome);
    }
}

// By place in the plan. Nothing where another plan was set meanwhile.
static void enter(struct shadow *shadow, size_t i, const struct outcome *outcome) {
    pthread_mutex_lock(&shadow->table_lock);
    struct shadow_row *row = &shadow->row[i];
    if (shadow->table_plan == outcome->place->plan) {
        const char *digest = outcome->served != NULL ? outcome->served->digest : "";
        if (row->digest[0] != 0 && strcmp(row->digest, digest) != 0)
            restart(shadow, i);
        kept_text(row->digest, sizeof row->digest, digest);
        row->is_missing = outcome->served == NULL;
        if (!row->is_missing)
            count(row, outcome);
    }
    pthread_mutex_unlock(&shadow->table_lock);
}

static void *work(void *argument) {
    struct shadow *shadow = argument;
    background_idle();
    for (;;) {
        while (sem_wait(&shadow->waiting) != 0)
            ;
        if (atomic_load(&shadow->stopping))
            return NULL;
        struct place *place = &shadow->place[shadow->n_taken % SHADOW_QUEUE];
        atomic_load_explicit(&shadow->n_put, memory_order_acquire);
        for (size_t i = 0; i < place->n_candidates; i++) {
            struct outcome outcome = {.place = place, .served = place->candidate[i]};
            if (outcome.served != NULL)
                run(shadow, &outcome);
            enter(shadow, i, &outcome);
        }
        release(place);
        atomic_fetch_add_explicit(&shadow->n_taken, 1, memory_order_release);
    }
}
