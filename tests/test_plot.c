/* SPDX-License-Identifier: MIT */
// The page and the picture of `tnm plot`: of sample models, with names meant to break it.
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/save.h"
#include "models/gallery.h"
#include "models/page.h"
#include "models/plots.h"
#include "tests/files.h"
#include "tests/scratch.h"
#include "tests/tool_run.h"
#include "tests/xml.h"

#define HOSTILE "</p><script>alert(1)</script><img src=\"http://x/\" onerror='x'>&amp;"

static const char *folder;
static const char *file[SAMPLE_KINDS];

static void save(enum sample_kind kind) {
    struct sample sample;
    char name[64];
    snprintf(name, sizeof name, "%s.tnm", sample_name(kind));
    sample_make(&sample, kind);
    snprintf(sample.meta.description, sizeof sample.meta.description, "%s", HOSTILE);
    snprintf(sample.meta.dataset, sizeof sample.meta.dataset, "%s",
             kind == SAMPLE_DIGITS ? "digits" : "<b>&others");
    sample.meta.test = (struct tnm_score){9000 + 10 * (uint32_t)kind, 10000};
    if (kind == SAMPLE_TINY)
        sample.meta.test = (struct tnm_score){0};
    if (kind == SAMPLE_DENSE) {
        static const char *const label[] = {"<a href=\"javascript:x\">", "b & c", "\"'"};
        ck_assert(tnm_meta_set_labels(&sample.meta, label, 3, NULL));
    }
    file[kind] = strdup(scratch_path(folder, name));
    ck_assert(tnm_save(file[kind], &sample.graph, &sample.meta, NULL));
    sample_free(&sample);
}

static void make_files(void) {
    folder = scratch_make();
    for (int kind = 0; kind < SAMPLE_KINDS; kind++)
        save((enum sample_kind)kind);
}

static void remove_files(void) {
    scratch_remove(folder);
}

// The page, or the picture, of all samples.
static char *written(bool page, const char *records) {
    struct gallery g;
    struct tnm_error err;
    char *text = NULL;
    size_t len;
    const struct gallery_options o = {.records = records};
    ck_assert_msg(gallery_open(&g, file, SAMPLE_KINDS, &o, &err), "%s", err.text);
    FILE *out = open_memstream(&text, &len);
    ck_assert(page ? page_write(out, &g, &err) : plots_document(out, &g, &err));
    fclose(out);
    gallery_close(&g);
    return text;
}

static const char *records_path(void) {
    const char *path = scratch_path(folder, "records");
    const char *text = "500\t97.5\t784-32-10\t" HOSTILE "\t" HOSTILE "\tdigits\n"
                       "700\t97.9\t6-5-3\tby network\tsource\n"
                       "800\t97.7\tnobody's\tnot shown\tsource\n";
    scratch_write(path, text, strlen(text));
    return path;
}

// ---- Records -----------------------------------------------------------------------------------

static bool read_text(struct records *records, const char *text, struct tnm_error *err) {
    const char *path = scratch_path(folder, "records.txt");
    scratch_write(path, text, strlen(text));
    return records_read(records, path, err);
}

START_TEST(records_are_lines_with_tabs) {
    struct records r;
    ck_assert(read_text(&r,
                        "# bytes and so on\n\n27000\t98.42\t784-300-100-10\tDeep Compression\tHan\n"
                        "3030\t99.31\tlenet5\tMIRACLE\tHavasi <2019>\tmnist",
                        NULL));
    ck_assert_uint_eq(r.n, 2);
    ck_assert_double_eq(r.record[0].bytes, 27000);
    ck_assert_double_eq_tol(r.record[0].accuracy, 0.9842, 1e-12);
    ck_assert_str_eq(r.record[0].network, "784-300-100-10");
    ck_assert_str_eq(r.record[0].name, "Deep Compression");
    ck_assert_str_eq(r.record[0].data, "");
    ck_assert_str_eq(r.record[1].source, "Havasi <2019>");
    ck_assert_str_eq(r.record[1].data, "mnist");
    records_free(&r);
}
END_TEST

static const struct {
    const char *text, *refusal;
} bad_records[] = {
    {"27000\t98.42\tnet\tname\n", "line 1: 4 columns, not 5 or 6"},
    {"# a\n27000 98.42 net name source\n", "line 2: 1 columns, not 5 or 6"},
    {"1\t2\t3\t4\t5\t6\t7\n", "line 1: 7 columns, not 5 or 6"},
    {"27 kB\t98\tnet\tname\tsource\n", "line 1: bytes = \"27 kB\" is no number from 1"},
    {"0\t98\tnet\tname\tsource\n", "line 1: bytes = \"0\" is no number from 1"},
    {"27\t101\tnet\tname\tsource\n", "line 1: accuracy = \"101\" is no number from 0 to 100"},
    {"27\tnan\tnet\tname\tsource\n", "line 1: accuracy = \"nan\" is no number from 0 to 100"},
    {"27\t99\tnet\t\tsource\n", "line 1: a record without a name"},
};

START_TEST(a_line_that_is_no_record_is_named) {
    struct records r;
    struct tnm_error err;
    ck_assert(!read_text(&r, bad_records[_i].text, &err));
    ck_assert_int_eq(err.code, TNM_EFORMAT);
    ck_assert_msg(strstr(err.text, bad_records[_i].refusal) != NULL, "%s", err.text);
    ck_assert_ptr_null(r.record);
    ck_assert(!records_read(&r, scratch_path(folder, "none"), &err));
    ck_assert_int_eq(err.code, TNM_EIO);
}
END_TEST

// ---- The page ----------------------------------------------------------------------------------

START_TEST(the_page_is_well_formed_whatever_is_in_a_file) {
    char why[XML_WHY];
    char *page = written(true, records_path());
    ck_assert_msg(xml_is_well_formed(page, true, why), "%s", why);
    ck_assert_ptr_null(strstr(page, "<script"));
    ck_assert_ptr_null(strstr(page, "href=\"javascript"));
    ck_assert_ptr_null(strstr(page, "src=\"http"));
    ck_assert_ptr_nonnull(strstr(page, "&lt;script&gt;alert(1)"));
    ck_assert_ptr_nonnull(strstr(page, "default-src 'none'"));
    free(page);
}
END_TEST

// All that a page can load from: only pictures in itself and places within it.
START_TEST(the_page_needs_nothing_from_elsewhere) {
    char *page = written(true, NULL);
    ck_assert_uint_eq(xml_count(page, "src=\""), xml_count(page, "src=\"data:image/png;base64,"));
    ck_assert_uint_eq(xml_count(page, "href=\""), xml_count(page, "href=\"#"));
    ck_assert_uint_eq(xml_count(page, "url("), 0);
    ck_assert_uint_eq(xml_count(page, "@import"), 0);
    ck_assert_uint_eq(xml_count(page, "<link"), 0);
    free(page);
}
END_TEST

START_TEST(every_picture_has_words_for_it) {
    char *page = written(true, NULL);
    ck_assert_uint_gt(xml_count(page, "<img "), SAMPLE_KINDS);
    ck_assert_uint_eq(xml_count(page, "<img "), xml_count(page, " alt=\""));
    ck_assert_uint_eq(xml_count(page, " alt=\"\""), 0);
    ck_assert_uint_eq(xml_count(page, "<svg "), xml_count(page, "role=\"img\" aria-label=\"") +
                                                    xml_count(page, "role=\"group\"") +
                                                    xml_count(page, "aria-hidden=\"true\""));
    free(page);
}
END_TEST

START_TEST(each_link_leads_somewhere) {
    char *page = written(true, NULL);
    unsigned n = 0;
    for (const char *at = page; (at = strstr(at, "href=\"#")) != NULL; n++) {
        char id[64];
        at += strlen("href=\"#");
        snprintf(id, sizeof id, " id=\"%.*s\"", (int)strcspn(at, "\""), at);
        ck_assert_msg(xml_count(page, id) == 1, "%s", id);
    }
    ck_assert_uint_gt(n, SAMPLE_KINDS);
    free(page);
}
END_TEST

START_TEST(the_page_tells_of_each_model) {
    char *page = written(true, NULL);
    char digest[80], unknown[80];
    for (int kind = 0; kind < SAMPLE_KINDS; kind++) {
        struct tnm_model *model = tnm_model_open(file[kind], NULL);
        ck_assert_ptr_nonnull(model);
        snprintf(digest, sizeof digest, "<code>%s</code>", tnm_model_digest(model));
        ck_assert_uint_eq(xml_count(page, digest), 1);
        tnm_model_close(model);
    }
    ck_assert_uint_eq(xml_count(page, "class=\"plot\""), 2); // two sets of data
    ck_assert_ptr_nonnull(strstr(page, "<figcaption><b>digits</b>"));
    ck_assert_ptr_null(strstr(page, "<figcaption><b>conv</b>"));  // its windows see parts
    ck_assert_ptr_null(strstr(page, "<figcaption><b>dense</b>")); // it sees no picture
    ck_assert_ptr_nonnull(strstr(page, ">784-32-10<"));
    snprintf(unknown, sizeof unknown, "The accuracy of 1 of the %d models is unknown",
             SAMPLE_KINDS);
    ck_assert_ptr_nonnull(strstr(page, unknown));
    free(page);
}
END_TEST

// ---- The picture -------------------------------------------------------------------------------

START_TEST(the_picture_is_a_document_of_its_own) {
    char why[XML_WHY];
    char *svg = written(false, records_path());
    ck_assert_msg(xml_is_well_formed(svg, false, why), "%s", why);
    ck_assert_int_eq(strncmp(svg, "<svg xmlns=\"http://www.w3.org/2000/svg\"", 39), 0);
    ck_assert_uint_eq(xml_count(svg, "<a "), 0);
    ck_assert_uint_eq(xml_count(svg, "=\"http"), 1); // the name of the format
    ck_assert_uint_eq(xml_count(svg, "class=\"head\""), 2);
    ck_assert_ptr_nonnull(strstr(svg, ">digits</text>"));
    ck_assert_ptr_null(strstr(svg, ">tiny</text>")); // nobody knows how good it is
    ck_assert_ptr_nonnull(strstr(svg, ">by network</text>"));
    ck_assert_ptr_null(strstr(svg, ">not shown</text>"));
    free(svg);
}
END_TEST

START_TEST(the_same_models_give_the_same_bytes) {
    char *a = written(_i == 1, NULL), *b = written(_i == 1, NULL);
    ck_assert_str_eq(a, b);
    free(a);
    free(b);
}
END_TEST

START_TEST(points_stand_where_bytes_and_accuracy_say) {
    struct gallery g;
    const char *two[] = {file[SAMPLE_TINY], file[SAMPLE_TINY]};
    const struct gallery_options o = {0};
    char *text = NULL;
    size_t len;
    double x[3], y[3], bytes[3] = {1000, 10000, 100000};
    ck_assert(gallery_open(&g, (const char *[]){two[0], two[1], two[0]}, 3, &o, NULL));
    for (int i = 0; i < 3; i++) {
        g.at[i].summary.bytes = (size_t)bytes[i];
        g.at[i].test = (struct tnm_score){980 + 5 * (uint32_t)i, 1000};
    }
    FILE *out = open_memstream(&text, &len);
    ck_assert(plots_document(out, &g, NULL));
    fclose(out);
    const char *at = text;
    for (int i = 0; i < 4; i++) { // the first is the legend's
        at = strstr(at, "class=\"dot f0\" transform=\"translate(");
        ck_assert_ptr_nonnull(at);
        at += strlen("class=\"dot f0\" transform=\"translate(");
        if (i > 0)
            ck_assert_int_eq(sscanf(at, "%lf %lf", &x[i - 1], &y[i - 1]), 2);
    }
    ck_assert_double_eq_tol(x[1] - x[0], x[2] - x[1], 0.11); // a power of ten each
    ck_assert_double_eq_tol(y[0] - y[1], y[1] - y[2], 0.11); // half a per cent each
    ck_assert_double_gt(x[1] - x[0], 100);
    ck_assert_double_gt(y[0] - y[1], 20);
    free(text);
    gallery_close(&g);
}
END_TEST

// ---- The command -------------------------------------------------------------------------------

START_TEST(the_command_writes_page_and_picture) {
    struct tool_run run =
        tool_run("plot %s %s -o %s/page.html", file[SAMPLE_DIGITS], file[SAMPLE_CONV], folder);
    ck_assert_msg(run.code == 0, "%s", run.err);
    ck_assert_ptr_nonnull(strstr(run.err, "2 models"));
    tool_free(&run);
    run = tool_run("plot %s -o %s/chart.svg --records %s", file[SAMPLE_DIGITS], folder,
                   records_path());
    ck_assert_msg(run.code == 0, "%s", run.err);
    tool_free(&run);
    FILE *f = fopen(scratch_path(folder, "page.html"), "r");
    static char page[1 << 20];
    size_t len = fread(page, 1, sizeof page - 1, f);
    fclose(f);
    page[len] = 0;
    char why[XML_WHY];
    ck_assert_msg(xml_is_well_formed(page, true, why), "%s", why);
    ck_assert_ptr_nonnull(strstr(page, "id=\"time0-wide\"")); // timed unless told not to
    ck_assert_int_eq(access(scratch_path(folder, "chart.svg"), R_OK), 0);
}
END_TEST

// %s is the folder.
static const struct {
    const char *words;
    int code;
    const char *says;
} refused[] = {
    {"%s/digits.tnm", 2, "--output FILE must be given"},
    {"%s/digits.tnm -o %s/x.png", 2, "ends in neither .html nor .svg"},
    {"%s/digits.tnm -o .svg", 2, "ends in neither .html nor .svg"},
    {"%s/none.tnm -o %s/x.html", 1, "none.tnm"},
    {"%s/records -o %s/x.html", 1, "records"},
    {"%s/tiny.tnm -o %s/x.svg", 1, "no file says its test accuracy"},
    {"%s/digits.tnm -o %s/none/x.svg", 1, "none/x.svg"},
    {"%s/digits.tnm -o %s/x.svg --records %s/none", 1, "none"},
    {"%s/digits.tnm -o %s/x.svg --data %s/none", 1, "none"},
};

START_TEST(what_cannot_be_plotted_is_said) {
    records_path();
    struct tool_run run =
        tool_run("plot $(echo \"%s\" | sed 's|%%s|%s|g')", refused[_i].words, folder);
    ck_assert_msg(run.code == refused[_i].code, "exit %d: %s", run.code, run.err);
    ck_assert_msg(strstr(run.err, refused[_i].says) != NULL, "%s", run.err);
    ck_assert_ptr_eq(strchr(run.err, '\n'), run.err + strlen(run.err) - 1);
    ck_assert_int_ne(access(scratch_path(folder, "x.svg"), F_OK), 0); // nothing is left behind
    ck_assert_int_ne(access(scratch_path(folder, "x.html"), F_OK), 0);
    tool_free(&run);
}
END_TEST

Suite *plot_suite(void);
Suite *plot_suite(void) {
    Suite *suite = suite_create("plot");
    TCase *t = tcase_create("plot");
    tcase_add_unchecked_fixture(t, make_files, remove_files);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, records_are_lines_with_tabs);
    tcase_add_loop_test(t, a_line_that_is_no_record_is_named, 0,
                        sizeof bad_records / sizeof *bad_records);
    tcase_add_test(t, the_page_is_well_formed_whatever_is_in_a_file);
    tcase_add_test(t, the_page_needs_nothing_from_elsewhere);
    tcase_add_test(t, every_picture_has_words_for_it);
    tcase_add_test(t, each_link_leads_somewhere);
    tcase_add_test(t, the_page_tells_of_each_model);
    tcase_add_test(t, the_picture_is_a_document_of_its_own);
    tcase_add_loop_test(t, the_same_models_give_the_same_bytes, 0, 2);
    tcase_add_test(t, points_stand_where_bytes_and_accuracy_say);
    tcase_add_test(t, the_command_writes_page_and_picture);
    tcase_add_loop_test(t, what_cannot_be_plotted_is_said, 0, sizeof refused / sizeof *refused);
    suite_add_tcase(suite, t);
    return suite;
}
