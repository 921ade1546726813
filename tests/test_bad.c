/* SPDX-License-Identifier: MIT */
// The committed samples, good and bad, and FORMAT.md itself.
#include "core/coded.h"
#include "core/model.h"
#include "tests/bad.h"
#include "tests/plain_reader.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LAST_RULE = 77 };

// All of a file, with a 0 behind it.
static char *slurp(const char *path, size_t *len) {
    FILE *file = fopen(path, "rb");
    ck_assert_msg(file != NULL, "%s is missing: make test-data", path);
    char *text = calloc(1, 1 << 20);
    *len = fread(text, 1, (1 << 20) - 1, file);
    fclose(file);
    return text;
}

static void is_current(const char *folder, const char *name, const uint8_t *bytes, size_t len) {
    char path[512];
    size_t n;
    snprintf(path, sizeof path, "tests/data/%s/%s", folder, name);
    char *file = slurp(path, &n);
    ck_assert_msg(n == len && memcmp(file, bytes, n) == 0, "%s is stale: make test-data", path);
    free(file);
}

START_TEST(a_good_file_opens_and_is_what_is_written_today) {
    char path[512], name[64];
    struct tnm_error err;
    size_t len;
    uint8_t *bytes = sample_bytes((enum sample_kind)_i, &len);
    snprintf(name, sizeof name, "%s.tnm", sample_name((enum sample_kind)_i));
    snprintf(path, sizeof path, "tests/data/good/%s", name);
    is_current("good", name, bytes, len);
    struct tnm_model *model = tnm_model_open(path, &err);
    ck_assert_msg(model != NULL, "%s", err.text);
    tnm_model_close(model);
    free(bytes);
}
END_TEST

START_TEST(a_bad_file_is_refused_by_both_readers) {
    const struct bad *bad = &bad_file[_i];
    char path[512], name[64];
    struct tnm_error err = {0};
    size_t len;
    int rule;
    uint8_t *bytes = bad_bytes(bad, &len);
    bad_name(bad, name);
    snprintf(path, sizeof path, "tests/data/bad/%s", name);
    is_current("bad", name, bytes, len);
    ck_assert_msg(tnm_model_open(path, &err) == NULL, "%s was opened", name);
    ck_assert_msg(strstr(err.text, bad->words) != NULL, "%s", err.text);
    ck_assert_msg(strncmp(err.text, path, strlen(path)) == 0, "%s", err.text);
    ck_assert_int_eq(err.code, bad->code);
    ck_assert_msg(plain_read(bytes, len, &rule) == NULL, "the second reader accepts %s", name);
    ck_assert_int_eq(rule, bad->rule);
    free(bytes);
}
END_TEST

START_TEST(each_rule_of_the_document_has_its_bad_file) {
    size_t len;
    char *text = slurp("core/FORMAT.md", &len), *at = strstr(text, "\n## 8.");
    ck_assert(at != NULL);
    for (int rule = 1; rule <= LAST_RULE; rule++) {
        char number[16];
        size_t i = 0;
        snprintf(number, sizeof number, "\n%d. ", rule);
        at = strstr(at, number);
        ck_assert_msg(at != NULL, "rule %d is not in FORMAT.md", rule);
        while (i < n_bad_files && bad_file[i].rule != rule)
            i++;
        ck_assert_msg(i < n_bad_files, "rule %d has no file", rule);
    }
    ck_assert(strstr(at, "\n78. ") == NULL);
    free(text);
}
END_TEST

// Lines "    0000  89 54 00*3  | what it is".
static size_t read_listing(const char *line, uint8_t *bytes, size_t room) {
    size_t n = 0;
    for (; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        char *at;
        if (strncmp(line, "    ", 4) != 0 || strtoul(line, &at, 16) != n || at != line + 8)
            continue;
        while (at += strspn(at, " "), *at != '|' && *at != '\n') {
            uint8_t byte = (uint8_t)strtoul(at, &at, 16);
            unsigned long times = *at == '*' ? strtoul(at + 1, &at, 10) : 1;
            for (; times > 0 && n < room; times--)
                bytes[n++] = byte;
        }
    }
    return n;
}

START_TEST(the_listing_in_the_document_is_the_file) {
    uint8_t listed[1024];
    size_t len, text_len;
    char *text = slurp("core/FORMAT.md", &text_len), *at = strstr(text, "\n## 11.");
    uint8_t *bytes = sample_bytes(SAMPLE_TINY, &len);
    ck_assert(at != NULL);
    ck_assert_uint_eq(read_listing(at, listed, sizeof listed), len);
    ck_assert_mem_eq(listed, bytes, len);
    free(bytes);
    free(text);
}
END_TEST

START_TEST(the_primer_in_the_document_is_the_primer) {
    size_t len, n = 0;
    char *text = slurp("core/FORMAT.md", &len), *at = strstr(text, "\n**The primer.**");
    ck_assert(at != NULL);
    for (at = strstr(at, "\n    "); at != NULL && strncmp(at, "\n    ", 5) == 0;)
        for (at++; *at != '\n' && *at != 0;) {
            ck_assert_uint_lt(n, TNM_PRIMER_BYTES);
            ck_assert_uint_eq(strtoul(at, &at, 16), tnm_primer[n++]);
        }
    ck_assert_uint_eq(n, TNM_PRIMER_BYTES);
    free(text);
}
END_TEST

Suite *bad_suite(void) {
    Suite *suite = suite_create("bad");
    TCase *tcase = tcase_create("samples");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, a_good_file_opens_and_is_what_is_written_today, 0, SAMPLE_KINDS);
    tcase_add_loop_test(tcase, a_bad_file_is_refused_by_both_readers, 0, (int)n_bad_files);
    tcase_add_test(tcase, each_rule_of_the_document_has_its_bad_file);
    tcase_add_test(tcase, the_listing_in_the_document_is_the_file);
    tcase_add_test(tcase, the_primer_in_the_document_is_the_primer);
    suite_add_tcase(suite, tcase);
    return suite;
}
