/* SPDX-License-Identifier: MIT */
// What a comparison of nine compression levels costs against nine requests that ask them one by
// one: CPU time of the server and time on the clock, over one kept connection and over a new one
// each. The two take turns within one run; the figures are the least of the rounds, and the ratio.
#include "tests/client.h"
#include "tests/daemon_run.h"
#include "tests/photo.h"
#include "tests/pictures.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LEVELS = 9, ROUNDS = 9, SIDE = 28 };

static const char *const level[LEVELS] = {
    "mnist-mlp-dense",     "mnist-mlp-pruned",    "mnist-mlp-8bit",
    "mnist-mlp-5bit",      "mnist-mlp-4bit",      "mnist-mlp-3bit",
    "mnist-mlp-packed-8k", "mnist-mlp-packed-4k", "mnist-mlp-packed-3k"};

struct body {
    const char *name, *type;
    const void *bytes;
    size_t len;
    unsigned repeats;
};

struct cost {
    double cpu_us, wall_us;
};

static double seconds(clockid_t clock) {
    struct timespec t;
    if (clock_gettime(clock, &t) != 0)
        abort();
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void ask(struct client *client, const char *path, const struct body *body) {
    struct answer answer;
    if (!client_post(client, path, body->type, body->bytes, body->len, &answer) ||
        answer.status != 200) {
        fprintf(stderr, "%s: no answer 200\n", path);
        exit(1);
    }
    answer_free(&answer);
}

// All levels, once.
static void ask_all(struct client *client, uint16_t port, bool compares, const struct body *body) {
    char path[2048] = "/compare?models=";
    struct client fresh;
    for (size_t i = 0; i < LEVELS; i++) {
        if (compares)
            strcat(strcat(path, i > 0 ? "," : ""), level[i]);
        else
            snprintf(path, sizeof path, "/classify?model=%s", level[i]);
        if (compares && i + 1 < LEVELS)
            continue;
        if (client == NULL && !client_open(&fresh, port))
            exit(1);
        ask(client != NULL ? client : &fresh, path, body);
        if (client == NULL)
            client_close(&fresh);
    }
}

static void measure(const struct daemon_run *run, struct client *client, bool compares,
                    const struct body *body, struct cost *least) {
    clockid_t server;
    if (clock_getcpuclockid(run->pid, &server) != 0)
        abort();
    double cpu = seconds(server), wall = seconds(CLOCK_MONOTONIC);
    for (unsigned i = 0; i < body->repeats; i++)
        ask_all(client, run->port, compares, body);
    least->cpu_us = fmin(least->cpu_us, (seconds(server) - cpu) * 1e6 / body->repeats);
    least->wall_us = fmin(least->wall_us, (seconds(CLOCK_MONOTONIC) - wall) * 1e6 / body->repeats);
}

static void bench(const struct daemon_run *run, bool keeps, const struct body *body) {
    struct cost one = {INFINITY, INFINITY}, nine = {INFINITY, INFINITY};
    struct client client;
    if (keeps && !client_open(&client, run->port))
        exit(1);
    for (int round = 0; round < ROUNDS; round++) {
        measure(run, keeps ? &client : NULL, true, body, &one);
        measure(run, keeps ? &client : NULL, false, body, &nine);
    }
    if (keeps)
        client_close(&client);
    printf("  %-20s %-10s CPU %8.1f us, %8.1f us for nine: %5.2f   wall %8.1f, %8.1f: %5.2f\n",
           body->name, keeps ? "kept" : "new", one.cpu_us, nine.cpu_us, nine.cpu_us / one.cpu_us,
           one.wall_us, nine.wall_us, nine.wall_us / one.wall_us);
}

// A 7 drawn by hand into 28 x 28, light on black.
static void draw_seven(uint8_t pixel[SIDE * SIDE]) {
    memset(pixel, 0, SIDE * SIDE);
    for (int x = 8; x <= 19; x++)
        pixel[7 * SIDE + x] = pixel[8 * SIDE + x] = 250;
    for (int y = 9; y <= 21; y++)
        for (int thick = 0; thick < 3; thick++)
            pixel[y * SIDE + 19 - (y - 9) * 2 / 3 - thick] = thick == 1 ? 255 : 160;
}

int main(void) {
    uint8_t pixel[SIDE * SIDE];
    draw_seven(pixel);
    struct photo photo;
    size_t small_len, large_len;
    photo_make(&photo, PHOTO_PAPER, pixel, 640, 480, 7);
    uint8_t *small = make_jpeg(pixel, SIDE, SIDE, 1, 90, 1, 0, &small_len);
    uint8_t *large = photo_jpeg(&photo, 80, &large_len);
    const struct body bodies[] = {
        {"784 raw bytes", "application/octet-stream", pixel, sizeof pixel, 200},
        {"28 x 28 JPEG", "image/jpeg", small, small_len, 200},
        {"640 x 480 photograph", "image/jpeg", large, large_len, 10},
    };
    struct daemon_run run;
    const char *const args[] = {"--models", "models", "--threads", "2", NULL};
    if (!daemon_start(&run, args))
        return 1;
    printf("one /compare of %d levels, and %d /classify; least of %d rounds; kept connection or "
           "new ones\n",
           LEVELS, LEVELS, ROUNDS);
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        bench(&run, true, &bodies[i]);
        bench(&run, false, &bodies[i]);
    }
    photo_free(&photo);
    free(small);
    free(large);
    return daemon_stop(&run);
}
