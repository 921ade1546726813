/* SPDX-License-Identifier: MIT */
// Section 6.2 of FORMAT.md, sentence by sentence.
#include "tests/plain_coded.h"

#include <stdlib.h>
#include <string.h>

// As it stands in the document.
static const char primer[] = "48 01 08 6c 73 74 6d 2d 31 32 38 03 05 6d 6e 69 "
                             "73 74 05 0d 1c 1c 01 02 14 00 00 00 00 00 00 80 "
                             "3f 06 04 90 4e d8 4c 07 04 88 27 a5 26 08 32 04 "
                             "05 74 72 61 69 6e 00 01 80 fa 04 88 27 c9 26 00 "
                             "05 70 72 75 6e 65 00 00 b8 17 00 00 00 07 72 65 "
                             "74 72 61 69 6e 00 01 b8 17 88 27 a5 26 00 05 73 "
                             "68 61 72 65 00 01 b8 17 88 27 a5 26 00 4a 04 03 "
                             "00 03 00 03 01 1c 1c 00 02 1c 1c 00 01 80 01 00 "
                             "01 0a 00 0f 01 00 01 05 6c 73 74 6d 31 10 01 01 "
                             "02 00 03 01 80 04 1c 04 d8 04 10 1c 03 00 80 04 "
                             "80 01 04 d8 09 10 00 03 66 63 31 01 01 02 03 03 "
                             "01 0a 80 01 04 64 10 00 1b 01 02 01 43 01 09 6d "
                             "6e 69 73 74 2d 6d 6c 70 03 05 6d 6e 69 73 74 05 "
                             "0d 1c 1c 01 02 14 00 00 00 00 00 00 80 3f 06 04 "
                             "90 4e de 4c 07 04 88 27 a5 26 08 12 01 07 73 71 "
                             "75 65 65 7a 65 00 01 84 10 88 27 a5 26 00 63 07 "
                             "06 00 06 00 03 01 1c 1c 00 01 90 06 00 01 ac 02 "
                             "00 01 ac 02 00 01 64 00 01 64 00 01 0a 00 0f 01 "
                             "00 01 03 66 63 31 01 01 01 02 03 01 ac 02 90 06 "
                             "04 ca 08 10 1c 00 09 01 02 03 03 66 63 32 01 01 "
                             "03 04 03 01 64 ac 02 04 a0 05 10 00 00 09 01 04 "
                             "05 03 66 63 33 01 01 05 06 03 01 0a 64 04 9a 02 "
                             "10 00 1b 01 02 01 47 01 0c 6d 6e 69 73 74 2d 6c "
                             "65 6e 65 74 35 03 05 6d 6e 69 73 74 05 0d 1c 1c "
                             "01 02 14 00 00 00 00 00 00 80 3f 06 04 90 4e de "
                             "4c 07 04 88 27 a5 26 08 1e 02 05 74 72 61 69 6e "
                             "00 01 a4 a3 1a 88 27 eb 26 00 07 73 71 75 65 65 "
                             "7a 65 00 01 84 08 88 27 a5 26 00 c9 01 0b 0a 00 "
                             "0a 00 03 01 1c 1c 00 03 14 18 18 00 03 14 0c 0c "
                             "00 03 14 0c 0c 00 03 32 08 08 00 03 32 04 04 00 "
                             "03 32 04 04 00 01 a0 06 00 01 f4 03 00 01 f4 03 "
                             "00 01 0a 05 63 6f 6e 76 31 02 01 00 01 05 05 01 "
                             "01 00 00 00 00 01 01 01 03 01 14 19 03 64 08 05 "
                             "00 03 01 01 02 02 02 02 02 00 00 00 00 01 01 00 "
                             "09 01 02 03 05 63 6f 6e 76 32 02 01 03 04 05 05 "
                             "01 01 00 00 00 00 01 01 01 03 01 32 f4 03 03 c0 "
                             "03 08 05 00 03 01 04 05 02 02 02 02 00 00 00 00 "
                             "01 01 00 09 01 05 06 00 0f 01 06 07 03 66 63 31 "
                             "01 01 07 08 03 01 f4 03 a0 06 03 89 03 08 04 00 "
                             "09 01 08 09 03 66 63 32 01 01 09 0a 03 01 0a f4 "
                             "03 03 2a 08 00 1b 01 02 01 ";

struct state {
    struct plain_stream *in;
    uint64_t read; // bytes, the primer's among them
    uint8_t *byte; // room for all of them
    struct plain_model model[6][65536];
    struct plain_weights set[7];
};

static uint32_t h(uint32_t x) {
    return (uint32_t)((uint64_t)x * 2654435761u % 4294967296u);
}

static uint32_t context(const struct state *s, uint64_t order) {
    uint32_t key = 0;
    for (uint64_t i = 1; i <= order; i++)
        key = h(key + (s->read >= i ? s->byte[s->read - i] : 0) + 1);
    return key;
}

// given: the byte that is learned, or -1 for one to be decoded.
static uint8_t byte_of(struct state *s, int given) {
    static const uint64_t order[6] = {0, 1, 2, 3, 4, 6};
    uint32_t so_far = 1, key[6];
    for (int i = 0; i < 6; i++)
        key[i] = context(s, order[i]);
    for (int place = 7; place >= 0; place--) {
        struct plain_mixture m = {.models = 6, .sets = 1};
        int known = 0, bit = given >> place & 1;
        for (int i = 0; i < 6; i++) {
            m.model[i] = &s->model[i][h(key[i] + so_far) / 65536];
            known += m.model[i]->n > 0;
        }
        m.set[0] = &s->set[known];
        if (given >= 0)
            plain_learn(s->in, &m, bit);
        else
            bit = plain_mixed(s->in, &m);
        so_far = so_far * 2 + (uint32_t)bit;
    }
    s->byte[s->read++] = (uint8_t)(so_far - 256);
    return (uint8_t)(so_far - 256);
}

static int section_length(struct state *s, uint64_t *len) {
    *len = 0;
    for (int i = 0; i < 3; i++) {
        uint8_t byte = byte_of(s, -1);
        *len += (uint64_t)(byte % 128) << 7 * i;
        if (byte < 128)
            return i > 0 && byte == 0 ? 11 : 0;
    }
    return 77;
}

static int decode(struct state *s, struct plain_sections *out) {
    uint64_t total = 0;
    for (const char *hex = primer; *hex != 0; hex += 3)
        byte_of(s, (int)strtoul(hex, NULL, 16));
    for (int i = 0; i < 3; i++) {
        int rule = section_length(s, &out->len[i]);
        if (rule != 0)
            return rule;
        if (total + out->len[i] > 65536)
            return 77;
        for (uint64_t k = 0; k < out->len[i]; k++)
            out->text[total++] = byte_of(s, -1);
    }
    return 0;
}

int plain_decode_sections(struct plain_stream *in, struct plain_sections *out) {
    struct state *s = calloc(1, sizeof *s);
    uint8_t *room = calloc(70000, 1);
    int rule = -1;
    if (s != NULL && room != NULL) {
        s->in = in;
        s->byte = room;
        plain_start_models(s->model, sizeof s->model);
        plain_start_weights(s->set, sizeof s->set, 21845);
        rule = decode(s, out);
    }
    free(room);
    free(s);
    return rule;
}
