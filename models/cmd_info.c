/* SPDX-License-Identifier: MIT */
// tnm info: what is in a file.
#include "models/commands.h"

#include <jansson.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "core/model.h"
#include "models/cli.h"
#include "models/describe.h"
#include "models/measure.h"

struct settings {
    bool json;
};

static const struct cli_option options[] = {CLI_JSON(offsetof(struct settings, json))};

static const struct cli_command command = {
    "info",
    "M.tnm",
    "Tells what a file holds: for each layer its weights, how many are left, what part was "
    "removed\n"
    "and the compression that gives; how they are stored and in how many bytes; how often each\n"
    "shared value is used; what the network answers, how well, and how it was made.",
    options,
    sizeof options / sizeof *options,
    1,
    1};

// ---- Layers ------------------------------------------------------------------------------------

struct row {
    const char *name, *op, *encoding;
    uint32_t rows, cols, bits;
    uint64_t weights, nonzeros;
    size_t bytes;
};

static void print_row(const struct row *r) {
    char shape[32] = "", ratio[32] = "-", bits[16] = "";
    if (r->rows > 0)
        snprintf(shape, sizeof shape, "%ux%u", r->rows, r->cols);
    if (r->nonzeros > 0)
        snprintf(ratio, sizeof ratio, "%.1fx", (double)r->weights / (double)r->nonzeros);
    if (r->bits > 0)
        snprintf(bits, sizeof bits, "%u", r->bits);
    double left = r->weights > 0 ? (double)r->nonzeros / (double)r->weights : 0;
    printf("%-10s %-8s %10s %9llu %9llu %8.2f %% %8s  %-13s %4s %10zu\n", r->name, r->op, shape,
           (unsigned long long)r->weights, (unsigned long long)r->nonzeros, 100 * (1 - left), ratio,
           r->encoding, bits, r->bytes);
}

static void print_layers(const struct tnm_model *model) {
    struct tnm_layer l;
    struct row all = {.name = "all", .op = "", .encoding = ""};
    printf("%-10s %-8s %10s %9s %9s %10s %8s  %-13s %4s %10s\n", "layer", "op", "shape", "weights",
           "left", "removed", "ratio", "encoding", "bits", "bytes");
    for (uint32_t i = 0; tnm_model_layer(model, i, &l); i++) {
        struct row row = {l.name, l.op,      l.encoding, l.rows, l.cols,
                          l.bits, l.weights, l.nonzeros, l.bytes};
        print_row(&row);
        all.weights += l.weights;
        all.nonzeros += l.nonzeros;
        all.bytes += l.bytes;
    }
    print_row(&all);
}

// Layers that lost weights and have most of what is left in full blocks.
static void print_blocks(const struct tnm_model *model) {
    struct tnm_layer l;
    struct describe_blocks blocks;
    bool first = true;
    for (uint32_t i = 0; tnm_model_layer(model, i, &l); i++) {
        if (l.nonzeros == l.weights || !describe_blocks(describe_matrix(model, i), &blocks) ||
            blocks.share < 0.5)
            continue;
        printf("%s%-10s %7.2f %% of the weights in full blocks of %s, %llu blocks, run by \"%s\"\n",
               first ? "\n" : "", l.name, 100 * blocks.share, blocks.shape,
               (unsigned long long)blocks.count, l.kernel);
        first = false;
    }
}

// ---- Codes -------------------------------------------------------------------------------------

enum {
    COLUMNS = 64 // of a histogram
};

// Counts as a line of blocks, the tallest for the most frequent; a dot where there is none.
static void print_bars(const uint64_t *count, uint32_t n) {
    static const char *const block[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    uint64_t most = 1;
    for (uint32_t i = 0; i < n; i++)
        most = count[i] > most ? count[i] : most;
    for (uint32_t i = 0; i < n; i++)
        printf("%s", count[i] == 0 ? "." : block[(8 * count[i] - 1) / most]);
}

static void print_codes(const struct tnm_model *model, uint32_t index, const char *name) {
    uint64_t count[256], bar[COLUMNS] = {0};
    if (!describe_codes(model, index, count))
        return;
    const struct tnm_matrix *m = describe_matrix(model, index);
    uint32_t fold = (m->n_centroids + COLUMNS - 1) / COLUMNS, n = 0;
    for (uint32_t c = 0; c < m->n_centroids; c++) {
        bar[c / fold] += count[c];
        n = c / fold + 1;
    }
    printf("%-10s %10.4f ", name, (double)m->codebook[0]);
    print_bars(bar, n);
    printf(" %.4f\n", (double)m->codebook[m->n_centroids - 1]);
}

static void print_histograms(const struct tnm_model *model) {
    struct tnm_layer l;
    uint64_t count[256];
    bool first = true;
    for (uint32_t i = 0; tnm_model_layer(model, i, &l); i++) {
        if (first && describe_codes(model, i, count)) {
            printf("\nhow often each shared value is used, from the lowest to the highest:\n");
            first = false;
        }
        print_codes(model, i, l.name);
    }
}

// ---- The rest ----------------------------------------------------------------------------------

static void print_score(const char *what, struct tnm_score s) {
    if (s.images == 0)
        printf("%s unknown", what);
    else
        printf("%s %.2f %% (%u of %u)", what, 100 * measure_accuracy(s), s.correct, s.images);
}

static void print_input(const struct tnm_model *model) {
    static const char *const fit[] = {"scaled to fit", "scaled to fill and cut",
                                      "the mark found, cut out and centred", "not a picture"};
    const struct tnm_recipe *r = tnm_model_recipe(model);
    if (r->fit == TNM_FIT_NONE)
        printf("input      %zu values\n", tnm_model_inputs(model));
    else
        printf("input      %ux%u %s, %s\n", r->width, r->height, r->channels == 1 ? "grey" : "RGB",
               fit[r->fit]);
    printf("labels    ");
    for (size_t i = 0; i < tnm_model_outputs(model) && i < 20; i++)
        printf(" %s", tnm_model_label(model, i));
    if (tnm_model_outputs(model) > 20)
        printf(" ... (%zu)", tnm_model_outputs(model));
    printf("\n");
}

// Words in lines of at most 100 columns, behind a margin of 11.
static void print_wrapped(const char *text) {
    int column = 11;
    while (*text != 0) {
        int len = (int)strcspn(text, " ");
        if (column > 11 && column + 1 + len > 100) {
            printf("\n%-11s%.*s", "", len, text);
            column = 11 + len;
        } else {
            printf("%s%.*s", column > 11 ? " " : "", len, text);
            column += len + (column > 11);
        }
        text += len + (text[len] == ' ');
    }
    printf("\n");
}

static void print_provenance(const struct tnm_meta *meta) {
    for (uint32_t i = 0; i < meta->n_steps; i++) {
        const struct tnm_step *step = &meta->step[i];
        char text[sizeof step->parameters + 200];
        int n = snprintf(text, sizeof text, "%s %s, seed %llu: %llu weights left", step->verb,
                         step->parameters, (unsigned long long)step->seed,
                         (unsigned long long)step->nonzeros);
        if (step->validation.images > 0)
            snprintf(text + n, sizeof text - (size_t)n, ", validation %.2f %%",
                     100 * measure_accuracy(step->validation));
        printf("%-11s", i == 0 ? "made by" : "");
        print_wrapped(text);
    }
}

static void print_all(const char *file, const struct tnm_model *model) {
    struct tnm_summary s;
    tnm_model_summary(model, &s);
    printf("%s (%s)\n%s%s%zu bytes, %.2f times smaller than its %llu parameters as plain floats "
           "(%zu bytes)\n\n",
           tnm_model_name(model), file, model->meta.description,
           model->meta.description[0] != 0 ? "\n" : "", s.bytes,
           (double)s.dense_bytes / (double)s.bytes, (unsigned long long)s.parameters,
           s.dense_bytes);
    print_layers(model);
    print_blocks(model);
    print_histograms(model);
    printf("\naccuracy   ");
    print_score("test", model->meta.test);
    print_score(", validation", model->meta.validation);
    printf("\n");
    print_input(model);
    if (model->meta.dataset[0] != 0)
        printf("data       %s\n", model->meta.dataset);
    print_provenance(&model->meta);
    printf("self-test  %u inputs\nsha256     %s\n", model->meta.self_test.n_cases,
           tnm_model_digest(model));
}

int cmd_info(int argc, char **argv) {
    struct settings s;
    struct cli_operands files;
    struct tnm_error err;
    int code = cli_parse(&command, argc, argv, &s, &files);
    if (code != CLI_GO)
        return code;
    struct tnm_model *model = tnm_model_open(files.item[0], &err);
    if (model == NULL)
        return cli_fail(&err); // which names the file
    if (s.json) {
        code = cli_print_json(describe_model(model));
    } else {
        print_all(files.item[0], model);
        code = cli_finish();
    }
    tnm_model_close(model);
    return code;
}
