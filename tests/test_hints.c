/* SPDX-License-Identifier: MIT */
// Hints: which layers go together, gradients against differences of the same loss in double
// precision, and that training with them teaches, repeats and can be interrupted.
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/model.h"
#include "models/hints.h"
#include "models/loss.h"
#include "models/train.h"
#include "tests/nets.h"
#include "tests/random.h"
#include "tests/scratch.h"

// ---- Which layers go together ------------------------------------------------------------------

#define TWENTY "1=1,1=1,1=1,1=1,1=1,1=1,1=1,1=1,1=1,1=1,1=1,1=1,1=1,1=1,1=1,1=1,1=1,1=1,1=1,1=1"
#define DEEP "9-8-8-8-8-8-8-8-8-8-8-8-8-8-8-8-8-8-8-8-8-3" // 20 stages

static const struct {
    const char *student, *teacher, *text;
    const char *pairs; // NULL: refused
    const char *words; // with these
} pairings[] = {
    {"784-300-100-10", "lenet5", "auto", "fc1=conv2 fc2=fc1", NULL},
    {"lenet5", "lenet5", "auto", "conv1=conv1 conv2=conv2 fc1=fc1", NULL},
    {"lenet5", "784-300-100-10", "auto", "conv2=fc1 fc1=fc2", NULL},
    {"lstm-128", "lenet5", "auto", "lstm1=fc1", NULL},
    {"784-300-100-10", "lstm-128", "auto", "fc2=lstm1", NULL},
    {"784-9-8-7-6-5-10", "784-9-8-10", "auto", "fc3=fc1 fc5=fc2", NULL},
    {"784-9-8-10", "784-9-8-7-6-5-10", "auto", "fc1=fc3 fc2=fc5", NULL},
    {"conv 2 3x3 global", "784-9-10", "auto", NULL, "the network has no stage before its logits"},
    {"784-9-10", "784-10", "auto", NULL, "the teacher has no stage before its logits"},
    {"784-300-100-10", "lenet5", "fc2=conv1", "fc2=conv1", NULL},
    {"784-300-100-10", "lenet5", "fc2=fc1,fc1=conv1", "fc2=fc1 fc1=conv1", NULL},
    {"784-300-100-10", "lenet5", "fc1=fc1,fc1=conv1", "fc1=fc1 fc1=conv1", NULL},
    {"784-300-100-10", "lenet5", "fc9=conv2", NULL,
     "\"fc9\" is no stage of the network, which has fc1, fc2"},
    {"784-300-100-10", "lenet5", "fc3=conv2", NULL, "\"fc3\" is no stage of the network"},
    {"784-300-100-10", "lenet5", "fc1=conv2,fc2=relu1", NULL,
     "\"relu1\" is no stage of the teacher, which has conv1, conv2, fc1"},
    {"784-300-100-10", "lenet5", "fc=conv2", NULL, "\"fc\" is no stage"},
    {"784-300-100-10", "lenet5", "fc1=conv2=fc1", NULL, "\"conv2=fc1\" is no stage"},
    {"784-300-100-10", "lenet5", "fc1", NULL, "\"fc1\" is not STAGE=STAGE"},
    {"784-300-100-10", "lenet5", "fc1=conv2,", NULL, "\"\" is not STAGE=STAGE"},
    {"784-300-100-10", "lenet5", "=conv2", NULL, "\"\" is no stage of the network"},
    {"784-300-100-10", "lenet5", "fc1=", NULL, "\"\" is no stage of the teacher"},
};

static void stages_of(const char *arch, uint32_t inputs, struct net *net, struct stages *stages) {
    struct tnm_error err;
    struct tnm_recipe recipe = data_recipe(28, inputs / 28, 1, TNM_FIT_INK);
    if (inputs == 9)
        recipe = data_recipe(3, 3, 1, TNM_FIT_INK);
    ck_assert_msg(net_build(net, arch, &recipe, &err), "%s: %s", arch, err.text);
    for (uint32_t i = 0; inputs == 9 && i < net->graph.n_nodes; i++)
        net->graph.node[i].name[0] = 0; // as a file may have it
    ck_assert(stages_open(stages, &net->graph, &err));
}

START_TEST(stages_are_paired_evenly_or_by_name) {
    struct net net[2];
    struct stages s, t;
    struct stage_pair pair[STAGES_MAX_PAIRS];
    struct tnm_error err;
    char got[256] = "";
    uint32_t n;
    stages_of(pairings[_i].student, 784, &net[0], &s);
    stages_of(pairings[_i].teacher, 784, &net[1], &t);
    bool ok = stages_pair(&s, &t, pairings[_i].text, pair, &n, &err);
    ck_assert_msg(ok == (pairings[_i].pairs != NULL), "%s", err.text);
    for (uint32_t i = 0; ok && i < n; i++)
        snprintf(got + strlen(got), sizeof got - strlen(got), "%s%s=%s", i > 0 ? " " : "",
                 s.stage[pair[i].student].name, t.stage[pair[i].teacher].name);
    if (ok)
        ck_assert_str_eq(got, pairings[_i].pairs);
    else
        ck_assert_msg(strstr(err.text, pairings[_i].words) != NULL, "%s", err.text);
    stages_close(&s);
    stages_close(&t);
    net_free(&net[0]);
    net_free(&net[1]);
}
END_TEST

START_TEST(many_stages_without_names_are_paired_by_place) {
    struct net net;
    struct stages s;
    struct stage_pair pair[STAGES_MAX_PAIRS];
    struct tnm_error err;
    uint32_t n;
    stages_of(DEEP, 9, &net, &s);
    ck_assert_uint_eq(s.n, 20);
    ck_assert(stages_pair(&s, &s, "auto", pair, &n, &err));
    ck_assert_uint_eq(n, STAGES_MAX_PAIRS);
    for (uint32_t i = 0; i < n; i++) {
        ck_assert_uint_eq(pair[i].student, pair[i].teacher);
        ck_assert(i == 0 || pair[i].student > pair[i - 1].student);
    }
    ck_assert_uint_eq(pair[n - 1].student, 19);
    ck_assert(stages_pair(&s, &s, "3=20,2=1", pair, &n, &err));
    ck_assert_uint_eq(n, 2);
    ck_assert(pair[0].student == 2 && pair[0].teacher == 19);
    ck_assert(!stages_pair(&s, &s, TWENTY, pair, &n, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "more than 16 pairs"));
    ck_assert(!stages_pair(&s, &s, "21=1", pair, &n, &err));
    stages_close(&s);
    net_free(&net);
}
END_TEST

// ---- Gradients ---------------------------------------------------------------------------------

enum {
    CHANNELS = 3,
    HEIGHT = 7,
    WIDTH = 6,
    INPUTS = CHANNELS * HEIGHT * WIDTH,
    BATCH = 5,
    SEEN = 70, // images that mean and variance are of: more than are asked about at once
    OUTPUTS = 3
};

static const struct {
    const char *student, *teacher, *text;
    uint32_t n;
    struct {
        const char *student, *teacher; // what the stages end with
    } tensor[2];
} nets[] = {
    {"fc 8 relu fc 5 relu fc 3",
     "conv 4 3x3 relu pool conv 3 2x2 relu fc 6 relu fc 3",
     "auto",
     2,
     {{"relu1", "relu2"}, {"relu2", "relu3"}}},
    {"conv 2 3x3 relu pool fc 4 relu fc 3", // maps of the same size
     "conv 5 3x3 relu pool fc 7 relu fc 3",
     "auto",
     2,
     {{"pool1", "pool1"}, {"relu2", "relu2"}}},
    {"conv 2 3x3 relu fc 3", // and of others; a view comes next
     "conv 3 2x2 fc 3",
     "auto",
     1,
     {{"relu1", "conv1"}}},
    {"lstm 2 all lstm 3 fc 3", // rows
     "lstm 4 all fc 5 relu fc 3",
     "auto",
     2,
     {{"lstm1", "lstm1"}, {"lstm2", "relu1"}}},
    {"lstm 6 relu fc 3", "fc 5 relu fc 3", "auto", 1, {{"relu1", "relu1"}}},
    {"fc 4 relu fc 5 relu fc 3", // two pull at one
     "conv 2 3x3 fc 5 relu fc 3",
     "fc1=conv1,fc1=fc1",
     2,
     {{"relu1", "conv1"}, {"relu1", "relu1"}}},
};

static void build(struct net *net, const char *arch, uint64_t salt) {
    struct tnm_error err;
    struct randomness r;
    struct tnm_recipe recipe = data_recipe(WIDTH, HEIGHT, CHANNELS, TNM_FIT_CONTAIN);
    ck_assert_msg(net_build(net, arch, &recipe, &err), "%s: %s", arch, err.text);
    strcpy(net->meta.name, "x");
    net_initialise(net, salt);
    random_start(&r, salt);
    for (uint32_t l = 0; l < net->n_layers; l++)
        if (net->layer[l].matrix == 0)
            random_fill(&r, net->layer[l].bias, net->layer[l].rows, 0);
}

static void random_data(struct dataset *data, uint32_t n) {
    struct randomness r;
    *data = (struct dataset){.name = "noise",
                             .recipe = data_recipe(WIDTH, HEIGHT, CHANNELS, TNM_FIT_CONTAIN),
                             .inputs = INPUTS,
                             .n_classes = OUTPUTS};
    data->set[DATA_TRAIN] =
        (struct data_set){n, malloc((size_t)n * INPUTS), calloc(n, sizeof(uint16_t))};
    random_start(&r, 2);
    for (uint32_t i = 0; i < n * INPUTS; i++)
        data->set[DATA_TRAIN].pixel[i] = (uint8_t)random_between(&r, 0, 255);
}

static uint32_t tensor_named(const struct tnm_graph *g, const char *name) {
    for (uint32_t i = 0; i < g->n_nodes; i++)
        if (strcmp(g->node[i].name, name) == 0)
            return g->node[i].output;
    ck_abort_msg("no node %s", name);
}

// What a tensor holds for one input, in double precision.
static size_t run_to(const struct tnm_model *model, uint32_t tensor, const float *x,
                     struct nets_value *out) {
    struct tnm_graph cut = model->graph; // borrows
    cut.output = tensor;
    for (cut.n_nodes = 0; cut.node[cut.n_nodes].output != tensor;)
        cut.n_nodes++;
    cut.n_nodes++;
    nets_reference(&cut, x, out);
    return tnm_tensor_elements(&cut.tensor[tensor]);
}

// Features at places: where feature f of place p lies.
struct view {
    uint32_t features, places, by_feature, by_place;
};

static struct view view_of(const struct tnm_tensor *t, const struct tnm_tensor *other) {
    if (t->rank == 3 && other->rank == 3 && t->dim[1] == other->dim[1])
        return (struct view){t->dim[0], t->dim[1] * t->dim[2], t->dim[1] * t->dim[2], 1};
    if (t->rank == 2 && other->rank == 2)
        return (struct view){t->dim[1], t->dim[0], 1, t->dim[1]};
    return (struct view){(uint32_t)tnm_tensor_elements(t), 1, 1, 0};
}

// One case: both networks, and what the loss is made of.
struct trial {
    int which;
    struct net net, teacher;
    struct tnm_model *taught; // the teacher in the engine
    struct dataset data;
    struct hints hints;
    float x[BATCH * INPUTS];
    const uint16_t *label;
    double variance[2]; // of each pair's teacher, by two passes
};

// |W x + b - y|^2 of one pair and input; *param gets behind its regressor.
static double slow_error(const struct trial *t, int pair, const struct tnm_model *student,
                         const float *x, const double **param) {
    static struct nets_value a[512], b[512];
    const struct tnm_graph *g = &student->graph, *h = &t->taught->graph;
    uint32_t from = tensor_named(g, nets[t->which].tensor[pair].student);
    uint32_t to = tensor_named(h, nets[t->which].tensor[pair].teacher);
    struct view s = view_of(&g->tensor[from], &h->tensor[to]);
    struct view v = view_of(&h->tensor[to], &g->tensor[from]);
    const double *w = *param, *bias = w + s.features * v.features;
    double sum = 0;
    run_to(student, from, x, a);
    run_to(t->taught, to, x, b);
    ck_assert_uint_eq(s.places, v.places);
    for (uint32_t p = 0; p < s.places; p++)
        for (uint32_t r = 0; r < v.features; r++) {
            double e = bias[r] - b[r * v.by_feature + p * v.by_place].value;
            for (uint32_t c = 0; c < s.features; c++)
                e += w[r * s.features + c] * a[c * s.by_feature + p * s.by_place].value;
            sum += e * e;
        }
    *param = bias + v.features;
    return sum;
}

// The mean over the batch of cross-entropy and weighted hints; *unexplained is of the hints alone.
static double slow_loss(const struct trial *t, const double *param, double *unexplained) {
    struct tnm_error err;
    struct nets_value logit[OUTPUTS];
    struct tnm_model *model = net_model(&t->net, &err);
    ck_assert_msg(model != NULL, "%s", err.text);
    double loss = 0;
    *unexplained = 0;
    for (int i = 0; i < BATCH; i++) {
        const float *x = t->x + i * INPUTS;
        const double *at = param;
        double sum = 0;
        nets_reference(&model->graph, x, logit);
        for (int k = 0; k < OUTPUTS; k++)
            sum += exp(logit[k].value - logit[t->label[i]].value);
        loss += log(sum) / BATCH;
        for (uint32_t k = 0; k < nets[t->which].n; k++)
            *unexplained +=
                slow_error(t, (int)k, model, x, &at) / t->variance[k] / nets[t->which].n / BATCH;
    }
    tnm_model_close(model);
    return loss + (double)t->hints.weight * *unexplained;
}

// By two passes over the images: mean of each feature, then what differs from it.
static double slow_variance(const struct trial *t, int pair) {
    static struct nets_value all[SEEN][512];
    const struct tnm_graph *h = &t->taught->graph;
    uint32_t from = tensor_named(&t->net.graph, nets[t->which].tensor[pair].student);
    uint32_t to = tensor_named(h, nets[t->which].tensor[pair].teacher);
    struct view v = view_of(&h->tensor[to], &t->net.graph.tensor[from]);
    double variance = 0;
    for (int i = 0; i < SEEN; i++) {
        float x[INPUTS];
        for (int k = 0; k < INPUTS; k++)
            x[k] = (float)t->data.set[DATA_TRAIN].pixel[i * INPUTS + k] / 255.0F;
        run_to(t->taught, to, x, all[i]);
    }
    for (uint32_t f = 0; f < v.features; f++) {
        double mean = 0;
        for (uint32_t k = 0; k < SEEN * v.places; k++)
            mean += all[k % SEEN][f * v.by_feature + k / SEEN * v.by_place].value;
        mean /= SEEN * v.places;
        for (uint32_t k = 0; k < SEEN * v.places; k++)
            variance +=
                pow(all[k % SEEN][f * v.by_feature + k / SEEN * v.by_place].value - mean, 2) / SEEN;
    }
    return variance;
}

static void trial_open(struct trial *t, int which) {
    static const uint16_t label[BATCH] = {2, 0, 1, 1, 0};
    struct tnm_error err;
    struct randomness r;
    const char *folder = scratch_make(), *path = scratch_path(folder, "t.tnm");
    *t = (struct trial){.which = which, .label = label};
    build(&t->net, nets[which].student, 5);
    build(&t->teacher, nets[which].teacher, 6);
    random_data(&t->data, SEEN);
    random_start(&r, (uint64_t)which);
    random_fill(&r, t->x, BATCH * INPUTS, 20);
    ck_assert_msg(net_save(&t->teacher, path, NULL, 0, &err), "%s", err.text);
    ck_assert_ptr_nonnull(t->taught = net_model(&t->teacher, &err));
    ck_assert_msg(hints_open(&t->hints, path, nets[which].text, &t->net, &t->data, &err), "%s",
                  err.text);
    ck_assert_uint_eq(t->hints.n, nets[which].n);
    for (uint32_t k = 0; k < t->hints.n; k++) {
        t->variance[k] = slow_variance(t, (int)k);
        ck_assert_double_eq_tol(t->hints.hint[k].variance / t->variance[k], 1, 1e-4);
    }
    scratch_remove(folder);
}

static void trial_close(struct trial *t) {
    tnm_model_close(t->taught);
    hints_close(&t->hints);
    net_free(&t->net);
    net_free(&t->teacher);
    dataset_close(&t->data);
}

// Forward and backward of inputs from..to-1 of the batch, as one thread; with hints or without.
static double pull(struct trial *t, struct pass *pass, uint32_t thread, uint32_t from, uint32_t to,
                   bool hints) {
    uint32_t correct = 0, n = to - from;
    double unexplained = 0;
    memcpy(pass_input(pass), t->x + from * INPUTS, n * INPUTS * sizeof *t->x);
    struct loss_call call = {.logits = pass_forward(pass, n),
                             .label = t->label + from,
                             .n = n,
                             .outputs = OUTPUTS,
                             .scale = 1.0F / BATCH,
                             .d_logits = pass_output_gradient(pass),
                             .correct = &correct};
    loss_cross_entropy(&call);
    if (hints)
        unexplained = hints_pull(&t->hints, thread, pass, n, call.scale);
    pass_backward(pass, n);
    return unexplained / BATCH;
}

// Every parameter of the network against differences.
static void compare_network(struct trial *t, const float *d, const double *param) {
    double unexplained;
    for (uint32_t l = 0; l < t->net.n_layers; l++) {
        struct net_layer *layer = &t->net.layer[l];
        uint32_t n = layer->rows * layer->cols;
        for (uint32_t i = 0; i < n + (layer->matrix == 0 ? layer->rows : 0); i++) {
            float *p = i < n ? layer->w + i : layer->bias + (i - n), was = *p;
            *p = was + 0x1p-18F;
            double step = (double)*p, above = slow_loss(t, param, &unexplained);
            *p = was - 0x1p-18F;
            double want = (above - slow_loss(t, param, &unexplained)) / (step - (double)*p);
            *p = was;
            ck_assert_msg(fabs((double)d[i] - want) < 3e-5 * (1 + fabs(want)), "%s %u: %g, not %g",
                          layer->name, i, (double)d[i], want);
        }
        d += n + layer->rows;
    }
}

START_TEST(gradients_are_those_that_differences_give) {
    static struct trial t;
    struct pass pass[2];
    struct tnm_error err;
    struct randomness r;
    double got = 0, unexplained;
    trial_open(&t, _i);
    t.hints.weight = 0.7F;
    ck_assert(hints_begin(&t.hints, 2, BATCH, &err));
    size_t n = t.hints.n_param, all = pass_parameters(&t.net);
    random_start(&r, 9);
    random_fill(&r, t.hints.param, n, 10);
    double *param = malloc(n * sizeof *param);
    float *before = malloc(all * sizeof *before);
    for (size_t i = 0; i < n; i++)
        param[i] = (double)(t.hints.param[i] *= 0.1F);
    for (uint32_t k = 0; k < 2; k++)
        ck_assert(pass_open(&pass[k], &t.net, BATCH, true, &err));
    pull(&t, &pass[0], 0, 0, BATCH, false);
    memcpy(before, pass[0].d_param, all * sizeof *before);
    pull(&t, &pass[0], 0, 0, 5, true); // leaves nothing behind, either
    for (uint32_t k = 0; k < 2; k++)   // two inputs, then three
        got += pull(&t, &pass[k], k, 2 * k, 2 + 3 * k, true);
    slow_loss(&t, param, &unexplained);
    ck_assert_double_eq_tol(got / unexplained, 1, 1e-5);
    ck_assert_mem_ne(before, pass[0].d_param, all * sizeof *before);
    optimise_add(pass[1].d_param, pass[0].d_param, all);
    compare_network(&t, pass[1].d_param, param);
    // A step of plain descent at rate 1 shows the regressors' gradients.
    struct optimise_step step = {.rate = 1, .shrink = 0.5F, .l1 = 1, .l2 = 1}; // no penalties here
    for (uint32_t k = 0; k < 2; k++)
        hints_learn(&t.hints, k, OPTIMISE_SGD, step);
    for (size_t i = 0; i < n; i++) {
        const double was = param[i];
        param[i] = was + 1e-3;
        double above = slow_loss(&t, param, &unexplained);
        param[i] = was - 1e-3;
        double want = (above - slow_loss(&t, param, &unexplained)) / 2e-3;
        param[i] = was;
        ck_assert_double_eq_tol(was - (double)t.hints.param[i], want, 2e-5 * (1 + fabs(want)));
    }
    pull(&t, &pass[0], 0, 0, BATCH, false); // what was pulled once is gone
    ck_assert_mem_eq(before, pass[0].d_param, all * sizeof *before);
    for (uint32_t k = 0; k < 2; k++)
        pass_close(&pass[k]);
    free(before);
    free(param);
    trial_close(&t);
}
END_TEST

// At its beginning a regressor says the mean, which explains nothing.
START_TEST(a_training_begins_with_everything_unexplained) {
    static struct trial t;
    struct pass pass;
    struct tnm_error err;
    trial_open(&t, _i);
    const struct data_set *set = &t.data.set[DATA_TRAIN];
    ck_assert(hints_begin(&t.hints, 1, SEEN, &err));
    ck_assert(pass_open(&pass, &t.net, SEEN, true, &err));
    for (uint32_t i = 0; i < SEEN * INPUTS; i++)
        pass_input(&pass)[i] = (float)set->pixel[i] / 255.0F;
    pass_forward(&pass, SEEN);
    ck_assert_double_eq_tol(hints_pull(&t.hints, 0, &pass, SEEN, 1) / SEEN, 1, 1e-4);
    pass_close(&pass);
    trial_close(&t);
}
END_TEST

// ---- What cannot be ----------------------------------------------------------------------------

static const struct {
    const char *student, *teacher, *text, *words;
    bool empty; // the teacher's weights are 0
} refused[] = {
    {"fc 5 relu fc 3", "fc 5 relu fc 3", "fc2=fc1", "\"fc2\" is no stage of the network", false},
    {"fc 3", "fc 5 relu fc 3", "auto", "the network has no stage", false},
    {"fc 5 relu fc 3", "fc 5 relu fc 3", "auto",
     "--hints: fc1=fc1: the teacher's says the same of every image", true},
    {"fc 3000 relu fc 3", "fc 2000 relu fc 3", "auto",
     "--hints: fc1=fc1 wants a regressor of 2000 x 3000 weights, more than 4194304", false},
};

START_TEST(what_cannot_be_a_hint_is_said) {
    const char *folder = scratch_make(), *path = scratch_path(folder, "t.tnm");
    struct net net, teacher;
    struct dataset data;
    struct tnm_error err;
    struct hints h;
    build(&net, refused[_i].student, 1);
    build(&teacher, refused[_i].teacher, 2);
    random_data(&data, SEEN);
    for (uint32_t l = 0; refused[_i].empty && l < teacher.n_layers; l++)
        memset(teacher.layer[l].w, 0,
               teacher.layer[l].rows * teacher.layer[l].cols * sizeof(float));
    ck_assert(net_save(&teacher, path, NULL, 0, &err));
    ck_assert(!hints_open(&h, path, refused[_i].text, &net, &data, &err));
    ck_assert_int_eq(err.code, TNM_EINPUT);
    ck_assert_msg(strstr(err.text, refused[_i].words) != NULL, "%s", err.text);
    data.inputs = INPUTS - 1;
    ck_assert(!hints_open(&h, path, "auto", &net, &data, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "126 inputs, the images have 125"));
    ck_assert(!hints_open(&h, scratch_path(folder, "no.tnm"), "auto", &net, &data, &err));
    dataset_close(&data);
    net_free(&net);
    net_free(&teacher);
    scratch_remove(folder);
}
END_TEST

// ---- Whole runs --------------------------------------------------------------------------------

enum { IMAGES = 400, HELD = 100 };

static struct dataset quarters;
static struct net taught; // on them, and saved
static const char *folder;

// Noise with one bright third of the rows, which is the class.
static void make_set(struct data_set *set, uint32_t n, uint64_t salt) {
    struct randomness r;
    random_start(&r, salt);
    *set = (struct data_set){n, malloc((size_t)n * INPUTS), malloc(n * sizeof(uint16_t))};
    for (uint32_t i = 0; i < n; i++) {
        uint32_t label = random_between(&r, 0, OUTPUTS - 1);
        set->label[i] = (uint16_t)label;
        for (uint32_t k = 0; k < INPUTS; k++) {
            bool bright = k / WIDTH % HEIGHT / 2 == label;
            set->pixel[i * INPUTS + k] = (uint8_t)random_between(&r, 0, bright ? 200 : 130);
        }
    }
}

static struct train_options quick(void) {
    struct train_options o = train_defaults();
    o.epochs = 6;
    o.batch = 32; // 400 is no multiple of it
    o.rate = 0.01F;
    o.threads = 2;
    return o;
}

static void setup(void) {
    struct tnm_error err;
    struct train_options o = quick();
    folder = scratch_make();
    random_data(&quarters, 1);
    free(quarters.set[DATA_TRAIN].pixel);
    free(quarters.set[DATA_TRAIN].label);
    make_set(&quarters.set[DATA_TRAIN], IMAGES, 1);
    make_set(&quarters.set[DATA_VALIDATION], HELD, 2);
    build(&taught, "conv 6 3x3 relu pool fc 12 relu fc 3", 3);
    ck_assert_msg(train_run(&taught, &quarters, &o, NULL, NULL, NULL, &err), "%s", err.text);
    ck_assert(net_save(&taught, scratch_path(folder, "t.tnm"), NULL, 0, &err));
}

static void teardown(void) {
    net_free(&taught);
    dataset_close(&quarters);
    scratch_remove(folder);
}

// Trains a new "126-16-8-3"; its reports in order.
struct heard {
    uint32_t n, until; // reports after which to stop, 0: none
    struct train_report report[16];
};

static bool hear(void *arg, const struct train_report *r) {
    struct heard *h = arg;
    h->report[h->n++] = *r;
    return h->n != h->until;
}

static void learn_with(struct net *net, struct train_options *o, float weight,
                       struct heard *heard) {
    struct hints h;
    struct tnm_error err;
    ck_assert_msg(hints_open(&h, scratch_path(folder, "t.tnm"), "auto", net, &quarters, &err), "%s",
                  err.text);
    h.weight = weight;
    o->hints = &h;
    ck_assert_msg(train_run(net, &quarters, o, hear, heard, NULL, &err), "%s", err.text);
    hints_close(&h);
}

static void same_bits(const struct net *a, const struct net *b, bool same) {
    for (uint32_t l = 0; l < a->n_layers; l++) {
        const struct net_layer *p = &a->layer[l], *q = &b->layer[l];
        size_t n = (size_t)p->rows * p->cols;
        ck_assert_int_eq(memcmp(p->w, q->w, n * sizeof(float)) == 0, same);
        ck_assert(!same || memcmp(p->bias, q->bias, p->rows * sizeof(float)) == 0);
        ck_assert(!same || memcmp(p->keep, q->keep, n) == 0);
    }
}

// The student itself moves towards the teacher, not its regressors alone, which at a small weight
// learn as fast: Adam does not know of scale. From the labels there is nothing to learn.
START_TEST(hints_pull_the_student_towards_its_teacher) {
    static const float weight[2] = {1e-4F, 3};
    struct heard heard[2] = {{0}, {0}};
    uint16_t *label = quarters.set[DATA_TRAIN].label;
    quarters.set[DATA_TRAIN].label = calloc(IMAGES, sizeof *label);
    for (int k = 0; k < 2; k++) {
        struct net net;
        struct train_options o = quick();
        o.epochs = 12;
        build(&net, "fc 3 fc 3", 4);
        learn_with(&net, &o, weight[k], &heard[k]);
        net_free(&net);
    }
    free(quarters.set[DATA_TRAIN].label);
    quarters.set[DATA_TRAIN].label = label;
    double last[] = {heard[0].report[11].unexplained, heard[1].report[11].unexplained};
    ck_assert_msg(last[1] < 0.7 * last[0], "%g and %g", last[0], last[1]);
    ck_assert_double_lt(last[1], 0.7 * heard[1].report[0].unexplained);
}
END_TEST

START_TEST(a_run_with_hints_repeats_and_threads_change_only_rounding) {
    static const uint32_t threads[] = {2, 2, 1, 3};
    struct net net[5];
    struct heard heard[5] = {{0}, {0}, {0}, {0}, {0}};
    for (int k = 0; k < 5; k++) {
        struct train_options o = quick();
        o.epochs = 2;
        o.threads = threads[k % 4];
        build(&net[k], "fc 16 relu fc 8 relu fc 3", 4);
        learn_with(&net[k], &o, k < 4 ? 1 : 1.5F, &heard[k]);
    }
    same_bits(&net[0], &net[1], true);
    for (int k = 2; k < 4; k++) {
        for (uint32_t i = 0; i < 16 * INPUTS; i++)
            ck_assert_float_eq_tol(net[0].layer[0].w[i], net[k].layer[0].w[i], 5e-3F);
        ck_assert_double_eq_tol(heard[0].report[1].unexplained, heard[k].report[1].unexplained,
                                1e-3);
    }
    same_bits(&net[0], &net[4], false);
    for (int k = 0; k < 5; k++)
        net_free(&net[k]);
}
END_TEST

// Whole; up to epoch 3 and from there. With weights that go; with the best epoch kept; by descent.
START_TEST(an_interrupted_run_goes_on_to_the_same_bits) {
    const struct train_prune prune = {300, TRAIN_PRUNINGS, SALIENCY_FISHER};
    const char *path = scratch_path(folder, "x.tnm");
    struct net net[3];
    struct heard heard[3] = {{0}, {.until = 3}, {0}};
    struct checkpoint checkpoint;
    struct tnm_error err;
    for (int k = 0; k < 3; k++) {
        struct train_options o = quick();
        o.prune = _i == 1 ? &prune : NULL;
        o.keep_best = _i == 2;
        if (_i == 3) {
            o.optimiser = OPTIMISE_SGD;
            o.rate = 0.05F;
        }
        build(&net[k], "fc 16 relu fc 8 relu fc 3", 4);
        ck_assert(checkpoint_open(&checkpoint, path, "a run", k == 2, &err));
        o.checkpoint = k > 0 ? &checkpoint : NULL;
        learn_with(&net[k], &o, 1, &heard[k]);
        checkpoint_close(&checkpoint, k == 2);
    }
    if (_i != 2) // whose best may be the third
        same_bits(&net[0], &net[1], false);
    same_bits(&net[0], &net[2], true);
    for (int e = 0; e < 6; e++)
        ck_assert_double_eq(heard[0].report[e].unexplained, heard[2].report[e].unexplained);
    for (int k = 0; k < 3; k++)
        net_free(&net[k]);
}
END_TEST

// A batch smaller than the team: what the idle thread had before must not count again.
START_TEST(an_idle_thread_pulls_at_nothing) {
    struct net net[2];
    struct heard heard[2] = {{0}, {0}};
    quarters.set[DATA_TRAIN].n = 34; // batches of 32 and 2
    for (int k = 0; k < 2; k++) {
        struct train_options o = quick();
        o.epochs = 3;
        o.threads = k == 0 ? 1 : 3;
        build(&net[k], "fc 16 relu fc 8 relu fc 3", 4);
        learn_with(&net[k], &o, 1, &heard[k]);
        net_free(&net[k]);
    }
    quarters.set[DATA_TRAIN].n = IMAGES;
    for (int e = 0; e < 3; e++)
        ck_assert_double_eq_tol(heard[0].report[e].unexplained, heard[1].report[e].unexplained,
                                1e-5);
}
END_TEST

Suite *hints_suite(void) {
    Suite *s = suite_create("hints");
    TCase *t = tcase_create("hints"), *run = tcase_create("runs");
    tcase_set_timeout(t, 300);
    tcase_add_loop_test(t, stages_are_paired_evenly_or_by_name, 0,
                        sizeof pairings / sizeof *pairings);
    tcase_add_test(t, many_stages_without_names_are_paired_by_place);
    tcase_add_loop_test(t, gradients_are_those_that_differences_give, 0,
                        sizeof nets / sizeof *nets);
    tcase_add_loop_test(t, a_training_begins_with_everything_unexplained, 0,
                        sizeof nets / sizeof *nets);
    tcase_add_loop_test(t, what_cannot_be_a_hint_is_said, 0, sizeof refused / sizeof *refused);
    suite_add_tcase(s, t);
    tcase_set_timeout(run, 300);
    tcase_add_unchecked_fixture(run, setup, teardown);
    tcase_add_test(run, hints_pull_the_student_towards_its_teacher);
    tcase_add_test(run, a_run_with_hints_repeats_and_threads_change_only_rounding);
    tcase_add_loop_test(run, an_interrupted_run_goes_on_to_the_same_bits, 0, 4);
    tcase_add_test(run, an_idle_thread_pulls_at_nothing);
    suite_add_tcase(s, run);
    return s;
}
