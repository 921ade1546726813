/* SPDX-License-Identifier: MIT */
// Lines of metrics.
#include "daemon/exposition.h"

#include <math.h>
#include <stdio.h>

enum { NUMBER_BYTES = 32 };

// As short as can be without loss of what a double of ours means.
static const char *number(double value, char text[NUMBER_BYTES]) {
    if (isfinite(value))
        snprintf(text, NUMBER_BYTES, "%.12g", value);
    else
        snprintf(text, NUMBER_BYTES, "%s", isnan(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf");
    return text;
}

void exposition_family(struct json_out *out, const char *name, const char *type, const char *help) {
    const char *const words[] = {"# HELP ", name, " ", help, "\n# TYPE ", name, " ", type, "\n"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        json_out_text(out, words[i]);
}

static void write_label(struct json_out *out, bool first, const char *name, const char *value) {
    json_out_text(out, first ? "{" : ",");
    json_out_text(out, name);
    json_out_text(out, "=\"");
    for (; *value != 0; value++) {
        if (*value == '\\' || *value == '"')
            json_out_raw(out, "\\", 1);
        if (*value == '\n')
            json_out_raw(out, "\\n", 2);
        else
            json_out_raw(out, value, 1);
    }
    json_out_raw(out, "\"", 1);
}

// name and suffix, the labels, and one more if bound is not NULL.
static void write_series(struct json_out *out, const char *name, const char *suffix,
                         const struct label *labels, const char *bound) {
    bool first = true;
    json_out_text(out, name);
    json_out_text(out, suffix);
    for (; labels != NULL && labels->name != NULL; labels++, first = false)
        write_label(out, first, labels->name, labels->value);
    if (bound != NULL)
        write_label(out, first, "le", bound);
    json_out_text(out, first && bound == NULL ? " " : "} ");
}

void exposition_count(struct json_out *out, const char *name, const struct label *labels,
                      uint64_t value) {
    write_series(out, name, "", labels, NULL);
    json_out_uint(out, value);
    json_out_raw(out, "\n", 1);
}

void exposition_value(struct json_out *out, const char *name, const struct label *labels,
                      double value) {
    char text[NUMBER_BYTES];
    write_series(out, name, "", labels, NULL);
    json_out_text(out, number(value, text));
    json_out_raw(out, "\n", 1);
}

void exposition_histogram(struct json_out *out, const char *name, const struct label *labels,
                          const struct stats_histogram *histogram) {
    char text[NUMBER_BYTES];
    uint64_t below = 0;
    for (unsigned i = 0; i < histogram->n_buckets; i++) {
        bool last = i == histogram->n_buckets - 1;
        below += histogram->bucket[i];
        write_series(out, name, "_bucket", labels,
                     number(last ? INFINITY : (double)histogram->bound_ns[i] / 1e9, text));
        json_out_uint(out, below);
        json_out_raw(out, "\n", 1);
    }
    write_series(out, name, "_sum", labels, NULL);
    json_out_text(out, number(histogram->sum, text));
    json_out_raw(out, "\n", 1);
    write_series(out, name, "_count", labels, NULL);
    json_out_uint(out, histogram->count);
    json_out_raw(out, "\n", 1);
}
