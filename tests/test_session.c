/* SPDX-License-Identifier: MIT */
// Whole graphs through plans and sessions.
#include <check.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/model.h"
#include "core/save.h"
#include "core/session.h"
#include "tests/allocations.h"
#include "tests/guard.h"
#include "tests/nets.h"

static const size_t no_limit = (size_t)1 << 30;

struct running {
    struct tnm_graph graph;
    struct tnm_plan *plan;
    struct tnm_session *session;
    size_t inputs, outputs;
};

static void open_on(struct running *run, unsigned max_batch) {
    struct tnm_error err = {.text = ""};
    ck_assert_msg(tnm_graph_check(&run->graph, &err), "%s", err.text);
    run->plan = tnm_plan_create(&run->graph, no_limit, &err);
    ck_assert_msg(run->plan != NULL, "%s", err.text);
    run->session = tnm_session_on_plan(run->plan, max_batch, no_limit, &err);
    ck_assert_msg(run->session != NULL, "%s", err.text);
    run->inputs = tnm_tensor_elements(&run->graph.tensor[run->graph.input]);
    run->outputs = tnm_tensor_elements(&run->graph.tensor[run->graph.output]);
}

static void close_all(struct running *run) {
    tnm_session_close(run->session);
    tnm_plan_free(run->plan);
    tnm_graph_free(&run->graph);
}

// Runs n random inputs one by one and all together, from and to guarded memory; compares some of
// the first way with the reference and all of the second with the first, to the bit.
static void check_running(struct running *run, unsigned n, struct randomness *r, const char *what) {
    size_t x_len = n * run->inputs * sizeof(float), y_len = n * run->outputs * sizeof(float);
    float *x = guard_high(x_len), *single = guard_high(y_len), *many = guard_low(y_len);
    struct nets_value *want = calloc(run->outputs, sizeof *want);
    random_fill(r, x, n * run->inputs, random_between(r, 0, 9) * 10);
    for (unsigned i = 0; i < n; i++) {
        float *at = single + i * run->outputs;
        tnm_session_run(run->session, x + i * run->inputs, 1, at);
        if (i < 3) // the reference is slow
            nets_reference(&run->graph, x + i * run->inputs, want);
        if (i < 3)
            nets_compare(at, want, run->outputs, what);
    }
    tnm_session_run(run->session, x, n, many);
    for (size_t i = 0; i < n * run->outputs; i++)
        ck_assert_msg(many[i] == single[i], "%s: of %u: element %zu: %.9g, alone %.9g", what, n, i,
                      (double)many[i], (double)single[i]);
    free(want);
    guard_free(x, x_len);
    guard_free(single, y_len);
    guard_free(many, y_len);
}

// ---- Networks -----------------------------------------------------------------------------------

static const struct nets_weights forms[] = {
    {.encoding = TNM_DENSE, .bits = 32, .zeros = 0},
    {.encoding = TNM_DENSE, .bits = 16, .zeros = 0},
    {.encoding = TNM_DENSE, .bits = 32, .zeros = 90},
    {.encoding = TNM_CSR, .bits = 32, .zeros = 94},
    {.encoding = TNM_CSR, .bits = 32, .zeros = 50, .no_bias = true},
    {.encoding = TNM_CSR, .bits = 32, .zeros = 99},
    {.encoding = TNM_CSR, .bits = 32, .zeros = 0},
    {.encoding = TNM_CSR_CODEBOOK, .bits = 5, .zeros = 94, .no_bias = true},
    {.encoding = TNM_CSR_CODEBOOK, .bits = 8, .zeros = 80},
    {TNM_CSR, 32, 90, false, 4, 1, 2},
    {TNM_CSR_CODEBOOK, 5, 90, false, 1, 4, 2},
};
enum { N_FORMS = sizeof forms / sizeof *forms };

START_TEST(mlp_agrees_with_double_precision) {
    struct randomness r;
    random_start(&r, (uint64_t)_i);
    struct running run;
    nets_mlp(&run.graph, &forms[_i], &r);
    open_on(&run, 40);
    static const unsigned batch[] = {2, 13, 75};
    for (unsigned i = 0; i < sizeof batch / sizeof *batch; i++)
        check_running(&run, batch[i], &r, "mlp");
    close_all(&run);
}
END_TEST

START_TEST(linear_of_any_shape_agrees) {
    struct randomness r;
    random_start(&r, 100 + (uint64_t)_i);
    struct running run;
    uint32_t cols = random_between(&r, 1, 70), rows = random_between(&r, 1, 40);
    nets_begin(&run.graph, 2, 1, &cols);
    uint32_t last = nets_linear(&run.graph, 0, rows, &forms[_i % N_FORMS], &r);
    if (_i % 3 == 0)
        nets_node(&run.graph, TNM_OP_RELU, 1, &last);
    else if (_i % 3 == 1)
        nets_clip(&run.graph, last, -0.25F, 0.5F);
    open_on(&run, random_between(&r, 1, 70));
    check_running(&run, random_between(&r, 1, 70), &r, "linear");
    close_all(&run);
}
END_TEST

START_TEST(wide_linear_agrees) {
    static const uint32_t size[][2] = {{16384, 3}, {16385, 5}, {40000, 2}, {3, 16381}, {5, 20000}};
    static const struct nets_weights sparse = {
        .encoding = TNM_CSR_CODEBOOK, .bits = 3, .zeros = 97};
    struct randomness r;
    random_start(&r, 200 + (uint64_t)_i);
    struct running run;
    nets_begin(&run.graph, 1, 1, &size[_i][0]);
    nets_linear(&run.graph, 0, size[_i][1], &sparse, &r);
    open_on(&run, 8);
    check_running(&run, 9, &r, "wide");
    close_all(&run);
}
END_TEST

START_TEST(lstm_of_any_size_agrees) {
    struct randomness r;
    random_start(&r, 800 + (uint64_t)_i);
    uint32_t dim[2] = {random_between(&r, 1, 6), random_between(&r, 1, 30)};
    struct running run;
    nets_begin(&run.graph, 3, 2, dim);
    uint32_t last =
        nets_lstm(&run.graph, 0, random_between(&r, 1, 20), _i % 2 == 0, &forms[_i % N_FORMS], &r);
    if (_i % 2 == 0)
        last = nets_lstm(&run.graph, last, random_between(&r, 1, 9), _i % 4 == 0,
                         &forms[(_i + 4) % N_FORMS], &r);
    if (_i % 3 == 0)
        nets_clip(&run.graph, last, -0.125F, 0.25F); // done by the lstm, which carries on without
    open_on(&run, random_between(&r, 1, 70));
    check_running(&run, random_between(&r, 1, 70), &r, "lstm");
    close_all(&run);
}
END_TEST

static struct tnm_window random_window(struct randomness *r, uint32_t groups) {
    struct tnm_window w = {.groups = groups};
    for (unsigned axis = 0; axis < 2; axis++) {
        w.kernel[axis] = random_between(r, 1, 5);
        w.stride[axis] = random_between(r, 1, 4);
        w.dilation[axis] = random_between(r, 1, 3);
        w.pad[axis] = random_between(r, 0, 6);
        w.pad[axis + 2] = random_between(r, 0, 6);
    }
    return w;
}

START_TEST(conv_of_any_window_agrees) {
    struct randomness r;
    random_start(&r, 300 + (uint64_t)_i);
    uint32_t groups = random_between(&r, 1, 3);
    struct tnm_window window = random_window(&r, groups);
    uint32_t dim[3] = {groups * random_between(&r, 1, 3), random_between(&r, 13, 20),
                       random_between(&r, 13, 30)};
    struct running run;
    nets_begin(&run.graph, 2, 3, dim);
    uint32_t last = nets_conv(&run.graph, 0, groups * random_between(&r, 1, 5), &window,
                              &forms[_i % N_FORMS], &r);
    if (_i % 2)
        nets_node(&run.graph, TNM_OP_RELU, 1, &last);
    open_on(&run, random_between(&r, 1, 40));
    check_running(&run, random_between(&r, 1, 9), &r, "conv");
    close_all(&run);
}
END_TEST

START_TEST(pool_of_any_window_agrees) {
    struct randomness r;
    random_start(&r, 500 + (uint64_t)_i);
    struct tnm_window window = random_window(&r, 1);
    for (unsigned axis = 0; axis < 4; axis++)
        window.pad[axis] %= (window.kernel[axis % 2] - 1) * window.dilation[axis % 2] + 1;
    uint32_t dim[3] = {random_between(&r, 1, 3), random_between(&r, 13, 20),
                       random_between(&r, 13, 30)};
    struct running run;
    nets_begin(&run.graph, 1, 3, dim);
    if (_i % 3 == 2)
        nets_node(&run.graph, TNM_OP_GLOBAL_POOL, 1, (const uint32_t[]){0});
    else
        nets_pool(&run.graph, _i % 3 ? TNM_OP_MAX_POOL : TNM_OP_AVERAGE_POOL, 0, &window);
    open_on(&run, random_between(&r, 1, 10));
    check_running(&run, random_between(&r, 1, 9), &r, "pool");
    close_all(&run);
}
END_TEST

START_TEST(random_graphs_agree) {
    struct randomness r;
    random_start(&r, 700 + (uint64_t)_i);
    struct running run;
    nets_random(&run.graph, random_between(&r, 1, 25), &r);
    open_on(&run, random_between(&r, 1, 40));
    check_running(&run, random_between(&r, 1, 40), &r, "graph");
    close_all(&run);
}
END_TEST

// ---- What running does besides
// -------------------------------------------------------------------

static const struct nets_weights shared = {.encoding = TNM_CSR_CODEBOOK, .bits = 5, .zeros = 94};

// What a table gives another gives too, to the bit.
START_TEST(the_answer_does_not_depend_on_the_table) {
    struct randomness r;
    float *x = malloc(9 * 784 * sizeof *x), y[2][9 * 10];
    random_start(&r, (uint64_t)_i);
    random_fill(&r, x, 9 * 784, 80);
    static const char *const off[] = {"neon", "avx2"};
    for (int i = 0; i < 2; i++) {
        setenv("TNM_CPU_OFF", off[i], 1);
        struct running run;
        random_start(&r, (uint64_t)_i);
        nets_mlp(&run.graph, &forms[_i], &r);
        open_on(&run, 8);
        ck_assert_int_eq(strcmp(run.plan->kernels.name, "scalar") == 0, i == 0);
        tnm_session_run(run.session, x, 9, y[i]);
        close_all(&run);
    }
    unsetenv("TNM_CPU_OFF");
    ck_assert_mem_eq(y[0], y[1], sizeof y[0]);
    free(x);
}
END_TEST

// FNV-1a over the answers of 60 random graphs. The number was computed on x86-64; it changes only
// with what nets_random draws. On 32-bit ARM, whose NEON unit has no subnormal numbers, it may
// differ.
START_TEST(the_answer_does_not_depend_on_the_machine) {
    uint32_t hash = 2166136261;
    unsetenv("TNM_SEED");
    for (uint64_t i = 0; i < 60; i++) {
        struct randomness r;
        struct running run;
        random_start(&r, i);
        nets_random(&run.graph, 25, &r);
        open_on(&run, 1U << i % 6);
        float *x = malloc(7 * run.inputs * sizeof *x), *y = malloc(7 * run.outputs * sizeof *y);
        random_fill(&r, x, 7 * run.inputs, 40);
        tnm_session_run(run.session, x, 7, y);
        for (size_t k = 0; k < 7 * run.outputs * sizeof *y; k++)
            hash = (hash ^ ((const uint8_t *)y)[k]) * 16777619;
        free(x);
        free(y);
        close_all(&run);
    }
    ck_assert_uint_eq(hash, 1407524490);
}
END_TEST

struct worker {
    pthread_t thread;
    const struct tnm_plan *plan;
    unsigned batch;
    const float *x;
    float y[20 * 10];
};

static void *run_worker(void *opaque) {
    struct worker *w = opaque;
    struct tnm_session *session = tnm_session_on_plan(w->plan, w->batch, no_limit, NULL);
    for (int i = 0; session != NULL && i < 50; i++)
        tnm_session_run(session, w->x, 20, w->y);
    tnm_session_close(session);
    return NULL;
}

START_TEST(threads_with_sessions_of_their_own_get_the_same_answers) {
    struct randomness r;
    random_start(&r, 0);
    struct running run;
    nets_mlp(&run.graph, &shared, &r);
    open_on(&run, 32);
    float *x = malloc(20 * 784 * sizeof *x), y[20 * 10];
    random_fill(&r, x, 20 * 784, 80);
    tnm_session_run(run.session, x, 20, y);
    struct worker worker[4];
    for (int i = 0; i < 4; i++) {
        worker[i] = (struct worker){.plan = run.plan, .batch = 1U << i, .x = x};
        ck_assert_int_eq(pthread_create(&worker[i].thread, NULL, run_worker, &worker[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(worker[i].thread, NULL);
        ck_assert_mem_eq(worker[i].y, y, sizeof y);
    }
    free(x);
    close_all(&run);
}
END_TEST

START_TEST(running_allocates_nothing) {
    struct randomness r;
    random_start(&r, 800 + (uint64_t)_i);
    struct running run;
    nets_random(&run.graph, 25, &r);
    open_on(&run, 8);
    uint64_t before = allocations();
    float *x = calloc(11 * run.inputs, sizeof *x), *y = calloc(11 * run.outputs, sizeof *y);
    ck_assert_uint_eq(allocations() - before, allocations_are_counted ? 2 : 0);
    before = allocations();
    tnm_session_run(run.session, x, 11, y);
    ck_assert_uint_eq(allocations(), before);
    free(x);
    free(y);
    close_all(&run);
}
END_TEST

START_TEST(a_session_is_one_allocation_within_its_limit) {
    struct randomness r;
    random_start(&r, 0);
    struct running run;
    struct tnm_error err;
    nets_mlp(&run.graph, &shared, &r);
    open_on(&run, 1);
    uint64_t before = allocations();
    struct tnm_session *session = tnm_session_on_plan(run.plan, 256, no_limit, &err);
    ck_assert_uint_eq(allocations() - before, allocations_are_counted ? 1 : 0);
    tnm_session_close(session);
    session = tnm_session_on_plan(run.plan, 256, 20000, &err); // fewer lanes, the same answers
    ck_assert_ptr_nonnull(session);
    float *x = malloc(20 * 784 * sizeof *x), y[2][20 * 10];
    random_fill(&r, x, 20 * 784, 80);
    tnm_session_run(run.session, x, 20, y[0]);
    tnm_session_run(session, x, 20, y[1]);
    ck_assert_mem_eq(y[0], y[1], sizeof y[0]);
    tnm_session_close(session);
    ck_assert_ptr_null(tnm_session_on_plan(run.plan, 1, 2000, &err));
    ck_assert_int_eq(err.code, TNM_ELIMIT);
    free(x);
    close_all(&run);
}
END_TEST

START_TEST(batches_beyond_the_limits_are_refused) {
    struct randomness r;
    random_start(&r, 0);
    struct running run;
    struct tnm_error err;
    nets_mlp(&run.graph, &shared, &r);
    open_on(&run, 65536);
    ck_assert_ptr_null(tnm_session_on_plan(run.plan, 0, no_limit, &err));
    ck_assert_int_eq(err.code, TNM_EINPUT);
    ck_assert_ptr_null(tnm_session_on_plan(run.plan, 65537, no_limit, &err));
    ck_assert_str_eq(err.text, "a batch of 65537 inputs, 1 to 65536 are allowed");
    float nothing = 0;
    tnm_session_run(run.session, &nothing, 0, &nothing);
    tnm_session_close(NULL);
    close_all(&run);
}
END_TEST

// ---- Models
// --------------------------------------------------------------------------------------

static struct tnm_model *model_of(const struct tnm_graph *graph) {
    struct tnm_meta meta = {.name = "net", .recipe = {.fit = TNM_FIT_NONE}};
    struct tnm_error err = {.text = ""};
    uint8_t *bytes;
    size_t len;
    ck_assert_msg(tnm_encode(graph, &meta, &bytes, &len, &err), "%s", err.text);
    struct tnm_limits limits = {no_limit, no_limit};
    struct tnm_model *model = tnm_model_from_bytes(bytes, len, &limits, &err);
    ck_assert_msg(model != NULL, "%s", err.text);
    free(bytes);
    return model;
}

START_TEST(a_model_from_bytes_gives_what_its_graph_gives) {
    struct randomness r;
    random_start(&r, 900 + (uint64_t)_i);
    struct running run;
    nets_random(&run.graph, random_between(&r, 1, 12), &r);
    open_on(&run, 4);
    struct tnm_model *model = model_of(&run.graph);
    struct tnm_session *session = tnm_session_open(model, 4, NULL);
    ck_assert_uint_eq(tnm_model_inputs(model), run.inputs);
    ck_assert_uint_eq(tnm_model_outputs(model), run.outputs);
    size_t y_len = 5 * run.outputs * sizeof(float);
    float *x = malloc(5 * run.inputs * sizeof *x), *y = malloc(y_len), *other = malloc(y_len);
    random_fill(&r, x, 5 * run.inputs, 50);
    tnm_session_run(run.session, x, 5, y);
    tnm_session_run(session, x, 5, other);
    ck_assert_mem_eq(y, other, y_len);
    free(x);
    free(y);
    free(other);
    tnm_session_close(session);
    tnm_model_close(model);
    close_all(&run);
}
END_TEST

START_TEST(probabilities_are_a_softmax_taken_once) {
    static const uint32_t dim = 3;
    static const float logits[] = {1000, 999, -1000};
    struct tnm_graph graph;
    nets_begin(&graph, 1, 1, &dim);
    nets_clip(&graph, 0, -1, 1);
    struct tnm_model *model = model_of(&graph);
    float p[3];
    tnm_model_probabilities(model, logits, p);
    ck_assert_float_eq_tol(p[0], (float)(1 / (1 + exp(-1.0))), 1e-7F);
    ck_assert_float_eq_tol(p[1], (float)(1 / (1 + exp(1.0))), 1e-7F);
    ck_assert(p[2] == 0);
    tnm_model_close(model);
    graph.node[0].op = TNM_OP_SOFTMAX;
    model = model_of(&graph);
    tnm_model_probabilities(model, p, p);
    ck_assert_float_eq_tol(p[0], (float)(1 / (1 + exp(-1.0))), 1e-7F);
    tnm_model_close(model);
    tnm_graph_free(&graph);
}
END_TEST

Suite *session_suite(void);
Suite *session_suite(void) {
    Suite *suite = suite_create("session");
    TCase *nets = tcase_create("networks");
    tcase_set_timeout(nets, 60);
    tcase_add_loop_test(nets, mlp_agrees_with_double_precision, 0, N_FORMS);
    tcase_add_loop_test(nets, linear_of_any_shape_agrees, 0, 60);
    tcase_add_loop_test(nets, wide_linear_agrees, 0, 5);
    tcase_add_loop_test(nets, lstm_of_any_size_agrees, 0, 18);
    tcase_add_loop_test(nets, conv_of_any_window_agrees, 0, 90);
    tcase_add_loop_test(nets, pool_of_any_window_agrees, 0, 60);
    suite_add_tcase(suite, nets);
    tcase_add_loop_test(nets, random_graphs_agree, 0, 150);
    TCase *running = tcase_create("running");
    tcase_set_timeout(running, 60);
    tcase_add_loop_test(running, the_answer_does_not_depend_on_the_table, 0, N_FORMS);
    tcase_add_test(running, the_answer_does_not_depend_on_the_machine);
    tcase_add_test(running, threads_with_sessions_of_their_own_get_the_same_answers);
    tcase_add_loop_test(running, running_allocates_nothing, 0, 20);
    tcase_add_test(running, a_session_is_one_allocation_within_its_limit);
    tcase_add_test(running, batches_beyond_the_limits_are_refused);
    suite_add_tcase(suite, running);
    TCase *models = tcase_create("models");
    tcase_add_loop_test(models, a_model_from_bytes_gives_what_its_graph_gives, 0, 20);
    tcase_add_test(models, probabilities_are_a_softmax_taken_once);
    suite_add_tcase(suite, models);
    return suite;
}
