/* SPDX-License-Identifier: MIT */
// Evaluating in chunks: every model runs through a chunk, then the next chunk comes.
#include "daemon/evaluation.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    FIRST_CHUNK = 8,            // small, so that slow models get somewhere too
    MOST_CHUNK_VALUES = 262144, // of all its pictures
    NO_CLASS = UINT32_MAX
};

bool evaluation_open(struct evaluation *evaluation, size_t n, struct bytes images,
                     struct bytes labels, const atomic_bool *stop, struct tnm_error *err) {
    *evaluation = (struct evaluation){.n = n};
    if (!labelled_open(&evaluation->set, images, labels, stop, err))
        return false;
    evaluation->subject = calloc(n, sizeof *evaluation->subject);
    if (evaluation->subject != NULL)
        return true;
    labelled_close(&evaluation->set);
    return tnm_fail(err, TNM_ENOMEM, "no memory for %zu models", n);
}

void evaluation_close(struct evaluation *evaluation) {
    free(evaluation->room);
    free(evaluation->subject);
    labelled_close(&evaluation->set);
    *evaluation = (struct evaluation){0};
}

// ---- Memory ------------------------------------------------------------------------------------

static size_t inputs_of(const struct labelled *set) {
    return (size_t)set->width * set->height;
}

static uint32_t chunk_of(const struct labelled *set) {
    size_t fit = MOST_CHUNK_VALUES / inputs_of(set);
    return fit < 1 ? 1 : fit < EVALUATION_CHUNK ? (uint32_t)fit : EVALUATION_CHUNK;
}

static size_t confusion_bytes(size_t classes) {
    return classes <= EVALUATION_MOST_CLASSES ? classes * classes * sizeof(uint32_t) : 0;
}

static size_t subject_bytes(const struct subject *subject) {
    size_t classes = tnm_model_outputs(subject->served->model);
    return answer_bytes(classes, 1) + (confusion_bytes(classes) + 15) / 16 * 16;
}

size_t evaluation_bytes(const struct evaluation *evaluation) {
    const struct labelled *set = &evaluation->set;
    size_t bytes = chunk_of(set) * input_bytes(inputs_of(set));
    for (size_t i = 0; i < evaluation->n; i++)
        bytes += subject_bytes(&evaluation->subject[i]);
    return bytes;
}

static bool take_room(struct evaluation *evaluation, struct tnm_error *err) {
    const struct labelled *set = &evaluation->set;
    const size_t bytes = evaluation_bytes(evaluation);
    uint8_t *at = calloc(1, bytes);
    if (at == NULL)
        return tnm_fail(err, TNM_ENOMEM, "no memory for answers");
    evaluation->room = at;
    evaluation->chunk = chunk_of(set);
    evaluation->x = (float *)(void *)at;
    evaluation->pixel = at + evaluation->chunk * inputs_of(set) * sizeof(float);
    at += evaluation->chunk * input_bytes(inputs_of(set));
    for (size_t i = 0; i < evaluation->n; i++) {
        struct subject *subject = &evaluation->subject[i];
        size_t classes = tnm_model_outputs(subject->served->model);
        answer_init(&subject->answer, at, classes, 1);
        if (confusion_bytes(classes) > 0)
            subject->confusion = (uint32_t *)(void *)(at + answer_bytes(classes, 1));
        at += subject_bytes(subject);
    }
    return true;
}

// ---- Labels ------------------------------------------------------------------------------------

static uint32_t find_class(const struct tnm_model *model, uint32_t label) {
    char name[12];
    snprintf(name, sizeof name, "%u", label);
    for (size_t i = 0; i < tnm_model_outputs(model); i++)
        if (strcmp(tnm_model_label(model, i), name) == 0)
            return (uint32_t)i;
    return NO_CLASS;
}

// The forge's rule (dataset_match): numbers count up to the largest that occurs.
static bool match_labels(const struct labelled *set, struct subject *subject,
                         struct tnm_error *err) {
    const struct served *served = subject->served;
    const size_t classes = tnm_model_outputs(served->model);
    bool has_numbers = false;
    uint32_t most = 0;
    for (uint32_t label = 0; label < 256; label++)
        most = set->used[label] > 0 ? label : most;
    for (uint32_t label = 0; label <= most; label++) {
        subject->class_of[label] = find_class(served->model, label);
        has_numbers = has_numbers || subject->class_of[label] != NO_CLASS;
    }
    for (uint32_t label = 0; label <= most; label++) {
        if (!has_numbers && most < classes)
            subject->class_of[label] = label;
        if (set->used[label] > 0 && subject->class_of[label] == NO_CLASS)
            return tnm_fail(err, TNM_EINPUT, "label %u is none of the %zu classes of \"%s\"", label,
                            classes, served->name);
    }
    return true;
}

bool evaluation_match(struct evaluation *evaluation, struct tnm_error *err) {
    const struct labelled *set = &evaluation->set;
    for (size_t i = 0; i < evaluation->n; i++) {
        struct subject *subject = &evaluation->subject[i];
        if (tnm_model_inputs(subject->served->model) != inputs_of(set))
            return tnm_fail(err, TNM_EUNSUPPORTED, "pictures of %ux%u, but \"%s\" takes %zu values",
                            set->width, set->height, subject->served->name,
                            tnm_model_inputs(subject->served->model));
        if (!match_labels(set, subject, err))
            return false;
    }
    return true;
}

// ---- Running -----------------------------------------------------------------------------------

static uint64_t cpu_clock_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

// What reading that clock takes, which is a call of the kernel: it stays out of the durations.
static uint64_t clock_cost_ns(void) {
    uint64_t least = UINT64_MAX;
    for (uint64_t i = 0, before = cpu_clock_ns(), now; i < 32; i++, before = now) {
        now = cpu_clock_ns();
        least = now - before < least ? now - before : least;
    }
    return least;
}

static bool answer_one(const struct evaluation *evaluation, struct subject *subject, uint32_t i,
                       struct tnm_error *err) {
    const float *x = evaluation->x + i * inputs_of(&evaluation->set);
    switch (answer_try(subject->served, x, &subject->answer)) {
    case ANSWER_NO_MEMORY:
        return tnm_fail(err, TNM_ENOMEM, "no memory for a session now");
    case ANSWER_NOT_FINITE:
        return tnm_fail(err, TNM_ESELFTEST, "picture %u is too much for \"%s\"",
                        evaluation->done + i, subject->served->name);
    default:
        subject->chunk_class[i] = (uint32_t)subject->answer.best[0];
        return true;
    }
}

// One model through the chunk. False with an error, or without where the study is over. This thread
// gives way to others, so that only its own time says how fast a model is.
static bool run_subject(const struct evaluation *evaluation, struct subject *subject, uint32_t n,
                        const struct study *study, struct tnm_error *err) {
    uint64_t before = cpu_clock_ns();
    for (uint32_t i = 0; i < n; i++) {
        if (study_is_over(study) || !answer_one(evaluation, subject, i, err))
            return false;
        uint64_t now = cpu_clock_ns(), ns = now - before, cost = evaluation->clock_cost_ns;
        subject->chunk_ns[i] = ns > cost ? ns - cost : 0;
        before = now;
    }
    return true;
}

static bool is_right(const struct subject *subject, uint32_t i, uint8_t label) {
    return subject->chunk_class[i] == subject->class_of[label];
}

// A chunk counts when all have been through it.
static void count(struct evaluation *evaluation, struct subject *subject, uint32_t n) {
    const struct subject *reference = &evaluation->subject[evaluation->reference];
    const uint8_t *label = evaluation->set.label + evaluation->done;
    for (uint32_t i = 0; i < n; i++) {
        const bool right = is_right(subject, i, label[i]);
        const bool reference_right = is_right(reference, i, label[i]);
        subject->correct += right;
        subject->only_this += right && !reference_right;
        subject->only_reference += !right && reference_right;
        if (subject->confusion != NULL)
            subject->confusion[subject->class_of[label[i]] * subject->answer.n +
                               subject->chunk_class[i]]++;
        spread_add(&subject->infer, subject->chunk_ns[i]);
        subject->cpu_ns += subject->chunk_ns[i];
    }
}

static bool run_chunk(struct evaluation *evaluation, uint32_t n, const struct study *study,
                      struct tnm_error *err) {
    if (!labelled_read(&evaluation->set, n, evaluation->pixel, err))
        return false;
    tnm_prepare_scale(evaluation->pixel, n * inputs_of(&evaluation->set), evaluation->x);
    for (size_t i = 0; i < evaluation->n; i++)
        if (!run_subject(evaluation, &evaluation->subject[i], n, study, err))
            return false;
    for (size_t i = 0; i < evaluation->n; i++)
        count(evaluation, &evaluation->subject[i], n);
    evaluation->done += n;
    return true;
}

bool evaluation_run(struct evaluation *evaluation, const struct study *study,
                    struct tnm_error *err) {
    *err = (struct tnm_error){0};
    if (!take_room(evaluation, err))
        return false;
    evaluation->clock_cost_ns = clock_cost_ns();
    for (uint32_t n = FIRST_CHUNK; evaluation->done < evaluation->set.n; n *= 2) {
        n = n < evaluation->chunk ? n : evaluation->chunk;
        uint32_t left = evaluation->set.n - evaluation->done;
        if (!run_chunk(evaluation, n < left ? n : left, study, err))
            break;
    }
    return err->code == TNM_OK;
}
