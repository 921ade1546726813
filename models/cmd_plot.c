/* SPDX-License-Identifier: MIT */
// tnm plot: models side by side, as a page or as a picture.
#include "models/commands.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/save.h"
#include "models/cli.h"
#include "models/gallery.h"
#include "models/page.h"
#include "models/plots.h"

struct settings {
    const char *output, *data, *records;
    uint32_t threads;
    bool no_time;
};

#define AT(field) offsetof(struct settings, field)

static const struct cli_option options[] = {
    {"output", 'o', CLI_PATH, AT(output), "FILE", CLI_MUST, 0, 0,
     "the page to write, or with a name in .svg the chart"},
    {"records", 0, CLI_PATH, AT(records), "FILE", NULL, 0, 0,
     "draw published results beside: bytes, %, network, name, source; tabs between"},
    {"no-time", 0, CLI_FLAG, AT(no_time), NULL, NULL, 0, 0,
     "time nothing: the page is then the same every time"},
    CLI_DATA(AT(data), NULL),
    CLI_THREADS(AT(threads)),
};

static const struct cli_command command = {
    "plot",
    "M.tnm... -o FILE.html|FILE.svg",
    "Writes a page that shows the models side by side: accuracy against bytes and\n"
    "against time, a table, and layer by layer which weights are left and which values\n"
    "they have. It needs nothing from elsewhere. FILE.svg gets accuracy against bytes\n"
    "alone.\n\n"
    "Accuracy is what each file says; with --data it is measured. Time is measured as by\n"
    "tnm bench, one input at a time on one thread: on the test images of --data, or else\n"
    "on made inputs, the same for all models of a size.",
    options,
    sizeof options / sizeof *options,
    1,
    CLI_MAX_OPERANDS};

static bool ends_in(const char *text, const char *end) {
    size_t len = strlen(text), tail = strlen(end);
    return len > tail && strcmp(text + len - tail, end) == 0;
}

// Into memory first, so that what fails leaves no file.
static bool write_output(const struct settings *s, const struct gallery *g, bool is_page,
                         struct tnm_error *err) {
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    if (out == NULL)
        return tnm_fail_errno(err, errno, "page");
    bool ok = is_page ? page_write(out, g, err) : plots_document(out, g, err);
    bool complete = !ferror(out);
    complete = fclose(out) == 0 && complete;
    if (ok && !complete)
        ok = tnm_fail_errno(err, ENOMEM, "page");
    ok = ok && tnm_write_file(s->output, text, len, err);
    if (ok)
        cli_say("%s: %zu bytes, %u models", s->output, len, g->n);
    free(text);
    return ok;
}

int cmd_plot(int argc, char **argv) {
    struct settings s;
    struct cli_operands files;
    struct tnm_error err;
    struct gallery gallery;
    int code = cli_parse(&command, argc, argv, &s, &files);
    if (code != CLI_GO)
        return code;
    bool is_page = ends_in(s.output, ".html") || ends_in(s.output, ".htm");
    if (!is_page && !ends_in(s.output, ".svg"))
        return cli_wrong(&command, "output \"%.200s\" ends in neither .html nor .svg", s.output);
    const struct gallery_options o = {
        .data = s.data, .records = s.records, .timed = is_page && !s.no_time, .threads = s.threads};
    if (!gallery_open(&gallery, files.item, files.n, &o, &err))
        return cli_fail(&err);
    bool ok = write_output(&s, &gallery, is_page, &err);
    gallery_close(&gallery);
    return ok ? cli_finish() : cli_fail(&err);
}
