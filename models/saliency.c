/* SPDX-License-Identifier: MIT */
// What a weight is worth.
#include "models/saliency.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "core/error.h"
#include "core/prepare.h"
#include "models/loss.h"
#include "models/pass.h"

static size_t entries(const struct net_layer *layer) {
    return (size_t)layer->rows * layer->cols;
}

void saliency_of(const float *w, const float *v, size_t n, float *saliency) {
    for (size_t i = 0; i < n; i++)
        saliency[i] = fabsf(w[i]) * sqrtf(sqrtf(v[i]));
}

static float **new_arrays(const struct net *net, struct tnm_error *err) {
    float **arrays = calloc(net->n_layers + 1, sizeof *arrays);
    bool ok = arrays != NULL;
    for (uint32_t l = 0; ok && l < net->n_layers; l++)
        ok = (arrays[l] = calloc(entries(&net->layer[l]), sizeof **arrays)) != NULL;
    if (ok)
        return arrays;
    saliency_free(arrays, net->n_layers);
    tnm_fail_errno(err, ENOMEM, "saliency");
    return NULL;
}

void saliency_free(float **arrays, uint32_t n_layers) {
    for (uint32_t l = 0; arrays != NULL && l < n_layers; l++)
        free(arrays[l]);
    free(arrays);
}

static void add_squares(const struct pass *pass, float share, float **squares) {
    for (uint32_t l = 0; l < pass->net->n_layers; l++) {
        const float *g = pass->d_param + pass->at[l];
        for (size_t i = 0; i < entries(&pass->net->layer[l]); i++)
            squares[l][i] += share * g[i] * g[i];
    }
}

// One image at a time, as the square of a sum is not the sum of squares.
static void run_images(struct pass *pass, const struct data_set *set, uint32_t n, float **squares) {
    const struct tnm_graph *g = &pass->net->graph;
    size_t inputs = tnm_tensor_elements(&g->tensor[g->input]);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t correct = 0;
        tnm_prepare_scale(set->pixel + i * inputs, inputs, pass_input(pass));
        struct loss_call call = {.logits = pass_forward(pass, 1),
                                 .label = &set->label[i],
                                 .n = 1,
                                 .outputs = (uint32_t)tnm_tensor_elements(&g->tensor[g->output]),
                                 .scale = 1,
                                 .d_logits = pass_output_gradient(pass),
                                 .correct = &correct};
        loss_cross_entropy(&call);
        pass_backward(pass, 1);
        add_squares(pass, 1 / (float)n, squares);
    }
}

bool saliency_squares(const struct net *net, const struct data_set *set, uint32_t n,
                      float ***squares, struct tnm_error *err) {
    struct pass pass = {0};
    *squares = NULL;
    n = n < set->n ? n : set->n;
    if (n == 0)
        return tnm_fail(err, TNM_EINPUT, "no images to take gradients from");
    bool ok = pass_open(&pass, net, 1, true, err) && (*squares = new_arrays(net, err)) != NULL;
    if (ok)
        run_images(&pass, set, n, *squares);
    pass_close(&pass);
    return ok;
}

void saliency_from_squares(const struct net *net, float **squares) {
    for (uint32_t l = 0; squares != NULL && l < net->n_layers; l++)
        saliency_of(net->layer[l].w, squares[l], entries(&net->layer[l]), squares[l]);
}

void saliency_guard(const struct net_layer *layer, float *last) {
    for (uint32_t r = 0; r < layer->rows; r++) {
        size_t from = (size_t)r * layer->cols, best = SIZE_MAX;
        for (size_t i = from; i < from + layer->cols; i++)
            if (layer->keep[i] && (best == SIZE_MAX || last[i] > last[best]))
                best = i;
        if (best != SIZE_MAX)
            last[best] = FLT_MAX;
    }
}

bool saliency_fisher(const struct net *net, const struct data_set *set, uint32_t n,
                     float ***saliency, struct tnm_error *err) {
    uint32_t last = net->n_layers - 1;
    if (!saliency_squares(net, set, n, saliency, err))
        return false;
    saliency_from_squares(net, *saliency);
    saliency_guard(&net->layer[last], (*saliency)[last]);
    return true;
}
