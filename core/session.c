/* SPDX-License-Identifier: MIT */
// One thread's memory, and running.
#include "core/session.h"

#include "core/elementary.h"
#include "core/error.h"
#include "core/model.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    ALIGNMENT = 64,
    MAX_BATCH = 65536,
    MAX_LANES = 32,
    // An arena beyond what a Pi's second-level cache holds gains nothing from more lanes.
    CACHED_ARENA = 1 << 20
};

// One allocation: this, the steps' calls, then arena and scratch.
struct tnm_session {
    const struct tnm_plan *plan;
    size_t lanes; // the most, 1, 4, 8, 16 or 32
    size_t inputs, outputs;
    float *arena;
    void *scratch;
};

// ---- Open ---------------------------------------------------------------------------------------

static uint64_t round_up(uint64_t n) {
    return (n + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static uint64_t arena_bytes(const struct tnm_plan *plan, size_t lanes) {
    return plan->arena * lanes * sizeof(float);
}

// A session may run fewer lanes than it has, which never takes more scratch but for one lane.
static uint64_t scratch_bytes(const struct tnm_plan *plan, size_t lanes) {
    uint64_t many = tnm_plan_scratch(plan, lanes), one = tnm_plan_scratch(plan, 1);
    return many > one ? many : one;
}

static uint64_t session_bytes(const struct tnm_plan *plan, size_t lanes) {
    return round_up(sizeof(struct tnm_session)) + round_up(arena_bytes(plan, lanes)) +
           round_up(scratch_bytes(plan, lanes));
}

// The fewest lanes of 1, 4, 8, 16, 32 that hold n inputs, or the most there are.
static size_t lanes_for(size_t n, size_t most) {
    if (n <= 2)
        return 1;
    size_t lanes = 4;
    while (lanes < n && lanes < most)
        lanes *= 2;
    return lanes < most ? lanes : most;
}

static size_t choose_lanes(const struct tnm_plan *plan, unsigned max_batch, size_t limit) {
    size_t lanes = lanes_for(max_batch, MAX_LANES);
    while (lanes > 4 && arena_bytes(plan, lanes) > CACHED_ARENA)
        lanes /= 2;
    while (lanes > 1 && session_bytes(plan, lanes) > limit)
        lanes = lanes > 4 ? lanes / 2 : 1;
    return lanes;
}

struct tnm_session *tnm_session_on_plan(const struct tnm_plan *plan, unsigned max_batch,
                                        size_t memory_limit, struct tnm_error *err) {
    if (max_batch < 1 || max_batch > MAX_BATCH) {
        tnm_fail(err, TNM_EINPUT, "a batch of %u inputs, 1 to %d are allowed", max_batch,
                 MAX_BATCH);
        return NULL;
    }
    size_t lanes = choose_lanes(plan, max_batch, memory_limit);
    uint64_t bytes = session_bytes(plan, lanes);
    if (bytes > memory_limit) {
        tnm_fail(err, TNM_ELIMIT, "a session takes %llu bytes, the limit is %zu",
                 (unsigned long long)bytes, memory_limit);
        return NULL;
    }
    struct tnm_session *session = aligned_alloc(ALIGNMENT, (size_t)bytes);
    if (session == NULL) {
        tnm_fail(err, TNM_ENOMEM, "no memory for a session of %llu bytes",
                 (unsigned long long)bytes);
        return NULL;
    }
    char *at = (char *)session + round_up(sizeof *session);
    *session = (struct tnm_session){
        .plan = plan,
        .lanes = lanes,
        .inputs = tnm_tensor_elements(&plan->graph->tensor[plan->graph->input]),
        .outputs = tnm_tensor_elements(&plan->graph->tensor[plan->graph->output]),
        .arena = (float *)(void *)at,
        .scratch = at + round_up(arena_bytes(plan, lanes)),
    };
    return session;
}

struct tnm_session *tnm_session_open(const struct tnm_model *model, unsigned max_batch,
                                     struct tnm_error *err) {
    return tnm_session_on_plan(model->plan, max_batch, model->limits.memory_bytes, err);
}

void tnm_session_close(struct tnm_session *session) {
    free(session);
}

// ---- Run ----------------------------------------------------------------------------------------

// Where the graph's input and output are in one pass. A single input is read and written where the
// caller has it.
struct ends {
    const float *x;
    float *y;
};

static float *place(const struct tnm_session *session, uint32_t tensor, size_t lanes,
                    const struct ends *ends) {
    const struct tnm_plan *plan = session->plan;
    uint32_t root = plan->root[tensor];
    if (root == plan->root[plan->graph->output] && root != plan->graph->input)
        return ends->y;
    return session->arena + plan->offset[tensor] * lanes;
}

static void run_steps(const struct tnm_session *session, size_t lanes, const struct ends *ends) {
    const struct tnm_plan *plan = session->plan;
    struct tnm_call call = {.kernels = &plan->kernels, .lanes = lanes, .scratch = session->scratch};
    for (uint32_t s = 0; s < plan->n_steps; s++) {
        const struct tnm_plan_step *step = &plan->step[s];
        for (uint32_t i = 0; i < step->node->n_inputs; i++) {
            uint32_t t = step->node->input[i];
            call.in[i] =
                plan->root[t] == plan->graph->input ? ends->x : place(session, t, lanes, ends);
        }
        call.out = place(session, step->output, lanes, ends);
        step->op->run(step, &call);
    }
}

static void run_one(const struct tnm_session *session, const float *x, float *logits) {
    struct ends ends = {x, logits};
    run_steps(session, 1, &ends);
    const struct tnm_plan *plan = session->plan;
    if (plan->root[plan->graph->output] == plan->graph->input) // nothing but views
        memcpy(logits, x, session->outputs * sizeof *logits);
}

// to (n, lanes) from the n_inputs rows of from (n_inputs, n); lanes beyond them are 0.
static void interleave(float *to, const float *from, size_t n, size_t n_inputs, size_t lanes) {
    for (size_t i = 0; i < n; i++)
        for (size_t l = 0; l < lanes; l++)
            to[i * lanes + l] = l < n_inputs ? from[l * n + i] : 0;
}

static void separate(float *to, const float *from, size_t n, size_t n_inputs, size_t lanes) {
    for (size_t l = 0; l < n_inputs; l++)
        for (size_t i = 0; i < n; i++)
            to[l * n + i] = from[i * lanes + l];
}

static void run_many(const struct tnm_session *session, const float *x, size_t n, size_t lanes,
                     float *logits) {
    const struct tnm_plan *plan = session->plan;
    const struct tnm_graph *graph = plan->graph;
    float *in = session->arena + plan->offset[graph->input] * lanes;
    float *out = session->arena + plan->offset[graph->output] * lanes;
    struct ends ends = {in, out};
    interleave(in, x, session->inputs, n, lanes);
    run_steps(session, lanes, &ends);
    separate(logits, out, session->outputs, n, lanes);
}

void tnm_session_run(struct tnm_session *session, const float *x, unsigned batch, float *logits) {
    for (size_t left = batch; left > 0;) {
        size_t lanes = lanes_for(left, session->lanes);
        size_t n = left < lanes ? left : lanes;
        if (lanes == 1)
            run_one(session, x, logits);
        else
            run_many(session, x, n, lanes, logits);
        x += n * session->inputs;
        logits += n * session->outputs;
        left -= n;
    }
}

// ---- Answers ------------------------------------------------------------------------------------

static bool ends_in_softmax(const struct tnm_graph *graph) {
    for (uint32_t i = 0; i < graph->n_nodes; i++)
        if (graph->node[i].output == graph->output)
            return graph->node[i].op == TNM_OP_SOFTMAX;
    return false;
}

void tnm_model_probabilities(const struct tnm_model *model, const float *logits,
                             float *probability) {
    size_t n = tnm_tensor_elements(&model->graph.tensor[model->graph.output]);
    if (ends_in_softmax(&model->graph))
        memmove(probability, logits, n * sizeof *probability);
    else
        tnm_softmax(logits, n, 1, probability);
}

const char *tnm_kernels_name(void) {
    static const char *name; // the same whoever finds it first
    if (__atomic_load_n(&name, __ATOMIC_RELAXED) == NULL) {
        struct tnm_kernels table;
        tnm_kernels_pick(&table, tnm_cpu_flags());
        __atomic_store_n(&name, table.name, __ATOMIC_RELAXED);
    }
    return __atomic_load_n(&name, __ATOMIC_RELAXED);
}
