/* SPDX-License-Identifier: MIT */
// Correct answers of a network in training.
#include "models/score.h"

#include <errno.h>
#include <stdlib.h>

#include "core/error.h"
#include "core/prepare.h"
#include "models/loss.h"
#include "models/pass.h"
#include "models/team.h"

enum {
    SCORE_ROOM = 256 // images that run side by side
};

struct scoring {
    const struct data_set *set;
    struct pass pass[TEAM_MAX];
    uint32_t correct[TEAM_MAX];
};

static void score_share(struct team *team, unsigned index, void *arg) {
    struct scoring *s = arg;
    struct pass *pass = &s->pass[index];
    const struct tnm_graph *g = &pass->net->graph;
    size_t inputs = tnm_tensor_elements(&g->tensor[g->input]);
    uint32_t outputs = (uint32_t)tnm_tensor_elements(&g->tensor[g->output]);
    size_t from, to;
    team_share(team, index, s->set->n, &from, &to);
    while (from < to) {
        uint32_t n = to - from < SCORE_ROOM ? (uint32_t)(to - from) : SCORE_ROOM;
        tnm_prepare_scale(s->set->pixel + from * inputs, n * inputs, pass_input(pass));
        const float *logits = pass_forward(pass, n);
        for (uint32_t i = 0; i < n; i++, logits += outputs)
            s->correct[index] += loss_largest(logits, outputs) == s->set->label[from + i];
        from += n;
    }
}

bool score_net(const struct net *net, const struct data_set *set, uint32_t threads,
               struct tnm_score *score, struct tnm_error *err) {
    struct scoring *s = calloc(1, sizeof *s);
    bool ok = s != NULL || tnm_fail_errno(err, ENOMEM, "scoring");
    *score = (struct tnm_score){.images = set->n};
    for (uint32_t t = 0; ok && t < threads; t++)
        ok = pass_open(&s->pass[t], net, SCORE_ROOM, false, err);
    if (ok) {
        s->set = set;
        ok = team_run(threads, score_share, s, err);
    }
    for (uint32_t t = 0; s != NULL && t < threads; t++) {
        score->correct += s->correct[t];
        pass_close(&s->pass[t]);
    }
    free(s);
    return ok;
}
