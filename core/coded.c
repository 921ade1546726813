/* SPDX-License-Identifier: MIT */
// Bytes by what followed the bytes before them.
#include "core/coded.h"

#include "core/error.h"

#include <errno.h>
#include <stdlib.h>

enum {
    ORDERS = 6,
    LAST = 6, // bytes that the longest context has
    SLOTS = 1 << 16
};

static const unsigned order[ORDERS] = {0, 1, 2, 3, 4, LAST};

// What is known of bytes.
struct reader {
    struct tnm_coder *coder;
    uint8_t last[LAST];   // bytes, the latest first
    uint32_t key[ORDERS]; // of the contexts that they are
    struct tnm_bit model[ORDERS][SLOTS];
    struct tnm_weights by_known[ORDERS + 1];
};

// ---- Bytes -------------------------------------------------------------------------------------

static uint32_t scatter(uint32_t x) {
    return x * 2654435761u;
}

static void find_contexts(struct reader *r) {
    for (unsigned o = 0; o < ORDERS; o++) {
        r->key[o] = 0;
        for (unsigned i = 0; i < order[o]; i++)
            r->key[o] = scatter(r->key[o] + r->last[i] + 1);
    }
}

// bits: those of the byte so far, a 1 before them.
static struct tnm_decision decide(struct reader *r, uint32_t bits) {
    struct tnm_decision d = {.n_models = ORDERS, .n_sets = 1};
    unsigned known = 0;
    for (unsigned o = 0; o < ORDERS; o++) {
        d.model[o] = &r->model[o][scatter(r->key[o] + bits) >> 16];
        known += d.model[o]->n > 0;
    }
    d.set[0] = &r->by_known[known];
    return d;
}

static uint8_t code_byte(struct reader *r, uint8_t byte, bool learn) {
    uint32_t bits = 1;
    find_contexts(r);
    for (unsigned i = 8; i-- > 0;) {
        struct tnm_decision d = decide(r, bits);
        bool bit = byte >> i & 1;
        if (learn)
            tnm_learn_mixed(r->coder, &d, bit);
        else
            bit = tnm_code_mixed(r->coder, &d, bit);
        bits = bits << 1 | bit;
    }
    memmove(r->last + 1, r->last, LAST - 1);
    r->last[0] = (uint8_t)bits;
    return (uint8_t)bits;
}

static struct reader *open_reader(struct tnm_coder *c, struct tnm_error *err) {
    struct reader *r = calloc(1, sizeof *r);
    if (r == NULL) {
        tnm_fail_errno(err, ENOMEM, "coded sections");
        return NULL;
    }
    r->coder = c;
    tnm_bits_init(&r->model[0][0], sizeof r->model / sizeof(struct tnm_bit), 1 << 15);
    tnm_weights_init(r->by_known, ORDERS + 1, 65536 / 3);
    for (size_t i = 0; i < TNM_PRIMER_BYTES; i++)
        code_byte(r, tnm_primer[i], true);
    return r;
}

uint64_t tnm_coded_scratch(void) {
    return sizeof(struct reader);
}

// ---- Writing -----------------------------------------------------------------------------------

static void write_section(struct reader *r, struct bytes section) {
    size_t left = section.len;
    for (; left >= 0x80; left >>= 7)
        code_byte(r, (uint8_t)(left | 0x80), false);
    code_byte(r, (uint8_t)left, false);
    for (size_t i = 0; i < section.len; i++)
        code_byte(r, section.at[i], false);
}

bool tnm_coded_write(struct tnm_coder *c, const struct bytes section[TNM_CODED_SECTIONS],
                     struct tnm_error *err) {
    struct reader *r = open_reader(c, err);
    for (unsigned i = 0; r != NULL && i < TNM_CODED_SECTIONS; i++)
        write_section(r, section[i]);
    free(r);
    return r != NULL;
}

// ---- Reading -----------------------------------------------------------------------------------

// A number as in FORMAT.md, section 2; of at most 21 bits.
static bool read_len(struct reader *r, size_t *len, struct tnm_error *err) {
    uint8_t byte;
    unsigned shift = 0;
    *len = 0;
    do {
        byte = code_byte(r, 0, false);
        *len |= (size_t)(byte & 0x7f) << shift;
        shift += 7;
    } while (byte >= 0x80 && shift < 21);
    if (byte >= 0x80)
        return tnm_fail(err, TNM_EFORMAT, "coded sections: a length has more than 21 bits");
    return byte > 0 || shift == 7 ||
           tnm_fail(err, TNM_EFORMAT, "coded sections: a length is not in its shortest form");
}

static bool read_sections(struct reader *r, struct tnm_coded *coded, struct tnm_error *err) {
    size_t at = 0;
    for (unsigned i = 0; i < TNM_CODED_SECTIONS; i++) {
        size_t len;
        if (!read_len(r, &len, err))
            return false;
        if (len > TNM_MAX_CODED - at)
            return tnm_fail(err, TNM_EFORMAT, "coded sections: more than %d bytes", TNM_MAX_CODED);
        coded->section[i] = (struct bytes){coded->text + at, len};
        for (; len > 0; len--)
            coded->text[at++] = code_byte(r, 0, false);
    }
    return true;
}

bool tnm_coded_read(struct tnm_coded *coded, struct bytes in, struct tnm_error *err) {
    memset(coded->section, 0, sizeof coded->section);
    tnm_coder_start(&coded->coder, in, NULL);
    coded->text = malloc(TNM_MAX_CODED);
    if (coded->text == NULL)
        return tnm_fail_errno(err, ENOMEM, "coded sections");
    struct reader *r = open_reader(&coded->coder, err);
    bool ok = r != NULL && read_sections(r, coded, err);
    free(r);
    return ok;
}

void tnm_coded_free(struct tnm_coded *coded) {
    free(coded->text);
    coded->text = NULL;
}
