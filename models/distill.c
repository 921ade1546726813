/* SPDX-License-Identifier: MIT */
// Teachers of a network.
#include "models/distill.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/checksum.h"
#include "core/error.h"
#include "core/save.h"

enum { ROOM = 64 }; // inputs that a teacher answers side by side

// What one thread needs to ask.
struct distill_bench {
    struct tnm_session *session[DISTILL_MAX_TEACHERS];
    float *x;          // (ROOM, inputs)
    float *logits;     // (ROOM, outputs)
    float *mean;       // (ROOM, outputs)
    uint32_t at[ROOM]; // which input of the call each of them is
};

// ---- Opening -----------------------------------------------------------------------------------

static bool check_labels(const struct tnm_model *teacher, char *const *label, uint32_t n,
                         struct tnm_error *err) {
    for (uint32_t i = 0; i < n; i++)
        if (strcmp(tnm_model_label(teacher, i), label[i]) != 0)
            return tnm_fail(err, TNM_EINPUT, "class %u is \"%.60s\", the network's \"%.60s\"", i,
                            tnm_model_label(teacher, i), label[i]);
    return true;
}

static bool add_teacher(struct distill *d, const char *path, char *const *label, uint32_t n_labels,
                        struct tnm_error *err) {
    if (d->n_teachers == DISTILL_MAX_TEACHERS)
        return tnm_fail(err, TNM_ELIMIT, "more than %d teachers", DISTILL_MAX_TEACHERS);
    struct tnm_model *teacher = tnm_model_open(path, err);
    if (teacher == NULL)
        return false;
    d->teacher[d->n_teachers++] = teacher;
    if (tnm_model_inputs(teacher) != d->inputs || tnm_model_outputs(teacher) != d->outputs)
        return tnm_fail(err, TNM_EINPUT,
                        "teacher %.100s: %zu inputs and %zu outputs, the network has %u and %u",
                        path, tnm_model_inputs(teacher), tnm_model_outputs(teacher), d->inputs,
                        d->outputs);
    return check_labels(teacher, label, n_labels, err) || tnm_fail_in(err, "teacher %.150s", path);
}

static bool add_teachers(struct distill *d, const char *names, char *const *label,
                         uint32_t n_labels, struct tnm_error *err) {
    char *list = strdup(names), *rest = NULL;
    bool ok = list != NULL || tnm_fail_errno(err, ENOMEM, "teachers");
    for (char *name = ok ? strtok_r(list, ",", &rest) : NULL; ok && name != NULL;
         name = strtok_r(NULL, ",", &rest))
        ok = add_teacher(d, name, label, n_labels, err);
    free(list);
    return ok && (d->n_teachers > 0 || tnm_fail(err, TNM_EINPUT, "no teacher is named"));
}

static bool open_bench(const struct distill *d, struct distill_bench *bench,
                       struct tnm_error *err) {
    bench->x = malloc(ROOM * (size_t)d->inputs * sizeof *bench->x);
    bench->logits = malloc(ROOM * (size_t)d->outputs * sizeof *bench->logits);
    bench->mean = malloc(ROOM * (size_t)d->outputs * sizeof *bench->mean);
    if (bench->x == NULL || bench->logits == NULL || bench->mean == NULL)
        return tnm_fail_errno(err, ENOMEM, "teachers");
    for (uint32_t t = 0; t < d->n_teachers; t++)
        if ((bench->session[t] = tnm_session_open(d->teacher[t], ROOM, err)) == NULL)
            return false;
    return true;
}

bool distill_open(struct distill *d, const char *names, uint32_t inputs, uint32_t outputs,
                  char *const *label, uint32_t n_labels, uint32_t threads, struct tnm_error *err) {
    *d = (struct distill){
        .temperature = 2, .weight = 0.9f, .threads = threads, .inputs = inputs, .outputs = outputs};
    bool ok = add_teachers(d, names, label, n_labels, err);
    if (ok && (d->bench = calloc(threads, sizeof *d->bench)) == NULL)
        ok = tnm_fail_errno(err, ENOMEM, "teachers");
    for (uint32_t t = 0; ok && t < threads; t++)
        ok = open_bench(d, &d->bench[t], err);
    if (!ok)
        distill_close(d);
    return ok;
}

// The file is this, the floats, and a byte for each copy that is 1 where it is known; all in the
// order of this machine, as it is no use elsewhere.
struct head {
    char magic[16];
    uint8_t key[32]; // SHA-256 of what the answers depend on
    uint32_t images, copies, outputs, zero;
};

static const char magic[16] = "tnm teachers 1";

bool distill_remember(struct distill *d, uint32_t images, uint32_t copies, struct tnm_error *err) {
    size_t n = (size_t)images * copies, soft = n * d->outputs * sizeof *d->soft;
    struct head *head = d->memory = calloc(1, d->len = sizeof *head + soft + n);
    if (head == NULL)
        return tnm_fail_errno(err, ENOMEM, "what teachers say of %u copies of %u images", copies,
                              images);
    *head = (struct head){.images = images, .copies = copies, .outputs = d->outputs};
    memcpy(head->magic, magic, sizeof magic);
    d->soft = (float *)(head + 1);
    d->known = (uint8_t *)(head + 1) + soft;
    d->images = images;
    d->copies = copies;
    return true;
}

static void make_key(const struct distill *d, const char *key, uint8_t digest[32]) {
    char all[DISTILL_MAX_TEACHERS * 65 + 512];
    int n = snprintf(all, sizeof all, "%.400s temperature %.9g", key, (double)d->temperature);
    for (uint32_t t = 0; t < d->n_teachers; t++)
        n += snprintf(all + n, sizeof all - (size_t)n, " %s", tnm_model_digest(d->teacher[t]));
    tnm_sha256(all, (size_t)n, digest);
}

static uint64_t count_known(const struct distill *d) {
    uint64_t n = 0;
    for (size_t i = 0; i < (size_t)d->images * d->copies; i++)
        n += d->known[i] == 1;
    return n;
}

// Reads the whole of an open file over memory, if it is the right one.
static bool read_kept(struct distill *d, FILE *file, struct tnm_error *err) {
    struct head head, *own = d->memory;
    if (fread(&head, sizeof head, 1, file) != 1 || memcmp(head.magic, magic, sizeof magic) != 0)
        return tnm_fail(err, TNM_EINPUT, "%s: not a file of what teachers said", d->path);
    if (memcmp(&head, own, sizeof head) != 0)
        return tnm_fail(err, TNM_EINPUT,
                        "%s: of other teachers, temperature, images or copies; remove it to begin "
                        "anew",
                        d->path);
    size_t rest = d->len - sizeof head;
    if (fread(own + 1, 1, rest, file) != rest || fgetc(file) != EOF)
        return tnm_fail(err, TNM_EINPUT, "%s: damaged; remove it to begin anew", d->path);
    d->stored = count_known(d);
    return true;
}

bool distill_keep(struct distill *d, const char *path, const char *key, struct tnm_error *err) {
    d->path = path;
    make_key(d, key, ((struct head *)d->memory)->key);
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return errno == ENOENT || tnm_fail_errno(err, errno, "cannot open %s", path);
    bool ok = read_kept(d, file, err);
    fclose(file);
    return ok;
}

bool distill_store(struct distill *d, struct tnm_error *err) {
    uint64_t known = d->path != NULL ? count_known(d) : 0;
    if (known == d->stored)
        return true;
    d->stored = known;
    return tnm_write_file(d->path, d->memory, d->len, err);
}

void distill_close(struct distill *d) {
    for (uint32_t i = 0; d->bench != NULL && i < d->threads; i++) {
        for (uint32_t t = 0; t < d->n_teachers; t++)
            tnm_session_close(d->bench[i].session[t]);
        free(d->bench[i].x);
        free(d->bench[i].logits);
        free(d->bench[i].mean);
    }
    for (uint32_t t = 0; t < d->n_teachers; t++)
        tnm_model_close(d->teacher[t]);
    free(d->bench);
    free(d->memory);
    *d = (struct distill){0};
}

// ---- Asking ------------------------------------------------------------------------------------

// Adds share times the softmax of z / temperature to mean.
static void add_softened(const float *z, uint32_t n, float temperature, float share, float *mean) {
    float most = z[0], sum = 0;
    for (uint32_t k = 1; k < n; k++)
        most = fmaxf(most, z[k]);
    for (uint32_t k = 0; k < n; k++)
        sum += expf((z[k] - most) / temperature);
    for (uint32_t k = 0; k < n; k++)
        mean[k] += share * expf((z[k] - most) / temperature) / sum;
}

// The first n inputs on the bench.
static void run_teachers(const struct distill *d, struct distill_bench *bench, uint32_t n) {
    memset(bench->mean, 0, (size_t)n * d->outputs * sizeof *bench->mean);
    for (uint32_t t = 0; t < d->n_teachers; t++) {
        tnm_session_run(bench->session[t], bench->x, n, bench->logits);
        for (size_t i = 0; i < n; i++)
            add_softened(bench->logits + i * d->outputs, d->outputs, d->temperature,
                         1 / (float)d->n_teachers, bench->mean + i * d->outputs);
    }
}

// Where copy c of an image is remembered; SIZE_MAX: nowhere.
static size_t place_of(const struct distill *d, uint32_t image, uint32_t copy) {
    return copy < d->copies ? (size_t)copy * d->images + image : SIZE_MAX;
}

void distill_ask(struct distill *d, uint32_t thread, const float *x, const uint32_t *image,
                 const uint16_t *copy, uint32_t n, float *soft) {
    struct distill_bench *bench = &d->bench[thread];
    size_t bytes = d->outputs * sizeof *soft;
    uint32_t waiting = 0;
    for (uint32_t i = 0; i < n; i++) {
        size_t place = place_of(d, image[i], copy[i]);
        bool known = place != SIZE_MAX && d->known[place];
        if (known) {
            memcpy(soft + (size_t)i * d->outputs, d->soft + place * d->outputs, bytes);
        } else {
            memcpy(bench->x + (size_t)waiting * d->inputs, x + (size_t)i * d->inputs,
                   d->inputs * sizeof *x);
            bench->at[waiting++] = i;
        }
        if (waiting < ROOM && i + 1 < n)
            continue;
        run_teachers(d, bench, waiting);
        for (uint32_t k = 0; k < waiting; k++) {
            uint32_t at = bench->at[k];
            const float *said = bench->mean + (size_t)k * d->outputs;
            memcpy(soft + (size_t)at * d->outputs, said, bytes);
            place = place_of(d, image[at], copy[at]);
            if (place == SIZE_MAX)
                continue;
            memcpy(d->soft + place * d->outputs, said, bytes);
            d->known[place] = 1;
        }
        waiting = 0;
    }
}
