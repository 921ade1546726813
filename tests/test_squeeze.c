/* SPDX-License-Identifier: MIT */
// A budget is kept, a run repeats, and an interrupted one goes on as if it had not been.
#include <check.h>
#include <dirent.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/tnm.h"
#include "models/score.h"
#include "models/squeeze.h"
#include "models/state.h"
#include "tests/quarters.h"
#include "tests/scratch.h"

enum { SIDE = 8, INPUTS = SIDE * SIDE, IMAGES = 400, HELD = 100 };

static struct dataset data;
static char *names[] = {"0", "1", "2", "3"};

static void setup(void) {
    quarters_make(&data, SIDE, IMAGES, HELD);
    data.class_name = names;
}

static void teardown(void) {
    data.class_name = NULL;
    data.n_classes = 0;
    dataset_close(&data);
}

// Squeezes a new network; its file in *bytes, or false with err.
static bool squeeze(uint64_t budget, const char *folder, struct net *net, uint8_t **bytes,
                    size_t *len, struct tnm_error *err) {
    struct learn_settings settings;
    struct learn learn = {0};
    learn_defaults(&settings);
    settings.arch = "64-20-12-4";
    settings.weak = 2;
    settings.strong = 0;
    settings.threads = 2;
    settings.batch = 8;
    ck_assert_msg(learn_new(&settings, net, &data, 0, err), "%s", err->text);
    strcpy(net->meta.name, "small");
    ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr)); // its progress
    ck_assert_msg(learn_open(&learn, &settings, net, &data, err), "%s", err->text);
    struct squeeze s = {.net = net,
                        .data = &data,
                        .learn = &learn,
                        .budget = budget,
                        .pack = pack_small(1),
                        .bits = 4,
                        .effort = 0.1,
                        .folder = folder,
                        .log = json_array()};
    bool ok = squeeze_run(&s, err) && pack_net(net, &s.pack, bytes, len, err);
    json_decref(s.log);
    learn_close(&learn, true);
    return ok;
}

// A file whose name begins so.
static void remove_one(const char *folder, const char *begin) {
    DIR *dir = opendir(folder);
    struct dirent *entry;
    ck_assert_ptr_nonnull(dir);
    while ((entry = readdir(dir)) != NULL)
        if (strncmp(entry->d_name, begin, strlen(begin)) == 0)
            break;
    ck_assert_ptr_nonnull(entry);
    ck_assert_int_eq(unlink(scratch_path(folder, entry->d_name)), 0);
    closedir(dir);
}

static const uint64_t budgets[] = {700, 500, 400};

START_TEST(a_budget_is_kept_and_used) {
    struct net net;
    struct tnm_error err;
    struct tnm_score score;
    uint8_t *bytes;
    size_t len;
    ck_assert_msg(squeeze(budgets[_i], NULL, &net, &bytes, &len, &err), "%s", err.text);
    ck_assert_uint_le(len, budgets[_i]);
    ck_assert_uint_ge(len, budgets[_i] * 3 / 4);
    struct tnm_model *model = tnm_model_from_bytes(bytes, len, NULL, &err);
    ck_assert_msg(model != NULL, "%s", err.text);
    ck_assert_uint_eq(tnm_model_inputs(model), INPUTS);
    tnm_model_close(model);
    ck_assert(score_net(&net, &data.set[DATA_VALIDATION], 1, &score, &err));
    ck_assert_uint_ge(score.correct, HELD * 3 / 4);
    for (uint32_t l = 0; l < net.n_layers; l++)
        ck_assert_uint_gt(net.layer[l].bits, 0);
    free(bytes);
    net_free(&net);
}
END_TEST

START_TEST(an_interrupted_run_goes_on_as_if_it_had_not_been) {
    struct net net;
    struct tnm_error err;
    const char *folder = scratch_make();
    uint8_t *bytes[3];
    size_t len[3];
    for (int i = 0; i < 3; i++) { // whole; with all stages there; with the first alone
        ck_assert_msg(squeeze(500, i > 0 ? folder : NULL, &net, &bytes[i], &len[i], &err), "%s",
                      err.text);
        net_free(&net);
        ck_assert_uint_eq(len[i], len[0]);
        ck_assert_mem_eq(bytes[i], bytes[0], len[0]);
        if (i == 1)
            remove_one(folder, "prune");
    }
    struct stat kept;
    ck_assert_int_eq(stat(scratch_path(folder, "dense.tnm"), &kept), 0);
    for (int i = 0; i < 3; i++)
        free(bytes[i]);
    scratch_remove(folder);
}
END_TEST

START_TEST(a_budget_for_nothing_is_refused) {
    struct net net;
    struct tnm_error err;
    uint8_t *bytes;
    size_t len;
    ck_assert(!squeeze(100, NULL, &net, &bytes, &len, &err));
    ck_assert_int_eq(err.code, TNM_EINPUT);
    ck_assert_ptr_nonnull(strstr(err.text, "too small"));
    net_free(&net);
}
END_TEST

START_TEST(layers_come_back_as_they_were) {
    struct net net;
    struct tnm_error err;
    struct state state;
    float w[20 * INPUTS];
    struct learn_settings settings;
    learn_defaults(&settings);
    settings.arch = "64-20-4";
    ck_assert(learn_new(&settings, &net, &data, 0, &err));
    memcpy(w, net.layer[0].w, sizeof w);
    ck_assert(state_keep(&state, &net, &err));
    memset(net.layer[0].w, 0, sizeof w);
    memset(net.layer[0].keep, 0, sizeof w / sizeof *w);
    state_restore(&state, &net);
    ck_assert_mem_eq(w, net.layer[0].w, sizeof w);
    ck_assert_uint_eq(net_nonzeros(&net), net_weights(&net));
    ck_assert(state_keep(&state, &net, &err));
    state_free(&state);
    net_free(&net);
}
END_TEST

Suite *squeeze_suite(void) {
    Suite *s = suite_create("squeeze");
    TCase *t = tcase_create("squeeze");
    tcase_set_timeout(t, 300);
    tcase_add_unchecked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, a_budget_is_kept_and_used, 0, sizeof budgets / sizeof *budgets);
    tcase_add_test(t, an_interrupted_run_goes_on_as_if_it_had_not_been);
    tcase_add_test(t, a_budget_for_nothing_is_refused);
    tcase_add_test(t, layers_come_back_as_they_were);
    suite_add_tcase(s, t);
    return s;
}
