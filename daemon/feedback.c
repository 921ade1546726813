/* SPDX-License-Identifier: MIT */
// A ring of answers, found by id through chains.
#include "daemon/feedback.h"

#include "core/error.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { NONE = UINT32_MAX };

// What was counted of one file under one name. serial tells it from what had this place before.
struct tally_row {
    struct feedback_tally tally;
    uint64_t serial, used;
};

struct remembered {
    char id[REQUEST_MAX_ID + 1];
    char label[KEPT_LABEL_BYTES], said[KEPT_LABEL_BYTES];
    bool judged;
    uint32_t item;
    uint32_t bucket, next; // the chain it is in, and the older one behind it
    uint32_t row;
    uint64_t serial; // of the row, when it was remembered
};

struct feedback {
    pthread_mutex_t lock;
    uint64_t n_seen, n_rows; // ever
    struct tally_row row[FEEDBACK_MODELS];
    size_t size;
    uint32_t *first; // (size,), the newest of each chain
    struct remembered at[];
};

struct feedback *feedback_open(size_t n, struct tnm_error *err) {
    struct feedback *feedback = calloc(1, sizeof *feedback + n * sizeof feedback->at[0]);
    uint32_t *first = malloc(n * sizeof *first);
    if (feedback == NULL || first == NULL) {
        free(feedback);
        free(first);
        tnm_fail(err, TNM_ENOMEM, "no memory for feedback = %zu", n);
        return NULL;
    }
    memset(first, 0xff, n * sizeof *first);
    feedback->size = n;
    feedback->first = first;
    pthread_mutex_init(&feedback->lock, NULL);
    return feedback;
}

void feedback_close(struct feedback *feedback) {
    if (feedback == NULL)
        return;
    pthread_mutex_destroy(&feedback->lock);
    free(feedback->first);
    free(feedback);
}

// ---- Rows --------------------------------------------------------------------------------------

static uint32_t take_row(struct feedback *feedback, const struct served *served) {
    uint32_t oldest = 0;
    for (uint32_t i = 0; i < FEEDBACK_MODELS; i++) {
        struct tally_row *row = &feedback->row[i];
        if (row->serial != 0 && strcmp(row->tally.digest, served->digest) == 0 &&
            strcmp(row->tally.model, served->name) == 0)
            return i;
        if (row->used < feedback->row[oldest].used)
            oldest = i;
    }
    struct tally_row *row = &feedback->row[oldest];
    *row = (struct tally_row){.serial = ++feedback->n_rows};
    snprintf(row->tally.model, sizeof row->tally.model, "%s", served->name);
    snprintf(row->tally.digest, sizeof row->tally.digest, "%s", served->digest);
    return oldest;
}

static int used_later(const void *a, const void *b) {
    const struct tally_row *x = a, *y = b;
    return (x->used < y->used) - (x->used > y->used);
}

size_t feedback_tallies(struct feedback *feedback, struct feedback_tally tally[FEEDBACK_MODELS]) {
    struct tally_row row[FEEDBACK_MODELS];
    size_t n = 0;
    pthread_mutex_lock(&feedback->lock);
    memcpy(row, feedback->row, sizeof row);
    pthread_mutex_unlock(&feedback->lock);
    qsort(row, FEEDBACK_MODELS, sizeof row[0], used_later);
    for (size_t i = 0; i < FEEDBACK_MODELS; i++)
        if (row[i].tally.judged > 0)
            tally[n++] = row[i].tally;
    return n;
}

// ---- Answers -----------------------------------------------------------------------------------

// FNV-1a.
static uint32_t bucket_of(const struct feedback *feedback, const char *id, uint32_t item) {
    uint32_t hash = 2166136261U ^ item;
    for (; *id != 0; id++)
        hash = (hash ^ (uint8_t)*id) * 16777619U;
    return (uint32_t)(hash % feedback->size);
}

// Takes what is oldest in the ring out of its chain, where it is the last.
static void forget(struct feedback *feedback, const struct remembered *old) {
    uint32_t *link = &feedback->first[old->bucket];
    const uint32_t own = (uint32_t)(old - feedback->at);
    while (*link != own)
        link = &feedback->at[*link].next;
    *link = old->next;
}

void feedback_remember(struct feedback *feedback, const struct seen *seen) {
    const uint32_t bucket = bucket_of(feedback, seen->request_id, seen->item);
    pthread_mutex_lock(&feedback->lock);
    const uint32_t place = (uint32_t)(feedback->n_seen % feedback->size);
    struct remembered *at = &feedback->at[place];
    if (feedback->n_seen++ >= feedback->size)
        forget(feedback, at);
    at->judged = false;
    at->item = seen->item;
    at->bucket = bucket;
    at->next = feedback->first[bucket];
    feedback->first[bucket] = place;
    at->row = take_row(feedback, seen->served);
    at->serial = feedback->row[at->row].serial;
    feedback->row[at->row].used = feedback->n_seen;
    kept_text(at->id, sizeof at->id, seen->request_id);
    kept_text(at->label, sizeof at->label, tnm_model_label(seen->served->model, seen->index));
    pthread_mutex_unlock(&feedback->lock);
}

static struct remembered *find(struct feedback *feedback, const char *id, uint32_t item) {
    uint32_t i = feedback->first[bucket_of(feedback, id, item)];
    while (i != NONE && !(feedback->at[i].item == item && strcmp(feedback->at[i].id, id) == 0))
        i = feedback->at[i].next;
    if (i == NONE || feedback->row[feedback->at[i].row].serial != feedback->at[i].serial)
        return NULL;
    return &feedback->at[i];
}

static enum feedback_result judge(struct feedback *feedback, struct remembered *at,
                                  const char *label, struct feedback_verdict *verdict) {
    struct feedback_tally *tally = &feedback->row[at->row].tally;
    const bool was_judged = at->judged;
    if (!was_judged) {
        kept_text(at->said, sizeof at->said, label);
        at->judged = true;
        tally->judged++;
        tally->correct += strcmp(at->said, at->label) == 0;
    }
    memcpy(verdict->model, tally->model, sizeof verdict->model);
    memcpy(verdict->digest, tally->digest, sizeof verdict->digest);
    memcpy(verdict->label, at->label, sizeof verdict->label);
    memcpy(verdict->said, at->said, sizeof verdict->said);
    verdict->correct = strcmp(at->said, at->label) == 0;
    if (!was_judged)
        return FEEDBACK_COUNTED;
    return kept_is_label(at->said, label) ? FEEDBACK_REPEATED : FEEDBACK_DIFFERS;
}

enum feedback_result feedback_judge(struct feedback *feedback, const char *request_id,
                                    uint32_t item, const char *label,
                                    struct feedback_verdict *verdict) {
    *verdict = (struct feedback_verdict){0};
    pthread_mutex_lock(&feedback->lock);
    struct remembered *at = find(feedback, request_id, item);
    enum feedback_result result =
        at != NULL ? judge(feedback, at, label, verdict) : FEEDBACK_UNKNOWN;
    pthread_mutex_unlock(&feedback->lock);
    return result;
}
