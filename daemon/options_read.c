/* SPDX-License-Identifier: MIT */
// Settings from the command line and from a conf file, and the table printed as either.
#include "daemon/settings.h"

#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// ---- Printing ----------------------------------------------------------------------------------

// Help text, each line behind prefix.
static void print_lines(const char *prefix, const char *text) {
    while (*text != '\0') {
        size_t len = strcspn(text, "\n");
        printf("%s%.*s\n", prefix, (int)len, text);
        text += len + (text[len] == '\n');
    }
}

static void print_config(const struct options *o) {
    printf("# Settings of tnmd, the daemon that serves .tnm models over HTTP.\n"
           "# Each key is also an option on the command line: listen is --listen. Sizes take K, M\n"
           "# or G. Made by tnmd --print-config; check a change with tnmd --check-config.\n");
    for (const struct setting *s = settings; s->key != NULL; s++) {
        if (s == settings || strcmp(s->section, s[-1].section) != 0)
            printf("\n[%s]\n", s->section);
        print_lines("# ", s->help);
        printf("%s =", s->key);
        setting_print(o, s);
        printf("\n");
    }
}

static void print_help(void) {
    printf("Usage: tnmd [OPTION]...\n"
           "Serves .tnm models over HTTP.\n\n"
           "  --config FILE\n      Read settings from FILE first; options go over them.\n"
           "  --check-config\n      Check FILE and the options, and exit.\n"
           "  --print-config\n      Print all settings as a file for --config, and exit.\n"
           "  --version, --help\n");
    for (const struct setting *s = settings; s->key != NULL; s++) {
        printf("  --%s %s", s->key, s->word);
        if (*s->fallback != '\0')
            printf("  [%s]", s->fallback);
        printf("\n");
        print_lines("      ", s->help);
    }
    printf("\nExit status: 0 stopped as told, 1 could not start, 2 wrong settings.\n");
}

// ---- Conf file ---------------------------------------------------------------------------------

struct conf {
    struct options *o;
    FILE *file;
    int line;              // being read
    int first;             // line of the first error; 0: none
    struct tnm_error *err; // text of it
    bool seen[MAX_SETTINGS];
};

static int conf_fail(struct conf *c) {
    if (c->first == 0)
        c->first = c->line;
    return 0;
}

// Hands lines to inih one by one, so that their number is known here. Blanks in front are taken
// off, as inih would take an indented line for more of the value above.
static char *conf_line(char *line, int size, void *user) {
    struct conf *c = user;
    if (fgets(line, size, c->file) == NULL)
        return NULL;
    c->line++;
    size_t len = strlen(line);
    if (len + 1 == (size_t)size && line[len - 1] != '\n' && c->first == 0) {
        tnm_fail(c->err, TNM_EINPUT, "longer than %d bytes", size - 2);
        conf_fail(c);
    }
    size_t blanks = strspn(line, " \t");
    memmove(line, line + blanks, len + 1 - blanks);
    return line;
}

static int conf_value(void *user, const char *section, const char *key, const char *value) {
    struct conf *c = user;
    if (c->first != 0)
        return 0;
    for (const struct setting *s = settings; s->key != NULL; s++) {
        if (strcmp(key, s->key) != 0 || (*section != '\0' && strcmp(section, s->section) != 0))
            continue;
        if (c->seen[s - settings]) {
            tnm_fail(c->err, TNM_EINPUT, "%s is given twice", key);
            return conf_fail(c);
        }
        c->seen[s - settings] = true;
        return setting_set(c->o, s, value, c->err) ? 1 : conf_fail(c);
    }
    if (*section != '\0')
        tnm_fail(c->err, TNM_EINPUT, "unknown key %s in section [%s]", key, section);
    else
        tnm_fail(c->err, TNM_EINPUT, "unknown key %s", key);
    return conf_fail(c);
}

static bool read_conf(struct options *o, const char *path, struct tnm_error *err) {
    struct conf c = {.o = o, .file = fopen(path, "re"), .err = err};
    if (c.file == NULL) {
        tnm_fail_errno(err, errno, "%s", path);
        if (err != NULL)
            err->code = TNM_EINPUT;
        return false;
    }
    int line = ini_parse_stream(conf_line, &c, conf_value, &c);
    bool readable = ferror(c.file) == 0;
    fclose(c.file);
    if (!readable)
        return tnm_fail(err, TNM_EINPUT, "%s: cannot be read", path);
    if (c.first != 0 && (line <= 0 || c.first <= line))
        return tnm_fail_in(err, "%s:%d", path, c.first);
    if (line != 0)
        return tnm_fail(err, TNM_EINPUT, "%s:%d: neither [section] nor key = value", path, line);
    return true;
}

// ---- Command line ------------------------------------------------------------------------------

// What may stand alone.
struct actions {
    const char *config;
    bool help, version, print, check;
};

static const struct setting *find_option(const char *name, size_t len) {
    for (const struct setting *s = settings; s->key != NULL; s++) {
        size_t prefix = strlen(s->section) + 1;
        if (strlen(s->key) == len && memcmp(name, s->key, len) == 0)
            return s;
        if (len == prefix + strlen(s->key) && memcmp(name, s->section, prefix - 1) == 0 &&
            name[prefix - 1] == '-' && memcmp(name + prefix, s->key, len - prefix) == 0)
            return s;
    }
    return NULL;
}

static bool take_flag(const char *arg, struct actions *a) {
    const struct {
        const char *name;
        bool *flag;
    } flags[] = {{"--help", &a->help},
                 {"-h", &a->help},
                 {"--version", &a->version},
                 {"--print-config", &a->print},
                 {"--check-config", &a->check}};
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        if (strcmp(arg, flags[i].name) == 0)
            return *flags[i].flag = true;
    return false;
}

// Walks the command line. o == NULL: only looks for flags and --config.
static bool walk(struct options *o, char **argv, struct actions *a, struct tnm_error *err) {
    for (; *argv != NULL; argv++) {
        if (take_flag(*argv, a))
            continue;
        if (strncmp(*argv, "--", 2) != 0)
            return tnm_fail(err, TNM_EINPUT, "\"%s\" is not an option; see --help", *argv);
        const char *name = *argv + 2;
        size_t len = strcspn(name, "=");
        bool is_config = len == 6 && memcmp(name, "config", len) == 0;
        const struct setting *s = find_option(name, len);
        if (s == NULL && !is_config)
            return tnm_fail(err, TNM_EINPUT, "unknown option --%.*s; see --help", (int)len, name);
        const char *value = name[len] == '=' ? name + len + 1 : *++argv;
        if (value == NULL)
            return tnm_fail(err, TNM_EINPUT, "--%s wants a value", name);
        if (is_config)
            a->config = value;
        else if (o != NULL && !setting_set(o, s, value, err))
            return tnm_fail_in(err, "command line");
    }
    return true;
}

// ---- All of it ---------------------------------------------------------------------------------

static void set_defaults(struct options *o) {
    memset(o, 0, sizeof *o);
    for (const struct setting *s = settings; s->key != NULL; s++) {
        struct tnm_error err;
        if (!setting_set(o, s, s->fallback, &err))
            abort(); // the table is wrong
    }
}

// The path of a credential, if systemd has it, into a setting of 4096 bytes that is still empty.
static void ask_credential(char *setting, const char *name) {
    const char *folder = getenv("CREDENTIALS_DIRECTORY");
    if (*setting != '\0' || folder == NULL)
        return;
    int n = snprintf(setting, 4096, "%s/%s", folder, name);
    if (n >= 4096 || access(setting, F_OK) != 0)
        *setting = '\0';
}

static void ask_systemd(struct options *o) {
    const char *state = getenv("STATE_DIRECTORY");
    // StateDirectory= may name several, with colons between; ours names one.
    if (*o->state == '\0' && state != NULL && strlen(state) < sizeof o->state)
        memcpy(o->state, state, strlen(state) + 1);
    ask_credential(o->token_file, "tnmd.token");
    if (*o->tls_cert == '\0' && *o->tls_key == '\0') {
        ask_credential(o->tls_cert, "tnmd.cert");
        ask_credential(o->tls_key, "tnmd.key");
    }
}

// What only makes sense together.
static bool check_pairs(const struct options *o, struct tnm_error *err) {
    bool cert = *o->tls_cert != '\0', key = *o->tls_key != '\0';
    return cert == key || tnm_fail(err, TNM_EINPUT, "%s without %s", cert ? "tls-cert" : "tls-key",
                                   cert ? "tls-key" : "tls-cert");
}

enum options_result options_read(struct options *o, int argc, char **argv, struct tnm_error *err) {
    struct actions a = {0};
    set_defaults(o);
    char **args = argv + (argc > 0);
    if (!walk(NULL, args, &a, err))
        return OPTIONS_WRONG;
    if (a.help) {
        print_help();
        return OPTIONS_DONE;
    }
    if (a.version) {
        printf("tnmd %s\n", TNM_VERSION);
        return OPTIONS_DONE;
    }
    if ((a.config != NULL && !read_conf(o, a.config, err)) || !walk(o, args, &a, err))
        return OPTIONS_WRONG;
    if (!a.print && !a.check)
        ask_systemd(o);
    if (!check_pairs(o, err))
        return OPTIONS_WRONG;
    if (a.print)
        print_config(o);
    else if (a.check)
        printf("%s: no fault\n", a.config != NULL ? a.config : "options");
    return a.print || a.check ? OPTIONS_DONE : OPTIONS_RUN;
}
