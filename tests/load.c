/* SPDX-License-Identifier: MIT */
// Clients that ask and compare.
#include "tests/load.h"

#include "tests/client.h"
#include "tests/scratch.h"

#include <check.h>
#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void fault(struct load *load, atomic_uint *counter, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void fault(struct load *load, atomic_uint *counter, const char *format, ...) {
    va_list args;
    va_start(args, format);
    pthread_mutex_lock(&load->lock);
    if (*load->first_fault == '\0')
        vsnprintf(load->first_fault, sizeof load->first_fault, format, args);
    pthread_mutex_unlock(&load->lock);
    va_end(args);
    (*counter)++;
}

// The body says six decimals of what the engine gives.
static bool same_logits(const char *body, const float want[MADE_OUTPUTS]) {
    json_t *root = json_loads(body, 0, NULL);
    const json_t *logits = json_object_get(root, "logits");
    bool same = json_array_size(logits) == MADE_OUTPUTS;
    for (size_t i = 0; same && i < MADE_OUTPUTS; i++)
        same = fabs(json_number_value(json_array_get(logits, i)) - (double)want[i]) < 2e-6;
    json_decref(root);
    return same;
}

static void judge(struct load *load, unsigned input, const struct answer *answer) {
    if (answer->status != 200) {
        fault(load, &load->refused, "%d: %.200s", answer->status, answer->body);
        return;
    }
    const char *digest = answer_header(answer, "X-Model-Digest");
    for (size_t m = 0; digest != NULL && m < LOAD_MODELS; m++)
        if (strcmp(digest, load->digest[m]) == 0) {
            if (same_logits(answer->body, load->logits[m][input]))
                load->right++;
            else
                fault(load, &load->wrong, "model %zu, input %u: %.300s", m, input, answer->body);
            return;
        }
    fault(load, &load->wrong, "digest %s is none of ours", digest != NULL ? digest : "(none)");
}

// A reply by another model than the active one, as there was too much to do, has its generation.
static void judge_generation(struct load *load, long *last, const struct answer *answer) {
    const char *text = answer_header(answer, "X-Model-Generation");
    long generation = text != NULL ? atol(text) : 0;
    if (answer->status != 200 || answer_header(answer, "X-Degraded") != NULL)
        return;
    if (generation < *last || generation == 0)
        fault(load, &load->wrong, "generation %ld after %ld", generation, *last);
    *last = generation;
}

// The name asked by request n; NULL: the active model.
static const char *name_to_ask(const struct load *load, unsigned n) {
    return n % 4 == 3 ? load->also : NULL;
}

static bool ask(struct client *client, const char *name, unsigned input, struct answer *answer) {
    uint8_t pixels[MADE_INPUTS];
    char path[128];
    made_input(input, pixels);
    snprintf(path, sizeof path, "/classify?logits=1%s%s", name != NULL ? "&model=" : "",
             name != NULL ? name : "");
    return client_post(client, path, "application/octet-stream", pixels, sizeof pixels, answer);
}

// One connection, until told to stop or that it closes. False when that is the end.
static bool run_connection(struct load *load, unsigned *n) {
    struct client client;
    if (!client_open(&client, load->port)) {
        fault(load, &load->lost, "connection refused");
        return false;
    }
    bool closes = false;
    long generation = 0;
    while (!load->stop && !closes) {
        struct answer answer;
        const char *name = name_to_ask(load, *n);
        unsigned input = (*n)++ % LOAD_INPUTS;
        if (!ask(&client, name, input, &answer)) {
            fault(load, &load->lost, "no answer to request %u", *n);
            client_close(&client);
            return false;
        }
        judge(load, input, &answer);
        if (name == NULL && !load->several)
            judge_generation(load, &generation, &answer);
        closes = answer.closes;
        answer_free(&answer);
    }
    client_close(&client);
    load->ended += closes;
    return closes && load->reconnects && !load->stop;
}

static void *run_client(void *arg) {
    struct load *load = arg;
    unsigned n = 0;
    while (run_connection(load, &n))
        ;
    return NULL;
}

void load_start(struct load *load, uint16_t port, const struct made made[LOAD_MODELS]) {
    const struct tnm_limits limits = {1 << 24, 1 << 24};
    struct tnm_error err;
    load->port = port;
    load->clients = load->clients != 0 ? load->clients : LOAD_CLIENTS;
    pthread_mutex_init(&load->lock, NULL);
    for (unsigned m = 0; m < LOAD_MODELS; m++) {
        struct tnm_model *model = tnm_model_from_bytes(made[m].bytes, made[m].len, &limits, &err);
        ck_assert_msg(model != NULL, "%s", err.text);
        snprintf(load->digest[m], sizeof load->digest[m], "sha256:%.12s", tnm_model_digest(model));
        for (unsigned i = 0; i < LOAD_INPUTS; i++)
            made_answer(model, i, load->logits[m][i]);
        tnm_model_close(model);
    }
    for (unsigned i = 0; i < load->clients; i++)
        ck_assert_int_eq(pthread_create(&load->thread[i], NULL, run_client, load), 0);
}

struct progress {
    struct load *load;
    unsigned until;
};

static bool has_come(void *arg) {
    const struct progress *p = arg;
    const struct load *l = p->load;
    return l->right >= p->until || l->wrong + l->refused + l->lost > 0;
}

void load_wait(struct load *load, unsigned n) {
    struct progress p = {load, load->right + n};
    ck_assert_msg(eventually(has_come, &p), "%u answers", load->right);
}

void load_stop(struct load *load) {
    load->stop = true;
    for (unsigned i = 0; i < load->clients; i++)
        pthread_join(load->thread[i], NULL);
    ck_assert_msg(load->wrong + load->refused + load->lost == 0,
                  "%u right, %u wrong, %u refused, %u lost; the first: %s", load->right,
                  load->wrong, load->refused, load->lost, load->first_fault);
}
