/* SPDX-License-Identifier: MIT */
// GET /metrics of the real daemon, read as Prometheus reads it.
#include "tests/made.h"
#include "tests/scratch.h"
#include "tests/served.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct served_run run;

static void setup(void) {
    served_start(&run, NULL);
}

static void teardown(void) {
    served_stop(&run);
}

// ---- Words for the tests -----------------------------------------------------------------------

static char *scrape(void) {
    struct answer answer;
    ck_assert(request_once(run.daemon.port, "GET", "/metrics", NULL, NULL, NULL, 0, &answer));
    ck_assert_int_eq(answer.status, 200);
    ck_assert_str_eq(answer_header(&answer, "Content-Type"),
                     "text/plain; version=0.0.4; charset=utf-8");
    char *text = strdup(answer.body);
    answer_free(&answer);
    return text;
}

// The value of the line that begins with series and a blank; NaN where there is none.
static double value_of(const char *text, const char *series) {
    size_t len = strlen(series);
    for (const char *line = text; *line != 0; line = strchr(line, '\n') + 1)
        if (strncmp(line, series, len) == 0 && line[len] == ' ')
            return strtod(line + len, NULL);
    return NAN;
}

static double now(const char *series) {
    char *text = scrape();
    double value = value_of(text, series);
    free(text);
    return value;
}

static void expect_value(const char *series, double want) {
    double got = now(series);
    ck_assert_msg(got == want, "%s is %g, not %g", series, got, want);
}

// Sends input i to path; the index that was answered, -1 for anything but 200.
static int ask(const char *path, unsigned i) {
    uint8_t pixels[MADE_INPUTS];
    struct answer answer;
    made_input(i, pixels);
    ck_assert(request_once(run.daemon.port, "POST", path, NULL, "application/octet-stream", pixels,
                           sizeof pixels, &answer));
    int index = -1;
    if (answer.status == 200) {
        json_t *root = served_json(&answer);
        index = (int)json_integer_value(json_object_get(root, "index"));
        json_decref(root);
    }
    answer_free(&answer);
    return index;
}

static int status_of(const char *method, const char *path) {
    struct answer answer;
    ck_assert(request_once(run.daemon.port, method, path, NULL, NULL, NULL, 0, &answer));
    int status = answer.status;
    answer_free(&answer);
    return status;
}

// ---- The form ----------------------------------------------------------------------------------

// The lines of a text, one after the other.
static char *next_line(char **rest) {
    char *line = *rest, *end = strchr(line, '\n');
    if (end == NULL)
        return NULL;
    *end = 0;
    *rest = end + 1;
    return line;
}

static bool is_name(const char *at, size_t len) {
    for (size_t i = 0; i < len; i++)
        if (!(at[i] == '_' || (at[i] >= 'a' && at[i] <= 'z') || (at[i] >= '0' && at[i] <= '9')))
            return false;
    return len > 0 && !(at[0] >= '0' && at[0] <= '9');
}

// Behind the labels, which must be well formed; at is at '{'.
static const char *skip_labels(const char *at) {
    do {
        const char *equals = strchr(++at, '=');
        ck_assert_ptr_nonnull(equals);
        ck_assert(is_name(at, (size_t)(equals - at)));
        ck_assert_int_eq(equals[1], '"');
        for (at = equals + 2; *at != '"'; at++) {
            ck_assert_int_ne(*at, 0);
            if (*at == '\\')
                ck_assert_ptr_nonnull(strchr("\\\"n", *++at));
        }
        at++;
    } while (*at == ',');
    ck_assert_int_eq(*at, '}');
    return at + 1;
}

// A family as its two first lines say.
struct family {
    char name[128], type[16];
};

static void begin_family(struct family *family, const char *line, char **rest) {
    char type_name[128];
    ck_assert_int_eq(sscanf(line, "# HELP %127s %*s", family->name), 1);
    ck_assert_msg(strlen(line) > strlen(family->name) + 12, "no help: %s", line);
    ck_assert_int_eq(line[strlen(line) - 1], '.');
    line = next_line(rest);
    ck_assert_ptr_nonnull(line);
    ck_assert_int_eq(sscanf(line, "# TYPE %127s %15s", type_name, family->type), 2);
    ck_assert_str_eq(type_name, family->name);
    bool is_counter = strcmp(family->type, "counter") == 0;
    size_t len = strlen(family->name);
    ck_assert_int_eq(is_counter, len > 6 && strcmp(family->name + len - 6, "_total") == 0);
    ck_assert(is_counter || strcmp(family->type, "gauge") == 0 ||
              strcmp(family->type, "histogram") == 0);
}

static void check_sample(const struct family *family, const char *line) {
    size_t len = strcspn(line, "{ ");
    ck_assert_msg(is_name(line, len), "%s", line);
    const char *suffix = line + strlen(family->name), *at = line + len;
    ck_assert_msg(strncmp(line, family->name, strlen(family->name)) == 0, "%s in the family %s",
                  line, family->name);
    size_t suffix_len = (size_t)(at - suffix);
    bool fits = strcmp(family->type, "histogram") != 0
                    ? suffix_len == 0
                    : (suffix_len == 7 && strncmp(suffix, "_bucket", 7) == 0) ||
                          (suffix_len == 4 && strncmp(suffix, "_sum", 4) == 0) ||
                          (suffix_len == 6 && strncmp(suffix, "_count", 6) == 0);
    ck_assert_msg(fits, "%s is a %s", line, family->type);
    if (*at == '{')
        at = skip_labels(at);
    char *end;
    ck_assert_int_eq(*at, ' ');
    double value = strtod(at + 1, &end);
    ck_assert_msg(*end == 0 && end > at + 1 && isfinite(value) && value >= 0, "%s", line);
}

static int compare_text(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

enum { MAX_LINES = 5000 };

// Each family and each series comes once.
static void check_form(const char *text) {
    static char *seen[MAX_LINES];
    char line_of_family[256];
    char *copy = strdup(text), *rest = copy;
    struct family family = {0};
    size_t n = 0;
    for (char *line; (line = next_line(&rest)) != NULL;) {
        ck_assert_uint_lt(n, MAX_LINES);
        if (strncmp(line, "# HELP ", 7) == 0) {
            begin_family(&family, line, &rest);
            snprintf(line_of_family, sizeof line_of_family, "# %s", family.name);
            seen[n++] = strdup(line_of_family);
        } else {
            check_sample(&family, line);
            *strrchr(line, ' ') = 0;
            seen[n++] = strdup(line);
        }
    }
    ck_assert_int_eq(*rest, 0);
    qsort(seen, n, sizeof seen[0], compare_text);
    for (size_t i = 1; i < n; i++)
        ck_assert_str_ne(seen[i - 1], seen[i]);
    for (size_t i = 0; i < n; i++)
        free(seen[i]);
    free(copy);
}

START_TEST(each_line_is_as_the_format_wants_it) {
    for (unsigned i = 0; i < 5; i++)
        ask("/classify", i);
    ask("/classify?model=two", 0);
    status_of("GET", "/nothing");
    status_of("PUT", "/classify");
    char *text = scrape();
    check_form(text);
    free(text);
}
END_TEST

static const char *const promised[] = {
    "tnm_requests_total{route=\"/classify\",code=\"200\"}",
    "tnm_request_duration_seconds_count{route=\"/classify\"}",
    "tnm_request_duration_seconds_bucket{route=\"/classify\",le=\"+Inf\"}",
    "tnm_inferences_total{model=\"one\"}",
    "tnm_inference_duration_seconds_sum{model=\"one\"}",
    "tnm_inference_duration_seconds_bucket{model=\"two\",le=\"2.5e-05\"}",
    "tnm_inference_duration_seconds_bucket{model=\"two\",le=\"0.1\"}",
    "tnm_decode_duration_seconds_count",
    "tnm_rejected_total{reason=\"overloaded\"}",
    "tnm_inflight",
    "tnm_admission_limit",
    "tnm_connections",
    "tnm_models{state=\"ready\"}",
    "tnm_model_bytes{model=\"one\"}",
    "tnm_model_nonzeros{model=\"one\"}",
    "tnm_model_compression_ratio{model=\"one\"}",
    "tnm_model_resident_bytes{model=\"one\"}",
    "tnm_model_active{model=\"one\"}",
    "tnm_swap_total{result=\"done\"}",
    "tnm_swap_total{result=\"refused\"}",
    "tnm_swap_duration_seconds_count",
    "tnm_generation",
    "tnm_shadow_total{model=\"one\",agree=\"true\"}",
    "tnm_shadow_dropped_total",
    "tnm_feedback_total{model=\"one\",correct=\"false\"}",
    "tnm_cascade_total{model=\"one\",escalated=\"true\"}",
    "tnm_degraded_total{model=\"one\"}",
    "tnm_predictions_total{model=\"one\",label=\"0\"}",
    "tnm_ready",
    "process_cpu_seconds_total",
    "process_resident_memory_bytes",
    "process_virtual_memory_bytes",
    "process_start_time_seconds",
    "process_open_fds",
    "process_max_fds",
};

START_TEST(what_is_promised_is_there) {
    ask("/classify", 0);
    char *text = scrape();
    for (size_t i = 0; i < sizeof promised / sizeof promised[0]; i++)
        ck_assert_msg(!isnan(value_of(text, promised[i])), "no %s", promised[i]);
    ck_assert_ptr_nonnull(strstr(text, "\ntnm_model_info{model=\"one\",digest=\""));
    ck_assert_ptr_nonnull(strstr(text, "\ntnm_build_info{version=\"" TNM_VERSION "\","));
    ck_assert_double_gt(value_of(text, "process_resident_memory_bytes"), 1e6);
    ck_assert_double_gt(value_of(text, "process_open_fds"), 3);
    free(text);
}
END_TEST

// ---- What is counted ---------------------------------------------------------------------------

START_TEST(answers_are_counted_by_model_and_class) {
    unsigned by_class[MADE_OUTPUTS] = {0};
    for (unsigned i = 0; i < 12; i++)
        by_class[ask("/classify", i)]++;
    for (unsigned i = 0; i < 5; i++)
        ask("/classify?model=two", i);
    char *text = scrape(), series[128];
    for (unsigned c = 0; c < MADE_OUTPUTS; c++) {
        snprintf(series, sizeof series, "tnm_predictions_total{model=\"one\",label=\"%u\"}", c);
        ck_assert_double_eq(value_of(text, series), by_class[c]);
    }
    ck_assert_double_eq(value_of(text, "tnm_inferences_total{model=\"one\"}"), 12);
    ck_assert_double_eq(value_of(text, "tnm_inferences_total{model=\"two\"}"), 5);
    ck_assert_double_eq(value_of(text, "tnm_inference_duration_seconds_count{model=\"two\"}"), 5);
    ck_assert_double_gt(value_of(text, "tnm_inference_duration_seconds_sum{model=\"two\"}"), 0);
    ck_assert_double_eq(value_of(text, "tnm_requests_total{route=\"/classify\",code=\"200\"}"), 17);
    ck_assert_double_eq(value_of(text, "tnm_request_duration_seconds_count{route=\"/classify\"}"),
                        17);
    ck_assert_double_gt(value_of(text, "tnm_request_duration_seconds_sum{route=\"/classify\"}"),
                        value_of(text, "tnm_inference_duration_seconds_sum{model=\"one\"}"));
    ck_assert_double_eq(value_of(text, "tnm_decode_duration_seconds_count"), 0); // no picture
    free(text);
}
END_TEST

START_TEST(a_picture_is_a_decode) {
    char picture[784 + 16];
    struct answer answer;
    int head = snprintf(picture, sizeof picture, "P5\n28 28\n255\n");
    memset(picture + head, 0, 784);
    picture[head + 400] = 99;
    ck_assert(request_once(run.daemon.port, "POST", "/classify", NULL, NULL, picture,
                           (size_t)head + 784, &answer));
    ck_assert_int_eq(answer.status, 200);
    answer_free(&answer);
    expect_value("tnm_decode_duration_seconds_count", 1);
}
END_TEST

START_TEST(refusals_are_counted_by_route_status_and_word) {
    ck_assert_int_eq(ask("/classify?model=none", 0), -1);
    ck_assert_int_eq(status_of("GET", "/nothing"), 404);
    ck_assert_int_eq(status_of("GET", "/nothing/else"), 404);
    ck_assert_int_eq(status_of("DELETE", "/classify"), 405);
    ck_assert_int_eq(status_of("POST", "/classify"), 400);
    expect_value("tnm_requests_total{route=\"/classify\",code=\"404\"}", 1);
    expect_value("tnm_requests_total{route=\"/classify\",code=\"400\"}", 1);
    expect_value("tnm_requests_total{route=\"none\",code=\"404\"}", 2);
    expect_value("tnm_requests_total{route=\"none\",code=\"405\"}", 1);
    expect_value("tnm_rejected_total{reason=\"model_not_found\"}", 1);
    expect_value("tnm_rejected_total{reason=\"not_found\"}", 2);
    expect_value("tnm_rejected_total{reason=\"method_not_allowed\"}", 1);
    expect_value("tnm_rejected_total{reason=\"malformed\"}", 1);
}
END_TEST

// Names of paths that clients think up must not become series.
START_TEST(series_do_not_grow_with_what_clients_ask) {
    char path[64];
    char *before = scrape();
    for (unsigned i = 0; i < 50; i++) {
        snprintf(path, sizeof path, "/models/name%u", i);
        ck_assert_int_eq(status_of("GET", path), 404);
        snprintf(path, sizeof path, "/path%u", i);
        ck_assert_int_eq(status_of("GET", path), 404);
    }
    char *after = scrape();
    ck_assert_ptr_null(strstr(after, "name1"));
    ck_assert_ptr_null(strstr(after, "path1"));
    ck_assert_double_eq(
        value_of(after, "tnm_requests_total{route=\"/models/{name}\",code=\"404\"}"), 50);
    // Two routes that had not been asked before, each with a histogram, and a few counters.
    ck_assert_uint_lt(strlen(after), strlen(before) + 6000);
    free(before);
    free(after);
}
END_TEST

static bool two_is_gone(void *arg) {
    (void)arg;
    char *text = scrape();
    bool gone = strstr(text, "\"two\"") == NULL;
    free(text);
    return gone;
}

START_TEST(the_series_of_a_model_go_with_it) {
    ask("/classify?model=two", 0);
    ck_assert(!two_is_gone(NULL));
    ck_assert_int_eq(unlink(scratch_path(run.folder, "two.tnm")), 0);
    ck_assert(eventually(two_is_gone, NULL));
    expect_value("tnm_models{state=\"ready\"}", 1);
    expect_value("tnm_inferences_total{model=\"one\"}", 0);
}
END_TEST

// ---- State -------------------------------------------------------------------------------------

static bool one_has_failed(void *arg) {
    (void)arg;
    return now("tnm_swap_total{result=\"refused\"}") == 1;
}

START_TEST(swaps_are_counted_and_the_active_model_is_marked) {
    expect_value("tnm_swap_total{result=\"done\"}", 2); // two files
    double generation = now("tnm_generation");
    ck_assert_int_eq(status_of("POST", "/models/two/activate"), 200);
    expect_value("tnm_swap_total{result=\"done\"}", 3);
    expect_value("tnm_swap_duration_seconds_count", 3);
    expect_value("tnm_generation", generation + 1);
    expect_value("tnm_model_active{model=\"one\"}", 0);
    expect_value("tnm_model_active{model=\"two\"}", 1);
    scratch_replace(scratch_path(run.folder, "three.tnm"), "not a model", 11);
    ck_assert(eventually(one_has_failed, NULL));
    expect_value("tnm_models{state=\"failed\"}", 1);
    ck_assert_int_eq(status_of("POST", "/models/three/activate"), 422);
    expect_value("tnm_swap_duration_seconds_count", 3);
}
END_TEST

START_TEST(being_ready_is_a_number) {
    expect_value("tnm_ready", 1);
    expect_value("tnm_inflight", 0); // the question itself does not count
    expect_value("tnm_admission_limit", 64);
}
END_TEST

static bool one_is_in_work(void *arg) {
    (void)arg;
    return now("tnm_inflight") == 1;
}

// The queue holds one request, whose body does not come to an end.
START_TEST(it_answers_while_the_daemon_is_full) {
    served_stop(&run);
    served_start(&run, (const char *const[]){"--queue", "1", NULL});
    struct client client;
    ck_assert(client_open(&client, run.daemon.port));
    ck_assert(client_printf(&client, "POST /classify HTTP/1.1\r\nHost: a\r\n"
                                     "Content-Length: 784\r\n\r\nbegun"));
    ck_assert(eventually(one_is_in_work, NULL));
    ck_assert_int_eq(ask("/classify", 0), -1);
    char *text = scrape();
    ck_assert_double_eq(value_of(text, "tnm_admission_limit"), 1);
    ck_assert_double_eq(value_of(text, "tnm_rejected_total{reason=\"overloaded\"}"), 1);
    ck_assert_double_eq(value_of(text, "tnm_requests_total{route=\"/classify\",code=\"503\"}"), 1);
    ck_assert_double_ge(value_of(text, "tnm_connections"), 2);
    free(text);
    client_close(&client);
}
END_TEST

START_TEST(who_is_late_is_counted) {
    served_stop(&run);
    served_start(&run, (const char *const[]){"--header-timeout", "1", NULL});
    struct client client;
    struct answer answer;
    ck_assert(client_open(&client, run.daemon.port));
    ck_assert(client_printf(&client, "GET /healthz HTTP/1.1\r\nHo"));
    ck_assert(client_read(&client, &answer, false));
    ck_assert_int_eq(answer.status, 408);
    answer_free(&answer);
    client_close(&client);
    expect_value("tnm_rejected_total{reason=\"timeout\"}", 1);
}
END_TEST

Suite *metrics_suite(void) {
    Suite *s = suite_create("metrics");
    TCase *t = tcase_create("metrics");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 240);
    tcase_add_test(t, each_line_is_as_the_format_wants_it);
    tcase_add_test(t, what_is_promised_is_there);
    tcase_add_test(t, answers_are_counted_by_model_and_class);
    tcase_add_test(t, a_picture_is_a_decode);
    tcase_add_test(t, refusals_are_counted_by_route_status_and_word);
    tcase_add_test(t, series_do_not_grow_with_what_clients_ask);
    tcase_add_test(t, the_series_of_a_model_go_with_it);
    tcase_add_test(t, swaps_are_counted_and_the_active_model_is_marked);
    tcase_add_test(t, being_ready_is_a_number);
    tcase_add_test(t, it_answers_while_the_daemon_is_full);
    tcase_add_test(t, who_is_late_is_counted);
    suite_add_tcase(s, t);
    return s;
}
