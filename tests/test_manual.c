/* SPDX-License-Identifier: MIT */
// What is installed beside the programs: manual pages, completion, announcements. Whatever they say
// of options, settings and ports is compared with what the programs say.
#include "tests/scratch.h"
#include "tests/xml.h"

#include <check.h>
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *folder;
static char pages[3][400000]; // tnm.1, tnmd.conf.5, tnmd.8
enum { TNM, CONF, TNMD };

static const char *variable(const char *name, const char *otherwise) {
    const char *value = getenv(name);
    return value != NULL ? value : otherwise;
}

static size_t read_stream(FILE *stream, char *text, size_t size) {
    ck_assert_ptr_nonnull(stream);
    size_t len = fread(text, 1, size - 1, stream);
    ck_assert_uint_lt(len, size - 1);
    text[len] = '\0';
    return len;
}

static void read_text(const char *path, char *text, size_t size) {
    FILE *file = fopen(path, "re");
    ck_assert_msg(file != NULL, "%s", path);
    read_stream(file, text, size);
    fclose(file);
}

// What a command line says; @ in front of a program stands for how it is run.
static void ask(char *text, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void ask(char *text, size_t size, const char *format, ...) {
    char command[8192], line[4096];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    const char *at = strchr(line, '@');
    ck_assert_ptr_nonnull(at);
    snprintf(command, sizeof command, "%.*s%s %s/%s", (int)(at - line), line,
             variable("TNM_EMULATOR", ""), variable("TNM_BUILD", "build"), at + 1);
    FILE *pipe = popen(command, "r");
    read_stream(pipe, text, size);
    ck_assert_msg(pclose(pipe) == 0, "%s", command);
}

static void setup(void) {
    static const char *const name[] = {"tnm.1", "tnmd.conf.5", "tnmd.8"};
    char out[256];
    folder = scratch_make();
    ask(out, sizeof out, "systemd/pages %s 1.2.3 @tnm", folder);
    for (int i = 0; i < 3; i++)
        read_text(scratch_path(folder, name[i]), pages[i], sizeof pages[i]);
}

static void teardown(void) {
    scratch_remove(folder);
}

// Copies the word at *at, of letters that options have, and goes behind it.
static void take_word(const char **at, char word[64]) {
    size_t len = strspn(*at, "abcdefghijklmnopqrstuvwxyz0123456789-");
    ck_assert_uint_lt(len, 64);
    snprintf(word, 64, "%.*s", (int)len, *at);
    *at += len;
}

// Calls each with the words "--name" that start a row of a help text.
static unsigned each_option(const char *help, void (*each)(const char *name, void *arg),
                            void *arg) {
    unsigned n = 0;
    for (const char *line = help; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        const char *at = line + strspn(line, " ");
        if (at == line || at - line > 6)
            continue;
        if (at[0] == '-' && at[2] == ',')
            at += 4;
        while (strncmp(at, "--", 2) == 0) {
            char name[64];
            take_word(&at, name);
            each(name, arg);
            n++;
            at += *at == ',' ? 2 : 0;
        }
    }
    return n;
}

// ---- Manual pages ------------------------------------------------------------------------------

static void expect_item(const char *name, void *section) {
    char item[128];
    snprintf(item, sizeof item, "Fl %s", name + 1);
    const char *at = strstr(section, item);
    while (at != NULL && (isalnum((unsigned char)at[strlen(item)]) || at[strlen(item)] == '-'))
        at = strstr(at + 1, item);
    ck_assert_msg(at != NULL, "no %s in: %.300s", name, (const char *)section);
}

// The part of tnm.1 that tells of a command.
static char *section_of(const char *command) {
    static char section[100000];
    char head[80];
    snprintf(head, sizeof head, "\n.Sh %s\n", command);
    for (char *c = head + 5; *c != '\0'; c++)
        *c = (char)toupper((unsigned char)*c);
    const char *at = strstr(pages[TNM], head);
    ck_assert_msg(at != NULL, "no section of %s", command);
    const char *end = strstr(at + 1, "\n.Sh ");
    snprintf(section, sizeof section, "%.*s", (int)(end - at), at);
    return section;
}

// Calls each for every command of tnm with what its --help says; the number of them.
static unsigned each_command(void (*each)(const char *command, const char *help)) {
    static char all[8192], help[60000];
    unsigned n = 0;
    ask(all, sizeof all, "@tnm --help");
    const char *at = strstr(all, "\ncommands:\n");
    ck_assert_ptr_nonnull(at);
    while ((at = strstr(at, "\n  ")) != NULL) {
        char command[64];
        at += 3;
        take_word(&at, command);
        ask(help, sizeof help, "@tnm %s --help", command);
        each(command, help);
        n++;
    }
    return n;
}

static void expect_section(const char *command, const char *help) {
    char *section = section_of(command);
    unsigned n = each_option(help, expect_item, section);
    ck_assert_uint_ge(n, 2);
    ck_assert_uint_eq(xml_count(section, "\n.It "), n);
}

START_TEST(tnm_1_has_each_command_and_each_option) {
    ck_assert_uint_ge(each_command(expect_section), 14);
}
END_TEST

START_TEST(tnmd_conf_5_has_each_setting_with_its_default) {
    static char conf[60000];
    unsigned n = 0;
    ask(conf, sizeof conf, "@tnmd --print-config");
    for (const char *line = conf; line != NULL; line = strchr(line, '\n')) {
        char key[64], item[256];
        line += *line == '\n';
        if (*line < 'a' || *line > 'z')
            continue;
        const char *at = line;
        take_word(&at, key);
        size_t len = strcspn(at, "\n");
        snprintf(item, sizeof item, "\n.It Ic %s No = Ar %.*s\n", key, (int)(len > 3 ? len - 3 : 2),
                 len > 3 ? at + 3 : "\\&");
        ck_assert_msg(strstr(pages[CONF], item) != NULL, "not there: %s", item);
        n++;
    }
    ck_assert_uint_ge(n, 20);
    ck_assert_uint_eq(xml_count(pages[CONF], "\n.It Ic "), n);
}
END_TEST

static void expect_option(const char *name, void *arg) {
    char item[128];
    snprintf(item, sizeof item, "\n.It Ic %s No = Ar ", name + 2);
    if (strstr(arg, item) == NULL) // no setting, then
        expect_item(name, pages[TNMD]);
}

START_TEST(tnmd_8_has_what_is_no_setting) {
    static char help[60000];
    ask(help, sizeof help, "@tnmd --help");
    ck_assert_uint_ge(each_option(help, expect_option, pages[CONF]), 25);
}
END_TEST

START_TEST(pages_name_their_version) {
    for (int i = 0; i < 3; i++) {
        ck_assert_uint_eq(xml_count(pages[i], "\n.Os tnm 1.2.3\n"), 1);
        ck_assert_uint_eq(xml_count(pages[i], "@\n"), 0); // what was to be replaced
    }
}
END_TEST

// ---- Completion --------------------------------------------------------------------------------

// What bash would offer behind these words, the last of which is being typed; "" for none.
static void complete(char *offers, size_t size, const char *words) {
    FILE *file;
    const char *path = scratch_path(folder, "try.bash");
    ck_assert_ptr_nonnull(file = fopen(path, "we"));
    fprintf(file,
            "tnm() { %s %s/tnm \"$@\"; }\ntnmd() { %s %s/tnmd \"$@\"; }\n"
            ". conf/completion.bash\n"
            "COMP_WORDS=(%s)\nCOMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n"
            "$(complete -p \"${COMP_WORDS[0]}\" | sed 's/.*-F \\([^ ]*\\) .*/\\1/')\n"
            "echo \" ${COMPREPLY[*]} \"\n",
            variable("TNM_EMULATOR", ""), variable("TNM_BUILD", "build"),
            variable("TNM_EMULATOR", ""), variable("TNM_BUILD", "build"), words);
    fclose(file);
    char command[4096];
    snprintf(command, sizeof command, "bash %s", path);
    FILE *pipe = popen(command, "r");
    read_stream(pipe, offers, size);
    ck_assert_int_eq(pclose(pipe), 0);
}

static const struct {
    const char *words, *offers;
} typed[] = {
    {"tnm sq", " squeeze \n"},
    {"tnm --v", " --version \n"},
    {"tnm train --aug", " --augment \n"},
    {"tnm train --keep ''", " last best \n"},
    {"tnm train --keep = b", " best \n"},
    {"tnm share --bits ''", "  \n"},
    {"tnm info models/mnist-lstm", " models/mnist-lstm-dense.tnm models/mnist-lstm-packed.tnm \n"},
    {"tnm eval models/mnist-lstm-dense.tnm --data models/mni", " models/mnist \n"},
    {"tnm pack -o models/mnist-lstm-d", " models/mnist-lstm-dense.tnm \n"},
    {"tnm train --resume --teacher models/fashion-mlp-p", " models/fashion-mlp-packed.tnm \n"},
    {"tnm classify x.tnm tests/data/img/sev", " tests/data/img/seven.jpg \n"},
    {"tnmd --log-level ''", " error warn info debug \n"},
    {"tnmd --log-l", " --log-level \n"},
    {"tnmd --models systemd --config conf/tnmd.c", " conf/tnmd.conf \n"},
    {"tnmd --models tests/dat", " tests/data \n"},
};

START_TEST(completion_offers_what_may_stand_there) {
    char offers[8192];
    complete(offers, sizeof offers, typed[_i].words);
    ck_assert_msg(strcmp(offers, typed[_i].offers) == 0, "%s: %s", typed[_i].words, offers);
}
END_TEST

static void expect_offer(const char *name, void *offers) {
    char word[80];
    snprintf(word, sizeof word, " %s ", name);
    ck_assert_msg(strstr(offers, word) != NULL, "%s is not in %s", name, (const char *)offers);
}

static void expect_offers(const char *command, const char *help) {
    char words[80], offers[8192];
    snprintf(words, sizeof words, "tnm %s --", command);
    complete(offers, sizeof offers, words);
    ck_assert_uint_eq(each_option(help, expect_offer, offers), xml_count(offers, "--"));
}

START_TEST(completion_knows_each_option) {
    static char help[60000];
    char offers[8192];
    each_command(expect_offers);
    ask(help, sizeof help, "@tnmd --help");
    complete(offers, sizeof offers, "tnmd ''");
    ck_assert_uint_eq(each_option(help, expect_offer, offers), xml_count(offers, "--"));
}
END_TEST

// ---- Announcements -----------------------------------------------------------------------------

START_TEST(both_announcements_say_the_same) {
    static char avahi[8192], dnssd[8192], socket[8192], why[XML_WHY];
    read_text("conf/avahi-tnm.service", avahi, sizeof avahi);
    read_text("conf/tnm.dnssd", dnssd, sizeof dnssd);
    read_text("systemd/tnmd.socket", socket, sizeof socket);
    char *root = strstr(avahi, "<service-group>"); // behind what is no element
    ck_assert(root != NULL && xml_is_well_formed(root, false, why));
    // systemd.dnssd(5) writes %H where avahi.service(5) writes %h: the name of whatever machine.
    ck_assert_uint_eq(xml_count(avahi, "<name replace-wildcards=\"yes\">tnm on %h</name>"), 1);
    ck_assert_uint_eq(xml_count(dnssd, "\nName=tnm on %H\n"), 1);
    ck_assert_uint_eq(xml_count(avahi, "<type>_http._tcp</type>"), 1);
    ck_assert_uint_eq(xml_count(dnssd, "\nType=_http._tcp\n"), 1);
    ck_assert_uint_eq(xml_count(socket, "\nListenStream=8080\n"), 1);
    ck_assert_uint_eq(xml_count(avahi, "<port>8080</port>"), 1);
    ck_assert_uint_eq(xml_count(dnssd, "\nPort=8080\n"), 1);
    ck_assert_uint_eq(xml_count(avahi, "<txt-record>"), 2);
    ck_assert_uint_eq(xml_count(avahi, "<txt-record>path=/</txt-record>"), 1);
    ck_assert_uint_eq(xml_count(avahi, "<txt-record>api=v2</txt-record>"), 1);
    ck_assert_uint_eq(xml_count(dnssd, "\nTxtText=path=/ api=v2\n"), 1);
}
END_TEST

Suite *manual_suite(void) {
    Suite *suite = suite_create("manual");
    TCase *tcase = tcase_create("manual");
    tcase_set_timeout(tcase, 120);
    tcase_add_unchecked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, tnm_1_has_each_command_and_each_option);
    tcase_add_test(tcase, tnmd_conf_5_has_each_setting_with_its_default);
    tcase_add_test(tcase, tnmd_8_has_what_is_no_setting);
    tcase_add_test(tcase, pages_name_their_version);
    tcase_add_loop_test(tcase, completion_offers_what_may_stand_there, 0,
                        sizeof typed / sizeof typed[0]);
    tcase_add_test(tcase, completion_knows_each_option);
    tcase_add_test(tcase, both_announcements_say_the_same);
    suite_add_tcase(suite, tcase);
    return suite;
}
