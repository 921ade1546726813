/* SPDX-License-Identifier: MIT */
// Layers with few weights left: the same numbers as matrix products give, to rounding, at any size
// and share; what is looked at when; and runs that repeat. That gradients are right at all is
// test_ops.c's.
#include <check.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "models/conv_sparse.h"
#include "models/data.h"
#include "models/pass.h"
#include "models/train.h"
#include "tests/guard.h"
#include "tests/random.h"

enum { CHANNELS = 2, HEIGHT = 15, WIDTH = 13, INPUTS = CHANNELS * HEIGHT * WIDTH, ROOM = 37 };

// Leaves so many of 100 weights, in some rows none; of one layer, where it is named, all.
static void build(struct net *net, const char *arch, struct randomness *r, uint32_t percent,
                  const char *whole) {
    struct tnm_error err;
    struct tnm_recipe input = data_recipe(WIDTH, HEIGHT, CHANNELS, TNM_FIT_CONTAIN);
    ck_assert_msg(net_build(net, arch, &input, &err), "%s: %s", arch, err.text);
    net_initialise(net, 5);
    for (uint32_t l = 0; l < net->n_layers; l++) {
        struct net_layer *layer = &net->layer[l];
        if (layer->matrix == 0)
            random_fill(r, layer->bias, layer->rows, 0);
        for (uint32_t i = 0; i < layer->rows * layer->cols; i++)
            if ((whole == NULL || strcmp(layer->name, whole) != 0) &&
                (!random_percent(r, percent) || i / layer->cols == 1))
                layer->w[i] = layer->keep[i] = 0;
    }
}

// ---- Against matrix products -------------------------------------------------------------------

static const struct {
    const char *arch;
    uint32_t percent;  // of the weights are left
    uint32_t n;        // inputs
    const char *dense; // layer that stays so: it is whole, or has no sparse way
} cases[] = {
    {"fc 33", 10, ROOM, NULL},
    {"fc 100 relu fc 50 relu fc 10", 5, ROOM, NULL},
    {"fc 100 relu fc 50 relu fc 10", 20, 16, NULL},
    {"fc 17 fc 3", 20, 1, NULL},
    {"fc 40 fc 10", 0, 5, NULL},
    {"conv 9 5x5 relu fc 10", 20, 7, NULL},
    {"conv 9 5x5 pool relu conv 11 3x3 relu fc 40 relu fc 10", 10, ROOM, NULL},
    {"conv 8 3x3 pad 1 relu conv 5 3x3 pad 1x2 dilation 2x1 relu global", 30, 4, NULL},
    {"conv 6 4x3 groups 2 conv 9 2x2 groups 3 fc 5", 20, 3, NULL},
    {"conv 6 1x1 conv 8 1x1 pool fc 5", 30, 3, NULL},
    {"conv 4 15x13 fc 3", 15, 5, NULL},
    {"conv 4 1x13 conv 3 15x1 fc 3", 15, 2, NULL},
    {"lstm 12", 20, ROOM, NULL},
    {"lstm 12", 20, ROOM, "lstm1.in"},
    {"lstm 12", 20, 3, "lstm1.rec"},
    {"lstm 9 all lstm 7 relu fc 4", 15, 5, NULL},
    {"conv 4 3x3 stride 2 relu fc 10", 20, 5, "conv1"},
};

static uint32_t sparse_layers(const struct pass *pass) {
    uint32_t n = 0;
    for (uint32_t l = 0; l < pass->net->n_layers; l++)
        n += pass->sparse[l].on;
    return n;
}

static void run(struct pass *pass, const float *x, const float *d_logits, uint32_t n,
                float *logits) {
    const struct tnm_graph *g = &pass->net->graph;
    size_t outputs = tnm_tensor_elements(&g->tensor[g->output]);
    memcpy(pass_input(pass), x, n * INPUTS * sizeof *x);
    memcpy(logits, pass_forward(pass, n), n * outputs * sizeof *logits);
    memcpy(pass_output_gradient(pass), d_logits, n * outputs * sizeof *d_logits);
    pass_backward(pass, n);
}

// To a few hundred roundings of the largest. Not a number is not near.
static void near(const float *a, const float *b, size_t n, const char *what) {
    float largest = 0;
    for (size_t i = 0; i < n; i++)
        largest = fmaxf(largest, fabsf(b[i]));
    for (size_t i = 0; i < n; i++)
        ck_assert_msg(fabsf(a[i] - b[i]) <= 3e-5f * largest, "%s %zu: %g, not %g", what, i,
                      (double)a[i], (double)b[i]);
}

static void near_gradients(const struct pass *a, const struct pass *b) {
    for (uint32_t l = 0; l < a->net->n_layers; l++) {
        const struct net_layer *layer = &a->net->layer[l];
        size_t n = (size_t)layer->rows * layer->cols;
        float *want = b->d_param + a->at[l];
        for (size_t i = 0; i < n && a->sparse[l].on; i++)
            want[i] = layer->keep[i] ? want[i] : 0; // of removed weights there is none
        near(a->d_param + a->at[l], want, n + layer->rows, layer->name);
    }
}

// Floats of work that the sparse ways of a network need, or the dense one where it has that.
static size_t work_of(const struct net *net, bool sparse) {
    const struct tnm_graph *g = &net->graph;
    size_t most = 1;
    for (uint32_t i = 0; i < g->n_nodes; i++) {
        const struct train_op *op = train_op_find(g->node[i].op);
        size_t n = op->work_floats != NULL ? op->work_floats(g, &g->node[i], ROOM) : 0;
        if (sparse && op->op == TNM_OP_CONV2D)
            n = conv_sparse_floats(g, &g->node[i]);
        most = n > most ? n : most;
    }
    return most;
}

START_TEST(it_agrees_with_matrix_products) {
    struct net net;
    struct pass sparse, dense;
    struct tnm_error err;
    struct randomness r;
    static float x[ROOM * INPUTS], d_logits[ROOM * 100], logits[2][ROOM * 100];
    const uint32_t n = cases[_i].n;
    random_start(&r, (uint64_t)_i);
    random_fill(&r, x, ROOM * INPUTS, 20);
    random_fill(&r, d_logits, ROOM * 100, 0);
    build(&net, cases[_i].arch, &r, cases[_i].percent, cases[_i].dense);
    ck_assert_msg(pass_open(&sparse, &net, ROOM, true, &err), "%s", err.text);
    ck_assert_msg(pass_open(&dense, &net, ROOM, true, &err), "%s", err.text);
    pass_take_dense(&dense);
    ck_assert_uint_eq(sparse_layers(&dense), 0);
    ck_assert_uint_eq(sparse_layers(&sparse), net.n_layers - (cases[_i].dense != NULL));
    size_t work = work_of(&net, cases[_i].dense == NULL) * sizeof(float);
    sparse.work = memset(guard_high(work), 0xff, work); // not a number, where nothing is written
    for (int twice = 0; twice < 2; twice++) // what a pass leaves does not disturb the next
        run(&sparse, x, d_logits, n, logits[0]);
    run(&dense, x, d_logits, n, logits[1]);
    near(logits[0], logits[1], n * net.layer[net.n_layers - 1].rows, "logit");
    near_gradients(&sparse, &dense);
    guard_free(sparse.work, work);
    pass_close(&sparse);
    pass_close(&dense);
    net_free(&net);
}
END_TEST

// ---- What is left ------------------------------------------------------------------------------

START_TEST(a_layer_is_sparse_once_few_weights_are_left) {
    struct net net;
    struct pass pass;
    struct tnm_error err;
    struct randomness r;
    random_start(&r, 1);
    build(&net, "fc 40", &r, 100, "fc1");
    ck_assert_msg(pass_open(&pass, &net, 3, true, &err), "%s", err.text);
    ck_assert_uint_eq(sparse_layers(&pass), 0);
    memset(pass.d_param, 1, pass_parameters(&net) * sizeof(float));
    struct net_layer *layer = &net.layer[0];
    for (uint32_t i = 0; i < layer->rows * layer->cols; i++)
        if (i % 10 != 0)
            layer->w[i] = layer->keep[i] = 0;
    pass_look(&pass);
    ck_assert(pass.sparse[0].on);
    ck_assert_uint_eq(pass.sparse[0].n, layer->rows * layer->cols / 10);
    for (uint32_t i = 0; i < layer->rows * layer->cols; i++)
        ck_assert_float_eq(pass.d_param[i], 0);
    pass_close(&pass);
    net_free(&net);
}
END_TEST

// ---- Whole runs --------------------------------------------------------------------------------

enum { IMAGES = 300, CLASSES = 4 };

static void make_data(struct dataset *data) {
    struct randomness r;
    random_start(&r, 3);
    *data = (struct dataset){.name = "noise",
                             .recipe = data_recipe(WIDTH, HEIGHT, CHANNELS, TNM_FIT_CONTAIN),
                             .inputs = INPUTS,
                             .n_classes = CLASSES};
    for (int set = DATA_TRAIN; set <= DATA_VALIDATION; set++) {
        struct data_set *s = &data->set[set];
        *s = (struct data_set){IMAGES, malloc(IMAGES * INPUTS), malloc(IMAGES * sizeof(uint16_t))};
        ck_assert(s->pixel != NULL && s->label != NULL);
        for (uint32_t i = 0; i < IMAGES * INPUTS; i++)
            s->pixel[i] = (uint8_t)random_between(&r, 0, 255);
        for (uint32_t i = 0; i < IMAGES; i++)
            s->label[i] = (uint16_t)random_between(&r, 0, CLASSES - 1);
    }
}

static const char *const learned[] = {"fc 60 relu fc 4", "conv 8 5x5 pool relu fc 4"};

// All weights of a network that loses weights on the way.
static void trained(const struct dataset *data, const char *arch, uint32_t threads, float *w) {
    struct net net;
    struct tnm_error err;
    struct train_prune prune = {.to = 120, .per_epoch = 5, .saliency = SALIENCY_FISHER};
    struct train_options o = train_defaults();
    struct tnm_recipe input = data->recipe;
    ck_assert(net_build(&net, arch, &input, &err));
    net_initialise(&net, 9);
    o.epochs = 2;
    o.batch = 32;
    o.threads = threads;
    o.prune = &prune;
    o.weight_decay = 0.01f;
    ck_assert_msg(train_run(&net, data, &o, NULL, NULL, NULL, &err), "%s", err.text);
    ck_assert_uint_eq(net_nonzeros(&net), 120);
    for (uint32_t l = 0; l < net.n_layers; l++) {
        size_t n = (size_t)net.layer[l].rows * net.layer[l].cols;
        memcpy(w, net.layer[l].w, n * sizeof *w);
        for (size_t i = 0; i < n; i++)
            ck_assert(net.layer[l].keep[i] || w[i] == 0);
        w += n;
    }
    net_free(&net);
}

START_TEST(a_run_that_becomes_sparse_repeats_to_the_bit) {
    enum { MOST = 60 * (INPUTS + 4) };
    struct dataset data;
    static float w[3][MOST];
    make_data(&data);
    for (uint32_t threads = 1; threads <= 3; threads += 2) {
        trained(&data, learned[_i], threads, w[0]);
        trained(&data, learned[_i], threads, w[1]);
        ck_assert_mem_eq(w[0], w[1], sizeof w[0]);
    }
    trained(&data, learned[1 - _i], 1, w[2]);
    ck_assert_mem_ne(w[0], w[2], sizeof w[0]);
    dataset_close(&data);
}
END_TEST

Suite *sparse_suite(void) {
    Suite *s = suite_create("sparse");
    TCase *t = tcase_create("sparse");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, it_agrees_with_matrix_products, 0, sizeof cases / sizeof *cases);
    tcase_add_test(t, a_layer_is_sparse_once_few_weights_are_left);
    tcase_add_loop_test(t, a_run_that_becomes_sparse_repeats_to_the_bit, 0, 2);
    suite_add_tcase(s, t);
    return s;
}
