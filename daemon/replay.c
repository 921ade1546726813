/* SPDX-License-Identifier: MIT */
// A ring of inputs.
#include "daemon/replay.h"

#include "core/error.h"

#include <pthread.h>
#include <stdlib.h>

struct kept {
    struct replayed answer;
    void *at; // owned
    size_t n, len;
    bool is_bytes;
};

struct replay {
    pthread_mutex_t lock;
    uint64_t first, end; // numbers of what is kept
    size_t bytes;        // of all inputs
    size_t most_bytes;
    size_t size;
    struct kept kept[];
};

struct replay *replay_open(size_t n, size_t most_bytes, struct tnm_error *err) {
    struct replay *replay = calloc(1, sizeof *replay + n * sizeof replay->kept[0]);
    if (replay == NULL) {
        tnm_fail(err, TNM_ENOMEM, "no memory for replay = %zu", n);
        return NULL;
    }
    replay->size = n;
    replay->most_bytes = most_bytes;
    pthread_mutex_init(&replay->lock, NULL);
    return replay;
}

static void drop(struct replay *replay, struct kept *kept) {
    replay->bytes -= kept->len;
    free(kept->at);
    kept->at = NULL;
    kept->len = 0;
}

void replay_close(struct replay *replay) {
    if (replay == NULL)
        return;
    for (size_t i = 0; i < replay->size; i++)
        drop(replay, &replay->kept[i]);
    pthread_mutex_destroy(&replay->lock);
    free(replay);
}

static struct kept *place_of(struct replay *replay, uint64_t number) {
    return &replay->kept[number % replay->size];
}

// The place for the next input, with room for so many bytes. NULL: there is none.
static struct kept *make_room(struct replay *replay, size_t len) {
    struct kept *kept = place_of(replay, replay->end);
    if (len > replay->most_bytes)
        return NULL;
    if (replay->end - replay->first == replay->size)
        replay->first++;
    if (kept->len == len)
        return kept;
    drop(replay, kept);
    while (replay->first < replay->end && replay->bytes + len > replay->most_bytes)
        drop(replay, place_of(replay, replay->first++));
    kept->at = malloc(len);
    if (kept->at == NULL)
        return NULL;
    kept->len = len;
    replay->bytes += len;
    return kept;
}

void replay_keep(struct replay *replay, const struct seen *seen) {
    const struct served *served = seen->served;
    pthread_mutex_lock(&replay->lock);
    struct kept *kept = make_room(replay, kept_bytes(seen));
    if (kept != NULL) {
        struct replayed *answer = &kept->answer;
        kept_store(kept->at, seen);
        kept->n = seen->n;
        kept->is_bytes = seen->pixel != NULL;
        answer->item = seen->item;
        answer->margin = seen->margin;
        kept_text(answer->request_id, sizeof answer->request_id, seen->request_id);
        kept_text(answer->model, sizeof answer->model, served->name);
        kept_text(answer->digest, sizeof answer->digest, served->digest);
        kept_text(answer->label, sizeof answer->label, tnm_model_label(served->model, seen->index));
        replay->end++;
    }
    pthread_mutex_unlock(&replay->lock);
}

uint64_t replay_range(struct replay *replay, uint64_t *first) {
    pthread_mutex_lock(&replay->lock);
    uint64_t end = replay->end;
    *first = replay->first;
    pthread_mutex_unlock(&replay->lock);
    return end;
}

enum replay_result replay_read(struct replay *replay, uint64_t number, size_t n, float *x,
                               float *room, struct replayed *out) {
    enum replay_result result = REPLAY_GONE;
    bool is_bytes = false;
    pthread_mutex_lock(&replay->lock);
    const struct kept *kept = place_of(replay, number);
    if (number >= replay->first && number < replay->end) {
        result = kept->n == n ? REPLAY_READ : REPLAY_OTHER_SIZE;
        *out = kept->answer;
        is_bytes = kept->is_bytes;
        if (result == REPLAY_READ)
            memcpy(room, kept->at, kept->len);
    }
    pthread_mutex_unlock(&replay->lock);
    if (result == REPLAY_READ)
        kept_load(room, is_bytes, n, x);
    return result;
}
