/* SPDX-License-Identifier: MIT */
// The arithmetic coder: an interval [low, high] that each bit cuts in proportion to its
// probability.
#include "core/coder.h"

#include "core/error.h"

// ---- Tables ------------------------------------------------------------------------------------

// squash: the logistic function, 65536 / (1 + exp(-x / 256)), from powers of exp(-1/256).
// stretch: its inverse, the least x whose squash reaches p.
static void make_tables(struct tnm_coder *c) {
    uint64_t power = 1u << 30; // exp(-x/256) in 2^-30
    for (int x = 0; x < TNM_SPAN; x++) {
        uint32_t p = (uint32_t)(((uint64_t)1 << 46) / (((uint64_t)1 << 30) + power));
        c->squash[TNM_SPAN + x] = (uint16_t)p;
        c->squash[TNM_SPAN - x] = (uint16_t)(65536 - p);
        power = power * 4278222805u >> 32; // exp(-1/256) in 2^-32
    }
    for (int p = 0, x = 1 - TNM_SPAN; p < 1 << 16; p++) {
        while (x < TNM_SPAN - 1 && c->squash[TNM_SPAN + x] < p)
            x++;
        c->stretch[p] = (int16_t)x;
    }
}

static int within_span(int64_t x) {
    return x < 1 - TNM_SPAN ? 1 - TNM_SPAN : x > TNM_SPAN - 1 ? TNM_SPAN - 1 : (int)x;
}

// ---- The interval ------------------------------------------------------------------------------

static uint8_t next_byte(struct tnm_coder *c) {
    size_t at = c->at++;
    return at < c->in.len ? c->in.at[at] : 0;
}

static void put_byte(struct tnm_coder *c, uint32_t byte) {
    uint8_t one = (uint8_t)byte;
    tnm_sink_bytes(c->out, &one, 1);
}

// p: of a 1, in 2^-16, 1 to 65535.
static bool code(struct tnm_coder *c, uint32_t p, bool bit) {
    uint32_t middle = c->low + (uint32_t)((uint64_t)(c->high - c->low) * p >> 16);
    if (c->decode)
        bit = c->code <= middle;
    if (bit)
        c->high = middle;
    else
        c->low = middle + 1;
    for (; (c->low ^ c->high) >> 24 == 0; c->low <<= 8, c->high = c->high << 8 | 255) {
        if (c->decode)
            c->code = c->code << 8 | next_byte(c);
        else
            put_byte(c, c->high >> 24);
    }
    return bit;
}

void tnm_coder_start(struct tnm_coder *c, struct bytes in, struct tnm_sink *out) {
    c->decode = out == NULL;
    c->low = 0;
    c->high = UINT32_MAX;
    c->code = 0;
    c->in = in;
    c->at = 0;
    c->out = out;
    make_tables(c);
    for (int i = 0; c->decode && i < 4; i++)
        c->code = c->code << 8 | next_byte(c);
}

// The first number in [low, high] that ends in as many zero bytes as possible.
bool tnm_coder_end(struct tnm_coder *c) {
    if (c->decode)
        return c->at >= c->in.len;
    uint32_t last = 0;
    for (unsigned bits = 0; bits <= 24; bits += 8) {
        uint64_t rounded = (((uint64_t)c->low + (1u << bits) - 1) >> bits) << bits;
        if (rounded <= c->high)
            last = (uint32_t)rounded;
    }
    for (int i = 3; i >= 0; i--)
        put_byte(c, last >> 8 * i);
    while (!c->out->failed && c->out->len > 0 && c->out->at[c->out->len - 1] == 0)
        c->out->len--;
    return true;
}

bool tnm_coder_check_end(struct tnm_coder *c, const char *name, struct tnm_error *err) {
    if (!tnm_coder_end(c))
        return tnm_fail(err, TNM_EFORMAT, "%s: goes on behind what it holds", name);
    if (c->in.len > 0 && c->in.at[c->in.len - 1] == 0)
        return tnm_fail(err, TNM_EFORMAT, "%s: ends in 0", name);
    return true;
}

// ---- Bits --------------------------------------------------------------------------------------

bool tnm_code_plain(struct tnm_coder *c, bool bit) {
    return code(c, 1 << 15, bit);
}

uint32_t tnm_code_plain_bits(struct tnm_coder *c, uint32_t value, unsigned n) {
    uint32_t read = 0;
    while (n-- > 0)
        read = read << 1 | tnm_code_plain(c, (value >> n & 1) != 0);
    return read;
}

static void learn(struct tnm_bit *model, bool bit) {
    enum { LEAST = 1 << 12, MOST = (1 << 28) - LEAST };
    int64_t p = model->p, rate = 65536 / (model->n + 2);
    p += (((int64_t)bit << 28) - p) * rate >> 16;
    model->p = (uint32_t)(p < LEAST ? LEAST : p > MOST ? MOST : p);
    model->n += model->n < 1023;
}

bool tnm_code_bit(struct tnm_coder *c, struct tnm_bit *model, bool bit) {
    bit = code(c, model->p >> 12, bit);
    learn(model, bit);
    return bit;
}

// Moves a set's weights towards what would have spoken for the bit.
static void teach(struct tnm_weights *set, const int *input, unsigned n, int error) {
    enum { MOST = 1 << 22 };
    for (unsigned i = 0; i < n; i++) {
        int64_t w = set->w[i] + (((int64_t)input[i] * error + (1 << 13)) >> 14);
        set->w[i] = (int32_t)(w < -MOST ? -MOST : w > MOST ? MOST : w);
    }
}

// What a decision's inputs are, and what they come to.
struct mixture {
    unsigned n;
    int input[TNM_MIX_INPUTS], x[TNM_MIX_SETS];
    uint32_t p;
};

static void mix(const struct tnm_coder *c, const struct tnm_decision *d, struct mixture *m) {
    int sum = 0;
    m->n = 0;
    for (unsigned i = 0; i < d->n_models; i++)
        m->input[m->n++] = c->stretch[d->model[i]->p >> 12];
    for (unsigned i = 0; i < d->n_logits; i++)
        m->input[m->n++] = d->logit[i];
    for (unsigned s = 0; s < d->n_sets; s++) {
        int64_t dot = 0;
        for (unsigned i = 0; i < m->n; i++)
            dot += (int64_t)d->set[s]->w[i] * m->input[i];
        m->x[s] = within_span(dot >> 16);
        sum += m->x[s];
    }
    m->p = c->squash[TNM_SPAN + sum / (int)d->n_sets];
}

static void learn_mixture(const struct tnm_coder *c, const struct tnm_decision *d,
                          const struct mixture *m, bool bit) {
    for (unsigned s = 0; s < d->n_sets; s++)
        teach(d->set[s], m->input, m->n, (bit << 16) - c->squash[TNM_SPAN + m->x[s]]);
    for (unsigned i = 0; i < d->n_models; i++)
        learn(d->model[i], bit);
}

bool tnm_code_mixed(struct tnm_coder *c, const struct tnm_decision *d, bool bit) {
    struct mixture m;
    mix(c, d, &m);
    bit = code(c, m.p, bit);
    learn_mixture(c, d, &m, bit);
    return bit;
}

void tnm_learn_mixed(const struct tnm_coder *c, const struct tnm_decision *d, bool bit) {
    struct mixture m;
    mix(c, d, &m);
    learn_mixture(c, d, &m, bit);
}

void tnm_bits_init(struct tnm_bit *model, size_t n, uint32_t p) {
    for (size_t i = 0; i < n; i++)
        model[i] = (struct tnm_bit){p << 12, 0};
}

void tnm_weights_init(struct tnm_weights *set, size_t n, int32_t w) {
    for (size_t i = 0; i < n; i++)
        for (int k = 0; k < TNM_MIX_INPUTS; k++)
            set[i].w[k] = w;
}
