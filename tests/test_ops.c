/* SPDX-License-Identifier: MIT */
// What the forge can train: the gradients of each operation against differences of the same network
// in double precision, and the shapes that a description makes.
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/model.h"
#include "models/data.h"
#include "models/loss.h"
#include "models/pass.h"
#include "tests/nets.h"

enum { BATCH = 3, CHANNELS = 3, HEIGHT = 7, WIDTH = 6, INPUTS = CHANNELS * HEIGHT * WIDTH };

// Each operation first (where nothing is to go back) and behind others, with every attribute.
static const char *const shapes[] = {
    "fc 4",
    "fc 5 relu fc 3",
    "conv 4 3x2 relu fc 3",
    "conv 3 3x3 stride 2x1 pad 1x2 dilation 1x2 groups 3 relu conv 2 2x3 pad 1 relu fc 3",
    "conv 4 1x1 conv 6 1x1 groups 2 relu conv 3 2x2 stride 2 dilation 2 fc 3",
    "conv 2 7x6 pad 3 fc 3",
    "pool fc 3",
    "conv 2 3x3 pool 3x2 stride 2x1 pad 1 relu conv 3 2x2 pool fc 3",
    "average 2x3 pad 1 fc 3",
    "conv 2 3x3 average 3x2 stride 1x2 pad 1 relu fc 3",
    "global",
    "conv 4 3x3 relu global",
    "lstm 3",
    "lstm 2 all fc 3",
    "conv 2 4x3 relu lstm 4 all lstm 3 relu fc 3",
    "fc 5 lstm 3",
};

static struct tnm_recipe recipe(void) {
    return data_recipe(WIDTH, HEIGHT, CHANNELS, TNM_FIT_CONTAIN);
}

static void build(struct net *net, const char *arch, struct randomness *r) {
    struct tnm_error err;
    struct tnm_recipe input = recipe();
    ck_assert_msg(net_build(net, arch, &input, &err), "%s: %s", arch, err.text);
    strcpy(net->meta.name, "x");
    net_initialise(net, 5);
    for (uint32_t l = 0; l < net->n_layers; l++)
        if (net->layer[l].matrix == 0)
            random_fill(r, net->layer[l].bias, net->layer[l].rows, 0);
}

// Leaves one weight of so many, as pruning would.
static void remove_weights(struct net *net, struct randomness *r, uint32_t of) {
    for (uint32_t l = 0; l < net->n_layers; l++) {
        struct net_layer *layer = &net->layer[l];
        for (uint32_t i = 0; i < layer->rows * layer->cols; i++)
            if (random_between(r, 1, of) > 1) {
                layer->keep[i] = 0;
                layer->w[i] = 0;
            } else {
                layer->w[i] *= sqrtf((float)of); // what is left must still move the outputs
            }
    }
}

// ---- Gradients ---------------------------------------------------------------------------------

// The mean cross-entropy of the network as its file would have it, by the reference.
static double slow_loss(const struct net *net, const float *x, const uint16_t *label) {
    struct tnm_error err;
    struct nets_value logit[8];
    struct tnm_model *model = net_model(net, &err);
    ck_assert_msg(model != NULL, "%s", err.text);
    size_t outputs = tnm_model_outputs(model);
    double loss = 0;
    for (int i = 0; i < BATCH; i++) {
        double sum = 0;
        nets_reference(&model->graph, x + i * INPUTS, logit);
        for (size_t k = 0; k < outputs; k++)
            sum += exp(logit[k].value - logit[label[i]].value);
        loss += log(sum) / BATCH;
    }
    tnm_model_close(model);
    return loss;
}

static double fast_loss(struct pass *pass, const float *x, const uint16_t *label) {
    const struct tnm_graph *g = &pass->net->graph;
    uint32_t correct = 0;
    memcpy(pass_input(pass), x, BATCH * INPUTS * sizeof *x);
    struct loss_call call = {.logits = pass_forward(pass, BATCH),
                             .label = label,
                             .n = BATCH,
                             .outputs = (uint32_t)tnm_tensor_elements(&g->tensor[g->output]),
                             .scale = 1.0F / BATCH,
                             .d_logits = pass_output_gradient(pass),
                             .correct = &correct};
    double loss = loss_cross_entropy(&call);
    pass_backward(pass, BATCH);
    return loss / BATCH;
}

// By a difference so small that no relu and no largest of a window changes sides.
static double slope(struct net *net, float *p, const float *x, const uint16_t *label) {
    const float was = *p, h = 0x1p-16F;
    *p = was + h;
    double above = slow_loss(net, x, label), step = (double)*p;
    *p = was - h;
    double below = slow_loss(net, x, label);
    step -= (double)*p;
    *p = was;
    return (above - below) / step;
}

// Every parameter's gradient, but for weights that are removed; returns the largest.
static double compare_gradients(struct net *net, const float *d_param, const float *x,
                                const uint16_t *label) {
    double largest = 0;
    for (uint32_t l = 0; l < net->n_layers; l++) {
        struct net_layer *layer = &net->layer[l];
        uint32_t n = layer->rows * layer->cols;
        for (uint32_t i = 0; i < n + layer->rows; i++) {
            bool absent = i >= n && layer->matrix != 0;
            float *p = i < n ? layer->w + i : layer->bias + (i - n);
            if (i < n && !layer->keep[i])
                continue;
            double want = absent ? 0 : slope(net, p, x, label);
            ck_assert_msg(fabs((double)d_param[i] - want) < 2e-5, "%s %u: %g, not %g", layer->name,
                          i, (double)d_param[i], want);
            largest = fmax(largest, fabs(want));
        }
        d_param += n + layer->rows;
    }
    return largest;
}

enum { N_SHAPES = sizeof shapes / sizeof *shapes };

// With all weights, then with one in 6 of them.
START_TEST(gradients_are_those_that_differences_give) {
    const char *arch = shapes[_i % N_SHAPES];
    struct net net;
    struct pass pass;
    struct tnm_error err;
    struct randomness r;
    float x[BATCH * INPUTS];
    const uint16_t label[BATCH] = {2, 0, 1};
    random_start(&r, (uint64_t)_i);
    random_fill(&r, x, BATCH * INPUTS, 20);
    build(&net, arch, &r);
    if (_i >= N_SHAPES)
        remove_weights(&net, &r, 6);
    ck_assert_msg(pass_open(&pass, &net, BATCH + 1, true, &err), "%s", err.text);
    for (int twice = 0; twice < 2; twice++) // what a pass leaves does not disturb the next
        ck_assert_double_eq_tol(fast_loss(&pass, x, label), slow_loss(&net, x, label), 1e-5);
    double largest = compare_gradients(&net, pass.d_param, x, label);
    ck_assert(net.n_layers == 0 || largest > 0.01);
    pass_close(&pass);
    net_free(&net);
}
END_TEST

// ---- Descriptions ------------------------------------------------------------------------------

START_TEST(lenet5_is_that_of_the_literature) {
    struct net net;
    struct tnm_error err;
    struct tnm_recipe input = data_recipe(28, 28, 1, TNM_FIT_INK);
    static const char *const name[] = {"conv1", "conv2", "fc1", "fc2"};
    static const uint32_t shape[][2] = {{20, 25}, {50, 500}, {500, 800}, {10, 500}};
    ck_assert_msg(net_build(&net, "lenet5", &input, &err), "%s", err.text);
    ck_assert_uint_eq(net.n_layers, 4);
    for (int l = 0; l < 4; l++) {
        ck_assert_str_eq(net.layer[l].name, name[l]);
        ck_assert_uint_eq(net.layer[l].rows, shape[l][0]);
        ck_assert_uint_eq(net.layer[l].cols, shape[l][1]);
    }
    ck_assert_uint_eq(net_weights(&net), 430500);
    net_free(&net);
}
END_TEST

static const struct {
    const char *arch, *words;
} wrong[] = {
    {"conv 8 3x3 relu pol fc 10", "operation 3: \"pol\" is not conv, pool"},
    {"conv 8 3x3 relu", "gives 8 planes or rows; global or fc makes outputs of them"},
    {"conv x 3x3 fc 2", "\"x\" where the number of channels must follow, 1 to 65536"},
    {"conv 0 3x3 fc 2", "\"0\" where the number of channels"},
    {"conv 2x2 3x3 fc 2", "\"2x2\" where the number of channels"},
    {"conv 8 fc 2", "\"fc\" where the window must follow, as 3x3"},
    {"conv 8 3xx3 fc 2", "\"3xx3\" where the window"},
    {"conv 8 3x3 stride 0 fc 2", "stride: \"0\" is not a number from 1"},
    {"conv 8 3x3 stride fc 2", "stride: \"fc\" is not a number from 1"},
    {"conv 8 9x9 fc 2", "no window of 9"},
    {"conv 8 3x3 groups 3 fc 2", "3 groups do not divide 3 channels into 8"},
    {"pool pad 3 fc 2", "lies on padding alone"},
    {"fc 4 pool fc 2", "rank 1, not 3"},
    {"fc 4 relu fc", "\"\" where the number of outputs must follow"},
    {"fc 65536 fc 65536", "weights"},
    {"fc 65537 relu", "\"65537\" where the number of outputs"},
    {"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz fc 2", "is not conv"},
    {"lenet5", "no window of 5"},
    {"lstm all", "\"all\" where the size of the memory must follow"},
    {"lstm 3 all", "makes outputs"},
    {"lstm 3 pool", "rank 1, not 3"},
};

START_TEST(other_descriptions_are_refused) {
    struct net net;
    struct tnm_error err;
    struct tnm_recipe input = recipe();
    ck_assert_msg(!net_build(&net, wrong[_i].arch, &input, &err), "%s", wrong[_i].arch);
    ck_assert_msg(strstr(err.text, wrong[_i].words) != NULL, "%s", err.text);
    net_free(&net); // an empty one
}
END_TEST

Suite *ops_suite(void) {
    Suite *s = suite_create("ops");
    TCase *t = tcase_create("ops");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, gradients_are_those_that_differences_give, 0, 2 * N_SHAPES);
    tcase_add_test(t, lenet5_is_that_of_the_literature);
    tcase_add_loop_test(t, other_descriptions_are_refused, 0, sizeof wrong / sizeof *wrong);
    suite_add_tcase(s, t);
    return s;
}
