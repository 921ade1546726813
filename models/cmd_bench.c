/* SPDX-License-Identifier: MIT */
// tnm bench: time for an input, beside a dense run of the same network in the same process.
#include "models/commands.h"

#include <jansson.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>

#include "models/bench.h"
#include "models/cli.h"
#include "models/gemm.h"
#include "models/team.h"

struct settings {
    const char *data;
    uint32_t batch, threads, rounds;
    bool json;
};

#define AT(field) offsetof(struct settings, field)

static const struct cli_option options[] = {
    {"batch", 0, CLI_COUNT, AT(batch), "N", "1", 1, 65536, "inputs side by side"},
    {"threads", 0, CLI_COUNT, AT(threads), "N", "1", 0, TEAM_MAX, "threads; 0: one for each core"},
    {"rounds", 0, CLI_COUNT, AT(rounds), "N", "41", 1, 100000, "of some milliseconds each"},
    CLI_DATA(AT(data), NULL),
    CLI_JSON(AT(json)),
};

static const struct cli_command command = {
    "bench",
    "M.tnm",
    "Measures the time that an input takes: median and minimum over rounds, with all threads "
    "busy.\n\n"
    "Beside it, in turns, runs the same network with every weight as a plain float, zeros too: by "
    "the\n"
    "engine's dense kernels and by the forge's matrix products; the faster of the two is what the\n"
    "speed-up is against. Inputs are the test images of --data, or else those of the self-test: "
    "how\n"
    "many of their pixels are 0 decides how much there is to skip. Only compare figures of one "
    "run.",
    options,
    sizeof options / sizeof *options,
    1,
    1};

// ---- Results -----------------------------------------------------------------------------------

static double faster_dense(const struct bench_result *r) {
    return fmin(r->median[BENCH_DENSE], r->median[BENCH_PRODUCTS]);
}

static json_t *document(const struct tnm_model *model, const struct bench_options *o,
                        const struct bench_result *r) {
    double dense = faster_dense(r);
    return json_pack("{s:s, s:s, s:o, s:o, s:I, s:I, s:o, s:o, s:s, s:s, s:{s:o, s:o}, s:I}",
                     "name", tnm_model_name(model), "digest", tnm_model_digest(model),
                     "ns_per_input_median", cli_number(r->median[BENCH_SPARSE]), "ns_per_input_min",
                     cli_number(r->least[BENCH_SPARSE]), "batch", (json_int_t)o->batch, "threads",
                     (json_int_t)o->threads, "dense_ns_per_input_median", cli_number(dense),
                     "speedup", cli_number(dense / r->median[BENCH_SPARSE]), "kernels",
                     tnm_kernels_name(), "inputs", r->source, "dense_ns_by", "engine",
                     cli_number(r->median[BENCH_DENSE]), gemm_name(),
                     cli_number(r->median[BENCH_PRODUCTS]), "rounds", (json_int_t)o->rounds);
}

static void print_result(const struct tnm_model *model, const struct bench_options *o,
                         const struct bench_result *r) {
    double dense = faster_dense(r);
    printf(
        "%s: %.0f ns an input (least %.0f), batch %u, %u thread%s, kernels %s, inputs of the %s\n",
        tnm_model_name(model), r->median[BENCH_SPARSE], r->least[BENCH_SPARSE], o->batch,
        o->threads, o->threads == 1 ? "" : "s", tnm_kernels_name(), r->source);
    printf(
        "the same network dense: %.0f ns by the engine, %.0f ns by %s; %.1f times as fast as the "
        "better\n",
        r->median[BENCH_DENSE], r->median[BENCH_PRODUCTS], gemm_name(),
        dense / r->median[BENCH_SPARSE]);
}

static int bench(const char *file, const struct tnm_model *model, const struct settings *s) {
    struct bench_result result;
    struct tnm_error err;
    const struct bench_options how = {.dense = file,
                                      .data = s->data,
                                      .inputs = BENCH_OWN,
                                      .batch = s->batch,
                                      .threads = s->threads != 0 ? s->threads : team_processors(),
                                      .rounds = s->rounds,
                                      .round_ns = 3e6};
    if (!bench_run(model, &how, &result, &err))
        return cli_fail(&err);
    if (s->json)
        return cli_print_json(document(model, &how, &result));
    print_result(model, &how, &result);
    return cli_finish();
}

int cmd_bench(int argc, char **argv) {
    struct settings s;
    struct cli_operands files;
    struct tnm_error err;
    int code = cli_parse(&command, argc, argv, &s, &files);
    if (code != CLI_GO)
        return code;
    struct tnm_model *model = tnm_model_open(files.item[0], &err);
    if (model == NULL)
        return cli_fail(&err); // which names the file
    code = bench(files.item[0], model, &s);
    tnm_model_close(model);
    return code;
}
