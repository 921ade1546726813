/* SPDX-License-Identifier: MIT */
// The stages of a network, and how those of two networks go together.
#include "models/stages.h"

#include "core/error.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- Of one network ----------------------------------------------------------------------------

// The node that writes a tensor; NULL: it is the input.
static const struct tnm_node *writer_of(const struct tnm_graph *g, uint32_t tensor) {
    for (uint32_t i = 0; i < g->n_nodes; i++)
        if (g->node[i].output == tensor)
            return &g->node[i];
    return NULL;
}

// Stages from the output to the input; tensor and node stand at what a stage leaves.
static void list_backwards(struct stages *stages, const struct tnm_graph *g) {
    struct stage at = {.node = UINT32_MAX};
    const struct tnm_node *node = writer_of(g, g->output);
    for (; node != NULL; node = writer_of(g, node->input[0])) {
        if (at.node == UINT32_MAX && node->op != TNM_OP_RESHAPE) { // a view has no memory
            at.node = (uint32_t)(node - g->node);
            at.tensor = node->output;
        }
        if (node->n_weights == 0)
            continue;
        snprintf(at.name, sizeof at.name, "%s", node->name);
        stages->stage[stages->n++] = at;
        at = (struct stage){.node = UINT32_MAX};
    }
}

static void reverse(struct stages *stages) {
    for (uint32_t i = 0; i < stages->n / 2; i++) {
        struct stage kept = stages->stage[i];
        stages->stage[i] = stages->stage[stages->n - 1 - i];
        stages->stage[stages->n - 1 - i] = kept;
    }
}

bool stages_open(struct stages *stages, const struct tnm_graph *g, struct tnm_error *err) {
    *stages = (struct stages){.stage = calloc((size_t)g->n_nodes + 1, sizeof *stages->stage)};
    if (stages->stage == NULL)
        return tnm_fail_errno(err, ENOMEM, "stages");
    list_backwards(stages, g);
    reverse(stages);
    stages->n -= stages->n > 0; // the logits
    for (uint32_t i = 0; i < stages->n; i++)
        if (stages->stage[i].name[0] == 0)
            snprintf(stages->stage[i].name, sizeof stages->stage[i].name, "%u", i + 1);
    return true;
}

void stages_close(struct stages *stages) {
    free(stages->stage);
    *stages = (struct stages){0};
}

// ---- Pairs -------------------------------------------------------------------------------------

static bool find(const struct stages *stages, const char *name, size_t len, uint32_t *place) {
    for (*place = 0; *place < stages->n; ++*place) {
        const char *own = stages->stage[*place].name;
        if (strlen(own) == len && memcmp(own, name, len) == 0)
            return true;
    }
    return false;
}

static bool no_such(const struct stages *stages, const char *whose, const char *name, size_t len,
                    struct tnm_error *err) {
    char list[160] = "";
    for (uint32_t i = 0; i < stages->n; i++) {
        size_t used = strlen(list);
        snprintf(list + used, sizeof list - used, "%s%s", i > 0 ? ", " : "", stages->stage[i].name);
    }
    return tnm_fail(err, TNM_EINPUT, "--hints: \"%.*s\" is no stage of the %s, which has %s",
                    (int)(len < TNM_MAX_NAME ? len : TNM_MAX_NAME), name, whose, list);
}

// One "fc1=conv2", up to a comma.
static bool read_pair(const struct stages *student, const struct stages *teacher, const char *text,
                      struct stage_pair *pair, struct tnm_error *err) {
    size_t len = strcspn(text, ","), first = strcspn(text, "=,");
    if (first == len)
        return tnm_fail(err, TNM_EINPUT,
                        "--hints: \"%.*s\" is not STAGE=STAGE, the network's and its teacher's",
                        (int)(len < TNM_MAX_NAME ? len : TNM_MAX_NAME), text);
    const char *second = text + first + 1;
    if (!find(student, text, first, &pair->student))
        return no_such(student, "network", text, first, err);
    if (!find(teacher, second, len - first - 1, &pair->teacher))
        return no_such(teacher, "teacher", second, len - first - 1, err);
    return true;
}

static bool read_pairs(const struct stages *student, const struct stages *teacher, const char *text,
                       struct stage_pair *pair, uint32_t *n, struct tnm_error *err) {
    for (*n = 0; text != NULL; ++*n) {
        if (*n == STAGES_MAX_PAIRS)
            return tnm_fail(err, TNM_EINPUT, "--hints: more than %d pairs", STAGES_MAX_PAIRS);
        if (!read_pair(student, teacher, text, &pair[*n], err))
            return false;
        text = strchr(text, ',') != NULL ? strchr(text, ',') + 1 : NULL;
    }
    return true;
}

static uint32_t pair_evenly(uint32_t students, uint32_t teachers, struct stage_pair *pair) {
    uint32_t n = students < teachers ? students : teachers;
    n = n < STAGES_MAX_PAIRS ? n : STAGES_MAX_PAIRS;
    for (uint32_t i = 0; i < n; i++) // the last of each n-th part, as near as can be
        pair[i] = (struct stage_pair){((i + 1) * students + n - 1) / n - 1,
                                      ((i + 1) * teachers + n - 1) / n - 1};
    return n;
}

bool stages_pair(const struct stages *student, const struct stages *teacher, const char *text,
                 struct stage_pair pair[STAGES_MAX_PAIRS], uint32_t *n, struct tnm_error *err) {
    if (student->n == 0 || teacher->n == 0)
        return tnm_fail(err, TNM_EINPUT, "--hints: the %s has no stage before its logits",
                        student->n == 0 ? "network" : "teacher");
    if (strcmp(text, "auto") != 0)
        return read_pairs(student, teacher, text, pair, n, err);
    *n = pair_evenly(student->n, teacher->n, pair);
    return true;
}
