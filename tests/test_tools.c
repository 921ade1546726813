/* SPDX-License-Identifier: MIT */
// The forge as its user meets it: the real binary on a small data set.
#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/tnm.h"
#include "models/net.h"
#include "tests/scratch.h"
#include "tests/tool_run.h"

// ---- A data set: a bright bar in one of three places, on noise
// -----------------------------------

enum { SIDE = 6, INPUTS = SIDE * SIDE, CLASSES = 3, TRAIN = 300, TEST = 90 };

static const char *folder; // with the data set, and m.tnm trained on it

// Image i of a set, and its class. Every ninth looks like the next class, so that not all can be
// right.
static uint8_t make_image(uint32_t i, uint8_t pixel[INPUTS]) {
    uint32_t state = 2463534242u + 7919u * i;
    uint8_t class = (uint8_t)(i % CLASSES);
    uint32_t bar = 1 + ((class + (i % 9 == 0 ? 1u : 0u)) % CLASSES);
    for (uint32_t p = 0; p < INPUTS; p++) {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        bool lit = p / SIDE == bar && p % SIDE > 0 && p % SIDE < SIDE - 1;
        pixel[p] = (uint8_t)(lit ? 150 + state % 100 : state % 40);
    }
    return class;
}

static void put_u32(FILE *f, uint32_t v) {
    for (int shift = 24; shift >= 0; shift -= 8)
        fputc((int)(v >> shift & 255), f);
}

static void write_set(const char *name, uint32_t first, uint32_t n) {
    char path[64];
    uint8_t pixel[INPUTS];
    snprintf(path, sizeof path, "%s-images-idx3-ubyte", name);
    FILE *images = fopen(scratch_path(folder, path), "w");
    snprintf(path, sizeof path, "%s-labels-idx1-ubyte", name);
    FILE *labels = fopen(scratch_path(folder, path), "w");
    ck_assert(images != NULL && labels != NULL);
    put_u32(images, 0x803);
    put_u32(images, n);
    put_u32(images, SIDE);
    put_u32(images, SIDE);
    put_u32(labels, 0x801);
    put_u32(labels, n);
    for (uint32_t i = 0; i < n; i++) {
        fputc(make_image(first + i, pixel), labels);
        fwrite(pixel, 1, INPUTS, images);
    }
    ck_assert(fclose(images) == 0 && fclose(labels) == 0);
}

// Runs, and expects an exit code.
#define RUN(CODE, ...)                                                                             \
    do {                                                                                           \
        struct tool_run run_ = tool_run(__VA_ARGS__);                                              \
        ck_assert_msg(run_.code == (CODE), "exit %d: %s%s", run_.code, run_.out, run_.err);        \
        tool_free(&run_);                                                                          \
    } while (0)

static void make_folder(void) {
    folder = scratch_make();
    write_set("train", 0, TRAIN);
    write_set("t10k", 10000, TEST);
    RUN(0, "train --arch 36-12-3 --data %s -o %s/m.tnm --epochs 5 --batch 16 --lr 0.01 --threads 1",
        folder, folder);
    RUN(0,
        "train --arch \"conv 4 3x3 relu pool fc 10 relu fc 3\" --data %s -o %s/taught.tnm --epochs "
        "4 "
        "--batch 16 --lr 0.01 --threads 1",
        folder, folder);
}

static void remove_folder(void) {
    scratch_remove(folder);
}

// Runs and parses what it printed.
#define JSON(...) parse_output(tool_run(__VA_ARGS__))

static json_t *parse_output(struct tool_run run) {
    json_error_t error;
    ck_assert_msg(run.code == 0, "exit %d: %s", run.code, run.err);
    json_t *document = json_loads(run.out, 0, &error);
    ck_assert_msg(document != NULL, "%s: %s", error.text, run.out);
    tool_free(&run);
    return document;
}

static json_int_t whole(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    ck_assert_msg(json_is_integer(value), "%s is no whole number", key);
    return json_integer_value(value);
}

static double real(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    ck_assert_msg(json_is_number(value), "%s is no number", key);
    return json_number_value(value);
}

static const char *word(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    ck_assert_msg(json_is_string(value), "%s is no text", key);
    return json_string_value(value);
}

// ---- Usage -------------------------------------------------------------------------------------

static const char *const commands[] = {"train", "prune",  "retrain",  "share",  "eval",
                                       "info",  "verify", "classify", "bench",  "report",
                                       "plot",  "pack",   "unpack",   "squeeze"};

START_TEST(every_command_has_help) {
    struct tool_run run = tool_run("%s --help", commands[_i]);
    char start[64];
    snprintf(start, sizeof start, "usage: tnm %s ", commands[_i]);
    ck_assert_int_eq(run.code, 0);
    ck_assert_int_eq(strncmp(run.out, start, strlen(start)), 0);
    ck_assert_str_eq(run.err, "");
    tool_free(&run);
}
END_TEST

START_TEST(the_version_is_the_librarys) {
    struct tool_run run = tool_run("--version");
    ck_assert_int_eq(run.code, 0);
    ck_assert_str_eq(run.out, "tnm " TNM_VERSION "\n");
    tool_free(&run);
    RUN(0, "--help");
}
END_TEST

static const char *const misused[] = {
    "nothing",
    "info",
    "info one.tnm two.tnm",
    "info --colour x.tnm",
    "prune m.tnm --std 2",
    "prune m.tnm -o p.tnm",
    "prune m.tnm -o p.tnm --std 2 --sparsity 0.5",
    "prune m.tnm -o p.tnm --sparsity 1.5",
    "share m.tnm -o s.tnm --bits 9",
    "share m.tnm -o s.tnm --bits 0",
    "share m.tnm -o s.tnm --init best",
    "eval m.tnm",
    "eval --data x",
    "eval --ensemble m.tnm --data x",
    "verify",
    "classify m.tnm",
    "train --data x -o y.tnm",
    "prune m.tnm -o p.tnm --sparsity 0.5 --saliency fisher", // needs --data
    "prune m.tnm -o p.tnm --std 1 --saliency fisher --data x",
    "share m.tnm -o s.tnm --finetune",
    "train --data x --arch 4-3-2 -o y.tnm --hints",
    "train --data x --arch 4-3-2 -o y.tnm --teacher m.tnm --hint-weight 1",
    "train --data x --arch 4-3-2 -o y.tnm --teacher m.tnm --hints fc1=fc1",
    "train --data x --arch 4-3-2 -o y.tnm --teacher m.tnm --hints=",
    "retrain m.tnm --data x -o y.tnm --hints",
    "share m.tnm -o s.tnm --hints",
    "squeeze --data x --budget 100 --arch 4-3 -o y.tnm --hints",
    "squeeze --data x --budget 100 --arch 4-3 -o y.tnm --teacher m.tnm --hint-weight -1",
    "squeeze --data x --arch 4-3 -o y.tnm",
    "squeeze --data x --budget 100 -o y.tnm",
    "squeeze --data x --budget 100 --arch 4-3 --from m.tnm -o y.tnm",
};

START_TEST(wrong_usage_exits_2_with_one_line) {
    struct tool_run run = tool_run("%s", misused[_i]);
    ck_assert_msg(run.code == 2, "exit %d of: %s", run.code, misused[_i]);
    ck_assert_int_eq(strncmp(run.err, "tnm: ", 5), 0);
    ck_assert_ptr_eq(strchr(run.err, '\n'), run.err + strlen(run.err) - 1);
    ck_assert_str_eq(run.out, "");
    tool_free(&run);
}
END_TEST

// %s is the folder, twice.
static const char *const failing[] = {
    "info %s/none.tnm",
    "info %s/t10k-labels-idx1-ubyte",
    "prune %s/none.tnm -o %s/p.tnm --std 2",
    "prune %s/m.tnm -o %s/p.onnx --std 2",
    "prune %s/m.tnm -o %s/none/p.tnm --sparsity 0.5",
    "share %s/t10k-labels-idx1-ubyte -o %s/s.tnm",
    "eval %s/m.tnm --data %s/none",
    "classify %s/none.tnm %s/x.pgm",
    "classify %s/m.tnm %s/none.pgm",
    "verify %s/none.tnm",
    "squeeze --from %s/m.tnm --data %s --budget 20 -o s.tnm",
};

START_TEST(failure_exits_1_with_one_line) {
    char words[512];
    const char *at = failing[_i];
    words[0] = 0;
    for (const char *hole; (hole = strstr(at, "%s")) != NULL; at = hole + 2)
        snprintf(words + strlen(words), sizeof words - strlen(words), "%.*s%s", (int)(hole - at),
                 at, folder);
    snprintf(words + strlen(words), sizeof words - strlen(words), "%s", at);
    struct tool_run run = tool_run("%s", words);
    ck_assert_msg(run.code == 1, "exit %d of: %s", run.code, words);
    ck_assert_int_eq(strncmp(run.err, "tnm: ", 5), 0);
    ck_assert_ptr_eq(strchr(run.err, '\n'), run.err + strlen(run.err) - 1);
    const char *first = run.err + 5, *second = strstr(first, ": "); // a file is named once
    size_t len = second != NULL ? (size_t)(second + 2 - first) : 0;
    ck_assert_msg(len == 0 || strncmp(first, first + len, len) != 0, "%s", run.err);
    tool_free(&run);
}
END_TEST

// ---- Telling -----------------------------------------------------------------------------------

START_TEST(info_tells_what_the_file_holds) {
    json_t *info = JSON("info --json %s/m.tnm", folder);
    ck_assert_str_eq(word(info, "name"), "m");
    ck_assert_int_eq(whole(info, "parameters"), 36 * 12 + 12 + 12 * 3 + 3);
    ck_assert_int_eq(whole(info, "nonzeros"), 36 * 12 + 12 * 3);
    ck_assert_int_eq(whole(info, "dense_bytes"), 4 * whole(info, "parameters"));
    ck_assert_double_eq(real(info, "sparsity"), 0);
    ck_assert_double_eq_tol(real(info, "ratio") * (double)whole(info, "bytes"),
                            (double)whole(info, "dense_bytes"), 0.01);
    ck_assert_uint_eq(strlen(word(info, "digest")), 64);
    const json_t *layers = json_object_get(info, "layers"), *fc2 = json_array_get(layers, 1);
    ck_assert_uint_eq(json_array_size(layers), 2);
    ck_assert_str_eq(word(fc2, "name"), "fc2");
    ck_assert_str_eq(word(fc2, "op"), "linear");
    ck_assert_str_eq(word(fc2, "encoding"), "dense");
    ck_assert_int_eq(whole(fc2, "weights"), 36);
    ck_assert_int_eq(whole(fc2, "bits"), 32);
    ck_assert_int_eq(whole(fc2, "bytes"), 4 * (36 + 3));
    ck_assert_uint_eq(json_array_size(json_object_get(fc2, "shape")), 2);
    ck_assert_uint_eq(json_array_size(json_object_get(info, "labels")), CLASSES);
    ck_assert_double_gt(real(json_object_get(info, "accuracy"), "test"), 0.7);
    ck_assert_double_gt(real(json_object_get(info, "accuracy"), "validation"), 0.7);
    json_decref(info);
    RUN(0, "info %s/m.tnm", folder);
}
END_TEST

// A layer's blocks as info tells them.
static const json_t *blocks_in(const json_t *info, size_t layer) {
    return json_object_get(json_array_get(json_object_get(info, "layers"), layer), "blocks");
}

static void check_blocks(const char *file, const char *shape) {
    json_t *info = JSON("info --json %s/%s", folder, file);
    ck_assert_str_eq(word(blocks_in(info, 0), "shape"), shape);
    ck_assert_double_eq(real(blocks_in(info, 0), "share"), 1);
    ck_assert_int_gt(whole(blocks_in(info, 0), "count"), 0);
    json_decref(info);
    RUN(0, "info %s/%s", folder, file);
}

// Through pruning at once, retraining, sharing and packing.
START_TEST(blocks_stay_whole_from_step_to_step) {
    static const char *const shapes[] = {"1x4", "4x1"};
    const char *shape = shapes[_i];
    RUN(0, "prune %s/m.tnm -o %s/b.tnm --block %s --sparsity 0.6 --layer fc2=0.1", folder, folder,
        shape);
    check_blocks("b.tnm", shape);
    RUN(0, "retrain %s/b.tnm -o %s/r.tnm --data %s --epochs 1 --threads 1", folder, folder, folder);
    check_blocks("r.tnm", shape);
    RUN(0, "share %s/r.tnm -o %s/s.tnm --bits 3", folder, folder);
    check_blocks("s.tnm", shape);
    RUN(0, "pack %s/s.tnm -o %s/p.tnm", folder, folder);
    check_blocks("p.tnm", shape);
    RUN(0, "prune %s/m.tnm -o %s/d.tnm --block %s --std 0.7", folder, folder, shape);
    check_blocks("d.tnm", shape);
}
END_TEST

START_TEST(blocks_go_bit_by_bit) {
    RUN(0,
        "retrain %s/m.tnm -o %s/g.tnm --data %s --to-sparsity 0.6 --block 4x1 --prune-epochs 2 "
        "--epochs 1 --threads 1",
        folder, folder, folder);
    json_t *info = JSON("info --json %s/g.tnm", folder);
    ck_assert_str_eq(word(blocks_in(info, 0), "shape"), "4x1");
    ck_assert_int_le(whole(info, "nonzeros"), (36 * 12 + 12 * 3) * 4 / 10);
    json_decref(info);
    RUN(2, "retrain %s/m.tnm -o %s/g.tnm --data %s --block 4x1", folder, folder, folder);
    RUN(2, "prune %s/m.tnm -o %s/g.tnm --sparsity 0.5 --block 2x2", folder, folder);
}
END_TEST

START_TEST(what_is_not_known_is_null) {
    json_t *step = JSON("prune --json %s/m.tnm -o %s/n.tnm --sparsity 0.5", folder, folder);
    const json_t *accuracy = json_object_get(step, "accuracy");
    ck_assert(json_is_null(json_object_get(accuracy, "test")));
    ck_assert(json_is_null(json_object_get(accuracy, "validation")));
    json_decref(step);
}
END_TEST

static uint32_t count_correct(const char *path) {
    struct tnm_model *model = tnm_model_open(path, NULL);
    ck_assert_ptr_nonnull(model);
    struct tnm_session *session = tnm_session_open(model, 1, NULL);
    ck_assert_ptr_nonnull(session);
    uint32_t correct = 0;
    for (uint32_t i = 0; i < TEST; i++) {
        uint8_t pixel[INPUTS];
        float x[INPUTS], logits[CLASSES];
        uint8_t class = make_image(10000 + i, pixel);
        for (int p = 0; p < INPUTS; p++)
            x[p] = (float)pixel[p] / 255.0f;
        tnm_session_run(session, x, 1, logits);
        uint8_t best = 0;
        for (uint8_t c = 1; c < CLASSES; c++)
            best = logits[c] > logits[best] ? c : best;
        correct += best == class;
    }
    tnm_session_close(session);
    tnm_model_close(model);
    return correct;
}

START_TEST(eval_counts_as_one_counts_by_hand) {
    RUN(0, "prune %s/m.tnm -o %s/e.tnm --sparsity 0.8", folder, folder);
    json_t *eval = JSON("eval --json %s/m.tnm %s/e.tnm --data %s", folder, folder, folder);
    const json_t *models = json_object_get(eval, "models");
    static const char *const file[2] = {"m.tnm", "e.tnm"};
    ck_assert_uint_eq(json_array_size(models), 2);
    json_int_t correct[2];
    for (size_t i = 0; i < 2; i++) {
        const json_t *m = json_array_get(models, i);
        correct[i] = whole(m, "correct");
        ck_assert_int_eq(correct[i], count_correct(scratch_path(folder, file[i])));
        ck_assert_int_eq(whole(m, "images"), TEST);
        ck_assert_double_eq_tol(real(m, "accuracy"), (double)correct[i] / TEST, 1e-9);
        ck_assert_str_eq(word(m, "file"), scratch_path(folder, file[i]));
    }
    ck_assert_int_lt(correct[0], TEST); // the odd ones
    const json_t *against = json_object_get(json_array_get(models, 1), "against_first");
    ck_assert_int_eq(whole(against, "only_first") - whole(against, "only_this"),
                     correct[0] - correct[1]);
    json_decref(eval);
}
END_TEST

START_TEST(eval_tells_what_models_answer_together) {
    RUN(0, "prune %s/m.tnm -o %s/e1.tnm --sparsity 0.7", folder, folder);
    RUN(0, "prune %s/m.tnm -o %s/e2.tnm --sparsity 0.9", folder, folder);
    json_t *eval = JSON("eval --json --ensemble --against %s/m.tnm %s/e1.tnm %s/e2.tnm --data %s",
                        folder, folder, folder, folder);
    const json_t *models = json_object_get(eval, "models");
    const json_t *ensemble = json_object_get(eval, "ensemble");
    ck_assert_uint_eq(json_array_size(models), 3);
    ck_assert_int_eq(whole(ensemble, "members"), 2); // not m, which they are compared with
    ck_assert_int_eq(whole(ensemble, "bytes"), whole(json_array_get(models, 1), "bytes") +
                                                   whole(json_array_get(models, 2), "bytes"));
    ck_assert_int_eq(whole(ensemble, "images"), TEST);
    ck_assert_double_eq_tol(real(ensemble, "accuracy"), (double)whole(ensemble, "correct") / TEST,
                            1e-9);
    const json_t *against = json_object_get(ensemble, "against_first");
    ck_assert_int_eq(whole(against, "only_first") - whole(against, "only_this"),
                     whole(json_array_get(models, 0), "correct") - whole(ensemble, "correct"));
    json_decref(eval);
    struct tool_run run =
        tool_run("eval --brief --ensemble %s/e1.tnm %s/e2.tnm --data %s", folder, folder, folder);
    ck_assert_int_eq(run.code, 0);
    ck_assert_ptr_nonnull(strstr(run.out, "\nensemble of 2, "));
    tool_free(&run);
    run =
        tool_run("eval --ensemble %s/e1.tnm tests/data/good/digits.tnm --data %s", folder, folder);
    ck_assert_int_eq(run.code, 1);
    ck_assert_ptr_nonnull(strstr(run.err, "digits.tnm: takes 28x28x1"));
    ck_assert_str_eq(run.out, ""); // refused before the first is run
    tool_free(&run);
}
END_TEST

START_TEST(the_file_says_what_eval_finds) {
    json_t *info = JSON("info --json %s/m.tnm", folder);
    json_t *eval = JSON("eval --json %s/m.tnm --data %s --split validation", folder, folder);
    const json_t *m = json_array_get(json_object_get(eval, "models"), 0);
    ck_assert_double_eq(real(json_object_get(info, "accuracy"), "validation"), real(m, "accuracy"));
    ck_assert_int_eq(whole(m, "images"), TRAIN / 10);
    json_decref(info);
    json_decref(eval);
}
END_TEST

START_TEST(verify_finds_any_flipped_byte) {
    RUN(0, "verify %s/m.tnm", folder);
    FILE *f = fopen(scratch_path(folder, "m.tnm"), "r");
    ck_assert_ptr_nonnull(f);
    static char bytes[65536];
    size_t len = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    bytes[len * (size_t)_i / 4] ^= 1;
    scratch_write(scratch_path(folder, "flipped.tnm"), bytes, len);
    struct tool_run run = tool_run("verify %s/m.tnm %s/flipped.tnm", folder, folder);
    ck_assert_int_eq(run.code, 1);
    ck_assert_ptr_nonnull(strstr(run.out, "m.tnm: ok"));
    ck_assert_ptr_nonnull(strstr(run.out, "flipped.tnm: "));
    ck_assert_ptr_nonnull(strstr(run.err, "1 of 2"));
    tool_free(&run);
}
END_TEST

START_TEST(bench_tells_the_time_of_an_input_beside_a_dense_run) {
    RUN(0, "prune %s/m.tnm -o %s/fast.tnm --sparsity 0.8", folder, folder);
    json_t *bench =
        JSON("bench --json %s/fast.tnm --batch 4 --threads 2 --rounds 3 --data %s", folder, folder);
    ck_assert_int_eq(whole(bench, "batch"), 4);
    ck_assert_int_eq(whole(bench, "threads"), 2);
    ck_assert_double_gt(real(bench, "ns_per_input_min"), 0);
    ck_assert_double_ge(real(bench, "ns_per_input_median"), real(bench, "ns_per_input_min"));
    double dense = real(bench, "dense_ns_per_input_median");
    ck_assert_double_eq_tol(real(bench, "speedup") * real(bench, "ns_per_input_median") / dense, 1,
                            1e-6);
    ck_assert_uint_gt(strlen(word(bench, "kernels")), 0);
    json_decref(bench);
}
END_TEST

START_TEST(a_log_becomes_a_table) {
    RUN(0, "prune %s/m.tnm -o %s/t0.tnm --std 0.25 --log %s/std", folder, folder, folder);
    struct tool_run by_std = tool_run("report --label std %s/std", folder);
    ck_assert_ptr_nonnull(strstr(by_std.out, "\n| 0.25 | t0 |"));
    tool_free(&by_std);
    RUN(0, "prune %s/m.tnm -o %s/t1.tnm --sparsity 0.5 --data %s --log %s/table", folder, folder,
        folder, folder);
    RUN(0, "share %s/t1.tnm -o %s/t2.tnm --bits 3 --log %s/table", folder, folder, folder);
    struct tool_run run = tool_run("report --label bits %s/table", folder);
    ck_assert_int_eq(run.code, 0);
    ck_assert_int_eq(strncmp(run.out, "| bits | model |", 16), 0);
    ck_assert_ptr_nonnull(strstr(run.out, "| t1 |"));
    ck_assert_ptr_nonnull(strstr(run.out, "\n| 3 | t2 |"));
    ck_assert_ptr_nonnull(strstr(run.out, "| 234 | 50.00 % |"));
    tool_free(&run);
    RUN(0, "pack %s/t2.tnm -o %s/t3.tnm --log %s/table", folder, folder, folder);
    struct tool_run kept = tool_run("report --lines %s/table %s/std", folder, folder);
    scratch_write(scratch_path(folder, "kept"), kept.out, strlen(kept.out));
    ck_assert_ptr_null(strstr(kept.out, "\"layers\""));
    struct tool_run again = tool_run("report %s/kept", folder);
    struct tool_run both = tool_run("report %s/table %s/std", folder, folder);
    ck_assert_str_eq(again.out, both.out);
    ck_assert_ptr_nonnull(strstr(both.out, "\n| pack | t2 |"));
    ck_assert_ptr_nonnull(strstr(both.out, "\n| prune | t0 |"));
    tool_free(&kept);
    tool_free(&again);
    tool_free(&both);
    scratch_write(scratch_path(folder, "table"), "{\"n\":1}\n", 8);
    RUN(1, "report %s/table", folder);
}
END_TEST

// ---- Making ------------------------------------------------------------------------------------

START_TEST(prune_leaves_as_many_as_asked_and_says_where_they_come_from) {
    json_t *before = JSON("info --json %s/m.tnm", folder);
    RUN(0, "prune %s/m.tnm -o %s/p.tnm --nonzeros 100 --layer fc2=30 --data %s --log %s/log",
        folder, folder, folder, folder);
    json_t *after = JSON("info --json %s/p.tnm", folder);
    ck_assert_int_eq(whole(after, "nonzeros"), 100);
    const json_t *fc2 = json_array_get(json_object_get(after, "layers"), 1);
    ck_assert_int_eq(whole(fc2, "nonzeros"), 30);
    ck_assert_str_eq(word(fc2, "encoding"), "csr");
    const json_t *step = json_array_get(json_object_get(after, "provenance"), 1);
    ck_assert_str_eq(word(step, "step"), "prune");
    ck_assert_str_eq(word(step, "parent"), word(before, "digest"));
    ck_assert_str_eq(word(step, "parameters"), "--nonzeros 100 --layer fc2=30");
    json_error_t error;
    json_t *line = json_load_file(scratch_path(folder, "log"), 0, &error);
    ck_assert_msg(line != NULL, "%s", error.text);
    ck_assert_str_eq(word(line, "step"), "prune");
    ck_assert_str_eq(word(line, "options"), "--nonzeros 100 --layer fc2=30");
    ck_assert_int_eq(whole(line, "nonzeros"), 100);
    json_decref(line);
    json_decref(before);
    json_decref(after);
}
END_TEST

START_TEST(pruning_by_deviation_keeps_what_is_above_the_threshold) {
    struct net was, is;
    json_t *step =
        JSON("prune --json %s/m.tnm -o %s/d.tnm --std 1 --layer fc2=0.5", folder, folder);
    ck_assert(net_open(&was, scratch_path(folder, "m.tnm"), NULL, NULL));
    ck_assert(net_open(&is, scratch_path(folder, "d.tnm"), NULL, NULL));
    for (uint32_t l = 0; l < 2; l++) {
        const struct net_layer *a = &was.layer[l], *b = &is.layer[l];
        const json_t *t = json_array_get(json_object_get(step, "thresholds"), l);
        double threshold = real(t, "threshold");
        ck_assert_double_eq_tol(threshold, (l == 0 ? 1 : 0.5) * real(t, "deviation"), 1e-8);
        uint32_t left = 0;
        for (uint32_t i = 0; i < a->rows * a->cols; i++) {
            double size = a->w[i] < 0 ? -(double)a->w[i] : (double)a->w[i];
            ck_assert_int_eq(b->keep[i], size >= threshold);
            ck_assert_float_eq(b->w[i], b->keep[i] ? a->w[i] : 0.0f);
            left += b->keep[i];
        }
        ck_assert(left > 0 && left < a->rows * a->cols);
    }
    net_free(&was);
    net_free(&is);
    json_decref(step);
}
END_TEST

// Three images are too few to hold any of them out.
START_TEST(an_accuracy_that_nobody_measured_is_no_number) {
    const char *all = folder;
    folder = scratch_make();
    write_set("train", 0, 3);
    struct tool_run run =
        tool_run("train --arch 36-3 --data %s -o %s/few.tnm --epochs 1", folder, folder);
    ck_assert_msg(run.code == 0, "%s", run.err);
    ck_assert_msg(strstr(run.err, "validation unknown") != NULL, "%s", run.err);
    ck_assert_ptr_null(strstr(run.err, "nan"));
    tool_free(&run);
    scratch_remove(folder);
    folder = all;
}
END_TEST

START_TEST(pruning_everything_is_said) {
    struct tool_run run = tool_run("prune %s/m.tnm -o %s/empty.tnm --sparsity 1", folder, folder);
    ck_assert_int_eq(run.code, 0);
    ck_assert_ptr_nonnull(strstr(run.err, "2 layers without any weight left, first of them fc1"));
    ck_assert_ptr_nonnull(strstr(run.err, "3 classes with no input left, first of them \"0\""));
    tool_free(&run);
    RUN(0, "verify %s/empty.tnm", folder);
    RUN(2, "prune %s/m.tnm -o %s/x.tnm --std 2 --layer fc9=1", folder, folder);
    RUN(1, "prune %s/m.tnm -o %s/x.tnm --nonzeros 10 --layer fc2=30", folder, folder);
}
END_TEST

START_TEST(retraining_and_sharing_keep_zeros_zero) {
    struct net pruned, shared;
    RUN(0, "prune %s/m.tnm -o %s/z.tnm --sparsity 0.7", folder, folder);
    RUN(0, "retrain %s/z.tnm -o %s/zr.tnm --data %s --epochs 2 --threads 1", folder, folder,
        folder);
    RUN(0, "share %s/zr.tnm -o %s/zs.tnm --bits 3 --layer fc2=2 --data %s", folder, folder, folder);
    ck_assert(net_open(&pruned, scratch_path(folder, "z.tnm"), NULL, NULL));
    ck_assert(net_open(&shared, scratch_path(folder, "zs.tnm"), NULL, NULL));
    for (uint32_t l = 0; l < 2; l++) {
        const struct net_layer *a = &pruned.layer[l], *b = &shared.layer[l];
        ck_assert_mem_eq(a->keep, b->keep, a->rows * a->cols);
        ck_assert_uint_le(b->n_centroids, l == 0 ? 8 : 4);
        ck_assert_uint_gt(b->n_centroids, 1);
    }
    ck_assert_uint_eq(shared.meta.n_steps, 4);
    ck_assert_str_eq(shared.meta.step[3].verb, "share");
    ck_assert_uint_eq(shared.meta.test.images, TEST);
    net_free(&pruned);
    net_free(&shared);
}
END_TEST

START_TEST(retraining_prunes_on_the_way_and_learns_from_a_teacher) {
    struct net net;
    RUN(0,
        "retrain %s/m.tnm -o %s/g.tnm --data %s --to-nonzeros 60 --prune-epochs 3 --epochs 2 "
        "--weak 1 --teacher %s/m.tnm,%s/m.tnm --threads 1 --log %s/gradual",
        folder, folder, folder, folder, folder, folder);
    ck_assert(net_open(&net, scratch_path(folder, "g.tnm"), NULL, NULL));
    ck_assert_uint_le(net_nonzeros(&net), 60); // dead units may take some
    ck_assert_uint_ge(net_nonzeros(&net), 40);
    ck_assert_uint_gt(net.meta.test.correct, TEST * 2 / 3);
    net_free(&net);
    json_error_t error;
    json_t *line = json_load_file(scratch_path(folder, "gradual"), 0, &error);
    ck_assert_msg(line != NULL, "%s", error.text);
    ck_assert_uint_eq(json_array_size(json_object_get(line, "epochs")), 5);
    ck_assert(json_is_object(json_object_get(line, "tidied")));
    json_decref(line);
}
END_TEST

// Each command that learns; the log tells what is left to explain.
static const char *const hinted[] = {
    "train --arch 36-9-7-3 --epochs 4 --batch 16 --hints --hint-weight 2 --lr 0.01",
    "retrain %s/m.tnm --to-nonzeros 60 --prune-epochs 2 --epochs 2 --hints=fc1=fc1",
    "share %s/m.tnm --bits 2 --finetune --epochs 4 --hints",
    "squeeze --from %s/m.tnm --budget 420 --effort 0.05 --hints",
};

START_TEST(hidden_layers_learn_from_a_teachers) {
    struct net net;
    json_error_t error;
    char words[256];
    snprintf(words, sizeof words, hinted[_i], folder);
    RUN(0,
        "%s -o %s/h.tnm --data %s --teacher %s/taught.tnm --weak 1 --threads 1 "
        "--log %s/hints%d",
        words, folder, folder, folder, folder, _i);
    snprintf(words, sizeof words, "hints%d", _i);
    json_t *line = json_load_file(scratch_path(folder, words), 0, &error);
    ck_assert_msg(line != NULL, "%s", error.text);
    const json_t *epochs = json_object_get(line, "epochs");
    ck_assert_uint_ge(json_array_size(epochs), 4);
    for (size_t e = 0; e < json_array_size(epochs); e++) {
        double left = real(json_array_get(epochs, e), "hints");
        ck_assert(left > 0 && left < 2);
        ck_assert(e == 0 || e > 3 || _i > 0 || left < real(json_array_get(epochs, e - 1), "hints"));
    }
    json_decref(line);
    ck_assert(net_open(&net, scratch_path(folder, "h.tnm"), NULL, NULL));
    const char *told = net.meta.step[net.meta.n_steps - 1].parameters;
    static const char *const tells[] = {"--hints=auto --hint-weight 2", "--hints=fc1=fc1", "", ""};
    ck_assert_msg(strstr(told, tells[_i]) != NULL, "%s", told);
    net_free(&net);
}
END_TEST

START_TEST(hints_for_layers_that_are_not_there_say_which_are) {
    struct tool_run run = tool_run("train --arch 36-9-7-3 --data %s -o %s/x.tnm --teacher "
                                   "%s/taught.tnm --hints=fc1=conv2",
                                   folder, folder, folder);
    ck_assert_int_eq(run.code, 1);
    ck_assert_ptr_nonnull(
        strstr(run.err, "--hints: \"conv2\" is no stage of the teacher, which has conv1, fc1"));
    tool_free(&run);
}
END_TEST

START_TEST(pruning_by_gradients_leaves_the_number_asked) {
    struct net net;
    RUN(0, "prune %s/m.tnm -o %s/f.tnm --nonzeros 80 --saliency fisher --sample 50 --data %s",
        folder, folder, folder);
    ck_assert(net_open(&net, scratch_path(folder, "f.tnm"), NULL, NULL));
    ck_assert_uint_eq(net_nonzeros(&net), 80);
    net_free(&net);
}
END_TEST

START_TEST(shared_values_are_tuned_and_rounded) {
    struct net net;
    RUN(0,
        "share %s/m.tnm -o %s/t.tnm --bits 3 --finetune --epochs 1 --data %s --threads 1 "
        "--round-codebook f16 --round-bias 8",
        folder, folder, folder);
    ck_assert(net_open(&net, scratch_path(folder, "t.tnm"), NULL, NULL));
    for (uint32_t k = 0; k < net.layer[0].n_centroids; k++) {
        float c = net.layer[0].codebook[k];
        ck_assert_float_eq(tnm_half_to_float(tnm_float_to_half(c)), c);
    }
    net_free(&net);
}
END_TEST

START_TEST(squeezing_keeps_to_the_budget) {
    json_t *done = JSON("squeeze --json --from %s/m.tnm --data %s --budget 420 --effort 0.05 "
                        "--weak 1 --threads 1 -o %s/sq.tnm",
                        folder, folder, folder);
    ck_assert_int_le(whole(done, "bytes"), 420);
    ck_assert_int_ge(whole(done, "bytes"), 250);
    ck_assert(json_array_size(json_object_get(done, "stages")) >= 2);
    json_decref(done);
    RUN(0, "verify %s/sq.tnm", folder);
}
END_TEST

START_TEST(squeezes_share_a_folder_of_stages_if_all_but_the_budget_is_the_same) {
    static const char line[] = "squeeze --json --from %s/m.tnm --data %s --budget %d --effort 0.05 "
                               "--weak 1 --threads 1 --seed %d --work %s/stages -o %s/st.tnm";
    json_t *first = JSON(line, folder, folder, 420, 1, folder, folder);
    json_t *again = JSON(line, folder, folder, 420, 1, folder, folder);
    ck_assert_int_eq(whole(first, "bytes"), whole(again, "bytes"));
    const json_t *stages = json_object_get(again, "stages");
    ck_assert(json_equal(json_object_get(first, "stages"), stages));
    ck_assert_uint_lt(json_array_size(json_object_get(again, "epochs")),
                      json_array_size(json_object_get(first, "epochs")));
    json_decref(first);
    json_decref(again);
    RUN(0, line, folder, folder, 400, 1, folder, folder);
    struct tool_run other = tool_run(line, folder, folder, 400, 2, folder, folder);
    ck_assert_int_eq(other.code, 1);
    ck_assert_ptr_nonnull(strstr(other.err, "stages: of a run with other settings"));
    tool_free(&other);
}
END_TEST

START_TEST(classes_have_the_names_they_are_given) {
    RUN(0,
        "train --arch 36-3 --data %s -o %s/l.tnm --labels top,middle,bottom --recipe fit --weak 1 "
        "--mirror --epochs 5 --batch 16 --lr 0.02 --threads 1",
        folder, folder);
    RUN(0, "retrain %s/l.tnm --data %s -o %s/l2.tnm --teacher %s/l.tnm --epochs 1 --threads 1",
        folder, folder, folder, folder);
    RUN(0,
        "squeeze --arch 36-3 --data %s --labels top,middle,bottom --recipe fit --budget 420 "
        "--effort 0.02 --weak 1 --mirror --teacher %s/l.tnm --threads 1 -o %s/l3.tnm",
        folder, folder, folder);
    json_t *info = JSON("info --json %s/l3.tnm", folder);
    const json_t *labels = json_object_get(info, "labels");
    ck_assert_uint_eq(json_array_size(labels), 3);
    ck_assert_str_eq(json_string_value(json_array_get(labels, 2)), "bottom");
    ck_assert_str_eq(word(json_object_get(info, "recipe"), "fit"), "fit");
    json_decref(info);
    json_t *measured = JSON("eval --json %s/l2.tnm --data %s", folder, folder);
    ck_assert_int_gt(whole(json_array_get(json_object_get(measured, "models"), 0), "correct"),
                     TEST / 2);
    json_decref(measured);
    RUN(1, "train --arch 36-3 --data %s -o %s/l4.tnm --mirror", folder, folder);
}
END_TEST

// ---- Pictures ----------------------------------------------------------------------------------

static void write_pgm(const char *name, uint32_t image) {
    uint8_t file[16 + INPUTS];
    int head = snprintf((char *)file, 16, "P5\n%d %d\n255\n", SIDE, SIDE);
    make_image(image, file + head);
    scratch_write(scratch_path(folder, name), file, (size_t)head + INPUTS);
}

START_TEST(classify_answers_what_it_can_read) {
    write_pgm("a.pgm", 10001);
    write_pgm("b.pgm", 10002);
    json_t *answer = JSON("classify --json %s/m.tnm %s/a.pgm %s/b.pgm", folder, folder, folder);
    const json_t *pictures = json_object_get(answer, "pictures");
    ck_assert_uint_eq(json_array_size(pictures), 2);
    for (uint32_t i = 0; i < 2; i++) {
        const json_t *one = json_array_get(pictures, i);
        ck_assert_int_eq(whole(one, "index"), (10001 + i) % CLASSES);
        ck_assert_double_gt(real(one, "probability"), 0.5);
        ck_assert(json_is_true(json_object_get(json_object_get(one, "input"), "as_is")));
    }
    json_decref(answer);
    scratch_write(scratch_path(folder, "broken.pgm"), "P5\n6 6\n255\nxx", 13);
    struct tool_run run =
        tool_run("classify %s/m.tnm %s/broken.pgm %s/a.pgm", folder, folder, folder);
    ck_assert_int_eq(run.code, 1);
    ck_assert_ptr_nonnull(strstr(run.err, "broken.pgm"));
    ck_assert_ptr_nonnull(strstr(run.out, "a.pgm: "));
    tool_free(&run);
}
END_TEST

Suite *tools_suite(void);
Suite *tools_suite(void) {
    Suite *suite = suite_create("tools");
    TCase *t = tcase_create("tools");
    tcase_add_unchecked_fixture(t, make_folder, remove_folder);
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, every_command_has_help, 0, sizeof commands / sizeof *commands);
    tcase_add_test(t, the_version_is_the_librarys);
    tcase_add_loop_test(t, wrong_usage_exits_2_with_one_line, 0, sizeof misused / sizeof *misused);
    tcase_add_loop_test(t, failure_exits_1_with_one_line, 0, sizeof failing / sizeof *failing);
    tcase_add_test(t, info_tells_what_the_file_holds);
    tcase_add_test(t, what_is_not_known_is_null);
    tcase_add_loop_test(t, blocks_stay_whole_from_step_to_step, 0, 2);
    tcase_add_test(t, blocks_go_bit_by_bit);
    tcase_add_test(t, eval_counts_as_one_counts_by_hand);
    tcase_add_test(t, eval_tells_what_models_answer_together);
    tcase_add_test(t, the_file_says_what_eval_finds);
    tcase_add_test(t, bench_tells_the_time_of_an_input_beside_a_dense_run);
    tcase_add_test(t, a_log_becomes_a_table);
    tcase_add_loop_test(t, verify_finds_any_flipped_byte, 0, 4);
    tcase_add_test(t, prune_leaves_as_many_as_asked_and_says_where_they_come_from);
    tcase_add_test(t, pruning_by_deviation_keeps_what_is_above_the_threshold);
    tcase_add_test(t, an_accuracy_that_nobody_measured_is_no_number);
    tcase_add_test(t, pruning_everything_is_said);
    tcase_add_test(t, retraining_and_sharing_keep_zeros_zero);
    tcase_add_test(t, retraining_prunes_on_the_way_and_learns_from_a_teacher);
    tcase_add_loop_test(t, hidden_layers_learn_from_a_teachers, 0, sizeof hinted / sizeof *hinted);
    tcase_add_test(t, hints_for_layers_that_are_not_there_say_which_are);
    tcase_add_test(t, pruning_by_gradients_leaves_the_number_asked);
    tcase_add_test(t, shared_values_are_tuned_and_rounded);
    tcase_add_test(t, squeezing_keeps_to_the_budget);
    tcase_add_test(t, squeezes_share_a_folder_of_stages_if_all_but_the_budget_is_the_same);
    tcase_add_test(t, classes_have_the_names_they_are_given);
    tcase_add_test(t, classify_answers_what_it_can_read);
    suite_add_tcase(suite, t);
    return suite;
}
