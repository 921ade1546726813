/* SPDX-License-Identifier: MIT */
// Networks of the forge: built, drawn, written and read back.
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/model.h"
#include "models/data.h"
#include "models/net.h"
#include "tests/scratch.h"

static const char *dir;

static void setup(void) {
    dir = scratch_make();
}

static void teardown(void) {
    scratch_remove(dir);
}

static void build(struct net *net, const char *arch, uint32_t width, uint32_t height) {
    struct tnm_error err;
    struct tnm_recipe recipe = data_recipe(width, height, 1, TNM_FIT_CONTAIN);
    ck_assert_msg(net_build(net, arch, &recipe, &err), "%s", err.text);
    strcpy(net->meta.name, "x");
    net_initialise(net, 3);
}

START_TEST(a_network_is_a_chain_from_picture_to_logits) {
    struct net net;
    struct tnm_error err;
    build(&net, "12-5-4-3", 4, 3);
    const struct tnm_graph *g = &net.graph;
    ck_assert_msg(g->n_nodes == 6 && g->n_tensors == 7, "%u nodes", g->n_nodes);
    static const char *const name[] = {"flatten", "fc1", "relu1", "fc2", "relu2", "fc3"};
    for (uint32_t i = 0; i < 6; i++)
        ck_assert_str_eq(g->node[i].name, name[i]);
    ck_assert_uint_eq(g->tensor[0].dim[1], 3);
    ck_assert_uint_eq(g->tensor[0].dim[2], 4);
    ck_assert_str_eq(g->tensor[g->output].name, "logits");
    ck_assert_uint_eq(net.n_layers, 3);
    ck_assert_uint_eq(net_weights(&net), 12 * 5 + 5 * 4 + 4 * 3);
    ck_assert_uint_eq(net_nonzeros(&net), net_weights(&net));
    struct tnm_model *model = net_model(&net, &err);
    ck_assert_msg(model != NULL, "%s", err.text);
    tnm_model_close(model);
    net_free(&net);
}
END_TEST

// A weight that is kept stays kept whatever its value, so that blocks stay whole.
START_TEST(a_kept_weight_of_zero_is_kept_in_a_file) {
    struct net net, again;
    struct tnm_error err;
    build(&net, "12-5-3", 4, 3);
    struct net_layer *layer = &net.layer[0];
    for (uint32_t i = 0; i < 60; i++)
        layer->keep[i] = i % 12 < 8;
    for (uint32_t i = 0; i < 60; i++)
        layer->w[i] = layer->keep[i] && i % 3 > 0 ? layer->w[i] : 0;
    float codebook[2] = {0, 1};
    uint8_t code[60];
    if (_i == 1) { // shared: of values 0 and 1
        layer->bits = 1;
        layer->n_centroids = 2;
        layer->codebook = malloc(sizeof codebook);
        layer->code = malloc(sizeof code);
        memcpy(layer->codebook, codebook, sizeof codebook);
        for (uint32_t i = 0; i < 60; i++) {
            layer->code[i] = layer->w[i] != 0;
            layer->w[i] = layer->w[i] != 0 ? 1 : 0;
        }
    }
    ck_assert_msg(net_save(&net, scratch_path(dir, "z.tnm"), NULL, 0, &err), "%s", err.text);
    ck_assert_msg(net_open(&again, scratch_path(dir, "z.tnm"), NULL, &err), "%s", err.text);
    ck_assert_mem_eq(again.layer[0].keep, layer->keep, 60);
    ck_assert_mem_eq(again.layer[0].w, layer->w, 60 * sizeof(float));
    ck_assert_uint_eq(net_nonzeros(&again), 40 + 15);
    net_free(&again);
    net_free(&net);
}
END_TEST

START_TEST(weights_are_drawn_by_he) {
    struct net net, other;
    double square = 0;
    build(&net, "400-200-2", 20, 20);
    build(&other, "400-200-2", 20, 20);
    for (int i = 0; i < 80000; i++)
        square += pow((double)net.layer[0].w[i], 2) / 80000;
    ck_assert_double_eq_tol(square, 2.0 / 400, 0.03 * 2.0 / 400);
    ck_assert_mem_eq(net.layer[0].w, other.layer[0].w, 80000 * sizeof(float));
    net_initialise(&other, 4);
    ck_assert_mem_ne(net.layer[0].w, other.layer[0].w, 80000 * sizeof(float));
    net_free(&net);
    net_free(&other);
}
END_TEST

static const struct {
    const char *arch, *words;
} wrong[] = {{"", "is not layer sizes"},
             {"12", "has no layer"},
             {"12-", "is not layer sizes"},
             {"12-0-3", "is not layer sizes"},
             {"12--3", "is not layer sizes"},
             {"12-+5-3", "is not layer sizes"},
             {"12-5 -3", "is not layer sizes"},
             {"12-65537-3", "is not layer sizes"},
             {"12-99999999999999999999-3", "is not layer sizes"},
             {"12-65536-65536", "weights"},
             {"13-5-3", "has 13 inputs, the images 12 (4x3, 1 channel)"},
             {"lenet7", "is not layer sizes"}};

START_TEST(other_architectures_are_refused) {
    struct net net;
    struct tnm_error err;
    struct tnm_recipe recipe = data_recipe(4, 3, 1, TNM_FIT_CONTAIN);
    ck_assert(!net_build(&net, wrong[_i].arch, &recipe, &err));
    ck_assert_msg(strstr(err.text, wrong[_i].words) != NULL, "%s", err.text);
    net_free(&net); // an empty one
}
END_TEST

// Which layers are pruned and which shared, as bits of _i.
static void compress(struct net *net, int which) {
    struct net_layer *layer = &net->layer[0];
    for (int i = 0; which & 1 && i < 60; i += 3) {
        layer->keep[i] = 0;
        layer->w[i] = 0;
    }
    if ((which & 2) == 0)
        return;
    layer->bits = 2;
    layer->n_centroids = 3;
    layer->codebook = malloc(3 * sizeof(float));
    layer->code = calloc(60, 1);
    ck_assert(layer->codebook != NULL && layer->code != NULL);
    memcpy(layer->codebook, (const float[]){-0.5f, 0.25f, 1}, 3 * sizeof(float));
    for (int i = 0; i < 60; i++) {
        layer->code[i] = (uint8_t)(i * i % 3);
        layer->w[i] = layer->keep[i] ? layer->codebook[layer->code[i]] : 0;
    }
}

START_TEST(what_is_saved_is_read_back) {
    struct net net, back;
    struct tnm_error err;
    uint8_t pixels[24], digest[TNM_DIGEST_BYTES];
    const char *path = scratch_path(dir, "x.tnm");
    build(&net, "12-5-3", 4, 3);
    compress(&net, _i & 3);
    net.half = _i & 4;
    net.layer[1].bias[2] = 0.5f;
    for (int i = 0; i < 24; i++)
        pixels[i] = (uint8_t)(10 * i);
    ck_assert_msg(net_save(&net, path, pixels, 2, &err), "%s", err.text);
    ck_assert_uint_eq(net.meta.self_test.n_cases, 2);
    ck_assert_msg(net_open(&back, path, digest, &err), "%s", err.text);
    ck_assert_str_eq(back.meta.name, "x");
    ck_assert(back.half == net.half);
    ck_assert_uint_eq(net_nonzeros(&back), net_nonzeros(&net));
    float tolerance = net.half ? 1e-3f : 0;
    for (uint32_t l = 0; l < 2; l++) {
        const struct net_layer *a = &net.layer[l], *b = &back.layer[l];
        ck_assert_uint_eq(a->bits, b->bits);
        ck_assert_mem_eq(a->keep, b->keep, (size_t)a->rows * a->cols);
        for (uint32_t i = 0; i < a->rows * a->cols; i++)
            ck_assert_float_eq_tol(a->w[i], b->w[i], tolerance + 1e-30f);
        ck_assert_mem_eq(a->bias, b->bias, a->rows * sizeof(float));
        for (uint32_t i = 0; a->code != NULL && i < a->rows * a->cols; i++)
            ck_assert(!a->keep[i] || a->code[i] == b->code[i]);
    }
    struct tnm_model *model = tnm_model_open(path, &err);
    ck_assert_msg(model != NULL && tnm_model_self_test(model, &err), "%s", err.text);
    for (int i = 0; i < TNM_DIGEST_BYTES; i++) {
        char hex[3];
        snprintf(hex, sizeof hex, "%02x", digest[i]);
        ck_assert_mem_eq(hex, model->digest + 2 * i, 2);
    }
    tnm_model_close(model);
    net_free(&net);
    net_free(&back);
}
END_TEST

// y = w relu(w x + b) + b, in double precision, from the weights alone.
START_TEST(the_self_test_holds_what_the_weights_give) {
    struct net net;
    struct tnm_error err;
    uint8_t pixels[12];
    build(&net, "12-5-3", 4, 3);
    net.layer[0].bias[1] = 0.3f;
    for (int i = 0; i < 12; i++)
        pixels[i] = (uint8_t)(20 * i);
    ck_assert_msg(net_save(&net, scratch_path(dir, "x.tnm"), pixels, 1, &err), "%s", err.text);
    for (int r = 0; r < 3; r++) {
        double y = (double)net.layer[1].bias[r];
        for (int h = 0; h < 5; h++) {
            double sum = (double)net.layer[0].bias[h];
            for (int c = 0; c < 12; c++)
                sum += (double)net.layer[0].w[12 * h + c] * pixels[c] / 255;
            y += (double)net.layer[1].w[5 * r + h] * fmax(sum, 0);
        }
        ck_assert_double_eq_tol((double)net.meta.self_test.logits[r], y, 1e-5);
    }
    net_free(&net);
}
END_TEST

Suite *net_suite(void) {
    Suite *s = suite_create("net");
    TCase *t = tcase_create("net");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_network_is_a_chain_from_picture_to_logits);
    tcase_add_test(t, weights_are_drawn_by_he);
    tcase_add_loop_test(t, a_kept_weight_of_zero_is_kept_in_a_file, 0, 2);
    tcase_add_loop_test(t, other_architectures_are_refused, 0, sizeof wrong / sizeof *wrong);
    tcase_add_loop_test(t, what_is_saved_is_read_back, 0, 8);
    tcase_add_test(t, the_self_test_holds_what_the_weights_give);
    suite_add_tcase(s, t);
    return s;
}
