/* SPDX-License-Identifier: MIT */
// The section CODED: nothing is lost, little is said twice, nothing is read or written beyond, and
// the second reader, which shares no code, reads the same.
#include "core/coded.h"

#include "core/format.h"
#include "core/save.h"
#include "tests/files.h"
#include "tests/guard.h"
#include "tests/plain_coded.h"
#include "tests/random.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

struct stream {
    uint8_t *at; // guarded
    size_t len;
};

static struct stream write_sections(const struct bytes section[TNM_CODED_SECTIONS]) {
    struct tnm_coder *c = malloc(sizeof *c);
    struct tnm_sink out = {0};
    tnm_coder_start(c, (struct bytes){0}, &out);
    ck_assert(tnm_coded_write(c, section, NULL) && tnm_coder_end(c) && !out.failed);
    struct stream stream = {guard_copy(out.at, out.len), out.len};
    tnm_sink_free(&out);
    free(c);
    return stream;
}

// By both readers.
static void check_read(struct stream stream, const struct bytes section[TNM_CODED_SECTIONS]) {
    struct tnm_coded *coded = malloc(sizeof *coded);
    struct tnm_error err = {0};
    struct plain_stream *in = plain_stream_open(stream.at, stream.len);
    struct plain_sections *plain = malloc(sizeof *plain);
    const uint8_t *at = plain->text;
    bool ok = tnm_coded_read(coded, (struct bytes){stream.at, stream.len}, &err) &&
              tnm_coder_check_end(&coded->coder, "stream", &err);
    ck_assert_msg(ok, "%s", err.text);
    ck_assert_int_eq(plain_decode_sections(in, plain), 0);
    ck_assert_int_eq(plain_stream_end(in), 0);
    for (unsigned i = 0; i < TNM_CODED_SECTIONS; at += section[i++].len) {
        ck_assert_uint_eq(coded->section[i].len, section[i].len);
        ck_assert_uint_eq(plain->len[i], section[i].len);
        if (section[i].len > 0) {
            ck_assert_mem_eq(coded->section[i].at, section[i].at, section[i].len);
            ck_assert_mem_eq(at, section[i].at, section[i].len);
        }
    }
    tnm_coded_free(coded);
    free(coded);
    free(plain);
    free(in);
}

// Sections of random bytes, few and many, all alike and all different.
static const struct {
    uint32_t len[TNM_CODED_SECTIONS], most;
} texts[] = {
    {{0, 0, 0}, 0},     {{1, 1, 0}, 255},           {{127, 128, 129}, 255}, {{60, 200, 27}, 3},
    {{16384, 1, 5}, 0}, {{0, TNM_MAX_CODED, 0}, 0}, {{900, 16383, 0}, 9},
};

START_TEST(sections_come_back) {
    struct randomness r;
    random_start(&r, (uint64_t)_i);
    uint8_t *text = malloc(TNM_MAX_CODED);
    struct bytes section[TNM_CODED_SECTIONS];
    size_t at = 0;
    for (unsigned i = 0; i < TNM_CODED_SECTIONS; i++) {
        section[i] = (struct bytes){text + at, texts[_i].len[i]};
        for (uint32_t k = 0; k < texts[_i].len[i]; k++)
            text[at++] = (uint8_t)random_between(&r, 0, texts[_i].most);
    }
    struct stream stream = write_sections(section);
    check_read(stream, section);
    guard_free(stream.at, stream.len);
    free(text);
}
END_TEST

static void sections_of(enum sample_kind kind, struct tnm_sink text[TNM_CODED_SECTIONS]) {
    struct sample s;
    sample_make(&s, kind);
    tnm_write_meta(&text[0], &s.meta);
    tnm_write_graph(&text[1], &s.graph);
    if (s.meta.self_test.n_cases > 0)
        tnm_write_self_test(&text[2], &s.meta.self_test);
    sample_free(&s);
}

START_TEST(sections_of_files_become_shorter) {
    struct tnm_sink text[TNM_CODED_SECTIONS] = {{0}};
    struct bytes section[TNM_CODED_SECTIONS];
    size_t len = 0;
    sections_of((enum sample_kind)_i, text);
    for (unsigned i = 0; i < TNM_CODED_SECTIONS; i++) {
        section[i] = (struct bytes){text[i].at, text[i].len};
        len += text[i].len;
    }
    struct stream stream = write_sections(section);
    ck_assert_msg(10 * stream.len < 9 * len, "%zu of %zu bytes", stream.len, len);
    check_read(stream, section);
    guard_free(stream.at, stream.len);
    for (unsigned i = 0; i < TNM_CODED_SECTIONS; i++)
        tnm_sink_free(&text[i]);
}
END_TEST

// Both readers refuse the same of them, and what one reads the other does.
START_TEST(garbled_streams_are_safe) {
    struct tnm_coded *coded = malloc(sizeof *coded);
    struct plain_sections *plain = malloc(sizeof *plain);
    struct randomness r;
    random_start(&r, (uint64_t)_i);
    for (int i = 0; i < 10; i++) {
        uint8_t bytes[200];
        size_t len = random_between(&r, 0, sizeof bytes);
        for (size_t k = 0; k < len; k++)
            bytes[k] = (uint8_t)random_bits(&r);
        if (random_percent(&r, 50)) // what follows a rare length: much
            memset(bytes, (int)random_bits(&r) & 0xff, len);
        uint8_t *guarded = guard_copy(bytes, len);
        struct plain_stream *in = plain_stream_open(bytes, len);
        bool ok = tnm_coded_read(coded, (struct bytes){guarded, len}, NULL);
        int rule = plain_decode_sections(in, plain);
        ck_assert_msg(ok == (rule == 0), "rule %d", rule);
        for (unsigned k = 0; ok && k < TNM_CODED_SECTIONS; k++)
            ck_assert_uint_eq(coded->section[k].len, plain->len[k]);
        if (ok)
            ck_assert_mem_eq(coded->text, plain->text,
                             plain->len[0] + plain->len[1] + plain->len[2]);
        tnm_coded_free(coded);
        guard_free(guarded, len);
        free(in);
    }
    free(coded);
    free(plain);
}
END_TEST

START_TEST(a_coded_file_has_one_section_or_data_beside_it) {
    size_t len;
    uint8_t *bytes = sample_bytes(SAMPLE_CODED, &len);
    ck_assert_uint_eq(load_u16(bytes + TNM_AT_SECTIONS), 1);
    ck_assert_uint_eq(load_u16(bytes + TNM_HEADER_BYTES), TNM_CODED);
    free(bytes);
    bytes = sample_bytes(SAMPLE_BESIDE, &len);
    ck_assert_uint_eq(load_u16(bytes + TNM_AT_SECTIONS), 2);
    ck_assert_uint_eq(load_u16(bytes + TNM_HEADER_BYTES), TNM_DATA);
    free(bytes);
}
END_TEST

START_TEST(a_coded_file_that_needs_more_memory_than_the_limit_is_refused) {
    struct tnm_error err;
    size_t len;
    uint8_t *bytes = sample_bytes(SAMPLE_CODED, &len);
    for (size_t memory = 1 << 16; memory <= 3 << 20; memory *= 2) {
        const struct tnm_limits limits = {1 << 20, memory};
        ck_assert(tnm_model_from_bytes(bytes, len, &limits, &err) == NULL);
        ck_assert_int_eq(err.code, TNM_ELIMIT);
    }
    free(bytes);
}
END_TEST

START_TEST(sections_that_are_too_long_are_not_written) {
    struct tnm_error err;
    struct sample s;
    uint8_t *bytes;
    size_t len;
    sample_make(&s, SAMPLE_CODED);
    s.meta.step = calloc(TNM_MAX_STEPS, sizeof *s.meta.step);
    s.meta.n_steps = TNM_MAX_STEPS;
    for (int i = 0; i < TNM_MAX_STEPS; i++) {
        strcpy(s.meta.step[i].verb, "train");
        memset(s.meta.step[i].parameters, 'x', sizeof s.meta.step[i].parameters - 1);
    }
    ck_assert(!tnm_encode(&s.graph, &s.meta, &bytes, &len, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "coded sections: more than 65536 bytes"));
    sample_free(&s);
}
END_TEST

Suite *coded_suite(void) {
    Suite *suite = suite_create("coded");
    TCase *tcase = tcase_create("coded");
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, sections_come_back, 0, (int)(sizeof texts / sizeof *texts));
    tcase_add_loop_test(tcase, sections_of_files_become_shorter, 0, SAMPLE_KINDS);
    tcase_add_loop_test(tcase, garbled_streams_are_safe, 0, 5);
    tcase_add_test(tcase, a_coded_file_has_one_section_or_data_beside_it);
    tcase_add_test(tcase, a_coded_file_that_needs_more_memory_than_the_limit_is_refused);
    tcase_add_test(tcase, sections_that_are_too_long_are_not_written);
    suite_add_tcase(suite, tcase);
    return suite;
}
