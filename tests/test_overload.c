/* SPDX-License-Identifier: MIT */
// The real daemon with more to do than it can: who is refused and how, what is answered all the
// same, and that nothing of it is left afterwards. Times are for tests/bench_load.c.
#include "tests/made.h"
#include "tests/pictures.h"
#include "tests/scratch.h"
#include "tests/served.h"

#include <check.h>
#include <poll.h>
#include <png.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { CLIENTS = 12, BOMBS = 16 };

static struct served_run run;
static uint8_t *picture;
static size_t picture_len;

static uint8_t *grey(uint32_t width, uint32_t height) {
    uint8_t *pixel = calloc(width, height);
    ck_assert_ptr_nonnull(pixel);
    for (uint32_t y = height / 4; y < height / 2; y++)
        memset(pixel + (size_t)y * width + width / 3, 255, width / 8);
    return pixel;
}

static void teardown(void) {
    served_stop(&run);
    free(picture);
}

static int status_of(const char *path) {
    struct answer answer;
    ck_assert(request_once(run.daemon.port, "GET", path, NULL, NULL, NULL, 0, &answer));
    int status = answer.status;
    answer_free(&answer);
    return status;
}

static bool classifies(void *arg) {
    (void)arg;
    uint8_t pixels[MADE_INPUTS];
    struct answer answer;
    made_input(1, pixels);
    ck_assert(request_once(run.daemon.port, "POST", "/classify", NULL, "application/octet-stream",
                           pixels, sizeof pixels, &answer));
    int status = answer.status;
    answer_free(&answer);
    return status == 200;
}

static bool nothing_is_in_work(void *arg) {
    (void)arg;
    struct answer answer;
    ck_assert(request_once(run.daemon.port, "GET", "/metrics", NULL, NULL, NULL, 0, &answer));
    bool none = strstr(answer.body, "\ntnm_inflight 0\n") != NULL;
    answer_free(&answer);
    return none;
}

// ---- A full queue ------------------------------------------------------------------------------

struct crowd {
    atomic_bool stop;
    atomic_uint answered, refused, wrong, lost;
    pthread_t thread[CLIENTS];
};

static void judge(struct crowd *crowd, const struct answer *answer) {
    const char *later = answer_header(answer, "Retry-After");
    if (answer->status == 200)
        crowd->answered++;
    else if ((answer->status == 503 || answer->status == 429) && later != NULL && atoi(later) > 0)
        crowd->refused++;
    else
        crowd->wrong++;
}

static void *insist(void *arg) {
    struct crowd *crowd = arg;
    while (!crowd->stop) {
        struct answer answer;
        if (!request_once(run.daemon.port, "POST", "/classify", NULL, "image/jpeg", picture,
                          picture_len, &answer)) {
            crowd->lost++;
            return NULL;
        }
        judge(crowd, &answer);
        answer_free(&answer);
    }
    return NULL;
}

static bool was_full(void *arg) {
    const struct crowd *crowd = arg;
    return (crowd->refused >= CLIENTS && crowd->answered >= CLIENTS) ||
           crowd->wrong + crowd->lost > 0;
}

START_TEST(who_is_too_many_is_told_when_to_come_again) {
    uint8_t *pixel = grey(400, 300);
    picture = make_jpeg(pixel, 400, 300, 1, 80, 1, 0, &picture_len);
    free(pixel);
    served_start(&run, (const char *const[]){"--queue", "3", NULL});
    static struct crowd crowd;
    for (int i = 0; i < CLIENTS; i++)
        ck_assert_int_eq(pthread_create(&crowd.thread[i], NULL, insist, &crowd), 0);
    bool full = false;
    for (int i = 0; i < 20 || !full; i++) {
        ck_assert_int_eq(status_of("/healthz"), 200);
        ck_assert_int_eq(status_of("/readyz"), 200);
        ck_assert_int_eq(status_of("/metrics"), 200);
        full = full || eventually(was_full, &crowd);
        ck_assert(full);
    }
    crowd.stop = true;
    for (int i = 0; i < CLIENTS; i++)
        pthread_join(crowd.thread[i], NULL);
    ck_assert_uint_eq(crowd.wrong, 0);
    ck_assert_uint_eq(crowd.lost, 0);
    ck_assert(eventually(nothing_is_in_work, NULL));
    ck_assert(classifies(NULL));
}
END_TEST

// ---- Small requests with much behind them ------------------------------------------------------

static bool has_answer(const struct client *client) {
    struct pollfd wait = {.fd = client->fd, .events = POLLIN};
    return poll(&wait, 1, 0) > 0;
}

// A PNG of less than two KiB that unfolds to nearly two million pixels.
static uint8_t *make_bomb(size_t *len) {
    const struct png_kind kind = {.colour = PNG_COLOR_TYPE_GRAY, .depth = 8};
    uint8_t *pixel = calloc(1300, 1300);
    ck_assert_ptr_nonnull(pixel);
    uint8_t *file = make_png(pixel, 1300, 1300, kind, len);
    free(pixel);
    return file;
}

// Both HTTP threads get several, and health on a connection of either comes before the last of
// them.
START_TEST(health_does_not_wait_for_pictures_however_small_their_files) {
    struct client bomb[BOMBS], health[BOMBS];
    picture = make_bomb(&picture_len);
    ck_assert_uint_lt(picture_len, 4096);
    served_start(&run, NULL);
    // The threads take connections in turns.
    for (int i = 0; i < BOMBS; i++)
        ck_assert(client_open(&bomb[i], run.daemon.port));
    for (int i = 0; i < BOMBS; i++)
        ck_assert(client_open(&health[i], run.daemon.port));
    for (int i = 0; i < BOMBS; i++)
        ck_assert(client_printf(&bomb[i],
                                "POST /classify HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n",
                                picture_len) &&
                  client_send(&bomb[i], picture, picture_len));
    for (int i = 0; i < BOMBS; i++) {
        struct answer answer;
        ck_assert(client_get(&health[i], "/healthz", &answer));
        ck_assert_int_eq(answer.status, 200);
        answer_free(&answer);
    }
    int waiting = 0;
    for (int i = 0; i < BOMBS; i++)
        waiting += !has_answer(&bomb[i]);
    ck_assert_int_gt(waiting, 0);
    for (int i = 0; i < BOMBS; i++) {
        struct answer answer;
        bomb[i].timeout_ms = 120000; // sanitizers and emulators take long over pictures
        ck_assert(client_read(&bomb[i], &answer, false));
        ck_assert_int_eq(answer.status, 200);
        answer_free(&answer);
        client_close(&bomb[i]);
        client_close(&health[i]);
    }
}
END_TEST

Suite *overload_suite(void) {
    Suite *s = suite_create("overload");
    TCase *t = tcase_create("overload");
    tcase_add_checked_fixture(t, NULL, teardown);
    tcase_set_timeout(t, 240);
    tcase_add_test(t, who_is_too_many_is_told_when_to_come_again);
    tcase_add_test(t, health_does_not_wait_for_pictures_however_small_their_files);
    suite_add_tcase(s, t);
    return s;
}
