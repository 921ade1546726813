/* SPDX-License-Identifier: MIT */
// The table of settings, and values as text.
#include "daemon/options.h"

#include "daemon/listen.h"
#include "daemon/log.h"
#include "daemon/origin.h"
#include "daemon/settings.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- The table ---------------------------------------------------------------------------------

#define FIELD(name) offsetof(struct options, name), sizeof((struct options *)NULL)->name

enum { MIB = 1 << 20, NO_MORE_THAN = 1 << 30 };

const struct setting settings[] = {
    {"http", "listen", ADDRESS, FIELD(listen), "127.0.0.1:8080", 1, 127, "ADDR:PORT",
     "Where to listen: an IPv4 address, an IPv6 address in brackets, or localhost. Port 0\n"
     "picks a free one. Not looked at where systemd passes the socket (tnmd.socket)."},
    {"http", "token-file", TEXT, FIELD(token_file), "", 0, 4095, "FILE",
     "File with tokens, one a line: admin:TOKEN, which calls that change something must\n"
     "bring; infer:TOKEN, which all but health and metrics must bring, if there is one.\n"
     "Empty: the credential tnmd.token if systemd has one; else no token is needed."},
    {"http", "tls-cert", TEXT, FIELD(tls_cert), "", 0, 4095, "FILE",
     "File with the certificate (PEM), and those of its issuers, to speak HTTPS. Empty: the\n"
     "credential tnmd.cert if systemd has one; else plain HTTP."},
    {"http", "tls-key", TEXT, FIELD(tls_key), "", 0, 4095, "FILE",
     "File with the certificate's private key (PEM). Empty: the credential tnmd.key."},
    {"http", "threads", UNSIGNED, FIELD(threads), "0", 0, 16, "N",
     "Threads that answer requests. 0: one a processor, 2 to 4."},
    {"http", "queue", UNSIGNED, FIELD(queue), "64", 1, 65536, "N",
     "Requests in work at once; more get 503."},
    {"http", "connections", UNSIGNED, FIELD(connections), "256", 4, 65536, "N",
     "Connections open at once."},
    {"http", "connections-per-client", UNSIGNED, FIELD(connections_per_client), "64", 1, 65536, "N",
     "Connections open at once from one address."},
    {"http", "queue-per-client", UNSIGNED, FIELD(queue_per_client), "48", 1, 65536, "N",
     "Requests in work at once from one address, so that it cannot fill the queue; more get\n"
     "429. Behind a proxy all requests come from one address: set it as high as queue."},
    {"http", "requests-per-client", UNSIGNED, FIELD(requests_per_client), "0", 0, 1000000, "N",
     "Requests a second from one address, after as many at once; more get 429. 0: no limit."},
    {"http", "allowed-hosts", TEXT, FIELD(allowed_hosts), "", 0, 1023, "NAMES",
     "Names under which the daemon may be asked to change something, beside its addresses,\n"
     "localhost, and the machine's own name, also with .local. * allows any."},
    {"http", "cors-origins", ORIGINS, FIELD(cors_origins), "", 0, 1023, "ORIGINS",
     "Web pages of other sites that may ask models (https://name, without a path). None of\n"
     "them may change something. * allows any."},
    {"http", "max-body", SIZE, FIELD(max_body), "8M", 1, NO_MORE_THAN, "BYTES",
     "Longest body of a request."},
    {"http", "max-pixels", LONG, FIELD(max_pixels), "50000000", 1, NO_MORE_THAN, "N",
     "Most pixels of a picture."},
    {"http", "decode-memory", SIZE, FIELD(decode_memory), "128M", MIB, 4ULL * NO_MORE_THAN, "BYTES",
     "Memory for decoding pictures, shared by all requests. A progressive JPEG takes about\n"
     "3.3 bytes a pixel."},
    {"http", "max-batch", UNSIGNED, FIELD(max_batch), "1024", 1, 65536, "N",
     "Most inputs of one request of the Open Inference Protocol."},
    {"http", "header-timeout", UNSIGNED, FIELD(header_timeout_s), "5", 1, 3600, "SECONDS",
     "Time a client has to send the header of a request."},
    {"http", "body-timeout", UNSIGNED, FIELD(body_timeout_s), "30", 1, 3600, "SECONDS",
     "Time a client has to send the body of a request."},
    {"http", "idle-timeout", UNSIGNED, FIELD(idle_timeout_s), "15", 1, 3600, "SECONDS",
     "Time a connection may stay open without a request."},
    {"http", "drain-timeout", UNSIGNED, FIELD(drain_timeout_s), "8", 0, 3600, "SECONDS",
     "Time that requests in work have to finish when the daemon is told to stop."},
    {"models", "models", TEXT, FIELD(models), "/usr/local/share/tnm/models", 1, 4000, "DIR",
     "Folder of the models: NAME.tnm is the model NAME. It is watched: put a file there,\n"
     "replace or remove it, and the daemon follows."},
    {"models", "state", TEXT, FIELD(state), "", 0, 3990, "DIR",
     "Folder where the daemon remembers which model is active. Empty: systemd's\n"
     "StateDirectory, or nothing is remembered."},
    {"models", "uploads", TEXT, FIELD(uploads), "", 0, 4000, "DIR",
     "Folder of the models that come over HTTP. They go before those of the same name in\n"
     "models. Empty: the folder models in the state folder, if there is one; else the same\n"
     "folder as models."},
    {"models", "active", TEXT, FIELD(active), "", 0, 63, "NAME",
     "Model in service at the start. Empty: the one that was last, else mnist-mlp-5bit,\n"
     "else the first by name."},
    {"models", "max-models", UNSIGNED, FIELD(max_models), "32", 1, 1024, "N",
     "Models loaded at once."},
    {"models", "max-model", SIZE, FIELD(max_model), "256M", 1, 16ULL * NO_MORE_THAN, "BYTES",
     "Longest model file."},
    {"models", "max-model-memory", SIZE, FIELD(max_model_memory), "512M", 1, 64ULL * NO_MORE_THAN,
     "BYTES", "Memory of one open model."},
    {"models", "max-memory", SIZE, FIELD(max_memory), "1G", 1, 64ULL * NO_MORE_THAN, "BYTES",
     "Memory of all open models together."},
    {"models", "cascade", NAMES, FIELD(cascade), "", 0, 1023, "NAME,NAME...",
     "Models, the smallest first, that answer under the name cascade: the next is asked only\n"
     "where one is not sure."},
    {"models", "cascade-margin", SHARE, FIELD(cascade_margin), "0.99", 0, 1, "0..1",
     "How far the most probable class must be before the second for an answer to stand."},
    {"models", "degrade", NAME, FIELD(degrade), "", 0, 63, "NAME",
     "Model that answers in place of the active one while there is too much to do."},
    {"models", "degrade-at", SHARE, FIELD(degrade_at), "0.75", 0, 1, "0..1",
     "And that is: while more requests are in work than this share of the queue."},
    {"observe", "shadow", TEXT, FIELD(shadow), "", 0, 1023, "NAME,NAME...",
     "Models that run, unseen by any client, on the inputs that others have answered; how\n"
     "often they agree is in GET /shadow. PUT /shadow changes it."},
    {"observe", "shadow-sample", SHARE, FIELD(shadow_sample), "1", 0, 1, "0..1",
     "On which share of the inputs."},
    {"observe", "replay", UNSIGNED, FIELD(replay), "0", 0, 1000000, "N",
     "Inputs kept in memory, with the answers given, for POST /replay. 0: none."},
    {"observe", "feedback", UNSIGNED, FIELD(feedback), "1000", 0, 1000000, "N",
     "Answers remembered by the ids of their requests, without inputs, for POST /feedback."},
    {"log", "log-level", LEVEL, FIELD(log_level), "info", 0, 0, "LEVEL",
     "What is logged: error, warn, info (changes of state), debug (each request)."},
    {.key = NULL},
};
_Static_assert(sizeof settings / sizeof *settings - 1 <= MAX_SETTINGS, "each may be seen");

static const char *const level_name[] = {"error", "warn", "info", "debug"};

// ---- Values ------------------------------------------------------------------------------------

static bool parse_number(const char *text, uint64_t *value) {
    char *end;
    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    *value = strtoull(text, &end, 10);
    unsigned shift = *end == 'K' ? 10 : *end == 'M' ? 20 : *end == 'G' ? 30 : 0;
    if (errno != 0 || *value > UINT64_MAX >> shift)
        return false;
    *value <<= shift;
    return end[shift != 0] == '\0';
}

static void store_number(struct options *o, const struct setting *s, uint64_t value) {
    char *field = (char *)o + s->at;
    if (s->bytes == sizeof(unsigned))
        memcpy(field, &(unsigned){(unsigned)value}, sizeof(unsigned));
    else
        memcpy(field, &value, sizeof value);
}

static uint64_t load_number(const struct options *o, const struct setting *s) {
    const char *field = (const char *)o + s->at;
    unsigned small = 0;
    uint64_t value = 0;
    if (s->bytes == sizeof small) {
        memcpy(&small, field, sizeof small);
        return small;
    }
    memcpy(&value, field, sizeof value);
    return value;
}

static bool set_number(struct options *o, const struct setting *s, const char *text,
                       struct tnm_error *err) {
    uint64_t value = 0;
    uint64_t most = s->bytes < sizeof value && s->most > UINT32_MAX ? UINT32_MAX : s->most;
    if (!parse_number(text, &value) || value < s->least || value > most)
        return tnm_fail(err, TNM_EINPUT,
                        "%s = \"%s\" is not a whole number from %" PRIu64 " to %" PRIu64, s->key,
                        text, s->least, most);
    store_number(o, s, value);
    return true;
}

// A part of a whole, 0 to 1.
static bool set_share(struct options *o, const struct setting *s, const char *text,
                      struct tnm_error *err) {
    char *end;
    double value = strtod(text, &end);
    bool is_plain = *text != '\0' && strspn(text, "0123456789.") == strlen(text);
    if (!is_plain || *end != '\0' || value > 1)
        return tnm_fail(err, TNM_EINPUT, "%s = \"%s\" is not a number from 0 to 1", s->key, text);
    memcpy((char *)o + s->at, &value, sizeof value);
    return true;
}

static bool set_level(struct options *o, const struct setting *s, const char *text,
                      struct tnm_error *err) {
    for (unsigned i = 0; i < sizeof level_name / sizeof *level_name; i++)
        if (strcmp(text, level_name[i]) == 0) {
            store_number(o, s, i);
            return true;
        }
    return tnm_fail(err, TNM_EINPUT, "%s = \"%s\" is not one of error, warn, info, debug", s->key,
                    text);
}

static bool set_text(struct options *o, const struct setting *s, const char *text,
                     struct tnm_error *err) {
    size_t len = strlen(text);
    if (len < s->least)
        return tnm_fail(err, TNM_EINPUT, "%s is empty", s->key);
    if (len > s->most)
        return tnm_fail(err, TNM_EINPUT, "%s is %zu bytes long, not at most %" PRIu64, s->key, len,
                        s->most);
    memcpy((char *)o + s->at, text, len + 1);
    return true;
}

// The name of a model, or of several with commas between; or nothing.
static bool check_names(const struct setting *s, const char *text, struct tnm_error *err) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    const char *at = text;
    size_t len = strspn(at, letters);
    while (s->kind == NAMES && at[len] == ',' && len > 0 && len <= 63 && *at != '.') {
        at += len + 1;
        len = strspn(at, letters);
    }
    if (*text == '\0' || (len > 0 && len <= 63 && *at != '.' && at[len] == '\0'))
        return true;
    return tnm_fail(err, TNM_EINPUT, "%s = \"%s\": \"%s\" is not the name of a model", s->key, text,
                    at);
}

bool setting_set(struct options *o, const struct setting *s, const char *text,
                 struct tnm_error *err) {
    switch (s->kind) {
    case ADDRESS:
        if (!listen_check(text, err))
            return tnm_fail_in(err, "%s", s->key);
        return set_text(o, s, text, err);
    case ORIGINS:
        if (!origin_check_list(text, err))
            return tnm_fail_in(err, "%s", s->key);
        return set_text(o, s, text, err);
    case NAME:
    case NAMES:
        return check_names(s, text, err) && set_text(o, s, text, err);
    case SHARE:
        return set_share(o, s, text, err);
    case TEXT:
        return set_text(o, s, text, err);
    case LEVEL:
        return set_level(o, s, text, err);
    default:
        return set_number(o, s, text, err);
    }
}

void setting_print(const struct options *o, const struct setting *s) {
    if (s->kind == TEXT || s->kind == NAME || s->kind == NAMES || s->kind == ADDRESS ||
        s->kind == ORIGINS) {
        const char *text = (const char *)o + s->at;
        printf("%s%s", *text != '\0' ? " " : "", text);
    } else if (s->kind == LEVEL) {
        printf(" %s", level_name[o->log_level]);
    } else if (s->kind == SHARE) {
        double value;
        memcpy(&value, (const char *)o + s->at, sizeof value);
        printf(" %g", value);
    } else {
        uint64_t value = load_number(o, s);
        int unit = 0;
        for (; s->kind == SIZE && unit < 3 && value != 0 && value % 1024 == 0; unit++)
            value /= 1024;
        printf(" %" PRIu64 "%.*s", value, unit > 0, &" KMG"[unit]);
    }
}
