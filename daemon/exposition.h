/* SPDX-License-Identifier: MIT */
// The text form in which Prometheus reads metrics:
// https://prometheus.io/docs/instrumenting/exposition_formats/ (version 0.0.4).
#ifndef EXPOSITION_H
#define EXPOSITION_H

#include "daemon/json_out.h"
#include "daemon/stats.h"

#define EXPOSITION_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct label {
    const char *name, *value; // value: any UTF-8
};

// labels end with an empty one; NULL stands for none.
#define LABELS(...)                                                                                \
    (const struct label[]) {                                                                       \
        __VA_ARGS__, {                                                                             \
            0                                                                                      \
        }                                                                                          \
    }

// Begins a family: its samples, and no others, come next. type: "counter", "gauge", "histogram".
void exposition_family(struct json_out *out, const char *name, const char *type, const char *help);

void exposition_count(struct json_out *out, const char *name, const struct label *labels,
                      uint64_t value);
void exposition_value(struct json_out *out, const char *name, const struct label *labels,
                      double value);
// _bucket, _sum and _count, in seconds.
void exposition_histogram(struct json_out *out, const char *name, const struct label *labels,
                          const struct stats_histogram *histogram);

#endif
