/* SPDX-License-Identifier: MIT */
// Graphs: making, freeing, and the check that lets everything else trust them.
#include "core/graph.h"

#include "core/error.h"
#include "core/op.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool tnm_graph_init(struct tnm_graph *graph, uint32_t n_tensors, uint32_t n_nodes,
                    struct tnm_error *err) {
    *graph = (struct tnm_graph){0};
    if (n_tensors > TNM_MAX_TENSORS || n_nodes > TNM_MAX_NODES)
        return tnm_fail(err, TNM_ELIMIT, "%u tensors and %u nodes, at most %d and %d", n_tensors,
                        n_nodes, TNM_MAX_TENSORS, TNM_MAX_NODES);
    graph->tensor = calloc(n_tensors + 1, sizeof *graph->tensor);
    graph->node = calloc(n_nodes + 1, sizeof *graph->node);
    if (graph->tensor == NULL || graph->node == NULL) {
        tnm_graph_free(graph);
        return tnm_fail(err, TNM_ENOMEM, "no memory for a graph of %u nodes", n_nodes);
    }
    graph->n_tensors = n_tensors;
    graph->n_nodes = n_nodes;
    return true;
}

void tnm_graph_free(struct tnm_graph *graph) {
    for (uint32_t i = 0; i < graph->n_nodes; i++)
        for (uint32_t k = 0; k < TNM_MAX_WEIGHTS; k++)
            tnm_matrix_free(&graph->node[i].w[k]);
    free(graph->tensor);
    free(graph->node);
    *graph = (struct tnm_graph){0};
}

size_t tnm_tensor_elements(const struct tnm_tensor *tensor) {
    size_t n = 1;
    for (uint32_t i = 0; i < tensor->rank; i++)
        n *= tensor->dim[i];
    return n;
}

// ---- Check --------------------------------------------------------------------------------------

static bool check_tensor(const struct tnm_tensor *tensor, struct tnm_error *err) {
    if (tensor->rank < 1 || tensor->rank > TNM_MAX_RANK)
        return tnm_fail(err, TNM_EFORMAT, "rank %u is not 1 to %d", tensor->rank, TNM_MAX_RANK);
    uint64_t elements = 1;
    for (uint32_t i = 0; i < tensor->rank; i++) {
        elements *= tensor->dim[i];
        if (tensor->dim[i] == 0)
            return tnm_fail(err, TNM_EFORMAT, "dimension %u is 0", i);
        if (elements > TNM_MAX_ELEMENTS)
            return tnm_fail(err, TNM_EFORMAT, "more than %d elements", TNM_MAX_ELEMENTS);
    }
    return true;
}

static bool check_tensors(const struct tnm_graph *graph, struct tnm_error *err) {
    for (uint32_t i = 0; i < graph->n_tensors; i++)
        if (!check_tensor(&graph->tensor[i], err))
            return tnm_fail_in(err, "tensor %u", i);
    if (graph->input >= graph->n_tensors || graph->output >= graph->n_tensors)
        return tnm_fail(err, TNM_EFORMAT, "input %u and output %u of the graph, of %u tensors",
                        graph->input, graph->output, graph->n_tensors);
    if (graph->input == graph->output)
        return tnm_fail(err, TNM_EFORMAT, "input and output of the graph are both tensor %u",
                        graph->input);
    return true;
}

// written[t] tells whether tensor t holds something when the node runs; the node's output joins.
static bool check_wiring(const struct tnm_graph *graph, const struct tnm_node *node,
                         const struct tnm_operation *op, bool *written, struct tnm_error *err) {
    if (node->n_inputs < op->min_inputs || node->n_inputs > op->max_inputs)
        return tnm_fail(err, TNM_EFORMAT, "%u inputs, not %u to %u", node->n_inputs, op->min_inputs,
                        op->max_inputs);
    for (uint32_t i = 0; i < node->n_inputs; i++) {
        if (node->input[i] >= graph->n_tensors)
            return tnm_fail(err, TNM_EFORMAT, "input %u is tensor %u of %u", i, node->input[i],
                            graph->n_tensors);
        if (!written[node->input[i]])
            return tnm_fail(err, TNM_EFORMAT, "tensor %u is read before it is written",
                            node->input[i]);
    }
    if (node->output >= graph->n_tensors)
        return tnm_fail(err, TNM_EFORMAT, "the output is tensor %u of %u", node->output,
                        graph->n_tensors);
    if (written[node->output])
        return tnm_fail(err, TNM_EFORMAT, "tensor %u is written twice", node->output);
    written[node->output] = true;
    return true;
}

static bool check_weights(const struct tnm_node *node, const struct tnm_operation *op,
                          struct tnm_error *err) {
    if (node->n_weights != op->n_weights)
        return tnm_fail(err, TNM_EFORMAT, "%u weight matrices, not %u", node->n_weights,
                        op->n_weights);
    for (uint32_t i = 0; i < node->n_weights; i++) {
        const struct tnm_matrix *w = &node->w[i];
        if (w->rows == 0 || w->cols == 0 || (uint64_t)w->rows * w->cols > TNM_MAX_ELEMENTS)
            return tnm_fail(err, TNM_EFORMAT, "weights of %u x %u, 1 to %d elements are allowed",
                            w->rows, w->cols, TNM_MAX_ELEMENTS);
        if (w->encoding > TNM_CSR_CODEBOOK)
            return tnm_fail(err, TNM_EUNSUPPORTED, "encoding %u is not supported by this build",
                            (unsigned)w->encoding);
    }
    return true;
}

static void write_shape(char *text, size_t len, const struct tnm_tensor *tensor) {
    size_t at = 0;
    for (uint32_t i = 0; i < tensor->rank && at < len; i++)
        at += (size_t)snprintf(text + at, len - at, "%s%u", i > 0 ? "x" : "", tensor->dim[i]);
}

static bool check_shape(const struct tnm_graph *graph, const struct tnm_node *node,
                        const struct tnm_operation *op, struct tnm_error *err) {
    const struct tnm_tensor *is = &graph->tensor[node->output];
    struct tnm_tensor must = {.rank = 0};
    if (!op->shape(graph, node, &must, err))
        return false;
    if (is->rank == must.rank && memcmp(is->dim, must.dim, must.rank * sizeof *is->dim) == 0)
        return true;
    char is_text[48] = "", must_text[48] = "";
    write_shape(is_text, sizeof is_text, is);
    write_shape(must_text, sizeof must_text, &must);
    return tnm_fail(err, TNM_EFORMAT, "the output is %s, must be %s", is_text, must_text);
}

static bool check_node(const struct tnm_graph *graph, const struct tnm_node *node, bool *written,
                       struct tnm_error *err) {
    const struct tnm_operation *op = tnm_op_find(node->op);
    if (op == NULL)
        return tnm_fail(err, TNM_EUNSUPPORTED, "operation %u is not known to this build",
                        (unsigned)node->op);
    if (check_wiring(graph, node, op, written, err) && check_weights(node, op, err) &&
        check_shape(graph, node, op, err))
        return true;
    return tnm_fail_in(err, "%s", op->name);
}

bool tnm_graph_check(const struct tnm_graph *graph, struct tnm_error *err) {
    if (graph->n_nodes > TNM_MAX_NODES || graph->n_tensors > TNM_MAX_TENSORS)
        return tnm_fail(err, TNM_ELIMIT, "%u tensors and %u nodes, at most %d and %d",
                        graph->n_tensors, graph->n_nodes, TNM_MAX_TENSORS, TNM_MAX_NODES);
    if (!check_tensors(graph, err))
        return false;
    bool written[TNM_MAX_TENSORS] = {false};
    written[graph->input] = true;
    for (uint32_t i = 0; i < graph->n_nodes; i++)
        if (!check_node(graph, &graph->node[i], written, err))
            return tnm_fail_in(err, "node %u \"%s\"", i, graph->node[i].name);
    for (uint32_t i = 0; i < graph->n_tensors; i++)
        if (!written[i])
            return tnm_fail(err, TNM_EFORMAT, "tensor %u is written by no node", i);
    return true;
}
