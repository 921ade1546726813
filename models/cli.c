/* SPDX-License-Identifier: MIT */
// The command line of the forge.
#include "models/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/error.h"

const char CLI_MUST[] = "(must be given)";

static bool line_open; // a progress line stands on the terminal

// ---- Values ------------------------------------------------------------------------------------

static void *field(void *settings, const struct cli_option *o) {
    return (char *)settings + o->at;
}

static const void *field_const(const void *settings, const struct cli_option *o) {
    return (const char *)settings + o->at;
}

static bool parse_whole(const char *text, double low, double high, uint64_t *out) {
    if (text[0] < '0' || text[0] > '9')
        return false;
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno != 0 || *end != 0 || (double)value < low || (double)value > high)
        return false;
    *out = value;
    return true;
}

static bool parse_real(const char *text, double low, double high, double *out) {
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end != 0 || !isfinite(value) || value < low || value > high)
        return false;
    *out = value;
    return true;
}

// The place of a word among "linear|density|random".
static bool parse_choice(const char *words, const char *text, uint32_t *out) {
    size_t len = strlen(text);
    uint32_t place = 0;
    for (const char *w = words; w != NULL; place++) {
        const char *bar = strchr(w, '|');
        size_t width = bar != NULL ? (size_t)(bar - w) : strlen(w);
        if (width == len && memcmp(w, text, len) == 0) {
            *out = place;
            return true;
        }
        w = bar != NULL ? bar + 1 : NULL;
    }
    return false;
}

static bool parse_list(struct cli_list *list, const char *text) {
    if (list->n == CLI_MAX_LIST)
        return false;
    list->item[list->n++] = text;
    return true;
}

static bool set(const struct cli_option *o, void *settings, const char *text) {
    void *at = field(settings, o);
    uint64_t whole;
    switch (o->type) {
    case CLI_FLAG:
        *(bool *)at = true;
        return true;
    case CLI_COUNT:
        if (!parse_whole(text, o->low, fmin(o->high, UINT32_MAX - 1), &whole))
            return false;
        *(uint32_t *)at = (uint32_t)whole;
        return true;
    case CLI_BIG:
        return parse_whole(text, o->low, o->high, at);
    case CLI_REAL:
    case CLI_DEGREE:
        return parse_real(text, o->low, o->high, at);
    case CLI_CHOICE:
        return parse_choice(o->value, text, at);
    case CLI_LIST:
        return parse_list(at, text);
    case CLI_TEXT:
    case CLI_CHOSEN:
    case CLI_PATH:
        *(const char **)at = text;
        return text[0] != 0;
    }
    return false;
}

static void set_nothing(const struct cli_option *o, void *settings) {
    void *at = field(settings, o);
    switch (o->type) {
    case CLI_FLAG:
        *(bool *)at = false;
        break;
    case CLI_COUNT:
    case CLI_CHOICE:
        *(uint32_t *)at = UINT32_MAX;
        break;
    case CLI_BIG:
        *(uint64_t *)at = UINT64_MAX;
        break;
    case CLI_REAL:
    case CLI_DEGREE:
        *(double *)at = NAN;
        break;
    case CLI_LIST:
        *(struct cli_list *)at = (struct cli_list){0};
        break;
    case CLI_TEXT:
    case CLI_CHOSEN:
    case CLI_PATH:
        *(const char **)at = NULL;
        break;
    }
}

// ---- Help and errors ---------------------------------------------------------------------------

// --name alone means something.
static bool has_own_value(const struct cli_option *o) {
    return o->type == CLI_DEGREE || o->type == CLI_CHOSEN;
}

static void print_option(const struct cli_option *o) {
    char left[64];
    int n = snprintf(left, sizeof left, "%s%c%s--%s%s%s%s", o->letter ? "-" : " ",
                     o->letter ? o->letter : ' ', o->letter ? ", " : "  ", o->name,
                     has_own_value(o) ? "[="
                     : o->value       ? " "
                                      : "",
                     o->value ? o->value : "", has_own_value(o) ? "]" : "");
    if (n > 26)
        printf("  %s\n  %-26s  %s", left, "", o->help);
    else
        printf("  %-26s  %s", left, o->help);
    if (o->standard == CLI_MUST)
        printf(" (must be given)");
    else if (o->standard != NULL)
        printf(" [%s]", o->standard);
    printf("\n");
}

static int help(const struct cli_command *command) {
    printf("usage: tnm %s %s\n%s\n\noptions:\n", command->name, command->usage, command->purpose);
    for (size_t i = 0; i < command->n_options; i++)
        print_option(&command->option[i]);
    printf("  %-26s  this text\n", "    --help");
    return cli_finish();
}

int cli_wrong(const struct cli_command *command, const char *format, ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    cli_say("tnm: %s: %s (tnm %s --help)", command->name, text, command->name);
    return CLI_WRONG;
}

int cli_fail(const struct tnm_error *err) {
    cli_say("tnm: %s", err->text);
    return CLI_FAILED;
}

static int wrong_value(const struct cli_command *command, const struct cli_option *o,
                       const char *text) {
    const char *n = o->name;
    switch (o->type) {
    case CLI_COUNT:
    case CLI_BIG:
        return cli_wrong(command, "--%s = \"%s\" is not a whole number from %.0f to %.0f", n, text,
                         o->low, o->high);
    case CLI_REAL:
    case CLI_DEGREE:
        return cli_wrong(command, "--%s = \"%s\" is not a number from %g to %g", n, text, o->low,
                         o->high);
    case CLI_CHOICE:
        return cli_wrong(command, "--%s = \"%s\" is none of %s", n, text, o->value);
    case CLI_LIST:
        return cli_wrong(command, "--%s is given more than %d times", n, CLI_MAX_LIST);
    default:
        return cli_wrong(command, "--%s is empty", n);
    }
}

// ---- Parsing -----------------------------------------------------------------------------------

static const struct cli_option *find_long(const struct cli_command *command, const char *name,
                                          size_t len) {
    for (size_t i = 0; i < command->n_options; i++)
        if (strlen(command->option[i].name) == len &&
            memcmp(command->option[i].name, name, len) == 0)
            return &command->option[i];
    return NULL;
}

static const struct cli_option *find_letter(const struct cli_command *command, char letter) {
    for (size_t i = 0; i < command->n_options; i++)
        if (letter != 0 && command->option[i].letter == letter)
            return &command->option[i];
    return NULL;
}

struct reading {
    const struct cli_command *command;
    int argc, next;
    char **argv;
    void *settings;
    struct cli_operands *operands;
    bool *given; // (n_options)
};

static int read_operand(struct reading *r, const char *text) {
    if (r->operands == NULL || r->operands->n == r->command->most)
        return cli_wrong(r->command, "\"%s\" is one argument too many", text);
    r->operands->item[r->operands->n++] = text;
    return CLI_GO;
}

// An option and its value, which stands behind '=' or in the next argument.
static int read_option(struct reading *r, const char *arg) {
    const char *equals = arg[1] == '-' ? strchr(arg, '=') : NULL;
    const struct cli_option *o;
    if (arg[1] == '-')
        o = find_long(r->command, arg + 2, equals ? (size_t)(equals - arg - 2) : strlen(arg + 2));
    else
        o = arg[2] == 0 ? find_letter(r->command, arg[1]) : NULL;
    if (o == NULL)
        return cli_wrong(r->command, "unknown option %s", arg);
    size_t place = (size_t)(o - r->command->option);
    if (r->given[place] && o->type != CLI_LIST)
        return cli_wrong(r->command, "--%s is given twice", o->name);
    r->given[place] = true;
    if (o->type == CLI_FLAG && equals != NULL)
        return cli_wrong(r->command, "--%s takes no value", o->name);
    const char *value = equals != NULL          ? equals + 1
                        : o->type == CLI_DEGREE ? "1"
                        : o->type == CLI_CHOSEN ? "auto"
                                                : NULL;
    if (o->type != CLI_FLAG && value == NULL) {
        if (r->next == r->argc)
            return cli_wrong(r->command, "%s needs a value: %s", arg, o->value);
        value = r->argv[r->next++];
    }
    return set(o, r->settings, value) ? CLI_GO : wrong_value(r->command, o, value);
}

static int read_all(struct reading *r) {
    bool only_operands = false;
    while (r->next < r->argc) {
        const char *arg = r->argv[r->next++];
        int code = CLI_GO;
        if (only_operands || arg[0] != '-' || arg[1] == 0)
            code = read_operand(r, arg);
        else if (strcmp(arg, "--") == 0)
            only_operands = true;
        else if (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0)
            return help(r->command);
        else
            code = read_option(r, arg);
        if (code != CLI_GO)
            return code;
    }
    return CLI_GO;
}

static int check_all(const struct reading *r) {
    for (size_t i = 0; i < r->command->n_options; i++) {
        const struct cli_option *o = &r->command->option[i];
        if (!r->given[i] && o->standard == CLI_MUST)
            return cli_wrong(r->command, "--%s %s must be given", o->name, o->value);
    }
    if (r->operands != NULL && r->operands->n < r->command->least)
        return cli_wrong(r->command, "an argument is missing: %s", r->command->usage);
    return CLI_GO;
}

static void set_defaults(const struct cli_command *command, void *settings) {
    for (size_t i = 0; i < command->n_options; i++) {
        const struct cli_option *o = &command->option[i];
        set_nothing(o, settings);
        if (o->standard != NULL && o->standard != CLI_MUST && !set(o, settings, o->standard))
            abort(); // the table's own mistake
    }
}

int cli_parse(const struct cli_command *command, int argc, char **argv, void *settings,
              struct cli_operands *operands) {
    bool given[64] = {false};
    if (command->n_options > sizeof given)
        abort();
    if (operands != NULL)
        operands->n = 0;
    set_defaults(command, settings);
    struct reading r = {command, argc, 1, argv, settings, operands, given};
    int code = read_all(&r);
    return code == CLI_GO ? check_all(&r) : code;
}

// ---- Telling -----------------------------------------------------------------------------------

static void append(char *text, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void append(char *text, size_t size, const char *format, ...) {
    size_t len = strlen(text);
    va_list args;
    va_start(args, format);
    vsnprintf(text + len, size - len, format, args);
    va_end(args);
}

static void tell_choice(const struct cli_option *o, uint32_t place, char *text, size_t size) {
    const char *w = o->value;
    for (uint32_t i = 0; i < place && w != NULL; i++)
        w = strchr(w, '|') != NULL ? strchr(w, '|') + 1 : NULL;
    if (w != NULL)
        append(text, size, " --%s %.*s", o->name, (int)strcspn(w, "|"), w);
}

static void tell_one(const struct cli_option *o, const void *settings, char *text, size_t size) {
    const void *at = field_const(settings, o);
    if (o->type == CLI_FLAG && *(const bool *)at)
        append(text, size, " --%s", o->name);
    if (o->type == CLI_COUNT && *(const uint32_t *)at != UINT32_MAX)
        append(text, size, " --%s %u", o->name, *(const uint32_t *)at);
    if (o->type == CLI_BIG && *(const uint64_t *)at != UINT64_MAX)
        append(text, size, " --%s %llu", o->name, (unsigned long long)*(const uint64_t *)at);
    if (o->type == CLI_REAL && !isnan(*(const double *)at))
        append(text, size, " --%s %.10g", o->name, *(const double *)at);
    if (o->type == CLI_DEGREE && !isnan(*(const double *)at))
        append(text, size, " --%s=%.10g", o->name, *(const double *)at);
    if (o->type == CLI_CHOSEN && *(const char *const *)at != NULL)
        append(text, size, " --%s=%s", o->name, *(const char *const *)at);
    if (o->type == CLI_TEXT && *(const char *const *)at != NULL)
        append(text, size, " --%s %s", o->name, *(const char *const *)at);
    if (o->type == CLI_CHOICE)
        tell_choice(o, *(const uint32_t *)at, text, size);
    const struct cli_list *list = at;
    for (uint32_t i = 0; o->type == CLI_LIST && i < list->n; i++)
        append(text, size, " --%s %s", o->name, list->item[i]);
}

static bool is_told(const struct cli_option *o) {
    return o->type != CLI_PATH && strcmp(o->name, "threads") != 0 && strcmp(o->name, "seed") != 0 &&
           strcmp(o->name, "json") != 0 && strcmp(o->name, "resume") != 0;
}

void cli_tell(const struct cli_command *command, const void *settings, char *text, size_t size) {
    text[0] = 0;
    for (size_t i = 0; i < command->n_options; i++)
        if (is_told(&command->option[i]))
            tell_one(&command->option[i], settings, text, size);
    if (text[0] != 0)
        memmove(text, text + 1, strlen(text));
}

// ---- Output ------------------------------------------------------------------------------------

static bool on_terminal(void) {
    const char *term = getenv("TERM");
    return isatty(STDERR_FILENO) && term != NULL && strcmp(term, "dumb") != 0;
}

void cli_progress(const char *format, ...) {
    if (!on_terminal())
        return;
    fputs("\r\033[K", stderr);
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fflush(stderr);
    line_open = true;
}

static void say(const char *lead, const char *format, va_list args) {
    if (line_open)
        fputs("\r\033[K", stderr);
    line_open = false;
    fputs(lead, stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
}

void cli_say(const char *format, ...) {
    va_list args;
    va_start(args, format);
    say("", format, args);
    va_end(args);
}

void cli_warn(const char *format, ...) {
    va_list args;
    va_start(args, format);
    say("tnm: warning: ", format, args);
    va_end(args);
}

json_t *cli_number(double x) {
    return isfinite(x) ? json_real(x) : json_null();
}

int cli_finish(void) {
    if (fflush(stdout) == 0 && !ferror(stdout))
        return CLI_OK;
    cli_say("tnm: cannot write to standard output");
    return CLI_FAILED;
}

int cli_print_json(json_t *document) {
    char *text =
        document != NULL ? json_dumps(document, JSON_INDENT(2) | JSON_REAL_PRECISION(9)) : NULL;
    json_decref(document);
    if (text == NULL) {
        cli_say("tnm: out of memory");
        return CLI_FAILED;
    }
    puts(text);
    free(text);
    return cli_finish();
}

// One write, so that the lines of programs that share a log do not mix.
static bool append_line(const char *path, const char *line, struct tnm_error *err) {
    int file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (file < 0)
        return tnm_fail_errno(err, errno, "cannot open %s", path);
    size_t len = strlen(line);
    ssize_t written = write(file, line, len);
    int why = written < 0 ? errno : EIO;
    bool ok = close(file) == 0 && written == (ssize_t)len;
    return ok || tnm_fail_errno(err, why, "cannot write %s", path);
}

bool cli_log(const char *path, json_t *document, struct tnm_error *err) {
    char *text =
        document != NULL ? json_dumps(document, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
    json_decref(document);
    if (path == NULL) {
        free(text);
        return true;
    }
    if (text == NULL)
        return tnm_fail(err, TNM_ENOMEM, "out of memory");
    char *line = NULL;
    bool ok = asprintf(&line, "%s\n", text) >= 0 ? append_line(path, line, err)
                                                 : tnm_fail(err, TNM_ENOMEM, "out of memory");
    free(line);
    free(text);
    return ok;
}

double cli_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

uint32_t cli_threads(uint32_t wanted) {
    if (wanted != 0)
        return wanted;
    cpu_set_t mine;
    if (sched_getaffinity(0, sizeof mine, &mine) != 0)
        return 1;
    return (uint32_t)CPU_COUNT(&mine);
}
