/* SPDX-License-Identifier: MIT */
// Owning, copying and changing what a model says of itself.
#include "core/meta.h"

#include "core/error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// ---- Text --------------------------------------------------------------------------------------

// Bytes of the character at text, 0 where it is none that may stand there.
static size_t character(const uint8_t *at, size_t len) {
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = at[0] < 0x80 ? 1 : at[0] >> 5 == 6 ? 2 : at[0] >> 4 == 14 ? 3 : 4;
    if (n > len || (n == 4 && at[0] >> 3 != 30))
        return 0;
    uint32_t c = n == 1 ? at[0] : at[0] & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if (at[i] >> 6 != 2)
            return 0;
        c = c << 6 | (at[i] & 0x3fu);
    }
    bool control = c < 0x20 || (c >= 0x7f && c < 0xa0);
    bool surrogate = c >= 0xd800 && c < 0xe000;
    return control || surrogate || c < least[n] || c > 0x10ffff ? 0 : n;
}

bool tnm_text_valid(const char *text, size_t len) {
    size_t at = 0, n = 1;
    for (; at < len && n > 0; at += n)
        n = character((const uint8_t *)text + at, len - at);
    return n > 0;
}

bool tnm_name_valid(const char *name) {
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t len = strnlen(name, 64);
    return len >= 1 && len <= 63 && name[0] != '.' && strspn(name, allowed) == len;
}

// ---- Labels ------------------------------------------------------------------------------------

static bool check_labels(const char *const *label, uint32_t n, size_t *text_bytes,
                         struct tnm_error *err) {
    if (n > TNM_MAX_LABELS)
        return tnm_fail(err, TNM_ELIMIT, "%u labels, at most %d", n, TNM_MAX_LABELS);
    *text_bytes = 0;
    for (uint32_t i = 0; i < n; i++) {
        size_t len = strlen(label[i]);
        if (len < 1 || len > TNM_MAX_LABEL)
            return tnm_fail(err, TNM_EINPUT, "label %u has %zu bytes, not 1 to %d", i, len,
                            TNM_MAX_LABEL);
        if (!tnm_text_valid(label[i], len))
            return tnm_fail(err, TNM_EINPUT,
                            "label %u is not UTF-8 text without control characters", i);
        *text_bytes += len + 1;
    }
    return true;
}

bool tnm_meta_set_labels(struct tnm_meta *meta, const char *const *label, uint32_t n,
                         struct tnm_error *err) {
    size_t text_bytes = 0;
    if (!check_labels(label, n, &text_bytes, err))
        return false;
    char **fresh = NULL;
    if (n > 0) {
        fresh = malloc(n * sizeof *fresh + text_bytes);
        if (fresh == NULL)
            return tnm_fail_errno(err, ENOMEM, "%u labels", n);
        char *at = (char *)(fresh + n);
        for (uint32_t i = 0; i < n; i++) {
            size_t len = strlen(label[i]) + 1;
            fresh[i] = memcpy(at, label[i], len);
            at += len;
        }
    }
    free(meta->label);
    meta->label = fresh;
    meta->n_labels = n;
    return true;
}

// ---- Steps -------------------------------------------------------------------------------------

bool tnm_meta_add_step(struct tnm_meta *meta, const struct tnm_step *step, struct tnm_error *err) {
    if (meta->n_steps >= TNM_MAX_STEPS)
        return tnm_fail(err, TNM_ELIMIT, "more than %d steps of provenance", TNM_MAX_STEPS);
    struct tnm_step *grown = realloc(meta->step, (meta->n_steps + 1) * sizeof *grown);
    if (grown == NULL)
        return tnm_fail_errno(err, ENOMEM, "provenance");
    meta->step = grown;
    meta->step[meta->n_steps++] = *step;
    return true;
}

// ---- Self-test ---------------------------------------------------------------------------------

void tnm_seeded_inputs(uint64_t seed, uint8_t *x, size_t n) {
    for (size_t i = 0; i < n; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        x[i] = (uint8_t)((seed >> 32) % 5 == 0 ? seed >> 56 : 0);
    }
}

// ---- All of it ---------------------------------------------------------------------------------

void tnm_meta_free(struct tnm_meta *meta) {
    free(meta->label);
    free(meta->step);
    free(meta->self_test.x);
    free(meta->self_test.logits);
    *meta = (struct tnm_meta){0};
}

// malloc and memcpy; NULL for nothing.
static bool duplicate(void *out, const void *from, size_t len) {
    void *copy = len > 0 ? malloc(len) : NULL;
    if (copy != NULL)
        memcpy(copy, from, len);
    memcpy(out, &copy, sizeof copy);
    return copy != NULL || len == 0;
}

static bool copy_self_test(struct tnm_self_test *out, const struct tnm_self_test *test) {
    *out = *test;
    out->logits = NULL;
    return duplicate(&out->x, test->x, test->n_cases * test->inputs) &&
           duplicate(&out->logits, test->logits,
                     test->n_cases * test->outputs * sizeof *test->logits);
}

bool tnm_meta_copy(struct tnm_meta *out, const struct tnm_meta *meta, struct tnm_error *err) {
    *out = *meta;
    out->n_labels = 0;
    out->label = NULL;
    out->step = NULL;
    out->self_test = (struct tnm_self_test){0};
    bool ok = tnm_meta_set_labels(out, (const char *const *)meta->label, meta->n_labels, err);
    if (ok && !(duplicate(&out->step, meta->step, meta->n_steps * sizeof *meta->step) &&
                copy_self_test(&out->self_test, &meta->self_test)))
        ok = tnm_fail_errno(err, ENOMEM, "metadata");
    if (!ok)
        tnm_meta_free(out);
    return ok;
}
