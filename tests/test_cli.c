/* SPDX-License-Identifier: MIT */
// The table of options: defaults, values, ranges, and what is wrong usage.
#include <check.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "models/cli.h"
#include "tests/scratch.h"

struct settings {
    uint32_t epochs, rule;
    uint64_t seed;
    double lr, none;
    bool augment;
    const char *output, *text, *chosen;
    struct cli_list layers;
};

#define AT(field) offsetof(struct settings, field)

static const struct cli_option options[] = {
    CLI_OUTPUT(AT(output)),
    {"epochs", 0, CLI_COUNT, AT(epochs), "N", "40", 1, 1000, "passes"},
    {"lr", 0, CLI_REAL, AT(lr), "X", "2e-3", 0, 10, "rate"},
    {"none", 0, CLI_REAL, AT(none), "X", NULL, 0, 10, "no default"},
    {"rule", 0, CLI_CHOICE, AT(rule), "linear|density|random", "density", 0, 0, "where"},
    {"augment", 0, CLI_FLAG, AT(augment), NULL, NULL, 0, 0, "vary"},
    {"text", 't', CLI_TEXT, AT(text), "T", NULL, 0, 0, "text"},
    {"chosen", 0, CLI_CHOSEN, AT(chosen), "A=B", NULL, 0, 0, "chosen, or by hand"},
    {"layer", 0, CLI_LIST, AT(layers), "NAME=X", NULL, 0, 0, "of one layer"},
    CLI_SEED(AT(seed)),
};

static const struct cli_command command = {
    "try", "FILE -o OUT", "tries", options, sizeof options / sizeof *options, 1, 2};

// Words, parted by spaces, with what is said kept off the terminal.
static int parse(const char *words, struct settings *s, struct cli_operands *operands) {
    static char line[512];
    char *argv[32] = {(char *)(uintptr_t) "try"};
    int argc = 1;
    snprintf(line, sizeof line, "%s", words);
    for (char *word = strtok(line, " "); word != NULL; word = strtok(NULL, " "))
        argv[argc++] = word;
    fflush(stdout);
    int out = dup(STDOUT_FILENO), err = dup(STDERR_FILENO), null = open("/dev/null", O_WRONLY);
    dup2(null, STDOUT_FILENO);
    dup2(null, STDERR_FILENO);
    int code = cli_parse(&command, argc, argv, s, operands);
    fflush(stdout);
    dup2(out, STDOUT_FILENO);
    dup2(err, STDERR_FILENO);
    close(out);
    close(err);
    close(null);
    return code;
}

START_TEST(defaults_come_from_the_table) {
    struct settings s;
    struct cli_operands o;
    ck_assert_int_eq(parse("in.tnm -o out.tnm", &s, &o), CLI_GO);
    ck_assert_uint_eq(o.n, 1);
    ck_assert_str_eq(o.item[0], "in.tnm");
    ck_assert_str_eq(s.output, "out.tnm");
    ck_assert_uint_eq(s.epochs, 40);
    ck_assert_double_eq(s.lr, 2e-3);
    ck_assert_double_nan(s.none);
    ck_assert_uint_eq(s.rule, 1);
    ck_assert(!s.augment);
    ck_assert_ptr_null(s.text);
    ck_assert_ptr_null(s.chosen);
    ck_assert_uint_eq(s.layers.n, 0);
    ck_assert_uint_eq(s.seed, 1);
}
END_TEST

START_TEST(values_are_read_in_either_form) {
    struct settings s;
    struct cli_operands o;
    ck_assert_int_eq(parse("--epochs=7 --lr 0.5 --rule random --augment -t x --layer a=1 "
                           "--output out.tnm --layer b=2 --seed 12345678901 -- -odd two",
                           &s, &o),
                     CLI_GO);
    ck_assert_uint_eq(s.epochs, 7);
    ck_assert_double_eq(s.lr, 0.5);
    ck_assert_uint_eq(s.rule, 2);
    ck_assert(s.augment);
    ck_assert_str_eq(s.text, "x");
    ck_assert_uint_eq(s.layers.n, 2);
    ck_assert_str_eq(s.layers.item[1], "b=2");
    ck_assert_uint_eq(s.seed, 12345678901);
    ck_assert_uint_eq(o.n, 2);
    ck_assert_str_eq(o.item[0], "-odd");
}
END_TEST

static const char *const wrong[] = {
    "in -o out --epochs 0",
    "in -o out --epochs 1001",
    "in -o out --epochs 1.5",
    "in -o out --epochs -1",
    "in -o out --epochs 1x",
    "in -o out --epochs=",
    "in -o out --lr nan",
    "in -o out --lr inf",
    "in -o out --lr 11",
    "in -o out --lr",
    "in -o out --rule lin",
    "in -o out --rule linear|density",
    "in -o out --augment=1",
    "in -o out --nothing",
    "in -o out --epoch 3",
    "in -o out -o out",
    "in -o out -x",
    "in",
    "-o out",
    "in two three -o out",
    "in -o out --text=",
    "in -o out --chosen=",
    "in -o out --seed 1e3",
    "in -o out -ofoo",
    "in -o out --epochs 99999999999999999999",
};

START_TEST(what_may_stand_alone_takes_no_argument) {
    struct settings s;
    struct cli_operands o;
    ck_assert_int_eq(parse("--chosen in.tnm -o out", &s, &o), CLI_GO);
    ck_assert_str_eq(s.chosen, "auto");
    ck_assert_str_eq(o.item[0], "in.tnm");
    ck_assert_int_eq(parse("--chosen=a=b,c=d in.tnm -o out", &s, &o), CLI_GO);
    ck_assert_str_eq(s.chosen, "a=b,c=d");
}
END_TEST

START_TEST(wrong_usage_is_two) {
    struct settings s;
    struct cli_operands o;
    ck_assert_msg(parse(wrong[_i], &s, &o) == CLI_WRONG, "accepted: %s", wrong[_i]);
}
END_TEST

START_TEST(help_is_zero_whatever_else_is_missing) {
    struct settings s;
    struct cli_operands o;
    ck_assert_int_eq(parse("--help", &s, &o), CLI_OK);
}
END_TEST

START_TEST(what_is_told_can_be_typed_again) {
    struct settings s, again;
    struct cli_operands o;
    char text[512], line[600];
    ck_assert_int_eq(
        parse("in -o out --augment --chosen=a=b --lr 0.1 --layer fc1=2 --seed 9", &s, &o), CLI_GO);
    cli_tell(&command, &s, text, sizeof text);
    ck_assert_str_eq(text,
                     "--epochs 40 --lr 0.1 --rule density --augment --chosen=a=b --layer fc1=2");
    snprintf(line, sizeof line, "in -o out %s", text);
    ck_assert_int_eq(parse(line, &again, &o), CLI_GO);
    ck_assert_double_eq(again.lr, 0.1);
    ck_assert_str_eq(again.chosen, "a=b");
    char cut[12];
    cli_tell(&command, &s, cut, sizeof cut);
    ck_assert_uint_lt(strlen(cut), sizeof cut);
}
END_TEST

START_TEST(no_number_is_null_in_json) {
    json_t *n[3] = {cli_number(NAN), cli_number(-INFINITY), cli_number(0.5)};
    ck_assert(json_is_null(n[0]) && json_is_null(n[1]));
    ck_assert_double_eq(json_real_value(n[2]), 0.5);
    for (int i = 0; i < 3; i++)
        json_decref(n[i]);
}
END_TEST

START_TEST(the_log_grows_by_a_line_a_step) {
    const char *folder = scratch_make();
    const char *path = scratch_path(folder, "log");
    struct tnm_error err;
    ck_assert(cli_log(path, json_pack("{s:s}", "step", "a\nb"), &err));
    ck_assert(cli_log(path, json_pack("{s:i}", "n", 2), &err));
    ck_assert(cli_log(NULL, json_pack("{s:i}", "n", 3), &err));
    char text[128] = "";
    FILE *f = fopen(path, "r");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_gt(fread(text, 1, sizeof text - 1, f), 0);
    fclose(f);
    ck_assert_str_eq(text, "{\"step\":\"a\\nb\"}\n{\"n\":2}\n");
    ck_assert(!cli_log(scratch_path(folder, "no/log"), json_object(), &err));
    ck_assert_int_eq(err.code, TNM_EIO);
    scratch_remove(folder);
}
END_TEST

Suite *cli_suite(void);
Suite *cli_suite(void) {
    Suite *suite = suite_create("cli");
    TCase *t = tcase_create("cli");
    tcase_add_test(t, defaults_come_from_the_table);
    tcase_add_test(t, values_are_read_in_either_form);
    tcase_add_test(t, what_may_stand_alone_takes_no_argument);
    tcase_add_loop_test(t, wrong_usage_is_two, 0, sizeof wrong / sizeof *wrong);
    tcase_add_test(t, help_is_zero_whatever_else_is_missing);
    tcase_add_test(t, what_is_told_can_be_typed_again);
    tcase_add_test(t, no_number_is_null_in_json);
    tcase_add_test(t, the_log_grows_by_a_line_a_step);
    suite_add_tcase(suite, t);
    return suite;
}
