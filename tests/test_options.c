/* SPDX-License-Identifier: MIT */
// The table of settings: command line, conf file, and the shipped conf file.
#include "daemon/options.h"

#include "daemon/listen.h"
#include "tests/scratch.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_WORDS = 16 };

static const char *folder;
static struct options o;
static struct tnm_error err;

static void setup(void) {
    folder = scratch_make();
    unsetenv("STATE_DIRECTORY");
    unsetenv("CREDENTIALS_DIRECTORY");
}

static void teardown(void) {
    scratch_remove(folder);
}

// Reads a command line of words with a blank between each two. CONF stands for the conf file.
static enum options_result read_line(const char *line, const char *conf) {
    static char copy[4096];
    char *argv[MAX_WORDS + 1] = {"tnmd"};
    int argc = 1;
    const char *path = scratch_path(folder, "tnmd.conf");
    if (conf != NULL)
        scratch_write(path, conf, strlen(conf));
    snprintf(copy, sizeof copy, "%s", line);
    for (char *word = strtok(copy, " "); word != NULL && argc < MAX_WORDS; word = strtok(NULL, " "))
        argv[argc++] = strcmp(word, "CONF") == 0 ? (char *)(uintptr_t)path : word;
    argv[argc] = NULL;
    return options_read(&o, argc, argv, &err);
}

// What a command line prints on stdout.
static char *printed(const char *line, const char *conf) {
    const char *path = scratch_path(folder, "stdout");
    fflush(stdout);
    int saved = dup(STDOUT_FILENO), fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    dup2(fd, STDOUT_FILENO);
    enum options_result result = read_line(line, conf);
    fflush(stdout);
    dup2(saved, STDOUT_FILENO);
    ck_assert_int_eq(result, OPTIONS_DONE);
    static char text[65536];
    ssize_t len = pread(fd, text, sizeof text - 1, 0);
    ck_assert_int_gt(len, 0);
    text[len] = '\0';
    close(fd);
    close(saved);
    return text;
}

START_TEST(defaults_listen_on_loopback_only) {
    ck_assert_int_eq(read_line("", NULL), OPTIONS_RUN);
    ck_assert_str_eq(o.listen, "127.0.0.1:8080");
    ck_assert_uint_eq(o.max_body, 8U << 20);
    ck_assert_uint_eq(o.max_pixels, 50000000);
    ck_assert_uint_eq(o.max_model, 256U << 20);
    ck_assert_uint_eq(o.max_models, 32);
    ck_assert_uint_eq(o.queue, 64);
    ck_assert_uint_eq(o.header_timeout_s, 5);
    ck_assert_uint_eq(o.body_timeout_s, 30);
    ck_assert_uint_eq(o.idle_timeout_s, 15);
    ck_assert_str_eq(o.state, "");
    ck_assert_str_eq(o.token_file, "");
}
END_TEST

START_TEST(an_option_goes_over_the_file_wherever_it_stands) {
    const char conf[] = "[http]\nqueue = 7\nthreads = 3\n[models]\nactive = a-b.c\n";
    ck_assert_int_eq(read_line("--queue 9 --config CONF --http-listen=[::1]:0", conf), OPTIONS_RUN);
    ck_assert_uint_eq(o.queue, 9);
    ck_assert_uint_eq(o.threads, 3);
    ck_assert_str_eq(o.active, "a-b.c");
    ck_assert_str_eq(o.listen, "[::1]:0");
}
END_TEST

START_TEST(units_are_powers_of_1024) {
    ck_assert_int_eq(read_line("--max-body 3K --max-model 2G --decode-memory 5M", NULL),
                     OPTIONS_RUN);
    ck_assert_uint_eq(o.max_body, 3072);
    ck_assert_uint_eq(o.max_model, 2ULL << 30);
    ck_assert_uint_eq(o.decode_memory, 5U << 20);
}
END_TEST

// Wrong settings: command line, conf file or NULL, and what the error must say.
static const struct {
    const char *line, *conf, *text;
} wrong[] = {
    {"--nonsense 1", NULL, "unknown option --nonsense"},
    {"models", NULL, "\"models\" is not an option"},
    {"--queue", NULL, "--queue wants a value"},
    {"--queue 0", NULL, "queue = \"0\" is not a whole number from 1 to 65536"},
    {"--queue 1x", NULL, "queue = \"1x\""},
    {"--queue -1", NULL, "queue = \"-1\""},
    {"--queue 65K", NULL, "queue = \"65K\""},
    {"--max-body 99999999999999999999", NULL, "max-body"},
    {"--max-body 17179869184G", NULL, "max-body"},
    {"--max-body=", NULL, "max-body = \"\""},
    {"--models=", NULL, "models is empty"},
    {"--log-level loud", NULL, "log-level = \"loud\" is not one of"},
    {"--listen 8080", NULL, "listen: \"8080\" is not ADDR:PORT"},
    {"--listen 127.0.0.1:65536", NULL, "port from 0 to 65535"},
    {"--listen 127.0.0.1:", NULL, "listen: "},
    {"--listen 127.0.0.1:+1", NULL, "listen: "},
    {"--listen ::1:80", NULL, "does not begin with"},
    {"--listen 1.2.3:80", NULL, "does not begin with"},
    {"--listen example.org:80", NULL, "does not begin with"},
    {"--config /nonexistent/tnmd.conf", NULL, "/nonexistent/tnmd.conf: No such file"},
    {"--config CONF", "[http]\n\n# note\nquue = 1\n",
     "tnmd.conf:4: unknown key quue in section [http]"},
    {"--config CONF", "[models]\nqueue = 1\n",
     "tnmd.conf:2: unknown key queue in section [models]"},
    {"--config CONF", "quue = 1\n", "tnmd.conf:1: unknown key quue"},
    {"--config CONF", "[http]\nqueue = many\n", "tnmd.conf:2: queue = \"many\""},
    {"--config CONF", "[http]\nqueue\n", "tnmd.conf:2: neither [section] nor key = value"},
    {"--config CONF", "[http\n", "tnmd.conf:1: neither"},
    {"--config CONF", "[http]\nqueue\nquue = 1\n", "tnmd.conf:2: neither"},
    {"--config CONF", "[http]\nquue = 1\nqueue\n", "tnmd.conf:2: unknown key quue"},
    {"--config CONF", "[http]\nqueue = 1\n[http]\nqueue = 2\n",
     "tnmd.conf:4: queue is given twice"},
    {"--config CONF", "[http]\ntoken-file = /a\n  listen = 1\n", "tnmd.conf:3: listen: \"1\""},
    {"--check-config --config CONF", "[http]\nlisten = here\n", "tnmd.conf:2: listen: \"here\""},
};

START_TEST(wrong_settings_are_named_with_their_place) {
    ck_assert_int_eq(read_line(wrong[_i].line, wrong[_i].conf), OPTIONS_WRONG);
    ck_assert_int_eq(err.code, TNM_EINPUT);
    ck_assert_msg(strstr(err.text, wrong[_i].text) != NULL, "\"%s\" lacks \"%s\"", err.text,
                  wrong[_i].text);
}
END_TEST

START_TEST(a_line_too_long_is_refused_and_not_cut) {
    char conf[512];
    memset(conf, 'x', sizeof conf);
    memcpy(conf, "[http]\ntoken-file = /", 21);
    conf[500] = '\0';
    ck_assert_int_eq(read_line("--config CONF", conf), OPTIONS_WRONG);
    ck_assert_ptr_nonnull(strstr(err.text, "tnmd.conf:2: longer than"));
}
END_TEST

START_TEST(the_shipped_file_is_what_print_config_prints) {
    static char shipped[65536];
    FILE *file = fopen("conf/tnmd.conf", "r");
    ck_assert_ptr_nonnull(file);
    shipped[fread(shipped, 1, sizeof shipped - 1, file)] = '\0';
    fclose(file);
    ck_assert_str_eq(printed("--print-config", NULL), shipped);
}
END_TEST

START_TEST(what_is_printed_reads_back_the_same) {
    const char line[] = "--max-body 12345 --max-pixels 1048576 --listen [::]:1 --log-level debug "
                        "--active m --state /s --print-config --config CONF";
    char *first = strdup(printed(line, "[http]\nqueue=5\n"));
    ck_assert_ptr_nonnull(strstr(first, "\nmax-body = 12345\n"));
    ck_assert_ptr_nonnull(strstr(first, "\nqueue = 5\n"));
    ck_assert_str_eq(printed("--print-config --config CONF", first), first);
    free(first);
}
END_TEST

START_TEST(check_config_says_which_file_is_fine) {
    ck_assert_ptr_nonnull(strstr(printed("--check-config --config CONF", "[http]\nqueue = 5\n"),
                                 "tnmd.conf: no fault"));
}
END_TEST

START_TEST(every_option_stands_in_the_help) {
    const char *help = printed("--help", NULL);
    const char *const options[] = {"--listen ADDR:PORT", "--models DIR",      "--active NAME",
                                   "--threads N",        "--token-file FILE", "--max-body BYTES",
                                   "--max-pixels N",     "--queue N",         "--config FILE"};
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        ck_assert_msg(strstr(help, options[i]) != NULL, "no %s", options[i]);
}
END_TEST

START_TEST(systemd_gives_state_folder_and_token) {
    setenv("STATE_DIRECTORY", "/var/lib/tnmd", 1);
    setenv("CREDENTIALS_DIRECTORY", folder, 1);
    ck_assert_int_eq(read_line("", NULL), OPTIONS_RUN);
    ck_assert_str_eq(o.state, "/var/lib/tnmd");
    ck_assert_str_eq(o.token_file, ""); // no such credential
    scratch_write(scratch_path(folder, "tnmd.token"), "t", 1);
    ck_assert_int_eq(read_line("", NULL), OPTIONS_RUN);
    ck_assert_str_eq(o.token_file, scratch_path(folder, "tnmd.token"));
    ck_assert_int_eq(read_line("--state /s --token-file /t", NULL), OPTIONS_RUN);
    ck_assert_str_eq(o.state, "/s");
    ck_assert_str_eq(o.token_file, "/t");
}
END_TEST

START_TEST(a_socket_names_the_port_it_got) {
    static const char *const addresses[] = {"127.0.0.1:0", "localhost:0", "[::1]:0"};
    int fd;
    if (!listen_open(addresses[_i], &fd, &err)) {
        ck_assert_msg(_i == 2, "%s", err.text); // a machine may have no IPv6
        return;
    }
    char name[LISTEN_NAME_BYTES];
    listen_name(fd, name);
    const char *host = _i == 2 ? "[::1]:" : "127.0.0.1:";
    ck_assert_int_eq(strncmp(name, host, strlen(host)), 0);
    ck_assert_int_gt(atoi(name + strlen(host)), 0);
    int other = -1;
    ck_assert(!listen_open(name, &other, &err)); // it is taken now
    ck_assert_int_eq(err.code, TNM_EIO);
    ck_assert_ptr_nonnull(strstr(err.text, "Address already in use"));
    ck_assert_int_eq(other, -1);
    close(fd);
}
END_TEST

Suite *options_suite(void) {
    Suite *s = suite_create("options");
    TCase *t = tcase_create("options");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, defaults_listen_on_loopback_only);
    tcase_add_test(t, an_option_goes_over_the_file_wherever_it_stands);
    tcase_add_test(t, units_are_powers_of_1024);
    tcase_add_loop_test(t, wrong_settings_are_named_with_their_place, 0,
                        sizeof wrong / sizeof *wrong);
    tcase_add_test(t, a_line_too_long_is_refused_and_not_cut);
    tcase_add_test(t, the_shipped_file_is_what_print_config_prints);
    tcase_add_test(t, what_is_printed_reads_back_the_same);
    tcase_add_test(t, check_config_says_which_file_is_fine);
    tcase_add_test(t, every_option_stands_in_the_help);
    tcase_add_test(t, systemd_gives_state_folder_and_token);
    tcase_add_loop_test(t, a_socket_names_the_port_it_got, 0, 3);
    suite_add_tcase(s, t);
    return s;
}
