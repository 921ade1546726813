/* SPDX-License-Identifier: MIT */
// Plans: no two things that live at once share a place, and no byte is taken without need.
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/plan.h"
#include "tests/nets.h"

// ---- The arena
// -----------------------------------------------------------------------------------

enum { MAX_BLOCKS = 40 };

static bool meet(const struct tnm_block *a, const struct tnm_block *b) {
    bool in_time = a->first <= b->last && b->first <= a->last;
    return in_time && a->offset < b->offset + b->size && b->offset < a->offset + a->size;
}

static uint32_t random_blocks(struct tnm_block *block, struct randomness *r) {
    uint32_t n = random_between(r, 1, MAX_BLOCKS);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t first = random_between(r, 0, 20);
        block[i] =
            (struct tnm_block){random_between(r, 0, 9), first, first + random_between(r, 0, 6), 99};
    }
    return n;
}

// The greatest sum of sizes that live in one step: no plan can do with less.
static uint64_t least_size(const struct tnm_block *block, uint32_t n) {
    uint64_t most = 0;
    for (uint32_t step = 0; step <= 26; step++) {
        uint64_t sum = 0;
        for (uint32_t i = 0; i < n; i++)
            if (block[i].first <= step && step <= block[i].last)
                sum += block[i].size;
        most = sum > most ? sum : most;
    }
    return most;
}

// The same plan by trying every offset.
static uint64_t slow_greedy(struct tnm_block *block, uint32_t n) {
    bool placed[MAX_BLOCKS] = {false};
    uint64_t size = 0;
    for (uint32_t round = 0; round < n; round++) {
        uint32_t largest = n;
        for (uint32_t i = 0; i < n; i++)
            if (!placed[i] && (largest == n || block[i].size > block[largest].size))
                largest = i;
        struct tnm_block *b = &block[largest];
        for (b->offset = 0;; b->offset++) {
            bool free = true;
            for (uint32_t i = 0; i < n; i++)
                free = free && !(placed[i] && meet(b, &block[i]));
            if (free)
                break;
        }
        placed[largest] = true;
        size = b->offset + b->size > size ? b->offset + b->size : size;
    }
    return size;
}

START_TEST(blocks_that_live_at_once_lie_apart_and_as_low_as_greedy_puts_them) {
    struct tnm_block block[MAX_BLOCKS], slow[MAX_BLOCKS];
    struct randomness r;
    random_start(&r, (uint64_t)_i);
    uint32_t n = random_blocks(block, &r);
    memcpy(slow, block, sizeof slow);
    uint64_t size;
    ck_assert(tnm_arena_place(block, n, &size));
    for (uint32_t i = 0; i < n; i++) {
        ck_assert_uint_le(block[i].offset + block[i].size, size);
        for (uint32_t k = 0; k < i; k++)
            ck_assert(!meet(&block[i], &block[k]));
    }
    ck_assert_uint_ge(size, least_size(block, n));
    ck_assert_uint_eq(size, slow_greedy(slow, n));
}
END_TEST

// ---- Graphs
// --------------------------------------------------------------------------------------

static const struct nets_weights some = {.encoding = TNM_CSR, .bits = 32, .zeros = 80};

static struct tnm_plan *plan_of(const struct tnm_graph *graph) {
    struct tnm_error err = {.text = ""};
    ck_assert_msg(tnm_graph_check(graph, &err), "%s", err.text);
    struct tnm_plan *plan = tnm_plan_create(graph, (size_t)1 << 30, &err);
    ck_assert_msg(plan != NULL, "%s", err.text);
    return plan;
}

// Independent of the plan's own steps: goes by what each step reads, writes and will be read.
START_TEST(tensors_that_will_still_be_read_are_not_written_over) {
    struct randomness r;
    random_start(&r, 100 + (uint64_t)_i);
    struct tnm_graph graph;
    nets_random(&graph, random_between(&r, 1, 25), &r);
    struct tnm_plan *plan = plan_of(&graph);
    uint64_t offset[TNM_MAX_TENSORS], size[TNM_MAX_TENSORS];
    for (uint32_t t = 0; t < graph.n_tensors; t++) {
        offset[t] = plan->offset[t];
        size[t] = tnm_tensor_elements(&graph.tensor[t]);
    }
    for (uint32_t s = 0; s < plan->n_steps; s++) {
        uint32_t out = plan->step[s].output;
        ck_assert_uint_le(offset[out] + size[out], plan->arena);
        for (uint32_t later = s; later <= plan->n_steps; later++) {
            const struct tnm_node *node = later < plan->n_steps ? plan->step[later].node : NULL;
            for (uint32_t i = 0; i < (node != NULL ? node->n_inputs : 1); i++) {
                uint32_t in = plan->root[node != NULL ? node->input[i] : graph.output];
                bool written = in == graph.input;
                for (uint32_t k = 0; k < s; k++)
                    written |= plan->step[k].output == in;
                if (written)
                    ck_assert(offset[out] + size[out] <= offset[in] ||
                              offset[in] + size[in] <= offset[out]);
            }
        }
    }
    tnm_plan_free(plan);
    tnm_graph_free(&graph);
}
END_TEST

START_TEST(a_chain_needs_its_two_widest_neighbours_only) {
    struct randomness r;
    random_start(&r, 0);
    struct tnm_graph graph;
    nets_mlp(&graph, &some, &r);
    struct tnm_plan *plan = plan_of(&graph);
    ck_assert_uint_eq(plan->n_steps, 3);
    ck_assert_uint_eq(plan->arena, 784 + 304); // multiples of 16
    tnm_plan_free(plan);
    tnm_graph_free(&graph);
}
END_TEST

// linear -> relu joined; linear -> relu whose input is read again; the output of the graph.
START_TEST(an_activation_is_joined_only_where_nobody_else_sees_its_input) {
    static const uint32_t dim = 8;
    struct randomness r;
    random_start(&r, 0);
    struct tnm_graph graph;
    nets_begin(&graph, 8, 1, &dim);
    uint32_t a = nets_linear(&graph, 0, 8, &some, &r);
    uint32_t b = nets_node(&graph, TNM_OP_RELU, 1, &a);
    uint32_t c = nets_linear(&graph, b, 8, &some, &r);
    uint32_t d = nets_clip(&graph, c, -1, 1);
    uint32_t e = nets_node(&graph, TNM_OP_ADD, 2, (const uint32_t[]){c, d});
    uint32_t f = nets_linear(&graph, e, 8, &some, &r);
    nets_node(&graph, TNM_OP_RELU, 1, &f);
    graph.output = f;
    struct tnm_plan *plan = plan_of(&graph);
    static const enum tnm_op want[] = {TNM_OP_LINEAR, TNM_OP_LINEAR, TNM_OP_CLIP,
                                       TNM_OP_ADD,    TNM_OP_LINEAR, TNM_OP_RELU};
    ck_assert_uint_eq(plan->n_steps, 6);
    for (uint32_t s = 0; s < plan->n_steps; s++)
        ck_assert_int_eq(plan->step[s].node->op, want[s]);
    ck_assert_uint_eq(plan->step[0].output, b);
    tnm_plan_free(plan);
    tnm_graph_free(&graph);
}
END_TEST

START_TEST(kernels_are_chosen_by_shape_and_density) {
    static const struct nets_weights full = {.encoding = TNM_DENSE, .bits = 32, .zeros = 0},
                                     holes = {.encoding = TNM_DENSE, .bits = 32, .zeros = 90};
    struct randomness r;
    random_start(&r, 0);
    struct tnm_graph graph;
    nets_mlp(&graph, &some, &r);
    struct tnm_plan *plan = plan_of(&graph);
    ck_assert_str_eq(tnm_plan_kernel(plan, 1, 0), "scatter");
    ck_assert_str_eq(tnm_plan_kernel(plan, 3, 0), "gather");
    ck_assert_ptr_null(tnm_plan_kernel(plan, 2, 0));
    ck_assert_ptr_null(tnm_plan_kernel(plan, 99, 0));
    tnm_plan_free(plan);
    tnm_graph_free(&graph);
    nets_mlp(&graph, &full, &r);
    plan = plan_of(&graph);
    ck_assert_str_eq(tnm_plan_kernel(plan, 1, 0), "dense");
    ck_assert_ptr_eq(plan->layout[TNM_MAX_WEIGHTS].dense.w, graph.node[1].w[0].dense32); // in place
    ck_assert_uint_lt(tnm_plan_bytes(plan), 16384);
    tnm_plan_free(plan);
    tnm_graph_free(&graph);
    nets_mlp(&graph, &holes, &r);
    plan = plan_of(&graph);
    ck_assert_str_eq(tnm_plan_kernel(plan, 1, 0), "scatter");
    tnm_plan_free(plan);
    tnm_graph_free(&graph);
}
END_TEST

START_TEST(blocks_have_kernels_of_their_own) {
    static const struct {
        struct nets_weights weights;
        const char *first, *second;
    } cases[] = {
        {{TNM_CSR, 32, 90, false, 4, 1, 0}, "gather 4x1", "gather 4x1"},
        {{TNM_CSR_CODEBOOK, 5, 90, false, 1, 4, 0}, "scatter 1x4", "gather 1x4"},
        {{TNM_CSR, 32, 90, false, 4, 1, 10}, "gather 4x1", "gather 4x1"},
        {{TNM_CSR, 32, 90, false, 4, 1, 30}, "scatter", "gather"},    // mostly holes
        {{TNM_CSR, 32, 90, false, 1, 2, 0}, "scatter 1x4", "gather"}, // half full
        {{TNM_DENSE, 32, 90, false, 1, 4, 0}, "scatter 1x4", "gather 1x4"},
        {{TNM_CSR, 32, 50, false, 4, 1, 0}, "dense", "dense"},
    };
    struct randomness r;
    random_start(&r, 0);
    struct tnm_graph graph;
    nets_mlp(&graph, &cases[_i].weights, &r);
    struct tnm_plan *plan = plan_of(&graph);
    ck_assert_str_eq(tnm_plan_kernel(plan, 1, 0), cases[_i].first);
    ck_assert_str_eq(tnm_plan_kernel(plan, 3, 0), cases[_i].second);
    tnm_plan_free(plan);
    tnm_graph_free(&graph);
}
END_TEST

START_TEST(memory_beyond_the_limit_is_refused_before_it_is_taken) {
    struct randomness r;
    random_start(&r, 0);
    struct tnm_graph graph;
    nets_mlp(&graph, &some, &r);
    struct tnm_plan *plan = plan_of(&graph);
    size_t bytes = tnm_plan_bytes(plan);
    tnm_plan_free(plan);
    struct tnm_error err;
    ck_assert_ptr_null(tnm_plan_create(&graph, bytes - 1, &err));
    ck_assert_int_eq(err.code, TNM_ELIMIT);
    tnm_graph_free(&graph);
}
END_TEST

Suite *plan_suite(void);
Suite *plan_suite(void) {
    Suite *suite = suite_create("plan");
    TCase *arena = tcase_create("arena");
    tcase_add_loop_test(arena, blocks_that_live_at_once_lie_apart_and_as_low_as_greedy_puts_them, 0,
                        100);
    tcase_add_loop_test(arena, tensors_that_will_still_be_read_are_not_written_over, 0, 100);
    tcase_add_test(arena, a_chain_needs_its_two_widest_neighbours_only);
    suite_add_tcase(suite, arena);
    TCase *steps = tcase_create("steps");
    tcase_add_test(steps, an_activation_is_joined_only_where_nobody_else_sees_its_input);
    tcase_add_test(steps, kernels_are_chosen_by_shape_and_density);
    tcase_add_loop_test(steps, blocks_have_kernels_of_their_own, 0, 7);
    tcase_add_test(steps, memory_beyond_the_limit_is_refused_before_it_is_taken);
    suite_add_tcase(suite, steps);
    return suite;
}
