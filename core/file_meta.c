/* SPDX-License-Identifier: MIT */
// The sections META and SELFTEST: what a model says of itself, from bytes and into bytes.
#include "core/format.h"

#include "core/error.h"

#include <errno.h>
#include <float.h>
#include <stdlib.h>

// ---- Labels ------------------------------------------------------------------------------------

// One block as tnm_meta_set_labels makes it. Each label's length took at least the byte that its
// final 0 takes now.
static void read_labels(struct tnm_stream *s, const struct tnm_reading *from,
                        struct tnm_meta *meta) {
    uint32_t n = tnm_stream_u32(s, "number of labels", 1, TNM_MAX_LABELS);
    if (!s->failed && n != from->outputs)
        s->failed = !tnm_fail(s->err, TNM_EFORMAT, "%u of them for %zu outputs", n, from->outputs);
    if (s->failed)
        return;
    size_t left = tnm_stream_left(s), need = n * sizeof *meta->label + left + 1;
    s->failed = !tnm_budget_take(from->budget, need, s->err);
    if (!s->failed && (meta->label = malloc(need)) == NULL)
        s->failed = !tnm_fail_errno(s->err, ENOMEM, "%u labels", n);
    if (s->failed)
        return;
    char *at = (char *)(meta->label + n);
    for (; meta->n_labels < n && !s->failed; meta->n_labels++) {
        tnm_stream_text(s, "text", at, 1, TNM_MAX_LABEL);
        if (s->failed)
            tnm_fail_in(s->err, "label %u", meta->n_labels);
        meta->label[meta->n_labels] = at;
        at += strlen(at) + 1;
    }
}

static void write_labels(struct tnm_sink *sink, const struct tnm_meta *meta) {
    tnm_sink_number(sink, meta->n_labels);
    for (uint32_t i = 0; i < meta->n_labels; i++)
        tnm_sink_text(sink, meta->label[i]);
}

// ---- Recipe ------------------------------------------------------------------------------------

static void check_recipe(struct tnm_stream *s, const struct tnm_recipe *r, size_t inputs) {
    uint64_t n = (uint64_t)r->width * r->height * r->channels;
    uint32_t side = r->width < r->height ? r->width : r->height;
    uint32_t least = r->fit == TNM_FIT_INK, most = r->fit == TNM_FIT_INK ? side : 0;
    if (s->failed)
        return;
    if (r->channels != 1 && r->channels != 3)
        s->failed = !tnm_fail(s->err, TNM_EFORMAT, "%u channels, not 1 or 3", r->channels);
    else if (n != inputs)
        s->failed = !tnm_fail(s->err, TNM_EFORMAT, "%u x %u x %u channels are not the %zu inputs",
                              r->width, r->height, r->channels, inputs);
    else if (r->box < least || r->box > most)
        s->failed = !tnm_fail(s->err, TNM_EFORMAT, "box is %u, not %u to %u for fit %u", r->box,
                              least, most, (unsigned)r->fit);
}

static void read_recipe(struct tnm_stream *s, const struct tnm_reading *from,
                        struct tnm_meta *meta) {
    struct tnm_recipe *r = &meta->recipe;
    r->width = tnm_stream_u32(s, "width", 1, TNM_MAX_RECIPE_SIDE);
    r->height = tnm_stream_u32(s, "height", 1, TNM_MAX_RECIPE_SIDE);
    r->channels = tnm_stream_u32(s, "number of channels", 1, 3);
    r->fit = (enum tnm_fit)tnm_stream_u32(s, "fit", TNM_FIT_CONTAIN, TNM_FIT_NONE);
    r->box = tnm_stream_u32(s, "box", 0, TNM_MAX_RECIPE_SIDE);
    check_recipe(s, r, from->inputs);
    for (uint32_t i = 0; i < r->channels; i++)
        r->mean[i] = tnm_stream_f32(s, "mean", -FLT_MAX);
    for (uint32_t i = 0; i < r->channels; i++)
        r->deviation[i] = tnm_stream_f32(s, "deviation", 0);
}

static void write_recipe(struct tnm_sink *sink, const struct tnm_meta *meta) {
    const struct tnm_recipe *r = &meta->recipe;
    tnm_sink_number(sink, r->width);
    tnm_sink_number(sink, r->height);
    tnm_sink_number(sink, r->channels);
    tnm_sink_number(sink, r->fit);
    tnm_sink_number(sink, r->box);
    for (uint32_t i = 0; i < r->channels && i < 4; i++)
        tnm_sink_f32(sink, r->mean[i]);
    for (uint32_t i = 0; i < r->channels && i < 4; i++)
        tnm_sink_f32(sink, r->deviation[i]);
}

// ---- Scores and steps --------------------------------------------------------------------------

static void read_score(struct tnm_stream *s, uint32_t least, struct tnm_score *score) {
    score->images = tnm_stream_u32(s, "number of images", least, UINT32_MAX);
    score->correct = tnm_stream_u32(s, "number of correct answers", 0, score->images);
}

static void write_score(struct tnm_sink *sink, const struct tnm_score *score) {
    tnm_sink_number(sink, score->images);
    tnm_sink_number(sink, score->correct);
}

static void read_step(struct tnm_stream *s, struct tnm_step *step) {
    tnm_stream_text(s, "verb", step->verb, 1, sizeof step->verb - 1);
    if (!s->failed && step->verb[strspn(step->verb, "abcdefghijklmnopqrstuvwxyz0123456789-")] != 0)
        s->failed =
            !tnm_fail(s->err, TNM_EFORMAT, "verb \"%s\" is not of a-z, 0-9 and -", step->verb);
    tnm_stream_text(s, "text of the parameters", step->parameters, 0, TNM_MAX_TEXT);
    step->seed = tnm_stream_number(s, "seed", 0, UINT64_MAX);
    step->nonzeros = tnm_stream_number(s, "number of nonzeros", 0, UINT64_MAX);
    read_score(s, 0, &step->validation);
    step->has_parent = tnm_stream_u32(s, "has_parent", 0, 1) != 0;
    if (!step->has_parent)
        return;
    const uint8_t *parent = tnm_stream_bytes(s, "parent", TNM_DIGEST_BYTES);
    if (parent != NULL)
        memcpy(step->parent, parent, TNM_DIGEST_BYTES);
}

static void write_step(struct tnm_sink *sink, const struct tnm_step *step) {
    tnm_sink_text(sink, step->verb);
    tnm_sink_text(sink, step->parameters);
    tnm_sink_number(sink, step->seed);
    tnm_sink_number(sink, step->nonzeros);
    write_score(sink, &step->validation);
    tnm_sink_number(sink, step->has_parent);
    if (step->has_parent)
        tnm_sink_bytes(sink, step->parent, TNM_DIGEST_BYTES);
}

static void read_steps(struct tnm_stream *s, const struct tnm_reading *from,
                       struct tnm_meta *meta) {
    uint32_t n = tnm_stream_u32(s, "number of steps", 1, TNM_MAX_STEPS);
    s->failed = s->failed || !tnm_budget_take(from->budget, n * sizeof *meta->step, s->err);
    if (s->failed)
        return;
    meta->step = calloc(n, sizeof *meta->step);
    if (meta->step == NULL)
        s->failed = !tnm_fail_errno(s->err, ENOMEM, "%u steps", n);
    for (; meta->n_steps < n && !s->failed; meta->n_steps++) {
        read_step(s, &meta->step[meta->n_steps]);
        if (s->failed)
            tnm_fail_in(s->err, "step %u", meta->n_steps);
    }
}

static void write_steps(struct tnm_sink *sink, const struct tnm_meta *meta) {
    tnm_sink_number(sink, meta->n_steps);
    for (uint32_t i = 0; i < meta->n_steps; i++)
        write_step(sink, &meta->step[i]);
}

// ---- META: tag, length, value ------------------------------------------------------------------

static const char *tag_name(uint64_t tag) {
    static const char *const name[] = {
        [TNM_TAG_NAME] = "name",
        [TNM_TAG_DESCRIPTION] = "description",
        [TNM_TAG_DATASET] = "dataset",
        [TNM_TAG_LABELS] = "labels",
        [TNM_TAG_RECIPE] = "recipe",
        [TNM_TAG_TEST] = "test score",
        [TNM_TAG_VALIDATION] = "validation score",
        [TNM_TAG_STEPS] = "provenance",
    };
    return tag < sizeof name / sizeof *name ? name[tag] : NULL;
}

static void read_name(struct tnm_stream *s, struct tnm_meta *meta) {
    tnm_stream_rest(s, "text", meta->name, 1, sizeof meta->name - 1);
    if (!s->failed && !tnm_name_valid(meta->name))
        s->failed = !tnm_fail(s->err, TNM_EFORMAT,
                              "\"%s\" is not of A-Z, a-z, 0-9, '.', '_', '-' without leading dot",
                              meta->name);
}

static bool read_value(struct tnm_stream *s, uint64_t tag, const struct tnm_reading *from,
                       struct tnm_meta *meta) {
    switch (tag) {
    case TNM_TAG_NAME:
        read_name(s, meta);
        break;
    case TNM_TAG_DESCRIPTION:
        tnm_stream_rest(s, "text", meta->description, 1, TNM_MAX_TEXT);
        break;
    case TNM_TAG_DATASET:
        tnm_stream_rest(s, "text", meta->dataset, 1, sizeof meta->dataset - 1);
        break;
    case TNM_TAG_LABELS:
        read_labels(s, from, meta);
        break;
    case TNM_TAG_RECIPE:
        read_recipe(s, from, meta);
        break;
    case TNM_TAG_TEST:
        read_score(s, 1, &meta->test);
        break;
    case TNM_TAG_VALIDATION:
        read_score(s, 1, &meta->validation);
        break;
    case TNM_TAG_STEPS:
        read_steps(s, from, meta);
        break;
    }
    return tnm_stream_end(s);
}

static bool read_tag(struct tnm_stream *s, uint64_t *last, const struct tnm_reading *from,
                     struct tnm_meta *meta) {
    uint64_t tag = tnm_stream_number(s, "tag", 1, UINT64_MAX);
    if (!s->failed && tag <= *last)
        s->failed = !tnm_fail(s->err, TNM_EFORMAT, "tag %llu after tag %llu",
                              (unsigned long long)tag, (unsigned long long)*last);
    uint64_t len = tnm_stream_number(s, "length of a value", 0, UINT64_MAX);
    const uint8_t *value = tnm_stream_bytes(s, "the value of a tag", len);
    *last = tag;
    if (value == NULL || tag >= TNM_TAG_ANCILLARY)
        return !s->failed;
    if (tag_name(tag) == NULL)
        return tnm_fail(s->err, TNM_EUNSUPPORTED, "tag %llu is unknown to this build",
                        (unsigned long long)tag);
    struct tnm_stream in = {.in = {value, (size_t)len}, .err = s->err};
    return read_value(&in, tag, from, meta) || tnm_fail_in(s->err, "%s", tag_name(tag));
}

bool tnm_read_meta(const struct tnm_reading *from, struct tnm_meta *meta, struct tnm_error *err) {
    struct tnm_stream s = {.in = from->section, .err = err};
    meta->recipe.fit = TNM_FIT_NONE;
    for (uint64_t last = 0; tnm_stream_left(&s) > 0;)
        if (!read_tag(&s, &last, from, meta))
            return tnm_fail_in(err, "META");
    return *meta->name != 0 || tnm_fail(err, TNM_EFORMAT, "META: there is no name");
}

// Appends a tag whose value is in value, and empties that.
static void put_tag(struct tnm_sink *sink, unsigned tag, struct tnm_sink *value) {
    tnm_sink_number(sink, tag);
    tnm_sink_number(sink, value->len);
    tnm_sink_bytes(sink, value->at, value->len);
    sink->failed = sink->failed || value->failed;
    tnm_sink_free(value);
}

static void put_text_tag(struct tnm_sink *sink, unsigned tag, const char *text) {
    if (*text == 0)
        return;
    tnm_sink_number(sink, tag);
    tnm_sink_text(sink, text);
}

static void put_score_tag(struct tnm_sink *sink, unsigned tag, const struct tnm_score *score) {
    struct tnm_sink value = {0};
    if (score->images == 0)
        return;
    write_score(&value, score);
    put_tag(sink, tag, &value);
}

void tnm_write_meta(struct tnm_sink *sink, const struct tnm_meta *meta) {
    struct tnm_sink value = {0};
    put_text_tag(sink, TNM_TAG_NAME, meta->name);
    put_text_tag(sink, TNM_TAG_DESCRIPTION, meta->description);
    put_text_tag(sink, TNM_TAG_DATASET, meta->dataset);
    if (meta->n_labels > 0) {
        write_labels(&value, meta);
        put_tag(sink, TNM_TAG_LABELS, &value);
    }
    if (meta->recipe.width > 0) {
        write_recipe(&value, meta);
        put_tag(sink, TNM_TAG_RECIPE, &value);
    }
    put_score_tag(sink, TNM_TAG_TEST, &meta->test);
    put_score_tag(sink, TNM_TAG_VALIDATION, &meta->validation);
    if (meta->n_steps > 0) {
        write_steps(&value, meta);
        put_tag(sink, TNM_TAG_STEPS, &value);
    }
}

// ---- SELFTEST ----------------------------------------------------------------------------------

static bool take_cases(const struct tnm_reading *from, struct tnm_self_test *test,
                       struct tnm_error *err) {
    uint64_t pixels = (uint64_t)test->n_cases * test->inputs;
    uint64_t logits = (uint64_t)test->n_cases * test->outputs;
    uint64_t len = test->seeded ? logits : pixels + 4 * logits;
    if (from->section.len < len)
        return tnm_fail(err, TNM_EFORMAT, "ends within %u cases of %zu inputs and %zu outputs",
                        test->n_cases, test->inputs, test->outputs);
    if (!tnm_budget_take(from->budget, pixels + 4 * logits, err))
        return false;
    test->x = malloc((size_t)pixels);
    test->logits = malloc((size_t)logits * sizeof *test->logits);
    return (test->x != NULL && test->logits != NULL) ||
           tnm_fail_errno(err, ENOMEM, "%u cases", test->n_cases);
}

static bool read_stored(struct tnm_stream *s, struct tnm_self_test *test) {
    const uint8_t *x = tnm_stream_bytes(s, "inputs", (uint64_t)test->n_cases * test->inputs);
    if (x == NULL)
        return false;
    memcpy(test->x, x, test->n_cases * test->inputs);
    for (size_t i = 0; i < test->n_cases * test->outputs && !s->failed; i++)
        test->logits[i] = tnm_stream_f32(s, "logit", -FLT_MAX);
    return tnm_stream_end(s);
}

static bool read_seeded(struct tnm_stream *s, struct tnm_self_test *test) {
    size_t n = test->n_cases * test->outputs;
    const uint8_t *steps = tnm_stream_bytes(s, "logits", n);
    if (steps == NULL)
        return false;
    for (size_t i = 0; i < n; i++)
        test->logits[i] = (float)(int8_t)steps[i] * test->step;
    tnm_seeded_inputs(test->seed, test->x, test->n_cases * test->inputs);
    return tnm_stream_end(s);
}

static void read_step_of_test(struct tnm_stream *s, struct tnm_self_test *test) {
    test->seed = tnm_stream_number(s, "seed", 0, UINT64_MAX);
    test->step = tnm_stream_f32(s, "step", 0);
    if (!s->failed && !(test->step >= FLT_MIN && test->step <= 1e30f))
        s->failed = !tnm_fail(s->err, TNM_EFORMAT, "step is %g, not %g to 1e30", test->step,
                              (double)FLT_MIN);
}

bool tnm_read_self_test(const struct tnm_reading *from, struct tnm_self_test *test,
                        struct tnm_error *err) {
    struct tnm_stream s = {.in = from->section, .err = err};
    uint64_t kind = tnm_stream_number(&s, "kind", 0, UINT64_MAX);
    if (!s.failed && kind > TNM_SELF_TEST_SEEDED)
        return tnm_fail(err, TNM_EUNSUPPORTED, "SELFTEST: kind %llu is unknown to this build",
                        (unsigned long long)kind);
    test->seeded = kind == TNM_SELF_TEST_SEEDED;
    test->n_cases = tnm_stream_u32(&s, "number of cases", 1, TNM_MAX_SELF_TESTS);
    if (test->seeded)
        read_step_of_test(&s, test);
    else
        test->tolerance = tnm_stream_f32(&s, "tolerance", 0);
    test->inputs = from->inputs;
    test->outputs = from->outputs;
    if (s.failed || !take_cases(from, test, err) ||
        !(test->seeded ? read_seeded(&s, test) : read_stored(&s, test)))
        return tnm_fail_in(err, "SELFTEST");
    return true;
}

// -128 to 127; the writer's logits are such multiples.
static uint8_t steps_of(float logit, float step) {
    float n = logit / step;
    return (uint8_t)(int8_t)(n < -128 ? -128 : n > 127 ? 127 : n < 0 ? n - 0.5f : n + 0.5f);
}

void tnm_write_self_test(struct tnm_sink *sink, const struct tnm_self_test *test) {
    size_t n = test->n_cases * test->outputs;
    tnm_sink_number(sink, test->seeded ? TNM_SELF_TEST_SEEDED : TNM_SELF_TEST_STORED);
    tnm_sink_number(sink, test->n_cases);
    if (test->seeded) {
        tnm_sink_number(sink, test->seed);
        tnm_sink_f32(sink, test->step);
    } else {
        tnm_sink_f32(sink, test->tolerance);
        tnm_sink_bytes(sink, test->x, test->n_cases * test->inputs);
    }
    for (size_t i = 0; i < n; i++) {
        uint8_t steps = test->seeded ? steps_of(test->logits[i], test->step) : 0;
        if (test->seeded)
            tnm_sink_bytes(sink, &steps, 1);
        else
            tnm_sink_f32(sink, test->logits[i]);
    }
}
