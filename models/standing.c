/* SPDX-License-Identifier: MIT */
// Where a training run stands between two epochs.
#include "models/standing.h"

#include "core/error.h"
#include "models/update.h"

#include <errno.h>
#include <stdlib.h>

enum { LAYER_PARTS = 5, RUN_PARTS = 8 };

bool standing_open(struct standing *at, const struct run *run, struct tnm_error *err) {
    *at = (struct standing){.report = calloc(run->options->epochs, sizeof *at->report)};
    if (run->options->keep_best)
        at->best = calloc(run_moments(run->net), sizeof *at->best);
    return (at->report != NULL && (at->best != NULL || !run->options->keep_best)) ||
           tnm_fail_errno(err, ENOMEM, "training");
}

void standing_close(struct standing *at) {
    free(at->report);
    free(at->best);
    *at = (struct standing){0};
}

static uint32_t list_layer(struct net_layer *layer, struct checkpoint_part *part) {
    size_t n = (size_t)layer->rows * layer->cols;
    part[0] = (struct checkpoint_part){layer->w, n * sizeof *layer->w};
    part[1] = (struct checkpoint_part){layer->bias, layer->rows * sizeof *layer->bias};
    part[2] = (struct checkpoint_part){layer->keep, n};
    part[3] = (struct checkpoint_part){layer->codebook, layer->n_centroids * sizeof(float)};
    part[4] = (struct checkpoint_part){layer->code, layer->code != NULL ? n : 0};
    return LAYER_PARTS;
}

static uint32_t list_parts(struct run *run, struct standing *at, struct checkpoint_part *part) {
    const struct hints *hints = run->options->hints;
    size_t moments = run_moments(run->net) * sizeof(float);
    size_t regressors = hints != NULL ? 3 * hints->n_param * sizeof(float) : 0;
    uint32_t n = 0;
    part[n++] = (struct checkpoint_part){&at->done, sizeof at->done};
    part[n++] = (struct checkpoint_part){&at->last, sizeof at->last};
    part[n++] = (struct checkpoint_part){at->report, run->options->epochs * sizeof *at->report};
    part[n++] = (struct checkpoint_part){at->best, at->best != NULL ? moments : 0};
    part[n++] = (struct checkpoint_part){&run->unpruned, sizeof run->unpruned};
    part[n++] = (struct checkpoint_part){run->m, moments};
    part[n++] = (struct checkpoint_part){run->v, moments};
    part[n++] = (struct checkpoint_part){hints != NULL ? hints->param : NULL, regressors};
    for (uint32_t l = 0; l < run->net->n_layers; l++)
        n += list_layer(&run->net->layer[l], part + n);
    return n;
}

static struct checkpoint_part *alloc_parts(const struct run *run, struct tnm_error *err) {
    size_t n = RUN_PARTS + (size_t)run->net->n_layers * LAYER_PARTS;
    struct checkpoint_part *part = calloc(n, sizeof *part);
    if (part == NULL)
        tnm_fail_errno(err, ENOMEM, "training");
    return part;
}

bool standing_keep(struct run *run, struct standing *at, struct tnm_error *err) {
    if (run->options->checkpoint == NULL)
        return true;
    struct checkpoint_part *part = alloc_parts(run, err);
    bool ok = part != NULL &&
              checkpoint_save(run->options->checkpoint, part, list_parts(run, at, part), err);
    free(part);
    return ok;
}

bool standing_find(struct run *run, struct standing *at, bool *over, struct tnm_error *err) {
    struct checkpoint *checkpoint = run->options->checkpoint;
    *over = false;
    if (checkpoint == NULL)
        return true;
    checkpoint->stage++;
    struct checkpoint_part *part = alloc_parts(run, err);
    if (part == NULL)
        return false;
    enum checkpoint_found found = checkpoint_load(checkpoint, part, list_parts(run, at, part), err);
    free(part);
    *over = found == CHECKPOINT_LATER;
    if (found == CHECKPOINT_HERE) // what is removed has changed
        update_list(run);
    return found != CHECKPOINT_BROKEN;
}
