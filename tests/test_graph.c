/* SPDX-License-Identifier: MIT */
// What a graph may be: shapes by the rules of each operation, and every way to be refused.
#include <check.h>
#include <string.h>

#include "core/graph.h"
#include "tests/nets.h"

static const struct nets_weights full = {.encoding = TNM_DENSE, .bits = 32, .zeros = 0};

// (2, 6, 8) -> conv2d 3 x 3 -> (4, 4, 6) -> relu -> max_pool -> (4, 2, 3) -> reshape -> (24)
// -> linear -> (5)
static void make(struct tnm_graph *graph) {
    static const uint32_t dim[] = {2, 6, 8}, flat[] = {24};
    static const struct tnm_window conv = {{3, 3}, {1, 1}, {0}, {1, 1}, 1};
    static const struct tnm_window pool = {{2, 2}, {2, 2}, {0}, {1, 1}, 1};
    struct randomness r;
    random_start(&r, 0);
    nets_begin(graph, 5, 3, dim);
    uint32_t last = nets_conv(graph, 0, 4, &conv, &full, &r);
    last = nets_node(graph, TNM_OP_RELU, 1, &last);
    last = nets_pool(graph, TNM_OP_MAX_POOL, last, &pool);
    last = nets_reshape(graph, last, 1, flat);
    nets_linear(graph, last, 5, &full, &r);
}

START_TEST(a_valid_graph_passes) {
    struct tnm_graph graph;
    struct tnm_error err;
    make(&graph);
    ck_assert_msg(tnm_graph_check(&graph, &err), "%s", err.text);
    tnm_graph_free(&graph);
    ck_assert_ptr_null(graph.node);
    tnm_graph_free(&graph);
}
END_TEST

// ---- Refusals
// ------------------------------------------------------------------------------------

static void no_rank(struct tnm_graph *g) {
    g->tensor[1].rank = 0;
}
static void rank_five(struct tnm_graph *g) {
    g->tensor[1].rank = 5;
}
static void no_width(struct tnm_graph *g) {
    g->tensor[0].dim[2] = 0;
}
static void too_large(struct tnm_graph *g) {
    g->tensor[0].dim[0] = 1U << 31;
}
static void no_such_input(struct tnm_graph *g) {
    g->input = 6;
}
static void no_such_output(struct tnm_graph *g) {
    g->output = UINT32_MAX;
}
static void output_is_input(struct tnm_graph *g) {
    g->output = g->input;
}
static void operation_zero(struct tnm_graph *g) {
    g->node[1].op = (enum tnm_op)0;
}
static void operation_99(struct tnm_graph *g) {
    g->node[1].op = (enum tnm_op)99;
}
static void lstm(struct tnm_graph *g) {
    g->node[1].op = TNM_OP_LSTM;
}
static void two_inputs(struct tnm_graph *g) {
    g->node[1].n_inputs = 2;
}
static void input_beyond(struct tnm_graph *g) {
    g->node[1].input[0] = 6;
}
static void input_later(struct tnm_graph *g) {
    g->node[1].input[0] = 3;
}
static void output_beyond(struct tnm_graph *g) {
    g->node[1].output = 6;
}
static void written_twice(struct tnm_graph *g) {
    g->node[1].output = 1;
}
static void writes_input(struct tnm_graph *g) {
    g->node[1].output = 0;
}
static void never_written(struct tnm_graph *g) {
    g->n_nodes--;
}
static void no_weights(struct tnm_graph *g) {
    g->node[0].n_weights = 0;
}
static void relu_weights(struct tnm_graph *g) {
    g->node[1].n_weights = 1;
}
static void no_rows(struct tnm_graph *g) {
    g->node[4].w[0].rows = 0;
}
static void packed(struct tnm_graph *g) {
    g->node[4].w[0].encoding = TNM_PACKED;
}
static void wrong_columns(struct tnm_graph *g) {
    g->node[4].w[0].cols = 23;
}
static void wrong_rows(struct tnm_graph *g) {
    g->node[4].w[0].rows = 6;
}
static void linear_on_plane(struct tnm_graph *g) {
    g->node[4].input[0] = 3;
}
static void wrong_reshape(struct tnm_graph *g) {
    g->tensor[4].dim[0] = 25;
}
static void stride_zero(struct tnm_graph *g) {
    g->node[0].window.stride[0] = 0;
}
static void window_too_large(struct tnm_graph *g) {
    g->node[2].window.kernel[1] = 7;
}
static void dilation_wraps(struct tnm_graph *g) {
    g->node[2].window.dilation[0] = UINT32_MAX;
}
static void pads_wrap(struct tnm_graph *g) {
    g->node[0].window.pad[0] = g->node[0].window.pad[2] = UINT32_MAX;
}
static void wrong_window(struct tnm_graph *g) {
    g->node[0].window.kernel[0] = 2;
}
static void groups_do_not_divide(struct tnm_graph *g) {
    g->node[0].window.groups = 3;
}
static void no_groups(struct tnm_graph *g) {
    g->node[0].window.groups = 0;
}
static void pool_groups(struct tnm_graph *g) {
    g->node[2].window.groups = 2;
}
static void pool_on_padding(struct tnm_graph *g) {
    g->node[2].window.pad[0] = 2;
}
static void pool_jumps_over(struct tnm_graph *g) {
    g->node[2].window.pad[1] = g->node[2].window.pad[3] = 7;
    g->node[2].window.dilation[1] = 7;
}
static void too_many_nodes(struct tnm_graph *g) {
    g->n_nodes = TNM_MAX_NODES + 1;
}

static const struct {
    void (*damage)(struct tnm_graph *graph);
    int code;
    const char *text;
} refusals[] = {
    {no_rank, TNM_EFORMAT, "tensor 1: rank 0 is not 1 to 4"},
    {rank_five, TNM_EFORMAT, "tensor 1: rank 5 is not 1 to 4"},
    {no_width, TNM_EFORMAT, "tensor 0: dimension 2 is 0"},
    {too_large, TNM_EFORMAT, "tensor 0: more than 268435456 elements"},
    {no_such_input, TNM_EFORMAT, "input 6 and output 5 of the graph, of 6 tensors"},
    {no_such_output, TNM_EFORMAT, "output 4294967295 of the graph"},
    {output_is_input, TNM_EFORMAT, "input and output of the graph are both tensor 0"},
    {operation_zero, TNM_EUNSUPPORTED, "node 1 \"\": operation 0 is not known to this build"},
    {operation_99, TNM_EUNSUPPORTED, "node 1 \"\": operation 99 is not known to this build"},
    {lstm, TNM_EFORMAT, "node 1 \"\": lstm: 0 weight matrices, not 2"},
    {two_inputs, TNM_EFORMAT, "node 1 \"\": relu: 2 inputs, not 1 to 1"},
    {input_beyond, TNM_EFORMAT, "relu: input 0 is tensor 6 of 6"},
    {input_later, TNM_EFORMAT, "relu: tensor 3 is read before it is written"},
    {output_beyond, TNM_EFORMAT, "relu: the output is tensor 6 of 6"},
    {written_twice, TNM_EFORMAT, "relu: tensor 1 is written twice"},
    {writes_input, TNM_EFORMAT, "relu: tensor 0 is written twice"},
    {never_written, TNM_EFORMAT, "tensor 5 is written by no node"},
    {no_weights, TNM_EFORMAT, "node 0 \"\": conv2d: 0 weight matrices, not 1"},
    {relu_weights, TNM_EFORMAT, "relu: 1 weight matrices, not 0"},
    {no_rows, TNM_EFORMAT, "linear: weights of 0 x 24"},
    {packed, TNM_EUNSUPPORTED, "linear: encoding 3 is not supported by this build"},
    {wrong_columns, TNM_EFORMAT, "linear: 24 inputs, but the weights have 23 columns"},
    {wrong_rows, TNM_EFORMAT, "linear: the output is 5, must be 6"},
    {linear_on_plane, TNM_EFORMAT, "linear: the input has rank 3, not 1"},
    {wrong_reshape, TNM_EFORMAT, "reshape: 24 elements do not become 25"},
    {stride_zero, TNM_EFORMAT, "conv2d: no window of 3 with stride 0"},
    {window_too_large, TNM_EFORMAT, "max_pool: no window of 7"},
    {dilation_wraps, TNM_EFORMAT, "max_pool: no window of 2 with stride 2, dilation 4294967295"},
    {pads_wrap, TNM_EFORMAT, "conv2d: no window"},
    {wrong_window, TNM_EFORMAT, "conv2d: weights of 18 columns, not 2 channels of a 2 x 3 window"},
    {groups_do_not_divide, TNM_EFORMAT, "conv2d: 3 groups do not divide 2 channels into 4"},
    {no_groups, TNM_EFORMAT, "conv2d: 0 groups do not divide 2 channels into 4"},
    {pool_groups, TNM_EFORMAT, "max_pool: 2 groups, a pool has 1"},
    {pool_on_padding, TNM_EFORMAT, "max_pool: a window along axis 1 lies on padding alone"},
    {pool_jumps_over, TNM_EFORMAT, "max_pool: dilation 7 over an input of 6"},
    {too_many_nodes, TNM_ELIMIT, "6 tensors and 4097 nodes, at most 4096 and 4096"},
};

START_TEST(what_breaks_a_rule_is_refused_by_name) {
    struct tnm_graph graph, damaged;
    struct tnm_error err = {.text = ""};
    make(&graph);
    damaged = graph; // so that freeing does not meet the damage to counts
    refusals[_i].damage(&damaged);
    ck_assert(!tnm_graph_check(&damaged, &err));
    ck_assert_int_eq(err.code, refusals[_i].code);
    ck_assert_msg(strstr(err.text, refusals[_i].text) != NULL, "\"%s\" lacks \"%s\"", err.text,
                  refusals[_i].text);
    ck_assert(!tnm_graph_check(&damaged, NULL));
    tnm_graph_free(&graph);
}
END_TEST

START_TEST(clip_limits_must_be_in_order) {
    static const uint32_t dim = 3;
    struct tnm_graph graph;
    struct tnm_error err;
    nets_begin(&graph, 1, 1, &dim);
    nets_clip(&graph, 0, 2, 2);
    ck_assert(tnm_graph_check(&graph, NULL));
    graph.node[0].clip.low = 3;
    ck_assert(!tnm_graph_check(&graph, &err));
    ck_assert_str_eq(err.text, "node 0 \"\": clip: limits 3 to 2");
    graph.node[0].clip.low = (float)__builtin_nanf("");
    ck_assert(!tnm_graph_check(&graph, NULL));
    tnm_graph_free(&graph);
}
END_TEST

// ---- Shapes
// --------------------------------------------------------------------------------------

// Sizes by hand: floor((size + pads - (kernel - 1) * dilation - 1) / stride) + 1.
static const struct {
    uint32_t size, kernel, stride, before, behind, dilation, out;
} windows[] = {
    {28, 5, 1, 0, 0, 1, 24}, {24, 2, 2, 0, 0, 1, 12}, {28, 3, 1, 1, 1, 1, 28},
    {28, 3, 2, 1, 1, 1, 14}, {7, 3, 2, 0, 0, 1, 3},   {8, 3, 2, 0, 0, 1, 3},
    {9, 3, 3, 1, 0, 2, 2},   {1, 1, 5, 0, 0, 7, 1},   {5, 5, 1, 0, 0, 1, 1},
};

START_TEST(windows_have_the_size_of_the_formula) {
    for (unsigned axis = 0; axis < 2; axis++) {
        struct tnm_window w = {{1, 1}, {1, 1}, {0}, {1, 1}, 1};
        uint32_t dim[3] = {3, 1, 1};
        dim[axis + 1] = windows[_i].size;
        w.kernel[axis] = windows[_i].kernel;
        w.stride[axis] = windows[_i].stride;
        w.pad[axis] = windows[_i].before;
        w.pad[axis + 2] = windows[_i].behind;
        w.dilation[axis] = windows[_i].dilation;
        struct tnm_graph graph;
        nets_begin(&graph, 1, 3, dim);
        nets_pool(&graph, TNM_OP_AVERAGE_POOL, 0, &w);
        ck_assert(tnm_graph_check(&graph, NULL));
        ck_assert_uint_eq(graph.tensor[1].rank, 3);
        ck_assert_uint_eq(graph.tensor[1].dim[0], 3);
        ck_assert_uint_eq(graph.tensor[1].dim[axis + 1], windows[_i].out);
        ck_assert_uint_eq(graph.tensor[1].dim[2 - axis], 1);
        tnm_graph_free(&graph);
    }
}
END_TEST

START_TEST(pairs_and_concatenations_need_matching_shapes) {
    static const uint32_t dim[] = {2, 3, 4}, other[] = {2, 4, 3};
    struct tnm_graph graph;
    struct tnm_error err;
    nets_begin(&graph, 2, 3, dim);
    nets_reshape(&graph, 0, 3, other);
    uint32_t same[] = {0, 0, 0};
    nets_node(&graph, TNM_OP_CONCAT, 3, same);
    ck_assert(tnm_graph_check(&graph, NULL));
    ck_assert_uint_eq(graph.tensor[2].dim[0], 6);
    ck_assert_uint_eq(graph.tensor[2].dim[1], 3);
    graph.node[1].input[2] = 1;
    ck_assert(!tnm_graph_check(&graph, &err));
    ck_assert_str_eq(err.text, "node 1 \"\": concat: input 2 differs from input 0 beyond the first"
                               " axis");
    graph.node[1].op = TNM_OP_ADD;
    graph.node[1].n_inputs = 2;
    graph.node[1].input[1] = 1;
    ck_assert(!tnm_graph_check(&graph, &err));
    ck_assert_str_eq(err.text, "node 1 \"\": add: the two inputs differ in shape");
    tnm_graph_free(&graph);
}
END_TEST

START_TEST(init_refuses_more_than_the_maxima) {
    struct tnm_graph graph;
    struct tnm_error err;
    ck_assert(!tnm_graph_init(&graph, TNM_MAX_TENSORS + 1, 1, &err));
    ck_assert_int_eq(err.code, TNM_ELIMIT);
    ck_assert_ptr_null(graph.node);
    tnm_graph_free(&graph);
}
END_TEST

START_TEST(operations_have_names) {
    ck_assert_str_eq(tnm_op_name(TNM_OP_LINEAR), "linear");
    ck_assert_str_eq(tnm_op_name(TNM_OP_HARD_SWISH), "hard-swish");
    ck_assert_str_eq(tnm_op_name(TNM_OP_LSTM), "lstm");
    for (uint32_t op = TNM_OP_LINEAR; op <= TNM_OP_LSTM; op++)
        ck_assert_ptr_nonnull(tnm_op_name(op));
    ck_assert_ptr_null(tnm_op_name(0));
    ck_assert_ptr_null(tnm_op_name(TNM_OP_LSTM + 1));
    ck_assert_ptr_null(tnm_op_name(UINT32_MAX));
}
END_TEST

Suite *graph_suite(void);
Suite *graph_suite(void) {
    Suite *suite = suite_create("graph");
    TCase *checks = tcase_create("check");
    tcase_add_test(checks, a_valid_graph_passes);
    tcase_add_loop_test(checks, what_breaks_a_rule_is_refused_by_name, 0,
                        sizeof refusals / sizeof *refusals);
    tcase_add_test(checks, clip_limits_must_be_in_order);
    suite_add_tcase(suite, checks);
    TCase *shapes = tcase_create("shapes");
    tcase_add_loop_test(shapes, windows_have_the_size_of_the_formula, 0,
                        sizeof windows / sizeof *windows);
    tcase_add_test(shapes, pairs_and_concatenations_need_matching_shapes);
    tcase_add_test(shapes, init_refuses_more_than_the_maxima);
    tcase_add_test(shapes, operations_have_names);
    suite_add_tcase(suite, shapes);
    return suite;
}
