/* SPDX-License-Identifier: MIT */
// Planning: views, activations joined to the step before, places in the arena, kernel layouts.
#include "core/plan.h"

#include "core/arena.h"
#include "core/error.h"
#include "core/op_conv2d.h"

#include <math.h>
#include <stdlib.h>

// ---- Who reads what -----------------------------------------------------------------------------

// What planning knows of a tensor.
struct life {
    uint32_t readers;     // nodes that read it, views included
    uint32_t reader;      // one of them
    uint32_t first, last; // steps in which it lives: written, last read; through views too
};

static const struct tnm_operation *op_of(const struct tnm_node *node) {
    return tnm_op_find(node->op);
}

static void count_readers(const struct tnm_graph *graph, struct life *life) {
    for (uint32_t i = 0; i < graph->n_nodes; i++)
        for (uint32_t k = 0; k < graph->node[i].n_inputs; k++) {
            life[graph->node[i].input[k]].readers++;
            life[graph->node[i].input[k]].reader = i;
        }
}

// The activation that the step of node can do itself: the only reader of its output, which nobody
// else sees. NULL if there is none.
static const struct tnm_node *activation_behind(const struct tnm_graph *graph,
                                                const struct tnm_node *node,
                                                const struct life *life) {
    if (op_of(node)->n_weights == 0 || node->output == graph->output ||
        life[node->output].readers != 1)
        return NULL;
    const struct tnm_node *behind = &graph->node[life[node->output].reader];
    return op_of(behind)->clamp ? behind : NULL;
}

// ---- Steps --------------------------------------------------------------------------------------

static void add_step(struct tnm_plan *plan, uint32_t node_index, const struct life *life) {
    const struct tnm_graph *graph = plan->graph;
    const struct tnm_node *node = &graph->node[node_index];
    struct tnm_plan_step *step = &plan->step[plan->n_steps++];
    *step = (struct tnm_plan_step){.op = op_of(node),
                                   .node = node,
                                   .graph = graph,
                                   .output = node->output,
                                   .clamp = {-INFINITY, INFINITY}};
    if (step->op->n_weights > 0)
        step->layout = &plan->layout[(size_t)node_index * TNM_MAX_WEIGHTS];
    const struct tnm_node *behind = activation_behind(graph, node, life);
    if (behind != NULL) {
        step->output = behind->output;
        step->clamp = tnm_op_clamp(behind);
    }
}

// joined[i]: node i is done by the step before it.
static void make_steps(struct tnm_plan *plan, const struct life *life, bool *joined) {
    const struct tnm_graph *graph = plan->graph;
    for (uint32_t i = 0; i < graph->n_nodes; i++) {
        const struct tnm_node *node = &graph->node[i];
        if (op_of(node)->view)
            plan->root[node->output] = plan->root[node->input[0]];
        else if (!joined[i])
            add_step(plan, i, life);
        const struct tnm_node *behind = activation_behind(graph, node, life);
        if (behind != NULL)
            joined[behind - graph->node] = true;
    }
}

// ---- Places -------------------------------------------------------------------------------------

static void extend(struct life *life, uint32_t step) {
    life->last = step > life->last ? step : life->last;
}

static void measure_lives(const struct tnm_plan *plan, struct life *life) {
    for (uint32_t s = 0; s < plan->n_steps; s++) {
        const struct tnm_plan_step *step = &plan->step[s];
        life[step->output].first = s;
        extend(&life[step->output], s);
        for (uint32_t k = 0; k < step->node->n_inputs; k++)
            extend(&life[plan->root[step->node->input[k]]], s);
    }
    extend(&life[plan->root[plan->graph->output]], plan->n_steps);
}

// Places start at a multiple of a cache line whatever the lanes.
static uint64_t place_size(const struct tnm_tensor *tensor) {
    return ((uint64_t)tnm_tensor_elements(tensor) + 15) / 16 * 16;
}

// Tensors that no step writes or reads (between a step and its activation) keep size 0.
static bool place_tensors(struct tnm_plan *plan, const struct life *life) {
    const struct tnm_graph *graph = plan->graph;
    struct tnm_block *block = calloc(graph->n_tensors, sizeof *block);
    if (block == NULL)
        return false;
    for (uint32_t t = 0; t < graph->n_tensors; t++)
        block[t] = (struct tnm_block){0, life[t].first, life[t].last, 0};
    block[graph->input].size = place_size(&graph->tensor[graph->input]);
    for (uint32_t s = 0; s < plan->n_steps; s++)
        block[plan->step[s].output].size = place_size(&graph->tensor[plan->step[s].output]);
    bool ok = tnm_arena_place(block, graph->n_tensors, &plan->arena);
    for (uint32_t t = 0; t < graph->n_tensors; t++)
        plan->offset[t] = block[plan->root[t]].offset;
    free(block);
    return ok;
}

static bool plan_places(struct tnm_plan *plan, struct tnm_error *err) {
    struct life *life = calloc(plan->graph->n_tensors, sizeof *life);
    bool *joined = calloc((size_t)plan->graph->n_nodes + 1, sizeof *joined);
    bool ok = life != NULL && joined != NULL;
    if (ok) {
        count_readers(plan->graph, life);
        make_steps(plan, life, joined);
        measure_lives(plan, life);
        ok = place_tensors(plan, life);
    }
    free(joined);
    free(life);
    return ok || tnm_fail(err, TNM_ENOMEM, "no memory to plan with");
}

// ---- Layouts ------------------------------------------------------------------------------------

static struct tnm_use use_of(const struct tnm_plan *plan, const struct tnm_plan_step *step,
                             uint32_t k, struct tnm_conv2d_context *context) {
    struct tnm_use use = {.matrix = &step->node->w[k]};
    use.reads_input = k == 0 && plan->root[step->node->input[0]] == plan->graph->input;
    if (step->op == &tnm_op_conv2d) {
        tnm_conv2d_context(context, plan->graph, step->node);
        use.convolution = true;
        use.element = tnm_conv2d_element;
        use.context = context;
    }
    return use;
}

static bool check_memory(const struct tnm_plan *plan, size_t limit, struct tnm_error *err) {
    uint64_t need = plan->bytes;
    for (uint32_t s = 0; s < plan->n_steps; s++)
        for (uint32_t k = 0; k < plan->step[s].node->n_weights; k++) {
            struct tnm_conv2d_context context;
            struct tnm_use use = use_of(plan, &plan->step[s], k, &context);
            need += tnm_layout_bound(&use);
        }
    if (need > limit)
        return tnm_fail(err, TNM_ELIMIT, "running takes up to %llu bytes, the limit is %zu",
                        (unsigned long long)need, limit);
    return true;
}

static bool make_layouts(struct tnm_plan *plan, struct tnm_error *err) {
    for (uint32_t s = 0; s < plan->n_steps; s++) {
        const struct tnm_plan_step *step = &plan->step[s];
        for (uint32_t k = 0; k < step->node->n_weights; k++) {
            struct tnm_conv2d_context context;
            struct tnm_use use = use_of(plan, step, k, &context);
            if (!tnm_layout_make(&step->layout[k], &use, err))
                return tnm_fail_in(err, "node \"%s\"", step->node->name);
            plan->bytes += step->layout[k].bytes;
        }
    }
    return true;
}

// ---- All ----------------------------------------------------------------------------------------

static struct tnm_plan *plan_alloc(const struct tnm_graph *graph) {
    struct tnm_plan *plan = calloc(1, sizeof *plan);
    if (plan == NULL)
        return NULL;
    size_t nodes = (size_t)graph->n_nodes + 1, tensors = graph->n_tensors;
    plan->graph = graph;
    plan->step = calloc(nodes, sizeof *plan->step);
    plan->layout = calloc(nodes * TNM_MAX_WEIGHTS, sizeof *plan->layout);
    plan->root = calloc(tensors, sizeof *plan->root);
    plan->offset = calloc(tensors, sizeof *plan->offset);
    plan->bytes = sizeof *plan +
                  nodes * (sizeof *plan->step + TNM_MAX_WEIGHTS * sizeof *plan->layout) +
                  tensors * (sizeof *plan->root + sizeof *plan->offset);
    if (plan->step != NULL && plan->layout != NULL && plan->root != NULL && plan->offset != NULL)
        return plan;
    tnm_plan_free(plan);
    return NULL;
}

struct tnm_plan *tnm_plan_create(const struct tnm_graph *graph, size_t memory_limit,
                                 struct tnm_error *err) {
    struct tnm_plan *plan = plan_alloc(graph);
    if (plan == NULL) {
        tnm_fail(err, TNM_ENOMEM, "no memory to plan %u nodes", graph->n_nodes);
        return NULL;
    }
    tnm_kernels_pick(&plan->kernels, tnm_cpu_flags());
    for (uint32_t t = 0; t < graph->n_tensors; t++)
        plan->root[t] = t;
    if (plan_places(plan, err) && check_memory(plan, memory_limit, err) && make_layouts(plan, err))
        return plan;
    tnm_plan_free(plan);
    return NULL;
}

void tnm_plan_free(struct tnm_plan *plan) {
    if (plan == NULL)
        return;
    for (uint32_t i = 0; plan->layout != NULL && i < plan->graph->n_nodes * TNM_MAX_WEIGHTS; i++)
        tnm_layout_free(&plan->layout[i]);
    free(plan->step);
    free(plan->layout);
    free(plan->root);
    free(plan->offset);
    free(plan);
}

size_t tnm_plan_bytes(const struct tnm_plan *plan) {
    return plan->bytes;
}

const char *tnm_plan_kernel(const struct tnm_plan *plan, uint32_t node, uint32_t k) {
    if (node >= plan->graph->n_nodes || k >= TNM_MAX_WEIGHTS)
        return NULL;
    return plan->layout[(size_t)node * TNM_MAX_WEIGHTS + k].kernel;
}

uint64_t tnm_plan_scratch(const struct tnm_plan *plan, size_t lanes) {
    uint64_t most = 0;
    for (uint32_t s = 0; s < plan->n_steps; s++) {
        const struct tnm_plan_step *step = &plan->step[s];
        uint64_t bytes = step->op->scratch != NULL ? step->op->scratch(step, lanes) : 0;
        most = bytes > most ? bytes : most;
    }
    return most;
}
