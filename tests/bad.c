/* SPDX-License-Identifier: MIT */
// Making broken files: a sample is taken into its parts, changed, and put together again.
#include "tests/bad.h"

#include "core/checksum.h"
#include "core/coded.h"
#include "core/format.h"
#include "core/packed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N_PARTS = PART_FILE };

static void must(bool good, const struct bad *bad, const char *text) {
    if (good)
        return;
    fprintf(stderr, "bad file %d-%s: %s\n", bad->rule, bad->name, text);
    abort();
}

// ---- Hex ---------------------------------------------------------------------------------------

static struct tnm_sink from_hex(const char *hex) {
    struct tnm_sink out = {0};
    while (*hex != 0) {
        char *end;
        uint8_t byte = (uint8_t)strtoul(hex, &end, 16);
        unsigned long times = *end == '*' ? strtoul(end + 1, &end, 10) : 1;
        for (unsigned long i = 0; i < times; i++)
            tnm_sink_bytes(&out, &byte, 1);
        hex = end + strspn(end, " ");
    }
    return out;
}

// Where find begins in part; its end for nothing.
static size_t find_in(const struct bad *bad, const struct tnm_sink *part,
                      const struct tnm_sink *find) {
    size_t at = part->len, n = 0;
    if (find->len == 0)
        return at;
    for (size_t i = 0; i + find->len <= part->len; i++)
        if (memcmp(part->at + i, find->at, find->len) == 0) {
            at = i;
            n++;
        }
    must(n == 1, bad, "what to change is not there once");
    return at;
}

static void change(const struct bad *bad, const struct edit *edit, struct tnm_sink *part) {
    struct tnm_sink find = from_hex(edit->find), put = from_hex(edit->put), out = {0};
    size_t at = find_in(bad, part, &find);
    tnm_sink_bytes(&out, part->at, at);
    tnm_sink_bytes(&out, put.at, put.len);
    tnm_sink_bytes(&out, part->at + at + find.len, part->len - at - find.len);
    tnm_sink_free(part);
    tnm_sink_free(&find);
    tnm_sink_free(&put);
    *part = out;
}

// ---- Apart and together ------------------------------------------------------------------------

static void take_apart(const struct sample *sample, struct tnm_sink part[N_PARTS]) {
    struct tnm_sink *array = &part[PART_ARRAY];
    tnm_write_meta(&part[PART_META], &sample->meta);
    tnm_write_graph(&part[PART_GRAPH], &sample->graph);
    if (sample->meta.self_test.n_cases > 0)
        tnm_write_self_test(&part[PART_TEST], &sample->meta.self_test);
    const struct tnm_matrix *before = NULL;
    for (uint32_t i = 0; i < TNM_MAX_WEIGHTS * sample->graph.n_nodes; i++) {
        const struct tnm_node *node = &sample->graph.node[i / TNM_MAX_WEIGHTS];
        const struct tnm_matrix *m = &node->w[i % TNM_MAX_WEIGHTS];
        if (m->packed && !sample->graph.coded) {
            tnm_packed_write(array++, m, before);
            before = m;
        }
        if (m->packed)
            continue;
        for (enum tnm_array a = 0; i % TNM_MAX_WEIGHTS < node->n_weights && a < TNM_ARRAYS; a++)
            if ((tnm_matrix_has(m, a) || (a == TNM_ARRAY_BIAS && m->bias != NULL)) &&
                array < part + N_PARTS)
                tnm_sink_bytes(array++, tnm_array_get(m, a), (size_t)tnm_array_bytes(m, a));
    }
}

// The sections become one stream with the packed matrices.
static void code(const struct bad *bad, const struct sample *sample,
                 struct tnm_sink part[N_PARTS]) {
    static const enum part part_of[TNM_CODED_SECTIONS] = {PART_META, PART_GRAPH, PART_TEST};
    struct tnm_coder *c = malloc(sizeof *c);
    struct bytes section[TNM_CODED_SECTIONS];
    const struct tnm_matrix *before = NULL;
    for (unsigned i = 0; i < TNM_CODED_SECTIONS; i++)
        section[i] = (struct bytes){part[part_of[i]].at, part[part_of[i]].len};
    tnm_coder_start(c, (struct bytes){0}, &part[PART_CODED]);
    must(tnm_coded_write(c, section, NULL), bad, "the sections are not coded");
    for (uint32_t i = 0; i < TNM_MAX_WEIGHTS * sample->graph.n_nodes; i++) {
        const struct tnm_matrix *m =
            &sample->graph.node[i / TNM_MAX_WEIGHTS].w[i % TNM_MAX_WEIGHTS];
        must(!m->packed || tnm_packed_code(c, m, before, NULL), bad, "a matrix is not coded");
        before = m->packed ? m : before;
    }
    tnm_coder_end(c);
    free(c);
    for (unsigned i = 0; i < TNM_CODED_SECTIONS; i++)
        part[part_of[i]].len = 0;
}

static void put_entry(struct tnm_sink *file, unsigned kind) {
    uint8_t entry[TNM_ENTRY_BYTES] = {(uint8_t)kind};
    tnm_sink_bytes(file, entry, sizeof entry);
}

static void put_arrays(struct tnm_sink *file, struct tnm_sink part[N_PARTS], size_t align) {
    for (unsigned i = PART_ARRAY; i < N_PARTS && part[i].len > 0; i++) {
        tnm_sink_align(file, align);
        tnm_sink_bytes(file, part[i].at, part[i].len);
    }
}

static struct tnm_sink put_together(struct tnm_sink part[N_PARTS], size_t align) {
    static const enum part part_of[TNM_KINDS] = {PART_META, PART_GRAPH, PART_TEST, PART_ARRAY,
                                                 PART_CODED};
    uint8_t header[TNM_HEADER_BYTES] = TNM_MAGIC;
    struct tnm_sink file = {0};
    unsigned entry = 0;
    tnm_sink_bytes(&file, header, sizeof header);
    for (unsigned kind = 1; kind <= TNM_KINDS; kind++)
        if (part[part_of[kind - 1]].len > 0)
            put_entry(&file, kind);
    size_t n = (file.len - TNM_HEADER_BYTES) / TNM_ENTRY_BYTES;
    store_u16(file.at + TNM_AT_VERSION, TNM_FORMAT_VERSION);
    store_u16(file.at + TNM_AT_SECTIONS, (uint16_t)n);
    for (unsigned kind = 1; kind <= TNM_KINDS; kind++) {
        size_t start = file.len;
        if (part[part_of[kind - 1]].len == 0)
            continue;
        if (kind == TNM_DATA)
            put_arrays(&file, part, align);
        else
            tnm_sink_bytes(&file, part[part_of[kind - 1]].at, part[part_of[kind - 1]].len);
        store_u32(file.at + TNM_HEADER_BYTES + TNM_ENTRY_BYTES * entry++ + TNM_AT_LENGTH,
                  (uint32_t)(file.len - start));
    }
    return file;
}

// Those from first to last.
static void edit_parts(const struct bad *bad, enum part first, enum part last,
                       struct tnm_sink part[N_PARTS]) {
    for (int i = 0; i < 2; i++) {
        const struct edit *edit = &bad->edit[i];
        if (edit->part < first || edit->part > last)
            continue;
        if (edit->put != NULL)
            change(bad, edit, &part[edit->part]);
        else
            for (unsigned k = edit->part; k < (edit->part < PART_ARRAY ? edit->part + 1 : N_PARTS);
                 k++)
                part[k].len = 0;
    }
}

static void edit_file(const struct bad *bad, enum part when, struct tnm_sink *file) {
    for (int i = 0; i < 2; i++)
        if (bad->edit[i].part == when)
            change(bad, &bad->edit[i], file);
}

void bad_name(const struct bad *bad, char name[64]) {
    snprintf(name, 64, "%02d-%s.tnm", bad->rule, bad->name);
}

uint8_t *bad_bytes(const struct bad *bad, size_t *len) {
    struct sample sample;
    struct tnm_sink part[N_PARTS] = {{0}};
    sample_make(&sample, bad->from);
    take_apart(&sample, part);
    edit_parts(bad, PART_META, PART_TEST, part);
    if (sample.graph.coded)
        code(bad, &sample, part);
    edit_parts(bad, PART_CODED, PART_FILE - 1, part);
    sample_free(&sample);
    struct tnm_sink file = put_together(part, bad->from == SAMPLE_PACKED ? 1 : TNM_ARRAY_ALIGN);
    for (unsigned i = 0; i < N_PARTS; i++)
        tnm_sink_free(&part[i]);
    edit_file(bad, PART_FILE, &file);
    store_u32(file.at + TNM_AT_CRC, 0);
    store_u32(file.at + TNM_AT_CRC, tnm_crc32(0, file.at, file.len));
    edit_file(bad, PART_SEALED, &file);
    *len = file.len;
    return file.at;
}
