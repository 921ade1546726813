/* SPDX-License-Identifier: MIT */
// Section 6.1 of FORMAT.md, sentence by sentence: tables, interval, models, mixing.
#include "tests/plain_stream.h"

#include <stdlib.h>

int64_t plain_shift(int64_t x, int n) {
    int64_t power = (int64_t)1 << n;
    return x >= 0 ? x / power : -((power - 1 - x) / power);
}

int64_t plain_within(int64_t x, int64_t least, int64_t most) {
    return x < least ? least : x > most ? most : x;
}

static void tables(struct plain_stream *s) {
    uint64_t e = 1073741824;
    for (int x = 0; x <= 2815; x++) {
        s->squash[2816 + x] = (int64_t)(70368744177664u / (1073741824u + e));
        s->squash[2816 - x] = 65536 - s->squash[2816 + x];
        e = e * 4278222805u / 4294967296u;
    }
    for (int p = 0; p < 65536; p++) {
        int x = p == 0 ? -2815 : (int)s->stretch[p - 1];
        while (x < 2815 && s->squash[2816 + x] < p)
            x++;
        s->stretch[p] = x;
    }
}

static uint32_t next(struct plain_stream *s) {
    s->read++;
    return s->read <= s->len ? s->at[s->read - 1] : 0;
}

static int bit_of(struct plain_stream *s, int64_t p) {
    uint32_t middle = s->low + (uint32_t)(((uint64_t)(s->high - s->low) * (uint64_t)p) / 65536);
    int bit = s->code <= middle;
    if (bit == 1)
        s->high = middle;
    else
        s->low = middle + 1;
    while (s->low / 16777216 == s->high / 16777216) {
        s->low = s->low * 256;
        s->high = s->high * 256 + 255;
        s->code = s->code * 256 + next(s);
    }
    return bit;
}

uint32_t plain_bits(struct plain_stream *s, int n) {
    uint32_t value = 0;
    for (int i = 0; i < n; i++)
        value = value * 2 + (uint32_t)bit_of(s, 32768);
    return value;
}

static void learn(struct plain_model *m, int bit) {
    int64_t to = bit == 1 ? 268435456 : 0;
    m->q = plain_within(m->q + plain_shift((to - m->q) * (65536 / (m->n + 2)), 16), 4096,
                        268435456 - 4096);
    m->n = m->n == 1023 ? 1023 : m->n + 1;
}

int plain_by(struct plain_stream *s, struct plain_model *m) {
    int bit = bit_of(s, m->q / 4096);
    learn(m, bit);
    return bit;
}

static int mix_bit(struct plain_stream *s, const struct plain_mixture *m, bool given, int bit) {
    int64_t t[8], x[3], sum = 0;
    for (int i = 0; i < m->models; i++)
        t[i] = s->stretch[m->model[i]->q / 4096];
    for (int i = 0; i < m->logits; i++)
        t[m->models + i] = m->logit[i];
    for (int k = 0; k < m->sets; k++) {
        int64_t dot = 0;
        for (int i = 0; i < m->models + m->logits; i++)
            dot += m->set[k]->w[i] * t[i];
        x[k] = plain_within(plain_shift(dot, 16), -2815, 2815);
        sum += x[k];
    }
    bit = given ? bit : bit_of(s, s->squash[2816 + sum / m->sets]);
    for (int k = 0; k < m->sets; k++)
        for (int i = 0; i < m->models + m->logits; i++)
            m->set[k]->w[i] = plain_within(
                m->set[k]->w[i] +
                    plain_shift(t[i] * (bit * 65536 - s->squash[2816 + x[k]]) + 8192, 14),
                -4194304, 4194304);
    for (int i = 0; i < m->models; i++)
        learn(m->model[i], bit);
    return bit;
}

int plain_mixed(struct plain_stream *s, const struct plain_mixture *m) {
    return mix_bit(s, m, false, 0);
}

void plain_learn(struct plain_stream *s, const struct plain_mixture *m, int bit) {
    mix_bit(s, m, true, bit);
}

// ---- Beginning and end -------------------------------------------------------------------------

struct plain_stream *plain_stream_open(const uint8_t *at, size_t len) {
    struct plain_stream *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    *s = (struct plain_stream){.at = at, .len = len, .high = 4294967295u};
    tables(s);
    for (int i = 0; i < 4; i++)
        s->code = s->code * 256 + next(s);
    return s;
}

int plain_stream_end(const struct plain_stream *s) {
    return s->read < s->len || (s->len > 0 && s->at[s->len - 1] == 0) ? 75 : 0;
}

void plain_start_models(void *at, size_t bytes) {
    for (size_t i = 0; i < bytes / sizeof(struct plain_model); i++)
        ((struct plain_model *)at)[i] = (struct plain_model){134217728, 0};
}

void plain_start_weights(void *at, size_t bytes, int64_t w) {
    for (size_t i = 0; i < bytes / sizeof(int64_t); i++)
        ((int64_t *)at)[i] = w;
}
