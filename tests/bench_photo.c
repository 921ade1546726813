/* SPDX-License-Identifier: MIT */
// How many photograph-like pictures of test digits a published model gets right, kind by kind, and
// what decoding and preparing them takes. TNM_PHOTOS=n pictures a kind (300), TNM_MODEL=file.
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/prepare.h"
#include "daemon/picture.h"
#include "tests/photo.h"

struct tally {
    uint32_t pictures, correct, missed;
    double decode_ms, prepare_ms;
};

struct bench {
    struct tnm_model *model;
    struct tnm_session *session;
    uint8_t *digits, *labels;
};

static double cpu_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static uint32_t classify(const struct bench *b, const uint8_t input[784]) {
    float x[784], logits[10];
    uint32_t best = 0;
    tnm_prepare_scale(input, 784, x);
    tnm_session_run(b->session, x, 1, logits);
    for (uint32_t i = 1; i < 10; i++)
        best = logits[i] > logits[best] ? i : best;
    return best;
}

static void try_file(const struct bench *b, struct bytes file, uint32_t label, struct tally *t) {
    const struct tnm_recipe *recipe = tnm_model_recipe(b->model);
    struct picture_wish wish = {1, tnm_prepare_least_side(recipe), 50000000, (size_t)1 << 28};
    struct picture picture;
    struct tnm_prepared did;
    struct tnm_error err;
    uint8_t input[784];
    double start = cpu_ms();
    if (!picture_decode(file, &wish, &picture, &err)) {
        fprintf(stderr, "bench_photo: %s\n", err.text);
        exit(1);
    }
    double decoded = cpu_ms();
    struct tnm_pixels pixels = {picture.width, picture.height, 1, picture.at};
    if (!tnm_prepare(recipe, &pixels, input, &did, &err)) {
        fprintf(stderr, "bench_photo: %s\n", err.text);
        exit(1);
    }
    t->decode_ms += decoded - start;
    t->prepare_ms += cpu_ms() - decoded;
    t->pictures++;
    t->missed += !did.found;
    t->correct += did.found && classify(b, input) == label;
    picture_free(&picture);
}

static void add(struct tally *to, const struct tally *t) {
    to->pictures += t->pictures;
    to->correct += t->correct;
    to->missed += t->missed;
    to->decode_ms += t->decode_ms;
    to->prepare_ms += t->prepare_ms;
}

static void report(const char *what, const struct tally *t) {
    printf("%-20s %5.1f %% of %u right, nothing found in %u; decode %.2f ms, prepare %.2f ms\n",
           what, 100.0 * t->correct / t->pictures, t->pictures, t->missed,
           t->decode_ms / t->pictures, t->prepare_ms / t->pictures);
    fflush(stdout);
}

static struct tally try_kind(const struct bench *b, enum photo_kind kind, uint32_t width,
                             uint32_t height, uint32_t n, uint64_t salt) {
    struct tally t = {0};
    for (uint32_t i = 0; i < n; i++) {
        uint64_t seed = salt + 1000003 * (uint64_t)kind + i;
        uint32_t digit = (uint32_t)(seed * 2654435761u >> 9) % 10000;
        struct photo photo;
        size_t len;
        photo_make(&photo, kind, b->digits + 784 * digit, width, height, seed);
        uint8_t *file = photo_file(&photo, kind, &len);
        try_file(b, (struct bytes){file, len}, b->labels[digit], &t);
        free(file);
        photo_free(&photo);
    }
    return t;
}

static void open_all(struct bench *b) {
    const char *path = getenv("TNM_MODEL");
    struct tnm_error err = {.text = ""};
    b->model = tnm_model_open(path != NULL ? path : "models/mnist-mlp-5bit.tnm", &err);
    b->session = b->model != NULL ? tnm_session_open(b->model, 1, &err) : NULL;
    b->digits = photo_digits();
    b->labels = photo_labels();
    if (b->session == NULL || b->digits == NULL || b->labels == NULL ||
        tnm_model_inputs(b->model) != 784 || tnm_model_outputs(b->model) != 10) {
        fprintf(stderr, "bench_photo: %s\n", err.text[0] ? err.text : "no MNIST or not its model");
        exit(1);
    }
}

int main(void) {
    const char *wanted = getenv("TNM_PHOTOS");
    uint32_t n = wanted != NULL ? (uint32_t)strtoul(wanted, NULL, 10) : 300;
    struct bench b;
    struct tally all = {0};
    open_all(&b);
    for (enum photo_kind kind = 0; kind < PHOTO_KINDS; kind++) {
        bool drawn = kind == PHOTO_CANVAS || kind == PHOTO_PAINT;
        struct tally t = try_kind(&b, kind, drawn ? 280 : 640, drawn ? 280 : 480, n, 1);
        report(photo_kind_name[kind], &t);
        add(&all, &t);
    }
    report("all", &all);
    for (enum photo_kind kind = PHOTO_PAPER; kind <= PHOTO_SHADOW; kind++) {
        struct tally t = try_kind(&b, kind, 4000, 3000, n / 5 + 1, 500);
        char what[40];
        snprintf(what, sizeof what, "%s, 12 megapixels", photo_kind_name[kind]);
        report(what, &t);
    }
    tnm_session_close(b.session);
    tnm_model_close(b.model);
    free(b.digits);
    free(b.labels);
    return 0;
}
