/* SPDX-License-Identifier: MIT */
// The settings of the daemon, as one table: each row is parser, default, range, help, option on the
// command line and line of the shipped conf file.
//
// A key is unique in the whole file; its section only groups, and may be left out. KEY is also the
// option --KEY (or --SECTION-KEY). Sizes and counts take K, M or G for 2^10, 2^20, 2^30.
#ifndef OPTIONS_H
#define OPTIONS_H

#include "core/error.h"

struct options {
    char listen[128];   // --listen ADDR:PORT; port 0 picks one
    char models[4096];  // --models DIR
    char state[4096];   // --state DIR: where the daemon keeps what it must remember; may be empty
    char uploads[4096]; // --uploads DIR: see shelf.h
    char active[64];    // --active NAME: the model in service at start; empty: see shelf.h
    char token_file[4096]; // --token-file F; empty: no token needed
    char tls_cert[4096];   // --tls-cert F, with --tls-key F; empty: plain HTTP
    char tls_key[4096];
    unsigned threads;     // --threads N, 0: one a core, 2 to 4
    size_t max_body;      // --max-body BYTES
    uint64_t max_pixels;  // --max-pixels N
    size_t decode_memory; // --decode-memory BYTES, shared by all requests
    unsigned max_batch;   // --max-batch N: inputs in one request
    unsigned queue;       // --queue N: requests in work at once before 503
    unsigned connections; // --connections N
    unsigned connections_per_client;
    unsigned queue_per_client;
    unsigned requests_per_client; // a second; 0: no limit
    char allowed_hosts[1024];     // see origin.h
    char cors_origins[1024];
    unsigned header_timeout_s, body_timeout_s, idle_timeout_s, drain_timeout_s;
    size_t max_model;        // --max-model BYTES, of a file
    size_t max_model_memory; // of one open model
    size_t max_memory;       // of all open models together
    unsigned max_models;     // loaded at once
    char cascade[1024];      // --cascade NAME,NAME...; see cascade.h
    double cascade_margin;   // 0..1
    char degrade[64];        // --degrade NAME
    double degrade_at;       // 0..1, of the queue
    char shadow[1024];       // --shadow NAME,NAME: models that run beside the answering one
    double shadow_sample;    // --shadow-sample: on which share of the inputs
    unsigned replay;         // --replay N: inputs kept in memory; 0: none
    unsigned feedback;       // --feedback N: answers remembered by request id; 0: none
    unsigned log_level;      // --log-level error|warn|info|debug
};

enum options_result {
    OPTIONS_RUN,  // go on
    OPTIONS_DONE, // --help, --version, --print-config, --check-config: printed on stdout; exit 0
    OPTIONS_WRONG // err says what: exit 2
};

// Defaults, then the file of --config (or none), then the command line, then what systemd offers
// for settings that are still empty: $STATE_DIRECTORY for state; the credentials "tnmd.token" for
// token_file, and "tnmd.cert" and "tnmd.key" for tls_cert and tls_key, if they are there.
// TNM_EINPUT names file and line, or the option.
enum options_result options_read(struct options *o, int argc, char **argv, struct tnm_error *err);

#endif
