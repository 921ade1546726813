/* SPDX-License-Identifier: MIT */
// Text for pages, ticks, labels that keep apart, and charts as XML.
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "models/axis.h"
#include "models/chart.h"
#include "models/labels.h"
#include "models/markup.h"
#include "tests/random.h"
#include "tests/xml.h"

// ---- Markup ------------------------------------------------------------------------------------

#define GONE "\xef\xbf\xbd"

static const struct {
    const char *from, *to;
} escapes[] = {
    {"plain", "plain"},
    {"<script>&\"'", "&lt;script&gt;&amp;&quot;&#39;"},
    {"été 数字 😀", "été 数字 😀"},
    {"a\x01\x7f\x1b[31m", "a" GONE GONE GONE "[31m"},
    {"\xff\xfe", GONE GONE},
    {"\xc0\xaf\xe0\x80\xaf", GONE GONE GONE GONE GONE}, // longer forms of /
    {"\xed\xa0\x80", GONE GONE GONE},                   // a surrogate
    {"\xf4\x90\x80\x80", GONE GONE GONE GONE},          // beyond the last
    {"cut \xe2\x82", "cut " GONE GONE},
    {"\xef\xbf\xbf|\xc2\x85", GONE "|" GONE}, // U+FFFF, a control
    {"a\tb\nc", "a\tb\nc"},
};

START_TEST(what_is_escaped_is_only_text) {
    char text[256];
    FILE *out = fmemopen(text, sizeof text, "w");
    markup_text(out, escapes[_i].from);
    fclose(out);
    ck_assert_str_eq(text, escapes[_i].to);
}
END_TEST

START_TEST(numbers_are_told_as_people_write_them) {
    char text[MARKUP_NUMBER];
    ck_assert_str_eq(markup_count(0, text), "0");
    ck_assert_str_eq(markup_count(999, text), "999");
    ck_assert_str_eq(markup_count(1070376, text), "1,070,376");
    ck_assert_str_eq(markup_count(UINT64_MAX, text), "18,446,744,073,709,551,615");
    ck_assert_str_eq(markup_bytes(999, text), "999 B");
    ck_assert_str_eq(markup_bytes(999.6, text), "1 kB");
    ck_assert_str_eq(markup_bytes(48744, text), "48.7 kB");
    ck_assert_str_eq(markup_bytes(1070376, text), "1.07 MB");
    ck_assert_str_eq(markup_time(1234, text), "1.23 µs");
    ck_assert_str_eq(markup_time(2.5e9, text), "2.5 s");
}
END_TEST

START_TEST(wider_text_is_taken_for_wider) {
    ck_assert_double_lt(markup_width("illi", 12), markup_width("mmmm", 12));
    ck_assert_double_eq_tol(markup_width("abc", 24), 2 * markup_width("abc", 12), 1e-9);
    ck_assert_double_eq_tol(markup_width("é", 12), markup_width("数", 12), 1e-9); // one character
}
END_TEST

// ---- Axes --------------------------------------------------------------------------------------

static const struct {
    enum axis_scale scale;
    enum axis_unit unit;
    double low, high; // with margins
    double length, gap;
    const char *ticks;
} axes[] = {
    {AXIS_LINEAR, AXIS_PERCENT, 0.9812, 0.9958, 400, 30,
     "98.2 % 98.4 % 98.6 % 98.8 % 99 % 99.2 % 99.4 %"},
    {AXIS_LINEAR, AXIS_PERCENT, 0, 1, 100, 30, "0 % 50 % 100 %"},
    {AXIS_LOG, AXIS_BYTES, 900, 2.1e6, 800, 60,
     "1 kB 2 kB 5 kB 10 kB 20 kB 50 kB 100 kB 200 kB 500 kB 1 MB 2 MB"},
    {AXIS_LOG, AXIS_BYTES, 900, 2.1e6, 450, 60, "1 kB 3 kB 10 kB 30 kB 100 kB 300 kB 1 MB"},
    {AXIS_LOG, AXIS_BYTES, 2000, 60000, 800, 60, "2 kB 5 kB 10 kB 20 kB 50 kB"},
    {AXIS_LOG, AXIS_BYTES, 900, 2.1e6, 250, 60, "1 kB 10 kB 100 kB 1 MB"},
    {AXIS_LOG, AXIS_TIME, 1000, 1100, 300, 50, "1 µs 1.02 µs 1.04 µs 1.06 µs 1.08 µs 1.1 µs"},
    {AXIS_LOG, AXIS_BYTES, 10, 1e12, 200, 60, "10 kB 100 MB 1 TB"},
    {AXIS_ERRORS, AXIS_PERCENT, 0.4, 0.996, 300, 30, "50 % 80 % 90 % 95 % 98 % 99 % 99.5 %"},
    {AXIS_ERRORS, AXIS_PERCENT, 0.985, 0.9965, 300, 20,
     "99 % 99.1 % 99.2 % 99.3 % 99.4 % 99.5 % 99.6 %"},
};

START_TEST(ticks_stand_at_round_values) {
    const struct axis axis = {axes[_i].scale, axes[_i].unit, axes[_i].low, axes[_i].high, 0,
                              axes[_i].length};
    double tick[AXIS_TICKS];
    char label[AXIS_LABEL], all[512] = "";
    uint32_t n = axis_ticks(&axis, axes[_i].gap, tick);
    for (uint32_t i = 0; i < n; i++)
        snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s", i > 0 ? " " : "",
                 axis_label(&axis, tick[i], label));
    ck_assert_str_eq(all, axes[_i].ticks);
}
END_TEST

START_TEST(ticks_ascend_within_the_axis_and_keep_their_distance) {
    struct randomness r;
    random_start(&r, (uint64_t)_i);
    for (int turn = 0; turn < 500; turn++) {
        enum axis_scale scale = (enum axis_scale)random_between(&r, 0, 2);
        double a = pow(10, random_between(&r, 0, 600) / 100.0), b = a;
        b *= 1 + pow(10, random_float(&r) * 4);
        if (scale == AXIS_ERRORS)
            a = 1 - 0.9 / a, b = 1 - 0.9 / b;
        double length = random_between(&r, 100, 1000), gap = random_between(&r, 20, 45);
        struct axis axis = axis_make(scale, AXIS_BYTES, a, b, length, 0);
        double tick[AXIS_TICKS];
        uint32_t n = axis_ticks(&axis, gap, tick);
        ck_assert_uint_le(n, AXIS_TICKS);
        ck_assert_msg(n > 0 || length < 3 * gap, "%d: %g to %g in %g by %g", scale, a, b, length,
                      gap);
        for (uint32_t i = 0; i < n; i++) {
            ck_assert(tick[i] > axis.low - 1e-6 * fabs(axis.low));
            ck_assert(tick[i] < axis.high + 1e-6 * fabs(axis.high));
        }
        for (uint32_t i = 1; i < n; i++) {
            ck_assert_double_gt(tick[i], tick[i - 1]);
            ck_assert_double_ge(axis_at(&axis, tick[i - 1]) - axis_at(&axis, tick[i]), gap - 1e-9);
        }
    }
}
END_TEST

START_TEST(values_stand_where_their_scale_puts_them) {
    struct axis bytes = axis_make(AXIS_LOG, AXIS_BYTES, 1e3, 1e5, 0, 100);
    ck_assert_double_eq_tol(axis_at(&bytes, 1e3), AXIS_MARGIN, 1e-9);
    ck_assert_double_eq_tol(axis_at(&bytes, 1e4), 50, 1e-9);
    ck_assert_double_eq_tol(axis_at(&bytes, 1e5), 100 - AXIS_MARGIN, 1e-9);
    struct axis errors = axis_make(AXIS_ERRORS, AXIS_PERCENT, 0.9, 0.999, 100, 0);
    ck_assert_double_eq_tol(axis_at(&errors, 0.99), 50, 1e-9);
    ck_assert_double_eq(axis_at(&errors, 1), 0); // no errors at all: at the end
    ck_assert_double_eq(axis_at(&bytes, 0), 0);
    struct axis one = axis_make(AXIS_LINEAR, AXIS_PERCENT, 0.99, 0.99, 0, 100);
    ck_assert_double_eq_tol(axis_at(&one, 0.99), 50, 1e-9);
}
END_TEST

// ---- Labels ------------------------------------------------------------------------------------

enum { MOST = 40 };

static bool overlap(const struct label_box *a, const struct label_box *b) {
    return fmin(a->right, b->right) > fmax(a->left, b->left) &&
           fmin(a->bottom, b->bottom) > fmax(a->top, b->top);
}

// n labels on points anywhere in 1000 x 500; returns how many found a place.
static uint32_t place_at_random(uint64_t salt, uint32_t n) {
    struct randomness r;
    struct label label[MOST], again[MOST];
    struct label_box point[MOST];
    uint32_t placed = 0;
    random_start(&r, salt);
    for (uint32_t i = 0; i < n; i++) {
        double x = random_between(&r, 10, 990), y = random_between(&r, 10, 490);
        label[i] =
            (struct label){.x = x, .y = y, .width = random_between(&r, 20, 130), .height = 14};
        point[i] = (struct label_box){x - 6, y - 6, x + 6, y + 6};
    }
    memcpy(again, label, sizeof again);
    const struct label_ground ground = {.frame = {0, 0, 1000, 500}, .never = point, .n_never = n};
    labels_place(label, n, &ground);
    labels_place(again, n, &ground);
    for (uint32_t i = 0; i < n; i++) {
        const struct label_box *b = &label[i].box;
        if (!label[i].placed)
            continue;
        placed++;
        ck_assert_double_eq(b->left, again[i].box.left);
        ck_assert_double_eq_tol(b->right - b->left, label[i].width, 1e-9);
        ck_assert(b->left >= 0 && b->top >= 0 && b->right <= 1000 && b->bottom <= 500);
        for (uint32_t k = 0; k < n; k++) {
            ck_assert_msg(!overlap(b, &point[k]), "label %u covers point %u", i, k);
            ck_assert_msg(k == i || !label[k].placed || !overlap(b, &label[k].box),
                          "labels %u and %u", i, k);
        }
    }
    return placed;
}

START_TEST(labels_cover_neither_each_other_nor_points) {
    ck_assert_uint_eq(place_at_random((uint64_t)_i, 20), 20); // there is room for 20
    place_at_random((uint64_t)_i, MOST);
}
END_TEST

START_TEST(a_lonely_label_stands_at_the_right_of_its_point) {
    struct label label = {.x = 100, .y = 50, .width = 80, .height = 14};
    struct label_box point = {94, 44, 106, 56};
    const struct label_ground ground = {.frame = {0, 0, 300, 100}, .never = &point, .n_never = 1};
    labels_place(&label, 1, &ground);
    ck_assert(label.placed && !label.has_leader);
    ck_assert(label.box.left > 106 && label.box.left < 110);
    ck_assert_double_eq_tol(label.box.top + label.box.bottom, 100, 1e-9);
    label.x = 290; // no room there
    labels_place(&label, 1, &ground);
    ck_assert(label.placed && label.box.right < 290);
    label.width = 400;
    labels_place(&label, 1, &ground);
    ck_assert(!label.placed);
}
END_TEST

// ---- Charts ------------------------------------------------------------------------------------

#define HOSTILE "</title><script>alert('1')</script>&\"\x01\xff"

static char *write_chart(const struct chart *chart, const struct chart_form *form) {
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    ck_assert(chart_write(out, chart, form, NULL));
    fclose(out);
    return text;
}

static struct chart_point point_at(double x, double y, uint32_t series, const char *label) {
    return (struct chart_point){.x = x,
                                .x_far = x * 0.9,
                                .y = y,
                                .y_low = y - 0.01,
                                .y_high = y + 0.005,
                                .series = series,
                                .label = label,
                                .told = label,
                                .link = "#m0"};
}

static const char *const names[] = {"first", HOSTILE};

static struct chart chart_of(const struct chart_point *point, uint32_t n) {
    return (struct chart){.title = HOSTILE,
                          .told = HOSTILE,
                          .x_title = "bytes",
                          .y_title = "right",
                          .x_scale = AXIS_LOG,
                          .y_scale = AXIS_LINEAR,
                          .x_unit = AXIS_BYTES,
                          .point = point,
                          .n = n,
                          .series = names,
                          .n_series = 2,
                          .reference = HOSTILE};
}

START_TEST(a_chart_is_well_formed_whatever_names_are) {
    char why[XML_WHY];
    struct chart_point point[] = {point_at(1e3, 0.98, 0, "small"), point_at(1e6, 0.985, 1, HOSTILE),
                                  point_at(1e4, 0.99, CHART_NO_SERIES, "elsewhere"),
                                  point_at(2e3, 0.991, 1, "known")};
    point[2].is_reference = point[3].is_reference = true;
    point[2].link = point[3].link = NULL;
    const struct chart chart = chart_of(point, 4);
    const struct chart_form form = {
        .width = 900, .height = 500, .id = "c", .classes = "wide", .is_part = _i == 1};
    char *text = write_chart(&chart, &form);
    ck_assert_msg(xml_is_well_formed(text, false, why), "%s", why);
    ck_assert_ptr_null(strstr(text, "<script"));
    ck_assert_uint_eq(xml_count(text, "<a href=\"#m0\">"), _i == 1 ? 0 : 2);
    ck_assert_uint_eq(xml_count(text, "class=\"dot f"), 2 + 2); // points and legend
    ck_assert_uint_eq(xml_count(text, "class=\"ref\""), 1 + 1);
    ck_assert_uint_eq(xml_count(text, "class=\"ref s1\""), 1);
    ck_assert_ptr_nonnull(strstr(text, ">small</text>"));
    ck_assert_ptr_nonnull(strstr(text, ">elsewhere</text>"));
    free(text);
}
END_TEST

START_TEST(a_line_joins_what_no_smaller_one_beats) {
    const struct chart_point point[] = {point_at(4e3, 0.97, 0, "worse"),
                                        point_at(1e5, 0.99, 0, "large"),
                                        point_at(1e3, 0.98, 0, "small")};
    const struct chart chart = chart_of(point, 3);
    const struct chart_form form = {.width = 900, .height = 500, .id = "c", .classes = ""};
    char *text = write_chart(&chart, &form);
    const char *line = strstr(text, "class=\"line s0\" d=\"M");
    ck_assert_ptr_nonnull(line);
    const char *end = strstr(line, "\"/>");
    unsigned corners = 0;
    for (const char *at = line; at < end; at++)
        corners += *at == 'L';
    ck_assert_uint_eq(corners, 1); // from small to large
    free(text);
}
END_TEST

START_TEST(one_point_makes_a_chart) {
    char why[XML_WHY];
    const struct chart_point point = point_at(5, 1, 0, "perfect");
    struct chart chart = chart_of(&point, 1);
    chart.y_scale = _i == 0 ? AXIS_LINEAR : AXIS_ERRORS;
    const struct chart_form form = {.width = 400, .height = 600, .id = "c", .classes = ""};
    char *text = write_chart(&chart, &form);
    ck_assert_msg(xml_is_well_formed(text, false, why), "%s", why);
    ck_assert_ptr_null(strstr(text, "nan"));
    ck_assert_ptr_null(strstr(text, "inf"));
    free(text);
}
END_TEST

// ---- The checker itself ------------------------------------------------------------------------

static const struct {
    const char *text;
    bool good;
} documents[] = {
    {"<a><b c=\"d\"/>x &amp; y</a>\n", true},
    {"<a><b></a></b>", false},
    {"<a>", false},
    {"<a/><b/>", false},
    {"<a b=\"1\" b=\"2\"/>", false},
    {"<a b=1/>", false},
    {"<a b/>", false},
    {"<a b=\"<\"/>", false},
    {"<a>&</a>", false},
    {"<a>&nbsp;</a>", false},
    {"<a>\x01</a>", false},
    {"<a>\xff</a>", false},
    {"<a>\xc0\x80</a>", false},
    {"<a id=\"x\"><b id=\"x\"/></a>", false},
    {"x<a/>", false},
    {"<a b=\"1\"c=\"2\"/>", false},
};

START_TEST(the_checker_knows_good_from_bad) {
    char why[XML_WHY];
    ck_assert(xml_is_well_formed(documents[_i].text, false, why) == documents[_i].good);
}
END_TEST

Suite *chart_suite(void);
Suite *chart_suite(void) {
    Suite *suite = suite_create("chart");
    TCase *t = tcase_create("chart");
    tcase_add_loop_test(t, the_checker_knows_good_from_bad, 0,
                        sizeof documents / sizeof *documents);
    tcase_add_loop_test(t, what_is_escaped_is_only_text, 0, sizeof escapes / sizeof *escapes);
    tcase_add_test(t, numbers_are_told_as_people_write_them);
    tcase_add_test(t, wider_text_is_taken_for_wider);
    tcase_add_loop_test(t, ticks_stand_at_round_values, 0, sizeof axes / sizeof *axes);
    tcase_add_loop_test(t, ticks_ascend_within_the_axis_and_keep_their_distance, 0, 4);
    tcase_add_test(t, values_stand_where_their_scale_puts_them);
    tcase_add_loop_test(t, labels_cover_neither_each_other_nor_points, 0, 5);
    tcase_add_test(t, a_lonely_label_stands_at_the_right_of_its_point);
    tcase_add_loop_test(t, a_chart_is_well_formed_whatever_names_are, 0, 2);
    tcase_add_test(t, a_line_joins_what_no_smaller_one_beats);
    tcase_add_loop_test(t, one_point_makes_a_chart, 0, 2);
    suite_add_tcase(suite, t);
    return suite;
}
