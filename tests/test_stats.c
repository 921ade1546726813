/* SPDX-License-Identifier: MIT */
// Counters, and how they are written down for Prometheus.
#include "daemon/stats.h"

#include "daemon/exposition.h"

#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

static struct stats *stats;
static struct stats_model *model;

static void setup(void) {
    struct tnm_error err;
    stats = stats_open(&err);
    model = stats_model_open();
    ck_assert_ptr_nonnull(stats);
    ck_assert_ptr_nonnull(model);
}

static void teardown(void) {
    stats_close(stats);
    stats_model_close(model);
}

static uint64_t requests(unsigned route, unsigned status) {
    unsigned i = 0;
    while (i < STATS_N_STATUSES - 1 && stats_status(i) != status)
        i++;
    return stats_read_requests(stats, route, i);
}

static uint64_t refused(const char *reason) {
    uint64_t n;
    const char *word;
    for (unsigned i = 0; (word = stats_read_refused(stats, i, &n)) != NULL; i++)
        if (strcmp(word, reason) == 0)
            return n;
    return 0;
}

// ---- Counting ----------------------------------------------------------------------------------

// A bound belongs to the bucket that it closes.
static const struct {
    uint64_t ns;
    unsigned bucket;
} durations[] = {{0, 0},
                 {25000, 0},
                 {25001, 1},
                 {50000, 1},
                 {999999, 5},
                 {1000000, 5},
                 {1000001, 6},
                 {2500000, 6},
                 {250000000, 12},
                 {250000001, 13},
                 {2500000000, 15},
                 {2500000001, 16},
                 {UINT64_C(3600000000000), 16}};

START_TEST(a_duration_is_in_the_first_bucket_that_holds_it) {
    struct stats_histogram histogram;
    stats_decode(stats, durations[_i].ns);
    stats_read_decode(stats, &histogram);
    ck_assert_uint_eq(histogram.n_buckets, 17);
    ck_assert_uint_eq(histogram.count, 1);
    for (unsigned b = 0; b < histogram.n_buckets; b++)
        ck_assert_uint_eq(histogram.bucket[b], b == durations[_i].bucket);
    ck_assert_double_eq_tol(histogram.sum, (double)durations[_i].ns / 1e9, 1e-12);
    for (unsigned b = 1; b < histogram.n_buckets - 1; b++)
        ck_assert_uint_gt(histogram.bound_ns[b], histogram.bound_ns[b - 1]);
}
END_TEST

START_TEST(each_status_has_its_counter_and_the_strange_ones_share_one) {
    for (unsigned status = 100; status < 600; status++)
        stats_request(stats, 3, status, 1000);
    unsigned known = 0;
    for (unsigned i = 0; stats_status(i) != 0; i++, known++)
        ck_assert_uint_eq(stats_read_requests(stats, 3, i), 1);
    ck_assert_uint_eq(known, STATS_N_STATUSES - 1);
    ck_assert_uint_eq(stats_read_requests(stats, 3, STATS_N_STATUSES - 1), 500 - known);
    ck_assert_uint_eq(requests(2, 200) + requests(4, 200), 0);
    struct stats_histogram histogram;
    stats_read_duration(stats, 3, &histogram);
    ck_assert_uint_eq(histogram.count, 500);
}
END_TEST

START_TEST(a_route_out_of_the_table_counts_as_none) {
    stats_request(stats, STATS_MAX_ROUTES - 1, 200, 1);
    stats_request(stats, STATS_MAX_ROUTES, 200, 1);
    stats_request(stats, UINT32_MAX, 200, 1);
    ck_assert_uint_eq(requests(STATS_MAX_ROUTES - 1, 200), 1);
    ck_assert_uint_eq(requests(0, 200), 2);
}
END_TEST

START_TEST(reasons_are_told_apart_by_their_letters) {
    static const char first[] = "too_long", second[] = "too_long";
    stats_refused(stats, first);
    stats_refused(stats, second);
    stats_refused(stats, "overloaded");
    ck_assert_uint_eq(refused("too_long"), 2);
    ck_assert_uint_eq(refused("overloaded"), 1);
    ck_assert_uint_eq(refused("no_model"), 0);
}
END_TEST

START_TEST(more_reasons_than_there_is_room_for_are_one) {
    static char word[200][16];
    uint64_t n, all = 0;
    unsigned words = 0;
    for (int i = 0; i < 200; i++) {
        snprintf(word[i], sizeof word[i], "word%d", i);
        stats_refused(stats, word[i]);
    }
    for (; stats_read_refused(stats, words, &n) != NULL; words++)
        all += n;
    ck_assert_uint_eq(words, STATS_MAX_REASONS);
    ck_assert_uint_eq(all, 200);
    ck_assert_uint_eq(refused("word0"), 1);
    ck_assert_uint_gt(refused("other"), 200 - STATS_MAX_REASONS);
    stats_refused(stats, "word199");
    ck_assert_uint_eq(refused("word199"), 0);
}
END_TEST

START_TEST(swaps_that_were_refused_have_no_duration) {
    uint64_t times;
    struct stats_histogram done;
    stats_swap(stats, true, 3000000);
    stats_swap(stats, false, 0);
    stats_swap(stats, false, 0);
    stats_read_swaps(stats, &times, &done);
    ck_assert_uint_eq(times, 2);
    ck_assert_uint_eq(done.count, 1);
    ck_assert_double_eq_tol(done.sum, 0.003, 1e-12);
}
END_TEST

START_TEST(classes_beyond_those_that_are_counted_share_one) {
    for (size_t i = 0; i < 1000; i++)
        stats_answer(model, i, 1000);
    for (size_t i = 0; i < STATS_MAX_LABELS; i++)
        ck_assert_uint_eq(stats_read_class(model, i), 1);
    ck_assert_uint_eq(stats_read_class(model, STATS_MAX_LABELS), 1000 - STATS_MAX_LABELS);
    stats_forget_classes(model);
    for (size_t i = 0; i <= STATS_MAX_LABELS; i++)
        ck_assert_uint_eq(stats_read_class(model, i), 0);
    ck_assert_uint_eq(stats_read_answers(model), 1000);
}
END_TEST

START_TEST(verdicts_are_kept_apart) {
    stats_shadow(model, true);
    for (int i = 0; i < 2; i++)
        stats_shadow(model, false);
    for (int i = 0; i < 3; i++)
        stats_feedback(model, true);
    for (int i = 0; i < 4; i++)
        stats_feedback(model, false);
    for (int i = 0; i < 5; i++)
        stats_cascade(model, true);
    for (int i = 0; i < 6; i++)
        stats_cascade(model, false);
    for (int i = 0; i < 7; i++)
        stats_degraded(model);
    const struct stats_verdicts v = stats_read_verdicts(model);
    const uint64_t got[] = {v.shadow[1],  v.shadow[0],  v.feedback[1], v.feedback[0],
                            v.cascade[1], v.cascade[0], v.degraded};
    for (unsigned i = 0; i < 7; i++)
        ck_assert_uint_eq(got[i], i + 1);
}
END_TEST

START_TEST(without_counters_nothing_happens) {
    stats_request(NULL, 1, 200, 1);
    stats_refused(NULL, "overloaded");
    stats_decode(NULL, 1);
    stats_swap(NULL, true, 1);
    stats_shadow_dropped(NULL);
    stats_answer(NULL, 0, 1);
    stats_shadow(NULL, true);
    stats_feedback(NULL, true);
    stats_cascade(NULL, true);
    stats_degraded(NULL);
    stats_forget_classes(NULL);
    stats_close(NULL);
    stats_model_close(NULL);
}
END_TEST

// ---- Threads -----------------------------------------------------------------------------------

enum { THREADS = 8, ROUNDS = 5000 };

static void *count_much(void *arg) {
    static const char *const word[] = {"overloaded", "a", "b", "c", "d", "e", "f", "g"};
    unsigned me = *(unsigned *)arg;
    for (unsigned i = 0; i < ROUNDS; i++) {
        stats_request(stats, me % 2, 200, i);
        stats_refused(stats, word[(me + i) % 8]);
        stats_answer(model, i % 10, 1000);
        stats_shadow(model, i % 2);
    }
    return NULL;
}

START_TEST(no_count_is_lost_between_threads) {
    pthread_t thread[THREADS];
    unsigned number[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        number[i] = i;
        ck_assert_int_eq(pthread_create(&thread[i], NULL, count_much, &number[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    ck_assert_uint_eq(requests(0, 200), THREADS * ROUNDS / 2);
    ck_assert_uint_eq(requests(1, 200), THREADS * ROUNDS / 2);
    for (size_t c = 0; c < 10; c++)
        ck_assert_uint_eq(stats_read_class(model, c), THREADS * ROUNDS / 10);
    ck_assert_uint_eq(stats_read_answers(model), THREADS * ROUNDS);
    ck_assert_uint_eq(stats_read_verdicts(model).shadow[0], THREADS * ROUNDS / 2);
    ck_assert_uint_eq(refused("overloaded"), ROUNDS);
    ck_assert_uint_eq(refused("g"), ROUNDS);
    struct stats_histogram histogram;
    stats_read_inference(model, &histogram);
    ck_assert_double_eq_tol(histogram.sum, 1e-6 * THREADS * ROUNDS, 1e-9);
}
END_TEST

// ---- Written down ------------------------------------------------------------------------------

static void expect_text(struct json_out *out, const char *want) {
    json_out_raw(out, "", 1);
    ck_assert(!out->failed);
    ck_assert_str_eq(out->at, want);
    json_out_free(out);
}

START_TEST(labels_are_escaped) {
    struct json_out out = {0};
    exposition_family(&out, "tnm_x", "gauge", "What it is.");
    exposition_count(&out, "tnm_x", LABELS({"a", "say \"yes\""}, {"b", "c:\\d\ne"}), 7);
    exposition_count(&out, "tnm_x", LABELS({"a", "sch\xc3\xb6n, {1}"}), 0);
    expect_text(&out, "# HELP tnm_x What it is.\n# TYPE tnm_x gauge\n"
                      "tnm_x{a=\"say \\\"yes\\\"\",b=\"c:\\\\d\\ne\"} 7\n"
                      "tnm_x{a=\"sch\xc3\xb6n, {1}\"} 0\n");
}
END_TEST

START_TEST(numbers_are_what_a_reader_of_floats_takes) {
    struct json_out out = {0};
    exposition_value(&out, "x", NULL, 0.9936);
    exposition_value(&out, "x", NULL, 1795543578.32);
    exposition_value(&out, "x", NULL, 2.5e-05);
    exposition_value(&out, "x", NULL, -1.0 / 0.0);
    exposition_value(&out, "x", NULL, 0.0 / 0.0);
    exposition_count(&out, "x", NULL, UINT64_MAX);
    expect_text(&out, "x 0.9936\nx 1795543578.32\nx 2.5e-05\nx -Inf\nx NaN\n"
                      "x 18446744073709551615\n");
}
END_TEST

START_TEST(buckets_are_written_with_all_that_is_below_them) {
    static const uint64_t bound[] = {25000, 1000000, 2500000000};
    const struct stats_histogram histogram = {
        .bound_ns = bound, .n_buckets = 4, .bucket = {1, 0, 3, 2}, .count = 6, .sum = 1.25};
    struct json_out out = {0};
    exposition_histogram(&out, "t_seconds", LABELS({"m", "x"}), &histogram);
    exposition_histogram(&out, "u_seconds", NULL, &histogram);
    expect_text(&out, "t_seconds_bucket{m=\"x\",le=\"2.5e-05\"} 1\n"
                      "t_seconds_bucket{m=\"x\",le=\"0.001\"} 1\n"
                      "t_seconds_bucket{m=\"x\",le=\"2.5\"} 4\n"
                      "t_seconds_bucket{m=\"x\",le=\"+Inf\"} 6\n"
                      "t_seconds_sum{m=\"x\"} 1.25\nt_seconds_count{m=\"x\"} 6\n"
                      "u_seconds_bucket{le=\"2.5e-05\"} 1\nu_seconds_bucket{le=\"0.001\"} 1\n"
                      "u_seconds_bucket{le=\"2.5\"} 4\nu_seconds_bucket{le=\"+Inf\"} 6\n"
                      "u_seconds_sum 1.25\nu_seconds_count 6\n");
}
END_TEST

Suite *stats_suite(void) {
    Suite *s = suite_create("stats");
    TCase *t = tcase_create("stats");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, a_duration_is_in_the_first_bucket_that_holds_it, 0,
                        sizeof durations / sizeof durations[0]);
    tcase_add_test(t, each_status_has_its_counter_and_the_strange_ones_share_one);
    tcase_add_test(t, a_route_out_of_the_table_counts_as_none);
    tcase_add_test(t, reasons_are_told_apart_by_their_letters);
    tcase_add_test(t, more_reasons_than_there_is_room_for_are_one);
    tcase_add_test(t, swaps_that_were_refused_have_no_duration);
    tcase_add_test(t, classes_beyond_those_that_are_counted_share_one);
    tcase_add_test(t, verdicts_are_kept_apart);
    tcase_add_test(t, without_counters_nothing_happens);
    tcase_add_test(t, no_count_is_lost_between_threads);
    tcase_add_test(t, labels_are_escaped);
    tcase_add_test(t, numbers_are_what_a_reader_of_floats_takes);
    tcase_add_test(t, buckets_are_written_with_all_that_is_below_them);
    suite_add_tcase(s, t);
    return s;
}
