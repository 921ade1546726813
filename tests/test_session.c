/* SPDX-License-Identifier: MIT */
// Whole graphs through plans and sessions.
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/session.h"
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

// Runs n random inputs one by one and all together, from and to guarded memory; compares the first
// way with the reference and the second with the first, to the bit.
static void check_running(struct running *run, unsigned n, struct randomness *r, const char *what) {
    size_t x_len = n * run->inputs * sizeof(float), y_len = n * run->outputs * sizeof(float);
    float *x = guard_high(x_len), *single = guard_high(y_len), *many = guard_low(y_len);
    struct nets_value *want = calloc(run->outputs, sizeof *want);
    random_fill(r, x, n * run->inputs, random_between(r, 0, 9) * 10);
    for (unsigned i = 0; i < n; i++) {
        float *at = single + i * run->outputs;
        tnm_session_run(run->session, x + i * run->inputs, 1, at);
        nets_reference(&run->graph, x + i * run->inputs, want);
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
    {TNM_DENSE, 32, 0, false}, {TNM_DENSE, 16, 0, false},       {TNM_DENSE, 32, 90, false},
    {TNM_CSR, 32, 94, false},  {TNM_CSR, 32, 50, true},         {TNM_CSR, 32, 99, false},
    {TNM_CSR, 32, 0, false},   {TNM_CSR_CODEBOOK, 5, 94, true}, {TNM_CSR_CODEBOOK, 8, 80, false},
};
enum { N_FORMS = sizeof forms / sizeof *forms };

START_TEST(mlp_agrees_with_double_precision) {
    struct randomness r;
    random_start(&r, (uint64_t)_i);
    struct running run;
    nets_mlp(&run.graph, &forms[_i], &r);
    open_on(&run, 40);
    static const unsigned batch[] = {1, 2, 3, 5, 13, 37, 75};
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
    static const struct nets_weights sparse = {TNM_CSR_CODEBOOK, 3, 97, false};
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

Suite *session_suite(void);
Suite *session_suite(void) {
    Suite *suite = suite_create("session");
    TCase *nets = tcase_create("networks");
    tcase_set_timeout(nets, 60);
    tcase_add_loop_test(nets, mlp_agrees_with_double_precision, 0, N_FORMS);
    tcase_add_loop_test(nets, linear_of_any_shape_agrees, 0, 60);
    tcase_add_loop_test(nets, wide_linear_agrees, 0, 5);
    tcase_add_loop_test(nets, conv_of_any_window_agrees, 0, 90);
    tcase_add_loop_test(nets, pool_of_any_window_agrees, 0, 60);
    suite_add_tcase(suite, nets);
    return suite;
}
