/* SPDX-License-Identifier: MIT */
// The command line of the forge: one table of options per command is parser, defaults, ranges and
// --help. Exit codes: 0 success; 1 failure; 2 wrong usage. Failures are one line "tnm: ..." on
// stderr; results go to stdout; progress goes to stderr.
//
//     struct settings { uint32_t epochs; double lr; bool augment; const char *output; };
//     #define AT(field) offsetof(struct settings, field)
//     static const struct cli_option options[] = {
//         {"output", 'o', CLI_PATH, AT(output), "FILE", CLI_MUST, 0, 0, "where to write"},
//         {"epochs", 0, CLI_COUNT, AT(epochs), "N", "40", 1, 100000, "passes over the data"},
//         {"lr", 0, CLI_REAL, AT(lr), "X", "2e-3", 0, 10, "learning rate"},
//         {"augment", 0, CLI_FLAG, AT(augment), NULL, NULL, 0, 0, "vary the pictures"},
//     };
//     static const struct cli_command command = {
//         "train", "--arch A --data DIR -o M.tnm", "trains a network",
//         options, sizeof options / sizeof *options, 0, 0};
//
//     int cmd_train(int argc, char **argv) {
//         struct settings s;
//         int code = cli_parse(&command, argc, argv, &s, NULL);
//         if (code != CLI_GO)
//             return code;
//         ...
//         return cli_fail(&err);
#ifndef CLI_H
#define CLI_H

#include "core/tnm.h"

struct json_t; // jansson

enum {
    CLI_GO = -1, // cli_parse: go on
    CLI_OK = 0,
    CLI_FAILED = 1,
    CLI_WRONG = 2, // usage

    CLI_MAX_LIST = 64,
    CLI_MAX_OPERANDS = 4096
};

enum cli_type {
    CLI_FLAG,   // bool; takes no value
    CLI_COUNT,  // uint32_t within low..high; not given and no default: UINT32_MAX
    CLI_BIG,    // uint64_t within low..high; not given and no default: UINT64_MAX
    CLI_REAL,   // double within low..high; not given and no default: NaN
    CLI_DEGREE, // the same, but --name alone is 1, and a number must follow after '='
    CLI_TEXT,   // const char *; not given and no default: NULL
    CLI_CHOSEN, // the same, but --name alone is "auto", and a text must follow after '='
    CLI_PATH,   // the same, naming a file of this run: cli_tell leaves it out
    CLI_CHOICE, // uint32_t: the place of the word among those of value, "linear|density|random"
    CLI_LIST,   // struct cli_list: may be given more than once
};

struct cli_list {
    uint32_t n;
    const char *item[CLI_MAX_LIST];
};

// As default: the option must be given.
extern const char CLI_MUST[];

struct cli_option {
    const char *name;     // "epochs": --epochs N or --epochs=N
    char letter;          // 'o': also -o FILE; 0: none
    enum cli_type type;   //
    size_t at;            // offset of the field in the command's settings
    const char *value;    // what help calls the value: "N"; the words of a choice
    const char *standard; // the default as one would type it, CLI_MUST, or NULL: none
    double low, high;     // of numbers, both included
    const char *help;
};

// Rows that many commands have. FIELD is the offset of a uint32_t, uint64_t, bool, const char *.
#define CLI_THREADS(FIELD)                                                                         \
    { "threads", 0, CLI_COUNT, FIELD, "N", "0", 0, 256, "threads; 0: one for each core" }
#define CLI_SEED(FIELD)                                                                            \
    { "seed", 0, CLI_BIG, FIELD, "N", "1", 0, 1e15, "the same seed repeats a run bit for bit" }
#define CLI_JSON(FIELD)                                                                            \
    { "json", 0, CLI_FLAG, FIELD, NULL, NULL, 0, 0, "print one JSON document" }
#define CLI_LOG(FIELD)                                                                             \
    { "log", 0, CLI_PATH, FIELD, "FILE", NULL, 0, 0, "append one JSON line for each finished step" }
#define CLI_OUTPUT(FIELD)                                                                          \
    { "output", 'o', CLI_PATH, FIELD, "FILE", CLI_MUST, 0, 0, "the .tnm file to write" }
#define CLI_DATA(FIELD, MUST)                                                                      \
    {                                                                                              \
        "data", 0, CLI_PATH, FIELD, "DIR", MUST, 0, 0,                                             \
            "idx files, or a folder of pictures per class"                                         \
    }

struct cli_command {
    const char *name;    // "train"
    const char *usage;   // what follows the name: "--arch A --data DIR -o M.tnm"
    const char *purpose; // one line; more, after a newline, for --help
    const struct cli_option *option;
    size_t n_options;
    uint32_t least, most; // operands: what is no option
};

struct cli_operands {
    uint32_t n;
    const char *item[CLI_MAX_OPERANDS];
};

// Sets defaults, then reads argv[1..]. operands may be NULL where there are none. CLI_GO, or the
// exit code: CLI_OK after --help, CLI_WRONG after a line on stderr. Pointers lead into argv and
// the table.
int cli_parse(const struct cli_command *command, int argc, char **argv, void *settings,
              struct cli_operands *operands) TNM_MUST_CHECK;

// Prints "tnm: NAME: text (tnm NAME --help)" on stderr; CLI_WRONG.
int cli_wrong(const struct cli_command *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

// Prints "tnm: text" on stderr; CLI_FAILED.
int cli_fail(const struct tnm_error *err);

// The settings in effect, defaults too, as one would type them, for the provenance of a file.
// Without paths, and without --threads, --seed, --json and --resume, which say how and not what.
// Cut at size.
void cli_tell(const struct cli_command *command, const void *settings, char *text, size_t size);

// ---- Output ------------------------------------------------------------------------------------

// A line that is written over by the next, on a terminal; nothing elsewhere.
void cli_progress(const char *format, ...) __attribute__((format(printf, 1, 2)));

// A line on stderr that stays.
void cli_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

// The same, with "tnm: warning: " in front.
void cli_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

// A JSON number, or null where there is none: JSON knows no NaN.
struct json_t *cli_number(double x);

// Prints a document on stdout and frees it; the exit code. NULL counts as out of memory.
int cli_print_json(struct json_t *document);

// Appends a document as one line to a file, with one write, and frees it; path may be NULL.
bool cli_log(const char *path, struct json_t *document, struct tnm_error *err) TNM_MUST_CHECK;

// Flushes stdout; the exit code: CLI_FAILED where not all could be written.
int cli_finish(void);

// Seconds of a steady clock.
double cli_seconds(void);

// The number of threads meant by --threads: itself, or one for each core this process may use.
uint32_t cli_threads(uint32_t wanted);

#endif
