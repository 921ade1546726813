/* SPDX-License-Identifier: MIT */
// What the daemon keeps of its answers, against slow and simple doubles of it.
#include "daemon/evaluation.h"
#include "daemon/feedback.h"
#include "daemon/replay.h"
#include "daemon/shadow.h"
#include "tests/made.h"
#include "tests/random.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct made made;
static struct tnm_model *model;

static void setup(void) {
    const struct tnm_limits limits = {1 << 24, 1 << 24};
    made = made_model(1, false);
    model = tnm_model_from_bytes(made.bytes, made.len, &limits, NULL);
    ck_assert_ptr_nonnull(model);
}

static void teardown(void) {
    tnm_model_close(model);
    made_free(&made);
}

// The model as if it served.
static struct served serve(const char *name) {
    return (struct served){
        .name = name, .digest = tnm_model_digest(model), .generation = 1, .model = model};
}

// ---- Feedback ----------------------------------------------------------------------------------

enum { SIZE = 7, STEPS = 3000 };

// The last SIZE answers as a list, newest first.
struct listed {
    char id[8];
    uint32_t item;
    size_t index;
    bool judged;
    char said[4];
};

static struct listed *find_listed(struct listed *list, size_t n, const char *id, uint32_t item) {
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i].id, id) == 0 && list[i].item == item)
            return &list[i];
    return NULL;
}

START_TEST(the_memory_is_a_list_of_the_last) {
    struct served served = serve("m");
    struct feedback *feedback = feedback_open(SIZE, NULL);
    struct listed list[SIZE] = {0};
    struct randomness random;
    size_t n = 0;
    uint64_t judged = 0, correct = 0;
    random_start(&random, 1);
    for (unsigned step = 0; step < STEPS; step++) {
        char id[8], label[4];
        uint32_t item = random_between(&random, 0, 1);
        snprintf(id, sizeof id, "%u", random_between(&random, 0, 6));
        snprintf(label, sizeof label, "%u", random_between(&random, 0, 2));
        if (random_percent(&random, 50)) {
            const struct seen seen = {.served = &served,
                                      .request_id = id,
                                      .item = item,
                                      .index = random_between(&random, 0, 2)};
            feedback_remember(feedback, &seen);
            memmove(list + 1, list, (SIZE - 1) * sizeof list[0]);
            list[0] = (struct listed){.item = item, .index = seen.index};
            memcpy(list[0].id, id, sizeof id);
            n += n < SIZE;
            continue;
        }
        struct feedback_verdict verdict;
        enum feedback_result want, got = feedback_judge(feedback, id, item, label, &verdict);
        struct listed *l = find_listed(list, n, id, item);
        if (l == NULL) {
            want = FEEDBACK_UNKNOWN;
        } else if (!l->judged) {
            want = FEEDBACK_COUNTED;
            l->judged = true;
            memcpy(l->said, label, sizeof label);
            judged++;
            correct += (size_t)atoi(label) == l->index;
        } else {
            want = strcmp(l->said, label) == 0 ? FEEDBACK_REPEATED : FEEDBACK_DIFFERS;
        }
        ck_assert_int_eq(got, want);
        if (l != NULL)
            ck_assert_uint_eq((size_t)atoi(verdict.label), l->index);
    }
    struct feedback_tally tally[FEEDBACK_MODELS];
    ck_assert_uint_eq(feedback_tallies(feedback, tally), 1);
    ck_assert_uint_eq(tally[0].judged, judged);
    ck_assert_uint_eq(tally[0].correct, correct);
    feedback_close(feedback);
}
END_TEST

// One more model than there are rows: the row longest unused goes, and its answers with it.
START_TEST(only_so_many_models_are_counted) {
    struct feedback *feedback = feedback_open(1000, NULL);
    struct feedback_verdict verdict;
    char name[16], id[16];
    for (unsigned i = 0; i <= FEEDBACK_MODELS; i++) {
        snprintf(name, sizeof name, "m%u", i);
        snprintf(id, sizeof id, "r%u", i);
        struct served served = serve(name);
        feedback_remember(feedback, &(struct seen){.served = &served, .request_id = id});
    }
    ck_assert_int_eq(feedback_judge(feedback, "r0", 0, "0", &verdict), FEEDBACK_UNKNOWN);
    for (unsigned i = 1; i <= FEEDBACK_MODELS; i++) {
        snprintf(id, sizeof id, "r%u", i);
        ck_assert_int_eq(feedback_judge(feedback, id, 0, "0", &verdict), FEEDBACK_COUNTED);
        ck_assert_str_eq(verdict.model + 1, id + 1);
    }
    struct feedback_tally tally[FEEDBACK_MODELS];
    ck_assert_uint_eq(feedback_tallies(feedback, tally), FEEDBACK_MODELS);
    feedback_close(feedback);
}
END_TEST

// ---- Replay ------------------------------------------------------------------------------------

// Inputs of two sizes, of bytes and of floats; each says its number.
static void keep(struct replay *replay, struct served *served, unsigned number) {
    uint8_t pixel[8];
    float x[8];
    char id[16];
    const size_t n = number % 3 == 0 ? 4 : 8;
    snprintf(id, sizeof id, "r%u", number);
    for (size_t i = 0; i < n; i++) {
        pixel[i] = (uint8_t)(number + i);
        x[i] = (float)number + 0.25F * (float)i;
    }
    const bool is_bytes = number % 2 == 0;
    if (is_bytes)
        tnm_prepare_scale(pixel, n, x);
    const struct seen seen = {.served = served,
                              .request_id = id,
                              .n = n,
                              .x = x,
                              .pixel = is_bytes ? pixel : NULL,
                              .index = number % 10,
                              .margin = number};
    replay_keep(replay, &seen);
}

static void expect_kept(struct replay *replay, unsigned number) {
    float x[8], room[8];
    char id[16], label[16];
    struct replayed out;
    const size_t n = number % 3 == 0 ? 4 : 8;
    ck_assert_int_eq(replay_read(replay, number, 12 - n, x, room, &out), REPLAY_OTHER_SIZE);
    ck_assert_int_eq(replay_read(replay, number, n, x, room, &out), REPLAY_READ);
    snprintf(id, sizeof id, "r%u", number);
    snprintf(label, sizeof label, "%u", number % 10);
    ck_assert_str_eq(out.request_id, id);
    ck_assert_str_eq(out.label, label);
    ck_assert_double_eq(out.margin, number);
    for (size_t i = 0; i < n; i++)
        if (number % 2 == 0)
            ck_assert_float_eq(x[i], (float)(uint8_t)(number + i) / 255.0F);
        else
            ck_assert_float_eq(x[i], (float)number + 0.25F * (float)i);
}

START_TEST(the_last_inputs_are_kept_as_they_were) {
    struct served served = serve("m");
    struct replay *replay = replay_open(5, REPLAY_MOST_BYTES, NULL);
    float x[8], room[8];
    struct replayed out;
    for (unsigned n = 0; n < 40; n++) {
        keep(replay, &served, n);
        uint64_t first, end = replay_range(replay, &first);
        ck_assert_uint_eq(end, n + 1);
        ck_assert_uint_eq(first, n < 5 ? 0 : n - 4);
        for (uint64_t i = first; i < end; i++)
            expect_kept(replay, (unsigned)i);
        ck_assert_int_eq(replay_read(replay, end, 8, x, room, &out), REPLAY_GONE);
        if (first > 0)
            ck_assert_int_eq(replay_read(replay, first - 1, 8, x, room, &out), REPLAY_GONE);
    }
    replay_close(replay);
}
END_TEST

// Inputs of 100 bytes: two fit into 256, though five were asked for; and none of 300 does.
START_TEST(large_inputs_leave_room_for_fewer) {
    static const float x[75];
    struct served served = serve("m");
    struct replay *replay = replay_open(5, 256, NULL);
    uint64_t first = 0;
    const struct seen large = {.served = &served, .request_id = "large", .n = 25, .x = x};
    const struct seen larger = {.served = &served, .request_id = "larger", .n = 75, .x = x};
    keep(replay, &served, 1);
    for (unsigned i = 0; i < 4; i++)
        replay_keep(replay, &large);
    ck_assert_uint_eq(replay_range(replay, &first), 5);
    ck_assert_uint_eq(first, 3);
    keep(replay, &served, 5);
    ck_assert_uint_eq(replay_range(replay, &first), 6);
    ck_assert_uint_eq(first, 3);
    expect_kept(replay, 5);
    replay_keep(replay, &larger);
    ck_assert_uint_eq(replay_range(replay, &first), 6);
    ck_assert_uint_eq(first, 3);
    keep(replay, &served, 6);
    expect_kept(replay, 6);
    replay_close(replay);
}
END_TEST

// ---- Shadow ------------------------------------------------------------------------------------

static const struct {
    const char *names;
    bool good;
} plans[] = {
    {"a", true},
    {"a,b", true},
    {"a-b_c.d", true},
    {"", false},
    {"a,", false},
    {",a", false},
    {"a,a", false},
    {"a,,b", false},
    {".a", false},
    {"a b", false},
    {"../../x", false},
    {"0123456789012345678901234567890123456789012345678901234567890123", false},
    {"a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p", true},
    {"a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q", false},
};

START_TEST(lists_of_models_are_checked) {
    struct shadow_plan plan = {0};
    struct tnm_error err = {0};
    bool good = shadow_plan_add(&plan, plans[_i].names, strlen(plans[_i].names), &err);
    ck_assert_int_eq(good, plans[_i].good);
    ck_assert_int_eq(err.code, good ? TNM_OK : TNM_EINPUT);
}
END_TEST

// ---- Durations ---------------------------------------------------------------------------------

static int compare_numbers(const void *a, const void *b) {
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

START_TEST(quantiles_are_those_of_a_sorted_list) {
    enum { N = 5000 };
    static uint64_t list[N];
    struct spread *spread = calloc(1, sizeof *spread);
    struct randomness random;
    random_start(&random, 7);
    ck_assert_double_eq(spread_quantile(spread, 0.5), 0);
    for (unsigned i = 0; i < N; i++) {
        list[i] = random_bits(&random) >> random_between(&random, 24, 63);
        spread_add(spread, list[i]);
    }
    qsort(list, N, sizeof list[0], compare_numbers);
    for (unsigned q = 1; q <= 100; q++) {
        double want = (double)list[N * q / 100 - 1];
        ck_assert_double_eq_tol(spread_quantile(spread, q / 100.0), want, want * 0.016 + 1e-9);
    }
    spread_add(spread, UINT64_MAX);
    ck_assert_double_gt(spread_quantile(spread, 1), 0x1p39);
    free(spread);
}
END_TEST

// ---- Evaluation --------------------------------------------------------------------------------

// So many blank pictures, and labels 0.
static void blank_set(uint32_t n, struct bytes *images, struct bytes *labels) {
    uint8_t *at = calloc(1, 16 + (size_t)n * MADE_INPUTS), *label = calloc(1, 8 + (size_t)n);
    ck_assert(at != NULL && label != NULL);
    const uint32_t head[] = {0x0803, n, 28, 28};
    for (size_t i = 0; i < 4; i++)
        store_u32(at + 4 * i, __builtin_bswap32(head[i]));
    store_u32(label, __builtin_bswap32(0x0801));
    store_u32(label + 4, __builtin_bswap32(n));
    *images = (struct bytes){at, 16 + (size_t)n * MADE_INPUTS};
    *labels = (struct bytes){label, 8 + (size_t)n};
}

// The run itself needs a shelf; see test_evaluate.c. Here: what is not to be run at all.
START_TEST(an_evaluation_of_other_classes_is_refused) {
    struct bytes images, labels;
    struct tnm_error err = {0};
    struct evaluation evaluation;
    const atomic_bool stop = false;
    struct served served = serve("m");
    blank_set(3, &images, &labels);
    ((uint8_t *)(uintptr_t)labels.at)[9] = 10;
    ck_assert(evaluation_open(&evaluation, 1, images, labels, &stop, &err));
    evaluation.subject[0].served = &served;
    ck_assert(!evaluation_match(&evaluation, &err));
    ck_assert_int_eq(err.code, TNM_EINPUT);
    ck_assert_str_eq(err.text, "label 10 is none of the 10 classes of \"m\"");
    evaluation_close(&evaluation);
    free((void *)(uintptr_t)images.at);
    free((void *)(uintptr_t)labels.at);
}
END_TEST

Suite *observe_suite(void);
Suite *observe_suite(void) {
    Suite *suite = suite_create("observe");
    TCase *t = tcase_create("observe");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, the_memory_is_a_list_of_the_last);
    tcase_add_test(t, only_so_many_models_are_counted);
    tcase_add_test(t, the_last_inputs_are_kept_as_they_were);
    tcase_add_test(t, large_inputs_leave_room_for_fewer);
    tcase_add_loop_test(t, lists_of_models_are_checked, 0, sizeof plans / sizeof *plans);
    tcase_add_test(t, quantiles_are_those_of_a_sorted_list);
    tcase_add_test(t, an_evaluation_of_other_classes_is_refused);
    suite_add_tcase(suite, t);
    return suite;
}
