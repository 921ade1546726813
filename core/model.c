/* SPDX-License-Identifier: MIT */
// Opening a model: snapshot, header, sections, plan. And what it answers about itself.
#include "core/model.h"

#include "core/checksum.h"
#include "core/coded.h"
#include "core/error.h"
#include "core/format.h"
#include "core/plan.h"
#include "core/prepare.h"
#include "core/snapshot.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "arrays of a file are used in place");

static const struct tnm_limits default_limits = {(size_t)256 << 20, (size_t)1 << 30};

bool tnm_budget_take(struct tnm_budget *budget, uint64_t len, struct tnm_error *err) {
    if (len > budget->left)
        return tnm_fail(err, TNM_ELIMIT, "%llu bytes of memory more, %zu are left of the limit",
                        (unsigned long long)len, budget->left);
    budget->left -= (size_t)len;
    return true;
}

// ---- Header ------------------------------------------------------------------------------------

static uint32_t checksum(struct bytes file) {
    static const uint8_t zeros[4] = {0};
    uint32_t crc = tnm_crc32(0, file.at, TNM_AT_CRC);
    crc = tnm_crc32(crc, zeros, sizeof zeros);
    return tnm_crc32(crc, file.at + TNM_HEADER_BYTES, file.len - TNM_HEADER_BYTES);
}

static bool check_header(struct bytes file, struct tnm_error *err) {
    if (file.len < TNM_HEADER_BYTES || memcmp(file.at, TNM_MAGIC, 8) != 0)
        return tnm_fail(err, TNM_EFORMAT, "not a .tnm file");
    if (load_u16(file.at + TNM_AT_VERSION) != TNM_FORMAT_VERSION)
        return tnm_fail(err, TNM_EUNSUPPORTED, "version %u of the format, this build reads %u",
                        load_u16(file.at + TNM_AT_VERSION), TNM_FORMAT_VERSION);
    uint64_t n = load_u16(file.at + TNM_AT_SECTIONS), len = TNM_HEADER_BYTES + TNM_ENTRY_BYTES * n;
    if (n < 1 || n > TNM_SECTIONS)
        return tnm_fail(err, TNM_EFORMAT, "%llu sections, not 1 to %d", (unsigned long long)n,
                        TNM_SECTIONS);
    for (uint64_t i = 0; i < n && len <= file.len; i++)
        len += load_u32(file.at + TNM_HEADER_BYTES + i * TNM_ENTRY_BYTES + TNM_AT_LENGTH);
    if (len > file.len)
        return tnm_fail(err, TNM_EFORMAT, "truncated: %zu bytes of at least %llu", file.len,
                        (unsigned long long)len);
    if (len < file.len)
        return tnm_fail(err, TNM_EFORMAT, "longer than its sections, by %llu",
                        (unsigned long long)(file.len - len));
    uint32_t stored = load_u32(file.at + TNM_AT_CRC), computed = checksum(file);
    return stored == computed ||
           tnm_fail(err, TNM_EFORMAT, "damaged: checksum %08x, stored %08x", computed, stored);
}

// CODED stands for the three small sections; DATA goes without saying where it is empty.
static bool check_kinds(struct bytes section[TNM_KINDS + 1], struct tnm_error *err) {
    bool coded = section[TNM_CODED].at != NULL;
    for (unsigned kind = 1; kind <= TNM_DATA; kind++) {
        bool found = section[kind].at != NULL;
        if (!coded && !found && kind != TNM_SELF_TEST)
            return tnm_fail(err, TNM_EFORMAT, "there is no section of kind %u", kind);
        if (coded && found && kind != TNM_DATA)
            return tnm_fail(err, TNM_EFORMAT, "section of kind %u beside coded ones", kind);
    }
    if (coded && section[TNM_DATA].at != NULL && section[TNM_DATA].len == 0)
        return tnm_fail(err, TNM_EFORMAT, "an empty DATA beside coded sections");
    if (section[TNM_DATA].at == NULL)
        section[TNM_DATA].at = section[TNM_CODED].at;
    return true;
}

static bool read_directory(struct bytes file, struct bytes section[TNM_KINDS + 1],
                           struct tnm_error *err) {
    unsigned n = load_u16(file.at + TNM_AT_SECTIONS), last = 0;
    size_t at = TNM_HEADER_BYTES + n * TNM_ENTRY_BYTES;
    for (unsigned i = 0; i < n; i++) {
        const uint8_t *entry = file.at + TNM_HEADER_BYTES + i * TNM_ENTRY_BYTES;
        unsigned kind = load_u16(entry);
        size_t len = load_u32(entry + TNM_AT_LENGTH);
        if (kind < 1 || kind > TNM_KINDS)
            return tnm_fail(err, TNM_EUNSUPPORTED, "section of kind %u, not 1 to %d", kind,
                            TNM_KINDS);
        if (kind <= last)
            return tnm_fail(err, TNM_EFORMAT, "section of kind %u after kind %u", kind, last);
        if (load_u16(entry + TNM_AT_RESERVED) != 0)
            return tnm_fail(err, TNM_EFORMAT, "section of kind %u: reserved bytes are not 0", kind);
        section[kind] = (struct bytes){file.at + at, len};
        at += len;
        last = kind;
    }
    return check_kinds(section, err);
}

// ---- Reading -----------------------------------------------------------------------------------

static bool read_parts(struct tnm_model *model, const struct bytes *section,
                       struct tnm_reading *from, struct tnm_error *err) {
    struct bytes data = section[TNM_DATA];
    size_t data_at = (size_t)(data.at - model->bytes);
    struct bytes file = {model->bytes, data_at + data.len};
    from->section = section[TNM_GRAPH];
    if (!tnm_read_graph(from, file, data_at, &model->graph, &model->weight_bytes, err))
        return false;
    from->inputs = tnm_model_inputs(model);
    from->outputs = tnm_model_outputs(model);
    from->section = section[TNM_META];
    if (!tnm_read_meta(from, &model->meta, err))
        return false;
    from->section = section[TNM_SELF_TEST];
    return from->section.at == NULL || tnm_read_self_test(from, &model->meta.self_test, err);
}

static bool read_coded(struct tnm_model *model, struct bytes *section, struct tnm_budget *budget,
                       struct tnm_error *err) {
    const size_t held = sizeof(struct tnm_coded) + TNM_MAX_CODED;
    if (!tnm_budget_take(budget, held, err))
        return false;
    struct tnm_budget scratch = *budget;
    if (!tnm_budget_take(&scratch, tnm_coded_scratch(), err))
        return false;
    struct tnm_coded *coded = malloc(sizeof *coded);
    if (coded == NULL)
        return tnm_fail_errno(err, ENOMEM, "coded sections");
    struct tnm_reading from = {.budget = budget, .coder = &coded->coder};
    bool ok = tnm_coded_read(coded, section[TNM_CODED], err);
    for (unsigned i = 0; i < TNM_CODED_SECTIONS; i++)
        section[TNM_META + i] = coded->section[i];
    if (section[TNM_SELF_TEST].len == 0)
        section[TNM_SELF_TEST].at = NULL;
    ok = ok && read_parts(model, section, &from, err);
    tnm_coded_free(coded);
    free(coded);
    budget->left += held;
    return ok;
}

static bool read_sections(struct tnm_model *model, struct bytes *section, struct tnm_budget *budget,
                          struct tnm_error *err) {
    struct tnm_reading from = {.budget = budget};
    return section[TNM_CODED].at != NULL ? read_coded(model, section, budget, err)
                                         : read_parts(model, section, &from, err);
}

bool tnm_model_parse(struct tnm_model *model, struct tnm_error *err) {
    struct bytes file = {model->bytes, model->len}, section[TNM_KINDS + 1] = {{0}};
    struct tnm_budget budget = {model->limits.memory_bytes};
    bool ok = check_header(file, err) && read_directory(file, section, err) &&
              tnm_budget_take(&budget, sizeof *model + model->mapped, err) &&
              read_sections(model, section, &budget, err);
    model->held = model->limits.memory_bytes - budget.left;
    return ok;
}

void tnm_model_clear(struct tnm_model *model) {
    tnm_plan_free(model->plan);
    tnm_graph_free(&model->graph);
    tnm_meta_free(&model->meta);
    free(model->weight_bytes);
    free(model->counted);
    free(model->part_name);
    model->plan = NULL;
    model->weight_bytes = NULL;
    model->counted = NULL;
    model->part_name = NULL;
}

// ---- Opening -----------------------------------------------------------------------------------

static bool count_labels(struct tnm_model *model, struct tnm_error *err) {
    size_t n = tnm_model_outputs(model);
    struct tnm_budget budget = {model->limits.memory_bytes - model->held};
    if (model->meta.n_labels > 0)
        return true;
    if (!tnm_budget_take(&budget, (uint64_t)n * TNM_COUNTED_BYTES, err))
        return false;
    model->held += n * TNM_COUNTED_BYTES;
    model->counted = malloc(n * TNM_COUNTED_BYTES);
    if (model->counted == NULL)
        return tnm_fail_errno(err, ENOMEM, "%zu labels", n);
    for (size_t i = 0; i < n; i++)
        snprintf(model->counted + i * TNM_COUNTED_BYTES, TNM_COUNTED_BYTES, "%u", (unsigned)i);
    return true;
}

static bool has_parts(const struct tnm_graph *graph) {
    for (uint32_t i = 0; i < graph->n_nodes; i++)
        if (graph->node[i].n_weights > 1)
            return true;
    return false;
}

static bool name_parts(struct tnm_model *model, struct tnm_error *err) {
    static const char *const part[TNM_MAX_WEIGHTS] = {"in", "rec"};
    size_t n = (size_t)model->graph.n_nodes * TNM_MAX_WEIGHTS;
    struct tnm_budget budget = {model->limits.memory_bytes - model->held};
    if (!has_parts(&model->graph))
        return true;
    if (!tnm_budget_take(&budget, n * sizeof *model->part_name, err))
        return false;
    model->held += n * sizeof *model->part_name;
    model->part_name = calloc(n, sizeof *model->part_name);
    if (model->part_name == NULL)
        return tnm_fail_errno(err, ENOMEM, "%zu names", n);
    for (size_t i = 0; i < n; i++)
        snprintf(model->part_name[i], sizeof *model->part_name, "%s.%s",
                 model->graph.node[i / TNM_MAX_WEIGHTS].name, part[i % TNM_MAX_WEIGHTS]);
    return true;
}

static void write_digest(struct tnm_model *model) {
    uint8_t digest[TNM_DIGEST_BYTES];
    tnm_sha256(model->bytes, model->len, digest);
    tnm_digest_text(digest, model->digest);
}

static bool build(struct tnm_model *model, struct tnm_error *err) {
    if (!tnm_model_parse(model, err) || !count_labels(model, err) || !name_parts(model, err))
        return false;
    write_digest(model);
    model->plan = tnm_plan_create(&model->graph, model->limits.memory_bytes - model->held, err);
    return model->plan != NULL;
}

// Takes the snapshot over, also on failure.
static struct tnm_model *open_snapshot(const struct tnm_snapshot *snapshot,
                                       const struct tnm_limits *limits, struct tnm_error *err) {
    struct tnm_snapshot copy = *snapshot;
    struct tnm_model *model = calloc(1, sizeof *model);
    if (model == NULL) {
        tnm_snapshot_free(&copy);
        tnm_fail_errno(err, ENOMEM, "model");
        return NULL;
    }
    model->bytes = copy.bytes;
    model->len = copy.len;
    model->mapped = copy.mapped;
    model->limits = *limits;
    if (build(model, err))
        return model;
    tnm_model_close(model);
    return NULL;
}

static size_t smaller(const struct tnm_limits *limits) {
    return limits->file_bytes < limits->memory_bytes ? limits->file_bytes : limits->memory_bytes;
}

struct tnm_model *tnm_model_open_within(const char *path, const struct tnm_limits *limits,
                                        struct tnm_error *err) {
    struct tnm_snapshot snapshot;
    struct tnm_model *model = NULL;
    if (tnm_snapshot_file(&snapshot, path, smaller(limits), err))
        model = open_snapshot(&snapshot, limits, err);
    if (model == NULL)
        tnm_fail_in(err, "%s", path);
    return model;
}

struct tnm_model *tnm_model_open(const char *path, struct tnm_error *err) {
    return tnm_model_open_within(path, &default_limits, err);
}

struct tnm_model *tnm_model_from_bytes(const void *bytes, size_t len,
                                       const struct tnm_limits *limits, struct tnm_error *err) {
    struct tnm_snapshot snapshot;
    if (limits == NULL)
        limits = &default_limits;
    if (!tnm_snapshot_bytes(&snapshot, bytes, len, smaller(limits), err))
        return NULL;
    return open_snapshot(&snapshot, limits, err);
}

void tnm_model_close(struct tnm_model *model) {
    if (model == NULL)
        return;
    struct tnm_snapshot snapshot = {model->bytes, model->len, model->mapped};
    tnm_model_clear(model);
    tnm_snapshot_free(&snapshot);
    free(model);
}

// ---- Self-test ---------------------------------------------------------------------------------

static bool compare(const struct tnm_self_test *test, uint32_t first, uint32_t n,
                    const float *logits, struct tnm_error *err) {
    for (size_t i = 0; i < n * test->outputs; i++) {
        double want = test->logits[first * test->outputs + i];
        double allowed = test->seeded ? (double)test->step : test->tolerance * fmax(1, fabs(want));
        if (!(fabs(logits[i] - want) <= allowed)) // NaN included
            return tnm_fail(err, TNM_ESELFTEST,
                            "self-test: case %zu, output %zu is %.7g, must be %.7g within %.2g",
                            first + i / test->outputs, i % test->outputs, (double)logits[i], want,
                            allowed);
    }
    return true;
}

// One by one, and side by side: kernels differ.
static bool run_cases(struct tnm_session *session, const struct tnm_self_test *test, const float *x,
                      float *logits, struct tnm_error *err) {
    for (uint32_t i = 0; i < test->n_cases; i++) {
        tnm_session_run(session, x + i * test->inputs, 1, logits);
        if (!compare(test, i, 1, logits, err))
            return false;
    }
    tnm_session_run(session, x, test->n_cases, logits);
    return compare(test, 0, test->n_cases, logits, err);
}

bool tnm_model_self_test(const struct tnm_model *model, struct tnm_error *err) {
    const struct tnm_self_test *test = &model->meta.self_test;
    if (test->n_cases == 0)
        return true;
    struct tnm_session *session = tnm_session_open(model, test->n_cases, err);
    if (session == NULL)
        return tnm_fail_in(err, "self-test");
    size_t n = test->n_cases * test->inputs;
    float *x = malloc(n * sizeof *x);
    float *logits = malloc(test->n_cases * test->outputs * sizeof *logits);
    bool ok = (x != NULL && logits != NULL) || tnm_fail_errno(err, ENOMEM, "self-test");
    if (ok) {
        tnm_prepare_scale(test->x, n, x);
        ok = run_cases(session, test, x, logits, err);
    }
    tnm_session_close(session);
    free(x);
    free(logits);
    return ok;
}
